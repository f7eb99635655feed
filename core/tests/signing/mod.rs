//! Making and reading notes, for the tests of notes, of keys and of cosignatures.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own, and uses its own part of this"
)]

use std::fmt::Write as _;

use candor_core::note::{KeyName, NoteError, NoteSignature, NoteSigner, SignedNote, VerifierKey};
use ed25519_dalek::SigningKey;

/// A name for a key.
pub(crate) fn name(text: &str) -> KeyName {
    text.parse().expect("the test gives a valid name")
}

/// A signer whose key is made of one repeated byte.
pub(crate) fn signer(text: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name(text), SigningKey::from_bytes(&[seed; 32]))
}

/// The key that verifies what `signer` signs, as a list.
pub(crate) fn key_of(signer: &NoteSigner) -> [VerifierKey; 1] {
    [signer.verifier_key().clone()]
}

/// The one signature that `signer` puts below `text`.
pub(crate) fn signature(signer: &NoteSigner, text: &str) -> NoteSignature {
    signer.sign(text.to_owned()).signatures()[0].clone()
}

/// A note as it is sent.
pub(crate) fn note(text: &str, signatures: &[NoteSignature]) -> String {
    signatures
        .iter()
        .fold(format!("{text}\n"), |mut note, signature| {
            writeln!(note, "{signature}").expect("a string takes everything");
            note
        })
}

/// The text, if one of `keys` signed it.
pub(crate) fn verify(note: &str, keys: &[VerifierKey]) -> Result<String, NoteError> {
    Ok(SignedNote::parse(note.as_bytes())?
        .verify(keys)?
        .text
        .clone())
}
