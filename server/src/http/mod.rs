//! HTTP: from requests to the log, and back. Handlers parse, call, map and answer; nothing is decided here.
//!
//! ```text
//! /checkpoint, /tile/…      static_log     C2SP tlog-tiles, immutable but for the checkpoint
//! /api/v1/…                 one file per resource, one JSON answer each, problems as RFC 9457
//! /                         pages          for people
//! /badges/…                 badges         images that say what is listed
//! /healthz /readyz /metrics operations     for operators, here or behind a door of their own
//! ```

mod answer;
mod api_versions;
mod asker;
mod attachments;
mod badges;
mod body;
mod cross_origin;
mod digest;
mod evaluations;
mod events;
mod feeds;
mod files;
mod lineage;
mod log;
mod models;
mod openapi;
mod operations;
mod outgoing;
mod pages;
mod problem;
mod proofs;
mod publish;
mod publishers;
mod records;
mod releases;
mod search;
mod static_log;
mod statistics;
mod withdrawals;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing};
use candor_core::merkle::LeafIndex;
use opentelemetry::global;
use opentelemetry_http::HeaderExtractor;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::{Instrument as _, Span, debug, error_span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::accept::Registration;
use crate::catalogue::{self, Catalogue};
use crate::limits::Limits;
use crate::metrics::{Metrics, Status};
use crate::rates::Rates;
use crate::recent::Recent;
use crate::sequencer::Sequencer;
use crate::static_part::Health;
use crate::storage::{LogIdentity, Storage, StorageError};

use asker::Asker;
pub(crate) use asker::Peer;
pub use events::Events;
pub use openapi::openapi;
pub(crate) use outgoing::PIECE_BYTES;
pub use pages::Pages;
pub use problem::{Name, Problem};
pub(crate) use records::Summary;

/// How long an answer waits for what it shows to be released: that takes milliseconds, unless what keeps or publishes
/// trees fails.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(3);

/// What every handler has at hand.
pub struct Log {
    /// Which log this is.
    pub identity: LogIdentity,
    /// What it keeps.
    pub storage: Arc<dyn Storage>,
    /// What of it is in memory.
    pub recent: Arc<Recent>,
    /// What is derived from it for those who look around.
    pub catalogue: catalogue::Opened,
    /// Pages that were made of it before.
    pub pages: Pages,
    /// Where records are handed in.
    pub sequencer: Sequencer,
    /// Who may register publishers.
    pub registration: Registration,
    /// What requests may take of the machine.
    pub limits: Limits,
    /// How the static part fares, if there is one.
    pub static_part: Option<Arc<Health>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How often strangers may do what costs.
    pub rates: Rates,
    /// Who follows the log.
    pub events: Events,
    /// The header in which a proxy says whom it asks for.
    pub address_header: Option<HeaderName>,
    /// Where operators are answered.
    pub operations: Operations,
    /// Whether it was made by `demo-data`, with keys that anybody can make.
    pub is_demonstration: bool,
    /// How long one request may take, body included.
    pub request_time_max: Duration,
}

/// Where `/readyz` and `/metrics` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operations {
    /// Where everything is.
    Here,
    /// Behind a door of their own.
    Apart,
}

impl Log {
    /// What the storage answers, once all of it is in a released tree: between commit and signature, it
    /// shows more than anybody can prove.
    async fn view<T>(
        &self,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, Problem> {
        let answer = answer.await?;
        let committed = self.storage.head().await?.size;
        if let Some(last) = committed.get().checked_sub(1) {
            let released = self.sequencer.released_with(LeafIndex::new(last));
            let released = tokio::time::timeout(RELEASE_TIME_MAX, released).await;
            released.map_err(|_| Problem::not_released())??;
        }
        Ok(answer)
    }

    /// The catalogue, with all that is released in it, or most of it: it is a moment behind.
    async fn catalogue(&self) -> Result<Arc<Catalogue>, Problem> {
        let catalogue = self.catalogue.get().await;
        let catalogue = catalogue.ok_or_else(Problem::no_catalogue)?;
        let released = self.sequencer.newest().await;
        catalogue.reach(released.head.size.get()).await;
        Ok(catalogue)
    }
}

type Shared = State<Arc<Log>>;

/// Everything that the server answers.
pub fn router(log: Arc<Log>) -> Router {
    let (json, attachments, events, openapi) = openapi::api();
    let openapi = Arc::new(openapi);
    let limit_reads = middleware::from_fn_with_state(Arc::clone(&log), asker::limit_reads);
    let hold = middleware::from_fn_with_state(Arc::clone(&log), outgoing::hold);
    // Hashes and attachments don't get smaller. Attachments take their room before they are loaded, and the others
    // are so small that they need none. Events go out as they come, and whoever gathers or compresses would hold them back.
    let as_they_are = Router::new()
        .route("/checkpoint", routing::get(static_log::checkpoint))
        .route("/tile/{level}/{*path}", routing::get(static_log::tile))
        .merge(attachments)
        .merge(events.layer(limit_reads.clone()));
    let views = json
        .merge(pages::routes(Arc::clone(&log)))
        .merge(feeds::routes())
        .route("/badges/{publisher}/{name}", routing::get(badges::badge))
        .layer(limit_reads);
    let compressed = Router::new()
        .route(
            "/tile/entries/{*path}",
            routing::get(static_log::entry_bundle),
        )
        .merge(views)
        .route(
            "/api/v1/openapi.json",
            routing::get(move |headers: HeaderMap| async move {
                answer::json(&headers, openapi.as_ref())
            }),
        )
        .route("/healthz", routing::get(operations::healthz));
    let compressed = match log.operations {
        Operations::Here => compressed.merge(operations()),
        Operations::Apart => compressed,
    };
    let compressed = compressed
        // Pages come compressed, since they are kept so; this leaves them alone.
        // Layers by one builder: the router would put each into a box of its own, for every request anew.
        .layer(
            ServiceBuilder::new()
                .layer(CompressionLayer::new())
                .layer(hold),
        );
    compressed
        .merge(as_they_are)
        .fallback(pages::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(Arc::clone(&log), around))
                .layer(CatchPanicLayer::custom(problem::panicked)),
        )
        .with_state(log)
}

fn operations() -> Router<Arc<Log>> {
    Router::new()
        .route("/readyz", routing::get(operations::readyz))
        .route("/metrics", routing::get(operations::metrics))
}

/// What the server answers operators behind a door of their own.
pub fn operator_router(log: Arc<Log>) -> Router {
    operations()
        .route("/healthz", routing::get(operations::healthz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .with_state(log)
}

/// The header with the trace that a request is part of.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is done around every answer.
async fn around(State(log): Shared, mut request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let id = asker::request_id(request.headers());
    let asker = Asker::of(&request, log.address_header.as_ref());
    request.extensions_mut().insert(asker.clone());
    let span = error_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
        status = field::Empty,
    );
    // Part of a trace that somebody else began (W3C Trace Context), where traces are collected.
    if request.headers().contains_key(TRACEPARENT) {
        let parent = global::get_text_map_propagator(|propagator| {
            propagator.extract(&HeaderExtractor(request.headers()))
        });
        // Refused where nobody collects them.
        let _ = span.set_parent(parent);
    }
    let begun = Instant::now();
    let response = async {
        let response = match ambiguity(&request) {
            Some(problem) => refuse_and_close(problem),
            None => limit_and_count(&log, request, next).await,
        };
        let status = response.status().as_u16();
        Span::current().record("status", status);
        debug!(
            status,
            // As 64 bits: longer numbers become text in JSON.
            time_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        response
    };
    let response = response.instrument(span).await;
    let mut response = cross_origin::allow_reads(asks, response);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(asker::REQUEST_ID, id);
    asker.write(headers);
    response
}

/// What could be read in two ways by two programs, and is still open when hyper has read the request: it refuses two
/// lengths, and codings that it does not know, by itself (RFC 9112, sections 3.2 and 6.1).
fn ambiguity(request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let detail = format!("the request has {hosts} headers named host, and should have one");
        return Some(Problem::new(Name::MalformedRequest, detail));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|first| !is_plain(first)) || codings.next().is_some() {
        let detail = "the request's transfer-encoding is more than chunked";
        return Some(Problem::new(Name::MalformedRequest, detail));
    }
    None
}

/// What comes behind such a request may be no request.
fn refuse_and_close(problem: Problem) -> Response {
    let mut response = problem.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// The layer that compresses says in the status alone that a client takes no encoding that there is: the answer
/// below it would come along, to be cached for good.
fn refuse_encoding(response: Response) -> Response {
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        problem::not_acceptable().into_response()
    } else {
        response
    }
}

/// Ends requests that take too long: by the client's fault as long as its body is awaited, and by the server's
/// otherwise. Counts answers, and what was refused: all that was to be published, and whatever found the server busy. A request whose records are in the queue by then may still be
/// logged; publishing again returns the same places.
async fn limit_and_count(log: &Log, mut request: Request, next: Next) -> Response {
    let publishes = request.method() == Method::POST;
    let waiting = body::Waiting::default();
    request.extensions_mut().insert(waiting.clone());
    let answer = tokio::time::timeout(log.request_time_max, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| {
        let problem = if waiting.is_on() {
            Problem::timeout(log.request_time_max)
        } else {
            Problem::too_busy(log.request_time_max)
        };
        problem.into_response()
    });
    let response = refuse_encoding(response);
    if let Some(name) = response.extensions().get::<Name>()
        && (publishes || matches!(name, Name::Overloaded | Name::TooManyRequests))
    {
        log.metrics.count_refusal(*name);
    }
    log.metrics
        .requests
        .get_or_create(&Status {
            status: response.status().as_u16(),
        })
        .inc();
    response
}
