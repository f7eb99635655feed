//! Taking back what was published.

use candor_tests::TestLog;
use candor_tests::cli::{Person, write_release};

const WHY: [&str; 4] = ["--reason", "error", "--explanation", "Wrong files"];

fn lab_with_two_releases(log: &TestLog) -> Person {
    let lab = Person::registered(log, "example-lab");
    write_release(&lab.home.join("tiny"));
    for version in ["1.0.0", "1.0.1"] {
        lab.candor(
            log,
            &format!("release tiny --as example-lab/tiny@{version}"),
        )
        .expect_code(0);
    }
    lab
}

#[test]
fn a_release_is_withdrawn_by_its_name_and_once() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let withdraw = [
        &["withdraw", "example-lab/tiny@1.0.0"][..],
        &WHY,
        &["--replacement", "example-lab/tiny@1.0.1"],
    ]
    .concat();
    let size = || log.get("/api/v1/log").json()["size"].clone();
    lab.candor_args(&log, &withdraw)
        .expect_error(2, "nobody is at a terminal to confirm it");
    assert_eq!(size(), 7);
    let sure = [&withdraw[..], &["--yes"]].concat();
    let withdrawn = lab.candor_args(&log, &sure);
    insta::assert_snapshot!(withdrawn.transcript(), @"
    $ candor withdraw example-lab/tiny@1.0.0 --reason error --explanation Wrong files --replacement example-lab/tiny@1.0.1 --yes
    published entry 7      withdrawal  57f6635d51a24fcff2dda1d925be66a8738a4ec5ae38e0be768ab88a272569c3
    withdrawn example-lab/tiny@1.0.0, with 3 records by example-lab
    --- stderr, exit 0
    ");
    lab.candor_args(&log, &sure)
        .expect_code(0)
        .expect_words("withdrawn already");
    assert_eq!(size(), 8, "once is enough");
    let shown = lab.candor(&log, "show example-lab/tiny@1.0.0");
    shown.expect_code(0).expect_words(
        "WITHDRAWN by entry 7 (error): Wrong files. Use example-lab/tiny@1.0.1 instead.",
    );
    lab.candor(&log, "verify example-lab/tiny@1.0.0")
        .expect_code(1);
    // The version is gone for good, and so is the withdrawal.
    lab.candor(&log, "publish tiny/README.md --as example-lab/tiny@1.0.0")
        .expect_code(0)
        .expect_words("warning: the log says that example-lab/tiny@1.0.0 is withdrawn by entry 7")
        .expect_words("known");
    let again = [&["withdraw", "7"][..], &WHY, &["--yes"]].concat();
    let refused = lab.candor_args(&log, &again);
    insta::assert_snapshot!(refused.stderr, @"
    error: entry 7 is a withdrawal, and what was withdrawn stays so
    hint: publish it again under another version
    ");
    let keys = [&["withdraw", "0"][..], &WHY, &["--yes"]].concat();
    lab.candor_args(&log, &keys)
        .expect_error(2, "says which keys a publisher has");
}

#[test]
fn one_record_is_withdrawn_by_its_index_or_its_digest() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let digest = lab.candor(&log, "show 3 --json").json()["statement"].clone();
    for target in ["2", digest.as_str().expect("a digest")] {
        let withdraw = [&["withdraw", target][..], &WHY, &["--yes"]].concat();
        lab.candor_args(&log, &withdraw).expect_code(0);
        lab.candor_args(&log, &withdraw)
            .expect_code(0)
            .expect_words("withdrawn already");
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 9);
    lab.candor(&log, "show example-lab/tiny@1.0.0")
        .expect_code(0)
        .expect_words("Withdraws        entry 2, model-card")
        .expect_words("Withdraws        entry 3, training-config");
    // By itself, it does not know where the other one stands.
    lab.candor(&log, "show 8")
        .expect_code(0)
        .expect_words(&format!(
            "one record, with the statement digest\n                   {}",
            digest.as_str().expect("a digest")
        ));
}

#[test]
fn what_was_withdrawn_is_shown_as_that_wherever_it_is_named() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let digest = lab.candor(&log, "show 5 --json").json()["statement"].clone();
    let digest = digest.as_str().expect("a digest");
    let by = |line: &str| lab.candor(&log, &format!("{line} --json")).json()["withdrawnBy"].clone();
    assert_eq!(by("show 5"), serde_json::Value::Null);
    let record = [&["withdraw", "5"][..], &WHY, &["--yes"]].concat();
    lab.candor_args(&log, &record).expect_code(0);
    for target in ["5", digest] {
        lab.candor(&log, &format!("show {target}"))
            .expect_code(0)
            .expect_words("WITHDRAWN by entry 7 (error): Wrong files");
        assert_eq!(by(&format!("show {target}")), 7);
    }
    lab.candor(&log, "list models")
        .expect_code(0)
        .expect_words("newest example-lab/tiny@1.0.1\n");
    let release = [
        &["withdraw", "example-lab/tiny@1.0.1"][..],
        &WHY,
        &["--yes"],
    ]
    .concat();
    lab.candor_args(&log, &release).expect_code(0);
    assert_eq!(by("show 4"), 8);
    assert_eq!(by("show 5"), 7, "the first withdrawal counts");
    assert_eq!(by("show 3"), serde_json::Value::Null);
    let listed = lab.candor(&log, "list");
    insta::assert_snapshot!(listed.transcript(), @"
    $ candor list
         8  withdrawal       example-lab/tiny@1.0.1  error: Wrong files
         7  withdrawal       example-lab/tiny@1.0.1  error: Wrong files
         6  training-config  example-lab/tiny@1.0.1  training_config.yml  WITHDRAWN by entry 8
         5  model-card       example-lab/tiny@1.0.1  apache-2.0  WITHDRAWN by entry 7
         4  weights          example-lab/tiny@1.0.1  5 files, 663 bytes  WITHDRAWN by entry 8
         3  training-config  example-lab/tiny@1.0.0  training_config.yml
         2  model-card       example-lab/tiny@1.0.0  apache-2.0
         1  weights          example-lab/tiny@1.0.0  5 files, 663 bytes
         0  publisher        example-lab  example-lab, 1 key
    --- stderr, exit 0
    9 records, each checked
    ");
    let rows = lab.candor(&log, "list --json").json();
    assert_eq!(rows["records"][2]["withdrawnBy"], 8);
    assert_eq!(rows["records"][8]["withdrawnBy"], serde_json::Value::Null);
    let models = lab.candor(&log, "list models");
    insta::assert_snapshot!(models.stdout, @"
    example-lab/tiny  2 releases  newest example-lab/tiny@1.0.1  WITHDRAWN by entry 8
    ");
    let models = lab.candor(&log, "list models --json").json();
    assert_eq!(models["models"][0]["latestWithdrawnBy"], 8);
}

#[test]
fn a_release_stands_without_a_record_that_it_does_not_fall_with() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let withdraw = |target: &str| {
        let withdraw = [&["withdraw", target][..], &WHY, &["--yes"]].concat();
        lab.candor_args(&log, &withdraw).expect_code(0);
    };
    withdraw("3");
    let verified = lab.candor(&log, "verify tiny --as example-lab/tiny@1.0.0");
    insta::assert_snapshot!(verified.transcript_without_times(), @"
    $ candor verify tiny --as example-lab/tiny@1.0.0
    holds  tiny as example-lab/tiny@1.0.0
      checked      4 records of example-lab/tiny@1.0.0 are in the log, at entries 1, 2, 3, 7, and signed by
                   those who had to
                   5 files, 663 bytes, are those of the weights record (entry 1)
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 1), model-card (entry 2), training-config (entry 3), withdrawal (entry 7)
      logged       as entries 1, 2, 3, 7: accepted between [time] and
                   [time], as the log says, which nothing proves
      superseded   by example-lab/tiny@1.0.1, which came later into the log (entry 4)
      remarks      training-config (entry 3) is withdrawn by entry 7 (error): Wrong files
      checkpoint   example.org/candor-test, 8 entries, root j/RHn20UBWR5Qc/B03owRMzuOT6knzhQe4l9mEFy6xk=
      not checked  whether the log's lists leave records out: `candor log` walks through all entries
    --- stderr, exit 0
    ");
    lab.candor(&log, "verify 3")
        .expect_error(1, "entry 3 is in the log, and was withdrawn");
    withdraw("1");
    let refuted = lab.candor(&log, "verify tiny --as example-lab/tiny@1.0.0");
    insta::assert_snapshot!(refuted.stderr, @"
    error: tiny as example-lab/tiny@1.0.0 is in the log, and its weights record (entry 1) was withdrawn
      weights (entry 1) is withdrawn by entry 8 (error): Wrong files
    hint: don't use it; the withdrawal says why, and what to use instead
    ");
    assert_eq!(refuted.code, 1);
    // With neither card nor weights, nothing is left of it.
    withdraw("2");
    lab.candor(&log, "verify example-lab/tiny@1.0.0")
        .expect_error(
            1,
            "withdrawn: weights record (entry 1), model-card record (entry 2), training-config record (entry 3)",
        );
}

#[test]
fn only_who_signed_it_withdraws_it() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let stranger = Person::registered(&log, "stranger");
    for target in ["example-lab/tiny@1.0.0", "1"] {
        let withdraw = [&["withdraw", target][..], &WHY, &["--yes"]].concat();
        stranger
            .candor_args(&log, &withdraw)
            .expect_error(2, "example-lab");
    }
    for (target, code) in [("99", 2), ("example-lab/tiny@9", 3), ("nonsense", 2)] {
        let withdraw = [&["withdraw", target][..], &WHY, &["--yes"]].concat();
        lab.candor_args(&log, &withdraw).expect_error(code, target);
    }
    let unknown = [
        &["withdraw", "1"][..],
        &WHY,
        &["--yes", "--replacement", "example-lab/tiny@9"],
    ];
    lab.candor_args(&log, &unknown.concat())
        .expect_code(0)
        .expect_words(
            "warning: /predicate/replacement: the log has no record of example-lab/tiny@9",
        );
}

#[test]
fn at_a_terminal_it_is_asked_whether_it_is_meant() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let withdraw = [&["withdraw", "example-lab/tiny@1.0.0"][..], &WHY].concat();
    lab.candor_at_terminal(&log, &withdraw, &[], "no\n")
        .expect_code(2)
        .expect_words("can't be undone: who verifies the release is told not to use it");
    for (target, effect) in [
        ("1", "the release falls with it"),
        ("2", "the release falls with it"),
        ("3", "the release stands without it"),
    ] {
        let record = [&["withdraw", target][..], &WHY].concat();
        lab.candor_at_terminal(&log, &record, &[], "no\n")
            .expect_code(2)
            .expect_words(effect);
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 7);
    lab.candor_at_terminal(&log, &withdraw, &[], "yes\n")
        .expect_code(0);
    assert_eq!(log.get("/api/v1/log").json()["size"], 8);
}

#[test]
fn an_explanation_of_many_lines_does_not_speak_for_candor() {
    let log = TestLog::start();
    let lab = lab_with_two_releases(&log);
    let bundle = "verify tiny-1.0.0.candor";
    let why = "gone\nholds  example-lab/tiny@1.0.0\n\nverified  by everybody\nhint: trust us";
    let withdraw = [
        "withdraw",
        "example-lab/tiny@1.0.0",
        "--reason",
        "legal",
        "--explanation",
        why,
        "--yes",
    ];
    lab.candor_args(&log, &withdraw).expect_code(0);
    lab.candor(&log, bundle).expect_code(0);
    for line in [
        "show 7",
        "show example-lab/tiny@1.0.0",
        "verify example-lab/tiny@1.0.0",
        "verify 7",
        "list",
        "log",
    ] {
        let ran = lab.candor(&log, line);
        for said in ran.stdout.lines().chain(ran.stderr.lines()) {
            let poses = said == "holds  example-lab/tiny@1.0.0"
                || said == "verified  by everybody"
                || said == "hint: trust us";
            assert!(!poses, "{}", ran.transcript());
        }
    }
}
