//! How the log is: its checkpoint, its growth, and whether all of it works.

use askama::Template;
use axum::extract::State;
use candor_core::note::LogKey;

use super::home::{draw_growth, only_day, others_words};
use super::shown::counted;
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
    /// How many entries are searched; nothing while the catalogue is not open.
    catalogue_size: Option<u64>,
    behind: u64,
    left_out: Vec<i64>,
    kinds: Vec<(String, i64)>,
    counts: String,
    growth: Option<String>,
    only_day: Option<String>,
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
    // Whoever wants to know what is wrong is told, also where the catalogue can't be opened.
    let catalogue = log.catalogue().await.ok();
    let (statistics, busiest, left_out) = match &catalogue {
        Some(catalogue) => (
            catalogue.statistics().await?,
            catalogue.busiest_publishers(PUBLISHERS).await?,
            catalogue.left_out(LEFT_OUT).await?,
        ),
        None => Default::default(),
    };
    let catalogue_size = catalogue.map(|it| it.size());
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
    let others = Some(others_words(&statistics)).filter(|it| !it.is_empty());
    let counts = [
        Some(counted(statistics.publishers, "publisher", "publishers")),
        Some(counted(statistics.models, "model", "models")),
        others,
        Some(counted(statistics.releases, "release", "releases")),
        statistics
            .is_cut
            .then(|| "and more than was counted".to_owned()),
    ];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let counts = counts.join(", ");
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
        ready: catalogue_size.is_some() && checks.iter().all(|(_, good)| *good),
        checks,
        left_out: left_out.into_iter().map(|(index, _)| index).collect(),
        behind: catalogue_size.map_or(0, |it| released.head.size.get().saturating_sub(it)),
        catalogue_size,
        growth: draw_growth(&statistics.growth),
        only_day: only_day(&statistics.growth),
        days: days.collect(),
        kinds: statistics.kinds.into_iter().collect(),
        counts,
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
