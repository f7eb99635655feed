//! `SQLite`: embedded, nothing to install, one server per file.
//!
//! One connection writes, and serves whoever has the turn, so that the sequencer does not wait behind everybody's
//! questions; a pool of others reads. Write-ahead logging with `synchronous = FULL`: a commit that has returned
//! survives a power cut.
//!
//! Always: connections are kept as long as the log is open, so that all of them have the file that was opened;
//! the writer alone is replaced after a batch that failed.
//!
//! The SQL is in functions named for their question: `log` for entries, tiles and the head, `publishers` for
//! these and their keys, `views` for the rest. `digests` finds what is asked for by a digest or by a release's name.
//! `turn` puts them together to write, and `changes` writes what the entries change in the views.

mod changes;
mod digests;
mod insert;
mod log;
mod outbox;
mod publishers;
mod rebuild;
mod reserve;
mod snapshot;
mod turn;
mod views;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TilePath, TreeHead};
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use tracing::warn;

use super::{
    EntriesLimit, Known, LogIdentity, LoggedRecord, ModelRow, Outbox, Peers, PublisherPage,
    PublisherRow, Questions, Readers, Rebuild, RecordFilter, RecordPage, RecordRow, ReleasePage,
    ReleaseRow, Storage, StorageError, StoredAttachment, Turn,
};

use digests::{Digests, Key};
use rebuild::SqliteRebuild;
use reserve::Reserve;
pub use snapshot::SqliteSnapshots;
use turn::SqliteTurn;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");

/// How many connections read at a time.
const READERS: u32 = 4;

/// A log in an `SQLite` file.
#[derive(Clone)]
pub struct Sqlite {
    file: PathBuf,
    opened: FileId,
    writer: SqlitePool,
    readers: SqlitePool,
    digests: Arc<Digests>,
}

/// What tells a file from every other: the device that it is on, and its number there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl Sqlite {
    /// Makes a new, empty log in a file that does not exist yet.
    pub async fn create(file: &Path, identity: &LogIdentity) -> Result<(), StorageError> {
        if file.exists() {
            return Err(StorageError::NotALog(format!(
                "{} exists already, and is left as it is",
                file.display()
            )));
        }
        let pool = connect(writer(file).create_if_missing(true), 1).await?;
        MIGRATIONS.run(&pool).await.map_err(sqlx::Error::from)?;
        log::insert_identity(&pool, identity).await?;
        pool.close().await;
        Ok(())
    }

    /// Makes a new, empty log in a file that need not outlive the program: nothing waits for the disk.
    pub async fn scratch(file: &Path, identity: &LogIdentity) -> Result<Self, StorageError> {
        Self::create(file, identity).await?;
        Self::open_with(file, SqliteSynchronous::Off).await
    }

    /// Opens the log in `file`. A missing file is an error: logs are made by [`Sqlite::create`] alone.
    pub async fn open(file: &Path) -> Result<Self, StorageError> {
        let reserve = Reserve::beside(file);
        let log = match Self::open_once(file).await {
            Err(StorageError::Full(error)) if reserve.give() => {
                warn!(%error, "the disk is full; the log takes what was reserved for this");
                Self::open_once(file).await?
            }
            opened => opened?,
        };
        reserve.keep();
        Ok(log)
    }

    async fn open_once(file: &Path) -> Result<Self, StorageError> {
        Self::open_with(file, SqliteSynchronous::Full).await
    }

    /// Opens a log whose views may be damaged, to derive them again, or of which no statement is to be found.
    pub async fn open_damaged(file: &Path) -> Result<Self, StorageError> {
        Self::open_parts(file, SqliteSynchronous::Full, false).await
    }

    async fn open_with(file: &Path, synchronous: SqliteSynchronous) -> Result<Self, StorageError> {
        Self::open_parts(file, synchronous, true).await
    }

    async fn open_parts(
        file: &Path,
        synchronous: SqliteSynchronous,
        loads_digests: bool,
    ) -> Result<Self, StorageError> {
        let opened = FileId::of(file)?;
        check_identity(file).await?;
        let writer = connect(writer(file).synchronous(synchronous), 1).await?;
        MIGRATIONS.run(&writer).await.map_err(sqlx::Error::from)?;
        let readers = connect(options(file), READERS).await?;
        let digests = if loads_digests {
            let mut snapshot = writer.begin().await?;
            let head = log::head(&mut *snapshot).await?;
            Digests::load(&mut snapshot, head.size).await?
        } else {
            Digests::empty()
        };
        let log = Self {
            file: file.to_owned(),
            opened,
            writer,
            readers,
            digests: Arc::new(digests),
        };
        log.check_place()?;
        Ok(log)
    }
}

impl FileId {
    fn of(file: &Path) -> Result<Self, StorageError> {
        let metadata = fs::metadata(file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                StorageError::NotALog(format!("there is no log at {}", file.display()))
            }
            _ => io(file, error),
        })?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// Refuses a file that holds no log, before anything is written to it: it may be somebody else's database.
async fn check_identity(file: &Path) -> Result<(), StorageError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let identity = log::identity(&mut connection).await;
    connection.close().await?;
    let error = match identity {
        Ok(_) => return Ok(()),
        Err(StorageError::NotALog(error)) => error,
        Err(StorageError::Database(error)) if code::of(&error) == Some(code::ERROR) => {
            error.to_string()
        }
        Err(StorageError::Damaged(error)) => format!(
            "{error}; if it was one, it is damaged, and candor-server restore puts a copy in its place"
        ),
        Err(error) => return Err(error),
    };
    let file = file.display();
    Err(StorageError::NotALog(format!(
        "{file} holds no log: {error}"
    )))
}

fn io(file: &Path, error: std::io::Error) -> StorageError {
    StorageError::Io {
        path: file.to_owned(),
        error,
    }
}

/// The result codes of `SQLite` that lead somewhere of their own: <https://sqlite.org/rescode.html>
mod code {
    /// A table that is not there, above all.
    pub(super) const ERROR: u32 = 1;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const TOO_BIG: u32 = 18;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const MISMATCH: u32 = 20;
    pub(super) const NOT_A_DATABASE: u32 = 26;
    /// There is no room for the index of the write-ahead log.
    pub(super) const IOERR_SHMSIZE: u32 = 4_874;

    /// The primary code, which is the low byte of the extended one.
    pub(super) fn of(error: &sqlx::Error) -> Option<u32> {
        extended(error).map(|code| code & 0xff)
    }

    pub(super) fn extended(error: &sqlx::Error) -> Option<u32> {
        let error = error.as_database_error()?;
        error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
        error.code()?.parse().ok()
    }
}

/// Whether there is no room for more.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    code::of(error) == Some(code::FULL) || code::extended(error) == Some(code::IOERR_SHMSIZE)
}

/// Whether the file is not what `SQLite` wrote.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(code::of(error), Some(code::CORRUPT | code::NOT_A_DATABASE))
}

/// Whether a value is too long, or breaks a rule of its table.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(
        code::of(error),
        Some(code::TOO_BIG | code::CONSTRAINT | code::MISMATCH)
    )
}

/// How the log is opened.
fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        // A batch of single records changes some pages of each record's own publisher and model. Smaller ones make
        // less to write of that, and leave more room unused beside entries of 1.5 KiB.
        .page_size(8_192)
        .pragma("wal_autocheckpoint", "8000")
}

/// How the connection that writes is opened: with memory for most pages that a batch changes, which are written twice if
/// they have to make room for each other. Negative: in KiB.
fn writer(file: &Path) -> SqliteConnectOptions {
    options(file).pragma("cache_size", "-8192")
}

async fn connect(
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, StorageError> {
    let pool = SqlitePoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(pool)
}

#[async_trait]
impl Storage for Sqlite {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        log::identity(&self.readers).await
    }

    async fn settle(&self) -> Result<(), StorageError> {
        if log::checkpoint(&self.writer).await? {
            return Ok(());
        }
        Err(StorageError::Held {
            path: self.file.clone(),
        })
    }

    /// Everything goes into the one database file.
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        Reserve::beside(&self.file).keep();
    }

    fn check_place(&self) -> Result<(), StorageError> {
        match FileId::of(&self.file) {
            Ok(found) if found == self.opened => Ok(()),
            Ok(_) | Err(StorageError::NotALog(_)) => Err(StorageError::Replaced {
                path: self.file.clone(),
            }),
            Err(error) => Err(error),
        }
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        let room = rustix::fs::statvfs(&self.file).map_err(|error| io(&self.file, error.into()))?;
        Ok(Some(room.f_bavail.saturating_mul(room.f_frsize)))
    }

    /// The only server has no other's turns to read about.
    fn for_writing(self: Arc<Self>) -> Arc<dyn Storage> {
        self
    }

    fn peers(&self) -> Option<&dyn Peers> {
        None
    }

    fn outbox(&self) -> &dyn Outbox {
        self
    }

    fn readers(&self) -> Readers {
        let idle = u32::try_from(self.readers.num_idle()).unwrap_or(u32::MAX);
        Readers {
            busy: self.readers.size().saturating_sub(idle),
            idle,
        }
    }

    fn index_bytes(&self) -> u64 {
        self.digests.filter_bytes()
    }

    async fn head(&self) -> Result<TreeHead, StorageError> {
        log::head(&self.readers).await
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        log::ending(&self.readers).await
    }

    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        log::tiles(&self.readers, paths).await
    }

    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError> {
        log::entries(&self.readers, first, count).await
    }

    async fn known(&self, questions: &Questions) -> Result<Known, StorageError> {
        // One transaction, so one snapshot.
        known(&mut *self.readers.begin().await?, &self.digests, questions).await
    }

    async fn turn(&self) -> Result<Box<dyn Turn>, StorageError> {
        Ok(Box::new(
            SqliteTurn::begin_to_write(&self.writer, &self.digests).await?,
        ))
    }

    async fn rebuild(&self) -> Result<Box<dyn Rebuild>, StorageError> {
        Ok(Box::new(
            SqliteRebuild::begin(&self.writer, &self.digests).await?,
        ))
    }

    async fn attachment(&self, sha256: Sha256) -> Result<Option<StoredAttachment>, StorageError> {
        log::attachment(&self.readers, sha256).await
    }

    async fn publisher_of_key(&self, keyid: Sha256) -> Result<Option<PublisherName>, StorageError> {
        publishers::of_key(&self.readers, keyid).await
    }

    async fn record(&self, index: LeafIndex) -> Result<Option<LoggedRecord>, StorageError> {
        views::record(&self.readers, index).await
    }

    async fn records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError> {
        views::records(
            &mut *self.readers.begin().await?,
            &self.digests,
            filter,
            page,
        )
        .await
    }

    async fn records_after(
        &self,
        filter: &RecordFilter,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        views::records_after(
            &mut *self.readers.begin().await?,
            &self.digests,
            filter,
            after,
            limit,
        )
        .await
    }

    async fn weights_of(
        &self,
        manifest: Sha256,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        views::weights_of(
            &mut *self.readers.begin().await?,
            &self.digests,
            manifest,
            after,
            limit,
        )
        .await
    }

    async fn publishers(&self, after: &str, limit: u32) -> Result<Vec<PublisherRow>, StorageError> {
        publishers::list(&self.readers, after, limit).await
    }

    async fn publisher(
        &self,
        name: &PublisherName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Option<PublisherPage>, StorageError> {
        publishers::page(&mut *self.readers.begin().await?, name, after, limit).await
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

    async fn newest_release(&self, model: &ModelName) -> Result<Option<ReleaseRow>, StorageError> {
        views::newest_release(&self.readers, model).await
    }

    async fn release(
        &self,
        name: &ReleaseName,
        after: Option<LeafIndex>,
        limit: EntriesLimit,
    ) -> Result<Option<ReleasePage>, StorageError> {
        views::release(
            &mut *self.readers.begin().await?,
            &self.digests,
            name,
            after,
            limit,
        )
        .await
    }
}

/// What is known, as of the transaction that the connection is in.
async fn known(
    connection: &mut SqliteConnection,
    digests: &Digests,
    questions: &Questions,
) -> Result<Known, StorageError> {
    let statements = questions.statements.iter().copied().map(Key::of_statement);
    let releases = questions.releases.iter().map(Key::of_release);
    // Of nearly all records, neither their statements nor their releases were ever heard of.
    let candidates = digests.candidates(statements.chain(releases));
    let entries = candidates.find(connection).await?;
    let (statements, releases) = match entries {
        None => (HashMap::new(), HashMap::new()),
        Some(entries) => (
            log::known_statements(connection, &questions.statements, &entries).await?,
            views::known_releases(connection, &questions.releases, &entries).await?,
        ),
    };
    Ok(Known {
        statements,
        publishers: publishers::known(connection, &questions.publishers, &questions.keyids).await?,
        releases,
        attachments: log::known_attachments(connection, &questions.attachments).await?,
    })
}

/// A list as the JSON that `json_each` takes, so that one SQL text serves lists of every length.
fn json_list<T: serde::Serialize>(items: impl Iterator<Item = T>) -> String {
    serde_json::to_string(&items.collect::<Vec<_>>()).expect("names and numbers are JSON")
}

#[cfg(test)]
mod tests;
