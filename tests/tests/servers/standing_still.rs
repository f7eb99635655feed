//! A server that stands still for a while, and comes back.

use std::process::Command;
use std::time::{Duration, Instant};

use candor_tests::history::{History, LogReader};
use candor_tests::load::{Load, LoadPlan, publishers};
use candor_tests::{TestLog, postgres};

fn signal(server: &TestLog, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &server.pid().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

/// It is paused in the middle of a load, so most likely in its turn; the others go on within seconds, and when it
/// comes back it neither writes over them nor shows another history.
#[test]
fn the_others_go_on_without_a_server_that_was_paused_and_it_goes_on_with_them() {
    let database = postgres::shared().database();
    let first = TestLog::start_on(&database.url);
    let second = first.join(&database.url);
    Load::register_publishers(&first);
    let mut history = History::new(first.key().clone());
    for round in 0..4_u64 {
        let load = |log: &TestLog, name: &str| {
            let plan = LoadPlan {
                name: format!("{name}-{round}"),
                writers: 16,
                watchers: 1,
                records_per_request: 1..=40,
                records_max: 2_000,
                seed: round,
            };
            Load::start(log, plan)
        };
        let (paused, other) = (load(&first, "paused"), load(&second, "other"));
        std::thread::sleep(Duration::from_millis(120 + 30 * round));
        // What it was to log in the turn that it loses, it can't tell.
        paused.server_may_not_know();
        signal(&first, "-STOP");
        let begun = Instant::now();
        let publisher = publishers().next().expect("there is one");
        let release = publisher.api_version("meanwhile", &format!("1.{round}"), "");
        second.publish(&[release]).expect_status(201);
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(8), "{waited:?}");
        history.absorb(&other.finish());
        signal(&first, "-CONT");
        history.absorb(&paused.finish());
        history.check(&LogReader::new(&second));
        history.check(&LogReader::new(&first));
    }
}
