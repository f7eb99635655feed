//! Pages of other origins may read everything here, and write nothing: what they could send as a browser's
//! user, nobody signed.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// Lets pages read, and answers when a browser `asks` before it does.
pub(super) fn allow_reads(asks: bool, mut response: Response) -> Response {
    // No path has OPTIONS of its own, so those that there are say so, with the methods that they have.
    if asks && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.extend(allow.map(|allow| (header::ALLOW, allow)));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,HEAD"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("if-none-match,last-event-id"),
        );
    }
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("etag,link,ratelimit,ratelimit-policy,retry-after,x-request-id"),
    );
    response
}
