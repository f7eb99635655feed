//! A release's folder, read into the list of files that a manifest holds.
//!
//! ```text
//! folder ──► list: every file, by path ──► hash one by one ──► ManifestFile… ──► candor_core::weights
//!            links, pipes, names             refused: a file that
//!            that can't travel               changes meanwhile
//! ```
//!
//! Always: the same folder gives the same list, whatever order the file system returns names in. No link is
//! followed, since what it points at may be elsewhere tomorrow. What no manifest can list is refused in a folder that
//! is to be released, and returned by name from one that is held against a manifest. So is what is left out.
//!
//! Not here: the manifest, its root, and how two lists differ (`candor_core::weights`).

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle};
use candor_core::record::{Algorithm, DigestSet, ReleaseName};
use candor_core::weights::{FilePath, FilePathError, MANIFEST_FILES_MAX, Manifest, ManifestFile};

use crate::hashers::Hashers;

/// How many bytes are read at once: enough that system calls cost nothing beside hashing.
const READ_BYTES: usize = 256 * 1024;

/// Where the history of a git checkout is kept, which is no part of a release.
const GIT: &str = ".git";

/// Where `hf download --local-dir` keeps its notes on the download.
const HUGGING_FACE_CACHE: &str = ".cache/huggingface";

/// What proof bundles end with. One of this very release may lie in its folder: it can't be among the files that it
/// proves.
const BUNDLE_SUFFIX: &str = ".candor";

/// How far hashing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Bytes hashed so far, of all files.
    pub bytes: u64,
    /// Bytes to hash, of all files.
    pub bytes_total: u64,
    /// The file that is being read.
    pub file: &'a FilePath,
}

/// The files of a folder with their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFiles {
    /// Sorted by path; at least one, at most [`MANIFEST_FILES_MAX`].
    pub files: Vec<ManifestFile>,
    /// What was left out: `.git` and bundles of the release at the top of the folder, and `.cache/huggingface`.
    pub ignored: Vec<String>,
}

/// What a folder holds beside a manifest.
#[derive(Debug)]
pub struct FoundFiles {
    /// Sorted by path; none, if there are none.
    pub files: Vec<ManifestFile>,
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
}

/// The files of a folder, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderListing {
    /// Each file's path and its size in bytes, sorted by path.
    pub files: Vec<(FilePath, u64)>,
    /// As [`FolderFiles::ignored`].
    pub ignored: Vec<String>,
}

/// Why a folder can't be read as a release.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
    /// Nothing to release.
    #[error("{} holds no files", path.display())]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
    /// More than a manifest can list.
    #[error("{} holds over {MANIFEST_FILES_MAX} files, which is the most that a release can have", path.display())]
    TooManyFiles {
        /// Which folder.
        path: PathBuf,
    },
    /// A symbolic link.
    #[error("{} is a symbolic link, and links are not followed", path.display())]
    Link {
        /// Where it is.
        path: PathBuf,
    },
    /// A pipe, socket or device.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// Where it is.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("the name of {} is not UTF-8, and could not be listed", path.display())]
    NotUtf8 {
        /// Where it is, with the bad bytes replaced.
        path: PathBuf,
    },
    /// A name that a manifest can't hold.
    #[error("{}: {error}", path.display())]
    Name {
        /// Where it is.
        path: PathBuf,
        /// Which rule.
        error: FilePathError,
    },
    /// Somebody wrote to the file while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl FolderError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAFolder { .. } => "name the folder that holds the release's files",
            Self::Empty { .. } => {
                "name the folder that holds the release's files; empty folders inside it don't count"
            }
            Self::TooManyFiles { .. } => {
                "pack many small files into archives, or release them as several models"
            }
            Self::Link { .. } => {
                "put the file itself there (`cp --dereference`); a Hugging Face cache is full of links, so download with `--local-dir`"
            }
            Self::Special { .. } => "remove it, or release a copy of the folder without it",
            Self::NotUtf8 { .. } | Self::Name { .. } => "rename the file",
            Self::Changed { .. } => {
                "wait until nothing writes to the folder any more, and try again"
            }
            Self::Io { .. } => "check that it is there and that you may read it",
        }
    }
}

/// Lists the files of `folder`, which is to be `release`, without reading them.
pub fn list_folder(folder: &Path, release: &ReleaseName) -> Result<FolderListing, FolderError> {
    let listing = list(folder, release, &|_| false, &mut |_, error| Err(error))?;
    if listing.files.is_empty() {
        return Err(FolderError::Empty {
            path: folder.to_owned(),
        });
    }
    Ok(listing)
}

/// Reads `folder`, which is to be `release`, and computes the SHA-256 of each file. Empty files count, empty folders do
/// not.
pub fn hash_folder(
    folder: &Path,
    release: &ReleaseName,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FolderFiles, FolderError> {
    let listing = list_folder(folder, release)?;
    hash(folder, listing, &|_| Vec::new(), progress)
}

/// Reads `folder` to hold it against `manifest` of `release`: every file that is there, listed or not.
///
/// Each file gets its size, its SHA-256, and what else the manifest lists of it and this program computes: MD5,
/// SHA-1 and all of SHA-2. Where the manifest lists only others, `Comparison` reports the file as not compared,
/// if its size is not wrong already.
/// What is left out by default is read where the manifest lists it.
pub fn hash_listed(
    folder: &Path,
    release: &ReleaseName,
    manifest: &Manifest,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FoundFiles, FolderError> {
    let is_listed = |name: &str| {
        manifest.files().iter().any(|file| {
            let rest = file.path.as_str().strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let listed: BTreeMap<&FilePath, &DigestSet> = manifest
        .files()
        .iter()
        .map(|file| (&file.path, &file.digest))
        .collect();
    let also = |path: &FilePath| {
        let digests = listed.get(path).copied().into_iter();
        digests
            .flat_map(DigestSet::iter)
            .map(|(algorithm, _)| algorithm)
            .collect()
    };
    let mut unlistable = Vec::new();
    let listing = list(folder, release, &is_listed, &mut |path, error| {
        let what = match error {
            FolderError::Link { .. } => "a symbolic link, and links are not followed".to_owned(),
            FolderError::Special { .. } => "neither a file nor a folder".to_owned(),
            FolderError::NotUtf8 { .. } => "its name is not UTF-8".to_owned(),
            FolderError::Name { error, .. } => error.to_string(),
            error => return Err(error),
        };
        unlistable.push(Unlistable { path, what });
        Ok(())
    })?;
    unlistable.sort_by(|a, b| a.path.cmp(&b.path));
    let FolderFiles { files, ignored } = hash(folder, listing, &also, progress)?;
    Ok(FoundFiles {
        files,
        ignored,
        unlistable,
    })
}

/// Lists what is in `folder`; `is_wanted` tells of a name at the top that it must not be left out. `unlistable` gets what
/// no manifest can list, and may end it.
fn list(
    folder: &Path,
    release: &ReleaseName,
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
    // Folders still to be read, by their paths in the release.
    let mut folders = vec![String::new()];
    while let Some(inside) = folders.pop() {
        let path = folder.join(&inside);
        for entry in fs::read_dir(&path).map_err(|error| io_error(&path, error))? {
            let entry = entry.map_err(|error| io_error(&path, error))?;
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(|error| io_error(&path, error))?;
            let name = entry.file_name();
            let relative = |name: &str| match inside.as_str() {
                "" => name.to_owned(),
                inside => format!("{inside}/{name}"),
            };
            let Some(name) = name.to_str() else {
                unlistable(
                    relative(&name.to_string_lossy()),
                    FolderError::NotUtf8 { path },
                )?;
                continue;
            };
            let relative = relative(name);
            if is_left_out(&relative, &path, &metadata, release) && !is_wanted(&relative) {
                listing.ignored.push(relative);
            } else if metadata.is_dir() {
                folders.push(relative);
            } else {
                match file(&path, &relative, &metadata) {
                    Ok(file) => listing.files.push(file),
                    Err(error) => unlistable(relative, error)?,
                }
            }
            if listing.files.len() > MANIFEST_FILES_MAX {
                return Err(FolderError::TooManyFiles {
                    path: folder.to_owned(),
                });
            }
        }
    }
    listing.files.sort();
    listing.ignored.sort();
    Ok(listing)
}

/// Whether what is at `relative` is no part of a release. A bundle is told by what is in it, since anything can have its
/// name.
fn is_left_out(relative: &str, path: &Path, metadata: &Metadata, release: &ReleaseName) -> bool {
    let is_at_the_top = !relative.contains('/');
    relative == GIT
        || (relative == HUGGING_FACE_CACHE && metadata.is_dir())
        || (is_at_the_top
            && metadata.is_file()
            && relative.ends_with(BUNDLE_SUFFIX)
            && is_bundle_of(release, path, metadata))
}

/// Whether the file at `path` is a bundle of `release`. What it proves is not looked at.
fn is_bundle_of(release: &ReleaseName, path: &Path, metadata: &Metadata) -> bool {
    metadata.len() <= BUNDLE_BYTES_MAX as u64
        && fs::read(path)
            .is_ok_and(|bytes| Bundle::parse(&bytes).is_ok_and(|it| it.release == *release))
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

fn hash(
    folder: &Path,
    listing: FolderListing,
    also: &dyn Fn(&FilePath) -> Vec<Algorithm>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FolderFiles, FolderError> {
    let bytes_total = listing.files.iter().map(|(_, size)| size).sum();
    let mut buffer = vec![0; READ_BYTES];
    let mut before = 0;
    let mut files = Vec::with_capacity(listing.files.len());
    for (file, size) in listing.files {
        let mut read_so_far = |bytes| {
            progress(Progress {
                bytes: before + bytes,
                bytes_total,
                file: &file,
            });
        };
        let digest = hash_file(
            &folder.join(file.as_str()),
            size,
            &also(&file),
            &mut buffer,
            &mut read_so_far,
        )?;
        before += size;
        files.push(ManifestFile {
            path: file,
            size: Some(size),
            digest,
        });
    }
    Ok(FolderFiles {
        files,
        ignored: listing.ignored,
    })
}

/// Hashes one file, which must have `size` bytes from its first to its last look, and nobody writing to it.
fn hash_file(
    path: &Path,
    size: u64,
    also: &[Algorithm],
    buffer: &mut [u8],
    read_so_far: &mut dyn FnMut(u64),
) -> Result<DigestSet, FolderError> {
    let changed = || FolderError::Changed {
        path: path.to_owned(),
    };
    let look = || fs::symlink_metadata(path).map_err(|error| io_error(path, error));
    let before = look()?;
    if !before.is_file() {
        return Err(changed());
    }
    let mut file = File::open(path).map_err(|error| io_error(path, error))?;
    let opened = file.metadata().map_err(|error| io_error(path, error))?;
    // Between listing and opening, a link may have taken the file's place.
    if !is_same_file(&before, &opened) || opened.len() != size {
        return Err(changed());
    }
    let mut hashers = Hashers::new(also.iter().copied());
    let mut bytes = 0;
    read_so_far(0);
    loop {
        let count = match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_error(path, error)),
        };
        bytes += count as u64;
        if bytes > size {
            return Err(changed());
        }
        hashers.update(&buffer[..count]);
        read_so_far(bytes);
    }
    let after = look()?;
    // A file system that keeps no times gives errors here, on both sides.
    let was_written = match (opened.modified(), after.modified()) {
        (Ok(opened), Ok(after)) => opened != after,
        _ => false,
    };
    if bytes != size || after.len() != size || was_written || !is_same_file(&opened, &after) {
        return Err(changed());
    }
    Ok(hashers.finish())
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    a.is_file() == b.is_file()
}

fn io_error(path: &Path, error: io::Error) -> FolderError {
    FolderError::Io {
        path: path.to_owned(),
        error,
    }
}
