//! Logs with something of everything, and the programs that look after them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candor_tests::everything::Everything;
use candor_tests::load::{Load, LoadPlan, Seen};
use candor_tests::{TestLog, program};

/// Fills a new log with records of every kind, and `records` more.
pub(super) fn fill(log: &TestLog, records: u64) {
    Everything::publish(log);
    Load::register_publishers(log);
    grow(log, "fill", records);
}

/// Publishes `records` records.
pub(super) fn grow(log: &TestLog, name: &str, records: u64) -> Seen {
    let plan = LoadPlan {
        name: name.to_owned(),
        writers: 4,
        watchers: 1,
        records_per_request: 1..=64,
        records_max: records,
        seed: 11,
    };
    let seen = Load::start(log, plan).finish();
    assert_eq!(seen.acknowledged.len() as u64, records);
    seen
}

/// A stopped log with all kinds of records.
pub(super) fn stopped(records: u64) -> TestLog {
    let mut log = TestLog::start();
    fill(&log, records);
    assert!(log.stop().success());
    log
}

/// `candor-server`
pub(super) fn server(arguments: &[&str]) -> Output {
    Command::new(program("candor-server"))
        .args(arguments)
        .output()
        .expect("candor-server runs")
}

/// Asserts how a command ended, and returns what it printed.
#[track_caller]
pub(super) fn printed(output: &Output, code: i32) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    if code == 2 {
        err.into_owned()
    } else {
        out.into_owned()
    }
}

/// `candor-server fsck` on a folder, which must find nothing wrong.
#[track_caller]
pub(super) fn expect_sound(data: &Path) {
    let said = printed(&server(&["fsck", "--data", text(data)]), 0);
    assert!(said.contains("all is as it must be"), "{said}");
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Makes a folder below `parent`.
pub(super) fn folder(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.join(name);
    fs::create_dir(&folder).expect("a folder");
    folder
}

/// Changes a database behind everybody's back.
pub(super) fn sqlite(database: &Path, sql: &str) {
    let status = Command::new("sqlite3").arg(database).arg(sql).status();
    assert!(status.expect("sqlite3 runs").success(), "{sql}");
}

/// Copies what says how far a log had come.
pub(super) fn copy_last_signed(from: &Path, to: &Path) {
    fs::copy(from.join("last-signed"), to.join("last-signed")).expect("it is copied");
}

/// Copies the keys of a log.
pub(super) fn copy_keys(from: &Path, to: &Path) {
    for file in ["log-key.pem", "operator-key.pem"] {
        fs::copy(from.join(file), to.join(file)).expect("it is copied");
    }
}
