//! Digests that were computed before, so that files nobody wrote to need not be read again.
//!
//! ```text
//! file's metadata ──► Identity ──► digests      as lines of text, added to the end of one file
//! ```
//!
//! Always: what is remembered is a digest that was computed here, of a file with this very identity. A line that is not
//! whole counts for nothing. A file that was written to moments ago is not remembered: it could be written to again
//! without its times showing it.
//!
//! Not here: whether to believe it. Whoever can write the file of digests, or set the clock, can make this say anything.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use candor_core::record::{Algorithm, DigestSet};

/// What each line begins with. Another form gets another number, and older programs skip it.
const VERSION: &str = "1";

/// How long nobody must have written to a file, in nanoseconds: as coarse as the times of any file system are.
const SETTLED: i128 = 2_000_000_000;

/// The most bytes that the file may have: some 400,000 lines. What grew larger begins anew.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How many bytes of lines wait for each other, to be written by one call.
const WAITING_BYTES: usize = 64 << 10;

/// Digests of files from this size on, in bytes, don't wait: they took long enough to compute.
const LARGE_BYTES: u64 = 64 << 20;

/// Digests by the identity of their files.
#[derive(Debug)]
pub struct Known {
    digests: HashMap<Identity, DigestSet>,
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
    device: u64,
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

    /// Whether it was last written to so long before `now` that another writing shows.
    fn is_settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else {
            return false;
        };
        let last = self.modified.max(self.changed);
        i128::try_from(now.as_nanos()).is_ok_and(|now| now - last >= SETTLED)
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
        Self {
            // Without a memory, every file is read, which is all that can go wrong here.
            digests: read(path).unwrap_or_default(),
            new: Mutex::new(NewLines {
                path: path.to_owned(),
                waiting: Vec::new(),
            }),
        }
    }

    /// The digests of the file with this identity, if all of `also` are among them, and its SHA-256.
    pub(super) fn get(&self, file: &Identity, also: &[Algorithm]) -> Option<DigestSet> {
        let found = self.digests.get(file)?;
        let has =
            |algorithm: &Algorithm| !algorithm.is_of_bytes() || found.by(*algorithm).is_some();
        (found.to_sha256().is_some() && also.iter().all(has)).then(|| found.clone())
    }

    /// Remembers digests for the next time.
    pub(super) fn add(&self, file: &Identity, digests: &DigestSet) {
        if !file.is_settled(SystemTime::now()) {
            return;
        }
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
        let line = format!("{VERSION} {device} {inode} {bytes} {modified} {changed} {digests}\n");
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.waiting.extend_from_slice(line.as_bytes());
        if *bytes >= LARGE_BYTES || new.waiting.len() >= WAITING_BYTES {
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
    if file.metadata()?.len() > FILE_BYTES_MAX {
        fs::remove_file(path)?;
        return Ok(HashMap::new());
    }
    let mut digests = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        digests.extend(parse(&line?));
    }
    Ok(digests)
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
