//! The catalogue: what the log says, laid out for people who look around.
//!
//! ```text
//! released entries, their attachments ──► follow ──► derive ──► batch ──► tables ◄── questions ◄── API, pages
//!                                        (in order)  (pure)   (one transaction)
//! ```
//!
//! The storage's own views hold what the log needs to take records in, in the transaction that takes them. What more
//! people ask for (search, lineage, evaluations, which file is where) is here, behind the log by a moment, in a
//! database of its own: publishing never waits for it, and it can be deleted at any time. It is a view that anybody
//! can derive, so it holds nothing else: `follow` makes it again from the entries.
//!
//! Always: what is here is in a tree that was released, from the first entry on, without gaps; several servers on one
//! Postgres share one catalogue, and one of them moves it on at a time. Nothing here is proof: answers name the
//! records that they are from, and readers prove these.
//!
//! Not here: publishers' keys, records and their withdrawals, attachments (`storage`).

mod batch;
pub mod card;
mod derive;
mod follow;
mod look_alike;
pub mod questions;
mod rows;
mod sql;
mod tables;
pub mod terms;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Settings;
use crate::storage::postgres::DatabaseUrl;
use crate::storage::{LogIdentity, StorageError};

pub use follow::Follower;
pub use rows::{Model, Own, Publisher, PublisherSeen, Release};
use sql::{Changes, Dialect, Pool, Value};
use tables::{FORM, tables};

/// How many connections answer questions at a time.
const READERS: u32 = 4;

/// How long an answer waits for the catalogue to reach the tree that is shown. Whoever publishes and then looks finds
/// what was published; under load, answers are of some entries before.
const LAG_TIME_MAX: Duration = Duration::from_millis(500);

/// Behind by more than this, nobody waits.
const LAG_ENTRIES_MAX: u64 = 2_048;

/// After this, Postgres gives up on a question.
const STATEMENT_TIME_MAX: Duration = Duration::from_secs(10);

/// Kept by whoever makes tables in Postgres, so that two servers don't make them at a time: `candor` in ASCII.
const MAKING_LOCK: i64 = 0x63_61_6e_64_6f_72;

/// Where a catalogue is kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// Beside a log in Postgres.
    Database(DatabaseUrl),
}

impl Place {
    /// Where a log with these settings has it.
    pub fn of(settings: &Settings) -> Self {
        match &settings.database {
            Some(database) => Self::Database(database.clone()),
            None => Self::File(settings.data.catalogue()),
        }
    }
}

/// A catalogue, once it is open: a log whose catalogue can't be opened serves all the rest.
#[derive(Clone, Debug)]
pub struct Opened(watch::Sender<Option<Arc<Catalogue>>>);

impl Opened {
    /// The catalogue, if it is open, or will be in a moment.
    pub async fn get(&self) -> Option<Arc<Catalogue>> {
        let mut opened = self.0.subscribe();
        let opened = tokio::time::timeout(LAG_TIME_MAX, opened.wait_for(Option::is_some)).await;
        opened.ok()?.ok()?.clone()
    }

    fn at_once(&self) -> Option<Arc<Catalogue>> {
        self.0.borrow().clone()
    }
}

impl Default for Opened {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// A catalogue, to be asked.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pool: Pool,
    writer: Pool,
    /// How many entries it has.
    size: watch::Sender<u64>,
}

/// How far a catalogue is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    form: i64,
    log: String,
    size: u64,
    last_leaf: String,
}

impl Catalogue {
    /// Opens the catalogue of a log, or makes an empty one.
    pub async fn open(place: &Place, identity: &LogIdentity) -> Result<Self, StorageError> {
        match place {
            Place::File(file) => Self::open_sqlite(file, identity).await,
            Place::Database(url) => Self::open_postgres(url, identity).await,
        }
    }

    /// A commit need not be on stable storage: what is lost is derived again.
    async fn open_sqlite(file: &Path, identity: &LogIdentity) -> Result<Self, StorageError> {
        match Self::open_sqlite_once(file, identity).await {
            Err(error) if error.is_damage() => {
                warn!(%error, file = %file.display(), "the catalogue is damaged, and is made anew");
                for file in sqlite_files(file) {
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(StorageError::Io { path: file, error });
                        }
                        _ => {}
                    }
                }
                Self::open_sqlite_once(file, identity).await
            }
            opened => opened,
        }
    }

    async fn open_sqlite_once(file: &Path, identity: &LogIdentity) -> Result<Self, StorageError> {
        // sqlx would write each statement that takes a second into the operator's log, with its thousands of values.
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .page_size(8_192)
            .pragma("cache_size", "-16384")
            .pragma("mmap_size", "1073741824")
            .disable_statement_logging();
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .min_connections(1)
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options.clone())
        };
        let writer = Pool::Sqlite(pool(1).await?);
        let readers = Pool::Sqlite(pool(READERS).await?);
        Self::open_pools(writer, readers, identity).await
    }

    /// In a schema of its own, whose name has the form in it, so that servers of two versions can run at a time.
    async fn open_postgres(
        url: &DatabaseUrl,
        identity: &LogIdentity,
    ) -> Result<Self, StorageError> {
        let time = STATEMENT_TIME_MAX.as_millis().to_string();
        let options = url.options().clone().options([
            ("search_path", schema()),
            ("jit", "off".to_owned()),
            ("lock_timeout", time.clone()),
        ]);
        let options = options.disable_statement_logging();
        let pool = |connections, options| {
            PgPoolOptions::new()
                .max_connections(connections)
                .connect_with(options)
        };
        let reading = options.clone().options([("statement_timeout", time)]);
        // What is lost in a crash is derived again.
        let writing = options.options([("synchronous_commit", "off")]);
        let writer = Pool::Postgres(pool(1, writing).await?);
        let readers = Pool::Postgres(pool(READERS, reading).await?);
        Self::open_pools(writer, readers, identity).await
    }

    async fn open_pools(
        writer: Pool,
        readers: Pool,
        identity: &LogIdentity,
    ) -> Result<Self, StorageError> {
        let mut changes = writer.begin().await?;
        if changes.dialect() == Dialect::Postgres {
            changes
                .rows("SELECT pg_advisory_xact_lock($1)", vec![MAKING_LOCK.into()])
                .await?;
        }
        let log = identity.key.to_string();
        let found = progress_if_any(&mut changes).await?;
        let size = match found {
            Some(progress) if progress.form == FORM && progress.log == log => progress.size,
            other => {
                if let Some(progress) = other {
                    info!(
                        form = progress.form,
                        "the catalogue is of another form or log, and is made anew"
                    );
                }
                make(&mut changes, &log).await?;
                0
            }
        };
        changes.commit().await?;
        Ok(Self {
            pool: readers,
            writer,
            size: watch::Sender::new(size),
        })
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        *self.size.borrow()
    }

    /// How many entries it has, each time that it has more.
    pub fn sizes(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    /// Waits a moment for it to have the first `size` entries, and returns how many it has.
    pub async fn reach(&self, size: u64) -> u64 {
        let mut sizes = self.sizes();
        let behind = size.saturating_sub(self.size());
        if (1..=LAG_ENTRIES_MAX).contains(&behind) {
            let reached = sizes.wait_for(|it| *it >= size);
            let _ = tokio::time::timeout(LAG_TIME_MAX, reached).await;
        }
        self.size()
    }

    /// Closes it in order.
    pub async fn close(&self) {
        self.pool.close().await;
        self.writer.close().await;
    }

    /// Empties it.
    async fn clear(&self, identity: &LogIdentity) -> Result<(), StorageError> {
        let mut changes = self.writer.begin().await?;
        make(&mut changes, &identity.key.to_string()).await?;
        changes.commit().await?;
        self.size.send_replace(0);
        Ok(())
    }
}

/// A database's file, and those that it has beside it.
fn sqlite_files(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

/// The schema in Postgres.
pub(crate) fn schema() -> String {
    format!("candor_catalogue_{FORM}")
}

async fn progress_if_any(changes: &mut Changes) -> Result<Option<Progress>, StorageError> {
    let is_there = match changes.dialect() {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = 'progress'",
        Dialect::Postgres => {
            "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'progress'"
        }
    };
    if changes.rows(is_there, Vec::new()).await?.is_empty() {
        return Ok(None);
    }
    progress(changes).await
}

async fn progress(changes: &mut Changes) -> Result<Option<Progress>, StorageError> {
    let lock = match changes.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE",
    };
    let select = format!("SELECT form, log, size, last_leaf FROM progress {lock}");
    let rows = changes.rows(select, Vec::new()).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let size: i64 = row.at(2)?;
    Ok(Some(Progress {
        form: row.at(0)?,
        log: row.at(1)?,
        size: u64::try_from(size).map_err(StorageError::damaged)?,
        last_leaf: row.at(3)?,
    }))
}

/// Makes empty tables in the place of those that are there.
async fn make(changes: &mut Changes, log: &str) -> Result<(), StorageError> {
    let dialect = changes.dialect();
    match dialect {
        Dialect::Sqlite => {
            // The tables that FTS5 keeps for itself go with it.
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'document\\__%' ESCAPE '\\'";
            let names = changes.rows(tables, Vec::new()).await?;
            for name in names {
                let name: String = name.at(0)?;
                changes.script(format!("DROP TABLE \"{name}\"")).await?;
            }
        }
        Dialect::Postgres => {
            let schema = schema();
            changes
                .script(format!(
                    "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
                ))
                .await?;
        }
    }
    changes.script(tables(dialect)).await?;
    let values: Vec<Value> = vec![FORM.into(), log.into()];
    changes
        .execute(
            "INSERT INTO progress (id, form, log, size, last_leaf) VALUES (1, $1, $2, 0, '')",
            values,
        )
        .await?;
    Ok(())
}
