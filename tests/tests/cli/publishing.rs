//! Publishing a folder, and single files.

use candor_tests::cli::{Person, flip_last_byte, write_release};
use candor_tests::{TestLog, TestPublisher};
use serde_json::{Value, json};

/// Some of the demo's files.
fn demo(file: &str) -> String {
    format!("{}/../xtask/demo/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn lab_with_release(log: &TestLog) -> Person {
    let lab = Person::registered(log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab
}

#[test]
fn a_folder_becomes_a_release() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let released = lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0");
    insta::assert_snapshot!(released.transcript(), @"
    $ candor release tiny --as example-lab/tiny@1.0.0
    example-lab/tiny@1.0.0  5 files, 663 bytes
    published entry 1      weights  a1c7ea40b3794fae9fa6639addd9e9456105bbb976e026e258325edce795f1a0
    published entry 2      model-card  617fc52e21dcf1e1dcb516e93fd6f159693f3d0e26760e261197344216e98c94
    published entry 3      training-config  9c8778972fb723e3275ecbb50f291b80a2624f5119a6a4fea15d9b2d21142d05
    bundle    tiny-1.0.0.candor  3 records, of a log with 4 entries
    --- stderr, exit 0
    training config: training_config.yml
    ");
    assert!(lab.home.join("tiny-1.0.0.candor").exists());
}

#[test]
fn the_same_release_again_changes_nothing() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let release = "release tiny --as example-lab/tiny@1.0.0 --json";
    let first = lab.candor(&log, release).expect_code(0).json();
    let bundle = lab.read("tiny-1.0.0.candor");
    let again = lab.candor(&log, release).expect_code(0).json();
    let column = |json: &Value, name: &str| -> Vec<Value> {
        let rows = json["records"].as_array().expect("records");
        rows.iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column(&first, "index"), [1, 2, 3]);
    assert_eq!(column(&again, "index"), [1, 2, 3]);
    assert_eq!(column(&first, "statement"), column(&again, "statement"));
    assert_eq!(column(&again, "created"), [false, false, false]);
    assert_eq!(lab.read("tiny-1.0.0.candor"), bundle);
    assert_eq!(log.get("/api/v1/log").json()["size"], 4);
}

#[test]
fn a_release_is_never_replaced_by_other_content() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let release = "release tiny --as example-lab/tiny@1.0.0";
    lab.candor(&log, release).expect_code(0);
    let bundle = lab.read("tiny-1.0.0.candor");
    flip_last_byte(&lab.home.join("tiny/model.safetensors"));
    let refused = lab.candor(&log, release);
    insta::assert_snapshot!(refused.stderr, @"
    training config: training_config.yml
    error: the log says: example-lab/tiny@1.0.0 has its weights record already, entry 1, and it says something else
      record 1 of those that were sent
    hint: the log says: what a release is does not change, and a version is never used again: publish another version
    ");
    assert_eq!(refused.code, 2);
    assert_eq!(lab.read("tiny-1.0.0.candor"), bundle, "the bundle stays");
    assert_eq!(log.get("/api/v1/log").json()["size"], 4);
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.1")
        .expect_code(0);
}

#[test]
fn a_release_takes_further_records_along() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "example-lab/tiny-api@2026-11-01", "digest": { "sha256": "0".repeat(64) } }],
        "predicateType": "urn:candor:api-version:v1",
        "predicate": {},
    });
    lab.write_json("api.json", &statement);
    let with = format!("--with {}", demo("results.json"));
    lab.candor(
        &log,
        &format!("release tiny --as example-lab/tiny@1.0.0 {with} --with api.json"),
    )
    .expect_error(2, "api-version");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1, "all or nothing");
    let released = lab
        .candor(
            &log,
            &format!("release tiny --as example-lab/tiny@1.0.0 {with} --json"),
        )
        .expect_code(0)
        .json();
    assert_eq!(released["records"][3]["kind"], "evaluation");
    lab.candor(&log, "verify tiny --bundle tiny-1.0.0.candor --offline")
        .expect_code(0)
        .expect_words("what their authors measured");
}

#[test]
fn many_publish_at_once_from_one_machine() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let releases = 0..16;
    std::thread::scope(|scope| {
        for version in releases.clone() {
            let (log, lab) = (&log, &lab);
            let release = format!("release tiny --as example-lab/tiny@{version}");
            scope.spawn(move || lab.candor(log, &release).expect_code(0));
        }
    });
    for version in releases {
        lab.candor(&log, &format!("verify tiny-{version}.candor"))
            .expect_code(0);
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 1 + 16 * 3);
    assert!(lab.evidence().is_empty(), "{:?}", lab.evidence());
}

#[test]
fn nothing_is_sent_to_a_log_with_another_key() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let other_key =
        "--log-key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    for command in [
        "release tiny --as example-lab/tiny@1.0.0",
        "publish tiny/README.md --as example-lab/tiny@1.0.0",
        "publisher register other-lab",
    ] {
        lab.candor(&log, &format!("{command} {other_key}"))
            .expect_error(2, "the log's checkpoint does not hold");
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn nobody_publishes_in_the_name_of_others() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let stranger = Person::registered(&log, "stranger");
    let folder = lab.home.join("tiny");
    let folder = folder.to_str().expect("UTF-8");
    let release = format!("release {folder} --as example-lab/tiny@1.0.0");
    stranger
        .candor(&log, &release)
        .expect_error(2, "example-lab");
    Person::with_key(&log, "nobody")
        .candor(&log, &format!("release {folder} --as nobody/tiny@1.0.0"))
        .expect_error(2, "nobody");
    assert_eq!(log.get("/api/v1/log").json()["size"], 2);
}

#[test]
fn names_that_look_like_others_are_refused_before_anything_is_sent() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    for name in [
        "ex\u{430}mple-lab/tiny@1.0.0", // a Cyrillic а
        "Example-lab/tiny@1.0.0",
        "example-lab/ti\u{200b}ny@1.0.0",
        "example-lab/../tiny@1.0.0",
        "example-lab/tiny@1.0.0/..",
        "example-lab/tiny",
        "example-lab/tiny@",
        "/tiny@1.0.0",
        "example-lab/tiny@1.0.0\n",
    ] {
        lab.candor_args(&log, &["release", "tiny", "--as", name])
            .expect_code(2)
            .expect_words("--as <RELEASE>");
        // This one is a model's name, and only the log's word that it has no such model.
        let code = if name == "example-lab/tiny" { 3 } else { 2 };
        lab.candor_args(&log, &["show", name]).expect_code(code);
    }
    lab.candor_args(&log, &["publisher", "register", "ex\u{430}mple-lab"])
        .expect_code(2);
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn a_folder_that_could_not_be_copied_as_it_is_is_refused() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let folder = lab.home.join("tiny");
    let release = "release tiny --as example-lab/tiny@1.0.0";
    std::os::unix::fs::symlink("/etc/passwd", folder.join("secrets")).expect("a link");
    lab.candor(&log, release).expect_error(2, "secrets");
    std::fs::remove_file(folder.join("secrets")).expect("the link goes");
    let odd = folder.join("model\u{1b}[2J.bin");
    std::fs::write(&odd, "x").expect("a file");
    lab.candor(&log, release)
        .expect_error(2, r"model\u{1b}[2J.bin");
    std::fs::remove_file(odd).expect("the file goes");
    lab.candor(&log, "release nowhere --as example-lab/tiny@1.0.0")
        .expect_error(2, "nowhere");
    lab.write("empty/.gitkeep", "");
    std::fs::remove_file(lab.home.join("empty/.gitkeep")).expect("the file goes");
    lab.candor(&log, "release empty --as example-lab/tiny@1.0.0")
        .expect_error(2, "empty");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn a_bundle_never_overwrites_anything_else() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    lab.write("tiny-1.0.0.candor", "my notes");
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_error(2, "is there already");
    assert_eq!(lab.read("tiny-1.0.0.candor"), b"my notes");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
    lab.candor(
        &log,
        "release tiny --as example-lab/tiny@1.0.0 --out other.candor",
    )
    .expect_code(0);
    // Of a link, the bundle that it leads to is written again, and the link stays.
    let link = lab.home.join("link.candor");
    std::os::unix::fs::symlink("other.candor", &link).expect("a link");
    lab.candor(
        &log,
        "release tiny --as example-lab/tiny@1.0.0 --out link.candor",
    )
    .expect_code(0);
    assert!(link.is_symlink(), "a file took the place of the link");
}

#[test]
fn each_sort_of_file_becomes_its_kind_of_record() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    lab.write("MD5SUMS", format!("{}  model.bin\n", "ab".repeat(16)));
    let publish = |what: &str, kind: &str| {
        let json = lab
            .candor(&log, &format!("publish {what} --json"))
            .expect_code(0)
            .json();
        assert_eq!(json["records"][0]["kind"], kind, "{what}");
    };
    publish("tiny/README.md --as example-lab/tiny@1", "model-card");
    publish(
        "tiny/training_config.yml --as example-lab/tiny@1",
        "training-config",
    );
    publish("MD5SUMS --as example-lab/tiny@1", "weights");
    publish(
        &format!("{} --as example-lab/tiny@1", demo("results.json")),
        "evaluation",
    );
    publish(
        &format!(
            "{} --as example-lab/tiny-api@1 --kind api-version",
            demo("api-version.json")
        ),
        "api-version",
    );
    // Somebody's statement, and an envelope that was signed elsewhere.
    let elsewhere = TestPublisher::new("example-lab");
    lab.write(
        "statement.json",
        elsewhere.api_version_statement("tiny-api", "2", ""),
    );
    publish("statement.json", "api-version");
    lab.write_json("envelope.json", &elsewhere.api_version("tiny-api", "3", ""));
    publish("envelope.json", "api-version");
}

#[test]
fn a_list_by_sha256sum_says_which_files_are_meant() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    lab.write("w/model.bin", "weights");
    lab.write("w/vocab.txt", "words");
    let digest = |bytes: &str| candor_core::Sha256::of(bytes);
    let list = format!(
        "{}  model.bin\n{} *vocab.txt\n",
        digest("weights"),
        digest("words")
    );
    lab.write("SHA256SUMS", list);
    lab.candor(&log, "publish SHA256SUMS --as example-lab/tiny@2")
        .expect_code(0);
    lab.candor(&log, "verify w --as example-lab/tiny@2")
        .expect_code(0);
    // No size is known to stop a mirror by that sends without end.
    lab.candor(
        &log,
        "fetch example-lab/tiny@2 --from file:///nowhere -o fetched",
    )
    .expect_error(3, "model.bin has no size");
    lab.write("w/model.bin", "Weights");
    lab.candor(&log, "verify w --as example-lab/tiny@2")
        .expect_error(1, "model.bin");
}

#[test]
fn a_file_that_is_no_record_is_refused_with_what_would_be_one() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    lab.write("notes.txt", "remember the milk\n");
    let refused = lab.candor(&log, "publish notes.txt --as example-lab/tiny@1");
    insta::assert_snapshot!(refused.stderr, @"
    error: notes.txt is none of the files that can be published: a model card (.md), a training config (.yml, .yaml, .json), results of lm-evaluation-harness (.json), a list of checksums (MD5SUMS, .csv), a list of files by the Hugging Face hub (.json), the OCI manifest of a ModelPack or ModelKit (.json) or a statement (.json with _type)
    hint: say what it is with `--kind KIND` (of `candor release`: `--with KIND:FILE`), or write a statement as `candor schema KIND` says
    ");
    lab.candor(&log, "publish tiny/README.md")
        .expect_error(2, "--as publisher/model@version");
    lab.candor(&log, "publish tiny --as example-lab/tiny@1")
        .expect_error(2, "is a folder")
        .expect_words("candor release FOLDER");
    lab.candor(
        &log,
        "publish tiny/model.safetensors --as example-lab/tiny@1",
    )
    .expect_error(2, "is a binary file")
    .expect_words("candor release FOLDER");
    lab.candor(
        &log,
        "publish tiny/config.json --kind model-card --as example-lab/tiny@1",
    )
    .expect_error(2, "is JSON, and a model card is a text");
    lab.candor(&log, "publish nowhere.md --as example-lab/tiny@1")
        .expect_error(2, "nowhere.md");
    lab.write(
        "broken.json",
        "{\"_type\": \"https://in-toto.io/Statement/v1\", \"a\": 1, \"a\": 2}",
    );
    lab.candor(&log, "publish broken.json")
        .expect_error(2, "broken.json");
    lab.write("latin1.md", b"# Mod\xe8le\n");
    lab.candor(&log, "publish latin1.md --as example-lab/tiny@1")
        .expect_error(2, "UTF-8");
    let changed = TestPublisher::new("example-lab").api_version("tiny-api", "1", "");
    let mut changed = changed;
    changed["signatures"][0]["sig"] = "AAAA".into();
    lab.write_json("envelope.json", &changed);
    lab.candor(&log, "publish envelope.json")
        .expect_error(2, "signature");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn an_evaluation_of_something_that_nobody_published_says_what_comes_first() {
    let log = TestLog::start();
    let lab = lab_with_release(&log);
    let publish = format!(
        "publish {} --as example-lab/tiny@1.0.0",
        demo("results.json")
    );
    let refused = lab.candor(&log, &publish);
    insta::assert_snapshot!(refused.stderr, @"
    error: the log has no record that says what example-lab/tiny@1.0.0 is, so nothing can be said about it
    hint: check the name; or have its publisher publish its card or its weights first
    ");
    assert_eq!(refused.code, 2);
    lab.candor(&log, "publish tiny/README.md --as example-lab/tiny@1.0.0")
        .expect_code(0);
    lab.candor(&log, &publish).expect_code(0);
}

#[test]
fn a_registration_can_be_written_for_an_operator_who_approves() {
    let log = TestLog::start_with(&["--registration", "approved"]);
    let lab = Person::with_key(&log, "example-lab");
    lab.candor(&log, "publisher register example-lab")
        .expect_error(2, "operator");
    lab.candor(
        &log,
        "publisher register example-lab --request request.json",
    )
    .expect_code(0)
    .expect_words("nothing was sent");
    let request = lab.read("request.json");
    lab.candor(
        &log,
        "publisher register example-lab --display-name Other --request request.json",
    )
    .expect_error(2, "request.json is there already");
    assert_eq!(lab.read("request.json"), request);
    assert_eq!(log.get("/api/v1/log").json()["size"], 0);
}
