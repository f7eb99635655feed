//! Keeps a log's key where its server is not, and signs checkpoints with it, and messages about the log's records.
//!
//! ```text
//! candor-server ──► Client ──── Unix socket ────► serve ──► Guard ──► Key: a file, or a token behind PKCS#11
//!                   checkpoint's text                       never two trees of one size,
//!                   ◄── signature, or why not               never a smaller one, nothing behind the last
//!                   message about a record                  never text that could be a checkpoint's
//! ```
//!
//! Always: what is signed is a checkpoint of this log, or a message about a record of it ([`candor_core::note::webhook`]),
//! and no text is both: the one ends in a line break, the other has none, and begins as no checkpoint can. A checkpoint goes
//! on from the one that was signed last, as far as sizes and roots show; that one is on stable storage before the signature
//! leaves. Whoever takes over the server can so neither take the key along nor sign a second tree of a size that was signed.
//! Messages they can have as they like, and whoever gets one can ask the log for the record. That the larger tree extends
//! the smaller one is for the server, for witnesses and for clients to see: the signer has no tiles.
//!
//! Not here: HTTP, the database, and anything else that a stranger can talk to.

mod client;
mod guard;
pub mod key_file;
mod serve;
mod wire;

pub use client::{Client, ClientError};
pub use guard::{Guard, GuardError, Refused};
pub use serve::{Key, serve};
