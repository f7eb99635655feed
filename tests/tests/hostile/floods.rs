//! Many connections, and many headers.

use std::thread;
use std::time::{Duration, Instant};

use candor_tests::raw::Raw;
use candor_tests::{TestLog, TestPublisher};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections are opened, if the system lets one process have so many.
const IDLE: u64 = 10_000;

/// How many of them begin a request, and never end it.
const SLOW: usize = 200;

/// How long honest clients are at work meanwhile.
const WATCHED: Duration = Duration::from_secs(10);

/// Lets this process have as many connections as there can be, and returns how many.
fn connections_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(IDLE + 500, |maximum| maximum.min(IDLE + 500));
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("up to the hard limit");
    wanted.saturating_sub(500).min(IDLE)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// How long each of the requests took that an honest client made meanwhile: it reads, publishes, and reads again.
fn honest_client(log: &TestLog, client: usize) -> Vec<Duration> {
    // A connection for each, or for all, as the client likes.
    let kept = agent();
    let lab = TestPublisher::new(&format!("honest-lab-{client}"));
    let mut records = std::iter::once(lab.register())
        .chain((0..).map(|n| lab.api_version("tiny", &n.to_string(), "")));
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        let agent = if times.len() % 4 == 0 {
            agent()
        } else {
            kept.clone()
        };
        let record = records.next().expect("there is no end of them").to_string();
        let asked = Instant::now();
        let read = agent.get(format!("{}/checkpoint", log.url())).call();
        assert_eq!(read.expect("an answer").status(), 200);
        times.push(asked.elapsed());
        let asked = Instant::now();
        let published = agent
            .post(format!("{}/api/v1/records", log.url()))
            .header("content-type", "application/json")
            .send(record);
        assert_eq!(published.expect("an answer").status(), 201);
        times.push(asked.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    times
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how long it took is part of the result"
)]
fn ten_thousand_idle_connections_and_slow_ones_keep_no_honest_client_out() {
    let log = TestLog::start();
    let count = connections_max();
    let mut idle: Vec<Raw> = (0..count).map(|_| Raw::connect(log.url())).collect();
    for raw in idle.iter_mut().rev().take(SLOW) {
        raw.send(b"POST /api/v1/records HTTP/1.1\r\nhost: log\r\nx-slow: ");
    }
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < WATCHED {
                for raw in idle.iter_mut().rev().take(SLOW) {
                    raw.send(b"a");
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        let log = &log;
        let honest: Vec<_> = (0..8)
            .map(|client| scope.spawn(move || honest_client(log, client)))
            .collect();
        let times = honest
            .into_iter()
            .flat_map(|client| client.join().expect("every request is answered"));
        let times = times.collect();
        slow.join().expect("they go on");
        times
    });
    times.sort_unstable();
    let at = |per_cent: usize| times[(times.len() - 1) * per_cent / 100].as_millis();
    println!(
        "{count} idle connections, {SLOW} slow ones; {} honest requests: p50 {} ms, p99 {} ms, longest {} ms",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(times.len() > 100, "they got something done");
    drop(idle);
}

#[test]
fn many_headers_or_long_ones_are_refused_at_once() {
    let log = TestLog::start();
    for (name, headers) in [
        ("101 headers", "x: y\r\n".repeat(101)),
        ("100,000 headers", "x: y\r\n".repeat(100_000)),
        (
            "a header of 1 MB",
            format!("x: {}\r\n", "y".repeat(1 << 20)),
        ),
        (
            "cookies of 1 MB",
            format!("cookie: {}\r\n", "a=b; ".repeat(200_000)),
        ),
        ("a name of 1 MB", format!("{}: y\r\n", "x".repeat(1 << 20))),
    ] {
        let mut raw = Raw::connect(log.url());
        raw.send(format!("GET /healthz HTTP/1.1\r\nhost: log\r\n{headers}\r\n").as_bytes());
        let answer = raw.answer().unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, 431, "{name}");
    }
    let mut raw = Raw::connect(log.url());
    raw.send(format!("GET /{} HTTP/1.1\r\nhost: log\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    let answer = raw.answer().expect("an answer");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    log.get("/healthz").expect_status(200);
}
