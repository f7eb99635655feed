//! The JavaScript client (`clients/js`) beside `candor`: the same bundles get the same verdicts, in Node and in a browser.
//!
//! ```text
//! scene ──► good bundle ───────────────┐                 candor
//!       └──► hostile twin: in its file, ├──► target/js-client ──► node clients/js/test/judge.js ──► one verdict
//!            or by a log that lies  ───┘                 chromium
//! ```

mod edits;
mod in_documents;
mod in_file;
mod in_log;
mod in_statements;
mod judges;
mod mutants;
mod running;
mod scene;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use judges::{Judgement, by_candor, by_javascript, judgement, node, what_and_where, write_list};
use scene::{Dice, Scene};
use serde_json::json;

/// The same bundles in every run.
const SEED: u64 = 20_260_501;

/// A good bundle, and its twin that should be refused.
struct Pair {
    name: String,
    good: Vec<u8>,
    hostile: Vec<u8>,
    /// What the hostile one is judged with.
    key: String,
}

fn pairs() -> Vec<Pair> {
    let mut dice = Dice(SEED);
    let mut pairs: Vec<Pair> = Vec::new();
    let mut add = |name: &str, good: Vec<u8>, hostile: Vec<u8>, key: String| {
        pairs.push(Pair {
            name: name.to_owned(),
            good,
            hostile,
            key,
        });
    };
    let text = |scene: &Scene| scene.bundle().to_string().into_bytes();

    let mut good_edits = std::iter::repeat_with(in_file::harmless).flatten();
    for (n, (name, edit)) in in_file::edits(&mut dice).into_iter().enumerate() {
        let scene = Scene::standard(&mut dice);
        let (mut good, mut hostile) = (scene.bundle(), scene.bundle());
        edit(&mut hostile);
        // Every fourth good one is not as `candor` would write it, and holds all the same.
        let name = if n % 4 == 0 {
            let (good_name, good_edit) = good_edits.next().expect("they go on");
            good_edit(&mut good);
            format!("{name}-beside-{good_name}")
        } else {
            name
        };
        let (good, hostile) = (good.to_string(), hostile.to_string());
        add(
            &name,
            good.into_bytes(),
            hostile.into_bytes(),
            scene.key().to_string(),
        );
    }
    for (name, rewrite) in in_file::texts(&mut dice) {
        let scene = Scene::standard(&mut dice);
        let good = scene.bundle().to_string();
        let hostile = rewrite(&good);
        add(&name, good.into_bytes(), hostile, scene.key().to_string());
    }
    let changes = [
        in_log::changes(),
        in_statements::changes(),
        in_documents::documents(),
    ];
    let harmless = || {
        [
            in_log::harmless(),
            in_statements::harmless(),
            in_documents::harmless(),
        ]
    };
    let mut good_changes = std::iter::repeat_with(harmless).flatten().flatten();
    for (n, (name, change)) in changes.into_iter().flatten().enumerate() {
        let mut hostile = Scene::standard(&mut dice);
        let mut good = hostile.clone();
        change(&mut hostile);
        let name = if n % 2 == 0 {
            let (good_name, good_change) = good_changes.next().expect("they go on");
            good_change(&mut good);
            format!("{name}-beside-{good_name}")
        } else {
            name
        };
        add(&name, text(&good), text(&hostile), good.key().to_string());
    }
    // The right file, and the key of another log; and of another name.
    let scene = Scene::standard(&mut dice);
    let others = [
        Scene {
            log_seed: 51,
            ..scene.clone()
        },
        Scene {
            origin: "log.example.org/other".to_owned(),
            ..scene.clone()
        },
    ];
    for (name, other) in ["another-key", "another-name"].into_iter().zip(others) {
        add(name, text(&scene), text(&scene), other.key().to_string());
    }
    pairs
}

/// Where the bundles are, for whoever wants to look at one.
pub(crate) fn folder(name: &str) -> PathBuf {
    let target = candor_tests::program("candor");
    let folder = target
        .ancestors()
        .nth(2)
        .expect("target")
        .join("js-client")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder in target");
    folder
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how many there were is part of the result"
)]
fn each_bundle_gets_one_verdict_from_candor_from_node_and_from_a_browser() {
    let folder = folder("bundles");
    let pairs = pairs();
    assert!(pairs.len() >= 200, "{} pairs", pairs.len());
    let (mut files, mut keys) = (Vec::new(), BTreeMap::from([(String::new(), String::new())]));
    for (n, pair) in pairs.iter().enumerate() {
        let good_key = Scene::standard(&mut Dice(0)).key().to_string();
        for (side, bytes, key) in [
            ("good", &pair.good, good_key),
            ("hostile", &pair.hostile, pair.key.clone()),
        ] {
            let name = format!("{n:03}-{}.{side}.candor", pair.name);
            fs::write(folder.join(&name), bytes).expect("the bundle is written");
            files.push(folder.join(&name));
            keys.insert(name, key);
        }
    }
    let by_candor = all_by_candor(&files, &keys);
    let list = write_list(&folder, &files);
    let keys_file = folder.join("keys.json");
    fs::write(&keys_file, json!(keys).to_string()).expect("the keys are written");
    let by_node = by_javascript(&node("test/judge.js", &[&keys_file, &list]));
    let by_browser = by_javascript(&node(
        "test/browser.js",
        &[Path::new("judge"), &keys_file, &list],
    ));
    let (mut differences, mut counts) = (Vec::new(), BTreeMap::<String, usize>::new());
    for file in &files {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let candor = &by_candor[&name];
        if name.ends_with(".good.candor") != (candor.verdict == "holds") {
            differences.push(format!("{name}: candor says {candor:?}"));
        }
        *counts.entry(candor.verdict.clone()).or_default() += 1;
        if by_node[&name] != by_browser[&name] {
            differences.push(format!(
                "{name}: node {} browser {}",
                by_node[&name], by_browser[&name]
            ));
        }
        let javascript = judgement(&by_node[&name]);
        if !is_same(candor, &javascript) {
            differences.push(format!(
                "{name}: candor {candor:?} javascript {javascript:?}"
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    println!("{} pairs: {counts:?}", pairs.len());
}

/// Whether two say the same, as far as they share their words.
fn is_same(one: &Judgement, other: &Judgement) -> bool {
    let gist = |it: &Judgement| -> Vec<String> {
        it.words
            .iter()
            .map(|it| what_and_where(it).to_owned())
            .collect()
    };
    let is_said = gist(one) == gist(other);
    // Of a parent that is not as it is named, each has its own sentence.
    let is_about_parents = one
        .words
        .iter()
        .chain(&other.words)
        .any(|it| it.contains("as its parent") || it.contains("which names it"));
    one.verdict == other.verdict
        && (is_said || is_about_parents && one.words.len() == other.words.len())
}

/// `candor verify` for each, two at a time.
fn all_by_candor(
    files: &[PathBuf],
    keys: &BTreeMap<String, String>,
) -> BTreeMap<String, Judgement> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = file
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let judgement = by_candor(file, &keys[&name]);
            judged.push((name, judgement));
        }
        judged
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a judge"))
            .collect()
    })
}
