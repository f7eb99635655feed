//! Pages for people: the newest records, and one record.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

use super::Shared;
use super::answer::PathOf;
use super::problem::Problem;
use super::records::{RecordAnswer, find};
use crate::storage::{RecordFilter, RecordPage, RecordRow};

/// How many records the home page lists.
const RECORDS: u32 = 50;

/// Pages have one style sheet, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    origin: String,
    size: u64,
    root: String,
    key: String,
    records: Vec<RecordRow>,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    origin: String,
    row: RecordRow,
    signed_by: Vec<String>,
    statement: String,
    attachments: Vec<(String, String, u64)>,
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing {
    origin: String,
    id: String,
}

/// `GET /`
pub(super) async fn home(State(log): Shared) -> Result<Response, Problem> {
    let released = log.sequencer.released();
    let page = RecordPage::NewestBefore(released.head.size, RECORDS);
    let records = log
        .view(log.storage.records(&RecordFilter::default(), page))
        .await?;
    Ok(html(
        StatusCode::OK,
        &Home {
            origin: log.identity.origin.to_string(),
            size: released.head.size.get(),
            root: released.head.root.to_string(),
            key: log.identity.key.to_string(),
            records,
        },
    ))
}

/// `GET /records/{index}`
pub(super) async fn record(
    State(log): Shared,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    let origin = log.identity.origin.to_string();
    let logged = match find(&log, &id).await {
        Ok(Some(logged)) => logged,
        // A storage that does not answer says nothing about what is there.
        Err(problem) if problem.name().status() >= 500 => return Err(problem),
        Ok(None) | Err(_) => return Ok(html(StatusCode::NOT_FOUND, &Missing { origin, id })),
    };
    let row = logged.row.clone();
    let answer = RecordAnswer::of(logged)?;
    let (signed_by, statement, attachments) = answer.for_page();
    Ok(html(
        StatusCode::OK,
        &Record {
            origin,
            row,
            signed_by,
            statement,
            attachments,
        },
    ))
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let page = page.render().expect("the templates only show text");
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, Html(page)).into_response()
}

/// `GET /style.css`
pub(super) async fn style() -> Response {
    let content_type = HeaderValue::from_static("text/css; charset=utf-8");
    (
        [(header::CONTENT_TYPE, content_type)],
        include_str!("../../templates/style.css"),
    )
        .into_response()
}
