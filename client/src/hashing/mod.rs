//! The digests of many files, as fast as the processor makes them.
//!
//! ```text
//! Job… ──► threads, largest file first ──► OpenFile ──► look: what its header says, and which ranges get a digest
//!                                             │
//!                                             └──► windows of 8 MiB ─┬► the file's digests, window after window
//!                                                                    ├► the window's leaf hash, on any thread
//!                                                                    └► the ranges' digests, on any thread
//! ```
//!
//! Always: what comes out does not depend on how many threads there are, or on which file was done first. A file whose
//! length or times change meanwhile is an error, and never a digest. Memory does not grow with a file: a window per thread.
//! What is known from before may stand for reading where that is asked for, and is said to.
//!
//! Not here: which files there are (`folder`), and what they should be (`candor_core::weights`).

mod hashers;
mod known;
mod open_file;
mod ranges;
#[cfg(test)]
mod tests;

use std::iter;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use candor_core::Sha256;
use candor_core::merkle::LeafHash;
use candor_core::record::{Algorithm, DigestSet};

use self::hashers::Hashers;
pub(crate) use self::hashers::is_computed;
pub use self::known::Known;
use self::open_file::Folder;
pub use self::open_file::{FileError, OpenFile};
use self::ranges::RangeHashers;

/// How many bytes are looked at together: one chunk of a file, which is a leaf of its tree.
const WINDOW_BYTES: u64 = 8 << 20;

/// How often it is said how far hashing has come.
const PROGRESS: Duration = Duration::from_millis(50);

/// A file to be hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes, which it must have from its first to its last look.
    pub size: u64,
    /// Which digests it gets beside its SHA-256; those of git's commits and trees are left out.
    pub also: Vec<Algorithm>,
    /// Whether each 8 MiB of it get a leaf hash.
    pub chunks: bool,
}

/// What looking into a file gives, before it is hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look<T> {
    /// What was seen.
    pub seen: T,
    /// Ranges of the file's bytes that get a SHA-256 of their own; none of them ends behind the file's end.
    pub ranges: Vec<Range<u64>>,
}

/// Looks at nothing, where the digests are all that is wanted.
pub fn no_look(_: usize, _: &OpenFile) -> Result<Look<()>, FileError> {
    Ok(Look::default())
}

/// What was found of a [`Job`]'s file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed<T> {
    /// Its digests.
    pub digest: DigestSet,
    /// The leaf hash of each chunk, if they were asked for: none for an empty file.
    pub chunks: Option<Vec<LeafHash>>,
    /// What was seen when it was looked into.
    pub seen: T,
    /// The digest of each range that was asked for.
    pub ranges: Vec<Sha256>,
    /// Whether it was not read, since its digests were known from another time.
    pub was_known: bool,
}

/// How files are hashed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// On how many threads: without a number, one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Digests that were computed before, and to which new ones are added.
    pub known: Option<&'a Known>,
    /// Whether every file is read, whatever is known of it.
    pub reads_all: bool,
    /// The folder that all files are in, if no link below it is to be followed.
    pub below: Option<&'a Path>,
}

/// How far hashing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes hashed so far, of all files: all of them only when nothing went wrong with any that has some.
    pub bytes: u64,
    /// Bytes to hash, of all files.
    pub bytes_total: u64,
    /// Which job was begun last, as an index.
    pub job: usize,
}

/// Hashes files.
///
/// `look` sees each file before it is read: what it finds there is about the very bytes that the digest is taken over.
/// `progress` is told at the beginning, many times a second, and at the end.
///
/// Fails with the first file, in the order of the jobs, of those that could not be read until then.
pub fn hash_files<T: Send>(
    jobs: &[Job],
    options: Options<'_>,
    look: impl Fn(usize, &OpenFile) -> Result<Look<T>, FileError> + Sync,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Hashed<T>>, FileError> {
    // Largest first: one that is begun last keeps a single core busy while the others have nothing to do.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(jobs[*index].size));
    let state = State {
        bytes: AtomicU64::new(0),
        begun: AtomicUsize::new(order.first().copied().unwrap_or(0)),
        is_given_up: AtomicBool::new(false),
    };
    let bytes_total = jobs.iter().map(|job| job.size).fold(0, u64::saturating_add);
    let mut say = |state: &State| {
        progress(Progress {
            bytes: state.bytes.load(Ordering::Relaxed).min(bytes_total),
            bytes_total,
            job: state.begun.load(Ordering::Relaxed),
        });
    };
    say(&state);
    let folder = options.below.map(Folder::open).transpose()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.map_or(0, NonZeroUsize::get))
        .thread_name(|n| format!("hashing-{n}"))
        .build()
        .map_err(FileError::Threads)?;
    let (sender, results) = mpsc::channel();
    let mut found: Vec<Option<Hashed<T>>> = iter::repeat_with(|| None).take(jobs.len()).collect();
    let mut errors: Vec<(usize, FileError)> = Vec::new();
    pool.in_place_scope(|scope| {
        let (state, look, folder) = (&state, &look, &folder);
        let next = AtomicUsize::new(0);
        // Each thread takes the next file until there is none, and says only then what it has found: to wake this one for
        // each small file takes longer than the file. Nobody listens only when this function has ended.
        scope.spawn_broadcast(move |_, _| {
            let mut done = Vec::new();
            while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed))
                && !state.is_given_up.load(Ordering::Relaxed)
            {
                state.begun.store(index, Ordering::Relaxed);
                let result = hash_file(&jobs[index], folder.as_ref(), options, state, |file| {
                    look(index, file)
                });
                if result.is_err() {
                    state.is_given_up.store(true, Ordering::Relaxed);
                }
                done.push((index, result));
            }
            let _ = sender.send(done);
        });
        loop {
            match results.recv_timeout(PROGRESS) {
                Ok(done) => {
                    for (index, result) in done {
                        match result {
                            Ok(hashed) => found[index] = hashed,
                            Err(error) => errors.push((index, error)),
                        }
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => say(state),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    if let Some((_, error)) = errors.into_iter().min_by_key(|(index, _)| *index) {
        return Err(error);
    }
    say(&state);
    let found = found.into_iter();
    Ok(found
        .map(|hashed| hashed.expect("each job has a result, or one an error"))
        .collect())
}

/// What all threads know.
struct State {
    bytes: AtomicU64,
    begun: AtomicUsize,
    /// A file could not be read, and nobody needs the others.
    is_given_up: AtomicBool,
}

/// Hashes one file; `None` if it was given up on the way.
fn hash_file<T>(
    job: &Job,
    folder: Option<&Folder>,
    options: Options<'_>,
    state: &State,
    look: impl FnOnce(&OpenFile) -> Result<Look<T>, FileError>,
) -> Result<Option<Hashed<T>>, FileError> {
    let begun = SystemTime::now();
    let file = match folder {
        Some(folder) => OpenFile::open_in(folder, &job.path, job.size)?,
        None => OpenFile::open(&job.path, None, job.size)?,
    };
    let Look { seen, ranges } = look(&file)?;
    let known = options.known.zip(file.identity());
    if let Some((known, identity)) = &known
        && !options.reads_all
        && !job.chunks
        && ranges.is_empty()
        && let Some(digest) = known.get(identity, &job.also)
    {
        // What was seen when it was looked into is of the same bytes only if nobody wrote to it meanwhile.
        file.check_unchanged()?;
        state.bytes.fetch_add(job.size, Ordering::Relaxed);
        return Ok(Some(Hashed {
            digest,
            chunks: None,
            seen,
            ranges: Vec::new(),
            was_known: true,
        }));
    }
    let mut hashers = Hashers::new(job.also.iter().copied(), job.size);
    let mut chunks = job.chunks.then(Vec::new);
    let mut ranges = RangeHashers::new(ranges);
    let (mut offset, mut uncounted) = (0, 0);
    while offset < job.size {
        if state.is_given_up.load(Ordering::Relaxed) {
            return Ok(None);
        }
        state.bytes.fetch_add(uncounted, Ordering::Relaxed);
        let bytes = WINDOW_BYTES.min(job.size - offset);
        let piece = file.piece(offset, bytes)?;
        // A thread that has nothing to do takes the leaf or the ranges, so that these take a single large file no longer.
        let leaf = || chunks.is_some().then(|| LeafHash::of_bytes(piece.bytes()));
        let ((), (leaf, ())) = join_if(
            chunks.is_some() || !ranges.is_empty(),
            || hashers.update(piece.bytes()),
            || {
                join_if(!ranges.is_empty(), leaf, || {
                    ranges.update(offset, piece.bytes());
                })
            },
        );
        if let Some((chunks, leaf)) = chunks.as_mut().zip(leaf) {
            chunks.push(leaf);
        }
        piece.check()?;
        (offset, uncounted) = (offset + bytes, bytes);
    }
    file.check_unchanged()?;
    // All bytes are counted only when there is nothing left that could go wrong.
    state.bytes.fetch_add(uncounted, Ordering::Relaxed);
    let digest = hashers.finish();
    if let Some((known, identity)) = &known
        && identity.is_settled(begun)
    {
        known.add(identity, &digest);
    }
    Ok(Some(Hashed {
        digest,
        chunks,
        seen,
        ranges: ranges.finish(),
        was_known: false,
    }))
}

/// Both, on two threads if `is_worth_it`.
fn join_if<A: Send, B: Send>(
    is_worth_it: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if is_worth_it {
        rayon::join(a, b)
    } else {
        (a(), b())
    }
}
