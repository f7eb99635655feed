//! Two releases side by side.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use candor_core::merkle::LeafIndex;
use candor_core::record::{ModelName, Predicate, ReleaseName, SignedRecord};
use candor_core::weights::Manifest;
use serde::Deserialize;

use super::shown::{self, ListedRelease, value};
use super::{Frame, Html, Page};
use crate::catalogue::{Catalogue, Release};
use crate::http::answer::{QueryOf, missing, parse};
use crate::http::problem::Problem;
use crate::http::{Log, Shared};
use crate::storage::StorageError;

/// How many files and values are shown.
const FILES: usize = 200;
const VALUES: usize = 200;

/// Which two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareParameters {
    a: Option<String>,
    b: Option<String>,
}

/// One thing that is said of both.
struct Fact {
    name: &'static str,
    a: String,
    b: String,
    differs: bool,
}

/// A file of one or both.
struct FileRow {
    path: String,
    /// `same`, `changed`, or in which alone it is.
    change: &'static str,
    a: String,
    b: String,
}

/// What was measured of one or both, by one author.
struct ValueRow {
    what: String,
    author: String,
    a: String,
    b: String,
}

struct Both {
    a: ListedRelease,
    b: ListedRelease,
    facts: Vec<Fact>,
    files: Vec<FileRow>,
    same_files: usize,
    changed_files: usize,
    files_are_cut: bool,
    values: Vec<ValueRow>,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    asked_a: String,
    asked_b: String,
    both: Option<Both>,
    /// Why they can't be compared.
    problem: Option<String>,
}

/// `GET /compare?a=…&b=…`
pub(super) async fn compare(
    State(log): Shared,
    QueryOf(parameters): QueryOf<CompareParameters>,
) -> Page {
    let asked = |it: &Option<String>| it.clone().unwrap_or_default().trim().to_owned();
    let (asked_a, asked_b) = (asked(&parameters.a), asked(&parameters.b));
    let mut page = ComparePage {
        frame: Frame::of(&log).await,
        asked_a,
        asked_b,
        both: None,
        problem: None,
    };
    if page.asked_a.is_empty() || page.asked_b.is_empty() {
        return Ok(Html::of(&page));
    }
    match Both::named(&log, &page.asked_a, &page.asked_b).await {
        Ok(both) => {
            page.both = Some(both);
            Ok(Html::of(&page))
        }
        // What was typed stays in the form, to be mended there.
        Err(problem) => {
            let status = StatusCode::from_u16(problem.name().status());
            let status = status.expect("names have HTTP statuses only");
            if status.is_server_error() {
                return Err(problem);
            }
            page.problem = Some(format!("{}: {}", problem.detail(), problem.hint_text()));
            Ok(Html::with(status, &page))
        }
    }
}

/// A release by its name, or a model's newest by the model's.
async fn known(catalogue: &Catalogue, field: &str, text: &str) -> Result<Release, Problem> {
    let hint = "search for it; a release's name is publisher/model@version";
    let (found, what) = if let Ok(model) = text.parse::<ModelName>() {
        let newest = catalogue.releases_of(text, None, 1).await?;
        (newest.into_iter().next(), format!("model {model}"))
    } else {
        let name: ReleaseName = parse(field, text)?;
        let found = catalogue.release(&name.to_string()).await?;
        (found, format!("release {name}"))
    };
    found.ok_or_else(|| missing(&what, hint))
}

impl Both {
    async fn named(log: &Log, a: &str, b: &str) -> Result<Self, Problem> {
        let catalogue = log.catalogue().await?;
        let a = known(&catalogue, "a", a).await?;
        let b = known(&catalogue, "b", b).await?;
        Self::of(log, &catalogue, &a, &b).await
    }

    async fn of(
        log: &Log,
        catalogue: &Catalogue,
        a: &Release,
        b: &Release,
    ) -> Result<Self, Problem> {
        let (files_a, files_b) = (files(log, a).await?, files(log, b).await?);
        let mut rows = Vec::new();
        let (mut same_files, mut changed_files) = (0, 0);
        let paths: std::collections::BTreeSet<&String> =
            files_a.keys().chain(files_b.keys()).collect();
        let is_cut = paths.len() > FILES;
        for path in paths {
            let (in_a, in_b) = (files_a.get(path), files_b.get(path));
            let change = match (in_a, in_b) {
                (Some(a), Some(b)) if a.1 == b.1 => "same",
                (Some(_), Some(_)) => "changed",
                (Some(_), None) => "only in the first",
                _ => "only in the second",
            };
            if change == "same" {
                same_files += 1;
            } else {
                changed_files += 1;
            }
            if rows.len() < FILES {
                let text =
                    |it: Option<&(String, String)>| it.map(|it| it.0.clone()).unwrap_or_default();
                rows.push(FileRow {
                    path: path.clone(),
                    change,
                    a: text(in_a),
                    b: text(in_b),
                });
            }
        }
        Ok(Self {
            facts: facts(a, b),
            files: rows,
            same_files,
            changed_files,
            files_are_cut: is_cut,
            values: values(catalogue, a, b).await?,
            a: ListedRelease::of(a),
            b: ListedRelease::of(b),
        })
    }
}

fn facts(a: &Release, b: &Release) -> Vec<Fact> {
    let number = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok());
    let facts = |it: &Release| {
        let kinds: Vec<&str> = it.kinds().into_iter().map(shown::kind_name).collect();
        [
            ("records", kinds.join(", ")),
            ("logged", shown::time(it.accepted_ms).unwrap_or_default()),
            ("licence", it.licence.clone().unwrap_or_default()),
            ("task", it.task.clone().unwrap_or_default()),
            (
                "parameters",
                number(it.parameters).map(shown::count).unwrap_or_default(),
            ),
            ("format", it.format.clone().unwrap_or_default()),
            (
                "files",
                it.files.map(|it| it.to_string()).unwrap_or_default(),
            ),
            (
                "size",
                number(it.bytes).map(shown::bytes).unwrap_or_default(),
            ),
            ("evaluations", it.evaluations.to_string()),
            (
                "withdrawn",
                it.fallen_by
                    .map(|by| format!("by entry {by}"))
                    .unwrap_or_default(),
            ),
        ]
    };
    let pairs = facts(a).into_iter().zip(facts(b));
    pairs
        .map(|((name, a), (_, b))| Fact {
            name,
            differs: a != b,
            a,
            b,
        })
        .collect()
}

/// The files of a release by their paths: their size and digest in short, and all that is known of them.
async fn files(
    log: &Log,
    release: &Release,
) -> Result<BTreeMap<String, (String, String)>, Problem> {
    let Some(index) = release.weights.record.and_then(|it| u64::try_from(it).ok()) else {
        return Ok(BTreeMap::new());
    };
    let Some(logged) = log.view(log.storage.record(LeafIndex::new(index))).await? else {
        return Ok(BTreeMap::new());
    };
    let record = SignedRecord::from_entry(&logged.entry).map_err(StorageError::damaged)?;
    let Predicate::Weights(weights) = &record.statement().predicate else {
        return Ok(BTreeMap::new());
    };
    let sha256 = weights.manifest.digest.sha256;
    let Some(document) = log.view(log.storage.attachment(sha256)).await? else {
        return Ok(BTreeMap::new());
    };
    let read = || Manifest::parse(&document.bytes).map_err(StorageError::damaged);
    let manifest = log.limits.compute(document.bytes.len(), read).await?;
    let file = |file: &candor_core::weights::ManifestFile| {
        let digests: Vec<String> = file
            .digest
            .iter()
            .map(|(name, digest)| format!("{name}:{digest}"))
            .collect();
        let short = file
            .digest
            .iter()
            .next()
            .map(|(_, digest)| digest.chars().take(12).collect::<String>());
        let size = file.size.map(shown::bytes).unwrap_or_default();
        let text = format!("{size} {}…", short.unwrap_or_default());
        (
            file.path.to_string(),
            (text, format!("{:?} {}", file.size, digests.join(" "))),
        )
    };
    Ok(manifest.files().iter().map(file).collect())
}

/// What was measured of either, author by author, where both have it first.
async fn values(
    catalogue: &Catalogue,
    a: &Release,
    b: &Release,
) -> Result<Vec<ValueRow>, StorageError> {
    let mut rows: BTreeMap<(String, String), [Option<String>; 2]> = BTreeMap::new();
    for (n, release) in [a, b].into_iter().enumerate() {
        for measured in catalogue.measurement(&release.name).await?.measured {
            let shots = measured.few_shot.map(|shots| format!(", {shots} examples"));
            let what = format!(
                "{}: {}{}",
                measured.task,
                measured.metric,
                shots.unwrap_or_default()
            );
            for it in measured.values {
                let row = rows.entry((what.clone(), it.author)).or_default();
                row[n] = Some(value(it.value, it.standard_error));
            }
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(_, values)| !values.iter().all(Option::is_some));
    let row = |((what, author), [a, b]): ((String, String), [Option<String>; 2])| ValueRow {
        what,
        author,
        a: a.unwrap_or_default(),
        b: b.unwrap_or_default(),
    };
    Ok(rows.into_iter().take(VALUES).map(row).collect())
}
