//! What clients, operators and readers of the static part see when its store fails, and when two servers write to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use candor_core::merkle::{CompactRange, LeafHash};
use candor_core::note::{Checkpoint, LogKey, NoteSigner};
use ed25519_dalek::SigningKey;

use super::FaultyLog;
use super::objects::{Mood, Objects};
use crate::metrics::Metrics;
use crate::releases::Released;
use crate::sequencer::SequencerError;
use crate::static_part::StaticPart;
use crate::storage::Storage as _;

/// Waits for what comes sooner or later, however busy the machine is.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The checks of `/readyz` that are not good.
async fn unready(log: &FaultyLog) -> Vec<String> {
    let json = log.get("/readyz").await.json();
    let checks = json["checks"].as_object().expect("checks").iter();
    let bad = checks.filter(|(_, good)| **good == false);
    bad.map(|(name, _)| name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_fails_nothing_is_released_and_clients_are_sent_away() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    objects.set_objects(Mood::Fails);
    let waits = log.publish("first-lab");
    until("the store fails", async || {
        unready(&log).await == ["commit", "staticPart"]
    })
    .await;
    assert_eq!(log.storage.head().await.expect("a head").size.get(), 1);
    assert_eq!(log.log.sequencer.released().head.size.get(), 0);
    let also_waits = log.publish("second-lab");
    until("the queue is full", async || {
        log.log.sequencer.waiting() == 1
    })
    .await;
    let away = log.publish("third-lab").await.expect("an answer");
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.headers.contains_key("retry-after"));
    objects.set_objects(Mood::Good);
    for waits in [waits, also_waits] {
        assert_eq!(waits.await.expect("an answer").status, StatusCode::CREATED);
    }
    until("all is well", async || {
        objects.size().await == Some(2) && unready(&log).await.is_empty()
    })
    .await;
    let metrics = log.get("/metrics").await.text();
    assert!(!metrics.contains("\ncandor_static_part_failures_total 0\n"));
    objects.assert_right();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_and_said_to_have_failed_is_written_again() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    objects.set_objects(Mood::FailsAndWrites);
    objects.set_checkpoint(Mood::FailsAndWrites);
    let waits = log.publish("first-lab");
    until("it is there", async || objects.names().await.len() > 1).await;
    assert_eq!(log.log.sequencer.released().head.size.get(), 0);
    objects.set_objects(Mood::Good);
    assert_eq!(waits.await.expect("an answer").status, StatusCode::CREATED);
    until("it is shown", async || objects.size().await == Some(1)).await;
    objects.assert_right();
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_are_answered_while_the_checkpoint_can_not_be_shown() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    until("the empty tree is shown", async || {
        objects.size().await == Some(0)
    })
    .await;
    objects.set_checkpoint(Mood::Fails);
    for (name, index) in [("first-lab", 0), ("second-lab", 1)] {
        let answer = log.publish(name).await.expect("an answer");
        assert_eq!(answer.json()["records"][0]["index"], index);
    }
    until("it is said", async || unready(&log).await == ["staticPart"]).await;
    assert_eq!(objects.size().await, Some(0));
    objects.set_checkpoint(Mood::Good);
    until("it is shown", async || objects.size().await == Some(2)).await;
    until("all is well", async || unready(&log).await.is_empty()).await;
    objects.assert_right();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_while_the_store_fails_leaves_the_batch_to_the_next_start() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    objects.set_objects(Mood::Fails);
    let waits = log.publish("first-lab");
    until("the store fails", async || !unready(&log).await.is_empty()).await;
    log.stop.send_replace(true);
    let ended = log.sequencer.await.expect("it does not panic");
    let by_the_store = matches!(ended, Err(SequencerError::StaticPart(_)));
    assert!(by_the_store, "{ended:?}");
    // Nobody can say that it is not in the log.
    let failed = waits.await.expect("an answer");
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    let keeper = log.keeper.expect("there is one");
    keeper.end().await.expect("it ends too");
    objects.set_objects(Mood::Good);
    let key = LogKey::from(log.log.identity.key.clone());
    let metrics = Arc::new(Metrics::new());
    let mut static_part = StaticPart::of_objects(objects.clone(), key, metrics);
    let report = static_part.catch_up(log.storage.as_ref()).await;
    assert_eq!(report.expect("it is written").new, 2);
    objects.assert_right();
}

/// Both have released trees of one log, each some sizes of it, and neither waits for the other.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_neither_takes_the_checkpoint_back() {
    let signing_key = SigningKey::from_bytes(&[7; 32]);
    let origin: candor_core::note::Origin = "example.org/candor-test".parse().expect("an origin");
    let signer = NoteSigner::new(origin.to_key_name(), signing_key);
    let key = LogKey::from(signer.verifier_key().clone());
    let mut tree = CompactRange::empty();
    let mut sizes = Vec::new();
    for n in 0..40_u8 {
        let head = tree.head();
        let checkpoint = Checkpoint::sign(head, &signer).to_string();
        let released = Released::of(checkpoint, &key).expect("it was signed");
        sizes.push(Arc::new(released));
        tree.append(LeafHash::of_bytes(&[n]), |_, _| ());
    }
    let objects = Arc::new(Objects::default());
    let servers = [0, 1].map(|server| {
        let metrics = Arc::new(Metrics::new());
        let mut static_part = StaticPart::of_objects(objects.clone(), key.clone(), metrics);
        let mine: Vec<_> = sizes.iter().skip(server).step_by(2).cloned().collect();
        tokio::spawn(async move {
            for size in mine {
                let shown = static_part.show(&size).await;
                shown.expect("it is shown, or the other one is ahead");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    });
    for server in servers {
        server.await.expect("it ends");
    }
    assert_eq!(objects.size().await, Some(39));
    let back = objects.wrongs();
    assert!(!back.iter().any(|it| it.contains("goes back")), "{back:?}");
}

/// What is committed and can't be released keeps nobody waiting who only reads.
#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_to_come_back_while_the_store_fails() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    let before = log.publish("first-lab").await.expect("an answer");
    assert_eq!(before.status, StatusCode::CREATED);
    objects.set_objects(Mood::Fails);
    let waits = log.publish("second-lab");
    until("the store fails", async || !unready(&log).await.is_empty()).await;
    let list = tokio::time::timeout(Duration::from_secs(10), log.get("/api/v1/records"));
    let list = list
        .await
        .expect("an answer long before a request may take no longer");
    assert_eq!(
        list.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        list.text()
    );
    assert!(list.headers.contains_key("retry-after"));
    assert_eq!(log.get("/checkpoint").await.status, StatusCode::OK);
    objects.set_objects(Mood::Good);
    assert_eq!(waits.await.expect("an answer").status, StatusCode::CREATED);
    assert_eq!(log.get("/api/v1/records").await.status, StatusCode::OK);
}
