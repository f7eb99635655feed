//! How far webhooks have come, and who tells them.

use std::sync::Arc;
use std::time::Duration;

use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ModelName};
use candor_server::storage::postgres::Postgres;
use candor_server::storage::{Claim, OutboxRow, Progress, RecordFilter, Storage};
use candor_server::views::Effect;

use crate::batches::Growing;
use crate::suite::commit;
use crate::{Bed, postgres_bed};

const LONG: Duration = Duration::from_mins(1);

fn at(index: u64) -> Progress {
    Progress::at(LeafIndex::new(index))
}

async fn ours(storage: &dyn Storage, webhook: &str, server: &str, time: Duration) -> OutboxRow {
    match storage.outbox().claim(webhook, server, time).await {
        Ok(Some(Claim::Ours(row))) => row,
        other => panic!("{server} has it: {other:?}"),
    }
}

pub(crate) async fn a_webhook_goes_on_from_where_it_was_and_never_back(bed: &dyn Bed) {
    let storage = bed.open().await;
    let outbox = storage.outbox();
    let unknown = outbox.claim("hook", "one", LONG).await.expect("an answer");
    assert_eq!(unknown, None);
    assert!(
        !outbox
            .move_on("hook", "one", &at(3))
            .await
            .expect("an answer")
    );
    outbox
        .enroll("hook", LeafIndex::new(7))
        .await
        .expect("it is new");
    outbox
        .enroll("other", LeafIndex::new(0))
        .await
        .expect("it is new");
    let row = ours(storage.as_ref(), "hook", "one", LONG).await;
    assert_eq!((row.first.get(), row.progress), (7, at(7)));
    let failed = Progress {
        attempts: 3,
        retry_ms: Some(1_767_323_045_006),
        error: Some("the receiver answered 500".to_owned()),
        ..at(9)
    };
    assert!(
        outbox
            .move_on("hook", "one", &failed)
            .await
            .expect("an answer")
    );
    // As after a restart, with the hook in its settings as before.
    outbox
        .enroll("hook", LeafIndex::new(90))
        .await
        .expect("it is known");
    assert!(
        !outbox
            .move_on("hook", "one", &at(8))
            .await
            .expect("an answer")
    );
    let there = bed.open().await;
    let row = ours(there.as_ref(), "hook", "one", LONG).await;
    assert_eq!((row.first.get(), row.progress), (7, failed));
    assert!(
        outbox
            .move_on("hook", "one", &at(10))
            .await
            .expect("an answer")
    );
    let rows = there.outbox().webhooks().await.expect("all of them");
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.webhook, row.progress))
        .collect();
    assert_eq!(
        rows,
        [("hook".to_owned(), at(10)), ("other".to_owned(), at(0))]
    );
}

pub(crate) async fn records_are_read_in_the_order_of_the_log_too(bed: &dyn Bed) {
    let storage = bed.open().await;
    for batch in crate::batches::many() {
        commit(storage.as_ref(), &batch)
            .await
            .expect("it is written");
    }
    let size = storage.head().await.expect("a head").size.get();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let rows = storage
            .records_after(&RecordFilter::default(), after, 37)
            .await;
        let rows = rows.expect("records");
        let Some(last) = rows.last() else { break };
        after = Some(last.index);
        seen.extend(rows.iter().map(|row| row.index.get()));
    }
    assert!(seen.iter().copied().eq(0..size), "{seen:?}");
}

pub(crate) async fn the_newest_release_is_the_last_that_was_not_withdrawn(bed: &dyn Bed) {
    let storage = bed.open().await;
    let model: ModelName = "a-lab/m".parse().expect("a name");
    let newest = async || {
        let newest = storage.newest_release(&model).await.expect("an answer");
        newest.map(|row| (row.name.to_string(), row.withdrawn_by.is_some(), row.kinds))
    };
    let mut growing = Growing::new();
    growing.register("a-lab");
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    assert_eq!(newest().await, None);
    for version in 1..=3 {
        growing.add(
            Kind::Weights,
            "a-lab",
            &format!("a-lab/m@{version}"),
            Effect::None,
        );
    }
    growing.add(Kind::ModelCard, "a-lab", "a-lab/m@1", Effect::None);
    growing.add(Kind::Weights, "a-lab", "a-lab/n@9", Effect::None);
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let is = |name: &str, is_withdrawn, kinds: &[Kind]| {
        Some((name.to_owned(), is_withdrawn, kinds.to_vec()))
    };
    assert_eq!(newest().await, is("a-lab/m@3", false, &[Kind::Weights]));
    growing.add(
        Kind::Withdrawal,
        "a-lab",
        "a-lab/m@3",
        Effect::WithdrawRelease,
    );
    growing.add(
        Kind::Withdrawal,
        "a-lab",
        "a-lab/m@2",
        Effect::WithdrawRelease,
    );
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let both = [Kind::ModelCard, Kind::Weights];
    assert_eq!(newest().await, is("a-lab/m@1", false, &both));
    growing.add(
        Kind::Withdrawal,
        "a-lab",
        "a-lab/m@1",
        Effect::WithdrawRelease,
    );
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let withdrawn = [Kind::Weights, Kind::Withdrawal];
    assert_eq!(newest().await, is("a-lab/m@3", true, &withdrawn));
}

/// Two servers on one Postgres: a webhook is told by one of them, until that one dies.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_a_webhook_alone_until_it_gives_it_back_or_is_silent_for_too_long() {
    let bed = postgres_bed().await;
    let (one, two): (Arc<Postgres>, Arc<Postgres>) = (
        Arc::new(Postgres::open(&bed.0).await.expect("it opens")),
        Arc::new(Postgres::open(&bed.0).await.expect("it opens")),
    );
    let outbox = one.outbox();
    outbox
        .enroll("hook", LeafIndex::new(0))
        .await
        .expect("it is new");
    let first = ours(one.as_ref(), "hook", "one", Duration::from_secs(2)).await;
    assert_eq!(first.server.as_deref(), Some("one"));
    let theirs = two
        .outbox()
        .claim("hook", "two", LONG)
        .await
        .expect("an answer");
    let Some(Claim::Theirs(row)) = theirs else {
        panic!("{theirs:?}");
    };
    assert_eq!(row.server.as_deref(), Some("one"));
    assert!(
        !two.outbox()
            .move_on("hook", "two", &at(5))
            .await
            .expect("an answer")
    );
    // It goes on having it, as long as it says so.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    ours(one.as_ref(), "hook", "one", Duration::from_secs(2)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let theirs = two
        .outbox()
        .claim("hook", "two", LONG)
        .await
        .expect("an answer");
    assert!(matches!(theirs, Some(Claim::Theirs(_))), "{theirs:?}");
    // It is silent for too long.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let rows = two.outbox().webhooks().await.expect("all of them");
    assert_eq!(rows[0].server, None);
    let second = ours(two.as_ref(), "hook", "two", LONG).await;
    assert_eq!(second.progress, at(0));
    assert!(
        !outbox
            .move_on("hook", "one", &at(5))
            .await
            .expect("an answer")
    );
    assert!(
        two.outbox()
            .move_on("hook", "two", &at(6))
            .await
            .expect("an answer")
    );
    // It stops in order.
    two.outbox()
        .give_back("two")
        .await
        .expect("it is given back");
    let third = ours(one.as_ref(), "hook", "one", LONG).await;
    assert_eq!(third.progress, at(6));
}

/// Of many servers that ask at the same time, one has it.
#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_ask_at_once_one_gets_it() {
    let bed = postgres_bed().await;
    let log = Postgres::open(&bed.0).await.expect("it opens");
    for round in 0..10 {
        let webhook = format!("hook-{round}");
        log.outbox()
            .enroll(&webhook, LeafIndex::new(0))
            .await
            .expect("it is new");
        let mut asking = Vec::new();
        for n in 0..4 {
            let (url, webhook) = (bed.0.clone(), webhook.clone());
            asking.push(tokio::spawn(async move {
                let log = Postgres::open(&url).await.expect("it opens");
                let claim = log
                    .outbox()
                    .claim(&webhook, &format!("server-{n}"), LONG)
                    .await;
                let is_ours = matches!(claim.expect("an answer"), Some(Claim::Ours(_)));
                log.close().await;
                is_ours
            }));
        }
        let mut got = 0;
        for asked in asking {
            got += u32::from(asked.await.expect("no panic"));
        }
        assert_eq!(got, 1);
    }
}
