//! A release's folder, read into the list of files that a manifest holds.
//!
//! ```text
//! folder ──► list: every file, by path ──► hashing ──► ManifestFile… ──► candor_core::weights
//!            links, pipes, names           refused: a file that
//!            that can't travel             changes meanwhile
//! ```
//!
//! Always: the same folder gives the same list, whatever order the file system returns names in. No link is
//! followed, since what it points at may be elsewhere tomorrow. What no manifest can list is refused in a folder that
//! is to be released, and returned by name from one that is held against a manifest. So is what is left out.
//!
//! Not here: the manifest, its root, and how two lists differ (`candor_core::weights`).

mod error;

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::Path;
use std::{io, iter};

use candor_core::Sha256;
use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle};
use candor_core::record::{DigestSet, ReleaseName};
use candor_core::weights::{
    CHUNK_BYTES, FilePath, FoundFile, MANIFEST_FILES_MAX, Manifest, ManifestFile,
};
use rayon::prelude::*;

use crate::hashing::{
    self, FileError, Hashed, Job, Look, OpenFile, Options, hash_files, is_computed,
};

pub use error::{FolderError, LINK_HINT};

/// Where the history of a git checkout is kept, which is no part of a release.
const GIT: &str = ".git";

/// Where `hf download --local-dir` keeps its notes on the download.
const HUGGING_FACE_CACHE: &str = ".cache/huggingface";

/// Where `candor fetch` keeps what is not whole yet.
pub(crate) const UNFINISHED: &str = ".candor-fetch";

/// What proof bundles end with. One of this very release may lie in its folder: it can't be among the files that it
/// proves.
const BUNDLE_SUFFIX: &str = ".candor";

/// The most files, folders and all else together that are looked at: a release with as many files as there may be can
/// have some folders for each.
const NAMES_MAX: usize = 4 * MANIFEST_FILES_MAX;

/// How many entries of a folder are asked about together, so that it does not matter to memory how many it has.
const ENTRIES_AT_ONCE: usize = 4_096;

/// What is no part of what a folder is read for.
#[derive(Clone, Copy, Debug)]
pub enum LeftOut<'a> {
    /// What a release never lists: `.git`, `.cache/huggingface`, `.candor-fetch`, and bundles of this release at the top.
    OfRelease(&'a ReleaseName),
    /// The same, and bundles of any release.
    OfAnyRelease,
    /// `.git` alone.
    Git,
    /// `.git`, and `.candor-fetch` at the top.
    GitAndUnfinished,
}

impl<'a> From<&'a ReleaseName> for LeftOut<'a> {
    fn from(release: &'a ReleaseName) -> Self {
        Self::OfRelease(release)
    }
}

/// How far hashing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Bytes hashed so far, of all files.
    pub bytes: u64,
    /// Bytes to hash, of all files.
    pub bytes_total: u64,
    /// A file that is being read.
    pub file: &'a FilePath,
}

/// The files of a folder with their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFiles<T> {
    /// Sorted by path; at least one, at most [`MANIFEST_FILES_MAX`].
    pub files: Vec<ManifestFile>,
    /// The chunk list of those that have more than one chunk (`candor_core::weights::ChunkList`); empty if none has.
    pub chunks: Vec<u8>,
    /// What was seen when each of them was looked into.
    pub seen: Vec<T>,
    /// The digests of the ranges of each of them that were asked for then.
    pub ranges: Vec<Vec<Sha256>>,
    /// What was left out: `.git`, `.candor-fetch` and bundles of the release at the top of the folder, and
    /// `.cache/huggingface`.
    pub ignored: Vec<String>,
}

/// What a folder holds beside a manifest.
#[derive(Debug)]
pub struct FoundFiles {
    /// Sorted by path; none, if there are none.
    pub files: Vec<FoundFile>,
    /// How many of them were not read, since their digests were known from another time.
    pub known_files: u64,
    /// As [`FolderFiles::ignored`].
    pub ignored: Vec<String>,
    /// What no manifest can list.
    pub unlistable: Vec<Unlistable>,
}

/// Something in a folder that no manifest can list: a link, a pipe, or what has an impossible name.
#[derive(Debug)]
pub struct Unlistable {
    /// Where it is in the folder; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// In a few words.
    pub what: String,
    /// Whether it is a symbolic link.
    pub is_link: bool,
}

/// The files of a folder, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderListing {
    /// Each file's path and its size in bytes, sorted by path.
    pub files: Vec<(FilePath, u64)>,
    /// As [`FolderFiles::ignored`].
    pub ignored: Vec<String>,
}

/// Lists the files of `folder`, for which a release may stand that it is to be, without reading them.
pub fn list_folder<'a>(
    folder: &Path,
    left_out: impl Into<LeftOut<'a>>,
) -> Result<FolderListing, FolderError> {
    let left_out = left_out.into();
    let listing = list(folder, left_out, &|_| false, &mut |_, error| Err(error))?;
    if listing.files.is_empty() {
        return Err(FolderError::Empty {
            path: folder.to_owned(),
        });
    }
    // What is only looked at may be what it is.
    if matches!(left_out, LeftOut::OfRelease(_)) {
        check_case(folder, &listing.files)?;
    }
    Ok(listing)
}

/// Checks that no two files, and no two folders, have names that are one where case does not count.
fn check_case(folder: &Path, files: &[(FilePath, u64)]) -> Result<(), FolderError> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (path, _) in files {
        let path = path.as_str();
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        for name in folders.chain([path]) {
            let first = seen.entry(name.to_lowercase()).or_insert(name);
            if *first != name {
                return Err(FolderError::Case {
                    path: folder.join(*first),
                    other: folder.join(name),
                });
            }
        }
    }
    Ok(())
}

/// Reads `folder`, for which a release may stand that it is to be, and computes the SHA-256 of each file. Empty files count, empty folders do
/// not. `look` sees each file before it is hashed: what else is to be known of it is read there, since a second reading
/// could be of another.
pub fn hash_folder<'a, T: Send>(
    folder: &Path,
    left_out: impl Into<LeftOut<'a>>,
    options: Options<'_>,
    look: impl Fn(&FilePath, &OpenFile) -> Result<Look<T>, FileError> + Sync,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FolderFiles<T>, FolderError> {
    let FolderListing { files, ignored } = list_folder(folder, left_out)?;
    let job = |(path, size): &(FilePath, u64)| Job {
        path: folder.join(path.as_str()),
        size: *size,
        also: Vec::new(),
        chunks: *size > CHUNK_BYTES,
    };
    let jobs: Vec<_> = files.iter().map(job).collect();
    let options = Options {
        below: Some(folder),
        ..options
    };
    let hashed = hash_files(
        &jobs,
        options,
        |index, file| look(&files[index].0, file),
        &mut |hashing| progress(Progress::of(hashing, &files[hashing.job].0)),
    )?;
    let (mut seen, mut ranges, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
    let listed = |((path, size), hashed): ((FilePath, u64), Hashed<T>)| {
        seen.push(hashed.seen);
        ranges.push(hashed.ranges);
        let leaves = hashed.chunks.iter().flatten();
        chunks.extend(leaves.flat_map(|leaf| *leaf.to_hash().as_bytes()));
        ManifestFile {
            path,
            size: Some(size),
            digest: hashed.digest,
        }
    };
    let files = files.into_iter().zip(hashed).map(listed).collect();
    Ok(FolderFiles {
        files,
        chunks,
        seen,
        ranges,
        ignored,
    })
}

/// Reads `folder` to hold it against `manifest` of `release`: every file that is there, listed or not.
///
/// Each file gets its size, its SHA-256, and what else the manifest lists of it, except for git's digests by SHA-256: where
/// the manifest lists only such, `Comparison` reports the file as not compared. A file that is not listed, or has
/// another size, is not read: that settles it, and it may be one that never ends.
/// What is left out by default is read where the manifest lists it.
pub fn hash_listed(
    folder: &Path,
    release: &ReleaseName,
    manifest: &Manifest,
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FoundFiles, FolderError> {
    let look_at_nothing = |_: &FilePath, _: &OpenFile| Ok(());
    look_at_listed(
        folder,
        release,
        manifest,
        options,
        &look_at_nothing,
        progress,
    )
}

/// Looks at a file that is about to be hashed.
pub type LookAt<'a> = dyn Fn(&FilePath, &OpenFile) -> Result<(), FileError> + Sync + 'a;

/// The same as [`hash_listed`], where `look` sees each file that gets a digest, before it is read: what it finds there
/// is about the very bytes of the digest, also where that is known from another time. It may see one twice.
pub fn look_at_listed(
    folder: &Path,
    release: &ReleaseName,
    manifest: &Manifest,
    options: Options<'_>,
    look: &LookAt<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FoundFiles, FolderError> {
    let (FolderListing { files, ignored }, unlistable) = list_beside(folder, release, manifest)?;
    let (files, known_files) = hash_as_listed(folder, &files, manifest, options, look, progress)?;
    Ok(FoundFiles {
        files,
        known_files,
        ignored,
        unlistable,
    })
}

/// Lists what is in `folder` beside the files of `manifest`, without reading anything: first what the release could have
/// listed and does not, then what it never lists.
pub fn not_listed(
    folder: &Path,
    release: &ReleaseName,
    manifest: &Manifest,
) -> Result<(Vec<String>, Vec<String>), FolderError> {
    let (listing, unlistable) = list_beside(folder, release, manifest)?;
    let listed = manifest.files();
    let is_listed = |path: &FilePath| listed.binary_search_by(|it| it.path.cmp(path)).is_ok();
    let files = listing.files.into_iter().map(|(path, _)| path);
    let others = files
        .filter(|path| !is_listed(path))
        .map(|it| it.to_string());
    let mut others: Vec<String> = others.collect();
    others.extend(unlistable.into_iter().map(|it| it.path));
    Ok((others, listing.ignored))
}

/// Lists `folder`, which is held against `manifest` of `release`, and what is in it that no manifest can list.
fn list_beside(
    folder: &Path,
    release: &ReleaseName,
    manifest: &Manifest,
) -> Result<(FolderListing, Vec<Unlistable>), FolderError> {
    let is_listed = |name: &str| {
        manifest.files().iter().any(|file| {
            let rest = file.path.as_str().strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let mut unlistable = Vec::new();
    let listing = list(folder, release.into(), &is_listed, &mut |path, error| {
        let is_link = matches!(error, FolderError::Link { .. });
        let what = match error {
            FolderError::Link { .. } => "a symbolic link, and links are not followed".to_owned(),
            FolderError::Special { .. } => "neither a file nor a folder".to_owned(),
            FolderError::NotUtf8 { .. } => "its name is not UTF-8".to_owned(),
            FolderError::Name { error, .. } => error.to_string(),
            error => return Err(error),
        };
        unlistable.push(Unlistable {
            path,
            what,
            is_link,
        });
        Ok(())
    })?;
    unlistable.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((listing, unlistable))
}

/// The files with their digests, and how many of these were known.
fn hash_as_listed(
    folder: &Path,
    files: &[(FilePath, u64)],
    manifest: &Manifest,
    options: Options<'_>,
    look: &LookAt<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Vec<FoundFile>, u64), FolderError> {
    // The files whose size does not settle it yet.
    let (mut read, mut jobs) = (Vec::new(), Vec::new());
    // Both are sorted by path, so that one walk through them finds each file's line.
    let mut lines = manifest.files().iter().peekable();
    for (index, (path, size)) in files.iter().enumerate() {
        while lines.next_if(|line| line.path < *path).is_some() {}
        let Some(listed) = lines.next_if(|line| line.path == *path) else {
            continue;
        };
        if listed.size.is_none_or(|listed| listed == *size) {
            read.push(index);
            jobs.push(Job {
                path: folder.join(path.as_str()),
                size: *size,
                also: listed
                    .digest
                    .iter()
                    .filter(|(algorithm, digest)| is_computed(*algorithm, digest))
                    .map(|(algorithm, _)| algorithm)
                    .collect(),
                chunks: false,
            });
        }
    }
    let mut found: Vec<_> = files
        .iter()
        .map(|(path, size)| FoundFile {
            path: path.clone(),
            size: *size,
            digest: None,
        })
        .collect();
    if jobs.is_empty() {
        return Ok((found, 0));
    }
    let options = Options {
        below: Some(folder),
        ..options
    };
    let mut known_files = 0;
    let look_at = |path: &FilePath, file: &OpenFile| {
        look(path, file)?;
        Ok(Look::<()>::default())
    };
    let hashed = hash_files(
        &jobs,
        options,
        |index, file| look_at(&files[read[index]].0, file),
        &mut |hashing| progress(Progress::of(hashing, &files[read[hashing.job]].0)),
    )?;
    let mut doubtful = Vec::new();
    for ((index, job), hashed) in read.into_iter().zip(jobs).zip(hashed) {
        if hashed.was_known && !fits(manifest, &files[index].0, &hashed.digest) {
            doubtful.push((index, job));
            continue;
        }
        found[index].digest = Some(hashed.digest);
        known_files += u64::from(hashed.was_known);
    }
    // What is remembered may confirm, and not refute: else a mistake of the memory would stay one for ever.
    let (doubtful, jobs): (Vec<_>, Vec<_>) = doubtful.into_iter().unzip();
    if !jobs.is_empty() {
        let options = Options {
            reads_all: true,
            ..options
        };
        let hashed = hash_files(
            &jobs,
            options,
            |index, file| look_at(&files[doubtful[index]].0, file),
            &mut |hashing| progress(Progress::of(hashing, &files[doubtful[hashing.job]].0)),
        )?;
        for (index, hashed) in doubtful.into_iter().zip(hashed) {
            found[index].digest = Some(hashed.digest);
        }
    }
    Ok((found, known_files))
}

/// Whether the digests of a file are those that are listed.
fn fits(manifest: &Manifest, path: &FilePath, digest: &DigestSet) -> bool {
    manifest.file(path).is_some_and(|listed| {
        let mut both = listed.digest.in_common(digest);
        both.all(|(_, listed, found)| listed == found)
    })
}

/// Lists what is in `folder`; `is_wanted` tells of a name at the top that it must not be left out. `unlistable` gets what
/// no manifest can list, and may end it.
fn list(
    folder: &Path,
    left_out: LeftOut<'_>,
    is_wanted: &dyn Fn(&str) -> bool,
    unlistable: &mut dyn FnMut(String, FolderError) -> Result<(), FolderError>,
) -> Result<FolderListing, FolderError> {
    // The folder that the user names may be a link: they chose it. Everything below it may not.
    let metadata = fs::metadata(folder).map_err(|error| io_error(folder, error))?;
    if !metadata.is_dir() {
        return Err(FolderError::NotAFolder {
            path: folder.to_owned(),
        });
    }
    let mut listing = FolderListing {
        files: Vec::new(),
        ignored: Vec::new(),
    };
    let too_many = || FolderError::TooManyFiles {
        path: folder.to_owned(),
    };
    // What is kept of each name is memory, whatever has it.
    let (mut names, mut others) = (0, 0);
    // Folders still to be read, by their paths in the release.
    let mut folders = vec![String::new()];
    while let Some(inside) = folders.pop() {
        let path = folder.join(&inside);
        let mut entries = fs::read_dir(&path).map_err(|error| io_error(&path, error))?;
        for entry in iter::from_fn(|| next_entries(&path, &mut entries)).flatten() {
            let (entry, metadata) = entry?;
            let path = entry.path();
            let name = entry.file_name();
            let relative = |name: &str| match inside.as_str() {
                "" => name.to_owned(),
                inside => format!("{inside}/{name}"),
            };
            names += 1;
            if listing.files.len() + others > MANIFEST_FILES_MAX || names > NAMES_MAX {
                return Err(too_many());
            }
            let Some(name) = name.to_str() else {
                others += 1;
                unlistable(
                    relative(&name.to_string_lossy()),
                    FolderError::NotUtf8 { path },
                )?;
                continue;
            };
            let relative = relative(name);
            if is_left_out(&relative, &path, &metadata, left_out) && !is_wanted(&relative) {
                listing.ignored.push(relative);
            } else if metadata.is_dir() {
                folders.push(relative);
            } else {
                match file(&path, &relative, &metadata) {
                    Ok(file) => listing.files.push(file),
                    Err(error) => {
                        others += 1;
                        unlistable(relative, error)?;
                    }
                }
            }
        }
    }
    if listing.files.len() + others > MANIFEST_FILES_MAX {
        return Err(too_many());
    }
    listing.files.par_sort_unstable();
    listing.ignored.sort();
    Ok(listing)
}

/// An entry of a folder, and what is said of it; of a link, what is said of itself.
type Entry = (fs::DirEntry, Metadata);

/// The next entries of `folder`, with what is said of them; none at its end. To ask takes most of the time that listing
/// takes, so that all cores do: by the names in the folder, which takes half as long as by the paths.
fn next_entries(
    folder: &Path,
    entries: &mut fs::ReadDir,
) -> Option<Vec<Result<Entry, FolderError>>> {
    let next: Vec<_> = entries.take(ENTRIES_AT_ONCE).collect();
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        let metadata = entry.metadata();
        let metadata = metadata.map_err(|error| io_error(&entry.path(), error))?;
        Ok((entry, metadata))
    };
    (!next.is_empty()).then(|| next.into_par_iter().map(entry).collect())
}

/// Whether what is at `relative` is no part of a release. A bundle is told by what is in it, since anything can have its
/// name.
fn is_left_out(relative: &str, path: &Path, metadata: &Metadata, left_out: LeftOut<'_>) -> bool {
    let is_at_the_top = !relative.contains('/');
    let is_unfinished = relative == UNFINISHED && metadata.is_dir();
    let release = match left_out {
        LeftOut::OfRelease(release) => Some(release),
        LeftOut::OfAnyRelease => None,
        LeftOut::Git => return relative == GIT,
        LeftOut::GitAndUnfinished => return relative == GIT || is_unfinished,
    };
    relative == GIT
        || is_unfinished
        || (relative == HUGGING_FACE_CACHE && metadata.is_dir())
        || (is_at_the_top
            && metadata.is_file()
            && relative.ends_with(BUNDLE_SUFFIX)
            && is_bundle_of(release, path, metadata))
}

/// Whether the file at `path` is a bundle of `release`, or of any one. What it proves is not looked at.
fn is_bundle_of(release: Option<&ReleaseName>, path: &Path, metadata: &Metadata) -> bool {
    let is_it = |bundle: Bundle| release.is_none_or(|release| bundle.release == *release);
    metadata.len() <= BUNDLE_BYTES_MAX as u64
        && fs::read(path).is_ok_and(|bytes| Bundle::parse(&bytes).is_ok_and(is_it))
}

/// Checks that `path` is a file whose place in the release, `relative`, can be listed.
fn file(path: &Path, relative: &str, metadata: &Metadata) -> Result<(FilePath, u64), FolderError> {
    let path = || path.to_owned();
    if metadata.is_symlink() {
        return Err(FolderError::Link { path: path() });
    }
    if !metadata.is_file() {
        return Err(FolderError::Special { path: path() });
    }
    let relative = relative.parse().map_err(|error| FolderError::Name {
        path: path(),
        error,
    })?;
    Ok((relative, metadata.len()))
}

impl<'a> Progress<'a> {
    /// That of hashing, which is about `file` now.
    pub fn of(hashing: hashing::Progress, file: &'a FilePath) -> Self {
        let hashing::Progress {
            bytes, bytes_total, ..
        } = hashing;
        Self {
            bytes,
            bytes_total,
            file,
        }
    }
}

fn io_error(path: &Path, error: io::Error) -> FolderError {
    FolderError::Io {
        path: path.to_owned(),
        error,
    }
}
