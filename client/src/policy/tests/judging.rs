//! Releases against policies.

use std::time::Duration;

use candor_core::note::{NoteSignature, WitnessKey};
use candor_core::record::kinds::{Attachment, Weights};
use candor_core::record::{DigestSet, SignedRecord, Statement, SubjectName, to_canonical_json};
use candor_core::weights::{FilePath, Manifest, ManifestFile};
use candor_formats::Pickles;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::bundle_maker::{MadeBundle, Wanted, make_bundle};
use crate::memory::Memory;
use crate::testing::{
    FakeLog, evaluation_record, log_key, publisher_record, secret_key, signed, withdrawal_record,
};

const RELEASE: &str = "meta-ai/opt-125m@1.0.0";

/// Some time or other.
const LATER: Duration = Duration::from_hours(500_000);

/// A log with two publishers and an evaluator.
fn log() -> FakeLog {
    let log = FakeLog::new();
    for (name, seed) in [("meta-ai", 1), ("eleutherai", 2), ("somebody", 3)] {
        log.register(name, seed);
    }
    log
}

fn record(kind: &str, sha256: Sha256, predicate: &Value, signer: u8) -> SignedRecord {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": RELEASE, "digest": { "sha256": sha256 } }],
        "predicateType": format!("urn:candor:{kind}:v1"),
        "predicate": predicate,
    });
    signed(to_canonical_json(&statement), &[signer])
}

fn card(license: &Value, signer: u8) -> SignedRecord {
    let document = Attachment::describe("README.md", "text/markdown", b"# OPT\n");
    let mut predicate = json!({ "document": document });
    for (key, value) in license.as_object().expect("an object") {
        predicate[key] = value.clone();
    }
    record("model-card", document.digest.sha256, &predicate, signer)
}

/// Publishes the weights with files of these names.
fn add_weights(log: &FakeLog, names: &[&str], signer: u8) -> Sha256 {
    let file = |name: &&str| ManifestFile {
        path: name.parse().expect("a path"),
        size: Some(1),
        digest: DigestSet::sha256(Sha256::of(name)),
    };
    let manifest = Manifest::new(names.iter().map(file).collect()).expect("a manifest");
    let weights: Weights = manifest.to_weights();
    let bytes = manifest.to_bytes();
    let digest = Sha256::of(&bytes);
    log.state().attachments.insert(digest, bytes);
    let name = SubjectName::Release(RELEASE.parse().expect("a name"));
    let predicate = candor_core::record::Predicate::Weights(weights);
    log.add(&signed(
        Statement::compose(&name, digest, &predicate),
        &[signer],
    ));
    digest
}

fn made(log: &FakeLog) -> MadeBundle {
    let dir = tempfile::tempdir().expect("a folder");
    let release = RELEASE.parse().expect("a name");
    let wanted = Wanted::all(&release);
    make_bundle(&log.client(), &Memory::new(dir.path()), &wanted).expect("all is well")
}

/// What a policy makes of what is in the log: the words of what is broken, and of what is open.
fn judged(log: &FakeLog, text: &str, files: Option<&[(&str, Seen)]>) -> (Vec<String>, Vec<String>) {
    judged_at(log, text, files, false, LATER)
}

fn judged_at(
    log: &FakeLog,
    text: &str,
    files: Option<&[(&str, Seen)]>,
    has_all_entries: bool,
    now: Duration,
) -> (Vec<String>, Vec<String>) {
    let made = made(log);
    let files = files.map(|files| {
        let of = |(name, seen): &(&str, Seen)| -> (FilePath, Seen) {
            (name.parse().expect("a path"), seen.clone())
        };
        files.iter().map(of).collect()
    });
    let verdict = policy(text).judge(Facts {
        bundle: &made.verified,
        checkpoint: &made.bundle.checkpoint,
        log: &log_key(),
        is_offline: !has_all_entries,
        has_all_entries,
        has_left_out_others: made.others.taken < made.others.listed,
        files: files.as_ref().map_or(Files::NotHere, Files::Seen),
        now: std::time::UNIX_EPOCH + now,
    });
    let path = |it: &Broken| {
        it.path
            .as_ref()
            .map(|path| format!("{path}: "))
            .unwrap_or_default()
    };
    let broken = verdict.broken.iter();
    (
        broken
            .map(|it| format!("{}{}", path(it), it.words))
            .collect(),
        verdict.open.into_iter().map(|it| it.words).collect(),
    )
}

/// Kept, broken or open, with words of what is said.
#[track_caller]
fn expect(judged: &(Vec<String>, Vec<String>), broken: &[&str], open: &[&str]) {
    let is_said = |said: &[String], words: &[&str]| {
        let all = said.iter().zip(words);
        said.len() == words.len() && all.into_iter().all(|(said, words)| said.contains(words))
    };
    assert!(is_said(&judged.0, broken), "broken: {:#?}", judged.0);
    assert!(is_said(&judged.1, open), "open: {:#?}", judged.1);
}

const NONE: &[&str] = &[];

#[test]
fn a_release_is_of_a_publisher_and_of_keys_that_are_accepted() {
    let log = log();
    add_weights(&log, &["model.safetensors"], 1);
    let pinned = |seeds: &[u8]| {
        let ids: Vec<_> = seeds
            .iter()
            .map(|seed| secret_key(*seed).public().keyid())
            .collect();
        let keys: Vec<_> = ids
            .iter()
            .map(|id| format!("{:?}", id.to_string()))
            .collect();
        format!(
            "[publishers]\naccepted = [{{ name = \"meta-ai\", keys = [{}] }}]\n",
            keys.join(", ")
        )
    };
    let accepted = "[publishers]\naccepted = [\"eleutherai\", \"meta-ai\"]\n";
    expect(&judged(&log, accepted, None), NONE, NONE);
    let others = "[publishers]\naccepted = [\"meta-ai-2\", \"eleutherai\"]\n";
    expect(&judged(&log, others, None), &["meta-ai is not among"], NONE);
    expect(&judged(&log, &pinned(&[1]), None), NONE, NONE);
    expect(&judged(&log, &pinned(&[9, 1]), None), NONE, NONE);
    let refused = "the weights record (entry 3) is signed with the key";
    expect(&judged(&log, &pinned(&[9]), None), &[refused], NONE);

    // The key is taken off the list, and a new one signs the card.
    let first = publisher_record("meta-ai", &[1], None, &[1])
        .statement()
        .digest;
    log.add(&publisher_record("meta-ai", &[4], Some(first), &[1, 4]));
    expect(&judged(&log, &pinned(&[1]), None), NONE, NONE);
    log.add(&card(&json!({ "license": "mit" }), 4));
    let refused_card = "the model-card record (entry 5) is signed with the key";
    expect(&judged(&log, &pinned(&[1]), None), &[refused_card], NONE);
    expect(&judged(&log, &pinned(&[1, 4]), None), NONE, NONE);
    expect(&judged(&log, &pinned(&[4]), None), &[refused], NONE);
}

#[test]
fn required_records_are_there_and_stand() {
    let log = log();
    let content = add_weights(&log, &["model.safetensors"], 1);
    let required = |kinds: &str| format!("[records]\nrequired = [{kinds}]\n");
    expect(&judged(&log, &required("\"weights\""), None), NONE, NONE);
    let no_card = "there is no model-card record of meta-ai/opt-125m@1.0.0 by meta-ai";
    let both = required("\"weights\", \"model-card\"");
    // What is not there may have been left out, unless all was read.
    expect(&judged(&log, &both, None), NONE, &[no_card]);
    expect(&judged_at(&log, &both, None, true, LATER), &[no_card], NONE);
    log.add(&card(&json!({}), 1));
    expect(&judged(&log, &both, None), NONE, NONE);
    let digest = card(&json!({}), 1).statement().digest;
    log.add(&withdrawal_record(RELEASE, digest, "record", 1));
    let withdrawn = "the model-card record (entry 4) is withdrawn by entry 5";
    expect(&judged(&log, &both, None), &[withdrawn], NONE);

    let evaluated = required("\"evaluation\"");
    let by = |names: &str| format!("{evaluated}evaluations_by = [{names}]\n");
    let none = "there is no evaluation of meta-ai/opt-125m@1.0.0";
    expect(&judged(&log, &evaluated, None), NONE, &[none]);
    // Of something else that has the release's name.
    log.add(&evaluation_record(
        RELEASE,
        Sha256::of("other"),
        "somebody",
        1,
        3,
    ));
    expect(&judged(&log, &evaluated, None), NONE, &[none]);
    let evaluation = evaluation_record(RELEASE, content, "somebody", 2, 3);
    log.add(&evaluation);
    expect(&judged(&log, &evaluated, None), NONE, NONE);
    expect(&judged(&log, &by("\"somebody\""), None), NONE, NONE);
    expect(
        &judged(&log, &by("\"eleutherai\", \"somebody\""), None),
        NONE,
        NONE,
    );
    let by_them = "there is no evaluation of meta-ai/opt-125m@1.0.0 by eleutherai that stands";
    expect(&judged(&log, &by("\"eleutherai\""), None), NONE, &[by_them]);
    expect(
        &judged_at(&log, &by("\"eleutherai\""), None, true, LATER),
        &[by_them],
        NONE,
    );
}

#[test]
fn a_licence_is_one_of_the_list() {
    let accepted = "[license]\naccepted = [\"Apache-2.0\", \"other:Llama3.1\"]\n";
    for (license, broken) in [
        (json!({ "license": "apache-2.0" }), None),
        (json!({ "license": "APACHE-2.0" }), None),
        (
            json!({ "license": "other", "licenseName": "llama3.1" }),
            None,
        ),
        (
            json!({ "license": "mit" }),
            Some("is \"mit\", which is not among"),
        ),
        (json!({ "license": "apache" }), Some("is \"apache\"")),
        (json!({ "license": "other" }), Some("is \"other\"")),
        (
            json!({ "license": "other", "licenseName": "llama3" }),
            Some("is \"other:llama3\""),
        ),
        // The name counts for nothing where there is an identifier.
        (
            json!({ "license": "mit", "licenseName": "llama3.1" }),
            Some("is \"mit\""),
        ),
        (json!({}), Some("the model card (entry 3) names no licence")),
        (
            json!({ "licenseName": "llama3.1" }),
            Some("names no licence"),
        ),
    ] {
        let log = log();
        log.add(&card(&license, 1));
        let broken: Vec<_> = broken.into_iter().collect();
        expect(&judged(&log, accepted, None), &broken, NONE);
    }
    let log = log();
    add_weights(&log, &["model.safetensors"], 1);
    expect(
        &judged(&log, accepted, None),
        NONE,
        &["there is no model card"],
    );
}

fn seen(pickles: Pickles, misnamed: Option<&str>) -> Seen {
    Seen {
        pickles,
        misnamed: misnamed.map(str::to_owned),
    }
}

#[test]
fn what_files_hold_decides_where_they_are_there_and_else_nothing_or_their_names() {
    let (content, name) = (
        "[weights]\npickle = \"refuse\"\n",
        "[weights]\npickle = \"refuse-by-name\"\n",
    );
    let clean = || seen(Pickles::None, None);
    let pickle = || seen(Pickles::Found("it is a pickle".to_owned()), None);
    let unclear = || seen(Pickles::Unclear("it is compressed (gzip)".to_owned()), None);
    let log_of = |names: &[&str]| {
        let log = log();
        add_weights(&log, names, 1);
        log
    };
    let safe = log_of(&["README.md", "model.safetensors"]);
    expect(
        &judged(&safe, content, None),
        NONE,
        &["none of them is one by its name"],
    );
    expect(&judged(&safe, name, None), NONE, NONE);
    let files = [("README.md", clean()), ("model.safetensors", clean())];
    expect(&judged(&safe, content, Some(&files)), NONE, NONE);
    expect(&judged(&safe, name, Some(&files)), NONE, NONE);
    // Hidden under another name.
    let files = [("README.md", unclear()), ("model.safetensors", pickle())];
    let hidden = ["model.safetensors: it is a pickle"];
    let packed = ["whether README.md has a pickle in it: it is compressed"];
    expect(&judged(&safe, content, Some(&files)), &hidden, &packed);
    expect(&judged(&safe, name, Some(&files)), &hidden, &packed);
    // Called like one, be it one or not.
    let named = log_of(&["a.safetensors", "b.PTH", "pytorch_model.bin", "v/c.pickle"]);
    expect(
        &judged(&named, content, None),
        NONE,
        &["by their names, b.PTH and 2 more are"],
    );
    let by_name = [
        "b.PTH: it is a pickle by its name",
        "pytorch_model.bin: ",
        "v/c.pickle: ",
    ];
    expect(&judged(&named, name, None), &by_name, NONE);
    let files = [("b.PTH", clean()), ("pytorch_model.bin", clean())];
    expect(&judged(&named, content, Some(&files)), NONE, NONE);
    expect(&judged(&named, name, Some(&files)), &by_name, NONE);
    // No list of the files.
    let none = log();
    none.add(&card(&json!({}), 1));
    expect(&judged(&none, content, None), NONE, &["which files"]);
    expect(&judged(&none, name, Some(&[])), NONE, &["which files"]);
}

#[test]
fn files_of_weights_are_in_the_formats_of_the_list() {
    let formats = "[weights]\nformats = [\"safetensors\", \"onnx\"]\n";
    let log_of = |names: &[&str]| {
        let log = log();
        add_weights(&log, names, 1);
        log
    };
    let good = log_of(&[
        "README.md",
        "model.safetensors",
        "x/model.ONNX",
        "vocab.txt",
    ]);
    expect(&judged(&good, formats, None), NONE, NONE);
    let bad = log_of(&["a.gguf", "b.bin", "c.h5", "d.joblib", "model.safetensors"]);
    let words = ["a.gguf: by its name", "b.bin: ", "c.h5: ", "d.joblib: "];
    expect(&judged(&bad, formats, None), &words, NONE);
    let misnamed = seen(
        Pickles::None,
        Some("it does not begin as a safetensors file does"),
    );
    let files = [("model.safetensors", misnamed)];
    expect(
        &judged(&good, formats, Some(&files)),
        &["model.safetensors: it is not in the format that its name says: it does not begin"],
        NONE,
    );
    let files = [("model.safetensors", seen(Pickles::None, None))];
    expect(&judged(&good, formats, Some(&files)), NONE, NONE);
}

#[test]
fn a_checkpoint_without_the_quorum_leaves_it_open() {
    let log = log();
    add_weights(&log, &["model.safetensors"], 1);
    let witnesses = format!("[witnesses]\nquorum = 1\nkeys = [{WITNESS:?}]\n");
    let none = "0 of the 1 witnesses that it takes cosigned the checkpoint of 4 entries";
    expect(&judged(&log, &witnesses, None), NONE, &[none]);
}

/// The witness's line below a note: C2SP `tlog-cosignature`.
fn cosignature(note: &str, time: u64) -> String {
    let key: WitnessKey = WITNESS.parse().expect("a witness's key");
    let (text, _) = note.rsplit_once("\n\n").expect("a note");
    let message = format!("cosignature/v1\ntime {time}\n{text}\n");
    let signature = SigningKey::from_bytes(&[1; 32]).sign(message.as_bytes());
    let line = NoteSignature {
        name: key.name().clone(),
        key_id: key.id(),
        signature: [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat(),
    };
    format!("{line}\n")
}

#[test]
fn cosignatures_count_as_long_as_the_policy_says() {
    const NOW: u64 = 1_800_000_000;
    let log = log();
    add_weights(&log, &["model.safetensors"], 1);
    let made = made(&log);
    let witnesses = format!("[witnesses]\nquorum = 1\nkeys = [{WITNESS:?}]\n");
    let aged = format!("{witnesses}max_age = \"1h\"\n");
    let judged = |policy_text: &str, time: u64| {
        let checkpoint = &made.bundle.checkpoint;
        let verdict = policy(policy_text).judge(Facts {
            bundle: &made.verified,
            checkpoint: &format!("{checkpoint}{}", cosignature(checkpoint, time)),
            log: &log_key(),
            is_offline: true,
            has_all_entries: false,
            has_left_out_others: false,
            files: Files::NotHere,
            now: std::time::UNIX_EPOCH + Duration::from_secs(NOW),
        });
        assert_eq!(
            verdict.witnesses,
            [("witness.example.com/w1".to_owned(), time)]
        );
        verdict.open.first().map(|it| it.words.clone())
    };
    for time in [1, NOW - 3_601, NOW + 301, i64::MAX as u64] {
        assert_eq!(judged(&witnesses, time), None, "{time}");
        let words = judged(&aged, time).expect("it is not of the last hour");
        assert!(words.contains("0 of the 1 witnesses"), "{words}");
        assert!(
            words.contains("in the last 1h; witness.example.com/w1 did at "),
            "{words}"
        );
    }
    for time in [NOW - 3_600, NOW, NOW + 300] {
        assert_eq!(judged(&aged, time), None, "{time}");
    }
}
