//! An unfinished file, in the work folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use candor_core::Sha256;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::folder::{Folder, PART_SUFFIX, rename};
use crate::plan::Job;
use crate::{FetchError, Obstacle};

/// The beginning of a file. Whoever adds to it has checked what is there.
pub(crate) struct Partial<'a> {
    folder: &'a Folder,
    job: &'a Job,
    name: String,
    file: File,
}

/// The name of a file's beginning: another one for each path and for each digest.
fn name_of(job: &Job) -> String {
    let text = format!(
        "{} {}\n{}",
        job.expected.algorithm, job.expected.digest, job.path
    );
    // Half of it: the name is to be short enough for every disk.
    let mut name = Sha256::of(text).to_string();
    name.truncate(32);
    name + PART_SUFFIX
}

impl<'a> Partial<'a> {
    /// How many bytes of a file are there from another time, at most.
    pub(crate) fn bytes_of(folder: &Folder, job: &Job) -> u64 {
        let found = rustix::fs::statat(
            folder.work(),
            name_of(job),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        );
        found.map_or(0, |it| u64::try_from(it.st_size).unwrap_or(0))
    }

    /// Opens what is there, or makes it.
    pub(crate) fn open(folder: &'a Folder, job: &'a Job) -> Result<Self, FetchError> {
        let name = name_of(job);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(folder.work(), &name, flags, Mode::from_raw_mode(0o666));
        let file = opened.map(File::from).map_err(|error| FetchError::Disk {
            file: job.path.clone(),
            doing: "opening its unfinished file",
            at: 0,
            error: error.into(),
        })?;
        let partial = Self {
            folder,
            job,
            name,
            file,
        };
        let metadata = partial.file.metadata();
        let metadata = metadata.map_err(|it| partial.error("reading", 0, it))?;
        let refuse = |what: &str| {
            let error = io::Error::other(what);
            Err(partial.error("opening its unfinished file", 0, error))
        };
        if !metadata.is_file() {
            return refuse("its unfinished file is not a file");
        }
        // Whoever brought the folder may have put a file of the user's there, which would be cut and overwritten.
        if metadata.nlink() > 1 {
            return refuse(
                "its unfinished file has another name besides, as a hard link: remove it",
            );
        }
        Ok(partial)
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> Result<u64, FetchError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|it| self.error("reading", 0, it))?.len())
    }

    /// Fills `buffer` with its bytes from `at` on.
    pub(crate) fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), FetchError> {
        let read = self.file.read_exact_at(buffer, at);
        read.map_err(|it| self.error("reading", at, it))
    }

    /// Adds bytes at its end, which is at `at`. If they can't be written, none of them is there.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all_at(bytes, at).map_err(|it| {
            let _ = self.file.set_len(at);
            self.error("writing", at, it)
        })
    }

    /// Drops what is behind `at`.
    pub(crate) fn cut(&self, at: u64) -> Result<(), FetchError> {
        let cut = self.file.set_len(at);
        cut.map_err(|it| self.error("cutting it short", at, it))
    }

    /// Takes it away.
    pub(crate) fn remove(self) {
        let none = rustix::fs::AtFlags::empty();
        let _ = rustix::fs::unlinkat(self.folder.work(), self.name.as_str(), none);
    }

    /// Makes it the file that it is to be, when its digest was found to be the right one: first the bytes reach stable
    /// storage, then they get the name, then the name does. A crash in between leaves the unfinished file or the whole one.
    pub(crate) fn finish(self, replaces: bool) -> Result<(), FetchError> {
        let size = self.job.size;
        let synced = self.file.sync_all();
        synced.map_err(|it| self.error("flushing", size, it))?;
        let (folder, name) = self.folder.parent(&self.job.path)?;
        let renamed = rename((self.folder.work(), &self.name), (&folder, name), replaces);
        renamed.map_err(|error| match error {
            Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => FetchError::InTheWay {
                file: self.job.path.clone(),
                at: self.job.path.to_string(),
                what: if error == Errno::EXIST {
                    Obstacle::File
                } else {
                    Obstacle::Folder
                },
            },
            error => self.error("giving it its name", size, error.into()),
        })?;
        let synced = rustix::fs::fsync(&folder);
        synced.map_err(|it| self.error("flushing its folder", size, it.into()))
    }

    fn error(&self, doing: &'static str, at: u64, error: io::Error) -> FetchError {
        FetchError::Disk {
            file: self.job.path.clone(),
            doing,
            at,
            error,
        }
    }
}
