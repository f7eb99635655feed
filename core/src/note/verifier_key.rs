//! Key names, key IDs and verifier keys (C2SP `signed-note`, "Signatures" and "Verifier keys").
//!
//! Not here: the keys of witnesses, which are written alike (`cosignature`).

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::ed25519::is_usable;

/// What a key's signatures are over, by the type byte of C2SP `signed-note`, "Signature types".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum KeyType {
    /// The note's text.
    Ed25519 = 0x01,
    /// A time, and a checkpoint's text (C2SP `tlog-cosignature`).
    Ed25519Cosignature = 0x04,
}

/// How much of a name stands in errors.
const NAME_CHARS_SHOWN_MAX: usize = 100;

/// Who signed a note: non-empty, no Unicode spaces, no plus sign. By convention a URL without its scheme.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyName(String);

/// A short identifier of a key, which tells keys with one name apart. Not a cryptographic commitment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyId([u8; 4]);

/// A name and an Ed25519 public key: `<name>+<hex key id>+<base64(0x01 || key)>`.
///
/// ```
/// # use candor_core::note::VerifierKey;
/// let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!(key.name().as_str(), "example.com/foo");
/// assert_eq!(key.to_string(), text);
/// # Ok::<_, candor_core::note::VerifierKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
}

/// Text that can't name a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} can't name a key: it must have at least one character, and no spaces, plus signs or ASCII control characters"
)]
pub struct KeyNameError {
    found: String,
}

/// Text that is no verifier key. No more of it is repeated than the name, since what stands where a public key
/// should may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// The other half of a key, in PEM form.
    #[error("this is a private key, and a verifier key is public")]
    PrivateKey,
    /// Not three parts.
    #[error("a verifier key has three parts, <name>+<key id>+<key>, and this text has not")]
    Form,
    /// The name is not allowed.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The key is not the base64 of a type byte and 32 bytes.
    #[error("the key of {name:?} is not the base64 of a type byte and a key")]
    Encoding {
        /// Whose it is, shortened.
        name: String,
    },
    /// A kind of key that this program can't check.
    #[error("the key of {name:?} is of type {kind:#04x}, and only {wanted} is supported")]
    Unsupported {
        /// The type byte.
        kind: u8,
        /// The type that is known here.
        wanted: KeyType,
        /// Whose it is, shortened.
        name: String,
    },
    /// No point on the curve, or one of small order, for which anybody can make signatures.
    #[error("the key of {name:?} is not a usable Ed25519 public key")]
    WeakKey {
        /// Whose it is, shortened.
        name: String,
    },
    /// The key ID is not the hash of name and key.
    #[error(
        "the key id {stated} of {name:?} does not belong to this name and key, for which it is {computed}"
    )]
    KeyIdMismatch {
        /// Whose it is, shortened.
        name: String,
        /// What the ID is.
        stated: KeyId,
        /// What it should be.
        computed: KeyId,
    },
}

impl KeyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;
    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c < ' ' || c == '+') {
            return Err(KeyNameError {
                found: text.chars().take(NAME_CHARS_SHOWN_MAX).collect(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyId {
    /// The four bytes at the beginning of a signature.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// `SHA-256(key name || 0x0A || type byte || public key)[:4]`.
    pub(super) fn of(name: &KeyName, kind: KeyType, key: &VerifyingKey) -> Self {
        let hash = Sha256::new_with_prefix(&name.0)
            .chain_update([0x0A, kind as u8])
            .chain_update(key.as_bytes())
            .finalize();
        Self([hash[0], hash[1], hash[2], hash[3]])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl VerifierKey {
    /// Names a public key. The caller has made sure that it is not of small order.
    pub fn new(name: KeyName, key: VerifyingKey) -> Self {
        Self {
            id: KeyId::of(&name, KeyType::Ed25519, &key),
            name,
            key,
        }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its ID.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The Ed25519 public key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;
    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let (name, id, key) = parse(text, KeyType::Ed25519)?;
        Ok(Self { name, id, key })
    }
}

/// Takes apart what is written as a verifier key, which must be of type `wanted`.
pub(super) fn parse(
    text: &str,
    wanted: KeyType,
) -> Result<(KeyName, KeyId, VerifyingKey), VerifierKeyError> {
    if text.contains("PRIVATE KEY") {
        return Err(VerifierKeyError::PrivateKey);
    }
    // The base64 of the key may contain plus signs, the name and the ID can't.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(VerifierKeyError::Form);
    };
    // The ID is what makes it a verifier key at all; before that, the name may be anything.
    let mut stated = [0; 4];
    if id.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(id, &mut stated).is_err()
    {
        return Err(VerifierKeyError::Form);
    }
    let stated = KeyId(stated);
    let key_name: KeyName = name.parse()?;
    let name = || name.chars().take(NAME_CHARS_SHOWN_MAX).collect();
    let encoding = || VerifierKeyError::Encoding { name: name() };
    let key = BASE64_STANDARD.decode(key).map_err(|_| encoding())?;
    let (kind, key) = key.split_first().ok_or_else(encoding)?;
    if *kind != wanted as u8 {
        return Err(VerifierKeyError::Unsupported {
            kind: *kind,
            wanted,
            name: name(),
        });
    }
    let key: &[u8; 32] = key.try_into().map_err(|_| encoding())?;
    let key = VerifyingKey::from_bytes(key)
        .ok()
        .filter(is_usable)
        .ok_or_else(|| VerifierKeyError::WeakKey { name: name() })?;
    let computed = KeyId::of(&key_name, wanted, &key);
    if computed != stated {
        return Err(VerifierKeyError::KeyIdMismatch {
            name: name(),
            stated,
            computed,
        });
    }
    Ok((key_name, stated, key))
}

/// Writes a key of type `kind` as a verifier key.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    (name, id, key): (&KeyName, KeyId, &VerifyingKey),
    kind: KeyType,
) -> fmt::Result {
    let mut bytes = vec![kind as u8];
    bytes.extend_from_slice(key.as_bytes());
    write!(f, "{name}+{id}+{}", BASE64_STANDARD.encode(bytes))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, (&self.name, self.id, &self.key), KeyType::Ed25519)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519 (0x01)",
            Self::Ed25519Cosignature => "Ed25519 cosignatures (0x04)",
        })
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
