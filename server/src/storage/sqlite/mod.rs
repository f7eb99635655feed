//! `SQLite`: embedded, nothing to install, one server per file.
//!
//! One connection writes, in the sequencer's hands alone; a pool of others reads. Write-ahead logging with
//! `synchronous = FULL`: a commit that has returned survives a power cut.
//!
//! The SQL is in functions named for their question: `log` for entries, tiles and the head, `views` for the
//! rest.

mod log;
mod views;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TilePath, TreeHead};
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use sqlx::Transaction;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::{
    Batch, CommitError, Known, LogIdentity, LoggedRecord, ModelRow, PublisherRow, Questions,
    RecordFilter, RecordPage, RecordRow, ReleaseRow, Storage, StorageError, StoredAttachment,
};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");

/// How many connections read at a time.
const READERS: u32 = 4;

/// `SQLite` takes 32,766 bound values a statement; five columns of this many rows stay well below.
/// Such statements are prepared anew each time: there is one for each number of rows, too many to keep.
const ROWS_PER_INSERT: usize = 1_000;

/// A log in an `SQLite` file.
#[derive(Clone)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Makes a new, empty log in a file that does not exist yet.
    pub async fn create(file: &Path, identity: &LogIdentity) -> Result<(), StorageError> {
        if file.exists() {
            return Err(StorageError::NotALog(format!(
                "{} exists already, and is left as it is",
                file.display()
            )));
        }
        let pool = connect(file, true, 1).await?;
        MIGRATIONS
            .run(&pool)
            .await
            .map_err(|e| StorageError::Database(e.into()))?;
        log::insert_identity(&pool, identity).await?;
        pool.close().await;
        Ok(())
    }

    /// Opens the log in `file`. A missing file is an error: logs are made by [`Sqlite::create`] alone.
    pub async fn open(file: &Path) -> Result<Self, StorageError> {
        if !file.exists() {
            return Err(StorageError::NotALog(format!(
                "there is no log at {}",
                file.display()
            )));
        }
        let writer = connect(file, false, 1).await?;
        // Before anything is written: this may be somebody else's database.
        log::identity(&writer).await.map_err(|error| {
            StorageError::NotALog(format!("{} holds no log: {error}", file.display()))
        })?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|e| StorageError::Database(e.into()))?;
        log::settle(&writer).await?;
        let readers = connect(file, false, READERS).await?;
        Ok(Self { writer, readers })
    }

    /// Closes the log in order: everything goes into the one database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The same log, with reads too going to the connection that writes: for the sequencer, which must not
    /// wait behind everybody's questions.
    #[must_use]
    pub fn for_sequencer(&self) -> Self {
        Self {
            writer: self.writer.clone(),
            readers: self.writer.clone(),
        }
    }
}

/// Whether a failed COMMIT has certainly written nothing: the database was locked, the disk full, or a
/// constraint not met. Anything else, a failed fsync above all, leaves it open.
fn has_written_nothing(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const FULL: u32 = 13;
    const CONSTRAINT: u32 = 19;
    // The primary code is the low byte: https://sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, BUSY | LOCKED | FULL | CONSTRAINT))
}

async fn connect(file: &Path, create: bool, connections: u32) -> Result<SqlitePool, StorageError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        // Larger pages hold more of the hash index each; measured to be worth half the insert time.
        .page_size(16_384)
        .pragma("wal_autocheckpoint", "8000");
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .connect_with(options)
        .await?;
    Ok(pool)
}

#[async_trait]
impl Storage for Sqlite {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        log::identity(&self.readers).await
    }

    async fn head(&self) -> Result<TreeHead, StorageError> {
        log::head(&self.readers).await
    }

    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        log::tiles(&self.readers, paths).await
    }

    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError> {
        log::entries(&self.readers, first, count).await
    }

    async fn known(&self, questions: &Questions) -> Result<Known, StorageError> {
        // One transaction, so one snapshot.
        let mut snapshot = self.readers.begin().await?;
        Ok(Known {
            statements: log::known_statements(&mut snapshot, &questions.statements).await?,
            publishers: views::known_publishers(&mut snapshot, &questions.publishers).await?,
            releases: views::known_releases(&mut snapshot, &questions.releases).await?,
            attachments: log::known_attachments(&mut snapshot, &questions.attachments).await?,
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut transaction = begin(&self.writer).await?;
        let found = log::head_in(&mut transaction).await?;
        if found != batch.before {
            return Err(CommitError::HeadMoved {
                planned: batch.before.size,
                found: found.size,
            });
        }
        write(&mut transaction, batch).await?;
        transaction.commit().await.map_err(|error| {
            if has_written_nothing(&error) {
                CommitError::NotWritten(error.into())
            } else {
                CommitError::Unknown(error.into())
            }
        })
    }

    async fn attachment(&self, sha256: Sha256) -> Result<Option<StoredAttachment>, StorageError> {
        log::attachment(&self.readers, sha256).await
    }

    async fn publisher_of_key(&self, keyid: Sha256) -> Result<Option<PublisherName>, StorageError> {
        views::publisher_of_key(&self.readers, keyid).await
    }

    async fn record(&self, index: LeafIndex) -> Result<Option<LoggedRecord>, StorageError> {
        views::record(&self.readers, index).await
    }

    async fn records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError> {
        views::records(&self.readers, filter, page).await
    }

    async fn logged_records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<LoggedRecord>, StorageError> {
        views::logged_records(&self.readers, filter, page).await
    }

    async fn publishers(&self, after: &str, limit: u32) -> Result<Vec<PublisherRow>, StorageError> {
        views::publishers(&mut *self.readers.begin().await?, after, limit).await
    }

    async fn publisher(&self, name: &PublisherName) -> Result<Option<PublisherRow>, StorageError> {
        views::publisher(&mut *self.readers.begin().await?, name).await
    }

    async fn models(
        &self,
        publisher: Option<&PublisherName>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ModelRow>, StorageError> {
        views::models(&self.readers, publisher, after, limit).await
    }

    async fn releases(
        &self,
        model: &ModelName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<ReleaseRow>, StorageError> {
        views::releases(&self.readers, model, after, limit).await
    }

    async fn release(&self, name: &ReleaseName) -> Result<Option<ReleaseRow>, StorageError> {
        views::release(&self.readers, name).await
    }
}

async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, sqlx::Sqlite>, StorageError> {
    Ok(writer.begin_with("BEGIN IMMEDIATE").await?)
}

async fn write(
    transaction: &mut Transaction<'_, sqlx::Sqlite>,
    batch: &Batch,
) -> Result<(), StorageError> {
    log::insert_entries(transaction, batch).await?;
    log::upsert_tiles(transaction, &batch.tiles).await?;
    log::insert_attachments(transaction, &batch.attachments).await?;
    views::apply(transaction, &batch.views).await?;
    log::update_head(transaction, &batch.after).await
}

/// Numbers cross to `SQLite`'s signed 64-bit integers here and nowhere else.
fn to_db(number: u64) -> Result<i64, StorageError> {
    i64::try_from(number)
        .map_err(|_| StorageError::Damaged(format!("{number} is more than the database can hold")))
}

fn from_db(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(StorageError::damaged)
}

fn index_from_db(number: i64) -> Result<LeafIndex, StorageError> {
    from_db(number).map(LeafIndex::new)
}

fn sha256_from_db(bytes: &[u8]) -> Result<Sha256, StorageError> {
    bytes
        .try_into()
        .map(Sha256::from_bytes)
        .map_err(StorageError::damaged)
}

/// A list as the JSON that `json_each` takes, so that one SQL text serves lists of every length.
fn json_list<T: serde::Serialize>(items: impl Iterator<Item = T>) -> String {
    serde_json::to_string(&items.collect::<Vec<_>>()).expect("names and numbers are JSON")
}
