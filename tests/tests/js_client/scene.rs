//! A log in memory that takes anything, and the bundle of a release in it: what an honest log has, and what one that lies
//! could have.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::merkle::{CompactRange, Hash, LeafHash};
use candor_core::note::{LogKey, NoteSigner};
use candor_core::record::{Envelope, PublicKey, pae, to_canonical_json};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

/// The release that the bundles are about, and the one that it was made from.
pub(crate) const RELEASE: &str = "example-lab/tiny-lm@1.0.0";
pub(crate) const BASE: &str = "example-lab/base-lm@0.9.0";

/// Numbers that follow from a seed (`SplitMix64`), so that each run makes the same bundles.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % end as u64).expect("below a usize")
    }
}

/// A record, and who signs it.
#[derive(Clone)]
pub(crate) struct Logged {
    pub(crate) name: &'static str,
    pub(crate) payload: Vec<u8>,
    /// By the seeds of their keys.
    pub(crate) signers: Vec<u8>,
    /// Made by hand, in place of payload and signatures.
    pub(crate) envelope: Option<Value>,
    /// How many entries of no concern stand before it.
    pub(crate) pad: usize,
    pub(crate) is_bundled: bool,
}

/// What is logged and bundled.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) origin: String,
    pub(crate) log_seed: u8,
    pub(crate) release: String,
    pub(crate) records: Vec<Logged>,
    pub(crate) attachments: Vec<Vec<u8>>,
    /// The checkpoint's text, made by hand; `SIZE` and `ROOT` stand for what they should be.
    pub(crate) checkpoint: Option<String>,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn keyid(seed: u8) -> String {
    let key = PublicKey::new(key(seed).verifying_key())
        .expect("a key made from a seed is no point of small order");
    key.keyid().to_string()
}

pub(crate) fn statement(kind: &str, name: &str, sha256: Sha256, predicate: &Value) -> Vec<u8> {
    to_canonical_json(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": sha256 } }],
        "predicateType": format!("urn:candor:{kind}:v1"),
        "predicate": predicate,
    }))
}

/// A statement whose subject is what it says.
pub(crate) fn about_itself(kind: &str, name: &str, predicate: &Value) -> Vec<u8> {
    statement(
        kind,
        name,
        Sha256::of(to_canonical_json(predicate)),
        predicate,
    )
}

pub(crate) fn publisher(name: &str, keys: &[u8], previous: Option<Sha256>) -> Vec<u8> {
    let listed = |seed: &u8| {
        serde_json::to_value(PublicKey::new(key(*seed).verifying_key()).expect("a good key"))
            .expect("a key is JSON")
    };
    let mut predicate = json!({
        "displayName": format!("The lab {name}"), "keys": keys.iter().map(listed).collect::<Vec<_>>(),
    });
    if let Some(previous) = previous {
        predicate["previous"] = json!(previous);
    }
    about_itself("publisher", name, &predicate)
}

pub(crate) fn attachment(name: &str, bytes: &[u8]) -> Value {
    json!({ "name": name, "mediaType": "text/plain", "size": bytes.len(), "digest": { "sha256": Sha256::of(bytes) } })
}

pub(crate) fn card(release: &str, text: &str) -> Vec<u8> {
    let predicate =
        json!({ "document": attachment("README.md", text.as_bytes()), "license": "apache-2.0" });
    statement("model-card", release, Sha256::of(text), &predicate)
}

pub(crate) fn withdrawal(author: &str, release: &str, scope: &str, withdrawn: &[u8]) -> Vec<u8> {
    let predicate = json!({
        "author": author, "scope": scope, "reason": "error", "explanation": "The wrong file was uploaded",
        "replacement": "example-lab/tiny-lm@1.0.1",
    });
    statement("withdrawal", release, Sha256::of(withdrawn), &predicate)
}

pub(crate) fn evaluation(author: &str, release: &str, subject: Sha256) -> Vec<u8> {
    let predicate = json!({
        "author": author, "harness": { "name": "lm-evaluation-harness" }, "outcome": "reported",
        "results": [{ "task": "piqa", "metric": "acc", "value": 0.751, "samples": 1000 }],
    });
    statement("evaluation", release, subject, &predicate)
}

/// RFC 6962 root over leaves.
pub(crate) fn root_of(leaves: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut tree = CompactRange::empty();
    for leaf in leaves {
        tree.append(LeafHash::of_bytes(&leaf), |_, _| ());
    }
    hex::encode(tree.root().as_bytes())
}

/// The manifest's files: one of them has two chunks.
pub(crate) fn files() -> Vec<Value> {
    let file = |path: &str, size: u64| json!({ "path": path, "size": size, "digest": { "sha256": Sha256::of(path) } });
    vec![
        file("README.md", 7),
        file("config.json", 0),
        file("model.safetensors", (8 << 20) + 16),
        file("tokenizer/vocab.json", 99),
    ]
}

pub(crate) fn manifest(files: &[Value]) -> Vec<u8> {
    to_canonical_json(&json!({ "files": files, "manifest": "urn:candor:manifest:v1" }))
}

pub(crate) fn chunks() -> Vec<u8> {
    [[7; 32], [8; 32]].concat()
}

pub(crate) fn chunks_root(chunks: &[u8]) -> String {
    let mut tree = CompactRange::empty();
    for leaf in chunks.as_chunks::<32>().0 {
        tree.append(LeafHash::from_hash(Hash::from_bytes(*leaf)), |_, _| ());
    }
    let file = json!({ "bytes": (8 << 20) + 16, "path": "model.safetensors", "root": hex::encode(tree.root().as_bytes()) });
    root_of([to_canonical_json(&file)])
}

pub(crate) fn tensors() -> Vec<Value> {
    let tensor = |name: &str, offset: u64| {
        json!({
            "tensor": { "bytes": 4, "dtype": "F32", "name": name, "sha256": Sha256::of(name), "shape": [1] },
            "places": [{ "path": "model.safetensors", "offset": offset }],
        })
    };
    vec![tensor("a", 0), tensor("b", 8)]
}

pub(crate) fn tensor_list(tensors: &[Value]) -> Vec<u8> {
    to_canonical_json(&json!({ "list": "urn:candor:tensors:v1", "tensors": tensors }))
}

/// What a weights record says of these documents.
pub(crate) fn weights_predicate(files: &[Value], chunks: &[u8], tensors: &[Value]) -> Value {
    let (manifest, list) = (manifest(files), tensor_list(tensors));
    let bytes: u64 = files.iter().filter_map(|file| file["size"].as_u64()).sum();
    json!({
        "manifest": attachment("manifest.json", &manifest), "files": files.len(), "bytes": bytes,
        "root": root_of(files.iter().map(to_canonical_json)), "algorithms": ["sha256"], "strength": "strong",
        "chunks": { "list": attachment("chunks.bin", chunks), "root": chunks_root(chunks) },
        "tensors": {
            "list": attachment("tensors.json", &list), "count": tensors.len(),
            "root": root_of(tensors.iter().map(|it| to_canonical_json(&it["tensor"]))),
        },
    })
}

impl Scene {
    /// A log with a release in it: two registrations, a second list of keys, the weights that it was made from, card,
    /// weights and training config, and an evaluation by the other publisher.
    pub(crate) fn standard(dice: &mut Dice) -> Self {
        let mut scene = Self {
            origin: "log.example.org/candor".to_owned(),
            log_seed: 50,
            release: RELEASE.to_owned(),
            records: Vec::new(),
            attachments: Vec::new(),
            checkpoint: None,
        };
        let mut log = |scene: &mut Self, name, payload, signers: &[u8]| {
            let pad = dice.below(4);
            let signers = signers.to_vec();
            scene.records.push(Logged {
                name,
                payload,
                signers,
                envelope: None,
                pad,
                is_bundled: true,
            });
        };
        let first = publisher("example-lab", &[1], None);
        log(&mut scene, "first", first.clone(), &[1]);
        log(
            &mut scene,
            "evals",
            publisher("example-evals", &[3], None),
            &[3],
        );
        log(
            &mut scene,
            "second",
            publisher("example-lab", &[2], Some(Sha256::of(&first))),
            &[1, 2],
        );
        let base_files =
            [json!({ "path": "model.bin", "size": 5, "digest": { "sha256": Sha256::of("base") } })];
        let mut base = weights_predicate(&base_files, &chunks(), &tensors());
        for lists in ["chunks", "tensors"] {
            base.as_object_mut().expect("an object").remove(lists);
        }
        let base_weights = statement("weights", BASE, Sha256::of(manifest(&base_files)), &base);
        log(&mut scene, "base", base_weights.clone(), &[2]);
        log(&mut scene, "card", card(RELEASE, "# Tiny\n"), &[2]);
        let mut weights = weights_predicate(&files(), &chunks(), &tensors());
        weights["parents"] = json!([{
            "relation": "quantized-from", "release": BASE, "index": scene.index_of("base"), "statement": Sha256::of(&base_weights),
        }]);
        let subject = Sha256::of(manifest(&files()));
        log(
            &mut scene,
            "weights",
            statement("weights", RELEASE, subject, &weights),
            &[2],
        );
        let config = json!({ "document": attachment("train.yml", b"lr: 1\n"), "hyperparameters": { "lr": 0.1 } });
        log(
            &mut scene,
            "config",
            statement("training-config", RELEASE, Sha256::of("lr: 1\n"), &config),
            &[2],
        );
        log(
            &mut scene,
            "evaluation",
            evaluation("example-evals", RELEASE, subject),
            &[3],
        );
        scene.attachments = vec![
            b"# Tiny\n".to_vec(),
            manifest(&files()),
            chunks(),
            tensor_list(&tensors()),
            manifest(&base_files),
        ];
        scene
    }

    pub(crate) fn at(&mut self, name: &str) -> &mut Logged {
        let found = self.records.iter_mut().find(|record| record.name == name);
        found.unwrap_or_else(|| panic!("there is no record {name}"))
    }

    pub(crate) fn position(&self, name: &str) -> usize {
        let found = self.records.iter().position(|record| record.name == name);
        found.unwrap_or_else(|| panic!("there is no record {name}"))
    }

    /// The index of a record in the log.
    pub(crate) fn index_of(&self, name: &str) -> usize {
        let position = self.position(name);
        position
            + self.records[..=position]
                .iter()
                .map(|record| record.pad)
                .sum::<usize>()
    }

    /// Logs another record behind all others.
    pub(crate) fn append(&mut self, name: &'static str, payload: Vec<u8>, signers: &[u8]) {
        self.records.push(Logged {
            name,
            payload,
            signers: signers.to_vec(),
            envelope: None,
            pad: 1,
            is_bundled: true,
        });
    }

    /// Leaves only these records in the bundle.
    pub(crate) fn keep(&mut self, names: &[&str]) {
        for record in &mut self.records {
            record.is_bundled = names.contains(&record.name);
        }
        self.attachments.clear();
    }

    /// Changes a statement, and signs it again.
    pub(crate) fn restate(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let record = self.at(name);
        let mut statement: Value =
            serde_json::from_slice(&record.payload).expect("a statement is JSON");
        change(&mut statement);
        record.payload = to_canonical_json(&statement);
    }

    pub(crate) fn signer(&self) -> NoteSigner {
        NoteSigner::new(
            self.origin.parse().expect("a good name"),
            key(self.log_seed),
        )
    }

    pub(crate) fn key(&self) -> LogKey {
        self.signer().verifier_key().clone().into()
    }

    /// The bundle.
    pub(crate) fn bundle(&self) -> Value {
        let (mut leaves, mut bundled) = (Vec::new(), Vec::new());
        for record in &self.records {
            for n in 0..record.pad {
                leaves.push(LeafHash::of_bytes(
                    format!("{} {n}", record.name).as_bytes(),
                ));
            }
            let envelope = record.envelope();
            let entry = Envelope::from_json(&envelope).map_or_else(
                |_| to_canonical_json(&envelope),
                |it| it.to_canonical_json(),
            );
            if record.is_bundled {
                bundled.push((leaves.len(), envelope));
            }
            leaves.push(LeafHash::of_bytes(&entry));
        }
        leaves.push(LeafHash::of_bytes(b"and one more"));
        let (size, root) = (leaves.len(), tree_hash(&leaves));
        let text = self
            .checkpoint
            .clone()
            .unwrap_or_else(|| format!("{}\nSIZE\nROOT\n", self.origin));
        let text = text
            .replace("SIZE", &size.to_string())
            .replace("ROOT", &root.to_string());
        let records = bundled.into_iter().map(|(index, entry)| {
            let proof: Vec<_> = path(index, &leaves).iter().map(Hash::to_string).collect();
            json!({ "index": index, "entry": entry, "proof": proof })
        });
        let attachments = self.attachments.iter().map(|bytes| {
            json!({ "sha256": Sha256::of(bytes), "mediaType": "text/plain", "data": BASE64_STANDARD.encode(bytes) })
        });
        json!({
            "bundle": "urn:candor:bundle:v1", "release": self.release,
            "checkpoint": self.signer().sign(text).to_string(),
            "records": records.collect::<Vec<_>>(), "attachments": attachments.collect::<Vec<_>>(),
        })
    }
}

impl Logged {
    pub(crate) fn envelope(&self) -> Value {
        if let Some(envelope) = &self.envelope {
            return envelope.clone();
        }
        let signatures = self
            .signers
            .iter()
            .map(|seed| signature(*seed, &self.payload));
        envelope(&self.payload, &signatures.collect::<Vec<_>>())
    }
}

pub(crate) fn envelope(payload: &[u8], signatures: &[Value]) -> Value {
    json!({
        "payload": BASE64_STANDARD.encode(payload), "payloadType": "application/vnd.in-toto+json", "signatures": signatures,
    })
}

/// What a key signs a payload with.
pub(crate) fn sign(seed: u8, payload: &[u8]) -> Vec<u8> {
    key(seed)
        .sign(&pae("application/vnd.in-toto+json", payload))
        .to_vec()
}

pub(crate) fn signature(seed: u8, payload: &[u8]) -> Value {
    listed(&keyid(seed), &sign(seed, payload))
}

pub(crate) fn listed(keyid: &str, sig: &[u8]) -> Value {
    json!({ "keyid": keyid, "sig": BASE64_STANDARD.encode(sig) })
}

/// Where RFC 6962 splits `n` leaves.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// `MTH(D[n])` of RFC 6962 section 2.1.
fn tree_hash(leaves: &[LeafHash]) -> Hash {
    if let [leaf] = leaves {
        return leaf.to_hash();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    Hash::of_children(&tree_hash(left), &tree_hash(right))
}

/// `PATH(m, D[n])` of RFC 6962 section 2.1.1.
fn path(m: usize, leaves: &[LeafHash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut hashes, sibling) = if m < left.len() {
        (path(m, left), tree_hash(right))
    } else {
        (path(m - left.len(), right), tree_hash(left))
    };
    hashes.push(sibling);
    hashes
}
