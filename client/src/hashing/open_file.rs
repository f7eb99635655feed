//! A file that is to stay the same while it is read.

use std::cell::Cell;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::known::Identity;
#[cfg(unix)]
use candor_mapped::{Window, read_ahead};
#[cfg(unix)]
use rustix::fs::{Mode, OFlags};
#[cfg(unix)]
use std::os::fd::OwnedFd;

/// Up to here, a copy costs less than a map.
#[cfg(unix)]
const COPIED_BYTES_MAX: u64 = 256 * 1024;

/// How folders are opened. To go through one takes no right to list it.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(all(unix, not(target_os = "linux")))]
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// How files are opened: neither what a link leads to nor, waiting, a pipe.
#[cfg(unix)]
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

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
    /// Opens the file at `path`, which must be a file and have `size` bytes. A link in its place is not followed, nor one
    /// in the place of a folder that is `below` another one, and a pipe is not waited for.
    pub(crate) fn open(path: &Path, below: Option<&Path>, size: u64) -> Result<Self, FileError> {
        match below {
            Some(folder) => Self::open_in(&Folder::open(folder)?, path, size),
            None => Self::checked(open(path), path, None, size),
        }
    }

    /// The same of a file in `folder`.
    pub(super) fn open_in(folder: &Folder, path: &Path, size: u64) -> Result<Self, FileError> {
        let file = match path.strip_prefix(&folder.path) {
            Ok(inside) => folder.open_file(inside),
            Err(_) => open(path),
        };
        Self::checked(file, path, Some(&folder.path), size)
    }

    fn checked(
        opened: io::Result<File>,
        path: &Path,
        below: Option<&Path>,
        size: u64,
    ) -> Result<Self, FileError> {
        let changed = || FileError::Changed {
            path: path.to_owned(),
        };
        let io_error = |error| FileError::Io {
            path: path.to_owned(),
            error,
        };
        let file = opened.map_err(|error| {
            // It was a file in a folder when it was listed, and a link has taken the place of one of them.
            let is_link = |it: &Path| fs::symlink_metadata(it).is_ok_and(|it| it.is_symlink());
            let on_the_way = path
                .ancestors()
                .take_while(|it| below.is_some_and(|below| *it != below));
            if is_link(path) || on_the_way.into_iter().any(is_link) {
                changed()
            } else {
                io_error(error)
            }
        })?;
        let opened = file.metadata().map_err(io_error)?;
        if !opened.is_file() || opened.len() != size {
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

    /// What tells it from all other files, and from itself at other times, if it is where that can be believed.
    pub(super) fn identity(&self) -> Option<Identity> {
        let identity = Identity::of(&self.opened)?;
        is_on_a_disk(&self.file, identity.device).then_some(identity)
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
        if after.len() != self.size() || !is_same_file(&self.opened, &after) {
            return Err(self.changed());
        }
        Ok(())
    }

    /// Why reading it failed in other hands.
    pub(crate) fn error_of(&self, error: io::Error) -> FileError {
        match self.check_unchanged() {
            Ok(()) => self.io_error(error),
            Err(changed) => changed,
        }
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
            // A call says why.
            let mut buffer = vec![0; window.bytes().len()];
            self.file.read_at(self.offset, &mut buffer)?;
            self.file.check_unchanged()?;
            let error = io::Error::other("it could not be read a moment ago, and now it can be");
            return Err(self.file.io_error(error));
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

/// Whether `file`, on `device`, is in a file system of this machine that keeps times to a second at least, and sets them
/// itself.
#[cfg(target_os = "linux")]
fn is_on_a_disk(file: &File, device: u64) -> bool {
    /// statfs(2): ext2 to ext4, XFS, btrfs, F2FS, ZFS.
    const MAGIC: [u32; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1];
    thread_local! {
        /// The device that this thread asked for last, and what it was told: a release's files are on one, as a rule.
        static LAST: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
    }
    if let Some((asked, answer)) = LAST.get()
        && asked == device
    {
        return answer;
    }
    let answer = rustix::fs::fstatfs(file).is_ok_and(|found| {
        // As wide as the machine's words are, and of 32 bits in fact.
        let found = found.f_type.to_le_bytes();
        let found = found.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        found.is_some_and(|found| MAGIC.contains(&found))
    });
    LAST.set(Some((device, answer)));
    answer
}

#[cfg(not(target_os = "linux"))]
fn is_on_a_disk(_: &File, _: u64) -> bool {
    false
}

/// Opens a file to be read, and nothing that is not one: neither what a link leads to nor, waiting, a pipe.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("flags of open(2) are an int");
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A folder in which files are opened, and no link below it is followed: what was a folder when it was listed may be a
/// link by now, and lead out of the release.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    opened: OwnedFd,
}

impl Folder {
    /// The folder that the user names may be a link.
    #[cfg(unix)]
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        match rustix::fs::open(path, FOLDER, Mode::empty()) {
            Ok(opened) => Ok(Self {
                path: path.to_owned(),
                opened,
            }),
            Err(error) => Err(FileError::Io {
                path: path.to_owned(),
                error: error.into(),
            }),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let path = path.to_owned();
        Ok(Self { path })
    }

    #[cfg(unix)]
    fn open_file(&self, inside: &Path) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            use rustix::io::Errno;

            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.opened, inside, FILE, Mode::empty(), resolve) {
                // Linux has it since 5.6, and what keeps a container from calls may not know it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return Ok(opened?.into()),
            }
        }
        self.open_file_by_steps(inside)
    }

    #[cfg(not(unix))]
    fn open_file(&self, inside: &Path) -> io::Result<File> {
        open(&self.path.join(inside))
    }

    #[cfg(unix)]
    fn open_file_by_steps(&self, inside: &Path) -> io::Result<File> {
        let name = inside
            .file_name()
            .ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut at = None;
        for part in inside.parent().into_iter().flatten() {
            let from = at.as_ref().unwrap_or(&self.opened);
            at = Some(rustix::fs::openat(
                from,
                part,
                FOLDER | OFlags::NOFOLLOW,
                Mode::empty(),
            )?);
        }
        let from = at.as_ref().unwrap_or(&self.opened);
        Ok(rustix::fs::openat(from, name, FILE, Mode::empty())?.into())
    }
}

/// Whether it is the same file, and nobody wrote to it: whoever writes can set the time of that, but not the time of the
/// last change, which sets itself.
#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    Identity::of(a) == Identity::of(b)
}

#[cfg(not(unix))]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    // A file system that keeps no times gives errors here, on both sides.
    a.is_file() == b.is_file() && a.modified().ok() == b.modified().ok()
}
