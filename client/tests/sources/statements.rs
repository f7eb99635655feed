//! Statements and predicates that are written by hand, and files that are nothing that is known.

use std::fs;
use std::path::{Path, PathBuf};

use candor_client::sources::statement::{About, GivenFile};
use candor_client::sources::{SourceError, SourceKind, detect, statement};
use candor_core::record::{Kind, SubjectName};
use serde_json::{Value, json};

use super::one;

fn example(kind: &str) -> Vec<u8> {
    let schemas: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/examples");
    fs::read(schemas.join(format!("{kind}.json"))).expect("each kind has an example")
}

#[test]
fn a_statement_is_taken_as_it_is_and_its_attachments_are_found_by_digest() {
    let contents = example("api-version");
    let kind = detect(Path::new("x.json"), &contents).expect("known");
    assert_eq!(kind, SourceKind::Statement(Kind::ApiVersion));
    let (draft, warnings) = one(statement::draft("x.json", &contents, &[]).expect("a statement"));
    let whole: Value = serde_json::from_slice(&contents).expect("JSON");
    let payload: Value = serde_json::from_slice(&draft.payload()).expect("JSON");
    assert_eq!((payload, warnings.len()), (whole, 0));

    let weights = example("weights");
    let error = statement::draft("w.json", &weights, &[]).expect_err("its manifest is missing");
    assert!(
        matches!(&error, SourceError::AttachmentMissing { name, .. } if name == "opt-125m-1.0.0.manifest.json"),
        "{error}"
    );
    let manifest: Value = serde_json::from_slice(&example("manifest")).expect("JSON");
    let given = |bytes| {
        [GivenFile {
            name: "some/opt-125m-1.0.0.manifest.json".to_owned(),
            bytes,
        }]
    };
    let good = given(candor_core::record::to_canonical_json(&manifest));
    one(statement::draft("w.json", &weights, &good).expect("with its manifest"));
    let error =
        statement::draft("w.json", &weights, &given(b"{}".to_vec())).expect_err("another manifest");
    assert!(
        matches!(error, SourceError::AttachmentMismatch { .. }),
        "{error}"
    );
}

#[test]
fn a_predicate_alone_becomes_a_statement_about_what_it_is_said_to_be_about() {
    let whole: Value = serde_json::from_slice(&example("api-version")).expect("JSON");
    let predicate = whole["predicate"].to_string();
    let subject = SubjectName::Release("meta-ai/opt-175b-api@2022-05-03".parse().expect("a name"));
    let about = About {
        kind: Kind::ApiVersion,
        subject: &subject,
        sha256: None,
    };
    let drafts = statement::draft_of_predicate("x.json", predicate.as_bytes(), &about, &[]);
    let (draft, _) = one(drafts.expect("a predicate"));
    assert_eq!(json!(draft.sha256), whole["subject"][0]["digest"]["sha256"]);

    let about = About {
        kind: Kind::Withdrawal,
        ..about
    };
    let error =
        statement::draft_of_predicate("x.json", b"{}", &about, &[]).expect_err("of which record?");
    assert!(
        matches!(error, SourceError::SubjectDigestMissing { .. }),
        "{error}"
    );
    let about = About {
        kind: Kind::Weights,
        ..about
    };
    let error = statement::draft_of_predicate("x.json", b"{}", &about, &[]).expect_err("empty");
    assert!(
        error
            .context()
            .contains(&"/predicate: \"manifest\" is a required property".to_owned()),
        "{error:?}"
    );
}

#[test]
fn statements_that_break_a_rule_are_refused_with_the_place() {
    let mut json: Value = serde_json::from_slice(&example("api-version")).expect("JSON");
    json["predicate"]["surprise"] = json!(1);
    let error =
        statement::draft("x.json", json.to_string().as_bytes(), &[]).expect_err("unknown field");
    let context = error.context();
    assert!(context[0].starts_with("/predicate: "), "{context:?}");
    assert!(context[0].contains("surprise"), "{context:?}");
    for (text, part) in [
        (r#"{"_type": "x"}"#, "/_type"),
        (
            r#"{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x"}"#,
            "/predicateType",
        ),
        ("{", "x.json: "),
        (r#"{"a": 1, "a": 2}"#, "there twice"),
    ] {
        let error = statement::draft("x.json", text.as_bytes(), &[])
            .expect_err(text)
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_can_not_be_published_is_told_what_can() {
    for (file, contents) in [
        ("x.txt", "hello"),
        ("x.json", "{}"),
        ("config.json", r#"{"learning_rate": 1}"#),
        ("x.yml", "services: {}"),
        ("x.csv", "a,b\n1,2\n"),
        ("x", ""),
    ] {
        let error = detect(Path::new(file), contents.as_bytes()).expect_err(file);
        assert!(
            matches!(error, SourceError::NotUnderstood { .. }),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("a list of checksums (MD5SUMS, .csv)"),
            "{error}"
        );
        assert!(error.hint().contains("--kind"));
    }
    assert!(matches!(
        detect(Path::new("x.bin"), b"\xff"),
        Err(SourceError::NotUtf8 { .. })
    ));
    assert_eq!(
        detect(Path::new("CARD.MD"), b"").expect("a card"),
        SourceKind::ModelCard
    );
}
