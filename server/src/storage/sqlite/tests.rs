use candor_core::merkle::{CompactRange, LeafHash};

use super::*;
use crate::storage::{Batch, CommitError, NewEntry};

/// A log that is empty, in a folder of its own.
async fn log() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.db");
    let key: candor_core::note::VerifierKey =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
            .parse()
            .expect("a key");
    let identity = LogIdentity {
        origin: "example.org/candor-test".parse().expect("an origin"),
        key,
    };
    Sqlite::create(&file, &identity).await.expect("it is made");
    let log = Sqlite::open(&file).await.expect("it opens");
    (folder, log)
}

/// A batch of one entry, as long as an entry may be, on an empty tree.
fn batch() -> Batch {
    let entry = Entry::new(vec![b'x'; 65_535]).expect("short enough");
    let mut range = CompactRange::empty();
    let before = range.head();
    range.append(LeafHash::of(&entry), |_, _| {});
    let statement = Sha256::of(entry.as_bytes());
    Batch {
        before,
        after: range.head(),
        entries: vec![NewEntry { entry, statement }],
        tiles: Vec::new(),
        attachments: Vec::new(),
        views: Vec::new(),
        accepted_ms: 0,
    }
}

async fn commit(log: &Sqlite) -> Result<(), CommitError> {
    log.turn().await?.commit(&batch()).await
}

/// `SQLite` rolls back by itself when it is full, and the connection is of no use after that.
#[tokio::test]
async fn a_batch_that_found_no_room_leaves_nothing_behind_for_the_next_one() {
    let (_folder, log) = log().await;
    for _ in 0..3 {
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&log.writer)
            .await
            .expect("a limit that is met already");
        let full = commit(&log).await.expect_err("no page is free");
        let is_full = matches!(full, CommitError::NotWritten(StorageError::Full(_)));
        assert!(is_full, "{full}");
        assert_eq!(log.head().await.expect("a head").size.get(), 0);
        log.settle().await.expect("no transaction is open");
    }
    commit(&log).await.expect("there is room");
    // Another connection sees it, so it was committed, and not only a part of a larger transaction.
    assert_eq!(log.head().await.expect("a head").size.get(), 1);
    assert_eq!(
        log.entries(LeafIndex::new(0), 1)
            .await
            .expect("entries")
            .len(),
        1
    );
}

#[tokio::test]
async fn a_database_that_was_replaced_is_noticed() {
    let (folder, log) = log().await;
    log.check_place().expect("it is where it was");
    let file = folder.path().join("log.db");
    let copy = folder.path().join("copy.db");
    fs::copy(&file, &copy).expect("it is copied");
    fs::rename(&copy, &file).expect("it takes the place");
    let error = log.check_place().expect_err("another file");
    assert!(matches!(error, StorageError::Replaced { .. }), "{error}");
    fs::remove_file(&file).expect("it is removed");
    let error = log.check_place().expect_err("no file");
    assert!(matches!(error, StorageError::Replaced { .. }), "{error}");
}

#[tokio::test]
async fn a_turn_that_is_dropped_has_written_nothing_and_lets_the_next_one_begin() {
    let (_folder, log) = log().await;
    let turn = log.turn().await.expect("nobody else has it");
    drop(turn);
    log.turn().await.expect("it is free").end().await;
    commit(&log).await.expect("it is free again");
    let error = commit(&log).await.expect_err("planned on an empty tree");
    assert!(matches!(error, CommitError::HeadMoved { .. }), "{error}");
    assert_eq!(log.head().await.expect("a head").size.get(), 1);
}
