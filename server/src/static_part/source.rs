//! What a tree's objects are made of: read from the batch at hand, and the rest from the storage.

use std::collections::HashSet;

use candor_core::Sha256;
use candor_core::merkle::{
    Entry, EntryBundle, EntryBundlePath, LeafIndex, TILE_WIDTH, Tile, TileIndex, TileLevel,
    TilePath, TreeSize,
};
use candor_core::record::SignedRecord;

use super::store::Object;
use crate::storage::{Batch, Storage, StorageError};

/// How tiles and bundles are served.
const OCTETS: &str = "application/octet-stream";

/// Where a log's tiles, entries and attachments come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) storage: &'a dyn Storage,
    /// The batch that was committed last, where that is what is published.
    pub(super) batch: Option<&'a Batch>,
}

/// The tiles that a tree of `after` has and one of `before` has not, or not as wide.
pub(super) fn grown_tiles(before: TreeSize, after: TreeSize) -> impl Iterator<Item = TilePath> {
    (0..u8::MAX)
        .map_while(TileLevel::new)
        .flat_map(move |level| {
            let first = first_grown(level, before);
            (first..)
                .map_while(move |index| TilePath::in_tree(level, TileIndex::new(index), after))
                .filter(move |path| {
                    TilePath::in_tree(level, path.index, before)
                        .is_none_or(|there| there.width < path.width)
                })
        })
}

/// The same for entry bundles.
pub(super) fn grown_bundles(
    before: TreeSize,
    after: TreeSize,
) -> impl Iterator<Item = EntryBundlePath> {
    let leaves = TileLevel::new(0).expect("below 64");
    let first = first_grown(leaves, before);
    let grown =
        (first..).map_while(move |index| EntryBundlePath::in_tree(TileIndex::new(index), after));
    grown.filter(move |_| after > before)
}

/// The first tile of `level` that is not full in a tree of `size`.
fn first_grown(level: TileLevel, size: TreeSize) -> u64 {
    let hashes = size.get().checked_shr(u32::from(level.get()) * 8);
    hashes.unwrap_or(0) / u64::from(TILE_WIDTH)
}

impl Source<'_> {
    /// A tile as an object.
    pub(super) async fn tile(&self, path: TilePath) -> Result<Object, StorageError> {
        let is_it = |(level, index, tile): &&(TileLevel, TileIndex, Tile)| {
            (*level, *index) == (path.level, path.index)
                && tile.hashes().len() >= path.width.count()
        };
        let at_hand = self.batch.and_then(|batch| batch.tiles.iter().find(is_it));
        let mut bytes = if let Some((_, _, tile)) = at_hand {
            tile.to_bytes()
        } else {
            let tile = self.storage.tiles(&[path]).await?.remove(&path);
            tile.ok_or_else(|| StorageError::damaged(format!("{path} is missing")))?
                .to_bytes()
        };
        bytes.truncate(path.width.count() * 32);
        Ok(octets(path.to_string(), bytes))
    }

    /// A bundle's entries.
    pub(super) async fn entries(&self, path: EntryBundlePath) -> Result<Vec<Entry>, StorageError> {
        let first = path.index.get() * u64::from(TILE_WIDTH);
        let end = first + u64::from(path.width.get());
        let at_hand = self
            .at_hand_from()
            .map_or(end, |from| from.clamp(first, end));
        let stored = u16::try_from(at_hand - first).expect("at most 256");
        let mut entries = if stored == 0 {
            Vec::new()
        } else {
            self.storage.entries(LeafIndex::new(first), stored).await?
        };
        if let Some(batch) = self.batch {
            let in_batch = |index: u64| {
                let offset = index - batch.before.size.get();
                let offset = usize::try_from(offset).expect("a batch is in memory");
                batch.entries[offset].entry.clone()
            };
            entries.extend((at_hand..end).map(in_batch));
        }
        if entries.len() == path.width.count() {
            Ok(entries)
        } else {
            Err(StorageError::damaged(format!(
                "entry {} is missing",
                first + entries.len() as u64
            )))
        }
    }

    /// The documents that entries name which stand at `from` or later and are not in the batch at hand: of that, the
    /// new documents are at hand as well.
    pub(super) fn attachments_of(
        &self,
        path: EntryBundlePath,
        entries: &[Entry],
        from: TreeSize,
    ) -> Result<HashSet<Sha256>, StorageError> {
        let first = path.index.get() * u64::from(TILE_WIDTH);
        let end = self.at_hand_from().unwrap_or(u64::MAX);
        let mut named = HashSet::new();
        for (entry, index) in entries.iter().zip(first..) {
            if index < from.get() || index >= end {
                continue;
            }
            let record = SignedRecord::from_entry(entry)
                .map_err(|error| StorageError::damaged(format!("entry {index}: {error}")))?;
            let attachments = record.statement().predicate.attachments();
            named.extend(attachments.into_iter().map(|it| it.digest.sha256));
        }
        Ok(named)
    }

    /// A document as an object.
    pub(super) async fn attachment(&self, sha256: Sha256) -> Result<Object, StorageError> {
        let stored = self.storage.attachment(sha256).await?;
        let stored = stored
            .ok_or_else(|| StorageError::damaged(format!("attachment {sha256} is missing")))?;
        Ok(attachment(sha256, stored.media_type, stored.bytes))
    }

    /// The new documents of the batch at hand.
    pub(super) fn new_attachments(&self) -> impl Iterator<Item = Object> {
        let new = self.batch.into_iter().flat_map(|batch| &batch.attachments);
        new.map(|it| attachment(it.sha256, it.media_type.clone(), it.bytes.clone()))
    }

    /// Where the batch at hand begins.
    fn at_hand_from(&self) -> Option<u64> {
        self.batch.map(|batch| batch.before.size.get())
    }
}

/// A bundle as an object.
pub(super) fn bundle(path: EntryBundlePath, entries: Vec<Entry>) -> Object {
    let bundle = EntryBundle::new(entries).expect("a width is 1 to 256");
    octets(path.to_string(), bundle.to_bytes())
}

fn octets(name: String, bytes: Vec<u8>) -> Object {
    Object {
        name,
        media_type: OCTETS.to_owned(),
        is_download: false,
        bytes,
    }
}

/// Under the name that the API has for it, so that clients ask a web server as they ask candor-server.
fn attachment(sha256: Sha256, media_type: String, bytes: Vec<u8>) -> Object {
    Object {
        name: format!("api/v1/attachments/{sha256}"),
        media_type,
        is_download: true,
        bytes,
    }
}
