//! A log with webhooks in its settings, and what is seen of them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use candor_tests::receiver::Message;
use candor_tests::{TestLog, TestPublisher, postgres, program};

/// Runs a test on `SQLite`, and on Postgres with the database's address.
pub(crate) fn on_both(test: impl Fn(TestLog, Option<&str>)) {
    test(TestLog::start(), None);
    let database = postgres::shared().database();
    test(TestLog::start_on(&database.url), Some(&database.url));
}

/// A table of the settings.
pub(crate) fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

/// Starts the log again with these webhooks, and says where they stand.
pub(crate) fn restart_with(log: &mut TestLog, webhooks: &str) {
    assert!(log.stop().success());
    start_with(log, webhooks);
}

pub(crate) fn start_with(log: &mut TestLog, webhooks: &str) {
    let file = log.scratch().join("candor.toml");
    fs::write(&file, webhooks).expect("it is written");
    log.set_flags(&["--config", file.to_str().expect("a path in UTF-8")]);
    log.restart();
}

/// `candor-server webhook list`
pub(crate) fn list(log: &TestLog, database: Option<&str>) -> String {
    let file = log.scratch().join("candor.toml");
    let mut command = Command::new(program("candor-server"));
    command.args(["webhook", "list", "--config"]).arg(file);
    command.arg("--data").arg(log.data());
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    let output = command.output().expect("candor-server runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn indexes(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(Message::index).collect()
}

/// The same, each once, as a receiver that goes by their IDs sees them.
pub(crate) fn distinct(messages: &[Message]) -> Vec<u64> {
    let mut seen = Vec::new();
    for message in messages {
        let index = message.index();
        assert!(message.header("webhook-id").ends_with(&format!("+{index}")));
        if !seen.contains(&index) {
            seen.push(index);
        }
    }
    seen
}

pub(crate) fn publish(log: &TestLog, version: &str) -> u64 {
    let lab = TestPublisher::new("example-lab");
    let answer = log.publish(&[lab.api_version("tiny", version, "")]);
    answer.expect_status(201).json()["records"][0]["index"]
        .as_u64()
        .expect("an index")
}

pub(crate) fn metric(log: &TestLog, name: &str) -> u64 {
    let metrics = log.get("/metrics").text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    let value = line.rsplit(' ').next().expect("a value");
    value.parse().expect("a number")
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
