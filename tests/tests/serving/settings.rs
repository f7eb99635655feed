//! Flags come before the environment, the environment before the file, the file before the defaults.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use candor_tests::{TestLog, TestPublisher, http, program};
use serde_json::Value;

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
        (
            "queue-max = 0",
            vec!["queue-max is 0, and must be from 1 to 1000000"],
        ),
        (
            "queue-max = 9223372036854775807",
            vec!["queue-max is 9223372036854775807, and must be from 1"],
        ),
        (
            "queue-max = \"x\"",
            vec!["candor.toml", "queue-max", "expected a whole number"],
        ),
        (
            "listen = \"localhost:0\"",
            vec![
                "candor.toml",
                "\"localhost:0\" is no IP address with a port",
            ],
        ),
        (
            "request-seconds-max = 0",
            vec!["request-seconds-max is 0, and must be from 1 to 86400"],
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
    assert_refused(&flag, &["everywhere", "--listen", "127.0.0.1:3270"]);
    let large = ["serve", "--queue-max", "9223372036854775807"];
    assert_refused(&server(&large, &data, &[]), &["queue-max is 9223372036854"]);
    let filter = server(&["serve"], &data, &[("RUST_LOG", "info,sqlx=loud")]);
    assert_refused(&filter, &["RUST_LOG is \"info,sqlx=loud\""]);
    let variable = server(&["serve"], &data, &[("CANDOR_QUEUE_MAX", "many")]);
    assert_refused(&variable, &["many", "--queue-max"]);
    let taken = TestLog::start();
    let address = taken.url().trim_start_matches("http://");
    let taken = server(&["serve", "--listen", address], &data, &[]);
    assert_refused(&taken, &["the setting listen", address, "in use"]);
}

/// What a server that starts and is stopped at once says on its standard error.
fn log_lines(arguments: &[&str], data: &Path, environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(program("candor-server"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .arg("--data")
        .arg(data)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("candor-server runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line.trim().strip_prefix("listening on ");
    let lab = TestPublisher::new("example-lab");
    let body = lab.register().to_string();
    let url = format!("{}/api/v1/records", url.expect("its address"));
    http::post(&url, "application/json", body.as_bytes());
    // A terminal that is closed ends it as SIGTERM does.
    let hangup = Command::new("kill")
        .args(["-HUP", &child.id().to_string()])
        .status();
    assert!(hangup.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn log_lines_are_json_where_that_is_asked_for_and_not_where_it_is_refused() {
    let (log, file) = stopped_log("log-json = true");
    let data = log.data();
    let json = log_lines(&["--config", &file], &data, &[]);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let fields = |message: &str| {
        let mut fields = lines.iter().map(|line| &line["fields"]);
        let found = fields.find(|fields| fields["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {json}"))
    };
    assert_eq!(fields("serving")["registration"], "open");
    assert!(fields("released")["commit_ms"].is_u64(), "{json}");
    let variable = [("CANDOR_LOG_JSON", "false"), ("CANDOR_CONFIG", &file)];
    let flag = ["--config", &file, "--log-json=false"];
    for text in [
        log_lines(&[], &data, &variable),
        log_lines(&flag, &data, &[]),
    ] {
        assert!(!text.starts_with('{'), "{text}");
    }
    let flag = log_lines(&["--log-json"], &data, &[("CANDOR_LOG_JSON", "false")]);
    assert!(flag.starts_with('{'), "{flag}");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let output = Command::new(program("candor-server"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("candor-server runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let commands = ["init", "serve", "admit", "openapi", "completions", "man"];
    let (script, page) = (run(&["completions", "bash"]), run(&["man"]));
    run(&["man", "--dir", "man"]);
    for command in commands {
        assert!(script.contains(command), "{script}");
        assert!(page.contains(command), "{page}");
        let file = folder.path().join(format!("man/candor-server-{command}.1"));
        let page = fs::read_to_string(file).expect("a page for each command");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}
