use candor_core::bundle::Bundle;
use candor_core::record::Kind;
use serde_json::json;

use super::*;
use crate::standing::{release_withdrawn, withdrawn};
use crate::testing::{
    FakeLog, answer, log_key, manifest, publisher_record, weights_record, withdrawal_record,
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
    make_bundle(
        &log.client(),
        &Memory::new(dir.path()),
        &RELEASE.parse().expect("a name"),
    )
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
    // The log names an entry of another release, and hides the publisher's registration.
    log.intercept("releases/", || {
        let row = json!({ "index": 0, "statement": "00".repeat(32), "kind": "weights", "publisher": "meta-ai" });
        answer(200, "application/json", json!({ "name": RELEASE, "records": [row] }).to_string())
    });
    let error = make(&log).expect_err("nothing about it");
    assert!(
        matches!(error, BundleMakerError::Refused { .. }),
        "{error:?}"
    );
    log.intercept("publishers/", || {
        answer(
            200,
            "application/json",
            r#"{"name":"meta-ai","history":[]}"#,
        )
    });
    let error = make(&log).expect_err("no keys");
    assert!(
        matches!(error, BundleMakerError::Refused { .. }),
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
