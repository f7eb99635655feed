//! Many clients, slow clients, and clients that are there when the server stops.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use candor_core::bundle::Receipt;
use candor_core::merkle::Entry;
use candor_core::record::Envelope;
use candor_tests::http::multipart;
use candor_tests::raw::{Raw, request};
use candor_tests::statements::digest_of;
use candor_tests::{Answer, TestLog, TestPublisher};
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

/// A request that was sent to the last byte.
struct Sent {
    envelope: Value,
    at: Instant,
    answer: Option<Answer>,
}

/// One client of many: publishes until the server is gone, each time with a connection of its own.
fn publish_until_gone(url: &str, lab: &TestPublisher, client: usize) -> Vec<Sent> {
    let mut all = Vec::new();
    while let Ok(mut raw) = Raw::try_connect(url) {
        let envelope = lab.api_version("tiny", &format!("{client}.{}", all.len()), "");
        let body = envelope.to_string();
        let length = format!("content-length: {}", body.len());
        let headers = ["content-type: application/json", length.as_str()];
        raw.send(&request(
            "POST",
            "/api/v1/records",
            &headers,
            body.as_bytes(),
        ));
        let at = Instant::now();
        let answer = raw.answer();
        all.push(Sent {
            envelope,
            at,
            answer,
        });
    }
    all
}

/// What was begun is finished; what waits is told that the server stops. The unit tests of the sequencer make
/// certain of the second, which takes luck here.
#[test]
fn a_stop_under_load_answers_all_that_was_sent_before_it() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let url = log.url().to_owned();
    let (url, lab) = (url.as_str(), &lab);
    let (signal, status, sent) = thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|client| scope.spawn(move || publish_until_gone(url, lab, client)))
            .collect();
        thread::sleep(Duration::from_secs(1));
        log.terminate();
        let signal = Instant::now();
        let status = log.wait();
        let sent: Vec<Sent> = clients
            .into_iter()
            .flat_map(|client| client.join().expect("the client ends"))
            .collect();
        (signal, status, sent)
    });
    assert!(status.success(), "{status}: {}", log.log_lines());
    log.restart();
    let mut acknowledged = 0;
    for Sent {
        envelope,
        at,
        answer,
    } in &sent
    {
        let Some(answer) = answer else {
            assert!(*at > signal, "a request that was sent before has no answer");
            continue;
        };
        let answer = match answer.status {
            201 => answer.json(),
            503 => {
                let problem = answer.json();
                assert_eq!(problem["type"], "urn:candor:problem:stopping");
                continue;
            }
            status => panic!("{status}: {}", answer.text()),
        };
        acknowledged += 1;
        let placed = &answer["records"][0];
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
    assert!(acknowledged > 16, "{acknowledged} is no load");
    let size = log.get("/api/v1/log").json()["size"]
        .as_u64()
        .expect("a size");
    assert!(size > acknowledged);
}

/// What a client sends at the very moment of the stop may reach the server a little later.
#[test]
fn what_is_on_its_way_when_the_server_stops_is_answered() {
    let mut log = TestLog::start();
    let mut open = Raw::connect(log.url());
    log.get("/healthz").expect_status(200);
    log.terminate();
    thread::sleep(Duration::from_millis(20));
    open.send(&request("GET", "/checkpoint", &[], b""));
    let new = Raw::try_connect(log.url());
    let mut new = new.expect("it still listens");
    new.send(&request("GET", "/checkpoint", &[], b""));
    for raw in [open, new] {
        raw.answer().expect("an answer").expect_status(200);
    }
    assert!(log.wait().success(), "{}", log.log_lines());
}

/// Connections are cheap for whoever opens them. The files of the log are not theirs to take.
#[test]
fn idle_connections_never_take_the_files_that_the_log_needs() {
    let log = TestLog::start_with_open_files(200);
    let lab = TestPublisher::new("example-lab");
    let mut first = Raw::connect(log.url());
    let idle: Vec<_> = (0..185).map(|_| Raw::connect(log.url())).collect();
    // Time to accept all that will be.
    thread::sleep(Duration::from_millis(500));
    let body = lab.register().to_string();
    let length = format!("content-length: {}", body.len());
    let headers = ["content-type: application/json", length.as_str()];
    first.send(&request(
        "POST",
        "/api/v1/records",
        &headers,
        body.as_bytes(),
    ));
    let answer = first.answer();
    let answer = answer.unwrap_or_else(|| panic!("no answer: {}", log.log_lines()));
    answer.expect_status(201);
    drop(idle);
    log.publish(&[lab.api_version("tiny", "1.0", "")])
        .expect_status(201);
    let lines = log.log_lines();
    assert!(lines.contains("connections.max=72"), "{lines}");
    assert!(!lines.contains("could not be accepted"), "{lines}");
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
