//! Statements with anything in the place of anything, and bundles with other bytes in them: what core reads, the JavaScript
//! client does, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::bundle::Bundle;
use candor_core::note::LogKey;
use candor_core::record::to_canonical_json;
use serde_json::{Value, json};

use super::judges::{by_javascript, node, what_and_where, write_list};
use super::scene::{Dice, Scene, card, publisher};
use super::{SEED, folder};

/// How many there are of each example.
const OF_EACH: usize = 120;

/// How many bundles have other bytes in them.
const OTHER_BYTES: usize = 1_200;

/// The examples of the schemas, by their files' names.
fn examples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/examples");
    let files = fs::read_dir(folder).expect("the examples");
    let mut examples: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| !path.ends_with("manifest.json"))
        .map(|path| {
            let json = serde_json::from_slice(&fs::read(&path).expect("an example")).expect("JSON");
            (
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                json,
            )
        })
        .collect();
    examples.sort_by(|a, b| a.0.cmp(&b.0));
    examples
}

/// A log with the publisher of a statement and that statement, and the bundle of these.
fn scene_of(statement: &Value, payload: Vec<u8>) -> Scene {
    let mut scene = Scene::standard(&mut Dice(0));
    scene.records.clear();
    scene.attachments.clear();
    let subject = statement["subject"][0]["name"].as_str().expect("a name");
    let author = statement["predicate"]["author"].as_str();
    let name = author.unwrap_or_else(|| subject.split('/').next().expect("a name"));
    if subject.contains('/') {
        scene.append("publisher", publisher(name, &[2], None), &[2]);
        subject.clone_into(&mut scene.release);
        scene.append("it", payload, &[2]);
    } else {
        // Its own registration. Its keys are the test's, since somebody has to sign.
        scene.append("it", payload, &[2]);
        scene.release = format!("{name}/model@1");
        let release = scene.release.clone();
        scene.append("card", card(&release, "x"), &[2]);
    }
    scene
}

/// Where all values of a document are, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, it)| pointers(it, &format!("{at}/{n}"), found)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, it)| pointers(it, &format!("{at}/{name}"), found)),
        _ => {}
    }
}

fn anything(dice: &mut Dice) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(7.0),
        json!(-0.0),
        json!(1e300),
        json!(1_u64 << 53),
        json!(""),
        json!("x"),
        json!("sha256"),
        json!("a\u{202e}b"),
        json!("e\u{301}"),
        json!("none"),
        json!("2026-05-01T00:00:00Z"),
        json!("a".repeat(64)),
        json!("0".repeat(32)),
        json!("example-lab/x@1"),
        json!([]),
        json!([null]),
        json!(["x"]),
        json!([{}]),
        json!({}),
        json!({ "a": 1 }),
        json!({ "sha256": "a".repeat(64) }),
        json!({ "release": "example-lab/x@1" }),
    ];
    values[dice.below(values.len())].clone()
}

/// Changes one thing.
fn mutate(statement: &mut Value, dice: &mut Dice) {
    let mut all = Vec::new();
    pointers(statement, "", &mut all);
    // Rarely outside of the predicate: most of what is there is refused.
    let inside: Vec<_> = all
        .iter()
        .filter(|it| it.starts_with("/predicate/"))
        .cloned()
        .collect();
    let is_anywhere = dice.below(8) == 0 || inside.is_empty();
    let from = if is_anywhere { &all } else { &inside };
    let at = from[dice.below(from.len())].clone();
    let (parent, name) = at.rsplit_once('/').unwrap_or(("", ""));
    match dice.below(5) {
        0 if !name.is_empty() => match statement.pointer_mut(parent) {
            Some(Value::Object(members)) => drop(members.remove(name)),
            Some(Value::Array(items)) => drop(items.remove(name.parse().expect("an index"))),
            _ => unreachable!("it has a member"),
        },
        1 => {
            if let Some(Value::Object(members)) = statement.pointer_mut(&at) {
                members.insert("somethingNew".to_owned(), anything(dice));
            }
        }
        _ => {
            let there = statement.pointer_mut(&at).expect("it is there");
            *there = match (&*there, dice.below(2)) {
                // Readers that take the items of an array for fields, in the order of theirs, would read the same.
                (Value::Object(members), 0) => members.values().cloned().collect(),
                // So would those that take the name of a member for a word. A pointer can't be made of every name.
                (Value::String(word), 0) if !word.contains(['/', '~']) => json!({ word: null }),
                _ => anything(dice),
            };
        }
    }
}

/// What is about itself has the digest of what it says now.
fn fit_subject(statement: &mut Value) {
    let kind = statement["predicateType"].as_str().unwrap_or_default();
    let is_about_itself = kind.contains(":publisher:") || kind.contains(":api-version:");
    let digest = Sha256::of(to_canonical_json(&statement["predicate"]));
    if is_about_itself && let Some(place) = statement.pointer_mut("/subject/0/digest/sha256") {
        *place = json!(digest);
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how many there were is part of the result"
)]
fn what_core_reads_as_a_record_is_what_the_javascript_client_does() {
    let folder = folder("mutants");
    let mut dice = Dice(SEED);
    let (mut files, mut by_core) = (Vec::new(), BTreeMap::new());
    let key = Scene::standard(&mut Dice(0)).key();
    for (name, mut example) in examples() {
        if name == "publisher" {
            let own: Value =
                serde_json::from_slice(&publisher("meta-ai", &[2], None)).expect("JSON");
            example["predicate"]["keys"] = own["predicate"]["keys"].clone();
            example["predicate"]
                .as_object_mut()
                .expect("an object")
                .remove("previous");
        }
        fit_subject(&mut example);
        for n in 0..OF_EACH {
            let mut mutant = example.clone();
            // The first is the example itself.
            for _ in 0..usize::from(n > 0) + dice.below(2) * usize::from(n > 0) {
                mutate(&mut mutant, &mut dice);
            }
            fit_subject(&mut mutant);
            let payload = serde_json::to_vec(&mutant).expect("JSON");
            let bundle = scene_of(&example, payload).bundle().to_string();
            let judged =
                Bundle::parse(bundle.as_bytes()).and_then(|bundle| bundle.verify(&key).map(drop));
            let file = folder.join(format!("{name}-{n:03}.candor"));
            fs::write(&file, bundle).expect("the bundle is written");
            by_core.insert(
                format!("{name}-{n:03}.candor"),
                judged.err().map(|error| error.to_string()),
            );
            files.push(file);
        }
    }
    let refused = compare(&folder, &files, &by_core, &key);
    println!("{} statements, {refused} of them refused", by_core.len());
    assert!(
        refused > by_core.len() / 3 && refused < by_core.len() * 9 / 10,
        "{refused}"
    );
}

#[test]
fn a_bundle_with_other_bytes_in_it_is_to_core_what_it_is_to_the_javascript_client() {
    let folder = folder("bytes");
    let mut dice = Dice(SEED + 1);
    let mut scene = Scene::standard(&mut dice);
    scene.records.truncate(5);
    scene.records.remove(3);
    scene.attachments.truncate(1);
    let good = scene.bundle().to_string().into_bytes();
    let (mut files, mut by_core) = (Vec::new(), BTreeMap::new());
    for n in 0..OTHER_BYTES {
        let mut bytes = good.clone();
        for _ in 0..=dice.below(2) {
            let at = dice.below(bytes.len());
            // Bytes that mean something, more often than chance.
            let any = [
                b"\"\\{}[],: \t\n0123456789.eE-+=/_u\x00\x7f\xc3\xef"[dice.below(34)],
                dice.below(256).to_le_bytes()[0],
            ];
            let new = any[dice.below(2)];
            match dice.below(4) {
                0 => bytes.insert(at, new),
                1 => drop(bytes.remove(at)),
                2 => bytes[at] ^= 1 << dice.below(8),
                _ => bytes[at] = new,
            }
        }
        let judged = Bundle::parse(&bytes).and_then(|bundle| bundle.verify(&scene.key()).map(drop));
        let name = format!("{n:04}.candor");
        files.push(folder.join(&name));
        fs::write(folder.join(&name), bytes).expect("the bundle is written");
        by_core.insert(name, judged.err().map(|error| error.to_string()));
    }
    let refused = compare(&folder, &files, &by_core, &scene.key());
    assert!(
        refused > OTHER_BYTES * 9 / 10 && refused < OTHER_BYTES,
        "{refused}"
    );
}

/// Has the JavaScript client judge the files, and requires that it says of each what core says. Returns how many are refused.
fn compare(
    folder: &Path,
    files: &[PathBuf],
    by_core: &BTreeMap<String, Option<String>>,
    key: &LogKey,
) -> usize {
    let keys_file = folder.join("keys.json");
    fs::write(&keys_file, json!({ "": key.to_string() }).to_string()).expect("the key is written");
    let list = write_list(folder, files);
    let by_node = by_javascript(&node("test/judge.js", &[&keys_file, &list]));
    let mut differences = Vec::new();
    for (name, core) in by_core {
        let javascript = by_node[name]["records"].as_str();
        if core.as_deref().map(what_and_where) != javascript.map(what_and_where) {
            differences.push(format!("{name}: core {core:?} javascript {javascript:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    by_core.values().flatten().count()
}
