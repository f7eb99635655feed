//! All files of a release, as its manifest lists them.

use askama::Template;
use axum::extract::State;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Predicate, ReleaseName};
use serde::Deserialize;

use super::release::{ShownFile, files_of, not_here, statement};
use super::shown::ListedRelease;
use super::{Frame, Html, Page};
use crate::http::Shared;
use crate::http::answer::{PathOf, QueryOf, missing, parse};

/// How many a page has.
const FILES: usize = 200;

/// Which part of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesParameters {
    /// How many come before it.
    after: Option<usize>,
}

#[derive(Template)]
#[template(path = "files.html")]
struct FilesPage {
    frame: Frame,
    release: ListedRelease,
    manifest: Option<String>,
    files: Vec<ShownFile>,
    /// How many come before these.
    before: usize,
    files_total: u64,
    previous: Option<String>,
    next: Option<String>,
}

/// `GET /releases/{publisher}/{release}/files`
pub(super) async fn files(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<FilesParameters>,
) -> Page {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let known = log.catalogue().await?.release(&name.to_string()).await?;
    let known = known.ok_or_else(|| not_here(&name))?;
    let index = known.weights.record.and_then(|it| u64::try_from(it).ok());
    let logged = match index {
        Some(index) => log.view(log.storage.record(LeafIndex::new(index))).await?,
        None => None,
    };
    let predicate = logged
        .as_ref()
        .map(statement)
        .transpose()?
        .map(|it| it.predicate);
    let Some(Predicate::Weights(weights)) = predicate else {
        return Err(missing(
            &format!("a list of files of {name}"),
            "it has no weights record",
        ));
    };
    let total = usize::try_from(weights.files).unwrap_or(usize::MAX);
    let before = parameters.after.unwrap_or_default().min(total);
    let (manifest, files) = files_of(&log, &weights, before, FILES).await?;
    let listed = ListedRelease::of(&known);
    let page = |after: usize| format!("{}/files?after={after}", listed.path);
    let end = before + files.len();
    Ok(Html::of(&FilesPage {
        frame: Frame::of(&log).await,
        previous: (before > 0).then(|| page(before.saturating_sub(FILES))),
        next: (!files.is_empty() && end < total).then(|| page(end)),
        release: listed,
        manifest,
        files,
        before,
        files_total: weights.files,
    }))
}
