//! A file that is to stay the same while it is read.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::known::Identity;
#[cfg(unix)]
use candor_mapped::{Window, read_ahead};

/// Up to here, a copy costs less than a map.
#[cfg(unix)]
const COPIED_BYTES_MAX: u64 = 256 * 1024;

/// A file that was opened to be read from its first to its last byte, and to be the same file all the time.
#[derive(Debug)]
pub struct OpenFile {
    path: PathBuf,
    file: File,
    opened: Metadata,
}

/// Why a file has no digest.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Somebody wrote to the file while it was read, or put another one in its place.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no threads.
    #[error("no threads to hash with: {0}")]
    Threads(rayon::ThreadPoolBuildError),
}

/// Bytes of a file, mapped or read.
pub(super) struct Piece<'a> {
    file: &'a OpenFile,
    offset: u64,
    bytes: PieceBytes,
}

enum PieceBytes {
    #[cfg(unix)]
    Mapped(Window),
    Read(Vec<u8>),
}

impl FileError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Changed { .. } => {
                "wait until nothing writes to the folder any more, and try again"
            }
            Self::Io { .. } => "check that it is there and that you may read it",
            Self::Threads(_) => "see how many processes and threads you may have (`ulimit -u`)",
        }
    }
}

impl OpenFile {
    /// Opens the file at `path`, which must be a file and have `size` bytes. No link is followed.
    pub(crate) fn open(path: &Path, size: u64) -> Result<Self, FileError> {
        let changed = || FileError::Changed {
            path: path.to_owned(),
        };
        let io_error = |error| FileError::Io {
            path: path.to_owned(),
            error,
        };
        // A pipe that has taken the file's place would keep this waiting for somebody who writes.
        let before = fs::symlink_metadata(path).map_err(io_error)?;
        if !before.is_file() {
            return Err(changed());
        }
        let file = File::open(path).map_err(io_error)?;
        let opened = file.metadata().map_err(io_error)?;
        // Between the two looks, a link may have taken its place.
        if !is_same_file(&before, &opened) || opened.len() != size {
            return Err(changed());
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            opened,
        })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.opened.len()
    }

    /// What tells it from all other files, and from itself at other times.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of(&self.opened)
    }

    /// Fills `buffer` with its bytes from `offset` on. That it ends before is an error: [`FileError::Changed`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileError> {
        match read_exact_at(&self.file, offset, buffer) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(self.io_error(error)),
        }
    }

    /// Its `bytes` bytes from `offset` on, in memory; asks the system to read those that follow meanwhile.
    pub(super) fn piece(&self, offset: u64, bytes: u64) -> Result<Piece<'_>, FileError> {
        let length = usize::try_from(bytes).expect("a piece is a window at most");
        let piece = |bytes| Piece {
            file: self,
            offset,
            bytes,
        };
        #[cfg(unix)]
        if bytes > COPIED_BYTES_MAX {
            read_ahead(&self.file, offset + bytes, length);
            // Not every file can be mapped. Reading takes a little longer, and finds the same.
            if let Ok(window) = Window::open(&self.file, offset, length) {
                return Ok(piece(PieceBytes::Mapped(window)));
            }
        }
        let mut buffer = vec![0; length];
        self.read_at(offset, &mut buffer)?;
        Ok(piece(PieceBytes::Read(buffer)))
    }

    /// Checks, behind the last byte, that it is still there and nobody wrote to it.
    pub(super) fn check_unchanged(&self) -> Result<(), FileError> {
        let after = fs::symlink_metadata(&self.path).map_err(|error| self.io_error(error))?;
        // A file system that keeps no times gives errors here, on both sides.
        let was_written = match (self.opened.modified(), after.modified()) {
            (Ok(opened), Ok(after)) => opened != after,
            _ => false,
        };
        if after.len() != self.size() || was_written || !is_same_file(&self.opened, &after) {
            return Err(self.changed());
        }
        Ok(())
    }

    fn changed(&self) -> FileError {
        FileError::Changed {
            path: self.path.clone(),
        }
    }

    fn io_error(&self, error: io::Error) -> FileError {
        FileError::Io {
            path: self.path.clone(),
            error,
        }
    }
}

impl Piece<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            #[cfg(unix)]
            PieceBytes::Mapped(window) => window.bytes(),
            PieceBytes::Read(buffer) => buffer,
        }
    }

    /// Checks, behind the last byte, that all bytes were the file's.
    pub(super) fn check(&self) -> Result<(), FileError> {
        #[cfg(unix)]
        if let PieceBytes::Mapped(window) = &self.bytes
            && window.was_cut()
        {
            // A call says why; and where it finds nothing wrong any more, something was.
            let mut buffer = vec![0; window.bytes().len()];
            self.file.read_at(self.offset, &mut buffer)?;
            return Err(self.file.changed());
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
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
