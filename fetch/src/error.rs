//! Why a fetch ends before everything is there.

use std::fmt;
use std::io;
use std::path::PathBuf;

use candor_core::weights::FilePath;

use crate::folder::WORK_FOLDER;
use crate::{Fault, MirrorFault, Outcome};

/// A fetch that did not end well, and what was done until then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Stopped {
    /// Why.
    #[source]
    pub error: FetchError,
    /// The files that are whole, and the mirrors that were given up.
    pub outcome: Outcome,
}

/// Why a release's files can't all be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The target folder can't be used.
    #[error("the folder {}: {error}", path.display())]
    Target {
        /// The folder, or what in it.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another fetch writes there.
    #[error("another fetch into {} is going on", path.display())]
    Busy {
        /// The target folder.
        path: PathBuf,
    },
    /// Two names that are one on this disk.
    #[error("{a} and {b} are one name in {}, where upper and lower case are the same", path.display())]
    OneName {
        /// The target folder.
        path: PathBuf,
        /// A file or folder of the release.
        a: String,
        /// Another.
        b: String,
    },
    /// Something else is where a file belongs.
    #[error("{file}: {what} is in its place ({at})")]
    InTheWay {
        /// The release's file.
        file: FilePath,
        /// Where it is, in the target folder.
        at: String,
        /// What it is.
        what: Obstacle,
    },
    /// Another file of that name is there.
    #[error("{file} is there, and is another file than the release's: {difference}")]
    Differs {
        /// Which.
        file: FilePath,
        /// In size or digest.
        difference: String,
    },
    /// The disk is too small.
    #[error("{} has room for {available} bytes, and {needed} are still to be fetched", path.display())]
    NoRoom {
        /// The target folder.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
    /// The disk fails, or is full.
    #[error("{file}: {doing} failed at byte {at}: {error}")]
    Disk {
        /// Which file.
        file: FilePath,
        /// Reading, writing and so on.
        doing: &'static str,
        /// How many bytes of it are there and checked.
        at: u64,
        /// What the system says.
        error: io::Error,
    },
    /// Nobody has it.
    #[error("{file} can't be fetched:{}", each(mirrors))]
    NoMirror {
        /// Which file.
        file: FilePath,
        /// How many bytes of it are there, for the next time.
        kept: u64,
        /// What was wrong with each source.
        mirrors: Vec<MirrorFault>,
    },
    /// The manifest says of a file what no file can be.
    #[error("{file}: no bytes can be right, since {contradiction}")]
    Contradiction {
        /// Which.
        file: FilePath,
        /// What contradicts what.
        contradiction: &'static str,
    },
    /// The system gives no threads.
    #[error("no threads to fetch with: {0}")]
    Threads(io::Error),
}

/// What is where a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A folder in a file's place.
    Folder,
    /// A file in a folder's place.
    File,
    /// A symbolic link, which may lead out of the folder.
    Link,
    /// A pipe, socket or device.
    Special,
}

impl FetchError {
    /// Whether it is that all sources were asked for a file, and none has it.
    pub(crate) fn is_lacking(&self) -> bool {
        matches!(self, Self::NoMirror { mirrors, .. }
            if mirrors.iter().all(|it| matches!(it.fault, Fault::Missing { .. })))
    }

    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Target { .. } => "check that the folder can be written to".into(),
            Self::Busy { .. } => "wait until it has ended, or fetch into another folder".into(),
            Self::OneName { .. } => {
                "fetch into a folder on a file system that tells upper from lower case".into()
            }
            Self::InTheWay { at, .. } => format!("move {at} away, or fetch into another folder"),
            Self::Differs { .. } => {
                "move it away, fetch into another folder, or ask for it to be replaced".into()
            }
            Self::NoRoom { .. } => "make room, or fetch into a folder on another disk".into(),
            Self::Disk { at, error, .. } if is_full(error) => format!(
                "make room, and fetch again: the {at} bytes that are there (in {WORK_FOLDER}) are checked and kept"
            ),
            Self::Disk { .. } => format!(
                "check the disk, and fetch again: what is there (in {WORK_FOLDER}) is checked and kept"
            ),
            Self::NoMirror { kept: 0, .. } => "name another source that has the file".into(),
            Self::NoMirror { kept, .. } => format!(
                "name another source and fetch again: the {kept} bytes that are there (in {WORK_FOLDER}) are checked and kept"
            ),
            Self::Contradiction { .. } => {
                "tell the release's publisher; nothing is wrong with the sources".into()
            }
            Self::Threads(_) => {
                "see how many processes and threads you may have (`ulimit -u`)".into()
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::File => "a file",
            Self::Link => "a symbolic link, which is not followed,",
            Self::Special => "something that is neither a file nor a folder",
        })
    }
}

/// Whether there is no room: on the disk, for this user, or under the limit of this process.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn each(mirrors: &[MirrorFault]) -> String {
    let lines = mirrors.iter().map(|it| format!("\n  {it}"));
    lines.collect()
}
