//! The first release of a server: what the database holds, held against what was signed last.

use std::sync::Arc;

use candor_core::merkle::TreeHead;
use candor_core::note::LogKey;
use tracing::warn;

use super::{SequencerError, SequencerParts};
use crate::last_signed::LastSigned;
use crate::releases::{Follower, Released, Releases, Shown};
use crate::signer::sign_checkpoint;
use crate::storage::{Storage, StorageError};

/// Holds the committed tree against what was signed last, signs it, and begins with it as what readers see.
pub(super) async fn begin(
    parts: &mut SequencerParts,
    head: TreeHead,
    mut last_signed: LastSigned,
) -> Result<(Arc<Releases>, Shown, Option<Follower>), SequencerError> {
    let storage = parts.storage.as_ref();
    last_signed.check(storage, head).await?;
    let last = last_checkpoint(storage, &last_signed).await?;
    let nothing_to_sign =
        last_signed.holds(head) && last_signed.last_checkpoint() == last.as_deref();
    match storage.settle().await {
        // All of it was on stable storage when it was signed, so it can be read while there is no room.
        Err(StorageError::Full(error)) if nothing_to_sign => {
            warn!(%error, "the disk is full: the log is read only until there is room");
        }
        settled => settled?,
    }
    if let Some(static_part) = &mut parts.static_part {
        static_part.catch_up(storage).await?;
    }
    let key = LogKey::from(parts.signer.verifier_key().clone());
    let released = match last {
        Some(last) => last_released(last, head, &key)?,
        None => sign_checkpoint(parts.signer.as_ref(), head, None).await?,
    };
    if !nothing_to_sign {
        released.keep_in(&mut last_signed)?;
    }
    let storage = Arc::clone(&parts.storage);
    Ok(Releases::begin(storage, key, last_signed, released).await)
}

/// The log's last checkpoint, if it is closed. A database that was put back may not know it, and is told.
async fn last_checkpoint(
    storage: &dyn Storage,
    last_signed: &LastSigned,
) -> Result<Option<String>, SequencerError> {
    let stored = storage.last_checkpoint().await?;
    match (stored, last_signed.last_checkpoint()) {
        (None, Some(kept)) => {
            storage.turn().await?.retire(kept).await?;
            Ok(Some(kept.to_owned()))
        }
        (stored, _) => Ok(stored),
    }
}

/// The tree that the log ends with, which is the one in storage.
fn last_released(last: String, head: TreeHead, key: &LogKey) -> Result<Released, StorageError> {
    let released = Released::of(last, key)
        .map_err(|error| StorageError::damaged(format!("its last checkpoint is none: {error}")))?;
    if released.head == head && released.retirement().is_some() {
        return Ok(released);
    }
    Err(StorageError::damaged(format!(
        "its last checkpoint is of {} entries, and it has {}",
        released.head.size, head.size
    )))
}
