//! Signed text: what a log says about itself.
//!
//! ```text
//! bytes ──► SignedNote ──► signatures checked against VerifierKeys ──► text ──► Checkpoint ──► Verified
//! ```
//!
//! One file per specification: `signed_note` for C2SP signed-note, `verifier_key` for its keys, `checkpoint`
//! for C2SP tlog-checkpoint, `cosignature` for C2SP tlog-cosignature, [`webhook`] for Standard Webhooks. `retirement` is
//! ours: an extension line of the last checkpoint.
//!
//! Not here: the signatures of records ([`crate::record::Envelope`]), and where keys come from.

mod checkpoint;
mod cosignature;
mod retirement;
mod signed_note;
mod verifier_key;
pub mod webhook;

pub use checkpoint::{Checkpoint, CheckpointError, LogKey, Origin, OriginError};
pub use cosignature::{
    Cosignature, CosignatureFault, Cosigned, Quorum, QuorumError, RefusedCosignature, WitnessKey,
};
pub use retirement::{NextLog, Retirement, RetirementError};
pub use signed_note::{
    NOTE_BYTES_MAX, NoteError, NoteSignature, NoteSigner, SIGNATURES_MAX, SignedNote, VerifiedNote,
};
pub use verifier_key::{KeyId, KeyName, KeyNameError, KeyType, VerifierKey, VerifierKeyError};
pub use webhook::{WebhookContent, WebhookError};
