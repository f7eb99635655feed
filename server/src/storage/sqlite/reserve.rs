//! A little room on the disk, kept for the moment when there is no other.
//!
//! To read its database at all, `SQLite` makes a file `-shm` of 32 KiB, and removes it when the last connection
//! is closed. On a disk that was filled up meanwhile, the log could not be opened again, not even to be read.
//! So while no server runs, a file `reserve` of that size keeps the place, and it is given away if the log does
//! not open otherwise.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tracing::debug;

/// The size of the first part of `-shm`, which is all that a write-ahead log of up to 4,062 pages needs.
const RESERVE_BYTES: usize = 32 << 10;

pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn beside(database: &Path) -> Self {
        Self(database.with_file_name("reserve"))
    }

    /// Makes the file, unless it is there or there is no room for it.
    pub(super) fn keep(&self) {
        if let Err(error) = self.make() {
            debug!(%error, "there is no room for a reserve");
            let _ = fs::remove_file(&self.0);
        }
    }

    fn make(&self) -> io::Result<()> {
        if self.0.exists() {
            return Ok(());
        }
        let mut file = File::create(&self.0)?;
        // Not zeroes: some file systems store those without any room.
        file.write_all(&vec![b'.'; RESERVE_BYTES])?;
        file.sync_all()
    }

    /// Gives the room away. Returns whether there was any.
    pub(super) fn give(&self) -> bool {
        fs::remove_file(&self.0).is_ok()
    }
}
