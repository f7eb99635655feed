use candor_core::record::{SignedRecord, Statement, SubjectName, to_canonical_json};
use serde_json::json;

use super::*;
use crate::bundle_maker::{BundleMakerError, MadeBundle, Reach, Wanted, make_bundle};
use crate::memory::Memory;
use crate::testing::{FakeLog, manifest, problem, signed, withdrawal_record};

const BASE: &str = "base-lab/base@1";
const TUNED: &str = "tuning-lab/tuned@1";
const SMALL: &str = "small-lab/small@1";

/// A log with three publishers, who sign with the keys of 1, 2 and 3.
fn log() -> FakeLog {
    let log = FakeLog::new();
    for (name, seed) in [("base-lab", 1), ("tuning-lab", 2), ("small-lab", 3)] {
        log.register(name, seed);
    }
    log
}

/// The weights record of a release that is made from others.
fn weights(release: &str, parents: Vec<ParentRecord>, signer: u8) -> SignedRecord {
    let manifest = manifest(release);
    let mut weights = manifest.to_weights();
    weights.parents = parents;
    let name = SubjectName::Release(release.parse().expect("a name"));
    let digest = Sha256::of(manifest.to_bytes());
    let payload = Statement::compose(&name, digest, &Predicate::Weights(weights));
    signed(payload, &[signer])
}

/// Adds such a record to the log, and returns it as others name it.
fn publish(log: &FakeLog, release: &str, parents: Vec<ParentRecord>, signer: u8) -> ParentRecord {
    let record = weights(release, parents, signer);
    ParentRecord {
        relation: Relation::FineTuneOf,
        release: release.parse().expect("a name"),
        index: log.add(&record),
        statement: record.statement().digest,
    }
}

/// A training config that names others by their names.
fn config(log: &FakeLog, release: &str, parents: &[&str], signer: u8) {
    let digest = Sha256::of(release);
    let parents: Vec<_> = parents
        .iter()
        .map(|it| json!({ "release": it, "relation": "distilled-from" }))
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": release, "digest": { "sha256": digest } }],
        "predicateType": "urn:candor:training-config:v1",
        "predicate": {
            "document": {
                "name": "train.yml", "mediaType": "text/plain", "size": release.len(),
                "digest": { "sha256": digest },
            },
            "parents": parents,
        },
    });
    log.add(&signed(to_canonical_json(&statement), &[signer]));
}

fn try_make(log: &FakeLog, release: &str, reach: Reach) -> Result<MadeBundle, BundleMakerError> {
    let dir = tempfile::tempdir().expect("a folder");
    let release = release.parse().expect("a name");
    make_bundle(
        &log.client(),
        &Memory::new(dir.path()),
        &Wanted::lineage(&release, reach),
    )
}

fn made(log: &FakeLog, release: &str) -> MadeBundle {
    try_make(log, release, Reach::FAR).expect("the log answers")
}

fn lineage(made: &MadeBundle) -> Lineage<'_> {
    Lineage::of(&made.verified, Some(&made.ancestors), usize::MAX)
}

fn names(lineage: &Lineage<'_>) -> Vec<String> {
    let nodes = lineage.nodes.iter();
    nodes.map(|node| node.release.to_string()).collect()
}

fn states(lineage: &Lineage<'_>) -> Vec<State> {
    lineage
        .edges
        .iter()
        .map(|edge| edge.state.clone())
        .collect()
}

fn chain(log: &FakeLog) -> [ParentRecord; 3] {
    let base = publish(log, BASE, vec![], 1);
    let tuned = publish(log, TUNED, vec![base.clone()], 2);
    let small = publish(log, SMALL, vec![tuned.clone()], 3);
    [base, tuned, small]
}

#[test]
fn a_chain_is_checked_from_the_release_up() {
    let log = log();
    chain(&log);
    let made = made(&log, SMALL);
    let lineage = lineage(&made);
    assert_eq!(names(&lineage), [SMALL, TUNED, BASE]);
    assert_eq!(states(&lineage), [State::Checked, State::Checked]);
    let depths: Vec<_> = lineage.nodes.iter().map(|node| node.depth).collect();
    assert_eq!(depths, [0, 1, 2]);
    assert!(lineage.nodes.iter().all(|node| node.known.is_some()));
    assert!(!lineage.is_cut);
}

#[test]
fn a_bundle_shows_the_same_with_nobody_to_ask() {
    let log = log();
    chain(&log);
    let made = made(&log, SMALL);
    let offline = Lineage::of(&made.verified, None, usize::MAX);
    assert_eq!(states(&offline), states(&lineage(&made)));
    // A bundle without the ancestors has nothing to show of them, and says so.
    let own = try_make(&log, SMALL, Reach::NOWHERE).expect("the log answers");
    let offline = Lineage::of(&own.verified, None, usize::MAX);
    assert_eq!(states(&offline), [State::Open(Open::NotHere)]);
    assert!(offline.nodes[1].known.is_none());
}

#[test]
fn a_common_ancestor_is_one_release() {
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    let one = publish(&log, "tuning-lab/one@1", vec![base.clone()], 2);
    let two = publish(&log, "tuning-lab/two@1", vec![base], 2);
    publish(&log, SMALL, vec![one, two], 3);
    let made = made(&log, SMALL);
    let lineage = lineage(&made);
    assert_eq!(
        names(&lineage),
        [SMALL, "tuning-lab/one@1", "tuning-lab/two@1", BASE]
    );
    assert_eq!(lineage.edges.len(), 4);
    assert!(states(&lineage).iter().all(|it| *it == State::Checked));
}

#[test]
fn a_withdrawal_reaches_every_descendant_and_nobody_else() {
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    let other = publish(&log, "base-lab/other@1", vec![], 1);
    let tuned = publish(&log, TUNED, vec![base.clone()], 2);
    publish(&log, SMALL, vec![tuned, other], 3);
    log.add(&withdrawal_record(BASE, base.statement, "release", 1));
    let made = made(&log, SMALL);
    let lineage = lineage(&made);
    let of = |release: &str| {
        let mut nodes = lineage.nodes.iter();
        let node = nodes.find(|node| node.release.to_string() == release);
        let node = node.expect("a node");
        let is_withdrawn = node.known.is_some_and(|it| it.withdrawn.is_some());
        (is_withdrawn, node.withdrawn_ancestors.len())
    };
    assert_eq!(of(BASE), (true, 0));
    assert_eq!(of(TUNED), (false, 1));
    assert_eq!(of(SMALL), (false, 1));
    assert_eq!(of("base-lab/other@1"), (false, 0));
    let withdrawn: Vec<_> = lineage.withdrawn().map(|(_, it)| it.by.get()).collect();
    assert_eq!(withdrawn, [7]);
    // What it was made from, it was still made from.
    assert!(states(&lineage).iter().all(|it| *it == State::Checked));
}

#[test]
fn what_the_log_has_instead_of_a_parent_refutes_it() {
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    let other = publish(&log, "base-lab/other@1", vec![], 1);
    let registration = LeafIndex::new(0);
    let wrong = [
        // Another record than the digest says.
        ParentRecord {
            index: other.index,
            ..base.clone()
        },
        // The right record under another name.
        ParentRecord {
            release: other.release.clone(),
            ..base.clone()
        },
        // No record of a release.
        ParentRecord {
            index: registration,
            ..base.clone()
        },
        // What comes later.
        ParentRecord {
            index: LeafIndex::new(1_000),
            ..base
        },
    ];
    for (n, parent) in wrong.into_iter().enumerate() {
        let child = format!("small-lab/small@{n}");
        publish(&log, &child, vec![parent.clone()], 3);
        let made = made(&log, &child);
        let states = states(&lineage(&made));
        assert!(
            matches!(states.as_slice(), [State::Refuted(_)]),
            "{parent:?}: {states:?}"
        );
    }
}

#[test]
fn what_is_proven_stands_whatever_the_log_lists() {
    let log = log();
    chain(&log);
    // Silent about the parents' records, it still has them where they are named.
    log.intercept("subject=tuning-lab", || {
        problem(
            404,
            &json!({ "type": "urn:candor:problem:not-found", "title": "Not here" }),
        )
    });
    let made_so = made(&log, SMALL);
    assert_eq!(states(&lineage(&made_so)), [State::Checked, State::Checked]);
    // Silent about whose keys they are, it leaves that open, and refutes nothing.
    log.intercept("publishers/tuning-lab", || {
        problem(
            404,
            &json!({ "type": "urn:candor:problem:not-found", "title": "Not here" }),
        )
    });
    let made_so = made(&log, SMALL);
    let states = states(&lineage(&made_so));
    assert!(
        matches!(
            states.as_slice(),
            [State::Open(Open::Missing(Missing::Unexplained(_)))]
        ),
        "{states:?}"
    );
}

#[test]
fn a_record_of_something_else_in_a_parents_list_is_an_error() {
    let log = log();
    let [base, ..] = chain(&log);
    let row = json!({ "records": [{
        "index": base.index, "statement": base.statement, "kind": "weights", "publisher": "tuning-lab",
    }] });
    log.intercept("subject=tuning-lab", move || {
        crate::testing::answer(200, "application/json", row.to_string())
    });
    let error = try_make(&log, SMALL, Reach::FAR).expect_err("it is about the base");
    assert!(
        matches!(error, BundleMakerError::OtherRecord { index, .. } if index == base.index),
        "{error}"
    );
}

#[test]
fn more_ancestors_than_are_looked_at_are_said_to_be() {
    let log = log();
    chain(&log);
    let reaches = [
        Reach {
            releases: 1,
            ..Reach::FAR
        },
        // Half of it has room for the first, and half of what is left then for none.
        Reach {
            bytes: 4_800,
            ..Reach::FAR
        },
    ];
    for reach in reaches {
        let made = try_make(&log, SMALL, reach).expect("the log answers");
        let lineage = lineage(&made);
        assert!(lineage.is_cut, "{reach:?}: {:?}", states(&lineage));
        assert_eq!(
            states(&lineage),
            [State::Checked, State::Open(Open::Missing(Missing::Bounded))],
            "{reach:?}"
        );
    }
}

#[test]
fn fat_parents_do_not_hide_a_withdrawn_one_behind_them() {
    const FAT: &str = "small-lab/fat@1";
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    let fat = publish(&log, FAT, vec![], 3);
    let names: Vec<_> = (0..32)
        .map(|n| format!("nobody/{:0>90}@{n:0>60}", ""))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    config(&log, FAT, &names, 3);
    log.add(&withdrawal_record(BASE, base.statement, "release", 1));
    publish(&log, SMALL, vec![fat, base], 3);
    // Room for little more than what is said of the fat one.
    let alone = try_make(&log, FAT, Reach::NOWHERE).expect("the log answers");
    let bytes = alone
        .bundle
        .records
        .iter()
        .map(|it| it.entry.to_string().len())
        .sum();
    let reach = Reach {
        bytes,
        ..Reach::FAR
    };
    let made = try_make(&log, SMALL, reach).expect("the log answers");
    let lineage = lineage(&made);
    let withdrawn: Vec<_> = lineage
        .withdrawn()
        .map(|(node, _)| node.release.to_string())
        .collect();
    assert_eq!(withdrawn, [BASE]);
    assert!(lineage.is_cut);
}

#[test]
fn names_that_nobody_knows_take_no_room_from_a_withdrawn_parent() {
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    log.add(&withdrawal_record(BASE, base.statement, "release", 1));
    publish(&log, SMALL, vec![base], 3);
    let names: Vec<_> = (0..32).map(|n| format!("nobody/knows@{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    config(&log, SMALL, &names, 3);
    // Less than a thirtieth of this is too little for it.
    let reach = Reach {
        bytes: 20_000,
        ..Reach::FAR
    };
    let made = try_make(&log, SMALL, reach).expect("the log answers");
    let lineage = lineage(&made);
    assert_eq!(lineage.withdrawn().count(), 1);
}

#[test]
fn a_depth_that_was_asked_for_leaves_nothing_open() {
    let log = log();
    chain(&log);
    let reach = Reach {
        depth: 1,
        ..Reach::FAR
    };
    let made = try_make(&log, SMALL, reach).expect("the log answers");
    let lineage = Lineage::of(&made.verified, Some(&made.ancestors), 1);
    assert_eq!(names(&lineage), [SMALL, TUNED]);
    assert_eq!(states(&lineage), [State::Checked]);
    assert_eq!(lineage.nodes[1].not_followed, 1);
    assert!(!lineage.is_cut);
    // Nothing is asked about what is further.
    let asked = log.state().asked.join(" ");
    assert!(!asked.contains("subject=base-lab"), "{asked}");
}

#[test]
fn names_alone_are_shown_as_that_and_may_lead_in_circles() {
    let log = log();
    publish(&log, BASE, vec![], 1);
    config(&log, BASE, &[TUNED, "nobody/knows@1"], 1);
    config(&log, TUNED, &[BASE], 2);
    let made = made(&log, BASE);
    let lineage = lineage(&made);
    assert_eq!(names(&lineage), [BASE, TUNED, "nobody/knows@1"]);
    assert_eq!(states(&lineage), vec![State::Named; 3]);
    assert!(lineage.nodes[2].known.is_none());
}

#[test]
fn what_weights_and_config_both_say_is_one_edge() {
    let log = log();
    let base = publish(&log, BASE, vec![], 1);
    let parent = ParentRecord {
        relation: Relation::DistilledFrom,
        ..base
    };
    publish(&log, SMALL, vec![parent], 3);
    config(&log, SMALL, &[BASE], 3);
    let made = made(&log, SMALL);
    assert_eq!(states(&lineage(&made)), [State::Checked]);
}
