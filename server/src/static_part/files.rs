//! Reading a log that is files: a static part, an export, a mirror, or a server by its static paths.
//!
//! Always: nothing here is believed but the checkpoint, which the log signed. Whoever reads entries holds them against it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use candor_core::merkle::{
    Entry, EntryBundle, EntryBundlePath, LeafIndex, TILE_WIDTH, Tile, TileIndex, TilePath,
    TileWidth, TreeHead,
};
use candor_core::note::{CheckpointError, LogKey};
use candor_core::{Sha256, Verified, note::Checkpoint};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::error::StaticPartError;
use super::location::Place;
use super::store::{ACCEPTED, ACCEPTED_BYTES, Store, accepted_of};
use crate::storage::snapshot::{Contents, StoredDocument, StoredEntry};
use crate::storage::{EntriesLimit, StorageError};

/// How many objects are read at a time: each may come from far away.
const OBJECTS_AT_ONCE: usize = 8;

/// A log that is files, up to its checkpoint.
pub struct Files {
    store: Arc<Store>,
    checkpoint: Verified<Checkpoint>,
    text: String,
    /// Whether it is known there what a document is.
    says_types: bool,
}

/// Why a log can't be read from files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The store does not do what it is asked.
    #[error(transparent)]
    Store(#[from] StaticPartError),
    /// No log is there.
    #[error("{place} has no file `checkpoint`: is it the place where a log's tiles are?")]
    NoCheckpoint {
        /// Where.
        place: String,
    },
    /// The checkpoint there is not one of this log.
    #[error("the checkpoint in {place} is none of this log: {error}")]
    OtherLog {
        /// Where.
        place: String,
        /// Why.
        error: CheckpointError,
    },
}

impl Files {
    /// The log at `place`, of which `key` is the key.
    pub async fn open(place: &Place, key: &LogKey) -> Result<Self, FilesError> {
        let store = place.open()?;
        let shown = store.checkpoint().await?;
        let shown = shown.ok_or_else(|| FilesError::NoCheckpoint {
            place: place.to_string(),
        })?;
        let checkpoint =
            key.verify_checkpoint(&shown.text)
                .map_err(|error| FilesError::OtherLog {
                    place: place.to_string(),
                    error,
                })?;
        Ok(Self {
            store: Arc::new(store),
            says_types: matches!(place, Place::Files(_)),
            checkpoint,
            text: String::from_utf8(shown.text).expect("a checkpoint that verified is text"),
        })
    }

    /// What is said there of the log's name, by nobody who could be trusted.
    pub async fn unverified_checkpoint(place: &Place) -> Result<Option<Vec<u8>>, StaticPartError> {
        Ok(place.open()?.checkpoint().await?.map(|shown| shown.text))
    }

    /// Goes by another checkpoint of the log than the one that is there. What a tree needs is put in a static part before
    /// its checkpoint is signed, and that is shown a moment later: a crash in between leaves all but that.
    pub fn go_by(&mut self, checkpoint: &Verified<Checkpoint>, text: &str) {
        self.checkpoint = checkpoint.clone();
        text.clone_into(&mut self.text);
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Verified<Checkpoint> {
        &self.checkpoint
    }

    /// The checkpoint as it is there.
    pub fn text(&self) -> &str {
        &self.text
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let read = self
            .store
            .read(name)
            .await
            .map_err(|error| elsewhere(&error))?;
        Ok(read.map(|object| object.bytes))
    }

    /// What is there under the first name, or else under the second: a partial tile goes when the full one is there, which
    /// may be after its checkpoint was read (C2SP `tlog-tiles`, "Partial Tiles"). And how wide that is.
    async fn read_or_full(
        &self,
        [partial, full]: [(String, TileWidth); 2],
    ) -> Result<Option<(Vec<u8>, TileWidth)>, StorageError> {
        for (name, width) in [partial, full] {
            if let Some(bytes) = self.read(&name).await? {
                return Ok(Some((bytes, width)));
            }
        }
        Ok(None)
    }

    /// The entries of a bundle; none if it is not there.
    async fn bundle(&self, path: EntryBundlePath) -> Result<Option<Vec<Entry>>, StorageError> {
        let full = EntryBundlePath {
            width: TileWidth::FULL,
            ..path
        };
        let names = [path, full].map(|path| (path.to_string(), path.width));
        let Some((bytes, width)) = self.read_or_full(names).await? else {
            return Ok(None);
        };
        let bundle = EntryBundle::parse(&bytes, width)
            .map_err(|error| StorageError::damaged(format!("{path}: {error}")))?;
        let mut entries = bundle.into_entries();
        entries.truncate(path.width.count());
        Ok(Some(entries))
    }

    /// A tile; none if it is not there, or of another length.
    async fn tile(&self, path: TilePath) -> Result<Option<Tile>, StorageError> {
        let full = TilePath {
            width: TileWidth::FULL,
            ..path
        };
        let names = [path, full].map(|path| (path.to_string(), path.width));
        let Some((bytes, width)) = self.read_or_full(names).await? else {
            return Ok(None);
        };
        let tile = Tile::parse(&bytes, width).ok();
        Ok(tile.and_then(|tile| Tile::new(tile.hashes()[..path.width.count()].to_vec())))
    }

    /// When `count` entries from `first` on were accepted, where that is written down there.
    async fn accepted(&self, first: u64, count: usize) -> Result<Vec<Option<i64>>, StorageError> {
        let start = first * ACCEPTED_BYTES as u64;
        let range = start..start + (count * ACCEPTED_BYTES) as u64;
        let read = self.store.read_range(ACCEPTED, range).await;
        let mut accepted =
            accepted_of(&read.map_err(|error| elsewhere(&error))?.unwrap_or_default());
        accepted.resize(count, None);
        Ok(accepted)
    }
}

fn elsewhere(error: &StaticPartError) -> StorageError {
    StorageError::Elsewhere(error.to_string())
}

#[async_trait]
impl Contents for Files {
    fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    async fn entries(
        &mut self,
        first: LeafIndex,
        limit: EntriesLimit,
    ) -> Result<Vec<StoredEntry>, StorageError> {
        let width = u64::from(TILE_WIDTH);
        let (first, size) = (first.get(), self.head().size);
        let end = first.saturating_add(u64::from(limit.items)).min(size.get());
        let paths = (first / width..end.div_ceil(width))
            .map_while(|index| EntryBundlePath::in_tree(TileIndex::new(index), size));
        let this = &*self;
        let mut bundles = stream::iter(paths)
            .map(|path| async move { Ok::<_, StorageError>((path, this.bundle(path).await?)) })
            .buffered(OBJECTS_AT_ONCE);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        'read: while let Some((path, bundle)) = bundles.try_next().await? {
            let Some(bundle) = bundle else { break };
            let skipped = first.saturating_sub(path.index.get() * width);
            for entry in bundle
                .into_iter()
                .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
            {
                bytes += entry.as_bytes().len();
                let is_full = bytes > limit.bytes || entries.len() as u64 == end - first;
                if is_full && !entries.is_empty() {
                    break 'read;
                }
                entries.push(entry);
            }
        }
        drop(bundles);
        let accepted = self.accepted(first, entries.len()).await?;
        Ok(entries
            .into_iter()
            .zip(accepted)
            .map(|(entry, accepted_ms)| StoredEntry {
                entry,
                statement: None,
                accepted_ms,
            })
            .collect())
    }

    async fn tiles(&mut self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        let this = &*self;
        stream::iter(paths.iter().copied())
            .map(|path| async move { Ok(this.tile(path).await?.map(|tile| (path, tile))) })
            .buffer_unordered(OBJECTS_AT_ONCE)
            .try_filter_map(|tile| async move { Ok(tile) })
            .try_collect()
            .await
    }

    async fn attachment(&mut self, sha256: Sha256) -> Result<Option<StoredDocument>, StorageError> {
        let read = self
            .store
            .read(&format!("api/v1/attachments/{sha256}"))
            .await;
        let read = read.map_err(|error| elsewhere(&error))?;
        Ok(read.map(|object| StoredDocument {
            // A web server says what it makes of a file's name.
            media_type: object.media_type.filter(|_| self.says_types),
            bytes: object.bytes,
        }))
    }
}
