//! The home page: what this log is, and what is new in it.

use askama::Template;
use axum::extract::State;

use super::shown::{Listed, ListedRelease};
use super::{Frame, Html, Page};
use crate::catalogue::Catalogue;
use crate::catalogue::questions::{HitOf, Search};
use crate::catalogue::terms::{Filter, Question};
use crate::drawing::{GrowthPoint, growth};
use crate::http::Shared;
use crate::storage::{RecordFilter, RecordPage, StorageError};
use candor_core::record::Kind;

/// How many models and records are shown.
const MODELS: u32 = 8;
const RECORDS: u32 = 8;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    root: String,
    checkpoint: String,
    records: Vec<Listed>,
    /// What is counted and found; nothing while the catalogue is not open.
    found: Option<Found>,
}

/// What the catalogue has for this page.
struct Found {
    releases: Vec<ListedRelease>,
    models: i64,
    publishers: i64,
    growth: Option<String>,
}

/// `GET /`
pub(super) async fn home(State(log): Shared) -> Page {
    // The log is shown as long as it can be read: on a full disk, say, the catalogue may not open.
    let found = match log.catalogue().await {
        Ok(catalogue) => Some(Found::of(&catalogue).await?),
        Err(_) => None,
    };
    let released = log.sequencer.released();
    let page = RecordPage {
        before: released.head.size,
        limit: RECORDS,
    };
    let records = log
        .view(log.storage.records(&RecordFilter::default(), page))
        .await?;
    Ok(Html::of(&Home {
        root: released.head.root.to_string(),
        checkpoint: released.checkpoint.clone(),
        records: records.iter().map(Listed::of).collect(),
        found,
        frame: Frame::of(&log).await.with_feed("/feed.atom"),
    }))
}

impl Found {
    async fn of(catalogue: &Catalogue) -> Result<Self, StorageError> {
        let search = Search {
            question: Question::default()
                .and(&Filter::Newest)
                .and_any(&RELEASE_KINDS.map(Filter::Kind)),
            limit: MODELS,
            ..Search::default()
        };
        let hits = catalogue.search(&search).await?;
        let statistics = catalogue.statistics().await?;
        let newest = hits.iter().filter_map(|hit| match &hit.of {
            HitOf::Release(release) => Some(ListedRelease::of(release)),
            HitOf::Publisher(_) => None,
        });
        Ok(Self {
            releases: newest.collect(),
            models: statistics.models,
            publishers: statistics.publishers,
            growth: draw_growth(&statistics.growth),
        })
    }
}

/// What a release has, so that publishers are not among the models.
const RELEASE_KINDS: [Kind; 4] = [
    Kind::ModelCard,
    Kind::Weights,
    Kind::TrainingConfig,
    Kind::ApiVersion,
];

/// The growth of the log as a drawing, where its days are known.
pub(super) fn draw_growth(days: &[crate::catalogue::questions::Growth]) -> Option<String> {
    let points: Vec<GrowthPoint> = days
        .iter()
        .filter_map(|it| {
            let day = it.day?;
            Some(GrowthPoint {
                day: day.begins_s() / 86_400,
                name: day.to_string(),
                total: it.total,
            })
        })
        .collect();
    (!points.is_empty()).then(|| growth(&points))
}
