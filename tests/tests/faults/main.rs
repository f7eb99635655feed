//! Faults, on real processes and real files: the log is killed at each point of a batch's way, the power is cut, the disk
//! fails and fills up, clocks jump. After each, everything that was acknowledged is there, and every checkpoint that anybody
//! saw is of one history.
//!
//! ```text
//! publishers and watchers ──► candor-server ──► candor-faults ──► files
//!        │                         └─ failpoints                    │
//!        └──► History ──► the log, started again ◄──────────────────┘
//! ```
//!
//! Each test runs a few rounds; `cargo xtask faults` runs them all in their long form, and prints what was tried. The seed is printed, and
//! `CANDOR_SEED` repeats a run.

mod clock;
mod databases;
mod disk;
mod leaders;
mod lines;
mod points;
mod postgres;
mod power;
mod stores;
mod world;
