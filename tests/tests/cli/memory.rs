//! What the client remembers of a log, and what it does when the log tells another story.

use candor_tests::cli::{Person, copy_folder};
use candor_tests::{TestLog, TestPublisher};

/// A log with `first` entries that was copied, went on by two entries that an auditor saw, and was then put
/// back to the copy.
fn set_back() -> (TestLog, Person, TestPublisher) {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let copy = log.scratch().join("copy");
    assert!(log.stop().success());
    copy_folder(&log.data(), &copy);
    log.restart();
    let went_on = ["1.0.0", "1.0.1"].map(|version| lab.api_version("tiny", version, ""));
    log.publish(&went_on).expect_status(201);
    let auditor = Person::new(&log, "auditor");
    auditor.candor(&log, "checkpoint").expect_code(0);
    assert!(log.stop().success());
    std::fs::remove_dir_all(log.data()).expect("the log's folder can be removed");
    copy_folder(&copy, &log.data());
    log.restart();
    (log, auditor, lab)
}

/// The evidence files in somebody's memory.
fn evidence(of: &Person) -> Vec<serde_json::Value> {
    let state = of.home.join(".local/state/candor");
    let mut found = Vec::new();
    for log in std::fs::read_dir(state).expect("a memory") {
        for file in std::fs::read_dir(log.expect("a log").path()).expect("a log's memory") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|it| it == "candor-evidence") {
                let text = std::fs::read_to_string(path).expect("evidence is text");
                found.push(serde_json::from_str(&text).expect("evidence is JSON"));
            }
        }
    }
    found
}

#[test]
fn a_log_that_is_older_than_before_is_stale() {
    let (log, auditor, _) = set_back();
    let stale = auditor.candor(&log, "checkpoint");
    insta::assert_snapshot!(stale.transcript(), @"
    $ candor checkpoint
    --- stderr, exit 3
    error: the log example.org/candor-test shows a tree of size 1, and one of size 3 was seen before
      both checkpoints are in [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/evidence-1.candor-evidence
    hint: ask again later, or at another address of the log; if it stays so, the log was set back or hides entries: send the evidence file to its operator
    ");
    assert_eq!(evidence(&auditor)[0]["finding"], "stale");
    // Not only `checkpoint` looks at it: nothing that this log says is passed on.
    for command in ["log", "list", "show 0", "verify 0", "proof 0"] {
        auditor
            .candor(&log, command)
            .expect_error(3, "one of size 3 was seen before");
    }
}

#[test]
fn a_log_with_two_histories_is_refused_and_the_evidence_is_kept() {
    let (log, auditor, lab) = set_back();
    let others = ["2.0.0", "2.0.1", "2.0.2", "2.0.3"];
    let others = others.map(|version| lab.api_version("tiny", version, ""));
    log.publish(&others).expect_status(201);
    let refused = auditor.candor(&log, "checkpoint");
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor checkpoint
    --- stderr, exit 1
    error: the log example.org/candor-test shows two histories: it signed a tree of 3 entries before, and the tree of 5 that it signs now does not fit it
      both checkpoints are in [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/evidence-1.candor-evidence
    hint: trust nothing that this log says; keep the evidence file, it holds two checkpoints with the log's own signatures, and send it to a witness or publish it
    ");
    let evidence = evidence(&auditor);
    assert_eq!(evidence[0]["finding"], "fork");
    for (side, size) in [("seen", "3"), ("shown", "5")] {
        let note = evidence[0][side].as_str().expect("a checkpoint");
        assert_eq!(note.lines().nth(1), Some(size));
        // Anybody can check the log's signature on both.
        log.key()
            .verify_checkpoint(note.as_bytes())
            .expect("the log signed it");
    }
    auditor
        .candor(&log, "verify example-lab/tiny@2.0.0")
        .expect_error(1, "two histories");
    // Who has seen nothing before has nothing to compare.
    Person::new(&log, "newcomer")
        .candor(&log, "checkpoint")
        .expect_code(0);
}

#[test]
fn two_histories_of_the_same_size_are_a_fork_as_well() {
    let (log, auditor, lab) = set_back();
    let others = ["2.0.0", "2.0.1"].map(|version| lab.api_version("tiny", version, ""));
    log.publish(&others).expect_status(201);
    auditor
        .candor(&log, "checkpoint")
        .expect_error(1, "two histories");
}

#[test]
fn a_log_that_grows_is_shown_to_extend_what_was_seen() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let auditor = Person::new(&log, "auditor");
    log.publish(&[lab.register()]).expect_status(201);
    auditor
        .candor(&log, "checkpoint")
        .expect_code(0)
        .expect_words("the first that was seen");
    let more: Vec<_> = (0..300)
        .map(|n| lab.api_version("tiny", &n.to_string(), ""))
        .collect();
    for batch in more.chunks(50) {
        log.publish(batch).expect_status(201);
    }
    auditor
        .candor(&log, "checkpoint")
        .expect_code(0)
        .expect_words("extends the 1 entries");
    let json = auditor.candor(&log, "checkpoint --json").json();
    assert_eq!(
        (&json["size"], &json["seenBefore"]),
        (&301.into(), &301.into())
    );
    log.kill();
    auditor.candor(&log, "checkpoint").expect_error(3, "[log]");
    let json = auditor
        .candor(&log, "checkpoint --json")
        .expect_code(3)
        .json();
    assert_eq!(json["error"]["exit"], 3);
}
