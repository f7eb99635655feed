//! The description of `/api/v1`, made from the handlers: `OpenAPI` 3.1.
//!
//! Each handler describes what it alone answers. What any path can answer is added here.

use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    Log, api_versions, attachments, evaluations, events, files, lineage, log, models, proofs,
    publish, publishers, records, search, statistics, withdrawals,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Candor",
        description = "A provenance registry and transparency log for AI models. Nothing here needs to be \
                       trusted: every record comes with its index, and the tiles beside this API prove it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "log", description = "The log itself"),
        (name = "records", description = "Signed records"),
        (name = "registry", description = "Publishers, models and releases: views of the records"),
        (name = "evaluations", description = "What was measured, and whether those who measured agree"),
        (name = "search", description = "Find what is in the log"),
    )
)]
struct Api;

/// What any path can answer, whatever was asked.
const ANYWHERE: [(&str, &str); 3] = [
    (
        "429",
        "More than is allowed a minute, where the operator sets a limit: the headers ratelimit-policy and ratelimit say what is, and retry-after when to try again",
    ),
    ("500", "The server failed"),
    (
        "503",
        "The server is busy or stopping: try again after the time in the header retry-after",
    ),
];

/// Where events are.
const EVENTS: &str = "/api/v1/events";

type Routes = Router<Arc<Log>>;

/// The routes of `/api/v1`: JSON, attachments, events, and the description of all.
pub(super) fn api() -> (Routes, Routes, Routes, Value) {
    let (attachments, attachments_openapi) = OpenApiRouter::new()
        .routes(routes!(attachments::attachment))
        .split_for_parts();
    let (events, events_openapi) = OpenApiRouter::new()
        .routes(routes!(events::events))
        .split_for_parts();
    let (json, mut openapi) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(log::log))
        .routes(routes!(records::list, publish::publish))
        .routes(routes!(records::show))
        .routes(routes!(records::by_manifest))
        .routes(routes!(publishers::list))
        .routes(routes!(publishers::show))
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(models::release))
        .routes(routes!(lineage::lineage))
        .routes(routes!(evaluations::list))
        .routes(routes!(evaluations::compare))
        .routes(routes!(api_versions::list))
        .routes(routes!(withdrawals::list))
        .routes(routes!(search::search))
        .routes(routes!(files::find))
        .routes(routes!(statistics::statistics))
        .routes(routes!(proofs::batch))
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
        .split_for_parts();
    openapi.merge(attachments_openapi);
    openapi.merge(events_openapi);
    for (name, path) in &mut openapi.paths.paths {
        if let Some(get) = &mut path.get {
            add(get, "400", problem("A parameter can't be read"));
            // What has no end is neither kept nor compressed.
            if name != EVENTS {
                let mut known = Response::new("The client has this answer already (if-none-match)");
                known.content.clear();
                add(get, "304", known);
                add(
                    get,
                    "406",
                    problem("The client takes none of the encodings that there are"),
                );
            }
        }
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            for (status, description) in ANYWHERE {
                add(operation, status, problem(description));
            }
        }
    }
    (json, attachments, events, with_compact_forms(&openapi))
}

/// Adds to each list that takes `fields` that its items may have some of their properties only.
fn with_compact_forms(openapi: &OpenApi) -> Value {
    let mut api = serde_json::to_value(openapi).expect("a description is JSON");
    // Bytes of whatever type: a schema would be about what somebody may read them as.
    api["components"]["schemas"]["Bytes"] = json!({ "description": "The bytes of a document." });
    let paths: Vec<String> = api["paths"]
        .as_object()
        .map(|paths| paths.keys().cloned().collect())
        .unwrap_or_default();
    for path in paths {
        let operation = &api["paths"][&path]["get"];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.clone().any(|it| it["name"] == "fields") {
            continue;
        }
        let full = operation["responses"]["200"]["content"]["application/json"]["schema"].clone();
        let compact = compact_form(&api, &full);
        let schema = &mut api["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        *schema = json!({ "anyOf": [full, compact] });
    }
    api
}

/// The same answer with items of which no property is required.
fn compact_form(api: &Value, full: &Value) -> Value {
    let mut compact = resolved(api, full);
    let properties = compact["properties"].as_object_mut().into_iter().flatten();
    for (_, property) in properties.filter(|(_, it)| it["type"] == "array") {
        let mut item = resolved(api, &property["items"]);
        if let Some(item) = item.as_object_mut() {
            item.remove("required");
        }
        property["items"] = item;
    }
    compact["description"] = "With `fields`: the items have these alone.".into();
    compact
}

/// A schema, or the one that it refers to.
fn resolved(api: &Value, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    name.map_or_else(
        || schema.clone(),
        |name| api["components"]["schemas"][name].clone(),
    )
}

/// The description of `/api/v1`, as `OpenAPI` 3.1.
pub fn openapi() -> Value {
    api().3
}

/// Adds an answer, unless the handler describes its own.
fn add(operation: &mut Operation, status: &str, response: Response) {
    let responses = &mut operation.responses.responses;
    responses
        .entry(status.to_owned())
        .or_insert(RefOr::T(response));
}

/// A problem document.
fn problem(description: &str) -> Response {
    let mut response = Response::new(description);
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    response
        .content
        .insert("application/problem+json".to_owned(), content.into());
    response
}
