//! Somebody else's client reads the log: `golang.org/x/mod/sumdb`, behind Go's checksum database, in `tests/go`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use candor_tests::TestLog;
use candor_tests::load::{Load, LoadPlan};

/// How many records the large log has, the publishers' registrations included.
const LARGE: u64 = 100_000;

/// Which entries the client looks at.
const SEED: &str = "20260101";

#[test]
#[expect(clippy::print_stdout, reason = "how fast it was is part of the result")]
fn somebody_elses_client_verifies_a_thousand_records_of_a_hundred_thousand() {
    let log = TestLog::start();
    let client = GoClient::build(log.scratch());
    Load::register_publishers(&log);
    let began = Instant::now();
    grow(&log, "first", LARGE / 2);
    let half_way = log.scratch().join("half-way");
    fs::write(&half_way, log.get("/checkpoint").body).expect("the checkpoint is kept");
    grow(&log, "second", LARGE);
    let grown = began.elapsed();

    let began = Instant::now();
    let output = client.check(&log, "1000", None);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let verified = format!("verified 1000 of 1000 entries in a tree of {LARGE}\n");
    assert_eq!(stdout, verified);
    let output = client.check(&log, "0", Some(&half_way));
    assert!(output.status.success(), "{output:?}");
    println!(
        "{LARGE} records in {:.1} s, {:.0} records/s; {} and that the tree of {} is its beginning in {:.1} s",
        grown.as_secs_f64(),
        100_000.0 / grown.as_secs_f64(),
        stdout.trim(),
        LARGE / 2,
        began.elapsed().as_secs_f64(),
    );
}

#[test]
fn somebody_elses_client_finds_a_changed_byte() {
    let mut log = TestLog::start();
    let client = GoClient::build(log.scratch());
    Load::register_publishers(&log);
    // More than a tile: the server itself looks at the entries of the last one when it starts.
    grow(&log, "small", 300);
    let output = client.check(&log, "500", None);
    assert!(output.status.success(), "{output:?}");

    log.stop();
    // One letter of one entry's payload becomes another.
    sqlite(
        &log,
        "UPDATE entry SET bytes = CAST(substr(bytes, 1, 99)
            || CASE substr(bytes, 100, 1) WHEN X'41' THEN 'B' ELSE 'A' END
            || substr(bytes, 101) AS BLOB)
         WHERE idx = 23",
    );
    log.restart();
    let output = client.check(&log, "500", None);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("entry 23 is not the one in the tree"),
        "{stderr}"
    );
}

#[test]
fn somebody_elses_client_finds_a_rewritten_history() {
    let mut log = TestLog::start();
    let client = GoClient::build(log.scratch());
    Load::register_publishers(&log);
    grow(&log, "first", 20);
    // What a thief of the key would do: go back, and go on with other records.
    log.stop();
    let (data, back_then) = (log.data(), log.scratch().join("back-then"));
    copy_folder(&data, &back_then);
    log.restart();
    grow(&log, "second", 40);
    let seen = log.scratch().join("seen");
    fs::write(&seen, log.get("/checkpoint").body).expect("the checkpoint is kept");
    let output = client.check(&log, "100", Some(&seen));
    assert!(output.status.success(), "{output:?}");

    log.stop();
    fs::remove_dir_all(&data).expect("the log goes away");
    copy_folder(&back_then, &data);
    log.restart();
    grow(&log, "other", 60);
    let output = client.check(&log, "100", Some(&seen));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("is not the beginning of that of 60"),
        "{stderr}"
    );
}

/// Publishes until the log has `size` entries.
fn grow(log: &TestLog, name: &str, size: u64) {
    let entries = || {
        log.get("/api/v1/log").json()["size"]
            .as_u64()
            .expect("a size")
    };
    let missing = size - entries();
    let plan = LoadPlan {
        name: name.to_owned(),
        writers: 8,
        watchers: 0,
        records_per_request: 64..=64,
        records_max: missing,
        seed: 0,
    };
    let seen = Load::start(log, plan).finish();
    assert_eq!(seen.acknowledged.len() as u64, missing);
    assert_eq!(entries(), size);
}

/// The program in `tests/go`.
struct GoClient(PathBuf);

impl GoClient {
    fn build(folder: &Path) -> Self {
        let program = folder.join("gocheck");
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go"))
            // The Go that is there, and no other fetched in its place.
            .env("GOTOOLCHAIN", "local")
            .output()
            .expect("Go is installed (`cargo xtask test` installs what the tests need)");
        assert!(
            output.status.success(),
            "go build: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self(program)
    }

    fn check(&self, log: &TestLog, entries: &str, older: Option<&Path>) -> Output {
        let mut command = Command::new(&self.0);
        command
            .args(["-url", log.url(), "-vkey", &log.key().to_string()])
            .args(["-n", entries, "-seed", SEED]);
        if let Some(older) = older {
            command.arg("-old").arg(older);
        }
        command
            .output()
            .expect("the program that was just built runs")
    }
}

/// Runs SQL on the log's database, past the server.
fn sqlite(log: &TestLog, sql: &str) {
    let output = Command::new("sqlite3")
        .arg(log.data().join("log.db"))
        .arg(sql)
        .output()
        .expect("sqlite3 is installed (`cargo xtask test` installs what the tests need)");
    assert!(output.status.success(), "{output:?}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for file in fs::read_dir(from).expect("the folder can be read") {
        let file = file.expect("the folder can be read");
        fs::copy(file.path(), to.join(file.file_name())).expect("the file is copied");
    }
}
