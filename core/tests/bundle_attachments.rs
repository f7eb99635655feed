//! The documents in bundles: what a record names, with the bytes that it names.

mod common;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::bundle::{
    Bundle, BundleError, PartKind, PartProof, PartProofError, Parts, ProvenParts,
};
use candor_core::merkle::LeafIndex;
use candor_core::record::Predicate;
use candor_core::record::kinds::{Attachment, ChunkedFiles, TensorSet, Weights};
use candor_core::weights::{
    CHUNK_BYTES, CHUNKS_MEDIA_TYPE, ChunkList, MANIFEST_MEDIA_TYPE, Manifest, ManifestError, Place,
    TENSORS_MEDIA_TYPE, Tensor, TensorList,
};
use common::story::{Story, manifest, meta_new, story};
use common::{CARD, RELEASE, about, as_array, signed};
use serde_json::Value;

#[test]
fn an_attachment_is_what_its_digest_says() {
    let story = story();
    let error = story.refused(|bundle| {
        bundle.attachments[1].data = BASE64_STANDARD.encode("# OPT 126M\n");
    });
    assert_eq!(
        error.to_string(),
        format!(
            "attachment {}: its bytes have the digest {}",
            Sha256::of(CARD),
            Sha256::of("# OPT 126M\n")
        )
    );
    let error = story.refused(|bundle| bundle.attachments[0].sha256 = Sha256::of("other"));
    assert_eq!(
        error,
        BundleError::Attachment {
            stated: Sha256::of("other"),
            actual: Sha256::of(&story.manifest),
        }
    );
    let error = story.refused(|bundle| bundle.attachments[1].data = "not base64".to_owned());
    assert_eq!(
        error.to_string(),
        format!("attachment {}: its data is not base64", Sha256::of(CARD))
    );
}

#[test]
fn an_attachment_is_one_that_a_record_names() {
    let story = story();
    let error = story.refused(|bundle| bundle.attach("text/plain", b"what nobody signed"));
    let sha256 = Sha256::of(b"what nobody signed");
    assert_eq!(error, BundleError::AttachmentNotNamed(sha256));
    // Without them, a bundle proves less, and what it proves still holds.
    let mut without = story.bundle.clone();
    without.attachments.clear();
    let verified = without.verify(&story.key()).expect("the records hold");
    assert!(verified.manifests.is_empty());
}

#[test]
fn a_manifest_is_what_its_record_says() {
    let mut story = story();
    let verified = story.bundle.verify(&story.key()).expect("all holds");
    assert_eq!(verified.manifests[&story.weights], manifest());
    // A record of a server that did not look: the digest is the manifest's, the number of files is not.
    let mut predicate = manifest().to_weights();
    predicate.files += 1;
    let subject = predicate.manifest.digest.sha256;
    let weights = about(RELEASE, subject, &Predicate::Weights(predicate));
    let index = story.log.append(&signed(weights, &[&meta_new()]));
    story.size = story.log.size();
    let mut bundle = story.bundle_of(&[story.meta, story.meta_second, index]);
    bundle.attach(MANIFEST_MEDIA_TYPE, &story.manifest);
    let error = bundle.verify(&story.key()).expect_err("one file too many");
    assert!(
        matches!(&error, BundleError::Manifest { index: at, .. } if *at == index),
        "{error}"
    );
}

#[test]
fn a_chunk_list_is_what_its_record_says() {
    // A record of a file of two chunks, and the list of them.
    let large = common::files::file("large.bin", b"any");
    let large = candor_core::weights::ManifestFile {
        size: Some(CHUNK_BYTES + 1),
        ..large
    };
    let manifest = common::files::manifest(vec![large]);
    let list = ChunkList::parse(&[7; 64], &manifest).expect("two leaf hashes");
    let other = ChunkList::parse(&[8; 64], &manifest).expect("two leaf hashes");
    let bundle_with = |stated: ChunkedFiles, bytes: &[u8]| {
        let predicate = Weights {
            chunks: Some(stated),
            ..manifest.to_weights()
        };
        let (story, index, mut bundle) = bundle_of_weights(&manifest, predicate);
        bundle.attach(CHUNKS_MEDIA_TYPE, bytes);
        (index, bundle.verify(&story.key()))
    };
    let (index, verified) = bundle_with(list.to_stated(), &[7; 64]);
    assert_eq!(verified.expect("all holds").chunk_lists[&index], list);
    // Records of a server that did not look: the digest is the list's, the root is not, or the length.
    let root = ChunkedFiles {
        root: list.to_stated().root,
        ..other.to_stated()
    };
    let length = ChunkedFiles {
        list: Attachment::describe("chunks.bin", CHUNKS_MEDIA_TYPE, &[7; 32]),
        root: list.to_stated().root,
    };
    for (stated, bytes) in [(root, [8; 64].as_slice()), (length, &[7; 32])] {
        let (index, refused) = bundle_with(stated, bytes);
        let error = refused.expect_err("another list");
        assert!(
            matches!(&error, BundleError::Manifest { index: at, error: ManifestError::Chunks(_) } if *at == index),
            "{error}"
        );
    }
}

/// A file with two tensors, and the list of them.
fn tensors() -> (Manifest, TensorList) {
    let file = common::files::file("model.safetensors", b"12345678");
    let manifest = common::files::manifest(vec![file.clone()]);
    let tensor = |name: &str, offset: u64, data: &[u8]| {
        let tensor = Tensor {
            bytes: 4,
            dtype: "F32".to_owned(),
            name: name.to_owned(),
            sha256: Sha256::of(data),
            shape: vec![1],
        };
        let path = file.path.clone();
        (tensor, Place { path, offset })
    };
    let both = [tensor("v", 0, b"1234"), tensor("w", 4, b"5678")];
    let list = TensorList::new(both, &manifest).expect("a list");
    (manifest, list)
}

/// A log with a weights record of `manifest` that says of its tensors what is `stated`; where it is, and the bundle.
fn bundle_of(manifest: &Manifest, stated: TensorSet) -> (Story, LeafIndex, Bundle) {
    let predicate = Weights {
        tensors: Some(stated),
        ..manifest.to_weights()
    };
    bundle_of_weights(manifest, predicate)
}

/// A log with this record of `manifest`; where it is, and the bundle.
fn bundle_of_weights(manifest: &Manifest, predicate: Weights) -> (Story, LeafIndex, Bundle) {
    let mut story = story();
    let subject = predicate.manifest.digest.sha256;
    let weights = about(RELEASE, subject, &Predicate::Weights(predicate));
    let index = story.log.append(&signed(weights, &[&meta_new()]));
    story.size = story.log.size();
    let mut bundle = story.bundle_of(&[story.meta, story.meta_second, index]);
    bundle.attach(MANIFEST_MEDIA_TYPE, &manifest.to_bytes());
    (story, index, bundle)
}

#[test]
fn a_tensor_list_is_what_its_record_says() {
    let (manifest, list) = tensors();
    let (story, index, mut bundle) = bundle_of(&manifest, list.to_stated());
    bundle.attach(TENSORS_MEDIA_TYPE, &list.to_bytes());
    let verified = bundle.verify(&story.key()).expect("all holds");
    assert_eq!(verified.tensor_lists[&index], list);
    assert_eq!(verified.weights().map(|(at, _)| at), Some(index));
    // A record of a server that did not look: the digest is the list's, and the number is not.
    let mut stated = list.to_stated();
    stated.count += 1;
    let (story, index, mut bundle) = bundle_of(&manifest, stated);
    bundle.attach(TENSORS_MEDIA_TYPE, &list.to_bytes());
    let error = bundle.verify(&story.key()).expect_err("another list");
    assert!(
        matches!(&error, BundleError::Manifest { index: at, error: ManifestError::Tensors(_) } if *at == index),
        "{error}"
    );
}

#[test]
fn tensors_are_proven_from_the_logs_key_down() {
    let (manifest, list) = tensors();
    let (story, index, bundle) = bundle_of(&manifest, list.to_stated());
    let parts = || Parts::Tensors(list.prove(&[1]).expect("it is there"));
    let proof = PartProof::new(bundle, parts());
    assert!(proof.bundle.attachments.is_empty());
    let read = PartProof::parse(proof.to_json().as_bytes()).expect("as it was written");
    assert_eq!(read, proof);
    let verified = proof.verify(&story.key()).expect("all holds");
    assert_eq!(verified.weights, index);
    let ProvenParts::Tensors(proven) = &verified.parts else {
        panic!("other parts than were proven: {:?}", verified.parts);
    };
    assert_eq!(proven[0].tensor, list.tensors()[1].tensor);

    let mut other = proof.clone();
    if let Parts::Tensors(it) = &mut other.parts {
        it.tensors[0].tensor.sha256 = Sha256::of("other");
    }
    let error = other.verify(&story.key()).expect_err("another tensor");
    let kind = PartKind::Tensors;
    assert_eq!(error, PartProofError::Root { index, parts: kind });
    // What a record says counts only if it is in the log, and signed by those who had to.
    let mut other = proof.clone();
    other.bundle.records[2].proof[0] = other.bundle.records[1].proof[0];
    let error = other.verify(&story.key()).expect_err("not in the log");
    assert!(matches!(error, PartProofError::Bundle(_)), "{error}");
    let mut other = proof.clone();
    other.bundle.records.truncate(2);
    let error = other.verify(&story.key()).expect_err("no weights record");
    assert!(
        matches!(error, PartProofError::Bundle(BundleError::NothingAbout(_))),
        "{error}"
    );
    // A release whose record names no tensors, and none of whose files has chunks.
    let story = self::story();
    let other = PartProof::new(story.bundle.clone(), parts());
    let error = other.verify(&story.key()).expect_err("no tensors");
    assert!(
        matches!(
            error,
            PartProofError::NotStated {
                parts: PartKind::Tensors,
                ..
            }
        ),
        "{error}"
    );
    let (_, chunks) = chunks();
    let chunk = chunks.prove(&"large.bin".parse().expect("a path"), &[1]);
    let chunk = Parts::Chunks(chunk.expect("it is there"));
    let other = PartProof::new(story.bundle.clone(), chunk);
    let error = other.verify(&story.key()).expect_err("no chunks");
    assert!(
        matches!(
            error,
            PartProofError::NotStated {
                parts: PartKind::Chunks,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_no_proof_is_told_from_one() {
    let (manifest, list) = tensors();
    let (_, _, bundle) = bundle_of(&manifest, list.to_stated());
    let proof = PartProof::new(
        bundle,
        Parts::Tensors(list.prove(&[1]).expect("it is there")),
    )
    .to_json();
    for (text, words) in [
        ("", "not strict JSON"),
        ("{}", "missing field"),
        (&*proof.replace("proof:v1", "proof:v2"), "its type is not"),
        (
            &*proof.replacen("\"hashes\"", "\"more\": 1, \"hashes\"", 1),
            "unknown field",
        ),
        (
            &*proof.replacen("\"parts\"", "\"more\": 1, \"parts\"", 1),
            "unknown field",
        ),
        (
            &*proof.replacen("\"hashes\"", "\"tensors\": [], \"hashes\"", 1),
            "tensors",
        ),
        (
            &*proof.replace("\"of\": \"tensors\"", "\"of\": \"letters\""),
            "unknown variant",
        ),
        (
            &*proof.replace("\"of\": \"tensors\"", "\"of\": \"files\""),
            "unknown field `tensors`",
        ),
    ] {
        let said = PartProof::parse(text.as_bytes())
            .expect_err(words)
            .to_string();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn an_array_is_no_object_of_a_proof() {
    let (manifest, list) = tensors();
    let (large, chunks) = chunks();
    let (_, _, bundle) = bundle_of(&manifest, list.to_stated());
    let json = |parts| {
        let proof = PartProof::new(bundle.clone(), parts).to_json();
        serde_json::from_str::<Value>(&proof).expect("JSON")
    };
    let path = large.files()[0].path.clone();
    let tensors = json(Parts::Tensors(list.prove(&[1]).expect("there")));
    let files = json(Parts::Files(
        large.prove(std::slice::from_ref(&path)).expect("there"),
    ));
    let chunks = json(Parts::Chunks(chunks.prove(&path, &[1]).expect("there")));
    let objects: [(&Value, &str, &[&str]); 12] = [
        (&tensors, "", &["proof", "bundle", "parts"]),
        (&tensors, "/parts", &["of", "tensors", "hashes"]),
        (&tensors, "/parts/tensors/0", &["index", "tensor", "places"]),
        (
            &tensors,
            "/parts/tensors/0/tensor",
            &["bytes", "dtype", "name", "sha256", "shape"],
        ),
        (&tensors, "/parts/tensors/0/places/0", &["path", "offset"]),
        (&files, "/parts", &["of", "files", "hashes"]),
        (&files, "/parts/files/0", &["index", "file"]),
        (&files, "/parts/files/0/file", &["path", "size", "digest"]),
        (
            &chunks,
            "/parts",
            &["of", "file", "siblings", "chunks", "hashes"],
        ),
        (&chunks, "/parts/file", &["bytes", "path", "root"]),
        (&chunks, "/parts/chunks/0", &["index", "leaf"]),
        (&chunks, "/bundle/records/0", &["index", "entry", "proof"]),
    ];
    for (good, pointer, fields) in objects {
        let mut json = good.clone();
        PartProof::parse(json.to_string().as_bytes()).expect("objects");
        as_array(&mut json, pointer, fields);
        let said = PartProof::parse(json.to_string().as_bytes()).expect_err(pointer);
        let said = said.to_string();
        let of_parts = "invalid type: sequence, expected a map";
        assert!(
            said.contains("an array stands where an object should") || said.ends_with(of_parts),
            "{pointer}: {said}"
        );
    }
}

/// A file of two chunks, and the list of them.
fn chunks() -> (Manifest, ChunkList) {
    let large = candor_core::weights::ManifestFile {
        size: Some(CHUNK_BYTES + 1),
        ..common::files::file("large.bin", b"any")
    };
    let manifest = common::files::manifest(vec![large]);
    let leaves = [[7; 32], [8; 32]].concat();
    let list = ChunkList::parse(&leaves, &manifest).expect("two leaf hashes");
    (manifest, list)
}

#[test]
fn files_and_chunks_are_proven_from_the_logs_key_down() {
    let (manifest, list) = chunks();
    let predicate = Weights {
        chunks: Some(list.to_stated()),
        ..manifest.to_weights()
    };
    let (story, index, bundle) = bundle_of_weights(&manifest, predicate);
    let path = manifest.files()[0].path.clone();
    let files = manifest.prove(std::slice::from_ref(&path)).expect("there");
    let proof = PartProof::new(bundle.clone(), Parts::Files(files));
    assert_eq!(
        PartProof::parse(proof.to_json().as_bytes()).as_ref(),
        Ok(&proof)
    );
    let verified = proof.verify(&story.key()).expect("all holds");
    assert_eq!(verified.parts, ProvenParts::Files(manifest.clone()));

    let chunk = list.prove(&path, &[1]).expect("there");
    let proof = PartProof::new(bundle.clone(), Parts::Chunks(chunk.clone()));
    assert_eq!(
        PartProof::parse(proof.to_json().as_bytes()).as_ref(),
        Ok(&proof)
    );
    let verified = proof.verify(&story.key()).expect("all holds");
    assert_eq!(verified.parts, ProvenParts::Chunks(chunk));

    // Those of another release do not lead to the root of this one.
    let others = self::manifest();
    let files = others.prove(&[others.files()[0].path.clone()]);
    let other = PartProof::new(bundle, Parts::Files(files.expect("there")));
    let error = other.verify(&story.key()).expect_err("another release's");
    let kind = PartKind::Files;
    assert_eq!(error, PartProofError::Root { index, parts: kind });
}
