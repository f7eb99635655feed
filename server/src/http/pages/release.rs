//! A release: what it is, which files, how it was made, what was measured, and every record that says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{TrainingConfig, Weights};
use candor_core::record::{ModelName, Predicate, ReleaseName, SignedRecord, Statement};
use candor_core::weights::{Manifest, ManifestFile};

use super::measured::{Notices, ShownMeasured};
use super::model::{Plots, ShownApiVersion, draw_plots};
use super::said::settings_of_api;
use super::shown::{self, Listed, ListedRelease, ShownWithdrawal, in_path};
use super::{Frame, Html, Page, lead_to};
use crate::catalogue::questions::{
    Agreement, COMPARED_MAX, Direction, Evaluation, LineageLimit, Measured, Measurement,
};
use crate::catalogue::{Catalogue, Release};
use crate::drawing::{GraphEdge, GraphNode, graph};
use crate::http::answer::{PathOf, missing, parse};
use crate::http::problem::Problem;
use crate::http::{Log, Shared};
use crate::markdown::{SHOWN_BYTES_MAX, render};
use crate::storage::{EntriesLimit, LoggedRecord, StorageError};

/// How many files, records and measured things a page shows: there are pages with all of them.
const FILES: usize = 25;
const RECORDS: u32 = 50;
const MEASURED: usize = 40;

/// How many plots a page has.
const PLOTS: usize = 4;

/// How many releases a drawn lineage has.
const DRAWN: usize = 24;

/// A card, rendered.
pub(super) struct Card {
    pub(super) html: String,
    pub(super) is_cut: bool,
    pub(super) path: String,
    pub(super) record: i64,
    pub(super) sha256: String,
}

/// A file of a manifest.
pub(super) struct ShownFile {
    pub(super) path: String,
    pub(super) size: Option<String>,
    pub(super) algorithm: String,
    pub(super) digest: String,
}

impl ShownFile {
    fn of(file: &ManifestFile) -> Self {
        let strongest = file
            .digest
            .iter()
            .find(|(algorithm, _)| algorithm.is_strong())
            .or_else(|| file.digest.iter().next());
        let (algorithm, digest) = strongest.map_or_else(Default::default, |(algorithm, digest)| {
            (algorithm.to_string(), digest.to_owned())
        });
        Self {
            path: file.path.to_string(),
            size: file.size.map(shown::bytes),
            algorithm,
            digest,
        }
    }
}

/// How a release was made, in words.
struct Training {
    record: u64,
    framework: Option<String>,
    hardware: Option<String>,
    data: Vec<String>,
    checkpoints: usize,
}

#[derive(Template)]
#[template(path = "release.html")]
struct ReleasePage {
    frame: Frame,
    release: ListedRelease,
    licence_name: Option<String>,
    /// Its weights record.
    weights: Option<u64>,
    manifest: Option<String>,
    root: Option<String>,
    is_weak: bool,
    source: Option<String>,
    files: Vec<ShownFile>,
    files_total: u64,
    training: Option<Training>,
    api_version: Option<ShownApiVersion>,
    lineage: Option<String>,
    measured: Vec<ShownMeasured>,
    measured_total: usize,
    others: usize,
    /// Who they are.
    other_authors: Vec<String>,
    /// Who tried and did not find what was claimed, and the record that says so.
    notices: Notices,
    /// Why it was withdrawn, if it was.
    withdrawal: Option<ShownWithdrawal>,
    agree: usize,
    differ: usize,
    is_cut: bool,
    compared_max: u32,
    plots: Plots,
    records: Vec<Listed>,
    more_records: bool,
    card: Option<Card>,
}

/// `GET /releases/{publisher}/{release}`
pub(super) async fn release(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let text = format!("{publisher}/{release}");
    // A release without its version is a model.
    if let Ok(model) = text.parse::<ModelName>() {
        return Ok(lead_to(&format!("/models/{model}")));
    }
    let name: ReleaseName = parse("release", &text)?;
    shown_release(&log, &name).await.map(Html::into_response)
}

async fn shown_release(log: &Log, name: &ReleaseName) -> Page {
    let limit = EntriesLimit {
        items: RECORDS,
        bytes: 1 << 20,
    };
    let page = log.view(log.storage.release(name, None, limit)).await?;
    let page = page.ok_or_else(|| not_here(name))?;
    let catalogue = log.catalogue().await?;
    let text = name.to_string();
    // A moment ago it may not have been there.
    let known = catalogue
        .release(&text)
        .await?
        .ok_or_else(Problem::not_released)?;
    let own = Own::of(log, &known).await?;
    let (manifest, files) = match &own.weights {
        Some((_, weights)) => files_of(log, weights, 0, FILES).await?,
        None => (None, Vec::new()),
    };
    let measurement = catalogue.measurement(&text).await?;
    let failures = catalogue.failures(&text).await?;
    let api_version = catalogue.api_version(&text).await?;
    let agreement = |wanted: Agreement| {
        measurement
            .measured
            .iter()
            .filter(|it| it.agreement == wanted)
            .count()
    };
    let by_others = |it: &&Measured| it.values.iter().any(|value| value.by_others);
    let values = measurement.measured.iter().flat_map(|it| &it.values);
    let other_authors: BTreeSet<&str> = values
        .filter(|it| it.by_others)
        .map(|it| it.author.as_str())
        .collect();
    Ok(Html::of(&ReleasePage {
        frame: Frame::of(log)
            .await
            .with_feed(format!("/models/{}/feed.atom", name.model())),
        licence_name: own.licence_name.clone(),
        weights: own.weights.as_ref().map(|(index, _)| *index),
        root: own
            .weights
            .as_ref()
            .map(|(_, weights)| weights.root.to_string()),
        source: own
            .weights
            .as_ref()
            .and_then(|(_, weights)| weights.source.as_ref()?.uri.clone()),
        is_weak: known.is_weak == Some(1),
        manifest,
        files,
        files_total: own.weights.as_ref().map_or(0, |(_, weights)| weights.files),
        training: own
            .training
            .as_ref()
            .map(|(record, config)| Training::of(*record, config)),
        api_version: api_version.map(|it| ShownApiVersion {
            settings: own.api.clone(),
            ..ShownApiVersion::of(it)
        }),
        lineage: draw_lineage(&catalogue, &text).await?,
        measured_total: measurement.measured.len(),
        others: measurement.measured.iter().filter(by_others).count(),
        other_authors: other_authors.into_iter().map(str::to_owned).collect(),
        notices: Notices::of(log, name, &failures).await?,
        withdrawal: withdrawal_of(log, known.fallen_by).await?,
        compared_max: COMPARED_MAX,
        agree: agreement(Agreement::Agree),
        differ: agreement(Agreement::Differ),
        is_cut: measurement.is_cut,
        plots: plots_of(&measurement),
        measured: most_telling(&measurement)
            .into_iter()
            .take(MEASURED)
            .map(ShownMeasured::of)
            .collect(),
        records: page.records.iter().map(|it| Listed::of(&it.row)).collect(),
        more_records: page.more,
        card: card_of(log, &known).await?,
        release: ListedRelease::of(&known),
    }))
}

pub(super) fn not_here(name: &ReleaseName) -> Problem {
    missing(
        &format!("release {name}"),
        &format!(
            "look at the model's page, /models/{}, or search for it",
            name.model()
        ),
    )
}

/// What the withdrawal at `index` says.
async fn withdrawal_of(log: &Log, index: Option<i64>) -> Result<Option<ShownWithdrawal>, Problem> {
    let Some(index) = index.and_then(|it| u64::try_from(it).ok()) else {
        return Ok(None);
    };
    let logged = log.view(log.storage.record(LeafIndex::new(index))).await?;
    let statement = logged.as_ref().map(statement).transpose()?;
    Ok(statement.and_then(|it| match it.predicate {
        Predicate::Withdrawal(it) => Some(ShownWithdrawal::of(&it)),
        _ => None,
    }))
}

/// What a release's own publisher says of it.
#[derive(Default)]
struct Own {
    licence_name: Option<String>,
    weights: Option<(u64, Weights)>,
    training: Option<(u64, TrainingConfig)>,
    /// What answers, and with which settings.
    api: Vec<(&'static str, String)>,
}

impl Own {
    /// Where the catalogue has found them: the list of a release's records may be long, with others' among its own.
    async fn of(log: &Log, release: &Release) -> Result<Self, Problem> {
        let mut own = Self::default();
        let kinds = [release.card, release.weights, release.config, release.api];
        for index in kinds.into_iter().filter_map(|it| it.record) {
            let index = u64::try_from(index).map_err(StorageError::damaged)?;
            let logged = log.view(log.storage.record(LeafIndex::new(index))).await?;
            let Some(logged) = logged else {
                continue;
            };
            match statement(&logged)?.predicate {
                Predicate::ModelCard(card) => own.licence_name = card.license_name,
                Predicate::Weights(weights) => own.weights = Some((index, weights)),
                Predicate::TrainingConfig(config) => own.training = Some((index, config)),
                Predicate::ApiVersion(it) => own.api = settings_of_api(&it),
                Predicate::Publisher(_) | Predicate::Evaluation(_) | Predicate::Withdrawal(_) => {}
            }
        }
        Ok(own)
    }
}

pub(super) fn statement(logged: &LoggedRecord) -> Result<Statement, StorageError> {
    let record = SignedRecord::from_entry(&logged.entry).map_err(StorageError::damaged)?;
    Ok(record.statement().clone())
}

impl Training {
    fn of(record: u64, config: &TrainingConfig) -> Self {
        let hardware = config.hardware.as_ref().map(|it| {
            let count = it.count.map(|count| format!("{count} × "));
            let accelerator = it.accelerator.as_deref().unwrap_or("accelerators");
            format!("{}{accelerator}", count.unwrap_or_default())
        });
        let framework = config.framework.as_ref().map(|it| {
            let version = it.version.as_ref().map(|version| format!(" {version}"));
            format!("{}{}", it.name, version.unwrap_or_default())
        });
        let data = config.data.iter().map(|it| match it.tokens {
            Some(tokens) => format!("{}, {} tokens", it.name, shown::count(tokens)),
            None => it.name.clone(),
        });
        Self {
            record,
            framework,
            hardware,
            data: data.take(20).collect(),
            checkpoints: config.checkpoints.len(),
        }
    }
}

/// The digest of a release's manifest, and its files behind the first `before`.
pub(super) async fn files_of(
    log: &Log,
    weights: &Weights,
    before: usize,
    count: usize,
) -> Result<(Option<String>, Vec<ShownFile>), Problem> {
    let sha256 = weights.manifest.digest.sha256;
    let Some(bytes) = document(log, sha256).await? else {
        return Ok((None, Vec::new()));
    };
    let read = || Manifest::parse(&bytes).map_err(StorageError::damaged);
    let manifest = log.limits.compute(bytes.len(), read).await?;
    let files = manifest
        .files()
        .iter()
        .skip(before)
        .take(count)
        .map(ShownFile::of);
    Ok((Some(sha256.to_string()), files.collect()))
}

/// A document, if it is here.
async fn document(log: &Log, sha256: Sha256) -> Result<Option<Arc<[u8]>>, Problem> {
    let found = log.view(log.storage.attachment(sha256)).await?;
    Ok(found.map(|it| it.bytes.into()))
}

/// The card of a release, if it has one, as far as a page shows it.
pub(super) async fn card_of(log: &Log, release: &Release) -> Result<Option<Card>, Problem> {
    rendered(log, release, SHOWN_BYTES_MAX).await
}

async fn rendered(log: &Log, release: &Release, bytes_max: usize) -> Result<Option<Card>, Problem> {
    let Some(record) = release.card.record else {
        return Ok(None);
    };
    let index = LeafIndex::new(u64::try_from(record).unwrap_or_default());
    let Some(logged) = log.view(log.storage.record(index)).await? else {
        return Ok(None);
    };
    let Predicate::ModelCard(card) = statement(&logged)?.predicate else {
        return Ok(None);
    };
    let sha256 = card.document.digest.sha256;
    let Some(bytes) = document(log, sha256).await? else {
        return Ok(None);
    };
    let html = log
        .limits
        .compute(bytes.len(), || render(&bytes, bytes_max))
        .await;
    Ok(Some(Card {
        html: html.html,
        is_cut: html.is_cut,
        path: format!("/releases/{}/card", in_path(&release.name)),
        record,
        sha256: sha256.to_string(),
    }))
}

/// The lineage of a release as a drawing, if there is any.
pub(super) async fn draw_lineage(
    catalogue: &Catalogue,
    name: &str,
) -> Result<Option<String>, StorageError> {
    let limit = LineageLimit {
        depth: 6,
        releases: DRAWN,
    };
    let lineage = catalogue.lineage(name, Direction::Both, limit).await?;
    if lineage.edges.is_empty() {
        return Ok(None);
    }
    let nodes: Vec<GraphNode> = lineage
        .nodes
        .iter()
        .map(|node| GraphNode {
            name: node.name.clone(),
            note: node
                .release
                .as_ref()
                .and_then(|it| it.task.clone().or_else(|| it.licence.clone()))
                .unwrap_or_default(),
            path: node
                .release
                .as_ref()
                .map(|_| format!("/releases/{}", in_path(&node.name))),
            distance: node.distance,
            is_withdrawn: node
                .release
                .as_ref()
                .is_some_and(|it| it.fallen_by.is_some()),
        })
        .collect();
    let edges: Vec<GraphEdge> = lineage
        .edges
        .iter()
        .map(|edge| GraphEdge {
            child: edge.child.clone(),
            parent: edge.parent.clone(),
            relation: edge.relation.clone(),
            is_withdrawn: edge.withdrawn_by.is_some(),
        })
        .collect();
    Ok(Some(graph(&nodes, &edges)))
}

/// What was measured, with what several measured first, and of that what they differ in; then what others did alone, since
/// the publisher's own word is the least telling.
pub(super) fn most_telling(measurement: &Measurement) -> Vec<&Measured> {
    let mut measured: Vec<&Measured> = measurement.measured.iter().collect();
    measured.sort_by_key(|it| match it.agreement {
        Agreement::Differ => 0,
        Agreement::Unknown => 1,
        Agreement::Agree => 2,
        Agreement::Alone if it.values.iter().any(|value| value.by_others) => 3,
        Agreement::Alone => 4,
    });
    measured
}

/// What several measured, as plots; or the first of what one did.
fn plots_of(measurement: &Measurement) -> Plots {
    let panels: Vec<(String, Vec<Evaluation>)> = most_telling(measurement)
        .into_iter()
        .take(PLOTS)
        .map(|it| (format!("{}: {}", it.task, it.metric), it.values.clone()))
        .collect();
    draw_plots(&panels)
}

#[derive(Template)]
#[template(path = "card.html")]
struct CardPage {
    frame: Frame,
    release: ListedRelease,
    card: Card,
}

/// `GET /releases/{publisher}/{release}/card`
pub(super) async fn card(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
) -> Page {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let known = log.catalogue().await?.release(&name.to_string()).await?;
    let known = known.ok_or_else(|| not_here(&name))?;
    let card = rendered(&log, &known, usize::MAX).await?;
    let card =
        card.ok_or_else(|| missing(&format!("a card of {name}"), "it has no model-card record"))?;
    Ok(Html::of(&CardPage {
        frame: Frame::of(&log).await,
        release: ListedRelease::of(&known),
        card,
    }))
}
