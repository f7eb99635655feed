//! Little that becomes much: compressed bodies, and compressed answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use candor_tests::raw::{Raw, request};
use candor_tests::{TestLog, TestPublisher};

/// How much comes out of a bomb.
const BYTES: usize = 64 << 20;

/// So much zeros, as gzip: a thousandth of it.
fn bomb() -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-9c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip runs");
    let mut zeros = gzip.stdin.take().expect("it is piped");
    let writer = thread::spawn(move || zeros.write_all(&vec![b' '; BYTES]));
    let output = gzip.wait_with_output().expect("it ends");
    writer.join().expect("it ends").expect("all is written");
    assert!(output.stdout.len() < BYTES / 500);
    output.stdout
}

/// The server unpacks nothing.
#[test]
fn a_body_that_is_compressed_is_not_unpacked() {
    let log = TestLog::start();
    let bomb = bomb();
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"] {
        let headers = [
            "content-type: application/json".to_owned(),
            format!("content-encoding: {encoding}"),
            format!("content-length: {}", bomb.len()),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let mut raw = Raw::connect(log.url());
        raw.send(&request("POST", "/api/v1/records", &headers, &bomb));
        let answer = raw.answer().expect("an answer").expect_status(415);
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:candor:problem:unsupported-media-type");
    }
    let body = TestPublisher::new("first-lab").register().to_string();
    let length = format!("content-length: {}", body.len());
    let headers = [
        "content-type: application/json",
        "content-encoding: identity",
        &length,
    ];
    let mut raw = Raw::connect(log.url());
    raw.send(&request(
        "POST",
        "/api/v1/records",
        &headers,
        body.as_bytes(),
    ));
    raw.answer().expect("an answer").expect_status(201);
}

/// The client unpacks no more than what it asked for can have.
#[test]
fn an_answer_that_unpacks_to_too_much_is_refused() {
    let log = TestLog::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let bomb = bomb();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut lines = BufReader::new(connection.try_clone().expect("a descriptor")).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                bomb.len()
            );
            let _ = connection.write_all(&[head.as_bytes(), &bomb].concat());
        }
    });
    let begun = std::time::Instant::now();
    let ran = log
        .candor_offline()
        .args(["--log", &url, "checkpoint"])
        .output()
        .expect("candor runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert!(said.contains("bytes"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}
