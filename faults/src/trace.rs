//! What happened to files, in its order.
//!
//! A change is one byte for its kind, then three numbers of 8 bytes, little-endian (the file's, one that depends on the
//! kind, and the length of what follows), and bytes. Files have the numbers that the file system gives them, and paths are
//! relative to the folder.
//!
//! | kind | number | bytes |
//! | --- | --- | --- |
//! | `O` opened | 1 if it is new, 2 if it was emptied, 3 for both | path |
//! | `W` written | offset | what |
//! | `T` cut or extended | length | |
//! | `S` synced | | |
//! | `D` folder synced | | path |
//! | `R` renamed | | path, zero, path |
//! | `L` linked | | path, zero, path |
//! | `U` removed | | path |
//! | `M` folder made | | path |

use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use crate::real;

/// Whether there is a trace: then nothing need be synced.
pub(crate) fn is_on() -> bool {
    file().is_some()
}

/// Adds a change. One call writes it all, to the end of the file, so that several processes can share a trace.
pub(crate) fn add(kind: u8, file_number: u64, number: u64, bytes: &[u8]) {
    let Some(file) = file() else { return };
    let mut change = Vec::with_capacity(25 + bytes.len());
    change.push(kind);
    change.extend_from_slice(&file_number.to_le_bytes());
    change.extend_from_slice(&number.to_le_bytes());
    change.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    change.extend_from_slice(bytes);
    let written = real::write_all(file, &change);
    assert!(written, "the trace can't be written");
}

fn file() -> Option<RawFd> {
    static FILE: OnceLock<Option<RawFd>> = OnceLock::new();
    *FILE.get_or_init(|| {
        let path = std::env::var_os("CANDOR_FAULTS_TRACE")?;
        let file = real::open_to_append(path.as_bytes());
        assert!(file >= 0, "CANDOR_FAULTS_TRACE can't be opened");
        Some(file)
    })
}
