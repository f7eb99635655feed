//! Statements inside envelopes: what is refused, and in which words.

mod common;

use candor_core::Sha256;
use candor_core::record::{Kind, Statement, StatementError, to_canonical_json};
use common::examples::{example, fit_subject, further_examples};
use common::wire::{card, changed, refused_statement};
use common::{CARD, RELEASE, as_array, evaluation, key, publisher, withdrawal};
use serde_json::{Value, json};

#[test]
fn a_payload_that_is_no_strict_json_is_refused() {
    let text = String::from_utf8(card()).expect("JSON is UTF-8");
    assert_eq!(
        refused_statement(format!("{text} {text}").as_bytes()),
        format!(
            "the payload is not strict JSON: trailing characters at line 1 column {}",
            text.len() + 2
        )
    );
    assert_eq!(
        refused_statement(format!("{text}\0").as_bytes()),
        format!(
            "the payload is not strict JSON: trailing characters at line 1 column {}",
            text.len() + 1
        )
    );
    assert_eq!(
        refused_statement(text.replacen("\"size\":11", "\"size\":NaN", 1).as_bytes()),
        format!(
            "the payload is not strict JSON: expected value at line 1 column {}; NaN and Infinity are not JSON: leave the value \
             out, or write null or a text",
            text.find("\"size\":").expect("it has a size") + "\"size\":".len() + 1
        )
    );
    assert_eq!(
        refused_statement(
            text.replacen("\"size\":11", "\"size\":9007199254740993", 1)
                .as_bytes()
        ),
        format!(
            "the payload is not strict JSON: the number 9007199254740993 at line 1 column {} would not survive: as \
             a double it reads 9007199254740992; write it as a string, or with fewer digits",
            text.find("\"size\":").expect("it has a size") + "\"size\":".len() + 1
        )
    );
    assert_eq!(
        refused_statement(b"{\"_type\":\"\xc3\x28\"}"),
        "the payload is not strict JSON: the text is not UTF-8: the bytes from 10 on are no character"
    );
    assert_eq!(
        refused_statement(text.replacen('{', "{\"_type\":1,", 1).as_bytes()),
        format!(
            "the payload is not strict JSON: the key \"_type\" is there twice at line 1 column {}",
            "{\"_type\":1,".len() + "\"_type\"".len()
        )
    );
    assert_eq!(
        refused_statement(
            format!("{{\"_type\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000)).as_bytes()
        ),
        "the payload is not strict JSON: nested more than 32 deep at line 1 column 41"
    );
    assert_eq!(
        refused_statement(b""),
        "the payload is not strict JSON: EOF while parsing a value at line 1 column 0"
    );
}

#[test]
fn a_payload_of_another_type_or_kind_is_refused() {
    assert_eq!(
        refused_statement(&changed(
            |s| s["_type"] = json!("https://in-toto.io/Statement/v0.1")
        )),
        "/_type: it is \"https://in-toto.io/Statement/v0.1\", and only \"https://in-toto.io/Statement/v1\" is taken"
    );
    for no_statement in [&b"null"[..], b"[]", b"\"_type\"", b"7"] {
        assert_eq!(
            refused_statement(no_statement),
            "/: a statement is an object with _type, subject, predicateType and predicate"
        );
    }
    assert_eq!(
        refused_statement(b"{}"),
        "/_type: it is \"\", and only \"https://in-toto.io/Statement/v1\" is taken"
    );
    for unknown in [
        "https://slsa.dev/provenance/v1",
        "urn:candor:model-card:v2",
        "urn:candor:Model-Card:v1",
        "urn:candor:manifest:v1",
        "",
    ] {
        assert_eq!(
            refused_statement(&changed(|s| s["predicateType"] = json!(unknown))),
            format!(
                "/predicateType: {unknown:?} is none of the kinds that the log takes: urn:candor:KIND:v1 with KIND \
                 one of publisher, model-card, weights, training-config, api-version, evaluation, withdrawal"
            )
        );
    }
}

#[test]
fn a_statement_is_about_exactly_one_thing() {
    let not_one =
        "/subject: a record is about exactly one subject, with a name and a sha256 digest";
    let changes: [fn(&mut Value); 8] = [
        |s| s["subject"] = Value::Null,
        |s| s["subject"] = json!([]),
        |s| s["subject"] = s["subject"][0].clone(),
        |s| s["subject"] = json!([s["subject"][0], s["subject"][0]]),
        |s| s["subject"][0]["name"] = Value::Null,
        |s| s["subject"][0]["digest"] = json!({ "sha512": "00" }),
        |s| s["subject"][0]["digest"]["sha256"] = json!(["00"]),
        |s| s["subject"] = json!(["meta-ai/opt-125m@1.0.0"]),
    ];
    for change in changes {
        assert_eq!(refused_statement(&changed(change)), not_one);
    }
}

#[test]
fn a_subject_has_a_name_that_no_other_name_looks_like() {
    let named = |name: &str| changed(|s| s["subject"][0]["name"] = json!(name));
    let cases = [
        (
            "m\u{435}ta-ai/opt-125m@1.0.0",
            "/subject/0/name: the publisher \"m\u{435}ta-ai\" has '\u{435}' (U+0435); allowed are a-z, 0-9 and -",
        ),
        (
            "meta-ai/opt\u{200b}@1.0.0",
            "/subject/0/name: the model \"opt\\u{200b}\" has '\\u{200b}' (U+200B); allowed are a-z, 0-9 and . _ -",
        ),
        (
            "meta-ai/opt@1.0.0\n",
            "/subject/0/name: the version \"1.0.0\\n\" has '\\n' (U+000A); allowed are a-z, 0-9 and . _ + -",
        ),
        (
            "Meta-AI/opt@1",
            "/subject/0/name: the publisher \"Meta-AI\" has 'M' (U+004D); allowed are a-z, 0-9 and -",
        ),
        (
            "meta-ai/../../etc@1",
            "/subject/0/name: the model \"../../etc\" has '/' (U+002F); allowed are a-z, 0-9 and . _ -",
        ),
        (
            "meta-ai/..@1",
            "/subject/0/name: the model \"..\" must begin and end with a letter or a digit",
        ),
        (
            "meta-ai/opt@",
            "/subject/0/name: the version \"\" has 0 characters, and may have 1 to 64",
        ),
        (
            "meta-ai",
            "/subject/0/name: \"meta-ai\" is not of the form publisher/model@version, as in meta-ai/opt-125m@1.0.0",
        ),
        (
            "opt@1",
            "/subject/0/name: \"opt\" is not of the form publisher/model, as in meta-ai/opt-125m",
        ),
    ];
    for (name, message) in cases {
        assert_eq!(refused_statement(&named(name)), message);
    }
    let long = format!("{}/opt@1", "a".repeat(65));
    assert_eq!(
        refused_statement(&named(&long)),
        format!(
            "/subject/0/name: the publisher \"{}\" has 65 characters, and may have 1 to 64",
            "a".repeat(65)
        )
    );
    // A release's name is no publisher's.
    let publisher = publisher("meta-ai", &[&key(1)], None);
    let mut publisher: Value = serde_json::from_slice(&publisher).expect("JSON");
    publisher["subject"][0]["name"] = json!(RELEASE);
    assert_eq!(
        refused_statement(&serde_json::to_vec(&publisher).expect("JSON")),
        "/subject/0/name: the publisher \"meta-ai/opt-125m@1.0.0\" has '/' (U+002F); allowed are a-z, 0-9 and -"
    );
}

#[test]
fn a_subject_digest_of_the_wrong_length_or_alphabet_is_refused() {
    let good = Sha256::of(CARD).to_string();
    let md5 = good[..32].to_owned();
    for digest in [
        md5,
        good[..63].to_owned(),
        format!("{good}0"),
        good.to_uppercase(),
        good.replacen(|c: char| c.is_ascii_digit(), "g", 1),
        format!(" {}", &good[1..]),
    ] {
        assert_eq!(
            refused_statement(&changed(
                |s| s["subject"][0]["digest"]["sha256"] = json!(digest)
            )),
            format!(
                "/subject/0/digest/sha256: a SHA-256 digest is 64 lower-case hexadecimal digits, and {digest:?} is not"
            )
        );
    }
}

#[test]
fn the_subject_is_the_document_that_the_predicate_names() {
    let other = Sha256::of("another card").to_string();
    assert_eq!(
        refused_statement(&changed(
            |s| s["subject"][0]["digest"]["sha256"] = json!(other)
        )),
        "/subject/0/digest/sha256: it must be the digest of the attachment at /predicate/document"
    );
    assert_eq!(
        refused_statement(&changed(
            |s| s["predicate"]["document"]["digest"]["sha256"] = json!(other)
        )),
        "/subject/0/digest/sha256: it must be the digest of the attachment at /predicate/document"
    );
}

#[test]
fn the_subject_of_a_publisher_record_is_its_predicate() {
    let payload = publisher("meta-ai", &[&key(1)], None);
    Statement::parse(&payload).expect("the good twin");
    let mut changed: Value = serde_json::from_slice(&payload).expect("JSON");
    changed["predicate"]["displayName"] = json!("Another lab");
    let expected = Sha256::of(to_canonical_json(&changed["predicate"]));
    assert_eq!(
        refused_statement(&serde_json::to_vec(&changed).expect("JSON")),
        format!(
            "/subject/0/digest/sha256: it must be the SHA-256 of the predicate as canonical JSON (RFC 8785), which is \
             {expected}"
        )
    );
    changed["subject"][0]["digest"]["sha256"] = json!(expected);
    Statement::parse(&serde_json::to_vec(&changed).expect("JSON")).expect("fits again");
}

#[test]
fn a_predicate_that_is_not_of_its_kind_is_refused() {
    assert_eq!(
        refused_statement(&changed(|s| s["predicate"] = json!({}))),
        "/predicate: missing field `document`"
    );
    assert_eq!(
        refused_statement(&changed(|s| s["predicate"]["document"]["size"] = json!(-1))),
        "/predicate: invalid value: integer `-1`, expected u64"
    );
    assert_eq!(
        refused_statement(&changed(
            |s| s["predicate"]["document"]["digest"] = json!({ "sha256": "00" })
        )),
        "/predicate: a SHA-256 digest is 64 lower-case hexadecimal digits, and \"00\" is not"
    );
}

/// The examples of a kind in which something is at `pointer`.
fn examples_with(kind: Kind, pointer: &str) -> Vec<Value> {
    let further = further_examples().into_iter();
    let further = further.filter(|(it, _)| *it == kind).map(|(_, it)| it);
    let all = std::iter::once(example(kind)).chain(further);
    let found: Vec<_> = all.filter(|it| it.pointer(pointer).is_some()).collect();
    assert!(!found.is_empty(), "{kind} {pointer}");
    found
}

fn refused_predicate(kind: Kind, mut statement: Value) -> String {
    fit_subject(kind, &mut statement);
    Statement::parse(&to_canonical_json(&statement))
        .expect_err("another form")
        .to_string()
}

/// serde by itself reads these as the same predicates, and no schema does.
#[test]
fn in_a_predicate_an_array_is_no_object_and_an_object_is_no_word() {
    let document: &[&str] = &["name", "mediaType", "size", "digest"];
    for (kind, pointer, fields) in [
        (Kind::ModelCard, "/predicate/document", document),
        (Kind::ModelCard, "/predicate/document/digest", &["sha256"]),
        (Kind::Weights, "/predicate/manifest", document),
        (Kind::TrainingConfig, "/predicate/document", document),
        (
            Kind::Publisher,
            "/predicate/keys/0",
            &["keyid", "algorithm", "publicKey"],
        ),
        (
            Kind::ApiVersion,
            "/predicate/behind",
            &["release", "statement"],
        ),
        (Kind::ApiVersion, "/predicate/systemPrompt", &["digest"]),
        (
            Kind::ApiVersion,
            "/predicate/systemPrompt/digest",
            &["sha256"],
        ),
        (
            Kind::Evaluation,
            "/predicate/results/0",
            &[
                "task",
                "metric",
                "value",
                "standardError",
                "samples",
                "fewShot",
            ],
        ),
    ] {
        let is_object = |it: &Value| it.pointer(pointer).is_some_and(Value::is_object);
        let mut statement = examples_with(kind, pointer)
            .into_iter()
            .find(is_object)
            .unwrap_or_else(|| panic!("{kind} {pointer}"));
        as_array(&mut statement, pointer, fields);
        let said = refused_predicate(kind, statement);
        assert!(
            said.starts_with("/predicate: an array stands where an object should"),
            "{kind} {pointer}: {said}"
        );
    }
    for kind in Kind::ALL {
        let mut statement = example(kind);
        statement["predicate"]["annotations"] = Value::Null;
        let said = refused_predicate(kind, statement);
        assert!(said.starts_with("/predicate: invalid type: null"), "{said}");
    }
    for (kind, pointer, word) in [
        (Kind::Weights, "/predicate/strength", None),
        (Kind::Weights, "/predicate/parents/0/relation", None),
        (Kind::Withdrawal, "/predicate/scope", None),
        (Kind::Withdrawal, "/predicate/reason", None),
        (Kind::Evaluation, "/predicate/outcome", None),
        (Kind::ApiVersion, "/predicate/behind", Some("undisclosed")),
        (Kind::ApiVersion, "/predicate/systemPrompt", Some("none")),
    ] {
        for mut statement in examples_with(kind, pointer) {
            let there = statement.pointer_mut(pointer).expect("it is there");
            let word = word.or(there.as_str()).expect("a word").to_owned();
            *there = json!({ word: null });
            let said = refused_predicate(kind, statement);
            assert!(
                said.starts_with("/predicate: an object stands where a word should")
                    || said.starts_with("/predicate: missing field"),
                "{kind} {pointer}: {said}"
            );
        }
    }
}

#[test]
fn text_that_would_be_shown_otherwise_than_it_is_is_refused() {
    for (name, why) in [
        ("a\nb", "it has the control character U+000A"),
        (
            "a\u{202e}b",
            "it has U+202E, which is invisible or changes the order of the text around it",
        ),
        (
            "a\u{200b}b",
            "it has U+200B, which is invisible or changes the order of the text around it",
        ),
        (
            "e\u{301}",
            "it is not in Unicode normalization form C, so that two spellings would look the same",
        ),
    ] {
        assert_eq!(
            refused_statement(&changed(
                |s| s["predicate"]["document"]["name"] = json!(name)
            )),
            format!("/predicate: the attachment's name {name:?} can't be shown: {why}")
        );
        let mut payload: Value =
            serde_json::from_slice(&publisher("meta-ai", &[&key(1)], None)).expect("JSON");
        payload["predicate"]["displayName"] = json!(name);
        assert_eq!(
            refused_statement(&serde_json::to_vec(&payload).expect("JSON")),
            format!("/predicate/displayName: the name can't be shown: {why}")
        );
    }
}

#[test]
fn an_evaluation_that_judges_names_what_it_answers() {
    let payload = evaluation("eleutherai", RELEASE, Sha256::of(CARD));
    let mut judging: Value = serde_json::from_slice(&payload).expect("JSON");
    for outcome in ["reproduced", "failed-to-reproduce"] {
        judging["predicate"]["outcome"] = json!(outcome);
        judging["predicate"]["answers"] = Value::Null;
        assert_eq!(
            refused_statement(&serde_json::to_vec(&judging).expect("JSON")),
            "/predicate/answers: an outcome other than \"reported\" names the record that it answers"
        );
        judging["predicate"]["answers"] = json!(Sha256::of("a record"));
        Statement::parse(&serde_json::to_vec(&judging).expect("JSON")).expect(outcome);
    }
}

#[test]
fn only_the_publisher_of_a_release_withdraws_all_of_it() {
    let withdrawing = |author: &str, scope: &str| {
        let payload = withdrawal(author, RELEASE, Sha256::of("a statement"));
        let mut statement: Value = serde_json::from_slice(&payload).expect("JSON");
        statement["predicate"]["scope"] = json!(scope);
        serde_json::to_vec(&statement).expect("JSON")
    };
    for (author, scope) in [
        ("meta-ai", "record"),
        ("meta-ai", "release"),
        ("eleutherai", "record"),
    ] {
        Statement::parse(&withdrawing(author, scope)).expect(author);
    }
    assert_eq!(
        refused_statement(&withdrawing("eleutherai", "release")),
        "/predicate/scope: only the publisher of a release withdraws all of it; others withdraw their own records \
         (\"record\")"
    );
}

#[test]
fn an_api_version_ends_after_it_began() {
    let api = |from: &str, until: &str| {
        let predicate = json!({
            "provider": "Meta AI", "endpoint": "https://opt.example.org/v1", "modelId": "opt",
            "behind": "undisclosed", "validFrom": from, "validUntil": until,
        });
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{
                "name": "meta-ai/opt-api@1",
                "digest": { "sha256": Sha256::of(to_canonical_json(&predicate)) },
            }],
            "predicateType": "urn:candor:api-version:v1",
            "predicate": predicate,
        });
        Statement::parse(&serde_json::to_vec(&statement).expect("JSON"))
    };
    api("2022-05-03T00:00:00Z", "2022-05-03T00:00:01Z").expect("a second later");
    for (from, until) in [
        ("2022-05-03T00:00:00Z", "2022-05-03T00:00:00Z"),
        ("2022-05-03T00:00:00Z", "2022-05-02T23:59:59Z"),
        ("2022-05-03T00:00:00Z", "2021-12-31T00:00:00Z"),
    ] {
        let error: StatementError = api(from, until).expect_err(until);
        assert_eq!(
            error.to_string(),
            "/predicate/validUntil: it must be later than validFrom"
        );
    }
}
