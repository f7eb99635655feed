//! Pages that were made before, as they were sent, for as long as nothing was logged since.
//!
//! What a page shows follows from its address, from the tree, from how far the catalogue is and from the day; and how it is compressed,
//! from what its reader takes. So a page that was made for the same is the same page, and a log on which nothing happens
//! makes and compresses each page once for each kind of reader.
//!
//! Always: what is kept has a bound in bytes, whatever anybody asks for.
//!
//! Not here: the status page, which shows how the server is.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::calendar::today;
use crate::http::Log;
use crate::http::answer::has_already;

/// How many bytes of pages are kept.
const BYTES_MAX: u64 = 64 << 20;

/// About so many pages have room: compressed, one has a few kilobytes.
const PAGES: usize = 8_000;

/// What a page takes besides its bytes and its address: its headers, and its place in the cache.
const PAGE_BYTES: usize = 2 << 10;

/// Longer addresses, and longer lists of what a reader takes, are not worth their room.
const ADDRESS_BYTES_MAX: usize = 512;
const ENCODINGS_BYTES_MAX: usize = 128;

/// What a page and its compression depend on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    address: String,
    /// What the reader says that it takes, word for word: who decides what is sent reads the same.
    encodings: Vec<u8>,
    /// How many entries are shown, all of which the catalogue has.
    size: u64,
    /// The day, up to which a timeline is drawn.
    today: i64,
}

/// A page as it is sent.
pub(super) struct Sent {
    pub(super) headers: HeaderMap,
    /// Compressed, if its headers say so.
    pub(super) body: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Sent>> for Weight {
    fn weight(&self, key: &Key, page: &Arc<Sent>) -> u64 {
        (key.address.len() + key.encodings.len() + page.body.len() + PAGE_BYTES) as u64
    }
}

/// Pages that were made before.
pub(super) struct Pages(Cache<Key, Arc<Sent>, Weight>);

impl Pages {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(PAGES, BYTES_MAX, Weight))
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Sent>> {
        self.0.get(key)
    }

    pub(super) fn keep(&self, key: Key, page: &Arc<Sent>) {
        self.0.insert(key, Arc::clone(page));
    }
}

impl Key {
    /// What the answer to this request depends on; nothing, where the catalogue is behind the log, or the page is about
    /// the server itself.
    pub(super) async fn of(
        log: &Log,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let address = uri.path_and_query()?.as_str();
        let is_page = method == Method::GET && uri.path() != "/status";
        if !is_page || address.len() > ADDRESS_BYTES_MAX {
            return None;
        }
        let mut encodings = Vec::new();
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            // No value has an end of a line in it.
            encodings.push(b'\n');
            encodings.extend_from_slice(value.as_bytes());
        }
        if encodings.len() > ENCODINGS_BYTES_MAX {
            return None;
        }
        let catalogue = log.catalogue.get().await?;
        let size = log.sequencer.newest().await.head.size.get();
        (catalogue.reach(size).await == size).then(|| Self {
            address: address.to_owned(),
            encodings,
            size,
            today: today(),
        })
    }
}

impl Sent {
    /// The page, or that its reader has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let mut headers = self.headers.clone();
        let etag = headers.get(header::ETAG).and_then(|it| it.to_str().ok());
        if etag.is_some_and(|etag| has_already(request, etag)) {
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_ENCODING);
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let mut response = self.body.clone().into_response();
        *response.headers_mut() = headers;
        response
    }
}
