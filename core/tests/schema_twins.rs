//! `vectors/schema_twins.json` has documents that differ from an example in one place, most of them refused and
//! each by a rule that is named.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use candor_core::record::{Kind, check_schema};
use candor_core::weights::{Manifest, ManifestFile};
use common::examples::{
    MANIFEST, MANIFEST_EXAMPLE, example, fit_subject, parse, read, text, validator,
    without_empty_lists,
};
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Twins {
    #[serde(rename = "about")]
    _about: String,
    twins: Vec<Twin>,
}

/// An example with `edits`, and how it violates its schema: `pointer rule`. Accepted if in no way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Twin {
    kind: String,
    edits: Vec<Edit>,
    violations: BTreeSet<String>,
}

/// `{"at": …, "value": …}` sets a value, `{"without": …}` takes one away, `{"at": …, "repeat": …, "times": …}`
/// sets a long text or list, and `{"at": …, "members": …}` an object with that many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    at: Option<String>,
    #[serde(default)]
    value: Value,
    without: Option<String>,
    repeat: Option<Value>,
    #[serde(default)]
    times: usize,
    members: Option<usize>,
}

impl Edit {
    fn apply(&self, document: &mut Value) {
        let pointer = self.at.as_ref().or(self.without.as_ref());
        let (parent, last) = pointer
            .and_then(|pointer| pointer.rsplit_once('/'))
            .expect("each edit says where");
        let parent = document.pointer_mut(parent).expect("the example has it");
        if self.without.is_some() {
            let members = parent.as_object_mut().expect("an object");
            members.remove(last).expect("the example has it");
            return;
        }
        let value = self.new_value();
        match parent {
            Value::Array(items) => items[last.parse::<usize>().expect("a place")] = value,
            parent => parent[last] = value,
        }
    }

    fn new_value(&self) -> Value {
        if let Some(members) = self.members {
            return (0..members).map(|n| (n.to_string(), json!(n))).collect();
        }
        match &self.repeat {
            Some(Value::String(text)) => json!(text.repeat(self.times)),
            Some(Value::Array(items)) => Value::Array(vec![items.as_slice(); self.times].concat()),
            _ => self.value.clone(),
        }
    }
}

fn twins() -> Vec<Twin> {
    let twins: Twins = serde_json::from_str(include_str!("vectors/schema_twins.json"))
        .expect("the vectors are JSON of this form");
    twins.twins
}

fn violations(validator: &Validator, document: &Value) -> BTreeSet<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{} {}", error.instance_path(), error.kind().keyword()))
        .collect()
}

#[test]
fn each_twin_of_an_example_is_refused_by_the_rule_that_it_breaks() {
    let manifest_validator = validator(&parse(MANIFEST));
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for twin in twins() {
        let found = if twin.kind == "manifest" {
            let mut document = parse(MANIFEST_EXAMPLE);
            twin.edits.iter().for_each(|edit| edit.apply(&mut document));
            violations(&manifest_validator, &document)
        } else {
            let kind: Kind = twin.kind.parse().expect("a kind");
            let mut document = example(kind);
            twin.edits.iter().for_each(|edit| edit.apply(&mut document));
            let found = check_schema(kind, &document).err().unwrap_or_default();
            found
                .iter()
                .map(|violation| format!("{} {}", violation.pointer, violation.rule))
                .collect()
        };
        assert_eq!(found, twin.violations, "{twin:?}");
        if !found.is_empty() {
            *refused.entry(twin.kind).or_default() += 1;
        }
    }
    assert_eq!(refused.len(), 8, "all kinds, and the manifest");
    assert!(refused.values().all(|count| *count >= 20), "{refused:?}");
}

#[test]
fn each_accepted_twin_reads_and_is_written_again_with_every_field() {
    let mut accepted = 0;
    for twin in twins().iter().filter(|twin| twin.violations.is_empty()) {
        accepted += 1;
        if twin.kind == "manifest" {
            let mut document = parse(MANIFEST_EXAMPLE);
            twin.edits.iter().for_each(|edit| edit.apply(&mut document));
            let files: Vec<ManifestFile> = serde_json::from_value(document["files"].clone())
                .unwrap_or_else(|error| panic!("{error}: {twin:?}"));
            assert_eq!(text(&files), text(&document["files"]));
            Manifest::new(files).unwrap_or_else(|error| panic!("{error}: {twin:?}"));
            continue;
        }
        let kind: Kind = twin.kind.parse().expect("a kind");
        let mut document = example(kind);
        twin.edits.iter().for_each(|edit| edit.apply(&mut document));
        fit_subject(kind, &mut document);
        let read = read(&document);
        assert_eq!(
            text(&read.predicate),
            text(&without_empty_lists(&document["predicate"])),
            "{twin:?}"
        );
    }
    assert!(accepted >= 20);
}

/// Paths are the one thing about a manifest that can hurt, so the type refuses them without the schema's help.
#[test]
fn each_twin_with_a_bad_path_is_no_manifest() {
    let mut refused = 0;
    for twin in twins() {
        let is_path = |edit: &Edit| edit.at.as_deref() == Some("/files/0/path");
        if twin.kind != "manifest" || twin.violations.is_empty() || !twin.edits.iter().any(is_path)
        {
            continue;
        }
        let mut document = parse(MANIFEST_EXAMPLE);
        twin.edits.iter().for_each(|edit| edit.apply(&mut document));
        let file = serde_json::from_value::<ManifestFile>(document["files"][0].clone());
        // A path's length is counted in characters there and in bytes here.
        if !twin.violations.iter().any(|v| v.ends_with(" maxLength")) {
            file.expect_err("a bad path");
        }
        refused += 1;
    }
    assert!(refused >= 15);
}

impl std::fmt::Debug for Twin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        for edit in &self.edits {
            match (&edit.at, &edit.without) {
                (Some(at), _) => {
                    let value: String = edit.new_value().to_string().chars().take(80).collect();
                    write!(f, ", {at} = {value}")?;
                }
                (_, without) => write!(f, ", without {without:?}")?,
            }
        }
        Ok(())
    }
}
