//! The functions behind the ones that are replaced.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A function of libc, looked up when it is first called.
pub(crate) struct Real {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Real {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            found: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> *mut c_void {
        let found = self.found.load(Ordering::Relaxed);
        if !found.is_null() {
            return found;
        }
        // SAFETY: the name ends with a zero, and the handle means "the next library behind this one".
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "libc has no {:?}", self.name);
        self.found.store(found, Ordering::Relaxed);
        found
    }
}

/// Calls a function of libc: `real!(fsync(file: c_int) -> c_int)`.
macro_rules! real {
    ($name:ident($($argument:ident: $type:ty),*) -> $result:ty) => {{
        static REAL: $crate::real::Real = {
            const NAME: &std::ffi::CStr = match std::ffi::CStr::from_bytes_with_nul(
                concat!(stringify!($name), "\0").as_bytes(),
            ) {
                Ok(name) => name,
                Err(_) => panic!("a name without zeroes"),
            };
            $crate::real::Real::new(NAME)
        };
        // SAFETY: libc's function of this name has this type, and is called with what its caller gave.
        unsafe {
            let function: unsafe extern "C" fn($($type),*) -> $result =
                std::mem::transmute(REAL.address());
            function($($argument),*)
        }
    }};
}
pub(crate) use real;

/// Opens a file that only grows.
pub(crate) fn open_to_append(path: &[u8]) -> RawFd {
    let Ok(path) = CString::new(path) else {
        return -1;
    };
    let path: *const c_char = path.as_ptr();
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    let mode: libc::mode_t = 0o600;
    real!(open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int)
}

/// Writes all of it in one call.
pub(crate) fn write_all(file: RawFd, bytes: &[u8]) -> bool {
    let (start, length) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
    let written = real!(write(file: c_int, start: *const c_void, length: usize) -> isize);
    written.cast_unsigned() == length
}
