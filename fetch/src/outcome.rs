//! What a fetch tells: on the way, and when it has ended.

use candor_core::weights::FilePath;

use crate::MirrorFault;

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Bytes that are there, of all files. It goes back where bytes turned out to be wrong.
    pub bytes: u64,
    /// Bytes that all files have together.
    pub bytes_total: u64,
    /// Which file was begun last.
    pub file: &'a FilePath,
    /// Mirrors that were given up for a file since it was last said how far it has come.
    pub faults: &'a [MirrorFault],
}

/// What a fetch has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The files that are whole, checked and under their final names, sorted by path.
    pub files: Vec<FileOutcome>,
    /// Which mirrors were given up for which file, and why, in the order in which it happened. [`Fault::is_lie`] tells those
    /// that sent wrong bytes.
    ///
    /// [`Fault::is_lie`]: crate::Fault::is_lie
    pub faults: Vec<MirrorFault>,
}

/// What was done for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    /// Where it is in the target folder.
    pub path: FilePath,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes came from.
    pub how: How,
    /// How many bytes sources sent for it: those too that were thrown away.
    pub received: u64,
}

/// Where a file's bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was there, and is the right one.
    AlreadyThere,
    /// All of it was fetched now.
    Fetched,
    /// An earlier fetch had left its beginning.
    Resumed {
        /// How many bytes of that were right, and kept.
        from: u64,
    },
}
