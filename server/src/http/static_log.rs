//! C2SP `tlog-tiles`: the checkpoint, tiles and entry bundles.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::merkle::{
    EntryBundle, EntryBundlePath, LeafIndex, TILE_WIDTH, TilePath, TilePathError, TreeSize,
};

use super::Shared;
use super::answer::{IMMUTABLE, PathOf, missing, text};
use super::problem::{Name, Problem};
use crate::sequencer::Sequencer;
use crate::storage::StorageError;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `GET /checkpoint`: the one thing here that changes.
pub(super) async fn checkpoint(State(log): Shared, headers: HeaderMap) -> Response {
    text(&headers, &log.sequencer.newest().await.checkpoint)
}

/// `GET /tile/<L>/<N>[.p/<W>]`
pub(super) async fn tile(
    State(log): Shared,
    PathOf((level, path)): PathOf<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let path = TilePath::parse(&level, &path).map_err(bad_path)?;
    check_spelling(&uri, &path)?;
    // Nothing beyond the released tree: a wider tile may be committed already, and not yet signed.
    let is_in = |size| {
        TilePath::in_tree(path.level, path.index, size)
            .is_some_and(|there| path.width <= there.width)
    };
    let tile = if is_released(&log.sequencer, is_in).await {
        log.recent.tiles(&[path]).await?.remove(&path)
    } else {
        None
    };
    let tile = tile.ok_or_else(|| not_in_tree(&path))?;
    // What is remembered may be wider than what was asked for.
    let mut bytes = tile.to_bytes();
    bytes.truncate(path.width.count() * 32);
    Ok(octets(bytes))
}

/// `GET /tile/entries/<N>[.p/<W>]`
pub(super) async fn entry_bundle(
    State(log): Shared,
    PathOf(path): PathOf<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let path = EntryBundlePath::parse(&path).map_err(bad_path)?;
    check_spelling(&uri, &path)?;
    let is_in = |size| {
        EntryBundlePath::in_tree(path.index, size).is_some_and(|there| path.width <= there.width)
    };
    if !is_released(&log.sequencer, is_in).await {
        return Err(not_in_tree(&path));
    }
    let first = LeafIndex::new(path.index.get() * u64::from(TILE_WIDTH));
    let entries = log.storage.entries(first, path.width.get()).await?;
    // A bundle is cached for good, so it is whole or it is not sent.
    let bundle = Some(entries)
        .filter(|entries| entries.len() == path.width.count())
        .and_then(EntryBundle::new)
        .ok_or_else(|| StorageError::Damaged(format!("entries of {path} are missing")))?;
    Ok(octets(bundle.to_bytes()))
}

/// Whether something is in the released tree, by `is_in` of its size. The other servers are asked only about what is
/// not in the tree that this one knows.
async fn is_released(sequencer: &Sequencer, is_in: impl Fn(TreeSize) -> bool) -> bool {
    is_in(sequencer.released().head.size) || is_in(sequencer.newest().await.head.size)
}

/// What is cached for good has one address: caches would keep a copy for each spelling with percent signs.
fn check_spelling(uri: &Uri, path: &impl std::fmt::Display) -> Result<(), Problem> {
    if uri.path().strip_prefix('/') == Some(path.to_string().as_str()) {
        return Ok(());
    }
    let detail = format!("the path is a second spelling of /{path}");
    Err(Problem::new(Name::BadParameter, detail).hint("see https://c2sp.org/tlog-tiles"))
}

fn octets(bytes: Vec<u8>) -> Response {
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, OCTETS),
        (header::CACHE_CONTROL, IMMUTABLE),
    ]);
    (headers, bytes).into_response()
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn bad_path(error: TilePathError) -> Problem {
    Problem::new(Name::BadParameter, error.to_string()).hint("see https://c2sp.org/tlog-tiles")
}

fn not_in_tree(path: &impl std::fmt::Display) -> Problem {
    missing(
        &path.to_string(),
        "fetch the checkpoint first: its size says which tiles there are",
    )
}
