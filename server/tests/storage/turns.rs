//! Turns in Postgres, where a server can be paused, cut off or replaced in the middle of one.

use std::time::{Duration, Instant};

use candor_core::merkle::{LeafIndex, TreeHead};
use candor_core::note::{Checkpoint, Retirement};
use candor_core::record::Kind;
use candor_server::storage::postgres::{DatabaseUrl, Postgres};
use candor_server::storage::{CommitError, Peers as _, Storage, StorageError};
use candor_server::views::Effect;
use candor_tests::postgres::{self, Database};

use crate::batches::Growing;
use crate::identity;

async fn log() -> (Database, Postgres) {
    let database = postgres::shared().database();
    let url = url(&database);
    Postgres::create(&url, &identity())
        .await
        .expect("it is made");
    (database, Postgres::open(&url).await.expect("it opens"))
}

fn url(database: &Database) -> DatabaseUrl {
    database.url.parse().expect("an address")
}

/// A server that sleeps in its turn loses it, and can't write when it wakes up.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_paused_in_its_turn_writes_nothing_when_it_comes_back() {
    let (database, paused) = log().await;
    let other = Postgres::open(&url(&database)).await.expect("it opens");
    let mut growing = Growing::new();
    growing.register("a-lab");
    let batch = growing.batch();
    let turn = paused.turn().await.expect("nobody else has it");
    let begun = Instant::now();
    let next = other.turn().await.expect("the database takes it away");
    assert!(
        begun.elapsed() > Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    let mut theirs = Growing::new();
    theirs.register("b-lab");
    let written = theirs.batch();
    next.commit(&written).await.expect("it is written");
    let error = turn.commit(&batch).await.expect_err("it is over");
    assert!(matches!(error, CommitError::NotWritten(_)), "{error}");
    assert_eq!(other.head().await.expect("a head"), written.after);
    // And it is well again.
    let turn = paused.turn().await.expect("its next turn");
    assert_eq!(turn.head(), written.after);
    theirs.add(Kind::Weights, "b-lab", "b-lab/m@1", Effect::None);
    turn.commit(&theirs.batch()).await.expect("it is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_a_turn_ends_it() {
    let (database, log) = log().await;
    let mut growing = Growing::new();
    growing.register("a-lab");
    let batch = growing.batch();
    let turn = log.turn().await.expect("nobody else has it");
    postgres::shared().run(
        "postgres",
        &format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = '{}' AND state = 'idle in transaction'",
            database.name
        ),
    );
    let error = turn.commit(&batch).await.expect_err("it is gone");
    assert!(matches!(error, CommitError::NotWritten(_)), "{error}");
    assert_eq!(log.head().await.expect("a head"), TreeHead::empty());
    let turn = log.turn().await.expect("a new connection");
    turn.commit(&batch).await.expect("it is written");
}

/// The commit arrives, and its answer does not: nobody knows until the next turn, and then everybody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_the_commit_leaves_it_to_the_next_turn() {
    let (database, log) = log().await;
    let mut growing = Growing::new();
    growing.register("a-lab");
    let batch = growing.batch();
    // A deferred trigger runs inside COMMIT, and ends the connection that commits.
    postgres::shared().run(
        &database.name,
        "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION hang_up()",
    );
    let turn = log.turn().await.expect("nobody else has it");
    let error = turn.commit(&batch).await.expect_err("nobody answers");
    assert!(matches!(error, CommitError::Lost(_)), "{error}");
    postgres::shared().run(&database.name, "DROP TRIGGER hang_up ON entry");
    let turn = log.turn().await.expect("a new connection");
    assert_eq!(
        turn.head(),
        batch.before,
        "the next turn shows that it was not written"
    );
    turn.commit(&batch).await.expect("it is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_tell_each_other_never_goes_back() {
    let (_, log) = log().await;
    assert_eq!(log.newest().await.expect("an answer"), None);
    let checkpoint = |size, retirement| {
        let head = TreeHead {
            size: candor_core::merkle::TreeSize::new(size),
            root: TreeHead::empty().root,
        };
        Checkpoint::new(identity().origin, head, retirement)
    };
    let (goes_on, last) = (None, Some(Retirement { next: None }));
    for (size, retirement, note, newest) in [
        (5, &goes_on, "five", "five"),
        (3, &goes_on, "three", "five"),
        (9, &goes_on, "nine", "nine"),
        // The log is not closed, so this can't be.
        (9, &last, "last", "nine"),
    ] {
        let checkpoint = checkpoint(size, retirement.clone());
        log.tell(&checkpoint, note).await.expect("it is told");
        let told = log.newest().await.expect("an answer");
        assert_eq!(told.as_deref(), Some(newest));
    }
    let ending = checkpoint(0, last.clone());
    let turn = log.turn().await.expect("nobody else has it");
    turn.retire(&ending.to_string()).await.expect("closed");
    assert!(matches!(log.turn().await, Err(StorageError::Retired)));
    log.tell(&ending, "last").await.expect("it is told");
    // A server that does not know yet that the log is closed.
    let late = checkpoint(9, goes_on);
    log.tell(&late, "nine").await.expect("it is told");
    let told = log.newest().await.expect("an answer");
    assert_eq!(told.as_deref(), Some("last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_holds_no_log_or_another_one_is_left_as_it_is() {
    let empty = postgres::shared().database();
    let error = Postgres::open(&url(&empty)).await.err().expect("no log");
    assert!(matches!(error, StorageError::NotALog(_)), "{error}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(postgres::shared().run(&empty.name, tables), "0");
    let (database, _) = log().await;
    let error = Postgres::create(&url(&database), &identity()).await;
    let error = error.expect_err("a log is there").to_string();
    assert!(error.contains("example.org/candor-test already"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_flush_is_refused() {
    let cluster = postgres::Postgres::start(&["fsync=off"]);
    let url = url(&cluster.database());
    Postgres::create(&url, &identity())
        .await
        .expect("it is made");
    let log = Postgres::open(&url).await.expect("it opens");
    let error = log.settle().await.expect_err("it would forget");
    assert!(matches!(error, StorageError::NotDurable(_)), "{error}");
}

/// Whatever the database's defaults are, a turn's commit waits for the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_durable_whatever_the_default_is() {
    let database = postgres::shared().database();
    let set = format!(
        "ALTER DATABASE {} SET synchronous_commit = off; ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'",
        database.name
    );
    postgres::shared().run("postgres", &set);
    Postgres::create(&url(&database), &identity())
        .await
        .expect("it is made");
    let log = Postgres::open(&url(&database)).await.expect("it opens");
    let watching = "CREATE TABLE seen (setting TEXT);
         CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || current_setting('transaction_isolation'));
             RETURN NULL; END $$;
         CREATE TRIGGER look AFTER INSERT ON entry FOR EACH STATEMENT EXECUTE FUNCTION look()";
    postgres::shared().run(&database.name, watching);
    let mut growing = Growing::new();
    growing.register("a-lab");
    let turn = log.turn().await.expect("nobody else has it");
    turn.commit(&growing.batch()).await.expect("it is written");
    let seen = postgres::shared().run(&database.name, "SELECT setting FROM seen");
    assert_eq!(seen, "on read committed");
    assert_eq!(
        log.entries(LeafIndex::new(0), 9)
            .await
            .expect("entries")
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_not_hold_every_name_is_refused() {
    let latin1 = "CREATE DATABASE latin1 ENCODING 'LATIN1' TEMPLATE template0";
    postgres::shared().run("postgres", latin1);
    let url = url(&postgres::shared().at("latin1"));
    Postgres::create(&url, &identity())
        .await
        .expect("it is made");
    let log = Postgres::open(&url).await.expect("it opens");
    let error = log.settle().await.expect_err("names would be refused");
    assert!(error.to_string().contains("UTF8"), "{error}");
}
