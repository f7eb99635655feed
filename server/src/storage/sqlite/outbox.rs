//! How far webhooks have come. The only server has all of them.

use std::time::Duration;

use async_trait::async_trait;
use candor_core::merkle::LeafIndex;
use sqlx::AssertSqlSafe;

use super::Sqlite;
use crate::storage::rows::{OutboxColumns, outbox_row_of, to_db};
use crate::storage::{Claim, Outbox, OutboxRow, Progress, StorageError};

/// What [`OutboxColumns`] are.
const ROW: &str =
    "SELECT webhook, first_idx, next_idx, attempts, retry_ms, error, NULL FROM outbox";

/// Whoever writes waits for turns, as turns do for each other.
#[async_trait]
impl Outbox for Sqlite {
    async fn enroll(&self, webhook: &str, first: LeafIndex) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO outbox (webhook, first_idx, next_idx) VALUES (?1, ?2, ?2)
             ON CONFLICT (webhook) DO NOTHING",
        )
        .bind(webhook)
        .bind(to_db(first.get())?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn claim(
        &self,
        webhook: &str,
        _server: &str,
        _time: Duration,
    ) -> Result<Option<Claim>, StorageError> {
        let query = format!("{ROW} WHERE webhook = ?1");
        let row: Option<OutboxColumns> = sqlx::query_as(AssertSqlSafe(query))
            .bind(webhook)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(Claim::Ours(outbox_row_of(row)?)))
            .transpose()
    }

    async fn move_on(
        &self,
        webhook: &str,
        _server: &str,
        progress: &Progress,
    ) -> Result<bool, StorageError> {
        let moved = sqlx::query(
            "UPDATE outbox SET next_idx = ?1, attempts = ?2, retry_ms = ?3, error = ?4
             WHERE webhook = ?5 AND next_idx <= ?1",
        )
        .bind(to_db(progress.next.get())?)
        .bind(i64::from(progress.attempts))
        .bind(progress.retry_ms)
        .bind(&progress.error)
        .bind(webhook)
        .execute(&self.writer)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    async fn give_back(&self, _server: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn webhooks(&self) -> Result<Vec<OutboxRow>, StorageError> {
        let query = format!("{ROW} ORDER BY webhook");
        let rows: Vec<OutboxColumns> = sqlx::query_as(AssertSqlSafe(query))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(outbox_row_of).collect()
    }
}
