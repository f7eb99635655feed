//! What somebody whom nobody knows can take of a server: memory, time, and the turns of others.
//!
//! Anybody can register a name and publish in one request, so all of this is open to anybody.
//!
//! Not here: bad requests, each for itself (`bad_input`), and slow headers (`serving`).

mod bodies;
mod readers;
mod work;

use std::fs;

use candor_tests::http::multipart;
use candor_tests::raw::{Raw, request};
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

/// The most memory that the server has held so far, in megabytes.
fn memory_peak(log: &TestLog) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", log.pid())).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .expect("Linux says how much")
        / 1_024
}

/// A connection on which a request to publish has begun: `body` of one that is `longer` bytes longer.
fn begun(log: &TestLog, content_type: &str, body: &[u8], longer: usize) -> Raw {
    let headers = [
        format!("content-type: {content_type}"),
        format!("content-length: {}", body.len() + longer),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut raw = Raw::connect(log.url());
    raw.send(&request("POST", "/api/v1/records", &headers, body));
    raw
}

/// The beginning of a form: records, and then nothing of the attachments.
fn without_attachments(records: &[Value]) -> (&'static str, Vec<u8>) {
    let records = serde_json::to_vec(records).expect("JSON");
    let (content_type, body) = multipart(&records, &[b""]);
    // The last boundary and what stands before it.
    let head = body.len() - 2 - "--candor-test-boundary--\r\n".len();
    (content_type, body[..head].to_vec())
}

/// Publishes a small record as somebody new, which must work whatever others do.
#[track_caller]
fn expect_publishing(log: &TestLog, name: &str) {
    let lab = TestPublisher::new(name);
    log.publish(&[lab.register(), lab.api_version("tiny", "1.0.0", "")])
        .expect_status(201);
}
