//! Signatures of models by the specification OMS 1.0 (Model Signing, of the Open Source Security Foundation): read,
//! verified and written.
//!
//! ```text
//! model.sig ──► Bundle::parse ──► Bundle::verify(Trust) ──► Verified: Statement (files, SHA-256), and who signed
//!               Sigstore v0.3     key, or certificate          │
//!               DSSE              up to a root                 └─► compare(found files) ──► missing, extra, changed
//!
//! files, SHA-256 ──► Statement::new ──► Signer::sign ──► Bundle::to_json ──► model.sig
//! ```
//!
//! What it writes, `model_signing` 1.1.1 verifies; and what that writes by whole files and SHA-256, with a key or a
//! certificate, is read here.
//!
//! Always: nothing of a statement can be read before its signature was checked, and it is read from the signed bytes. The
//! time is an argument. No secret is in an error or in `Debug` output. The same statement and key give the same bytes
//! (RFC 6979).
//!
//! Refused here, though `model_signing` 1.1.1 takes it (its command line or its library):
//!
//! - a key twice in a JSON object, of which the last counts there (RFC 8259 section 4 leaves it open);
//! - field names in `snake_case`, and base64 with line breaks or other strange characters;
//! - a second signature, which nobody checks there (Sigstore bundle: exactly one);
//! - the encoding and the predicate of release 0.2, which are not DSSE's and not OMS 1.0's;
//! - unknown fields in the statement, its predicate or `serialization` (OMS statement schema), and `shard_size` without
//!   shards;
//! - digests with upper-case digits or blanks (OMS 1.0 section 6.3.1), and a `hash_type` other than that of the files;
//! - a file listed twice, of which the last counts there, also by another spelling such as `./a`;
//! - names that are absolute or have `..` in them (OMS 1.0 section 6.1.2), which are followed out of the folder there;
//! - files in an order that is neither by the parts of their names (`model_signing`) nor by names (OMS 1.0 section 6.4);
//! - a model without files (OMS 1.0 section 6.1) or without a name (section 6.5);
//! - `ignore_paths` with `.`, an empty text, `..` or an absolute path: one `.` there lets any model pass;
//! - `publicKey.rawBytes` of another key than the trusted one;
//! - certificates outside their validity at the time that is asked for (OMS 1.0 section 8.2), where 1.1.1 looks at the
//!   first second of the signer's;
//! - a signer's certificate without the extended key usage codeSigning, with a key usage that lacks digitalSignature, of an
//!   authority, or on a curve other than P-256, P-384 and P-521;
//! - signers that are their own root, issuers of under 2048 bits of RSA, SHA-1, and over 6 certificates on the way;
//! - name constraints in any certificate of the way, the root's too, whether or not the signer's name keeps to them: webpki
//!   looks at alternative names alone, so nobody could say that they were applied;
//! - critical extensions other than basic constraints, key usage, extended key usage, alternative names and CRL distribution
//!   points, of which OpenSSL knows some more (certificate policies, policy constraints);
//! - over 10,000 `ignore_paths`.
//!
//! Not followed, though signed: `ignore_paths` beyond git's own files and the signature ([`compare()`] returns them).
//!
//! Taken, though `model_signing` 1.1.1 does not: URL-safe base64 (DSSE), and a single file under its own name (OMS 1.0
//! section 5.2.1), which is what `.` becomes.
//!
//! Not here: files and their digests, keyless signatures by Sigstore, shards, BLAKE, transparency logs and timestamps that
//! a bundle carries, revocation of certificates, PKCS#11.

#![forbid(unsafe_code)]

mod bundle;
mod certificate;
mod chain;
mod compare;
mod ignored;
mod key;
mod name;
mod sign;
mod statement;
mod text;
mod verify;

pub use bundle::{BUNDLE_BYTES_MAX, Bundle, BundleError, Method};
pub use certificate::{CertificateError, PemError};
pub use chain::{ChainError, Roots, RootsError};
pub use compare::{ChangedFile, Comparison, compare};
pub use ignored::{GIT_PATHS, is_git_path};
pub use key::{Curve, KeyError, PublicKey, SigningKey};
pub use name::{ResourceName, ResourceNameError};
pub use sign::{Signer, SignerError};
pub use statement::{
    FILES_MAX, IGNORE_PATHS_MAX, PREDICATE_TYPE, SignedFile, Statement, StatementError,
};
pub use verify::{Identity, SignedBy, Trust, Verified, VerifyError};
