//! Why a log did not give what was asked of it, and what to do about it.

use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, ProofError, TreeSize};
use candor_core::note::{CheckpointError, NoteError};

use crate::problem::Problem;
use crate::transport::TransportError;

/// Why a log did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Text that is no address.
    #[error("{found:?} is no address of a log: {rule}")]
    Url {
        /// The text.
        found: String,
        /// What it should be like.
        rule: &'static str,
    },
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The log refuses, and says why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// That nothing is there, in other words than a log's.
    #[error("{}", match url.strip_prefix("file://") {
        Some(path) => format!("{path} is not there"),
        None => format!("{url} answers with status 404, and not as a log says that it has no such thing"),
    })]
    NotALog {
        /// What was asked for.
        url: String,
    },
    /// The log, or something before it, refuses without a reason that can be read.
    #[error("{url} answers with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer of the wrong form.
    #[error("the answer from {url} can't be read: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint does not hold.
    #[error("the log's checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log's tiles or entries don't belong to its checkpoint.
    #[error("entry {index}, as the log serves it, is not in the tree that the log signed: {error}")]
    NotInTree {
        /// Which entry.
        index: LeafIndex,
        /// Why.
        error: ProofError,
    },
    /// An index past the end, which the checkpoint proves.
    #[error("the log has no entry {index}: its checkpoint has {size} entries")]
    NoSuchEntry {
        /// Which entry.
        index: LeafIndex,
        /// How many there are.
        size: TreeSize,
    },
    /// An index past the end, and it was the log that named it.
    #[error("the log lists entry {index}, and the tree that it signed has {size} entries")]
    ListedPastEnd {
        /// Which entry.
        index: LeafIndex,
        /// How many there are.
        size: TreeSize,
    },
    /// All entries together are not those of the checkpoint.
    #[error(
        "the {size} entries, as the log serves them, are not those of the tree that the log signed"
    )]
    NotTheTree {
        /// How many they are.
        size: TreeSize,
    },
    /// Files without a server.
    #[error(
        "{url} is a read-only copy of the log: its files are there, and no server that takes records"
    )]
    ReadOnly {
        /// Where it is.
        url: String,
    },
    /// A document that is not what was asked for.
    #[error("the log serves attachment {asked} with bytes whose digest is {found}")]
    Attachment {
        /// The digest that was asked for.
        asked: Sha256,
        /// The digest of what came.
        found: Sha256,
    },
}

impl LogError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Url { .. } => "write it like https://log.example.org/candor".to_owned(),
            Self::Transport(error) => error.hint().to_owned(),
            Self::Problem(problem) => problem.hint_words(),
            Self::NotALog { url } if url.starts_with("file://") => {
                "check the folder (`--log file:///FOLDER`): a log has its `checkpoint` there, and all files that it names; if they are of a copy, copy them again"
                    .to_owned()
            }
            Self::NotALog { .. } => {
                "what answers there is not this log, or not all of it: check the address (`--log URL`), or tell the log's operator"
                    .to_owned()
            }
            Self::Status { .. } => "try again later, or tell the log's operator".to_owned(),
            Self::Answer { .. } => {
                "check that the address is a Candor log's (`--log URL`), and that `candor` is up to date"
                    .to_owned()
            }
            Self::Checkpoint(error) => checkpoint_hint(error).to_owned(),
            Self::ReadOnly { .. } => {
                "name the address of the log's own server (`--log URL`)".to_owned()
            }
            Self::NotInTree { .. } | Self::NotTheTree { .. } => {
                "try again; if it stays so, the log is damaged or lies: tell its operator and a witness"
                    .to_owned()
            }
            Self::NoSuchEntry { .. } => {
                "`candor checkpoint` shows how many entries there are; they are counted from 0".to_owned()
            }
            Self::ListedPastEnd { .. } => {
                "try again; if it stays so, tell the log's operator that its lists run ahead of its tree"
                    .to_owned()
            }
            Self::Attachment { .. } => {
                "try again; if it stays so, tell the log's operator that the attachment is damaged"
                    .to_owned()
            }
        }
    }

    /// Further lines: what else the log says.
    pub fn context(&self) -> Vec<String> {
        self.problem().map(Problem::context).unwrap_or_default()
    }

    /// Whether the log itself says that there is no such thing.
    pub fn is_absence(&self) -> bool {
        self.problem().is_some_and(Problem::is_absence)
    }

    /// Whether a server of files says that there is no such file. Buckets that don't let anybody list them say that it
    /// is forbidden.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(
            self,
            Self::NotALog { .. }
                | Self::Status {
                    status: 403 | 410,
                    ..
                }
        )
    }

    /// Whether what answers refuses in words that are none of a log's.
    pub(super) fn is_no_answer_of_a_log(&self) -> bool {
        matches!(
            self,
            Self::NotALog { .. }
                | Self::Status {
                    status: 400..=499 | 501,
                    ..
                }
        )
    }

    /// The log's own words, if it was the log that refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Url { .. }
            | Self::Transport(_)
            | Self::NotALog { .. }
            | Self::Status { .. }
            | Self::Answer { .. }
            | Self::Checkpoint(_)
            | Self::NotInTree { .. }
            | Self::NotTheTree { .. }
            | Self::ReadOnly { .. }
            | Self::NoSuchEntry { .. }
            | Self::ListedPastEnd { .. }
            | Self::Attachment { .. } => None,
        }
    }
}

/// Of what answers, only what the log's key signed is the log's own fault.
fn checkpoint_hint(error: &CheckpointError) -> &'static str {
    match error {
        CheckpointError::Note(
            NoteError::TooLong { .. }
            | NoteError::NotUtf8 { .. }
            | NoteError::ControlCharacter { .. }
            | NoteError::NoSignatures
            | NoteError::BadSignatureLine { .. }
            | NoteError::TooManySignatures,
        ) => {
            "check that the address is a log's (`--log URL`), and that nothing on the way answers in its place"
        }
        CheckpointError::Note(
            NoteError::BadSignature { .. } | NoteError::NoTrustedSignature { .. },
        )
        | CheckpointError::OtherOrigin { .. } => {
            "check that the key is this log's (`--log-key KEY`); if it is, what answers is not the log"
        }
        CheckpointError::TooFewLines { .. }
        | CheckpointError::Size(_)
        | CheckpointError::Root(_)
        | CheckpointError::Extensions
        | CheckpointError::Retirement(_)
        | CheckpointError::OtherForm
        | CheckpointError::TwoRetirements
        | CheckpointError::EmptyTreeRoot => {
            "tell the log's operator: the log signed a checkpoint that is none"
        }
    }
}
