//! Writing: one server at a time, by turns.
//!
//! ```text
//! turn ──► head ──► known ──► (plan) ──► commit      all of it in one transaction
//!                                └─────► end         where there is nothing to write
//! ```
//!
//! Always: from the beginning of a turn to its end, nobody else writes to the log, so what it was told of the log
//! still holds when it writes. A turn that is dropped has written nothing.

use async_trait::async_trait;
use candor_core::merkle::{TreeHead, TreeSize};

use super::{Batch, Known, Questions, StorageError};

/// A server's turn to write.
#[async_trait]
pub trait Turn: Send {
    /// The tree after the last committed batch. It stays that until the turn ends.
    fn head(&self) -> TreeHead;

    /// What the log knows of the things that `questions` names.
    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError>;

    /// Writes a batch: all of it, durably, or nothing. The turn has ended then.
    ///
    /// On `Ok`, it is on stable storage. Otherwise the error says whether anything may be there.
    async fn commit(self: Box<Self>, batch: &Batch) -> Result<(), CommitError>;

    /// Closes the log: puts the text of its last checkpoint, of the tree that this turn found, on stable storage. The
    /// turn has ended then, and there is no further one.
    async fn retire(self: Box<Self>, ending: &str) -> Result<(), CommitError>;

    /// Ends the turn with nothing written.
    async fn end(self: Box<Self>);
}

/// Why a batch was not committed, and what may be there of it.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was written, and the next batch may fare better.
    #[error("the batch was not written: {0}")]
    NotWritten(#[from] StorageError),
    /// Nothing was written, for somebody else has written to the log.
    #[error(
        "the log moved on: this batch was planned on a tree of {planned} entries, and the tree has {found}"
    )]
    HeadMoved {
        /// The size that the batch was planned on.
        planned: TreeSize,
        /// The size found.
        found: TreeSize,
    },
    /// Nobody knows yet: the database was lost while it committed. What it shows in the next turn is so.
    #[error("whether the batch was written, the next one will show: {0}")]
    Lost(StorageError),
    /// Nobody knows. What the database shows from here on may not be on stable storage: a disk that failed
    /// to write something down can go on showing it. The log stops; opening it again finds out.
    #[error("nobody knows whether the batch was written: {0}")]
    Unknown(StorageError),
}
