//! A catalogue whose database does not take a record, and a log with an entry that is no record.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use candor_core::merkle::{Entry, LeafHash, LeafIndex};
use candor_tests::postgres;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::watch;

use super::FaultyLog;
use crate::catalogue::{Catalogue, Follower, Opened, Place};
use crate::storage::Storage as _;

fn follower(log: &FaultyLog, place: Place, opened: &Opened) -> Follower {
    Follower {
        place,
        opened: opened.clone(),
        storage: log.log.storage.clone(),
        identity: log.log.identity.clone(),
        released: log.log.sequencer.releases(),
    }
}

/// A catalogue that has all of a log. It is closed with what is beside it.
type Followed = (Arc<Catalogue>, watch::Sender<bool>);

/// Follows the log until the catalogue has all of it.
async fn followed(log: &FaultyLog, place: Place) -> Followed {
    let opened = Opened::default();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(follower(log, place, &opened).run(stopping));
    let catalogue = opened.get().await.expect("it opens");
    let size = log.storage.head().await.expect("a head").size.get();
    let mut sizes = catalogue.sizes();
    let reached = sizes.wait_for(|reached| *reached == size);
    let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
    reached
        .expect("it does not stop at what it can't take")
        .expect("it is there");
    (catalogue, stop)
}

async fn log_of(names: &[&str]) -> FaultyLog {
    let log = FaultyLog::start().await;
    for name in names {
        let answer = log.publish(name).await.expect("it ends");
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    log
}

async fn shows_all_but_the_second(catalogue: &Catalogue, why: &str) {
    for (name, is_there) in [("first", true), ("second", false), ("third", true)] {
        let found = catalogue.publisher(name).await.expect("an answer");
        assert_eq!(found.is_some(), is_there, "{name}");
    }
    let left_out = catalogue.left_out(10).await.expect("an answer");
    let [(1, found)] = left_out.as_slice() else {
        panic!("{left_out:?}");
    };
    assert!(found.contains(why), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_sqlite_does_not_take_is_left_out_and_named() {
    let log = log_of(&["first", "second", "third"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("catalogue.db");
    let place = Place::File(file.clone());
    let made = Catalogue::open(&place, &log.log.identity).await;
    made.expect("it is made").close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut database = options.connect().await.expect("it opens");
    let trigger = "CREATE TRIGGER refusing BEFORE INSERT ON publisher WHEN NEW.name = 'second'
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    database.execute(trigger).await.expect("it is made");
    database.close().await.expect("it ends");
    let (catalogue, _open) = followed(&log, place).await;
    shows_all_but_the_second(&catalogue, "not this one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_postgres_does_not_take_is_left_out_and_named() {
    let log = log_of(&["first", "second", "third"]).await;
    let database = postgres::shared().database();
    let place = Place::Database(database.url.parse().expect("an address"));
    let made = Catalogue::open(&place, &log.log.identity).await;
    made.expect("it is made").close().await;
    let mut connection = sqlx::PgConnection::connect(&database.url)
        .await
        .expect("it answers");
    let schema = crate::catalogue::schema();
    let rule = format!(
        "ALTER TABLE {schema}.publisher ADD CONSTRAINT not_this_one CHECK (name <> 'second')"
    );
    let ruled = connection.execute(AssertSqlSafe(rule)).await;
    ruled.expect("it is changed");
    connection.close().await.expect("it ends");
    let (catalogue, _open) = followed(&log, place).await;
    shows_all_but_the_second(&catalogue, "not_this_one").await;
}

/// Puts other bytes in the place of an entry, and their leaf hash into the tile if told to.
async fn replace_entry(log: &FaultyLog, bytes: &[u8], with_leaf: bool) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(log.database());
    let mut database = options.connect().await.expect("it opens");
    let update = sqlx::query("UPDATE entry SET bytes = ?1 WHERE idx = 1").bind(bytes);
    update.execute(&mut database).await.expect("it is changed");
    if with_leaf {
        let leaf = LeafHash::of(&Entry::new(bytes.to_vec()).expect("not too long")).to_hash();
        let update = "UPDATE tile SET hashes =
            CAST(substr(hashes, 1, 32) || ?1 || substr(hashes, 65) AS BLOB) WHERE level = 0";
        let update = sqlx::query(update).bind(leaf.as_bytes().as_slice());
        update.execute(&mut database).await.expect("it is changed");
    }
    database.close().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_entry_that_can_not_be_read_is_left_out_and_taken_in_when_it_can() {
    let log = log_of(&["first", "second", "third"]).await;
    let second = log.storage.entries(LeafIndex::new(1), 1).await;
    let second = second.expect("an entry")[0].as_bytes().to_vec();
    replace_entry(&log, b"what another version took", true).await;
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::File(folder.path().join("catalogue.db"));
    let (catalogue, stop) = followed(&log, place.clone()).await;
    shows_all_but_the_second(&catalogue, "").await;
    stop.send_replace(true);
    replace_entry(&log, &second, true).await;
    let (catalogue, _open) = followed(&log, place).await;
    let found = tokio::time::timeout(Duration::from_secs(30), async {
        while catalogue.publisher("second").await.ok().flatten().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    found.await.expect("it is made anew");
    assert!(catalogue.left_out(10).await.expect("an answer").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_stops_the_catalogue_until_it_is_repaired() {
    let log = log_of(&["first", "second", "third"]).await;
    let second = log.storage.entries(LeafIndex::new(1), 1).await;
    let second = second.expect("an entry")[0].as_bytes().to_vec();
    replace_entry(&log, b"no record", false).await;
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::default();
    let (_stop, stopping) = watch::channel(false);
    let place = Place::File(folder.path().join("catalogue.db"));
    tokio::spawn(follower(&log, place, &opened).run(stopping));
    let catalogue = opened.get().await.expect("it opens");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(catalogue.size(), 0);
    replace_entry(&log, &second, false).await;
    let mut sizes = catalogue.sizes();
    let reached = sizes.wait_for(|reached| *reached == 3);
    let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
    reached.expect("it goes on").expect("it is there");
    assert!(catalogue.left_out(10).await.expect("an answer").is_empty());
}
