//! The files of the weights, and what a document says of those that it does not list.

mod common;

use candor_core::Sha256;
use candor_sbom::FILES_LISTED_MAX;
use common::{Story, both, by_id, full, manifest, many_files, properties, related, weak};
use serde_json::json;

#[test]
fn files_have_each_digest_under_the_formats_own_name() {
    let [cdx, spdx] = both(&full());
    let file = &cdx["components"][0];
    assert_eq!(
        (&file["type"], &file["name"]),
        (&json!("file"), &json!("model.safetensors"))
    );
    let sha256 = Sha256::of("weights").to_string();
    assert_eq!(
        file["hashes"],
        json!([{ "alg": "SHA-256", "content": sha256 }])
    );
    assert_eq!(
        file["properties"],
        json!([{ "name": "candor:file:size", "value": "7" }])
    );
    let many = &cdx["components"][1];
    assert_eq!(many["name"], "voc\u{e4}b/a file.json");
    let names: Vec<_> = many["hashes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["alg"])
        .collect();
    assert_eq!(
        names,
        [
            "MD5",
            "SHA-1",
            "SHA-256",
            "SHA-384",
            "SHA-512",
            "BLAKE2b-512",
            "BLAKE3"
        ]
    );
    assert_eq!(many["properties"][1]["name"], "candor:digest:sha224");
    assert_eq!(many["properties"][2]["name"], "candor:digest:gitBlob");
    assert_eq!(cdx["compositions"][0]["aggregate"], "complete");

    let files = related(&spdx, "contains");
    assert_eq!(files.len(), 2);
    let first = by_id(&spdx, files[0]);
    assert_eq!(first["name"], "model.safetensors");
    assert_eq!(
        first["verifiedUsing"],
        json!([{ "type": "Hash", "algorithm": "sha256", "hashValue": sha256 }])
    );
    let second = &by_id(&spdx, files[1])["verifiedUsing"];
    let names: Vec<_> = second
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["algorithm"])
        .collect();
    assert_eq!(
        names,
        [
            "md5",
            "sha1",
            "sha224",
            "sha256",
            "sha384",
            "sha512",
            "blake2b512",
            "blake3"
        ]
    );
}

#[test]
fn weak_digests_are_marked_and_strong_ones_are_not() {
    for document in both(&weak()) {
        assert_eq!(properties(&document, "candor:weights:strength"), ["weak"]);
        assert_eq!(
            properties(&document, "candor:weights:algorithms"),
            ["md5 sha1"]
        );
        assert_eq!(
            document.to_string().matches("candor:file:strength").count(),
            2
        );
    }
    for document in both(&full()) {
        assert_eq!(properties(&document, "candor:weights:strength"), ["strong"]);
        assert_eq!(
            document.to_string().matches("candor:file:strength").count(),
            0
        );
    }
}

#[test]
fn of_too_many_files_there_is_the_manifest() {
    for (count, listed) in [
        (FILES_LISTED_MAX, FILES_LISTED_MAX),
        (FILES_LISTED_MAX + 1, 0),
    ] {
        let mut story = Story::begin();
        let manifest = many_files(count);
        story.weights(&manifest, &json!({}), true);
        let digest = format!("sha256:{}", Sha256::of(manifest.to_bytes()));
        let [cdx, spdx] = both(&story);
        assert_eq!(cdx["components"].as_array().map_or(0, Vec::len), listed);
        assert_eq!(related(&spdx, "contains").len(), listed);
        let aggregate = if listed == 0 {
            "incomplete"
        } else {
            "complete"
        };
        assert_eq!(cdx["compositions"][0]["aggregate"], aggregate);
        for document in [&cdx, &spdx] {
            assert_eq!(properties(document, "candor:weights:manifest"), [&digest]);
            let not_listed = properties(document, "candor:files:not-listed");
            assert_eq!(not_listed.is_empty(), listed > 0);
        }
    }
}

#[test]
fn files_that_the_bundle_does_not_list_are_not_said_to_be_all() {
    let mut story = Story::begin();
    story.weights(&manifest(), &json!({}), false);
    let [cdx, spdx] = both(&story);
    assert_eq!(cdx["compositions"][0]["aggregate"], "incomplete");
    for document in [&cdx, &spdx] {
        let said = properties(document, "candor:files:not-listed");
        assert!(said[0].starts_with("2 files: the bundle did not have the manifest"));
    }
}
