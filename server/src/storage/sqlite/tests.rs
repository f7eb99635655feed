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
        entries: vec![NewEntry {
            entry,
            statement,
            accepted_ms: None,
        }],
        tiles: Vec::new(),
        attachments: Vec::new(),
        views: Vec::new(),
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

/// Entries that a log of releases of one publisher could have: the first registers it, and each other one is about a
/// release of its own.
mod filling {
    use candor_core::merkle::TreeHead;
    use candor_core::record::{Kind, PublisherState};

    use super::*;
    use crate::views::{Effect, ViewChange};

    pub(super) fn statement(n: u64) -> Sha256 {
        Sha256::of(n.to_be_bytes())
    }

    pub(super) fn release(n: u64) -> ReleaseName {
        format!("a-lab/m@1.{n}").parse().expect("a name")
    }

    /// The manifest of some of them, the same for each.
    pub(super) fn manifest() -> Sha256 {
        Sha256::of("the same files")
    }

    pub(super) fn has_manifest(n: u64) -> bool {
        n % 6_000 == 1
    }

    /// Adds entries until there are `size`. The tree is of no matter here.
    pub(super) async fn fill(log: &Sqlite, size: u64) {
        loop {
            let turn = log.turn().await.expect("a turn");
            let before = turn.head();
            let indexes = before.size.get()..size.min(before.size.get() + 10_000);
            if indexes.is_empty() {
                return turn.end().await;
            }
            let batch = Batch {
                before,
                after: TreeHead {
                    size: candor_core::merkle::TreeSize::new(indexes.end),
                    ..before
                },
                entries: indexes.clone().map(entry).collect(),
                tiles: Vec::new(),
                attachments: Vec::new(),
                views: indexes.map(view).collect(),
            };
            turn.commit(&batch).await.expect("it is written");
        }
    }

    fn entry(n: u64) -> NewEntry {
        NewEntry {
            entry: Entry::new(n.to_be_bytes().to_vec()).expect("short enough"),
            statement: statement(n),
            accepted_ms: None,
        }
    }

    fn view(n: u64) -> ViewChange {
        let name: PublisherName = "a-lab".parse().expect("a name");
        let is_first = n == 0;
        let state = || PublisherState {
            name: name.clone(),
            record: statement(n),
            at: LeafIndex::new(n),
            keys: Vec::new(),
            retired: Vec::new(),
        };
        ViewChange {
            index: LeafIndex::new(n),
            kind: if is_first {
                Kind::Publisher
            } else if has_manifest(n) {
                Kind::Weights
            } else {
                Kind::ApiVersion
            },
            publisher: name.clone(),
            subject: if is_first {
                name.to_string()
            } else {
                release(n).to_string()
            },
            subject_sha256: if has_manifest(n) {
                manifest()
            } else {
                statement(n)
            },
            release: (!is_first).then(|| release(n)),
            effect: if is_first {
                Effect::Publisher {
                    display_name: "A Lab".to_owned(),
                    url: None,
                    state: state(),
                }
            } else {
                Effect::None
            },
        }
    }
}

/// Asks for the statements and the releases of entries, those who read and whoever has the turn, and says which
/// entries were found. They were found by both.
async fn found(log: &Sqlite, entries: &[u64]) -> Vec<u64> {
    let questions = Questions {
        statements: entries.iter().map(|n| filling::statement(*n)).collect(),
        releases: entries.iter().map(|n| filling::release(*n)).collect(),
        ..Questions::default()
    };
    let mut turn = log.turn().await.expect("a turn");
    let in_turn = turn.known(&questions).await.expect("an answer");
    turn.end().await;
    let outside = log.known(&questions).await.expect("an answer");
    let mut found = Vec::new();
    for n in entries {
        let index = LeafIndex::new(*n);
        for known in [&in_turn, &outside] {
            let statement = known.statements.get(&filling::statement(*n));
            let release = known.releases.get(&filling::release(*n));
            let records = release.map(|release| release.records.values().next());
            assert_eq!(
                statement.map(|it| it.index),
                records.map(|it| it.expect("a record").0)
            );
            if statement.is_some_and(|it| it.index == index) {
                found.push(*n);
            }
        }
    }
    assert_eq!(found.len() % 2, 0, "both find the same");
    found.dedup();
    found
}

/// The last entry of one generation completes it, and the batch that has it has some of the next one.
const SIZE: u64 = 65_536 + 4_464;

#[tokio::test]
async fn statements_and_releases_are_found_by_their_digests_however_old_they_are() {
    let (folder, log) = log().await;
    filling::fill(&log, SIZE).await;
    let there = [1, 2, 40_000, 65_535, 65_536, SIZE - 1];
    let asked = [&there[..], &[SIZE, SIZE + 1]].concat();
    assert_eq!(found(&log, &asked).await, there);
    log.close().await;
    let log = Sqlite::open(&folder.path().join("log.db"))
        .await
        .expect("it opens again");
    assert_eq!(found(&log, &asked).await, there);
}

#[tokio::test]
async fn weights_are_found_by_their_manifest_however_old_they_are() {
    let (folder, log) = log().await;
    filling::fill(&log, SIZE).await;
    let there: Vec<u64> = (0..SIZE).filter(|n| filling::has_manifest(*n)).collect();
    assert!(there[0] < 65_536 && there[there.len() - 1] > 65_536);
    let found = async |log: &Sqlite, after: Option<u64>, limit| {
        let after = after.map(LeafIndex::new);
        let rows = log.weights_of(filling::manifest(), after, limit).await;
        let rows = rows.expect("an answer");
        rows.iter().map(|row| row.index.get()).collect::<Vec<_>>()
    };
    assert_eq!(found(&log, None, 100).await, there);
    log.close().await;
    let log = Sqlite::open(&folder.path().join("log.db"))
        .await
        .expect("it opens again");
    assert_eq!(found(&log, None, 100).await, there);
    assert_eq!(found(&log, Some(there[3]), 2).await, there[4..6]);
    let nothing = log.weights_of(filling::statement(2), None, 10).await;
    assert_eq!(
        nothing.expect("an answer"),
        [],
        "what it is of is no manifest"
    );
}

#[tokio::test]
async fn a_digest_that_begins_like_another_one_finds_nothing() {
    let (_folder, log) = log().await;
    filling::fill(&log, SIZE).await;
    for known in [2, SIZE - 1] {
        let mut bytes = *filling::statement(known).as_bytes();
        bytes[31] ^= 1;
        let other = Sha256::from_bytes(bytes);
        let questions = Questions {
            statements: [filling::statement(known), other].into(),
            ..Questions::default()
        };
        let answer = log.known(&questions).await.expect("an answer");
        assert!(answer.statements.contains_key(&filling::statement(known)));
        assert!(!answer.statements.contains_key(&other));
    }
}

#[tokio::test]
async fn what_another_program_has_written_is_found_in_the_next_turn() {
    let (folder, log) = log().await;
    let other = Sqlite::open(&folder.path().join("log.db"))
        .await
        .expect("it opens twice");
    for size in [10, SIZE] {
        filling::fill(&other, size).await;
        assert_eq!(found(&log, &[1, size - 1]).await, [1, size - 1]);
    }
}

#[tokio::test]
async fn keys_that_are_damaged_are_noticed_when_the_log_opens() {
    let (folder, log) = log().await;
    filling::fill(&log, SIZE).await;
    sqlx::query("DELETE FROM digest_filter")
        .execute(&log.writer)
        .await
        .expect("it is removed");
    log.close().await;
    let Err(error) = Sqlite::open(&folder.path().join("log.db")).await else {
        panic!("a filter is missing");
    };
    let expected = "0 digest filters do not fit a log of 70000 entries";
    assert!(error.to_string().contains(expected), "{error}");
}
