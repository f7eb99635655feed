//! Copying a database while a server writes to it.
//!
//! Always: the copy is whole, on stable storage, and was read once, before it has its name. Its `last-signed` is a
//! checkpoint that it holds: the newest one when the copy was begun.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use candor_core::merkle::TreeSize;
use candor_core::note::LogKey;

use super::make_private_folder;
use crate::data_folder::DataFolder;
use crate::last_signed::{self, LastSigned, LastSignedError};
use crate::storage::snapshot::Snapshots as _;
use crate::storage::sqlite::{Sqlite, SqliteSnapshots};
use crate::storage::{Storage as _, StorageError};
use crate::tree::{self, RightEdge};

/// What a copy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How many entries it has.
    pub entries: TreeSize,
    /// The size of the tree in its checkpoint.
    pub signed: TreeSize,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder can't be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something is there.
    #[error("{} is not empty: each copy goes into a folder of its own", path.display())]
    NotEmpty {
        /// Which folder.
        path: PathBuf,
    },
    /// The log can't be read, or the copy not written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was signed last can't be read.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// The copy does not hold what was signed.
    #[error(
        "the database does not have the tree of {signed} entries that the log signed: run `candor-server fsck` on it; no copy was made"
    )]
    NotAsSigned {
        /// How many entries were signed.
        signed: TreeSize,
    },
}

/// Copies the database of the log in `data` into the folder `to`, which is made, or empty.
pub async fn backup(data: &DataFolder, to: &Path) -> Result<BackedUp, BackupError> {
    make_private_folder(to).map_err(io_error(to))?;
    if fs::read_dir(to).map_err(io_error(to))?.next().is_some() {
        return Err(BackupError::NotEmpty {
            path: to.to_owned(),
        });
    }
    let copied = copy_into(to, data).await;
    if copied.is_err() {
        // It was empty, and can be used again.
        for file in [
            "log.db.unfinished",
            "log.db.unfinished-wal",
            "log.db.unfinished-shm",
            "reserve",
            "last-signed",
        ] {
            let _ = fs::remove_file(to.join(file));
        }
    }
    copied
}

async fn copy_into(to: &Path, data: &DataFolder) -> Result<BackedUp, BackupError> {
    let source = SqliteSnapshots::open(&data.database()).await?;
    let key = LogKey::from(source.identity().await?.key);
    // Before the copy, which may have more.
    let (checkpoint, text) = last_signed::newest_in(&data.last_signed(), &key)?;
    let copy = DataFolder::new(to);
    let unfinished = to.join("log.db.unfinished");
    source.copy_to(&unfinished).await?;
    let log = Sqlite::open(&unfinished).await?;
    let edge = RightEdge::load(&log).await?;
    let (entries, signed) = (edge.head().size, checkpoint.head);
    let is_there = signed.size <= entries && tree::head_at(&log, signed.size).await? == signed;
    log.close().await;
    if !is_there {
        let signed = signed.size;
        return Err(BackupError::NotAsSigned { signed });
    }
    let _ = fs::remove_file(to.join("reserve"));
    LastSigned::create(&copy.last_signed(), &text)?;
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .map_err(io_error(&unfinished))?;
    fs::rename(&unfinished, copy.database()).map_err(io_error(&copy.database()))?;
    File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error(to))?;
    Ok(BackedUp {
        entries,
        signed: signed.size,
    })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Io { path, error }
}
