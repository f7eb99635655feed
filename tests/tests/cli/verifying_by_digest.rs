//! A folder of which nobody says what it is: found in the log by its files, and what others make of that.

use candor_tests::cli::{Person, Ran, flip_last_byte, write_release};
use candor_tests::lying::{Lie, answers_for};
use serde_json::json;

use crate::verifying::Scene;

const RELEASE: &str = "example-lab/tiny@1.0.0";

/// Somebody else, who releases the folder of the scene under a name of their own.
fn copied(scene: &Scene) -> Person {
    let copier = Person::registered(&scene.log, "copy-lab");
    write_release(&copier.home.join("tiny"));
    copier
        .candor(&scene.log, "release tiny --as copy-lab/tiny@7")
        .expect_code(0);
    copier
}

fn withdraw(scene: &Scene, who: &Person, release: &str) {
    let line = format!("withdraw {release} --reason error --explanation Wrong. --yes");
    who.candor(&scene.log, &line).expect_code(0);
}

#[test]
fn a_folder_that_nobody_named_is_found_by_its_files() {
    let scene = Scene::new();
    // A bundle of it is no part of it.
    scene
        .auditor
        .write("tiny/tiny-1.0.0.candor", scene.auditor.read("tiny.candor"));
    let found = scene.auditor("verify tiny");
    insta::assert_snapshot!(found.transcript_without_times(), @"
    $ candor verify tiny
    holds  tiny as example-lab/tiny@1.0.0
      checked      3 records of example-lab/tiny@1.0.0 are in the log, at entries 1, 2, 3, and signed by
                   those who had to
                   5 files, 663 bytes, are those of the weights record (entry 1)
                   the log finds example-lab/tiny@1.0.0 by these files: their manifest's digest is
                   96d79b7e50320aa1d16ed851636fb5ace9833adebef1b847c2c3d0028d5c79df
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 1), model-card (entry 2), training-config (entry 3)
      logged       as entries 1, 2, 3: accepted [time], as the log says, which nothing
                   proves
      checkpoint   example.org/candor-test, 4 entries, root lyUGIfDuAHQe/8N5VPDpotPNH0xh2KQFkBYnojoOy9w=
      not checked  whether the log's lists leave records out: `candor log` walks through all entries
                   whether example-lab is who you take it for, and example-lab/tiny@1.0.0 what you want:
                   whoever has files can release them under a name of their own; name the release with `--as`
                   whether this is the history that others see: no checkpoint of this log was seen here
                   before
                   what is in tiny-1.0.0.candor, which a release never lists: `--strict` refuses it
    --- stderr, exit 0
    ");
    for line in ["verify ./tiny --threads 1", "verify tiny --reread"] {
        scene.auditor(line).expect_code(0);
    }
    let json = scene.auditor("verify tiny --json").expect_code(0).json();
    let found = json!([{ "release": RELEASE, "index": 1, "withdrawnBy": null }]);
    assert_eq!(json["found"], found);
    assert_eq!(json["logged"][0]["kind"], "weights");
    assert_eq!(json["logged"][0]["index"], 1);
    assert!(json["logged"][0]["acceptedAt"].is_string(), "{json}");
    assert_eq!(json["supersededBy"], json!(null));
    scene
        .auditor("verify tiny --strict")
        .expect_error(1, "not listed: tiny-1.0.0.candor");
}

#[test]
fn a_folder_with_one_file_other_more_or_less_is_none_that_the_log_knows() {
    let scene = Scene::new();
    let file = scene.auditor.home.join("tiny/model.safetensors");
    flip_last_byte(&file);
    let unknown = "the log says that it has no release of the very 5 files in tiny";
    let refused = scene.auditor("verify tiny").expect_error(3, unknown);
    // What to do next is what finds the file.
    refused.expect_words("`candor verify tiny --as publisher/model@version` says which differ");
    scene
        .auditor(&format!("verify tiny --as {RELEASE}"))
        .expect_error(1, "changed: model.safetensors");
    flip_last_byte(&file);
    scene.auditor("verify tiny").expect_code(0);
    let more = scene.auditor.write("tiny/more.txt", "more");
    scene.auditor("verify tiny").expect_error(3, "6 files");
    std::fs::remove_file(more).expect("it goes");
    std::fs::remove_file(scene.auditor.home.join("tiny/config.json")).expect("it goes");
    scene.auditor("verify tiny").expect_error(3, "4 files");
    // What can be no file of a release is named, too.
    std::os::unix::fs::symlink(
        "../config.json",
        scene.auditor.home.join("tiny/config.json"),
    )
    .expect("a link");
    scene
        .auditor("verify tiny")
        .expect_error(2, "links are not followed");
}

#[test]
fn files_that_all_who_released_them_withdrew_are_refuted() {
    let scene = Scene::new();
    scene.withdraw_release();
    scene
        .auditor("verify tiny")
        .expect_error(1, "was withdrawn")
        .expect_words("Use example-lab/tiny@1.0.1 instead.");
    let json = scene.auditor("verify tiny --json").expect_code(1).json();
    assert_eq!(json["found"][0]["withdrawnBy"], 4);
}

#[test]
fn who_came_later_neither_withdraws_files_nor_stands_up_for_them() {
    let scene = Scene::new();
    let copier = copied(&scene);
    let copy = "the same files are copy-lab/tiny@7 too";
    let shown = |code: i32| -> Ran { scene.auditor("verify tiny").expect_code(code) };
    shown(0)
        .expect_words("tiny as example-lab/tiny@1.0.0")
        .expect_words(copy);
    // The first publisher takes them back: the copy is no reason to go on using them.
    withdraw(&scene, &scene.lab, RELEASE);
    shown(3).expect_words("is withdrawn by entry").expect_words(
        "Others have released the same files later, which still stand: copy-lab/tiny@7",
    );
    scene
        .auditor("verify tiny --as copy-lab/tiny@7")
        .expect_code(0);
    withdraw(&scene, &copier, "copy-lab/tiny@7");
    shown(1);
}

#[test]
fn a_copy_that_is_withdrawn_takes_nothing_from_the_first() {
    let scene = Scene::new();
    let copier = copied(&scene);
    withdraw(&scene, &copier, "copy-lab/tiny@7");
    scene
        .auditor("verify tiny")
        .expect_code(0)
        .expect_words("tiny as example-lab/tiny@1.0.0")
        .expect_words("WITHDRAWN by entry");
    let json = scene.auditor("verify tiny --json").expect_code(0).json();
    let found = json["found"].as_array().expect("a list");
    assert_eq!(found.len(), 2, "{json}");
    assert_eq!(found[0]["release"], RELEASE);
    assert!(found[1]["withdrawnBy"].is_u64(), "{json}");
}

#[test]
fn files_stand_as_the_release_that_their_publisher_did_not_withdraw() {
    let scene = Scene::new();
    scene
        .lab
        .candor(&scene.log, "release tiny --as example-lab/tiny@1.0.1")
        .expect_code(0);
    scene.withdraw_release();
    scene
        .auditor("verify tiny")
        .expect_code(0)
        .expect_words("tiny as example-lab/tiny@1.0.1")
        .expect_words("the same files are example-lab/tiny@1.0.0 too (entry 1), WITHDRAWN");
    scene
        .auditor(&format!("verify tiny --as {RELEASE}"))
        .expect_code(1);
}

#[test]
fn a_log_that_lists_other_entries_as_these_files_is_not_believed() {
    let scene = Scene::new();
    let lied_to = |index: u64| {
        let row = json!({
            "index": index, "statement": "0".repeat(64), "kind": "weights", "publisher": "example-lab",
        });
        let lie = Lie {
            asked: "/api/v1/manifests/",
            status: 200,
            content_type: "application/json",
            body: json!({ "records": [row] }).to_string(),
        };
        let url = answers_for(&scene.log, lie);
        scene
            .auditor
            .candor_with(&scene.log, &["verify", "tiny"], &[("CANDOR_LOG", &url)])
    };
    lied_to(1).expect_code(0);
    // The card, the publisher, and what is not there.
    lied_to(2).expect_error(1, "the log lists entry 2 as weights with the manifest");
    lied_to(0).expect_error(1, "and it is something else");
    lied_to(99).expect_error(3, "99");
}

#[test]
fn a_newer_release_of_the_model_is_named() {
    let scene = Scene::new();
    let verify = format!("verify tiny --as {RELEASE}");
    let none = scene
        .auditor(&format!("{verify} --json"))
        .expect_code(0)
        .json();
    assert_eq!(none["supersededBy"], json!(null));
    // What others say of a version that nobody released makes it none.
    scene
        .lab
        .write("other/weights.bin", "weights of another run");
    let release = |version: &str| {
        let line = format!("release other --as example-lab/tiny@{version}");
        scene.lab.candor(&scene.log, &line).expect_code(0);
    };
    release("2.0.0");
    for line in [
        verify.as_str(),
        "verify tiny",
        "verify example-lab/tiny@1.0.0",
    ] {
        scene.auditor(line).expect_code(0).expect_words(
            "superseded   by example-lab/tiny@2.0.0, which came later into the log (entry 4)",
        );
    }
    let json = scene
        .auditor(&format!("{verify} --json"))
        .expect_code(0)
        .json();
    let newer = json!({ "release": "example-lab/tiny@2.0.0", "index": 4 });
    assert_eq!(json["supersededBy"], newer);
    let newest = scene
        .auditor("verify example-lab/tiny@2.0.0 --json")
        .expect_code(0);
    assert_eq!(
        newest.json()["supersededBy"],
        json!(null),
        "it is the newest"
    );
    withdraw(&scene, &scene.lab, "example-lab/tiny@2.0.0");
    let json = scene
        .auditor(&format!("{verify} --json"))
        .expect_code(0)
        .json();
    assert_eq!(json["supersededBy"], json!(null), "it does not stand");
}

#[test]
fn a_log_can_make_up_no_newer_release() {
    let scene = Scene::new();
    let row =
        |name: &str, index: u64| json!({ "name": name, "firstIndex": index, "kinds": ["weights"] });
    let model = json!({
        "name": "example-lab/tiny",
        "releases": [row(RELEASE, 1), row("example-lab/tiny@9", 3)],
    });
    let lied_to = |asked: &'static str, status: u16, body: String| {
        let content_type = "application/json";
        let url = answers_for(
            &scene.log,
            Lie {
                asked,
                status,
                content_type,
                body,
            },
        );
        let arguments = ["verify", RELEASE, "--json"];
        scene
            .auditor
            .candor_with(&scene.log, &arguments, &[("CANDOR_LOG", &url)])
    };
    let ran = lied_to("/api/v1/models/", 200, model.to_string()).expect_code(0);
    assert_eq!(ran.json()["supersededBy"], json!(null));
    // One that does not say is no reason for another verdict.
    let ran = lied_to("/api/v1/models/", 500, "{}".to_owned()).expect_code(0);
    assert!(
        ran.stdout
            .contains("whether there is a newer release of example-lab/tiny"),
        "{ran:?}"
    );
}

#[test]
fn with_nobody_to_ask_the_one_bundle_in_the_folder_is_taken() {
    let mut scene = Scene::new();
    scene.log.kill();
    scene
        .auditor("verify tiny --offline")
        .expect_error(2, "tiny can't be verified offline by itself");
    let bundle = scene.auditor.read("tiny.candor");
    scene.auditor.write("tiny/tiny-1.0.0.candor", &bundle);
    scene
        .auditor("verify tiny --offline")
        .expect_code(0)
        .expect_words("it lies in the folder itself")
        .expect_words("whether example-lab/tiny@1.0.0 is the release that you want");
    scene
        .auditor(&format!("verify tiny --offline --as {RELEASE} --strict"))
        .expect_code(0)
        .expect_words("it is example-lab/tiny@1.0.0, as asked");
    scene
        .auditor("verify tiny --offline --as example-lab/tiny@2.0.0")
        .expect_error(1, "is not example-lab/tiny@2.0.0");
    // What proves itself proves nothing of other files.
    let file = scene.auditor.home.join("tiny/model.safetensors");
    flip_last_byte(&file);
    scene
        .auditor("verify tiny --offline")
        .expect_error(1, "changed: model.safetensors");
    flip_last_byte(&file);
    scene.auditor.write("tiny/again.candor", &bundle);
    scene.auditor("verify tiny --offline").expect_error(
        2,
        "tiny has several bundles at its top: tiny/again.candor, tiny/tiny-1.0.0.candor",
    );
    std::fs::remove_file(scene.auditor.home.join("tiny/tiny-1.0.0.candor")).expect("it goes");
    scene.auditor.write("tiny/again.candor", "no bundle");
    scene
        .auditor("verify tiny --offline")
        .expect_error(2, "again.candor");
    std::fs::remove_file(scene.auditor.home.join("tiny/again.candor")).expect("it goes");
    // A link leads elsewhere.
    std::os::unix::fs::symlink(
        "../tiny.candor",
        scene.auditor.home.join("tiny/linked.candor"),
    )
    .expect("a link");
    scene
        .auditor("verify tiny --offline")
        .expect_error(2, "can't be verified offline by itself");
}
