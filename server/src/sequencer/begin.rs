//! The first release of a server: what the database holds, held against what was signed last.

use std::sync::Arc;

use candor_core::merkle::TreeHead;
use candor_core::note::{LogKey, Retirement};
use tracing::warn;

use super::{SequencerError, SequencerParts};
use crate::last_signed::LastSigned;
use crate::releases::{Follower, Released, Releases, Shown};
use crate::signer::{SignerError, sign_checkpoint};
use crate::storage::{StorageError, close_with, ending_of};

/// Holds the committed tree against what was signed last, signs it, and begins with it as what readers see.
pub(super) async fn begin(
    parts: &mut SequencerParts,
    head: TreeHead,
    mut last_signed: LastSigned,
) -> Result<(Arc<Releases>, Shown, Option<Follower>), SequencerError> {
    let storage = parts.storage.as_ref();
    last_signed.check(storage, head).await?;
    let key = LogKey::from(parts.signer.verifier_key().clone());
    let retirement = retirement(parts, &key, &last_signed, head).await?;
    let nothing_to_sign = last_signed.holds(head) && last_signed.newest().retirement == retirement;
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
    let released = match sign_checkpoint(parts.signer.as_ref(), head, retirement).await {
        // Readers need no signer; who publishes waits for it.
        Err(error) if nothing_to_sign && error.is_out_of_reach() => {
            warn!(%error, "the newest tree is shown as it was signed before");
            Released::of(last_signed.note().to_owned(), &key).map_err(SignerError::NotOurs)?
        }
        signed => signed?,
    };
    if !nothing_to_sign {
        released.keep_in(&mut last_signed)?;
    }
    let storage = Arc::clone(&parts.storage);
    Ok(Releases::begin(storage, key, last_signed, released).await)
}

/// How the log ends with the tree in storage, if it is closed. A database that was put back may not know that, and is told.
async fn retirement(
    parts: &SequencerParts,
    key: &LogKey,
    last_signed: &LastSigned,
    head: TreeHead,
) -> Result<Option<Retirement>, SequencerError> {
    let storage = parts.storage.as_ref();
    if let Some(ending) = storage.ending().await? {
        let last = ending_of(&ending, key, head)?;
        return Ok(last.retirement);
    }
    let shown = match &parts.static_part {
        Some(static_part) => static_part.shown().await?,
        None => None,
    };
    for known in [Some(last_signed.newest()), shown.as_deref()]
        .into_iter()
        .flatten()
    {
        if known.retirement.is_some() && known.head == head {
            close_with(storage, known).await?;
            return Ok(known.retirement.clone());
        }
    }
    Ok(None)
}
