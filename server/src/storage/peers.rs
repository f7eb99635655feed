//! What servers on one database let each other know.

use async_trait::async_trait;
use candor_core::note::Checkpoint;

use super::StorageError;

/// The other servers on the same database.
#[async_trait]
pub trait Peers: Send + Sync {
    /// The checkpoint of the largest tree that any server has told of. It may be gone after a crash of the database:
    /// those who knew it still have it.
    async fn newest(&self) -> Result<Option<String>, StorageError>;

    /// Tells of a checkpoint, whose signed note is `note`, unless one of a larger tree was told of already. A last one is
    /// told of for good, if the log is closed.
    async fn tell(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), StorageError>;
}
