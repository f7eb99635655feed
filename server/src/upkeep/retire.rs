//! Closing a log.
//!
//! ```text
//! turn ──► is its tree what was signed? ──► last checkpoint signed ──► committed ──► kept ──► shown
//!          nobody writes meanwhile                                     no further turn, for any server
//! ```
//!
//! Always: the last checkpoint is committed, in a turn, before anybody sees it; so no server adds to a tree that was said
//! to be the last. A crash before the commit leaves a log that goes on; behind it, one that is closed, and the next start
//! of a server shows it.

use candor_core::merkle::TreeSize;
use candor_core::note::{LogKey, Retirement};

use crate::last_signed::{LastSigned, LastSignedError};
use crate::releases::Released;
use crate::signer::{Signer, SignerError, sign_checkpoint};
use crate::static_part::{StaticPart, StaticPartError};
use crate::storage::{CommitError, Storage, StorageError};

/// What a log was closed with.
#[derive(Clone, Debug)]
pub struct Retired {
    /// Its last tree's size.
    pub entries: TreeSize,
    /// Its last checkpoint.
    pub checkpoint: String,
}

/// Why a log was not closed.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// It is closed already.
    #[error("this log is retired already, with this last checkpoint, which stays:\n{0}")]
    Already(String),
    /// The next log is this one.
    #[error(
        "the next log must be another one, with a key and an origin of its own: {0} is this one's"
    )]
    Itself(LogKey),
    /// The tree is not the one that was signed, or the checkpoint can't be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// The last checkpoint can't be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The database fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It was not written down, or nobody knows.
    #[error(
        "{0}; if the log is closed, the next start of a server says so, and otherwise this can be run again"
    )]
    Commit(#[from] CommitError),
    /// The log is closed, and its static part does not show it yet.
    #[error(
        "the log is closed, and its static part does not say so yet: {0}. The next start of a server mends that"
    )]
    NotShown(StaticPartError),
}

/// Closes the log in `storage` for good: it says where it goes on, and takes no further record.
pub async fn retire(
    storage: &dyn Storage,
    signer: &dyn Signer,
    last_signed: &mut LastSigned,
    static_part: Option<&mut StaticPart>,
    retirement: Retirement,
) -> Result<Retired, RetireError> {
    if let Some(next) = &retirement.next {
        let is_ours = *next.key.verifier_key() == *signer.verifier_key();
        if is_ours || next.key.origin().to_key_name() == *signer.verifier_key().name() {
            return Err(RetireError::Itself(next.key.clone()));
        }
    }
    if let Some(last) = storage.last_checkpoint().await? {
        return Err(RetireError::Already(last));
    }
    let turn = storage.turn().await?;
    let head = turn.head();
    last_signed.check(storage, head).await?;
    let last = sign_checkpoint(signer, head, Some(retirement)).await?;
    turn.retire(&last.checkpoint).await?;
    last.keep_in(last_signed)?;
    if let Some(static_part) = static_part {
        show(static_part, storage, &last)
            .await
            .map_err(RetireError::NotShown)?;
    }
    Ok(Retired {
        entries: head.size,
        checkpoint: last.checkpoint,
    })
}

async fn show(
    static_part: &mut StaticPart,
    storage: &dyn Storage,
    last: &Released,
) -> Result<(), StaticPartError> {
    static_part.catch_up(storage).await?;
    static_part.show(last).await?;
    Ok(())
}
