//! A database that is not there for a while.

use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::http::Answer;
use candor_tests::load::{Load, publishers};
use candor_tests::postgres::Postgres;

/// Says so within seconds.
fn assert_out_of_reach(ask: impl FnOnce() -> Answer) {
    let begun = Instant::now();
    let answer = ask();
    let waited = begun.elapsed();
    let answer = answer.expect_status(503);
    assert!(
        answer.text().contains("storage-out-of-reach"),
        "{}",
        answer.text()
    );
    assert!(!answer.header("retry-after").is_empty());
    assert!(waited < Duration::from_secs(8), "{waited:?}");
}

#[test]
fn everybody_is_told_while_the_database_is_gone_and_all_goes_on_when_it_is_back() {
    let mut postgres = Postgres::start(&[]);
    let database = postgres.database();
    let log = TestLog::start_on(&database.url);
    Load::register_publishers(&log);
    let publisher = publishers().next().expect("there is one");
    let publish = |version: &str| {
        let record = publisher.api_version("while-it-lasts", version, "");
        log.publish(&[record])
    };
    publish("1.0").expect_status(201);
    let checkpoint = log.get("/checkpoint").text();
    postgres.stop();
    for n in 0..3 {
        assert_out_of_reach(|| publish(&format!("2.{n}")));
        assert_out_of_reach(|| log.get("/api/v1/records?limit=1"));
    }
    // What was released is not forgotten.
    let stale = log.get("/checkpoint");
    let stale = stale.expect_status(200);
    assert_eq!(stale.text(), checkpoint);
    let ready = log.get("/readyz");
    let ready = ready.expect_status(503);
    assert_eq!(ready.json()["checks"]["storage"], false, "{}", ready.text());
    postgres.start_again();
    let begun = Instant::now();
    while log.get("/readyz").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    publish("2.0").expect_status(201);
    log.get("/api/v1/records?limit=1").expect_status(200);
}
