//! What would be published, and what is said before anything is signed.

use std::fs;

use candor_tests::TestLog;
use candor_tests::cli::{Person, write_release};
use serde_json::json;

fn demo(file: &str) -> String {
    format!("{}/../xtask/demo/{file}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_dry_run_says_what_would_be_published_without_key_and_log() {
    let mut log = TestLog::start();
    let lab = Person::new(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    log.kill();
    let nowhere = [("CANDOR_LOG", ""), ("CANDOR_LOG_KEY", "")];
    let run = |line: &str| {
        let arguments: Vec<_> = line.split(' ').collect();
        lab.candor_with(&log, &arguments, &nowhere).expect_code(0)
    };
    let release = "release tiny --as example-lab/tiny@1.0.0 --dry-run";
    insta::assert_snapshot!(run(release).transcript(), @"
    $ candor release tiny --as example-lab/tiny@1.0.0 --dry-run
    example-lab/tiny@1.0.0  5 files, 663 bytes
    would publish  weights          example-lab/tiny@1.0.0  sha256 96d79b7e50320aa1d16ed851636fb5ace9833adebef1b847c2c3d0028d5c79df
                   with manifest.json, 668 bytes, sha256 96d79b7e50320aa1d16ed851636fb5ace9833adebef1b847c2c3d0028d5c79df
                   with tensors.json, 242 bytes, sha256 8edf4ba959ce5b724b10e2301fb3ed2b638c1a3f7fb5175ae4ab2d9d6c5b2829
    would publish  model-card       example-lab/tiny@1.0.0  sha256 b394a13487bf08b54ff47a5ffedae16cb108118f2248d341fb200504f823b87b
                   with README.md, 239 bytes, sha256 b394a13487bf08b54ff47a5ffedae16cb108118f2248d341fb200504f823b87b
    would publish  training-config  example-lab/tiny@1.0.0  sha256 d26985f1634e7c19d58b332bd9327d44141277441017f080e2fd97e05d8d82a7
                   with training_config.yml, 68 bytes, sha256 d26985f1634e7c19d58b332bd9327d44141277441017f080e2fd97e05d8d82a7
    --- stderr, exit 0
    training config: training_config.yml
    dry run: nothing was signed or sent
    not checked  whether the log takes it: who may publish there, and what it has of the release already
    ");
    lab.write("taken.candor", "somebody's");
    let taken = format!("{release} --out taken.candor");
    let taken: Vec<_> = taken.split(' ').collect();
    let taken = lab.candor_with(&log, &taken, &nowhere).expect_code(2);
    assert!(taken.stderr.contains("taken.candor"), "{}", taken.stderr);
    let json = run(&format!("{release} --json")).json();
    assert_eq!(json["dryRun"], true);
    assert_eq!(json["config"], "training_config.yml");
    assert_eq!(json["files"], 5);
    let kinds: Vec<_> = json["records"]
        .as_array()
        .expect("records")
        .iter()
        .map(|row| row["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds, ["weights", "model-card", "training-config"]);
    let card = &json["records"][1];
    assert_eq!(card["statementJson"]["predicate"]["license"], "apache-2.0");
    assert_eq!(card["attachments"][0]["name"], "README.md");
    run("publish tiny/README.md --as example-lab/tiny@1.0.0 --dry-run")
        .expect_words("would publish  model-card");
    assert!(!lab.home.join("tiny-1.0.0.candor").exists());
    assert!(!lab.home.join(".local").exists());
}

#[test]
fn what_a_dry_run_shows_is_what_is_published() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    let release = "release tiny --as example-lab/tiny@1.0.0 --json";
    let statements = |line: &str| -> Vec<_> {
        let json = lab.candor(&log, line).expect_code(0).json();
        let rows = json["records"].as_array().expect("records").iter();
        rows.map(|row| row["statement"].clone()).collect()
    };
    let shown = statements(&format!("{release} --dry-run"));
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
    assert_eq!(statements(release), shown);
}

#[test]
fn what_is_missing_or_odd_is_said_before_it_is_signed() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let folder = lab.home.join("odd");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("README.md"), "# Odd\n").expect("written");
    fs::write(folder.join("model.safetensors"), "see elsewhere").expect("written");
    let refused = lab
        .candor(&log, "release odd --as example-lab/odd@1")
        .expect_code(2);
    insta::assert_snapshot!(refused.stderr, @"
    error: model.safetensors: it does not begin as a safetensors file does
    hint: mend the file, or fetch it again; `--as-bytes FILE` takes it as it is, without looking into it
    ");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
    let release = lab
        .candor(
            &log,
            "release odd --as example-lab/odd@1 --as-bytes model.safetensors",
        )
        .expect_code(0);
    insta::assert_snapshot!(release.stderr, @"
    warning: README.md: its front matter names no license, so nobody knows what they may do
    warning: odd has no file that looks like a training config, so the release has none: `--config FILE` names one; taken by themselves are training_config.yml, training_args.json, train*.yml, a config in a folder `training`, and any with settings such as learning_rate
    ");
}

#[test]
fn a_bare_predicate_is_published_with_its_kind() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    let api = demo("api-version.json");
    // `--with FILE` says how a file is named that does not say what it is.
    let release = "release tiny --as example-lab/tiny@1.0.0";
    lab.candor(&log, &format!("{release} --with {api}"))
        .expect_error(2, "--with KIND:FILE");
    let json = lab
        .candor(&log, &format!("{release} --with api-version:{api} --json"))
        .expect_code(0)
        .json();
    assert_eq!(json["records"][3]["kind"], "api-version");
    lab.candor(&log, &format!("publish {api} --kind publishers --as example-lab/x@1"))
        .expect_code(2)
        .expect_words("[possible values: model-card, weights, training-config, api-version, evaluation, withdrawal]");
}

#[test]
fn no_file_becomes_a_publishers_record() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.write_json("publisher.json", &json!({ "displayName": "Example Lab" }));
    for line in [
        "publish publisher.json --kind publisher --as example-lab/x@1",
        "release tiny --as example-lab/tiny@1.0.0 --with publisher:publisher.json",
    ] {
        lab.candor(&log, line).expect_code(2).expect_words(
            "a publisher's record is not made of a file; `candor publisher` registers a name",
        );
    }
}

#[test]
fn names_that_nobody_published_under_are_pointed_out() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let api = json!({
        "provider": "Example Lab",
        "endpoint": "https://api.example.org/v1",
        "modelId": "tiny",
        "behind": { "release": "example-lab/tiny@1.0.0" },
        "validFrom": "2026-01-01T00:00:00Z",
    });
    lab.write_json("api.json", &api);
    let publish = |version: &str| {
        let line =
            format!("publish api.json --kind api-version --as example-lab/tiny-api@{version}");
        lab.candor(&log, &line).expect_code(0)
    };
    publish("1").expect_words(
        "warning: /predicate/behind/release: the log has no record of example-lab/tiny@1.0.0",
    );
    write_release(&lab.home.join("tiny"));
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    let quiet = publish("2");
    assert_eq!(quiet.stderr, "", "{}", quiet.transcript());
    // An API version under the name of weights is one that nobody finds, and it stays.
    let same = lab.candor(
        &log,
        "publish api.json --kind api-version --as example-lab/tiny@1.0.0",
    );
    insta::assert_snapshot!(same.stderr, @"
    warning: example-lab/tiny@1.0.0 has weights, entry 2: an API version has a name of its own, such as example-lab/tiny-api@2026-11-01, and says in `behind` which weights answer
    ");
    // No number in JSON is none.
    lab.write("nan.json", "{\"temperature\": NaN}");
    lab.candor(
        &log,
        "publish nan.json --kind api-version --as example-lab/tiny-api@3",
    )
    .expect_error(2, "NaN");
    // And every word that a field may hold is named, once.
    let withdrawal = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "example-lab/tiny@1.0.0", "digest": { "sha256": "0".repeat(64) } }],
        "predicateType": "urn:candor:withdrawal:v1",
        "predicate": {
            "author": "example-lab",
            "scope": "record",
            "reason": "annoyed",
            "explanation": "It is.",
        },
    });
    lab.write_json("wrong.json", &withdrawal);
    let refused = lab.candor(&log, "publish wrong.json");
    insta::assert_snapshot!(refused.stderr, @r#"
    error: the withdrawal record is not as its schema says
      /predicate/reason: "annoyed" is none of "security", "legal", "error", "superseded", "retired", "other"
    hint: correct that field; `candor schema KIND` prints the rules
    "#);
}

#[test]
fn an_admitted_publisher_publishes() {
    let log = TestLog::start_with(&["--registration", "approved"]);
    let lab = Person::with_key(&log, "example-lab");
    lab.candor(
        &log,
        "publisher register example-lab --request request.json",
    )
    .expect_code(0);
    let admitted = std::process::Command::new(candor_tests::program("candor-server"))
        .args(["admit", "--data"])
        .arg(log.data())
        .arg(lab.home.join("request.json"))
        .output()
        .expect("candor-server runs");
    assert!(admitted.status.success(), "{admitted:?}");
    lab.write("admitted.json", admitted.stdout);
    lab.candor(&log, "publish admitted.json")
        .expect_code(0)
        .expect_words("published entry 0");
    write_release(&lab.home.join("tiny"));
    lab.candor(&log, "release tiny --as example-lab/tiny@1")
        .expect_code(0);
}
