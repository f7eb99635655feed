//! The public contract: the JSON Schemas in `schemas/`, the very files that others code against.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Registry, ValidationError, Validator};
use serde_json::Value;

use super::Kind;

/// How many violations of one document are reported.
const VIOLATIONS_MAX: usize = 8;

/// The text of the schema of `kind`.
pub const fn schema_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Publisher => include_str!("../../../schemas/publisher.schema.json"),
        Kind::ModelCard => include_str!("../../../schemas/model-card.schema.json"),
        Kind::Weights => include_str!("../../../schemas/weights.schema.json"),
        Kind::TrainingConfig => include_str!("../../../schemas/training-config.schema.json"),
        Kind::ApiVersion => include_str!("../../../schemas/api-version.schema.json"),
        Kind::Evaluation => include_str!("../../../schemas/evaluation.schema.json"),
        Kind::Withdrawal => include_str!("../../../schemas/withdrawal.schema.json"),
    }
}

/// What the schemas of the kinds have in common.
pub const COMMON_SCHEMA_TEXT: &str = include_str!("../../../schemas/common.schema.json");

/// A place where a statement is not as its schema says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "/" } else { pointer })]
pub struct SchemaViolation {
    /// Where: a JSON pointer (RFC 6901) into the statement.
    pub pointer: String,
    /// Which keyword of the schema is violated, such as `required` or `pattern`.
    pub rule: String,
    /// In words.
    pub message: String,
}

/// Every schema by its `$id`.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let parse = |text| {
        let schema: Value =
            serde_json::from_str(text).expect("the schemas in this repository are JSON");
        let id = schema["$id"].as_str().expect("each of them has an $id");
        (id.to_owned(), schema)
    };
    let kinds = Kind::ALL.into_iter().map(schema_text);
    kinds.chain([COMMON_SCHEMA_TEXT]).map(parse).collect()
});

static VALIDATORS: LazyLock<BTreeMap<Kind, Validator>> = LazyLock::new(|| {
    let id = |name: &str| format!("urn:candor:schema:{name}:v1");
    let common = id("common");
    let registry = Registry::new()
        .add(common.clone(), SCHEMAS[&common].clone())
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("the common schema refers to nothing else");
    let validator = |kind: Kind| {
        jsonschema::options()
            .with_registry(&registry)
            .build(&SCHEMAS[&id(kind.name())])
            .expect("the schemas in this repository are valid, and refer to the common one only")
    };
    Kind::ALL
        .into_iter()
        .map(|kind| (kind, validator(kind)))
        .collect()
});

/// Checks a whole statement against the schema of its kind. Returns what is wrong, the first few at most.
pub fn check_schema(kind: Kind, statement: &Value) -> Result<(), Vec<SchemaViolation>> {
    let mut violations: Vec<SchemaViolation> = Vec::new();
    for error in VALIDATORS[&kind].iter_errors(statement) {
        let violation = SchemaViolation {
            pointer: error.instance_path().to_string(),
            rule: error.kind().keyword().to_owned(),
            message: message_of(&error),
        };
        // Two parts of a schema may have the same to say.
        if !violations.contains(&violation) {
            violations.push(violation);
        }
        if violations.len() == VIOLATIONS_MAX {
            break;
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

/// What is wrong, in words.
fn message_of(error: &ValidationError<'_>) -> String {
    // The validator's own words name the first few only.
    if let ValidationErrorKind::Enum { options } = error.kind()
        && let Value::Array(words) = &**options
    {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let found = shorten(&error.instance().to_string());
        return format!("{found} is none of {}", words.join(", "));
    }
    // An expression says little to people; the description beside it says the same in words.
    let in_words = match error.kind() {
        ValidationErrorKind::Pattern { .. } | ValidationErrorKind::Not { .. } => description(error),
        _ => None,
    };
    let Some(rule) = in_words else {
        return match error.instance().as_ref() {
            Value::Array(_) => error.masked_with("the list").to_string(),
            Value::Object(_) => error.masked_with("the object").to_string(),
            // The offending value is shortened, since it may be large and is somebody else's text.
            _ => shorten(&error.to_string()),
        };
    };
    match error.instance().as_str() {
        // With escapes, so that characters which hide, reorder or look like others can be told apart.
        Some(text) => format!(
            "\"{}\" is not of this form: {rule}",
            shorten(&text.escape_default().to_string())
        ),
        None => format!("this is not of the form: {rule}"),
    }
}

/// The `description` beside the keyword that is violated.
fn description(error: &ValidationError<'_>) -> Option<&'static str> {
    let keyword = error.absolute_keyword_location()?;
    let (id, pointer) = keyword.as_str().split_once('#')?;
    let (beside, _) = pointer.rsplit_once('/')?;
    SCHEMAS.get(id)?.pointer(beside)?["description"].as_str()
}

fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    // What is wrong stands at the end of the validator's messages, the value at the beginning.
    let chars: Vec<char> = text.chars().collect();
    let (head, tail) = (
        &chars[..CHARS_MAX / 3],
        &chars[chars.len() - 2 * CHARS_MAX / 3..],
    );
    format!(
        "{} … {}",
        head.iter().collect::<String>(),
        tail.iter().collect::<String>()
    )
}
