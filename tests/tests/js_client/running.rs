//! The JavaScript client and a running log: what it says of each record is what `candor` says, and a log that shows another
//! history is caught.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candor_tests::cli::{Person, write_release};
use candor_tests::{ORIGIN, TestLog};
use serde_json::Value;

use super::judges::{by_javascript, judgement, package};

/// What the client says of these records, in a program of its own each, with one memory.
fn records(url: &str, key: &str, memory: &Path, indexes: &[&str]) -> Output {
    Command::new("node")
        .arg(package().join("test/records.js"))
        .args([url, key])
        .arg(memory)
        .args(indexes)
        .output()
        .expect("Node is installed (`cargo xtask test` installs what the tests need)")
}

/// A log with a release, a second one that was withdrawn, and keys that changed between them.
fn log_with_releases() -> (TestLog, Person) {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    lab.candor(&log, "keygen --out next.pem --no-passphrase")
        .expect_code(0);
    lab.candor(&log, "publisher rotate --new-key next.pem example-lab")
        .expect_code(0);
    lab.candor(
        &log,
        "release tiny --as example-lab/tiny@2.0.0 --key next.pem",
    )
    .expect_code(0);
    lab.candor(
        &log,
        "withdraw example-lab/tiny@2.0.0 --reason error --explanation Broken. --key next.pem --yes",
    )
    .expect_code(0);
    (log, lab)
}

#[test]
fn each_record_of_a_running_log_gets_the_verdict_that_candor_gives_it() {
    let (log, lab) = log_with_releases();
    let size = log.get("/api/v1/log").json()["size"]
        .as_u64()
        .expect("a size");
    let indexes: Vec<String> = (0..=size).map(|index| index.to_string()).collect();
    let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
    let memory = log.scratch().join("seen");
    let seen = by_javascript(&records(
        log.url(),
        &log.key().to_string(),
        &memory,
        &indexes,
    ));
    let mut verdicts = Vec::new();
    for index in &indexes[..indexes.len() - 1] {
        let candor = lab.candor(&log, &format!("verify {index} --json"));
        let candor: Value = serde_json::from_str(&candor.stdout).expect("JSON");
        let javascript = judgement(&seen[*index]);
        assert_eq!(
            javascript.verdict,
            candor["verdict"].as_str().expect("a verdict"),
            "{index}: {} {candor}",
            seen[*index]
        );
        verdicts.push(javascript.verdict);
    }
    assert!(
        verdicts.contains(&"refuted".to_owned()) && verdicts.contains(&"holds".to_owned()),
        "{verdicts:?}"
    );
    // Behind the end: the checkpoint says that there is none, and the next one may have it.
    let beyond = &seen[*indexes.last().expect("one")];
    assert_eq!(beyond["verdict"], "unknown", "{beyond}");
}

#[test]
fn a_log_that_was_set_back_and_went_on_differently_is_caught_and_candor_judges_the_evidence() {
    let (mut log, lab) = log_with_releases();
    let memory = log.scratch().join("seen");
    let key = log.key().to_string();
    log.stop();
    let (data, back_then) = (log.data(), log.scratch().join("back-then"));
    copy_folder(&data, &back_then);
    log.restart();
    Person::registered(&log, "one-more-lab");
    let seen = by_javascript(&records(log.url(), &key, &memory, &["0"]));
    assert_eq!(seen["0"]["verdict"], "holds", "{}", seen["0"]);
    // Who has the machine puts the old database back, and makes the log forget what it signed.
    log.stop();
    fs::remove_dir_all(&data).expect("the log goes away");
    copy_folder(&back_then, &data);
    log.restart();
    Person::registered(&log, "another-lab");
    Person::registered(&log, "and-another-lab");
    let seen = by_javascript(&records(log.url(), &key, &memory, &["0", "1"]));
    for index in ["0", "1"] {
        assert_eq!(seen[index]["verdict"], "refuted", "{}", seen[index]);
    }
    assert!(
        seen["0"]["what"]
            .as_str()
            .is_some_and(|it| it.contains("two histories")),
        "{}",
        seen["0"]
    );
    assert!(
        seen["1"]["what"]
            .as_str()
            .is_some_and(|it| it.contains("was caught with two histories")),
        "{}",
        seen["1"]
    );
    let evidence = log.scratch().join("fork.candor-evidence");
    fs::write(&evidence, seen["0"]["evidence"].to_string()).expect("the evidence is written");
    let judged = lab.candor_args(&log, &["verify", &evidence.to_string_lossy(), "--json"]);
    assert_eq!(judged.code, 1, "{judged:?}");
    assert!(
        judged.stdout.contains("\"fork\"") && judged.stdout.contains(ORIGIN),
        "{}",
        judged.stdout
    );
}

#[test]
fn the_example_in_the_readme_runs() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny-lm"));
    lab.candor(&log, "release tiny-lm --as example-lab/tiny-lm@1.0.0")
        .expect_code(0);
    let readme = fs::read_to_string(package().join("README.md")).expect("the README");
    let (_, example) = readme.split_once("```js\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    // As a package that was installed is found.
    let modules = lab.home.join("node_modules");
    fs::create_dir_all(&modules).expect("a folder");
    std::os::unix::fs::symlink(
        package().canonicalize().expect("the package"),
        modules.join("candor-client"),
    )
    .expect("a link");
    let script = lab.write("example.mjs", example);
    let output = Command::new("node")
        .arg(script)
        .current_dir(&lab.home)
        .env("CANDOR_LOG", log.url())
        .env("CANDOR_LOG_KEY", log.key().to_string())
        .output()
        .expect("Node runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines.len() == 2 && lines.iter().all(|line| line.starts_with("holds ")),
        "{stdout}"
    );
    assert!(
        lines[0].contains("record of example-lab/tiny-lm@1.0.0 is in the log, at entry 1"),
        "{stdout}"
    );
}

#[test]
fn the_clients_own_tests_pass() {
    let tests = fs::read_dir(package().join("test")).expect("the tests");
    let tests = tests.map(|file| file.expect("a file").path());
    let tests: Vec<_> = tests
        .filter(|path| path.to_string_lossy().ends_with(".test.js"))
        .collect();
    assert!(tests.len() >= 10, "{tests:?}");
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap"])
        .args(tests)
        .output()
        .expect("Node is installed (`cargo xtask test` installs what the tests need)");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("# fail 0"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for file in fs::read_dir(from).expect("the folder can be read") {
        let file = file.expect("the folder can be read");
        fs::copy(file.path(), to.join(file.file_name())).expect("the file is copied");
    }
}
