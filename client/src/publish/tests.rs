use candor_core::merkle::LeafIndex;
use serde_json::json;

use super::*;
use crate::testing::{
    FakeLog, answer, manifest, overtaken, publisher_record, signed, weights_record,
};

const RELEASE: &str = "meta-ai/opt-125m@1.0.0";

fn memory() -> (tempfile::TempDir, Memory) {
    let dir = tempfile::tempdir().expect("a folder");
    let memory = Memory::new(dir.path());
    (dir, memory)
}

fn attachments(content: &str) -> Attachments {
    let bytes = manifest(content).to_bytes();
    Attachments::from([(Sha256::of(&bytes), bytes)])
}

#[test]
fn a_record_is_published_once_however_often_it_is_sent() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let record = [weights_record(RELEASE, "weights", 1)];
    for created in [true, false] {
        let published =
            publish(&log.client(), &memory, &record, &attachments("weights")).expect("published");
        assert_eq!(
            (published[0].index, published[0].created),
            (LeafIndex::new(1), created)
        );
    }
    assert_eq!(log.state().attachments.len(), 1, "the manifest came along");
    let newest = memory
        .newest(log.client().key())
        .expect("readable")
        .expect("there");
    assert_eq!(newest.size().get(), 2);
}

#[test]
fn a_statement_that_is_known_under_another_signature_is_recognised() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    let first = publisher_record("meta-ai", &[1, 2], None, &[1, 2]);
    log.add(&first);
    log.add(&weights_record(RELEASE, "weights", 1));
    let again = [weights_record(RELEASE, "weights", 2)];
    let published =
        publish(&log.client(), &memory, &again, &attachments("weights")).expect("known");
    assert_eq!(
        (published[0].index, published[0].created),
        (LeafIndex::new(1), false)
    );
}

#[test]
fn a_receipt_that_does_not_hold_is_not_believed() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    log.register("eleutherai", 2);
    let record = [weights_record(RELEASE, "weights", 1)];
    let stale = log.state().checkpoint();
    let make = move |index: u64, statement: Sha256, receipt: &str| {
        let body = json!({
            "checkpoint": stale,
            "records": [{ "index": index, "statement": statement, "created": true, "receipt": receipt }],
        });
        answer(201, "application/json", body.to_string())
    };
    let digest = record[0].statement().digest;
    let checkpoint = log.state().checkpoint();
    let receipt = |index: u64, path: &str| {
        format!("c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{checkpoint}")
    };
    let hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    for (index, statement, receipt, expected) in [
        (1, digest, receipt(1, hash), "holds another statement"),
        (7, digest, receipt(7, hash), "does not hold"),
        (1, digest, receipt(0, hash), "another record"),
        (1, Sha256::of("other"), receipt(1, hash), "another record"),
        (1, digest, "c2sp".to_owned(), "does not hold"),
    ] {
        let make = make.clone();
        log.intercept("records", move || make(index, statement, &receipt));
        let error =
            publish(&log.client(), &memory, &record, &attachments("weights")).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_a_log_would_refuse_is_refused_before_it_is_sent() {
    let payload = |predicate: serde_json::Value| {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": RELEASE, "digest": { "sha256": Sha256::of("x") } }],
            "predicateType": "urn:candor:evaluation:v1",
            "predicate": predicate,
        })
        .to_string()
    };
    let error = check_payload(payload(json!({ "author": "meta-ai" })).as_bytes())
        .expect_err("fields are missing");
    let PublishError::Schema { kind, violations } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*kind, Kind::Evaluation);
    assert!(!violations.is_empty() && error.context().len() == violations.len());
    assert!(matches!(
        check_payload(b"{\"a\":1,\"a\":2}"),
        Err(PublishError::Statement(_))
    ));
    assert!(matches!(
        check_payload(b"[NaN]"),
        Err(PublishError::Statement(_))
    ));
}

#[test]
fn attachments_fit_their_statements() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let record = [weights_record(RELEASE, "weights", 1)];
    let error =
        publish(&log.client(), &memory, &record, &attachments("other")).expect_err("not named");
    assert!(
        matches!(error, PublishError::AttachmentUnnamed(_)),
        "{error:?}"
    );
    assert!(matches!(
        publish(&log.client(), &memory, &[], &Attachments::new()),
        Err(PublishError::Count(0))
    ));
    assert!(log.state().asked.is_empty(), "nothing was sent");
}

#[test]
fn a_refusal_comes_with_the_logs_own_words() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let stranger = [weights_record(RELEASE, "weights", 3)];
    let error =
        publish(&log.client(), &memory, &stranger, &attachments("weights")).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("none of the signatures is by a key of meta-ai"),
        "{error}"
    );
    assert!(
        error.hint().contains("candor publisher show"),
        "{}",
        error.hint()
    );
}

#[test]
fn a_publisher_who_is_overtaken_by_others_has_published() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let record = [weights_record(RELEASE, "weights", 1)];
    let client = overtaken("records", &log, &memory);
    let published = publish(&client, &memory, &record, &attachments("weights")).expect("published");
    assert_eq!(published[0].index, LeafIndex::new(1));
    let newest = memory.newest(client.key()).expect("readable");
    assert_eq!(newest.expect("there").size().get(), 3);
}

#[test]
fn nothing_is_sent_to_what_is_not_the_log() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let record = [weights_record(RELEASE, "weights", 1)];
    let other_key: candor_core::note::LogKey =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
            .parse()
            .expect("a key");
    let url = crate::testing::URL.parse().expect("an address");
    let stranger = LogClient::new(url, other_key, Box::new(log.clone()));
    let error = publish(&stranger, &memory, &record, &attachments("weights"))
        .expect_err("not the log of this key");
    assert!(
        matches!(
            error,
            PublishError::Memory(MemoryError::Log(LogError::Checkpoint(_)))
        ),
        "{error:?}"
    );
    let other = log.fork();
    other.register("somebody-else", 5);
    log.register("eleutherai", 2);
    memory.fetch(&other.client()).expect("first");
    let error = publish(&log.client(), &memory, &record, &attachments("weights"))
        .expect_err("two histories");
    assert!(
        matches!(error, PublishError::Memory(MemoryError::Fork(_))),
        "{error:?}"
    );
    assert!(
        !log.state()
            .asked
            .iter()
            .any(|path| path.contains("records"))
    );
}

#[test]
fn what_goes_wrong_after_sending_says_that_it_was_sent() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let record = [weights_record(RELEASE, "weights", 1)];
    let problem = |status| move || crate::testing::problem(status, &json!({ "detail": "no" }));
    let sent = |error: &PublishError| error.context().concat().contains("may be in the log");
    log.intercept("records", problem(500));
    let error = publish(&log.client(), &memory, &record, &attachments("weights"))
        .expect_err("no answer that counts");
    assert!(sent(&error), "{:?}", error.context());
    assert!(error.log_error().is_some());
    log.intercept("records", || answer(200, "text/html", "Welcome"));
    let error = publish(&log.client(), &memory, &record, &attachments("weights"))
        .expect_err("no answer that counts");
    assert!(sent(&error), "{:?}", error.context());
    log.intercept("records", problem(422));
    let error =
        publish(&log.client(), &memory, &record, &attachments("weights")).expect_err("refused");
    assert!(!sent(&error), "{:?}", error.context());
}

#[test]
fn several_records_go_as_a_list_and_one_as_itself() {
    let one = weights_record(RELEASE, "weights", 1);
    let two = signed(one.envelope().payload().to_vec(), &[2]);
    let single = request_body(std::slice::from_ref(&one), &Attachments::new());
    assert!(single.bytes.starts_with(b"{"));
    assert!(
        request_body(&[one, two], &Attachments::new())
            .bytes
            .starts_with(b"[")
    );
}
