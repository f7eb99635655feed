//! Flags come before the environment, the environment before the file, the file before the defaults.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use candor_tests::{TestLog, http, program};

use super::{assert_refused, server};

/// A log that was made and does not run, and a file of settings.
fn stopped_log(toml: &str) -> (TestLog, String) {
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let file = log.scratch().join("candor.toml");
    fs::write(&file, toml).expect("the file is written");
    let file = file.to_str().expect("a path in UTF-8").to_owned();
    (log, file)
}

/// Where a server listens, and whom it lets register.
fn starts(arguments: &[&str], data: &Path, environment: &[(&str, &str)]) -> (String, String) {
    let mut child = Command::new(program("candor-server"))
        .arg("serve")
        .args(arguments)
        .arg("--data")
        .arg(data)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("candor-server runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .expect("its address");
    let log = http::get(&format!("{url}/api/v1/log")).json();
    child.kill().expect("SIGKILL is sent");
    child.wait().expect("it ends");
    let host = url.trim_start_matches("http://");
    let (host, _) = host.rsplit_once(':').expect("a port");
    let registration = log["registration"].as_str().expect("a setting");
    (host.to_owned(), registration.to_owned())
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let (log, file) = stopped_log("listen = \"127.0.0.2:0\"\nregistration = \"approved\"\n");
    let (data, file) = (log.data(), file.as_str());
    let environment = [("CANDOR_LISTEN", "127.0.0.3:0"), ("CANDOR_CONFIG", file)];
    let answer = |host: &str, registration: &str| (host.to_owned(), registration.to_owned());
    assert_eq!(
        starts(&["--config", file], &data, &[]),
        answer("127.0.0.2", "approved")
    );
    assert_eq!(
        starts(&[], &data, &environment),
        answer("127.0.0.3", "approved")
    );
    assert_eq!(
        starts(
            &["--listen", "127.0.0.4:0", "--registration", "open"],
            &data,
            &environment
        ),
        answer("127.0.0.4", "open")
    );
    assert_eq!(
        starts(&["--listen", "127.0.0.1:0"], &data, &[]),
        answer("127.0.0.1", "open"),
        "the default"
    );
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let cases = [
        (
            "listne = \"127.0.0.1:0\"",
            vec!["candor.toml", "listne", "line 1"],
        ),
        ("\nlisten = 7", vec!["candor.toml", "listen", "line 2"]),
        (
            "registration = \"closed\"",
            vec!["registration", "closed", "approved"],
        ),
        ("listen = ", vec!["candor.toml", "line 1"]),
        ("queue-max = 0", vec!["queue-max must be at least 1"]),
        (
            "request-seconds-max = 0",
            vec!["request-seconds-max must be at least 1"],
        ),
    ];
    for (toml, texts) in cases {
        let (log, file) = stopped_log(toml);
        let output = server(&["serve", "--config", &file], &log.data(), &[]);
        assert_refused(&output, &texts);
    }
    let (log, _) = stopped_log("");
    let data = log.data();
    let missing = server(&["serve", "--config", "/nowhere/candor.toml"], &data, &[]);
    assert_refused(&missing, &["/nowhere/candor.toml", "No such file"]);
    let flag = server(&["serve", "--listen", "everywhere"], &data, &[]);
    assert_refused(&flag, &["everywhere", "--listen"]);
    let variable = server(&["serve"], &data, &[("CANDOR_QUEUE_MAX", "many")]);
    assert_refused(&variable, &["many", "--queue-max"]);
    let taken = TestLog::start();
    let address = taken.url().trim_start_matches("http://");
    let taken = server(&["serve", "--listen", address], &data, &[]);
    assert_refused(&taken, &[address, "in use"]);
}
