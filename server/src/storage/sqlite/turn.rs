//! A turn to write: one transaction on the connection that writes.

use std::sync::Arc;

use async_trait::async_trait;
use candor_core::merkle::TreeHead;
use candor_core::record::Kind;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tracing::debug;

use super::changes::Subjects;
use super::digests::{Digests, Grown, Key};
use super::{changes, code, log};
use crate::failpoint::failpoint;
use crate::storage::{Batch, CommitError, Known, Questions, StorageError, Turn};

/// A transaction that holds the database's only lock for writing.
///
/// Begun and ended by statements of its own: after an error, `SQLite` may have rolled back by itself, and sqlx
/// would go on counting from a transaction that is no more. So the connection goes back into the pool only from a
/// transaction that ended in order.
pub(super) struct SqliteTurn {
    /// There until the turn ends.
    connection: Option<PoolConnection<sqlx::Sqlite>>,
    head: TreeHead,
    digests: Arc<Digests>,
}

impl SqliteTurn {
    pub(super) async fn begin(
        writer: &SqlitePool,
        digests: &Arc<Digests>,
    ) -> Result<Self, StorageError> {
        let mut turn = Self {
            connection: Some(writer.acquire().await?),
            head: TreeHead::empty(),
            digests: Arc::clone(digests),
        };
        sqlx::query("BEGIN IMMEDIATE")
            .execute(turn.connection())
            .await?;
        turn.head = log::head(turn.connection()).await?;
        Ok(turn)
    }

    /// The same, with the digests of all that was committed.
    pub(super) async fn begin_to_write(
        writer: &SqlitePool,
        digests: &Arc<Digests>,
    ) -> Result<Self, StorageError> {
        let mut turn = Self::begin(writer, digests).await?;
        if log::ending(turn.connection()).await?.is_some() {
            Box::new(turn).end().await;
            return Err(StorageError::Retired);
        }
        let size = turn.head.size;
        digests.cover(turn.connection(), size).await?;
        Ok(turn)
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("the turn has not ended")
    }

    async fn write_and_commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let grown = self.write(batch).await?;
        failpoint("written");
        self.commit_written().await?;
        self.digests.committed(grown);
        Ok(())
    }

    async fn commit_written(&mut self) -> Result<(), CommitError> {
        let committed = sqlx::query("COMMIT").execute(self.connection()).await;
        committed.map(drop).map_err(|error| {
            if has_written_nothing(&error) {
                CommitError::NotWritten(error.into())
            } else {
                CommitError::Unknown(error.into())
            }
        })
    }

    /// Commits what was written on the turn's connection.
    pub(super) async fn commit_as_it_is(mut self) -> Result<(), CommitError> {
        let committed = self.commit_written().await;
        self.let_go(&committed).await;
        committed
    }

    /// Gives the connection back, if its transaction ended in order.
    async fn let_go(&mut self, committed: &Result<(), CommitError>) {
        let connection = self.connection.take().expect("the turn ends here");
        if committed.is_err()
            && let Err(error) = connection.close().await
        {
            debug!(%error, "the connection that failed did not close in order");
        }
    }

    async fn write(&mut self, batch: &Batch) -> Result<Grown, StorageError> {
        let digests = Arc::clone(&self.digests);
        let connection = self.connection();
        log::insert_entries(connection, batch).await?;
        log::insert_attachments(connection, &batch.attachments).await?;
        let grown = write_derived(connection, &digests, batch).await?;
        log::update_head(connection, &batch.after).await?;
        Ok(grown)
    }
}

/// Writes what follows from a batch's entries: tiles, views, and what finds them.
pub(super) async fn write_derived(
    connection: &mut SqliteConnection,
    digests: &Digests,
    batch: &Batch,
) -> Result<Grown, StorageError> {
    let subjects = Subjects::of(connection, digests, &batch.views).await?;
    log::upsert_tiles(connection, &batch.tiles).await?;
    changes::apply(connection, &batch.views, &subjects).await?;
    let statements = batch
        .entries
        .iter()
        .map(|new| Key::of_statement(new.statement));
    let statements = statements.zip(batch.before.size.get()..);
    let weights = batch.views.iter().filter(|view| view.kind == Kind::Weights);
    let manifests = weights.map(|view| (Key::of_manifest(view.subject_sha256), view.index.get()));
    let keys = statements
        .chain(subjects.new_releases())
        .chain(manifests)
        .collect();
    let grown = digests.grow(batch.before.size, batch.after.size, keys);
    grown.write(connection).await?;
    Ok(grown)
}

#[async_trait]
impl Turn for SqliteTurn {
    fn head(&self) -> TreeHead {
        self.head
    }

    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        let digests = Arc::clone(&self.digests);
        super::known(self.connection(), &digests, questions).await
    }

    async fn commit(mut self: Box<Self>, batch: &Batch) -> Result<(), CommitError> {
        if self.head != batch.before {
            return Err(CommitError::HeadMoved {
                planned: batch.before.size,
                found: self.head.size,
            });
        }
        let committed = self.write_and_commit(batch).await;
        self.let_go(&committed).await;
        committed
    }

    async fn retire(mut self: Box<Self>, ending: &str) -> Result<(), CommitError> {
        log::set_ending(self.connection(), ending).await?;
        self.commit_as_it_is().await
    }

    async fn end(mut self: Box<Self>) {
        match sqlx::query("ROLLBACK").execute(self.connection()).await {
            Ok(_) => self.connection = None,
            Err(error) => debug!(%error, "a turn did not end in order"),
        }
    }
}

impl Drop for SqliteTurn {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A connection that closes takes back what it has not committed.
            drop(connection.detach());
        }
    }
}

/// Whether a failed COMMIT has certainly written nothing: the database was locked, the disk full, or a
/// constraint not met. Anything else, a failed fsync above all, leaves it open.
fn has_written_nothing(error: &sqlx::Error) -> bool {
    matches!(
        code::of(error),
        Some(code::BUSY | code::LOCKED | code::FULL | code::CONSTRAINT)
    )
}
