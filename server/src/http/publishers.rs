//! `/api/v1/publishers`: who signs.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Predicate, PublisherName, RetiredKey, SignedRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{
    Fields, PAGE_ITEMS_MAX, PathOf, QueryOf, cut_page, json_items, json_page, missing, next_page,
    page_items, parse,
};
use super::problem::Problem;
use super::records::key_json;
use crate::storage::StorageError;

/// Which part of a list by name.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(super) limit: Option<u32>,
    /// Only those behind this name.
    pub(super) after: Option<String>,
    /// Only these fields of each item, with commas between.
    #[param(example = "name,displayName")]
    fields: Option<String>,
}

/// A publisher in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PublisherItem {
    name: String,
    display_name: String,
    /// Its newest `publisher` record.
    index: u64,
}

/// A page of publishers.
#[derive(Serialize, ToSchema)]
struct PublishersAnswer {
    publishers: Vec<PublisherItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Lists publishers by name.
#[utoipa::path(
    get, path = "/api/v1/publishers", operation_id = "list_publishers", tag = "registry", params(PageParameters),
    responses((status = 200, description = "A page of publishers, by name", body = PublishersAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<PageParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<PublisherItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let mut rows = log
        .view(
            log.storage
                .publishers(parameters.after.as_deref().unwrap_or_default(), limit + 1),
        )
        .await?;
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let after = Some(last.name.to_string());
        next_page(
            "/api/v1/publishers",
            &[
                ("after", after),
                ("fields", parameters.fields),
                ("limit", Some(limit.to_string())),
            ],
        )
    });
    let item = |row: crate::storage::PublisherRow| PublisherItem {
        name: row.name.to_string(),
        display_name: row.display_name,
        index: row.at.get(),
    };
    let answer = PublishersAnswer {
        publishers: rows.into_iter().map(item).collect(),
        next,
    };
    let next = answer.next.as_deref();
    Ok(json_items(&headers, next, &answer, "publishers", &fields))
}

/// Which part of a publisher's history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParameters {
    /// How many of its `publisher` records.
    #[param(minimum = 1, maximum = 500, default = 500)]
    limit: Option<u32>,
    /// Only those behind this index.
    after: Option<u64>,
}

/// A publisher and its keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PublisherAnswer {
    name: String,
    display_name: String,
    url: Option<String>,
    /// Where to write to.
    contact: Option<String>,
    /// The keys that sign for it now.
    #[schema(value_type = Vec<KeyAnswer>)]
    keys: Vec<Value>,
    /// Keys that did, until one of the records in `history` left them out.
    retired: Vec<RetiredAnswer>,
    /// Statement digest of its newest `publisher` record, which the next one names as `previous`.
    record: String,
    /// The indexes of its `publisher` records, oldest first: the keys follow from them.
    history: Vec<u64>,
    /// Where the next part of the history is; none on the last.
    next: Option<String>,
}

/// A key, as it stands in `publisher` records.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes candor_core's type in the OpenAPI document"
)]
#[schema(rename_all = "camelCase")]
struct KeyAnswer {
    /// SHA-256 of the DER `SubjectPublicKeyInfo`.
    keyid: String,
    #[schema(example = "ed25519")]
    algorithm: String,
    /// Base64 of the DER `SubjectPublicKeyInfo`.
    public_key: String,
}

/// A key that counts no longer.
#[derive(Serialize, ToSchema)]
struct RetiredAnswer {
    keyid: String,
    /// The `publisher` record that left it out.
    at: u64,
}

/// Shows a publisher, its keys, and where they come from.
#[utoipa::path(
    get, path = "/api/v1/publishers/{name}", operation_id = "show_publisher", tag = "registry",
    params(("name" = String, Path, example = "meta-ai"), HistoryParameters),
    responses(
        (status = 200, description = "The publisher", body = PublisherAnswer),
        (status = 404, description = "No such publisher", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(log): Shared,
    PathOf(name): PathOf<String>,
    QueryOf(parameters): QueryOf<HistoryParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: PublisherName = parse("name", &name)?;
    // Complete for all but a few, since the keys follow from all of them.
    let limit = page_items(parameters.limit.or(Some(PAGE_ITEMS_MAX)))?;
    let after = parameters.after.map(LeafIndex::new);
    let page = log.view(log.storage.publisher(&name, after, limit)).await?;
    let page = page.ok_or_else(|| {
        missing(
            &format!("publisher {name}"),
            "list them at /api/v1/publishers",
        )
    })?;
    let newest = SignedRecord::from_entry(&page.newest).map_err(StorageError::damaged)?;
    let Predicate::Publisher(newest) = &newest.statement().predicate else {
        let what = format!("entry {} is no publisher record", page.state.at);
        return Err(StorageError::Damaged(what).into());
    };
    let next = page.history.last().filter(|_| page.more).map(|last| {
        let parameters = [
            ("after", Some(last.to_string())),
            ("limit", Some(limit.to_string())),
        ];
        next_page(&format!("/api/v1/publishers/{name}"), &parameters)
    });
    let retired = |retired: &RetiredKey| RetiredAnswer {
        keyid: retired.key.keyid().to_string(),
        at: retired.at.get(),
    };
    let answer = PublisherAnswer {
        name: name.to_string(),
        display_name: newest.display_name.clone(),
        url: newest.url.clone(),
        contact: newest.contact.clone(),
        keys: page.state.keys.iter().map(key_json).collect(),
        retired: page.state.retired.iter().map(retired).collect(),
        record: page.state.record.to_string(),
        history: page.history.into_iter().map(LeafIndex::get).collect(),
        next,
    };
    Ok(json_page(&headers, answer.next.as_deref(), &answer))
}
