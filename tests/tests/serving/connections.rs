//! Many clients, slow clients, and clients that are there when the server stops.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use candor_core::bundle::Receipt;
use candor_core::merkle::Entry;
use candor_core::record::Envelope;
use candor_tests::http::multipart;
use candor_tests::raw::Raw;
use candor_tests::statements::digest_of;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

/// What became of a request: an answer, or nothing that could be read.
fn try_publish(agent: &ureq::Agent, url: &str, envelope: &Value) -> Option<(u16, Value)> {
    let mut response = agent
        .post(format!("{url}/api/v1/records"))
        .header("content-type", "application/json")
        .send(envelope.to_string())
        .ok()?;
    let body = response.body_mut().read_to_vec().ok()?;
    Some((
        response.status().as_u16(),
        serde_json::from_slice(&body).ok()?,
    ))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// One client of many: publishes until the server is gone. Returns what was acknowledged, and how often the
/// server said that it stops.
fn publish_until_stopped(
    url: &str,
    lab: &TestPublisher,
    client: usize,
    gone: &AtomicBool,
) -> (Vec<(Value, Value)>, usize) {
    let agent = agent();
    let (mut acknowledged, mut stopping) = (Vec::new(), 0);
    for n in 0.. {
        let envelope = lab.api_version("tiny", &format!("{client}.{n}"), "");
        match try_publish(&agent, url, &envelope) {
            Some((201, answer)) => acknowledged.push((envelope, answer["records"][0].clone())),
            Some((503, problem)) => {
                assert_eq!(problem["type"], "urn:candor:problem:stopping");
                stopping += 1;
            }
            Some((status, answer)) => panic!("{status}: {answer}"),
            None if gone.load(Ordering::SeqCst) => break,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    (acknowledged, stopping)
}

#[test]
fn a_stop_under_load_finishes_what_was_accepted() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let url = log.url().to_owned();
    let gone = AtomicBool::new(false);
    let (url, lab, gone) = (url.as_str(), &lab, &gone);
    let (status, results) = thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|client| scope.spawn(move || publish_until_stopped(url, lab, client, gone)))
            .collect();
        thread::sleep(Duration::from_secs(1));
        let status = log.stop();
        gone.store(true, Ordering::SeqCst);
        let results: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().expect("the client ends"))
            .collect();
        (status, results)
    });
    assert!(status.success(), "{status}: {}", log.log_lines());
    log.restart();
    let acknowledged: Vec<_> = results.iter().flat_map(|(records, _)| records).collect();
    assert!(acknowledged.len() > 16, "{} is no load", acknowledged.len());
    for (envelope, placed) in &acknowledged {
        let record = log
            .get(&format!("/api/v1/records/{}", placed["index"]))
            .json();
        assert_eq!(record["statement"], digest_of(envelope).to_string());
        let entry = Envelope::from_json(envelope).expect("an envelope");
        let entry = Entry::new(entry.to_canonical_json()).expect("short enough");
        let receipt: Receipt = placed["receipt"]
            .as_str()
            .and_then(|receipt| receipt.parse().ok())
            .expect("a receipt");
        receipt.verify(&entry, log.key()).expect("it holds");
    }
    let size = log.get("/api/v1/log").json()["size"]
        .as_u64()
        .expect("a size");
    assert!(size > acknowledged.len() as u64);
}

#[test]
fn a_stop_does_not_wait_for_clients_that_say_nothing() {
    let mut log = TestLog::start();
    let idle: Vec<_> = (0..5)
        .map(|_| {
            let mut raw = Raw::connect(log.url());
            raw.send(b"GET /healthz HTTP/1.1\r\nhost: log\r\n\r\n");
            raw
        })
        .collect();
    let silent = Raw::connect(log.url());
    log.get("/healthz").expect_status(200);
    let begun = Instant::now();
    assert!(log.stop().success(), "{}", log.log_lines());
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    drop((idle, silent));
}

#[test]
fn headers_that_never_end_cost_nobody_else_anything() {
    let log = TestLog::start();
    let begun = Instant::now();
    thread::scope(|scope| {
        let slow: Vec<_> = (0..50)
            .map(|_| {
                let mut raw = Raw::connect(log.url());
                raw.send(b"GET /checkpoint HTTP/1.1\r\nx-slow: ");
                scope.spawn(move || {
                    raw.trickle(b'a');
                    begun.elapsed()
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(5) {
            let asked = Instant::now();
            log.get("/checkpoint").expect_status(200);
            slowest = slowest.max(asked.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        for client in slow {
            let closed = client.join().expect("the connection is closed").as_secs();
            assert!((9..=15).contains(&closed), "closed after {closed} s");
        }
    });
    log.get("/checkpoint").expect_status(200);
}

#[test]
fn one_statement_from_a_hundred_clients_at_once_is_one_entry() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let envelope = lab.api_version("tiny", "1.0.0", "");
    let start = Barrier::new(100);
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    try_publish(&agent(), log.url(), &envelope).expect("an answer")
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("the client ends"))
            .collect()
    });
    for (status, answer) in &answers {
        let record = &answer["records"][0];
        assert_eq!(record["index"], 1, "{answer}");
        assert_eq!(record["created"], *status == 201, "{status}: {answer}");
    }
    let created = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(created, 1);
    assert_eq!(log.get("/api/v1/log").json()["size"], 2);
}

/// The server refuses after the first part of the request, and the client reads that after it has sent all
/// the others.
#[test]
fn who_is_refused_while_sending_can_read_why() {
    let log = TestLog::start();
    let card = TestPublisher::new("stranger").model_card("tiny", "1.0.0", b"card");
    let (content_type, body) = multipart(card.to_string().as_bytes(), &[&vec![b'a'; 40 << 20]]);
    for _ in 0..3 {
        let problem = log.post(content_type, &body).expect_status(403).json();
        assert_eq!(problem["type"], "urn:candor:problem:unknown-publisher");
    }
}
