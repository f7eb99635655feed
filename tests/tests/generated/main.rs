//! Thousands of requests that Schemathesis makes of the description of the API (`/api/v1/openapi.json`), good ones and bad
//! ones: none may make the server fail, or answer in a way that the description does not tell of.
//!
//! `CANDOR_SCHEMATHESIS` names the program, which `cargo xtask test` fetches. `CANDOR_SEED=N` makes other requests, and
//! `CANDOR_CASES=N` more of them for each operation.
#![expect(clippy::print_stdout, reason = "a skipped check says why")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use candor_core::Sha256;
use candor_tests::TestLog;
use candor_tests::everything::{CARD, Everything, manifest};
use candor_tests::statements::digest_of;
use serde_json::{Value, json};

/// The most cases that are made up for an operation, beside those that its description asks for by itself. Operations without
/// parameters have a handful.
const CASES_PER_OPERATION: u32 = 460;

/// How many cases there must have been with so many for an operation.
const CASES_MIN: usize = 10_000;

/// What is held against each answer. An answer that has no end is read up to its first event. `OpenAPI` 3.1 describes it as
/// the text that it is, and Schemathesis would hold each event against that: `following` reads events.
const CHECKS: &str = "\
request-timeout = 30
max-stream-events = 1

[checks]
enabled = false
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_schema_conformance.enabled = true
response_headers_conformance.enabled = true
unsupported_method.enabled = true

[[operations]]
include-path = \"/api/v1/events\"
request-timeout = 3
generation.max-examples = 60
checks.response_schema_conformance.enabled = false

";

/// What happened, by operation: how often it answered with which status.
type Answers = BTreeMap<String, BTreeMap<u64, usize>>;

#[test]
fn no_request_makes_the_server_fail_or_answer_as_it_does_not_describe() {
    let Some(schemathesis) = std::env::var_os("CANDOR_SCHEMATHESIS") else {
        println!("skipped: CANDOR_SCHEMATHESIS does not name a Schemathesis");
        return;
    };
    let number = |name| {
        let given = std::env::var(name).ok();
        given.map(|it| it.parse::<u32>().expect("a number"))
    };
    let cases = number("CANDOR_CASES").unwrap_or(CASES_PER_OPERATION);
    let seed = number("CANDOR_SEED").unwrap_or(1);
    let mut log = TestLog::start();
    let everything = Everything::publish(&log);
    let settings = log.scratch().join("schemathesis.toml");
    fs::write(&settings, settings_of(&everything)).expect("it is written");
    // Stays behind, for whoever looks for what was asked.
    let events = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated.ndjson");
    let output = Command::new(schemathesis)
        .arg("--config-file")
        .arg(&settings)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", log.url()))
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--seed", &seed.to_string()])
        .args(["--max-examples", &cases.to_string()])
        .args(["--report", "ndjson", "--report-ndjson-path"])
        .arg(&events)
        // One after the other: what an answer had in it is asked for next, so only then a seed makes the same again.
        .args(["--workers", "1", "--generation-database", "none"])
        .args(["--warnings", "off", "--no-color"])
        .current_dir(log.scratch())
        .output()
        .expect("CANDOR_SCHEMATHESIS is a program");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    let summary = said
        .split_once("= FAILURES =")
        .or_else(|| said.split_once("= ERRORS ="))
        .map_or(&*said, |(_, rest)| rest);
    assert!(!log.has_died(), "{}", log.log_lines());
    assert!(
        output.status.success(),
        "CANDOR_SEED={seed}: {summary}{wrong}"
    );
    let answers = answers_in(&events);
    let total: usize = answers.values().flat_map(BTreeMap::values).sum();
    for (operation, statuses) in &answers {
        println!("{operation}: {statuses:?}");
    }
    println!("{total} cases, CANDOR_SEED={seed}");
    expect_much(&log, &answers);
    if cases >= CASES_PER_OPERATION {
        assert!(total >= CASES_MIN, "only {total} cases");
    }
}

/// What Schemathesis is told of this log: without names that are there, little else than 404 would be seen.
fn settings_of(everything: &Everything) -> String {
    let lab = &everything.lab;
    let new = lab.api_version("tiny-api", "2.0.0", "");
    let (known, signature) = (&everything.envelopes[4], &new["signatures"][0]);
    let digests = [
        Sha256::of(CARD),
        Sha256::of(b"weights"),
        Sha256::of(manifest().to_bytes()),
        digest_of(known),
    ];
    let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
    let bound = [
        ("path.publisher", json!(["example-lab", "zeta-lab"])),
        ("path.name", json!(["example-lab", "zeta-lab", "auditor"])),
        ("path.model", json!(["tiny", "tiny-api", "zed"])),
        (
            "path.release",
            json!(["tiny@1.0.0", "tiny-api@1.0.0", "zed@1.1.0"]),
        ),
        ("path.digest", json!(digests)),
        ("path.sha256", json!(digests)),
        ("path.id", json!(["4", "11", digests[3]])),
        ("query.q", json!(["tiny", "zed", digests[1]])),
        ("query.digest", json!(digests)),
        ("query.indexes", json!(["0", "3,0,15", "15,4"])),
        (
            "query.release",
            json!(["example-lab/tiny-api@1.0.0", "zeta-lab/zed@1.1.0"]),
        ),
        (
            "query.model",
            json!(["example-lab/tiny-api", "zeta-lab/zed"]),
        ),
        ("query.publisher", json!(["example-lab", "zeta-lab"])),
        ("query.author", json!(["auditor", "zeta-lab"])),
        ("body.payloadType", json!([new["payloadType"]])),
        ("body.payload", json!([new["payload"], known["payload"]])),
        ("body.signatures[*].sig", json!([signature["sig"]])),
        ("body.signatures[*].keyid", json!([signature["keyid"]])),
    ];
    let mut dictionaries = "[dictionaries]\n".to_owned();
    let mut parameters = "[parameters]\n".to_owned();
    for (n, (name, values)) in bound.iter().enumerate() {
        // Lists of plain texts are the same in JSON and TOML.
        let _ = writeln!(dictionaries, "d{n} = {{ values = {values} }}");
        let _ = writeln!(
            parameters,
            "\"{name}\" = {{ dictionary = \"d{n}\", probability = 0.5 }}"
        );
    }
    format!("{CHECKS}{dictionaries}{parameters}")
}

/// How often each operation answered with each status, from the report.
fn answers_in(events: &Path) -> Answers {
    let mut answers = Answers::new();
    let text = fs::read_to_string(events).expect("Schemathesis reports");
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("a JSON object a line");
        let recorder = &event["ScenarioFinished"]["recorder"];
        let Some(interactions) = recorder["interactions"].as_object() else {
            continue;
        };
        let operation = recorder["label"].as_str().expect("a label");
        let statuses = answers.entry(operation.to_owned()).or_default();
        for interaction in interactions.values() {
            let status = interaction["response"]["status_code"].as_u64();
            *statuses.entry(status.expect("an answer")).or_default() += 1;
        }
    }
    answers
}

/// Asserts that each operation of the description was asked, also with what it has an answer to: a run in which all is
/// refused at the door would prove little.
#[track_caller]
fn expect_much(log: &TestLog, answers: &Answers) {
    let api = log.get("/api/v1/openapi.json").json();
    let paths = api["paths"].as_object().expect("paths");
    let mut operations = 0;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let name = format!("{} {path}", method.to_uppercase());
            let statuses = answers
                .get(&name)
                .unwrap_or_else(|| panic!("{name} was not asked"));
            let good = statuses.get(&200).or(statuses.get(&201));
            assert!(good.is_some(), "{name} never had an answer: {statuses:?}");
            assert!(
                !statuses.contains_key(&429),
                "{name}: a limit that this log does not have"
            );
            let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
            assert!(
                parameters == 0 || statuses.contains_key(&400),
                "{name} was asked nothing bad: {statuses:?}"
            );
            operations += 1;
        }
    }
    assert_eq!(answers.len(), operations, "operations of the description");
}
