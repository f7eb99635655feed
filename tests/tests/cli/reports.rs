//! Files about a verification for CI: the same as people read, whatever the verdict is.

use std::process::Command;

use candor_tests::cli::flip_last_byte;
use serde_json::{Value, json};

use crate::verifying::Scene;

const RELEASE: &str = "example-lab/tiny@1.0.0";
const FILES: &str = "--sarif out.sarif --junit out.xml";

/// Runs a command that writes both files, and returns the SARIF file's run, and the `JUnit` file.
fn reported(scene: &Scene, line: &str, code: i32) -> (Value, String) {
    scene.auditor(&format!("{line} {FILES}")).expect_code(code);
    let sarif: Value = serde_json::from_slice(&scene.auditor.read("out.sarif")).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let run = sarif["runs"][0].clone();
    assert_eq!(run["invocations"][0]["exitCode"], code, "{run:#}");
    let junit = String::from_utf8(scene.auditor.read("out.xml")).expect("UTF-8");
    assert!(
        junit.contains(&format!(r#"<property name="exit" value="{code}"/>"#)),
        "{junit}"
    );
    (run, junit)
}

/// Rule, level and place of each result.
fn results(run: &Value) -> Vec<[String; 3]> {
    let results = run["results"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    results
        .map(|it| {
            let place = &it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            [text(&it["ruleId"]), text(&it["level"]), text(place)]
        })
        .collect()
}

fn result(rule: &str, level: &str, place: &str) -> [String; 3] {
    [rule, level, place].map(str::to_owned)
}

/// The sentences of the notifications about `rule`.
fn notified(run: &Value, rule: &str) -> Vec<Value> {
    let notifications = run["invocations"][0]["toolExecutionNotifications"].as_array();
    let notifications = notifications.expect("a list").iter();
    let of_it = notifications.filter(|it| it["descriptor"]["id"] == rule);
    of_it.map(|it| it["message"]["text"].clone()).collect()
}

#[test]
fn what_holds_is_reported_with_what_was_not_checked() {
    let scene = Scene::new();
    let verify = "verify tiny --bundle tiny.candor";
    let (run, junit) = reported(&scene, verify, 0);
    assert_eq!(results(&run), [[""; 3]; 0]);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let json = scene.auditor(&format!("{verify} --json")).json();
    // The same sentences.
    assert_eq!(json!(notified(&run, "candor/checked")), json["checked"]);
    assert_eq!(
        json!(notified(&run, "candor/not-checked")),
        json["notChecked"]
    );
    assert!(junit.contains(r#"failures="0" errors="0""#), "{junit}");
    assert!(
        junit.contains("<skipped message=\"whether anything was withdrawn"),
        "{junit}"
    );
}

#[test]
fn what_is_refuted_is_reported_file_by_file() {
    let scene = Scene::new();
    let folder = scene.auditor.home.join("tiny");
    flip_last_byte(&folder.join("model.safetensors"));
    std::fs::remove_file(folder.join("config.json")).expect("it goes");
    scene.auditor.write("tiny/tokenizer/ü <&>.txt", "more");
    let verify = format!("verify tiny --as {RELEASE}");
    let (run, junit) = reported(&scene, &verify, 1);
    let expected = [
        result("candor/changed", "error", "tiny/model.safetensors"),
        result("candor/missing", "error", "tiny/config.json"),
        result(
            "candor/not-listed",
            "error",
            "tiny/tokenizer/%C3%BC%20%3C%26%3E.txt",
        ),
    ];
    assert_eq!(results(&run), expected);
    assert!(junit.contains(r#"failures="3""#), "{junit}");
    assert!(
        junit.contains(r#"<testcase classname="candor.missing" name="config.json">"#),
        "{junit}"
    );
    assert!(junit.contains("ü &lt;&amp;&gt;.txt"), "{junit}");
    // Another verdict takes the place of the last one.
    candor_tests::cli::write_release(&folder);
    std::fs::remove_file(folder.join("tokenizer/ü <&>.txt")).expect("it goes");
    let (run, _) = reported(&scene, &verify, 0);
    assert_eq!(results(&run), [[""; 3]; 0]);
    scene.withdraw_release();
    let (run, _) = reported(&scene, &verify, 1);
    assert_eq!(results(&run), [result("candor/withdrawn", "error", "tiny")]);
}

#[test]
fn there_is_a_file_too_where_there_is_no_verdict() {
    let mut scene = Scene::new();
    let error = |place: &str| [result("candor/error", "error", place)];
    let (run, junit) = reported(&scene, "verify tiny --bundle nowhere.candor", 2);
    assert_eq!(results(&run), error("tiny"));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert!(junit.contains("nowhere.candor"), "{junit}");
    let (run, _) = reported(&scene, "verify nothing/of/that", 2);
    assert_eq!(results(&run), error("nothing/of/that"));
    let (run, _) = reported(&scene, "verify tiny --as example-lab/tiny@3", 3);
    assert_eq!(results(&run), error("tiny"));
    scene
        .auditor
        .write(".config/candor/config.toml", "[log]\nurl = 3\n");
    let (run, _) = reported(&scene, "verify tiny", 2);
    assert_eq!(results(&run), error("tiny"));
    std::fs::remove_file(scene.auditor.home.join(".config/candor/config.toml")).expect("it goes");
    scene.log.kill();
    let (run, junit) = reported(&scene, "verify tiny", 3);
    assert_eq!(results(&run), error("tiny"));
    assert!(junit.contains("hint: "), "{junit}");
}

#[test]
fn words_that_are_no_command_leave_no_verdict_of_the_run_before() {
    let scene = Scene::new();
    reported(&scene, "verify tiny --bundle tiny.candor", 0);
    // A release without a version.
    let (run, _) = reported(&scene, "verify tiny --as example-lab/tiny", 2);
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    reported(&scene, "verify tiny --bundle tiny.candor", 0);
    let equals = "verify tiny --as example-lab/tiny --sarif=out.sarif --junit=out.xml";
    scene.auditor(equals).expect_code(2);
    let sarif: Value = serde_json::from_slice(&scene.auditor.read("out.sarif")).expect("JSON");
    assert_eq!(sarif["runs"][0]["invocations"][0]["exitCode"], 2);
    // Nothing else is written over, and no file is made: not in the folder that is to be verified.
    scene.auditor.write("empty", "");
    for path in ["tiny/model.safetensors", "tiny/new.sarif", "empty"] {
        scene
            .auditor(&format!("verify tiny --as example-lab/tiny --sarif {path}"))
            .expect_code(2);
    }
    assert_eq!(scene.auditor.read("empty"), b"");
    scene
        .auditor("verify tiny --bundle tiny.candor")
        .expect_code(0);
}

#[test]
fn a_report_goes_over_nothing_but_a_report() {
    let scene = Scene::new();
    let verify = "verify tiny --bundle tiny.candor";
    let bundle = scene.auditor.read("tiny.candor");
    scene
        .auditor(&format!("{verify} --sarif tiny.candor"))
        .expect_error(2, "tiny.candor is there already");
    assert_eq!(scene.auditor.read("tiny.candor"), bundle);
    scene
        .auditor(&format!("{verify} --junit tiny/report.xml"))
        .expect_error(2, "would be a file of the folder that is verified");
    scene
        .auditor(&format!("{verify} --junit tiny/config.json"))
        .expect_code(2);
    scene.auditor(verify).expect_code(0);
    scene
        .auditor(&format!("{verify} --sarif one --junit ./one"))
        .expect_error(2, "both name one");
    // A file that can't be written is an error where all else holds, and no reason to hide what does not.
    let nowhere = format!("{verify} --sarif no/folder/out.sarif");
    scene
        .auditor(&nowhere)
        .expect_error(2, "no/folder/out.sarif");
    flip_last_byte(&scene.auditor.home.join("tiny/config.json"));
    scene
        .auditor(&nowhere)
        .expect_error(1, "changed: config.json")
        .expect_words("a report was not written");
}

/// Other people's reader of XML takes what is written, if there is one on this machine.
#[test]
fn others_read_the_junit_file() {
    let scene = Scene::new();
    scene.auditor.write("tiny/<evil a=\"b\">]]>&.txt", "more");
    reported(&scene, &format!("verify tiny --as {RELEASE}"), 1);
    let script = "import sys, xml.etree.ElementTree as t; r = t.parse(sys.argv[1]).getroot(); \
                  print(len(r.findall('.//failure')), r.find('.//failure').get('message'))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(scene.auditor.home.join("out.xml"))
        .output();
    let Ok(output) = output else {
        return;
    };
    let read = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        read.trim(),
        "1 not listed: <evil a=\"b\">]]>&.txt",
        "{output:?}"
    );
}
