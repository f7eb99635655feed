//! Pages for people: the newest records and those before them, and one record.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use candor_core::merkle::TreeSize;
use candor_core::record::Kind;
use serde::Deserialize;

use super::Shared;
use super::answer::{PathOf, QueryOf, cut_page};
use super::problem::Problem;
use super::records::{RecordAnswer, accepted_at, find};
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
    /// Whether the list begins with the newest record.
    newest: bool,
    records: Vec<Listed>,
    /// Before which record the next page begins.
    older: Option<u64>,
}

/// A record as pages show it.
struct Listed {
    row: RecordRow,
    /// Where its subject is shown.
    subject_path: String,
    /// When the server took it, for people.
    accepted_at: Option<String>,
}

impl Listed {
    fn of(row: RecordRow) -> Self {
        let list = match row.kind {
            Kind::Publisher => "publishers",
            Kind::ModelCard
            | Kind::Weights
            | Kind::TrainingConfig
            | Kind::ApiVersion
            | Kind::Evaluation
            | Kind::Withdrawal => "releases",
        };
        let accepted_at = accepted_at(&row).map(|at| {
            let at = humantime::format_rfc3339_seconds(at).to_string();
            at.replace('T', " ").replace('Z', " UTC")
        });
        Self {
            // A plus sign means itself in a path, but some servers and proxies read it as a space.
            subject_path: format!("/api/v1/{list}/{}", row.subject.replace('+', "%2B")),
            accepted_at,
            row,
        }
    }
}

/// Which part of the list.
#[derive(Deserialize)]
pub(super) struct HomeParameters {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    origin: String,
    listed: Listed,
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
pub(super) async fn home(
    State(log): Shared,
    QueryOf(parameters): QueryOf<HomeParameters>,
) -> Result<Response, Problem> {
    let released = log.sequencer.newest().await;
    let size = released.head.size;
    let before = parameters
        .before
        .map_or(size, |it| size.min(TreeSize::new(it)));
    let page = RecordPage {
        before,
        limit: RECORDS + 1,
    };
    let mut rows = log
        .view(log.storage.records(&RecordFilter::default(), page))
        .await?;
    let more = cut_page(&mut rows, RECORDS);
    let older = rows.last().filter(|_| more).map(|last| last.index.get());
    Ok(html(
        StatusCode::OK,
        &Home {
            origin: log.identity.origin.to_string(),
            size: released.head.size.get(),
            root: released.head.root.to_string(),
            key: log.identity.key.to_string(),
            newest: before == size,
            records: rows.into_iter().map(Listed::of).collect(),
            older,
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
            listed: Listed::of(row),
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
