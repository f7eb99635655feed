//! How far each webhook has come.
//!
//! ```text
//! enroll ──► claim ──► (a record is told of) ──► move_on ──┐
//!              ▲                                           │     by one server at a time
//!              └───────────────────────────────────────────┘
//! ```
//!
//! Always: a webhook's next record moves on only where its server still has it, and never back. So whatever is lost (a
//! server, its answer, the last write), records are told of again, and none is left out.

use std::time::Duration;

use async_trait::async_trait;
use candor_core::merkle::LeafIndex;

use super::StorageError;

/// The webhooks of a log.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Makes a webhook known that is not yet, beginning with the record at `first`. It is on stable storage then: what is
    /// logged from there on is told.
    async fn enroll(&self, webhook: &str, first: LeafIndex) -> Result<(), StorageError>;

    /// Asks for a webhook for `server`, which has it for `time` if nobody else does; also for longer, if it has it
    /// already. None where the webhook is not known.
    async fn claim(
        &self,
        webhook: &str,
        server: &str,
        time: Duration,
    ) -> Result<Option<Claim>, StorageError>;

    /// Writes down how far a webhook has come, if `server` still has it. Returns whether it does.
    async fn move_on(
        &self,
        webhook: &str,
        server: &str,
        progress: &Progress,
    ) -> Result<bool, StorageError>;

    /// Gives back all webhooks that `server` has.
    async fn give_back(&self, server: &str) -> Result<(), StorageError>;

    /// All that were ever known, by name.
    async fn webhooks(&self) -> Result<Vec<OutboxRow>, StorageError>;
}

/// Who has a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Whoever asked.
    Ours(OutboxRow),
    /// Another server.
    Theirs(OutboxRow),
}

/// A webhook as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its name.
    pub webhook: String,
    /// The record that it began with.
    pub first: LeafIndex,
    /// How far it has come.
    pub progress: Progress,
    /// The server that tells it, if one does.
    pub server: Option<String>,
}

/// How far a webhook has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The next record to tell it of. It has all before, as far as they are its.
    pub next: LeafIndex,
    /// How many times in a row it did not take that one.
    pub attempts: u32,
    /// When it is tried again, in milliseconds since 1970.
    pub retry_ms: Option<i64>,
    /// Why it failed last.
    pub error: Option<String>,
}

impl Progress {
    /// Nothing failed, and `next` is the next one.
    pub fn at(next: LeafIndex) -> Self {
        Self {
            next,
            attempts: 0,
            retry_ms: None,
            error: None,
        }
    }
}
