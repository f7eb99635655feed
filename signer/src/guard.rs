//! What is signed goes on from what was signed before.
//!
//! ```text
//! STATE         the newest checkpoint that was signed
//! STATE.lock    held as long as a signer goes by STATE: two would not know of each other's signatures
//! STATE.next    the next one, for the moment before it takes the place of STATE
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::merkle::TreeSize;
use candor_core::note::{
    Checkpoint, CheckpointError, LogKey, NOTE_BYTES_MAX, WebhookContent, WebhookError,
};

/// How long a server's `last-signed` is.
const SERVERS_FILE_BYTES: usize = 2 * 4_096;

/// The newest checkpoint that was signed, in a file of its own.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    key: LogKey,
    newest: Option<Verified<Checkpoint>>,
    /// Held until the guard goes.
    _lock: File,
}

/// Why it is not known what was signed before.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another signer goes by it.
    #[error(
        "another signer goes by {}: stop it first; each signer has a --state of its own",
        path.display()
    )]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not there.
    #[error(
        "{} is missing, and without it nobody can tell what was signed before: put it back, or put there the newest checkpoint of this log that anybody has; for a new log, whose key never signed anything: --new-log",
        path.display()
    )]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// It is there, and nothing should be.
    #[error("{} is there: this log is not new, so leave --new-log out", path.display())]
    NotNew {
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
}

/// Why something is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a checkpoint of this log.
    #[error("this is no checkpoint of this log: {0}")]
    Form(#[from] CheckpointError),
    /// Not a text.
    #[error("this is no text")]
    NotText,
    /// Not a message about a record of this log.
    #[error("this is no message about a record of this log: {0}")]
    Webhook(#[from] WebhookError),
    /// Smaller than what was signed.
    #[error(
        "a tree of {signed} entries was signed, and this one has {asked}: the log was set back"
    )]
    Smaller {
        /// The size that was signed.
        signed: TreeSize,
        /// The size that is to be.
        asked: TreeSize,
    },
    /// Another tree of the same size.
    #[error("another tree of {0} entries was signed: this would be a second history")]
    OtherRoot(TreeSize),
    /// The log is closed.
    #[error("this log was retired with {0} entries, and its last checkpoint stays the last")]
    Retired(TreeSize),
}

impl Guard {
    /// Of the log with `key`: what the file at `path` says, or nothing for a log that `is_new`.
    pub fn open(path: &Path, key: LogKey, is_new: bool) -> Result<Self, GuardError> {
        let io_error = |error| GuardError::Io {
            path: path.to_owned(),
            error,
        };
        let lock = lock(path)?;
        let newest = match fs::metadata(path) {
            Ok(_) if is_new => {
                let path = path.to_owned();
                return Err(GuardError::NotNew { path });
            }
            Ok(metadata) if metadata.len() > NOTE_BYTES_MAX as u64 => {
                return Err(io_error(io::Error::other(
                    "it is too long for a checkpoint",
                )));
            }
            Ok(_) => {
                let note = fs::read(path).map_err(io_error)?;
                // A signer that was killed may have left it in memory alone, and the next one answers by it.
                sync(path).map_err(io_error)?;
                let checkpoint = newest_of(&note, &key);
                Some(checkpoint.map_err(|error| GuardError::Form {
                    path: path.to_owned(),
                    error,
                })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.to_owned();
                return Err(GuardError::Missing { path });
            }
            Err(error) => return Err(io_error(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            key,
            newest,
            _lock: lock,
        })
    }

    /// The log's key.
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// Reads what is to be signed, and says whether it can be.
    pub fn check(&self, text: &[u8]) -> Result<Checkpoint, Refused> {
        let text = str::from_utf8(text).map_err(|_| Refused::NotText)?;
        let asked = Checkpoint::from_unsigned(text, &self.key.origin())?;
        let Some(newest) = &self.newest else {
            return Ok(asked);
        };
        let signed = newest.head.size;
        if asked == **newest {
            return Ok(asked);
        }
        if newest.retirement.is_some() {
            return Err(Refused::Retired(signed));
        }
        if asked.head.size < signed {
            return Err(Refused::Smaller {
                signed,
                asked: asked.head.size,
            });
        }
        if asked.head.size == signed && asked.head.root != newest.head.root {
            return Err(Refused::OtherRoot(signed));
        }
        Ok(asked)
    }

    /// Reads a message about a record that is to be signed, and says whether it can be.
    ///
    /// What is signed like this is never taken for a checkpoint: it has no line break, and a checkpoint's text ends in one;
    /// and it begins with what no log's origin can begin with ([`candor_core::note::webhook`]). So there is nothing
    /// that it could contradict, and nothing to be kept of it. That the record is in the log is for its receiver to see:
    /// the signer has no entries.
    pub fn check_webhook(&self, text: &[u8]) -> Result<WebhookContent, Refused> {
        Ok(WebhookContent::parse(text, &self.key)?)
    }

    /// Puts the note of a checkpoint that was checked and signed on stable storage. What is kept never gets older.
    pub fn keep(&mut self, note: &str) -> Result<(), GuardError> {
        let io_error = |error| GuardError::Io {
            path: self.path.clone(),
            error,
        };
        let checkpoint = self.key.verify_checkpoint(note.as_bytes());
        let checkpoint = checkpoint.map_err(|error| GuardError::Form {
            path: self.path.clone(),
            error,
        })?;
        let is_newer = |newest: &Verified<Checkpoint>| checkpoint.rank() > newest.rank();
        if !self.newest.as_ref().is_none_or(is_newer) {
            return Ok(());
        }
        write(&self.path, note).map_err(io_error)?;
        self.newest = Some(checkpoint);
        Ok(())
    }
}

/// The checkpoint in a file that this signer wrote, or a server's `last-signed`: that has one in each half, filled up with
/// spaces, and the newer counts.
fn newest_of(file: &[u8], key: &LogKey) -> Result<Verified<Checkpoint>, CheckpointError> {
    if file.len() != SERVERS_FILE_BYTES {
        return key.verify_checkpoint(file);
    }
    let (first, second) = file.split_at(SERVERS_FILE_BYTES / 2);
    let [first, second] = [first, second].map(|half| {
        let note = [half.trim_ascii_end(), b"\n"].concat();
        key.verify_checkpoint(&note)
    });
    match (first, second) {
        (Ok(first), Ok(second)) if first.rank() < second.rank() => Ok(second),
        (Ok(first), _) => Ok(first),
        (Err(_), second) => second,
    }
}

/// Waits for nobody: whoever has it keeps it.
fn lock(path: &Path) -> Result<File, GuardError> {
    let lock = beside(path, ".lock");
    let io_error = |error| GuardError::Io {
        path: lock.clone(),
        error,
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&lock)
        .map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GuardError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error(error)),
    }
}

/// Writes beside the file, then puts the new one in its place: a crash leaves the one or the other.
fn write(path: &Path, note: &str) -> io::Result<()> {
    let next = beside(path, ".next");
    let mut file = File::create(&next)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    sync_folder_of(path)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folder_of(path)
}

/// Makes sure that the name of `path` is on stable storage too.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use candor_core::merkle::{LeafHash, LeafIndex, TreeHead};
    use candor_core::note::{NoteSigner, Retirement};
    use ed25519_dalek::SigningKey;

    use super::*;

    fn signer() -> NoteSigner {
        let name = "example.org/candor-test".parse().expect("a name");
        NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]))
    }

    fn head(size: u64, root: u8) -> TreeHead {
        TreeHead {
            size: TreeSize::new(size),
            root: LeafHash::of_bytes(&[root]).to_hash(),
        }
    }

    fn text(head: TreeHead, retirement: Option<Retirement>) -> String {
        let key = LogKey::from(signer().verifier_key().clone());
        Checkpoint::new(key.origin(), head, retirement).to_string()
    }

    fn open(path: &Path, is_new: bool) -> Result<Guard, GuardError> {
        Guard::open(path, signer().verifier_key().clone().into(), is_new)
    }

    fn sign(guard: &mut Guard, text: &str) -> Result<(), Refused> {
        guard.check(text.as_bytes())?;
        guard
            .keep(&signer().sign(text.to_owned()).to_string())
            .expect("it is kept");
        Ok(())
    }

    #[test]
    fn what_was_signed_is_never_contradicted_not_even_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("newest");
        assert!(matches!(
            open(&path, false),
            Err(GuardError::Missing { .. })
        ));
        let mut guard = open(&path, true).expect("a new log");
        sign(&mut guard, &text(head(3, 1), None)).expect("the first");
        for _ in 0..2 {
            sign(&mut guard, &text(head(3, 1), None)).expect("the same again");
            let other = sign(&mut guard, &text(head(3, 2), None));
            assert_eq!(other, Err(Refused::OtherRoot(TreeSize::new(3))));
            let smaller = sign(&mut guard, &text(head(2, 1), None));
            assert!(
                matches!(smaller, Err(Refused::Smaller { .. })),
                "{smaller:?}"
            );
            drop(guard);
            assert!(matches!(open(&path, true), Err(GuardError::NotNew { .. })));
            guard = open(&path, false).expect("it is there");
        }
        sign(&mut guard, &text(head(5, 3), None)).expect("a larger one");
        sign(
            &mut guard,
            &text(head(5, 3), Some(Retirement { next: None })),
        )
        .expect("its last");
        for after in [text(head(5, 3), None), text(head(6, 4), None)] {
            let refused = sign(&mut guard, &after);
            assert_eq!(refused, Err(Refused::Retired(TreeSize::new(5))));
        }
        sign(
            &mut guard,
            &text(head(5, 3), Some(Retirement { next: None })),
        )
        .expect("again");
    }

    #[test]
    fn two_signers_never_go_by_one_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("newest");
        let mut first = open(&path, true).expect("a new log");
        for is_new in [true, false] {
            let second = open(&path, is_new);
            assert!(
                matches!(second, Err(GuardError::InUse { .. })),
                "{second:?}"
            );
        }
        sign(&mut first, &text(head(3, 1), None)).expect("the first");
        drop(first);
        let mut second = open(&path, false).expect("the first has gone");
        let other = sign(&mut second, &text(head(3, 2), None));
        assert_eq!(other, Err(Refused::OtherRoot(TreeSize::new(3))));
    }

    /// Whoever moves a log's key to a signer copies what its server signed last.
    #[test]
    fn what_a_server_signed_last_is_where_a_signer_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("newest");
        let slot = |size| {
            let mut slot = signer()
                .sign(text(head(size, 1), None))
                .to_string()
                .into_bytes();
            slot.resize(4_095, b' ');
            slot.push(b'\n');
            slot
        };
        let torn = vec![b'x'; 4_096];
        for (slots, newest) in [
            ([slot(3), slot(4)], 4),
            ([slot(4), slot(3)], 4),
            ([slot(5), torn.clone()], 5),
            ([torn.clone(), slot(5)], 5),
        ] {
            fs::write(&path, slots.concat()).expect("it is written");
            let mut guard = open(&path, false).expect("it has one");
            let other = sign(&mut guard, &text(head(newest, 2), None));
            assert_eq!(other, Err(Refused::OtherRoot(TreeSize::new(newest))));
        }
        fs::write(&path, [torn.clone(), torn].concat()).expect("it is written");
        assert!(matches!(open(&path, false), Err(GuardError::Form { .. })));
    }

    /// Names that differ behind a dot only are of two signers.
    #[test]
    fn signers_in_one_folder_dont_write_into_each_others_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["newest.2026", "newest.2027"].map(|name| folder.path().join(name));
        let mut guards = paths
            .clone()
            .map(|path| open(&path, true).expect("a new log"));
        for (guard, size) in guards.iter_mut().zip([3, 4]) {
            sign(guard, &text(head(size, 1), None)).expect("signed");
        }
        let lines = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(lines, 4, "two files, two locks");
        assert_ne!(beside(&paths[0], ".next"), beside(&paths[1], ".next"));
    }

    const BODY: &str = "{\"type\":\"record.logged\",\"data\":{}}";

    fn message(index: u64) -> String {
        let key = LogKey::from(signer().verifier_key().clone());
        let content = WebhookContent::compose(&key, LeafIndex::new(index), 1_767_323_045, BODY);
        content.expect("a good one").as_str().to_owned()
    }

    /// One is never signed by the other's rules: whoever has a message signed gets nothing that is a checkpoint.
    #[test]
    fn messages_and_checkpoints_of_this_log_are_signed_each_by_its_own_rules() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut guard = open(&folder.path().join("newest"), true).expect("a new log");
        let (checkpoint, message) = (text(head(3, 1), None), message(2));
        sign(&mut guard, &checkpoint).expect("a checkpoint");
        guard.check_webhook(message.as_bytes()).expect("a message");
        assert!(guard.check(message.as_bytes()).is_err());
        assert!(guard.check_webhook(checkpoint.as_bytes()).is_err());
        for twin in [
            format!("{message}\n"),
            format!("{message}\n{checkpoint}"),
            format!("{checkpoint}{message}"),
            message.replace(':', ":\n"),
            message.replace("candor+record", "candor-record"),
            message.replace("+2.", "+02."),
            message.replace("record.logged", "record.other"),
            checkpoint.replace("\n3\n", " 3 ").trim_end().to_owned(),
        ] {
            assert_ne!(twin, message);
            assert!(guard.check_webhook(twin.as_bytes()).is_err(), "{twin:?}");
            assert!(guard.check(twin.as_bytes()).is_err(), "{twin:?}");
        }
        // Another log's.
        let other = NoteSigner::new(
            "example.org/candor-other".parse().expect("a name"),
            SigningKey::from_bytes(&[7; 32]),
        );
        let other = LogKey::from(other.verifier_key().clone());
        let theirs = WebhookContent::compose(&other, LeafIndex::new(2), 1_767_323_045, BODY);
        let theirs = theirs.expect("a good one of another log");
        let refused = guard.check_webhook(theirs.as_str().as_bytes());
        assert!(
            matches!(refused, Err(Refused::Webhook(WebhookError::Id { .. }))),
            "{refused:?}"
        );
        // A message changes nothing of what checkpoints are held against.
        let smaller = sign(&mut guard, &text(head(2, 1), None));
        assert!(
            matches!(smaller, Err(Refused::Smaller { .. })),
            "{smaller:?}"
        );
    }

    #[test]
    fn nothing_but_checkpoints_of_this_log_is_signed() {
        let folder = tempfile::tempdir().expect("a folder");
        let guard = open(&folder.path().join("newest"), true).expect("a new log");
        let good = text(head(3, 1), None);
        for bad in [
            String::new(),
            "hello\n".to_owned(),
            good.replace("candor-test", "candor-other"),
            good.replace("\n3\n", "\n03\n"),
            format!("{good}\n"),
            good.trim_end().to_owned(),
            format!("{good}retired soon\n"),
        ] {
            assert!(guard.check(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(guard.check(b"\xff"), Err(Refused::NotText));
    }
}
