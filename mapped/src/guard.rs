//! What happens when a mapped page can't be read: SIGBUS, taken for windows and passed on for everything else.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many windows can be open at once, in the whole process.
const WINDOWS_MAX: usize = 256;

/// Which addresses are windows'. Behind a fixed place, because a signal handler may neither wait nor allocate.
static PLACES: [Place; WINDOWS_MAX] = [const { Place::empty() }; WINDOWS_MAX];

/// What was to be done with the signal before, and how long a page is. Set before the handler can run.
static BEFORE: OnceLock<(libc::sigaction, usize)> = OnceLock::new();

/// The addresses of one window: none, where `start` is 0.
struct Place {
    start: AtomicUsize,
    /// The first address behind it; 0 until the place is whole.
    end: AtomicUsize,
    was_hit: AtomicBool,
}

impl Place {
    const fn empty() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            was_hit: AtomicBool::new(false),
        }
    }

    fn has(&self, address: usize) -> bool {
        (self.start.load(Ordering::Acquire)..self.end.load(Ordering::Acquire)).contains(&address)
    }
}

/// Keeps SIGBUS from ending the process while a window is read.
pub(crate) struct Guard(&'static Place);

impl Guard {
    /// Guards the addresses of `bytes`, which are mapped from a file, and for nobody else.
    pub(crate) fn over(bytes: &[u8]) -> io::Result<Self> {
        install()?;
        let start = bytes.as_ptr() as usize;
        let is_taken = |place: &&Place| {
            let free = place
                .start
                .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed);
            free.is_ok()
        };
        let place = PLACES.iter().find(is_taken).ok_or_else(|| {
            let words = format!("{WINDOWS_MAX} windows are open");
            io::Error::new(io::ErrorKind::QuotaExceeded, words)
        })?;
        place.end.store(start + bytes.len(), Ordering::Release);
        Ok(Self(place))
    }

    pub(crate) fn was_hit(&self) -> bool {
        self.0.was_hit.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Place {
            start,
            end,
            was_hit,
        } = self.0;
        end.store(0, Ordering::Release);
        was_hit.store(false, Ordering::Release);
        // Last: from here on the place is another window's.
        start.store(0, Ordering::Release);
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
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let Some((before, page)) = BEFORE.get() else {
        return;
    };
    // SAFETY: with SA_SIGINFO the system passes a good pointer, and SIGBUS has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some(place) = PLACES.iter().find(|place| place.has(address)) {
        let start = address - address % page;
        let end = place.end.load(Ordering::Acquire);
        // SAFETY: the pages from the one that failed to the window's last are mapped from its file, and are this window's
        // alone; it only reads them, and does not unmap them while it does.
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
    // The access that failed is tried again behind this, and fails again: then as if nobody had been here.
    // SAFETY: `before` is what the system returned.
    unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
}
