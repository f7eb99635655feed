//! Every way to sign a wrong statement that we know of, and what the reader is told. Each row is a change to a statement
//! that is good without it, and the key is the right one.

mod common;

use candor_oms::IGNORE_PATHS_MAX;
use common::{
    Row, as_array, bundle_over, file, p256_key, read, remove, statement, statement_json, with_root,
};
use serde_json::{Value, json};

/// What is beside what OMS knows.
type Addition = (&'static str, fn(&mut Value));

const STATEMENT: &[Row] = &[
    (
        "another statement",
        |s| s["_type"] = "https://in-toto.io/Statement/v0.1".into(),
        "the statement's type is",
    ),
    (
        "another predicate",
        |s| {
            s["predicateType"] = "https://model_signing/Digests/v0.1".into();
            s["predicate"] = json!({"unused": "x"});
        },
        "the predicate type is \"https://model_signing/Digests/v0.1\"",
    ),
    (
        "no predicate",
        |s| remove(s, "predicate"),
        "missing field `predicate`",
    ),
    (
        "a field more",
        |s| s["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in the predicate",
        |s| s["predicate"]["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in serialization",
        |s| serialization(s)["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "no subject",
        |s| s["subject"] = json!([]),
        "the statement has 0 subjects",
    ),
    (
        "two subjects",
        |s| {
            let subject = s["subject"][0].clone();
            s["subject"] = json!([subject, subject]);
        },
        "the statement has 2 subjects",
    ),
    (
        "no name",
        |s| s["subject"][0]["name"] = "".into(),
        "the model's name (subject[0].name) is empty",
    ),
    (
        "a root of SHA-512",
        |s| s["subject"][0]["digest"] = json!({"sha512": "00"}),
        "missing field `sha256`",
    ),
    (
        "another root",
        |s| s["subject"][0]["digest"]["sha256"] = "00".repeat(32).into(),
        "the root digest is 0000",
    ),
    (
        "a root in upper case",
        |s| s["subject"][0]["digest"]["sha256"] = "AB".repeat(32).into(),
        "the digest of the model: a SHA-256 digest is 64 lower-case",
    ),
    (
        "shards",
        |s| serialization(s)["method"] = "shards".into(),
        "signed by shards, which are not read here",
    ),
    (
        "another method",
        |s| serialization(s)["method"] = "file".into(),
        "signed by the method \"file\"",
    ),
    (
        "shards of files",
        |s| serialization(s)["shard_size"] = json!(10.0),
        "has a shard_size",
    ),
    (
        "another hash",
        |s| serialization(s)["hash_type"] = "blake3".into(),
        "the model is hashed by \"blake3\"",
    ),
    (
        "links or not",
        |s| serialization(s)["allow_symlinks"] = "yes".into(),
        "expected a boolean",
    ),
    (
        "nothing on links",
        |s| remove(serialization(s), "allow_symlinks"),
        "missing field `allow_symlinks`",
    ),
    (
        "null ignored",
        |s| serialization(s)["ignore_paths"] = Value::Null,
        "expected a sequence",
    ),
    (
        "a text ignored",
        |s| serialization(s)["ignore_paths"] = ".git".into(),
        "expected a sequence",
    ),
    (
        "all ignored",
        |s| serialization(s)["ignore_paths"] = json!(["."]),
        "ignore_paths has \".\", which is the whole model",
    ),
    (
        "nothing ignored",
        |s| serialization(s)["ignore_paths"] = json!([""]),
        "ignore_paths has \"\", which is the whole model",
    ),
    (
        "above ignored",
        |s| serialization(s)["ignore_paths"] = json!(["../x"]),
        "ignore_paths: the name",
    ),
    (
        "elsewhere ignored",
        |s| serialization(s)["ignore_paths"] = json!(["/x"]),
        "ignore_paths: the name \"/x\" is absolute",
    ),
    (
        "a signed file ignored",
        |s| serialization(s)["ignore_paths"] = json!(["sub"]),
        "the file \"sub/vocab.txt\" is listed, and \"sub\" is to be ignored",
    ),
];

const FILES: &[Row] = &[
    (
        "no files",
        |s| with_files(s, Vec::clear),
        "the statement lists 0 files",
    ),
    (
        "a hash of a file",
        |s| with_files(s, |f| f[0]["algorithm"] = "sha512".into()),
        "the file \"config.json\" is hashed by \"sha512\"",
    ),
    (
        "another spelling of it",
        |s| with_files(s, |f| f[0]["algorithm"] = "SHA256".into()),
        "is hashed by \"SHA256\"",
    ),
    (
        "no hash of a file",
        |s| remove(&mut s["predicate"]["resources"][0], "algorithm"),
        "missing field `algorithm`",
    ),
    (
        "a digest in upper case",
        |s| with_files(s, |f| f[0]["digest"] = "AB".repeat(32).into()),
        "the digest of the file \"config.json\"",
    ),
    (
        "a short digest",
        |s| with_files(s, |f| f[0]["digest"] = "ab".into()),
        "the digest of the file",
    ),
    (
        "a digest with blanks",
        |s| s["predicate"]["resources"][0]["digest"] = "ab ".repeat(32).into(),
        "the digest of the file",
    ),
    (
        "a file twice",
        |s| with_files(s, |f| f.insert(0, f[0].clone())),
        "\"config.json\" is listed twice",
    ),
    (
        "another order",
        |s| with_files(s, |f| f.reverse()),
        "the files are sorted neither by",
    ),
    (
        "another order under the same root",
        |s| {
            s["predicate"]["resources"]
                .as_array_mut()
                .expect("a list")
                .reverse();
        },
        "the files are sorted neither by",
    ),
    (
        "a dot before it",
        |s| with_files(s, |f| f[0]["name"] = "./config.json".into()),
        "has the part \".\"",
    ),
    (
        "a dot in it",
        |s| with_files(s, |f| f[1]["name"] = "sub/./vocab.txt".into()),
        "has the part \".\"",
    ),
    (
        "two slashes",
        |s| with_files(s, |f| f[1]["name"] = "sub//vocab.txt".into()),
        "has the part \"\"",
    ),
    (
        "a slash behind it",
        |s| with_files(s, |f| f[0]["name"] = "config.json/".into()),
        "has the part \"\"",
    ),
    (
        "a way out",
        |s| with_files(s, |f| f[0]["name"] = "../secret".into()),
        "has the part \"..\"",
    ),
    (
        "a way out and in",
        |s| with_files(s, |f| f[1]["name"] = "sub/../config.json".into()),
        "has the part \"..\"",
    ),
    (
        "an absolute name",
        |s| with_files(s, |f| f[0]["name"] = "/etc/passwd".into()),
        "is absolute",
    ),
    (
        "no name of a file",
        |s| with_files(s, |f| f[0]["name"] = "".into()),
        "has 0 bytes",
    ),
    (
        "the folder as a file",
        |s| with_files(s, |f| f[0]["name"] = ".".into()),
        "has the part \".\"",
    ),
    (
        "a zero",
        |s| with_files(s, |f| f[0]["name"] = "a\0".into()),
        "U+0000",
    ),
];

fn serialization(statement: &mut Value) -> &mut Value {
    &mut statement["predicate"]["serialization"]
}

/// Changes the files of a statement, and the root digest with them.
fn with_files(statement: &mut Value, change: impl FnOnce(&mut Vec<Value>)) {
    let files = statement["predicate"]["resources"].as_array_mut();
    change(files.expect("a list"));
    *statement = with_root(statement.take());
}

#[test]
fn a_statement_that_is_signed_and_wrong_is_refused() {
    let key = p256_key();
    let good = bundle_over(statement_json().to_string().as_bytes(), &key);
    read(good.to_string().as_bytes(), &key).expect("good without a change");
    for (name, change, message) in STATEMENT.iter().chain(FILES) {
        let mut statement = statement_json();
        change(&mut statement);
        let bundle = bundle_over(statement.to_string().as_bytes(), &key);
        let said = read(bundle.to_string().as_bytes(), &key).expect_err(name);
        assert!(said.contains(message), "{name}: {said}");
        assert!(
            said.starts_with("the signature is good, but "),
            "{name}: {said}"
        );
    }
}

#[test]
fn an_array_is_no_object_of_a_statement() {
    let key = p256_key();
    let objects: [(&str, &[&str]); 6] = [
        ("", &["_type", "subject", "predicateType", "predicate"]),
        ("/subject/0", &["name", "digest"]),
        ("/subject/0/digest", &["sha256"]),
        ("/predicate", &["serialization", "resources"]),
        (
            "/predicate/serialization",
            &[
                "method",
                "hash_type",
                "allow_symlinks",
                "ignore_paths",
                "shard_size",
            ],
        ),
        ("/predicate/resources/0", &["name", "algorithm", "digest"]),
    ];
    for (pointer, fields) in objects {
        let mut statement = statement_json();
        as_array(&mut statement, pointer, fields);
        let bundle = bundle_over(statement.to_string().as_bytes(), &key).to_string();
        let said = read(bundle.as_bytes(), &key).expect_err(pointer);
        assert!(
            said.starts_with(
                "the signature is good, but the statement's form: an array stands where an object should"
            ),
            "{pointer}: {said}"
        );
    }
}

#[test]
fn the_paths_to_ignore_have_an_end() {
    let key = p256_key();
    let said = |count: usize| {
        let mut json = statement_json();
        let paths: Vec<_> = (0..count).map(|n| format!("x/{n}")).collect();
        serialization(&mut json)["ignore_paths"] = paths.into();
        read(
            bundle_over(json.to_string().as_bytes(), &key)
                .to_string()
                .as_bytes(),
            &key,
        )
    };
    said(IGNORE_PATHS_MAX).expect("as many as there may be");
    assert_eq!(
        said(IGNORE_PATHS_MAX + 1),
        Err(
            "the signature is good, but ignore_paths has 10001 paths, and may have at most 10000"
                .to_owned()
        )
    );
}

#[test]
fn payloads_that_readers_understand_in_different_ways_are_refused() {
    let key = p256_key();
    let good = statement_json().to_string();
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let payloads = [
        good.replace("\"subject\":", "\"subject\":[],\"subject\":")
            .into_bytes(),
        format!("\u{feff}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        utf_16,
        b"[]".to_vec(),
        Vec::new(),
    ];
    for payload in payloads {
        let bundle = bundle_over(&payload, &key).to_string();
        let said = read(bundle.as_bytes(), &key).expect_err("refused");
        assert!(
            said.starts_with("the signature is good, but the statement"),
            "{said}"
        );
    }
    let indented = serde_json::to_vec_pretty(&statement_json()).expect("JSON");
    let bundle = bundle_over(&indented, &key).to_string();
    read(bundle.as_bytes(), &key).expect("white space");
}

#[test]
fn what_in_toto_lets_signers_add_is_read() {
    let key = p256_key();
    let rows: &[Addition] = &[
        ("of a subject", |s| s["subject"][0]["uri"] = "x".into()),
        ("a second digest", |s| {
            s["subject"][0]["digest"]["sha512"] = "x".into();
        }),
        ("of a file", |s| {
            s["predicate"]["resources"][0]["size"] = 2.into();
        }),
        ("any name", |s| {
            s["subject"][0]["name"] = "another/name".into();
        }),
        ("no paths to ignore", |s| {
            remove(serialization(s), "ignore_paths");
        }),
        ("links followed", |s| {
            serialization(s)["allow_symlinks"] = true.into();
        }),
    ];
    for (name, change) in rows {
        let mut json = statement_json();
        change(&mut json);
        let bundle = bundle_over(json.to_string().as_bytes(), &key).to_string();
        let verified = read(bundle.as_bytes(), &key).expect(name);
        assert_eq!(verified.statement().files(), statement().files());
        let follows = verified.statement().allow_symlinks();
        assert_eq!(follows, *name == "links followed");
    }
}

#[test]
fn both_orders_are_read_and_give_different_roots() {
    let key = p256_key();
    let by_parts = ["a/x", "a-b", "a.txt"];
    let by_name = ["a-b", "a.txt", "a/x"];
    let read_in = |names: [&str; 3]| {
        let mut json = statement_json();
        let resource = |name: &str| {
            let file = file(name, name);
            json!({"name": name, "algorithm": "sha256", "digest": file.sha256.to_string()})
        };
        with_files(&mut json, |files| *files = names.map(resource).to_vec());
        let bundle = bundle_over(json.to_string().as_bytes(), &key).to_string();
        read(bundle.as_bytes(), &key).expect("in order")
    };
    let (parts, name) = (read_in(by_parts), read_in(by_name));
    assert_ne!(
        parts.statement().root_digest(),
        name.statement().root_digest()
    );

    let files = by_name.map(|name| file(name, name)).to_vec();
    let ours = candor_oms::Statement::new("demo", files, []).expect("a statement");
    let names: Vec<_> = ours.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, by_parts);
    assert_eq!(ours.root_digest(), parts.statement().root_digest());
}
