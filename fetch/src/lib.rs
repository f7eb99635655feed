//! The files of a release, from whoever has them: every byte is checked as it arrives, whoever sent it.
//!
//! ```text
//! Manifest ───┐
//! ChunkList ──┼──► Plan ──► a file to a connection, largest first
//! Source… ────┘                │
//!                              ▼
//!  mirror ──► 8 MiB ──► leaf hash ──► .candor-fetch/….part ──► digest of all ──► fsync, rename ──► model.safetensors
//!    ▲                     │
//!    └── the next one ◄────┘ wrong: this one is not asked again for this file
//! ```
//!
//! Always:
//!
//! - A file has its final name only when its digest is the manifest's, and it is on stable storage.
//! - With a chunk list no byte is written that its chunk's leaf hash does not vouch for, so what a wrong mirror costs is
//!   a chunk and not a file. A file of one chunk is held against its digest before it is written.
//! - What an earlier run left is read and checked again before anything is added to it.
//! - Nothing is written outside of the target folder: no link in it is followed. No file in it is overwritten unless that
//!   was asked for. One fetch at a time writes to it.
//! - Memory does not grow with a file: a chunk per connection, and 32 bytes for each chunk that there is.
//! - Every wait has an end: ten seconds to connect, half a minute without a byte. A download as a whole has no limit.
//!
//! Not here: what the files should be, which the caller has from a log or a bundle and has checked (`candor_core`); whose
//! TLS certificates are believed, which comes with the [`ureq::Agent`]; exit codes. Systems other than Unix, since there is
//! no `openat(2)`, with which a path is walked and no link followed.

#![forbid(unsafe_code)]
#![cfg(unix)]

mod answer;
mod digest;
mod error;
mod fault;
mod file;
mod folder;
mod options;
mod outcome;
mod partial;
mod plan;
mod redirect;
mod run;
mod source;

pub use error::{FetchError, Obstacle, Stopped};
pub use fault::{Fault, MirrorFault};
pub use folder::WORK_FOLDER;
pub use options::{Options, Patience};
pub use outcome::{FileOutcome, How, Outcome, Progress};
pub use plan::{Plan, PlanError};
pub use run::fetch;
pub use source::{Source, SourceError};
