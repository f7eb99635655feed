//! What every engine must do: one suite, held to `SQLite` and to Postgres alike.
//!
//! ```text
//! suite ──► Arc<dyn Storage> ──► sqlite   a file in a temporary folder
//!                          └───► postgres a database in a cluster of the tests' own
//! ```
//!
//! Not here: what only one engine has (`turns`), and servers (`tests/`).

mod batches;
mod manifests;
mod suite;
mod turns;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use candor_server::storage::postgres::{DatabaseUrl, Postgres};
use candor_server::storage::sqlite::Sqlite;
use candor_server::storage::{LogIdentity, Storage};
use candor_tests::postgres;

/// A log that can be opened more than once, as by several servers, or after a restart.
#[async_trait]
trait Bed: Send + Sync {
    async fn open(&self) -> Arc<dyn Storage>;
}

struct SqliteBed(tempfile::TempDir);

struct PostgresBed(DatabaseUrl);

fn identity() -> LogIdentity {
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    LogIdentity {
        origin: "example.org/candor-test".parse().expect("an origin"),
        key: key.parse().expect("a key"),
    }
}

async fn sqlite_bed() -> SqliteBed {
    let bed = SqliteBed(tempfile::tempdir().expect("a folder"));
    let created = Sqlite::create(&bed.0.path().join("log.db"), &identity()).await;
    created.expect("it is made");
    bed
}

async fn postgres_bed() -> PostgresBed {
    let url: DatabaseUrl = postgres::shared()
        .database()
        .url
        .parse()
        .expect("an address");
    let created = Postgres::create(&url, &identity()).await;
    created.expect("it is made");
    PostgresBed(url)
}

#[async_trait]
impl Bed for SqliteBed {
    async fn open(&self) -> Arc<dyn Storage> {
        let opened = Sqlite::open(&self.0.path().join("log.db")).await;
        Arc::new(opened.expect("it opens"))
    }
}

#[async_trait]
impl Bed for PostgresBed {
    async fn open(&self) -> Arc<dyn Storage> {
        Arc::new(Postgres::open(&self.0).await.expect("it opens"))
    }
}

/// Runs each function of the suite once for each engine.
macro_rules! on_both_engines {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::suite::$name(&super::sqlite_bed().await).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::suite::$name(&super::postgres_bed().await).await; })*
        }
    };
}

on_both_engines! {
    a_new_log_is_empty_and_has_its_name,
    what_is_committed_is_read_back_by_everybody,
    tiles_grow_and_their_beginnings_stay,
    what_is_not_there_is_not_found,
    a_statement_is_known_by_its_whole_digest,
    keys_are_known_in_their_order_and_retired_ones_when_they_are_asked_for,
    a_withdrawal_takes_what_was_there_before_it,
    weights_are_found_by_their_whole_manifest_digest,
    a_batch_on_another_head_is_not_written,
    a_batch_that_breaks_a_rule_leaves_nothing_behind,
    one_turn_begins_when_the_other_has_ended,
    a_turn_that_is_dropped_has_written_nothing,
    attachments_are_stored_once,
    a_webhook_goes_on_from_where_it_was_and_never_back,
    records_are_read_in_the_order_of_the_log_too,
    the_newest_release_is_the_last_that_was_not_withdrawn,
}

/// The same batches, the same answers.
#[tokio::test(flavor = "multi_thread")]
async fn both_engines_answer_every_question_alike() {
    let (sqlite, postgres) = (sqlite_bed().await, postgres_bed().await);
    let (sqlite, postgres) = (sqlite.open().await, postgres.open().await);
    let batches = batches::many();
    for batch in &batches {
        for storage in [&sqlite, &postgres] {
            let turn = storage.turn().await.expect("nobody else has it");
            turn.commit(batch).await.expect("it is written");
        }
    }
    let questions = suite::answers(sqlite.as_ref()).await;
    assert!(questions.len() > 300, "{}", questions.len());
    for (one, other) in questions
        .iter()
        .zip(suite::answers(postgres.as_ref()).await)
    {
        assert_eq!(*one, other);
    }
}
