//! `/api/v1/models` and `/api/v1/releases`: what the records say of models.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::merkle::LeafIndex;
use candor_core::record::{ModelName, ReleaseName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{
    Fields, PAGE_ENTRY_BYTES_MAX, PathOf, QueryOf, cut_page, json_items, json_page, missing,
    next_page, page_items, parse,
};
use super::problem::Problem;
use super::records::RecordAnswer;
use crate::storage::{EntriesLimit, ReleaseRow, StorageError};

/// A model in a list.
#[derive(Serialize, ToSchema)]
struct ModelItem {
    #[schema(example = "meta-ai/opt-125m")]
    name: String,
    /// How many releases it has.
    releases: u64,
    /// The release that was logged last.
    latest: String,
}

/// A page of models.
#[derive(Serialize, ToSchema)]
struct ModelsAnswer {
    models: Vec<ModelItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Which models.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ModelsParameters {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only those behind this name.
    after: Option<String>,
    /// Only those of this publisher.
    publisher: Option<String>,
    /// Only these fields of each item, with commas between.
    #[param(example = "name,latest")]
    fields: Option<String>,
}

/// Lists models by name.
#[utoipa::path(
    get, path = "/api/v1/models", operation_id = "list_models", tag = "registry", params(ModelsParameters),
    responses((status = 200, description = "A page of models, by name", body = ModelsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ModelsParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<ModelItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let publisher = parameters
        .publisher
        .as_deref()
        .map(|name| parse("publisher", name))
        .transpose()?;
    let after = parameters.after.as_deref().unwrap_or_default();
    let mut rows = log
        .view(log.storage.models(publisher.as_ref(), after, limit + 1))
        .await?;
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let after = Some(last.name.to_string());
        let parameters = [
            ("after", after),
            ("fields", parameters.fields),
            ("limit", Some(limit.to_string())),
            ("publisher", parameters.publisher),
        ];
        next_page("/api/v1/models", &parameters)
    });
    let item = |row: &crate::storage::ModelRow| ModelItem {
        name: row.name.to_string(),
        releases: row.releases,
        latest: row.latest.to_string(),
    };
    let answer = ModelsAnswer {
        models: rows.iter().map(item).collect(),
        next,
    };
    let next = answer.next.as_deref();
    Ok(json_items(&headers, next, &answer, "models", &fields))
}

/// A release in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReleaseItem {
    #[schema(example = "meta-ai/opt-125m@1.0.0")]
    name: String,
    /// Its first record.
    first_index: u64,
    /// The kinds of its records.
    kinds: Vec<&'static str>,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
}

/// A model and its releases.
#[derive(Serialize, ToSchema)]
struct ModelAnswer {
    name: String,
    /// Oldest first.
    releases: Vec<ReleaseItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Which part of a list by index.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FromIndexParameters {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(super) limit: Option<u32>,
    /// Only those behind this index.
    pub(super) after: Option<u64>,
}

/// Shows a model and its releases.
#[utoipa::path(
    get, path = "/api/v1/models/{publisher}/{model}", operation_id = "show_model", tag = "registry",
    params(("publisher" = String, Path, example = "meta-ai"), ("model" = String, Path, example = "opt-125m"), FromIndexParameters),
    responses(
        (status = 200, description = "The model, and a page of its releases", body = ModelAnswer),
        (status = 404, description = "No such model", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(log): Shared,
    PathOf((publisher, model)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<FromIndexParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ModelName = parse("model", &format!("{publisher}/{model}"))?;
    let limit = page_items(parameters.limit)?;
    let mut rows = log
        .view(
            log.storage
                .releases(&name, parameters.after.map(LeafIndex::new), limit + 1),
        )
        .await?;
    if rows.is_empty() && parameters.after.is_none() {
        return Err(missing(
            &format!("model {name}"),
            "list them at /api/v1/models",
        ));
    }
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let parameters = [
            ("after", Some(last.first.to_string())),
            ("limit", Some(limit.to_string())),
        ];
        next_page(&format!("/api/v1/models/{name}"), &parameters)
    });
    let answer = ModelAnswer {
        name: name.to_string(),
        releases: rows.iter().map(item_of).collect(),
        next,
    };
    Ok(json_page(&headers, answer.next.as_deref(), &answer))
}

fn item_of(row: &ReleaseRow) -> ReleaseItem {
    ReleaseItem {
        name: row.name.to_string(),
        first_index: row.first.get(),
        kinds: row.kinds.iter().map(|kind| kind.name()).collect(),
        withdrawn_by: row.withdrawn_by.map(LeafIndex::get),
    }
}

/// A release and its records.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReleaseAnswer {
    name: String,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
    /// The records about it, whoever signed them; oldest first, and about a megabyte of entries to a page.
    records: Vec<RecordAnswer>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Shows a release with every record of it.
#[utoipa::path(
    get, path = "/api/v1/releases/{publisher}/{release}", operation_id = "show_release", tag = "registry",
    params(("publisher" = String, Path, example = "meta-ai"), ("release" = String, Path, example = "opt-125m@1.0.0"), FromIndexParameters),
    responses(
        (status = 200, description = "The release, and a page of the records about it", body = ReleaseAnswer),
        (status = 404, description = "No such release", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<FromIndexParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let limit = page_items(parameters.limit)?;
    let limit = EntriesLimit {
        items: limit,
        bytes: PAGE_ENTRY_BYTES_MAX,
    };
    let after = parameters.after.map(LeafIndex::new);
    let page = log.view(log.storage.release(&name, after, limit)).await?;
    let page = page.ok_or_else(|| {
        missing(
            &format!("release {name}"),
            &format!("list them at /api/v1/models/{}", name.model()),
        )
    })?;
    let next = page.records.last().filter(|_| page.more).map(|last| {
        let parameters = [
            ("after", Some(last.row.index.to_string())),
            ("limit", Some(limit.items.to_string())),
        ];
        next_page(&format!("/api/v1/releases/{name}"), &parameters)
    });
    let bytes = page.records.iter().map(|it| it.entry.as_bytes().len());
    let (bytes, records) = (bytes.sum(), page.records);
    let lay_out = || records.into_iter().map(RecordAnswer::of).collect();
    let records: Result<_, StorageError> = log.limits.compute(bytes, lay_out).await;
    let answer = ReleaseAnswer {
        name: name.to_string(),
        withdrawn_by: page.row.withdrawn_by.map(LeafIndex::get),
        records: records?,
        next,
    };
    Ok(json_page(&headers, answer.next.as_deref(), &answer))
}
