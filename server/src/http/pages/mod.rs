//! Pages for people, which ask what the JSON API asks, and show nothing that it has not.
//!
//! ```text
//! request ──► one file per page: ask ──► a view with everything in words ──► its template ──► HTML
//!                                                                                 │
//!                                  the reader's browser: /js/page.js proves what the page says
//! ```
//!
//! Always: what publishers say goes through templates, which escape it, through [`crate::drawing`], which does too, or
//! through [`crate::markdown`], which leaves nothing in it that runs or loads. Nothing on a page is from elsewhere, and
//! the policy that comes with it says so to the browser. A page works without scripts; what proves it needs one.

mod api_docs;
mod cache;
mod compare;
mod files;
mod home;
mod lists;
mod measured;
mod model;
mod publisher;
mod record;
mod release;
mod said;
mod search;
mod shown;
mod static_files;
mod status;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use http_body_util::{BodyExt as _, Collected};
use tower_http::compression::CompressionLayer;

use super::answer::etag_value;
use super::problem::{Name, Problem};
use super::{Log, Shared};
use crate::releases::Released;
pub(super) use shown::kind_name;

/// The style sheet, which stands in each page: the first request shows all of it.
const STYLE: &str = include_str!("../../../templates/style.css");

/// What a page may do: run the scripts of this log, ask this log, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::of(STYLE).as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
         img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("it is ASCII")
});

/// Pages that were made before.
pub struct Pages(cache::Pages);

impl Default for Pages {
    fn default() -> Self {
        Self(cache::Pages::new())
    }
}

/// What every page has around what it shows.
struct Frame {
    /// Which log this is.
    origin: String,
    /// Its verifier key.
    key: String,
    /// How many entries it has.
    size: u64,
    style: &'static str,
    /// The feed of what is shown, if there is one.
    feed: Option<String>,
    /// What is searched for.
    question: String,
    /// Whether the log was made to show what a log is.
    is_demonstration: bool,
}

impl Frame {
    /// The log's newest tree is the one that a page is kept for ([`cache::Key`]), so a page says its size too.
    async fn of(log: &Log) -> Self {
        Self::at(log, &*log.sequencer.newest().await)
    }

    /// With the size of this tree.
    fn at(log: &Log, released: &Released) -> Self {
        Self {
            origin: log.identity.origin.to_string(),
            key: log.identity.key.to_string(),
            size: released.head.size.get(),
            style: STYLE,
            feed: None,
            question: String::new(),
            is_demonstration: log.is_demonstration,
        }
    }

    fn with_feed(self, feed: impl Into<String>) -> Self {
        Self {
            feed: Some(feed.into()),
            ..self
        }
    }
}

/// What a page is answered with.
type Page = Result<Html, Problem>;

/// A page, before anybody asked whether its reader has it.
struct Html {
    status: StatusCode,
    text: Bytes,
    etag: String,
}

impl Html {
    fn of(page: &impl Template) -> Self {
        Self::with(StatusCode::OK, page)
    }

    fn with(status: StatusCode, page: &impl Template) -> Self {
        let text = page.render().expect("the templates only show text");
        let digest = Sha256::of(&text).to_string();
        Self {
            status,
            etag: format!("W/\"{}\"", &digest[..32]),
            text: text.into(),
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    status: u16,
    title: String,
    detail: String,
    hint: String,
    /// What to search for instead.
    search: Option<String>,
}

/// The routes of all pages, below `/`.
pub(super) fn routes(log: Arc<Log>) -> Router<Arc<Log>> {
    let pages = Router::new()
        .route("/", get(home::home))
        .route("/search", get(search::search))
        .route("/publishers", get(lists::publishers))
        .route("/publishers/{name}", get(publisher::publisher))
        .route("/models", get(lists::models))
        .route("/models/{publisher}/{model}", get(model::model))
        .route("/releases/{publisher}/{release}", get(release::release))
        .route("/releases/{publisher}/{release}/files", get(files::files))
        .route(
            "/releases/{publisher}/{release}/evaluations",
            get(measured::evaluations),
        )
        .route("/releases/{publisher}/{release}/card", get(release::card))
        .route("/records", get(lists::records))
        .route("/records/{id}", get(record::record))
        .route("/withdrawals", get(lists::withdrawals))
        .route("/compare", get(compare::compare))
        .route("/status", get(status::status))
        .route("/docs/api", get(api_docs::api_docs));
    pages
        .layer(middleware::from_fn_with_state(Arc::clone(&log), made))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(log, kept))
        .merge(static_files::routes())
}

/// Around every page as it is sent: what was sent before and is the same still is sent again, and not to who has it.
async fn kept(State(log): Shared, request: Request, next: Next) -> Response {
    let key = cache::Key::of(&log, request.method(), request.uri(), request.headers()).await;
    if let Some(page) = key.as_ref().and_then(|key| log.pages.0.find(key)) {
        return page.answer(request.headers());
    }
    let headers = request.headers().clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(Collected::to_bytes) else {
        unreachable!("a page is in memory, and so is what it is compressed to");
    };
    let page = Arc::new(cache::Sent {
        headers: parts.headers,
        body,
    });
    if let Some(key) = key {
        log.pages.0.keep(key, &page);
    }
    page.answer(&headers)
}

/// Around every page as it is made: problems become pages too.
async fn made(State(log): Shared, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(html) = response.extensions_mut().remove::<Arc<Html>>() {
        return whole(&html);
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem_page(&log, &problem, response.headers()),
        None => response,
    }
}

impl axum::response::IntoResponse for Html {
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// A page with its headers, whoever has it already.
fn whole(html: &Html) -> Response {
    let headers = [
        (header::ETAG, etag_value(&html.etag)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let content_type = [(header::CONTENT_TYPE, content_type)];
    (html.status, headers, content_type, html.text.clone()).into_response()
}

/// A problem, as people read it, with the headers that programs are told with.
fn problem_page(log: &Log, problem: &Problem, headers: &HeaderMap) -> Response {
    problem_page_with(log, problem, headers, None)
}

fn problem_page_with(
    log: &Log,
    problem: &Problem,
    headers: &HeaderMap,
    search: Option<String>,
) -> Response {
    let status = problem.name().status();
    let status = StatusCode::from_u16(status).expect("names have HTTP statuses only");
    let html = Html::with(
        status,
        &ProblemPage {
            // What is known at once: the storage may be what does not answer.
            frame: Frame::at(log, &log.sequencer.released()),
            status: status.as_u16(),
            title: problem.name().title().to_owned(),
            detail: problem.detail().to_owned(),
            hint: problem.hint_text().to_owned(),
            search,
        },
    );
    let mut response = whole(&html);
    response.extensions_mut().insert(problem.name());
    for name in [header::RETRY_AFTER, header::CONNECTION] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// For paths that lead nowhere: people who guessed an address are led to what they meant, programs get a problem.
pub(super) async fn not_found(State(log): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let mut response = nowhere(&log, uri, &headers).await;
    // Whoever keeps the answer keeps it for those alone who take the same.
    let vary = match response.headers().get(header::VARY) {
        Some(_) => "accept-encoding, accept",
        None => "accept",
    };
    let vary = HeaderValue::from_static(vary);
    response.headers_mut().insert(header::VARY, vary);
    response
}

async fn nowhere(log: &Log, uri: Uri, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    let is_for_people =
        accepts.is_some_and(|it| it.contains("text/html")) && !uri.path().starts_with("/api/");
    if !is_for_people {
        return super::problem::not_found(uri).await.into_response();
    }
    let path: String = uri.path().chars().take(200).collect();
    let mut search = None;
    let mut detail = format!("there is nothing at {path}");
    if let Some(leads) = guessed(uri.path()) {
        match leads.strip_prefix("/publishers/") {
            // Most words are names that a publisher could have.
            Some(name) if !is_publisher(log, name).await => {
                detail = format!("there is no page {path} here, and no publisher {name}");
                search = Some(name.to_owned());
            }
            _ => return lead_to(&leads),
        }
    }
    let problem = Problem::new(Name::NotFound, detail)
        .hint("search for a model, a publisher or the digest of a file");
    problem_page_with(log, &problem, &HeaderMap::new(), search)
}

/// Whether somebody registered this name. Where nobody can tell, its page says why.
async fn is_publisher(log: &Log, name: &str) -> bool {
    let Ok(catalogue) = log.catalogue().await else {
        return true;
    };
    !matches!(catalogue.publisher(name).await, Ok(None))
}

/// Leads a reader to `path`, which is made of names, slashes and what is escaped.
fn lead_to(path: &str) -> Response {
    let location = HeaderValue::from_str(path).expect("names and slashes");
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// Where an address without `/models` and the like before it should lead: `/meta-ai/opt-66b`.
fn guessed(path: &str) -> Option<String> {
    use candor_core::record::{ModelName, PublisherName, ReleaseName};
    let name = path.strip_prefix('/')?.trim_end_matches('/');
    if let Ok(release) = name.parse::<ReleaseName>() {
        return Some(format!(
            "/releases/{}",
            shown::in_path(&release.to_string())
        ));
    }
    if name.parse::<ModelName>().is_ok() {
        return Some(format!("/models/{name}"));
    }
    name.parse::<PublisherName>()
        .is_ok()
        .then(|| format!("/publishers/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_alone_lead_to_what_they_name() {
        for (path, leads) in [
            ("/meta-ai", Some("/publishers/meta-ai")),
            ("/meta-ai/", Some("/publishers/meta-ai")),
            ("/meta-ai/opt-66b", Some("/models/meta-ai/opt-66b")),
            (
                "/meta-ai/opt-66b@1+r1",
                Some("/releases/meta-ai/opt-66b@1%2Br1"),
            ),
            ("/", None),
            ("//evil.example", None),
            ("/a/b/c", None),
            ("/Meta", None),
            ("/.env", None),
        ] {
            assert_eq!(guessed(path).as_deref(), leads, "{path}");
        }
    }
}
