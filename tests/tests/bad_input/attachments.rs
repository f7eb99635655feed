//! Documents that are missing, wrong or unasked for, and manifests.

use candor_core::Sha256;
use candor_core::record::kinds::{Attachment, ChunkedFiles, TensorSet};
use candor_core::record::to_canonical_json;
use candor_core::weights::{
    CHUNK_BYTES, CHUNKS_MEDIA_TYPE, ChunkList, MANIFEST_MEDIA_TYPE, Manifest, ManifestFile, Place,
    TENSORS_MEDIA_TYPE, Tensor, TensorList,
};
use serde_json::{Value, json};

use super::world::{CARD, World, manifest};
use super::{Case, Request};

pub(crate) fn cases(world: &World) -> Vec<Case> {
    [
        documents(world),
        forms(world),
        manifests(world),
        chunk_lists(world),
        tensor_lists(world),
        contradictions(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn documents(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let document = b"# Tiny, and then some";
    let good = lab.model_card("tiny", "1.6.0", document);
    let sized = |envelope: &Value, size: u64| {
        lab.altered(envelope, |s| {
            s["predicate"]["document"]["size"] = size.into();
        })
    };
    let mut unsigned = good.clone();
    unsigned["signatures"] = lab.model_card("tiny", "1.6.1", document)["signatures"].clone();
    vec![
        Case::record(
            "an attachment that is missing",
            &good,
            422,
            "missing-attachment",
        ),
        Case::with_documents(
            "an attachment whose bytes do not match",
            &good,
            &[b"# Tiny, and then sume"],
            422,
            "bad-attachment",
        ),
        Case::with_documents(
            "an attachment that no record names",
            &good,
            &[document, b"a stowaway"],
            422,
            "bad-attachment",
        ),
        Case::with_documents(
            "an attachment larger than any that is named",
            &good,
            &[&[b'a'; 100_000]],
            413,
            "too-large",
        ),
        Case::with_documents(
            "an attachment smaller than the record states",
            &sized(&good, 1_000),
            &[document],
            422,
            "bad-attachment",
        ),
        Case::record(
            "a stored attachment with another size",
            &sized(&lab.model_card("tiny", "1.6.2", CARD), 1_000),
            422,
            "bad-attachment",
        ),
        Case::with_documents(
            "an attachment with two sizes in one request",
            &json!([
                sized(&lab.model_card("tiny", "1.6.3", document), 1_000),
                lab.model_card("tiny", "1.6.4", document),
            ]),
            &[document],
            422,
            "bad-attachment",
        ),
        Case::record(
            "an attachment over 32 MiB",
            &sized(&good, (32 << 20) + 1),
            413,
            "too-large",
        ),
        Case::with_documents(
            "an attachment of a record whose signature does not hold",
            &unsigned,
            &[document],
            403,
            "bad-signature",
        ),
    ]
}

fn forms(world: &World) -> Vec<Case> {
    let good = world
        .lab
        .model_card("tiny", "1.6.5", b"document")
        .to_string();
    let part = |name: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let form = |name, content_type: &str, body: String| Case {
        documents: vec![b"document".to_vec()],
        ..Case::new(
            name,
            Request::Publish {
                content_type: content_type.to_owned(),
                body: body.into_bytes(),
            },
            400,
            "malformed-body",
        )
    };
    let typed = "multipart/form-data; boundary=x";
    vec![
        form(
            "a form without a boundary",
            "multipart/form-data",
            String::new(),
        ),
        form("a form without parts", typed, "--x--\r\n".to_owned()),
        form(
            "a form with the attachment first",
            typed,
            [
                &part("attachment", "document"),
                &part("records", &good),
                "--x--\r\n",
            ]
            .concat(),
        ),
        form(
            "a form with a part that nobody knows",
            typed,
            [
                &part("records", &good),
                &part("document", "document"),
                "--x--\r\n",
            ]
            .concat(),
        ),
        form(
            "a form that does not end",
            typed,
            [part("records", &good), part("attachment", "document")].concat(),
        ),
    ]
}

/// A weights record that is good but for its manifest, which is `bytes`.
fn with_manifest(world: &World, bytes: &[u8]) -> Value {
    let described = Attachment::describe("manifest.json", MANIFEST_MEDIA_TYPE, bytes);
    world.lab.altered(&world.weights, |s| {
        s["subject"][0]["name"] = "example-lab/tiny@1.7.0".into();
        s["subject"][0]["digest"]["sha256"] = described.digest.sha256.to_string().into();
        s["predicate"]["manifest"] = serde_json::to_value(&described).expect("JSON");
    })
}

fn manifests(world: &World) -> Vec<Case> {
    let bad = |name, bytes: &[u8]| {
        Case::with_documents(
            name,
            &with_manifest(world, bytes),
            &[bytes],
            422,
            "bad-manifest",
        )
    };
    let listing = |name, files: Value| {
        let json = json!({"manifest": "urn:candor:manifest:v1", "files": files});
        bad(name, &to_canonical_json(&json))
    };
    let digest = json!({"sha256": "ab".repeat(32)});
    let file = |path: &str| json!({"path": path, "size": 7, "digest": digest});
    let path = |name, path: &str| listing(name, json!([file(path)]));
    let pretty = serde_json::to_vec_pretty(&json!({
        "manifest": "urn:candor:manifest:v1",
        "files": [file("a")],
    }));
    vec![
        path("a path to the folder above", "../model.safetensors"),
        path(
            "a path through the folder above",
            "a/../../model.safetensors",
        ),
        path("an absolute path", "/etc/passwd"),
        path("a path on another drive", "C:/model.safetensors"),
        path("a path with a backslash", "a\\model.safetensors"),
        path("a path with an empty part", "a//model.safetensors"),
        path("an empty path", ""),
        path(
            "a path with a control character",
            "model\u{1b}[2K.safetensors",
        ),
        path(
            "a path with an invisible character",
            "model\u{200b}.safetensors",
        ),
        path(
            "a path that reverses the text",
            "model\u{202e}srosnetefas.exe",
        ),
        path("a path in a second spelling", "mode\u{301}l.safetensors"),
        listing("a manifest without files", json!([])),
        listing(
            "a manifest with a file twice",
            json!([file("a"), file("a")]),
        ),
        listing(
            "a manifest with a file that is a folder",
            json!([file("a"), file("a/b")]),
        ),
        listing(
            "a manifest that is not sorted",
            json!([file("b"), file("a")]),
        ),
        listing(
            "a manifest with a digest of the wrong length",
            json!([{"path": "a", "size": 7, "digest": {"sha256": "abab"}}]),
        ),
        listing(
            "a manifest with an unknown algorithm",
            json!([{"path": "a", "size": 7, "digest": {"crc32": "abababab"}}]),
        ),
        bad("a manifest with white space", &pretty.expect("JSON")),
        bad("a manifest that is not JSON", b"a 7 abab"),
        bad(
            "a manifest of another type",
            b"{\"files\":[],\"manifest\":\"v2\"}",
        ),
    ]
}

/// The statement says one thing, the manifest another; the manifest may be new or stored already.
fn contradictions(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let (new, stored) = (manifest(&[("a", b"1"), ("b", b"22")]), &world.manifest);
    let altered = |manifest, field: &str, value: Value| {
        lab.altered(&lab.weights("tiny", "1.7.1", manifest), |s| {
            s["predicate"][field] = value;
        })
    };
    let sent = |name, field, value| {
        let envelope = altered(&new, field, value);
        Case::with_documents(name, &envelope, &[&new.to_bytes()], 422, "bad-manifest")
    };
    let not_sent = |name, field, value| {
        Case::record(name, &altered(stored, field, value), 422, "bad-manifest")
    };
    vec![
        sent("a manifest with another number of files", "files", json!(3)),
        sent("a manifest with another number of bytes", "bytes", json!(4)),
        sent(
            "a manifest with another root",
            "root",
            json!("ab".repeat(32)),
        ),
        sent(
            "a manifest with other algorithms",
            "algorithms",
            json!(["sha256", "sha512"]),
        ),
        not_sent(
            "a stored manifest with another number of files",
            "files",
            json!(3),
        ),
        Case::record(
            "a stored document that is no manifest",
            &with_manifest(world, CARD),
            422,
            "bad-manifest",
        ),
    ]
}

/// Chunk lists that are not their manifest's.
fn chunk_lists(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let small = manifest(&[("a", b"1")]);
    let mut large = small.files()[0].clone();
    large.size = Some(CHUNK_BYTES + 1);
    let large = Manifest::new(vec![large]).expect("a good manifest");
    let list = ChunkList::parse(&[7; 64], &large).expect("two leaf hashes");
    let stated = |bytes: &[u8]| {
        let list = ChunkedFiles {
            list: Attachment::describe("chunks.bin", CHUNKS_MEDIA_TYPE, bytes),
            ..list.to_stated()
        };
        serde_json::to_value(list).expect("JSON")
    };
    let sent = |name, manifest: &Manifest, bytes: &[u8]| {
        let envelope = lab.altered(&lab.weights("tiny", "1.7.1", manifest), |s| {
            s["predicate"]["chunks"] = stated(bytes);
        });
        let documents = [manifest.to_bytes(), bytes.to_vec()];
        let documents = documents.each_ref().map(Vec::as_slice);
        Case::with_documents(name, &envelope, &documents, 422, "bad-manifest")
    };
    let huge = {
        let mut file = large.files()[0].clone();
        file.size = Some(262_145 * CHUNK_BYTES);
        let huge = Manifest::new(vec![file]).expect("a good manifest");
        let envelope = lab.altered(&lab.weights("tiny", "1.7.1", &huge), |s| {
            s["predicate"]["chunks"] = stated(&[7; 64]);
            s["predicate"]["chunks"]["list"]["size"] = json!(262_145 * 32);
        });
        let documents = [huge.to_bytes()];
        let documents = documents.each_ref().map(Vec::as_slice);
        Case::with_documents(
            "a chunk list of more than 8 MiB",
            &envelope,
            &documents,
            422,
            "schema-violation",
        )
    };
    vec![
        sent("a chunk list of another root", &large, &[8; 64]),
        sent("a chunk list that is too short", &large, &[7; 32]),
        sent("a chunk list that is too long", &large, &[7; 96]),
        sent("a chunk list of small files", &small, &[7; 64]),
        huge,
    ]
}

/// Tensor lists that are not what their records say, or of other files.
fn tensor_lists(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let manifest = manifest(&[("model.safetensors", b"12345678")]);
    let list = |at: &str, offset: u64| {
        let tensor = Tensor {
            bytes: 4,
            dtype: "F32".to_owned(),
            name: "w".to_owned(),
            sha256: Sha256::of(b"1234"),
            shape: vec![1],
        };
        let path = at.parse().expect("a path");
        let size = Some(offset + 4);
        let file = ManifestFile {
            path,
            size,
            ..manifest.files()[0].clone()
        };
        let path = file.path.clone();
        let of = Manifest::new(vec![file]).expect("a good manifest");
        TensorList::new([(tensor, Place { path, offset })], &of).expect("a list")
    };
    let good = list("model.safetensors", 0);
    let sent = |name, bytes: &[u8], alter: &dyn Fn(&mut Value)| {
        let stated = TensorSet {
            list: Attachment::describe("tensors.json", TENSORS_MEDIA_TYPE, bytes),
            ..good.to_stated()
        };
        let mut stated = serde_json::to_value(stated).expect("JSON");
        alter(&mut stated);
        let envelope = lab.altered(&lab.weights("tiny", "1.7.2", &manifest), |s| {
            s["predicate"]["tensors"] = stated.clone();
        });
        let documents = [manifest.to_bytes(), bytes.to_vec()];
        let documents = documents.each_ref().map(Vec::as_slice);
        Case::with_documents(name, &envelope, &documents, 422, "bad-manifest")
    };
    let as_it_is = |_: &mut Value| {};
    let spaced = [good.to_bytes(), b" ".to_vec()].concat();
    vec![
        sent(
            "a tensor list of another root",
            &good.to_bytes(),
            &|stated| {
                stated["root"] = json!(Sha256::of(b"other"));
            },
        ),
        sent(
            "a tensor list of another length",
            &good.to_bytes(),
            &|stated| {
                stated["count"] = json!(2);
            },
        ),
        sent("a tensor list in another spelling", &spaced, &as_it_is),
        sent("a tensor list that is none", b"\x00\x01", &as_it_is),
        sent(
            "a tensor list of another file",
            &list("other.safetensors", 0).to_bytes(),
            &as_it_is,
        ),
        sent(
            "a tensor list beyond the end of its file",
            &list("model.safetensors", 8).to_bytes(),
            &as_it_is,
        ),
    ]
}
