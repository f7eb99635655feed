//! What strangers, planted files and lying logs can't make of a verdict.

use candor_core::Sha256;
use candor_core::record::{Statement, to_canonical_json};
use candor_tests::cli::{Person, Ran};
use candor_tests::lying::{Lie, answers_for};
use candor_tests::statements::statement_of;
use candor_tests::{TestLog, TestPublisher};
use serde_json::{Value, json};

use crate::verifying::Scene;

const RELEASE: &str = "example-lab/tiny@1.0.0";

/// Small evaluations of the release by `author`, each another.
fn evaluations(scene: &Scene, author: &TestPublisher, count: usize) -> Vec<Value> {
    let shown = scene.auditor("show 1 --json").json();
    let sha256 = &shown["subject"]["sha256"];
    let evaluation = |n: usize| {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": RELEASE, "digest": { "sha256": sha256 } }],
            "predicateType": "urn:candor:evaluation:v1",
            "predicate": {
                "author": author.name, "harness": { "name": "by-hand" }, "outcome": "reported",
                "results": [{ "task": "letters", "metric": "acc", "value": n }],
            },
        });
        let payload = to_canonical_json(&statement);
        Statement::parse(&payload).expect("a statement");
        author.sign(payload)
    };
    (0..count).map(evaluation).collect()
}

/// Runs a command of the auditor's against a log that lies.
fn lied_to(scene: &Scene, said: Lie, line: &str) -> Ran {
    let url = answers_for(&scene.log, said);
    let arguments: Vec<_> = line.split_whitespace().collect();
    let variables = [("CANDOR_LOG", url.as_str())];
    scene
        .auditor
        .candor_with(&scene.log, &arguments, &variables)
}

fn lie(asked: &'static str, status: u16, body: &Value) -> Lie {
    let content_type = match status {
        200 => "application/json",
        _ => "application/problem+json",
    };
    let body = body.to_string();
    Lie {
        asked,
        status,
        content_type,
        body,
    }
}

fn absence() -> Value {
    json!({ "type": "urn:candor:problem:not-found", "title": "Not here", "hint": "look elsewhere" })
}

#[test]
fn a_stranger_who_says_much_about_a_release_leaves_it_verifiable() {
    let scene = Scene::new();
    let stranger = TestPublisher::new("stranger");
    scene.log.publish(&[stranger.register()]).expect_status(201);
    for chunk in evaluations(&scene, &stranger, 150).chunks(50) {
        scene.log.publish(chunk).expect_status(201);
    }
    scene
        .auditor(&format!("verify {RELEASE}"))
        .expect_code(0)
        .expect_words("150 records by others are listed");
    scene
        .auditor(&format!("show {RELEASE}"))
        .expect_code(0)
        .expect_words("100 of them are looked at");
    let json = scene
        .auditor(&format!("show {RELEASE} --json"))
        .expect_code(0)
        .json();
    assert_eq!(
        json["others"],
        json!({ "listed": 150, "more": false, "taken": 100 })
    );
    assert_eq!(json["records"].as_array().map(Vec::len), Some(103));
    let again = scene
        .lab
        .candor(&scene.log, &format!("release tiny --as {RELEASE}"))
        .expect_code(0);
    again.expect_words("103 records, 100 of them by others");
    scene
        .lab
        .candor(
            &scene.log,
            "verify tiny --bundle tiny-1.0.0.candor --offline",
        )
        .expect_code(0);
    let listed = scene
        .auditor(&format!("list --about {RELEASE} --limit 500 --json"))
        .json();
    assert_eq!(listed["records"].as_array().map(Vec::len), Some(153));
}

#[test]
fn whoever_says_much_hides_nobody_who_did_not_find_what_was_claimed() {
    let scene = Scene::new();
    let [honest, stranger] = ["honest", "stranger"].map(TestPublisher::new);
    scene
        .log
        .publish(&[honest.register(), stranger.register()])
        .expect_status(201);
    let claim = scene.auditor("show 1 --json").json()["statement"].clone();
    let failed = |author: &TestPublisher, count| {
        let reported = evaluations(&scene, author, count);
        let failing = |envelope: &Value| {
            let mut statement = statement_of(envelope);
            statement["predicate"]["outcome"] = json!("failed-to-reproduce");
            statement["predicate"]["answers"] = claim.clone();
            author.sign(to_canonical_json(&statement))
        };
        reported.iter().map(failing).collect::<Vec<_>>()
    };
    // The honest one's record is the oldest, so that it does not come along; and the list of values has the stranger's
    // before it, by name and by number.
    scene.log.publish(&failed(&honest, 1)).expect_status(201);
    for chunk in failed(&stranger, 150).chunks(50) {
        scene.log.publish(chunk).expect_status(201);
    }
    let ran = scene
        .auditor(&format!("verify {RELEASE}"))
        .expect_code(0)
        .expect_words("NOT REPRODUCED: honest says")
        .expect_words("NOT REPRODUCED: stranger says");
    assert_eq!(ran.stdout.matches("NOT REPRODUCED").count(), 2);
    let json = scene
        .auditor(&format!("verify {RELEASE} --json"))
        .expect_code(0)
        .json();
    let told = json["notReproduced"].as_array().expect("a list");
    let authors: Vec<_> = told.iter().map(|it| it["author"].as_str()).collect();
    assert_eq!(authors, [Some("stranger"), Some("honest")]);
}

#[test]
fn a_file_of_that_name_does_not_stand_in_for_the_log() {
    let scene = Scene::new();
    let bundle = scene.auditor.read("tiny.candor");
    for name in [RELEASE, "2", &"f".repeat(64)] {
        scene.auditor.write(name, &bundle);
        scene
            .auditor(&format!("verify {name}"))
            .expect_error(2, &format!("write ./{name} for what is here"));
        std::fs::remove_file(scene.auditor.home.join(name)).expect("the file goes");
    }
    scene.auditor.write("2", &bundle);
    scene.auditor("verify ./2").expect_code(0);
}

#[test]
fn a_bundle_without_its_publishers_word_shows_no_release() {
    let scene = Scene::new();
    let stranger = Person::registered(&scene.log, "stranger");
    let evaluation = &evaluations(&scene, &TestPublisher::new("stranger"), 1)[0];
    stranger.write_json("evaluation.json", evaluation);
    stranger
        .candor(&scene.log, "publish evaluation.json --out whole.candor")
        .expect_code(0);
    let whole: Value = serde_json::from_slice(&stranger.read("whole.candor")).expect("JSON");
    let kept = |keep: &dyn Fn(&Value) -> bool| {
        let mut cut = whole.clone();
        let records = cut["records"].as_array_mut().expect("records");
        records.retain(|record| keep(&statement_of(&record["entry"])));
        cut["attachments"] = json!([]);
        scene.auditor.write_json("cut.candor", &cut);
        scene.auditor(&format!("verify cut.candor --as {RELEASE}"))
    };
    let strangers = |statement: &Value| {
        statement["subject"][0]["name"] == "stranger"
            || statement["predicate"]["author"] == "stranger"
    };
    kept(&strangers).expect_error(3, "no record by example-lab says what");
    // The card is there, and the evaluation is of the weights.
    kept(&|statement| statement["predicateType"] != "urn:candor:weights:v1")
        .expect_code(0)
        .expect_words("what was evaluated in entry 5: no record here says");
}

#[test]
fn what_no_release_lists_is_found_in_a_folder() {
    let scene = Scene::new();
    let folder = scene.auditor.home.join("tiny");
    let verify = |flags: &str| scene.auditor(&format!("verify tiny --bundle tiny.candor {flags}"));
    std::os::unix::fs::symlink("/etc/passwd", folder.join("notes")).expect("a link");
    verify("").expect_error(1, "not listed: notes (a symbolic link");
    std::fs::remove_file(folder.join("notes")).expect("the link goes");
    // As a cache of downloads has them: not followed, and not taken for other files either.
    let (config, blob) = (folder.join("config.json"), scene.auditor.home.join("blob"));
    std::fs::rename(&config, &blob).expect("moved");
    std::os::unix::fs::symlink(&blob, &config).expect("a link");
    verify("")
        .expect_error(1, "has links in place of files")
        .expect_words("cp --dereference");
    std::fs::rename(&blob, &config).expect("moved back");

    scene.auditor.write("tiny/.git/hooks/post-checkout", "x");
    scene.auditor.write("tiny/.cache/huggingface/x", "x");
    scene
        .auditor
        .write("tiny/this.candor", scene.auditor.read("tiny.candor"));
    verify("")
        .expect_code(0)
        .expect_words("what is in .cache/huggingface, .git, this.candor, which a release never");
    verify("--strict")
        .expect_error(1, "not listed: .git")
        .expect_words("or leave out `--strict`")
        .expect_words("not listed: this.candor");
    scene.auditor.write("tiny/model.candor", "anything");
    verify("").expect_error(1, "not listed: model.candor");

    for name in [".git", ".cache"] {
        std::fs::remove_dir_all(folder.join(name)).expect("the folder goes");
    }
    std::fs::remove_file(folder.join("model.candor")).expect("the file goes");
    // The bundle that is held against may lie in the folder.
    scene
        .auditor("verify tiny --bundle tiny/this.candor --strict")
        .expect_code(0);

    std::fs::remove_dir_all(&folder).expect("the folder goes");
    std::fs::create_dir(&folder).expect("an empty one");
    verify("").expect_error(1, "missing: model.safetensors");
}

#[test]
fn a_release_of_another_name_is_said_to_be_that() {
    let scene = Scene::new();
    let verify = "verify tiny --bundle tiny.candor --as example-lab/tiny@9.9.9";
    let other = scene.auditor(verify).expect_code(1);
    insta::assert_snapshot!(other.stderr, @"
    error: tiny is not example-lab/tiny@9.9.9: the bundle is of example-lab/tiny@1.0.0, and the folder fits that
    hint: check `--as`, or get the bundle of example-lab/tiny@9.9.9
    ");
    let json = scene.auditor(&format!("{verify} --json")).json();
    assert_eq!(json["target"], "tiny as example-lab/tiny@9.9.9");
    assert_eq!(json["findings"][0]["finding"], "other-release");
    scene.auditor.write("tiny/config.json", "{}");
    scene
        .auditor(verify)
        .expect_error(1, "changed: config.json");
}

#[test]
fn a_file_is_verified_by_naming_its_folder() {
    let scene = Scene::new();
    scene
        .auditor("verify tiny/model.safetensors --bundle tiny.candor")
        .expect_error(2, "name the folder that it is in");
}

#[test]
fn verify_always_says_a_verdict_in_json() {
    let mut scene = Scene::new();
    let damaged = String::from_utf8(scene.auditor.read("tiny.candor")).expect("text");
    let damaged = damaged.replacen("\"index\": 1", "\"index\": 2", 1);
    scene.auditor.write("damaged.candor", damaged);
    let verdict = |scene: &Scene, line: &str| {
        let json = scene.auditor(&format!("verify {line} --json")).json();
        assert!(json["exit"].is_u64(), "{json}");
        json["verdict"].as_str().expect("a verdict").to_owned()
    };
    assert_eq!(verdict(&scene, "tiny.candor"), "holds");
    assert_eq!(verdict(&scene, "damaged.candor"), "refuted");
    assert_eq!(verdict(&scene, "nowhere.candor"), "bad-input");
    assert_eq!(verdict(&scene, "tiny.candor --bundle"), "bad-input");
    scene.log.kill();
    assert_eq!(verdict(&scene, RELEASE), "could-not-tell");
}

#[test]
fn what_a_log_keeps_silent_about_is_not_refuted() {
    let scene = Scene::new();
    let hidden = lie("/api/v1/publishers/", 404, &absence());
    for line in ["verify 1", "show 1", &format!("verify {RELEASE}")] {
        lied_to(&scene, hidden.clone(), line).expect_error(3, "don't explain entry 1");
    }
    // Somebody else's silence does not even leave the release open.
    let stranger = TestPublisher::new("stranger");
    scene.log.publish(&[stranger.register()]).expect_status(201);
    scene
        .log
        .publish(&evaluations(&scene, &stranger, 1))
        .expect_status(201);
    let hidden = lie("/api/v1/publishers/stranger", 404, &absence());
    lied_to(&scene, hidden, &format!("verify {RELEASE}")).expect_code(0);
    // Nor is a strange server's.
    let strange = lie("/api/v1/", 404, &json!({}));
    for line in [
        &format!("verify {RELEASE}"),
        "verify 1",
        "show example-lab/tiny",
    ] {
        lied_to(&scene, strange.clone(), line)
            .expect_error(3, "what answers there is not this log");
    }
    // Where it is silent about everything, the entries say what a list would, and more than that.
    lied_to(&scene, strange, "list").expect_code(0);
    let in_between = lie("/api/v1/records", 404, &json!({}));
    lied_to(&scene, in_between, "list").expect_error(3, "what answers there is not this log");
    // An index that the log made up is no fault of whoever asked for a digest.
    let shown = scene.auditor("show 1 --json").json();
    let row = json!({
        "index": 99, "statement": shown["statement"], "kind": "weights", "publisher": "example-lab",
    });
    let digest = shown["statement"].as_str().expect("a digest");
    lied_to(
        &scene,
        lie("/api/v1/records/", 200, &row),
        &format!("verify {digest}"),
    )
    .expect_error(3, "the log lists entry 99");
}

#[test]
fn a_key_of_another_log_is_no_proof_against_this_one() {
    let scene = Scene::new();
    let key = "--log-key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    for line in [
        "checkpoint",
        "list",
        "log",
        "proof 1",
        "show 1",
        "verify 1",
        "verify example-lab/tiny@1.0.0",
        "verify tiny --as example-lab/tiny@1.0.0",
        "verify tiny.candor",
    ] {
        scene
            .auditor(&format!("{line} {key}"))
            .expect_error(2, "and not by example.com/foo+530d903a");
        scene.auditor("checkpoint").expect_code(0);
    }
    // What says to be signed by the very key, and is not, was changed.
    let checkpoint = String::from_utf8(scene.log.get("/checkpoint").body).expect("text");
    let changed = Lie {
        body: checkpoint.replacen("\n4\n", "\n5\n", 1),
        ..lie("/checkpoint", 200, &json!(null))
    };
    lied_to(&scene, changed, "checkpoint").expect_error(1, "is not over this text");
}

#[test]
fn a_list_is_held_against_what_was_asked_for() {
    let scene = Scene::new();
    let shown = scene.auditor("show 2 --json").json();
    let row = |statement: &Value| {
        json!({ "records": [{
            "index": 2, "statement": statement, "kind": "weights", "publisher": "example-lab",
        }] })
    };
    let card = lie("/api/v1/records?", 200, &row(&shown["statement"]));
    lied_to(&scene, card.clone(), "list").expect_code(0);
    for line in [
        "list --kind weights",
        "list --publisher stranger",
        "list --about example-lab/tiny@2",
    ] {
        lied_to(&scene, card.clone(), line).expect_error(1, "the log lists entry 2");
    }
    let other = row(&json!(Sha256::of("other").to_string()));
    lied_to(&scene, lie("/api/v1/records?", 200, &other), "list")
        .expect_error(1, "the log lists entry 2");
    // An entry that is no withdrawal withdraws nothing.
    let mut withdrawn = row(&shown["statement"]);
    withdrawn["records"][0]["withdrawnBy"] = json!(3);
    lied_to(&scene, lie("/api/v1/records?", 200, &withdrawn), "list")
        .expect_error(1, "the log lists entry 3 as the withdrawal of entry 2");
    lied_to(
        &scene,
        lie("/api/v1/records/", 200, &withdrawn["records"][0]),
        "show 2",
    )
    .expect_error(1, "the log lists entry 3 as the withdrawal of entry 2");
    // The same answer serves the list and the publisher.
    let publishers = json!({
        "publishers": [{ "name": "meta-ai", "index": 0 }], "name": "example-lab", "history": [0],
    });
    lied_to(
        &scene,
        lie("/api/v1/publishers", 200, &publishers),
        "list publishers",
    )
    .expect_code(1);
}

#[test]
fn a_list_of_any_length_is_shown_in_a_table() {
    let scene = Scene::new();
    let release =
        json!({ "name": RELEASE, "firstIndex": 1, "kinds": vec!["training-config"; 5_000] });
    let model = json!({ "name": "example-lab/tiny", "releases": [release, release] });
    lied_to(
        &scene,
        lie("/api/v1/models/", 200, &model),
        "show example-lab/tiny",
    )
    .expect_code(0)
    .expect_words("training-config");
}

#[test]
fn a_bundle_is_not_written_without_what_was_published() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    candor_tests::cli::write_release(&lab.home.join("tiny"));
    let release = format!("release tiny --as {RELEASE}");
    lab.candor(&log, &release).expect_code(0);
    std::fs::remove_file(lab.home.join("tiny-1.0.0.candor")).expect("the bundle goes");
    // Where the records go in, and where they come out: the second leaves the weights away.
    let row = lab.candor(&log, "show 2 --json").json();
    let rows = json!({ "records": [{
        "index": 2, "statement": row["statement"], "kind": "model-card", "publisher": "example-lab",
    }] });
    let url = answers_for(&log, lie("/api/v1/records?", 200, &rows));
    let arguments: Vec<_> = release.split_whitespace().collect();
    lab.candor_with(&log, &arguments, &[("CANDOR_LOG", &url)])
        .expect_error(3, "the log took the weights record");
    assert!(!lab.home.join("tiny-1.0.0.candor").exists());
}

#[test]
fn a_release_that_is_published_again_says_what_became_of_it() {
    let scene = Scene::new();
    scene.withdraw_release();
    let again = scene
        .lab
        .candor(&scene.log, &format!("release tiny --as {RELEASE}"));
    insta::assert_snapshot!(again.transcript(), @"
    $ candor release tiny --as example-lab/tiny@1.0.0
    example-lab/tiny@1.0.0  5 files, 663 bytes
    known     entry 1      weights  a1c7ea40b3794fae9fa6639addd9e9456105bbb976e026e258325edce795f1a0
    known     entry 2      model-card  617fc52e21dcf1e1dcb516e93fd6f159693f3d0e26760e261197344216e98c94
    known     entry 3      training-config  9c8778972fb723e3275ecbb50f291b80a2624f5119a6a4fea15d9b2d21142d05
    WITHDRAWN by entry 4 (error): The weights are those of another run. Use example-lab/tiny@1.0.1 instead.
    bundle    tiny-1.0.0.candor  4 records, of a log with 5 entries
    --- stderr, exit 0
    training config: training_config.yml
    ");
    let json = scene
        .lab
        .candor(&scene.log, &format!("release tiny --as {RELEASE} --json"))
        .json();
    assert_eq!(json["withdrawnBy"], 4);
    scene
        .lab
        .candor(
            &scene.log,
            "release tiny --as example-lab/tiny@2 --out /nonexistent/x/b.candor",
        )
        .expect_error(2, "the bundle should go there");
}
