//! Postgres: a database of its own, for any number of servers.
//!
//! Each server checks and queues what it is sent, and takes turns with the others to write (`turn`). What one of
//! them released, the others learn from a row that each holds against what it knew before ([`Peers`]).
//!
//! Always: a server that can't be sure that a commit is durable does not start: `fsync` is on, and the connections
//! that write wait for the write-ahead log, whatever the default is.
//!
//! The SQL is in functions named for their question: `log` for entries, tiles and the head, `publishers` for
//! these and their keys, `views` for the rest. `turn` puts them together to write.

mod log;
mod outbox;
mod publishers;
mod readers;
mod rebuild;
mod snapshot;
mod turn;
mod url;
mod views;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TilePath, TreeHead};
use candor_core::note::Checkpoint;
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

use super::{
    EntriesLimit, Known, LogIdentity, LoggedRecord, ModelRow, Outbox, Peers, PublisherPage,
    PublisherRow, Questions, Rebuild, RecordFilter, RecordPage, RecordRow, ReleasePage, ReleaseRow,
    Storage, StorageError, StoredAttachment, Turn,
};

use readers::Readers;
use rebuild::PostgresRebuild;
pub use snapshot::PostgresSnapshots;
use turn::{PostgresTurn, SILENCE_MAX};
pub use url::{DatabaseUrl, DatabaseUrlError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres");

/// How many connections read at a time, for each server.
const READERS: u32 = 8;

/// How many more for those who write: one for the sequencer, one for who follows the other servers.
const WRITERS_READERS: u32 = 2;

/// How long the database may take to answer, with the wait for a connection and for a lock.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// After this, Postgres itself gives up on a statement or on a lock: before the server does, so that it says why.
const STATEMENT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long to wait for a connection that nobody else can have.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// A log in a Postgres database.
#[derive(Clone)]
pub struct Postgres {
    url: DatabaseUrl,
    /// One connection, for turns.
    writer: PgPool,
    /// One connection, for what servers tell each other: it waits for nothing, and for nobody who reads.
    peers: PgPool,
    /// One connection, for webhooks, opened when there are any: what it writes holds nobody up.
    outbox: PgPool,
    readers: Arc<Readers>,
}

/// What a connection is for, and what is set on it.
#[derive(Clone, Copy)]
enum Use {
    /// A commit returns when it is on stable storage, and a turn ends when its server is silent.
    Turns,
    /// What is told may be lost in a crash of the database: who told it still knows it.
    Peers,
    /// A commit returns when it is on stable storage: where a webhook begins must not be forgotten.
    Outbox,
    Reading,
}

impl Postgres {
    /// Refuses a database that holds a log.
    pub async fn check_room(url: &DatabaseUrl) -> Result<(), StorageError> {
        match Self::identity_at(url).await? {
            None => Ok(()),
            Some(found) => Err(StorageError::NotALog(format!(
                "{url} holds the log {} already, and is left as it is",
                found.origin
            ))),
        }
    }

    /// Makes a new, empty log in a database that holds none.
    pub async fn create(url: &DatabaseUrl, identity: &LogIdentity) -> Result<(), StorageError> {
        Self::check_room(url).await?;
        let mut connection = connect_once(url).await?;
        let made = MIGRATIONS.run(&mut connection).await;
        made.map_err(|error| {
            StorageError::NotALog(format!(
                "no tables can be made in {url}: {error}; its user must own it: createdb --owner USER DATABASE"
            ))
        })?;
        let mut transaction = connection.begin().await?;
        log::insert_identity(&mut transaction, identity).await?;
        transaction.commit().await?;
        Ok(connection.close().await?)
    }

    /// Which log the database holds, if any.
    pub async fn identity_at(url: &DatabaseUrl) -> Result<Option<LogIdentity>, StorageError> {
        let mut connection = connect_once(url).await?;
        let is_there: (bool,) = sqlx::query_as("SELECT to_regclass('log') IS NOT NULL")
            .fetch_one(&mut connection)
            .await?;
        if !is_there.0 {
            return Ok(None);
        }
        match log::identity(&mut connection).await {
            Ok(identity) => Ok(Some(identity)),
            Err(StorageError::NotALog(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the log in a database. One that holds none is an error: logs are made by [`Postgres::create`] alone.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StorageError> {
        if Self::identity_at(url).await?.is_none() {
            return Err(StorageError::NotALog(format!(
                "{url} holds no log: is the setting database right? For a new log only: candor-server init"
            )));
        }
        let writer = pool(url, Use::Turns, 1).await?;
        MIGRATIONS.run(&writer).await.map_err(sqlx::Error::from)?;
        Ok(Self {
            url: url.clone(),
            writer,
            peers: pool(url, Use::Peers, 1).await?,
            outbox: pool_options(Use::Outbox, 1).connect_lazy_with(url.options().clone()),
            readers: Arc::new(Readers::open(url).await?),
        })
    }
}

impl Use {
    /// How long to wait for such a connection.
    fn connect_time_max(self) -> Duration {
        match self {
            Self::Turns | Self::Peers => CONNECT_TIME_MAX,
            // The others may be busy.
            Self::Outbox | Self::Reading => STATEMENT_TIME_MAX,
        }
    }

    /// The settings of such a connection, beyond the database's own.
    fn settings(self) -> String {
        // `on`, or what waits for more servers than this one: never less.
        let is_durable = "SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') IN ('off', 'local')";
        let own = match self {
            Self::Turns => format!(
                "{is_durable}; SET idle_in_transaction_session_timeout = {}",
                SILENCE_MAX.as_millis()
            ),
            Self::Outbox => is_durable.to_owned(),
            Self::Peers => "SET synchronous_commit = off".to_owned(),
            Self::Reading => "SET default_transaction_read_only = on".to_owned(),
        };
        let time = STATEMENT_TIME_MAX.as_millis();
        // Every question has its index. What the database knows of the sizes of tables that grow by thousands a second
        // is old, and leads it to read all of them, or to sort. And none is worth compiling, whatever it is said to cost.
        format!(
            "SET statement_timeout = {time}; SET lock_timeout = {time};
             SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; {own}"
        )
    }
}

async fn connect_once(url: &DatabaseUrl) -> Result<PgConnection, StorageError> {
    let connect = async { Ok(PgConnection::connect_with(url.options()).await) };
    in_time(connect)
        .await?
        .map_err(|error| unreachable(url, &error))
}

/// Why there is no connection, and what to do: by SQLSTATE, where Postgres itself says it.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn unreachable(url: &DatabaseUrl, error: &sqlx::Error) -> StorageError {
    let Some(refusal) = error.as_database_error() else {
        return StorageError::NotALog(format!(
            "{url} can't be reached: {error}. Is Postgres running, and is the address in the setting database right? What is special in a password is written with percent signs there"
        ));
    };
    let hint = match refusal.code().as_deref() {
        Some("28P01" | "28000") => {
            "put the password into PGPASSWORD or ~/.pgpass, and look at the user in the address"
        }
        Some("3D000") => "make it first: createdb --owner USER DATABASE",
        _ => "look at the address in the setting database",
    };
    StorageError::NotALog(format!("{url} is refused: {}; {hint}", refusal.message()))
}

async fn pool(url: &DatabaseUrl, what_for: Use, connections: u32) -> Result<PgPool, StorageError> {
    let options = pool_options(what_for, connections);
    Ok(options.connect_with(url.options().clone()).await?)
}

fn pool_options(what_for: Use, connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(what_for.connect_time_max())
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection
                    .execute(sqlx::raw_sql(AssertSqlSafe(what_for.settings())))
                    .await?;
                Ok(())
            })
        })
}

/// What the database answers, or an error when it is silent for too long.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    tokio::time::timeout(ANSWER_TIME_MAX, answer)
        .await
        .unwrap_or(Err(StorageError::Silent(ANSWER_TIME_MAX)))
}

/// Whether the database has no room for more: SQLSTATE `disk_full`.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    error.is_some_and(|error| error.code() == "53100")
}

/// Whether a value is no value of its column, breaks a rule of its table, or is longer than the database can hold: the
/// classes 22, 23 and 54 of its errors.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    let class = |error: &sqlx::postgres::PgDatabaseError| {
        ["22", "23", "54"].contains(&error.code().get(..2).unwrap_or_default())
    };
    error.is_some_and(class)
}

/// Whether there is no connection any more: it broke, or the database says that it stops, was stopped or starts.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(super) fn is_out_of_reach(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .is_some_and(|error| matches!(error.code(), "57P01" | "57P02" | "57P03")),
        _ => false,
    }
}

/// Asks a connection that reads: `ask!(self, connection, log::head(connection))`.
macro_rules! ask {
    ($storage:expr, $connection:ident, $question:expr) => {{
        let mut reader = $storage.readers.get().await?;
        let $connection = reader.connection();
        let answer = in_time($question).await;
        reader.give_back(answer)
    }};
}

/// A column of many rows, as one value of a statement.
fn column<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect()
}

/// What is known, as of the transaction that the connection is in.
async fn known(
    connection: &mut PgConnection,
    questions: &Questions,
) -> Result<Known, StorageError> {
    Ok(Known {
        statements: log::known_statements(connection, &questions.statements).await?,
        publishers: publishers::known(connection, &questions.publishers, &questions.keyids).await?,
        releases: views::known_releases(connection, &questions.releases).await?,
        attachments: log::known_attachments(connection, &questions.attachments).await?,
    })
}

/// A transaction that sees one moment of the database.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

#[async_trait]
impl Storage for Postgres {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        ask!(self, connection, log::identity(connection))
    }

    /// What was committed is on stable storage as far as Postgres knows: it stops when a flush fails, and
    /// recovers from its log. What is left is whether it flushes at all.
    async fn settle(&self) -> Result<(), StorageError> {
        let (fsync, is_standby, encoding): (String, bool, String) = sqlx::query_as(
            "SELECT current_setting('fsync'), pg_is_in_recovery(), current_setting('server_encoding')",
        )
        .fetch_one(&self.writer)
        .await?;
        if is_standby {
            return Err(StorageError::NotDurable(
                "the database is a standby, which takes no records: name its primary",
            ));
        }
        if encoding != "UTF8" {
            return Err(StorageError::NotDurable(
                "the database's encoding is not UTF8, so there are names that it can't hold: make it anew with createdb --encoding UTF8 --template template0",
            ));
        }
        if fsync != "on" {
            return Err(StorageError::NotDurable(
                "the database runs with fsync = off, so a power cut would take back what was acknowledged: set fsync = on",
            ));
        }
        Ok(())
    }

    async fn close(&self) {
        self.readers.pool().close().await;
        self.peers.close().await;
        self.outbox.close().await;
        self.writer.close().await;
    }

    /// A database that was replaced shows in its head.
    fn check_place(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    /// With connections of its own: a turn ends when its server is silent for long.
    fn for_writing(self: Arc<Self>) -> Arc<dyn Storage> {
        let readers = self.readers.others(&self.url, WRITERS_READERS);
        Arc::new(Self {
            readers: Arc::new(readers),
            ..Self::clone(&self)
        })
    }

    fn peers(&self) -> Option<&dyn Peers> {
        Some(self)
    }

    fn outbox(&self) -> &dyn Outbox {
        self
    }

    /// The database finds them.
    fn index_bytes(&self) -> u64 {
        0
    }

    fn readers(&self) -> super::Readers {
        let pool = self.readers.pool();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        super::Readers {
            busy: pool.size().saturating_sub(idle),
            idle,
        }
    }

    async fn head(&self) -> Result<TreeHead, StorageError> {
        ask!(self, connection, log::head(connection))
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        ask!(self, connection, log::ending(connection))
    }

    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        ask!(self, connection, log::tiles(connection, paths))
    }

    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError> {
        ask!(self, connection, log::entries(connection, first, count))
    }

    async fn known(&self, questions: &Questions) -> Result<Known, StorageError> {
        ask!(self, connection, async {
            known(&mut *connection.begin_with(SNAPSHOT).await?, questions).await
        })
    }

    async fn turn(&self) -> Result<Box<dyn Turn>, StorageError> {
        self.readers.check()?;
        Ok(Box::new(PostgresTurn::begin_to_write(&self.writer).await?))
    }

    async fn rebuild(&self) -> Result<Box<dyn Rebuild>, StorageError> {
        Ok(Box::new(PostgresRebuild::begin(&self.writer).await?))
    }

    async fn attachment(&self, sha256: Sha256) -> Result<Option<StoredAttachment>, StorageError> {
        ask!(self, connection, log::attachment(connection, sha256))
    }

    async fn publisher_of_key(&self, keyid: Sha256) -> Result<Option<PublisherName>, StorageError> {
        ask!(self, connection, publishers::of_key(connection, keyid))
    }

    async fn record(&self, index: LeafIndex) -> Result<Option<LoggedRecord>, StorageError> {
        ask!(self, connection, views::record(connection, index))
    }

    async fn records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError> {
        ask!(self, connection, views::records(connection, filter, page))
    }

    async fn records_after(
        &self,
        filter: &RecordFilter,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        ask!(
            self,
            connection,
            views::records_after(connection, filter, after, limit)
        )
    }

    async fn weights_of(
        &self,
        manifest: Sha256,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        ask!(
            self,
            connection,
            views::weights_of(connection, manifest, after, limit)
        )
    }

    async fn publishers(&self, after: &str, limit: u32) -> Result<Vec<PublisherRow>, StorageError> {
        ask!(self, connection, publishers::list(connection, after, limit))
    }

    async fn publisher(
        &self,
        name: &PublisherName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Option<PublisherPage>, StorageError> {
        ask!(self, connection, async {
            let mut snapshot = connection.begin_with(SNAPSHOT).await?;
            publishers::page(&mut snapshot, name, after, limit).await
        })
    }

    async fn models(
        &self,
        publisher: Option<&PublisherName>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ModelRow>, StorageError> {
        ask!(
            self,
            connection,
            views::models(connection, publisher, after, limit)
        )
    }

    async fn releases(
        &self,
        model: &ModelName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<ReleaseRow>, StorageError> {
        ask!(
            self,
            connection,
            views::releases(connection, model, after, limit)
        )
    }

    async fn newest_release(&self, model: &ModelName) -> Result<Option<ReleaseRow>, StorageError> {
        ask!(self, connection, views::newest_release(connection, model))
    }

    async fn release(
        &self,
        name: &ReleaseName,
        after: Option<LeafIndex>,
        limit: EntriesLimit,
    ) -> Result<Option<ReleasePage>, StorageError> {
        ask!(self, connection, async {
            let mut snapshot = connection.begin_with(SNAPSHOT).await?;
            views::release(&mut snapshot, name, after, limit).await
        })
    }
}

#[async_trait]
impl Peers for Postgres {
    async fn newest(&self) -> Result<Option<String>, StorageError> {
        let newest = in_time(log::released(&self.peers)).await;
        self.readers.saw(newest.is_ok());
        newest
    }

    async fn tell(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), StorageError> {
        if checkpoint.retirement.is_some() {
            return in_time(log::tell_last(&self.peers, note)).await;
        }
        in_time(log::tell(&self.peers, checkpoint.head.size, note)).await
    }
}
