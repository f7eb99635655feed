//! Which files are below the folder, and which of them are open.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// An open file below the folder.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// Relative to the folder.
    pub(crate) path: String,
    /// What the file system calls it.
    pub(crate) number: u64,
    /// Whether it is a folder.
    pub(crate) is_folder: bool,
}

fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| std::env::var_os("CANDOR_FAULTS_DIR").map(PathBuf::from))
        .as_deref()
}

/// The path of a file below the folder, relative to it.
pub(crate) fn relative(at: c_int, path: *const c_char) -> Option<String> {
    let folder = folder()?;
    if path.is_null() {
        return None;
    }
    // SAFETY: callers of these functions give a text that ends with a zero.
    let path = unsafe { CStr::from_ptr(path) };
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let path = if path.is_absolute() {
        path.to_owned()
    } else if at == libc::AT_FDCWD {
        std::env::current_dir().ok()?.join(path)
    } else {
        // Below a folder that is open.
        let open = get(at)?;
        folder.join(open.path).join(path)
    };
    let below = path.strip_prefix(folder).ok()?;
    let parts = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    let parts: Vec<_> = parts.filter(|part| part != ".").collect();
    Some(parts.join("/"))
}

fn table() -> MutexGuard<'static, HashMap<c_int, Open>> {
    static TABLE: OnceLock<Mutex<HashMap<c_int, Open>>> = OnceLock::new();
    let table = TABLE.get_or_init(Mutex::default);
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open file, if it is below the folder.
pub(crate) fn get(file: c_int) -> Option<Open> {
    table().get(&file).cloned()
}

/// Remembers a file that was opened.
pub(crate) fn opened(file: c_int, path: String) -> Option<Open> {
    let (number, is_folder) = identity(file)?;
    let open = Open {
        path,
        number,
        is_folder,
    };
    table().insert(file, open.clone());
    Some(open)
}

/// Forgets a file that is closed.
pub(crate) fn closed(file: c_int) {
    table().remove(&file);
}

fn identity(file: c_int) -> Option<(u64, bool)> {
    let mut found = std::mem::MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: the structure is written when the call succeeds, and only read then.
    let found = unsafe {
        if libc::fstat64(file, found.as_mut_ptr()) != 0 {
            return None;
        }
        found.assume_init()
    };
    Some((found.st_ino, found.st_mode & libc::S_IFMT == libc::S_IFDIR))
}

/// How many bytes into a file the next ones go.
pub(crate) fn position(file: c_int) -> u64 {
    // SAFETY: it moves nothing.
    let position = unsafe { libc::lseek64(file, 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(0)
}

/// Whether there is a file.
pub(crate) fn exists(at: c_int, path: *const c_char) -> bool {
    // SAFETY: the path is the caller's, and ends with a zero.
    unsafe { libc::faccessat(at, path, libc::F_OK, libc::AT_SYMLINK_NOFOLLOW) == 0 }
}
