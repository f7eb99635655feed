//! Manifests: the root over a release's files, and what is no manifest.

mod common;

use std::collections::BTreeSet;

use candor_core::Sha256;
use candor_core::record::kinds::{Strength, Weights};
use candor_core::record::{Algorithm, DigestSet, to_canonical_json};
use candor_core::weights::{
    Comparison, FoundFile, MANIFEST_FILES_MAX, MANIFEST_MEDIA_TYPE, Manifest, ManifestError,
    ManifestFile,
};
use common::files::{MD5, SHA1, file, folder, manifest, path, with_digests};
use serde_json::{Value, json};
use sha2::Digest as _;

/// `MTH(D[n])` of RFC 6962 section 2.1, word by word.
fn tree_hash(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves {
        [] => panic!("a release has files"),
        [leaf] => sha2::Sha256::digest([&[0], leaf.as_slice()].concat()).into(),
        leaves => {
            let mut k = 1;
            while 2 * k < leaves.len() {
                k *= 2;
            }
            let (left, right) = (tree_hash(&leaves[..k]), tree_hash(&leaves[k..]));
            sha2::Sha256::digest([&[1], left.as_slice(), &right].concat()).into()
        }
    }
}

fn refused(files: Vec<ManifestFile>) -> String {
    Manifest::new(files)
        .expect_err("it should be refused")
        .to_string()
}

fn refused_json(manifest: &Value) -> String {
    Manifest::parse(&to_canonical_json(manifest))
        .expect_err("it should be refused")
        .to_string()
}

#[test]
fn the_root_is_that_of_rfc_6962_for_every_count_to_70() {
    for count in 1..=70 {
        let manifest = manifest(folder(count));
        let json: Value = serde_json::from_slice(&manifest.to_bytes()).expect("JSON");
        let leaves: Vec<_> = json["files"]
            .as_array()
            .expect("a list")
            .iter()
            .map(to_canonical_json)
            .collect();
        assert_eq!(leaves.len(), count);
        assert_eq!(
            manifest.root().to_string(),
            hex::encode(tree_hash(&leaves)),
            "{count} files"
        );
    }
}

#[test]
fn a_leaf_is_the_canonical_json_of_a_file() {
    let manifest = manifest(vec![file("a", b"")]);
    let leaf = format!(
        "{{\"digest\":{{\"sha256\":\"{}\"}},\"path\":\"a\",\"size\":0}}",
        Sha256::of("")
    );
    assert_eq!(
        manifest.root().to_string(),
        hex::encode(tree_hash(&[leaf.into_bytes()]))
    );
}

#[test]
fn the_order_in_which_files_are_found_does_not_matter() {
    let files = folder(9);
    let sorted = manifest(files.clone());
    let reversed = manifest(files.into_iter().rev().collect());
    assert_eq!(sorted, reversed);
    assert_eq!(sorted.to_bytes(), reversed.to_bytes());
    assert_eq!(sorted.root(), reversed.root());
}

#[test]
fn files_are_sorted_by_the_bytes_of_their_paths() {
    let paths = ["B", "a.b", "a/b", "a0", "\u{ff5e}", "\u{1f602}"];
    let manifest = manifest(paths.iter().rev().map(|path| file(path, b"")).collect());
    let listed: Vec<_> = manifest.files().iter().map(|f| f.path.as_str()).collect();
    // `.` sorts below `/`, and both below digits; UTF-8 decides beyond ASCII, not UTF-16.
    assert_eq!(listed, ["B", "a.b", "a/b", "a0", "\u{ff5e}", "\u{1f602}"]);
}

type Change = fn(&mut Vec<ManifestFile>);

#[test]
fn whatever_changes_a_file_changes_the_root() {
    let original = || vec![file("a", b"1"), file("b", b"22"), file("empty", b"")];
    let root = manifest(original()).root();
    let changes: [(&str, Change); 8] = [
        ("two paths are swapped", |files| {
            let (a, b) = (files[0].path.clone(), files[1].path.clone());
            (files[0].path, files[1].path) = (b, a);
        }),
        ("a file is renamed", |files| files[1].path = path("c")),
        ("a file has other bytes", |files| {
            files[1].digest = DigestSet::sha256(Sha256::of("23"));
        }),
        ("a file has another size", |files| files[1].size = Some(3)),
        ("two digests are swapped", |files| {
            let (a, b) = (files[0].digest.clone(), files[1].digest.clone());
            (files[0].digest, files[1].digest) = (b, a);
        }),
        ("an empty file is gone", |files| {
            files.pop();
        }),
        ("an empty file is added", |files| {
            files.push(file("another", b""));
        }),
        ("a digest is added", |files| {
            files[0] = with_digests(
                "a",
                Some(1),
                &[
                    (Algorithm::Sha256, &Sha256::of("1").to_string()),
                    (Algorithm::Md5, MD5),
                ],
            );
        }),
    ];
    let mut roots = BTreeSet::from([root.to_string()]);
    for (what, change) in changes {
        let mut files = original();
        change(&mut files);
        assert!(
            roots.insert(manifest(files).root().to_string()),
            "the root is one of before when {what}"
        );
    }
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    for count in [1, 2, 70] {
        let manifest = manifest(folder(count));
        assert_eq!(
            Manifest::parse(&manifest.to_bytes()).expect("its own bytes"),
            manifest
        );
    }
    // As published long ago: weak digests, and no sizes.
    let old = manifest(vec![
        with_digests("reshard-0.pt", None, &[(Algorithm::Md5, MD5)]),
        with_digests(
            "reshard-1.pt",
            Some(0),
            &[(Algorithm::Md5, MD5), (Algorithm::Sha1, SHA1)],
        ),
    ]);
    assert_eq!(Manifest::parse(&old.to_bytes()), Ok(old));
}

#[test]
fn a_path_is_listed_once() {
    manifest(vec![file("a", b"1"), file("b", b"1")]);
    assert_eq!(
        refused(vec![file("a", b"1"), file("b", b"1"), file("a", b"2")]),
        "a is listed twice"
    );
    assert_eq!(
        refused(vec![file("a", b"1"), file("a", b"1")]),
        "a is listed twice"
    );
}

#[test]
fn a_path_is_a_file_or_a_folder() {
    manifest(vec![file("a/b", b""), file("a/c/d", b""), file("ab", b"")]);
    assert_eq!(
        refused(vec![file("a", b""), file("a/b", b"")]),
        "a is listed as a file, and other files are listed inside it"
    );
    // With a path between the two in the order of bytes.
    assert_eq!(
        refused(vec![
            file("a/c", b""),
            file("a/c.b", b""),
            file("a/c/d/e", b"")
        ]),
        "a/c is listed as a file, and other files are listed inside it"
    );
}

#[test]
fn lists_of_digests_alone_have_no_total_and_are_as_strong_as_their_digests() {
    let digest = Sha256::of("").to_string();
    let sha256 = [(Algorithm::Sha256, digest.as_str())];
    let of = |files: Vec<ManifestFile>| manifest(files).to_weights();
    let stated = of(vec![with_digests("a", None, &sha256)]);
    assert_eq!((stated.bytes, stated.strength), (None, Strength::Strong));
    // One file without a size is enough for the total to be unknown.
    assert_eq!(
        of(vec![file("a", b""), with_digests("b", None, &sha256)]).bytes,
        None
    );
    let stated = of(vec![with_digests("a", None, &[(Algorithm::Md5, MD5)])]);
    assert_eq!((stated.bytes, stated.strength), (None, Strength::Weak));
}

#[test]
fn a_release_has_one_to_200_000_files() {
    assert_eq!(
        refused(Vec::new()),
        "a manifest lists 1 to 200000 files, and this one lists 0"
    );
    let mut files = vec![file("a", b""); MANIFEST_FILES_MAX + 1];
    assert_eq!(
        refused(files.clone()),
        "a manifest lists 1 to 200000 files, and this one lists 200001"
    );
    // One less is counted, and then refused for what it is.
    files.pop();
    assert_eq!(refused(files), "a is listed twice");
    assert_eq!(
        refused_json(&json!({ "manifest": "urn:candor:manifest:v1", "files": [] })),
        "a manifest lists 1 to 200000 files, and this one lists 0"
    );
}

#[test]
fn another_spelling_of_a_manifest_is_refused() {
    let bytes = manifest(vec![file("a", b"1"), file("b", b"22")]).to_bytes();
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let mut unsorted = json.clone();
    unsorted["files"].as_array_mut().expect("a list").reverse();
    let spellings = [
        serde_json::to_string_pretty(&json).expect("JSON"),
        format!("{text}\n"),
        text.replacen("\"size\":1", "\"size\": 1", 1),
        text.replacen("\"a\"", "\"\\u0061\"", 1),
        serde_json::to_string(&json!({
            "manifest": json["manifest"],
            "files": json["files"],
        }))
        .expect("JSON")
        .replacen("{\"files\"", "{ \"files\"", 1),
        serde_json::to_string(&unsorted).expect("JSON"),
    ];
    for spelling in spellings {
        assert_eq!(
            Manifest::parse(spelling.as_bytes()),
            Err(ManifestError::NotCanonical),
            "{spelling}"
        );
    }
    assert_eq!(
        ManifestError::NotCanonical.to_string(),
        "the manifest is not in canonical form (RFC 8785), or its files are not sorted by path"
    );
}

#[test]
fn what_a_manifest_does_not_have_is_refused() {
    let good: Value =
        serde_json::from_slice(&manifest(vec![file("a", b"1")]).to_bytes()).expect("JSON");
    let changed = |change: fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        refused_json(&json)
    };
    assert_eq!(
        changed(|m| m["mode"] = json!(1)),
        "this is not a manifest: unknown field `mode`, expected `manifest` or `files`"
    );
    assert_eq!(
        changed(|m| m["files"][0]["mode"] = json!(420)),
        "this is not a manifest: unknown field `mode`, expected one of `path`, `size`, `digest`"
    );
    assert_eq!(
        changed(|m| m["manifest"] = json!("urn:candor:manifest:v2")),
        "this is not a manifest: its type is not \"urn:candor:manifest:v1\""
    );
    assert_eq!(
        changed(|m| m["files"] = Value::Null),
        "this is not a manifest: invalid type: null, expected a sequence"
    );
    assert_eq!(
        changed(|m| m["files"][0]["digest"] = json!({})),
        "this is not a manifest: a digest set names at least one digest"
    );
    assert_eq!(
        changed(|m| m["files"][0]["digest"] = json!({ "crc32": "00000000" })),
        "this is not a manifest: \"crc32\" is no digest algorithm that Candor knows"
    );
    assert_eq!(
        changed(|m| m["files"][0]["digest"] = json!({ "md5": "00" })),
        "this is not a manifest: \"00\" is no md5 digest, which has 32 lower-case hexadecimal digits"
    );
    assert_eq!(
        changed(|m| m["files"][0]["size"] = json!(-1)),
        "this is not a manifest: invalid value: integer `-1`, expected u64"
    );
    assert_eq!(
        Manifest::parse(b"{\"files\":[],\"files\":[]}")
            .expect_err("a key twice")
            .to_string(),
        "this is not a manifest: duplicate field `files`"
    );
    let file = r#"{"digest":{"md5":"00000000000000000000000000000000","md5":"00000000000000000000000000000000"},"path":"a"}"#;
    let twice = format!(r#"{{"files":[{file}],"manifest":"urn:candor:manifest:v1"}}"#);
    assert_eq!(
        Manifest::parse(twice.as_bytes()),
        Err(ManifestError::NotCanonical)
    );
}

/// A stranger's list is read file by file: what is no file ends it, and so does one file too many.
#[test]
fn a_manifest_is_read_no_further_than_the_last_file_it_can_have() {
    let refused = |file: &str, times: usize, behind: &str| {
        let files = vec![file; times].join(",");
        Manifest::parse(format!("{{\"files\":[{files}{behind}").as_bytes())
            .expect_err("no manifest")
            .to_string()
    };
    // What stands behind is not even looked at.
    assert_eq!(
        refused(r#"{"":0}"#, 1, "never read"),
        "this is not a manifest: unknown field ``, expected one of `path`, `size`, `digest`"
    );
    let file = r#"{"digest":{"md5":"00000000000000000000000000000000"},"path":"a"}"#;
    assert_eq!(
        refused(file, MANIFEST_FILES_MAX + 1, "never read"),
        "this is not a manifest: it lists more than 200000 files"
    );
}

/// Thousands of folders to a path, and thousands of such paths.
#[test]
fn a_file_among_deep_folders_is_found_to_be_one_of_them() {
    let deep = "a/".repeat(2_000);
    let files = |first: &str| {
        let mut files: Vec<_> = (0..2_000)
            .map(|n| file(&format!("{n}/{deep}b"), b""))
            .collect();
        files.push(file(first, b""));
        Manifest::new(files)
    };
    files("7-/a").expect("a name that only looks like a folder's");
    let error = files("7/a/a").expect_err("a file and a folder");
    assert_eq!(error, ManifestError::FileAndFolder(path("7/a/a")));
}

#[test]
fn a_path_that_leads_out_of_the_folder_is_refused() {
    let good: Value =
        serde_json::from_slice(&manifest(vec![file("a", b"1")]).to_bytes()).expect("JSON");
    for (bad, why) in [
        (
            "../a",
            "the path \"../a\" has the part \"..\", which could lead out of the release's folder or has two spellings",
        ),
        (
            "a/../../etc/passwd",
            "the path \"a/../../etc/passwd\" has the part \"..\", which could lead out of the release's folder or has two \
             spellings",
        ),
        (
            "/etc/passwd",
            "the path \"/etc/passwd\" is absolute, and must be relative to the release's folder",
        ),
        (
            "C:/x",
            "the path \"C:/x\" is absolute, and must be relative to the release's folder",
        ),
        (
            "a\\b",
            "the path \"a\\\\b\" has a backslash, which some systems take for a separator; write /",
        ),
        (
            "a\u{202e}b",
            "the path \"a\\u{202e}b\" can't be shown as it is: it has U+202E, which is invisible or changes the order of \
             the text around it",
        ),
        ("", "the path \"\" has 0 bytes, and may have 1 to 4096"),
    ] {
        let mut json = good.clone();
        json["files"][0]["path"] = json!(bad);
        assert_eq!(
            refused_json(&json),
            format!("this is not a manifest: {why}")
        );
    }
}

#[test]
fn a_manifest_says_what_the_statement_says_of_it() {
    let manifest = manifest(vec![file("a", b"1"), file("b", b"22"), file("c", b"")]);
    let weights = manifest.to_weights();
    assert_eq!(weights.files, 3);
    assert_eq!(weights.bytes, Some(3));
    assert_eq!(weights.algorithms, [Algorithm::Sha256]);
    assert_eq!(weights.strength, Strength::Strong);
    assert_eq!(weights.root, manifest.root());
    assert_eq!(weights.manifest.media_type, MANIFEST_MEDIA_TYPE);
    assert_eq!(weights.manifest.size, manifest.to_bytes().len() as u64);
    assert_eq!(
        weights.manifest.digest.sha256,
        Sha256::of(manifest.to_bytes())
    );
    assert_eq!(manifest.check_statement(&weights), Ok(()));
}

#[test]
fn a_statement_that_says_something_else_of_its_manifest_is_refused() {
    let manifest = manifest(vec![file("a", b"1"), file("b", b"22")]);
    let other = self::manifest(vec![file("a", b"1")]).to_weights();
    let changed = |change: &dyn Fn(&mut Weights)| {
        let mut weights = manifest.to_weights();
        change(&mut weights);
        manifest
            .check_statement(&weights)
            .expect_err("they disagree")
            .to_string()
    };
    let stated = other.manifest.digest.sha256;
    assert_eq!(
        changed(&|weights| weights.manifest = other.manifest.clone()),
        format!(
            "/predicate/manifest/digest/sha256: the statement says \"{stated}\", and its manifest \"{}\"",
            Sha256::of(manifest.to_bytes())
        )
    );
    assert_eq!(
        changed(&|weights| weights.root = other.root),
        format!(
            "/predicate/root: the statement says \"{}\", and its manifest \"{}\"",
            other.root,
            manifest.root()
        )
    );
    assert_eq!(
        changed(&|weights| weights.files = 1),
        "/predicate/files: the statement says 1, and its manifest 2"
    );
    assert_eq!(
        changed(&|weights| weights.bytes = Some(4)),
        "/predicate/bytes: the statement says 4, and its manifest 3"
    );
    assert_eq!(
        changed(&|weights| weights.bytes = None),
        "/predicate/bytes: the statement says null, and its manifest 3"
    );
    assert_eq!(
        changed(&|weights| weights.algorithms.push(Algorithm::Blake3)),
        "/predicate/algorithms: the statement says [\"sha256\",\"blake3\"], and its manifest [\"sha256\"]"
    );
}

#[test]
fn only_algorithms_that_every_file_has_are_stated() {
    let sha256 = Sha256::of("").to_string();
    let both = |at| {
        with_digests(
            at,
            Some(0),
            &[(Algorithm::Md5, MD5), (Algorithm::Sha256, &sha256)],
        )
    };
    let weak = with_digests("weak", Some(0), &[(Algorithm::Md5, MD5)]);

    let strong = manifest(vec![both("a"), file("b", b"")]);
    assert_eq!(strong.algorithms(), [Algorithm::Sha256]);
    let all = manifest(vec![both("a"), both("b")]);
    assert_eq!(all.algorithms(), [Algorithm::Md5, Algorithm::Sha256]);
    assert_eq!(all.to_weights().strength, Strength::Strong);

    // One file that has no strong digest makes the whole release weak.
    let weakened = manifest(vec![both("a"), weak]);
    assert_eq!(weakened.algorithms(), [Algorithm::Md5]);
    assert_eq!(weakened.to_weights().strength, Strength::Weak);
}

/// Git's digests are over objects and not over files; the statement has no word for them.
#[test]
fn digests_of_git_objects_are_not_stated() {
    let sha256 = Sha256::of("").to_string();
    let manifest = manifest(vec![with_digests(
        "a",
        Some(0),
        &[
            (Algorithm::Sha256, &sha256),
            (
                Algorithm::GitBlob,
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
            ),
        ],
    )]);
    assert_eq!(manifest.algorithms(), [Algorithm::Sha256]);
    assert_eq!(manifest.check_statement(&manifest.to_weights()), Ok(()));
}

/// What hosts of models say of small files is git's digest, by SHA-1 as a rule. It is history, and never enough.
#[test]
fn a_file_that_only_git_has_a_digest_of_makes_the_release_weak() {
    const BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
    let by_git = with_digests("a", Some(0), &[(Algorithm::GitBlob, BLOB)]);
    for files in [vec![by_git.clone()], vec![by_git.clone(), file("b", b"")]] {
        let manifest = manifest(files);
        let weights = manifest.to_weights();
        assert_eq!(
            (manifest.algorithms(), weights.strength),
            (Vec::new(), Strength::Weak)
        );
        assert_eq!(manifest.check_statement(&weights), Ok(()));
        assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest.clone()));
        let mut claimed = weights;
        claimed.algorithms = vec![Algorithm::Sha256];
        assert!(manifest.check_statement(&claimed).is_err());
        let with_git = |digest: &str| {
            let digests = [(Algorithm::GitBlob, digest.to_owned())];
            let found = |file: &ManifestFile| FoundFile {
                path: file.path.clone(),
                size: 0,
                digest: Some(file.digest.clone()),
            };
            let mut found: Vec<_> = manifest.files().iter().map(found).collect();
            found[0].digest = Some(DigestSet::new(digests).expect("a digest"));
            Comparison::new(&manifest, &found)
        };
        let same = with_git(BLOB);
        assert!(!same.is_refuted() && !same.is_proven(), "{same:?}");
        assert_eq!(same.only_weakly_same, std::slice::from_ref(&by_git.path));
        assert!(with_git(&BLOB.replace('e', "f")).is_refuted());
        // By SHA-256, the same blob has another name.
        let other = with_git(&"0".repeat(64));
        assert!(!other.is_refuted() && !other.is_proven(), "{other:?}");
        assert_eq!(other.not_compared, std::slice::from_ref(&by_git.path));
    }
    // It lends no strength, and takes none.
    let mixed = Manifest::new(vec![
        file("b", b""),
        with_digests("c", Some(1), &[(Algorithm::Md5, MD5)]),
    ]);
    assert_eq!(mixed, Err(ManifestError::NoCommonAlgorithm));
}

#[test]
fn a_size_that_nobody_knows_makes_the_total_unknown() {
    let sizeless = with_digests("a", None, &[(Algorithm::Md5, MD5)]);
    let sized = with_digests("b", Some(7), &[(Algorithm::Md5, MD5)]);
    assert_eq!(manifest(vec![sized.clone()]).total_bytes(), Some(7));
    assert_eq!(manifest(vec![sizeless, sized]).total_bytes(), None);
}

#[test]
fn files_without_a_common_algorithm_are_no_manifest() {
    let strong = file("a", b"a");
    let weak = with_digests("b", Some(1), &[(Algorithm::Md5, MD5)]);
    assert_eq!(
        Manifest::new(vec![strong, weak]),
        Err(ManifestError::NoCommonAlgorithm)
    );
}

#[test]
fn a_size_that_json_would_round_is_refused() {
    let sized = |size| ManifestFile {
        size: Some(size),
        ..file("a", b"a")
    };
    assert!(Manifest::new(vec![sized(1 << 53)]).is_ok());
    assert_eq!(
        Manifest::new(vec![sized((1 << 53) + 1)]),
        Err(ManifestError::FileTooLarge(path("a")))
    );
}
