//! What others published of a model's bits: lists of the Hugging Face hub, and manifests of OCI artifacts.

use std::path::Path;

use candor_client::sources::{Drafts, SourceError, SourceKind, detect, hub, oci};
use candor_core::Sha256;
use candor_core::record::kinds::{Source, Strength, Weights};
use candor_core::record::{Algorithm, Kind, Predicate};
use candor_core::weights::Manifest;
use serde_json::{Value, json};

use super::{one, release};

const BLOB: &str = "10c66461e4c109db5a2196bff4bb59be30396ed8";
pub(super) const COMMIT: &str = "11c5a3d5811f50298f278a704980280950aedb10";

type Reader = fn(&[u8]) -> Result<Drafts, SourceError>;

fn hub_draft(bytes: &[u8]) -> Result<Drafts, SourceError> {
    hub::draft("tree.json", bytes, &release(), None)
}

fn oci_draft(bytes: &[u8]) -> Result<Drafts, SourceError> {
    oci::draft("manifest.json", bytes, &release(), None)
}

/// The record, the manifest and the warnings that `json` becomes.
fn read(reader: Reader, json: &Value) -> (Weights, Manifest, Vec<String>) {
    let (draft, warnings) = one(reader(json.to_string().as_bytes()).expect("a list"));
    let manifest = Manifest::parse(&draft.attachments[0].bytes).expect("a manifest");
    match draft.predicate {
        Predicate::Weights(weights) => (weights, manifest, warnings),
        other => panic!("{other:?}"),
    }
}

/// Changes one place of `json`, and expects that the reader says where and what.
fn refuse(reader: Reader, json: &Value, cases: &[(&str, Value, &str)]) {
    for (pointer, value, words) in cases {
        let mut json = json.clone();
        *json.pointer_mut(pointer).expect(pointer) = value.clone();
        let error = reader(json.to_string().as_bytes()).expect_err(words);
        let said = error.to_string();
        assert!(said.contains(words), "{said}");
        assert!(said.contains(".json: "), "{said}");
        assert!(!error.hint().is_empty());
    }
}

pub(super) fn sha256(text: &str) -> String {
    Sha256::of(text).to_string()
}

fn tree() -> Value {
    json!([
        { "type": "directory", "oid": BLOB, "size": 0, "path": "onnx" },
        { "type": "file", "oid": BLOB, "size": 665, "path": "config.json" },
        {
            "type": "file", "oid": "44b36d6e32d8b3b6a4dcb1e3f3d8d3c1f3d8d3c1", "size": 548_105_171_u64,
            "path": "onnx/model.safetensors", "xetHash": "63",
            "lfs": { "oid": sha256("weights"), "size": 548_105_171_u64, "pointerSize": 134 },
        },
    ])
}

fn siblings() -> Value {
    json!({
        "id": "example-lab/tiny", "sha": COMMIT,
        "siblings": [
            { "rfilename": "config.json", "size": 665, "blobId": BLOB },
            {
                "rfilename": "model.safetensors", "size": 9, "blobId": COMMIT,
                "lfs": { "sha256": sha256("weights"), "size": 9, "pointerSize": 134 },
            },
        ],
    })
}

#[test]
fn a_list_of_the_hub_is_read_and_is_as_weak_as_its_weakest_digest() {
    for (json, commit, large) in [
        (tree(), None, "onnx/model.safetensors"),
        (siblings(), Some(COMMIT), "model.safetensors"),
    ] {
        for name in ["tree.json", "saved"] {
            let found = detect(Path::new(name), json.to_string().as_bytes()).expect("known");
            assert_eq!(found, SourceKind::HubListing, "{name}");
        }
        assert_eq!(SourceKind::HubListing.kind(), Kind::Weights);
        let (weights, manifest, warnings) = read(hub_draft, &json);
        assert_eq!((weights.files, weights.strength), (2, Strength::Weak));
        assert!(weights.algorithms.is_empty(), "{:?}", weights.algorithms);
        let small = manifest.file(&"config.json".parse().expect("a path"));
        let small = small.expect("listed");
        assert_eq!(
            (small.size, small.digest.by(Algorithm::GitBlob)),
            (Some(665), Some(BLOB))
        );
        // Git's blob of a large file is its pointer, and is not listed.
        let large = manifest
            .file(&large.parse().expect("a path"))
            .expect("listed");
        let digests: Vec<_> = large.digest.iter().collect();
        assert_eq!(digests, [(Algorithm::Sha256, sha256("weights").as_str())]);
        let source = weights.source.expect("where it comes from");
        let found = source
            .digest
            .as_ref()
            .and_then(|it| it.by(Algorithm::GitCommit));
        assert_eq!(found, commit);
        assert!(source.note.expect("a note").contains("Of 1 of 2 files"));
        assert!(warnings[0].contains("which is weak"), "{warnings:?}");
    }
}

#[test]
fn a_list_of_large_files_alone_is_strong_and_one_of_small_files_alone_weak() {
    let mut json = tree();
    let small = json.as_array_mut().expect("a list").remove(1);
    let (weights, _, warnings) = read(hub_draft, &json);
    assert_eq!(
        (weights.strength, weights.algorithms),
        (Strength::Strong, vec![Algorithm::Sha256])
    );
    assert_eq!(warnings, Vec::<String>::new());
    let (weights, ..) = read(hub_draft, &json!([small]));
    assert_eq!(
        (weights.strength, weights.algorithms),
        (Strength::Weak, Vec::new())
    );
}

#[test]
fn a_list_of_the_hub_that_is_wrong_is_refused_with_the_place() {
    refuse(
        hub_draft,
        &tree(),
        &[
            ("/1/path", json!("../config.json"), "/1/path: the path"),
            ("/1/path", json!("/config.json"), "/1/path: the path"),
            (
                "/1/path",
                json!(7),
                "/1/path: should be text, and is a number",
            ),
            (
                "/1/path",
                json!("onnx/model.safetensors"),
                "is listed twice",
            ),
            ("/1/path", json!("onnx"), "other files are listed inside it"),
            ("/1/size", json!(-1), "/1/size: should be a whole number"),
            ("/1/size", json!(1.5), "/1/size: should be a whole number"),
            ("/1/size", json!(null), "/1/size: is not there"),
            ("/1/size", json!((1_u64 << 53) + 1), "would not survive"),
            ("/1/oid", json!(&BLOB[1..]), "/1/oid: "),
            ("/1/oid", json!(BLOB.to_uppercase()), "/1/oid: "),
            ("/1/oid", json!(null), "/1/oid: is not there"),
            ("/1/type", json!("submodule"), "/1/type: is neither"),
            ("/1", json!("config.json"), "/1: should be an object"),
            ("/2/lfs/oid", json!(BLOB), "/2/lfs/oid: "),
            ("/2/lfs/size", json!(5), "/2/lfs/size: is another one"),
            ("/2/lfs", json!("yes"), "/2/lfs: should be an object"),
        ],
    );
    refuse(
        hub_draft,
        &siblings(),
        &[
            ("/sha", json!("main"), "/sha: "),
            (
                "/siblings/0/blobId",
                json!(null),
                "/siblings/0/blobId: is not there",
            ),
            (
                "/siblings/1/lfs/sha256",
                json!("0"),
                "/siblings/1/lfs/sha256: ",
            ),
            ("/siblings", json!([]), "this one lists 0"),
        ],
    );
    for (text, words) in [
        ("[{\"type\":", "tree.json: "),
        ("[{\"path\":\"a\",\"path\":\"b\"}]", "path"),
        ("[]", "this one lists 0"),
    ] {
        let error = hub_draft(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_list_that_is_as_long_as_a_page_is_doubted() {
    let entry = |n| json!({ "type": "file", "oid": BLOB, "size": 1, "path": format!("{n}.json") });
    let of = |entries| read(hub_draft, &(0..entries).map(entry).collect()).2;
    assert!(
        of(1000)
            .iter()
            .any(|it| it.contains("the pages that follow"))
    );
    assert!(
        !of(999)
            .iter()
            .any(|it| it.contains("the pages that follow"))
    );
}

#[test]
fn no_list_is_longer_than_a_manifest() {
    let entry = |n| format!(r#"{{"type":"file","oid":"{BLOB}","size":1,"path":"{n}"}}"#);
    let entries: Vec<_> = (0..200_001).map(entry).collect();
    let error = hub_draft(format!("[{}]", entries.join(",")).as_bytes()).expect_err("too many");
    assert!(
        error.to_string().contains("this one lists 200001"),
        "{error}"
    );
}

/// The example of `ModelPack`'s specification (docs/spec.md, "Example Image Manifest For Model Artifacts").
fn model_pack() -> Value {
    let layer = |kind: &str, digest: &str, size: u64| {
        json!({
            "mediaType": format!("application/vnd.cncf.model.{kind}.v1.tar"),
            "digest": format!("sha256:{digest}"), "size": size,
        })
    };
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.cncf.model.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.cncf.model.config.v1+json",
            "digest": "sha256:d5815835051dd97d800a03f641ed8162877920e734d3d705b698912602b8c763",
            "size": 301,
        },
        "layers": [
            layer("weight", "3f907c1a03bf20f20355fe449e18ff3f9de2e49570ffb536f1a32f20c7179808", 30_327_160),
            layer("weight", "6d923539c5c208de77146335584252c0b1b81e35c122dd696fe6e04ed03d7411", 5_018_536_960),
            layer("weight.config", "a5378e569c625f7643952fcab30c74f2a84ece52335c292e630f740ac4694146", 106),
            layer("doc", "5e236ec37438b02c01c83d134203a646cb354766ac294e533a308dd8caa3a11e", 23_040),
        ],
    })
}

/// The same with layers that are files.
fn raw_pack() -> Value {
    let mut json = model_pack();
    for (n, path) in [
        "a.safetensors",
        "b/c.safetensors",
        "config.json",
        "README.md",
    ]
    .into_iter()
    .enumerate()
    {
        let layer = &mut json["layers"][n];
        let media_type = layer["mediaType"]
            .as_str()
            .expect("text")
            .replace(".tar", ".raw");
        layer["mediaType"] = media_type.into();
        layer["annotations"] = json!({ "org.cncf.model.filepath": path });
    }
    json
}

#[test]
fn layers_that_are_archives_are_listed_as_blobs_and_not_as_files() {
    let json = model_pack();
    let bytes = json.to_string();
    assert_eq!(
        detect(Path::new("manifest.json"), bytes.as_bytes()).expect("known"),
        SourceKind::OciManifest
    );
    let (weights, manifest, warnings) = read(oci_draft, &json);
    assert_eq!((weights.files, weights.strength), (6, Strength::Strong));
    let own = format!("sha256/{}", sha256(&bytes));
    let config = "sha256/d5815835051dd97d800a03f641ed8162877920e734d3d705b698912602b8c763";
    for (path, size) in [(own.as_str(), bytes.len() as u64), (config, 301)] {
        let file = manifest.file(&path.parse().expect("a path")).expect(path);
        assert_eq!(file.size, Some(size));
        assert_eq!(
            file.digest.by(Algorithm::Sha256),
            Some(&path["sha256/".len()..])
        );
    }
    let Source { note, digest, .. } = weights.source.expect("where it comes from");
    assert!(note.expect("a note").contains("4 of 4 layers are archives"));
    assert_eq!(
        digest.expect("its digest").by(Algorithm::Sha256),
        Some(sha256(&bytes).as_str())
    );
    assert!(
        warnings[0].contains("not which files are in them"),
        "{warnings:?}"
    );
    // Two layers that are one blob are one file.
    let mut twice = model_pack();
    twice["layers"][1] = twice["layers"][0].clone();
    assert_eq!(read(oci_draft, &twice).0.files, 5);
    twice["layers"][1]["size"] = 5.into();
    let error = oci_draft(twice.to_string().as_bytes()).expect_err("two sizes");
    assert!(error.to_string().contains("has two sizes"), "{error}");
}

#[test]
fn layers_that_are_files_are_listed_by_their_paths() {
    let (weights, manifest, warnings) = read(oci_draft, &raw_pack());
    let paths: Vec<_> = manifest.files().iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "README.md",
            "a.safetensors",
            "b/c.safetensors",
            "config.json"
        ]
    );
    assert_eq!(
        (weights.format.as_deref(), warnings.len()),
        (Some("safetensors"), 0)
    );
    // One archive, or one file without a path, and nothing is a file.
    let mut mixed = raw_pack();
    mixed["layers"][0]["annotations"] = json!({});
    let (_, manifest, warnings) = read(oci_draft, &mixed);
    assert!(
        manifest
            .files()
            .iter()
            .all(|it| it.path.as_str().starts_with("sha256/"))
    );
    assert!(
        warnings[0].contains("1 of its layers are archives"),
        "{warnings:?}"
    );
    // The path of an archive is where it is unpacked to.
    let mut archive = raw_pack();
    archive["layers"][0]["mediaType"] = "application/vnd.cncf.model.weight.v1.tar".into();
    assert_eq!(read(oci_draft, &archive).0.files, 6);
}

#[test]
fn a_model_kit_is_known_by_its_config() {
    let mut json = model_pack();
    json.as_object_mut()
        .expect("an object")
        .remove("artifactType");
    json["config"]["mediaType"] = "application/vnd.kitops.modelkit.config.v1+json".into();
    for layer in json["layers"].as_array_mut().expect("a list") {
        layer["mediaType"] = "application/vnd.kitops.modelkit.model.v1.tar+gzip".into();
    }
    let note = read(oci_draft, &json).0.source.expect("a source").note;
    assert!(note.expect("a note").contains("a ModelKit"));
}

#[test]
fn a_manifest_that_is_wrong_is_refused_with_the_place() {
    let image = "application/vnd.oci.image.config.v1+json";
    refuse(
        oci_draft,
        &raw_pack(),
        &[
            ("/schemaVersion", json!(1), "/schemaVersion: should be 2"),
            ("/mediaType", json!("application/json"), "/mediaType: is "),
            (
                "/mediaType",
                json!("application/vnd.oci.image.index.v1+json"),
                "this is an index",
            ),
            ("/config", json!(null), "/config: is not there"),
            ("/layers", json!({}), "/layers: should be a list"),
            ("/layers", json!([]), "this one lists 0"),
            ("/layers/0", json!([]), "/layers/0: should be an object"),
            (
                "/layers/0/digest",
                json!("sha256:12"),
                "/layers/0/digest: \"sha256:12\" is neither",
            ),
            (
                "/layers/0/digest",
                json!("md5:d41d8cd98f00b204e9800998ecf8427e"),
                "/layers/0/digest: ",
            ),
            (
                "/layers/0/digest",
                json!(format!("sha256:{}", sha256("x").to_uppercase())),
                "/layers/0/digest: ",
            ),
            (
                "/layers/0/size",
                json!("5"),
                "/layers/0/size: should be a whole number",
            ),
            (
                "/layers/0/size",
                json!(-5),
                "/layers/0/size: should be a whole number",
            ),
            (
                "/layers/0/mediaType",
                json!(null),
                "/layers/0/mediaType: is not there",
            ),
            (
                "/layers/0/annotations",
                json!({ "org.cncf.model.filepath": "../a" }),
                "/layers/0/annotations/org.cncf.model.filepath: the path",
            ),
            (
                "/layers/0/annotations",
                json!({ "org.cncf.model.filepath": "/a" }),
                "the path",
            ),
            (
                "/layers/0/annotations",
                json!({ "org.cncf.model.filepath": "README.md" }),
                "README.md is listed twice",
            ),
            (
                "/layers/0/annotations",
                json!({ "org.cncf.model.filepath": 7 }),
                "should be text",
            ),
        ],
    );
    let mut other = model_pack();
    other
        .as_object_mut()
        .expect("an object")
        .remove("artifactType");
    refuse(
        oci_draft,
        &other,
        &[("/config/mediaType", json!(image), "/config/mediaType: ")],
    );
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    let error = oci_draft(index.to_string().as_bytes()).expect_err("several");
    assert!(matches!(error, SourceError::Index { .. }), "{error}");
    let twice = model_pack()
        .to_string()
        .replacen("\"size\":301", "\"size\":301,\"size\":302", 1);
    let error = oci_draft(twice.as_bytes()).expect_err("two sizes");
    assert!(matches!(error, SourceError::Json { .. }), "{error}");
}
