//! The target folder: walked without following a link, locked, and tidied up.
//!
//! ```text
//! target/
//!   .candor-fetch/          as long as something is unfinished
//!     lock                  held by the one fetch that writes here
//!     3f0c….part            a file's checked beginning; the name is made of its path and digest
//!   sub/model.safetensors   whole, checked, on stable storage
//! ```
//!
//! Always: every path is walked from the target's own descriptor, part by part, with `O_NOFOLLOW`; whoever puts a link into
//! the folder meanwhile gets an error and not a file somewhere else. An unfinished file is in a folder that no release can
//! have files in, under a name that no release gives. The name holds the digest, so the beginning of another version of a
//! file is not taken for this one's.
//!
//! Not here: what is in the files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use candor_core::weights::FilePath;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::plan::Job;
use crate::{FetchError, Obstacle};

/// Where unfinished files are kept, inside the target folder.
pub const WORK_FOLDER: &str = ".candor-fetch";

/// What the names of unfinished files end with.
pub(crate) const PART_SUFFIX: &str = ".part";

/// Held as long as somebody writes to the folder.
const LOCK: &str = "lock";

/// The same name, where upper and lower case are the same.
const LOCK_IN_CAPITALS: &str = "LOCK";

/// How often the work folder may vanish while it is locked: whoever had the lock before takes it away.
const LOCK_TRIES: u32 = 10;

/// How a folder is opened on the way to a file.
const FOLDER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A target folder that nobody else fetches into.
pub(crate) struct Folder {
    path: PathBuf,
    root: OwnedFd,
    work: OwnedFd,
    lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it. It may itself be named by a link: its user named it.
    pub(crate) fn open(path: &Path) -> Result<Self, FetchError> {
        let error = |error: io::Error| FetchError::Target {
            path: path.to_owned(),
            error,
        };
        fs::create_dir_all(path).map_err(error)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|it| error(it.into()))?;
        for _ in 0..LOCK_TRIES {
            match Self::lock(&root) {
                Ok(Some((work, lock))) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        root,
                        work,
                        lock,
                    });
                }
                Ok(None) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(FetchError::Busy {
                        path: path.to_owned(),
                    });
                }
                Err(TryLockError::Error(it)) => {
                    return Err(FetchError::Target {
                        path: path.join(WORK_FOLDER),
                        error: it,
                    });
                }
            }
        }
        Err(error(io::Error::other(format!(
            "{WORK_FOLDER} does not stay what it is"
        ))))
    }

    /// The work folder and its lock; `None` if another fetch took both away while they were opened.
    fn lock(root: &OwnedFd) -> Result<Option<(OwnedFd, File)>, TryLockError> {
        let error = |it: Errno| TryLockError::Error(it.into());
        match rustix::fs::mkdirat(root, WORK_FOLDER, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(it) => return Err(error(it)),
        }
        let work = match rustix::fs::openat(root, WORK_FOLDER, FOLDER_FLAGS, Mode::empty()) {
            Ok(work) => work,
            Err(Errno::NOENT) => return Ok(None),
            Err(it) => return Err(error(it)),
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = match rustix::fs::openat(&work, LOCK, flags, Mode::from_raw_mode(0o666)) {
            Ok(lock) => File::from(lock),
            Err(Errno::NOENT) => return Ok(None),
            Err(it) => return Err(error(it)),
        };
        lock.try_lock()?;
        // A lock on a file that has no name any more keeps nobody out.
        let is_named = |folder: &OwnedFd, name: &str, it: BorrowedFd<'_>| {
            let named = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            let opened = rustix::fs::fstat(it);
            matches!((named, opened), (Ok(a), Ok(b)) if is_same(&a, &b))
        };
        if is_named(&work, LOCK, lock.as_fd()) && is_named(root, WORK_FOLDER, work.as_fd()) {
            Ok(Some((work, lock)))
        } else {
            Ok(None)
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where unfinished files are.
    pub(crate) fn work(&self) -> &OwnedFd {
        &self.work
    }

    /// Whether upper and lower case are the same in names here.
    pub(crate) fn ignores_case(&self) -> bool {
        let named = rustix::fs::statat(&self.work, LOCK_IN_CAPITALS, AtFlags::SYMLINK_NOFOLLOW);
        let opened = rustix::fs::fstat(&self.lock);
        matches!((named, opened), (Ok(a), Ok(b)) if is_same(&a, &b))
    }

    /// How many bytes there is room for; `None` if the system does not say.
    pub(crate) fn available(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(&self.root).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }

    /// The size in bytes of what is in a file's place; `None` if there is nothing. Anything but a file is an error.
    pub(crate) fn size_of(&self, file: &FilePath) -> Result<Option<u64>, FetchError> {
        let Some((folder, name)) = self.walk(file, false)? else {
            return Ok(None);
        };
        match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => match obstacle(&found, FileType::RegularFile) {
                None => Ok(Some(u64::try_from(found.st_size).unwrap_or(0))),
                Some(what) => Err(FetchError::InTheWay {
                    file: file.clone(),
                    at: file.to_string(),
                    what,
                }),
            },
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(disk(file, "looking for it", error)),
        }
    }

    /// Opens the file that is in a file's place, to be read.
    pub(crate) fn open_file(&self, file: &FilePath) -> Result<File, FetchError> {
        let error = |error| disk(file, "opening", error);
        let (folder, name) = self.walk(file, false)?.ok_or_else(|| error(Errno::NOENT))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(error)?;
        Ok(File::from(opened))
    }

    /// The folder that a file belongs into, which is made if it is not there.
    pub(crate) fn parent<'a>(&self, file: &'a FilePath) -> Result<(OwnedFd, &'a str), FetchError> {
        let found = self.walk(file, true)?;
        found.ok_or_else(|| disk(file, "making its folder", Errno::NOENT))
    }

    /// Walks to the folder of a file; `None` if it is not there and not to be made.
    fn walk<'a>(
        &self,
        file: &'a FilePath,
        makes: bool,
    ) -> Result<Option<(OwnedFd, &'a str)>, FetchError> {
        let error = |error| disk(file, "opening its folder", error);
        let path = file.as_str();
        let mut folder = self.root.try_clone().map_err(|it| FetchError::Target {
            path: self.path.clone(),
            error: it,
        })?;
        let mut begin = 0;
        while let Some(length) = path[begin..].find('/') {
            let (part, walked) = (&path[begin..begin + length], &path[..begin + length]);
            let mut opened = rustix::fs::openat(&folder, part, FOLDER_FLAGS, Mode::empty());
            if let Err(Errno::NOENT) = opened {
                if !makes {
                    return Ok(None);
                }
                match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o777)) {
                    // Two files of one new folder are fetched at once.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(it) => return Err(disk(file, "making its folder", it)),
                }
                // The name of a new folder is to outlive a power cut as the file in it does.
                rustix::fs::fsync(&folder).map_err(error)?;
                opened = rustix::fs::openat(&folder, part, FOLDER_FLAGS, Mode::empty());
            }
            folder = opened.map_err(|it| {
                let found = rustix::fs::statat(&folder, part, AtFlags::SYMLINK_NOFOLLOW);
                match found.ok().and_then(|it| obstacle(&it, FileType::Directory)) {
                    Some(what) => FetchError::InTheWay {
                        file: file.clone(),
                        at: walked.to_owned(),
                        what,
                    },
                    None => error(it),
                }
            })?;
            begin += length + 1;
        }
        Ok(Some((folder, &path[begin..])))
    }

    /// Takes away what no later fetch needs: all of the work folder if everything `is_done`, and otherwise only an empty one.
    /// What can't be taken away stays; it is in nobody's way.
    pub(crate) fn tidy(&self, is_done: bool) {
        let Ok(entries) = Dir::read_from(&self.work) else {
            return;
        };
        let names: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
            .collect();
        let is_part = |name: &[u8]| name.ends_with(PART_SUFFIX.as_bytes());
        let (parts, others): (Vec<_>, Vec<_>) =
            names.iter().partition(|name| is_part(name.to_bytes()));
        let is_own = |name: &[u8]| matches!(name, b"." | b"..") || name == LOCK.as_bytes();
        if is_done {
            for name in &parts {
                let _ = rustix::fs::unlinkat(&self.work, name.as_c_str(), AtFlags::empty());
            }
        }
        if (is_done || parts.is_empty()) && others.iter().all(|name| is_own(name.to_bytes())) {
            let _ = rustix::fs::unlinkat(&self.work, LOCK, AtFlags::empty());
            let _ = rustix::fs::unlinkat(&self.root, WORK_FOLDER, AtFlags::REMOVEDIR);
        }
    }
}

/// Gives a file its final name. Without `replaces`, a file that is there keeps its name, even if it came this very moment.
pub(crate) fn rename(
    (from, part): (&OwnedFd, &str),
    (to, name): (&OwnedFd, &str),
    replaces: bool,
) -> Result<(), Errno> {
    if !replaces {
        match rustix::fs::renameat_with(from, part, to, name, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                match rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => {}
                    Ok(_) => return Err(Errno::EXIST),
                    Err(error) => return Err(error),
                }
            }
            result => return result,
        }
    }
    rustix::fs::renameat(from, part, to, name)
}

/// Two names of the release, files or folders, that are one where upper and lower case are the same.
pub(crate) fn same_but_for_case(jobs: &[Job]) -> Option<(String, String)> {
    let mut paths: Vec<(String, &str)> = jobs
        .iter()
        .map(|job| (job.path.as_str().to_lowercase(), job.path.as_str()))
        .collect();
    // Names that are one stand together then: those that are equal, and those in folders that are equal.
    paths.sort_unstable();
    paths.windows(2).find_map(|pair| {
        let (mut a_end, mut b_end) = (0, 0);
        for (a, b) in pair[0].1.split('/').zip(pair[1].1.split('/')) {
            if a.to_lowercase() != b.to_lowercase() {
                return None;
            }
            (a_end, b_end) = (a_end + a.len(), b_end + b.len());
            if a != b {
                let (a, b) = (&pair[0].1[..a_end], &pair[1].1[..b_end]);
                return Some((a.to_owned(), b.to_owned()));
            }
            (a_end, b_end) = (a_end + 1, b_end + 1);
        }
        None
    })
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// What is there in place of a `wanted` thing, if it is something else.
fn obstacle(found: &Stat, wanted: FileType) -> Option<Obstacle> {
    let found = FileType::from_raw_mode(found.st_mode);
    if found == wanted {
        return None;
    }
    Some(match found {
        FileType::Directory => Obstacle::Folder,
        FileType::RegularFile => Obstacle::File,
        FileType::Symlink => Obstacle::Link,
        _ => Obstacle::Special,
    })
}

fn disk(file: &FilePath, doing: &'static str, error: Errno) -> FetchError {
    FetchError::Disk {
        file: file.clone(),
        doing,
        at: 0,
        error: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Expected;
    use candor_core::record::Algorithm;

    fn found(paths: &[&str]) -> Option<(String, String)> {
        let jobs: Vec<Job> = paths
            .iter()
            .map(|path| Job {
                path: path.parse().expect("a path"),
                size: 0,
                expected: Expected {
                    algorithm: Algorithm::Sha256,
                    digest: String::new(),
                },
                leaves: None,
            })
            .collect();
        same_but_for_case(&jobs)
    }

    #[test]
    fn names_that_differ_in_case_alone_are_found_in_files_and_folders() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            found(&["README.md", "a", "readme.MD"]),
            pair("README.md", "readme.MD")
        );
        assert_eq!(found(&["A/x", "a!b", "a/y"]), pair("A", "a"));
        assert_eq!(
            found(&["d/\u{c9}", "d/\u{e9}"]),
            pair("d/\u{c9}", "d/\u{e9}")
        );
        assert_eq!(found(&["a/x", "a/y", "ab", "A b", "a.x"]), None);
    }

    #[test]
    fn this_disk_tells_upper_from_lower_case_and_one_fetch_holds_it() {
        let target = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(target.path()).expect("locked");
        assert!(cfg!(target_os = "macos") || !folder.ignores_case());
        // As if they were.
        fs::hard_link(
            target.path().join(".candor-fetch/lock"),
            target.path().join(".candor-fetch/LOCK"),
        )
        .expect("a second name");
        assert!(folder.ignores_case());
        let again = Folder::open(target.path()).map(|_| ());
        assert!(matches!(again, Err(FetchError::Busy { .. })));
    }
}
