//! What was measured of a release: as its page shows it, and all of it.

use askama::Template;
use axum::extract::State;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Predicate, ReleaseName};
use serde::Deserialize;

use super::release::{most_telling, not_here, statement};
use super::shown::{ListedRelease, value};
use super::{Frame, Html, Page};
use crate::catalogue::questions::{Agreement, COMPARED_MAX, Failures, Measured};
use crate::http::answer::{PathOf, QueryOf, parse};
use crate::http::problem::Problem;
use crate::http::records::find;
use crate::http::{Log, Shared};

/// How many measured things the page of all of them has.
const MEASURED: usize = 150;

/// How many authors of the same thing are shown.
const AUTHORS: usize = 12;

/// How many who did not find what was claimed are shown on a release's page.
const NOTICES: usize = 3;

/// How many of them are shown on the page of all that was measured.
const ALL_NOTICES: usize = 200;

/// What was measured, in words.
pub(super) struct ShownMeasured {
    pub(super) task: String,
    pub(super) metric: String,
    pub(super) few_shot: Option<i64>,
    pub(super) agreement: &'static str,
    pub(super) agreement_words: &'static str,
    pub(super) values: Vec<ShownValue>,
    /// How many authors are not shown.
    pub(super) more: usize,
}

pub(super) struct ShownValue {
    pub(super) author: String,
    pub(super) by_others: bool,
    pub(super) value: String,
    pub(super) record: i64,
}

impl ShownMeasured {
    pub(super) fn of(measured: &Measured) -> Self {
        let values = measured.values.iter().take(AUTHORS).map(|it| ShownValue {
            author: it.author.clone(),
            by_others: it.by_others,
            value: value(it.value, it.standard_error),
            record: it.record,
        });
        Self {
            task: measured.task.clone(),
            metric: measured.metric.clone(),
            few_shot: measured.few_shot,
            agreement: measured.agreement.name(),
            agreement_words: match measured.agreement {
                Agreement::Alone => "one author: nothing to compare",
                Agreement::Agree => "they agree",
                Agreement::Differ => "they differ",
                Agreement::Unknown => "not the same, and not all say how sure they are",
            },
            values: values.collect(),
            more: measured.values.len().saturating_sub(AUTHORS),
        }
    }
}

/// Who did not find what was claimed, in words.
pub(super) struct Notices {
    pub(super) shown: Vec<Notice>,
    /// How many more there are: at least so many, if not all were counted.
    pub(super) more: usize,
    pub(super) is_more: bool,
}

pub(super) struct Notice {
    pub(super) author: String,
    pub(super) record: i64,
    /// What was tried, where that was looked up.
    pub(super) claim: Option<Claim>,
}

/// What somebody claimed.
pub(super) struct Claim {
    author: String,
    record: u64,
    is_withdrawn: bool,
}

impl Notices {
    /// Those that a release's page has, with what they are about.
    pub(super) async fn of(
        log: &Log,
        release: &ReleaseName,
        failures: &Failures,
    ) -> Result<Self, Problem> {
        let mut notices = Self::up_to(NOTICES, failures);
        for notice in &mut notices.shown {
            notice.claim = Claim::tried_in(log, notice.record, release).await?;
        }
        Ok(notices)
    }

    fn up_to(limit: usize, failures: &Failures) -> Self {
        let shown = failures.of_authors.iter().take(limit).map(|it| Notice {
            author: it.author.clone(),
            record: it.record,
            claim: None,
        });
        Self {
            shown: shown.collect(),
            more: failures.of_authors.len().saturating_sub(limit),
            is_more: failures.is_more,
        }
    }
}

impl Notice {
    /// ` what lab claimed in entry 7, which was withdrawn since`
    pub(super) fn claim_words(&self) -> String {
        let Some(claim) = &self.claim else {
            return "what was claimed".to_owned();
        };
        let Claim { author, record, .. } = claim;
        let withdrawn = if claim.is_withdrawn {
            ", and withdrew since"
        } else {
            ""
        };
        format!("what {author} claimed in entry {record}{withdrawn}")
    }
}

impl Claim {
    /// What the record at `record` answers, if that is about this release: a record may name any other.
    async fn tried_in(
        log: &Log,
        record: i64,
        release: &ReleaseName,
    ) -> Result<Option<Self>, Problem> {
        let index = LeafIndex::new(u64::try_from(record).unwrap_or_default());
        let Some(logged) = log.view(log.storage.record(index)).await? else {
            return Ok(None);
        };
        let Predicate::Evaluation(evaluation) = statement(&logged)?.predicate else {
            return Ok(None);
        };
        let Some(answers) = evaluation.answers else {
            return Ok(None);
        };
        let claim = find(log, &answers.to_string()).await?;
        let Some(claim) = claim else {
            return Ok(None);
        };
        let is_about_it = statement(&claim)?.release() == Some(release);
        Ok(is_about_it.then_some(claim).map(|it| Self {
            author: it.row.publisher.to_string(),
            record: it.row.index.get(),
            is_withdrawn: it.row.withdrawn_by.is_some(),
        }))
    }
}

/// Which part of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasuredParameters {
    /// How many come before it.
    after: Option<usize>,
}

#[derive(Template)]
#[template(path = "measured.html")]
struct MeasuredPage {
    frame: Frame,
    release: ListedRelease,
    notices: Notices,
    measured: Vec<ShownMeasured>,
    /// How many come before these.
    before: usize,
    total: usize,
    is_cut: bool,
    compared_max: u32,
    previous: Option<String>,
    next: Option<String>,
}

/// `GET /releases/{publisher}/{release}/evaluations`
pub(super) async fn evaluations(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<MeasuredParameters>,
) -> Page {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let text = name.to_string();
    let catalogue = log.catalogue().await?;
    let known = catalogue.release(&text).await?;
    let known = known.ok_or_else(|| not_here(&name))?;
    let measurement = catalogue.measurement(&text).await?;
    let failures = catalogue.failures(&text).await?;
    let total = measurement.measured.len();
    let before = parameters.after.unwrap_or_default().min(total);
    let listed = ListedRelease::of(&known);
    let page = |after: usize| format!("{}/evaluations?after={after}", listed.path);
    let measured = most_telling(&measurement).into_iter().skip(before);
    let measured: Vec<_> = measured.take(MEASURED).map(ShownMeasured::of).collect();
    let end = before + measured.len();
    Ok(Html::of(&MeasuredPage {
        frame: Frame::of(&log).await,
        notices: Notices::up_to(ALL_NOTICES, &failures),
        previous: (before > 0).then(|| page(before.saturating_sub(MEASURED))),
        next: (end < total).then(|| page(end)),
        release: listed,
        measured,
        before,
        total,
        is_cut: measurement.is_cut,
        compared_max: COMPARED_MAX,
    }))
}
