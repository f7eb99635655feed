//! What servers on one database let each other know.

use async_trait::async_trait;
use candor_core::merkle::TreeHead;

use super::StorageError;

/// The other servers on the same database.
#[async_trait]
pub trait Peers: Send + Sync {
    /// The checkpoint of the largest tree that any server has told of. It may be gone after a crash of the database:
    /// those who knew it still have it.
    async fn newest(&self) -> Result<Option<String>, StorageError>;

    /// Tells of a checkpoint with this head, unless one of a larger tree was told of already.
    async fn tell(&self, head: TreeHead, checkpoint: &str) -> Result<(), StorageError>;
}
