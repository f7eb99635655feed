//! How the log is: its checkpoint, its growth, and whether all of it works.

use askama::Template;
use axum::extract::State;
use candor_core::note::LogKey;

use super::home::draw_growth;
use super::{Frame, Html, Page};
use crate::http::Shared;
use crate::http::operations::checks;

#[derive(Template)]
#[template(path = "status.html")]
struct Status {
    frame: Frame,
    root: String,
    checkpoint: String,
    /// Who signed the checkpoint beside the log.
    cosigners: Vec<String>,
    retired: bool,
    checks: Vec<(&'static str, bool)>,
    ready: bool,
    catalogue_size: u64,
    behind: u64,
    left_out: Vec<i64>,
    kinds: Vec<(String, i64)>,
    publishers: i64,
    models: i64,
    releases: i64,
    growth: Option<String>,
    days: Vec<(String, i64, i64)>,
    busiest: Vec<(String, i64)>,
    registration: &'static str,
}

/// How many days and publishers are listed.
const DAYS: usize = 14;
const PUBLISHERS: u32 = 10;

/// How many records that are not in the catalogue are listed.
const LEFT_OUT: u32 = 20;

/// `GET /status`
pub(super) async fn status(State(log): Shared) -> Page {
    let released = log.sequencer.newest().await;
    let catalogue = log.catalogue().await?;
    let statistics = catalogue.statistics().await?;
    let left_out = catalogue.left_out(LEFT_OUT).await?;
    let busiest = catalogue.busiest_publishers(PUBLISHERS).await?;
    let (checks, _) = checks(&log).await;
    let key = LogKey::from(log.identity.key.clone());
    // The signature lines of the checkpoint: the log's own, and those of others.
    let lines = released
        .checkpoint
        .lines()
        .filter_map(|line| line.strip_prefix("— "));
    let names = lines.filter_map(|line| line.split(' ').next());
    let cosigners = names
        .filter(|name| *name != key.origin().to_string())
        .map(str::to_owned);
    let days = statistics.growth.iter().rev().take(DAYS).map(|it| {
        let day = it
            .day
            .map_or_else(|| "not recorded".to_owned(), |day| day.to_string());
        (day, it.records, it.total)
    });
    Ok(Html::of(&Status {
        root: released.head.root.to_string(),
        checkpoint: released.checkpoint.clone(),
        cosigners: cosigners.collect(),
        retired: released.retirement().is_some(),
        ready: checks.iter().all(|(_, good)| *good),
        checks,
        catalogue_size: catalogue.size(),
        left_out: left_out.into_iter().map(|(index, _)| index).collect(),
        behind: released.head.size.get().saturating_sub(catalogue.size()),
        growth: draw_growth(&statistics.growth),
        days: days.collect(),
        kinds: statistics.kinds.into_iter().collect(),
        publishers: statistics.publishers,
        models: statistics.models,
        releases: statistics.releases,
        busiest: busiest
            .into_iter()
            .map(|it| (it.name, it.records))
            .collect(),
        registration: if log.registration.operator().is_some() {
            "by the operator's approval"
        } else {
            "open to anybody"
        },
        frame: Frame::of(&log).await,
    }))
}
