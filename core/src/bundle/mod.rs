//! What travels: proofs that are checked without asking anybody.
//!
//! - [`Receipt`]: one entry's place in the log, in the public format C2SP `tlog-proof@v1`;
//! - [`Bundle`]: a release's records, their proofs, one checkpoint, and the documents that it takes to check
//!   a folder, in one `.candor` file;
//! - [`PartProof`]: some files, chunks or tensors of a release, without the others.
//!
//! What was withdrawn of what they show, [`release_withdrawn`], [`release_fallen`], [`withdrawn`] and [`is_carried_by`] say.
//!
//! All are checked against a [`crate::note::LogKey`] and nothing else.

mod candor_bundle;
mod part_proof;
mod standing;
mod tlog_proof;

pub use candor_bundle::{
    BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE, Bundle, BundleError, BundledAttachment, BundledRecord,
    LoggedRecord, VerifiedBundle,
};
pub use part_proof::{
    PART_PROOF_BYTES_MAX, PartKind, PartProof, PartProofError, Parts, ProvenParts, VerifiedParts,
};
pub use standing::{Withdrawn, is_carried_by, release_fallen, release_withdrawn, withdrawn};
pub use tlog_proof::{Logged, Receipt, ReceiptError};
