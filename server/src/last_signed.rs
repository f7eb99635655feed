//! The newest checkpoint that this server signed, in a file of its own beside the database.
//!
//! Always: a checkpoint is on stable storage here before anybody sees it. So a database that was set back, by
//! a restored backup or a disk that forgot, is found at the next start, before the server could sign a second
//! history on top of it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::merkle::{CompactRange, ProofPlan, TreeHead, TreeSize};
use candor_core::note::{Checkpoint, CheckpointError, LogKey, NOTE_BYTES_MAX};

use crate::storage::{Storage, StorageError};

/// The file.
#[derive(Clone, Debug)]
pub struct LastSigned {
    path: PathBuf,
    key: LogKey,
}

/// Why the log can't go on from what it signed last.
#[derive(Debug, thiserror::Error)]
pub enum LastSignedError {
    /// The file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not there.
    #[error(
        "{} is missing, and without it nobody can tell whether the database was set back: put it back, or put there the newest checkpoint of this log that a client or a backup keeps",
        path.display()
    )]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// What it holds is no checkpoint of this log.
    #[error("{} holds no checkpoint of this log: {error}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: CheckpointError,
    },
    /// The database is behind what was signed.
    #[error(
        "the database has {stored} entries, and this log signed a tree of {signed}: it was set back, and going on would fork the log. Put the newest database back; {} holds the checkpoint",
        path.display()
    )]
    Behind {
        /// Which file.
        path: PathBuf,
        /// How many entries the database has.
        stored: TreeSize,
        /// How many were signed.
        signed: TreeSize,
    },
    /// The database holds another history.
    #[error(
        "the first {signed} entries of the database are not those that this log signed: going on would fork the log. Put the log's own database back; {} holds the checkpoint",
        path.display()
    )]
    OtherHistory {
        /// Which file.
        path: PathBuf,
        /// How many were signed.
        signed: TreeSize,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl LastSigned {
    /// The file at `path`, of the log with `key`.
    pub fn new(path: PathBuf, key: LogKey) -> Self {
        Self { path, key }
    }

    /// Checks that the tree in storage, whose head is `head`, extends the one that was signed last.
    pub async fn check(
        &self,
        storage: &dyn Storage,
        head: TreeHead,
    ) -> Result<(), LastSignedError> {
        let signed = self.read()?.head;
        let path = || self.path.clone();
        if signed.size > head.size {
            return Err(LastSignedError::Behind {
                path: path(),
                stored: head.size,
                signed: signed.size,
            });
        }
        // The tiles of `head` were checked against its root already, so those of a smaller tree are its beginning.
        let plan = ProofPlan::edge(signed.size);
        let tiles = storage.tiles(&plan.tiles()).await?;
        let edge = plan.hashes(&tiles).map_err(StorageError::damaged)?;
        let range =
            CompactRange::from_edge(signed.size, edge).expect("the plan has one hash per subtree");
        if range.head() == signed {
            Ok(())
        } else {
            Err(LastSignedError::OtherHistory {
                path: path(),
                signed: signed.size,
            })
        }
    }

    fn read(&self) -> Result<Verified<Checkpoint>, LastSignedError> {
        let mut bytes = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => LastSignedError::Missing {
                    path: self.path.clone(),
                },
                _ => self.io(error),
            })?;
        self.key
            .verify_checkpoint(&bytes)
            .map_err(|error| LastSignedError::Form {
                path: self.path.clone(),
                error,
            })
    }

    /// Puts `checkpoint` on stable storage, in one step: a crash leaves the old one or the new one.
    pub fn write(&self, checkpoint: &str) -> Result<(), LastSignedError> {
        let next = self.path.with_extension("next");
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::create(&next)
            .and_then(|mut file| {
                file.write_all(checkpoint.as_bytes())?;
                file.sync_data()
            })
            .and_then(|()| fs::rename(&next, &self.path))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| self.io(error))
    }

    fn io(&self, error: io::Error) -> LastSignedError {
        LastSignedError::Io {
            path: self.path.clone(),
            error,
        }
    }
}
