//! Why a submission gets no places, and why the sequencer can't go on.

use candor_core::note::NextLog;

use crate::last_signed::LastSignedError;
use crate::plan::Refused;
use crate::releases::ReleaseError;
use crate::signer::SignerError;
use crate::static_part::StaticPartError;
use crate::storage::{CommitError, StorageError};

/// Why a submission got no places.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It conflicts with the log.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// More waits than the server wants to hold.
    #[error("the log is busy: {waiting} submissions wait already")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// The server is going down, and had not begun with it.
    #[error("the server is stopping, and has not stored this")]
    Stopping,
    /// The log is closed.
    #[error("the log is retired, and takes no further record{}", goes_on(next.as_ref()))]
    Retired {
        /// Where it goes on.
        next: Option<NextLog>,
    },
    /// The disk is full.
    #[error("the log's disk is full, and nothing of this was stored")]
    Full,
    /// There is no connection to the database.
    #[error("the log's database is out of reach, and nothing of this was stored")]
    OutOfReach,
    /// The storage failed. Whether the records are in the log, the next try will show.
    #[error("the log could not store this, or can't tell whether it did")]
    Failed,
}

/// Why the sequencer can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// A batch may be in the log or not, or somebody else writes to it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The tree is not the one that was signed, or what was signed can't be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// What another server released does not go with what this one did.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The static part is not of this log or ahead of it, or fails while the server stops.
    #[error(transparent)]
    StaticPart(#[from] StaticPartError),
    /// The server stops while a checkpoint can't be signed.
    #[error("the newest tree is not signed: {0}")]
    Signer(#[from] SignerError),
    /// The system has no thread for it.
    #[error("the system gives the sequencer no thread: {0}")]
    Thread(std::io::Error),
    /// The log is not where it was, or does not open as it should.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn goes_on(next: Option<&NextLog>) -> String {
    next.map_or_else(String::new, |next| {
        format!(": it goes on as {} at {}", next.key.origin(), next.url())
    })
}

impl SequencerError {
    /// Whether the log can go on: nothing was written, or the next turn shows what was.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Commit(CommitError::NotWritten(_) | CommitError::Lost(_))
            | Self::Storage(_)
            | Self::LastSigned(LastSignedError::Storage(_))
            | Self::Release(ReleaseError::Storage(_)) => true,
            Self::Commit(CommitError::HeadMoved { .. } | CommitError::Unknown(_))
            | Self::LastSigned(_)
            | Self::Release(_)
            | Self::Signer(_)
            | Self::Thread(_)
            | Self::StaticPart(_) => false,
        }
    }

    pub(super) fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::Commit(CommitError::NotWritten(StorageError::Full(_)))
                | Self::Storage(StorageError::Full(_))
        )
    }

    /// What those are told who wait for a batch that failed like this.
    pub(super) fn told(&self) -> SubmitError {
        match self {
            _ if self.is_no_room() => SubmitError::Full,
            Self::Storage(StorageError::Retired) => SubmitError::Retired { next: None },
            Self::Storage(StorageError::OutOfReach(_))
            | Self::Commit(CommitError::NotWritten(StorageError::OutOfReach(_))) => {
                SubmitError::OutOfReach
            }
            Self::Commit(_)
            | Self::LastSigned(_)
            | Self::Release(_)
            | Self::Signer(_)
            | Self::StaticPart(_)
            | Self::Thread(_)
            | Self::Storage(_) => SubmitError::Failed,
        }
    }
}
