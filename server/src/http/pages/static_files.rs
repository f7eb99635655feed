//! What pages load: the scripts that prove what they show, and a picture.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use candor_core::Sha256;

use crate::http::Log;
use crate::http::answer::{etag_value, has_already};

/// The picture that browsers show beside a page's title.
const ICON: &str = include_str!("../../../templates/icon.svg");

/// The JavaScript client, as its own folder has it for pages.
const PAGE: &str = include_str!("../../../../clients/js/dist/page.js");
const HASH_WORKER: &str = include_str!("../../../../clients/js/dist/hash-worker.js");

pub(super) fn routes() -> Router<Arc<Log>> {
    let script = |text: &'static str| {
        get(move |headers: HeaderMap| async move {
            unchanging(&headers, "text/javascript; charset=utf-8", text)
        })
    };
    Router::new()
        .route("/icon.svg", get(icon))
        .route("/js/page.js", script(PAGE))
        .route("/js/hash-worker.js", script(HASH_WORKER))
}

async fn icon(headers: HeaderMap) -> Response {
    unchanging(&headers, "image/svg+xml", ICON)
}

/// What changes with the server's version alone.
fn unchanging(request: &HeaderMap, content_type: &'static str, text: &'static str) -> Response {
    let etag = format!("W/\"{}\"", &Sha256::of(text).to_string()[..32]);
    let headers = [
        (header::ETAG, etag_value(&etag)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'"),
        ),
    ];
    if has_already(request, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    (headers, content_type, text).into_response()
}
