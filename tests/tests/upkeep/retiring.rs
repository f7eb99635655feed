//! A log ends, and its clients find the one that follows.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use candor_tests::cli::{Person, write_release};
use candor_tests::history::{History, LogReader};
use candor_tests::plain_files::PlainFiles;
use candor_tests::{TestLog, TestPublisher, postgres, program};

use super::world::{
    copy_keys, copy_last_signed, expect_sound, fill, folder, grow, printed, server, text,
};

const NEXT: &str = "example.org/candor-test-2";

/// `candor-server retire`, with further arguments.
fn retire(data: &Path, more: &[&str], code: i32) -> String {
    printed(
        &server(&[&["retire", "--data", text(data)], more].concat()),
        code,
    )
}

#[test]
fn a_log_that_is_retired_takes_nothing_and_its_clients_go_on_in_the_next() {
    let parent = tempfile::tempdir().expect("a folder");
    let static_part = folder(parent.path(), "static");
    let mut log = TestLog::start_with(&["--static-part", text(&static_part)]);
    fill(&log, 100);
    let lab = Person::registered(&log, "first-lab");
    write_release(&lab.home.join("tiny"));
    let old = "release tiny --as first-lab/tiny@1";
    lab.candor(&log, old).expect_code(0);
    let reader = Person::new(&log, "reader");
    let before = reader.candor(&log, "verify first-lab/tiny@1");
    before.expect_code(0);
    let mut history = History::new(log.key().clone());
    history.absorb(&grow(&log, "last", 50));
    let data = log.data();
    let next = TestLog::start_as(NEXT);
    let (key, url) = (next.key().to_string(), next.url().to_owned());
    let named = ["--next-key", key.as_str(), "--next-url", url.as_str()];
    // Not while it runs, and not by a slip of the hand.
    assert!(retire(&data, &named, 2).contains("another candor-server runs the log"));
    assert!(log.stop().success());
    let itself = log.key().to_string();
    let of_itself = ["--next-key", itself.as_str(), "--next-url", url.as_str()];
    assert!(retire(&data, &of_itself, 2).contains("nothing was closed"));
    let nobody = [
        "--next-key",
        key.as_str(),
        "--next-url",
        "http://127.0.0.1:9",
    ];
    assert!(retire(&data, &nobody, 2).contains("nothing was closed"));
    retire(&data, &["--next-key", key.as_str()], 2);
    retire(&data, &[], 2);
    log.restart();
    grow(&log, "still-open", 10);
    assert!(log.stop().success());

    let with_static_part = [&named[..], &["--static-part", text(&static_part)]].concat();
    let last = retire(&data, &with_static_part, 0);
    let line = format!("\nretired {key} {url}\n");
    assert!(last.contains(&line), "{last}");
    let shown = fs::read_to_string(static_part.join("checkpoint")).expect("a checkpoint");
    assert_eq!(shown, last, "the static part says so");
    // The same again says the same, and another ending is refused.
    assert_eq!(retire(&data, &named, 0), last);
    assert!(retire(&data, &["--without-next"], 2).contains("is retired already"));
    expect_sound(&data);
    log.restart();
    assert_eq!(log.get("/checkpoint").text(), last);
    let about = log.get("/api/v1/log").json();
    assert_eq!(about["retired"], true);
    assert_eq!(about["next"]["key"], key.as_str());
    log.get("/readyz").expect_status(200);
    history.check(&LogReader::new(&log));
    // Nothing is taken; what is there already is answered as before.
    let late = TestPublisher::new("late-lab").register();
    let refused = log.publish(&[late]).expect_status(410);
    assert_eq!(refused.json()["type"], "urn:candor:problem:log-retired");
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains(NEXT) && detail.contains(&url), "{detail}");
    let known = TestPublisher::new("first-lab").register();
    log.publish(&[known]).expect_status(200);
    follow((&log, &next), (&lab, &reader), &static_part);
}

/// Clients that know the old log alone.
fn follow((log, next): (&TestLog, &TestLog), (lab, reader): (&Person, &Person), files: &Path) {
    let url = next.url();
    // Whoever publishes goes on in the next log, whose key the last checkpoint names.
    let words = format!("example.org/candor-test is retired, and goes on as {NEXT} at [next]");
    let with_next = |ran: candor_tests::cli::Ran| candor_tests::cli::Ran {
        stderr: ran.stderr.replace(url, "[next]"),
        ..ran
    };
    write_release(&lab.home.join("tiny2"));
    with_next(lab.candor(log, "publisher register first-lab"))
        .expect_code(0)
        .expect_words("entry 0");
    let published = with_next(lab.candor(log, "release tiny2 --as first-lab/tiny@2"));
    assert!(published.stderr.contains(&words), "{}", published.stderr);
    published.expect_code(0);
    assert_eq!(next.get("/api/v1/log").json()["size"], 4);
    // Whoever reads finds both.
    let old = with_next(reader.candor(log, "verify first-lab/tiny@1"));
    assert!(old.stderr.contains(&words), "{}", old.stderr);
    old.expect_code(0);
    let new = with_next(reader.candor(log, "verify first-lab/tiny@2"));
    assert!(new.stderr.contains("looking there"), "{}", new.stderr);
    new.expect_code(0);
    // What was made there is checked by whoever knows the old log alone; what is in the old log is not published again.
    for version in ["1", "2"] {
        let bundle = format!("verify tiny-{version}.candor");
        lab.candor(log, &bundle).expect_code(0);
    }
    lab.candor(log, "release tiny --as first-lab/tiny@1")
        .expect_error(2, "is retired, and is not published again");
    assert_eq!(next.get("/api/v1/log").json()["size"], 4);
    lab.candor(log, "verify tiny-1.candor").expect_code(0);
    reader.candor(log, "show first-lab/tiny@2").expect_code(0);
    reader.candor(log, "show first-lab/none@1").expect_code(3);
    // What is in the old log can't be withdrawn any more, and is not looked for elsewhere.
    lab.candor(
        log,
        "withdraw first-lab/tiny@1 --reason error --explanation Wrong. --yes",
    )
    .expect_error(2, "is retired, and takes no further record");
    // Files alone say the same.
    let files = PlainFiles::serve(files);
    let mut command = log.candor_offline();
    command.args([
        "--log",
        files.url(),
        "--log-key",
        &log.key().to_string(),
        "verify",
        "first-lab/tiny@2",
    ]);
    let ran = command
        .env("HOME", &reader.home)
        .output()
        .expect("candor runs");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    // Whoever publishes finds the next log by them, too, and publishes nothing twice.
    write_release(&lab.home.join("tiny3"));
    for (release, words) in [
        ("release tiny3 --as first-lab/tiny@3", None),
        (
            "release tiny --as first-lab/tiny@1",
            Some("is not published again"),
        ),
    ] {
        let arguments: Vec<&str> = release.split(' ').collect();
        let ran = lab.candor_with(log, &arguments, &[("CANDOR_LOG", files.url())]);
        match words {
            None => drop(ran.expect_code(0)),
            Some(words) => drop(ran.expect_error(2, words)),
        }
    }
    assert_eq!(next.get("/api/v1/log").json()["size"], 7);
    lab.candor(
        log,
        "withdraw first-lab/tiny@2 --reason error --explanation Wrong. --yes",
    )
    .expect_code(0);
}

/// The end of a log is not lost with its database: a copy from before can be put back, and stays closed.
#[test]
fn a_copy_from_before_its_end_does_not_open_a_log_again() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::start();
    fill(&log, 50);
    let data = log.data();
    let copy = parent.path().join("copy");
    printed(
        &server(&["backup", "--data", text(&data), "--to", text(&copy)]),
        0,
    );
    assert!(log.stop().success());
    let last = retire(&data, &["--without-next"], 0);
    assert!(last.contains("\nretired\n"), "{last}");
    // By hand, and by the tool.
    for by_hand in [true, false] {
        for file in ["log.db", "log.db-wal", "log.db-shm"] {
            let _ = fs::remove_file(data.join(file));
        }
        if by_hand {
            fs::copy(copy.join("log.db"), data.join("log.db")).expect("it is copied");
        } else {
            let restore = ["restore", "--data", text(&data), "--from", text(&copy)];
            printed(&server(&restore), 0);
        }
        log.restart();
        assert_eq!(log.get("/checkpoint").text(), last);
        let late = TestPublisher::new("late-lab").register();
        log.publish(&[late]).expect_status(410);
        assert!(log.stop().success());
        expect_sound(&data);
    }
    // Moved as files, it is closed too.
    let (files, moved) = (
        folder(parent.path(), "files"),
        folder(parent.path(), "moved"),
    );
    printed(
        &server(&["export", "--data", text(&data), "--to", text(&files)]),
        0,
    );
    copy_keys(&data, &moved);
    copy_last_signed(&data, &moved);
    printed(
        &server(&["import", "--data", text(&moved), "--from", text(&files)]),
        0,
    );
    expect_sound(&moved);
    let moved = TestLog::start_at(&moved, log.key().clone());
    assert_eq!(moved.get("/checkpoint").text(), last);
    let person = Person::new(&moved, "late-lab");
    person
        .candor(&moved, "keygen --no-passphrase")
        .expect_code(0);
    person
        .candor(&moved, "publisher register late-lab")
        .expect_error(2, "takes no further record");
}

/// A crash between "it is closed" and the signature under that: either way to go on ends at one last checkpoint.
#[test]
fn a_log_that_is_closed_and_not_signed_yet_is_signed_by_the_next_who_comes() {
    for same_again in [true, false] {
        let mut log = TestLog::start();
        fill(&log, 20);
        assert!(log.stop().success());
        let data = log.data();
        let killed = Command::new(program("candor-server"))
            .args(["retire", "--data", text(&data), "--without-next"])
            .env("CANDOR_FAILPOINT", "closed:1:kill")
            .output()
            .expect("it runs");
        assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
        expect_sound(&data);
        let other = TestLog::start_as(NEXT);
        let (key, url) = (other.key().to_string(), other.url().to_owned());
        let otherwise = ["--next-key", key.as_str(), "--next-url", url.as_str()];
        assert!(retire(&data, &otherwise, 2).contains("is retired already"));
        let last = same_again.then(|| retire(&data, &["--without-next"], 0));
        log.restart();
        let shown = log.get("/checkpoint").text();
        assert!(shown.contains("\nretired\n"), "{shown}");
        assert!(last.is_none_or(|last| last == shown));
        let late = TestPublisher::new("late-lab").register();
        log.publish(&[late]).expect_status(410);
        assert!(log.stop().success());
        assert_eq!(retire(&data, &["--without-next"], 0), shown);
        expect_sound(&data);
    }
}

/// Database and `last-signed` are of before the end, and what people read is not.
#[test]
fn a_static_part_that_says_that_the_log_ended_keeps_it_closed() {
    let parent = tempfile::tempdir().expect("a folder");
    let static_part = folder(parent.path(), "static");
    let with_static_part = ["--static-part", text(&static_part)];
    let mut log = TestLog::start_with(&with_static_part);
    fill(&log, 20);
    assert!(log.stop().success());
    let data = log.data();
    let [before, reopened] = ["before", "reopened"].map(|name| {
        let copy = parent.path().join(name);
        candor_tests::cli::copy_folder(&data, &copy);
        copy
    });
    let ending = [&["--without-next"][..], &with_static_part].concat();
    let last = retire(&data, &ending, 0);
    let mut set_back = TestLog::start_at_with(&before, log.key().clone(), &with_static_part);
    assert_eq!(set_back.get("/checkpoint").text(), last);
    let late = TestPublisher::new("late-lab").register();
    set_back.publish(&[late]).expect_status(410);
    assert!(set_back.stop().success());
    let shown = fs::read_to_string(static_part.join("checkpoint")).expect("a checkpoint");
    assert_eq!(shown, last);
    expect_sound(&before);
    // What went on without it is not shown there.
    let mut reopened = TestLog::start_at(&reopened, log.key().clone());
    grow(&reopened, "behind", 10);
    assert!(reopened.stop().success());
    let refused = reopened.refusal(&with_static_part);
    assert!(refused.contains("behind its end"), "{refused}");
    let shown = fs::read_to_string(static_part.join("checkpoint")).expect("a checkpoint");
    assert_eq!(shown, last);
}

/// All servers of a log stop taking records at once.
#[test]
fn a_log_on_postgres_is_closed_for_servers_that_run() {
    let database = postgres::shared().database();
    let log = TestLog::start_on(&database.url);
    fill(&log, 50);
    // Another folder of the same log, whose server is down.
    let mut other = log.join(&database.url);
    assert!(other.stop().success());
    let data = other.data();
    let said = retire(&data, &["--without-next", "--database", &database.url], 0);
    assert!(said.contains("\nretired\n"), "{said}");
    let late = TestPublisher::new("late-lab").register();
    log.publish(&[late]).expect_status(410);
    assert_eq!(log.get("/checkpoint").text(), said);
    log.get("/readyz").expect_status(200);
}
