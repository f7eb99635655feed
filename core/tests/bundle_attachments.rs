//! The documents in bundles: what a record names, with the bytes that it names.

mod common;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::bundle::BundleError;
use candor_core::record::Predicate;
use candor_core::record::kinds::{Attachment, ChunkedFiles, TensorSet, Weights};
use candor_core::weights::{
    CHUNK_BYTES, CHUNKS_MEDIA_TYPE, ChunkList, MANIFEST_MEDIA_TYPE, ManifestError, Place,
    TENSORS_MEDIA_TYPE, Tensor, TensorList,
};
use common::story::{manifest, meta_new, story};
use common::{CARD, RELEASE, about, signed};

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
        let mut story = story();
        let predicate = Weights {
            chunks: Some(stated),
            ..manifest.to_weights()
        };
        let subject = predicate.manifest.digest.sha256;
        let weights = about(RELEASE, subject, &Predicate::Weights(predicate));
        let index = story.log.append(&signed(weights, &[&meta_new()]));
        story.size = story.log.size();
        let mut bundle = story.bundle_of(&[story.meta, story.meta_second, index]);
        bundle.attach(MANIFEST_MEDIA_TYPE, &manifest.to_bytes());
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

#[test]
fn a_tensor_list_is_what_its_record_says() {
    let file = common::files::file("model.safetensors", b"12345678");
    let manifest = common::files::manifest(vec![file.clone()]);
    let list_of = |name: &str| {
        let tensor = Tensor {
            bytes: 8,
            dtype: "F64".to_owned(),
            name: name.to_owned(),
            sha256: Sha256::of(b"12345678"),
            shape: vec![1],
        };
        let path = file.path.clone();
        TensorList::new([(tensor, Place { path, offset: 0 })], &manifest).expect("a list")
    };
    let (list, other) = (list_of("w"), list_of("v"));
    let bundle_with = |stated: TensorSet, bytes: &[u8]| {
        let mut story = story();
        let predicate = Weights {
            tensors: Some(stated),
            ..manifest.to_weights()
        };
        let subject = predicate.manifest.digest.sha256;
        let weights = about(RELEASE, subject, &Predicate::Weights(predicate));
        let index = story.log.append(&signed(weights, &[&meta_new()]));
        story.size = story.log.size();
        let mut bundle = story.bundle_of(&[story.meta, story.meta_second, index]);
        bundle.attach(MANIFEST_MEDIA_TYPE, &manifest.to_bytes());
        bundle.attach(TENSORS_MEDIA_TYPE, bytes);
        (index, bundle.verify(&story.key()))
    };
    let (index, verified) = bundle_with(list.to_stated(), &list.to_bytes());
    assert_eq!(verified.expect("all holds").tensor_lists[&index], list);
    // A record of a server that did not look: the digest is the list's, and the root is not.
    let stated = TensorSet {
        root: list.root(),
        ..other.to_stated()
    };
    let (index, refused) = bundle_with(stated, &other.to_bytes());
    let error = refused.expect_err("another list");
    assert!(
        matches!(&error, BundleError::Manifest { index: at, error: ManifestError::Tensors(_) } if *at == index),
        "{error}"
    );
}
