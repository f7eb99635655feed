//! Leaving out what a schema refuses: the schemas in `schemas/` are asked, so no rule is written twice.

use candor_core::Sha256;
use candor_core::record::{Kind, STATEMENT_TYPE, check_schema, to_canonical_json};
use serde_json::{Map, Value, json};

/// How often the schema is asked for more violations before whole fields are dropped. It names a few each time.
const ROUNDS_MAX: usize = 64;

/// Removes from `predicate` each value that the schema of `kind` refuses, and says so in `warnings`.
///
/// What a removal leaves incomplete goes too: a metric without its type, then the result without metrics.
/// What is required at the top of a predicate is left to the check of the draft.
pub(super) fn fit_schema(kind: Kind, predicate: &mut Value, warnings: &mut Vec<String>) {
    for round in 0..2 * ROUNDS_MAX {
        let mut statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": [{ "name": "a/b@c", "digest": { "sha256": Sha256::of("") } }],
            "predicateType": kind.predicate_type(),
            "predicate": predicate.take(),
        });
        let violations = check_schema(kind, &statement).err().unwrap_or_default();
        *predicate = statement["predicate"].take();
        let mut left_out: Vec<_> = violations
            .iter()
            .filter_map(|violation| {
                let inside = violation.pointer.strip_prefix("/predicate/")?;
                let mut path: Vec<Step> = inside.split('/').map(Step::read).collect();
                if round >= ROUNDS_MAX {
                    path.truncate(1);
                }
                Some((path, &violation.message))
            })
            .collect();
        if left_out.is_empty() {
            return;
        }
        // From behind, so that places in lists hold until they are used.
        left_out.sort();
        for (path, message) in left_out.into_iter().rev() {
            if remove(predicate, &path) {
                // Without numbers: what was removed before has moved the others. The message shows the value.
                let names = path.iter().filter(|step| matches!(step, Step::Name(_)));
                let place: Vec<_> = names.map(Step::to_string).collect();
                warnings.push(format!("left out of {}: {message}", place.join("/")));
            }
        }
    }
}

/// Removes the largest of `fields` from `predicate`, over and over, until it has at most `bytes_max` bytes.
pub(super) fn fit_size(
    predicate: &mut Map<String, Value>,
    fields: &[&str],
    bytes_max: usize,
    warnings: &mut Vec<String>,
) {
    loop {
        let bytes = to_canonical_json(predicate).len();
        let largest = fields
            .iter()
            .filter_map(|field| Some((to_canonical_json(predicate.get(*field)?).len(), *field)))
            .max();
        let Some((field_bytes, field)) = largest.filter(|_| bytes > bytes_max) else {
            return;
        };
        predicate.remove(field);
        warnings.push(format!(
            "left out {field}: the record would have {bytes} bytes, {field_bytes} of them there, and may have {bytes_max}"
        ));
    }
}

/// One part of a JSON pointer. Numbers sort as numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Name(String),
}

impl Step {
    fn read(text: &str) -> Self {
        text.parse().map_or_else(
            |_| Self::Name(text.replace("~1", "/").replace("~0", "~")),
            Self::Index,
        )
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Whether there was something to remove.
fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return false;
    };
    match (value, step) {
        (Value::Array(items), Step::Index(index)) if *index < items.len() => {
            if rest.is_empty() {
                items.remove(*index);
                return true;
            }
            remove(&mut items[*index], rest)
        }
        (Value::Object(members), step) => {
            let name = step.to_string();
            if rest.is_empty() {
                return members.remove(&name).is_some();
            }
            members
                .get_mut(&name)
                .is_some_and(|member| remove(member, rest))
        }
        _ => false,
    }
}
