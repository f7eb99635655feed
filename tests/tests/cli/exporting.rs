//! `candor export`: a release as a bill of materials, for whoever keeps lists of what a product is made of.

mod parents;

use std::fs;

use candor_core::Sha256;
use candor_tests::cli::{Person, Ran, copy_folder, write_release};
use candor_tests::{TestLog, TestPublisher, boms};
use serde_json::{Value, json};

const RELEASE: &str = "example-lab/tiny@1.0.0";
const BUNDLE: &str = "tiny-1.0.0.candor";
const FORMATS: [&str; 3] = ["cyclonedx", "cyclonedx-1.6", "spdx"];

/// 2026-11-01T12:00:00Z.
const EPOCH: (&str, &str) = ("SOURCE_DATE_EPOCH", "1793534400");

/// A log with a release in it, and its publisher.
fn released() -> (TestLog, Person) {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.candor(&log, &format!("release tiny --as {RELEASE}"))
        .expect_code(0);
    (log, lab)
}

/// `candor export`, at a time that is the same in each run.
fn export(who: &Person, log: &TestLog, line: &str) -> Ran {
    let words = ["export"].into_iter().chain(line.split(' '));
    who.candor_with(log, &words.collect::<Vec<_>>(), &[EPOCH])
}

/// The values of the properties of this name, of the model.
fn properties(document: &Value, name: &str) -> Vec<String> {
    let (list, name_key, value_key) = match model(document) {
        package if document["bomFormat"].is_null() => (
            package["extension"][0]["extension_cdxProperty"].clone(),
            "extension_cdxPropName",
            "extension_cdxPropValue",
        ),
        component => (component["properties"].clone(), "name", "value"),
    };
    let list = list.as_array().expect("a model has properties");
    let these = list.iter().filter(|it| it[name_key] == name);
    these
        .map(|it| it[value_key].as_str().expect("text").to_owned())
        .collect()
}

fn model(document: &Value) -> &Value {
    let graph = document["@graph"].as_array();
    graph.map_or(&document["metadata"]["component"], |graph| {
        let mut graph = graph.iter();
        graph
            .find(|it| it["type"] == "ai_AIPackage")
            .expect("a model")
    })
}

#[test]
fn a_release_is_exported_by_its_name_and_from_its_bundle_in_each_format() {
    let (mut log, lab) = released();
    let boms = lab.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    let mut documents = Vec::new();
    for format in FORMATS {
        let named = export(&lab, &log, &format!("{RELEASE} --format {format}")).expect_code(0);
        let document = named.json();
        assert_eq!(properties(&document, "candor:release"), [RELEASE]);
        assert_eq!(properties(&document, "candor:log:size"), ["4"]);
        // Where the log is known, its entries have addresses that can be followed.
        assert!(named.stdout.contains("[log]/records/1"), "{}", named.stdout);
        assert!(!named.stdout.contains(BUNDLE), "{}", named.stdout);
        documents.push(document);
        // The helper for tests writes `[log]` into what it shows; a file has the address.
        let line = format!("{RELEASE} --format {format} -o boms/{format}-named.json");
        export(&lab, &log, &line).expect_code(0);
    }
    log.kill();
    for (format, named) in FORMATS.into_iter().zip(&documents) {
        let line = format!("{BUNDLE} --format {format} -o boms/{format}.json");
        let written = export(&lab, &log, &line).expect_code(0);
        assert!(written.stdout.is_empty(), "{}", written.transcript());
        let bytes = lab.read(&format!("boms/{format}.json"));
        let document: Value = serde_json::from_slice(&bytes).expect("JSON");
        // The records are the same, and so is all that they say.
        assert_eq!(
            properties(&document, "candor:metric"),
            properties(named, "candor:metric")
        );
        let text = String::from_utf8(bytes).expect("UTF-8");
        let sha256 = Sha256::of(lab.read(BUNDLE)).to_string();
        assert!(text.contains(BUNDLE) && text.contains(&sha256), "{text}");
        assert!(text.contains("2026-11-01T12:00:00Z"), "{text}");
        assert!(text.contains("model.safetensors"), "{text}");
    }
    let versions: Vec<_> = documents.iter().map(|it| &it["specVersion"]).collect();
    assert_eq!(versions, [&json!("1.7"), &json!("1.6"), &Value::Null]);
    assert_eq!(
        documents[2]["@context"],
        "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    );
    boms::expect_valid(&boms);
}

#[test]
fn a_pinned_version_is_the_one_that_is_meant_today() {
    let (log, lab) = released();
    for (today, pinned) in [("cyclonedx", "cyclonedx-1.7"), ("spdx", "spdx-3.0.1")] {
        let [today, pinned] = [today, pinned].map(|format| {
            export(&lab, &log, &format!("{BUNDLE} --format {format}")).expect_code(0)
        });
        assert_eq!(today.stdout, pinned.stdout);
    }
    lab.candor(&log, &format!("export {BUNDLE} --format cyclonedx-1.5"))
        .expect_code(2)
        .expect_words("[possible values: cyclonedx, cyclonedx-1.6, spdx]");
    lab.candor(&log, &format!("export {BUNDLE}"))
        .expect_code(2)
        .expect_words("--format <FORMAT>");
}

#[test]
fn the_same_bundle_gives_the_same_bytes_at_the_same_time() {
    let (log, lab) = released();
    for format in FORMATS {
        let line = format!("{BUNDLE} --format {format}");
        let first = export(&lab, &log, &line).expect_code(0).stdout;
        export(&lab, &log, &format!("{line} -o {format}.json")).expect_code(0);
        let file = String::from_utf8(lab.read(&format!("{format}.json"))).expect("UTF-8");
        // Also with `--json`, and in a file.
        let json = export(&lab, &log, &format!("{line} --json")).expect_code(0);
        assert_eq!(json.stdout, first);
        assert_eq!(file.replace(log.url(), "[log]"), first);

        let words: Vec<_> = ["export"].into_iter().chain(line.split(' ')).collect();
        let at = |time| lab.candor_with(&log, &words, &[("SOURCE_DATE_EPOCH", time)]);
        let later = at("1793534401").expect_code(0);
        assert_ne!(later.stdout, first);
        // Empty is not set, and then it is now.
        let now = at("").expect_code(0);
        assert!(!now.stdout.contains("2026-11-01T12:00:00Z"));
        for bad in ["-1", "+1", "1.5", "1e9", "today", "253402300800", " 1"] {
            at(bad).expect_error(2, "SOURCE_DATE_EPOCH is");
        }
        at("253402300799").expect_words("9999-12-31T23:59:59Z");
    }
}

#[test]
fn what_the_caller_knows_is_in_the_document() {
    let (log, lab) = released();
    let serial = "2d4e1b1c-56a1-5d5f-9a3c-0a1b2c3d4e5f";
    let spdx = format!(
        "{BUNDLE} --format spdx --serial {serial} --released 2026-10-01T09:00:00Z -o given.json"
    );
    export(&lab, &log, &spdx).expect_code(0);
    let document: Value = serde_json::from_slice(&lab.read("given.json")).expect("JSON");
    assert_eq!(model(&document)["releaseTime"], "2026-10-01T09:00:00Z");
    assert!(document.to_string().contains(serial));
    let cyclonedx = format!("{BUNDLE} --format cyclonedx --serial {serial}");
    let document = export(&lab, &log, &cyclonedx).expect_code(0).json();
    assert_eq!(document["serialNumber"], format!("urn:uuid:{serial}"));

    let refused = |flags: &str, words: &str| {
        let line = format!("{BUNDLE} {flags} -o refused.json");
        let refused = export(&lab, &log, &line).expect_code(2).expect_words(words);
        assert!(refused.stdout.is_empty(), "{}", refused.transcript());
        assert!(!lab.home.join("refused.json").exists());
    };
    // CycloneDX has no place for it: who gives it believes that it is there.
    refused(
        "--format cyclonedx --released 2026-10-01T09:00:00Z",
        "`--released` is for SPDX",
    );
    refused("--format spdx --released 2026-10-01", "is no time");
    refused("--format spdx --serial 1", "is no UUID");
}

#[test]
fn without_the_logs_address_entries_have_names() {
    let (log, lab) = released();
    let words = ["export", BUNDLE, "--format", "cyclonedx"];
    let exported = lab.candor_with(&log, &words, &[EPOCH, ("CANDOR_LOG", "")]);
    let document = exported.expect_code(0).json();
    let references = model(&document)["externalReferences"].to_string();
    assert!(
        references.contains("urn:candor:entry:example.org/candor-test/1"),
        "{references}"
    );
    // A folder is an address on this machine alone.
    let folder = [EPOCH, ("CANDOR_LOG", "file:///srv/log")];
    let exported = lab.candor_with(&log, &words, &folder).expect_code(0).stdout;
    assert!(!exported.contains("file://"), "{exported}");
    lab.candor_with(&log, &words, &[("CANDOR_LOG", "log")])
        .expect_error(2, "log");
}

#[test]
fn nothing_is_written_of_a_bundle_that_does_not_hold() {
    let (log, lab) = released();
    let text = String::from_utf8(lab.read(BUNDLE)).expect("UTF-8");
    let bundle: Value = serde_json::from_str(&text).expect("JSON");
    let refused = |exit: i32, words: &str| {
        for format in FORMATS {
            let line = format!("changed.candor --format {format}");
            let refused = export(&lab, &log, &line).expect_error(exit, words);
            assert!(refused.stdout.is_empty(), "{}", refused.transcript());
            export(&lab, &log, &format!("{line} -o changed.json")).expect_code(exit);
            assert!(!lab.home.join("changed.json").exists());
        }
    };
    let changed = |alter: &dyn Fn(&mut Value)| {
        let mut changed = bundle.clone();
        alter(&mut changed);
        lab.write_json("changed.candor", &changed);
    };
    changed(&|it| it["records"][1]["proof"] = json!([]));
    refused(1, "entry");
    changed(&|it| it["attachments"][0]["data"] = json!("e30="));
    refused(1, "attachment");
    changed(&|it| {
        let sig = &mut it["records"][1]["entry"]["signatures"][0]["sig"];
        *sig = json!(sig.as_str().expect("text").replace(['A', 'B'], "C"));
    });
    refused(1, "entry");
    lab.write("changed.candor", &text[..text.len() / 2]);
    refused(2, "not strict JSON");
    // Another log's bundle is no input, and without a key nothing is known of any.
    lab.write("changed.candor", &text);
    let words = ["export", "changed.candor", "--format", "spdx"];
    for (key, words_of_it) in [
        (
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "log-key",
        ),
        ("", "the log's key is not known"),
    ] {
        lab.candor_with(&log, &words, &[("CANDOR_LOG_KEY", key)])
            .expect_error(2, words_of_it);
    }
    // And as it was, it is taken.
    export(&lab, &log, "changed.candor --format spdx").expect_code(0);
}

#[test]
fn no_file_is_overwritten() {
    let (log, lab) = released();
    for there in [BUNDLE, "tiny/README.md"] {
        let before = lab.read(there);
        for target in [BUNDLE, RELEASE] {
            export(&lab, &log, &format!("{target} --format spdx -o {there}"))
                .expect_error(2, "is there already, and is not overwritten");
        }
        assert_eq!(lab.read(there), before);
    }
    export(&lab, &log, &format!("{BUNDLE} --format spdx -o new/a.json"))
        .expect_error(2, "new/a.json");
    export(&lab, &log, &format!("{BUNDLE} --format spdx -o a.json")).expect_code(0);
    export(&lab, &log, &format!("{BUNDLE} --format spdx -o a.json")).expect_code(2);
}

#[test]
fn a_withdrawn_release_is_written_and_marked_with_a_warning() {
    let (log, lab) = released();
    let boms = lab.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    // Before, there is nothing of it.
    let before = export(&lab, &log, &format!("{RELEASE} --format cyclonedx")).expect_code(0);
    assert_eq!(
        before.stderr,
        format!(
            "exported  {RELEASE} as CycloneDX 1.7\nnot checked  whether the log's lists leave records out: `candor log` walks through all entries\n"
        )
    );
    assert!(properties(&before.json(), "candor:withdrawn").is_empty());
    let withdraw = |target: &str, why: &str| {
        let words = [
            "withdraw",
            target,
            "--reason",
            "security",
            "--yes",
            "--explanation",
            why,
        ];
        lab.candor_args(&log, &words).expect_code(0);
    };
    // The training config, without which the release stands.
    withdraw("3", "Wrong numbers.");
    for format in FORMATS {
        let exported = export(&lab, &log, &format!("{RELEASE} --format {format}"));
        let exported = exported.expect_code(0).expect_words(
            "warning: what the training-config record (entry 3) says is left out: withdrawn by entry 4 (security): Wrong numbers.",
        );
        let document = exported.json();
        assert!(properties(&document, "candor:withdrawn").is_empty());
        assert_eq!(properties(&document, "candor:withdrawn:record").len(), 1);
    }
    withdraw(RELEASE, "It leaks letters.");
    for format in FORMATS {
        let line = format!("{RELEASE} --format {format} -o boms/{format}.json");
        let exported = export(&lab, &log, &format!("{line} --json")).expect_code(0);
        let words = "example-lab/tiny@1.0.0 does not stand, and the document says so: withdrawn by entry 5 (security): It leaks letters.";
        assert!(exported.stderr.contains(words), "{}", exported.transcript());
        let summary = exported.json();
        assert_eq!(summary["withdrawnBy"], 5);
        assert_eq!(summary["warnings"], json!([words]));
        let bytes = lab.read(&format!("boms/{format}.json"));
        assert_eq!(summary["sha256"], Sha256::of(&bytes).to_string());
        let document: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(properties(&document, "candor:withdrawn"), ["true"]);
        assert_eq!(properties(&document, "candor:withdrawn:by"), ["entry 5"]);
        // Who asks whether it may be used is told no.
        lab.candor(&log, &format!("verify {RELEASE}"))
            .expect_code(1);
    }
    // A bundle from before can't know, and its document says as of when.
    let older = export(&lab, &log, &format!("{BUNDLE} --format spdx")).expect_code(0);
    assert!(!older.stderr.contains("warning"), "{}", older.transcript());
    assert_eq!(properties(&older.json(), "candor:log:size"), ["4"]);
    boms::expect_valid(&boms);
}

#[test]
fn weak_digests_are_marked_with_a_warning() {
    let (log, lab) = released();
    lab.write("MD5SUMS", "b1946ac92492d2347c6235b4d2611184  model.bin\n");
    lab.candor(
        &log,
        "publish MD5SUMS --as example-lab/old@1 --out old.candor",
    )
    .expect_code(0);
    let boms = lab.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    for format in FORMATS {
        let line = format!("old.candor --format {format} -o boms/{format}.json");
        export(&lab, &log, &line)
            .expect_code(0)
            .expect_words("warning: the files have only digests by MD5, which are weak");
        let document = serde_json::from_slice(&lab.read(&format!("boms/{format}.json")));
        let document: Value = document.expect("JSON");
        assert_eq!(properties(&document, "candor:weights:strength"), ["weak"]);
    }
    boms::expect_valid(&boms);
}

#[test]
fn what_is_no_release_and_no_bundle_is_refused() {
    let (log, lab) = released();
    let refused = |target: &str, exit: i32, words: &str| {
        export(&lab, &log, &format!("{target} --format spdx")).expect_error(exit, words);
    };
    refused("nowhere.candor", 2, "is no file here, and no release");
    refused("tiny", 2, "tiny is a folder");
    refused("tiny/README.md", 2, "not strict JSON");
    refused(
        "example-lab/tiny@9",
        3,
        "has no record of example-lab/tiny@9",
    );
    // Nobody who can put a file here decides what a name means.
    lab.write(RELEASE, lab.read(BUNDLE));
    refused(RELEASE, 2, "there is a file or folder of that name");
    export(&lab, &log, &format!("./{RELEASE} --format spdx")).expect_code(0);
    // An API version is a service, and no model.
    let api = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../xtask/demo/api-version.json"
    );
    let publish = [
        "publish",
        api,
        "--kind",
        "api-version",
        "--as",
        "example-lab/api@1",
    ];
    let out = ["--out", "api.candor"];
    lab.candor_args(&log, &[&publish[..], &out].concat())
        .expect_code(0);
    for target in ["api.candor", "example-lab/api@1"] {
        refused(target, 2, "and so no model to describe");
    }
}

#[test]
fn what_publishers_wrote_reaches_no_terminal_as_it_is() {
    let (log, lab) = released();
    let hostile = "\u{1b}[2J\u{202e}dehsilbup\u{200b}";
    let config = format!("learning_rate: 0.1\nnote: {}\n", json!(hostile));
    lab.write("training_config.yml", config);
    lab.candor(&log, "publish training_config.yml --as example-lab/odd@1")
        .expect_code(0);
    for format in FORMATS {
        // `candor` asserts that nothing in it is a control or turns text around; as JSON, it is what was written.
        let exported = export(&lab, &log, &format!("example-lab/odd@1 --format {format}"));
        let document = exported.expect_code(0).json().to_string();
        assert!(document.contains(&json!(hostile).to_string()), "{document}");
    }
}

#[test]
fn a_bundle_of_another_history_is_refuted() {
    let mut log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let copy = log.scratch().join("copy");
    assert!(log.stop().success());
    copy_folder(&log.data(), &copy);
    log.restart();
    write_release(&lab.home.join("tiny"));
    let release = format!("release tiny --as {RELEASE}");
    lab.candor(&log, &release).expect_code(0);
    // The log is set back, and tells somebody else something else.
    assert!(log.stop().success());
    fs::remove_dir_all(log.data()).expect("the log's folder can be removed");
    copy_folder(&copy, &log.data());
    log.restart();
    let other = Person::new(&log, "other");
    write_release(&other.home.join("tiny"));
    other.write("tiny/config.json", "{}");
    other.write_key(".config/candor/key.pem", &TestPublisher::new("example-lab"));
    other.candor(&log, &release).expect_code(0);
    export(&other, &log, &format!("{BUNDLE} --format spdx")).expect_code(0);
    lab.write("theirs.candor", other.read(BUNDLE));
    let refuted = export(&lab, &log, "theirs.candor --format spdx -o theirs.json");
    refuted.expect_error(1, "two histories");
    assert!(!lab.home.join("theirs.json").exists());
}
