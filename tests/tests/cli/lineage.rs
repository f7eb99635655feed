//! `candor lineage`, `candor release --parent` and `candor verify --base`: where releases come from.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use candor_tests::TestLog;
use candor_tests::cli::{Person, Ran, copy_folder, flip_last_byte};
use candor_tests::lying::{Lie, answers_for};
use serde_json::json;

const BASE: &str = "base-lab/base@1.0.0";
const TUNED: &str = "example-lab/tuned@1.0.0";
const SMALL: &str = "example-lab/small@1.0.0";

/// A log where a base was fine-tuned, and what came of that quantized; and somebody who reads it.
struct Scene {
    log: TestLog,
    base_lab: Person,
    lab: Person,
    reader: Person,
}

impl Scene {
    fn new() -> Self {
        let log = TestLog::start();
        let base_lab = Person::registered(&log, "base-lab");
        let lab = Person::registered(&log, "example-lab");
        let reader = Person::new(&log, "reader");
        let scene = Self {
            log,
            base_lab,
            lab,
            reader,
        };
        scene.release(&scene.base_lab, BASE, "").expect_code(0);
        scene
            .release(&scene.lab, TUNED, &format!("--parent fine-tune-of:{BASE}"))
            .expect_code(0);
        scene
            .release(
                &scene.lab,
                SMALL,
                &format!("--parent quantized-from:{TUNED}"),
            )
            .expect_code(0);
        scene
    }

    /// Publishes a folder of its own for the release, which is named as the model is.
    fn release(&self, who: &Person, release: &str, flags: &str) -> Ran {
        let model = model(release);
        who.write(&format!("{model}/model.bin"), release);
        who.write(
            &format!("{model}/README.md"),
            "---\nlicense: mit\n---\n# A model\n",
        );
        who.candor(
            &self.log,
            &format!("release {model} --as {release} {flags}"),
        )
    }

    fn reader(&self, line: &str) -> Ran {
        self.reader.candor(&self.log, line)
    }

    fn withdraw(&self, who: &Person, release: &str) {
        let line = [
            "withdraw",
            release,
            "--reason",
            "security",
            "--yes",
            "--explanation",
            "Its tokenizer runs code.",
        ];
        who.candor_args(&self.log, &line).expect_code(0);
    }

    /// Gives the reader the release's folder and bundle.
    fn give(&self, who: &Person, release: &str) {
        let model = model(release);
        copy_folder(&who.home.join(model), &self.reader.home.join(model));
        let bundle = format!("{model}-1.0.0.candor");
        self.reader.write(&bundle, who.read(&bundle));
    }
}

/// `small` of `example-lab/small@1.0.0`.
fn model(release: &str) -> &str {
    let model = release.split_once('/').expect("a publisher").1;
    model.split_once('@').expect("a version").0
}

#[test]
fn the_ancestors_of_a_release_are_drawn_and_checked() {
    let scene = Scene::new();
    let drawn = scene.reader(&format!("lineage {SMALL}")).expect_code(0);
    insta::assert_snapshot!(drawn.transcript());
    let json = scene
        .reader(&format!("lineage {SMALL} --json"))
        .expect_code(0);
    insta::assert_snapshot!(json.stdout);
    let same = scene.reader(&format!("lineage {SMALL} --format json"));
    assert_eq!(same.json()["edges"], json.json()["edges"]);
    let base = scene.reader(&format!("lineage {BASE}")).expect_code(0);
    base.expect_words("no parents are named");
    scene
        .reader(&format!("show {SMALL}"))
        .expect_words(&format!("quantized from {TUNED} (entry"));
    let near = scene.reader(&format!("lineage {SMALL} --depth 1"));
    let near = near
        .expect_code(0)
        .expect_words("1 parent further up, not looked at");
    assert!(!near.stdout.contains(BASE), "{}", near.transcript());
}

#[test]
fn a_merge_has_all_its_parents() {
    let scene = Scene::new();
    let merged = "example-lab/merged@1.0.0";
    let flags = format!("--parent merged-from:{SMALL} --parent merged-from:{BASE}");
    scene.release(&scene.lab, merged, &flags).expect_code(0);
    let again = format!("--parent merged-from:{BASE} --parent merged-from:{SMALL}");
    // In another order, it says the same.
    scene
        .release(&scene.lab, merged, &again)
        .expect_code(0)
        .expect_words("known");
    let json = scene
        .reader(&format!("lineage {merged} --json"))
        .expect_code(0)
        .json();
    assert_eq!(json["edges"].as_array().map(Vec::len), Some(4));
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(4));
    let drawn = scene.reader(&format!("lineage {merged}")).expect_code(0);
    drawn.expect_words("4 of 4 edges, to 3 releases");
}

#[test]
fn graphviz_reads_the_graph() {
    let scene = Scene::new();
    scene.withdraw(&scene.base_lab, BASE);
    let dot = scene
        .reader(&format!("lineage {SMALL} --format dot"))
        .expect_code(0)
        .stdout;
    insta::assert_snapshot!(dot);
    let Ok(mut graphviz) = Command::new("dot")
        .args(["-Tplain"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        return;
    };
    let mut input = graphviz.stdin.take().expect("piped");
    input.write_all(dot.as_bytes()).expect("written");
    drop(input);
    let output = graphviz.wait_with_output().expect("dot ends");
    let plain = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{plain}");
    assert_eq!(
        plain
            .lines()
            .filter(|line| line.starts_with("edge "))
            .count(),
        2
    );
}

#[test]
fn a_withdrawn_ancestor_shows_on_every_descendant() {
    let scene = Scene::new();
    scene.give(&scene.lab, SMALL);
    scene.reader(&format!("verify {SMALL}")).expect_code(0);
    scene.withdraw(&scene.base_lab, BASE);
    let drawn = scene.reader(&format!("lineage {SMALL}")).expect_code(0);
    insta::assert_snapshot!(drawn.transcript());
    let json = scene.reader(&format!("lineage {SMALL} --json")).json();
    assert_eq!(json["nodes"][0]["withdrawnAncestors"], json!([BASE]));
    assert_eq!(json["nodes"][1]["withdrawnAncestors"], json!([BASE]));
    assert_eq!(json["nodes"][2]["withdrawn"]["reason"], "security");

    // The bits are still those that were signed; nobody misses what became of those that they were made from.
    let warning = format!("an ancestor, 2 steps up, {BASE}, is withdrawn by entry");
    for line in [
        format!("verify {SMALL}"),
        format!("verify small --as {SMALL}"),
    ] {
        let verified = scene.reader(&line).expect_code(0);
        assert!(
            verified.stderr.contains(&format!("warning: {warning}")),
            "{}",
            verified.transcript()
        );
        let json = scene
            .reader(&format!("{line} --json"))
            .expect_code(0)
            .json();
        assert_eq!(json["lineage"]["checked"], 2);
        assert_eq!(json["lineage"]["withdrawn"][0]["release"], BASE);
        assert_eq!(json["lineage"]["withdrawn"][0]["depth"], 2);
    }
    scene
        .reader(&format!("show {SMALL}"))
        .expect_words(&warning);
    // A bundle from before says what it can't know.
    let offline = scene.reader("verify small-1.0.0.candor").expect_code(0);
    let offline = offline.expect_words("whether anything was withdrawn");
    assert!(offline.stderr.is_empty(), "{}", offline.transcript());
    // The base's own verdict is another matter.
    scene
        .reader(&format!("verify {BASE}"))
        .expect_error(1, "was withdrawn");
}

#[test]
fn a_bundle_shows_the_ancestors_with_nobody_to_ask() {
    let mut scene = Scene::new();
    scene.give(&scene.lab, SMALL);
    scene.log.kill();
    let drawn = scene.reader("lineage small-1.0.0.candor").expect_code(0);
    drawn
        .expect_words(&format!("fine-tune-of {BASE}  checked"))
        .expect_words("asks the log");
    let verified = scene
        .reader("verify small --bundle small-1.0.0.candor")
        .expect_code(0);
    verified.expect_words("2 parents are in the log");
    // Without them, it has nothing to show, and says so.
    let bundle = String::from_utf8(scene.reader.read("small-1.0.0.candor")).expect("text");
    let mut cut: serde_json::Value = serde_json::from_str(&bundle).expect("JSON");
    let records = cut["records"].as_array_mut().expect("records");
    records.retain(|record| {
        let statement = candor_tests::statements::statement_of(&record["entry"]);
        let name = statement["subject"][0]["name"].as_str().expect("a name");
        name == SMALL || name == "example-lab"
    });
    scene.reader.write_json("cut.candor", &cut);
    scene
        .reader("lineage cut.candor")
        .expect_error(3, "the parent's record is not here");
    let verified = scene.reader("verify cut.candor --json").expect_code(0);
    verified.expect_words("the parent's record is not here");
    scene
        .reader("lineage nowhere.candor")
        .expect_error(2, "no file here");
    scene
        .reader(&format!("lineage {SMALL}"))
        .expect_error(3, "");
}

#[test]
fn a_parent_is_looked_up_before_it_is_named() {
    let scene = Scene::new();
    let release = |flags: &str| scene.release(&scene.lab, "example-lab/next@1.0.0", flags);
    release("--parent fine-tune-of:base-lab/nothing@1.0.0").expect_error(
        3,
        "the log has no weights, API version or card of base-lab/nothing@1.0.0",
    );
    release("--parent fine-tune-of:example-lab/next@1.0.0")
        .expect_error(3, "the log has no weights");
    release(&format!(
        "--parent fine-tune-of:{BASE} --parent fine-tune-of:{BASE}"
    ))
    .expect_error(2, "named as fine-tune-of twice");
    release(&format!("--parent copied-from:{BASE}"))
        .expect_code(2)
        .expect_words("the relation is one of fine-tune-of");
    release("--parent base-lab/base@1.0.0")
        .expect_code(2)
        .expect_words("write RELATION:RELEASE");
    release("--parent fine-tune-of:base-lab/base")
        .expect_code(2)
        .expect_words("publisher/model@version");
    // Its own name is known by now, as something else.
    scene
        .release(
            &scene.lab,
            SMALL,
            &format!("--parent quantized-from:{SMALL}"),
        )
        .expect_error(2, "is not made from itself");
    scene.withdraw(&scene.base_lab, BASE);
    let refused = release(&format!("--parent fine-tune-of:{BASE}"));
    refused.expect_error(2, &format!("the parent {BASE} is withdrawn by entry"));
    release(&format!("--parent fine-tune-of:{TUNED} --dry-run"))
        .expect_code(0)
        .expect_words(&format!("fine-tune-of {TUNED}, entry "))
        .expect_words(&format!("{TUNED}: a parent, {BASE}, is withdrawn"));
    release(&format!("--parent fine-tune-of:{BASE} --allow-withdrawn"))
        .expect_code(0)
        .expect_words(&format!("warning: the parent {BASE} is withdrawn"));
}

#[test]
fn a_log_that_shows_an_adapter_and_its_base_in_two_histories_is_caught() {
    let mut scene = Scene::new();
    let adapter = "example-lab/adapter@1.0.0";
    let copy = scene.log.scratch().join("copy");
    assert!(scene.log.stop().success());
    copy_folder(&scene.log.data(), &copy);
    scene.log.restart();
    // Two entries in the one history, and two others in the other.
    let flags = format!("--parent adapter-for:{BASE}");
    scene.release(&scene.lab, adapter, &flags).expect_code(0);
    scene.give(&scene.lab, adapter);
    assert!(scene.log.stop().success());
    fs::remove_dir_all(scene.log.data()).expect("the log's folder can be removed");
    copy_folder(&copy, &scene.log.data());
    scene.log.restart();
    let lab = &scene.base_lab;
    scene
        .release(lab, "base-lab/other@1.0.0", "")
        .expect_code(0);
    // Its bundle again, as of now.
    scene.release(lab, BASE, "").expect_code(0);
    scene.give(lab, BASE);
    let verify = "verify adapter --bundle adapter-1.0.0.candor --base base";
    // Nothing was seen of the log before; each of the two would do for itself.
    scene
        .reader(&format!(
            "{verify} --base-bundle base-1.0.0.candor --offline"
        ))
        .expect_error(1, "two histories");
    assert_eq!(scene.reader.evidence().len(), 1);
    // With the log at hand, it proves that they are of one history, or does not.
    fs::remove_dir_all(scene.reader.home.join(".local/state")).expect("forgotten");
    scene.reader(verify).expect_error(1, "two histories");
}

#[test]
fn an_adapter_is_verified_together_with_its_base() {
    let mut scene = Scene::new();
    let adapter = "example-lab/adapter@1.0.0";
    let released = scene.release(&scene.lab, adapter, &format!("--parent adapter-for:{BASE}"));
    released.expect_code(0);
    scene.give(&scene.lab, adapter);
    scene.give(&scene.base_lab, BASE);
    scene.give(&scene.lab, TUNED);
    let online = format!("verify adapter --as {adapter} --base");
    let offline = "verify adapter --bundle adapter-1.0.0.candor --base";

    scene.reader(&format!("{online} base")).expect_code(0);
    let both = scene.reader(&format!("{online} base --json"));
    let both = both.expect_words("that example-lab/adapter@1.0.0 names as its base");
    let json = both.json();
    assert_eq!(json["base"]["verdict"], "holds");
    assert_eq!(json["base"]["release"], BASE);
    // Another release's folder is not the base.
    scene
        .reader(&format!("{online} tuned"))
        .expect_error(1, "changed: tuned/model.bin");
    let only_adapter = scene.reader(&format!("{offline} base"));
    only_adapter.expect_code(0);
    scene
        .reader(&format!("{offline} base --offline"))
        .expect_error(2, "without its bundle");
    scene
        .reader(&format!("verify tuned --as {TUNED} --base base"))
        .expect_error(3, "names no release that it is an adapter for");
    scene
        .reader(&format!("verify {adapter} --base base"))
        .expect_error(
            2,
            "`--base` names the folder that goes with an adapter's folder",
        );

    scene.log.kill();
    let with_bundle = format!("{offline} base --base-bundle base-1.0.0.candor --offline");
    scene
        .reader(&with_bundle)
        .expect_code(0)
        .expect_words("base: 2 files");
    scene
        .reader(&format!("{offline} tuned --base-bundle tuned-1.0.0.candor --offline"))
        .expect_error(1, "tuned-1.0.0.candor is of example-lab/tuned@1.0.0, and example-lab/adapter@1.0.0 is an adapter for base-lab/base@1.0.0");
    flip_last_byte(&scene.reader.home.join("base/model.bin"));
    let changed = scene.reader(&with_bundle);
    changed.expect_error(1, "changed: base/model.bin");
    let json = scene.reader(&format!("{with_bundle} --json")).json();
    assert_eq!(json["base"]["verdict"], "refuted");
    assert_eq!(json["verdict"], "refuted");
    flip_last_byte(&scene.reader.home.join("base/model.bin"));
    flip_last_byte(&scene.reader.home.join("adapter/model.bin"));
    scene
        .reader(&with_bundle)
        .expect_error(1, "changed: model.bin");
    fs::remove_dir_all(scene.reader.home.join("base")).expect("the folder goes");
    // What was found of the adapter stands, whatever becomes of its base.
    scene
        .reader(&with_bundle)
        .expect_error(1, "changed: model.bin")
        .expect_words("the base: ");
    flip_last_byte(&scene.reader.home.join("adapter/model.bin"));
    scene.reader(&with_bundle).expect_code(2);
}

#[test]
fn a_log_that_lies_about_a_parent_is_found_out() {
    let scene = Scene::new();
    let lied_to = |lie: Lie, line: &str| {
        let url = answers_for(&scene.log, lie);
        let arguments: Vec<_> = line.split_whitespace().collect();
        scene
            .reader
            .candor_with(&scene.log, &arguments, &[("CANDOR_LOG", url.as_str())])
    };
    let lie = |asked, status: u16, body: serde_json::Value| Lie {
        asked,
        status,
        content_type: if status == 200 {
            "application/json"
        } else {
            "application/problem+json"
        },
        body: body.to_string(),
    };
    let shown = scene.reader(&format!("show {SMALL} --json")).json();
    let own = &shown["records"][0];
    // Another entry in the place of the parent's.
    let row = json!({ "records": [{
        "index": own["index"], "statement": own["statement"], "kind": "weights", "publisher": "base-lab",
    }] });
    let other = lie("subject=base-lab", 200, row);
    for line in [format!("lineage {SMALL}"), format!("verify {SMALL}")] {
        lied_to(other.clone(), &line).expect_error(
            1,
            "as a record of base-lab about base-lab/base@1.0.0, and it is none",
        );
    }
    // What it hides of the keys leaves the parent open; what it hides of its lists, it can't take away.
    let absence = json!({ "type": "urn:candor:problem:not-found", "title": "Not here", "hint": "look elsewhere" });
    let no_keys = lie("publishers/base-lab", 404, absence.clone());
    lied_to(no_keys.clone(), &format!("lineage {SMALL}"))
        .expect_error(3, "the log has no publisher base-lab");
    lied_to(no_keys, &format!("verify {SMALL} --json"))
        .expect_code(0)
        .expect_words("the log has no publisher base-lab");
    let no_list = lie("subject=base-lab", 404, absence);
    lied_to(no_list, &format!("lineage {SMALL}")).expect_code(0);
}
