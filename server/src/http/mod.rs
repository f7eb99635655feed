//! HTTP: from requests to the log, and back. Handlers parse, call, map and answer; nothing is decided here.
//!
//! ```text
//! /checkpoint, /tile/…      static_log     C2SP tlog-tiles, immutable but for the checkpoint
//! /api/v1/…                 one file per resource, one JSON answer each, problems as RFC 9457
//! /                         pages          for people
//! /healthz /readyz /metrics operations     for operators
//! ```

mod answer;
mod attachments;
mod log;
mod models;
mod operations;
mod pages;
mod problem;
mod proofs;
mod publishers;
mod records;
mod static_log;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing};
use candor_core::merkle::LeafIndex;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accept::Registration;
use crate::metrics::{Metrics, Status};
use crate::sequencer::Sequencer;
use crate::storage::{LogIdentity, Storage, StorageError};

pub use problem::{Name, Problem};

/// What every handler has at hand.
pub struct Log {
    /// Which log this is.
    pub identity: LogIdentity,
    /// What it keeps.
    pub storage: Arc<dyn Storage>,
    /// Where records are handed in.
    pub sequencer: Sequencer,
    /// Who may register publishers.
    pub registration: Registration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How long one request may take, body included.
    pub request_time_max: Duration,
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
            self.sequencer.released_with(LeafIndex::new(last)).await?;
        }
        Ok(answer)
    }
}

type Shared = State<Arc<Log>>;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Candor",
        description = "A provenance registry and transparency log for AI models. Nothing here needs to be \
                       trusted: every record comes with its index, and the tiles beside this API prove it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "log", description = "The log itself"),
        (name = "records", description = "Signed records"),
        (name = "registry", description = "Publishers, models and releases: views of the records"),
    )
)]
struct Api;

/// The routes of `/api/v1`: JSON, attachments, and the description of both.
fn api() -> (Router<Arc<Log>>, Router<Arc<Log>>, utoipa::openapi::OpenApi) {
    let (attachments, attachments_openapi) = OpenApiRouter::new()
        .routes(routes!(attachments::attachment))
        .split_for_parts();
    let (json, mut openapi) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(log::log))
        .routes(routes!(records::list, records::publish))
        .routes(routes!(records::show))
        .routes(routes!(publishers::list))
        .routes(routes!(publishers::show))
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(models::release))
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
        .split_for_parts();
    openapi.merge(attachments_openapi);
    (json, attachments, openapi)
}

/// The description of `/api/v1`, as `OpenAPI` 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api().2
}

/// Everything that the server answers.
pub fn router(log: Arc<Log>) -> Router {
    let (json, attachments, openapi) = api();
    let openapi = Arc::new(openapi);
    let reads = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::LINK]);
    // Hashes and attachments don't get smaller.
    let as_they_are = Router::new()
        .route("/checkpoint", routing::get(static_log::checkpoint))
        .route("/tile/{level}/{*path}", routing::get(static_log::tile))
        .merge(attachments);
    let compressed = Router::new()
        .route(
            "/tile/entries/{*path}",
            routing::get(static_log::entry_bundle),
        )
        .merge(json)
        .route(
            "/api/v1/openapi.json",
            routing::get(move |headers: HeaderMap| async move {
                answer::json(&headers, openapi.as_ref())
            }),
        )
        .route("/", routing::get(pages::home))
        .route("/style.css", routing::get(pages::style))
        .route("/records/{index}", routing::get(pages::record))
        .route("/healthz", routing::get(operations::healthz))
        .route("/readyz", routing::get(operations::readyz))
        .route("/metrics", routing::get(operations::metrics))
        .layer(CompressionLayer::new());
    compressed
        .merge(as_they_are)
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&log),
            limit_and_count,
        ))
        .layer(reads)
        .layer(nosniff())
        .with_state(log)
}

fn nosniff() -> SetResponseHeaderLayer<HeaderValue> {
    const NAME: HeaderName = header::X_CONTENT_TYPE_OPTIONS;
    SetResponseHeaderLayer::overriding(NAME, HeaderValue::from_static("nosniff"))
}

/// Ends requests that take too long, and counts the others. A request whose records are in the queue by
/// then may still be logged; publishing again returns the same places.
async fn limit_and_count(State(log): Shared, request: Request, next: Next) -> Response {
    let publishes = request.method() == Method::POST;
    let answer = tokio::time::timeout(log.request_time_max, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| {
        let problem = Problem::timeout(log.request_time_max);
        if publishes {
            log.metrics.count_refusal(problem.name());
        }
        problem.into_response()
    });
    log.metrics
        .requests
        .get_or_create(&Status {
            status: response.status().as_u16(),
        })
        .inc();
    response
}
