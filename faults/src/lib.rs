//! A disk that fails as disks do, for any program: loaded with `LD_PRELOAD`, it stands between the program and libc.
//!
//! ```text
//! program ── open, write, fsync, rename … ──► here ──► libc ──► a real file system
//!                                              │
//!                                              ├──► a trace of all that changes files, in its order
//!                                              └──► faults: an error in the place of the call
//! ```
//!
//! It only looks at files below one folder. Settings are in the environment:
//!
//! - `CANDOR_FAULTS_DIR`: that folder;
//! - `CANDOR_FAULTS_TRACE`: a file to which each change is added (`trace.rs`). From it, a test makes what a disk would hold
//!   if the power were cut: what was synced, and of the rest whatever it likes. Nothing need be synced for that, so with a
//!   trace nothing is;
//! - `CANDOR_FAULTS`: rules, separated by commas (`rule.rs`);
//! - `CANDOR_FAULTS_CLOCK`: a number, from which a clock follows that jumps.
//!
//! Not here: memory maps. `SQLite` maps its `-shm`, which no crash outlives, and Postgres no file that it needs.

mod calls;
mod clock;
mod files;
mod real;
mod rule;
mod trace;
