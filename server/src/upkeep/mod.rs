//! Looking after a log: what an operator runs beside the server, or instead of it.
//!
//! ```text
//! fsck     derives everything from the entries once more, aside, and compares
//! rebuild  derives tiles and views once more, and puts them in the place of what is there
//! export   writes the log as files, which anybody can read and check
//! import   takes in such files, or what of them is not there yet
//! backup   copies the database while it is written to
//! retire   closes the log, and names the one that it goes on in
//! restore  puts a copy in the place of what was lost, and what the copy lacks from elsewhere
//! ```
//!
//! Always: nothing here is needed to serve a log, and what only reads leaves what it reads as it is.

mod backup;
mod documents;
mod export;
mod flaw;
mod fsck;
mod import;
mod rebuild;
mod restore;
mod retire;
mod views;

pub use backup::{BackedUp, BackupError, backup};
pub use export::{ExportError, export};
pub use flaw::Flaw;
pub use fsck::{Fsck, FsckError, FsckReport};
pub use import::{ImportError, Imported, import};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use restore::{Restore, RestoreError, Restored, restore};
pub use retire::{RetireError, Retired, retire};

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use candor_core::merkle::TreeSize;

use crate::storage::EntriesLimit;

/// How many entries are derived at a time, and how many bytes they have at most: with all that is made of them, they
/// take some 40 MB.
const CHUNK: EntriesLimit = EntriesLimit {
    items: 2_048,
    bytes: 8 << 20,
};

/// So many entries behind a tree of `from`, and none beyond one of `to`, where that is larger: what is derived of them can
/// be compared with what was signed.
fn up_to(to: TreeSize, from: TreeSize, limit: EntriesLimit) -> EntriesLimit {
    let items = match to.get().checked_sub(from.get()) {
        None | Some(0) => u32::MAX,
        Some(left) => u32::try_from(left).unwrap_or(u32::MAX),
    };
    EntriesLimit {
        items: limit.items.min(items),
        ..limit
    }
}

/// Told how far it is: how many entries of how many.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Makes a folder for its owner alone, unless it is there. What it is in must be there: it may be a disk that is not
/// mounted.
fn make_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(path)?;
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}
