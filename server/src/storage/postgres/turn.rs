//! A turn to write: one transaction that holds the lock on the head.
//!
//! ```text
//! BEGIN ──► SELECT … FROM tree_head FOR UPDATE ──► look up ──► insert ──► UPDATE tree_head … WHERE size = … ──► COMMIT
//!           one server at a time                                           the fence
//! ```
//!
//! Always: Postgres decides whose turn it is. The lock is the lease: it ends when the transaction does, when the
//! server's connection breaks, and when the server says nothing for [`SILENCE_MAX`]. Whoever was paused meanwhile
//! finds its transaction gone, and nothing of it written. The head that a batch was planned on is the fence: the
//! commit moves the head from there, or not at all.

use std::time::Duration;

use async_trait::async_trait;
use candor_core::merkle::TreeHead;
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool};
use tracing::debug;

use super::{in_time, log, views};
use crate::failpoint::failpoint;
use crate::storage::{Batch, CommitError, Known, Questions, StorageError, Turn};

/// How long a server may keep its turn without a word to the database: with some thousand records, it plans for
/// some 20 ms.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// A transaction that holds the lock.
pub(super) struct PostgresTurn {
    /// There until the turn ends. It goes back into the pool only from a transaction that ended in order.
    connection: Option<PoolConnection<sqlx::Postgres>>,
    head: TreeHead,
    is_closed: bool,
}

impl PostgresTurn {
    pub(super) async fn begin(writer: &PgPool) -> Result<Self, StorageError> {
        let mut turn = Self {
            // There is one, and nobody else has it: whoever gets none finds no database.
            connection: Some(writer.acquire().await.map_err(|error| match error {
                sqlx::Error::PoolTimedOut => StorageError::OutOfReach(error.to_string()),
                error => error.into(),
            })?),
            head: TreeHead::empty(),
            is_closed: false,
        };
        let connection = turn.connection();
        (turn.head, turn.is_closed) = in_time(async {
            // What others commit until the lock is there must be seen, whatever the database's default is.
            sqlx::query("BEGIN ISOLATION LEVEL READ COMMITTED")
                .execute(&mut *connection)
                .await?;
            log::lock_head(connection).await
        })
        .await
        .map_err(turn_lost)?;
        Ok(turn)
    }

    /// The same, unless the log is closed.
    pub(super) async fn begin_to_write(writer: &PgPool) -> Result<Self, StorageError> {
        let turn = Self::begin(writer).await?;
        if turn.is_closed {
            Box::new(turn).end().await;
            return Err(StorageError::Retired);
        }
        Ok(turn)
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("the turn has not ended")
    }

    /// Commits what was written on the turn's connection.
    pub(super) async fn commit_as_it_is(mut self) -> Result<(), CommitError> {
        let commit = sqlx::query("COMMIT").execute(self.connection());
        in_time(async { Ok(commit.await?) })
            .await
            .map_err(|error| {
                if has_written_nothing(&error) {
                    CommitError::NotWritten(error)
                } else {
                    CommitError::Lost(error)
                }
            })?;
        // It goes back into the pool.
        self.connection = None;
        Ok(())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let connection = self.connection();
        log::insert_entries(connection, batch).await?;
        log::upsert_tiles(connection, &batch.tiles).await?;
        log::insert_attachments(connection, &batch.attachments).await?;
        views::apply(connection, &batch.views).await?;
        if log::move_head(connection, &batch.before, &batch.after).await? {
            return Ok(());
        }
        Err(CommitError::HeadMoved {
            planned: batch.before.size,
            found: self.head.size,
        })
    }
}

#[async_trait]
impl Turn for PostgresTurn {
    fn head(&self) -> TreeHead {
        self.head
    }

    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        let known = in_time(super::known(self.connection(), questions)).await;
        known.map_err(turn_lost)
    }

    async fn commit(mut self: Box<Self>, batch: &Batch) -> Result<(), CommitError> {
        in_time(async { Ok(self.write(batch).await) })
            .await?
            .map_err(|error| match error {
                CommitError::NotWritten(error) => CommitError::NotWritten(turn_lost(error)),
                error => error,
            })?;
        failpoint("written");
        self.commit_as_it_is().await
    }

    async fn retire(mut self: Box<Self>, ending: &str) -> Result<(), CommitError> {
        let connection = self.connection();
        in_time(log::set_ending(connection, ending))
            .await
            .map_err(turn_lost)?;
        self.commit_as_it_is().await
    }

    async fn end(mut self: Box<Self>) {
        let rollback = sqlx::query("ROLLBACK").execute(self.connection());
        match in_time(async { Ok(rollback.await?) }).await {
            Ok(_) => self.connection = None,
            Err(error) => debug!(%error, "a turn did not end in order"),
        }
    }
}

impl Drop for PostgresTurn {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Postgres takes back what a connection that breaks has not committed.
            drop(connection.detach());
        }
    }
}

/// What a connection that broke means in a turn: Postgres may have ended it.
fn turn_lost(error: StorageError) -> StorageError {
    match error {
        StorageError::OutOfReach(_) => StorageError::TurnLost,
        error => error,
    }
}

/// Whether a failed COMMIT has certainly written nothing: Postgres itself says that a rule or a resource stood in
/// the way. Anything else, a connection that broke above all, leaves it open.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn has_written_nothing(error: &StorageError) -> bool {
    let (StorageError::Database(error) | StorageError::Full(error)) = error else {
        return false;
    };
    let Some(code) = error.as_database_error().and_then(DatabaseError::code) else {
        return false;
    };
    // Integrity constraint violation, transaction rollback, insufficient resources.
    ["23", "40", "53"]
        .iter()
        .any(|class| code.starts_with(class))
}
