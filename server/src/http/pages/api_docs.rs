//! The API for people: its description, rendered, with calls to try that this very log answers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use axum::extract::State;
use candor_core::merkle::LeafIndex;
use candor_core::record::Predicate;
use serde_json::Value;

use super::release::{files_of, statement};
use super::{Frame, Html, Page};
use crate::catalogue::questions::ModelOrder;
use crate::http::problem::Problem;
use crate::http::{Log, Shared};

/// Among how many of the newest models one is looked for that has weights.
const MODELS: u32 = 20;

/// An operation, in words.
struct Operation {
    id: String,
    method: String,
    path: String,
    /// With what stands between backticks as code: HTML.
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    bodies: Vec<Body>,
    answers: Vec<(String, String)>,
}

/// What is sent.
struct Body {
    content_type: String,
    schema: String,
    example: &'static str,
}

struct Parameter {
    name: String,
    place: String,
    is_required: bool,
    description: String,
    /// `50 if left out, from 1 to 500`
    range: String,
    example: Option<String>,
}

/// An operation as a log shows it.
struct Shown {
    operation: &'static Operation,
    /// A call to try, where it needs nothing but what this log has.
    example: Option<String>,
}

struct ShownTag {
    name: &'static str,
    description: &'static str,
    operations: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiDocs {
    frame: Frame,
    tags: Vec<ShownTag>,
}

static TAGS: LazyLock<Vec<(String, String, Vec<Operation>)>> = LazyLock::new(|| {
    let api = crate::http::openapi();
    let tags = api["tags"].as_array().into_iter().flatten();
    let tag = |tag: &Value| {
        let name = text(&tag["name"]);
        let operations = operations(&api, &name);
        (name, text(&tag["description"]), operations)
    };
    tags.map(tag).collect()
});

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Words of this program with what stands between backticks as code, as HTML.
fn coded(words: &str) -> String {
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;");
    let mut html = String::with_capacity(escaped.len());
    for (n, part) in escaped.split('`').enumerate() {
        if n % 2 == 1 {
            html.push_str("<code>");
        }
        html.push_str(part);
        if n % 2 == 1 {
            html.push_str("</code>");
        }
    }
    html
}

fn operations(api: &Value, tag: &str) -> Vec<Operation> {
    let paths = api["paths"].as_object().into_iter().flatten();
    let mut found = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0] == tag {
                found.push(Operation::of(api, path, method, operation));
            }
        }
    }
    found
}

impl Operation {
    fn of(api: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let answers = operation["responses"].as_object().into_iter().flatten();
        let bodies = operation["requestBody"]["content"].as_object();
        let bodies = bodies.into_iter().flatten();
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: coded(&text(&operation["summary"])),
            description: coded(&text(&operation["description"])),
            answers: answers
                .map(|(status, it)| (status.clone(), coded(&text(&it["description"]))))
                .collect(),
            bodies: bodies
                .map(|(content_type, it)| Body::of(api, content_type, it))
                .collect(),
            parameters: parameters.map(Parameter::of).collect(),
        }
    }

    /// The path with what `known` and the examples have for the parameters that it can't do without, if there is
    /// something for each.
    fn example(&self, known: &BTreeMap<&'static str, String>) -> Option<String> {
        let mut filled = self.path.clone();
        for parameter in self.parameters.iter().filter(|it| it.is_required) {
            let name = parameter.name.as_str();
            if parameter.place == "path" {
                // The examples name what other logs have.
                filled = filled.replace(&format!("{{{name}}}"), known.get(name)?);
            } else {
                let example = parameter.example.as_ref();
                let example = known.get(name).or(example)?;
                let joint = if filled.contains('?') { '&' } else { '?' };
                filled = format!("{filled}{joint}{name}={example}");
            }
        }
        (self.method == "GET").then_some(filled)
    }
}

impl Body {
    fn of(api: &Value, content_type: &str, content: &Value) -> Self {
        // Of several forms, the first one shows what the others refer to.
        let levels = if content_type == "application/json" {
            4
        } else {
            1
        };
        let schema = resolved(api, &content["schema"], levels);
        Self {
            content_type: content_type.to_owned(),
            schema: serde_json::to_string_pretty(&schema).expect("it was JSON"),
            example: match content_type {
                "application/json" => {
                    "curl -H 'content-type: application/json' --data-binary @record.json https://log.example.org/api/v1/records\n\n\
                     record.json, a DSSE envelope, or a list of them:\n\
                     {\"payloadType\": \"application/vnd.in-toto+json\", \"payload\": \"the statement, as base64\",\n \
                     \"signatures\": [{\"keyid\": \"the key's ID\", \"sig\": \"base64\"}]}"
                }
                _ => {
                    "curl -F 'records=@records.json;type=application/json' -F attachment=@README.md -F attachment=@manifest.json \\\n  \
                     https://log.example.org/api/v1/records"
                }
            },
        }
    }
}

/// A schema with what it refers to in it, so many levels down.
fn resolved(api: &Value, schema: &Value, levels: u32) -> Value {
    match schema {
        Value::Object(parts) => {
            let name = parts.get("$ref").and_then(Value::as_str);
            let name = name.and_then(|it| it.strip_prefix("#/components/schemas/"));
            match name {
                Some(name) if levels > 0 => {
                    resolved(api, &api["components"]["schemas"][name], levels - 1)
                }
                _ => parts
                    .iter()
                    .map(|(name, part)| (name.clone(), resolved(api, part, levels)))
                    .collect(),
            }
        }
        Value::Array(parts) => parts
            .iter()
            .map(|part| resolved(api, part, levels))
            .collect(),
        other => other.clone(),
    }
}

impl Parameter {
    fn of(parameter: &Value) -> Self {
        let schema = &parameter["schema"];
        let example = [&parameter["example"], &schema["example"]];
        let example = example.into_iter().find(|it| !it.is_null()).map(plain);
        let said = |name: &str, words: &str| {
            let value = &schema[name];
            (!value.is_null()).then(|| format!("{words} {}", plain(value)))
        };
        let range = [
            said("minimum", "from"),
            said("maximum", "to"),
            said("default", "if left out,"),
        ];
        let range: Vec<_> = range.into_iter().flatten().collect();
        Self {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            is_required: parameter["required"] == true,
            description: coded(&text(&parameter["description"])),
            range: range.join(" "),
            example,
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What this log has for parameters: names and digests of one release, the newest that has weights if there is one.
async fn known(log: &Log) -> Result<BTreeMap<&'static str, String>, Problem> {
    let mut known = BTreeMap::new();
    let size = log.sequencer.newest().await.head.size.get();
    if size == 0 {
        return Ok(known);
    }
    for name in ["id", "index"] {
        known.insert(name, "0".to_owned());
    }
    known.insert("from", "1".to_owned());
    // The description is shown as well where the catalogue can't be opened.
    let Ok(catalogue) = log.catalogue().await else {
        return Ok(known);
    };
    let models = catalogue
        .models(None, &ModelOrder::Newest(None), MODELS)
        .await?;
    let has_weights = models.iter().find(|(_, it)| it.weights.record.is_some());
    let Some((_, release)) = has_weights.or(models.first()) else {
        return Ok(known);
    };
    let publisher = release.publisher.clone();
    if let Some((_, name)) = release.name.split_once('/') {
        let model = name.split_once('@').map_or(name, |(model, _)| model);
        known.insert("model", model.to_owned());
        known.insert("release", super::shown::in_path(name));
    }
    known.insert("name", publisher.clone());
    known.insert("publisher", publisher);
    let index = release.weights.record.and_then(|it| u64::try_from(it).ok());
    let Some(index) = index.map(LeafIndex::new) else {
        return Ok(known);
    };
    let logged = log.view(log.storage.record(index)).await?;
    let statement = logged.as_ref().map(statement).transpose()?;
    if let Some(Predicate::Weights(weights)) = statement.map(|it| it.predicate) {
        known.insert("sha256", weights.manifest.digest.sha256.to_string());
        let (_, files) = files_of(log, &weights, 0, 1).await?;
        let first = files.into_iter().next();
        if let Some(file) = first.filter(|it| it.algorithm == "sha256") {
            known.insert("digest", file.digest);
        }
    }
    Ok(known)
}

/// `GET /docs/api`
pub(super) async fn api_docs(State(log): Shared) -> Page {
    let known = known(&log).await?;
    let shown = |operation: &'static Operation| Shown {
        example: operation.example(&known),
        operation,
    };
    let tags = TAGS.iter().map(|(name, description, operations)| ShownTag {
        name,
        description,
        operations: operations.iter().map(shown).collect(),
    });
    Ok(Html::of(&ApiDocs {
        frame: Frame::of(&log).await,
        tags: tags.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_else_is_a_tag() {
        assert_eq!(
            coded("send `a<b` & wait, or `c`"),
            "send <code>a&lt;b</code> &amp; wait, or <code>c</code>"
        );
    }

    #[test]
    fn a_limit_says_what_it_is_if_left_out_and_how_far_it_goes() {
        let all = TAGS.iter().flat_map(|(_, _, operations)| operations);
        let list = all.clone().find(|it| it.id == "list_records");
        let list = list.expect("the list of records");
        let limit = list.parameters.iter().find(|it| it.name == "limit");
        assert_eq!(
            limit.expect("a limit").range,
            "from 1 to 500 if left out, 50"
        );
        let publish = all.clone().find(|it| it.method == "POST");
        let bodies = &publish.expect("publishing").bodies;
        assert_eq!(bodies.len(), 2);
        assert!(
            bodies[0].schema.contains("payloadType"),
            "{}",
            bodies[0].schema
        );
    }
}
