//! A catalogue whose database does not take a record, and a log with an entry that is no record.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use candor_tests::postgres;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::watch;

use super::FaultyLog;
use crate::catalogue::{Catalogue, Follower, Opened, Place};
use crate::storage::Storage as _;

/// A catalogue that has all of a log. It is closed with what is beside it.
type Followed = (Arc<Catalogue>, watch::Sender<bool>);

/// Follows the log until the catalogue has all of it.
async fn followed(log: &FaultyLog, place: Place) -> Followed {
    let opened = Opened::default();
    let follower = Follower {
        place,
        opened: opened.clone(),
        storage: log.log.storage.clone(),
        identity: log.log.identity.clone(),
        released: log.log.sequencer.releases(),
    };
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(follower.run(stopping));
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

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_record_is_left_out_and_named() {
    let log = log_of(&["first", "second", "third"]).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(log.database());
    let mut database = options.connect().await.expect("it opens");
    let update = "UPDATE entry SET bytes = CAST('no record' AS BLOB) WHERE idx = 1";
    database.execute(update).await.expect("it is changed");
    database.close().await.expect("it ends");
    let folder = tempfile::tempdir().expect("a folder");
    let (catalogue, _open) = followed(&log, Place::File(folder.path().join("catalogue.db"))).await;
    shows_all_but_the_second(&catalogue, "").await;
}
