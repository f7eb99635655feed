//! Publishes to a Candor log, and verifies what it says without trusting it.
//!
//! ```text
//! cli ──► publish, bundle_maker, walk ──► log_client ──► transport ──► the log
//!              │         │         │           │
//!              └─────────┴── replay┴── candor_core: every verdict
//!                                              memory: the newest checkpoint that was seen of each log
//! ```
//!
//! Not here: any rule of what holds. Trees, signatures, records and bundles are judged by `candor_core`,
//! with the same functions that the server uses.

pub mod api;
pub mod bundle_maker;
pub mod cli;
pub mod config;
pub mod folder;
pub mod hashing;
pub mod keys;
pub mod lineage;
pub mod log_client;
pub mod memory;
pub mod oms;
pub mod policy;
pub mod problem;
pub mod publish;
pub mod replay;
pub mod sources;
#[cfg(test)]
mod testing;
pub mod transport;
pub mod walk;
