//! Bundles: checked with the log's key alone, and refused for anything that is not as logged.

mod common;

use candor_core::Sha256;
use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle, BundleError, BundledRecord, ReceiptError};
use candor_core::merkle::{CompactRange, Entry, Hash, LeafHash, LeafIndex, ProofError};
use candor_core::note::{Checkpoint, CheckpointError, NoteError, NoteSigner};
use candor_core::record::{AuthorityError, Envelope, Predicate, PublisherState, SignedRecord};
use common::log::TestLog;
use common::story::{
    ORIGIN, Story, at, eleuther_key, manifest, meta_new, meta_old, release, story,
};
use common::{
    CARD, RELEASE, as_array, key, keyid, model_card, public, publisher, signed, state_after,
    withdrawal,
};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

#[test]
fn a_bundle_shows_a_release_with_all_that_it_takes() {
    let story = story();
    let verified = story
        .bundle
        .verify(&story.key())
        .expect("everything is as logged");
    assert_eq!(verified.release, release());
    assert_eq!(verified.checkpoint.head, story.log.head(story.size));
    assert_eq!(verified.checkpoint.origin.as_str(), ORIGIN);
    let shown: Vec<_> = verified
        .records
        .iter()
        .map(|logged| (logged.index, logged.record.statement().kind().name()))
        .collect();
    assert_eq!(
        shown,
        [
            (story.meta, "publisher"),
            (story.eleuther, "publisher"),
            (story.meta_second, "publisher"),
            (story.card, "model-card"),
            (story.weights, "weights"),
            (story.evaluation, "evaluation"),
        ]
    );
    let signers: Vec<_> = verified.records[3..]
        .iter()
        .map(|logged| logged.record.signed_by().to_vec())
        .collect();
    assert_eq!(
        signers,
        [
            vec![public(&meta_new())],
            vec![public(&meta_new())],
            vec![public(&eleuther_key())]
        ]
    );
    assert_eq!(verified.attachments.len(), 2);
    assert_eq!(
        verified.attachments[&Sha256::of(&story.manifest)],
        story.manifest
    );
    assert_eq!(verified.attachments[&Sha256::of(CARD)], CARD);
    let Predicate::Weights(weights) = &verified.records[4].record.statement().predicate else {
        panic!("the fifth record is about weights");
    };
    manifest()
        .check_statement(weights)
        .expect("the statement fits its manifest");
}

#[test]
fn a_bundle_reads_back_as_it_was_written() {
    let bundle = story().bundle;
    let json = bundle.to_json();
    assert!(json.ends_with("}\n"));
    assert_eq!(Bundle::parse(json.as_bytes()), Ok(bundle));
}

#[test]
fn a_bundle_proves_in_any_tree_that_holds_its_records() {
    let mut story = story();
    let records = [
        story.meta,
        story.eleuther,
        story.meta_second,
        story.card,
        story.weights,
        story.evaluation,
    ];
    for size in usize::try_from(story.evaluation.get()).expect("small") + 1..=story.log.size() {
        story.size = size;
        story
            .bundle_of(&records)
            .verify(&story.key())
            .unwrap_or_else(|error| panic!("{size} entries: {error}"));
    }
}

#[test]
fn a_proof_for_another_tree_is_refused() {
    let story = story();
    for size in [story.size - 1, story.size + 1] {
        let error = story.refused(|bundle| {
            at(bundle, story.card).proof = story.log.proof(story.card, size);
        });
        assert!(
            matches!(
                error,
                BundleError::Inclusion(ReceiptError::NotIncluded { index, .. }) if index == story.card
            ),
            "{error}"
        );
        // And the other way round: another checkpoint of the same log over the same proofs.
        let error = story.refused(|bundle| bundle.checkpoint = story.log.checkpoint(size));
        assert!(
            matches!(
                error,
                BundleError::Inclusion(ReceiptError::NotIncluded { .. })
            ),
            "{error}"
        );
    }
    // A checkpoint from before the first record.
    let error = story.refused(|bundle| bundle.checkpoint = story.log.checkpoint(2));
    assert_eq!(
        error.to_string(),
        "the proof is about entry 2, and its checkpoint's tree has 2 entries"
    );
}

#[test]
fn a_proof_with_a_hash_more_or_less_is_refused() {
    let story = story();
    let not_included = |error: BundleError| match error {
        BundleError::Inclusion(ReceiptError::NotIncluded { error, .. }) => error,
        other => panic!("{other}"),
    };
    let error = story.refused(|bundle| {
        at(bundle, story.weights).proof.pop();
    });
    assert!(matches!(not_included(error), ProofError::TooShort));
    let error = story.refused(|bundle| {
        at(bundle, story.weights).proof.push(Hash::of_empty_tree());
    });
    assert!(matches!(
        not_included(error),
        ProofError::TooLong { extra: 1 }
    ));
    let error = story.refused(|bundle| at(bundle, story.weights).proof.reverse());
    assert!(matches!(
        not_included(error),
        ProofError::RootMismatch { .. }
    ));
}

#[test]
fn a_record_at_another_index_is_refused() {
    let story = story();
    let error = story.refused(|bundle| {
        at(bundle, story.evaluation).index = LeafIndex::new(story.evaluation.get() + 1);
    });
    assert!(matches!(
        error,
        BundleError::Inclusion(ReceiptError::NotIncluded { .. })
    ));
    // Two entries under each other's index, with the proofs that belong to the indexes.
    let error = story.refused(|bundle| {
        let card = at(bundle, story.card).entry.clone();
        let weights = std::mem::replace(&mut at(bundle, story.weights).entry, card);
        at(bundle, story.card).entry = weights;
    });
    assert!(matches!(
        error,
        BundleError::Inclusion(ReceiptError::NotIncluded { index, .. }) if index == story.card
    ));
    let error = story.refused(|bundle| {
        at(bundle, story.evaluation).index = LeafIndex::new(story.size as u64);
    });
    assert_eq!(
        error,
        BundleError::Inclusion(ReceiptError::NotInTree {
            index: LeafIndex::new(story.size as u64),
            size: story.size as u64,
        })
    );
}

#[test]
fn records_stand_in_the_order_of_the_log_and_once_each() {
    let story = story();
    let error = story.refused(|bundle| bundle.records.swap(3, 4));
    assert_eq!(
        error.to_string(),
        format!(
            "record {} of the log is out of order, or there twice",
            story.card
        )
    );
    let error = story.refused(|bundle| {
        let twice = bundle.records[3].clone();
        bundle.records.insert(3, twice);
    });
    assert_eq!(error, BundleError::Order(story.card));
    // In reverse, the first already lacks what comes before it.
    assert!(matches!(
        story.refused(|bundle| bundle.records.reverse()),
        BundleError::Authority { index, error: AuthorityError::UnknownPublisher { .. } }
            if index == story.evaluation
    ));
}

#[test]
fn a_bundle_without_a_publisher_of_it_is_refused() {
    let story = story();
    // The evaluation's author is missing.
    let error = story.refused_without(story.eleuther);
    assert_eq!(
        error.to_string(),
        format!(
            "entry {}: no publisher eleutherai is registered with this log",
            story.evaluation
        )
    );
    // The first of two records of the publisher: the second follows nothing.
    assert!(matches!(
        story.refused_without(story.meta),
        BundleError::Authority { index, error: AuthorityError::NothingToFollow { .. } }
            if index == story.meta_second
    ));
    // The second: the release's key is unknown before it.
    assert!(matches!(
        story.refused_without(story.meta_second),
        BundleError::Authority { index, error: AuthorityError::UnknownKey { .. } }
            if index == story.card
    ));
    // Without the evaluation, its author is not needed either.
    story
        .bundle_of(&[story.meta, story.meta_second, story.card])
        .verify(&story.key())
        .expect("what is there holds");
}

#[test]
fn a_publisher_history_with_a_gap_is_refused() {
    let mut log = TestLog::new(ORIGIN, key(50));
    let keys = [key(1), key(2), key(3)];
    let mut state: Option<PublisherState> = None;
    let mut history = Vec::new();
    let mut previous_key: Option<&SigningKey> = None;
    for key in &keys {
        let payload = publisher("meta-ai", &[key], state.as_ref().map(|state| state.record));
        let signers: Vec<_> = previous_key.into_iter().chain([key]).collect();
        let record = signed(payload, &signers)
            .verify(state.as_ref())
            .expect("each follows the one before");
        let index = log.append_verified(&record);
        state = Some(state_after(state.as_ref(), &record, index.get()));
        previous_key = Some(key);
        history.push(index);
    }
    let card = log.append(&signed(model_card(RELEASE, CARD), &[&keys[2]]));
    let size = log.size();
    let verify = |records: &[LeafIndex]| {
        let records = records.iter().map(|index| log.bundled(*index, size));
        Bundle::new(release(), log.checkpoint(size), records.collect()).verify(&log.key())
    };
    verify(&[history[0], history[1], history[2], card]).expect("the whole history");
    let error = verify(&[history[0], history[2], card]).expect_err("the middle is missing");
    assert!(
        matches!(
            &error,
            BundleError::Authority { index, error: AuthorityError::NotTheSuccessor { .. } }
                if *index == history[2]
        ),
        "{error}"
    );
}

/// The log let a record in that it should not have: the bundle of a log that lies is refused as well.
#[test]
fn a_record_by_a_key_that_was_retired_before_it_is_refused() {
    let Story {
        mut log,
        meta,
        eleuther,
        meta_second,
        ..
    } = story();
    let good = log.append(&signed(model_card(RELEASE, CARD), &[&meta_new()]));
    let bad = log.append(&signed(
        model_card("meta-ai/opt-125m@1.0.1", CARD),
        &[&meta_old()],
    ));
    let size = log.size();
    let verify = |records: &[LeafIndex]| {
        let records = records.iter().map(|index| log.bundled(*index, size));
        Bundle::new(release(), log.checkpoint(size), records.collect()).verify(&log.key())
    };
    verify(&[meta, eleuther, meta_second, good]).expect("the new key's record");
    let error =
        verify(&[meta, eleuther, meta_second, good, bad]).expect_err("the old key's record");
    assert_eq!(
        error.to_string(),
        format!(
            "entry {bad}: the key {} is no longer a key of meta-ai: entry {meta_second} took it off the list",
            keyid(&meta_old())
        )
    );
}

#[test]
fn a_record_by_a_key_before_it_was_listed_is_refused() {
    let mut log = TestLog::new(ORIGIN, key(50));
    let (old, new) = (meta_old(), meta_new());
    let first = signed(publisher("meta-ai", &[&old], None), &[&old])
        .verify(None)
        .expect("a registration");
    let first_at = log.append_verified(&first);
    let state = state_after(None, &first, first_at.get());
    let early = log.append(&signed(model_card(RELEASE, CARD), &[&new]));
    let second_at = log.append(&signed(
        publisher("meta-ai", &[&new], Some(state.record)),
        &[&old, &new],
    ));
    let size = log.size();
    let records = [first_at, early, second_at].map(|index| log.bundled(index, size));
    let bundle = Bundle::new(release(), log.checkpoint(size), records.to_vec());
    assert!(matches!(
        bundle.verify(&log.key()),
        Err(BundleError::Authority { index, error: AuthorityError::UnknownKey { .. } }) if index == early
    ));
}

#[test]
fn another_key_or_another_log_refuses_the_bundle() {
    let story = story();
    let other_key = TestLog::new(ORIGIN, key(51)).key();
    assert!(matches!(
        story.bundle.verify(&other_key),
        Err(BundleError::Checkpoint(CheckpointError::Note(
            NoteError::NoTrustedSignature { .. }
        )))
    ));
    // The same key under another name.
    let other_origin = TestLog::new("log.example.org/other", key(50)).key();
    assert!(matches!(
        story.bundle.verify(&other_origin),
        Err(BundleError::Checkpoint(CheckpointError::Note(
            NoteError::NoTrustedSignature { .. }
        )))
    ));
    // A log that signs another log's tree under its own name.
    let impostor = TestLog::new("log.example.org/other", key(52));
    let text = story.bundle.checkpoint.clone();
    let (text, _) = text.split_once("\n\n").expect("a note");
    let signer = NoteSigner::new(
        "log.example.org/other".parse().expect("a good name"),
        key(52),
    );
    let mut bundle = story.bundle.clone();
    bundle.checkpoint = signer.sign(format!("{text}\n")).to_string();
    assert_eq!(
        bundle
            .verify(&impostor.key())
            .expect_err("another log's tree")
            .to_string(),
        "its checkpoint does not hold: this is a checkpoint of \"log.example.org/candor\", and not of log.example.org/other"
    );
}

#[test]
fn a_changed_checkpoint_is_refused() {
    let story = story();
    for (from, to) in [
        (
            format!("\n{}\n", story.size),
            format!("\n{}\n", story.size + 1),
        ),
        ("log.example.org".to_owned(), "log.example.com".to_owned()),
        ("\n\n".to_owned(), "\n".to_owned()),
    ] {
        let error = story.refused(|bundle| {
            let changed = bundle.checkpoint.replacen(&from, &to, 1);
            assert_ne!(changed, bundle.checkpoint);
            bundle.checkpoint = changed;
        });
        assert!(matches!(error, BundleError::Checkpoint(_)), "{error}");
    }
}

#[test]
fn a_bundle_is_about_the_release_that_it_names() {
    let story = story();
    // All holds, and nothing is about the release.
    let error = story.refused(|bundle| {
        bundle
            .records
            .retain(|record| [story.meta, story.eleuther].contains(&record.index));
    });
    assert_eq!(
        error.to_string(),
        format!("the bundle says to be about {RELEASE}, and has no record of it")
    );
    assert_eq!(
        story.refused(|bundle| bundle.records.clear()),
        BundleError::NothingAbout(release())
    );
    let other = "meta-ai/opt-125m@1.0.1".parse().expect("a good name");
    assert!(matches!(
        story.refused(|bundle| bundle.release = other),
        BundleError::NothingAbout(_)
    ));
}

#[test]
fn an_entry_that_is_no_record_is_refused_by_its_index() {
    let story = story();
    let error = story.refused(|bundle| {
        at(bundle, story.card).entry["payloadType"] = json!("text/plain");
    });
    assert_eq!(
        error.to_string(),
        format!(
            "entry {}: /payloadType: it is \"text/plain\", and only \"application/vnd.in-toto+json\" is taken",
            story.card
        )
    );
    let error = story.refused(|bundle| at(bundle, story.card).entry = Value::Null);
    assert!(matches!(error, BundleError::Record { index, .. } if index == story.card));
    // A leaf that the log does have, and that is an envelope around something else.
    let mut log = TestLog::new(ORIGIN, key(50));
    let no_statement = Envelope::sign(b"{}".to_vec(), &[&key(1)]).expect("a good key");
    let entry = no_statement.to_json();
    log.pad(1);
    let leaf = Entry::new(no_statement.to_canonical_json()).expect("short");
    let head_of_one = {
        let mut range = CompactRange::empty();
        range.append(LeafHash::of(&leaf), |_, _| ());
        range.head()
    };
    let signer = NoteSigner::new(ORIGIN.parse().expect("a good name"), key(50));
    let checkpoint = Checkpoint::sign(head_of_one, &signer).to_string();
    let record = BundledRecord {
        index: LeafIndex::new(0),
        entry,
        proof: Vec::new(),
    };
    let error = Bundle::new(release(), checkpoint, vec![record])
        .verify(&log.key())
        .expect_err("no statement inside");
    assert_eq!(
        error.to_string(),
        "entry 0: /_type: it is \"\", and only \"https://in-toto.io/Statement/v1\" is taken"
    );
}

#[test]
fn what_is_no_bundle_is_refused() {
    let refused = |bytes: &[u8]| Bundle::parse(bytes).expect_err("no bundle").to_string();
    let json: Value = serde_json::from_str(&story().bundle.to_json()).expect("JSON");
    let changed = |change: fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        refused(&serde_json::to_vec(&json).expect("JSON"))
    };
    assert_eq!(
        refused(b"PK\x03\x04"),
        "the bundle is not strict JSON: expected value at line 1 column 1"
    );
    assert_eq!(
        refused(b"{\"records\":[],\"records\":[]}"),
        "the bundle is not strict JSON: the key \"records\" is there twice at line 1 column 23"
    );
    assert_eq!(
        changed(|json| json["bundle"] = json!("urn:candor:bundle:v2")),
        "this is not a bundle: its type is not \"urn:candor:bundle:v1\""
    );
    assert_eq!(
        changed(|json| json["note"] = json!(1)),
        "this is not a bundle: unknown field `note`, expected one of `bundle`, `release`, `checkpoint`, `records`, \
         `attachments`"
    );
    assert_eq!(
        changed(|json| json["records"][0]["index"] = json!(-1)),
        "this is not a bundle: invalid value: integer `-1`, expected u64"
    );
    assert_eq!(
        changed(|json| json["records"][0]["proof"][0] = json!("AAAA")),
        "this is not a bundle: a tree hash is the standard base64 of 32 bytes, and \"AAAA\" is not"
    );
    assert_eq!(
        changed(|json| json["release"] = json!("opt")),
        "this is not a bundle: \"opt\" is not of the form publisher/model@version, as in meta-ai/opt-125m@1.0.0"
    );
    assert_eq!(
        refused(&vec![b' '; BUNDLE_BYTES_MAX + 1]),
        "the bundle has 134217729 bytes, and at most 134217728 are read"
    );
}

#[test]
fn an_array_is_no_object_of_a_bundle() {
    let good: Value = serde_json::from_str(&story().bundle.to_json()).expect("JSON");
    let objects: [(&str, &[&str]); 3] = [
        (
            "",
            &["bundle", "release", "checkpoint", "records", "attachments"],
        ),
        ("/records/0", &["index", "entry", "proof"]),
        ("/attachments/0", &["sha256", "mediaType", "data"]),
    ];
    for (pointer, fields) in objects {
        let mut json = good.clone();
        as_array(&mut json, pointer, fields);
        let said = Bundle::parse(json.to_string().as_bytes()).expect_err(pointer);
        let said = said.to_string();
        assert!(
            said.starts_with("this is not a bundle: an array stands where an object should"),
            "{pointer}: {said}"
        );
    }
}

/// Each byte of the file, each with another bit: what still verifies says the same as before.
#[test]
fn no_flipped_bit_makes_a_bundle_say_something_else() {
    let story = story();
    let key = story.key();
    // Without white space, since a flipped space tells nothing.
    let json = serde_json::to_vec(&story.bundle).expect("a bundle is JSON");
    let original = Bundle::parse(&json)
        .expect("the good bundle")
        .verify(&key)
        .expect("the good bundle");
    let mut survived = Vec::new();
    for position in 0..json.len() {
        for bit in [position % 8, 0, 5] {
            let mut flipped = json.clone();
            flipped[position] ^= 1 << bit;
            let Ok(bundle) = Bundle::parse(&flipped) else {
                continue;
            };
            if let Ok(verified) = bundle.verify(&key) {
                assert_eq!(verified, original, "byte {position}, bit {bit}");
                survived.push(position);
            }
        }
    }
    // What survives is what nothing vouches for, and what nobody shows: an attachment's media type.
    let text = String::from_utf8(json).expect("JSON is UTF-8");
    for position in survived {
        let opening = text[..position].rfind(":\"").expect("inside a text");
        assert!(
            text[..opening].ends_with("\"mediaType\"")
                && !text[opening + 2..position].contains('"'),
            "byte {position} of {}",
            &text[opening.saturating_sub(20)..position + 20]
        );
    }
}

#[test]
fn a_withdrawal_in_the_bundle_is_shown() {
    let mut story = story();
    let card = story.log.entry(story.card).clone();
    let withdrawn = SignedRecord::from_entry(&card)
        .expect("a record")
        .statement()
        .digest;
    let taken_back = story.log.append(&signed(
        withdrawal("meta-ai", RELEASE, withdrawn),
        &[&meta_new()],
    ));
    story.size = story.log.size();
    let bundle = story.bundle_of(&[story.meta, story.meta_second, story.card, taken_back]);
    let verified = bundle.verify(&story.key()).expect("all is as logged");
    let last = &verified.records[3].record;
    assert_eq!(last.statement().kind().name(), "withdrawal");
    assert_eq!(last.statement().subject.sha256, withdrawn);
}
