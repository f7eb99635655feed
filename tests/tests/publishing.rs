//! Publishing: what is acknowledged, what is the same again, what belongs together.

use candor_core::bundle::Receipt;
use candor_core::merkle::Entry;
use candor_core::record::Envelope;
use candor_tests::http::multipart;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

/// The entry that an envelope becomes.
fn entry_of(envelope: &Value) -> Entry {
    let envelope = Envelope::from_json(envelope).expect("an envelope");
    Entry::new(envelope.to_canonical_json()).expect("short enough")
}

#[test]
fn every_answer_carries_a_receipt_that_proves_the_very_entry() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let envelopes = [
        lab.register(),
        lab.api_version("tiny", "1.0.0", ""),
        lab.api_version("tiny", "1.0.1", ""),
    ];
    let answer = log.publish(&envelopes).expect_status(201).json();
    for (n, envelope) in envelopes.iter().enumerate() {
        let record = &answer["records"][n];
        assert_eq!(record["index"], n as u64);
        assert_eq!(record["created"], true);
        let receipt: Receipt = record["receipt"]
            .as_str()
            .expect("a receipt")
            .parse()
            .expect("a tlog-proof");
        receipt
            .verify(&entry_of(envelope), log.key())
            .expect("the receipt holds");
        let other = entry_of(&envelopes[(n + 1) % 3]);
        receipt
            .verify(&other, log.key())
            .expect_err("it proves no other entry");
    }
}

#[test]
fn the_same_statement_again_returns_a_receipt_for_the_first_entry() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let release = [lab.register(), lab.api_version("tiny", "1.0.0", "")];
    log.publish(&release).expect_status(201);
    let again = log.publish(&release).expect_status(200).json();
    assert_eq!(again["records"][0]["index"], 0);
    assert_eq!(again["records"][1]["index"], 1);
    assert_eq!(again["records"][1]["created"], false);
    expect_receipts(&log, &again, &release);
    let more = [release[1].clone(), lab.api_version("tiny", "1.1.0", "")];
    let answer = log.publish(&more).expect_status(201).json();
    assert_eq!(answer["records"][0]["index"], 1);
    assert_eq!(answer["records"][1]["index"], 2);
    expect_receipts(&log, &answer, &more);
    assert_eq!(log.get("/api/v1/log").json()["size"], 3);
}

/// Each receipt proves its envelope's entry, at the index that the answer names, in the newest tree.
fn expect_receipts(log: &TestLog, answer: &Value, envelopes: &[Value]) {
    let newest = log.get("/checkpoint").body;
    for (n, envelope) in envelopes.iter().enumerate() {
        let record = &answer["records"][n];
        let receipt: Receipt = record["receipt"]
            .as_str()
            .expect("a receipt")
            .parse()
            .expect("a tlog-proof");
        let logged = receipt
            .verify(&entry_of(envelope), log.key())
            .expect("the receipt holds");
        assert_eq!(record["index"], logged.index.get());
        assert_eq!(receipt.checkpoint.as_bytes(), newest);
    }
}

#[test]
fn a_release_is_logged_whole_or_not_at_all() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let good = lab.api_version("tiny", "1.0.0", "");
    let other_content = lab.api_version("tiny", "1.0.0", "something else");
    let problem = log
        .publish(&[good.clone(), other_content])
        .expect_status(409)
        .json();
    assert_eq!(problem["type"], "urn:candor:problem:release-exists");
    assert_eq!(problem["record"], 1);
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
    log.publish(&[good]).expect_status(201);
}

#[test]
fn a_record_twice_in_one_request_is_one_record() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let card = lab.api_version("tiny", "1.0.0", "");
    let twice = [lab.register(), lab.register(), card.clone(), card];
    let answer = log.publish(&twice).expect_status(201).json();
    let places: Vec<_> = (0..4)
        .map(|n| {
            let record = &answer["records"][n];
            (record["index"].as_u64(), record["created"].as_bool())
        })
        .collect();
    let (first, second) = (Some(0), Some(1));
    let (new, old) = (Some(true), Some(false));
    assert_eq!(
        places,
        [(first, new), (first, old), (second, new), (second, old)]
    );
    assert_eq!(log.get("/api/v1/log").json()["size"], 2);
}

#[test]
fn a_refusal_counts_the_records_as_the_request_has_them() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let known = [lab.register(), lab.api_version("tiny", "1.0.0", "")];
    log.publish(&known).expect_status(201);
    let [registration, version] = known;
    let other_content = lab.api_version("tiny", "1.0.0", "something else");
    let problem = log
        .publish(&[registration, version, other_content])
        .expect_status(409)
        .json();
    assert_eq!(problem["record"], 2);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("already, entry 1,"), "{detail}");

    // Where the other record is in no log either, no entry is named.
    let problem = log
        .publish(&[
            lab.api_version("tiny", "2.0.0", ""),
            lab.api_version("tiny", "2.0.0", "something else"),
        ])
        .expect_status(409)
        .json();
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("another record of this request"),
        "{detail}"
    );
}

#[test]
fn keys_change_in_a_request_of_their_own() {
    let log = TestLog::start();
    let old = TestPublisher::new("example-lab");
    let new = old.with_key("the second key");
    log.publish(&[old.register()]).expect_status(201);
    let rotation = old.rotate(&old.register(), &new);
    let by_old = old.api_version("tiny", "1.0.0", "");
    for both in [
        [rotation.clone(), by_old.clone()],
        [by_old, rotation.clone()],
    ] {
        let problem = log.publish(&both).expect_status(422).json();
        assert_eq!(problem["type"], "urn:candor:problem:bad-key-change");
        assert_eq!(problem["record"], 1);
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
    log.publish(&[rotation]).expect_status(201);
}

#[test]
fn an_attachment_is_stored_with_the_record_that_names_it() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let card = lab.model_card("tiny", "1.0.0", b"# Tiny");
    let alone = log
        .publish(std::slice::from_ref(&card))
        .expect_status(422)
        .json();
    assert_eq!(alone["type"], "urn:candor:problem:missing-attachment");

    let records = serde_json::to_vec(&card).expect("JSON");
    let (content_type, body) = multipart(&records, &[b"# Tinx"]);
    let wrong = log.post(content_type, &body).expect_status(422).json();
    assert_eq!(wrong["type"], "urn:candor:problem:bad-attachment");

    let (content_type, body) = multipart(&records, &[b"# Tiny"]);
    log.post(content_type, &body).expect_status(201);
    let sha256 = candor_core::Sha256::of(b"# Tiny");
    let stored = log
        .get(&format!("/api/v1/attachments/{sha256}"))
        .expect_status(200);
    assert_eq!(stored.body, b"# Tiny");
    assert_eq!(stored.header("x-content-type-options"), "nosniff");
    assert_eq!(stored.header("content-disposition"), "attachment");

    // A client need not know that it is there already.
    let (content_type, body) = multipart(&records, &[b"# Tiny"]);
    log.post(content_type, &body).expect_status(200);
}

#[test]
fn a_log_is_served_only_where_one_was_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(candor_tests::program("candor-server"))
        .args(["serve", "--data"])
        .arg(folder.path())
        .output()
        .expect("candor-server runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("candor-server init"),
        "{output:?}"
    );
}

#[test]
fn two_servers_never_run_one_log() {
    let log = TestLog::start();
    let output = std::process::Command::new(candor_tests::program("candor-server"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(log.data())
        .output()
        .expect("candor-server runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("another candor-server"),
        "{output:?}"
    );
}

#[test]
fn a_log_goes_on_where_it_stopped() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    // Over the edge of a tile, so that full and partial tiles are read back.
    for batch in 0..5 {
        let envelopes: Vec<_> = (0..60)
            .map(|n| lab.api_version("tiny", &format!("{batch}.{n}"), ""))
            .collect();
        log.publish(&envelopes).expect_status(201);
    }
    let before = log.get("/checkpoint").body;
    assert!(log.stop().success(), "{}", log.log_lines());
    log.restart();
    assert_eq!(log.get("/checkpoint").body, before);
    log.publish(&[lab.api_version("tiny", "9.9", "")])
        .expect_status(201);
    assert_eq!(log.get("/readyz").expect_status(200).json()["size"], 302);
}
