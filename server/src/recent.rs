//! What publishing and proving need of the log again and again, in memory: tiles, and publishers' keys.
//!
//! ```text
//! sequencer ── a batch was committed ──► recent ◄── nobody asked before ── storage
//!                                          │
//! keys for accept, tiles for receipts and proofs
//! ```
//!
//! Always: nothing enters that was not committed. A tile only grows, so one that is wide enough is right. Keys may
//! have changed since, by another server's batch: who finds a signature wrong asks the storage before saying so, and
//! the sequencer looks at the keys of the moment before it writes.

use std::collections::HashMap;
use std::sync::Arc;

use candor_core::merkle::{TILE_WIDTH, Tile, TileIndex, TileLevel, TilePath};
use candor_core::record::{PublisherName, PublisherState};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::storage::{Batch, Storage, StorageError};
use crate::views::Effect;

/// The most bytes of tiles: all tiles of 900,000 entries.
const TILES_BYTES_MAX: u64 = 64 << 20;

/// The most publishers.
const PUBLISHERS_MAX: usize = 10_000;

/// What was read or written last.
pub struct Recent {
    storage: Arc<dyn Storage>,
    tiles: Cache<(TileLevel, TileIndex), Arc<Tile>, BytesOfTile>,
    publishers: Cache<PublisherName, Arc<PublisherState>>,
}

/// A tile's hashes, and the nodes between them.
#[derive(Clone)]
struct BytesOfTile;

impl Weighter<(TileLevel, TileIndex), Arc<Tile>> for BytesOfTile {
    fn weight(&self, _: &(TileLevel, TileIndex), tile: &Arc<Tile>) -> u64 {
        2 * 32 * tile.hashes().len() as u64 + 256
    }
}

impl Recent {
    /// Of the log in `storage`; nothing yet.
    pub fn of(storage: Arc<dyn Storage>) -> Self {
        let full = 2 * 32 * u64::from(TILE_WIDTH);
        let tiles = usize::try_from(TILES_BYTES_MAX / full).expect("a few thousand");
        Self {
            storage,
            tiles: Cache::with_weighter(tiles, TILES_BYTES_MAX, BytesOfTile),
            publishers: Cache::new(PUBLISHERS_MAX),
        }
    }

    /// The tiles at `paths`, of which each may be wider than its path says. Those that are not there are left out.
    pub async fn tiles(
        &self,
        paths: &[TilePath],
    ) -> Result<HashMap<TilePath, Arc<Tile>>, StorageError> {
        let mut found = HashMap::with_capacity(paths.len());
        let mut missing = Vec::new();
        for path in paths {
            match self.tiles.get(&(path.level, path.index)) {
                Some(tile) if tile.hashes().len() >= path.width.count() => {
                    found.insert(*path, tile);
                }
                _ => missing.push(*path),
            }
        }
        if !missing.is_empty() {
            for (path, tile) in self.storage.tiles(&missing).await? {
                let tile = Arc::new(tile);
                self.tiles
                    .insert((path.level, path.index), Arc::clone(&tile));
                found.insert(path, tile);
            }
        }
        Ok(found)
    }

    /// What is remembered of a publisher's keys, without most of those that it retired.
    pub fn publisher(&self, name: &PublisherName) -> Option<Arc<PublisherState>> {
        self.publishers.get(name)
    }

    /// Remembers publishers as the storage has them.
    pub fn remember<'a>(&self, publishers: impl IntoIterator<Item = &'a PublisherState>) {
        for state in publishers {
            self.publishers
                .insert(state.name.clone(), Arc::new(state.clone()));
        }
    }

    /// Takes over what a batch changed that was committed.
    pub fn committed(&self, batch: Batch) {
        for (level, index, tile) in batch.tiles {
            self.tiles.insert((level, index), Arc::new(tile));
        }
        for view in batch.views {
            if let Effect::Publisher { state, .. } = view.effect {
                self.publishers.insert(state.name.clone(), Arc::new(state));
            }
        }
    }
}
