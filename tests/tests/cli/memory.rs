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

/// What the evidence files in somebody's memory say.
fn evidence(of: &Person) -> Vec<serde_json::Value> {
    let read = |path| std::fs::read(path).expect("evidence can be read");
    let files = of.evidence().into_iter().map(read);
    files
        .map(|bytes| serde_json::from_slice(&bytes).expect("evidence is JSON"))
        .collect()
}

#[test]
fn a_log_that_is_older_than_before_is_stale() {
    let (log, auditor, _) = set_back();
    let stale = auditor.candor(&log, "checkpoint");
    insta::assert_snapshot!(stale.transcript(), @"
    $ candor checkpoint
    --- stderr, exit 3
    error: the log example.org/candor-test shows a tree of size 1, and one of size 3 was seen before
      both checkpoints are in [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/stale-1.candor-evidence
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
      both checkpoints are in [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/fork-1.candor-evidence
    hint: trust nothing that this log says; keep the evidence file, which `candor verify FILE` judges for anybody, and send it to a witness or publish it; while it is there, this log is refused
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
fn a_log_that_was_caught_is_refused_until_the_evidence_is_moved_away() {
    let (log, auditor, lab) = set_back();
    let others = ["2.0.0", "2.0.1", "2.0.2"].map(|version| lab.api_version("tiny", version, ""));
    log.publish(&others).expect_status(201);
    // Made before anything is known of it.
    auditor.candor_with(
        &log,
        &["proof", "1", "-o", "1.tlog-proof", "--entry", "1.json"],
        &[("CANDOR_STATE_DIR", "elsewhere")],
    );
    auditor
        .candor(&log, "checkpoint")
        .expect_error(1, "two histories");
    let refused = auditor.candor(&log, "checkpoint");
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor checkpoint
    --- stderr, exit 1
    error: the log example.org/candor-test signed two histories, as was found earlier
      both checkpoints are in [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/fork-1.candor-evidence
    hint: trust nothing that this log says; `candor verify [home]/.local/state/candor/e1dc61144a1020768b39008ad228e2ff31da709390acf4695662aeb855d5d91b/fork-1.candor-evidence` says why; once you know which history is the true one, move the file away, and the log is asked again
    ");
    for command in [
        "log",
        "list models",
        "show example-lab/tiny --json",
        "show 0",
        "proof 0",
        "verify 0",
        "verify 1.json --proof 1.tlog-proof --offline",
        "publisher show example-lab",
    ] {
        auditor
            .candor(&log, command)
            .expect_code(1)
            .expect_words("fork-1.candor-evidence");
    }
    let [evidence] = &auditor.evidence()[..] else {
        panic!("{:?}", auditor.evidence());
    };
    std::fs::rename(evidence, auditor.home.join("kept.candor-evidence")).expect("moved away");
    // Asked again, the log is caught again.
    auditor.candor(&log, "list models").expect_code(0);
    auditor
        .candor(&log, "checkpoint")
        .expect_error(1, "shows two histories");
    assert!(evidence.exists());
}

#[test]
fn evidence_of_a_fork_convinces_whoever_has_the_logs_key() {
    let (mut log, auditor, lab) = set_back();
    let others = ["2.0.0", "2.0.1", "2.0.2"].map(|version| lab.api_version("tiny", version, ""));
    log.publish(&others).expect_status(201);
    auditor.candor(&log, "checkpoint").expect_code(1);
    log.kill();
    let judge = Person::new(&log, "judge");
    let bytes = std::fs::read(&auditor.evidence()[0]).expect("evidence can be read");
    judge.write("sent.candor-evidence", &bytes);
    let judged = judge.candor(&log, "verify sent.candor-evidence");
    insta::assert_snapshot!(judged.transcript(), @"
    $ candor verify sent.candor-evidence
    refuted  the log example.org/candor-test
      checked      the log signed a tree of 3 entries with root tvNhlxyHcCVxwWtvuO2poup/vdDBZf3y/xo7Mm67sww=
                   the log signed a tree of 4 entries with root jQomb9GAT++bH/9QaytXqJkxZYAeXnmYXc8E9fTrh9U=
    --- stderr, exit 1
    error: the log example.org/candor-test signed two histories
      its tree of 4 entries does not begin with its tree of 3: the first 3 entries there have the root YZjIT5MBy9dYLtw2RLnKx51HlJ22yA1/Z86gkiH5hx4=
    hint: trust nothing that this log says; publish the file, or send it to a witness: it convinces whoever has the log's key
    ");
    assert_eq!(judged.code, 1);
    // By what is in it, whatever its name.
    judge.write("sent.json", &bytes);
    let json = judge
        .candor(&log, "verify sent.json --offline --json")
        .expect_code(1)
        .json();
    assert_eq!(json["findings"][0]["finding"], "fork");

    // The finding that it states counts for nothing.
    let mut changed: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    changed["finding"] = "stale".into();
    judge.write_json("changed.json", &changed);
    judge.candor(&log, "verify changed.json").expect_code(1);
    changed["finding"] = "fork".into();
    changed["proof"] = serde_json::Value::Null;
    judge.write_json("changed.json", &changed);
    let open = judge.candor(&log, "verify changed.json");
    insta::assert_snapshot!(open.transcript(), @"
    $ candor verify changed.json
    unclear  the log example.org/candor-test
      checked      the log signed a tree of 3 entries with root tvNhlxyHcCVxwWtvuO2poup/vdDBZf3y/xo7Mm67sww=
                   the log signed a tree of 4 entries with root jQomb9GAT++bH/9QaytXqJkxZYAeXnmYXc8E9fTrh9U=
    --- stderr, exit 3
    error: there is no telling whether the log example.org/candor-test holds
      both trees may be of one history: nothing in the file shows that they are not
    hint: ask the log again, with `candor checkpoint`; if it goes on, send the file to its operator and a witness
    ");
    assert_eq!(open.code, 3);
    let note = changed["shown"].as_str().expect("a note");
    changed["shown"] = note.replacen("\n4\n", "\n5\n", 1).into();
    judge.write_json("changed.json", &changed);
    judge
        .candor(&log, "verify changed.json")
        .expect_error(2, "is no evidence against example.org/candor-test");
    judge.write("half.candor-evidence", &bytes[..bytes.len() / 2]);
    judge
        .candor(&log, "verify half.candor-evidence")
        .expect_error(2, "is no evidence file");
    judge
        .candor(&log, "verify sent.json --as example-lab/tiny@2.0.0")
        .expect_error(2, "--as");
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
