//! `/api/v1/attachments`: the documents beside the log.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::Sha256;
use utoipa::ToSchema;

use super::Shared;
use super::answer::{IMMUTABLE, PathOf, etag_value, has_already, missing, parse};
use super::outgoing::Outgoing;
use super::problem::Problem;
use crate::storage::Questions;

/// The bytes of a document.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI document")]
struct Bytes(Vec<u8>);

/// What browsers run, or draw a page by, contains one of these in its media type.
const RUN_BY_BROWSERS: [&str; 5] = ["script", "css", "html", "xml", "wasm"];

/// The media type that an attachment is sent with. The policy of these pages believes scripts of this origin: what
/// strangers have attached must never be one.
fn content_type(stated: &str) -> HeaderValue {
    let stated = stated.to_ascii_lowercase();
    let is_run = RUN_BY_BROWSERS.iter().any(|part| stated.contains(part));
    let is_kept = (!is_run).then(|| HeaderValue::from_str(&stated).ok());
    is_kept
        .flatten()
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Returns the bytes of a document. They are somebody else's: always a download, never shown by this origin.
#[utoipa::path(
    get, path = "/api/v1/attachments/{sha256}", operation_id = "download_attachment", tag = "records",
    params(("sha256" = String, Path, description = "64 hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes, of the media type that a record states; what browsers run (scripts, styles, HTML, XML) is called `application/octet-stream`", body = Bytes, content_type = "*/*"),
        (status = 404, description = "No such attachment", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn attachment(
    State(log): Shared,
    PathOf(sha256): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let sha256: Sha256 = parse("sha256", &sha256)?;
    let not_here = || {
        missing(
            &format!("attachment {sha256}"),
            "take the digest from a record's `attachments`",
        )
    };
    let etag = format!("\"{sha256}\"");
    let questions = Questions {
        attachments: [sha256].into(),
        ..Questions::default()
    };
    let known = log.view(log.storage.known(&questions)).await?;
    let size = known.attachments.get(&sha256).ok_or_else(not_here)?;
    let mut response = if has_already(&headers, &etag) {
        // What it has is what the digest says, so all that remains is whether it is here.
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        // Before it is loaded: a client that does not read holds all of it.
        let mut room = log.limits.answers.room();
        room.take(usize::try_from(*size).unwrap_or(usize::MAX))?;
        let attachment = log.view(log.storage.attachment(sha256)).await?;
        let attachment = attachment.ok_or_else(not_here)?;
        let content_type = content_type(&attachment.media_type);
        let body = Body::new(Outgoing::new(attachment.bytes.into(), Arc::new(room)));
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag_value(&etag));
    headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_browser_would_run_is_called_what_it_is() {
        for stated in [
            "text/javascript",
            "Application/JavaScript; charset=utf-8",
            "text/jscript",
            "text/css",
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "application/wasm",
            "text/plain\n",
        ] {
            assert_eq!(content_type(stated), "application/octet-stream", "{stated}");
        }
        for stated in ["text/markdown", "application/json", "image/png"] {
            assert_eq!(content_type(stated), stated);
        }
    }
}
