//! The API for people: its description, rendered.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::State;
use serde_json::Value;

use super::{Frame, Html, Page};
use crate::http::Shared;

/// An operation, in words.
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Parameter>,
    answers: Vec<(String, String)>,
    /// A call to try, where it needs nothing but names.
    example: Option<String>,
}

struct Parameter {
    name: String,
    place: String,
    is_required: bool,
    description: String,
    example: Option<String>,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiDocs {
    frame: Frame,
    tags: &'static [(String, String, Vec<Operation>)],
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

fn operations(api: &Value, tag: &str) -> Vec<Operation> {
    let paths = api["paths"].as_object().into_iter().flatten();
    let mut found = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0] == tag {
                found.push(Operation::of(path, method, operation));
            }
        }
    }
    found
}

impl Operation {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let parameters: Vec<Parameter> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Parameter::of)
            .collect();
        let answers = operation["responses"].as_object().into_iter().flatten();
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            answers: answers
                .map(|(status, it)| (status.clone(), text(&it["description"])))
                .collect(),
            example: example(path, method, &parameters),
            parameters,
        }
    }
}

impl Parameter {
    fn of(parameter: &Value) -> Self {
        let example = [&parameter["example"], &parameter["schema"]["example"]];
        let example = example
            .into_iter()
            .find(|it| !it.is_null())
            .map(|it| match it {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
        Self {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            is_required: parameter["required"] == true,
            description: text(&parameter["description"]),
            example,
        }
    }
}

/// The path with the examples of the parameters that it can't do without, if each has one.
fn example(path: &str, method: &str, parameters: &[Parameter]) -> Option<String> {
    let mut filled = path.to_owned();
    for parameter in parameters.iter().filter(|it| it.is_required) {
        let Parameter { name, example, .. } = parameter;
        let example = example.as_deref()?;
        if parameter.place == "path" {
            filled = filled.replace(&format!("{{{name}}}"), example);
        } else {
            let joint = if filled.contains('?') { '&' } else { '?' };
            filled = format!("{filled}{joint}{name}={example}");
        }
    }
    (method == "get").then_some(filled)
}

/// `GET /docs/api`
pub(super) async fn api_docs(State(log): Shared) -> Page {
    Ok(Html::of(&ApiDocs {
        frame: Frame::of(&log).await,
        tags: &TAGS,
    }))
}
