//! Running a log: starting and stopping it, its settings, and what it does when its files are not right.
//!
//! Not here: `kill -9` (`durability`).

mod connections;
mod full_disk;
mod settings;
mod starting;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use candor_tests::program;

/// `candor-server ARGUMENTS`, which must end by itself.
fn server(arguments: &[&str], data: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program("candor-server"));
    command
        .args(arguments)
        .arg("--data")
        .arg(data)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("candor-server runs");
    let begun = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().expect("SIGKILL is sent");
            let output = child.wait_with_output().expect("it ends");
            panic!("candor-server {arguments:?} does not end: {output:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("it has ended")
}

/// Asserts that the server refused to start, with exit status 2 and all of `texts` in its last words.
#[track_caller]
fn assert_refused(output: &Output, texts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for text in texts {
        assert!(stderr.contains(text), "{text:?} is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}
