//! Manifests, chunk lists and tensor lists that are not what their record says, or are none.

use candor_core::Sha256;
use serde_json::{Value, json};

use super::edits::{replaced, set};
use super::in_log::{Change, change};
use super::scene::{
    RELEASE, Scene, attachment, chunks, files, manifest, statement, tensor_list, tensors,
    weights_predicate,
};

/// What a record says of its documents, and is not so.
const STATED: [(&str, &str, &str); 9] = [
    ("stated-files", "/files", "5"),
    ("stated-bytes", "/bytes", "7"),
    ("stated-no-bytes", "/bytes", "null"),
    ("stated-root", "/root", OTHER),
    (
        "stated-algorithms",
        "/algorithms",
        "[\"sha256\",\"sha512\"]",
    ),
    ("chunks-root", "/chunks/root", OTHER),
    ("tensors-count", "/tensors/count", "3"),
    ("tensors-root", "/tensors/root", OTHER),
    ("stated-manifest-size", "/manifest/size", "7"),
];

/// A digest of something else.
const OTHER: &str = "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"";

/// Files that are listed otherwise, of which the record says what is so.
const FILES: [(&str, &str, &str); 6] = [
    ("manifest-digest-unknown", "/0/digest/crc32", "\"ab\""),
    ("manifest-digest-short", "/0/digest/md5", "\"ab\""),
    (
        "manifest-digest-upper-case",
        "/0/digest/md5",
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    ),
    ("manifest-digests-none", "/0/digest", "{}"),
    (
        "manifest-no-common-algorithm",
        "/0/digest",
        "{\"md5\":\"00000000000000000000000000000000\"}",
    ),
    ("manifest-empty", "", "[]"),
];

/// Paths that no release has, and where in the list they would stand.
const PATHS: [(&str, usize, &str); 10] = [
    ("manifest-file-and-folder", 4, "tokenizer/vocab.json/x"),
    ("manifest-leads-out", 0, "../x"),
    ("manifest-absolute", 0, "/x"),
    ("manifest-drive", 1, "c:/x"),
    ("manifest-backslash", 4, "x\\y"),
    ("manifest-part-empty", 4, "x//y"),
    ("manifest-part-dot", 4, "x/./y"),
    ("manifest-invisible", 4, "x\u{200b}y"),
    ("manifest-not-normal", 4, "xe\u{301}"),
    ("manifest-control", 4, "x\u{85}y"),
];

/// A manifest in other words than its canonical form.
const SPELLED: [(&str, &str, &str); 9] = [
    ("manifest-type", "manifest:v1", "manifest:v2"),
    (
        "manifest-more",
        "\"manifest\":\"urn",
        "\"more\":1,\"manifest\":\"urn",
    ),
    (
        "manifest-file-more",
        "\"path\":\"README.md\"",
        "\"more\":1,\"path\":\"README.md\"",
    ),
    ("manifest-key-twice", "\"size\":7", "\"size\":7,\"size\":7"),
    ("manifest-size-point", "\"size\":7", "\"size\":7.0"),
    ("manifest-size-null", "\"size\":7", "\"size\":null"),
    ("manifest-size-text", "\"size\":7", "\"size\":\"7\""),
    (
        "manifest-size-large",
        "\"size\":7",
        "\"size\":9007199254740993",
    ),
    ("manifest-escape", "README.md", "R\\u0045ADME.md"),
];

/// Tensors that are listed otherwise, of which the record says what is so.
const TENSORS: [(&str, &str, &str); 10] = [
    ("tensors-none", "", "[]"),
    ("tensors-nowhere", "/0/places", "[]"),
    (
        "tensors-in-no-file",
        "/0/places/0/path",
        "\"other.safetensors\"",
    ),
    ("tensors-beyond-the-end", "/0/places/0/offset", "8388621"),
    (
        "tensors-far-beyond",
        "/0/places/0/offset",
        "9007199254740992",
    ),
    ("tensors-no-type", "/0/tensor/dtype", "\"\""),
    ("tensors-name-bidi", "/1/tensor/name", "\"b\u{202e}\""),
    ("tensors-shape-fraction", "/1/tensor/shape", "[0.5]"),
    ("tensors-more", "/1/tensor/more", "1"),
    ("tensors-place-more", "/1/places/0/more", "1"),
];

/// Puts these documents and what a record says of them in the place of the release's own.
fn put(scene: &mut Scene, documents: [Vec<u8>; 3], mut predicate: Value) {
    let [manifest, chunks, tensors] = documents;
    let parents: Value = serde_json::from_slice(&scene.at("weights").payload).expect("JSON");
    predicate["parents"] = parents["predicate"]["parents"].clone();
    let subject = Sha256::of(&manifest);
    scene.at("weights").payload = statement("weights", RELEASE, subject, &predicate);
    scene.restate("evaluation", |it| {
        it["subject"][0]["digest"]["sha256"] = json!(subject);
    });
    let documents = [manifest, chunks, tensors].into_iter();
    scene
        .attachments
        .splice(1..4, documents.filter(|it| !it.is_empty()));
}

/// A release of other files, of which the record says what is so.
fn of_files(name: &'static str, edit: impl Fn(&mut Value) + 'static) -> (String, Change) {
    change(name, move |scene| {
        let mut listed = json!(files());
        edit(&mut listed);
        let files = listed.as_array().expect("a list");
        let predicate = weights_predicate(files, &chunks(), &tensors());
        put(
            scene,
            [manifest(files), chunks(), tensor_list(&tensors())],
            predicate,
        );
    })
}

/// A manifest by hand, in another form than the canonical one of its files.
fn spelled(name: &'static str, edit: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> (String, Change) {
    change(name, move |scene| {
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        let manifest = edit(manifest(&files()));
        predicate["manifest"] = attachment("manifest.json", &manifest);
        put(
            scene,
            [manifest, chunks(), tensor_list(&tensors())],
            predicate,
        );
    })
}

/// A record that says something else of its documents than is so.
fn stated(name: &'static str, edit: impl Fn(&mut Value) + 'static) -> (String, Change) {
    change(name, move |scene| {
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        edit(&mut predicate);
        put(
            scene,
            [manifest(&files()), chunks(), tensor_list(&tensors())],
            predicate,
        );
    })
}

/// Another chunk list, by its digest in the record.
fn of_chunks(name: &'static str, bytes: Vec<u8>) -> (String, Change) {
    change(name, move |scene| {
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        predicate["chunks"]["list"] = attachment("chunks.bin", &bytes);
        put(
            scene,
            [manifest(&files()), bytes.clone(), tensor_list(&tensors())],
            predicate,
        );
    })
}

/// Other tensors, of which the record says what is so.
fn of_tensors(name: &'static str, edit: impl Fn(&mut Value) + 'static) -> (String, Change) {
    change(name, move |scene| {
        let mut listed = json!(tensors());
        edit(&mut listed);
        let tensors = listed.as_array().expect("a list");
        let predicate = weights_predicate(&files(), &chunks(), tensors);
        put(
            scene,
            [manifest(&files()), chunks(), tensor_list(tensors)],
            predicate,
        );
    })
}

/// A tensor list by hand.
fn listed(name: &'static str, edit: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> (String, Change) {
    change(name, move |scene| {
        let list = edit(tensor_list(&tensors()));
        let mut predicate = weights_predicate(&files(), &chunks(), &tensors());
        predicate["tensors"]["list"] = attachment("tensors.json", &list);
        put(scene, [manifest(&files()), chunks(), list], predicate);
    })
}

fn pretty(bytes: Vec<u8>) -> Vec<u8> {
    let json: Value = serde_json::from_slice(&bytes).expect("JSON");
    drop(bytes);
    serde_json::to_vec_pretty(&json).expect("JSON")
}

fn in_text(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).expect("JSON");
        replaced(&text, from, to).into_bytes()
    }
}

fn file(path: &str) -> Value {
    json!({ "path": path, "size": 1, "digest": { "sha256": Sha256::of("x") } })
}

/// A file more, at this place of the list.
fn with_file(name: &'static str, at: usize, path: &str) -> (String, Change) {
    let file = file(path);
    of_files(name, move |it| {
        it.as_array_mut().expect("a list").insert(at, file.clone());
    })
}

/// Documents that are not as they should be.
pub(crate) fn documents() -> Vec<(String, Change)> {
    let mut changes = Vec::new();
    changes.extend(STATED.map(|(name, at, value)| stated(name, move |it| set(it, at, value))));
    changes.extend(FILES.map(|(name, at, value)| of_files(name, move |it| set(it, at, value))));
    changes.extend(PATHS.map(|(name, at, path)| with_file(name, at, path)));
    changes.extend(SPELLED.map(|(name, from, to)| spelled(name, in_text(from, to))));
    changes.extend(TENSORS.map(|(name, at, value)| of_tensors(name, move |it| set(it, at, value))));
    changes.extend([
        with_file("manifest-path-long", 4, &"x".repeat(4_097)),
        spelled("manifest-pretty", pretty),
        spelled("manifest-no-json", |_| b"{".to_vec()),
        spelled("manifest-array", |_| b"[]".to_vec()),
        spelled("manifest-not-utf-8", |mut it| {
            it[20] = 0xff;
            it
        }),
        of_files("manifest-unsorted", |it| {
            it.as_array_mut().expect("a list").swap(0, 1);
        }),
        of_files("manifest-path-twice", |it| {
            let twice = it[0].clone();
            it.as_array_mut().expect("a list").insert(1, twice);
        }),
        of_files("manifest-sorted-by-utf-16", |it| {
            let more = [file("x/\u{1f600}"), file("x/\u{ff5e}")];
            it.as_array_mut().expect("a list").extend(more);
        }),
        of_chunks("chunks-other", [[7; 32], [9; 32]].concat()),
        of_chunks("chunks-short", vec![7; 32]),
        of_chunks("chunks-uneven", vec![7; 65]),
        change("chunks-of-nothing", |scene| {
            let files = vec![file("small.bin")];
            let mut predicate = weights_predicate(&files, &chunks(), &tensors());
            set(&mut predicate, "/tensors", "-");
            put(scene, [manifest(&files), chunks(), Vec::new()], predicate);
        }),
        of_tensors("tensors-unsorted", |it| {
            it.as_array_mut().expect("a list").swap(0, 1);
        }),
        of_tensors("tensors-twice", |it| {
            let twice = it[1].clone();
            it.as_array_mut().expect("a list").push(twice);
        }),
        of_tensors("tensors-places-unsorted", |it| {
            it[0]["places"] = places(&[8, 0]);
        }),
        of_tensors("tensors-place-twice", |it| {
            it[0]["places"] = places(&[0, 0]);
        }),
        of_tensors("tensors-name-long", |it| {
            it[1]["tensor"]["name"] = json!("b".repeat(1_025));
        }),
        of_tensors("tensors-type-long", |it| {
            it[1]["tensor"]["dtype"] = json!("b".repeat(65));
        }),
        of_tensors("tensors-dimensions", |it| {
            it[1]["tensor"]["shape"] = json!(vec![1; 65]);
        }),
        listed("tensors-pretty", pretty),
        listed("tensors-type", in_text("tensors:v1", "tensors:v2")),
        listed("tensors-no-json", |_| b"[".to_vec()),
    ]);
    changes
}

fn places(offsets: &[u64]) -> Value {
    let place = |offset| json!({ "path": "model.safetensors", "offset": offset });
    offsets.iter().map(place).collect()
}

/// Documents that are as they should be.
pub(crate) fn harmless() -> Vec<(String, Change)> {
    vec![
        of_files("more-files", |it| {
            let more = [file("x/\u{ff5e}"), file("x/\u{1f600}")];
            it.as_array_mut().expect("a list").extend(more);
        }),
        with_file("path-long", 4, &"x".repeat(4_096)),
        of_files("more-digests", |it| {
            it[0]["digest"]["md5"] = json!("0".repeat(32));
            it[1]["digest"]["gitBlob"] = json!("0".repeat(40));
        }),
        change("size-unknown", |scene| {
            let mut listed = json!(files());
            set(&mut listed, "/0/size", "-");
            let files = listed.as_array().expect("a list");
            let mut predicate = weights_predicate(files, &chunks(), &tensors());
            set(&mut predicate, "/bytes", "-");
            put(
                scene,
                [manifest(files), chunks(), tensor_list(&tensors())],
                predicate,
            );
        }),
        change("weak", |scene| {
            let files = [json!({ "path": "a", "size": 1, "digest": { "md5": "0".repeat(32) } })];
            let mut predicate = weights_predicate(&files, &chunks(), &tensors());
            for list in ["/chunks", "/tensors"] {
                set(&mut predicate, list, "-");
            }
            set(&mut predicate, "/strength", "\"weak\"");
            set(&mut predicate, "/algorithms", "[\"md5\"]");
            put(scene, [manifest(&files), Vec::new(), Vec::new()], predicate);
        }),
        of_tensors("two-places", |it| {
            it[0]["places"] = places(&[0, 8]);
            it[1]["tensor"]["shape"] = json!([]);
        }),
    ]
}
