//! Requests that are small, and much work.

use std::time::{Duration, Instant};

use candor_core::Sha256;
use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{
    CHUNK_BYTES, CHUNK_LIST_BYTES_MAX, ChunkList, Manifest, ManifestFile, Place, Tensor, TensorList,
};
use candor_tests::http::multipart;
use candor_tests::statements::sign_with;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

use super::memory_peak;

/// A manifest of `files` files.
pub(crate) fn manifest(files: usize) -> Manifest {
    let digest = Sha256::of(b"weights").to_string();
    let file = |n: usize| ManifestFile {
        path: format!("model-{n:06}.safetensors").parse().expect("a path"),
        size: Some(7),
        digest: DigestSet::new([(Algorithm::Sha256, digest.clone())]).expect("a digest"),
    };
    Manifest::new((0..files).map(file).collect()).expect("a manifest")
}

/// The registration of `name` with 16 keys, and 20 signatures; each names its key, or none does.
fn registration(name: &str, named: bool) -> Value {
    let lab = TestPublisher::new(name);
    let keys: Vec<_> = (0..16)
        .map(|n| lab.with_key(&format!("{name} {n}")))
        .collect();
    let listed = keys.iter().map(TestPublisher::public_key).collect();
    let signers: Vec<_> = keys.iter().chain(&keys[..4]).map(|it| &it.key).collect();
    let mut envelope = sign_with(lab.update(None, listed), &signers);
    if !named {
        for signature in envelope["signatures"].as_array_mut().expect("a list") {
            signature
                .as_object_mut()
                .expect("an object")
                .remove("keyid");
        }
    }
    envelope
}

#[test]
fn signatures_that_name_no_key_are_checked_as_often_as_is_worth_it() {
    let log = TestLog::start();
    let many: Vec<_> = (0..63)
        .map(|n| registration(&format!("lab-{n}"), false))
        .collect();
    let begun = Instant::now();
    let problem = log.publish(&many).expect_status(413).json();
    assert!(begun.elapsed() < Duration::from_secs(2));
    let detail = problem["detail"].to_string();
    assert!(detail.contains("at most 2048 are made"), "{detail}");
    // A few of them, and all of them where each signature says whose it is.
    log.publish(&many[..4]).expect_status(201);
    let named: Vec<_> = (4..63)
        .map(|n| registration(&format!("lab-{n}"), true))
        .collect();
    log.publish(&named).expect_status(201);
}

#[test]
fn keys_that_are_registered_in_the_request_count_for_its_other_records() {
    let log = TestLog::start();
    let lab = TestPublisher::new("lab-0");
    let signature = &lab.api_version("m", "0", "")["signatures"][0]["sig"];
    let records = (0..62).map(|n| {
        let mut record = lab.api_version("m", &n.to_string(), "");
        let signatures = record["signatures"].as_array_mut().expect("a list");
        // Of another record, so that it is tried with every key.
        signatures.resize(19, serde_json::json!({"sig": signature}));
        record
    });
    let records: Vec<_> = std::iter::once(registration("lab-0", true))
        .chain(records)
        .collect();
    let problem = log.publish(&records).expect_status(413).json();
    let detail = problem["detail"].to_string();
    assert!(detail.contains("at most 2048 are made"), "{detail}");
}

#[test]
fn a_manifest_that_many_records_name_is_read_once() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let manifest = manifest(60_000);
    let records = serde_json::to_vec(&[lab.register(), lab.weights("m", "0", &manifest)]);
    let (content_type, body) = multipart(&records.expect("JSON"), &[&manifest.to_bytes()]);
    let begun = Instant::now();
    log.post(content_type, &body).expect_status(201);
    let once = begun.elapsed();
    let many: Vec<_> = (1..=64)
        .map(|n| lab.weights("m", &n.to_string(), &manifest))
        .collect();
    let begun = Instant::now();
    log.publish(&many).expect_status(201);
    let many = begun.elapsed();
    assert!(
        many < 4 * once + Duration::from_secs(1),
        "{many:?}, once {once:?}"
    );
}

#[test]
fn a_chunk_list_that_many_records_name_is_read_once() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    // The longest list that there may be, of a file of 2 TiB.
    let mut file = manifest(1).files()[0].clone();
    file.size = Some((CHUNK_LIST_BYTES_MAX / 32) as u64 * CHUNK_BYTES);
    let manifest = Manifest::new(vec![file]).expect("a manifest");
    let bytes = vec![7; CHUNK_LIST_BYTES_MAX];
    let list = ChunkList::parse(&bytes, &manifest).expect("its list");
    let stated = serde_json::to_value(list.to_stated()).expect("JSON");
    let with_chunks = |version: usize| {
        let weights = lab.weights("m", &version.to_string(), &manifest);
        lab.altered(&weights, |s| s["predicate"]["chunks"] = stated.clone())
    };
    let records = serde_json::to_vec(&[lab.register(), with_chunks(0)]);
    let documents = [manifest.to_bytes(), bytes];
    let documents = documents.each_ref().map(Vec::as_slice);
    let (content_type, body) = multipart(&records.expect("JSON"), &documents);
    log.post(content_type, &body).expect_status(201);
    let before = memory_peak(&log);
    let many: Vec<_> = (1..=64).map(with_chunks).collect();
    log.publish(&many).expect_status(201);
    // 64 of them would be 512 MB.
    let peak = memory_peak(&log);
    assert!(peak < before + 100, "{peak} MB, and {before} before");
}

#[test]
fn a_list_that_is_named_with_many_manifests_is_read_up_to_an_end() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    // A list of some 8 MB, which belongs to each manifest that has the file.
    let weights = manifest(1).files()[0].clone();
    let place = Place {
        path: weights.path.clone(),
        offset: 0,
    };
    let tensor = |n: usize| Tensor {
        bytes: 1,
        dtype: "U8".to_owned(),
        name: format!("{n:01000}"),
        sha256: Sha256::of(b"1"),
        shape: vec![1],
    };
    let tensors = (0..7_000).map(|n| (tensor(n), place.clone()));
    let of_one = Manifest::new(vec![weights.clone()]).expect("a manifest");
    let list = TensorList::new(tensors, &of_one).expect("a list");
    let stated = serde_json::to_value(list.to_stated()).expect("JSON");
    let manifests: Vec<_> = (0..32)
        .map(|n| {
            let mut other = weights.clone();
            other.path = format!("other-{n}").parse().expect("a path");
            Manifest::new(vec![weights.clone(), other]).expect("a manifest")
        })
        .collect();
    let records = |manifests: &[Manifest]| {
        let records = (0..).zip(manifests).map(|(version, manifest)| {
            let record = lab.weights("m", &version.to_string(), manifest);
            lab.altered(&record, |s| s["predicate"]["tensors"] = stated.clone())
        });
        records.collect::<Vec<_>>()
    };
    let publish = |manifests: &[Manifest]| {
        let mut documents = vec![list.to_bytes()];
        documents.extend(manifests.iter().map(Manifest::to_bytes));
        let documents: Vec<_> = documents.iter().map(Vec::as_slice).collect();
        let records = serde_json::to_vec(&records(manifests)).expect("JSON");
        let (content_type, body) = multipart(&records, &documents);
        log.post(content_type, &body)
    };
    log.publish(&[lab.register()]).expect_status(201);
    let problem = publish(&manifests).expect_status(413).json();
    let detail = problem["detail"].to_string();
    assert!(
        detail.contains("at most 134217728 are read for one request"),
        "{detail}"
    );
    assert_eq!(
        problem["hint"],
        "publish fewer releases' weights with one request"
    );
    publish(&manifests[..8]).expect_status(201);
}
