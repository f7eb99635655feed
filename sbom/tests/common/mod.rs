//! Releases that were signed, logged, bundled and verified.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own, and uses its own part of this"
)]

use candor_core::bundle::{Bundle, BundledRecord, VerifiedBundle};
use candor_core::merkle::{CompactRange, Entry, Hash, LeafHash, LeafIndex, TreeHead, TreeSize};
use candor_core::note::{Checkpoint, NoteSigner};
use candor_core::record::{
    Algorithm, DigestSet, Envelope, PublicKey, SignedRecord, to_canonical_json,
};
use candor_core::weights::{MANIFEST_MEDIA_TYPE, Manifest, ManifestFile};
use candor_core::{Sha256, Verified};
use candor_sbom::{BundleFile, CycloneDxVersion, Made, Release, cyclonedx, spdx};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "log.example.org/candor";
pub(crate) const RELEASE: &str = "example-lab/opt-125m-minutes@0.3.0";
pub(crate) const CARD: &[u8] = b"# OPT 125M, minutes\n";
pub(crate) const CONFIG: &[u8] = b"train-steps: 6000\n";

/// Bundles in the making: records in the order in which they are logged.
pub(crate) struct Story {
    records: Vec<SignedRecord>,
    attachments: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) fn lab() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub(crate) fn judge() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

pub(crate) fn keyid(key: &SigningKey) -> Sha256 {
    PublicKey::new(key.verifying_key())
        .expect("a key made from a seed is not of small order")
        .keyid()
}

pub(crate) fn made() -> Made {
    Made::at("2026-11-01T12:00:00Z".parse().expect("a time"))
}

/// With all that a caller can know.
pub(crate) fn well_known() -> Made {
    Made {
        log: Some("https://log.example.org".parse().expect("a URL")),
        bundle: Some(BundleFile {
            name: "opt-125m-minutes.candor".to_owned(),
            sha256: Sha256::of("a bundle"),
        }),
        released: Some("2023-02-07T09:00:00Z".parse().expect("a time")),
        ..made()
    }
}

impl Story {
    /// A log with two publishers.
    pub(crate) fn begin() -> Self {
        let mut story = Self {
            records: Vec::new(),
            attachments: Vec::new(),
        };
        for (name, display_name, key) in [
            ("example-lab", "Example Lab", lab()),
            ("example-evals", "Example Evaluations", judge()),
        ] {
            let public = PublicKey::new(key.verifying_key()).expect("a good key");
            let predicate = json!({
                "displayName": display_name,
                "url": format!("https://{name}.example.org/"),
                "contact": format!("{name}@example.org"),
                "keys": [public],
            });
            let digest = Sha256::of(to_canonical_json(&predicate));
            story.sign("publisher", name, digest, &predicate, &key);
        }
        story
    }

    /// Logs a record as a log does: it must fit its schema. Says what its statement digest is.
    pub(crate) fn sign(
        &mut self,
        kind: &str,
        subject: &str,
        sha256: Sha256,
        predicate: &Value,
        key: &SigningKey,
    ) -> Sha256 {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": subject, "digest": { "sha256": sha256 } }],
            "predicateType": format!("urn:candor:{kind}:v1"),
            "predicate": predicate,
        });
        let payload = to_canonical_json(&statement);
        let envelope = Envelope::sign(payload, &[key]).expect("a good key");
        let record = SignedRecord::from_envelope_by_schema(envelope, 10_000)
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let digest = record.statement().digest;
        self.records.push(record);
        digest
    }

    pub(crate) fn attach(&mut self, media_type: &'static str, bytes: &[u8]) {
        self.attachments.push((media_type, bytes.to_vec()));
    }

    /// Logs the release's card.
    pub(crate) fn card(&mut self, fields: &Value) -> Sha256 {
        let mut predicate = json!({ "document": document("README.md", "text/markdown", CARD) });
        merge(&mut predicate, fields);
        self.sign("model-card", RELEASE, Sha256::of(CARD), &predicate, &lab())
    }

    /// Logs the release's weights, with its manifest if `is_attached`.
    pub(crate) fn weights(
        &mut self,
        manifest: &Manifest,
        fields: &Value,
        is_attached: bool,
    ) -> Sha256 {
        let weights = manifest.to_weights();
        let subject = weights.manifest.digest.sha256;
        let mut predicate = serde_json::to_value(weights).expect("JSON");
        merge(&mut predicate, fields);
        if is_attached {
            self.attach(MANIFEST_MEDIA_TYPE, &manifest.to_bytes());
        }
        self.sign("weights", RELEASE, subject, &predicate, &lab())
    }

    /// Logs the release's training config.
    pub(crate) fn training(&mut self, fields: &Value) -> Sha256 {
        let mut predicate =
            json!({ "document": document("finetune.yml", "application/yaml", CONFIG) });
        merge(&mut predicate, fields);
        self.sign(
            "training-config",
            RELEASE,
            Sha256::of(CONFIG),
            &predicate,
            &lab(),
        )
    }

    /// Logs an evaluation of the release by somebody else.
    pub(crate) fn evaluation(&mut self, fields: &Value) -> Sha256 {
        let mut predicate = json!({
            "author": "example-evals",
            "harness": { "name": "lm-evaluation-harness", "version": "0.4.2" },
            "results": [{ "task": "sciq", "metric": "acc", "value": 0.751 }],
            "outcome": "reported",
        });
        merge(&mut predicate, fields);
        self.sign(
            "evaluation",
            RELEASE,
            Sha256::of(CARD),
            &predicate,
            &judge(),
        )
    }

    /// Logs a withdrawal by its publisher.
    pub(crate) fn withdrawal(&mut self, withdrawn: Sha256, scope: &str, reason: &str) {
        self.withdrawal_by("example-lab", &lab(), withdrawn, scope, reason);
    }

    pub(crate) fn withdrawal_by(
        &mut self,
        author: &str,
        key: &SigningKey,
        withdrawn: Sha256,
        scope: &str,
        reason: &str,
    ) {
        let predicate = withdrawal_predicate(author, scope, reason);
        self.sign("withdrawal", RELEASE, withdrawn, &predicate, key);
    }

    /// Logs the weights of another release, and says how a record names that as its parent.
    pub(crate) fn parent(&mut self, release: &str, parents: &[&Value]) -> Value {
        let file = ManifestFile {
            path: "model.bin".parse().expect("a good path"),
            size: Some(7),
            digest: DigestSet::sha256(Sha256::of(release)),
        };
        let weights = Manifest::new(vec![file]).expect("a list").to_weights();
        let subject = weights.manifest.digest.sha256;
        let mut predicate = serde_json::to_value(weights).expect("JSON");
        if !parents.is_empty() {
            predicate["parents"] = json!(parents);
        }
        let index = self.records.len();
        let statement = self.sign("weights", release, subject, &predicate, &lab());
        json!({ "relation": "fine-tune-of", "release": release, "index": index, "statement": statement })
    }

    /// Logs the withdrawal of a parent.
    pub(crate) fn parent_withdrawal(&mut self, parent: &Value, reason: &str) {
        let [release, statement] =
            ["release", "statement"].map(|it| parent[it].as_str().expect("text"));
        let statement = statement.parse().expect("a digest");
        let predicate = withdrawal_predicate("example-lab", "release", reason);
        self.sign("withdrawal", release, statement, &predicate, &lab());
    }

    /// What a verifier gets.
    pub(crate) fn verified(&self) -> Verified<VerifiedBundle> {
        self.verified_with(|_| true)
    }

    /// What a verifier gets whose bundle has these entries alone.
    pub(crate) fn verified_with(&self, has: impl Fn(usize) -> bool) -> Verified<VerifiedBundle> {
        let entries: Vec<_> = self
            .records
            .iter()
            .map(|it| Entry::new(it.envelope().to_canonical_json()).expect("a short record"))
            .collect();
        let name = ORIGIN.parse().expect("a good origin");
        let signer = NoteSigner::new(name, SigningKey::from_bytes(&[50; 32]));
        let mut range = CompactRange::empty();
        for entry in &entries {
            range.append(LeafHash::of(entry), |_, _| ());
        }
        let head = TreeHead {
            size: TreeSize::new(entries.len() as u64),
            root: range.root(),
        };
        let checkpoint = Checkpoint::sign(head, &signer).to_string();
        let records = entries.iter().enumerate().filter(|(at, _)| has(*at));
        let records = records.map(|(at, entry)| BundledRecord {
            index: LeafIndex::new(at as u64),
            entry: serde_json::from_slice(entry.as_bytes()).expect("a record"),
            proof: path(at, &entries),
        });
        let release = RELEASE.parse().expect("a good name");
        let mut bundle = Bundle::new(release, checkpoint, records.collect());
        for (media_type, bytes) in &self.attachments {
            bundle.attach(media_type, bytes);
        }
        let key = signer.verifier_key().clone().into();
        bundle.verify(&key).expect("all is as it was logged")
    }
}

/// A release with all that records can say.
pub(crate) fn full() -> Story {
    let mut story = Story::begin();
    story.card(&full_card());
    story.weights(&manifest(), &json!({
        "format": "safetensors",
        "parameters": 125_239_296,
        "source": { "uri": "https://huggingface.co/example-lab/minutes", "note": "Half precision." },
    }), true);
    story.training(&full_training());
    let first = story.evaluation(&json!({
        "results": [
            { "task": "lambada_openai", "metric": "acc", "value": 0.379_002_522_802_251_1,
              "standardError": 0.006_758_931_440_268_226, "samples": 5153, "fewShot": 0 },
            { "task": "lambada_openai", "metric": "acc", "value": 0.4, "fewShot": 0 },
        ],
        "rawResults": document("opt-125m.json", "application/json", b"{}"),
        "date": "2026-10-01T12:00:00Z",
    }));
    story.evaluation(&json!({ "outcome": "reproduced", "answers": first }));
    story.evaluation(
        &json!({ "outcome": "failed-to-reproduce", "answers": first, "results":
        [{ "task": "sciq", "metric": "acc", "value": 0.5 }] }),
    );
    story
}

pub(crate) fn full_card() -> Value {
    json!({
        "license": "apache-2.0",
        "licenseLink": "LICENSE.md",
        "languages": ["en"],
        "tags": ["opt"],
        "pipelineTag": "text-generation",
        "libraryName": "transformers",
        "datasets": ["Town council minutes 2010-2020", "The Pile"],
        "baseModels": [{ "name": "facebook/opt-125m", "relation": "finetune" }],
        "results": [{
            "task": { "type": "text-generation" },
            "dataset": { "type": "EleutherAI/lambada_openai", "name": "LAMBADA", "split": "test" },
            "metrics": [{ "type": "acc", "value": 0.379 }, { "type": "note", "value": "good" }],
        }],
        "intendedUse": "Summaries of \"minutes\", for <people> who read them.",
        "limitations": "Makes up names.",
        "evaluationSummary": "Good enough.",
    })
}

pub(crate) fn full_training() -> Value {
    json!({
        "framework": { "name": "metaseq", "version": "0.0.1",
            "uri": "https://github.com/facebookresearch/metaseq" },
        "code": { "uri": "git+https://git.example.org/example-lab/minutes.git",
            "digest": { "gitCommit": "09440ee4b6190f10b48182a19f5eaac9358ee611" } },
        "hyperparameters": {
            "optimizer": { "type": "AdamW", "params": { "lr": 2e-05, "betas": [0.9, 0.95] } },
            "train-steps": 6000,
        },
        "data": [
            { "name": "Town council minutes 2010-2020",
              "uri": "https://data.example.org/council-minutes/v2.tar.zst",
              "digest": { "sha256": Sha256::of("minutes") },
              "tokens": 131_072_000, "samples": 84_210,
              "note": "Names of private persons were replaced by placeholders." },
            { "name": "Transcripts", "uri": "https://data.example.org/{all}", "note": "Not public." },
        ],
        "hardware": { "accelerator": "NVIDIA A100 80GB", "count": 8, "nodes": 1 },
        "duration": { "started": "2023-02-06T08:15:00Z", "finished": "2023-02-06T13:45:00Z",
            "wallHours": 5.5, "acceleratorHours": 44 },
        "checkpoints": [{ "name": "checkpoint-3000", "step": 3000 }],
        "parents": [
            { "release": "meta-ai/opt-125m@1.0.0", "relation": "adapter-for",
              "statement": Sha256::of("a statement") },
            { "release": "meta-ai/opt-350m@1.0.0", "relation": "distilled-from" },
        ],
    })
}

/// A card that says nothing but that it is there.
pub(crate) fn minimal() -> Story {
    let mut story = Story::begin();
    story.card(&json!({}));
    story
}

/// Files with MD5 and SHA-1 only, one of them without a size.
pub(crate) fn weak() -> Story {
    let mut story = Story::begin();
    let digests = [
        (Algorithm::Md5, "0".repeat(32)),
        (Algorithm::Sha1, "1".repeat(40)),
    ];
    let file = |path: &str, size| ManifestFile {
        path: path.parse().expect("a good path"),
        size,
        digest: DigestSet::new(digests.clone()).expect("good digests"),
    };
    let manifest = Manifest::new(vec![
        file("reshard-0.pt", Some(7)),
        file("reshard-1.pt", None),
    ]);
    story.weights(&manifest.expect("a good list"), &json!({}), true);
    story
}

pub(crate) fn manifest() -> Manifest {
    let file = |path: &str, digest| ManifestFile {
        path: path.parse().expect("a good path"),
        size: Some(7),
        digest,
    };
    let strong = DigestSet::sha256(Sha256::of("weights"));
    let many = DigestSet::new(
        [
            (Algorithm::Md5, 32),
            (Algorithm::Sha1, 40),
            (Algorithm::Sha224, 56),
            (Algorithm::Sha256, 64),
            (Algorithm::Sha384, 96),
            (Algorithm::Sha512, 128),
            (Algorithm::Blake2b, 128),
            (Algorithm::Blake3, 64),
            (Algorithm::GitBlob, 40),
        ]
        .map(|(algorithm, digits)| (algorithm, "a".repeat(digits))),
    );
    Manifest::new(vec![
        file("model.safetensors", strong),
        file("voc\u{e4}b/a file.json", many.expect("good digests")),
    ])
    .expect("a good list")
}

pub(crate) fn many_files(count: usize) -> Manifest {
    let files = (0..count).map(|n| ManifestFile {
        path: format!("{n:06}.bin").parse().expect("a good path"),
        size: Some(1),
        digest: DigestSet::sha256(Sha256::of(n.to_le_bytes())),
    });
    Manifest::new(files.collect()).expect("a good list")
}

fn document(name: &str, media_type: &str, bytes: &[u8]) -> Value {
    json!({
        "name": name, "mediaType": media_type, "size": bytes.len(),
        "digest": { "sha256": Sha256::of(bytes) },
    })
}

fn withdrawal_predicate(author: &str, scope: &str, reason: &str) -> Value {
    json!({
        "author": author,
        "scope": scope,
        "reason": reason,
        "explanation": "The training data had private letters in it.",
        "replacement": "example-lab/opt-125m-minutes@0.3.1",
    })
}

fn merge(into: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().expect("an object") {
        into[name] = value.clone();
    }
}

/// `MTH(D[n])` of RFC 6962 section 2.1.
fn tree_hash(entries: &[Entry]) -> Hash {
    match entries {
        [] => Hash::of_empty_tree(),
        [entry] => LeafHash::of(entry).to_hash(),
        entries => {
            let (left, right) = entries.split_at(entries.len().next_power_of_two() / 2);
            Hash::of_children(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// `PATH(m, D[n])` of RFC 6962 section 2.1.1.
fn path(at: usize, entries: &[Entry]) -> Vec<Hash> {
    if entries.len() == 1 {
        return Vec::new();
    }
    let split = entries.len().next_power_of_two() / 2;
    let (left, right) = entries.split_at(split);
    let (mut hashes, sibling) = if at < split {
        (path(at, left), tree_hash(right))
    } else {
        (path(at - split, right), tree_hash(left))
    };
    hashes.push(sibling);
    hashes
}

/// As `CycloneDX` 1.6.
pub(crate) fn cdx(story: &Story) -> Value {
    let bundle = story.verified();
    let release = Release::of(&bundle).expect("a model");
    cyclonedx(&release, CycloneDxVersion::V1_6, &made())
}

/// As SPDX.
pub(crate) fn spdx3(story: &Story) -> Value {
    let bundle = story.verified();
    spdx(&Release::of(&bundle).expect("a model"), &made())
}

/// As both, with nothing known but the time.
pub(crate) fn both(story: &Story) -> [Value; 2] {
    [cdx(story), spdx3(story)]
}

/// The values of the properties of this name, of the model.
pub(crate) fn properties<'a>(document: &'a Value, name: &str) -> Vec<&'a str> {
    let (list, name_key, value_key) = if document["bomFormat"].is_null() {
        (
            &element(document, "ai_AIPackage")["extension"][0]["extension_cdxProperty"],
            "extension_cdxPropName",
            "extension_cdxPropValue",
        )
    } else {
        (
            &document["metadata"]["component"]["properties"],
            "name",
            "value",
        )
    };
    list.as_array()
        .expect("a model has properties")
        .iter()
        .filter(|it| it[name_key] == name)
        .map(|it| it[value_key].as_str().expect("text"))
        .collect()
}

/// The SPDX elements of a type.
pub(crate) fn elements<'a>(document: &'a Value, kind: &str) -> Vec<&'a Value> {
    let graph = document["@graph"].as_array().expect("a graph");
    graph.iter().filter(|it| it["type"] == kind).collect()
}

pub(crate) fn element<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let found = elements(document, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// What a relationship of this kind leads to, from the model.
pub(crate) fn related<'a>(document: &'a Value, kind: &str) -> Vec<&'a Value> {
    let model = &element(document, "ai_AIPackage")["spdxId"];
    let all = elements(document, "Relationship").into_iter();
    let these = all.filter(|it| it["relationshipType"] == kind && it["from"] == *model);
    these
        .flat_map(|it| it["to"].as_array().expect("a list"))
        .collect()
}

pub(crate) fn by_id<'a>(document: &'a Value, id: &Value) -> &'a Value {
    let graph = document["@graph"].as_array().expect("a graph");
    graph
        .iter()
        .find(|it| it["spdxId"] == *id)
        .expect("an element of that name")
}
