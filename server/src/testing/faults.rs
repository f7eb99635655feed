//! What clients and operators see when the storage fails, waits or goes away.

use std::time::Duration;

use axum::http::StatusCode;
use candor_tests::TestPublisher;
use serde_json::Value;

use super::FaultyLog;
use super::storage::Fault;
use crate::sequencer::SequencerError;
use crate::storage::{CommitError, StorageError};

/// The checks of `/readyz` that are not good, and whether the log is ready.
async fn unready(log: &FaultyLog) -> Vec<String> {
    let answer = log.get("/readyz").await;
    let json = answer.json();
    let checks = json["checks"].as_object().expect("checks").iter();
    let bad: Vec<_> = checks
        .filter(|(_, good)| **good == false)
        .map(|(name, _)| name.clone())
        .collect();
    let (status, ready) = if bad.is_empty() {
        (StatusCode::OK, true)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, false)
    };
    assert_eq!(answer.status, status, "{json}");
    assert_eq!(json["ready"], Value::Bool(ready), "{json}");
    bad
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_a_stop_is_told_so_and_what_was_begun_is_finished() {
    let log = FaultyLog::start().await;
    log.storage.hold_commits(true);
    let begun = log.publish("first-lab");
    log.until_waiting(0).await;
    let waiting = [log.publish("second-lab"), log.publish("third-lab")];
    log.until_waiting(2).await;
    log.stop.send_replace(true);
    log.storage.hold_commits(false);
    assert_eq!(begun.await.expect("an answer").status, StatusCode::CREATED);
    for waiting in waiting {
        let answer = waiting.await.expect("an answer");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.problem());
        }
    }
    let ended = log.sequencer.await.expect("it does not panic");
    ended.expect("it ends in order");
    assert_eq!(log.log.sequencer.released().head.size.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sends_clients_away_and_is_shown() {
    let log = FaultyLog::start_with(1, Duration::from_mins(1)).await;
    log.storage.hold_commits(true);
    let begun = log.publish("first-lab");
    log.until_waiting(0).await;
    let waiting = log.publish("second-lab");
    log.until_waiting(1).await;
    let away = log.publish("third-lab").await.expect("an answer");
    insta::assert_snapshot!(away.problem());
    let metrics = log.get("/metrics").await.text();
    assert!(metrics.contains("\ncandor_queue_depth 1\n"), "{metrics}");
    log.storage.hold_commits(false);
    for answer in [begun, waiting] {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::CREATED);
    }
    // The batch that writes nothing leaves nothing behind in the gauge.
    let again = log.publish("first-lab").await.expect("an answer");
    assert_eq!(again.status, StatusCode::OK);
    let metrics = log.get("/metrics").await.text();
    assert!(metrics.contains("\ncandor_queue_depth 0\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_to_be_full_and_the_log_goes_on_when_it_is_not() {
    let log = FaultyLog::start().await;
    log.storage.fail_next_commit(Fault::Full);
    let full = log.publish("first-lab").await.expect("an answer");
    insta::assert_snapshot!(full.problem());
    assert_eq!(unready(&log).await, ["commit"]);
    assert_eq!(log.get("/checkpoint").await.status, StatusCode::OK);
    log.storage.leave_free(1 << 20);
    assert_eq!(unready(&log).await, ["commit", "space"]);
    log.storage.leave_free(1 << 40);
    let again = log.publish("first-lab").await.expect("an answer");
    assert_eq!(again.status, StatusCode::CREATED);
    assert!(unready(&log).await.is_empty());
    // Both were timed, and only one was logged.
    let metrics = log.get("/metrics").await.text();
    for line in ["commit_seconds_count 2", "records_logged_total 1"] {
        assert!(metrics.contains(&format!("\ncandor_{line}\n")), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_not_written_costs_nobody_else_anything() {
    let log = FaultyLog::start().await;
    log.storage.fail_next_commit(Fault::NotWritten);
    let failed = log.publish("first-lab").await.expect("an answer");
    insta::assert_snapshot!(failed.problem());
    let next = log.publish("second-lab").await.expect("an answer");
    assert_eq!(next.json()["records"][0]["index"], 0);
    let again = log.publish("first-lab").await.expect("an answer");
    assert_eq!(again.json()["records"][0]["index"], 1);
}

/// The publisher is told the same, and so is the operator: nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_unknown_fate_stops_the_log_and_is_never_released() {
    for fault in [Fault::Unknown, Fault::UnknownAndWritten] {
        let log = FaultyLog::start().await;
        log.storage.fail_next_commit(fault);
        let failed = log.publish("first-lab").await.expect("an answer");
        assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(failed.json()["type"], "urn:candor:problem:internal");
        assert_eq!(log.log.sequencer.released().head.size.get(), 0, "{fault:?}");
        let ended = log.sequencer.await.expect("it does not panic");
        let unknown = matches!(ended, Err(SequencerError::Commit(CommitError::Unknown(_))));
        assert!(unknown, "{fault:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_removed_stops_the_log_before_anything_is_released() {
    let log = FaultyLog::start().await;
    log.storage.hold_commits(true);
    let begun = log.publish("first-lab");
    log.until_waiting(0).await;
    log.storage.remove();
    log.storage.hold_commits(false);
    let failed = begun.await.expect("an answer");
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(log.log.sequencer.released().head.size.get(), 0);
    let ended = log.sequencer.await.expect("it does not panic");
    let replaced = matches!(
        ended,
        Err(SequencerError::Storage(StorageError::Replaced { .. }))
    );
    assert!(replaced, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_notices_that_its_database_was_removed() {
    let log = FaultyLog::start().await;
    log.storage.remove();
    let ended = tokio::time::timeout(Duration::from_secs(5), log.sequencer).await;
    let ended = ended.expect("it ends at a heartbeat");
    ended
        .expect("it does not panic")
        .expect_err("the log is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_does_not_answer_is_neither_ready_nor_the_end() {
    let log = FaultyLog::start().await;
    log.storage.die(true);
    assert_eq!(unready(&log).await, ["storage"]);
    assert_eq!(log.get("/healthz").await.status, StatusCode::OK);
    let failed = log.publish("first-lab").await.expect("an answer");
    assert_eq!(failed.json()["type"], "urn:candor:problem:internal");
    log.storage.die(false);
    assert!(unready(&log).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_that_is_stuck_is_not_ready() {
    let log = FaultyLog::start().await;
    log.storage.hold_commits(true);
    let stuck = log.publish("first-lab");
    log.until_waiting(0).await;
    assert!(unready(&log).await.is_empty(), "a commit may take a moment");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(unready(&log).await, ["sequencer"]);
    log.storage.hold_commits(false);
    assert_eq!(stuck.await.expect("an answer").status, StatusCode::CREATED);
    assert!(unready(&log).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_takes_too_long_counts_as_refused() {
    let log = FaultyLog::start_with(16, Duration::from_millis(300)).await;
    log.storage.hold_commits(true);
    let late = log.publish("first-lab").await.expect("an answer");
    // It was all there, so it is the server that is slow.
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(late.headers["retry-after"], "2");
    let metrics = log.get("/metrics").await.text();
    let line = "\ncandor_refused_total{problem=\"overloaded\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    log.storage.hold_commits(false);
}

/// Somebody asks for much and reads none of it.
#[tokio::test(flavor = "multi_thread")]
async fn while_there_is_no_room_for_answers_nothing_is_logged_and_small_ones_go_out() {
    let log = FaultyLog::start().await;
    let answers = &log.log.limits.answers;
    let mut unread = Vec::new();
    for bytes in [64 << 20, 1 << 20, 128 << 10, 1 << 10, 1] {
        loop {
            let mut room = answers.room();
            if room.take(bytes).is_err() {
                break;
            }
            unread.push(room);
        }
    }
    let refused = log.publish("first-lab").await.expect("an answer");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.log.sequencer.released().head.size.get(), 0);
    for path in ["/checkpoint", "/healthz", "/readyz", "/api/v1/log"] {
        assert_eq!(log.get(path).await.status, StatusCode::OK, "{path}");
    }
    // A page that is larger than these.
    let page = log.get("/api/v1/openapi.json").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let metrics = "\ncandor_refused_total{problem=\"overloaded\"} 2\n";
    drop(unread);
    let counted = log.get("/metrics").await.text();
    assert!(counted.contains(metrics), "{counted}");
    let published = log.publish("first-lab").await.expect("an answer");
    assert_eq!(published.status, StatusCode::CREATED);
}

/// Whoever publishes much must not make everybody wait until all of it is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_when_it_has_enough_records() {
    const REQUESTS: usize = 20;
    let log = FaultyLog::start_with(REQUESTS, Duration::from_mins(1)).await;
    let lab = TestPublisher::new("example-lab");
    let registered = log.send(&lab.register()).await.expect("an answer");
    assert_eq!(registered.status, StatusCode::CREATED);
    log.storage.hold_commits(true);
    let begun = log.send(&lab.api_version("begun", "1", ""));
    log.until_waiting(0).await;
    let waiting: Vec<_> = (0..REQUESTS)
        .map(|request| {
            let records = (0..256).map(|n| lab.api_version("waits", &format!("{request}.{n}"), ""));
            log.send(&Value::Array(records.collect()))
        })
        .collect();
    log.until_waiting(REQUESTS).await;
    log.storage.hold_commits(false);
    for answer in waiting.into_iter().chain([begun]) {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::CREATED);
    }
    // 1, 1, 4,096 and 1,024.
    let metrics = log.get("/metrics").await.text();
    for line in ["count 4", "sum 5122.0", "bucket{le=\"2048.0\"} 3"] {
        assert!(
            metrics.contains(&format!("\ncandor_batch_entries_{line}\n")),
            "{metrics}"
        );
    }
}

/// Requests that wait together are planned together, and one that is refused leaves nothing to the others.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_request_would_have_logged_is_not_there_for_the_next() {
    let log = FaultyLog::start().await;
    let lab = TestPublisher::new("example-lab");
    let registered = log.send(&lab.register()).await.expect("an answer");
    assert_eq!(registered.status, StatusCode::CREATED);
    log.storage.hold_commits(true);
    let begun = log.send(&lab.api_version("begun", "1", ""));
    log.until_waiting(0).await;
    let (one, other) = (
        lab.api_version("assistant", "1", "one"),
        lab.api_version("assistant", "1", "other"),
    );
    let newcomer = TestPublisher::new("newcomer-lab").register();
    let refused = log.send(&Value::from(vec![newcomer.clone(), one, other.clone()]));
    log.until_waiting(1).await;
    let after = log.send(&Value::from(vec![other, newcomer]));
    log.until_waiting(2).await;
    log.storage.hold_commits(false);
    assert_eq!(begun.await.expect("an answer").status, StatusCode::CREATED);
    let refused = refused.await.expect("an answer");
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    assert_eq!(refused.json()["record"], 2, "{}", refused.text());
    let after = after.await.expect("an answer").json();
    for (record, index) in [(0, 2), (1, 3)] {
        assert_eq!(after["records"][record]["index"], index, "{after}");
        assert_eq!(after["records"][record]["created"], true, "{after}");
    }
    assert_eq!(log.log.sequencer.released().head.size.get(), 4);
}
