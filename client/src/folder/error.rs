//! Why a folder can't be read as a release.

use std::io;
use std::path::PathBuf;

use candor_core::weights::{FilePathError, MANIFEST_FILES_MAX};

use crate::hashing::FileError;

/// Why a folder can't be read as a release.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
    /// Nothing to release.
    #[error("{} holds no files", path.display())]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
    /// More than a manifest can list.
    #[error("{} holds over {MANIFEST_FILES_MAX} files, which is the most that a release can have", path.display())]
    TooManyFiles {
        /// Which folder.
        path: PathBuf,
    },
    /// A symbolic link.
    #[error("{} is a symbolic link, and links are not followed", path.display())]
    Link {
        /// Where it is.
        path: PathBuf,
    },
    /// A pipe, socket or device.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// Where it is.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name of {} is not UTF-8, and could not be listed", path.display())]
    NotUtf8 {
        /// Where it is, with the bad bytes replaced.
        path: PathBuf,
    },
    /// A name that a manifest can't hold.
    #[error("{}: {error}", path.display())]
    Name {
        /// Where it is.
        path: PathBuf,
        /// Which rule.
        error: FilePathError,
    },
    /// Two names that are one where upper and lower case are the same.
    #[error("{} and {} are the same on disks that don't tell upper from lower case", path.display(), other.display())]
    Case {
        /// One of them.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A file that could not be read, or not as one and the same.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refuses to list it.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which folder, or what in it.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// What can be done about symbolic links.
pub const LINK_HINT: &str = "put the file itself there (`cp --dereference`); a Hugging Face cache is full of links, so download with `--local-dir`";

impl FolderError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAFolder { .. } => "name the folder that holds the release's files",
            Self::Empty { .. } => {
                "name the folder that holds the release's files; empty folders inside it don't count"
            }
            Self::TooManyFiles { .. } => {
                "pack many small files into archives, or release them as several models"
            }
            Self::Link { .. } => LINK_HINT,
            Self::Special { .. } => "remove it, or release a copy of the folder without it",
            Self::NotUtf8 { .. } | Self::Name { .. } => "rename the file",
            Self::Case { .. } => {
                "rename one of them: half of the readers' disks would lose the other"
            }
            Self::File(error) => error.hint(),
            Self::Io { .. } => "check that it is there and that you may read it",
        }
    }
}
