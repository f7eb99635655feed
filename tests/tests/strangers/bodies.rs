//! Bodies: announced and not sent, sent and not finished, and full of what takes memory.

use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::record::kinds::Attachment;
use candor_core::weights::MANIFEST_MEDIA_TYPE;
use candor_tests::http::multipart;
use candor_tests::raw::{Raw, request};
use candor_tests::{TestLog, TestPublisher};
use serde_json::{Value, json};

use super::{begun, expect_publishing, memory_peak, without_attachments};

/// Many objects of one number each take a hundred times their text in memory.
fn many_values(bytes: usize) -> String {
    format!("[{}0]", r#"{"":0},"#.repeat(bytes / 7))
}

fn unsigned(payload: &str) -> Value {
    json!({
        "payloadType": "application/vnd.in-toto+json",
        "payload": BASE64_STANDARD.encode(payload),
        "signatures": [{"sig": ""}],
    })
}

#[test]
fn attachments_that_are_announced_and_not_sent_keep_nobody_from_publishing() {
    let log = TestLog::start();
    // Large ones, and then smaller and smaller ones that fit into what those leave.
    let sizes = std::iter::repeat_n(32 << 20, 9).chain((1..16).map(|n| (32 << 20) >> n));
    let idle: Vec<Raw> = sizes
        .enumerate()
        .map(|(n, size)| {
            let lab = TestPublisher::new(&format!("idle-{n}"));
            let card = lab.altered(&lab.model_card("m", "1", b"card"), |statement| {
                statement["predicate"]["document"]["size"] = size.into();
            });
            let (content_type, body) = without_attachments(&[lab.register(), card]);
            begun(&log, content_type, &body, size)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    expect_publishing(&log, "somebody-else");
    let lab = TestPublisher::new("a-third");
    // Too large for the share of the small ones.
    let card = vec![b'a'; 1 << 20];
    let records = serde_json::to_vec(&[lab.register(), lab.model_card("m", "1", &card)]);
    let (content_type, body) = multipart(&records.expect("JSON"), &[&card]);
    log.post(content_type, &body).expect_status(201);
    drop(idle);
}

/// A record can take thirty times its text in memory, and is kept while its attachments are awaited.
#[test]
fn records_that_take_much_memory_and_wait_keep_no_small_one_out() {
    let log = TestLog::start();
    let idle: Vec<Raw> = (0..10)
        .map(|n| {
            let lab = TestPublisher::new(&format!("idle-{n}"));
            let filled = (0..5).map(|version| {
                let api = lab.api_version("api", &version.to_string(), "");
                lab.altered(&api, |statement| {
                    let many = serde_json::from_str(&many_values(40_000)).expect("JSON");
                    let many: Value = many;
                    statement["predicate"]["annotations"] = json!({ "many": many });
                })
            });
            let mut records = vec![lab.register(), lab.model_card("m", "1", b"card")];
            records.extend(filled);
            let (content_type, body) = without_attachments(&records);
            begun(&log, content_type, &body, 10)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    expect_publishing(&log, "small-one");
    assert!(memory_peak(&log) < 600, "{} MB", memory_peak(&log));
    drop(idle);
}

#[test]
fn large_bodies_that_are_not_finished_have_an_end_and_keep_no_small_one_out() {
    let log = TestLog::start();
    let begins = [b"[\"".as_slice(), &vec![b'a'; 8_000_000]].concat();
    let idle: Vec<Raw> = (0..8)
        .map(|_| begun(&log, "application/json", &begins, 10))
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    // No more of these for now.
    let ninth = [begins.as_slice(), b"\"]"].concat();
    let busy = log.post("application/json", &ninth).expect_status(503);
    assert_eq!(busy.json()["type"], "urn:candor:problem:overloaded");
    assert_eq!(busy.header("retry-after"), "2");
    expect_publishing(&log, "small-one");
    assert!(memory_peak(&log) < 400, "{} MB", memory_peak(&log));
    // What comes too slowly is let go, and the next large body is read again.
    let begun = Instant::now();
    for raw in idle {
        let answer = raw.answer().expect("an answer");
        assert_eq!(answer.status, 408, "{}", answer.text());
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains("came in 10 seconds"), "{detail}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
    log.post("application/json", &ninth).expect_status(400);
}

#[test]
fn payloads_full_of_values_take_no_more_memory_than_they_may() {
    let log = TestLog::start();
    // One that no entry can hold, and many that just fit.
    let large = unsigned(&many_values(5_000_000)).to_string();
    let problem = log.post("application/json", large.as_bytes());
    assert_eq!(problem.expect_status(413).json()["record"], 0);
    let fitting = vec![unsigned(&many_values(48_000)); 64];
    let body = serde_json::to_vec(&fitting).expect("JSON");
    log.post("application/json", &body).expect_status(422);

    // Well-formed, so that all of them are parsed and kept.
    let lab = TestPublisher::new("example-lab");
    let filled = |n: usize| {
        lab.altered(&lab.api_version("m", &n.to_string(), ""), |statement| {
            let values: Value = serde_json::from_str(&many_values(44_000)).expect("JSON");
            statement["predicate"]["annotations"] = json!({"a": values});
            candor_tests::statements::fit_subject(statement);
        })
    };
    let body: Vec<Value> = (0..40).map(filled).collect();
    let problem = log.publish(&body).expect_status(422).json();
    let detail = problem["detail"].to_string();
    assert!(detail.contains("too many values"), "{detail}");
    // One alone may have as many as fit.
    log.publish(&[lab.register(), filled(0)]).expect_status(201);
    assert!(memory_peak(&log) < 250, "{} MB", memory_peak(&log));
}

#[test]
fn a_document_that_is_no_manifest_is_not_parsed_to_its_end() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let document = many_values(32_000_000);
    let described = Attachment::describe("manifest.json", MANIFEST_MEDIA_TYPE, document.as_bytes());
    let digest = described.digest.sha256.to_string();
    let weights = lab.weights("m", "1", &super::work::manifest(1));
    let weights = lab.altered(&weights, |statement| {
        statement["subject"][0]["digest"]["sha256"] = digest.into();
        statement["predicate"]["manifest"] = serde_json::to_value(&described).expect("JSON");
    });
    let records = serde_json::to_vec(&[lab.register(), weights]).expect("JSON");
    let (content_type, body) = multipart(&records, &[document.as_bytes()]);
    let problem = log.post(content_type, &body).expect_status(422).json();
    assert_eq!(problem["type"], "urn:candor:problem:bad-manifest");
    // The document twice, and what the allocator keeps.
    assert!(memory_peak(&log) < 250, "{} MB", memory_peak(&log));
}

#[test]
fn what_stands_before_and_between_the_parts_of_a_form_has_an_end() {
    let log = TestLog::start();
    let filler = vec![b'x'; 20 << 20];
    let part = b"--x\r\nContent-Disposition: form-data; name=\"records\"\r\nX: ";
    for begins in [filler.clone(), [part.as_slice(), &filler].concat()] {
        let problem = log
            .post("multipart/form-data; boundary=x", &begins)
            .expect_status(400)
            .json();
        let detail = problem["detail"].to_string();
        assert!(detail.contains("too many bytes before a part"), "{detail}");
    }
    assert!(memory_peak(&log) < 100, "{} MB", memory_peak(&log));
}

/// `shutdown(SHUT_WR)` says that the request is complete, and not that the client is gone.
#[test]
fn who_says_that_all_is_sent_gets_an_answer() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let body = lab.register().to_string();
    let length = format!("content-length: {}", body.len());
    let headers = ["content-type: application/json", &length];
    let mut raw = Raw::connect(log.url());
    raw.send(&request(
        "POST",
        "/api/v1/records",
        &headers,
        body.as_bytes(),
    ));
    raw.finish_sending();
    let answer = raw.answer().expect("an answer").expect_status(201);
    assert_eq!(answer.json()["records"][0]["index"], 0);
}
