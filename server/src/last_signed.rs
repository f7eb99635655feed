//! The newest checkpoint that this server signed, in a file of its own beside the database.
//!
//! ```text
//! 0        slot 0: a checkpoint, then spaces, then a line break
//! 4096     slot 1: the same, older or newer
//! 8192     end
//! ```
//!
//! Always: a checkpoint is on stable storage here before anybody sees it. So a database that was set back, by
//! a restored backup or a disk that forgot, is found at the next start, before the server could sign a second
//! history on top of it.
//!
//! The slots are written in turn, in place, through a file that stays open: a new checkpoint takes neither
//! space on the disk nor a file descriptor, for by then its entries are committed. A crash while one slot is
//! written leaves the other, which holds the newest checkpoint that anybody saw; of the slots that verify, the
//! one with the larger tree counts. Each slot is a block of its own for disks that write 4 KiB at a time, so
//! that a torn write takes no other slot with it. File systems that never write in place (btrfs, ZFS) may run
//! out of space all the same; then the sequencer waits for room.
//!
//! A file that holds one checkpoint, and nothing else, is as good: whoever restores it by hand makes such a
//! one. When the log starts, it is replaced by one with slots.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::merkle::{TreeHead, TreeSize};
use candor_core::note::{Checkpoint, CheckpointError, LogKey, NOTE_BYTES_MAX};

use crate::storage::{Storage, StorageError};
use crate::tree;

/// How long a slot is. A checkpoint has at most some 800 bytes: an origin of 255, twice, two numbers of 20 and
/// 44, and a signature of 92; the last one 1,400 more, for the next log's key and address.
const SLOT_BYTES: usize = 4_096;

/// The file.
#[derive(Debug)]
pub struct LastSigned {
    path: PathBuf,
    /// Open for writing, if it has slots.
    slots: Option<File>,
    /// The newest checkpoint in it, and its note.
    newest: Verified<Checkpoint>,
    note: String,
    /// Where the next one goes: the slot that does not hold the newest.
    next: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    First,
    Second,
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
        "{} is missing, and without it nobody can tell whether the database was set back: put it back, or put there, as it is, the newest checkpoint of this log that anybody has: a client keeps it as `checkpoint` in a folder of ~/.local/state/candor",
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
        "the database has {stored} entries, and this log signed a tree of {signed} ({}): it was set back, and going on would fork the log. Put the newest database back; or an older one, and what it lacks from where it was published to: candor-server restore --data {} --from BACKUP --entries-from FOLDER|URL (where the log is in Postgres: candor-server import)",
        path.display(), folder(path)
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
        "the first {signed} entries of the database are not those that this log signed ({}): going on would fork the log. Put the log's own database back: candor-server restore --data {} --from BACKUP; what is wrong with this one, candor-server fsck --data {} says",
        path.display(), folder(path), folder(path)
    )]
    OtherHistory {
        /// Which file.
        path: PathBuf,
        /// How many were signed.
        signed: TreeSize,
    },
    /// The database has entries behind the end of the log.
    #[error(
        "the database has {stored} entries, and this log was retired with {signed} ({}): the others were added behind its end, and going on would contradict its last checkpoint. Put the log's own database back: candor-server restore --data {} --from BACKUP",
        path.display(), folder(path)
    )]
    Reopened {
        /// Which file.
        path: PathBuf,
        /// How many entries the database has.
        stored: TreeSize,
        /// How many the log ended with.
        signed: TreeSize,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl LastSigned {
    /// Makes the file at `path` of a log that has signed nothing but `checkpoint`.
    pub fn create(path: &Path, checkpoint: &str) -> Result<(), LastSignedError> {
        lay_out(path, checkpoint)
            .map(drop)
            .map_err(|error| io_error(path, error))
    }

    /// Opens the file at `path` of the log with `key`.
    pub fn open(path: PathBuf, key: &LogKey) -> Result<Self, LastSignedError> {
        let bytes = read(&path)?;
        let Newest {
            checkpoint,
            text,
            next,
        } = newest(&bytes, key).map_err(|error| LastSignedError::Form {
            path: path.clone(),
            error,
        })?;
        let has_slots = bytes.len() == 2 * SLOT_BYTES;
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            // A server that was killed may have left it in memory alone, and this one goes by it.
            .and_then(|file| file.sync_all().map(|()| file))
            .map_err(|error| io_error(&path, error))?;
        let slots = has_slots.then_some(file);
        Ok(Self {
            path,
            slots,
            newest: checkpoint,
            note: text,
            next,
        })
    }

    /// Whether the newest checkpoint in it is that of the tree `head`, and the next one will take no space.
    pub fn holds(&self, head: TreeHead) -> bool {
        self.slots.is_some() && self.newest.head == head
    }

    /// The newest checkpoint in it, as it was signed.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The newest checkpoint in it.
    pub fn newest(&self) -> &Checkpoint {
        &self.newest
    }

    /// Checks that the tree in storage, whose head is `head`, extends the one that was signed last.
    pub async fn check(
        &self,
        storage: &dyn Storage,
        head: TreeHead,
    ) -> Result<(), LastSignedError> {
        self.check_end(head)?;
        let signed = self.newest.head;
        if signed.size > head.size {
            return Err(LastSignedError::Behind {
                path: self.path.clone(),
                stored: head.size,
                signed: signed.size,
            });
        }
        if tree::head_at(storage, signed.size).await? == signed {
            Ok(())
        } else {
            Err(self.other_history())
        }
    }

    /// Checks that the tree `head` has nothing behind the end of a log that is retired.
    pub fn check_end(&self, head: TreeHead) -> Result<(), LastSignedError> {
        let signed = self.newest.head.size;
        if head.size > signed && self.newest.retirement.is_some() {
            return Err(LastSignedError::Reopened {
                path: self.path.clone(),
                stored: head.size,
                signed,
            });
        }
        Ok(())
    }

    /// What is wrong with a database whose tree does not extend the newest one in it.
    pub fn other_history(&self) -> LastSignedError {
        LastSignedError::OtherHistory {
            path: self.path.clone(),
            signed: self.newest.head.size,
        }
    }

    /// Puts a checkpoint that was signed on stable storage. After an error the one before it is still there, and it can
    /// be tried again.
    pub fn write(
        &mut self,
        checkpoint: &Verified<Checkpoint>,
        text: &str,
    ) -> Result<(), LastSignedError> {
        let bytes = slot_with(text);
        match &self.slots {
            Some(slots) => slots
                .write_all_at(&bytes, self.next.offset())
                .and_then(|()| slots.sync_data()),
            None => lay_out(&self.path, text).map(|slots| self.slots = Some(slots)),
        }
        .map_err(|error| io_error(&self.path, error))?;
        self.newest = checkpoint.clone();
        text.clone_into(&mut self.note);
        self.next = self.next.other();
        Ok(())
    }
}

impl LastSignedError {
    /// Whether it is only room that is missing, so that it may work later.
    pub fn is_no_room(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded))
    }
}

impl Slot {
    fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_BYTES as u64,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// The data folder.
fn folder(path: &Path) -> std::path::Display<'_> {
    path.parent().unwrap_or(path).display()
}

fn io_error(path: &Path, error: io::Error) -> LastSignedError {
    LastSignedError::Io {
        path: path.to_owned(),
        error,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LastSignedError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LastSignedError::Missing {
                path: path.to_owned(),
            },
            _ => io_error(path, error),
        })?;
    Ok(bytes)
}

/// The newest checkpoint in the file at `path` of the log with `key`, and its text, for those who only read. A server may
/// write to the file meanwhile.
pub fn newest_in(
    path: &Path,
    key: &LogKey,
) -> Result<(Verified<Checkpoint>, String), LastSignedError> {
    let bytes = read(path)?;
    let newest = newest(&bytes, key).map_err(|error| LastSignedError::Form {
        path: path.to_owned(),
        error,
    })?;
    Ok((newest.checkpoint, newest.text))
}

/// The newest checkpoint in the file.
struct Newest {
    checkpoint: Verified<Checkpoint>,
    text: String,
    /// The slot that the next one goes to.
    next: Slot,
}

fn newest(bytes: &[u8], key: &LogKey) -> Result<Newest, CheckpointError> {
    let read = |slot: &[u8], next| {
        let note = note_in(slot);
        let checkpoint = key.verify_checkpoint(&note)?;
        let text = String::from_utf8(note).expect("a checkpoint that verified is text");
        Ok(Newest {
            checkpoint,
            text,
            next,
        })
    };
    if bytes.len() != 2 * SLOT_BYTES {
        return read(bytes, Slot::Second);
    }
    let (first, second) = bytes.split_at(SLOT_BYTES);
    match (read(first, Slot::Second), read(second, Slot::First)) {
        (Ok(first), Ok(second)) if first.checkpoint.rank() < second.checkpoint.rank() => Ok(second),
        (Ok(first), _) => Ok(first),
        (Err(_), second @ Ok(_)) => second,
        (error, Err(_)) => error,
    }
}

/// A note without what fills it up.
fn note_in(slot: &[u8]) -> Vec<u8> {
    [slot.trim_ascii_end(), b"\n"].concat()
}

fn slot_with(note: &str) -> Vec<u8> {
    let mut slot = note.as_bytes().to_vec();
    slot.resize(SLOT_BYTES - 1, b' ');
    slot.push(b'\n');
    slot
}

/// Writes the file with `note` in both slots, in one step: a crash leaves what was there, or all of it.
fn lay_out(path: &Path, note: &str) -> io::Result<File> {
    let next = path.with_extension("next");
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = File::create(&next)?;
    file.write_all(&slot_with(note).repeat(2))?;
    file.sync_data()?;
    fs::rename(&next, path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use candor_core::merkle::{CompactRange, LeafHash};
    use candor_core::note::{NoteSigner, Retirement};
    use ed25519_dalek::SigningKey;

    use super::*;

    struct TestFile {
        folder: tempfile::TempDir,
        signer: NoteSigner,
    }

    impl TestFile {
        /// A file that was written as often as there are entries.
        fn with_trees_to(size: u64) -> Self {
            let name = "example.org/candor-test".parse().expect("a key's name");
            let signer = NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]));
            let file = Self {
                folder: tempfile::tempdir().expect("a folder"),
                signer,
            };
            LastSigned::create(&file.path(), &file.checkpoint(0)).expect("it is made");
            let mut last_signed = file.open().expect("it opens");
            for size in 1..=size {
                file.write(&mut last_signed, size);
            }
            file
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("last-signed")
        }

        fn key(&self) -> LogKey {
            LogKey::from(self.signer.verifier_key().clone())
        }

        fn write(&self, last_signed: &mut LastSigned, size: u64) {
            let text = self.checkpoint(size);
            let checkpoint = self.key().verify_checkpoint(text.as_bytes());
            let checkpoint = checkpoint.expect("it was signed");
            last_signed
                .write(&checkpoint, &text)
                .expect("it is written");
        }

        fn checkpoint(&self, size: u64) -> String {
            Checkpoint::sign(head(size), &self.signer).to_string()
        }

        fn open(&self) -> Result<LastSigned, LastSignedError> {
            LastSigned::open(self.path(), &self.key())
        }

        fn bytes(&self) -> Vec<u8> {
            fs::read(self.path()).expect("it is there")
        }
    }

    fn head(size: u64) -> TreeHead {
        let mut range = CompactRange::empty();
        for n in 0..size {
            let entry = candor_core::merkle::Entry::new(n.to_be_bytes().to_vec());
            range.append(LeafHash::of(&entry.expect("short")), |_, _| {});
        }
        range.head()
    }

    #[test]
    fn the_newest_checkpoint_counts_and_the_file_never_grows() {
        for size in 0..4 {
            let file = TestFile::with_trees_to(size);
            assert!(file.open().expect("it opens").holds(head(size)), "{size}");
            assert_eq!(file.bytes().len(), 8_192);
            let text = String::from_utf8(file.bytes()).expect("people can read it");
            assert!(text.contains(file.checkpoint(size).trim_end()), "{text}");
        }
    }

    /// A crash in the middle of a write: whatever comes of the slot, the checkpoint before it is there, which
    /// is the newest that anybody saw; and the one after goes to the torn slot again.
    #[test]
    fn a_torn_write_leaves_the_checkpoint_before_it() {
        for size in 1..4 {
            let file = TestFile::with_trees_to(size);
            let after = TestFile::with_trees_to(size + 1).bytes();
            for torn in (1..400).step_by(7) {
                let mut bytes = file.bytes();
                let slot = if size % 2 == 0 { SLOT_BYTES } else { 0 };
                bytes[slot..slot + torn].copy_from_slice(&after[slot..slot + torn]);
                fs::write(file.path(), &bytes).expect("it is written");
                let last_signed = file.open().expect("one slot is whole");
                let is_whole = bytes == after;
                let size = if is_whole { size + 1 } else { size };
                assert!(last_signed.holds(head(size)));
            }
        }
        let file = TestFile::with_trees_to(3);
        fs::write(file.path(), [b' '; 8_192]).expect("it is written");
        let error = file.open().expect_err("both are gone");
        assert!(matches!(error, LastSignedError::Form { .. }), "{error}");
    }

    #[test]
    fn a_checkpoint_alone_is_taken_and_gets_slots_when_the_log_goes_on() {
        let file = TestFile::with_trees_to(2);
        for restored in [file.checkpoint(2), format!("{}\n", file.checkpoint(2))] {
            fs::write(file.path(), restored).expect("it is written");
            let mut last_signed = file.open().expect("it opens");
            assert!(!last_signed.holds(head(2)), "it has no slots yet");
            file.write(&mut last_signed, 2);
            assert!(last_signed.holds(head(2)));
            assert!(file.open().expect("it opens").holds(head(2)));
            assert_eq!(file.bytes().len(), 8_192);
        }
    }

    /// It has the same tree as the one before it, and that must not be taken for the newer.
    #[test]
    fn the_last_checkpoint_of_a_log_counts_before_others_of_its_tree() {
        for size in 1..3 {
            let file = TestFile::with_trees_to(size);
            let last = Checkpoint::sign_last(head(size), Retirement { next: None }, &file.signer);
            let text = last.to_string();
            let checkpoint = file.key().verify_checkpoint(text.as_bytes());
            let checkpoint = checkpoint.expect("it was signed");
            let mut last_signed = file.open().expect("it opens");
            assert_eq!(last_signed.newest().retirement, None);
            last_signed
                .write(&checkpoint, &text)
                .expect("it is written");
            let last_signed = file.open().expect("it opens");
            assert_eq!(last_signed.newest(), &*checkpoint);
        }
    }
}
