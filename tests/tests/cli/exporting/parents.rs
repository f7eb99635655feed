//! What bills of materials say of parents: nothing is written where one does not hold, and one that was withdrawn is marked.

use candor_core::bundle::{Bundle, BundledRecord};
use candor_core::merkle::{Entry, Hash, LeafHash, LeafIndex, TreeHead, TreeSize};
use candor_core::note::{Checkpoint, NoteSigner};
use candor_core::record::kinds::{ParentRecord, Relation, Scope};
use candor_core::record::{DigestSet, Predicate, Statement, SubjectName, to_canonical_json};
use candor_core::weights::{Manifest, ManifestFile};
use candor_tests::statements::digest_of;
use ed25519_dalek::SigningKey;

use super::*;

const BASE: &str = "example-lab/base@1.0.0";
const TUNED: &str = "example-lab/tuned@1.0.0";
const LEFT_OUT: &str = "not checked  whether anything was withdrawn that the bundle leaves out";

/// A log of four entries, whose keeper signs whatever they like.
struct Forged {
    origin: String,
    entries: [Value; 4],
}

impl Forged {
    fn signer(&self) -> NoteSigner {
        let name = self.origin.parse().expect("a good origin");
        NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]))
    }

    /// A bundle of the release with the log's first entries.
    fn bundle(&self, release: &str, entries: usize) -> String {
        let leaves = self.entries.each_ref().map(|it| {
            let entry = Entry::new(to_canonical_json(it)).expect("a short record");
            LeafHash::of(&entry).to_hash()
        });
        let halves = [
            Hash::of_children(&leaves[0], &leaves[1]),
            Hash::of_children(&leaves[2], &leaves[3]),
        ];
        let head = TreeHead {
            size: TreeSize::new(4),
            root: Hash::of_children(&halves[0], &halves[1]),
        };
        let records = (0..entries).map(|at| BundledRecord {
            index: LeafIndex::new(at as u64),
            entry: self.entries[at].clone(),
            proof: vec![leaves[at ^ 1], halves[1 - at / 2]],
        });
        let checkpoint = Checkpoint::sign(head, &self.signer()).to_string();
        let release = release.parse().expect("a good name");
        Bundle::new(release, checkpoint, records.collect()).to_json()
    }

    /// Runs `candor` with this log's key, and with nobody to ask.
    fn candor(&self, who: &Person, log: &TestLog, line: &str) -> Ran {
        let key = self.signer().verifier_key().to_string();
        let variables = [EPOCH, ("CANDOR_LOG_KEY", &key), ("CANDOR_LOG", "")];
        who.candor_with(log, &line.split(' ').collect::<Vec<_>>(), &variables)
    }
}

fn weights(lab: &TestPublisher, model: &str, parents: Vec<ParentRecord>) -> Value {
    let file = ManifestFile {
        path: "model.bin".parse().expect("a good path"),
        size: Some(7),
        digest: DigestSet::sha256(Sha256::of(model)),
    };
    let mut weights = Manifest::new(vec![file]).expect("a list").to_weights();
    weights.parents = parents;
    let name = SubjectName::Release(lab.release(model, "1.0.0"));
    let subject = weights.manifest.digest.sha256;
    lab.sign(Statement::compose(
        &name,
        subject,
        &Predicate::Weights(weights),
    ))
}

/// What was tuned from `base`, whose record is said to be at `index`.
fn tuned(lab: &TestPublisher, base: &Value, index: u64) -> Value {
    let parent = ParentRecord {
        relation: Relation::FineTuneOf,
        release: lab.release("base", "1.0.0"),
        index: LeafIndex::new(index),
        statement: digest_of(base),
    };
    weights(lab, "tuned", vec![parent])
}

#[test]
fn nothing_is_written_of_a_release_with_a_parent_that_the_log_does_not_have_like_that() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let lab = TestPublisher::new("example-lab");
    let base = weights(&lab, "base", Vec::new());
    let (keys, last) = (lab.register(), lab.api_version("api", "1.0.0", ""));
    let forged = |name: &str, first: &Value, second: &Value| {
        let entries = [&keys, first, second, &last].map(Value::clone);
        let origin = format!("example.org/{name}");
        let forged = Forged { origin, entries };
        reader.write("tuned.candor", forged.bundle(TUNED, 4));
        forged
    };
    for (forged, words) in [
        (
            forged("behind", &tuned(&lab, &base, 2), &base),
            "tuned@1.0.0 fine-tune-of example-lab/base@1.0.0: entry 2 does not stand before entry 1",
        ),
        (
            forged("other", &base, &tuned(&lab, &base, 0)),
            "entry 0 has the statement digest",
        ),
    ] {
        reader.write("tuned.candor", forged.bundle(TUNED, 4));
        let run = |line: &str| forged.candor(&reader, &log, line);
        run("verify tuned.candor").expect_code(1);
        for format in FORMATS {
            let line = format!("export tuned.candor --format {format}");
            let refused = run(&line).expect_error(1, words);
            assert!(refused.stdout.is_empty(), "{}", refused.transcript());
            run(&format!("{line} -o tuned.json")).expect_code(1);
            assert!(!reader.home.join("tuned.json").exists());
        }
    }
    // And with the parent where it is said to be, it is taken.
    let good = forged("good", &base, &tuned(&lab, &base, 1));
    for line in ["verify tuned.candor", "export tuned.candor --format spdx"] {
        good.candor(&reader, &log, line).expect_code(0);
    }
}

#[test]
fn what_a_bundle_shows_of_withdrawals_is_marked_with_a_warning_offline() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let boms = reader.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    let lab = TestPublisher::new("example-lab");
    let base = weights(&lab, "base", Vec::new());
    let log_of = Forged {
        origin: "example.org/withdrawn".to_owned(),
        entries: [
            lab.register(),
            base.clone(),
            tuned(&lab, &base, 1),
            lab.withdrawal(&base, Scope::Release),
        ],
    };
    for (release, name, words) in [
        (
            BASE,
            "candor:withdrawn:by",
            "warning: example-lab/base@1.0.0 does not stand, and the document says so: withdrawn by entry 3 (error): It was wrong.",
        ),
        (
            TUNED,
            "candor:withdrawn:ancestor",
            "warning: a parent, example-lab/base@1.0.0, is withdrawn by entry 3 (error): It was wrong.",
        ),
    ] {
        for format in FORMATS {
            let line = format!("export it.candor --format {format}");
            reader.write("it.candor", log_of.bundle(release, 4));
            let exported = log_of.candor(&reader, &log, &line).expect_code(0);
            let exported = exported.expect_words(words).expect_words(LEFT_OUT);
            assert_eq!(properties(&exported.json(), name).len(), 1);
            let model = release.replace(['/', '@'], "-");
            let file = format!("{line} -o boms/{model}-{format}.json --json");
            let summary = log_of.candor(&reader, &log, &file).expect_code(0).json();
            let warning = words.trim_start_matches("warning: ");
            assert_eq!(summary["warnings"][0], warning);
            // Who makes a bundle can leave the withdrawal out. It can't be told, and that is.
            reader.write("it.candor", log_of.bundle(release, 3));
            let without = log_of.candor(&reader, &log, &line).expect_code(0);
            let without = without.expect_words(LEFT_OUT);
            assert!(
                !without.stderr.contains("withdrawn by"),
                "{}",
                without.stderr
            );
            assert!(properties(&without.json(), name).is_empty());
        }
    }
    boms::expect_valid(&boms);
}

#[test]
fn a_withdrawn_parent_is_marked_with_a_warning() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let boms = lab.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    for (release, flags) in [
        (BASE, ""),
        (TUNED, " --parent fine-tune-of:example-lab/base@1.0.0"),
    ] {
        write_release(&lab.home.join("it"));
        lab.write("it/config.json", json!({ "name": release }).to_string());
        lab.candor(&log, &format!("release it --as {release}{flags}"))
            .expect_code(0);
    }
    let before = export(&lab, &log, &format!("{TUNED} --format spdx")).expect_code(0);
    assert!(!before.stderr.contains("warning"), "{}", before.stderr);
    let withdraw = ["withdraw", BASE, "--reason", "security", "--yes"];
    let why = ["--explanation", "Its tokenizer runs code."];
    lab.candor_args(&log, &[&withdraw[..], &why].concat())
        .expect_code(0);
    let words = "a parent, example-lab/base@1.0.0, is withdrawn by entry";
    for format in FORMATS {
        let line = format!("{TUNED} --format {format} -o boms/{format}.json --json");
        let exported = export(&lab, &log, &line).expect_code(0);
        let exported = exported.expect_words(&format!("warning: {words}"));
        let warnings = exported.json()["warnings"].to_string();
        assert!(warnings.contains(words), "{warnings}");
        let document = serde_json::from_slice(&lab.read(&format!("boms/{format}.json")));
        let document: Value = document.expect("JSON");
        assert_eq!(properties(&document, "candor:withdrawn:ancestor").len(), 1);
        assert!(properties(&document, "candor:withdrawn").is_empty());
        // A bundle from before says what it can't know.
        let older = format!("tuned-1.0.0.candor --format {format}");
        let older = export(&lab, &log, &older).expect_code(0);
        let older = older.expect_words(LEFT_OUT);
        assert!(!older.stderr.contains("warning"), "{}", older.stderr);
    }
    boms::expect_valid(&boms);
}
