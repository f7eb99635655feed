//! Atom feeds (RFC 4287): what is new in the log, of a publisher and of a model.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;
use candor_core::merkle::TreeSize;
use candor_core::record::{ModelName, PublisherName};
use std::sync::Arc;

use super::answer::{PathOf, cached, etag_of, missing, parse};
use super::pages::kind_name;
use super::problem::Problem;
use super::{Log, Shared};
use crate::calendar::rfc3339_of_ms;
use crate::storage::{RecordFilter, RecordPage, RecordRow};

/// How many records a feed has.
const RECORDS: u32 = 50;

/// How many releases of a model are looked at.
const RELEASES: u32 = 20;

/// How many records of each of these.
const RECORDS_OF_RELEASE: u32 = 20;

pub(super) fn routes() -> Router<Arc<Log>> {
    Router::new()
        .route("/feed.atom", get(all))
        .route("/publishers/{name}/feed.atom", get(publisher))
        .route("/models/{publisher}/{model}/feed.atom", get(model))
}

/// `GET /feed.atom`
async fn all(State(log): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    let rows = newest(&log, RecordFilter::default(), RECORDS).await?;
    let title = format!("New records in {}", log.identity.origin);
    Ok(feed(&log, &headers, "", "/records", &title, &rows))
}

/// `GET /publishers/{name}/feed.atom`
async fn publisher(
    State(log): Shared,
    PathOf(name): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: PublisherName = parse("name", &name)?;
    let filter = RecordFilter {
        publisher: Some(name.clone()),
        ..RecordFilter::default()
    };
    let rows = newest(&log, filter, RECORDS).await?;
    if rows.is_empty() {
        return Err(missing(
            &format!("publisher {name}"),
            "list them at /publishers",
        ));
    }
    let (path, title) = (format!("/publishers/{name}"), format!("Signed by {name}"));
    Ok(feed(&log, &headers, &path, &path, &title, &rows))
}

/// `GET /models/{publisher}/{model}/feed.atom`
async fn model(
    State(log): Shared,
    PathOf((publisher, model)): PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ModelName = parse("model", &format!("{publisher}/{model}"))?;
    let catalogue = log.catalogue().await?;
    let releases = catalogue
        .releases_of(&name.to_string(), None, RELEASES)
        .await?;
    if releases.is_empty() {
        return Err(missing(&format!("model {name}"), "list them at /models"));
    }
    let mut rows = Vec::new();
    for release in releases {
        let filter = RecordFilter {
            subject: Some(release.name),
            ..RecordFilter::default()
        };
        rows.extend(newest(&log, filter, RECORDS_OF_RELEASE).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.index));
    rows.truncate(RECORDS as usize);
    let (path, title) = (format!("/models/{name}"), format!("About {name}"));
    Ok(feed(&log, &headers, &path, &path, &title, &rows))
}

async fn newest(log: &Log, filter: RecordFilter, limit: u32) -> Result<Vec<RecordRow>, Problem> {
    let before: TreeSize = log.sequencer.newest().await.head.size;
    log.view(log.storage.records(&filter, RecordPage { before, limit }))
        .await
}

/// Writes a feed. Its paths are relative, so they lead to wherever it was read.
fn feed(
    log: &Log,
    headers: &HeaderMap,
    at: &str,
    page: &str,
    title: &str,
    rows: &[RecordRow],
) -> Response {
    let origin = escape(&log.identity.origin.to_string());
    // RFC 4287 asks for a time; who does not know it has none after this.
    let updated = rows
        .iter()
        .filter_map(|row| row.accepted_ms)
        .max()
        .unwrap_or_default();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>urn:candor:feed:{origin}{at}</id>\n<title>{}</title>\n<updated>{}</updated>\n\
         <link rel=\"self\" href=\"{at}/feed.atom\"/>\n<link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n",
        escape(title),
        time(Some(updated)),
    );
    for row in rows {
        write_entry(&mut text, &origin, row);
    }
    text.push_str("</feed>\n");
    let content_type = HeaderValue::from_static("application/atom+xml; charset=utf-8");
    let etag = format!("W/{}", etag_of(text.as_bytes()));
    cached(headers, &etag, content_type, text.into_bytes())
}

fn write_entry(text: &mut String, origin: &str, row: &RecordRow) {
    let withdrawn = row
        .withdrawn_by
        .map(|by| format!(" (withdrawn by entry {by})"));
    let title = format!(
        "{} of {} by {}{}",
        kind_name(row.kind),
        row.subject,
        row.publisher,
        withdrawn.unwrap_or_default()
    );
    let (index, time) = (row.index, time(row.accepted_ms));
    write!(
        text,
        "<entry>\n<id>urn:candor:entry:{origin}/{index}</id>\n<title>{}</title>\n<updated>{time}</updated>\n\
         <author><name>{}</name></author>\n<link href=\"/records/{index}\"/>\n\
         <category term=\"{}\"/>\n<summary>Entry {index}. Statement digest {}.</summary>\n</entry>\n",
        escape(&title),
        row.publisher,
        row.kind,
        row.statement,
    )
    .expect("text takes what is written to it");
}

fn time(ms: Option<i64>) -> String {
    rfc3339_of_ms(ms.unwrap_or_default()).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// Names have none of these; titles say what they say.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
