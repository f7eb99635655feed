//! `/healthz`, `/readyz` and `/metrics`: for those who run the server.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::note::LogKey;

use super::answer::fresh;
use super::{Log, Shared};
use crate::accept::{ATTACHMENTS_BYTES_MAX, REQUEST_JSON_BYTES_MAX};
use crate::metrics::{Readers, gauge};

/// How long the sequencer may be silent: ten heartbeats.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a batch that failed counts. Where nobody is led to a log that is not ready, no later batch would
/// show that it is well again.
const FAILURE_TIME_MAX: Duration = Duration::from_mins(1);

/// With less room, the disk counts as full: the largest request, once in the write-ahead log and once in the
/// database.
const FREE_BYTES_MIN: u64 = 2 * (REQUEST_JSON_BYTES_MAX as u64 + ATTACHMENTS_BYTES_MAX);

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The log can do its work: the sequencer is alive, the database answers with the released tree or a newer
/// one, the checkpoint verifies, the last batch was committed, there is room for more, and the static part takes what
/// it is given.
pub(super) async fn readyz(State(log): Shared) -> Response {
    let (checks, free) = checks(&log).await;
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
        &serde_json::json!({
            "ready": ready,
            "size": log.sequencer.released().head.size,
            "freeBytes": free,
            "checks": checks,
        }),
    )
}

/// What is looked at, and whether it is well; and how many bytes are free.
pub(super) async fn checks(log: &Log) -> (Vec<(&'static str, bool)>, Option<u64>) {
    let released = log.sequencer.released();
    let key = LogKey::from(log.identity.key.clone());
    let failed_since = log.sequencer.failed_since();
    let free = log.storage.free_bytes();
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
        (
            "commit",
            failed_since.is_none_or(|since| since > FAILURE_TIME_MAX),
        ),
        (
            "space",
            // Where the database keeps it to itself, a failed commit shows it.
            free.as_ref()
                .is_ok_and(|free| free.is_none_or(|free| free >= FREE_BYTES_MIN)),
        ),
    ];
    let static_part = log.static_part.as_ref();
    let static_part = static_part.map(|it| ("staticPart", it.is_good()));
    (
        checks.into_iter().chain(static_part).collect(),
        free.ok().flatten(),
    )
}

/// For Prometheus.
pub(super) async fn metrics(State(log): Shared) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    log.metrics
        .queue_depth
        .set(gauge(log.sequencer.waiting() as u64));
    let readers = log.storage.readers();
    for (state, count) in [("busy", readers.busy), ("idle", readers.idle)] {
        let gauge = log.metrics.readers.get_or_create(&Readers { state });
        gauge.set(count.into());
    }
    log.metrics
        .index_bytes
        .set(gauge(log.storage.index_bytes()));
    // Where it can't be found out, the last number that was stays.
    if let Ok(Some(free)) = log.storage.free_bytes() {
        log.metrics.storage_free_bytes.set(gauge(free));
    }
    (
        [(header::CONTENT_TYPE, content_type)],
        log.metrics.to_text(),
    )
        .into_response()
}
