//! Connections that read, and whether the database is there to be asked at all.
//!
//! A pool waits for a connection as long as it may, whether the database is busy or gone. Whoever asks while it is gone
//! is told so at once: the one who follows the other servers asks it every second, and says here what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool};

use super::{DatabaseUrl, READERS, Use, pool, pool_options};
use crate::storage::StorageError;

/// The connections that read.
pub(super) struct Readers {
    pool: PgPool,
    /// How many times in a row the database did not answer.
    silences: Arc<AtomicU32>,
}

/// The database is out of reach when it did not answer so many times: once can be this server's own fault, that stood
/// still.
const SILENCES_MAX: u32 = 2;

/// A connection to ask something.
pub(super) struct Reader(PoolConnection<sqlx::Postgres>);

impl Readers {
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, StorageError> {
        Ok(Self {
            pool: pool(url, Use::Reading, READERS).await?,
            silences: Arc::default(),
        })
    }

    /// Further connections, opened when they are needed, that know the same of the database.
    pub(super) fn others(&self, url: &DatabaseUrl, connections: u32) -> Self {
        let options = pool_options(Use::Reading, connections);
        Self {
            pool: options.connect_lazy_with(url.options().clone()),
            silences: Arc::clone(&self.silences),
        }
    }

    /// The connections.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Says whether the database answered just now; for the one who asks it again and again.
    pub(super) fn saw(&self, answered: bool) {
        let silences = self.silences.load(Ordering::Relaxed);
        let silences = if answered {
            0
        } else {
            silences.saturating_add(1)
        };
        self.silences.store(silences, Ordering::Relaxed);
    }

    /// Fails while the database does not answer.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        if self.silences.load(Ordering::Relaxed) < SILENCES_MAX {
            return Ok(());
        }
        let silent = "it did not answer when it was asked last";
        Err(StorageError::OutOfReach(silent.to_owned()))
    }

    /// A connection, when there is one.
    pub(super) async fn get(&self) -> Result<Reader, StorageError> {
        self.check()?;
        match self.pool.acquire().await {
            Ok(connection) => Ok(Reader(connection)),
            Err(error) => {
                // It may have gone while this waited.
                self.check()?;
                Err(error.into())
            }
        }
    }
}

impl Reader {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// Gives the connection back, unless its last question was not answered in time: the machine at its other end may
    /// be gone, and nobody would ever know.
    pub(super) fn give_back<T>(self, answer: Result<T, StorageError>) -> Result<T, StorageError> {
        if matches!(answer, Err(StorageError::Silent(_))) {
            drop(self.0.detach());
        }
        answer
    }
}
