//! Traces go to whoever collects them, by OTLP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use candor_tests::{TestLog, TestPublisher, http};

type Collected = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector: takes requests, and says that it has them.
fn collect() -> (String, Collected) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let collected = Collected::default();
    let shared = Arc::clone(&collected);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || take_requests(&connection, &shared));
        }
    });
    (url, collected)
}

fn take_requests(mut connection: &TcpStream, collected: &Collected) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end().to_ascii_lowercase();
            if path.is_empty() {
                line.split(' ').nth(1)?.clone_into(&mut path);
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        collected
            .lock()
            .expect("nobody panicked")
            .push((path, body));
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}

#[test]
fn requests_are_spans_of_the_trace_that_they_are_part_of() {
    let (url, collected) = collect();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
    ];
    let mut log = TestLog::start_with_variables(&[], variables);
    let registration = TestPublisher::new("first-lab").register();
    log.publish(&[registration]).expect_status(201);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let asked = format!("{}/api/v1/publishers/first-lab", log.url());
    http::get_with(&asked, "traceparent", &parent).expect_status(200);
    assert!(log.stop().success(), "what is left is sent at the end");
    let begun = Instant::now();
    let all = loop {
        let all = collected.lock().expect("nobody panicked").clone();
        if !all.is_empty() || begun.elapsed() > Duration::from_secs(10) {
            break all;
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(all.iter().all(|(path, _)| path == "/v1/traces"), "{all:?}");
    let bytes: Vec<u8> = all.into_iter().flat_map(|(_, body)| body).collect();
    let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
    let trace: Vec<u8> = (0..16)
        .map(|n| u8::from_str_radix(&trace[2 * n..2 * n + 2], 16).expect("hexadecimal"))
        .collect();
    for wanted in [
        b"candor-server".as_slice(),
        b"request",
        b"POST",
        b"/api/v1/records",
        b"/api/v1/publishers/first-lab",
        &trace,
    ] {
        assert!(has(wanted), "{}", String::from_utf8_lossy(wanted));
    }
}

/// Nobody waits for a collector that is not there.
#[test]
fn a_log_runs_on_where_nobody_collects() {
    let variables = [(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://127.0.0.1:9".to_owned(),
    )];
    let mut log = TestLog::start_with_variables(&[], variables);
    let registration = TestPublisher::new("first-lab").register();
    log.publish(&[registration]).expect_status(201);
    let begun = Instant::now();
    assert!(log.stop().success());
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}
