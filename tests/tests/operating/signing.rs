//! The log's key is with somebody else: `candor-signer`, with a file or a token.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use candor_core::merkle::{LeafIndex, TreeHead};
use candor_core::note::{Checkpoint, LogKey, WebhookContent};
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, LoadPlan, Seen};
use candor_tests::receiver::Receiver;
use candor_tests::{ORIGIN, TestLog, TestPublisher, program};
use tempfile::TempDir;

/// Where Debian has the library of `SoftHSM`.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

const PIN: &str = "4321";

/// A signer with a folder of its own.
struct TestSigner {
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl TestSigner {
    /// With a key in a file.
    fn with_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem").display().to_string();
        let made = Command::new(program("candor-signer"))
            .args(["keygen", "--key", &key])
            .status();
        assert!(made.expect("candor-signer runs").success());
        Self::of(folder, &["--key", &key])
    }

    /// With a key that never leaves its token.
    fn with_token() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        fs::create_dir(&tokens).expect("a folder");
        let config = format!("directories.tokendir = {}\n", tokens.display());
        fs::write(folder.path().join("softhsm2.conf"), config).expect("it is written");
        let pin = folder.path().join("pin");
        fs::write(&pin, format!("{PIN}\n")).expect("it is written");
        fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).expect("its mode is set");
        let pin = pin.display().to_string();
        let pkcs11 = [
            "--pkcs11-module",
            SOFTHSM,
            "--token",
            "candor",
            "--key-label",
            "log-key",
        ];
        let signer = Self::of(folder, &[&pkcs11[..], &["--pin-file", &pin]].concat());
        let made = signer
            .command("softhsm2-util")
            .args(["--init-token", "--free", "--label", "candor"])
            .args(["--so-pin", "87654321", "--pin", PIN])
            .output();
        assert!(made.expect("SoftHSM runs").status.success());
        let made = signer
            .command("pkcs11-tool")
            .args([
                "--module",
                SOFTHSM,
                "--token-label",
                "candor",
                "--login",
                "--pin",
                PIN,
            ])
            .args([
                "--keypairgen",
                "--key-type",
                "EC:edwards25519",
                "--label",
                "log-key",
            ])
            .output();
        assert!(made.expect("OpenSC runs").status.success());
        signer
    }

    fn of(folder: TempDir, arguments: &[&str]) -> Self {
        let arguments = [&["--origin", ORIGIN], arguments].concat();
        Self {
            folder,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            process: None,
        }
    }

    /// A program that finds the token.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"));
        command
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("newest")
    }

    fn serve(&self, more: &[&str]) -> Command {
        let mut command = self.command(program("candor-signer"));
        command
            .arg("serve")
            .args(&self.arguments)
            .arg("--socket")
            .arg(self.socket())
            .arg("--state")
            .arg(self.state())
            .args(more);
        command
    }

    fn start(&mut self, more: &[&str]) {
        let mut process = self
            .serve(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("candor-signer runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says something");
        assert!(line.starts_with("signing for "), "{line}");
        self.process = Some(process);
    }

    fn refusal(&self, more: &[&str]) -> String {
        let output = self.serve(more).output().expect("candor-signer runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("SIGKILL is sent");
        process.wait().expect("it ends");
    }

    fn flags(&self) -> [String; 2] {
        ["--signer".to_owned(), self.socket().display().to_string()]
    }

    /// Makes a log whose key this signer has, and starts it.
    fn start_log(&self, data: &Path) -> TestLog {
        let made = Command::new(program("candor-server"))
            .args(["init", "--origin", ORIGIN, "--data"])
            .arg(data)
            .args(self.flags())
            .output()
            .expect("candor-server runs");
        assert!(made.status.success(), "{made:?}");
        let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let key: LogKey = key.parse().expect("it prints the key");
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        TestLog::start_at_with(data, key, &flags)
    }
}

impl Drop for TestSigner {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn load(log: &TestLog, name: &str, records: u64) -> Seen {
    let plan = LoadPlan {
        name: name.to_owned(),
        writers: 4,
        watchers: 1,
        records_per_request: 1..=16,
        records_max: records,
        seed: 3,
    };
    Load::start(log, plan).finish()
}

/// All that a log does, without its key.
fn run_a_log(mut signer: TestSigner) {
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("log");
    signer.start(&["--new-log"]);
    let mut log = signer.start_log(&data);
    assert!(!data.join("log-key.pem").exists(), "the key is elsewhere");
    Load::register_publishers(&log);
    let mut history = History::new(log.key().clone());
    history.absorb(&load(&log, "before", 200));
    history.check(&LogReader::new(&log));
    // It is started again, and the server finds it.
    signer.kill();
    signer.start(&[]);
    history.absorb(&load(&log, "between", 200));
    assert!(log.stop().success());
    log.restart();
    history.absorb(&load(&log, "after", 100));
    history.check(&LogReader::new(&log));
    replay(&LogReader::new(&log));
}

#[test]
fn a_log_runs_with_a_key_in_another_process() {
    run_a_log(TestSigner::with_file());
}

#[test]
fn a_log_runs_with_a_key_in_a_token() {
    run_a_log(TestSigner::with_token());
}

/// Webhooks are told in the log's name by a server that does not have its key.
fn tell_a_webhook(mut signer: TestSigner) {
    let parent = tempfile::tempdir().expect("a folder");
    signer.start(&["--new-log"]);
    let mut log = signer.start_log(&parent.path().join("log"));
    let lab = TestPublisher::new("first-lab");
    log.publish(&[lab.register()]).expect_status(201);
    assert!(log.stop().success());
    let receiver = Receiver::start();
    let settings = parent.path().join("candor.toml");
    let webhook = format!(
        "[[webhook]]\nname = \"hook\"\nurl = \"{}\"\nfrom = 0\n",
        receiver.url("/")
    );
    fs::write(&settings, webhook).expect("it is written");
    let settings = settings.display().to_string();
    let flags = signer.flags();
    log.set_flags(&["--config", &settings, &flags[0], &flags[1]]);
    // Nobody signs, so nothing is told, and that is not the receiver's fault.
    signer.kill();
    log.restart();
    let begun = Instant::now();
    while !log.log_lines().contains("a webhook waits for the log") {
        assert!(begun.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(50));
    }
    assert!(receiver.messages().is_empty());
    signer.start(&[]);
    log.publish(&[lab.api_version("tiny", "1", "")])
        .expect_status(201);
    let messages = receiver.taken(2);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it waits for no hour"
    );
    for (message, index) in messages.iter().zip(0..) {
        assert_eq!(message.index(), index);
        assert!(message.is_signed(log.key()), "{message:?}");
    }
    // What the signer remembers is a checkpoint still.
    let newest = fs::read(signer.state()).expect("it is there");
    let newest = log.key().verify_checkpoint(&newest).expect("a checkpoint");
    assert_eq!(newest.head.size.get(), 2);
}

#[test]
fn a_webhook_is_told_with_a_key_in_another_process() {
    tell_a_webhook(TestSigner::with_file());
}

#[test]
fn a_webhook_is_told_with_a_key_in_a_token() {
    tell_a_webhook(TestSigner::with_token());
}

/// Nobody has seen what is not signed: it waits.
#[test]
fn while_the_signer_is_away_what_is_published_waits_and_readers_see_the_tree_before() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut signer = TestSigner::with_file();
    signer.start(&["--new-log"]);
    let log = signer.start_log(&parent.path().join("log"));
    let first = TestPublisher::new("first-lab").register();
    log.publish(&[first]).expect_status(201);
    let before = log.get("/checkpoint").text();
    signer.kill();
    thread::scope(|scope| {
        let waits = scope.spawn(|| log.publish(&[TestPublisher::new("second-lab").register()]));
        let begun = Instant::now();
        while !log.log_lines().contains("a batch waits for the signer") {
            assert!(begun.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(log.get("/checkpoint").text(), before);
        let ready = log.get("/readyz").expect_status(503);
        assert_eq!(ready.json()["checks"]["commit"], false);
        signer.start(&[]);
        waits.join().expect("it ends").expect_status(201);
    });
    log.get("/readyz").expect_status(200);
    assert!(log.get("/checkpoint").text().contains("\n2\n"));
}

/// Whoever reads needs no signer, and so a server that starts without one is of use.
#[test]
fn a_server_that_starts_while_the_signer_is_away_shows_what_was_signed() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut signer = TestSigner::with_file();
    signer.start(&["--new-log"]);
    let mut log = signer.start_log(&parent.path().join("log"));
    let first = TestPublisher::new("first-lab").register();
    log.publish(&[first]).expect_status(201);
    let before = log.get("/checkpoint").text();
    assert!(log.stop().success());
    signer.kill();
    log.restart();
    assert_eq!(log.get("/checkpoint").text(), before);
    log.get("/api/v1/records/0").expect_status(200);
    thread::scope(|scope| {
        let waits = scope.spawn(|| log.publish(&[TestPublisher::new("second-lab").register()]));
        thread::sleep(Duration::from_millis(500));
        assert_eq!(log.get("/checkpoint").text(), before);
        signer.start(&[]);
        waits.join().expect("it ends").expect_status(201);
    });
    assert!(log.get("/checkpoint").text().contains("\n2\n"));
}

/// Whoever has taken over the server's machine can't have a second history signed.
#[test]
fn a_database_that_was_set_back_gets_no_signature() {
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("log");
    let mut signer = TestSigner::with_file();
    signer.start(&["--new-log"]);
    let mut log = signer.start_log(&data);
    let lab = TestPublisher::new("first-lab");
    log.publish(&[lab.register()]).expect_status(201);
    assert!(log.stop().success());
    let copy = parent.path().join("copy");
    candor_tests::cli::copy_folder(&data, &copy);
    log.restart();
    log.publish(&[lab.api_version("tiny", "1", "")])
        .expect_status(201);
    log.publish(&[lab.api_version("tiny", "2", "")])
        .expect_status(201);
    assert!(log.stop().success());
    // With all that the server itself remembers.
    let flags = signer.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let fork = Command::new(program("candor-server"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&copy)
        .args(flags)
        .output()
        .expect("candor-server runs");
    let said = String::from_utf8_lossy(&fork.stderr);
    assert_eq!(fork.status.code(), Some(2), "{said}");
    assert!(said.contains("the log was set back"), "{said}");
}

#[test]
fn a_signer_says_what_is_wrong_and_signs_nothing_but_checkpoints_and_messages() {
    let mut signer = TestSigner::with_file();
    let lost = signer.refusal(&[]);
    assert!(
        lost.contains("nobody can tell what was signed before"),
        "{lost}"
    );
    signer.start(&["--new-log"]);
    let again = signer.refusal(&["--new-log"]);
    assert!(again.contains("another signer goes by"), "{again}");
    let mut stream = UnixStream::connect(signer.socket()).expect("it listens");
    let mut ask = |text: &[u8]| {
        let length = u32::try_from(text.len()).expect("short").to_be_bytes();
        stream
            .write_all(&[&length[..], text].concat())
            .expect("it is sent");
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("an answer");
        let length = u32::from_be_bytes(head[1..].try_into().expect("4 bytes"));
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).expect("all of it");
        (head[0], String::from_utf8_lossy(&bytes).into_owned())
    };
    let (done, key) = ask(b"");
    assert_eq!(done, 0);
    assert!(key.starts_with(ORIGIN), "{key}");
    let (refused, said) = ask(b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
    assert_eq!(refused, 1);
    assert!(said.contains("no checkpoint of this log"), "{said}");
    let log_key: LogKey = key.parse().expect("the log's key");
    let body = r#"{"type":"record.logged","timestamp":"2026-01-02T03:04:05Z","data":{}}"#;
    let content = WebhookContent::compose(&log_key, LeafIndex::new(4), 1_767_323_045, body);
    let content = content.expect("a good one");
    let (done, _) = ask(content.as_str().as_bytes());
    assert_eq!(done, 0, "messages about records are signed too");
    // But no text that is half the one and half the other.
    let checkpoint = Checkpoint::new(log_key.origin(), TreeHead::empty(), None).to_string();
    for twin in [
        format!("{}\n", content.as_str()),
        format!("{}\n{checkpoint}", content.id()),
        content.as_str().replace("data", "da\nta"),
        content.as_str().replace("candor+record+", "candor+record"),
        content.as_str().replace("record.logged", "record.other"),
        checkpoint.trim_end().to_owned(),
        format!("{checkpoint}{}", content.as_str()),
    ] {
        let (refused, said) = ask(twin.as_bytes());
        assert_eq!(refused, 1, "{twin:?}");
        assert!(said.contains("this is no "), "{said}");
    }
    // Too long a message ends the connection, and nothing else.
    let mut long = UnixStream::connect(signer.socket()).expect("it listens");
    long.write_all(&u32::MAX.to_be_bytes()).expect("it is sent");
    assert_eq!(long.read(&mut [0; 1]).expect("it is closed"), 0);
    assert_eq!(ask(b"").1, key);
    let mode = fs::metadata(signer.socket())
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    // A wrong PIN is not repeated.
    let token = TestSigner::with_token();
    let pin = token.folder.path().join("pin");
    fs::write(&pin, "98765\n").expect("it is written");
    let refused = token.refusal(&["--new-log"]);
    assert!(refused.contains("takes no login"), "{refused}");
    assert!(!refused.contains("98765"), "{refused}");
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o644)).expect("its mode is set");
    assert!(
        token
            .refusal(&["--new-log"])
            .contains("can be read by others")
    );
}
