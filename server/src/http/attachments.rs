//! `/api/v1/attachments`: the documents beside the log.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use candor_core::Sha256;

use super::Shared;
use super::answer::{IMMUTABLE, PathOf, cached, missing, parse};
use super::problem::Problem;

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
    let attachment = log.storage.attachment(sha256).await?;
    let attachment = attachment.ok_or_else(|| {
        missing(
            &format!("attachment {sha256}"),
            "take the digest from a record's `attachments`",
        )
    })?;
    let content_type = HeaderValue::from_str(&attachment.media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = cached(&headers, content_type, IMMUTABLE, attachment.bytes);
    let headers = response.headers_mut();
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
