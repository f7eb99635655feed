//! The schemas, their examples and the Rust types, held to one another.
//!
//! - Each example is what its schema asks for, and reads into a Rust value that writes the same JSON.
//! - From each schema, documents are made that have every field and every word which the schema knows. They
//!   read into Rust values that lose nothing. So a field that is added to a schema must be added to its type.

mod common;

use candor_core::record::{
    Attachment, Kind, Predicate, PublicKey, Statement, SubjectName, check_schema, schema_text,
    to_canonical_json,
};
use candor_core::weights::Manifest;
use common::examples::{
    COMMON, FREE, MANIFEST, MANIFEST_EXAMPLE, example, fit_subject, further_examples, parse, read,
    text, validator, without_empty_lists,
};
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};

/// How many documents are made from each schema, so that each list of allowed words is gone through.
const CHOICES: usize = 12;

fn check(kind: Kind, statement: &Value) -> Result<(), String> {
    check_schema(kind, statement).map_err(|violations| {
        let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

// The examples.

#[test]
fn each_example_is_what_its_schema_asks_for() {
    for kind in Kind::ALL {
        check(kind, &example(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    let manifest = parse(MANIFEST_EXAMPLE);
    let schema = validator(&parse(MANIFEST));
    assert!(schema.is_valid(&manifest));
    // As lists of digests have it, which know no sizes.
    let mut sizeless = manifest.clone();
    let file = sizeless["files"][0].as_object_mut().expect("a file");
    file.remove("size").expect("it had one");
    assert!(schema.is_valid(&sizeless));
    Manifest::parse(&to_canonical_json(&sizeless)).expect("a manifest, too");
}

#[test]
fn each_example_is_of_its_own_kind_only() {
    for kind in Kind::ALL {
        for other in Kind::ALL {
            assert_eq!(
                check_schema(other, &example(kind)).is_ok(),
                kind == other,
                "the example of {kind} by the schema of {other}"
            );
        }
    }
}

#[test]
fn each_example_reads_and_is_written_again_with_every_field() {
    for kind in Kind::ALL {
        let example = example(kind);
        let statement = read(&example);
        assert_eq!(statement.kind(), kind);
        let expected = without_empty_lists(&example["predicate"]);
        assert_eq!(text(&statement.predicate), text(&expected), "{kind}");
        // As text and as bytes alike.
        let composed = Statement::compose(
            &statement.subject.name,
            statement.subject.sha256,
            &statement.predicate,
        );
        let mut whole = example;
        whole["predicate"] = expected;
        assert_eq!(composed, to_canonical_json(&whole), "{kind}");
    }
}

#[test]
fn an_example_without_a_required_field_is_refused_and_the_field_is_named() {
    for kind in Kind::ALL {
        let mut removed = 0;
        each_object(&parse(schema_text(kind)), &mut |schema, place| {
            for name in strings(&schema["required"]) {
                let mut document = example(kind);
                let Some(Value::Object(members)) = document.pointer_mut(&place.instance) else {
                    continue;
                };
                if members.remove(&name).is_none() {
                    continue;
                }
                removed += 1;
                let violations = check_schema(kind, &document).expect_err("a field is missing");
                assert!(
                    violations
                        .iter()
                        .any(|violation| violation.rule == "required"
                            && violation.pointer == place.instance
                            && violation.message.contains(&format!("{name:?}"))),
                    "{kind} without {}/{name}: {violations:?}",
                    place.instance
                );
            }
        });
        assert!(removed >= 8, "{kind} lacks required fields");
    }
}

#[test]
fn an_example_with_an_unknown_field_is_refused_and_the_field_is_named() {
    for kind in Kind::ALL {
        let mut added = 0;
        each_object(&parse(schema_text(kind)), &mut |schema, place| {
            let mut document = example(kind);
            let Some(Value::Object(members)) = document.pointer_mut(&place.instance) else {
                return;
            };
            members.insert("unheardOf".to_owned(), json!(1));
            let violations = check_schema(kind, &document).err().unwrap_or_default();
            if schema["additionalProperties"] != json!(false) {
                let free = place.instance.rsplit('/').next().expect("a last part");
                assert!(FREE.contains(&free), "{kind}: {} is open", place.instance);
                assert!(violations.is_empty(), "{violations:?}");
                return;
            }
            added += 1;
            assert!(
                violations
                    .iter()
                    .any(|violation| violation.rule == "additionalProperties"
                        && violation.pointer == place.instance
                        && violation.message.contains("unheardOf")),
                "{kind} with {}/unheardOf: {violations:?}",
                place.instance
            );
        });
        assert!(added >= 4, "{kind} has an open object");
    }
}

#[test]
fn the_examples_fit_together() {
    let statement = |kind| read(&example(kind));
    let weights = statement(Kind::Weights);
    let api = statement(Kind::ApiVersion);
    let manifest = Manifest::parse(&to_canonical_json(&parse(MANIFEST_EXAMPLE)))
        .expect("the example is a manifest");
    let Predicate::Weights(stated) = &weights.predicate else {
        panic!("the example is about weights");
    };
    manifest
        .check_statement(stated)
        .expect("the manifest is the one that the weights name");
    let Attachment { size, digest, .. } = &stated.manifest;
    assert_eq!(*size, manifest.to_bytes().len() as u64);
    assert_eq!(digest.sha256, weights.subject.sha256);

    assert_eq!(
        example(Kind::ApiVersion)["predicate"]["behind"]["statement"],
        json!(weights.digest)
    );
    assert_eq!(
        example(Kind::TrainingConfig)["predicate"]["parents"][0]["statement"],
        json!(weights.digest)
    );
    let withdrawal = statement(Kind::Withdrawal);
    assert_eq!(withdrawal.subject.sha256, api.digest);
    assert_eq!(withdrawal.subject.name, api.subject.name);
    let evaluation = statement(Kind::Evaluation);
    assert_eq!(evaluation.subject, weights.subject);
    assert_eq!(evaluation.publisher().as_str(), "eleutherai");
    assert_eq!(
        statement(Kind::Publisher).subject.name,
        SubjectName::Publisher(api.publisher().clone())
    );
}

#[test]
fn the_further_examples_say_what_the_first_leave_out() {
    let [card, api, evaluation, weights] = further_examples().map(|(kind, example)| {
        check(kind, &example).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let mut fitted = example.clone();
        fit_subject(kind, &mut fitted);
        assert_eq!(fitted, example, "the subject digest of {kind}");
        assert_eq!(read(&example).kind(), kind);
        example["predicate"].clone()
    });
    assert_eq!(card["baseModels"][0]["relation"], "finetune");
    assert_eq!(api["behind"], "undisclosed");
    assert!(api["systemPrompt"]["digest"]["sha256"].is_string());
    assert!(evaluation["harness"]["version"].is_string());
    assert_eq!(evaluation["outcome"], "reproduced");
    let answered = read(&example(Kind::Evaluation));
    assert_eq!(evaluation["answers"], json!(answered.digest));
    let parent = read(&example(Kind::Weights));
    assert_eq!(weights["parents"][0]["statement"], json!(parent.digest));
    assert_eq!(
        weights["parents"][0]["release"],
        parent.subject.name.to_string()
    );
}

#[test]
fn each_schema_names_its_kind() {
    for kind in Kind::ALL {
        let schema = parse(schema_text(kind));
        assert_eq!(schema["$id"], format!("urn:candor:schema:{kind}:v1"));
        assert_eq!(
            schema["properties"]["predicateType"]["const"],
            kind.predicate_type()
        );
    }
}

// Documents made from the schemas.

/// Where an object of a schema is in the schema, and in a document with one item in each list.
#[derive(Clone, Default)]
struct Place {
    schema: String,
    instance: String,
}

/// Calls `visit` with each object of a schema that has named properties, common ones resolved.
fn each_object(schema: &Value, visit: &mut dyn FnMut(&Value, &Place)) {
    walk(schema, &Place::default(), visit);
}

fn walk(schema: &Value, place: &Place, visit: &mut dyn FnMut(&Value, &Place)) {
    let schema = resolved(schema);
    let below = |schema: &str, instance: &str| Place {
        schema: format!("{}/{schema}", place.schema),
        instance: format!("{}/{instance}", place.instance),
    };
    if let Some(properties) = schema["properties"].as_object() {
        visit(&schema, place);
        for (name, property) in properties {
            walk(property, &below(&format!("properties/{name}"), name), visit);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &below("items", "0"), visit);
    }
}

/// A schema with what it refers to, what stands beside the reference coming on top.
fn resolved(schema: &Value) -> Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema.clone();
    };
    let pointer = reference
        .strip_prefix("urn:candor:schema:common:v1#")
        .expect("schemas refer to the common one only");
    let common = parse(COMMON);
    let target = common.pointer(pointer).expect("it is there");
    let mut schema = schema.clone();
    schema.as_object_mut().expect("an object").remove("$ref");
    merged(resolved(target), schema)
}

fn merged(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (name, value) in above {
                let under = below.remove(&name).unwrap_or(Value::Null);
                below.insert(name, merged(under, value));
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value| item.as_str().expect("a list of texts").to_owned();
    items.iter().map(text).collect()
}

/// Texts of which at least one keeps to each rule that a schema has for texts.
fn sample_texts() -> Vec<String> {
    let hex = |digits: usize| "a1".repeat(digits / 2);
    let mut samples = [
        "meta-ai",
        "meta-ai/opt-125m@1.0.0",
        "2022-05-03T00:00:00Z",
        "https://example.org/models",
        "application/json",
        "MCowBQYDK2VwAyEAKOnMPyWfnWBlgkH2sXirstZ0X90+d/q7geG43fAwRh8=",
    ]
    .map(str::to_owned)
    .to_vec();
    samples.extend([32, 40, 56, 64, 96, 128].map(hex));
    samples
}

/// Makes the `choice`-th document of a schema: with every property, and of several words the `choice`-th.
fn document(schema: &Value, choice: usize) -> Value {
    let schema = resolved(schema);
    let nth = |list: &[Value]| list[choice % list.len()].clone();
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.len() <= CHOICES, "more words than CHOICES");
        return nth(words);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => nth(kinds),
        kind => kind.clone(),
    };
    // The lowest and the highest in turn.
    let bound = |lowest: Value, highest: Value| {
        let (name, unbounded) = [("minimum", lowest), ("maximum", highest)][choice % 2].clone();
        schema.get(name).cloned().unwrap_or(unbounded)
    };
    match kind.as_str().expect("each value has a type") {
        "boolean" => json!(choice.is_multiple_of(2)),
        "integer" => bound(Value::Null, Value::Null),
        "number" => bound(json!(-0.25), json!(1e300)),
        "string" => string(&schema, choice),
        "array" => json!([document(&schema["items"], choice)]),
        "object" => object(&schema, choice),
        other => panic!("teach this test to make a {other}"),
    }
}

fn string(schema: &Value, choice: usize) -> Value {
    // A pattern that is a list of words, as in `^(?:none|undisclosed)$`.
    let words = schema["pattern"]
        .as_str()
        .map(|pattern| pattern.trim_matches(['^', '$']))
        .map(|words| words.trim_start_matches("(?:").trim_end_matches(')'))
        .filter(|words| words.bytes().all(|b| b.is_ascii_lowercase() || b == b'|'));
    if let Some(words) = words {
        let words: Vec<_> = words.split('|').collect();
        // Every other choice made an object instead.
        return json!(words[choice / 2 % words.len()]);
    }
    let mut rules = schema.clone();
    rules["type"] = json!("string");
    let validator = validator(&rules);
    let sample = sample_texts()
        .into_iter()
        .find(|sample| validator.is_valid(&json!(sample)));
    json!(sample.unwrap_or_else(|| panic!("teach sample_texts a text for {schema:#}")))
}

fn object(schema: &Value, choice: usize) -> Value {
    let mut members = Map::new();
    if let Some(properties) = schema["properties"].as_object() {
        let allowed = strings(&schema["propertyNames"]["enum"]);
        for (name, property) in properties {
            if allowed.is_empty() || allowed.contains(name) {
                members.insert(name.clone(), document(property, choice));
            }
        }
    }
    if schema["additionalProperties"] != json!(false) {
        members.insert("free".to_owned(), json!({ "with": [null, 0.5, {}, []] }));
    }
    Value::Object(members)
}

/// The `choice`-th statement of a kind, and what no schema can say made right.
fn statement(kind: Kind, schema: &Value, choice: usize) -> Value {
    let mut statement = document(schema, choice);
    let predicate = &mut statement["predicate"];
    match kind {
        Kind::Publisher => {
            let seed = u8::try_from(choice).expect("few choices");
            let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
            let key = PublicKey::new(key).expect("a good key");
            let mut with_more = json!(key);
            for (name, value) in predicate["keys"][0].as_object().expect("a key") {
                if with_more.get(name).is_none() {
                    with_more[name] = value.clone();
                }
            }
            predicate["keys"][0] = with_more;
        }
        Kind::Weights => {
            let strong = !["md5", "sha1"]
                .map(Value::from)
                .contains(&predicate["algorithms"][0]);
            predicate["strength"] = json!(if strong { "strong" } else { "weak" });
            // A release is not made from itself.
            predicate["parents"][0]["release"] = json!("example-lab/parent@1.0.0");
        }
        Kind::ApiVersion => predicate["validUntil"] = json!("2023-01-01T00:00:00.5Z"),
        Kind::ModelCard | Kind::TrainingConfig | Kind::Evaluation | Kind::Withdrawal => {}
    }
    fit_subject(kind, &mut statement);
    statement
}

#[test]
fn the_types_hold_every_field_and_every_word_that_the_schemas_know() {
    for kind in Kind::ALL {
        let schema = parse(schema_text(kind));
        for choice in 0..CHOICES {
            let statement = statement(kind, &schema, choice);
            check(kind, &statement)
                .unwrap_or_else(|error| panic!("{kind} {choice}: {error}\n{statement:#}"));
            let read = read(&statement);
            assert_eq!(
                text(&read.predicate),
                text(&statement["predicate"]),
                "{kind} {choice}"
            );
        }
    }
}

#[test]
fn the_manifest_type_holds_every_field_and_every_word_that_its_schema_knows() {
    let schema = parse(MANIFEST);
    let validator = validator(&schema);
    for choice in 0..CHOICES {
        let manifest = document(&schema, choice);
        assert!(validator.is_valid(&manifest), "{manifest:#}");
        let read = Manifest::parse(&to_canonical_json(&manifest))
            .unwrap_or_else(|error| panic!("{error}\n{manifest:#}"));
        assert_eq!(read.to_bytes(), to_canonical_json(&manifest));
    }
}

/// The test above can fail, wherever a field is added: here, one is added to each object in turn. It also
/// shows that a reader of today reads a statement of tomorrow, whose schema has grown a field.
#[test]
fn a_field_that_only_a_schema_knows_is_lost_and_does_no_harm() {
    for kind in Kind::ALL {
        let schema = parse(schema_text(kind));
        let mut places = Vec::new();
        each_object(&schema, &mut |_, place| places.push(place.instance.clone()));
        assert!(places.len() >= 4, "{kind} has more objects than that");
        for place in places {
            let original = statement(kind, &schema, 1);
            let mut grown = original.clone();
            let Some(Value::Object(members)) = grown.pointer_mut(&place) else {
                // Here, a word stands in the place of the object.
                assert!(place.contains("/behind") || place.contains("/systemPrompt"));
                continue;
            };
            members.insert("inventedField".to_owned(), json!(true));
            fit_subject(kind, &mut grown);
            let read_back = Statement::parse(&to_canonical_json(&grown));
            let last = place.rsplit('/').next().expect("a last part");
            if last == "decoding" {
                let read_back = read_back.expect("decoding is free");
                assert_eq!(text(&read_back.predicate), text(&grown["predicate"]));
            } else if read_back.is_err() {
                // A digest by an unknown algorithm says nothing about what is meant.
                assert_eq!(last, "digest", "{kind} {place}: {read_back:?}");
            } else {
                let read_back = read_back.expect("just seen");
                assert_eq!(
                    text(&read_back.predicate),
                    text(&original["predicate"]),
                    "{kind} {place}"
                );
                assert_ne!(text(&original), text(&grown));
            }
        }
    }
}

// What the reader sees.

type Change = fn(&mut Value);

#[test]
fn a_violation_names_the_place_the_rule_and_what_is_wrong() {
    let cases: [(Change, &str, &str); 9] = [
        (
            |s| s["extra"] = json!(1),
            "additionalProperties",
            "/: Additional properties are not allowed ('extra' was unexpected)",
        ),
        (
            |s| {
                s["predicate"]
                    .as_object_mut()
                    .and_then(|p| p.remove("root"));
            },
            "required",
            "/predicate: \"root\" is a required property",
        ),
        (
            |s| s["predicate"]["files"] = json!(0),
            "minimum",
            "/predicate/files: 0 is less than the minimum of 1",
        ),
        (
            |s| s["predicate"]["bytes"] = json!("12"),
            "type",
            "/predicate/bytes: \"12\" is not of type \"integer\"",
        ),
        (
            |s| s["predicate"]["root"] = json!("A".repeat(64)),
            "pattern",
            "/predicate/root: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" is not of this form: A SHA-256 digest. 64 lower-case hex digits.",
        ),
        (
            |s| s["predicate"]["format"] = json!("zip"),
            "enum",
            "/predicate/format: \"zip\" is none of \"safetensors\", \"pytorch\", \"onnx\", \"gguf\", \"tensorflow\", \"numpy\", \"other\"",
        ),
        (
            |s| s["predicate"]["strength"] = json!("weak"),
            "const",
            "/predicate/strength: \"strong\" was expected",
        ),
        (
            |s| s["predicate"]["manifest"]["digest"]["md5"] = json!("00"),
            "additionalProperties",
            "/predicate/manifest/digest: Additional properties are not allowed ('md5' was unexpected)",
        ),
        (
            |s| s["subject"] = json!([]),
            "minItems",
            "/subject: the list has less than 1 item",
        ),
    ];
    for (change, rule, message) in cases {
        let mut statement = example(Kind::Weights);
        change(&mut statement);
        let violations = check_schema(Kind::Weights, &statement).expect_err(message);
        let [violation] = violations.as_slice() else {
            panic!("one rule is broken, and these are named: {violations:?}");
        };
        assert_eq!(violation.rule, rule);
        assert_eq!(violation.to_string(), message);
        let (pointer, _) = message.split_once(": ").expect("where, and what");
        assert_eq!(violation.pointer, pointer.trim_end_matches('/'));
    }
}

/// What somebody sent is shown in part only, and not over and over.
#[test]
fn violations_stay_short_whatever_was_sent() {
    let mut statement = example(Kind::Weights);
    let text = "\u{1f600}".repeat(30_000);
    statement["predicate"]["source"]["note"] = json!(text);
    let violations = check_schema(Kind::Weights, &statement).expect_err("too long");
    let [violation] = violations.as_slice() else {
        panic!("one rule is broken, and these are named: {violations:?}");
    };
    assert_eq!(violation.rule, "maxLength");
    assert!(violation.message.chars().count() <= 310, "{violation}");
    assert!(
        violation
            .message
            .ends_with("is longer than 1000 characters"),
        "{violation}"
    );

    let mut statement = example(Kind::Weights);
    let members = (0..1_000).map(|n| (format!("member {n}"), json!(1)));
    statement["predicate"]["source"] = members.collect();
    statement["predicate"]["algorithms"] = json!(vec!["crc32"; 1_000]);
    let violations = check_schema(Kind::Weights, &statement).expect_err("much is wrong");
    assert!((2..=8).contains(&violations.len()));
    for violation in violations {
        assert!(violation.message.chars().count() <= 310, "{violation}");
    }
}
