//! Answers that caches understand, pages of lists, and parameters with messages that say what is wrong.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use candor_core::Sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::problem::{Name, Problem};

/// How many bytes of entries a page has at most, save that of the first: what is made of them is JSON that holds
/// each twice.
pub(super) const PAGE_ENTRY_BYTES_MAX: usize = 1 << 20;

/// How many items a page of a list has unless the client asks for fewer or more.
const PAGE_ITEMS: u32 = 50;

/// The most items that a client can ask for.
pub(super) const PAGE_ITEMS_MAX: u32 = 500;

/// For what never changes: a year, as caches understand it.
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// For what changes with every batch.
pub(super) const CHANGING: HeaderValue = HeaderValue::from_static("no-cache");

/// A JSON answer with an `ETag`; 304 without a body when the client has it already.
pub(super) fn json(request: &HeaderMap, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("answers are JSON");
    let json = HeaderValue::from_static("application/json");
    // Weak, since the answer may be sent compressed or not.
    let etag = format!("W/{}", etag_of(&bytes));
    let mut response = cached(request, &etag, json, bytes);
    // Also on a 304, and on answers that are too short to be compressed.
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// A page of a list, with the path of the next one, if there is one, as a link (RFC 8288).
pub(super) fn json_page(
    request: &HeaderMap,
    next: Option<&str>,
    body: &impl Serialize,
) -> Response {
    let mut response = json(request, body);
    if let Some(next) = next {
        let link = HeaderValue::from_str(&format!("<{next}>; rel=\"next\""));
        let link = link.expect("paths and queries are escaped");
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Which fields of a list's items are sent: all, unless the client names some.
#[derive(Debug, Default)]
pub(super) struct Fields(Option<Vec<String>>);

impl Fields {
    /// The fields that `text` names, with commas between; each must be one of `T`'s.
    pub(super) fn of<T: PartialSchema>(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else {
            return Ok(Self(None));
        };
        let known = property_names(&T::schema());
        let named: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
            let unknown: String = unknown.chars().take(60).collect();
            let rule = format!("there is no {unknown:?}; there are {}", known.join(", "));
            return Err(Problem::parameter("fields", &rule));
        }
        Ok(Self(Some(named)))
    }

    fn cut(&self, items: &mut Value) {
        let (Some(named), Some(items)) = (&self.0, items.as_array_mut()) else {
            return;
        };
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.retain(|name, _| named.contains(name));
        }
    }
}

/// The names of an object's properties.
fn property_names(schema: &RefOr<Schema>) -> Vec<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        RefOr::T(Schema::AllOf(all)) => all.items.iter().flat_map(property_names).collect(),
        RefOr::T(_) | RefOr::Ref(_) => Vec::new(),
    }
}

/// A page of a list like [`json_page`], with `fields` of what is in its array `items`.
pub(super) fn json_items(
    request: &HeaderMap,
    next: Option<&str>,
    body: &impl Serialize,
    items: &str,
    fields: &Fields,
) -> Response {
    if fields.0.is_none() {
        return json_page(request, next, body);
    }
    let mut body = serde_json::to_value(body).expect("answers are JSON");
    fields.cut(&mut body[items]);
    json_page(request, next, &body)
}

/// Text that changes with every batch, with an `ETag`.
pub(super) fn text(request: &HeaderMap, text: &str) -> Response {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    let etag = etag_of(text.as_bytes());
    cached(request, &etag, content_type, text.as_bytes().to_vec())
}

/// The first half of a digest, in quotes.
pub(super) fn etag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", &Sha256::of(bytes).to_string()[..32])
}

/// Bytes that change with every batch, with an `ETag`.
pub(super) fn cached(
    request: &HeaderMap,
    etag: &str,
    content_type: HeaderValue,
    bytes: Vec<u8>,
) -> Response {
    let headers = [
        (header::ETAG, etag_value(etag)),
        (header::CACHE_CONTROL, CHANGING),
    ];
    if has_already(request, etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

/// An `ETag`, made of hexadecimal digits.
pub(super) fn etag_value(etag: &str) -> HeaderValue {
    HeaderValue::from_str(etag).expect("hexadecimal digits in quotes")
}

/// Whether the client says that it has what `etag` stands for; by weak comparison (RFC 9110, 8.8.3.2).
pub(super) fn has_already(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == etag.trim_start_matches("W/") || value == "*")
}

/// How many items a page has, by the client's wish.
pub(super) fn page_items(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_ITEMS) {
        limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
        limit => Err(Problem::parameter(
            "limit",
            &format!("{limit} is not from 1 to {PAGE_ITEMS_MAX}"),
        )),
    }
}

/// Cuts a page to `limit` rows, and returns whether there are more. Handlers ask for one row more than they
/// show, so that no page leads to an empty one.
pub(super) fn cut_page<T>(rows: &mut Vec<T>, limit: u32) -> bool {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    more
}

/// The path of the next page: the same question, from where this page ends.
pub(super) fn next_page(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let parameters = parameters
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("{path}?{query}")
}

/// A parameter in text form, read as what it should be.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::parameter(name, &error.to_string()))
}

/// Parts of the path; what can't be read is a problem document.
pub(super) struct PathOf<T>(pub(super) T);

/// The query; what can't be read, or is not known, is a problem document.
pub(super) struct QueryOf<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        refuse_nul("path", parts.uri.path())?;
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|error| Problem::parameter("path", &error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        refuse_nul("query", parts.uri.query().unwrap_or_default())?;
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| {
            let text = error.body_text();
            let rule = text.split_once("query string: ").map(|(_, rule)| rule);
            Problem::parameter("query", rule.unwrap_or(&text))
        })
    }
}

/// No name and no word has U+0000 in it, and Postgres takes no text that has. As it stands in an address, it is `%00` and
/// nothing else is: the percent sign itself is `%25`.
fn refuse_nul(place: &str, escaped: &str) -> Result<(), Problem> {
    if escaped.contains("%00") {
        return Err(Problem::parameter(place, "leave out U+0000, written %00"));
    }
    Ok(())
}

/// A problem of this name, for things that are not there.
pub(super) fn missing(what: &str, hint: &str) -> Problem {
    Problem::new(Name::NotFound, format!("{what} is not in this log")).hint(hint)
}

/// An answer that is made anew each time.
pub(super) fn fresh(status: StatusCode, body: &impl Serialize) -> Response {
    fresh_of(128, status, body)
}

/// An answer that is made anew each time, of `bytes` bytes or somewhat more.
pub(super) fn fresh_of(bytes: usize, status: StatusCode, body: &impl Serialize) -> Response {
    let mut json = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut json, body).expect("answers are JSON");
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, json).into_response()
}
