//! How far webhooks have come, and which server tells each of them: by a lease that Postgres' clock ends.

use std::time::Duration;

use async_trait::async_trait;
use candor_core::merkle::LeafIndex;
use sqlx::AssertSqlSafe;

use super::{Postgres, in_time};
use crate::storage::rows::{OutboxColumns, outbox_row_of, to_db};
use crate::storage::{Claim, Outbox, OutboxRow, Progress, StorageError};

/// What [`OutboxColumns`] are. A server whose time is over has it no longer.
const ROW: &str = "webhook, first_idx, next_idx, attempts, retry_ms, error,
     CASE WHEN leased_until > now() THEN server END";

#[async_trait]
impl Outbox for Postgres {
    async fn enroll(&self, webhook: &str, first: LeafIndex) -> Result<(), StorageError> {
        let insert = sqlx::query(
            "INSERT INTO outbox (webhook, first_idx, next_idx) VALUES ($1, $2, $2)
             ON CONFLICT (webhook) DO NOTHING",
        )
        .bind(webhook)
        .bind(to_db(first.get())?)
        .execute(&self.outbox);
        in_time(async { Ok(insert.await?) }).await?;
        Ok(())
    }

    async fn claim(
        &self,
        webhook: &str,
        server: &str,
        time: Duration,
    ) -> Result<Option<Claim>, StorageError> {
        // One statement: of two servers that ask at once, the second waits for the first, and then finds it taken.
        let claim = format!(
            "UPDATE outbox SET server = $2, leased_until = now() + $3 * interval '1 millisecond'
             WHERE webhook = $1 AND (server IS NULL OR server = $2 OR leased_until <= now())
             RETURNING {ROW}"
        );
        let claim = sqlx::query_as(AssertSqlSafe(claim))
            .bind(webhook)
            .bind(server)
            .bind(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
            .fetch_optional(&self.outbox);
        let ours: Option<OutboxColumns> = in_time(async { Ok(claim.await?) }).await?;
        if let Some(ours) = ours {
            return Ok(Some(Claim::Ours(outbox_row_of(ours)?)));
        }
        let query = format!("SELECT {ROW} FROM outbox WHERE webhook = $1");
        let query = sqlx::query_as(AssertSqlSafe(query))
            .bind(webhook)
            .fetch_optional(&self.outbox);
        let theirs: Option<OutboxColumns> = in_time(async { Ok(query.await?) }).await?;
        theirs
            .map(|row| Ok(Claim::Theirs(outbox_row_of(row)?)))
            .transpose()
    }

    async fn move_on(
        &self,
        webhook: &str,
        server: &str,
        progress: &Progress,
    ) -> Result<bool, StorageError> {
        // A server whose time is over may still write, as long as nobody else has taken the webhook: what it says is so.
        let update = sqlx::query(
            "UPDATE outbox SET next_idx = $1, attempts = $2, retry_ms = $3, error = $4
             WHERE webhook = $5 AND server = $6 AND next_idx <= $1",
        )
        .bind(to_db(progress.next.get())?)
        .bind(i64::from(progress.attempts))
        .bind(progress.retry_ms)
        .bind(&progress.error)
        .bind(webhook)
        .bind(server)
        .execute(&self.outbox);
        let moved = in_time(async { Ok(update.await?) }).await?;
        Ok(moved.rows_affected() == 1)
    }

    async fn give_back(&self, server: &str) -> Result<(), StorageError> {
        let update =
            sqlx::query("UPDATE outbox SET server = NULL, leased_until = NULL WHERE server = $1")
                .bind(server)
                .execute(&self.outbox);
        in_time(async { Ok(update.await?) }).await?;
        Ok(())
    }

    async fn webhooks(&self) -> Result<Vec<OutboxRow>, StorageError> {
        let query = format!("SELECT {ROW} FROM outbox ORDER BY webhook");
        let query = sqlx::query_as(AssertSqlSafe(query)).fetch_all(&self.outbox);
        let rows: Vec<OutboxColumns> = in_time(async { Ok(query.await?) }).await?;
        rows.into_iter().map(outbox_row_of).collect()
    }
}
