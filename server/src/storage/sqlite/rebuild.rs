//! Deriving a log's tiles and views again.

use std::sync::Arc;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TreeHead};
use sqlx::SqlitePool;

use super::digests::Digests;
use super::log;
use super::turn::{SqliteTurn, write_derived};
use crate::storage::rows::to_db;
use crate::storage::{Batch, CommitError, Known, Questions, Rebuild, StorageError};

/// What is derived. A publisher's keys go before it.
const DERIVED: [&str; 7] = [
    "publisher_key",
    "publisher",
    "release",
    "record",
    "tile",
    "digest_run",
    "digest_filter",
];

/// A turn in which everything derived is written anew.
pub(super) struct SqliteRebuild {
    turn: SqliteTurn,
    /// Of what was derived so far.
    digests: Digests,
    /// Those of the open log.
    replaced: Arc<Digests>,
}

impl SqliteRebuild {
    pub(super) async fn begin(
        writer: &SqlitePool,
        digests: &Arc<Digests>,
    ) -> Result<Self, StorageError> {
        let mut turn = SqliteTurn::begin(writer, digests).await?;
        for table in DERIVED {
            let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
            sqlx::query(delete).execute(turn.connection()).await?;
        }
        Ok(Self {
            turn,
            digests: Digests::empty(),
            replaced: Arc::clone(digests),
        })
    }
}

#[async_trait]
impl Rebuild for SqliteRebuild {
    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        super::known(self.turn.connection(), &self.digests, questions).await
    }

    async fn derive(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let grown = write_derived(self.turn.connection(), &self.digests, batch).await?;
        self.digests.committed(grown);
        Ok(())
    }

    async fn set_statement(
        &mut self,
        index: LeafIndex,
        statement: Sha256,
    ) -> Result<(), StorageError> {
        sqlx::query("UPDATE entry SET statement = ?1 WHERE idx = ?2")
            .bind(statement.as_bytes().as_slice())
            .bind(to_db(index.get())?)
            .execute(self.turn.connection())
            .await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, head: TreeHead) -> Result<(), CommitError> {
        log::update_head(self.turn.connection(), &head).await?;
        self.turn.commit_as_it_is().await?;
        self.replaced.replace(self.digests);
        Ok(())
    }
}
