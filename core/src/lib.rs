//! The rules of the Candor log, and nothing else.
//!
//! ```text
//! bytes ──► parse ──► check against keys and trees ──► Verified<…>, a verdict, or an error that says why
//! ```
//!
//! Everything that a server, a client, a monitor and a witness must agree on is here, once:
//!
//! - [`merkle`]: RFC 6962 hashing, proofs, tiles (C2SP `tlog-tiles`);
//! - [`note`]: signed notes, verifier keys, checkpoints (C2SP `signed-note`, `tlog-checkpoint`);
//! - [`record`]: DSSE envelopes, in-toto statements, the seven kinds, and who may sign what;
//! - [`weights`]: the manifest of a release's files and its Merkle root;
//! - [`bundle`]: receipts (C2SP `tlog-proof`) and `.candor` bundles.
//!
//! Not here: files, sockets, clocks, randomness, databases, async. Bytes come in as arguments, and so
//! does the time. `clippy.toml` beside this crate refuses the calls that would break that.

pub mod bundle;
pub mod digest;
mod ed25519;
pub mod merkle;
pub mod note;
pub mod record;
mod verified;
pub mod weights;

pub use digest::Sha256;
pub use verified::Verified;
