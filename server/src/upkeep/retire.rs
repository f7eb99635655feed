//! Closing a log.
//!
//! ```text
//! turn ──► is its tree what was signed? ──► text of the last checkpoint committed ──► signed ──► kept ──► shown
//!          nobody writes meanwhile          no further turn, for any server
//! ```
//!
//! Always: that the log is closed is committed, in a turn, before anybody signs it; so no server adds to a tree that was
//! said to be the last, and no signer says so of a log that goes on. A crash before the commit leaves a log that goes on;
//! behind it, one that is closed, and the same command again, or the next start of a server, signs and shows that.

use candor_core::merkle::{TreeHead, TreeSize};
use candor_core::note::{Checkpoint, LogKey, Retirement};

use crate::failpoint::failpoint;
use crate::last_signed::{LastSigned, LastSignedError};
use crate::releases::Released;
use crate::signer::{Signer, SignerError, sign_checkpoint};
use crate::static_part::{StaticPart, StaticPartError};
use crate::storage::{CommitError, Storage, StorageError, ending_of};

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
    /// The tree is not the one that was signed.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// The database fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It was not written down, or nobody knows.
    #[error(
        "{0}; if the log is closed, the next start of a server says so, and otherwise this can be run again"
    )]
    Commit(#[from] CommitError),
    /// The log is closed, and its last checkpoint can't be signed yet.
    #[error(
        "the log is closed, and its last checkpoint is not signed yet: {0}. Once that is mended, run the same again, or start a server"
    )]
    NotSigned(SignerError),
    /// The log is closed, and its last checkpoint can't be kept yet.
    #[error(
        "the log is closed, and its last checkpoint is not kept yet: {0}. Once that is mended, run the same again, or start a server"
    )]
    NotKept(LastSignedError),
    /// The log is closed, and the servers that run don't know its last checkpoint.
    #[error(
        "the log is closed, and the other servers could not be told of its last checkpoint: {0}. Run the same again, or start them again"
    )]
    NotTold(StorageError),
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
    let key = LogKey::from(signer.verifier_key().clone());
    let head = match storage.ending().await? {
        None => close(storage, &key, last_signed, &retirement).await?,
        Some(ending) => {
            let last = ending_of(&ending, &key, storage.head().await?)?;
            if last.retirement.as_ref() != Some(&retirement) {
                return Err(RetireError::Already(ending));
            }
            last_signed.check(storage, last.head).await?;
            last.head
        }
    };
    // What a process wrote that was killed may be nowhere but in memory.
    storage.settle().await?;
    let last = sign_checkpoint(signer, head, Some(retirement))
        .await
        .map_err(RetireError::NotSigned)?;
    last.keep_in(last_signed).map_err(RetireError::NotKept)?;
    if let Some(peers) = storage.peers() {
        let told = peers.tell(last.verified(), &last.checkpoint).await;
        told.map_err(RetireError::NotTold)?;
    }
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

/// Commits what the log ends with.
async fn close(
    storage: &dyn Storage,
    key: &LogKey,
    last_signed: &LastSigned,
    retirement: &Retirement,
) -> Result<TreeHead, RetireError> {
    let turn = storage.turn().await?;
    let head = turn.head();
    last_signed.check(storage, head).await?;
    let last = Checkpoint::new(key.origin(), head, Some(retirement.clone()));
    turn.retire(&last.to_string()).await?;
    failpoint("closed");
    Ok(head)
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
