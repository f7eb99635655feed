//! Text from others: it may be in the log, and it never reaches a terminal as it is.

use candor_core::Sha256;
use candor_core::record::{Predicate, Statement, SubjectName, kinds::Publisher, to_canonical_json};
use candor_tests::cli::Person;
use candor_tests::{TestLog, TestPublisher};
use serde_json::{Map, Value, json};

/// What clears the screen, names the window, hides text and turns it around.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}dehsilbup\u{200b}";

/// A statement that nothing checked before it was signed.
fn statement(kind: &str, name: &str, sha256: Sha256, predicate: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": sha256.to_string() } }],
        "predicateType": format!("urn:candor:{kind}:v1"),
        "predicate": predicate,
    }))
    .expect("JSON")
}

#[test]
fn a_display_name_with_terminal_escapes_is_no_name() {
    let log = TestLog::start();
    let lab = Person::with_key(&log, "example-lab");
    for name in ["a\u{1b}[31mb", "a\u{202e}b", "a\nb", "a\u{200b}b"] {
        lab.candor_args(
            &log,
            &[
                "publisher",
                "register",
                "example-lab",
                "--display-name",
                name,
            ],
        )
        .expect_error(2, "displayName");
    }
    // Nor when the client is somebody's own.
    let own = TestPublisher::new("example-lab");
    let predicate = Predicate::Publisher(Publisher {
        display_name: "Example\u{1b}[31m".to_owned(),
        url: None,
        contact: None,
        keys: vec![own.public_key()],
        previous: None,
        annotations: Map::new(),
    });
    let subject = SubjectName::Publisher("example-lab".parse().expect("a name"));
    let sha256 = Sha256::of(to_canonical_json(&predicate));
    let payload = Statement::compose(&subject, sha256, &predicate);
    log.publish(&[own.sign(payload)]).expect_status(422);
}

#[test]
fn whatever_text_the_log_takes_is_shown_without_its_escapes() {
    let log = TestLog::start();
    let own = TestPublisher::new("example-lab");
    let lab = Person::registered(&log, "example-lab");
    let reader = Person::new(&log, "reader");
    // Annotations and settings may hold any JSON; explanations hold text with line breaks.
    let predicate = json!({
        "provider": "Example Lab",
        "endpoint": "https://api.example.org/v1",
        "modelId": "tiny",
        "behind": "undisclosed",
        "validFrom": "2026-01-01T00:00:00Z",
        "annotations": { "note": HOSTILE, HOSTILE: 1 },
    });
    let sha256 = Sha256::of(to_canonical_json(&predicate));
    let payload = statement("api-version", "example-lab/tiny-api@1", sha256, &predicate);
    log.publish(&[own.sign(payload)]).expect_status(201);

    let config = format!("learning_rate: 0.1\nnote: {}\n", json!(HOSTILE));
    lab.write("training_config.yml", config);
    lab.candor(&log, "publish training_config.yml --as example-lab/tiny@1")
        .expect_code(0);

    // What the schema does not take is left out of the record, and stays in the document.
    let card = format!("---\nlicense: mit\n---\n# Tiny\n\n## Intended use\n\nFor {HOSTILE} all.\n");
    lab.write("README.md", card);
    lab.candor(&log, "publish README.md --as example-lab/tiny@1")
        .expect_code(0)
        .expect_words("warning: README.md: left out of intendedUse");

    let size = log.get("/api/v1/log").json()["size"]
        .as_u64()
        .expect("a size");
    assert_eq!(size, 4);
    for index in 0..size {
        // `candor` asserts for each that nothing in it is a control or turns text around.
        reader.candor(&log, &format!("show {index}")).expect_code(0);
        reader
            .candor(&log, &format!("verify {index}"))
            .expect_code(0);
        reader
            .candor(&log, &format!("show {index} --json"))
            .expect_code(0);
    }
    for command in [
        "log",
        "log --json",
        "list",
        "list models",
        "list publishers",
    ] {
        reader.candor(&log, command).expect_code(0);
    }
    reader
        .candor(&log, "show example-lab/tiny")
        .expect_code(0)
        .expect_words(r"\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}dehsilbup\u{200b}");
    // With colours, the only escapes are the client's own.
    let output = log
        .candor()
        .args(["show", "example-lab/tiny", "--color", "always"])
        .output()
        .expect("candor runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut escapes = text.split('\u{1b}').skip(1).peekable();
    assert!(escapes.peek().is_some(), "there are colours");
    for after in escapes {
        let end = after.find(|c: char| !matches!(c, '[' | ';' | '0'..='9'));
        assert_eq!(end.map(|end| &after[end..=end]), Some("m"), "{after:?}");
    }
}

#[test]
fn what_was_typed_is_repeated_without_its_escapes() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    for command in ["show", "verify", "publish", "proof", "frobnicate"] {
        reader.candor_args(&log, &[command, HOSTILE]).expect_code(2);
    }
    reader
        .candor_args(&log, &["checkpoint", "--log-key", HOSTILE])
        .expect_code(2);
    reader
        .candor_args(&log, &["checkpoint", "--log", HOSTILE])
        .expect_code(2);
    reader.candor_args(&log, &[HOSTILE]).expect_code(2);
}
