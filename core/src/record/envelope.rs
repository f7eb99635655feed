//! DSSE 1.0.2: the envelope around a statement.

use std::sync::Arc;

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::canonical::write_string;
use super::json::{JsonError, parse_strict};
use super::{PublicKey, PublicKeyError};
use crate::Sha256;
use crate::merkle::ENTRY_BYTES_MAX;

/// The payload type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The most bytes that an envelope may have before it is canonical: an entry's, twice, for white space and
/// fields that are dropped.
pub const ENVELOPE_BYTES_MAX: usize = 2 * ENTRY_BYTES_MAX;

/// The most signatures: a publisher's 16 keys all new, one old one, the operator's, and some air.
const SIGNATURES_MAX: usize = 20;

/// A payload and signatures over it. Clones share the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload: Arc<[u8]>,
    signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint at the key. Not covered by the signature, so it decides nothing.
    pub keyid: String,
    /// The signature.
    pub sig: Vec<u8>,
}

/// Why bytes are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Over [`ENVELOPE_BYTES_MAX`].
    #[error(
        "the envelope has {bytes} bytes, and at most {ENVELOPE_BYTES_MAX} are read; put large documents into attachments"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A payload that no entry can hold.
    #[error(
        "/payload: it has {bytes} characters, and an entry holds at most {ENTRY_BYTES_MAX}; put large documents into attachments"
    )]
    PayloadTooLong {
        /// How long it is, in base64.
        bytes: usize,
    },
    /// Not strict JSON.
    #[error("the envelope is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A field is missing or of the wrong type.
    #[error("{}: {rule}", if pointer.is_empty() { "/" } else { pointer })]
    Field {
        /// JSON pointer into the envelope.
        pointer: String,
        /// What should be there.
        rule: &'static str,
    },
    /// Not an in-toto statement inside.
    #[error("/payloadType: it is {found:?}, and only {PAYLOAD_TYPE:?} is taken")]
    PayloadType {
        /// The type, shortened.
        found: String,
    },
}

/// `PAE(type, body)`: the bytes that are signed.
///
/// ```
/// let bytes = candor_core::record::pae("http://example.com/HelloWorld", b"hello world");
/// assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
/// ```
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Standard or URL-safe, padded or not: DSSE lets signers choose.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

impl Envelope {
    /// Reads an envelope from strict JSON. Fields that DSSE does not know are ignored, as it asks.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLong { bytes: bytes.len() });
        }
        Self::from_json(&parse_strict(bytes)?)
    }

    /// Reads an envelope from a value that [`parse_strict`] returned.
    pub fn from_json(envelope: &Value) -> Result<Self, EnvelopeError> {
        fn field(pointer: impl Into<String>, rule: &'static str) -> EnvelopeError {
            EnvelopeError::Field {
                pointer: pointer.into(),
                rule,
            }
        }
        if !envelope.is_object() {
            return Err(field(
                "",
                "a DSSE envelope is an object with payload, payloadType and signatures",
            ));
        }
        let payload_type = envelope["payloadType"]
            .as_str()
            .ok_or_else(|| field("/payloadType", "a text is required"))?;
        if payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType {
                found: payload_type.chars().take(100).collect(),
            });
        }
        let payload = envelope["payload"]
            .as_str()
            .ok_or_else(|| field("/payload", "the base64 of the statement is required"))?;
        // An entry holds it as it is here, so a longer one would be refused in the end; before, it would be
        // decoded and parsed.
        if payload.len() > ENTRY_BYTES_MAX {
            return Err(EnvelopeError::PayloadTooLong {
                bytes: payload.len(),
            });
        }
        let payload = decode_base64(payload)
            .ok_or_else(|| field("/payload", "the base64 of the statement is required"))?;
        let signatures = envelope["signatures"]
            .as_array()
            .ok_or_else(|| field("/signatures", "a list is required"))?;
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(field("/signatures", "1 to 20 signatures are taken"));
        }
        let signatures = signatures
            .iter()
            .enumerate()
            .map(|(n, signature)| {
                let keyid = match &signature["keyid"] {
                    Value::Null => "",
                    Value::String(keyid) if keyid.len() <= 256 => keyid,
                    _ => {
                        return Err(field(
                            format!("/signatures/{n}/keyid"),
                            "a text of at most 256 bytes, or nothing",
                        ));
                    }
                };
                let sig = signature["sig"]
                    .as_str()
                    .and_then(decode_base64)
                    .ok_or_else(|| {
                        field(
                            format!("/signatures/{n}/sig"),
                            "the base64 of the signature is required",
                        )
                    })?;
                Ok(EnvelopeSignature {
                    keyid: keyid.to_owned(),
                    sig,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            payload: payload.into(),
            signatures,
        })
    }

    /// Signs `payload` with each of `keys`, in that order.
    pub fn sign(payload: Vec<u8>, keys: &[&SigningKey]) -> Result<Self, PublicKeyError> {
        let mut envelope = Self {
            payload: payload.into(),
            signatures: Vec::new(),
        };
        keys.iter()
            .try_for_each(|key| envelope.add_signature(key))?;
        Ok(envelope)
    }

    /// Adds one more signature, by `key`.
    pub fn add_signature(&mut self, key: &SigningKey) -> Result<(), PublicKeyError> {
        let keyid = PublicKey::new(key.verifying_key())?.keyid().to_string();
        let sig = key.sign(&self.signed_bytes()).to_vec();
        self.signatures.push(EnvelopeSignature { keyid, sig });
        Ok(())
    }

    /// The same payload with these signatures only.
    pub(super) fn with_signatures(&self, signatures: Vec<EnvelopeSignature>) -> Self {
        Self {
            payload: Arc::clone(&self.payload),
            signatures,
        }
    }

    /// What each signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(PAYLOAD_TYPE, &self.payload)
    }

    /// The statement's bytes, verbatim.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// The key IDs on the signatures, where they are well-formed. Nothing vouches for them.
    pub fn keyids(&self) -> impl Iterator<Item = Sha256> {
        let signatures = self.signatures.iter();
        signatures.filter_map(|signature| signature.keyid.parse().ok())
    }

    /// As a JSON value; base64 is standard and padded.
    pub fn to_json(&self) -> Value {
        let signature = |s: &EnvelopeSignature| json!({ "keyid": s.keyid, "sig": BASE64_STANDARD.encode(&s.sig) });
        json!({
            "payload": BASE64_STANDARD.encode(&self.payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": self.signatures.iter().map(signature).collect::<Vec<_>>(),
        })
    }

    /// As the log keeps it (RFC 8785): [`Envelope::to_json`], its members in their order, and written without making
    /// the value first.
    pub fn to_canonical_json(&self) -> Vec<u8> {
        let bytes = 4 * self.payload.len() / 3 + 256 * self.signatures.len();
        let mut out = String::with_capacity(bytes + 128);
        out.push_str("{\"payload\":\"");
        BASE64_STANDARD.encode_string(&self.payload, &mut out);
        out.push_str("\",\"payloadType\":\"");
        out.push_str(PAYLOAD_TYPE);
        out.push_str("\",\"signatures\":[");
        for (n, signature) in self.signatures.iter().enumerate() {
            out.push_str(if n > 0 { ",{\"keyid\":" } else { "{\"keyid\":" });
            write_string(&signature.keyid, &mut out);
            out.push_str(",\"sig\":\"");
            BASE64_STANDARD.encode_string(&signature.sig, &mut out);
            out.push_str("\"}");
        }
        out.push_str("]}");
        out.into_bytes()
    }
}
