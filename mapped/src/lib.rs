//! Read-only windows onto files: the bytes that the system has in its memory anyway, in place of copies of them.
//!
//! ```text
//! file ── mmap ──► Window ──► &[u8] ──► whoever hashes
//!                    │
//!   cut short ── SIGBUS ──► zeros, and `was_cut` says so
//! ```
//!
//! Copying is a seventh of the time that hashing takes where the processor has instructions for SHA-256, and that is why
//! this crate exists. The price is that a file that another process cuts short, or a disk that fails, is not an error of
//! a call but a signal that ends the process. So the signal is caught: what can't be read becomes zeros, and the window
//! knows. Whoever uses one asks [`Window::was_cut`] behind the last byte, and forgets what it made of the bytes.
//!
//! Always: a signal that is not about a window goes where it would have gone without this crate.
//!
//! Not here: whether a file was written to meanwhile. Its times tell, and whoever opened it looks at them.

#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod window;

#[cfg(unix)]
pub use window::{Window, read_ahead};
