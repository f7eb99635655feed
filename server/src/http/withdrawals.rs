//! `GET /api/v1/withdrawals`: what was taken back.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::record::kinds::Reason;
use candor_core::record::{PublisherName, ReleaseName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{Fields, QueryOf, cut_page, json_items, next_page, page_items, parse};
use super::problem::Problem;
use super::releases::number;
use crate::catalogue::questions::{Withdrawal, WithdrawalFilter};

/// Which withdrawals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WithdrawalParameters {
    /// Only by this author.
    author: Option<String>,
    /// Only about this release.
    release: Option<String>,
    /// Only for this reason: `security`, `legal`, `error`, `superseded`, `retired` or `other`.
    #[param(example = "security")]
    reason: Option<String>,
    /// Only those before this index.
    before: Option<u64>,
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only these fields of each item, with commas between.
    #[param(example = "release,reason")]
    fields: Option<String>,
}

/// A withdrawal.
#[derive(Serialize, ToSchema)]
struct WithdrawalItem {
    /// The record that it is.
    index: u64,
    author: String,
    /// The release that it is about.
    release: String,
    /// `release`: all that its publisher said of it; `record`: the one at `target`.
    scope: String,
    target: Option<u64>,
    reason: String,
    /// Why, in its author's words.
    explanation: String,
    /// What to use instead.
    replacement: Option<String>,
}

/// A page of withdrawals.
#[derive(Serialize, ToSchema)]
struct WithdrawalsAnswer {
    /// Newest first.
    withdrawals: Vec<WithdrawalItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

impl From<Withdrawal> for WithdrawalItem {
    fn from(it: Withdrawal) -> Self {
        Self {
            index: number(it.record),
            author: it.author,
            release: it.release,
            scope: it.scope,
            target: it.target.map(number),
            reason: it.reason,
            explanation: it.explanation,
            replacement: it.replacement,
        }
    }
}

impl WithdrawalParameters {
    fn filter(&self) -> Result<WithdrawalFilter, Problem> {
        let author = self.author.as_deref();
        let author = author
            .map(|it| parse::<PublisherName>("author", it))
            .transpose()?;
        let release = self.release.as_deref();
        let release = release
            .map(|it| parse::<ReleaseName>("release", it))
            .transpose()?;
        let reasons = Reason::ALL.map(Reason::name);
        if let Some(reason) = &self.reason
            && !reasons.contains(&reason.as_str())
        {
            let rule = format!("it is one of {}", reasons.join(", "));
            return Err(Problem::parameter("reason", &rule));
        }
        Ok(WithdrawalFilter {
            author: author.map(|it| it.to_string()),
            release: release.map(|it| it.to_string()),
            reason: self.reason.clone(),
        })
    }
}

/// Lists what was taken back, and why; newest first.
#[utoipa::path(
    get, path = "/api/v1/withdrawals", operation_id = "list_withdrawals", tag = "registry", params(WithdrawalParameters),
    responses((status = 200, description = "A page of withdrawals, newest first", body = WithdrawalsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<WithdrawalParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<WithdrawalItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let filter = parameters.filter()?;
    let before = parameters
        .before
        .map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let catalogue = log.catalogue().await?;
    let mut found = catalogue.withdrawals(&filter, before, limit + 1).await?;
    let more = cut_page(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| {
        let parameters = [
            ("author", parameters.author),
            ("before", Some(last.record.to_string())),
            ("fields", parameters.fields),
            ("limit", Some(limit.to_string())),
            ("reason", parameters.reason),
            ("release", parameters.release),
        ];
        next_page("/api/v1/withdrawals", &parameters)
    });
    let answer = WithdrawalsAnswer {
        withdrawals: found.into_iter().map(WithdrawalItem::from).collect(),
        next,
    };
    Ok(json_items(
        &headers,
        answer.next.as_deref(),
        &answer,
        "withdrawals",
        &fields,
    ))
}
