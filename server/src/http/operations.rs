//! `/healthz`, `/readyz` and `/metrics`: for those who run the server.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::note::LogKey;

use super::Shared;
use super::answer::fresh;

/// How long the sequencer may be silent: ten heartbeats.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The log can do its work: the sequencer is alive, the database answers with the released tree or a newer
/// one, and the checkpoint verifies.
pub(super) async fn readyz(State(log): Shared) -> Response {
    let released = log.sequencer.released();
    let key = LogKey::from(log.identity.key.clone());
    let checks = [
        ("sequencer", log.sequencer.silence() < SILENCE_MAX),
        (
            "storage",
            log.storage
                .head()
                .await
                .is_ok_and(|head| head.size >= released.head.size),
        ),
        (
            "checkpoint",
            key.verify_checkpoint(released.checkpoint.as_bytes())
                .is_ok(),
        ),
    ];
    let ready = checks.iter().all(|(_, good)| *good);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let checks: serde_json::Map<_, _> = checks
        .into_iter()
        .map(|(name, good)| (name.to_owned(), good.into()))
        .collect();
    fresh(
        status,
        &serde_json::json!({ "ready": ready, "size": released.head.size, "checks": checks }),
    )
}

/// For Prometheus.
pub(super) async fn metrics(State(log): Shared) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        log.metrics.to_text(),
    )
        .into_response()
}
