//! `/api/v1/attachments`: the documents beside the log.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::Sha256;

use super::Shared;
use super::answer::{IMMUTABLE, PathOf, etag_value, has_already, missing, parse};
use super::problem::Problem;
use crate::storage::Questions;

/// Returns the bytes of a document. They are somebody else's: always a download, never shown by this origin.
#[utoipa::path(
    get, path = "/api/v1/attachments/{sha256}", tag = "records",
    params(("sha256" = String, Path, description = "64 hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/octet-stream"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
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
    let mut response = if has_already(&headers, &etag) {
        // What it has is what the digest says, so all that remains is whether it is here.
        let questions = Questions {
            attachments: [sha256].into(),
            ..Questions::default()
        };
        let known = log.view(log.storage.known(&questions)).await?;
        if known.attachments.is_empty() {
            return Err(not_here());
        }
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let attachment = log.view(log.storage.attachment(sha256)).await?;
        let attachment = attachment.ok_or_else(not_here)?;
        let content_type = HeaderValue::from_str(&attachment.media_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        ([(header::CONTENT_TYPE, content_type)], attachment.bytes).into_response()
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
