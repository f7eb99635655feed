//! `GET /api/v1/statistics`: how the log grows.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::answer::json;
use super::problem::Problem;
use super::releases::number;

/// How many publishers are listed by what they signed.
const PUBLISHERS: u32 = 20;

/// How many records that are left out are listed.
const LEFT_OUT: u32 = 100;

/// What is in the log, counted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatisticsAnswer {
    /// How many records are counted: a moment ago, all of them.
    records: u64,
    /// Records by kind.
    kinds: BTreeMap<String, u64>,
    /// How many publishers, models and releases there are; what has a name and is no model is counted apart.
    publishers: u64,
    models: u64,
    /// Names that are of APIs alone.
    apis: u64,
    /// Names with a card alone, which names no task: as data sets have.
    cards: u64,
    releases: u64,
    /// Whether there is more than was counted: a million of each, and 20,000 names for what they are.
    truncated: bool,
    /// Those who signed most, first.
    busiest: Vec<BusyPublisher>,
    /// Day by day, oldest first, by the server's clock, which nothing proves.
    growth: Vec<GrowthAnswer>,
    /// The newest of the records that search, pages and these counts don't have, as their database did not take them.
    left_out: Vec<LeftOutAnswer>,
}

/// A record that is in the log alone.
#[derive(Serialize, ToSchema)]
struct LeftOutAnswer {
    index: u64,
    why: String,
}

/// What a publisher signed.
#[derive(Serialize, ToSchema)]
struct BusyPublisher {
    name: String,
    records: u64,
    releases: u64,
}

/// A day.
#[derive(Serialize, ToSchema)]
struct GrowthAnswer {
    /// In UTC; null for records whose time nobody knows.
    #[schema(example = "2026-05-01")]
    day: Option<String>,
    records: u64,
    kinds: BTreeMap<String, u64>,
    /// How many there were at the end of it.
    total: u64,
}

/// Counts what is in the log.
#[utoipa::path(
    get, path = "/api/v1/statistics", operation_id = "show_statistics", tag = "log",
    responses((status = 200, description = "Counts of records, publishers, models and releases, and the growth day by day", body = StatisticsAnswer))
)]
pub(super) async fn statistics(
    State(log): Shared,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let catalogue = log.catalogue().await?;
    let found = catalogue.statistics().await?;
    let busiest = catalogue.busiest_publishers(PUBLISHERS).await?;
    let counts = |kinds: BTreeMap<String, i64>| -> BTreeMap<String, u64> {
        kinds
            .into_iter()
            .map(|(kind, records)| (kind, number(records)))
            .collect()
    };
    let left_out = catalogue.left_out(LEFT_OUT).await?;
    let answer = StatisticsAnswer {
        records: found.kinds.values().copied().map(number).sum(),
        kinds: counts(found.kinds),
        publishers: number(found.publishers),
        models: number(found.models),
        apis: number(found.apis),
        cards: number(found.cards),
        truncated: found.is_cut,
        releases: number(found.releases),
        busiest: busiest
            .into_iter()
            .map(|it| BusyPublisher {
                name: it.name,
                records: number(it.records),
                releases: number(it.releases),
            })
            .collect(),
        growth: found
            .growth
            .into_iter()
            .map(|it| GrowthAnswer {
                day: it.day.map(|day| day.to_string()),
                records: number(it.records),
                kinds: counts(it.kinds),
                total: number(it.total),
            })
            .collect(),
        left_out: left_out
            .into_iter()
            .map(|(index, why)| LeftOutAnswer {
                index: number(index),
                why,
            })
            .collect(),
    };
    Ok(json(&headers, &answer))
}
