//! The description of the API: what programs are made from that other people use, so it must be what is sent and
//! answered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use candor_core::Sha256;
use candor_tests::Answer;
use candor_tests::statements::digest_of;
use serde_json::{Value, json};

use super::world::{CARD, World};

/// Where events are.
const EVENTS: &str = "/api/v1/events";

/// Each described path, with its methods.
fn operations(api: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = api["paths"].as_object().expect("paths").iter();
    let methods = |(path, methods)| {
        let methods: &Value = methods;
        let methods = methods.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| (path, method.as_str(), operation))
    };
    paths
        .map(|(path, it)| (path.as_str(), it))
        .flat_map(methods)
        .collect()
}

/// Asserts that `value` is as the schema says, and has nothing in it that the schema does not describe.
#[track_caller]
fn assert_described(api: &Value, schema: &Value, value: &Value, what: &str) {
    assert!(schema.is_object(), "{what} has no schema");
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": api["components"],
        "allOf": [schema],
        "unevaluatedProperties": false,
    });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<_> = validator
        .iter_errors(value)
        .map(|it| it.to_string())
        .collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?} in {value:#}");
}

/// Asserts that an answer is one that the operation describes.
#[track_caller]
fn assert_answer(api: &Value, operation: &Value, answer: &Answer, what: &str) {
    let responses = &operation["responses"];
    let exact = &responses[answer.status.to_string()];
    let described = match exact {
        Value::Null => &responses[format!("{}XX", answer.status / 100)],
        exact => exact,
    };
    let content_type = answer.header("content-type");
    let schema = &described["content"][content_type]["schema"];
    assert_described(
        api,
        schema,
        &answer.json(),
        &format!("{what}: {}", answer.status),
    );
}

#[test]
fn the_description_of_the_api_is_the_one_in_the_repository() {
    let world = World::new();
    let served = world.json("/api/v1/openapi.json");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi.json");
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(
        served == committed,
        "schemas/openapi.json is out of date; run: cargo xtask gen (or candor-server openapi > schemas/openapi.json)"
    );
}

/// Programs are generated from it: each operation becomes a function, each answer a case.
#[test]
fn operations_have_names_of_their_own_and_answers_are_described() {
    let world = World::new();
    let api = world.json("/api/v1/openapi.json");
    let version = api["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&api) {
        let what = format!("{method} {path}");
        let id = operation["operationId"].as_str().expect("an operationId");
        assert!(
            ids.insert(id),
            "{what}: the operationId {id} is there twice"
        );
        let responses = operation["responses"].as_object().expect("answers");
        for (status, response) in responses {
            let description = response["description"].as_str().unwrap_or_default();
            assert!(
                !description.is_empty(),
                "{what}: {status} has no description"
            );
        }
        let always = ["500", "503"].into_iter();
        // What has no end is not known already.
        let read = match (method, path) {
            ("get", EVENTS) => &["400"][..],
            ("get", _) => &["304", "400"],
            _ => &[],
        };
        let read = read.iter().copied();
        for status in always.chain(read) {
            assert!(
                responses.contains_key(status),
                "{what} does not describe {status}"
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["name"] == "limit" {
                let schema = &parameter["schema"];
                assert_eq!(
                    (&schema["minimum"], &schema["maximum"]),
                    (&json!(1), &json!(500)),
                    "{what}"
                );
            }
        }
    }
    assert_eq!(ids.len(), 23);
}

#[test]
fn every_path_answers_as_it_is_described() {
    let world = World::new();
    let api = world.json("/api/v1/openapi.json");
    let id = digest_of(&world.envelopes[4]).to_string();
    let sha256 = Sha256::of(CARD).to_string();
    let mut seen = 0;
    for (path, method, operation) in operations(&api) {
        if method != "get" {
            continue;
        }
        if path == EVENTS {
            // Its answer has no end: `following` reads it.
            let events = &operation["responses"]["200"]["content"]["text/event-stream"];
            assert_eq!(events["schema"]["type"], "string");
            let problem = world.log.get(&format!("{path}?nobody-knows=this"));
            assert_answer(&api, operation, &problem.expect_status(400), path);
            seen += 1;
            continue;
        }
        let mut filled = path.to_owned();
        for (name, value) in [
            ("{id}", id.as_str()),
            ("{name}", "zeta-lab"),
            ("{publisher}", "example-lab"),
            ("{model}", "tiny-api"),
            ("{release}", "tiny-api@1.0.0"),
            ("{sha256}", &sha256),
            ("{digest}", &sha256),
        ] {
            filled = filled.replace(name, value);
        }
        assert!(
            !filled.contains('{'),
            "{path} has a parameter that this test does not know"
        );
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query: Vec<String> = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| format!("{}=1", parameter["name"].as_str().expect("a name")))
            .collect();
        let answer = world.log.get(&format!("{filled}?{}", query.join("&")));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        if path.contains("/attachments/") {
            let bytes = &operation["responses"]["200"]["content"]["*/*"]["schema"];
            assert!(bytes.is_object(), "{path}");
        } else {
            assert_answer(&api, operation, &answer, path);
        }
        // And what can't be answered.
        let problem = world.log.get(&format!("{filled}?nobody-knows=this"));
        if problem.status == 400 {
            assert_answer(&api, operation, &problem, path);
        }
        seen += 1;
    }
    assert_eq!(seen, 22, "paths that can be read");
}

#[test]
fn what_is_published_and_what_comes_of_it_is_as_described() {
    let world = World::new();
    let api = world.json("/api/v1/openapi.json");
    let publish = &api["paths"]["/api/v1/records"]["post"];
    let body = &publish["requestBody"]["content"]["application/json"]["schema"];
    let one = world.lab.api_version("described", "1", "");
    let list = json!([world.lab.api_version("described", "2", ""), &one]);
    for (sent, status) in [(&one, 201), (&list, 201), (&one, 200), (&json!([]), 400)] {
        if status < 400 {
            assert_described(&api, body, sent, "the body");
        }
        let answer = world
            .log
            .post("application/json", sent.to_string().as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_answer(&api, publish, &answer, "POST");
    }
    // A problem with everything that one can have.
    let spoilt = world.lab.altered(&one, |statement| {
        statement["predicate"]["provider"] = 7.into();
    });
    let answer = world.log.publish(&[spoilt]).expect_status(422);
    assert!(answer.json()["violations"].is_array());
    assert_answer(&api, publish, &answer, "POST");
    // What is no envelope is none by the description either.
    let schema = json!({"components": api["components"], "allOf": [body]});
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let many = |count| Value::Array(vec![one.clone(); count]);
    for wrong in [json!({}), json!([{}]), json!("text"), json!([]), many(257)] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    assert!(validator.is_valid(&many(256)));
    let form = &publish["requestBody"]["content"]["multipart/form-data"]["schema"];
    let form = &api["components"]["schemas"][form["$ref"]
        .as_str()
        .expect("a name")
        .rsplit('/')
        .next()
        .expect("a name")];
    assert!(
        form["properties"]["records"].is_object() && form["properties"]["attachment"].is_object()
    );
}
