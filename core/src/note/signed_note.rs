//! C2SP `signed-note`: text with signatures below it.
//!
//! ```text
//! This is the text. It may have empty lines,\n
//! \n
//! since the last empty line is the one that ends it.\n
//! \n
//! — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv…\n        base64(key id (4) || signature)
//! ```

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey};

use super::{KeyId, KeyName, VerifierKey};
use crate::Verified;

/// The most signatures that a note may have. The specification asks for room for 16; a log with two key
/// types and the 32 witnesses of a tlog-policy, each with an old and a new key, has 66.
pub const SIGNATURES_MAX: usize = 128;

/// The most bytes that a note may have: 128 post-quantum signatures of 5 kB, and 64 KiB of text.
pub const NOTE_BYTES_MAX: usize = SIGNATURES_MAX * 5_120 + 65_536;

/// A note as it was received. Its text means nothing until [`SignedNote::verify`] says who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteSignature {
    /// Who says to have signed.
    pub name: KeyName,
    /// With which of its keys.
    pub key_id: KeyId,
    /// The signature itself, in the form of the key's type.
    pub signature: Vec<u8>,
}

/// The text of a note, and those of the caller's keys that signed it; at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedNote {
    /// The text, with its final newline.
    pub text: String,
    /// Who signed.
    pub signed_by: Vec<VerifierKey>,
}

/// Signs notes with an Ed25519 key under a name.
pub struct NoteSigner {
    verifier_key: VerifierKey,
    key: SigningKey,
}

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Over [`NOTE_BYTES_MAX`].
    #[error("the note has {bytes} bytes, and at most {NOTE_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8: the bytes from {valid_up_to} on are no character")]
    NotUtf8 {
        /// How many bytes are UTF-8.
        valid_up_to: usize,
    },
    /// Control characters other than newlines.
    #[error("the note has the control character U+{code:04X} at byte {at}")]
    ControlCharacter {
        /// Its code point.
        code: u32,
        /// Where it is.
        at: usize,
    },
    /// No empty line followed by signature lines.
    #[error(
        "the note has no signatures: they follow the text after an empty line, each on a line that begins with an em dash and ends with a newline"
    )]
    NoSignatures,
    /// A line among the signatures that is none.
    #[error("line {line} below the note's text is no signature line: {found:?}")]
    BadSignatureLine {
        /// Counted from 1, below the text.
        line: usize,
        /// The line, shortened.
        found: String,
    },
    /// Over [`SIGNATURES_MAX`].
    #[error("the note has over {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// The signature of a key that the caller trusts does not verify.
    #[error("the signature of {name} (key id {key_id}) is not over this text")]
    BadSignature {
        /// The trusted key's name.
        name: KeyName,
        /// The trusted key's ID.
        key_id: KeyId,
    },
    /// No key that the caller trusts signed.
    #[error("the note is signed by {}, and not by {}", signed_by.join(", "), wanted.join(" or "))]
    NoTrustedSignature {
        /// Name and ID of each signature on the note.
        signed_by: Vec<String>,
        /// Name and ID of each key that would have done.
        wanted: Vec<String>,
    },
}

impl SignedNote {
    /// Puts a note together from a signature that `key` made elsewhere, which has not been checked yet.
    pub fn new(text: String, key: &VerifierKey, signature: Vec<u8>) -> Self {
        let signature = NoteSignature {
            name: key.name().clone(),
            key_id: key.id(),
            signature,
        };
        Self {
            text,
            signatures: vec![signature],
        }
    }

    /// Takes a note apart, without looking at keys.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = str::from_utf8(bytes).map_err(|e| NoteError::NotUtf8 {
            valid_up_to: e.valid_up_to(),
        })?;
        if let Some((at, c)) = note.char_indices().find(|(_, c)| *c < ' ' && *c != '\n') {
            return Err(NoteError::ControlCharacter { code: c.into(), at });
        }
        // The last empty line: the text keeps the first of its two newlines.
        let end_of_text = note.rfind("\n\n").ok_or(NoteError::NoSignatures)? + 1;
        let (text, signatures) = (&note[..end_of_text], &note[end_of_text + 1..]);
        let signatures = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::NoSignatures)?;
        let signatures = signatures
            .split('\n')
            .enumerate()
            .map(|(n, line)| {
                NoteSignature::parse(line).ok_or_else(|| NoteError::BadSignatureLine {
                    line: n + 1,
                    found: line.chars().take(80).collect(),
                })
            })
            .take(SIGNATURES_MAX + 1)
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Checks the signatures of `keys`.
    ///
    /// Signatures of other keys are ignored, also when they share a name or an ID with one of `keys`. A
    /// signature that says to be of one of `keys` and is not condemns the whole note.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Verified<VerifiedNote>, NoteError> {
        let mut signed_by: Vec<VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let is_theirs =
                |key: &&VerifierKey| *key.name() == signature.name && key.id() == signature.key_id;
            let Some(key) = keys.iter().find(is_theirs) else {
                continue;
            };
            if !signature.verifies(&self.text, key) {
                return Err(NoteError::BadSignature {
                    name: key.name().clone(),
                    key_id: key.id(),
                });
            }
            if !signed_by.contains(key) {
                signed_by.push(key.clone());
            }
        }
        if signed_by.is_empty() {
            let label = |name: &KeyName, id: KeyId| format!("{name}+{id}");
            return Err(NoteError::NoTrustedSignature {
                signed_by: self
                    .signatures
                    .iter()
                    .map(|s| label(&s.name, s.key_id))
                    .collect(),
                wanted: keys.iter().map(|k| label(k.name(), k.id())).collect(),
            });
        }
        Ok(Verified::attest(VerifiedNote {
            text: self.text.clone(),
            signed_by,
        }))
    }

    /// The text, which nobody has vouched for yet.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// All signatures, those of unknown keys included.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        let signature = BASE64_STANDARD.decode(signature).ok()?;
        let (key_id, signature) = signature.split_first_chunk::<4>()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self {
            name: name.parse().ok()?,
            key_id: KeyId::from_bytes(*key_id),
            signature: signature.to_vec(),
        })
    }

    /// Ed25519 per RFC 8032, with small-order keys and non-canonical encodings refused.
    fn verifies(&self, text: &str, key: &VerifierKey) -> bool {
        Signature::from_slice(&self.signature)
            .is_ok_and(|signature| key.key().verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_bytes().as_slice(), &self.signature].concat();
        write!(f, "— {} {}", self.name, BASE64_STANDARD.encode(bytes))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSigner {
    /// Signs as `name`.
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        Self {
            verifier_key: VerifierKey::new(name, key.verifying_key()),
            key,
        }
    }

    /// What others verify with.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    /// Signs `text`, which ends in a newline and has no other control characters.
    pub fn sign(&self, text: String) -> SignedNote {
        let signature = self.signature(&text);
        SignedNote::new(text, &self.verifier_key, signature)
    }

    /// The signature by itself.
    pub fn signature(&self, text: &str) -> Vec<u8> {
        assert!(
            text.ends_with('\n') && !text.contains(|c: char| c < ' ' && c != '\n'),
            "a note's text ends in a newline and has no other control characters"
        );
        self.sign_bytes(text.as_bytes())
    }

    /// The caller has made sure that these bytes are of a kind that this key signs.
    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(bytes).to_vec()
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}, secret)", self.verifier_key)
    }
}
