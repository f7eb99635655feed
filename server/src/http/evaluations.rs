//! `/api/v1/evaluations`: what was measured.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::record::kinds::Outcome;
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{
    Fields, PathOf, QueryOf, cut_page, json, json_items, missing, next_page, page_items, parse,
};
use super::problem::Problem;
use super::releases::number;
use crate::calendar::rfc3339_of_ms;
use crate::catalogue::questions::{Evaluation, EvaluationFilter, EvaluationPlace, Measured};

/// Which numbers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct EvaluationParameters {
    /// Only on this task, by the harness's name.
    #[param(example = "lambada_openai")]
    task: Option<String>,
    /// Only by this metric, by the harness's name.
    #[param(example = "acc")]
    metric: Option<String>,
    /// Only of this release.
    release: Option<String>,
    /// Only of releases of this model.
    model: Option<String>,
    /// Only by this author.
    author: Option<String>,
    /// `true`: only by others than the release's publisher; `false`: only by that one.
    by_others: Option<bool>,
    /// Only with this outcome, of a release that is named too: `reported`, `reproduced` or `failed-to-reproduce`.
    #[param(example = "failed-to-reproduce")]
    outcome: Option<String>,
    /// `true`: those that were withdrawn too.
    withdrawn: Option<bool>,
    /// From where the page before ended.
    after: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only these fields of each item, with commas between.
    #[param(example = "release,value,standardError")]
    fields: Option<String>,
}

/// A number, and what it is of.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvaluationItem {
    /// The record that it is in.
    index: u64,
    #[schema(example = "meta-ai/opt-66b@1.0.0")]
    release: String,
    model: String,
    /// Who measured.
    author: String,
    /// Whether that is somebody else than the release's publisher.
    by_others: bool,
    task: String,
    metric: String,
    value: f64,
    standard_error: Option<f64>,
    samples: Option<u64>,
    few_shot: Option<u64>,
    harness: String,
    harness_version: Option<String>,
    /// What the record says of an earlier claim: `reported` (nothing), `reproduced` or `failed-to-reproduce`.
    outcome: String,
    /// When it ran, as its author says.
    date: Option<String>,
    /// When the server took the record, by its own clock.
    accepted_at: Option<String>,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
}

/// A page of numbers.
#[derive(Serialize, ToSchema)]
struct EvaluationsAnswer {
    /// In the order of the log, and of each record.
    evaluations: Vec<EvaluationItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

impl From<Evaluation> for EvaluationItem {
    fn from(it: Evaluation) -> Self {
        Self {
            index: number(it.record),
            release: it.release,
            model: it.model,
            author: it.author,
            by_others: it.by_others,
            task: it.task,
            metric: it.metric,
            value: it.value,
            standard_error: it.standard_error,
            samples: it.samples.map(number),
            few_shot: it.few_shot.map(number),
            harness: it.harness,
            harness_version: it.harness_version,
            outcome: it.outcome,
            date: it.date,
            accepted_at: it.accepted_ms.and_then(rfc3339_of_ms),
            withdrawn_by: it.withdrawn_by.map(number),
        }
    }
}

impl EvaluationParameters {
    fn filter(&self) -> Result<EvaluationFilter, Problem> {
        // Names are checked, so that a typing error is not an empty list.
        let release = self.release.as_deref();
        let release = release
            .map(|it| parse::<ReleaseName>("release", it))
            .transpose()?;
        let model = self.model.as_deref();
        let model = model
            .map(|it| parse::<ModelName>("model", it))
            .transpose()?;
        let author = self.author.as_deref();
        let author = author
            .map(|it| parse::<PublisherName>("author", it))
            .transpose()?;
        if self.outcome.is_some() && release.is_none() {
            return Err(Problem::parameter("outcome", "name a release too"));
        }
        Ok(EvaluationFilter {
            release: release.map(|it| it.to_string()),
            model: model.map(|it| it.to_string()),
            task: self.task.clone(),
            metric: self.metric.clone(),
            author: author.map(|it| it.to_string()),
            by_others: self.by_others,
            outcome: self.outcome.as_deref().map(outcome).transpose()?,
            with_withdrawn: self.withdrawn.unwrap_or_default(),
        })
    }
}

/// The outcome with this name.
fn outcome(name: &str) -> Result<Outcome, Problem> {
    use Outcome::{FailedToReproduce, Reported, Reproduced};
    let all = [Reported, Reproduced, FailedToReproduce];
    let rule = "write reported, reproduced or failed-to-reproduce";
    let found = all.into_iter().find(|it| it.name() == name);
    found.ok_or_else(|| Problem::parameter("outcome", rule))
}

/// Lists what was measured, oldest first: with a model, a task and a metric, a time series.
#[utoipa::path(
    get, path = "/api/v1/evaluations", operation_id = "list_evaluations", tag = "evaluations", params(EvaluationParameters),
    responses((status = 200, description = "A page of values", body = EvaluationsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<EvaluationParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<EvaluationItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let filter = parameters.filter()?;
    let after = parameters.after.as_deref();
    let after = after
        .map(|it| parse::<EvaluationPlace>("after", it))
        .transpose()?;
    let catalogue = log.catalogue().await?;
    let mut found = catalogue.evaluations(&filter, after, limit + 1).await?;
    let more = cut_page(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| {
        let (record, n) = (last.record, last.n);
        let parameters = [
            ("after", Some(EvaluationPlace { record, n }.to_cursor())),
            ("author", parameters.author),
            ("byOthers", parameters.by_others.map(|it| it.to_string())),
            ("fields", parameters.fields),
            ("limit", Some(limit.to_string())),
            ("metric", parameters.metric),
            ("model", parameters.model),
            ("outcome", parameters.outcome),
            ("release", parameters.release),
            ("task", parameters.task),
            ("withdrawn", parameters.withdrawn.map(|it| it.to_string())),
        ];
        next_page("/api/v1/evaluations", &parameters)
    });
    let answer = EvaluationsAnswer {
        evaluations: found.into_iter().map(EvaluationItem::from).collect(),
        next,
    };
    Ok(json_items(
        &headers,
        answer.next.as_deref(),
        &answer,
        "evaluations",
        &fields,
    ))
}

/// Who did not find what was claimed.
#[derive(Serialize, ToSchema)]
struct NotReproduced {
    author: String,
    /// The newest record of theirs that says so and was not withdrawn.
    index: u64,
}

/// What was measured of a release, by whom, and whether they agree.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ComparisonAnswer {
    release: String,
    /// By task, metric and number of examples in the prompt.
    measured: Vec<MeasuredAnswer>,
    /// Whether there is more than was compared: the newest 10,000 values of its publisher, and as many of others.
    truncated: bool,
    /// Who says that they tried what was claimed and did not find it, whatever else was measured; those who said so first
    /// first. Of more than a thousand, the first thousand by name.
    not_reproduced: Vec<NotReproduced>,
    /// Whether there are more of them.
    more_not_reproduced: bool,
}

/// The same thing, measured by several.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MeasuredAnswer {
    task: String,
    metric: String,
    few_shot: Option<u64>,
    /// `alone`: one author. `agree`: all pairs are within 1.96 standard errors of their difference of each other.
    /// `differ`: some are further apart. `unknown`: they are not the same, and not all say how sure they are.
    agreement: &'static str,
    /// The newest value of each author that was not withdrawn, the publisher's own first.
    values: Vec<EvaluationItem>,
}

impl From<Measured> for MeasuredAnswer {
    fn from(it: Measured) -> Self {
        Self {
            task: it.task,
            metric: it.metric,
            few_shot: it.few_shot.map(number),
            agreement: it.agreement.name(),
            values: it.values.into_iter().map(EvaluationItem::from).collect(),
        }
    }
}

/// Puts together what was measured of a release, by what was measured, and says whether its authors agree.
#[utoipa::path(
    get, path = "/api/v1/releases/{publisher}/{release}/evaluations", operation_id = "compare_evaluations", tag = "evaluations",
    params(("publisher" = String, Path, example = "meta-ai"), ("release" = String, Path, example = "opt-66b@1.0.0")),
    responses(
        (status = 200, description = "What was measured", body = ComparisonAnswer),
        (status = 404, description = "No such release", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn compare(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let catalogue = log.catalogue().await?;
    if catalogue.release(&name.to_string()).await?.is_none() {
        let hint = format!("list the releases at /api/v1/models/{}", name.model());
        return Err(missing(&format!("release {name}"), &hint));
    }
    let found = catalogue.measurement(&name.to_string()).await?;
    let failures = catalogue.failures(&name.to_string()).await?;
    let answer = ComparisonAnswer {
        release: name.to_string(),
        measured: found
            .measured
            .into_iter()
            .map(MeasuredAnswer::from)
            .collect(),
        truncated: found.is_cut,
        more_not_reproduced: failures.is_more,
        not_reproduced: failures
            .of_authors
            .into_iter()
            .map(|it| NotReproduced {
                author: it.author,
                index: number(it.record),
            })
            .collect(),
    };
    Ok(json(&headers, &answer))
}
