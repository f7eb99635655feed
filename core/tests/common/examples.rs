//! The schemas and their examples.

use candor_core::Sha256;
use candor_core::record::{Kind, Statement, to_canonical_json};
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

pub(crate) const COMMON: &str = include_str!("../../../schemas/common.schema.json");
pub(crate) const MANIFEST: &str = include_str!("../../../schemas/manifest.schema.json");
pub(crate) const MANIFEST_EXAMPLE: &str = include_str!("../../../schemas/examples/manifest.json");

/// Objects that hold whatever people like: nothing in them has a meaning to Candor.
pub(crate) const FREE: [&str; 4] = ["annotations", "hyperparameters", "parameters", "decoding"];

pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the files in schemas/ are JSON")
}

pub(crate) fn example(kind: Kind) -> Value {
    parse(match kind {
        Kind::Publisher => include_str!("../../../schemas/examples/publisher.json"),
        Kind::ModelCard => include_str!("../../../schemas/examples/model-card.json"),
        Kind::Weights => include_str!("../../../schemas/examples/weights.json"),
        Kind::TrainingConfig => include_str!("../../../schemas/examples/training-config.json"),
        Kind::ApiVersion => include_str!("../../../schemas/examples/api-version.json"),
        Kind::Evaluation => include_str!("../../../schemas/examples/evaluation.json"),
        Kind::Withdrawal => include_str!("../../../schemas/examples/withdrawal.json"),
    })
}

/// Second examples of a kind, for what the first does not say.
pub(crate) fn further_examples() -> [(Kind, Value); 4] {
    [
        (
            Kind::ModelCard,
            parse(include_str!(
                "../../../schemas/examples/model-card-fine-tuned.json"
            )),
        ),
        (
            Kind::ApiVersion,
            parse(include_str!(
                "../../../schemas/examples/api-version-undisclosed.json"
            )),
        ),
        (
            Kind::Evaluation,
            parse(include_str!(
                "../../../schemas/examples/evaluation-reproduced.json"
            )),
        ),
        (
            Kind::Weights,
            parse(include_str!(
                "../../../schemas/examples/weights-quantized.json"
            )),
        ),
    ]
}

pub(crate) fn read(statement: &Value) -> Statement {
    Statement::parse(&to_canonical_json(statement)).unwrap_or_else(|e| panic!("{e}\n{statement:#}"))
}

pub(crate) fn text(canonical: &impl serde::Serialize) -> String {
    String::from_utf8(to_canonical_json(canonical)).expect("canonical JSON is UTF-8")
}

pub(crate) fn registry() -> Registry<'static> {
    Registry::new()
        .add("urn:candor:schema:common:v1", parse(COMMON))
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("the common schema refers to nothing else")
}

pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .with_registry(&registry())
        .build(schema)
        .expect("the schemas are valid")
}

/// An empty list is not written again: it says no more than no list.
pub(crate) fn without_empty_lists(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| **value != json!([]))
            .map(|(name, value)| {
                let free = FREE.contains(&name.as_str());
                let value = if free {
                    value.clone()
                } else {
                    without_empty_lists(value)
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_empty_lists).collect(),
        other => other.clone(),
    }
}

/// Where the subject is the predicate itself, its digest follows it.
pub(crate) fn fit_subject(kind: Kind, statement: &mut Value) {
    if matches!(kind, Kind::Publisher | Kind::ApiVersion) {
        let digest = Sha256::of(to_canonical_json(&statement["predicate"]));
        statement["subject"][0]["digest"]["sha256"] = json!(digest);
    }
}
