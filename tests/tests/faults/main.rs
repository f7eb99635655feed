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
//! Each test runs a few rounds; `CANDOR_FAULT_ROUNDS` says how many for the long form. The seed is printed, and
//! `CANDOR_SEED` repeats a run.

mod clock;
mod disk;
mod points;
mod postgres;
mod power;
mod world;
