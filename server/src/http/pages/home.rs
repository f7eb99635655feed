//! The home page: what this log is, and what is new in it.

use askama::Template;
use axum::extract::State;

use super::shown::{Listed, ListedRelease, counted};
use super::{Frame, Html, Page};
use crate::catalogue::Catalogue;
use crate::catalogue::questions::{Growth, HitOf, Search, Statistics};
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
    /// What else has a name.
    others: String,
    publishers: i64,
    is_cut: bool,
    growth: Option<String>,
    /// The day that all of it is from, if that is one: a curve of a day shows nothing.
    only_day: Option<String>,
}

/// `GET /`
pub(super) async fn home(State(log): Shared) -> Page {
    // The log is shown as long as it can be read: on a full disk, say, the catalogue may not open.
    let found = match log.catalogue().await {
        Ok(catalogue) => Some(Found::of(&catalogue).await?),
        Err(_) => None,
    };
    let released = log.sequencer.newest().await;
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
            others: others_words(&statistics),
            is_cut: statistics.is_cut,
            only_day: only_day(&statistics.growth),
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

/// `2 APIs and 1 card alone`
pub(super) fn others_words(statistics: &Statistics) -> String {
    let Statistics { apis, cards, .. } = *statistics;
    let apis = (apis > 0).then(|| counted(apis, "API", "APIs"));
    let cards = (cards > 0).then(|| {
        let cards = counted(cards, "name", "names");
        format!("{cards} of which only a card is known that tells no task (data sets, mostly)")
    });
    let parts: Vec<_> = [apis, cards].into_iter().flatten().collect();
    parts.join(" and ")
}

/// The day of all records, if it is one.
pub(super) fn only_day(days: &[Growth]) -> Option<String> {
    match days {
        [only] => Some(only.day?.to_string()),
        _ => None,
    }
}

/// The growth of the log as a drawing, where its days are known.
pub(super) fn draw_growth(days: &[Growth]) -> Option<String> {
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
