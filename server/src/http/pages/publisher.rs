//! A publisher: its keys, where they come from, and what it published.

use askama::Template;
use axum::extract::State;
use candor_core::record::{Predicate, PublisherName, SignedRecord};

use super::shown::{Listed, ListedRelease};
use super::{Frame, Html, Page};
use crate::catalogue::questions::ModelOrder;
use crate::http::Shared;
use crate::http::answer::{PathOf, missing, parse};
use crate::storage::{RecordFilter, RecordPage, StorageError};

/// How many models, records and `publisher` records are shown.
const MODELS: u32 = 50;
const RECORDS: u32 = 10;
const HISTORY: u32 = 50;

#[derive(Template)]
#[template(path = "publisher.html")]
struct PublisherPage {
    frame: Frame,
    name: String,
    display_name: String,
    url: Option<String>,
    contact: Option<String>,
    keys: Vec<String>,
    /// Keys that counted, and the record that left them out.
    retired: Vec<(String, u64)>,
    /// Its `publisher` records.
    history: Vec<u64>,
    looks_like: Option<String>,
    /// Others that could be taken for it.
    look_alikes: Vec<String>,
    models: Vec<(ListedRelease, i64)>,
    releases: i64,
    signed: i64,
    records: Vec<Listed>,
}

/// `GET /publishers/{name}`
pub(super) async fn publisher(State(log): Shared, PathOf(name): PathOf<String>) -> Page {
    let name: PublisherName = parse("name", &name)?;
    let page = log
        .view(log.storage.publisher(&name, None, HISTORY))
        .await?;
    let page = page.ok_or_else(|| {
        missing(
            &format!("publisher {name}"),
            "search for it, or list all at /publishers",
        )
    })?;
    let newest = SignedRecord::from_entry(&page.newest).map_err(StorageError::damaged)?;
    let Predicate::Publisher(newest) = &newest.statement().predicate else {
        let what = format!("entry {} is no publisher record", page.state.at);
        return Err(StorageError::Damaged(what).into());
    };
    let catalogue = log.catalogue().await?;
    let known = catalogue.publisher(name.as_str()).await?;
    let look_alikes = match &known {
        Some(known) => catalogue.look_alikes(&known.publisher).await?,
        None => Vec::new(),
    };
    let order = ModelOrder::Name(String::new());
    let models = catalogue
        .models(Some(name.as_str()), &order, MODELS)
        .await?;
    let filter = RecordFilter {
        publisher: Some(name.clone()),
        ..RecordFilter::default()
    };
    let newest_records = RecordPage {
        before: log.sequencer.released().head.size,
        limit: RECORDS,
    };
    let records = log
        .view(log.storage.records(&filter, newest_records))
        .await?;
    let retired = page.state.retired.iter();
    Ok(Html::of(&PublisherPage {
        frame: Frame::of(&log)
            .await
            .with_feed(format!("/publishers/{name}/feed.atom")),
        display_name: newest.display_name.clone(),
        url: newest.url.clone(),
        contact: newest.contact.clone(),
        keys: page
            .state
            .keys
            .iter()
            .map(|key| key.keyid().to_string())
            .collect(),
        retired: retired
            .map(|it| (it.key.keyid().to_string(), it.at.get()))
            .collect(),
        history: page.history.iter().map(|index| index.get()).collect(),
        looks_like: known.as_ref().and_then(|it| it.looks_like.clone()),
        look_alikes,
        models: models
            .into_iter()
            .map(|(model, newest)| (ListedRelease::of(&newest), model.releases))
            .collect(),
        releases: known.as_ref().map_or(0, |it| it.publisher.releases),
        signed: known.as_ref().map_or(0, |it| it.publisher.records),
        records: records.iter().map(Listed::of).collect(),
        name: name.to_string(),
    }))
}
