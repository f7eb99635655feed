//! Manifests, chunk lists and tensor lists that are not what their record says, or are none.

use candor_core::Sha256;
use serde_json::{Value, json};

use super::in_log::Change;
use super::scene::{
    RELEASE, Scene, attachment, chunks, files, manifest, statement, tensor_list, tensors,
    weights_predicate,
};

/// Puts these documents and what a record says of them in the place of the release's own.
fn put(
    scene: &mut Scene,
    manifest: Vec<u8>,
    chunks: Vec<u8>,
    tensors: Vec<u8>,
    mut predicate: Value,
) {
    let parents: Value = serde_json::from_slice(&scene.at("weights").payload).expect("JSON");
    predicate["parents"] = parents["predicate"]["parents"].clone();
    predicate["manifest"] = attachment("manifest.json", &manifest);
    scene.at("weights").payload = statement("weights", RELEASE, Sha256::of(&manifest), &predicate);
    let subject = Sha256::of(&manifest);
    scene.restate("evaluation", |it| {
        it["subject"][0]["digest"]["sha256"] = json!(subject)
    });
    scene.attachments[1] = manifest;
    scene.attachments[2] = chunks;
    scene.attachments[3] = tensors;
}

/// A release of other files, of which the record says what is so.
fn of_files(change: impl Fn(&mut Vec<Value>) + 'static) -> Change {
    Box::new(move |scene| {
        let mut files = files();
        change(&mut files);
        let predicate = weights_predicate(&files, &chunks(), &tensors());
        put(
            scene,
            manifest(&files),
            chunks(),
            tensor_list(&tensors()),
            predicate,
        );
    })
}

/// A manifest by hand, in another form than the canonical one of its files.
fn spelled(change: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> Change {
    Box::new(move |scene| {
        let predicate = weights_predicate(&files(), &chunks(), &tensors());
        put(
            scene,
            change(manifest(&files())),
            chunks(),
            tensor_list(&tensors()),
            predicate,
        );
    })
}

/// A record that says something else of its documents than is so.
fn stated(change: impl Fn(&mut Value) + 'static) -> Change {
    Box::new(move |scene| {
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        change(&mut predicate);
        put(
            scene,
            manifest(&files()),
            chunks(),
            tensor_list(&tensors()),
            predicate,
        );
    })
}

/// Another chunk list, of which the record says what is so.
fn of_chunks(bytes: Vec<u8>) -> Change {
    Box::new(move |scene| {
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        predicate["chunks"]["list"] = attachment("chunks.bin", &bytes);
        put(
            scene,
            manifest(&files()),
            bytes.clone(),
            tensor_list(&tensors()),
            predicate,
        );
    })
}

/// Another tensor list, of which the record says what is so.
fn of_tensors(change: impl Fn(&mut Vec<Value>) + 'static) -> Change {
    Box::new(move |scene| {
        let mut tensors = tensors();
        change(&mut tensors);
        let predicate = weights_predicate(&files(), &chunks(), &tensors);
        put(
            scene,
            manifest(&files()),
            chunks(),
            tensor_list(&tensors),
            predicate,
        );
    })
}

/// A tensor list by hand.
fn listed(change: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> Change {
    Box::new(move |scene| {
        let list = change(tensor_list(&tensors()));
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        predicate["tensors"]["list"] = attachment("tensors.json", &list);
        put(scene, manifest(&files()), chunks(), list, predicate);
    })
}

fn replaced(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).expect("JSON");
        let other = text.replacen(from, to, 1);
        assert_ne!(text, other, "nothing was changed");
        other.into_bytes()
    }
}

fn pretty(bytes: Vec<u8>) -> Vec<u8> {
    let json: Value = serde_json::from_slice(&bytes).expect("JSON");
    serde_json::to_vec_pretty(&json).expect("JSON")
}

fn file(path: &str) -> Value {
    json!({ "path": path, "size": 1, "digest": { "sha256": Sha256::of("x") } })
}

/// Manifests.
pub(crate) fn manifests() -> Vec<(&'static str, Change)> {
    vec![
        ("stated-files", stated(|it| it["files"] = json!(5))),
        ("stated-bytes", stated(|it| it["bytes"] = json!(7))),
        ("stated-no-bytes", stated(|it| it["bytes"] = json!(null))),
        (
            "stated-root",
            stated(|it| it["root"] = json!(Sha256::of("x"))),
        ),
        (
            "stated-algorithms",
            stated(|it| it["algorithms"] = json!(["sha256", "sha512"])),
        ),
        ("manifest-pretty", spelled(pretty)),
        (
            "manifest-type",
            spelled(replaced("manifest:v1", "manifest:v2")),
        ),
        (
            "manifest-more",
            spelled(replaced(
                "\"manifest\":\"urn",
                "\"more\":1,\"manifest\":\"urn",
            )),
        ),
        (
            "manifest-file-more",
            spelled(replaced(
                "\"path\":\"README.md\"",
                "\"more\":1,\"path\":\"README.md\"",
            )),
        ),
        (
            "manifest-key-twice",
            spelled(replaced("\"size\":7", "\"size\":7,\"size\":7")),
        ),
        (
            "manifest-size-point",
            spelled(replaced("\"size\":7", "\"size\":7.0")),
        ),
        (
            "manifest-size-null",
            spelled(replaced("\"size\":7", "\"size\":null")),
        ),
        (
            "manifest-size-text",
            spelled(replaced("\"size\":7", "\"size\":\"7\"")),
        ),
        (
            "manifest-size-large",
            spelled(replaced("\"size\":7", "\"size\":9007199254740993")),
        ),
        (
            "manifest-escape",
            spelled(replaced("README.md", "R\\u0045ADME.md")),
        ),
        ("manifest-no-json", spelled(|_| b"{".to_vec())),
        ("manifest-array", spelled(|_| b"[]".to_vec())),
        (
            "manifest-not-utf-8",
            spelled(|mut it| {
                it[20] = 0xff;
                it
            }),
        ),
        ("manifest-empty", of_files(Vec::clear)),
        ("manifest-unsorted", of_files(|it| it.swap(0, 1))),
        (
            "manifest-sorted-by-utf-16",
            of_files(|it| {
                it.push(file("x/\u{1f600}"));
                it.push(file("x/\u{ff5e}"));
            }),
        ),
        (
            "manifest-path-twice",
            of_files(|it| it.insert(1, it[0].clone())),
        ),
        (
            "manifest-file-and-folder",
            of_files(|it| it.insert(4, file("tokenizer/vocab.json/x"))),
        ),
        (
            "manifest-leads-out",
            of_files(|it| it.insert(0, file("../x"))),
        ),
        ("manifest-absolute", of_files(|it| it.insert(0, file("/x")))),
        ("manifest-drive", of_files(|it| it.insert(1, file("c:/x")))),
        ("manifest-backslash", of_files(|it| it.push(file("x\\y")))),
        ("manifest-part-empty", of_files(|it| it.push(file("x//y")))),
        (
            "manifest-invisible",
            of_files(|it| it.push(file("x\u{200b}y"))),
        ),
        (
            "manifest-not-normal",
            of_files(|it| it.push(file("xe\u{301}"))),
        ),
        ("manifest-control", of_files(|it| it.push(file("x\u{85}y")))),
        (
            "manifest-path-long",
            of_files(|it| it.push(file(&"x".repeat(4_097)))),
        ),
        (
            "manifest-digest-unknown",
            of_files(|it| it[0]["digest"]["crc32"] = json!("ab")),
        ),
        (
            "manifest-digest-short",
            of_files(|it| it[0]["digest"]["md5"] = json!("ab")),
        ),
        (
            "manifest-digest-upper-case",
            of_files(|it| it[0]["digest"]["md5"] = json!("A".repeat(32))),
        ),
        (
            "manifest-digests-none",
            of_files(|it| it[0]["digest"] = json!({})),
        ),
        (
            "manifest-no-common-algorithm",
            of_files(|it| it[0]["digest"] = json!({ "md5": "0".repeat(32) })),
        ),
    ]
}

/// The lists of chunks and of tensors.
pub(crate) fn lists() -> Vec<(&'static str, Change)> {
    vec![
        (
            "chunks-root",
            stated(|it| it["chunks"]["root"] = json!(Sha256::of("x"))),
        ),
        ("chunks-other", of_chunks([[7; 32], [9; 32]].concat())),
        ("chunks-short", of_chunks(vec![7; 32])),
        ("chunks-uneven", of_chunks(vec![7; 65])),
        (
            "chunks-of-nothing",
            Box::new(|scene| {
                let files = vec![file("small.bin")];
                let mut predicate = weights_predicate(&files, &chunks(), &tensors());
                predicate
                    .as_object_mut()
                    .expect("an object")
                    .remove("tensors");
                put(scene, manifest(&files), chunks(), chunks(), predicate);
            }),
        ),
        (
            "tensors-count",
            stated(|it| it["tensors"]["count"] = json!(3)),
        ),
        (
            "tensors-root",
            stated(|it| it["tensors"]["root"] = json!(Sha256::of("x"))),
        ),
        ("tensors-none", of_tensors(Vec::clear)),
        ("tensors-unsorted", of_tensors(|it| it.swap(0, 1))),
        ("tensors-twice", of_tensors(|it| it.push(it[1].clone()))),
        (
            "tensors-nowhere",
            of_tensors(|it| it[0]["places"] = json!([])),
        ),
        (
            "tensors-in-no-file",
            of_tensors(|it| it[0]["places"][0]["path"] = json!("other.safetensors")),
        ),
        (
            "tensors-beyond-the-end",
            of_tensors(|it| it[0]["places"][0]["offset"] = json!((8 << 20) + 13)),
        ),
        (
            "tensors-far-beyond",
            of_tensors(|it| it[0]["places"][0]["offset"] = json!(1_u64 << 53)),
        ),
        (
            "tensors-places-unsorted",
            of_tensors(|it| {
                it[0]["places"] = json!([{ "path": "model.safetensors", "offset": 8 }, { "path": "model.safetensors", "offset": 0 }]);
            }),
        ),
        (
            "tensors-place-twice",
            of_tensors(|it| it[0]["places"] = json!([it[0]["places"][0], it[0]["places"][0]])),
        ),
        (
            "tensors-no-type",
            of_tensors(|it| it[0]["tensor"]["dtype"] = json!("")),
        ),
        (
            "tensors-name-long",
            of_tensors(|it| it[1]["tensor"]["name"] = json!("b".repeat(1_025))),
        ),
        (
            "tensors-name-bidi",
            of_tensors(|it| it[1]["tensor"]["name"] = json!("b\u{202e}")),
        ),
        (
            "tensors-dimensions",
            of_tensors(|it| it[1]["tensor"]["shape"] = json!(vec![1; 65])),
        ),
        (
            "tensors-shape-fraction",
            of_tensors(|it| it[1]["tensor"]["shape"] = json!([0.5])),
        ),
        (
            "tensors-more",
            of_tensors(|it| it[1]["tensor"]["more"] = json!(1)),
        ),
        ("tensors-pretty", listed(pretty)),
        ("tensors-type", listed(replaced("tensors:v1", "tensors:v2"))),
        ("tensors-no-json", listed(|_| b"[".to_vec())),
    ]
}

/// Documents that are as they should be.
pub(crate) fn harmless() -> Vec<(&'static str, Change)> {
    vec![
        (
            "more-files",
            of_files(|it| {
                it.push(file("x/\u{ff5e}"));
                it.push(file("x/\u{1f600}"));
            }),
        ),
        (
            "path-long",
            of_files(|it| it.push(file(&"x".repeat(4_096)))),
        ),
        (
            "more-digests",
            of_files(|it| {
                it[0]["digest"]["md5"] = json!("0".repeat(32));
                it[1]["digest"]["gitBlob"] = json!("0".repeat(40));
            }),
        ),
        (
            "size-unknown",
            Box::new(|scene: &mut Scene| {
                let mut files = files();
                files[0].as_object_mut().expect("an object").remove("size");
                let mut predicate = weights_predicate(&files, &chunks(), &tensors());
                predicate
                    .as_object_mut()
                    .expect("an object")
                    .remove("bytes");
                put(
                    scene,
                    manifest(&files),
                    chunks(),
                    tensor_list(&tensors()),
                    predicate,
                );
            }),
        ),
        (
            "weak",
            Box::new(|scene: &mut Scene| {
                let files =
                    vec![json!({ "path": "a", "size": 1, "digest": { "md5": "0".repeat(32) } })];
                let mut predicate = weights_predicate(&files, &chunks(), &tensors());
                let fields = predicate.as_object_mut().expect("an object");
                fields.remove("chunks");
                fields.remove("tensors");
                fields.insert("strength".to_owned(), json!("weak"));
                fields.insert("algorithms".to_owned(), json!(["md5"]));
                put(scene, manifest(&files), Vec::new(), Vec::new(), predicate);
                scene.attachments.retain(|it| !it.is_empty());
            }),
        ),
        (
            "two-places",
            of_tensors(|it| {
                it[0]["places"] = json!([{ "path": "model.safetensors", "offset": 0 }, { "path": "model.safetensors", "offset": 8 }]);
                it[1]["tensor"]["shape"] = json!([]);
            }),
        ),
    ]
}
