//! `candor prove-tensor`, `candor verify-tensor` and `candor diff`: what is in files, whatever files these are.

use std::fs;
use std::path::Path;

use candor_tests::TestLog;
use candor_tests::cli::{Person, flip_last_byte, write_release};
use serde_json::{Value, json};

/// A safetensors file with these tensors of bytes.
fn safetensors(tensors: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, bytes) in tensors {
        let start = data.len();
        data.extend_from_slice(bytes);
        let tensor =
            json!({ "dtype": "U8", "shape": [bytes.len()], "data_offsets": [start, data.len()] });
        header.insert((*name).to_owned(), tensor);
    }
    let header = Value::from(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &data].concat()
}

const A: (&str, &[u8]) = ("layer.0.weight", b"first layer");
const B: (&str, &[u8]) = ("layer.1.weight", b"second");
const C: (&str, &[u8]) = ("norm", b"n");

/// A folder whose weights are in one file.
fn write_model(folder: &Path) {
    write_release(folder);
    fs::write(folder.join("model.safetensors"), safetensors(&[A, B, C])).expect("written");
}

/// The same tensors in three files, and the index beside them.
fn write_shards(folder: &Path) {
    let mut map = serde_json::Map::new();
    for (n, (tensor, bytes)) in [C, B, A].into_iter().enumerate() {
        let name = format!("model-{:05}-of-00003.safetensors", n + 1);
        fs::write(folder.join(&name), safetensors(&[(tensor, bytes)])).expect("written");
        map.insert(tensor.to_owned(), json!(name));
    }
    write_index(
        folder,
        &json!({ "metadata": { "total_size": 18 }, "weight_map": map }),
    );
}

fn write_index(folder: &Path, index: &Value) {
    let text = serde_json::to_vec_pretty(index).expect("JSON");
    fs::write(folder.join("model.safetensors.index.json"), text).expect("written");
}

/// A log with a release of it, and its publisher; the server is gone.
fn released() -> (TestLog, Person) {
    let mut log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_model(&lab.home.join("tiny"));
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    log.kill();
    (log, lab)
}

#[test]
fn tensors_are_listed_from_a_bundle_and_from_a_folder() {
    let (log, lab) = released();
    let listed = lab.candor(&log, "tensors tiny-1.0.0.candor").expect_code(0);
    insta::assert_snapshot!(listed.transcript());
    let of = |what: &str| {
        lab.candor(&log, &format!("tensors {what} --json"))
            .expect_code(0)
            .json()
    };
    let (bundle, folder) = (of("tiny-1.0.0.candor"), of("tiny"));
    assert_eq!(bundle["tensors"], folder["tensors"]);
    assert_eq!(bundle["tensors"][1]["tensor"]["name"], A.0);
    // In other files they are the same, elsewhere.
    fs::create_dir(lab.home.join("shards")).expect("made");
    write_shards(&lab.home.join("shards"));
    let shards = of("shards");
    assert_eq!(shards["root"], bundle["root"]);
    assert_ne!(shards["tensors"], bundle["tensors"]);
    lab.write("notes/a.txt", "no tensor");
    lab.candor(&log, "tensors notes")
        .expect_code(0)
        .expect_words("no tensors are listed");
    assert!(of("notes")["tensors"].is_null());
}

#[test]
fn a_tensor_is_proven_and_verified_with_nobody_to_ask() {
    let (log, lab) = released();
    let proven = lab
        .candor(
            &log,
            "prove-tensor tiny-1.0.0.candor norm layer.1.weight -o two.json",
        )
        .expect_code(0);
    insta::assert_snapshot!(proven.transcript());
    let verify = "verify-tensor tiny --proof two.json";
    let verified = lab.candor(&log, verify).expect_code(0);
    insta::assert_snapshot!(verified.transcript());

    // No more than the two are looked at.
    let folder = lab.home.join("tiny");
    fs::remove_file(folder.join("config.json")).expect("there");
    let file = folder.join("model.safetensors");
    let whole = fs::read(&file).expect("there");
    let at = whole.len() - b"first layersecondn".len();
    let mut first = whole.clone();
    first[at] ^= 1;
    fs::write(&file, &first).expect("written");
    lab.candor(&log, verify).expect_code(0);
    flip_last_byte(&file);
    lab.candor(&log, verify).expect_error(
        1,
        "changed: model.safetensors (tensor norm, 1 byte from byte",
    );
    fs::write(&file, &whole[..whole.len() - 1]).expect("written");
    lab.candor(&log, verify)
        .expect_error(1, "missing: model.safetensors (tensor norm)");
    fs::remove_file(&file).expect("there");
    lab.candor(&log, verify).expect_error(1, "missing:");
}

#[test]
fn a_proof_that_was_changed_is_refuted() {
    let (log, lab) = released();
    lab.candor(&log, "prove-tensor tiny-1.0.0.candor norm -o norm.json")
        .expect_code(0);
    let text = fs::read_to_string(lab.home.join("norm.json")).expect("there");
    let proof: Value = serde_json::from_str(&text).expect("JSON");
    let refuted = |exit: i32, words: &str, alter: &dyn Fn(&mut Value)| {
        let mut altered = proof.clone();
        alter(&mut altered);
        lab.write_json("altered.json", &altered);
        lab.candor(&log, "verify-tensor tiny --proof altered.json")
            .expect_error(exit, words);
    };
    refuted(1, "do not lead to the root", &|it| {
        it["parts"]["tensors"][0]["tensor"]["name"] = json!("other");
    });
    refuted(1, "do not lead to the root", &|it| {
        it["parts"]["tensors"][0]["index"] = json!(1);
    });
    refuted(1, "do not lead to the root", &|it| {
        it["parts"]["hashes"] = json!([]);
    });
    refuted(1, "the entry is not at index 1 of the log", &|it| {
        it["bundle"]["records"][1]["proof"][0] =
            json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    });
    refuted(
        2,
        "this is not a proof of files, chunks or tensors",
        &|it| it["more"] = json!(1),
    );
    // Places are hints: one that is wrong is not found.
    refuted(1, "missing: a/b", &|it| {
        it["parts"]["tensors"][0]["places"][0]["path"] = json!("a/b");
    });
    refuted(2, "could lead out", &|it| {
        it["parts"]["tensors"][0]["places"][0]["path"] = json!("../b");
    });
    fs::write(lab.home.join("cut.json"), &text[..text.len() / 2]).expect("written");
    lab.candor(&log, "verify-tensor tiny --proof cut.json")
        .expect_error(2, "not strict JSON");
    lab.candor(&log, "verify-tensor nowhere --proof norm.json")
        .expect_error(2, "nowhere is not a folder");
    lab.candor(&log, "prove-tensor tiny-1.0.0.candor norm -o norm.json")
        .expect_error(2, "is there already");
    lab.candor(&log, "prove-tensor tiny-1.0.0.candor nrom")
        .expect_error(2, "no tensor \"nrom\"")
        .expect_words("layer.0.weight, layer.1.weight, norm");
}

#[test]
fn a_release_in_other_shards_differs_in_sharding_only() {
    let (log, lab) = released();
    let diff = |second: &str, exit: i32| {
        lab.candor(&log, &format!("diff tiny-1.0.0.candor {second}"))
            .expect_code(exit)
    };
    insta::assert_snapshot!(diff("tiny", 0).transcript());
    let folder = lab.home.join("sharded");
    write_model(&folder);
    fs::remove_file(folder.join("model.safetensors")).expect("there");
    write_shards(&folder);
    insta::assert_snapshot!(diff("sharded", 1).transcript());
    fs::write(folder.join("config.json"), "{\"hidden_size\": 65}").expect("written");
    fs::write(
        folder.join("model-00001-of-00003.safetensors"),
        safetensors(&[("norm", b"m")]),
    )
    .expect("written");
    insta::assert_snapshot!(diff("sharded", 1).transcript());
    let json = lab
        .candor(&log, "diff tiny-1.0.0.candor sharded --json")
        .expect_code(1)
        .json();
    assert_eq!(json["differsIn"], json!(["tensors", "config"]));
    assert_eq!(json["tensors"]["altered"][0]["first"]["name"], "norm");
    lab.candor(&log, "diff tiny-1.0.0.candor nowhere")
        .expect_error(2, "nowhere");
}

#[test]
fn an_index_is_held_against_the_shards_that_it_is_about() {
    const INDEX: &str = "model.safetensors.index.json";
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let folder = lab.home.join("sharded");
    write_release(&folder);
    fs::remove_file(folder.join("model.safetensors")).expect("there");
    write_shards(&folder);
    let good: Value = serde_json::from_slice(&lab.read(&format!("sharded/{INDEX}"))).expect("JSON");
    let preview = "release sharded --as example-lab/sharded@1.0.0 --dry-run";
    let whole = lab.candor(&log, preview).expect_code(0);
    assert!(!whole.stderr.contains(INDEX), "{}", whole.transcript());

    let refused = |words: &str, alter: &dyn Fn(&mut Value)| {
        let mut index = good.clone();
        alter(&mut index);
        write_index(&folder, &index);
        let release = "release sharded --as example-lab/sharded@1.0.0";
        lab.candor(&log, release)
            .expect_error(2, words)
            .expect_words(&format!("{INDEX}: "));
        lab.candor(&log, &format!("{preview} --as-bytes {INDEX}"))
            .expect_code(0);
    };
    let map = |it: &mut Value, tensor: &str, file: &str| it["weight_map"][tensor] = json!(file);
    let first = "model-00001-of-00003.safetensors";
    refused(
        "the tensor \"layer.1.weight\" in model-00001-of-00003.safetensors, which has no such tensor",
        &|it| {
            map(it, "layer.1.weight", first);
        },
    );
    refused("in gone.safetensors, which is not there", &|it| {
        map(it, "more", "gone.safetensors");
    });
    refused("which could lead out of the release's folder", &|it| {
        map(it, "more", "../tiny/model.safetensors");
    });
    refused("is absolute", &|it| map(it, "more", "/etc/passwd"));
    refused(
        "model-00001-of-00003.safetensors has the tensor \"norm\", which it does not place there",
        &|it| {
            fs::write(
                folder.join(first),
                safetensors(&[("norm", b"n"), ("x", b"n")]),
            )
            .expect("written");
            it["weight_map"]
                .as_object_mut()
                .expect("a map")
                .remove("norm");
            map(it, "x", first);
        },
    );
    fs::write(folder.join(first), safetensors(&[C])).expect("written");
    refused("missing field `weight_map`", &|it| *it = json!({}));
    fs::write(
        folder.join(INDEX),
        format!(r#"{{"weight_map":{{"norm":"{first}","norm":"{first}"}}}}"#),
    )
    .expect("written");
    lab.candor(&log, preview)
        .expect_error(2, "it has the tensor \"norm\" twice");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);

    // What is said of the size is wrong in many, and is no reason.
    let mut index = good.clone();
    index["metadata"]["total_size"] = json!(17);
    write_index(&folder, &index);
    lab.candor(&log, preview)
        .expect_code(0)
        .expect_words("its total_size is 17, and the tensors in its files have 18 bytes");
    // A file that is not looked into refutes nothing.
    fs::write(folder.join(first), "not what it says").expect("written");
    lab.candor(&log, &format!("{preview} --as-bytes {first}"))
        .expect_code(0)
        .expect_words("it was not held against model-00001-of-00003.safetensors");
}
