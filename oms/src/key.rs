//! Keys: ECDSA over P-256 with SHA-256, P-384 with SHA-384 and P-521 with SHA-512 (OMS algorithm registry).

use std::fmt;

use candor_core::Sha256;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::der::pem::LineEnding;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use sec1::EcPrivateKey;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

const PUBLIC: &str = "PUBLIC KEY";
const PKCS8: &str = "PRIVATE KEY";
const PKCS8_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";

/// What errors call them. Printers take PEM labels in a text for a key, and cut out what follows.
const PRIVATE: &str = "private key";

/// An ECDSA curve, and with it the hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp256r1 with SHA-256.
    P256,
    /// secp384r1 with SHA-384.
    P384,
    /// secp521r1 with SHA-512.
    P521,
}

/// A key that signatures are checked against.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Public);

#[derive(Clone, PartialEq, Eq)]
enum Public {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    // Its tables are larger than those of the others together.
    P521(Box<p521::ecdsa::VerifyingKey>),
}

/// A key that signs. What it is made of is overwritten when it goes.
#[derive(Clone)]
pub struct SigningKey(Secret);

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(Box<p521::ecdsa::SigningKey>),
}

/// Why text is no key that is used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key where one should be.
    #[error("the text holds no {0} in PEM form")]
    Missing(&'static str),
    /// PEM or DER that is broken.
    #[error("the {what} can't be read: {error}")]
    Malformed {
        /// Which kind of key.
        what: &'static str,
        /// What is wrong.
        error: String,
    },
    /// Another algorithm.
    #[error("the key is {0}, and only elliptic curve keys sign models")]
    Algorithm(String),
    /// Another curve.
    #[error("the key is on the curve {0}, and only P-256, P-384 and P-521 sign models")]
    Curve(String),
    /// Encrypted, and no passphrase at hand.
    #[error("the private key is encrypted, and there is no passphrase")]
    PassphraseMissing,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// Encrypted in a way that is not read here.
    #[error("the private key is encrypted in an old way: {0}")]
    Encryption(String),
}

impl KeyError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing(PUBLIC) => {
                "name the file that begins with -----BEGIN PUBLIC KEY-----; `openssl pkey -in KEY -pubout` makes it of a private key"
            }
            Self::Missing(_) => {
                "name the file with the private key of the signer; `openssl ecparam -name prime256v1 -genkey -noout -out KEY` makes one"
            }
            Self::Malformed { .. } => "get the file again from where it comes from",
            Self::Algorithm(_) | Self::Curve(_) => {
                "`openssl ecparam -name prime256v1 -genkey -noout -out KEY` makes a key that fits"
            }
            Self::PassphraseMissing => "give the passphrase",
            Self::WrongPassphrase => "try again; there is no way around a lost passphrase",
            Self::Encryption(_) => {
                "`openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY` encrypts it in the way of today"
            }
        }
    }
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = section(text, PUBLIC).ok_or(KeyError::Missing(PUBLIC))?;
        let (_, der) = pkcs8::Document::from_pem(pem).map_err(|e| malformed(PUBLIC, e))?;
        Self::from_spki_der(der.as_bytes())
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5480) in DER.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let info =
            SubjectPublicKeyInfoRef::from_der(der).map_err(|e| malformed("public key", e))?;
        let key = match curve(&info.algorithm)? {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_public_key_der(der).map(Public::P256),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_public_key_der(der).map(Public::P384),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_public_key_der(der)
                .map(|key| Public::P521(Box::new(key))),
        };
        key.map(Self).map_err(|e| malformed("public key", e))
    }

    /// The key as PEM, in the one spelling that [`Self::hint`] is made of.
    pub fn to_pem(&self) -> String {
        let pem = match &self.0 {
            Public::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Public::P384(key) => key.to_public_key_pem(LineEnding::LF),
            Public::P521(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.expect("a point has an encoding")
    }

    /// What `publicKey.hint` says of it: SHA-256 of [`Self::to_pem`]. `openssl pkey -in KEY -pubout | sha256sum` prints
    /// the same.
    pub fn hint(&self) -> Sha256 {
        Sha256::of(self.to_pem())
    }

    /// Which curve it is on.
    pub fn curve(&self) -> Curve {
        match &self.0 {
            Public::P256(_) => Curve::P256,
            Public::P384(_) => Curve::P384,
            Public::P521(_) => Curve::P521,
        }
    }

    /// Whether `signature` (ASN.1 DER) is over `message` and by this key. Either of the two `s` is taken.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Public::P256(key) => p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Public::P384(key) => p384::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Public::P521(key) => p521::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hint())
    }
}

impl SigningKey {
    /// Reads a private key: PKCS#8, with `passphrase` if it is encrypted, or SEC1 (RFC 5915), also behind
    /// `-----BEGIN EC PARAMETERS-----`.
    pub fn from_pem(text: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let read = |pem| {
            let document = SecretDocument::from_pem(pem).map_err(|e| malformed(PRIVATE, e))?;
            Ok(document.1)
        };
        if let Some(pem) = section(text, PKCS8) {
            return Self::from_pkcs8(read(pem)?.as_bytes());
        }
        if let Some(pem) = section(text, PKCS8_ENCRYPTED) {
            let passphrase = passphrase.ok_or(KeyError::PassphraseMissing)?;
            return Self::from_pkcs8(decrypted(&read(pem)?, passphrase)?.as_bytes());
        }
        let pem = section(text, SEC1).ok_or(KeyError::Missing(PRIVATE))?;
        // RFC 1421 headers, by which OpenSSL once encrypted.
        if pem.contains("Proc-Type:") {
            return Err(KeyError::Encryption("Proc-Type 4,ENCRYPTED".to_owned()));
        }
        Self::from_sec1(read(pem)?.as_bytes())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|e| malformed(PRIVATE, e))?;
        let key = match curve(&info.algorithm)? {
            Curve::P256 => p256::SecretKey::from_pkcs8_der(der).map(Into::into),
            Curve::P384 => p384::SecretKey::from_pkcs8_der(der).map(Into::into),
            Curve::P521 => p521::SecretKey::from_pkcs8_der(der).map(Into::into),
        };
        key.map_err(|e| malformed(PRIVATE, e))
    }

    fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let info = EcPrivateKey::try_from(der).map_err(|e| malformed(PRIVATE, e))?;
        let parameters = info.parameters.as_ref();
        let oid = parameters.and_then(|parameters| parameters.named_curve());
        let key = match named_curve(oid)? {
            Curve::P256 => p256::SecretKey::from_sec1_der(der).map(Into::into),
            Curve::P384 => p384::SecretKey::from_sec1_der(der).map(Into::into),
            Curve::P521 => p521::SecretKey::from_sec1_der(der).map(Into::into),
        };
        key.map_err(|e| malformed(PRIVATE, e))
    }

    /// The key that checks what this one signs.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Secret::P256(key) => Public::P256(*key.verifying_key()),
            Secret::P384(key) => Public::P384(*key.verifying_key()),
            Secret::P521(key) => Public::P521(Box::new(*key.verifying_key())),
        })
    }

    /// Signs in ASN.1 DER. The same message gets the same signature (RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Secret::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Secret::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Secret::P521(key) => {
                let signature: p521::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
        }
    }
}

impl From<p256::SecretKey> for SigningKey {
    fn from(key: p256::SecretKey) -> Self {
        Self(Secret::P256(key.into()))
    }
}

impl From<p384::SecretKey> for SigningKey {
    fn from(key: p384::SecretKey) -> Self {
        Self(Secret::P384(key.into()))
    }
}

impl From<p521::SecretKey> for SigningKey {
    fn from(key: p521::SecretKey) -> Self {
        Self(Secret::P521(Box::new(key.into())))
    }
}

/// Shows the public key only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public_key().hint())
    }
}

/// From the line that begins the first section of that label to the one that ends it.
fn section<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let begin = text.find(&format!("-----BEGIN {label}-----"))?;
    let end = format!("-----END {label}-----");
    let length = text[begin..].find(&end)? + end.len();
    Some(&text[begin..begin + length])
}

fn decrypted(document: &SecretDocument, passphrase: &[u8]) -> Result<SecretDocument, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|e| malformed(PRIVATE, e))?;
    let key = info.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::NoPbes1CryptSupport,
        ) => KeyError::Encryption(error.to_string()),
        _ => KeyError::WrongPassphrase,
    })?;
    // One wrong passphrase in 256 leaves what looks like padding, and garbage before it.
    PrivateKeyInfoRef::try_from(key.as_bytes()).map_err(|_| KeyError::WrongPassphrase)?;
    Ok(key)
}

fn curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Curve, KeyError> {
    if algorithm.oid != EC_PUBLIC_KEY {
        let name = match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => "RSA".to_owned(),
            "1.3.101.112" => "Ed25519".to_owned(),
            other => format!("of the algorithm {other}"),
        };
        return Err(KeyError::Algorithm(name));
    }
    named_curve(algorithm.parameters_oid().ok())
}

fn named_curve(oid: Option<ObjectIdentifier>) -> Result<Curve, KeyError> {
    match oid {
        Some(P256) => Ok(Curve::P256),
        Some(P384) => Ok(Curve::P384),
        Some(P521) => Ok(Curve::P521),
        Some(other) => Err(KeyError::Curve(match other.to_string().as_str() {
            "1.3.132.0.10" => "secp256k1".to_owned(),
            other => other.to_owned(),
        })),
        None => Err(KeyError::Curve("without a name".to_owned())),
    }
}

fn malformed(what: &'static str, error: impl fmt::Display) -> KeyError {
    KeyError::Malformed {
        what,
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979 appendix A.2.5, A.2.6 and A.2.7: the key, and the signature of "sample" by the curve's own hash function.
    /// These keys are printed in the RFC, and good for nothing else.
    const RFC_6979: [(&str, &str, &str); 3] = [
        (
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
            "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
        ),
    ];

    fn rfc_key(secret: &str) -> SigningKey {
        let bytes = hex::decode(secret).expect("hex");
        match bytes.len() {
            32 => p256::SecretKey::from_slice(&bytes).map(Into::into),
            48 => p384::SecretKey::from_slice(&bytes).map(Into::into),
            _ => p521::SecretKey::from_slice(&bytes).map(Into::into),
        }
        .expect("a key")
    }

    /// `SEQUENCE { r, s }`.
    fn der(r: &str, s: &str) -> Vec<u8> {
        let integer = |number: &str| {
            let bytes = hex::decode(number).expect("hex");
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            let mut bytes = bytes[zeros..].to_vec();
            if bytes[0] >= 0x80 {
                bytes.insert(0, 0);
            }
            let length = u8::try_from(bytes.len()).expect("short");
            [vec![2, length], bytes].concat()
        };
        let body = [integer(r), integer(s)].concat();
        let length = u8::try_from(body.len()).expect("short");
        let head = if length < 0x80 {
            vec![0x30, length]
        } else {
            vec![0x30, 0x81, length]
        };
        [head, body].concat()
    }

    #[test]
    fn signatures_are_those_of_rfc_6979() {
        for (secret, r, s) in RFC_6979 {
            let key = rfc_key(secret);
            let signature = key.sign(b"sample");
            assert_eq!(hex::encode(&signature), hex::encode(der(r, s)));
            assert!(key.public_key().has_signed(b"sample", &signature));
            assert!(!key.public_key().has_signed(b"simple", &signature));
        }
    }

    #[test]
    fn only_der_without_a_byte_behind_it_is_a_signature() {
        let (secret, r, s) = RFC_6979[0];
        let public = rfc_key(secret).public_key();
        let good = der(r, s);
        assert!(public.has_signed(b"sample", &good));
        let raw = hex::decode(format!("{r}{s}")).expect("hex");
        for bad in [raw, [good.as_slice(), &[0]].concat(), Vec::new()] {
            assert!(!public.has_signed(b"sample", &bad));
        }
    }

    #[test]
    fn the_hint_is_the_digest_of_the_pem() {
        let public = rfc_key(RFC_6979[0].0).public_key();
        // What Python's `cryptography` writes for this key, and what sha256sum says of that.
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n\
            Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n\
            -----END PUBLIC KEY-----\n";
        assert_eq!(public.to_pem(), pem);
        assert_eq!(
            public.hint().to_string(),
            "4975c03dd2ad43f3803bf943ca231389c41f26352bf098c930568797eff44dcc"
        );
        let again = PublicKey::from_pem(&public.to_pem()).expect("a key");
        assert_eq!(again, public);
        // Other line endings are the same key, and get the same hint.
        let windows = public.to_pem().replace('\n', "\r\n");
        assert_eq!(
            PublicKey::from_pem(&windows).expect("a key").hint(),
            public.hint()
        );
    }
}
