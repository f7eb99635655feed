//! Pages that were made before, for as long as nothing was logged since.
//!
//! What a page shows follows from its address, from the tree and from how far the catalogue is. So a page that was made
//! for the same three is the same page, and a log on which nothing happens makes each page once.
//!
//! Not here: the status page, which shows how the server is.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Html;
use crate::http::Log;

/// How many bytes of pages are kept.
const BYTES_MAX: u64 = 32 << 20;

/// Longer addresses are not worth their room.
const ADDRESS_BYTES_MAX: usize = 512;

/// What a page depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    address: String,
    /// How many entries are shown, all of which the catalogue has.
    size: u64,
}

#[derive(Clone)]
pub(super) struct Bytes;

impl Weighter<Key, Arc<Html>> for Bytes {
    fn weight(&self, key: &Key, html: &Arc<Html>) -> u64 {
        (key.address.len() + html.text.len() + 256) as u64
    }
}

/// Pages that were made before.
pub(super) struct Pages(Cache<Key, Arc<Html>, Bytes>);

impl Pages {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(1_000, BYTES_MAX, Bytes))
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Html>> {
        self.0.get(key)
    }

    pub(super) fn keep(&self, key: Key, html: &Arc<Html>) {
        if html.status == StatusCode::OK {
            self.0.insert(key, Arc::clone(html));
        }
    }
}

impl Key {
    /// What the page at this address depends on; nothing, where the catalogue is behind the log, or the page is about
    /// the server itself.
    pub(super) async fn of(log: &Log, uri: &Uri) -> Option<Self> {
        let address = uri.path_and_query()?.as_str();
        if address.len() > ADDRESS_BYTES_MAX || uri.path() == "/status" {
            return None;
        }
        let catalogue = log.catalogue.get().await?;
        let size = log.sequencer.newest().await.head.size.get();
        (catalogue.reach(size).await == size).then(|| Self {
            address: address.to_owned(),
            size,
        })
    }
}
