//! `GET /api/v1/log`: which log this is.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::answer::json;

/// Which log this is, and how large.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogAnswer {
    /// Its origin: the first line of its checkpoints.
    #[schema(example = "example.org/candor")]
    origin: String,
    /// Its verifier key. Take it from somewhere else as well before you rely on it.
    key: String,
    /// How many entries the released tree has.
    size: u64,
    /// That tree's root, as base64.
    root: String,
    /// The signed checkpoint of that tree.
    checkpoint: String,
    /// Whether the log is closed: it takes no further record then. The checkpoint says it too, and is signed.
    retired: bool,
    /// The log that it goes on in, once it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextAnswer>,
    /// Who may register publishers: `open` or `approved`.
    registration: &'static str,
    /// With `approved`: the key ID that the operator admits publishers with.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_key: Option<String>,
}

/// The log that follows a closed one.
#[derive(Serialize, ToSchema)]
struct NextAnswer {
    /// Its verifier key.
    key: String,
    /// Where it is.
    url: String,
}

/// Says which log this is, and how large.
#[utoipa::path(
    get, path = "/api/v1/log", operation_id = "show_log", tag = "log",
    responses((status = 200, description = "The log and its newest checkpoint", body = LogAnswer))
)]
pub(super) async fn log(State(log): Shared, headers: HeaderMap) -> Response {
    let released = log.sequencer.newest().await;
    let operator = log.registration.operator();
    let answer = LogAnswer {
        origin: log.identity.origin.to_string(),
        key: log.identity.key.to_string(),
        size: released.head.size.get(),
        root: released.head.root.to_string(),
        checkpoint: released.checkpoint.clone(),
        retired: released.retirement().is_some(),
        next: released
            .retirement()
            .and_then(|retirement| retirement.next.as_ref())
            .map(|next| NextAnswer {
                key: next.key.to_string(),
                url: next.url().to_owned(),
            }),
        registration: if operator.is_some() {
            "approved"
        } else {
            "open"
        },
        operator_key: operator.map(|key| key.keyid().to_string()),
    };
    json(&headers, &answer)
}
