//! What must hold for any bytes that come from outside: one function for each parser, which panics where it does not.
//!
//! ```text
//! bytes ──► parser ──► refused: fine, as long as the error has an end
//!             │
//!             └──► accepted: it is written as it was read, or as another implementation reads it
//! ```
//!
//! The test run gives each of them a few seconds of mutated examples (`tests/bounded.rs`); cargo-fuzz gives it as long as
//! one likes (`targets/`).

mod independent;

use std::collections::BTreeSet;

use candor_core::Sha256;
use candor_core::bundle::{Bundle, PartProof, Receipt};
use candor_core::merkle::{
    EntryBundlePath, Hash, InclusionProof, LeafHash, LeafIndex, TilePath, TreeHead, TreeSize,
};
use candor_core::note::{Checkpoint, LogKey, NoteSigner, Quorum, SignedNote, WebhookContent};
use candor_core::record::{DigestSet, Envelope, Statement, parse_strict, to_canonical_json};
use candor_core::weights::{ChunkList, Difference, Manifest, ManifestFile, Side, TensorList};
use candor_formats::{Format, Index, Pickles, pickles, read};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

/// No error repeats what it is about without bounds.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// What must hold for bytes.
pub type Target = fn(&[u8]);

/// By name, all that is here.
pub const TARGETS: [(&str, Target); 20] = [
    ("note", note),
    ("cosigned", cosigned),
    ("checkpoint", checkpoint),
    ("webhook", webhook),
    ("tile_path", tile_path),
    ("proof", proof),
    ("receipt", receipt),
    ("envelope", envelope),
    ("statement", statement),
    ("canonical_json", canonical_json),
    ("bundle", bundle),
    ("part_proof", part_proof),
    ("manifest", manifest),
    ("tensor_list", tensor_list),
    ("difference", difference),
    ("weights_file", weights_file),
    ("front_matter", front_matter),
    ("checksum_list", checksum_list),
    ("configuration", configuration),
    ("policy", policy),
];

fn has_an_end(error: &impl std::fmt::Display) {
    let message = error.to_string();
    assert!(
        message.len() <= MESSAGE_BYTES_MAX,
        "the message has {} bytes",
        message.len()
    );
}

/// Signed notes: what is accepted is written just as it was read.
pub fn note(bytes: &[u8]) {
    match SignedNote::parse(bytes) {
        Ok(note) => {
            assert_eq!(note.to_string().as_bytes(), bytes);
            assert!(note.unverified_text().ends_with('\n'));
        }
        Err(error) => has_an_end(&error),
    }
}

fn signer() -> NoteSigner {
    let name = "example.org/fuzz".parse().expect("a key's name");
    NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]))
}

/// What stands below a checkpoint: what counts was signed by the witness, over this text and at its time. Nobody else can
/// sign for it.
pub fn cosigned(bytes: &[u8]) {
    let (log, witness) = (signer(), SigningKey::from_bytes(&[8; 32]));
    let key = LogKey::from(log.verifier_key().clone());
    let keys = vec![WITNESS.parse().expect("a witness's key")];
    let quorum = Quorum::new(keys, 1).expect("a quorum");
    let ever = 0..=u64::MAX;
    let head = TreeHead {
        size: TreeSize::new(1),
        root: Hash::from_bytes([9; 32]),
    };
    let note = Checkpoint::sign(head, &log).to_string();
    let below = [note.as_bytes(), bytes].concat();
    let Ok(cosigned) = quorum.verify(&below, &key) else {
        return;
    };
    let text = note.split_once("\n\n").expect("a note").0;
    for cosignature in &cosigned.cosignatures {
        let message = format!("cosignature/v1\ntime {}\n{text}\n", cosignature.time);
        let signature = witness.sign(message.as_bytes()).to_bytes();
        assert!(
            is_below(&below, &signature),
            "the witness has not signed this"
        );
    }
    assert_eq!(cosigned.is_quorum(&ever), !cosigned.cosignatures.is_empty());
    cosigned.refused.iter().for_each(has_an_end);
}

/// The witness of these checkpoints: its secret key is 32 bytes of 8.
const WITNESS: &str =
    "witness.example.com/fuzz+fbf67445+BBOY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK";

/// Whether a line of the note ends in these bytes.
fn is_below(note: &[u8], signature: &[u8]) -> bool {
    let note = SignedNote::parse(note).expect("it was read");
    note.signatures()
        .iter()
        .any(|line| line.signature.ends_with(signature))
}

/// What a log's key signs: a checkpoint or a message about a record, and never text that is both.
pub fn webhook(bytes: &[u8]) {
    let key = LogKey::from(signer().verifier_key().clone());
    let content = WebhookContent::parse(bytes, &key);
    match &content {
        Ok(content) => {
            assert_eq!(content.as_str().as_bytes(), bytes);
            assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)));
            let (id, time, body) = (content.id(), content.timestamp(), content.body());
            assert_eq!(format!("{id}.{time}.{body}").as_bytes(), bytes);
            assert!(!id.contains('.') && time.parse::<u128>().is_ok());
        }
        Err(error) => has_an_end(error),
    }
    if let Ok(text) = str::from_utf8(bytes)
        && Checkpoint::from_unsigned(text, &key.origin()).is_ok()
    {
        assert!(text.ends_with('\n') && content.is_err());
        assert!(!WebhookContent::is_meant(bytes));
    }
}

/// Checkpoints: the log's key signs any text, and what is accepted then says what another reader reads in it. Without the
/// signature, nothing is accepted.
pub fn checkpoint(bytes: &[u8]) {
    let signer = signer();
    let key = LogKey::from(signer.verifier_key().clone());
    assert!(
        key.verify_checkpoint(bytes).is_err(),
        "nobody has signed this"
    );
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // Nothing else is a note's text, and nothing else is ever signed.
    if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
        return;
    }
    let note = signer.sign(text.to_owned()).to_string();
    let read = independent::checkpoint(text, "example.org/fuzz");
    match key.verify_checkpoint(note.as_bytes()) {
        Ok(checkpoint) => {
            let head = checkpoint.head;
            assert_eq!(read, Some((head.size.get(), *head.root.as_bytes())));
            // And what this log writes of it reads the same.
            let again = Checkpoint::sign(head, &signer).to_string();
            let again = key.verify_checkpoint(again.as_bytes()).expect("it is one");
            assert_eq!(again.head, head);
        }
        Err(error) => has_an_end(&error),
    }
}

/// Paths of tiles and bundles: one path for each tile, and no other text for it.
pub fn tile_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(rest) = text.strip_prefix("tile/entries/") {
        match EntryBundlePath::parse(rest) {
            Ok(path) => assert_eq!(path.to_string(), text),
            Err(error) => has_an_end(&error),
        }
    } else if let Some((level, rest)) = text
        .strip_prefix("tile/")
        .and_then(|rest| rest.split_once('/'))
    {
        match TilePath::parse(level, rest) {
            Ok(path) => assert_eq!(path.to_string(), text),
            Err(error) => has_an_end(&error),
        }
    }
}

/// Inclusion proofs: what the recursion that defines them says, the loop of RFC 9162 says too.
pub fn proof(bytes: &[u8]) {
    let Some((numbers, rest)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let number = |n: usize| {
        let part = numbers[8 * n..].first_chunk::<8>().expect("16 bytes");
        u64::from_le_bytes(*part)
    };
    // Mostly small trees, in which proofs have a length.
    let size = number(0) % 300;
    let index = number(1) % (size + 1);
    let Some(at) = TreeSize::new(size).leaf(LeafIndex::new(index)) else {
        return;
    };
    let leaf = LeafHash::of_bytes(&numbers[..]);
    let path: Vec<[u8; 32]> = rest
        .chunks(32)
        .map(|part| *Sha256::of(part).as_bytes())
        .collect();
    let leaf_bytes = *leaf.to_hash().as_bytes();
    let root = independent::root_of_proof(index, size, leaf_bytes, &path);
    let proof = InclusionProof {
        at,
        path: path.iter().copied().map(Hash::from_bytes).collect(),
    };
    // The root that the one says the proof leads to, the other accepts, and no other root.
    let head = |root| TreeHead {
        size: TreeSize::new(size),
        root: Hash::from_bytes(root),
    };
    let accepted = root.is_some_and(|root| proof.verify(leaf, &head(root)).is_ok());
    assert_eq!(accepted, root.is_some());
    let other = *Sha256::of(b"another").as_bytes();
    assert!(proof.verify(leaf, &head(other)).is_err());
}

/// Receipts: what is accepted is written just as it was read.
pub fn receipt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<Receipt>() {
        Ok(receipt) => assert_eq!(receipt.to_string(), text),
        Err(error) => has_an_end(&error),
    }
}

/// Envelopes: the canonical form reads as the same envelope, and has itself as its canonical form.
pub fn envelope(bytes: &[u8]) {
    match Envelope::parse(bytes) {
        Ok(envelope) => {
            let canonical = envelope.to_canonical_json();
            let again = Envelope::parse(&canonical).expect("it was accepted before");
            assert_eq!(again, envelope);
            assert_eq!(again.to_canonical_json(), canonical);
            let json: Value = serde_json::from_slice(&canonical).expect("it is JSON");
            assert_eq!(json, envelope.to_json());
        }
        Err(error) => has_an_end(&error),
    }
}

/// Statements: what the log takes by its schema, every verifier reads.
pub fn statement(bytes: &[u8]) {
    let by_rules = Statement::parse(bytes);
    if let Ok(by_schema) = Statement::parse_by_schema(bytes, 10_000) {
        let by_rules = by_rules.as_ref().expect("the log took it");
        assert_eq!(by_rules.digest, by_schema.digest);
        assert_eq!(by_rules.predicate, by_schema.predicate);
        assert_eq!(by_rules.digest, Sha256::of(bytes));
    }
    if let Err(error) = by_rules {
        has_an_end(&error);
    }
}

/// Canonical JSON: strict JSON is JSON, its canonical form reads the same, and has itself as its canonical form.
pub fn canonical_json(bytes: &[u8]) {
    match parse_strict(bytes) {
        Ok(value) => {
            let other: Value = serde_json::from_slice(bytes).expect("strict JSON is JSON");
            assert_eq!(other, value);
            let canonical = to_canonical_json(&value);
            let again = parse_strict(&canonical).expect("canonical JSON is strict");
            assert_eq!(to_canonical_json(&again), canonical);
            independent::check_canonical(&canonical);
        }
        Err(error) => has_an_end(&error),
    }
}

/// Bundles: what is accepted reads the same when it is written; without the log's signature, nothing holds.
pub fn bundle(bytes: &[u8]) {
    match Bundle::parse(bytes) {
        Ok(bundle) => {
            let written = bundle.to_json();
            let again = Bundle::parse(written.as_bytes()).expect("it was accepted before");
            assert_eq!(again.to_json(), written);
            let key = LogKey::from(signer().verifier_key().clone());
            assert!(bundle.verify(&key).is_err(), "this log has signed nothing");
        }
        Err(error) => has_an_end(&error),
    }
}

/// Proofs of files, chunks and tensors: the same holds for them.
pub fn part_proof(bytes: &[u8]) {
    match PartProof::parse(bytes) {
        Ok(proof) => {
            let written = proof.to_json();
            let again = PartProof::parse(written.as_bytes()).expect("it was accepted before");
            assert_eq!(again, proof);
            assert_eq!(again.to_json(), written);
            let key = LogKey::from(signer().verifier_key().clone());
            assert!(proof.verify(&key).is_err(), "this log has signed nothing");
        }
        Err(error) => has_an_end(&error),
    }
}

/// Manifests: what is accepted has one canonical form, its root follows from its files, and its chunk list has one.
pub fn manifest(bytes: &[u8]) {
    match Manifest::parse(bytes) {
        Ok(manifest) => {
            let canonical = manifest.to_bytes();
            let again = Manifest::parse(&canonical).expect("it was one before");
            assert_eq!(again.to_bytes(), canonical);
            assert_eq!(again.root(), manifest.root());
            let made = Manifest::new(manifest.files().to_vec()).expect("it was one before");
            assert_eq!(made.root(), manifest.root());
            chunk_list(&manifest);
        }
        Err(error) => has_an_end(&error),
    }
}

/// A manifest of two files, `a` and `b`.
fn two_files() -> Manifest {
    let file = |path: &str| ManifestFile {
        path: path.parse().expect("a path"),
        size: Some(1 << 40),
        digest: DigestSet::sha256(Sha256::of(path)),
    };
    Manifest::new(vec![file("a"), file("b")]).expect("a manifest")
}

/// Tensor lists of a release of two files: what is accepted has one canonical form, and each tensor of it can be proven.
pub fn tensor_list(bytes: &[u8]) {
    match TensorList::parse(bytes, &two_files()) {
        Ok(list) => {
            assert_eq!(list.to_bytes(), bytes);
            let stated = list.to_stated();
            let end = list.tensors().len() - 1;
            let proof = list.prove(&[end]).expect("it is there");
            assert!(proof.verify(&stated));
        }
        Err(error) => has_an_end(&error),
    }
}

/// What `diff` compares: two tensor lists, each on a line. A release differs in nothing from itself, and from another one as
/// that does from it.
pub fn difference(bytes: &[u8]) {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let manifest = two_files();
    let read = |bytes| TensorList::parse(bytes, &manifest);
    let (Ok(first), Ok(second)) = (read(&bytes[..at]), read(&bytes[at + 1..])) else {
        return;
    };
    let side = |tensors| Side {
        manifest: &manifest,
        tensors: Some(tensors),
    };
    let itself = Difference::new(side(&first), side(&first));
    assert!(itself.aspects.is_empty(), "{:?}", itself.aspects);
    let there = Difference::new(side(&first), side(&second));
    let back = Difference::new(side(&second), side(&first));
    assert_eq!(there.aspects, back.aspects);
    let (there, back) = there.tensors.zip(back.tensors).expect("both are known");
    assert_eq!(there.same, back.same);
    assert_eq!(there.removed.len(), back.added.len());
    assert_eq!(there.added.len(), back.removed.len());
}

/// Files of weights, in the format that the first byte says: tensors are where the file is, each has a name of its own, and
/// what was read of a file is read of it again. Behind the formats comes the index of a model in shards.
pub fn weights_file(bytes: &[u8]) {
    let Some((format, file)) = bytes.split_first() else {
        return;
    };
    let format = usize::from(*format) % (Format::ALL.len() + 1);
    let Some(format) = Format::ALL.get(format).copied() else {
        return index(file);
    };
    match read(format, &file) {
        Ok(contents) => {
            let mut names = BTreeSet::new();
            for tensor in &contents.tensors {
                assert!(names.insert(&tensor.name), "{:?} twice", tensor.name);
                assert!(tensor.range.start <= tensor.range.end);
                if tensor.file.is_none() {
                    assert!(tensor.range.end <= file.len() as u64);
                }
            }
            // What is read as one of these is one, whatever it is named.
            if format == Format::Pytorch {
                assert_ne!(pickles(&file).ok(), Some(Pickles::None));
            }
            assert_eq!(read(format, &file).ok(), Some(contents));
        }
        Err(error) => has_an_end(&error),
    }
    if let Pickles::Found(words) | Pickles::Unclear(words) =
        pickles(&file).expect("bytes in memory can be read")
    {
        has_an_end(&words);
    }
}

fn index(bytes: &[u8]) {
    match Index::read(&bytes) {
        Ok(index) => {
            // A reader that keeps the last of two names keeps as many, and the same; if it takes what nobody looks at.
            let Ok(json) = serde_json::from_slice::<Value>(bytes) else {
                return;
            };
            let other = json["weight_map"].as_object().expect("it has a map");
            assert_eq!(other.len(), index.weight_map.len());
            for (tensor, file) in &index.weight_map {
                assert_eq!(other[tensor], file.as_str());
            }
        }
        Err(error) => has_an_end(&error),
    }
}

/// Chunk lists of any manifest that may have one: it is written as it was read, and no other one has its root.
fn chunk_list(manifest: &Manifest) {
    let length = ChunkList::bytes_of(manifest);
    if length == 0 || length > 1 << 16 {
        return;
    }
    let mut bytes = vec![7; usize::try_from(length).expect("it is short")];
    let list = ChunkList::parse(&bytes, manifest).expect("it is as long as it should be");
    assert_eq!(list.to_bytes(), bytes);
    let stated = list.to_stated();
    assert_eq!(ChunkList::parse_stated(&bytes, &stated, manifest), Ok(list));
    *bytes.last_mut().expect("there are some") ^= 1;
    assert!(ChunkList::parse_stated(&bytes, &stated, manifest).is_err());
}

/// Model cards with their front matter: what is read of one goes through the schema of its kind.
pub fn front_matter(bytes: &[u8]) {
    let release = "example-lab/tiny@1.0.0".parse().expect("a release");
    match candor_client::sources::model_card::draft("README.md", bytes, &release) {
        Ok(drafts) => drop(drafts),
        Err(error) => has_an_end(&error),
    }
}

/// Lists of checksums: what is read of one is a manifest that reads the same.
pub fn checksum_list(bytes: &[u8]) {
    match candor_client::sources::checksums::manifest("SHA256SUMS", bytes) {
        Ok(manifest) => {
            let written = manifest.to_bytes();
            let again = Manifest::parse(&written).expect("it was one before");
            assert_eq!(again.to_bytes(), written);
        }
        Err(error) => has_an_end(&error),
    }
}

/// Policies: what is accepted asks something, and what is not repeats no secret that it was taken for.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match candor_client::policy::Policy::parse(text) {
        Ok(policy) => assert!(!policy.rules().is_empty()),
        Err(error) => has_an_end(&error),
    }
    let secret = "-----BEGIN PRIVATE KEY-----\ntell-nobody\n-----END PRIVATE KEY-----\n";
    if let Err(error) = candor_client::policy::Policy::parse(&format!("{text}\n{secret}")) {
        has_an_end(&error);
        assert!(!error.to_string().contains("tell-nobody"), "{error}");
    }
}

/// Settings files: nothing repeats the database's address, which may hold a password.
pub fn configuration(bytes: &[u8]) {
    use candor_server::config::{DataOptions, ServeOptions, Settings};
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("candor.toml");
    let secret = "postgres://candor:tell-nobody@db.example.org/candor";
    // Where it stands in its own setting, and not in a text of several lines of another one.
    let is_plain = !text.contains("\"\"\"") && !text.contains("'''");
    let lines = text.lines().map(|line| {
        if is_plain && line.trim_start().starts_with("database") {
            line.replace("SECRET", secret)
        } else {
            line.to_owned()
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(&file, text).expect("it is written");
    let data = DataOptions {
        config: Some(file),
        ..DataOptions::default()
    };
    match Settings::resolve(&data, &ServeOptions::default()) {
        Ok(settings) => assert!(!format!("{settings:?}").contains("tell-nobody")),
        Err(error) => {
            has_an_end(&error);
            assert!(!error.to_string().contains("tell-nobody"), "{error}");
        }
    }
}
