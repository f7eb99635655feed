//! The functions of libc that change files, in the place of libc's own.
//!
//! Each does what libc's does, unless a rule says that it fails, and then adds to the trace what was done. `open` and
//! `openat` take a mode only where they make a file; as it comes in the same register either way, it is an argument here.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libc::{AT_FDCWD, iovec, mode_t, off64_t};

use crate::clock;
use crate::files;
use crate::real::real;
use crate::rule::{Kind, fault};
use crate::trace;

/// Fails a call if a rule says so.
macro_rules! fail {
    ($kind:expr, $path:expr) => {
        if let Some(error) = fault($kind, $path) {
            // SAFETY: it is this thread's own.
            unsafe { *libc::__errno_location() = error };
            return -1;
        }
    };
}

fn open_file(at: c_int, path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    let Some(name) = files::relative(at, path) else {
        return open();
    };
    let is_for_writing = flags & libc::O_ACCMODE != libc::O_RDONLY;
    if is_for_writing {
        fail!(Kind::Open, &name);
    }
    let is_new = flags & libc::O_CREAT != 0 && !files::exists(at, path);
    let file = open();
    if file >= 0
        && let Some(opened) = files::opened(file, name)
        && !opened.is_folder
    {
        let is_emptied = flags & libc::O_TRUNC != 0;
        let state = u64::from(is_new) | (u64::from(is_emptied) << 1);
        trace::add(b'O', opened.number, state, opened.path.as_bytes());
    }
    file
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_file(
        AT_FDCWD,
        path,
        flags,
        || real!(open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_file(
        AT_FDCWD,
        path,
        flags,
        || real!(open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_file(
        at,
        path,
        flags,
        || real!(openat(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_file(
        at,
        path,
        flags,
        || real!(openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn close(file: c_int) -> c_int {
    files::closed(file);
    real!(close(file: c_int) -> c_int)
}

/// Bytes that the caller gave.
fn bytes<'a>(start: *const c_void, length: usize) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller has this many bytes there, as it told libc.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

/// What a call wrote at `offset`, of `parts`.
fn written(file: &files::Open, offset: u64, parts: &[&[u8]], length: isize) {
    let Ok(length) = usize::try_from(length) else {
        return;
    };
    let mut all = parts.concat();
    all.truncate(length);
    trace::add(b'W', file.number, offset, &all);
}

#[unsafe(no_mangle)]
extern "C" fn write(file: c_int, start: *const c_void, length: usize) -> isize {
    let call = || real!(write(file: c_int, start: *const c_void, length: usize) -> isize);
    let Some(open) = files::get(file) else {
        return call();
    };
    fail!(Kind::Write, &open.path);
    let done = call();
    if done > 0 {
        let offset = files::position(file) - done.cast_unsigned() as u64;
        written(&open, offset, &[bytes(start, length)], done);
    }
    done
}

fn parts<'a>(start: *const iovec, count: c_int) -> Vec<&'a [u8]> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller has so many parts there, as it told libc.
    let parts = unsafe { std::slice::from_raw_parts(start, count) };
    parts
        .iter()
        .map(|part| bytes(part.iov_base, part.iov_len))
        .collect()
}

#[unsafe(no_mangle)]
extern "C" fn writev(file: c_int, start: *const iovec, count: c_int) -> isize {
    let call = || real!(writev(file: c_int, start: *const iovec, count: c_int) -> isize);
    let Some(open) = files::get(file) else {
        return call();
    };
    fail!(Kind::Write, &open.path);
    let done = call();
    if done > 0 {
        let offset = files::position(file) - done.cast_unsigned() as u64;
        written(&open, offset, &parts(start, count), done);
    }
    done
}

fn write_at(
    file: c_int,
    offset: off64_t,
    what: impl FnOnce() -> Vec<&'static [u8]>,
    call: impl FnOnce() -> isize,
) -> isize {
    let Some(open) = files::get(file) else {
        return call();
    };
    fail!(Kind::Write, &open.path);
    let done = call();
    if done > 0 {
        written(&open, offset.cast_unsigned(), &what(), done);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(file: c_int, start: *const c_void, length: usize, offset: off64_t) -> isize {
    write_at(
        file,
        offset,
        || vec![bytes(start, length)],
        || real!(pwrite(file: c_int, start: *const c_void, length: usize, offset: off64_t) -> isize),
    )
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(file: c_int, start: *const c_void, length: usize, offset: off64_t) -> isize {
    write_at(
        file,
        offset,
        || vec![bytes(start, length)],
        || real!(pwrite64(file: c_int, start: *const c_void, length: usize, offset: off64_t) -> isize),
    )
}

#[unsafe(no_mangle)]
extern "C" fn pwritev(file: c_int, start: *const iovec, count: c_int, offset: off64_t) -> isize {
    write_at(
        file,
        offset,
        || parts(start, count),
        || real!(pwritev(file: c_int, start: *const iovec, count: c_int, offset: off64_t) -> isize),
    )
}

#[unsafe(no_mangle)]
extern "C" fn pwritev64(file: c_int, start: *const iovec, count: c_int, offset: off64_t) -> isize {
    write_at(
        file,
        offset,
        || parts(start, count),
        || real!(pwritev64(file: c_int, start: *const iovec, count: c_int, offset: off64_t) -> isize),
    )
}

fn truncate_file(file: c_int, length: off64_t, call: impl FnOnce() -> c_int) -> c_int {
    let Some(open) = files::get(file) else {
        return call();
    };
    fail!(Kind::Truncate, &open.path);
    let done = call();
    if done == 0 {
        trace::add(b'T', open.number, length.cast_unsigned(), &[]);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(file: c_int, length: off64_t) -> c_int {
    truncate_file(
        file,
        length,
        || real!(ftruncate(file: c_int, length: off64_t) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(file: c_int, length: off64_t) -> c_int {
    truncate_file(
        file,
        length,
        || real!(ftruncate64(file: c_int, length: off64_t) -> c_int),
    )
}

/// Extends a file with zeroes, where it is shorter.
#[unsafe(no_mangle)]
extern "C" fn posix_fallocate(file: c_int, offset: off64_t, length: off64_t) -> c_int {
    let done = real!(posix_fallocate(file: c_int, offset: off64_t, length: off64_t) -> c_int);
    if done == 0
        && let Some(open) = files::get(file)
    {
        let end = offset.cast_unsigned() + length.cast_unsigned();
        trace::add(b'E', open.number, end, &[]);
    }
    done
}

fn sync_file(file: c_int, call: impl FnOnce() -> c_int) -> c_int {
    let Some(open) = files::get(file) else {
        return call();
    };
    fail!(Kind::Sync, &open.path);
    if !trace::is_on() {
        return call();
    }
    if open.is_folder {
        trace::add(b'D', open.number, 0, open.path.as_bytes());
    } else {
        trace::add(b'S', open.number, 0, &[]);
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    sync_file(file, || real!(fsync(file: c_int) -> c_int))
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    sync_file(file, || real!(fdatasync(file: c_int) -> c_int))
}

/// The time of day jumps each 50 ms by up to a day, back and forth, where `CANDOR_FAULTS_CLOCK` gives a seed.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let done = real!(clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int);
    if done == 0
        && clock == libc::CLOCK_REALTIME
        && let Some(seed) = clock::seed()
    {
        // SAFETY: libc has written it just now.
        let time = unsafe { &mut *time };
        time.tv_sec += clock::jump(seed, time);
    }
    done
}

/// It promises nothing about a crash.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(
    file: c_int,
    offset: off64_t,
    length: off64_t,
    flags: c_uint,
) -> c_int {
    if trace::is_on() && files::get(file).is_some() {
        return 0;
    }
    real!(sync_file_range(file: c_int, offset: off64_t, length: off64_t, flags: c_uint) -> c_int)
}

fn two_paths(
    kind: u8,
    (from_at, from): (c_int, *const c_char),
    (to_at, to): (c_int, *const c_char),
    call: impl FnOnce() -> c_int,
) -> c_int {
    let names = (files::relative(from_at, from), files::relative(to_at, to));
    let (Some(from), Some(to)) = names else {
        return call();
    };
    fail!(Kind::Rename, &to);
    let done = call();
    if done == 0 {
        trace::add(kind, 0, 0, format!("{from}\0{to}").as_bytes());
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    two_paths(
        b'R',
        (AT_FDCWD, from),
        (AT_FDCWD, to),
        || real!(rename(from: *const c_char, to: *const c_char) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn renameat(a: c_int, from: *const c_char, b: c_int, to: *const c_char) -> c_int {
    two_paths(
        b'R',
        (a, from),
        (b, to),
        || real!(renameat(a: c_int, from: *const c_char, b: c_int, to: *const c_char) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    two_paths(
        b'L',
        (AT_FDCWD, from),
        (AT_FDCWD, to),
        || real!(link(from: *const c_char, to: *const c_char) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn linkat(
    a: c_int,
    from: *const c_char,
    b: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    two_paths(
        b'L',
        (a, from),
        (b, to),
        || real!(linkat(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_int) -> c_int),
    )
}

fn one_path(kind: u8, at: c_int, path: *const c_char, call: impl FnOnce() -> c_int) -> c_int {
    let name = files::relative(at, path);
    let done = call();
    if done == 0
        && let Some(name) = name
    {
        trace::add(kind, 0, 0, name.as_bytes());
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    one_path(
        b'U',
        AT_FDCWD,
        path,
        || real!(unlink(path: *const c_char) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    let kind = if flags & libc::AT_REMOVEDIR == 0 {
        b'U'
    } else {
        b'X'
    };
    one_path(
        kind,
        at,
        path,
        || real!(unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int),
    )
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    one_path(
        b'M',
        AT_FDCWD,
        path,
        || real!(mkdir(path: *const c_char, mode: mode_t) -> c_int),
    )
}
