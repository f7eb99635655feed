//! The Ed25519 keys that sign records.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize, de};

use crate::Sha256;
use crate::ed25519::is_usable;

/// A publisher's public key. Its key ID is the SHA-256 of its DER `SubjectPublicKeyInfo` (RFC 8410), so that
/// `openssl pkey -pubout -outform DER | sha256sum` prints it.
///
/// Never of small order: for such keys, anybody can make signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    keyid: Sha256,
    key: VerifyingKey,
}

/// Why text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not base64, or not an Ed25519 key in DER.
    #[error("the public key is not the base64 of an Ed25519 SubjectPublicKeyInfo (RFC 8410)")]
    Encoding,
    /// Of small order.
    #[error(
        "the public key is of small order, so anybody could sign with it; make a new one with `candor keygen`"
    )]
    SmallOrder,
    /// The key ID belongs to another key.
    #[error("the key ID {stated} does not belong to this key, whose ID is {computed}")]
    KeyId {
        /// As given.
        stated: Sha256,
        /// As it should be.
        computed: Sha256,
    },
    /// Not an Ed25519 key.
    #[error("the key's algorithm is {0:?}, and only \"ed25519\" is supported")]
    Algorithm(String),
}

/// Why a signature by a known key does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// Not 64 bytes.
    #[error("it has {0} bytes instead of 64")]
    Length(usize),
    /// The second half is not below the group's order: a second spelling of somebody's signature.
    #[error("its S is not below the order of the group (RFC 8032 section 5.1.7)")]
    NonCanonicalS,
    /// Not over these bytes, or not by this key.
    #[error("it is not over this payload by this key")]
    Mismatch,
}

/// The order of the Ed25519 group, little-endian: 2^252 + 27742317777372353535851937790883648493.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

impl PublicKey {
    /// Refuses keys of small order.
    pub fn new(key: VerifyingKey) -> Result<Self, PublicKeyError> {
        if !is_usable(&key) {
            return Err(PublicKeyError::SmallOrder);
        }
        let der = key
            .to_public_key_der()
            .map_err(|_| PublicKeyError::Encoding)?;
        Ok(Self {
            keyid: Sha256::of(der.as_bytes()),
            key,
        })
    }

    /// Reads the base64 of a DER `SubjectPublicKeyInfo`.
    pub fn from_base64_der(text: &str) -> Result<Self, PublicKeyError> {
        let der = BASE64_STANDARD
            .decode(text)
            .map_err(|_| PublicKeyError::Encoding)?;
        Self::new(VerifyingKey::from_public_key_der(&der).map_err(|_| PublicKeyError::Encoding)?)
    }

    /// The base64 of its DER `SubjectPublicKeyInfo`.
    pub fn to_base64_der(&self) -> String {
        let der = self
            .key
            .to_public_key_der()
            .expect("a key that was read can be written");
        BASE64_STANDARD.encode(der.as_bytes())
    }

    /// Its key ID.
    pub fn keyid(&self) -> Sha256 {
        self.keyid
    }

    /// Ed25519 as RFC 8032 has it, strictly: no small-order points, no second encodings.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        let bytes: &[u8; 64] = signature
            .try_into()
            .map_err(|_| SignatureFault::Length(signature.len()))?;
        // Checked here only to name the reason; verify_strict refuses it as well.
        if bytes[32..].iter().rev().ge(GROUP_ORDER.iter().rev()) {
            return Err(SignatureFault::NonCanonicalS);
        }
        self.key
            .verify_strict(message, &Signature::from_bytes(bytes))
            .map_err(|_| SignatureFault::Mismatch)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.keyid)
    }
}

/// As it stands in a `publisher` record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    keyid: Sha256,
    algorithm: String,
    public_key: String,
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        KeyJson {
            keyid: self.keyid,
            algorithm: "ed25519".to_owned(),
            public_key: self.to_base64_der(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let KeyJson {
            keyid: stated,
            algorithm,
            public_key,
        } = KeyJson::deserialize(deserializer)?;
        let read = || {
            if algorithm != "ed25519" {
                return Err(PublicKeyError::Algorithm(algorithm));
            }
            let key = Self::from_base64_der(&public_key)?;
            let computed = key.keyid;
            if computed == stated {
                Ok(key)
            } else {
                Err(PublicKeyError::KeyId { stated, computed })
            }
        };
        read().map_err(de::Error::custom)
    }
}
