//! Digests that were computed before, so that files nobody wrote to need not be read again.
//!
//! ```text
//! file's metadata ──► Identity ──► digests      as lines of text, added to the end of one file
//! ```
//!
//! Always: what is remembered is a digest that was computed here, of a file with this very identity. A line that is not
//! whole counts for nothing. What was written to lately is not remembered, since it could be written to again without its
//! times showing it: a page of a file that a program has mapped, until the system has written it to the disk. Nor is what
//! is on a network, in memory, or on a file system that is not known to keep its times to a second at least.
//!
//! Not here: whether to believe it. Whoever can write the file of digests, set the clock, or put another disk with a file
//! system of their own making in the place of the one that was read, can make this say anything; and bytes that rot on a
//! disk change no times.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use candor_core::record::{Algorithm, DigestSet};

/// What each line begins with. Another form gets another number, and older programs skip it.
const VERSION: &str = "1";

/// How long nobody must have written to a file when reading begins, in nanoseconds: twice as long as Linux leaves a page
/// that a program writes to through a map, without looking whether it writes again (`dirty_expire_centisecs` and
/// `dirty_writeback_centisecs`: 35 seconds).
const SETTLED: i128 = 70_000_000_000;

/// The most bytes that the file may have: some 400,000 lines. What grew larger is written anew, each file once; and where
/// that is not half as much, it begins anew.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How many bytes of lines wait for each other, to be written by one call.
const WAITING_BYTES: usize = 64 << 10;

/// Digests of files from this size on, in bytes, don't wait: they took long enough to compute.
const LARGE_BYTES: u64 = 64 << 20;

/// Digests by the identity of their files.
#[derive(Debug)]
pub struct Known {
    /// They are there until the program ends: to take hundreds of thousands apart takes as long as to look them all up.
    digests: OnceLock<&'static HashMap<Identity, DigestSet>>,
    /// Reads the file of digests while the caller finds out which files there are to hash.
    reader: Mutex<Option<JoinHandle<HashMap<Identity, DigestSet>>>>,
    new: Mutex<NewLines>,
}

/// Lines that are not in the file yet.
#[derive(Debug)]
struct NewLines {
    path: PathBuf,
    waiting: Vec<u8>,
}

/// What tells that a file is the one that was read before, as long as clocks go forward: writing changes a file's times,
/// and its time of change can't be set back as the time of its last writing can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) device: u64,
    inode: u64,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    changed: i128,
}

impl Identity {
    /// `None` where files have no numbers.
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        (metadata.ino() != 0).then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether it was last written to so long before `begun`, when reading began, that another writing shows.
    pub(super) fn is_settled(&self, begun: SystemTime) -> bool {
        let Ok(begun) = begun.duration_since(UNIX_EPOCH) else {
            return false;
        };
        let last = self.modified.max(self.changed);
        i128::try_from(begun.as_nanos()).is_ok_and(|begun| begun - last >= SETTLED)
    }

    fn from_words<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(Self {
            device: words.next()?.parse().ok()?,
            inode: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            modified: words.next()?.parse().ok()?,
            changed: words.next()?.parse().ok()?,
        })
    }
}

impl Known {
    /// What is remembered in the file at `path`: nothing, if there is none yet, or none that can be read.
    pub fn load(path: &Path) -> Self {
        let file = path.to_owned();
        // Without a memory, every file is read, which is all that can go wrong here.
        let reader = thread::Builder::new().spawn(move || read(&file).unwrap_or_default());
        Self {
            digests: OnceLock::new(),
            reader: Mutex::new(reader.ok()),
            new: Mutex::new(NewLines {
                path: path.to_owned(),
                waiting: Vec::new(),
            }),
        }
    }

    pub(super) fn digests(&self) -> &'static HashMap<Identity, DigestSet> {
        self.digests.get_or_init(|| {
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let read = reader.take().map(JoinHandle::join);
            Box::leak(Box::new(read.and_then(Result::ok).unwrap_or_default()))
        })
    }

    /// The digests of the file with this identity, if all of `also` are among them, and its SHA-256.
    pub(super) fn get(&self, file: &Identity, also: &[Algorithm]) -> Option<DigestSet> {
        let found = self.digests().get(file)?;
        let has = |algorithm: &Algorithm| found.by(*algorithm).is_some();
        (found.to_sha256().is_some() && also.iter().all(has)).then(|| found.clone())
    }

    /// Remembers the digests of a file that [is settled](Identity::is_settled) for the next time.
    pub(super) fn add(&self, file: &Identity, digests: &DigestSet) {
        if self.digests().get(file) == Some(digests) {
            return;
        }
        let line = line(file, digests);
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.waiting.extend_from_slice(line.as_bytes());
        if file.bytes >= LARGE_BYTES || new.waiting.len() >= WAITING_BYTES {
            new.write();
        }
    }
}

impl NewLines {
    fn write(&mut self) {
        // A full disk is no reason to stop hashing.
        let _ = open(&self.path).and_then(|mut file| file.write_all(&self.waiting));
        self.waiting.clear();
    }
}

impl Drop for NewLines {
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            self.write();
        }
    }
}

fn read(path: &Path) -> io::Result<HashMap<Identity, DigestSet>> {
    let file = File::open(path)?;
    let is_too_large = file.metadata()?.len() > FILE_BYTES_MAX;
    let mut digests = HashMap::new();
    // Of a file that somebody else has made, no more is read than this program would have written.
    let (mut lines, mut bytes) = (BufReader::new(file.take(2 * FILE_BYTES_MAX)), Vec::new());
    while lines.read_until(b'\n', &mut bytes)? > 0 {
        digests.extend(parse(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));
        bytes.clear();
    }
    if is_too_large {
        let lines = digests.iter().map(|(file, digests)| line(file, digests));
        let mut text: String = lines.collect();
        if text.len() as u64 > FILE_BYTES_MAX / 2 {
            digests.clear();
            text.clear();
        }
        // What others add to the old file meanwhile is forgotten.
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, path)?;
    }
    Ok(digests)
}

fn line(file: &Identity, digests: &DigestSet) -> String {
    let Identity {
        device,
        inode,
        bytes,
        modified,
        changed,
    } = file;
    let digests: Vec<_> = digests
        .iter()
        .map(|(algorithm, digest)| format!("{algorithm}:{digest}"))
        .collect();
    let digests = digests.join(",");
    format!("{VERSION} {device} {inode} {bytes} {modified} {changed} {digests}\n")
}

fn parse(line: &[u8]) -> Option<(Identity, DigestSet)> {
    let mut words = str::from_utf8(line).ok()?.split(' ');
    if words.next() != Some(VERSION) {
        return None;
    }
    let file = Identity::from_words(&mut words)?;
    let digests = words.next()?.split(',').map(|digest| {
        let (algorithm, digest) = digest.split_once(':')?;
        Some((algorithm.parse().ok()?, digest.to_owned()))
    });
    let digests = DigestSet::new(digests.collect::<Option<Vec<_>>>()?).ok()?;
    words.next().is_none().then_some((file, digests))
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = File::options();
    // Lines are added to the end by one call, so programs that run side by side don't cut each other's.
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
