//! A part of a file, as memory.

use std::fs::File;
use std::io;

use memmap2::{Mmap, MmapOptions};

use crate::guard::Guard;

/// A part of a file, as memory that nobody here writes to.
///
/// Another process may write to the file, and what is read here changes with it.
#[derive(Debug)]
pub struct Window {
    // Given up before the map is: behind it, the addresses may be somebody else's.
    guard: Guard,
    map: Mmap,
}

impl Window {
    /// Maps `bytes` of `file` from `offset` on, both in bytes, and reads what is not in memory yet. The file should be that
    /// long; where it isn't, or can't be read, there will be zeros, and [`Window::was_cut`] will say so.
    ///
    /// Fails where the system does not map this file, or not so much: most that is not on a disk, and what is longer than
    /// the address space. It fails too where too many windows are open, so there must be another way to read.
    pub fn open(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        // SAFETY: nobody in this process writes to the map. That other processes can write to the file is why nothing is
        // assumed of the bytes but that there are so many: they are given to hash functions, which take any.
        let map = unsafe {
            MmapOptions::new()
                .offset(offset)
                .len(bytes)
                .populate()
                .map(file)
        }?;
        let guard = Guard::over(&map)?;
        Ok(Self { guard, map })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether something could not be read, up to now. Reading the file by calls will say what.
    pub fn was_cut(&self) -> bool {
        self.guard.was_hit()
    }
}

/// Asks the system to read `bytes` of `file` from `offset` on, while the caller does something else. Where the system can't
/// be asked, this does nothing.
pub fn read_ahead(file: &File, offset: u64, bytes: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{Advice, fadvise};
        let bytes = std::num::NonZero::new(bytes as u64);
        // A system that doesn't is slower, and nothing else.
        let _ = fadvise(file, offset, bytes, Advice::WillNeed);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, offset, bytes);
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::ops::Range;

    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// There are so many windows for all tests together, and one of them takes all.
    static ALONE: Mutex<()> = Mutex::new(());

    const MIB: usize = 1 << 20;

    /// What stands in a part of a file: never zero, and another in the next page.
    fn text(part: Range<usize>) -> Vec<u8> {
        part.map(|n| (n / 4096).to_le_bytes()[0] | 1).collect()
    }

    fn file(bytes: usize) -> File {
        let mut file = tempfile::tempfile().expect("made");
        file.write_all(&text(0..bytes)).expect("written");
        file.seek(SeekFrom::Start(0)).expect("at the start");
        file
    }

    #[test]
    fn a_window_shows_the_bytes_of_its_part() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file(3 * MIB + 5);
        for (offset, bytes) in [(0, 1), (1, MIB), (2 * MIB + 1, MIB + 4)] {
            let window = Window::open(&file, offset as u64, bytes).expect("open");
            assert!(window.bytes() == text(offset..offset + bytes));
            assert!(!window.was_cut());
        }
    }

    #[test]
    fn a_file_that_is_cut_short_reads_as_zeros_and_is_known_to_be_cut() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for (kept, first_zero) in [(0, 0), (MIB, MIB), (MIB + 1, MIB + 1)] {
            let file = file(3 * MIB);
            let (cut, other) = (
                Window::open(&file, 0, 3 * MIB).expect("open"),
                Window::open(&file, 0, MIB / 2).expect("open"),
            );
            file.set_len(kept as u64).expect("cut");
            let zeros = cut.bytes().iter().position(|byte| *byte == 0);
            assert_eq!(zeros, Some(first_zero));
            assert!(cut.bytes()[first_zero..].iter().all(|byte| *byte == 0));
            assert!(cut.was_cut());
            assert!(!other.was_cut());
            drop(cut);
            // The place of the one that was cut is free again, and knows nothing of it.
            file.set_len(3 * MIB as u64).expect("longer");
            let again = Window::open(&file, 0, 3 * MIB).expect("open");
            assert!(!again.was_cut());
        }
    }

    #[test]
    fn many_windows_are_cut_at_once_and_too_many_are_refused() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file(MIB);
        let mut windows = Vec::new();
        let error = loop {
            match Window::open(&file, 0, MIB) {
                Ok(window) => windows.push(window),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        file.set_len(0).expect("cut");
        std::thread::scope(|scope| {
            for window in &windows {
                scope.spawn(|| {
                    assert!(window.bytes().iter().all(|byte| *byte == 0));
                    assert!(window.was_cut());
                });
            }
        });
    }

    /// What a process of this test's program comes to that does `what`.
    fn child(what: &str) -> std::process::ExitStatus {
        let program = std::env::current_exe().expect("this program");
        let test = "window::tests::a_signal_that_is_about_no_window_ends_the_process";
        let output = std::process::Command::new(program)
            .args(["--exact", test, "--nocapture"])
            .env("CANDOR_MAPPED_CHILD", what)
            .output();
        output.expect("it runs").status
    }

    #[test]
    fn a_signal_that_is_about_no_window_ends_the_process() {
        use std::os::unix::process::ExitStatusExt as _;
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file(MIB);
        let Ok(what) = std::env::var("CANDOR_MAPPED_CHILD") else {
            assert!(child("nothing").success());
            assert_eq!(child("access").signal(), Some(libc::SIGBUS));
            return;
        };
        let _window = Window::open(&file, 0, MIB).expect("open");
        if what == "access" {
            // SAFETY: nobody writes to it.
            let map = unsafe { Mmap::map(&file) }.expect("mapped");
            file.set_len(0).expect("cut");
            assert_eq!(map[0], 0, "there is nothing to read");
        }
    }
}
