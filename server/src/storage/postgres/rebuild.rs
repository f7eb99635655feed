//! Deriving a log's tiles and views again.

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TreeHead};
use sqlx::{Executor as _, PgPool};

use super::turn::PostgresTurn;
use super::{log, views};
use crate::storage::rows::{statement_key, to_db};
use crate::storage::{Batch, CommitError, Known, Questions, Rebuild, StorageError};

/// A turn in which everything derived is written anew.
pub(super) struct PostgresRebuild(PostgresTurn);

impl PostgresRebuild {
    pub(super) async fn begin(writer: &PgPool) -> Result<Self, StorageError> {
        let mut turn = PostgresTurn::begin(writer).await?;
        // It takes as long as it takes. Rows are deleted, and not the tables emptied, so that readers can read on.
        turn.connection()
            .execute(sqlx::raw_sql(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
                 SET LOCAL enable_seqscan = on;
                 DELETE FROM publisher_key; DELETE FROM publisher; DELETE FROM release; DELETE FROM record;
                 DELETE FROM tile; SET LOCAL enable_seqscan = off",
            ))
            .await
            .map_err(StorageError::from)?;
        Ok(Self(turn))
    }
}

#[async_trait]
impl Rebuild for PostgresRebuild {
    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        super::known(self.0.connection(), questions).await
    }

    async fn derive(&mut self, batch: &Batch) -> Result<(), StorageError> {
        log::upsert_tiles(self.0.connection(), &batch.tiles).await?;
        views::apply(self.0.connection(), &batch.views).await
    }

    async fn set_statement(
        &mut self,
        index: LeafIndex,
        statement: Sha256,
    ) -> Result<(), StorageError> {
        sqlx::query("UPDATE entry SET statement = $1, statement_key = $2 WHERE idx = $3")
            .bind(statement.as_bytes().as_slice())
            .bind(statement_key(statement))
            .bind(to_db(index.get())?)
            .execute(self.0.connection())
            .await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, head: TreeHead) -> Result<(), CommitError> {
        log::set_head(self.0.connection(), &head).await?;
        self.0.commit_as_it_is().await
    }
}
