//! A folder held against a manifest.

mod common;

use candor_core::Sha256;
use candor_core::record::Algorithm;
use candor_core::weights::{Comparison, FoundFile, Manifest, ManifestFile};
use common::files::{MD5, file, folder, manifest, path, with_digests};

/// Holds `files` against a manifest.
fn compare(manifest: &Manifest, files: &[ManifestFile]) -> Comparison {
    let found: Vec<_> = files.iter().map(as_found).collect();
    Comparison::new(manifest, &found)
}

fn as_found(file: &ManifestFile) -> FoundFile {
    FoundFile {
        path: file.path.clone(),
        size: file.size.expect("whoever has a file knows its size"),
        digest: Some(file.digest.clone()),
    }
}

#[test]
fn a_folder_that_is_as_listed_is_proven() {
    let files = folder(5);
    let comparison = compare(&manifest(files.clone()), &files);
    assert_eq!(
        comparison,
        Comparison {
            same: 5,
            ..Comparison::default()
        }
    );
    assert!(comparison.is_proven());
    assert!(!comparison.is_refuted());
}

#[test]
fn changed_missing_and_extra_files_refute_a_folder() {
    let listed = manifest(vec![
        file("added/missing", b""),
        file("changed", b"1"),
        file("grown", b"1"),
        file("same", b"1"),
    ]);
    let found = [
        file("extra/one", b""),
        file("changed", b"2"),
        file("grown", b"11"),
        file("same", b"1"),
        file("extra/two", b""),
    ];
    let comparison = compare(&listed, &found);
    assert_eq!(comparison.same, 1);
    assert_eq!(comparison.missing, [path("added/missing")]);
    assert_eq!(comparison.extra, [path("extra/one"), path("extra/two")]);
    let changed: Vec<_> = comparison
        .changed
        .iter()
        .map(|change| (change.listed.path.as_str(), change.found.size))
        .collect();
    assert_eq!(changed, [("changed", 1), ("grown", 2)]);
    assert_eq!(comparison.changed[0].listed, listed.files()[1]);
    assert_eq!(comparison.changed[0].found, as_found(&found[1]));
    assert!(comparison.is_refuted());
    assert!(!comparison.is_proven());

    // Each of them alone is enough.
    let one = manifest(vec![file("a", b"1")]);
    for found in [
        vec![file("a", b"2")],
        vec![],
        vec![file("a", b"1"), file("b", b"")],
        // A renamed file is missing under one name and extra under the other.
        vec![file("A", b"1")],
    ] {
        let comparison = compare(&one, &found);
        assert!(comparison.is_refuted(), "{found:?}");
        assert!(!comparison.is_proven(), "{found:?}");
    }
}

#[test]
fn a_weak_digest_proves_nothing_and_refutes_much() {
    let listed = manifest(vec![with_digests("a", None, &[(Algorithm::Md5, MD5)])]);
    let found = |md5: &str| {
        [with_digests(
            "a",
            Some(0),
            &[
                (Algorithm::Md5, md5),
                (Algorithm::Sha256, &Sha256::of("").to_string()),
            ],
        )]
    };
    let comparison = compare(&listed, &found(MD5));
    assert_eq!(comparison.only_weakly_same, [path("a")]);
    assert!(!comparison.is_refuted());
    assert!(!comparison.is_proven());

    let comparison = compare(&listed, &found(&MD5.replace('d', "e")));
    assert_eq!(comparison.changed.len(), 1);
    assert!(comparison.is_refuted());
}

#[test]
fn a_file_without_a_digest_in_common_is_not_compared() {
    let listed = manifest(vec![
        with_digests("a", Some(0), &[(Algorithm::Blake3, &"0".repeat(64))]),
        with_digests("b", Some(0), &[(Algorithm::Blake3, &"0".repeat(64))]),
    ]);
    let comparison = compare(&listed, &[file("a", b""), file("b", b"1")]);
    assert_eq!(comparison.not_compared, [path("a")]);
    assert_eq!(comparison.same, 0);
    assert!(!comparison.is_proven());
    // Its size can still refute it.
    assert_eq!(comparison.changed.len(), 1);
    assert!(comparison.is_refuted());
}

#[test]
fn a_size_refutes_without_a_digest() {
    let listed = manifest(vec![file("a", b"1")]);
    let found = |size| FoundFile {
        path: path("a"),
        size,
        digest: None,
    };
    assert!(Comparison::new(&listed, &[found(2)]).is_refuted());
    let comparison = Comparison::new(&listed, &[found(1)]);
    assert_eq!(comparison.not_compared, [path("a")]);
    assert!(!comparison.is_refuted() && !comparison.is_proven());
}

#[test]
fn every_digest_in_common_must_agree() {
    let sha256 = Sha256::of("").to_string();
    let digests = |md5: &str| {
        with_digests(
            "a",
            Some(0),
            &[(Algorithm::Md5, md5), (Algorithm::Sha256, &sha256)],
        )
    };
    let listed = manifest(vec![digests(MD5)]);
    assert!(compare(&listed, &[digests(MD5)]).is_proven());
    // Somebody made the statement up: no file has these two digests.
    assert!(compare(&listed, &[digests(&"0".repeat(32))]).is_refuted());
}
