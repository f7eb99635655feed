use candor_core::bundle::{Bundle, release_withdrawn, withdrawn};
use candor_core::record::Kind;
use serde_json::json;

use super::*;
use crate::publish::{Attachments, publish};
use crate::testing::{
    FakeLog, answer, evaluation_record, log_key, manifest, problem, publisher_record,
    weights_record, withdrawal_record,
};

const RELEASE: &str = "meta-ai/opt-125m@1.0.0";

fn log() -> FakeLog {
    let log = FakeLog::new();
    log.register("eleutherai", 2);
    log.register("meta-ai", 1);
    log.add(&weights_record(RELEASE, "weights", 1));
    let bytes = manifest("weights").to_bytes();
    log.state()
        .attachments
        .insert(candor_core::Sha256::of(&bytes), bytes);
    log
}

fn make(log: &FakeLog) -> Result<MadeBundle, BundleMakerError> {
    let dir = tempfile::tempdir().expect("a folder");
    let release = RELEASE.parse().expect("a name");
    make_bundle(
        &log.client(),
        &Memory::new(dir.path()),
        &Wanted::all(&release),
    )
}

/// Evaluations of the release by somebody, each another.
fn evaluate(log: &FakeLog, author: &str, signer: u8, count: usize) {
    let content = Sha256::of(manifest("weights").to_bytes());
    for n in 0..count {
        log.add(&evaluation_record(RELEASE, content, author, n, signer));
    }
}

#[test]
fn a_bundle_verifies_from_its_own_text() {
    let made = make(&log()).expect("all is well");
    let verified = Bundle::parse(made.bundle.to_json().as_bytes())
        .expect("a bundle")
        .verify(&log_key())
        .expect("it holds");
    assert_eq!(verified, made.verified);
    let kinds: Vec<_> = verified
        .records
        .iter()
        .map(|logged| logged.record.statement().kind())
        .collect();
    assert_eq!(
        kinds,
        [Kind::Publisher, Kind::Weights],
        "others' records stay out"
    );
    assert_eq!(verified.attachments.len(), 1);
}

#[test]
fn a_key_change_between_the_records_is_part_of_the_bundle() {
    let log = log();
    let first = publisher_record("meta-ai", &[1], None, &[1])
        .statement()
        .digest;
    log.add(&publisher_record("meta-ai", &[4], Some(first), &[1, 4]));
    let weights = weights_record(RELEASE, "weights", 1).statement().digest;
    log.add(&withdrawal_record(RELEASE, weights, "record", 4));
    let verified = make(&log).expect("all is well").verified;
    assert_eq!(verified.records.len(), 4);
    let withdrawn = withdrawn(&verified.records[1], &verified.records).expect("it is");
    assert_eq!(withdrawn.by.get(), 4);
    assert_eq!(
        release_withdrawn(&verified.release, &verified.records),
        None
    );
}

#[test]
fn a_release_withdrawn_by_its_publisher_is_withdrawn() {
    let log = log();
    let weights = weights_record(RELEASE, "weights", 1).statement().digest;
    log.add(&withdrawal_record(RELEASE, weights, "release", 1));
    let verified = make(&log).expect("all is well").verified;
    let it = release_withdrawn(&verified.release, &verified.records).expect("it is");
    assert_eq!(it.by.get(), 3);
    assert!(withdrawn(&verified.records[1], &verified.records).is_some());
}

#[test]
fn a_view_that_lies_is_found_out() {
    let log = log();
    assert!(make(&log).is_ok());
    // The log names an entry that is about something else.
    log.intercept("records?", || {
        let row = json!({ "index": 0, "statement": "00".repeat(32), "kind": "weights", "publisher": "meta-ai" });
        answer(200, "application/json", json!({ "records": [row] }).to_string())
    });
    let error = make(&log).expect_err("not about it");
    assert!(
        matches!(error, BundleMakerError::OtherRecord { .. }),
        "{error:?}"
    );
    // Or one that its tree does not have.
    log.intercept("records?", || {
        let row = json!({ "index": 99, "statement": "00".repeat(32), "kind": "weights", "publisher": "meta-ai" });
        answer(200, "application/json", json!({ "records": [row] }).to_string())
    });
    let error = make(&log).expect_err("not there");
    assert!(
        matches!(error, BundleMakerError::Log(LogError::ListedPastEnd { .. })),
        "{error:?}"
    );
}

#[test]
fn a_history_that_the_log_hides_refutes_nothing() {
    let log = log();
    log.intercept("publishers/", || {
        answer(
            200,
            "application/json",
            r#"{"name":"meta-ai","history":[]}"#,
        )
    });
    let error = make(&log).expect_err("no keys");
    assert!(
        matches!(
            error,
            BundleMakerError::Replay(ReplayError::Unexplained { .. })
        ),
        "{error:?}"
    );
}

#[test]
fn what_others_say_comes_along_up_to_a_bound_and_is_never_needed() {
    let log = log();
    evaluate(&log, "eleutherai", 2, 3);
    let made = make(&log).expect("all is well");
    assert_eq!((made.others.listed, made.others.taken), (3, 3));
    assert_eq!(made.verified.records.len(), 6);

    log.register("stranger", 5);
    evaluate(&log, "stranger", 5, OTHERS_MAX + 1);
    let made = make(&log).expect("all is well");
    let expected = Others {
        listed: OTHERS_MAX + 4,
        is_more: false,
        taken: OTHERS_MAX,
    };
    assert_eq!(made.others, expected);
    let kinds = made.verified.records.iter();
    let weights = kinds.filter(|it| it.record.statement().kind() == Kind::Weights);
    assert_eq!(weights.count(), 1);

    // A stranger whose keys the log hides takes away what they said, and nothing else.
    log.intercept("publishers/stranger", || {
        let body = json!({ "type": "urn:candor:problem:not-found", "title": "Not here" });
        problem(404, &body)
    });
    let made = make(&log).expect("the release is what it was");
    assert_eq!(made.others.taken, 0);
    assert_eq!(made.verified.records.len(), 2);
}

#[test]
fn what_was_published_is_in_the_bundle_or_there_is_none() {
    let log = log();
    let dir = tempfile::tempdir().expect("a folder");
    let memory = Memory::new(dir.path());
    let records = [weights_record(RELEASE, "weights", 1)];
    let published =
        publish(&log.client(), &memory, &records, &Attachments::new()).expect("it is known");
    let made = make(&log).expect("all is well");
    made.check_holds(&records, &published).expect("it is there");

    // The log lists a withdrawal of it, and not the record itself.
    let withdrawal = withdrawal_record(RELEASE, published[0].statement, "record", 1);
    let index = log.add(&withdrawal);
    log.intercept("records?", move || {
        let row = json!({ "index": index, "statement": "00".repeat(32), "kind": "withdrawal", "publisher": "meta-ai" });
        answer(200, "application/json", json!({ "records": [row] }).to_string())
    });
    let made = make(&log).expect("it holds, as far as it goes");
    let error = made
        .check_holds(&records, &published)
        .expect_err("the weights are not there");
    assert!(
        matches!(error, BundleMakerError::LeftOut { index, what: "leaves it", .. } if index == published[0].index),
        "{error:?}"
    );
}

#[test]
fn a_bundle_that_nobody_could_read_is_not_made() {
    let mut made = make(&log()).expect("all is well");
    made.bundle.attach("text/plain", &vec![0; BUNDLE_BYTES_MAX]);
    let error = made.to_file().expect_err("base64 makes it longer still");
    assert!(
        matches!(error, BundleMakerError::TooLong { .. }),
        "{error:?}"
    );
}

#[test]
fn a_strange_404_is_no_answer() {
    let log = log();
    log.intercept("records?", || answer(404, "text/html", "<html>"));
    let error = make(&log).expect_err("a server that is no log");
    assert!(
        matches!(error, BundleMakerError::Log(LogError::NotALog { .. })),
        "{error:?}"
    );
}

#[test]
fn a_release_that_the_log_does_not_have_is_named() {
    let error = make(&FakeLog::new()).expect_err("empty");
    assert_eq!(
        error.to_string(),
        format!("the log has no record of {RELEASE}")
    );
}
