//! Taking in a log that is files: a copy of it, or what a copy lacks.
//!
//! ```text
//! files ──► the log's checkpoint ──► is the tree here its beginning? ──► entries ──► derived ──► one batch at a time
//!           signed by its key         by a consistency proof                          each proven to lead to the checkpoint
//! ```
//!
//! Always: nothing is committed that does not lead to a tree that the log signed, so whoever serves the files can hold
//! entries back, and nothing else. An import that was interrupted goes on where it was.

use std::collections::HashMap;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{
    ConsistencyProof, LeafIndex, ProofPlan, Tile, TilePath, TreeHead, TreeSize,
};

use super::documents::{Bytes, Documents};
use super::{CHUNK, Flaw, Progress, up_to};
use crate::own_thread::block;
use crate::replay::{Parsed, Replay};
use crate::storage::snapshot::{Contents, StoredDocument, StoredEntry};
use crate::storage::{CommitError, EntriesLimit, Storage, StorageError};
use crate::tree::RightEdge;

/// How many bytes of documents are in memory at a time, save one that is larger.
const DOCUMENT_BYTES_MAX: u64 = 32 << 20;

/// What was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The tree that was there before.
    pub before: TreeHead,
    /// The tree that is there now.
    pub after: TreeHead,
}

/// Why a log, or the rest of it, was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It can't be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A batch was not written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is read is damaged, or was never of this log.
    #[error("what is read there is not this log as it was signed: {0}")]
    Flaw(Flaw),
    /// The files and the database are of two histories.
    #[error(
        "the {here} entries here are not the beginning of the tree of {there} entries there: they are two histories, and one of them is not this log's"
    )]
    OtherHistory {
        /// How many entries are here.
        here: TreeSize,
        /// How many are there.
        there: TreeSize,
    },
    /// The proofs can't be made.
    #[error(
        "not all tiles of the tree of {0} entries are there, so it can't be shown that what is there belongs to it: name a place that has all of them"
    )]
    TilesMissing(TreeSize),
    /// What is read leads elsewhere than the checkpoint says.
    #[error(
        "the entries there up to {0} do not lead to the checkpoint there: one of them was changed, or a tile was; nothing of these was taken in. `candor-server fsck` says which"
    )]
    NotAsSigned(TreeSize),
}

/// What a log held up to a tree that it signed, whatever it holds behind that.
pub(super) struct UpTo<'a> {
    pub(super) contents: &'a mut dyn Contents,
    pub(super) head: TreeHead,
}

#[async_trait]
impl Contents for UpTo<'_> {
    fn head(&self) -> TreeHead {
        self.head
    }

    async fn entries(
        &mut self,
        first: LeafIndex,
        limit: EntriesLimit,
    ) -> Result<Vec<StoredEntry>, StorageError> {
        self.contents.entries(first, limit).await
    }

    async fn tiles(&mut self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        self.contents.tiles(paths).await
    }

    async fn attachment(&mut self, sha256: Sha256) -> Result<Option<StoredDocument>, StorageError> {
        self.contents.attachment(sha256).await
    }
}

/// Takes in the entries that `contents` has and `storage` has not. `contents` ends with a tree that the log signed.
pub async fn import(
    storage: &dyn Storage,
    contents: &mut dyn Contents,
    progress: Progress<'_>,
) -> Result<Imported, ImportError> {
    let edge = RightEdge::load(storage).await?;
    let (before, end) = (edge.head(), contents.head());
    let other_history = || ImportError::OtherHistory {
        here: before.size,
        there: end.size,
    };
    if before.size >= end.size {
        // There is nothing to take in; it must be the same log all the same.
        let here = crate::tree::head_at(storage, end.size).await?;
        return if here == end {
            Ok(Imported {
                before,
                after: before,
            })
        } else {
            Err(other_history())
        };
    }
    if !leads_to(before, end, contents).await? {
        return Err(other_history());
    }
    let mut replay = Replay::from(edge);
    while replay.edge().head().size < end.size {
        let size = replay.edge().head().size;
        let first = LeafIndex::new(size.get());
        let limit = up_to(end.size, size, CHUNK);
        let entries = contents.entries(first, limit).await?;
        if entries.is_empty() {
            return Err(ImportError::Flaw(Flaw::MissingEntry(first)));
        }
        let mut rest = block(|| Parsed::of(first, entries)).map_err(bad_entry)?;
        while !rest.is_empty() {
            let (parsed, behind) = rest.split(DOCUMENT_BYTES_MAX);
            rest = behind;
            let known = storage.known(&parsed.questions()).await?;
            let named = parsed.new_documents(&known);
            let documents = Documents::read(contents, named, Bytes::Kept).await?;
            if let Some(flaw) = documents.flaws.into_iter().next() {
                return Err(ImportError::Flaw(flaw));
            }
            let batch = replay
                .plan(parsed, known, documents.read)
                .map_err(bad_entry)?;
            if !leads_to(batch.after, end, contents).await? {
                return Err(ImportError::NotAsSigned(batch.after.size));
            }
            storage.turn().await?.commit(&batch).await?;
            progress(batch.after.size.get(), end.size.get());
        }
    }
    Ok(Imported {
        before,
        after: replay.edge().head(),
    })
}

fn bad_entry(bad: crate::replay::BadEntry) -> ImportError {
    ImportError::Flaw(bad.into())
}

/// Whether the tree `head` is the beginning of the tree `end`, by the tiles of that.
async fn leads_to(
    head: TreeHead,
    end: TreeHead,
    contents: &mut dyn Contents,
) -> Result<bool, ImportError> {
    let Ok(plan) = ProofPlan::consistency(head.size, end.size) else {
        return Ok(false);
    };
    let tiles = contents.tiles(&plan.tiles()).await?;
    let path = plan
        .hashes(&tiles)
        .map_err(|_| ImportError::TilesMissing(end.size))?;
    let proof = ConsistencyProof {
        old: head.size,
        new: end.size,
        path,
    };
    Ok(proof.verify(&head, &end).is_ok())
}
