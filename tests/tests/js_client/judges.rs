//! Who judges: `candor`, the JavaScript client in Node, and the same in a headless browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candor_tests::program;
use serde_json::Value;

/// What somebody says of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// `holds`, `refuted`, `bad-input` or `could-not-tell`.
    pub(crate) verdict: String,
    /// What is wrong.
    pub(crate) words: Vec<String>,
}

/// The JavaScript client.
pub(crate) fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/js")
}

/// Node with a script of the JavaScript client.
pub(crate) fn node(script: &str, arguments: &[&Path]) -> Output {
    Command::new("node")
        .arg(package().join(script))
        .args(arguments)
        .output()
        .expect("Node is installed (`cargo xtask test` installs what the tests need)")
}

/// `candor verify FILE`, with nobody to ask and nothing seen before.
pub(crate) fn by_candor(file: &Path, key: &str) -> Judgement {
    let home = file.parent().expect("a folder").join("home");
    let output = Command::new(program("candor"))
        .args(["verify", "--offline", "--json", "--log-key", key])
        .arg(file)
        .env_clear()
        .env("HOME", &home)
        .output()
        .expect("candor runs");
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{}: {e}: {output:?}", file.display()));
    assert_eq!(
        json["exit"].as_i64(),
        output.status.code().map(i64::from),
        "{output:?}"
    );
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .filter_map(|it| Some(it["detail"].as_str().or(it.as_str())?.to_owned()))
            .collect()
    };
    let message = json["error"]["message"].as_str();
    let words = match message {
        // The name of the file stands before it.
        Some(message) => vec![
            message
                .split_once(".candor: ")
                .map_or(message, |(_, words)| words)
                .to_owned(),
        ],
        None => [texts(&json["findings"]), texts(&json["doubts"])].concat(),
    };
    Judgement {
        verdict: json["verdict"].as_str().expect("a verdict").to_owned(),
        words,
    }
}

/// What a script of the JavaScript client prints, by the names of the files.
pub(crate) fn by_javascript(output: &Output) -> BTreeMap<String, Value> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout.clone()).expect("JSON is UTF-8");
    let line = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        (json["name"].as_str().expect("a name").to_owned(), json)
    };
    lines.lines().map(line).collect()
}

/// A line of [`by_javascript`].
pub(crate) fn judgement(json: &Value) -> Judgement {
    let verdict = match json["verdict"].as_str().expect("a verdict") {
        "unknown" => "could-not-tell",
        verdict => verdict,
    };
    let words = match verdict {
        "holds" => Vec::new(),
        _ => json["detail"]
            .as_str()
            .expect("what is wrong")
            .split('\n')
            .map(str::to_owned)
            .collect(),
    };
    Judgement {
        verdict: verdict.to_owned(),
        words,
    }
}

/// What is wrong, up to where each has words of its own: how JSON is broken, which field is not of its form, how text can't
/// be shown.
pub(crate) fn what_and_where(words: &str) -> &str {
    const OWN_WORDS: [&str; 17] = [
        "is not strict JSON",
        "this is not a bundle",
        "is no signature line",
        "the note is signed by",
        "/predicate: ",
        "/predicateType: ",
        "/payloadType: ",
        "this is a checkpoint of ",
        "/_type: ",
        "/subject/0/name: ",
        "/subject/0/digest/sha256: ",
        "can't be shown",
        "the next log's key is refused",
        " as its parent",
        "/predicate/bytes: ",
        "/predicate/algorithms: ",
        "the note is not UTF-8",
    ];
    /// One takes for another form what the other takes for no JSON.
    const FORM_OF_DOCUMENTS: [&str; 6] = [
        "is not strict JSON",
        "this is not a manifest",
        "this is not a tensor list",
        "is not in canonical form",
        "is larger than",
        "can't be shown",
    ];
    const DOCUMENTS: &str = "its manifest: ";
    if FORM_OF_DOCUMENTS.iter().any(|form| words.contains(form))
        && let Some(at) = words.find(DOCUMENTS)
    {
        return &words[..at + DOCUMENTS.len()];
    }
    let end = OWN_WORDS
        .iter()
        .filter_map(|own| Some(words.find(own)? + own.len()))
        .min();
    &words[..end.unwrap_or(words.len())]
}

/// Writes a list of files, for the scripts.
pub(crate) fn write_list(folder: &Path, files: &[PathBuf]) -> PathBuf {
    let list = folder.join("files.list");
    let lines: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    fs::write(&list, lines.join("\n")).expect("a list of the files");
    list
}
