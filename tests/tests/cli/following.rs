//! Following a log: what arrives is printed, what passes is waited out, and a second history ends it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use candor_tests::cli::{Person, copy_folder};
use candor_tests::{TestLog, TestPublisher};

/// How long a line may take: several waits of a follower whose log is away.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running `candor log --follow`. Dropping it kills it.
struct Follower {
    candor: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Follower {
    fn start(log: &TestLog, reader: &Person) -> Self {
        let mut candor = log
            .candor()
            .args(["log", "--follow"])
            .env("HOME", &reader.home)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("candor runs");
        let out = lines(candor.stdout.take().expect("stdout is piped"));
        let err = lines(candor.stderr.take().expect("stderr is piped"));
        Self { candor, out, err }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.candor.kill();
        let _ = self.candor.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The next line, which must have `words` in it.
#[track_caller]
fn expect_line(lines: &Receiver<String>, words: &str) {
    let line = lines.recv_timeout(PATIENCE).expect("another line");
    assert!(line.contains(words), "{words:?} is not in {line:?}");
}

#[test]
fn a_follower_outlasts_an_outage_and_ends_at_a_second_history() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let copy = log.scratch().join("copy");
    assert!(log.stop().success());
    copy_folder(&log.data(), &copy);
    log.restart_in_place();

    let reader = Person::new(&log, "reader");
    let mut follower = Follower::start(&log, &reader);
    expect_line(&follower.out, "example-lab");
    let publish = |log: &TestLog, version| {
        let record = lab.api_version("tiny", version, "");
        log.publish(&[record]).expect_status(201);
    };
    publish(&log, "1.0.0");
    expect_line(&follower.out, "example-lab/tiny@1.0.0");

    log.kill();
    expect_line(&follower.err, "warning: no answer from");
    log.restart_in_place();
    publish(&log, "1.0.1");
    expect_line(&follower.out, "example-lab/tiny@1.0.1");
    // It said so once, however often it asked.
    expect_line(&follower.err, "the log answers again");
    assert!(reader.evidence().is_empty(), "{:?}", reader.evidence());

    log.kill();
    std::fs::remove_dir_all(log.data()).expect("the log's folder can be removed");
    copy_folder(&copy, &log.data());
    log.restart_in_place();
    for version in ["2.0.0", "2.0.1", "2.0.2", "2.0.3"] {
        publish(&log, version);
    }
    let line = follower.err.recv_timeout(PATIENCE).expect("another line");
    if line.starts_with("warning: ") {
        // It asked while the log was away, or set back.
        expect_line(&follower.err, "shows two histories");
    } else {
        assert!(line.contains("shows two histories"), "{line}");
    }
    let status = follower.candor.wait().expect("candor ends");
    assert_eq!(status.code(), Some(1));
    let more: Vec<_> = follower.out.iter().collect();
    assert!(more.is_empty(), "nothing of the second history: {more:?}");
    let forks = reader.evidence();
    let is_fork = |it: &std::path::PathBuf| it.ends_with("fork-1.candor-evidence");
    assert!(forks.iter().any(is_fork), "{forks:?}");
}
