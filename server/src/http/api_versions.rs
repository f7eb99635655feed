//! `GET /api/v1/api-versions`: what was claimed to answer behind APIs.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::record::{ModelName, PublisherName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{Fields, QueryOf, cut_page, json_items, next_page, page_items, parse};
use super::problem::Problem;
use super::releases::number;
use crate::calendar::Day;
use crate::catalogue::questions::{ApiVersion, ApiVersionFilter, Until};

/// Which API versions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct ApiVersionParameters {
    /// Only this publisher's.
    publisher: Option<String>,
    /// Only versions of this API: their name before the `@`.
    #[param(example = "meta-ai/opt-125m-api")]
    model: Option<String>,
    /// Only those that clients name like this in their requests.
    model_id: Option<String>,
    /// Only those that releases of this model answer behind.
    #[param(example = "meta-ai/opt-125m")]
    behind: Option<String>,
    /// Only what was claimed to answer at some time of this day, in UTC.
    #[param(example = "2026-05-01")]
    at: Option<String>,
    /// `true`: those that were withdrawn too.
    withdrawn: Option<bool>,
    /// Only those behind the one whose record has this index.
    after: Option<u64>,
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only these fields of each item, with commas between.
    #[param(example = "name,behind,validFrom")]
    fields: Option<String>,
}

/// What a publisher says to answer behind an API.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiVersionItem {
    /// The record that says so.
    index: u64,
    #[schema(example = "meta-ai/opt-125m-api@2022-05-03")]
    name: String,
    model: String,
    publisher: String,
    /// Who runs the API.
    provider: String,
    endpoint: String,
    /// The model as clients name it.
    model_id: String,
    /// Whether that may be pointed at something else later.
    alias: Option<bool>,
    /// The release that answers; null where that is not disclosed.
    behind: Option<String>,
    valid_from: String,
    /// Until when; null while no end is known.
    valid_until: Option<String>,
    /// Where that end is from: `stated` in the record, `replaced` by the API version in `replacedBy`, or `open`.
    until: &'static str,
    replaced_by: Option<String>,
    /// The API version that it says to take the place of.
    replaces: Option<String>,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
}

/// A page of API versions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiVersionsAnswer {
    /// By when they begin.
    api_versions: Vec<ApiVersionItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

impl From<ApiVersion> for ApiVersionItem {
    fn from(it: ApiVersion) -> Self {
        let (until, replaced_by) = match it.until {
            Until::Stated => ("stated", None),
            Until::Replaced(by) => ("replaced", Some(by)),
            Until::Open => ("open", None),
        };
        Self {
            index: number(it.record),
            name: it.name,
            model: it.model,
            publisher: it.publisher,
            provider: it.provider,
            endpoint: it.endpoint,
            model_id: it.model_id,
            alias: it.is_alias,
            behind: it.behind,
            valid_from: it.valid_from,
            valid_until: it.valid_until,
            until,
            replaced_by,
            replaces: it.replaces,
            withdrawn_by: it.withdrawn_by.map(number),
        }
    }
}

impl ApiVersionParameters {
    fn filter(&self) -> Result<ApiVersionFilter, Problem> {
        let publisher = self.publisher.as_deref();
        let publisher = publisher
            .map(|it| parse::<PublisherName>("publisher", it))
            .transpose()?;
        let model = |name: &str, model: &Option<String>| -> Result<Option<String>, Problem> {
            let model = model.as_deref().map(|it| parse::<ModelName>(name, it));
            Ok(model.transpose()?.map(|it| it.to_string()))
        };
        Ok(ApiVersionFilter {
            publisher: publisher.map(|it| it.to_string()),
            model: model("model", &self.model)?,
            model_id: self.model_id.clone(),
            behind_model: model("behind", &self.behind)?,
            at: self
                .at
                .as_deref()
                .map(|it| parse::<Day>("at", it))
                .transpose()?,
            with_withdrawn: self.withdrawn.unwrap_or_default(),
        })
    }
}

/// Lists what was claimed to answer behind APIs, and when: a timeline, or what was claimed for one day.
#[utoipa::path(
    get, path = "/api/v1/api-versions", operation_id = "list_api_versions", tag = "registry", params(ApiVersionParameters),
    responses((status = 200, description = "A page of API versions, by when they begin", body = ApiVersionsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ApiVersionParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<ApiVersionItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let filter = parameters.filter()?;
    let after = parameters.after.map(i64::try_from).transpose();
    let after = after.map_err(|_| Problem::parameter("after", "there is no such record"))?;
    let catalogue = log.catalogue().await?;
    let mut found = catalogue.api_versions(&filter, after, limit + 1).await?;
    let more = cut_page(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| {
        let parameters = [
            ("after", Some(last.record.to_string())),
            ("at", parameters.at),
            ("behind", parameters.behind),
            ("fields", parameters.fields),
            ("limit", Some(limit.to_string())),
            ("model", parameters.model),
            ("modelId", parameters.model_id),
            ("publisher", parameters.publisher),
            ("withdrawn", parameters.withdrawn.map(|it| it.to_string())),
        ];
        next_page("/api/v1/api-versions", &parameters)
    });
    let answer = ApiVersionsAnswer {
        api_versions: found.into_iter().map(ApiVersionItem::from).collect(),
        next,
    };
    Ok(json_items(
        &headers,
        answer.next.as_deref(),
        &answer,
        "apiVersions",
        &fields,
    ))
}
