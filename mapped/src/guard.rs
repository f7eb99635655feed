//! What happens when a mapped page can't be read: SIGBUS, taken for windows and passed on for everything else.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// How many windows can be open at once, in the whole process.
const WINDOWS_MAX: usize = 256;

/// Which addresses are windows'. In a fixed place, because a signal handler may neither wait nor allocate.
static PLACES: [Place; WINDOWS_MAX] = [const { Place::empty() }; WINDOWS_MAX];

/// What was to be done with the signal before, and how long a page is. Set before the handler can run.
static BEFORE: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

/// The addresses of one window: none, where `end` is 0.
///
/// Whoever reads them while another thread gives the place to another window must not take the start of the one with the
/// end of the other. So `version` counts the changes, and is odd during one (a sequence lock). The place of the window that
/// a thread reads stays as it is for so long.
struct Place {
    version: AtomicUsize,
    start: AtomicUsize,
    /// The first address behind it.
    end: AtomicUsize,
    was_hit: AtomicBool,
}

impl Place {
    const fn empty() -> Self {
        Self {
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            was_hit: AtomicBool::new(false),
        }
    }

    /// Takes the place for these addresses, if it is free.
    fn take(&self, start: usize, end: usize) -> bool {
        let version = self.version.load(Ordering::Acquire);
        if !version.is_multiple_of(2) || self.end.load(Ordering::Acquire) != 0 {
            return false;
        }
        let changing = self.version.compare_exchange(
            version,
            version.wrapping_add(1),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if changing.is_err() {
            return false;
        }
        self.set(version, start, end);
        true
    }

    /// Gives it free. Only the window whose place it is does so.
    fn give(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        self.set(version, 0, 0);
    }

    /// Changes the addresses; `version` is the one before, and the odd one behind it is set.
    fn set(&self, version: usize, start: usize, end: usize) {
        // What follows must not be seen before the odd version.
        fence(Ordering::SeqCst);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.was_hit.store(false, Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// The first address behind this window, if `address` is in it.
    fn end_of(&self, address: usize) -> Option<usize> {
        let version = self.version.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let is_whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (is_whole && (start..end).contains(&address)).then_some(end)
    }
}

/// Keeps SIGBUS from ending the process while a window is read.
pub(crate) struct Guard(&'static Place);

impl Guard {
    /// Guards the addresses of `bytes`, which are mapped from a file, and for nobody else.
    pub(crate) fn over(bytes: &[u8]) -> io::Result<Self> {
        install()?;
        let start = bytes.as_ptr() as usize;
        let place = PLACES
            .iter()
            .find(|place| place.take(start, start + bytes.len()));
        place.map(Self).ok_or_else(|| {
            let words = format!("{WINDOWS_MAX} windows are open");
            io::Error::new(io::ErrorKind::QuotaExceeded, words)
        })
    }

    pub(crate) fn was_hit(&self) -> bool {
        self.0.was_hit.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.give();
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("was_hit", &self.was_hit())
            .finish_non_exhaustive()
    }
}

/// Installs the handler, once for all.
fn install() -> io::Result<()> {
    static IS_INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let install = || {
        // SAFETY: zeros are a `sigaction`, and the system fills it in.
        let mut before: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: both pointers are good for the call; a null one asks without setting.
        if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before) } != 0 {
            return Err(error_number());
        }
        BEFORE.get_or_init(|| (before, rustix::param::page_size()));
        // SAFETY: as above.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_sigbus as *const () as usize;
        // A thread whose stack ran over has no place for the handler but the other one, which std gives to each thread.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler calls nothing but what a handler may call (signal-safety(7)), and mmap, which is a system
        // call that takes no lock of this process.
        if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) } != 0 {
            return Err(error_number());
        }
        Ok(())
    };
    IS_INSTALLED
        .get_or_init(install)
        .map_err(io::Error::from_raw_os_error)
}

fn error_number() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Puts zeros in the place of what can't be read of a window, so that whoever reads it gets to the end.
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some((before, page)) = BEFORE.get() else {
        return;
    };
    // SAFETY: with SA_SIGINFO the system passes a good pointer.
    let is_an_access = unsafe { (*info).si_code } > 0;
    if is_an_access {
        // SAFETY: as above, and SIGBUS for an access has an address.
        let address = unsafe { (*info).si_addr() } as usize;
        let found = PLACES
            .iter()
            .find_map(|place| Some((place, place.end_of(address)?)));
        if let Some((place, end)) = found {
            let start = address - address % page;
            // SAFETY: this thread reads the window that `address` is in, so that its place stays what it is. The pages from
            // the one that failed to the window's last are mapped from its file, and nobody unmaps them meanwhile.
            let zeros = unsafe {
                libc::mmap(
                    start as *mut c_void,
                    end.next_multiple_of(*page) - start,
                    libc::PROT_READ,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                    -1,
                    0,
                )
            };
            if zeros != libc::MAP_FAILED {
                place.was_hit.store(true, Ordering::Release);
                return;
            }
        }
    }
    pass_on(before, is_an_access, signal, info, context);
}

/// Does what would have been done without this handler.
fn pass_on(
    before: &libc::sigaction,
    is_an_access: bool,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let handler = before.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: `before` is what the system returned.
        unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
        // An access is tried again behind this, and fails again. What somebody sent has to be sent again.
        if !is_an_access {
            // SAFETY: it may be called anywhere.
            unsafe { libc::raise(signal) };
        }
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: whoever installed it said that it is such a function.
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
            unsafe { mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: as above.
        let handler: extern "C" fn(c_int) = unsafe { mem::transmute(handler) };
        handler(signal);
    }
}
