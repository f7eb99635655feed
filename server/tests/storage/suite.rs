//! What the trait says, as tests.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use candor_core::Sha256;
use candor_core::merkle::{
    Entry, LeafIndex, TILE_WIDTH, TileIndex, TileLevel, TilePath, TreeHead, TreeSize,
};
use candor_core::record::{Kind, PublisherName, ReleaseName};
use candor_server::storage::{
    Batch, CommitError, EntriesLimit, Questions, RecordFilter, RecordPage, Storage,
};
use candor_server::tree::RightEdge;
use candor_server::views::Effect;

use crate::batches::{Growing, entry, key, many, state};
pub(crate) use crate::manifests::weights_are_found_by_their_whole_manifest_digest;
pub(crate) use crate::webhooks::*;
use crate::{Bed, identity};

pub(crate) async fn commit(storage: &dyn Storage, batch: &Batch) -> Result<(), CommitError> {
    storage.turn().await?.commit(batch).await
}

async fn known_statements(storage: &dyn Storage, digests: &[Sha256]) -> Vec<(Sha256, u64)> {
    let questions = Questions {
        statements: digests.iter().copied().collect(),
        ..Questions::default()
    };
    let known = storage.known(&questions).await.expect("it answers");
    let known = known.statements.into_iter();
    let mut known: Vec<_> = known.map(|(digest, it)| (digest, it.index.get())).collect();
    known.sort_by_key(|(_, index)| *index);
    known
}

/// All records that a filter lets through, newest first.
async fn listed(storage: &dyn Storage, filter: &RecordFilter) -> Vec<u64> {
    let page = RecordPage {
        before: TreeSize::new(1 << 40),
        limit: 10_000,
    };
    let rows = storage.records(filter, page).await.expect("it answers");
    rows.iter().map(|row| row.index.get()).collect()
}

/// A log with `count` records of one publisher about as many releases.
pub(crate) async fn log_of(bed: &dyn Bed, count: u64) -> (Arc<dyn Storage>, Growing) {
    let storage = bed.open().await;
    let (growing, batch) = grown(count);
    commit(storage.as_ref(), &batch)
        .await
        .expect("it is written");
    (storage, growing)
}

pub(crate) async fn a_new_log_is_empty_and_has_its_name(bed: &dyn Bed) {
    let storage = bed.open().await;
    assert_eq!(storage.identity().await.expect("it has one"), identity());
    assert_eq!(storage.head().await.expect("a head"), TreeHead::empty());
    storage.settle().await.expect("nothing is in the way");
    storage.check_place().expect("it is where it was");
    let edge = RightEdge::load(storage.as_ref()).await.expect("an edge");
    assert_eq!(edge.head(), TreeHead::empty());
}

pub(crate) async fn what_is_committed_is_read_back_by_everybody(bed: &dyn Bed) {
    let (here, there) = (bed.open().await, bed.open().await);
    for batch in many() {
        commit(here.as_ref(), &batch).await.expect("it is written");
        assert_eq!(there.head().await.expect("a head"), batch.after);
        // The tiles lead to the root, and the last entries are those that they were made from.
        let edge = RightEdge::load(there.as_ref()).await.expect("an edge");
        assert_eq!(edge.head(), batch.after);
        let (first, count) = (batch.before.size.get(), batch.entries.len());
        let count = u16::try_from(count).expect("small batches");
        let entries = there.entries(LeafIndex::new(first), count).await;
        let written: Vec<&Entry> = batch.entries.iter().map(|new| &new.entry).collect();
        assert!(entries.expect("entries").iter().eq(written));
    }
    here.close().await;
    assert!(there.head().await.expect("a head").size.get() > 200);
}

pub(crate) async fn tiles_grow_and_their_beginnings_stay(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 200).await;
    let tile = |level, size| {
        let level = TileLevel::new(level).expect("a level");
        TilePath::in_tree(level, TileIndex::new(0), TreeSize::new(size)).expect("a tile")
    };
    let narrow = tile(0, 200);
    let before = storage.tiles(&[narrow]).await.expect("tiles");
    for n in 0..200 {
        growing.add(
            Kind::ApiVersion,
            "a-lab",
            &format!("a-lab/n@{n}"),
            Effect::None,
        );
    }
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let paths = [narrow, tile(0, 300), tile(1, 256)];
    let after = storage.tiles(&paths).await.expect("tiles");
    assert_eq!(after.len(), 3);
    assert_eq!(after[&narrow], before[&narrow]);
    assert_eq!(after[&paths[1]].hashes().len(), usize::from(TILE_WIDTH));
    assert_eq!(after[&paths[1]].hashes()[..200], *before[&narrow].hashes());
    assert_eq!(after[&paths[2]].hashes().len(), 1);
}

pub(crate) async fn what_is_not_there_is_not_found(bed: &dyn Bed) {
    let (storage, _) = log_of(bed, 3).await;
    let storage = storage.as_ref();
    for index in [3, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        let index = LeafIndex::new(index);
        assert!(
            storage.record(index).await.expect("an answer").is_none(),
            "{index}"
        );
        if i64::try_from(index.get()).is_ok() {
            let entries = storage.entries(index, 1).await.expect("an answer");
            assert!(entries.is_empty(), "{index}");
        }
    }
    let width = TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(0), TreeSize::new(4));
    let far = TilePath {
        index: TileIndex::new(u64::MAX),
        ..width.expect("a tile")
    };
    let tiles = storage.tiles(&[width.expect("a tile"), far]).await;
    assert!(
        tiles.expect("an answer").is_empty(),
        "one is too wide, one too far"
    );
    let nobody = "nobody".parse().expect("a name");
    assert!(
        storage
            .publisher(&nobody, None, 10)
            .await
            .expect("an answer")
            .is_none()
    );
    let sha256 = Sha256::of("nothing");
    assert!(
        storage
            .attachment(sha256)
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(
        storage
            .publisher_of_key(sha256)
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(known_statements(storage, &[sha256]).await.is_empty());
}

/// An index over a part of the digest finds candidates, and decides nothing.
pub(crate) async fn a_statement_is_known_by_its_whole_digest(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 2).await;
    let digest_of = |last: u8| {
        let mut bytes = [7; 32];
        bytes[31] = last;
        Sha256::from_bytes(bytes)
    };
    for last in 0..3 {
        let (entry, _) = entry(growing.next());
        let release = format!("a-lab/same@{last}");
        growing.add_entry(
            entry,
            digest_of(last),
            Kind::Weights,
            "a-lab",
            &release,
            Effect::None,
        );
    }
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let asked = [digest_of(1), digest_of(3)];
    let known = known_statements(storage.as_ref(), &asked).await;
    assert_eq!(known, [(digest_of(1), 3)]);
    let all: Vec<Sha256> = (0..5).map(|n| entry(n).1).collect();
    let known = known_statements(storage.as_ref(), &all).await;
    assert_eq!(known, [(entry(0).1, 0), (entry(1).1, 1)]);
}

pub(crate) async fn keys_are_known_in_their_order_and_retired_ones_when_they_are_asked_for(
    bed: &dyn Bed,
) {
    let (storage, mut growing) = log_of(bed, 1).await;
    let (one, two) = (growing.next(), growing.next() + 1);
    growing.publish_keys("a-lab", state("a-lab", one, &["z", "a-lab", "b"], &[]));
    let newest = state("a-lab", two, &["b", "z"], &[("a-lab", two)]);
    growing.publish_keys("a-lab", newest.clone());
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let asked = |keys: &[&str]| Questions {
        publishers: HashSet::from(["a-lab".parse::<PublisherName>().expect("a name")]),
        keyids: keys.iter().map(|name| key(name).keyid()).collect(),
        ..Questions::default()
    };
    let name = "a-lab".parse().expect("a name");
    let known = storage
        .known(&asked(&["a-lab", "z", "c"]))
        .await
        .expect("an answer");
    assert_eq!(known.publishers[&name], newest);
    let known = storage.known(&asked(&["b"])).await.expect("an answer");
    assert!(known.publishers[&name].retired.is_empty(), "nobody asked");
    let owner = storage.publisher_of_key(key("a-lab").keyid()).await;
    assert_eq!(
        owner.expect("an answer"),
        Some(name.clone()),
        "it was theirs"
    );
    let page = storage.publisher(&name, None, 2).await.expect("an answer");
    let page = page.expect("it is there");
    assert_eq!(page.history, [LeafIndex::new(0), LeafIndex::new(one)]);
    assert!(
        page.more && page.state.retired.is_empty(),
        "the rest is on the next page"
    );
    let page = storage.publisher(&name, Some(LeafIndex::new(one)), 2).await;
    let page = page.expect("an answer").expect("it is there");
    assert_eq!((page.history.len(), page.more), (1, false));
    assert_eq!(page.state, newest);
    assert_eq!(page.newest, entry(two).0);
}

pub(crate) async fn a_withdrawal_takes_what_was_there_before_it(bed: &dyn Bed) {
    let storage = bed.open().await;
    let mut growing = Growing::new();
    growing.register("a-lab");
    growing.register("b-lab");
    let release = "a-lab/m@1";
    growing.add(Kind::Weights, "a-lab", release, Effect::None);
    growing.add(Kind::Evaluation, "a-lab", release, Effect::None);
    growing.add(Kind::Evaluation, "b-lab", release, Effect::None);
    growing.add(Kind::Withdrawal, "a-lab", release, Effect::WithdrawRelease);
    // Of the same batch, and later.
    growing.add(Kind::Evaluation, "a-lab", release, Effect::None);
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let target = LeafIndex::new(6);
    growing.add(
        Kind::Withdrawal,
        "a-lab",
        release,
        Effect::WithdrawRecord { target },
    );
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    let name: ReleaseName = release.parse().expect("a release");
    let limit = EntriesLimit {
        items: 100,
        bytes: 1 << 20,
    };
    let page = storage
        .release(&name, None, limit)
        .await
        .expect("an answer");
    let page = page.expect("it is there");
    let withdrawn: Vec<_> = page.records.iter().map(|it| it.row.withdrawn_by).collect();
    let by = |n| Some(LeafIndex::new(n));
    assert_eq!(withdrawn, [by(5), by(5), None, None, by(7), None]);
    assert_eq!(page.row.withdrawn_by, by(5));
    assert_eq!(
        page.row.kinds,
        [Kind::Weights, Kind::Evaluation, Kind::Withdrawal]
    );
    let questions = Questions {
        releases: HashSet::from([name.clone()]),
        ..Questions::default()
    };
    let known = storage.known(&questions).await.expect("an answer");
    assert_eq!(known.releases[&name].withdrawn_by, by(5));
    assert_eq!(
        known.releases[&name].records[&Kind::Weights].0,
        LeafIndex::new(2)
    );
}

pub(crate) async fn a_batch_on_another_head_is_not_written(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 2).await;
    growing.add(Kind::Weights, "a-lab", "a-lab/m@2", Effect::None);
    let good = growing.batch();
    for before in [
        TreeHead::empty(),
        TreeHead {
            size: good.before.size,
            root: TreeHead::empty().root,
        },
        good.after,
    ] {
        let batch = Batch {
            before,
            ..good.clone()
        };
        let error = commit(storage.as_ref(), &batch)
            .await
            .expect_err("another head");
        let refused = matches!(
            error,
            CommitError::HeadMoved { .. } | CommitError::NotWritten(_)
        );
        assert!(refused, "{error}");
        assert_eq!(storage.head().await.expect("a head"), good.before);
    }
    assert_eq!(
        listed(storage.as_ref(), &RecordFilter::default()).await,
        [1, 0]
    );
    commit(storage.as_ref(), &good)
        .await
        .expect("it is written");
}

pub(crate) async fn a_batch_that_breaks_a_rule_leaves_nothing_behind(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 2).await;
    let before = growing.head();
    growing.attach(b"a document");
    growing.register("b-lab");
    growing.add(Kind::Weights, "a-lab", "a-lab/m@1", Effect::None);
    // A release has its weights once: the planner sees to it, and the database too.
    growing.add(Kind::Weights, "a-lab", "a-lab/m@1", Effect::None);
    let error = commit(storage.as_ref(), &growing.batch())
        .await
        .expect_err("a rule");
    assert!(matches!(error, CommitError::NotWritten(_)), "{error}");
    assert_eq!(storage.head().await.expect("a head"), before);
    assert_eq!(
        listed(storage.as_ref(), &RecordFilter::default()).await,
        [1, 0]
    );
    let name = "b-lab".parse().expect("a name");
    assert!(
        storage
            .publisher(&name, None, 1)
            .await
            .expect("an answer")
            .is_none()
    );
    let document = storage.attachment(Sha256::of("a document")).await;
    assert!(document.expect("an answer").is_none());
    assert!(
        storage
            .entries(LeafIndex::new(2), 9)
            .await
            .expect("an answer")
            .is_empty()
    );
    // And it is in nobody's way.
    let (storage, mut growing) = (bed.open().await, grown(2).0);
    growing.add(Kind::Weights, "a-lab", "a-lab/m@1", Effect::None);
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
}

/// What [`log_of`] writes, and a tree to go on from.
fn grown(count: u64) -> (Growing, Batch) {
    let mut growing = Growing::new();
    growing.register("a-lab");
    for n in 1..count {
        growing.add(
            Kind::ApiVersion,
            "a-lab",
            &format!("a-lab/m@{n}"),
            Effect::None,
        );
    }
    let batch = growing.batch();
    (growing, batch)
}

pub(crate) async fn one_turn_begins_when_the_other_has_ended(bed: &dyn Bed) {
    let (here, there) = (bed.open().await, bed.open().await);
    let mut growing = Growing::new();
    growing.register("a-lab");
    let batch = growing.batch();
    let turn = here.turn().await.expect("nobody else has it");
    let other = tokio::spawn({
        let there = Arc::clone(&there);
        async move { there.turn().await.map(|turn| turn.head()) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!other.is_finished(), "two have the turn");
    // Meanwhile, everybody reads what was there before.
    assert_eq!(there.head().await.expect("a head"), TreeHead::empty());
    turn.commit(&batch).await.expect("it is written");
    let head = other.await.expect("no panic").expect("its turn");
    assert_eq!(head, batch.after, "it sees what was written before it");
}

pub(crate) async fn a_turn_that_is_dropped_has_written_nothing(bed: &dyn Bed) {
    let (here, there) = (bed.open().await, bed.open().await);
    for _ in 0..3 {
        drop(here.turn().await.expect("nobody else has it"));
        there.turn().await.expect("it is free").end().await;
    }
    assert_eq!(here.head().await.expect("a head"), TreeHead::empty());
}

pub(crate) async fn attachments_are_stored_once(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 1).await;
    let large = vec![b'x'; 3 << 20];
    for _ in 0..2 {
        growing.attach(&large);
        growing.attach(b"");
        growing.add(
            Kind::Weights,
            "a-lab",
            &format!("a-lab/m@{}", growing.next()),
            Effect::None,
        );
        commit(storage.as_ref(), &growing.batch())
            .await
            .expect("it is written");
    }
    let digests = [Sha256::of(&large), Sha256::of(""), Sha256::of("another")];
    let questions = Questions {
        attachments: digests.into(),
        ..Questions::default()
    };
    let known = storage
        .known(&questions)
        .await
        .expect("an answer")
        .attachments;
    assert_eq!(known.len(), 2);
    assert_eq!((known[&digests[0]], known[&digests[1]]), (3 << 20, 0));
    let stored = storage.attachment(digests[0]).await.expect("an answer");
    assert_eq!(stored.expect("it is there").bytes, large);
}

/// What a storage answers to every question about [`many`], each with its question.
pub(crate) async fn answers(storage: &dyn Storage) -> Vec<String> {
    let size = storage.head().await.expect("a head").size;
    let all = storage
        .records(&RecordFilter::default(), page(size, 10_000))
        .await
        .expect("records");
    let releases: HashSet<ReleaseName> = all
        .iter()
        .filter_map(|row| row.subject.parse().ok())
        .collect();
    let mut answers = vec![said("all records", &all)];
    answers.extend(answers_about_records(storage, size).await);
    answers.extend(answers_about_names(storage, &releases).await);
    answers.extend(answers_for_planning(storage, size, releases).await);
    answers
}

fn said(question: &str, answer: &dyn Debug) -> String {
    format!("{question}\n{answer:#?}")
}

fn labs() -> [PublisherName; 4] {
    ["a-lab", "b-lab", "c-lab", "nobody"].map(|name| name.parse().expect("a name"))
}

async fn answers_about_records(storage: &dyn Storage, size: TreeSize) -> Vec<String> {
    let mut answers = Vec::new();
    for kind in [None].into_iter().chain(Kind::ALL.map(Some)) {
        for publisher in [None].into_iter().chain(labs().map(Some)) {
            for subject in [
                None,
                Some("a-lab"),
                Some("a-lab/model-4@4.0.0"),
                Some("c-lab/model-0@14.0.0"),
            ] {
                let filter = RecordFilter {
                    kind,
                    publisher: publisher.clone(),
                    subject: subject.map(str::to_owned),
                };
                for page in [page(size, 3), page(TreeSize::new(70), 500)] {
                    let rows = storage.records(&filter, page).await.expect("records");
                    answers.push(said(&format!("{filter:?} {page:?}"), &rows));
                }
                for after in [None, Some(LeafIndex::new(50))] {
                    let rows = storage.records_after(&filter, after, 5).await;
                    answers.push(said(
                        &format!("{filter:?} {after:?}"),
                        &rows.expect("records"),
                    ));
                }
            }
        }
    }
    let record = storage.record(LeafIndex::new(60)).await.expect("an answer");
    answers.push(said("record 60", &record));
    for subject in ["a-lab/model-4@4.0.0", "b-lab/model-1@1.0.0", "nobody/m@1"] {
        for (after, limit) in [(None, 2), (Some(LeafIndex::new(30)), 500)] {
            let rows = storage.weights_of(Sha256::of(subject), after, limit).await;
            let question = format!("weights of {subject} after {after:?}");
            answers.push(said(&question, &rows.expect("records")));
        }
    }
    answers
}

async fn answers_about_names(
    storage: &dyn Storage,
    releases: &HashSet<ReleaseName>,
) -> Vec<String> {
    let mut answers = Vec::new();
    for after in ["", "a-lab", "b", "zz"] {
        let publishers = storage.publishers(after, 3).await.expect("publishers");
        answers.push(said(&format!("publishers after {after}"), &publishers));
        for publisher in [None].into_iter().chain(labs().map(Some)) {
            let models = storage.models(publisher.as_ref(), after, 5).await;
            let question = format!("models of {publisher:?} after {after}");
            answers.push(said(&question, &models.expect("models")));
        }
    }
    for lab in labs() {
        for after in [None, Some(LeafIndex::new(0)), Some(LeafIndex::new(100))] {
            let page = storage.publisher(&lab, after, 2).await.expect("an answer");
            answers.push(said(&format!("{lab} after {after:?}"), &page));
        }
    }
    for release in sorted(releases) {
        for (items, bytes) in [(1, 1 << 20), (100, 60), (100, 1 << 20)] {
            let limit = EntriesLimit { items, bytes };
            let page = storage.release(release, None, limit).await;
            let question = format!("{release} {limit:?}");
            answers.push(said(&question, &page.expect("an answer")));
        }
        let after = Some(LeafIndex::new(90));
        let rows = storage.releases(release.model(), after, 3).await;
        let question = format!("releases of {}", release.model());
        answers.push(said(&question, &rows.expect("releases")));
        let newest = storage.newest_release(release.model()).await;
        answers.push(said("the newest", &newest.expect("an answer")));
    }
    answers
}

async fn answers_for_planning(
    storage: &dyn Storage,
    size: TreeSize,
    releases: HashSet<ReleaseName>,
) -> Vec<String> {
    let questions = Questions {
        statements: (0..size.get() + 5).map(|n| entry(n).1).collect(),
        publishers: labs().into(),
        keyids: (0..60)
            .map(|n| key(&format!("a-lab {n}")).keyid())
            .collect(),
        attachments: (0..70).map(|n| Sha256::of(format!("card {n}"))).collect(),
        releases: releases.clone(),
    };
    let known = storage.known(&questions).await.expect("an answer");
    let mut statements: Vec<_> = known.statements.iter().collect();
    statements.sort_by_key(|(_, it)| it.index);
    let mut answers = vec![said("statements", &statements)];
    for release in sorted(&releases) {
        let question = format!("known of {release}");
        answers.push(said(&question, &known.releases.get(release)));
    }
    for lab in labs() {
        let mut state = known.publishers.get(&lab).cloned();
        if let Some(state) = &mut state {
            state.retired.sort_by_key(|it| it.at);
        }
        answers.push(said(&format!("known of {lab}"), &state));
    }
    let attachments = known.attachments.iter();
    let mut attachments: Vec<_> = attachments
        .map(|(it, size)| (it.to_string(), size))
        .collect();
    attachments.sort_unstable();
    answers.push(said("attachments", &attachments));
    answers
}

fn sorted(releases: &HashSet<ReleaseName>) -> Vec<&ReleaseName> {
    let mut releases: Vec<_> = releases.iter().collect();
    releases.sort_by_key(ToString::to_string);
    releases
}

fn page(before: TreeSize, limit: u32) -> RecordPage {
    RecordPage { before, limit }
}
