//! `GET /api/v1/search`: find publishers and releases.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::record::{Kind, PublisherName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{Fields, QueryOf, cut_page, json_items, next_page, page_items, parse};
use super::digest::Digest;
use super::problem::Problem;
use super::releases::ReleaseFacts;
use crate::calendar::Day;
use crate::catalogue::questions::{Hit, HitOf, HitPlace, Search};
use crate::catalogue::terms::{Filter, Question};

/// How long a question may be, in bytes.
const QUESTION_BYTES_MAX: usize = 1_000;

/// What is searched for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParameters {
    /// Words, all of which are found; the last one may be the beginning of a word. A digest of a file finds the
    /// releases that list it.
    #[param(example = "opt 66b")]
    pub(super) q: Option<String>,
    /// Only what has a record of this kind.
    #[param(example = "weights")]
    pub(super) kind: Option<String>,
    /// Only this publisher's.
    pub(super) publisher: Option<String>,
    /// Only under this licence.
    #[param(example = "apache-2.0")]
    pub(super) licence: Option<String>,
    /// Only with this tag.
    pub(super) tag: Option<String>,
    /// Only what is made from this model or release.
    #[param(example = "meta-ai/opt-125m")]
    pub(super) base: Option<String>,
    /// Only what is made for this task, or was evaluated on it.
    #[param(example = "text-generation")]
    pub(super) task: Option<String>,
    /// Only what was first logged on this day or later.
    #[param(example = "2026-05-01")]
    pub(super) since: Option<String>,
    /// Only what was first logged on this day or before.
    pub(super) until: Option<String>,
    /// Only releases that list a file with this digest, in hexadecimal.
    pub(super) digest: Option<String>,
    /// Only the newest release of each model.
    pub(super) newest: Option<bool>,
    /// From where the page before ended.
    pub(super) after: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(super) limit: Option<u32>,
    /// Only these fields of each item, with commas between.
    #[param(example = "name,release")]
    pub(super) fields: Option<String>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
struct SearchAnswer {
    /// Those whose names have the words come first, then those that say so of themselves (licence, tags, task, data
    /// sets), then those whose text does; newest first among each.
    hits: Vec<HitItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// A publisher or a release.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HitItem {
    /// `publisher` or `release`.
    r#type: &'static str,
    /// Its name.
    #[schema(example = "meta-ai/opt-125m@1.0.0")]
    name: String,
    /// The first record about it.
    first_index: u64,
    /// Where the words were found: in its `name`, among its `facts`, or in its `text`.
    found: &'static str,
    /// What people call a publisher.
    display_name: Option<String>,
    /// The publisher that a publisher's names could be taken for, and that had such a name before it.
    looks_like: Option<String>,
    /// What is known of a release.
    release: Option<ReleaseFacts>,
}

impl HitItem {
    fn of(hit: Hit) -> Self {
        let found = found_name(hit.place);
        let first_index = u64::try_from(hit.place.id).unwrap_or_default();
        match hit.of {
            HitOf::Publisher(seen) => Self {
                r#type: "publisher",
                name: seen.publisher.name,
                first_index,
                found,
                display_name: Some(seen.publisher.display_name),
                looks_like: seen.looks_like,
                release: None,
            },
            HitOf::Release(release) => Self {
                r#type: "release",
                name: release.name.clone(),
                first_index,
                found,
                display_name: None,
                looks_like: None,
                release: Some(ReleaseFacts::of(&release)),
            },
        }
    }
}

fn found_name(place: HitPlace) -> &'static str {
    use crate::catalogue::terms::Place;
    match place.place {
        Place::Name => "name",
        Place::Fact => "facts",
        Place::Text => "text",
    }
}

impl SearchParameters {
    /// Whether it asks for a file.
    pub(super) fn is_digest(&self) -> bool {
        let pasted = self
            .q
            .as_deref()
            .is_some_and(|q| q.trim().parse::<Digest>().is_ok());
        self.digest.is_some() || pasted
    }

    /// What is asked, with one hit more than is shown.
    pub(super) fn search(&self) -> Result<(Search, u32), Problem> {
        let limit = page_items(self.limit)?;
        let words = self.q.as_deref().unwrap_or_default().trim();
        if words.len() > QUESTION_BYTES_MAX {
            let rule = format!(
                "it has {} bytes, and may have {QUESTION_BYTES_MAX}",
                words.len()
            );
            return Err(Problem::parameter("q", &rule));
        }
        let pasted: Option<Digest> = words.parse().ok();
        let digest = match &self.digest {
            Some(digest) => Some(parse::<Digest>("digest", digest)?),
            None => pasted.clone(),
        };
        let words = if pasted.is_some() { "" } else { words };
        let question = self.filter(Question::of(words))?;
        let after = self
            .after
            .as_deref()
            .map(|after| parse::<HitPlace>("after", after));
        let search = Search {
            question,
            digest: digest.map(Digest::into_bytes),
            after: after.transpose()?,
            limit: limit + 1,
        };
        Ok((search, limit))
    }

    fn filter(&self, mut question: Question) -> Result<Question, Problem> {
        if let Some(kind) = &self.kind {
            question = question.and(&Filter::Kind(parse::<Kind>("kind", kind)?));
        }
        if let Some(publisher) = &self.publisher {
            let publisher: PublisherName = parse("publisher", publisher)?;
            question = question.and(&Filter::Publisher(publisher.to_string()));
        }
        for (name, value, filter) in [
            (
                "licence",
                &self.licence,
                Filter::Licence as fn(String) -> Filter,
            ),
            ("tag", &self.tag, Filter::Tag),
            ("base", &self.base, Filter::Base),
            ("task", &self.task, Filter::Task),
        ] {
            if let Some(value) = value {
                if value.is_empty() || value.len() > QUESTION_BYTES_MAX {
                    let rule = format!(
                        "it has {} bytes, and may have 1 to {QUESTION_BYTES_MAX}",
                        value.len()
                    );
                    return Err(Problem::parameter(name, &rule));
                }
                question = question.and(&filter(value.clone()));
            }
        }
        if self.newest == Some(true) {
            question = question.and(&Filter::Newest);
        }
        let day = |name: &str, day: &Option<String>| -> Result<Option<Day>, Problem> {
            day.as_deref().map(|day| parse(name, day)).transpose()
        };
        let (since, until) = (day("since", &self.since)?, day("until", &self.until)?);
        if since.is_none() && until.is_none() {
            return Ok(question);
        }
        let days = Filter::days(since, until);
        if days.is_empty() {
            return Err(Problem::parameter("until", "it is before since"));
        }
        Ok(question.and_any(&days))
    }

    /// The address of the page behind `last`, below `path`.
    pub(super) fn next(&self, path: &str, limit: u32, last: HitPlace) -> String {
        let mut parameters = self.named();
        parameters.push(("after", Some(last.to_cursor())));
        parameters.push(("fields", self.fields.clone()));
        parameters.push(("limit", Some(limit.to_string())));
        next_page(path, &parameters)
    }

    /// What is asked, by its names.
    pub(super) fn named(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("q", self.q.clone()),
            ("kind", self.kind.clone()),
            ("publisher", self.publisher.clone()),
            ("licence", self.licence.clone()),
            ("tag", self.tag.clone()),
            ("base", self.base.clone()),
            ("task", self.task.clone()),
            ("since", self.since.clone()),
            ("until", self.until.clone()),
            ("digest", self.digest.clone()),
            ("newest", self.newest.map(|newest| newest.to_string())),
        ]
    }
}

/// Finds publishers and releases by words, filters and the digests of files. Nothing asked for lists all, newest first.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search", tag = "search", params(SearchParameters),
    responses((status = 200, description = "A page of what was found", body = SearchAnswer))
)]
pub(super) async fn search(
    State(log): Shared,
    QueryOf(parameters): QueryOf<SearchParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<HitItem>(parameters.fields.as_deref())?;
    let (search, limit) = parameters.search()?;
    let mut hits = log.catalogue().await?.search(&search).await?;
    let more = cut_page(&mut hits, limit);
    let last = hits.last().filter(|_| more).map(|hit| hit.place);
    let answer = SearchAnswer {
        hits: hits.into_iter().map(HitItem::of).collect(),
        next: last.map(|last| parameters.next("/api/v1/search", limit, last)),
    };
    Ok(json_items(
        &headers,
        answer.next.as_deref(),
        &answer,
        "hits",
        &fields,
    ))
}
