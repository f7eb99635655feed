//! Deriving again all that follows from the entries, in the place of what is there.
//!
//! Always: it is one transaction. Readers see what was there before until it is committed, and nobody writes meanwhile;
//! one that is dropped has changed nothing.

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TreeHead};

use super::{Batch, CommitError, Known, Questions, StorageError};

/// A log whose tiles and views are derived again.
#[async_trait]
pub trait Rebuild: Send {
    /// What the log knows by what was derived so far.
    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError>;

    /// Writes what follows from a batch's entries, which are there.
    async fn derive(&mut self, batch: &Batch) -> Result<(), StorageError>;

    /// Stores the digest of an entry's statement.
    async fn set_statement(
        &mut self,
        index: LeafIndex,
        statement: Sha256,
    ) -> Result<(), StorageError>;

    /// Puts the tree on record, and commits.
    async fn commit(self: Box<Self>, head: TreeHead) -> Result<(), CommitError>;
}
