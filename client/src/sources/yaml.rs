//! YAML and JSON from others, read into JSON values that survive RFC 8785.

use serde_json::Value;
use serde_saphyr::{Error, NonFiniteFloatPolicy};

use super::{SourceError, foreign_json, text};

/// How deep a document may be nested. Strict JSON ends at 32, and a statement adds three levels of its own.
pub(super) const DEPTH_MAX: usize = 24;

/// The most anchors and the most aliases: configs use a handful.
const ALIASES_MAX: usize = 256;

/// The most events (values, brackets) that all aliases together may unfold into.
const REPLAYED_EVENTS_MAX: usize = 10_000;

/// The most values in one document. Results of the largest evaluation suites have some 100,000.
const NODES_MAX: usize = 500_000;

/// The largest whole number that every JSON reader keeps: 2^53.
const WHOLE_NUMBER_MAX: u64 = 1 << 53;

/// Which text of a file is read, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) file: &'a str,
    pub(super) what: &'static str,
}

/// A document that is JSON, or nearly.
pub(super) struct JsonLike {
    pub(super) value: Value,
    /// Whether every JSON reader can read it.
    pub(super) is_strict: bool,
}

/// Reads one YAML document.
///
/// Booleans are `true` and `false` only, so that `no` remains the code for Norwegian. What JSON has no number
/// for (not finite, or whole and over 2^53) becomes a string, as do dates and keys that are not text.
pub(super) fn parse_yaml(part: Part<'_>, text: &str) -> Result<Value, SourceError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_merge_keys: ALIASES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPLAYED_EVENTS_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        emit_comments: false,
        with_snippet: false,
    };
    let mut value =
        serde_saphyr::from_str_with_options(text, options).map_err(|e| yaml_error(part, &e))?;
    keep_numbers(&mut value);
    Ok(value)
}

/// Reads strict JSON, or else what only some programs take for JSON: `NaN`, comments, trailing commas.
pub(super) fn parse_json_like(file: &str, bytes: &[u8]) -> Result<JsonLike, SourceError> {
    let text = text(file, bytes)?;
    let part = Part {
        file,
        what: "the file",
    };
    match foreign_json(bytes) {
        Ok(value) if depth(&value) <= DEPTH_MAX => Ok(JsonLike {
            value,
            is_strict: true,
        }),
        Ok(_) => Err(SourceError::YamlLimit {
            file: file.to_owned(),
            what: part.what,
            message: format!("it is nested more than {DEPTH_MAX} deep"),
        }),
        // JSON's syntax is part of YAML's, which takes `NaN` for text.
        Err(strict) => match parse_yaml(part, text) {
            Ok(value) if value.is_object() => Ok(JsonLike {
                value,
                is_strict: false,
            }),
            Err(limit @ SourceError::YamlLimit { .. }) => Err(limit),
            Ok(_) | Err(_) => Err(SourceError::Json {
                file: file.to_owned(),
                error: strict,
            }),
        },
    }
}

/// What a value is, for people.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn keep_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs));
            let is_too_large = match (whole, number.as_f64()) {
                (Some(whole), _) => whole > WHOLE_NUMBER_MAX,
                // Below 1e21, RFC 8785 writes whole doubles in full, with digits that nobody measured.
                (None, Some(double)) => (9.007_199_254_740_992e15..1e21).contains(&double.abs()),
                (None, None) => true,
            };
            if is_too_large {
                *value = Value::String(number.to_string());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(keep_numbers),
        Value::Object(members) => members.values_mut().for_each(keep_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn yaml_error(part: Part<'_>, error: &Error) -> SourceError {
    let file = part.file.to_owned();
    let what = part.what;
    // The parser quotes the document, which is somebody else's text.
    let message: String = error
        .without_snippet()
        .to_string()
        .chars()
        .take(300)
        .collect();
    let mut cause = error.without_snippet();
    while let Error::AliasError { error, .. } = cause {
        cause = error.without_snippet();
    }
    match cause {
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => SourceError::YamlLimit {
            file,
            what,
            message,
        },
        _ => SourceError::Yaml {
            file,
            what,
            message,
        },
    }
}
