//! Requests that a proxy may read as one, and a server as two.
//!
//! Each is sent on one connection with a second request inside, which a reader who sees the end of the first elsewhere
//! takes for the next. What is ambiguous must be refused, and the connection closed: then nobody's next request is
//! behind it. (RFC 9112, section 6.3 and 11.2)

use candor_tests::raw::Raw;
use candor_tests::{TestLog, TestPublisher};

/// What is smuggled.
const INSIDE: &str = "GET /healthz HTTP/1.1\r\nhost: inside\r\n\r\n";

/// A POST with these headers and this body, and another request behind it.
fn post(headers: &str, body: &str) -> Vec<u8> {
    let head = "POST /api/v1/records HTTP/1.1\r\nhost: log\r\ncontent-type: application/json\r\n";
    format!("{head}{headers}\r\n\r\n{body}{INSIDE}").into_bytes()
}

/// The statuses of all answers until the server closes, or says no more.
fn statuses(log: &TestLog, bytes: &[u8]) -> Vec<u16> {
    let mut raw = Raw::connect(log.url());
    raw.send(bytes);
    raw.finish_sending();
    let said = String::from_utf8_lossy(&raw.everything()).into_owned();
    let statuses = said.split("HTTP/1.").skip(1).map(|answer| {
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("{said}"))
    });
    statuses.collect()
}

/// What each is, and its bytes.
fn ambiguous() -> Vec<(&'static str, Vec<u8>)> {
    let chunked = "transfer-encoding: chunked";
    let empty = "0\r\n\r\n";
    vec![
        (
            "two lengths",
            post("content-length: 2\r\ncontent-length: 41", "[]"),
        ),
        ("a list of lengths", post("content-length: 2, 2", "[]")),
        ("a signed length", post("content-length: +2", "[]")),
        ("a negative length", post("content-length: -1", "[]")),
        ("a hexadecimal length", post("content-length: 0x2", "[]")),
        ("two numbers", post("content-length: 2 2", "[]")),
        (
            "a length beyond numbers",
            post("content-length: 99999999999999999999999", "[]"),
        ),
        ("a space before the colon", post("content-length : 2", "[]")),
        (
            "another transfer coding",
            post("transfer-encoding: xchunked", empty),
        ),
        ("identity", post("transfer-encoding: identity", "[]")),
        (
            "chunked, and then not",
            post("transfer-encoding: chunked, identity", empty),
        ),
        (
            "something before chunked",
            post("transfer-encoding: identity, chunked", empty),
        ),
        (
            "gzip before chunked",
            post("transfer-encoding: gzip, chunked", empty),
        ),
        (
            "two transfer codings",
            post(&format!("{chunked}\r\ntransfer-encoding: identity"), empty),
        ),
        (
            "chunked twice",
            post(&format!("{chunked}\r\n{chunked}"), empty),
        ),
        (
            "a coding with a space",
            post("transfer-encoding : chunked", empty),
        ),
        (
            "a vertical tab",
            post("transfer-encoding: \x0bchunked", empty),
        ),
        (
            "a coding on a line of its own",
            post("transfer-encoding:\r\n chunked", empty),
        ),
        ("quotes", post("transfer-encoding: \"chunked\"", empty)),
        (
            "a chunk's line without CR",
            post(chunked, "2;a\n[]\r\n0\r\n\r\n"),
        ),
        ("chunks without CR", post(chunked, "2\n[]\n0\n\n")),
        ("a negative chunk", post(chunked, "-2\r\n[]\r\n0\r\n\r\n")),
        (
            "a chunk in C's notation",
            post(chunked, "0x2\r\n[]\r\n0\r\n\r\n"),
        ),
        (
            "a chunk beyond numbers",
            post(chunked, "10000000000000002\r\n[]\r\n0\r\n\r\n"),
        ),
        (
            "a chunk that is longer than it says",
            post(chunked, "2\r\n[]X\r\n0\r\n\r\n"),
        ),
        ("CR alone", post("x: a\rcontent-length: 40", "[]")),
        ("a zero byte", post("x: a\0b\r\ncontent-length: 2", "[]")),
        (
            "no host",
            format!("GET /healthz HTTP/1.1\r\n\r\n{INSIDE}").into_bytes(),
        ),
        (
            "two hosts",
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n{INSIDE}").into_bytes(),
        ),
        (
            "HTTP/0.9",
            format!("GET /healthz\r\n\r\n{INSIDE}").into_bytes(),
        ),
    ]
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let log = TestLog::start();
    for (name, bytes) in ambiguous() {
        assert_eq!(statuses(&log, &bytes), [400], "{name}");
    }
    // An HTTP/2 preface by prior knowledge: nothing is said to it.
    let preface = format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{INSIDE}");
    assert_eq!(statuses(&log, preface.as_bytes()), [0; 0]);
}

/// A length beside chunks counts for nothing, and whatever is behind such a request is not read as another one (RFC 9112,
/// section 6.1): the server may answer it, and must close.
#[test]
fn a_length_beside_chunks_counts_for_nothing_and_ends_the_connection() {
    let log = TestLog::start();
    for (n, order) in ["length first", "chunks first"].into_iter().enumerate() {
        let record = TestPublisher::new(&format!("lab-{n}"))
            .register()
            .to_string();
        let body = format!("{:x}\r\n{record}\r\n0\r\n\r\n", record.len());
        // By this length, the next request begins inside of what is behind the chunks.
        let length = format!("content-length: {}", body.len() + 4);
        let chunked = "transfer-encoding: chunked".to_owned();
        let headers = match n {
            0 => [length, chunked].join("\r\n"),
            _ => [chunked, length].join("\r\n"),
        };
        assert_eq!(statuses(&log, &post(&headers, &body)), [201], "{order}");
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 2);
}

/// What has one meaning keeps it, and the next request is the next one.
#[test]
fn what_is_unusual_and_clear_is_answered_in_order() {
    let log = TestLog::start();
    let chunked = "transfer-encoding: chunked";
    for (name, bytes, expected) in [
        ("the same length twice", post("content-length: 2\r\ncontent-length: 2", "[]"), [400, 200]),
        ("a tab", post("content-length:\t2", "[]"), [400, 200]),
        ("an extension of a chunk", post(chunked, "2;a=b\r\n[]\r\n0\r\n\r\n"), [400, 200]),
        ("trailers", post(chunked, "2\r\n[]\r\n0\r\ncontent-length: 9\r\n\r\n"), [400, 200]),
        (
            "no change of protocol",
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n{INSIDE}").into_bytes(),
            [200, 200],
        ),
        (
            "no proxy",
            format!("CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\n{INSIDE}").into_bytes(),
            [404, 200],
        ),
    ] {
        assert_eq!(statuses(&log, &bytes), expected, "{name}");
    }
    // The body of a GET is a body, whatever is in it.
    let with_body = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{INSIDE}",
        INSIDE.len()
    );
    assert_eq!(statuses(&log, with_body.as_bytes()), [200]);
}
