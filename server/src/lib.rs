//! The Candor log.
//!
//! ```text
//!            ┌────────────── accept ──────────────┐              ┌───────── sequencer ──────────┐
//! POST ──►   │ limits, strict JSON, schema, keys, │ ──► queue ──►│ plan ──► one transaction     │
//!            │ signatures, attachments            │   (bounded)  │      ──► sign ──► release    │──► receipts
//!            └──────────── (all cores) ───────────┘              └──────────── (one) ───────────┘
//!                                                                              │
//! GET  ◄── http ◄── Storage (entries, tiles, views) ◄──────────────────────────┘
//! ```
//!
//! Always: nothing to the right of the transaction starts before its commit has returned, and readers see
//! nothing beyond the last released checkpoint.
//!
//! Not here: any rule that a client must agree on. Those are in `candor-core`.

pub mod accept;
pub mod calendar;
pub mod catalogue;
pub mod config;
mod current_keys;
pub mod data_folder;
pub mod demo_data;
pub mod drawing;
mod failpoint;
pub mod http;
pub mod init;
pub mod last_signed;
pub mod limits;
pub mod linger;
pub mod markdown;
pub mod metrics;
pub mod open_files;
mod own_thread;
pub mod plan;
pub mod rates;
pub mod recent;
pub mod releases;
pub mod replay;
pub mod sequencer;
pub mod serve;
pub mod signer;
pub mod static_part;
pub mod storage;
pub mod tls;
pub mod tree;
pub mod upkeep;
pub mod views;
pub mod webhooks;

#[cfg(test)]
mod testing;
