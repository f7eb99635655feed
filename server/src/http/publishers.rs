//! `/api/v1/publishers`: who signs.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::merkle::LeafIndex;
use candor_core::record::PublisherName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{PathOf, QueryOf, cut_page, json, missing, next_page, page_items, parse};
use super::problem::Problem;
use super::records::key_json;
use crate::storage::{PublisherRow, PublisherWithKeys};

/// Which part of a list by name.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// How many, at most 500.
    pub(super) limit: Option<u32>,
    /// Only those behind this name.
    pub(super) after: Option<String>,
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
    get, path = "/api/v1/publishers", tag = "registry", params(PageParameters),
    responses((status = 200, body = PublishersAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<PageParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
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
            &[("after", after), ("limit", Some(limit.to_string()))],
        )
    });
    let item = |row: PublisherRow| PublisherItem {
        name: row.name.to_string(),
        display_name: row.display_name,
        index: row.at.get(),
    };
    Ok(json(
        &headers,
        &PublishersAnswer {
            publishers: rows.into_iter().map(item).collect(),
            next,
        },
    ))
}

/// A publisher and its keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PublisherAnswer {
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The keys that sign for it now: `keyid`, `algorithm`, `publicKey`.
    keys: Vec<Value>,
    /// Keys that did.
    retired: Vec<RetiredAnswer>,
    /// Statement digest of its newest `publisher` record, which the next one names as `previous`.
    record: String,
    /// The indexes of its `publisher` records, oldest first: the keys follow from them.
    history: Vec<u64>,
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
    get, path = "/api/v1/publishers/{name}", tag = "registry",
    params(("name" = String, Path, example = "meta-ai")),
    responses(
        (status = 200, body = PublisherAnswer),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(log): Shared,
    PathOf(name): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: PublisherName = parse("name", &name)?;
    let publisher = log.view(log.storage.publisher(&name)).await?;
    let publisher = publisher.ok_or_else(|| {
        missing(
            &format!("publisher {name}"),
            "list them at /api/v1/publishers",
        )
    })?;
    let PublisherWithKeys {
        row,
        state,
        history,
    } = publisher;
    let answer = PublisherAnswer {
        name: row.name.to_string(),
        display_name: row.display_name,
        url: row.url,
        keys: state.keys.iter().map(key_json).collect(),
        retired: state
            .retired
            .iter()
            .map(|retired| RetiredAnswer {
                keyid: retired.key.keyid().to_string(),
                at: retired.at.get(),
            })
            .collect(),
        record: row.record.to_string(),
        history: history.into_iter().map(LeafIndex::get).collect(),
    };
    Ok(json(&headers, &answer))
}
