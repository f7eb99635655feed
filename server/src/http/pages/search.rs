//! Search results.

use askama::Template;
use axum::extract::State;

use super::shown::ListedRelease;
use super::{Frame, Html, Page};
use crate::catalogue::questions::HitOf;
use crate::http::Shared;
use crate::http::answer::{QueryOf, cut_page};
use crate::http::digest::digits_of_none;
use crate::http::problem::Problem;
use crate::http::search::SearchParameters;

/// How many hits a page has.
const HITS: u32 = 20;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    asked: Asked,
    hits: Vec<Shown>,
    next: Option<String>,
    /// What is wrong with what was asked.
    problem: Option<String>,
    /// Why nothing was found, if what was pasted is a digest or nearly one.
    no_file: Option<String>,
    kinds: [&'static str; 7],
    /// The same question to the API.
    api: String,
}

/// What was asked, for the form.
#[derive(Default)]
struct Asked {
    kind: String,
    publisher: String,
    licence: String,
    tag: String,
    base: String,
    task: String,
    since: String,
    until: String,
    all: bool,
    /// Whether there is any filter to be shown.
    is_filtered: bool,
}

enum Shown {
    Publisher {
        name: String,
        display_name: String,
        looks_like: Option<String>,
        releases: i64,
    },
    Release(Box<ListedRelease>),
}

impl Asked {
    fn of(parameters: &SearchParameters) -> Self {
        // A form sends fields that nobody filled in as nothing.
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let mut asked = Self {
            kind: text(&parameters.kind),
            publisher: text(&parameters.publisher),
            licence: text(&parameters.licence),
            tag: text(&parameters.tag),
            base: text(&parameters.base),
            task: text(&parameters.task),
            since: text(&parameters.since),
            until: text(&parameters.until),
            all: parameters.newest == Some(false),
            is_filtered: false,
        };
        asked.is_filtered = asked.all
            || [
                &asked.kind,
                &asked.publisher,
                &asked.licence,
                &asked.tag,
                &asked.base,
                &asked.task,
                &asked.since,
                &asked.until,
            ]
            .iter()
            .any(|it| !it.is_empty());
        asked
    }
}

/// Leaves out what a form sends of fields that nobody filled in.
fn without_nothing(mut parameters: SearchParameters) -> SearchParameters {
    for it in [
        &mut parameters.q,
        &mut parameters.kind,
        &mut parameters.publisher,
        &mut parameters.licence,
        &mut parameters.tag,
        &mut parameters.base,
        &mut parameters.task,
        &mut parameters.since,
        &mut parameters.until,
        &mut parameters.digest,
        &mut parameters.after,
    ] {
        if it.as_deref().is_some_and(|text| text.trim().is_empty()) {
            *it = None;
        }
    }
    parameters
}

/// `GET /search`
pub(super) async fn search(
    State(log): Shared,
    QueryOf(parameters): QueryOf<SearchParameters>,
) -> Page {
    let mut parameters = without_nothing(parameters);
    parameters.limit.get_or_insert(HITS);
    let asked = Asked::of(&parameters);
    // One hit for each model, unless all releases are asked for; a file is in all that hold it.
    let is_digest = parameters.is_digest();
    if parameters.newest.is_none() && !is_digest {
        parameters.newest = Some(true);
    }
    let mut frame = Frame::of(&log).await;
    frame.question = parameters.q.clone().unwrap_or_default();
    let mut page = SearchPage {
        frame,
        asked,
        hits: Vec::new(),
        next: None,
        problem: None,
        no_file: None,
        kinds: candor_core::record::Kind::ALL.map(candor_core::record::Kind::name),
        api: crate::http::answer::next_page("/api/v1/search", &parameters.named()),
    };
    let (search, limit) = match parameters.search() {
        Ok(search) => search,
        Err(problem) => {
            page.problem = Some(problem.detail().to_owned());
            return Ok(Html::of(&page));
        }
    };
    let mut hits = log.catalogue().await?.search(&search).await?;
    let more = cut_page(&mut hits, limit);
    let last = hits.last().filter(|_| more).map(|hit| hit.place);
    page.next = last.map(|last| parameters.next("/search", limit, last));
    page.no_file = match digits_of_none(page.frame.question.trim()) {
        Some(digits) => Some(format!(
            "This has {digits} hexadecimal digits, and a SHA-256 has 64"
        )),
        None if is_digest => Some("No release here lists a file with this digest".to_owned()),
        None => None,
    };
    page.hits = hits.into_iter().map(|hit| shown(hit.of)).collect();
    Ok::<_, Problem>(Html::of(&page))
}

fn shown(hit: HitOf) -> Shown {
    match hit {
        HitOf::Publisher(seen) => Shown::Publisher {
            name: seen.publisher.name,
            display_name: seen.publisher.display_name,
            looks_like: seen.looks_like,
            releases: seen.publisher.releases,
        },
        HitOf::Release(release) => Shown::Release(Box::new(ListedRelease::of(&release))),
    }
}
