//! Logs that `candor-server demo-data` has filled.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{TestLog, program, published_data, real_model};

/// Runs `candor-server demo-data` with further flags.
pub fn demo_data(data: &Path, flags: &[&str]) -> Output {
    Command::new(program("candor-server"))
        .args(["demo-data", "--data"])
        .arg(data)
        .args(flags)
        .output()
        .expect("candor-server runs")
}

/// Fills a log in `data`, starts it, and returns it with what the command said.
pub fn start(data: &Path, flags: &[&str]) -> (TestLog, String) {
    let output = demo_data(data, flags);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    let key = said
        .split_once("CANDOR_LOG_KEY=")
        .and_then(|(_, rest)| rest.lines().next())
        .expect("it says the log's key");
    let key = key.parse().expect("the key is one");
    (TestLog::start_at(data, key), said)
}

/// The flags that name what others published and the real model, where these are there.
pub fn flags_of_what_is_there() -> Vec<String> {
    let folder = |flag: &str, folder: Option<PathBuf>| {
        let folder = folder?;
        Some([flag.to_owned(), folder.to_str()?.to_owned()])
    };
    let published = folder("--from", published_data());
    let model = folder("--model", real_model());
    published.into_iter().chain(model).flatten().collect()
}
