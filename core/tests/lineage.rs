//! What a release may name as its parents, and when what a log has is that.

mod common;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{ParentRecord, Relation};
use candor_core::record::lineage::{FoundRecord, PARENTS_MAX, ParentError};
use candor_core::record::{Kind, Statement, StatementError, check_schema, to_canonical_json};
use common::examples::{example, further_examples, read};
use serde_json::{Value, json};

fn quantized() -> Value {
    let mut all = further_examples().into_iter();
    let found = all.find(|(kind, _)| *kind == Kind::Weights);
    found.expect("an example of weights with a parent").1
}

fn parent() -> ParentRecord {
    serde_json::from_value(quantized()["predicate"]["parents"][0].clone()).expect("a parent")
}

fn found() -> FoundRecord {
    FoundRecord::of(parent().index, &read(&example(Kind::Weights)))
}

/// The rule that a statement breaks, and where.
fn broken(statement: &Value) -> Option<(String, String)> {
    match Statement::parse(&to_canonical_json(statement)) {
        Ok(_) => None,
        Err(StatementError::Rule { pointer, rule }) => Some((pointer, rule)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_parent_is_what_the_log_has_at_that_place() {
    let child = LeafIndex::new(9);
    assert_eq!(parent().check(child, &found()), Ok(()));
    for kind in Kind::ALL {
        let other = FoundRecord { kind, ..found() };
        let expected = match kind {
            Kind::Weights | Kind::ModelCard | Kind::ApiVersion => Ok(()),
            _ => Err("statement"),
        };
        let checked = parent().check(child, &other);
        assert_eq!(checked.map_err(|error| error.field()), expected, "{kind}");
    }
}

#[test]
fn a_parent_that_differs_in_one_thing_is_refused_and_the_field_is_named() {
    let child = LeafIndex::new(9);
    let others = [
        (
            "statement",
            FoundRecord {
                statement: Sha256::of("another"),
                ..found()
            },
        ),
        (
            "index",
            FoundRecord {
                index: LeafIndex::new(5),
                ..found()
            },
        ),
        (
            "release",
            FoundRecord {
                subject: "meta-ai/opt-125m@1.0.1".to_owned(),
                ..found()
            },
        ),
    ];
    for (field, other) in others {
        let error = parent().check(child, &other).expect_err(field);
        assert_eq!(error.field(), field, "{error}");
    }
}

#[test]
fn a_parent_stands_before_its_child() {
    assert_eq!(parent().check(LeafIndex::new(5), &found()), Ok(()));
    for child in [0, 3, 4].map(LeafIndex::new) {
        let parent_at = found().index;
        assert_eq!(
            parent().check(child, &found()),
            Err(ParentError::NotBefore {
                parent: parent_at,
                child
            })
        );
    }
}

#[test]
fn a_release_is_not_its_own_parent() {
    let mut statement = quantized();
    assert_eq!(broken(&statement), None);
    statement["predicate"]["parents"][0]["release"] = statement["subject"][0]["name"].clone();
    let (pointer, _) = broken(&statement).expect("it is made from itself");
    assert_eq!(pointer, "/predicate/parents/0/release");
}

#[test]
fn a_parent_is_named_once_for_each_relation() {
    let mut statement = quantized();
    let parents = statement["predicate"]["parents"]
        .as_array_mut()
        .expect("parents");
    parents.push(parents[0].clone());
    parents[1]["relation"] = json!("distilled-from");
    assert_eq!(broken(&statement), None);
    let mut again = statement.clone();
    // By another record, it is the same parent.
    again["predicate"]["parents"][1]["relation"] = json!("quantized-from");
    again["predicate"]["parents"][1]["index"] = json!(3);
    let (pointer, rule) = broken(&again).expect("it is there twice");
    assert_eq!(pointer, "/predicate/parents/1/release");
    assert!(rule.contains("named as quantized-from twice"), "{rule}");
}

#[test]
fn a_schema_takes_1_to_32_parents_each_with_all_four_fields() {
    let with = |count: usize| {
        let mut statement = quantized();
        let parents = (0..count).map(|n| {
            let mut parent = quantized()["predicate"]["parents"][0].clone();
            parent["release"] = json!(format!("example-lab/parent-{n}@1.0.0"));
            parent
        });
        statement["predicate"]["parents"] = parents.collect();
        statement
    };
    for (count, is_taken) in [
        (0, false),
        (1, true),
        (PARENTS_MAX, true),
        (PARENTS_MAX + 1, false),
    ] {
        let checked = check_schema(Kind::Weights, &with(count));
        assert_eq!(checked.is_ok(), is_taken, "{count} parents");
    }
    for field in ["relation", "release", "index", "statement"] {
        let mut statement = with(1);
        let parent = statement["predicate"]["parents"][0].as_object_mut();
        parent.expect("a parent").remove(field);
        let violations = check_schema(Kind::Weights, &statement).expect_err(field);
        assert_eq!(violations[0].pointer, "/predicate/parents/0", "{field}");
    }
    for (field, value) in [
        ("relation", json!("copied-from")),
        ("release", json!("example-lab/parent")),
        ("index", json!(-1)),
        ("statement", json!("00")),
    ] {
        let mut statement = with(1);
        statement["predicate"]["parents"][0][field] = value;
        let violations = check_schema(Kind::Weights, &statement).expect_err(field);
        assert_eq!(
            violations[0].pointer,
            format!("/predicate/parents/0/{field}")
        );
    }
}

#[test]
fn a_statement_refers_to_its_parents_where_it_names_them() {
    let statement = read(&quantized());
    let references = statement.references();
    assert_eq!(
        references,
        [("/predicate/parents/0/statement".into(), parent().statement)]
    );
    assert!(read(&example(Kind::Weights)).references().is_empty());
}

#[test]
fn relations_have_the_names_that_records_have() {
    for relation in Relation::ALL {
        assert_eq!(json!(relation), json!(relation.name()));
    }
}
