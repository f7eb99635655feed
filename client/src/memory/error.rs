//! Why a checkpoint is not accepted, and what its reader can do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use candor_core::merkle::TreeSize;
use candor_core::note::{CheckpointError, Origin};

use crate::log_client::LogError;

/// Why a checkpoint is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Two histories.
    #[error(
        "the log {} shows two histories: it signed a tree of {} entries before, and the tree of {} that it signs now does not fit it",
        .0.origin, .0.seen, .0.shown
    )]
    Fork(Box<Misfit>),
    /// Two histories, as was found earlier.
    #[error("the log {origin} signed two histories, as was found earlier")]
    Forked {
        /// Which log.
        origin: Origin,
        /// The file that proves it.
        evidence: PathBuf,
    },
    /// Tiles that are not those of the signed trees.
    #[error(
        "the log {} can't show that its tree of {} entries extends the one of {} that was seen before: its tiles are not those of the trees that it signed",
        .0.origin, .0.shown, .0.seen
    )]
    Unproven(Box<Misfit>),
    /// Tiles that could not be had.
    #[error(
        "the log {} signed a tree of {} entries, and does not show that it extends the one of {} that was seen before: {error}",
        .misfit.origin, .misfit.shown, .misfit.seen
    )]
    NoProof {
        /// The two checkpoints.
        misfit: Box<Misfit>,
        /// Why there is no proof.
        error: LogError,
    },
    /// A smaller tree than before.
    #[error(
        "the log {} shows a tree of size {}, and one of size {} was seen before",
        .0.origin, .0.shown, .0.seen
    )]
    Stale(Box<Misfit>),
    /// The remembered checkpoint is not of this key.
    #[error("the checkpoint remembered in {} does not hold: {error}", path.display())]
    Remembered {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: CheckpointError,
    },
    /// The log could not be asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The folder can't be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Two checkpoints that don't fit together.
#[derive(Debug)]
pub struct Misfit {
    /// Which log.
    pub origin: Origin,
    /// The size that was seen before.
    pub seen: TreeSize,
    /// The size that is shown now.
    pub shown: TreeSize,
    /// Where both checkpoints are.
    pub evidence: EvidenceFile,
}

/// Where the two checkpoints are kept that don't fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceFile {
    /// In this file.
    Written(PathBuf),
    /// Nowhere, and why.
    NotWritten(String),
}

impl fmt::Display for EvidenceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(path) => write!(f, "both checkpoints are in {}", path.display()),
            Self::NotWritten(error) => write!(
                f,
                "the evidence could not be kept: {error}; once it can be, the same command keeps it"
            ),
        }
    }
}

impl MemoryError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Fork(_) => {
                "trust nothing that this log says; keep the evidence file, which `candor verify FILE` judges for anybody, and send it to a witness or publish it; while it is there, this log is refused".to_owned()
            }
            Self::Forked { evidence, .. } => format!(
                "trust nothing that this log says; `candor verify {}` says why; once you know which history is the true one, move the file away, and the log is asked again",
                evidence.display()
            ),
            Self::Unproven(_) => {
                "ask again later; if it stays so, the log is damaged or lies: trust nothing new from it, and send the evidence file to its operator and a witness".to_owned()
            }
            Self::NoProof { .. } => {
                "ask again later; if it stays so, the log hides what it signed: send the evidence file to its operator and a witness".to_owned()
            }
            Self::Stale(_) => {
                "ask again later, or at another address of the log; if it stays so, the log was set back or hides entries: send the evidence file to its operator".to_owned()
            }
            Self::Remembered { path, .. } => format!(
                "check the key (`--log-key KEY`); if the log has a new key for good, move {} away, and with it all that was seen under the old one",
                path.display()
            ),
            Self::Log(error) => error.hint(),
            Self::Io { .. } => {
                "name a folder that can be written with `--state-dir DIR` or CANDOR_STATE_DIR".to_owned()
            }
        }
    }

    /// Further lines: where the evidence is, and what else the log says.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Fork(misfit) | Self::Unproven(misfit) | Self::Stale(misfit) => {
                vec![misfit.evidence.to_string()]
            }
            Self::NoProof { misfit, error } => {
                [vec![misfit.evidence.to_string()], error.context()].concat()
            }
            Self::Forked { evidence, .. } => {
                vec![EvidenceFile::Written(evidence.clone()).to_string()]
            }
            Self::Log(error) => error.context(),
            Self::Remembered { .. } | Self::Io { .. } => Vec::new(),
        }
    }

    /// The log's part in it, if it was asked and did not do it.
    pub fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::NoProof { error, .. } | Self::Log(error) => Some(error),
            Self::Fork(_)
            | Self::Forked { .. }
            | Self::Unproven(_)
            | Self::Stale(_)
            | Self::Remembered { .. }
            | Self::Io { .. } => None,
        }
    }
}
