//! Lists: records, models, publishers and withdrawals, page by page.

use askama::Template;
use axum::extract::State;
use candor_core::merkle::TreeSize;
use candor_core::record::{Kind, PublisherName};
use serde::Deserialize;

use super::shown::{Listed, ListedRelease, in_path, kind_name};
use super::{Frame, Html, Page};
use crate::catalogue::questions::{ModelOrder, Withdrawal, WithdrawalFilter};
use crate::http::Shared;
use crate::http::answer::{QueryOf, cut_page, next_page, parse};
use crate::storage::{RecordFilter, RecordPage};

/// How many items a page has.
const ITEMS: u32 = 50;

/// Which part of a list of records.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsParameters {
    before: Option<u64>,
    kind: Option<String>,
    publisher: Option<String>,
}

#[derive(Template)]
#[template(path = "records.html")]
struct Records {
    frame: Frame,
    rows: Vec<Listed>,
    kind: String,
    publisher: String,
    kinds: [(&'static str, &'static str); 7],
    next: Option<String>,
    is_first: bool,
}

/// `GET /records`
pub(super) async fn records(
    State(log): Shared,
    QueryOf(parameters): QueryOf<RecordsParameters>,
) -> Page {
    let text = |it: &Option<String>| it.clone().filter(|text| !text.is_empty());
    let (kind, publisher) = (text(&parameters.kind), text(&parameters.publisher));
    let filter = RecordFilter {
        kind: kind
            .as_deref()
            .map(|it| parse::<Kind>("kind", it))
            .transpose()?,
        publisher: publisher
            .as_deref()
            .map(|it| parse::<PublisherName>("publisher", it))
            .transpose()?,
        subject: None,
    };
    let size = log.sequencer.newest().await.head.size;
    let page = RecordPage {
        before: parameters
            .before
            .map_or(size, |it| size.min(TreeSize::new(it))),
        limit: ITEMS + 1,
    };
    let mut rows = log.view(log.storage.records(&filter, page)).await?;
    let more = cut_page(&mut rows, ITEMS);
    let next = rows.last().filter(|_| more).map(|last| {
        let parameters = [
            ("before", Some(last.index.to_string())),
            ("kind", kind.clone()),
            ("publisher", publisher.clone()),
        ];
        next_page("/records", &parameters)
    });
    Ok(Html::of(&Records {
        frame: Frame::of(&log).await.with_feed("/feed.atom"),
        rows: rows.iter().map(Listed::of).collect(),
        kind: kind.unwrap_or_default(),
        publisher: publisher.unwrap_or_default(),
        kinds: Kind::ALL.map(|kind| (kind.name(), kind_name(kind))),
        next,
        is_first: parameters.before.is_none(),
    }))
}

/// Which part of a list of models.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelsParameters {
    before: Option<i64>,
}

impl ModelsParameters {
    pub(super) fn before(&self) -> Option<i64> {
        self.before
    }
}

#[derive(Template)]
#[template(path = "models.html")]
struct Models {
    frame: Frame,
    rows: Vec<(ListedRelease, i64)>,
    next: Option<String>,
}

/// `GET /models`
pub(super) async fn models(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ModelsParameters>,
) -> Page {
    let catalogue = log.catalogue().await?;
    let order = ModelOrder::Newest(parameters.before);
    let mut models = catalogue.models(None, &order, ITEMS + 1).await?;
    let more = cut_page(&mut models, ITEMS);
    let next = models
        .last()
        .filter(|_| more)
        .map(|(last, _)| format!("/models?before={}", last.newest));
    let shown = models
        .into_iter()
        .map(|(model, newest)| (ListedRelease::of(&newest), model.releases));
    Ok(Html::of(&Models {
        frame: Frame::of(&log).await,
        rows: shown.collect(),
        next,
    }))
}

/// Which part of a list of publishers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishersParameters {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "publishers.html")]
struct Publishers {
    frame: Frame,
    rows: Vec<(String, String)>,
    next: Option<String>,
}

/// `GET /publishers`
pub(super) async fn publishers(
    State(log): Shared,
    QueryOf(parameters): QueryOf<PublishersParameters>,
) -> Page {
    let after = parameters.after.unwrap_or_default();
    let mut rows = log.view(log.storage.publishers(&after, ITEMS + 1)).await?;
    let more = cut_page(&mut rows, ITEMS);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|last| format!("/publishers?after={}", last.name));
    let publishers = rows
        .into_iter()
        .map(|row| (row.name.to_string(), row.display_name));
    Ok(Html::of(&Publishers {
        frame: Frame::of(&log).await,
        rows: publishers.collect(),
        next,
    }))
}

#[derive(Template)]
#[template(path = "withdrawals.html")]
struct Withdrawals {
    frame: Frame,
    rows: Vec<(Withdrawal, String)>,
    next: Option<String>,
}

/// `GET /withdrawals`
pub(super) async fn withdrawals(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ModelsParameters>,
) -> Page {
    let catalogue = log.catalogue().await?;
    let filter = WithdrawalFilter::default();
    let mut found = catalogue
        .withdrawals(&filter, parameters.before, ITEMS + 1)
        .await?;
    let more = cut_page(&mut found, ITEMS);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| format!("/withdrawals?before={}", last.record));
    let shown = found.into_iter().map(|it| {
        let path = format!("/releases/{}", in_path(&it.release));
        (it, path)
    });
    Ok(Html::of(&Withdrawals {
        frame: Frame::of(&log).await,
        rows: shown.collect(),
        next,
    }))
}
