//! Clients that ask for much and read nothing.

use std::time::Duration;

use candor_tests::http::multipart;
use candor_tests::raw::{Raw, request};
use candor_tests::{TestLog, TestPublisher};

use super::{expect_publishing, memory_peak};

#[test]
fn answers_that_nobody_reads_have_an_end() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let document = vec![b'a'; 32 << 20];
    let records = serde_json::to_vec(&[lab.register(), lab.model_card("m", "1", &document)]);
    let (content_type, body) = multipart(&records.expect("JSON"), &[&document]);
    log.post(content_type, &body).expect_status(201);
    let path = format!("/api/v1/attachments/{}", candor_core::Sha256::of(&document));
    let idle: Vec<Raw> = (0..40)
        .map(|_| {
            let mut raw = Raw::connect(log.url());
            raw.send(&request("GET", &path, &[], b""));
            raw
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    let busy = log.get(&path).expect_status(503);
    assert_eq!(busy.json()["type"], "urn:candor:problem:overloaded");
    assert_eq!(busy.header("retry-after"), "2");
    assert!(memory_peak(&log) < 700, "{} MB", memory_peak(&log));
    // Whoever asks for less is not kept out.
    log.get("/api/v1/records").expect_status(200);
    let metrics = log.get("/metrics").text();
    let refused = "candor_refused_total{problem=\"overloaded\"}";
    assert!(metrics.contains(refused), "{metrics}");
    expect_publishing(&log, "small-one");
    drop(idle);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(log.get(&path).expect_status(200).body, document);
}

/// Each of these statements is twice in the answer, and there may be 500.
#[test]
fn pages_of_a_release_are_bounded_by_bytes_and_lead_on() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let api = lab.api_version("m", "1", "");
    log.publish(&[lab.register(), api.clone()])
        .expect_status(201);
    let outcome = candor_core::record::kinds::Outcome::Reported;
    let evaluations: Vec<_> = (0..60)
        .map(|n| {
            lab.altered(&lab.evaluation(&api, outcome, None), |statement| {
                let text = format!("{n}{}", "x".repeat(40_000));
                statement["predicate"]["annotations"] = serde_json::json!({"note": text});
            })
        })
        .collect();
    log.publish(&evaluations).expect_status(201);
    let mut next = Some("/api/v1/releases/example-lab/m@1?limit=500".to_owned());
    let (mut indexes, mut pages) = (Vec::new(), 0);
    while let Some(path) = next {
        let page = log.get(&path).expect_status(200);
        assert!(page.body.len() < 4 << 20, "{} bytes", page.body.len());
        let page = page.json();
        let records = page["records"].as_array().expect("a list");
        indexes.extend(records.iter().map(|record| record["index"].as_u64()));
        next = page["next"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!(indexes, (1..62).map(Some).collect::<Vec<_>>());
    assert_eq!(pages, 4);
}
