//! Who signed, and what.

use std::time::SystemTime;

use candor_core::Sha256;
use candor_core::record::{PAYLOAD_TYPE, pae};

use crate::bundle::{Bundle, KeyReference, Material, Method};
use crate::certificate::{Certificate, CertificateError};
use crate::chain::{ChainError, Roots};
use crate::key::PublicKey;
use crate::statement::{Statement, StatementError};
use crate::text::shortened;

/// Whom the reader trusts. It comes from the reader, and nothing of it from the signature.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Who has this key.
    Key(PublicKey),
    /// Whom one of these roots vouches for.
    Roots {
        /// The roots.
        roots: Roots,
        /// When the certificates must be valid: now, or the time when the model is known to have been signed.
        at: SystemTime,
    },
}

/// A statement whose signature was checked. Only [`Bundle::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    statement: Statement,
    signer: SignedBy,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// Who has the key that the reader trusts: its [`PublicKey::hint`].
    Key(Sha256),
    /// Who has the key of a certificate.
    Certificate(Box<Identity>),
}

/// What a certificate says of its owner. An authority wrote the texts, with any characters in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As RFC 4514 writes it.
    pub subject: String,
    /// As RFC 4514 writes it.
    pub issuer: String,
    /// In hexadecimal digits.
    pub serial: String,
    /// With their kind: `email:…`, `URI:…`, `DNS:…`, `IP:…`.
    pub alternative_names: Vec<String>,
    /// The first second in which the certificate is valid.
    pub not_before: SystemTime,
    /// The last one.
    pub not_after: SystemTime,
    /// SHA-256 of the certificate.
    pub fingerprint: Sha256,
    /// The [`PublicKey::hint`] of its key.
    pub key: Sha256,
    /// The subject of the root that vouches for it.
    pub root: String,
    /// SHA-256 of that root's certificate.
    pub root_fingerprint: Sha256,
}

/// Why a signature proves nothing to this reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A key at hand for a certificate, or the other way round.
    #[error("the model is signed by a {}, and you trust a {}", named(*signed), named(*trusted))]
    Method {
        /// How it is signed.
        signed: Method,
        /// What the reader has.
        trusted: Method,
    },
    /// The signature is by another key.
    #[error("the model is signed by the key {signed:?}, and the key that you trust is {trusted}")]
    OtherKey {
        /// Its hint, shortened.
        signed: String,
        /// The hint of the reader's key.
        trusted: Sha256,
    },
    /// Nobody vouches for the signer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key did not make the signature over these bytes.
    #[error("the signature is not that of the key {key} over this statement")]
    Signature {
        /// The hint of the key.
        key: Sha256,
    },
    /// Signed, and not a statement about a model.
    #[error("the signature is good, but {0}")]
    Statement(#[from] StatementError),
}

fn named(method: Method) -> &'static str {
    match method {
        Method::Key => "key",
        Method::Certificate => "certificate",
    }
}

impl VerifyError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Method {
                signed: Method::Key,
                ..
            } => "give the public key of the signer",
            Self::Method {
                signed: Method::Certificate,
                ..
            } => "give the root certificate of the signer",
            Self::OtherKey { .. } => {
                "get the signer's key from where you trust it, and don't use the model before it fits"
            }
            Self::Chain(error) => error.hint(),
            Self::Signature { .. } => {
                "the statement was changed after it was signed, or somebody else signed it: don't use the model"
            }
            Self::Statement(error) => error.hint(),
        }
    }
}

impl Bundle {
    /// Checks who signed, then what: the statement is read from the very bytes that are signed.
    pub fn verify(&self, trust: &Trust) -> Result<Verified, VerifyError> {
        let (key, signer) = match (&self.material, trust) {
            (Material::Key(reference), Trust::Key(key)) => {
                check_reference(reference, key)?;
                (key.clone(), SignedBy::Key(key.hint()))
            }
            (Material::Certificates(chain), Trust::Roots { roots, at }) => {
                let (key, identity) = certified(chain, roots, *at)?;
                (key, SignedBy::Certificate(Box::new(identity)))
            }
            (Material::Key(_), Trust::Roots { .. })
            | (Material::Certificates(_), Trust::Key(_)) => {
                return Err(VerifyError::Method {
                    signed: self.method(),
                    trusted: match trust {
                        Trust::Key(_) => Method::Key,
                        Trust::Roots { .. } => Method::Certificate,
                    },
                });
            }
        };
        if !key.has_signed(&pae(PAYLOAD_TYPE, &self.payload), &self.signature) {
            return Err(VerifyError::Signature { key: key.hint() });
        }
        let statement = Statement::parse(&self.payload)?;
        Ok(Verified { statement, signer })
    }
}

impl Verified {
    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Who signed it.
    pub fn signer(&self) -> &SignedBy {
        &self.signer
    }
}

/// A hint must fit the key, though nobody signed it: else two readers would say two keys of one signature.
fn check_reference(reference: &KeyReference, key: &PublicKey) -> Result<(), VerifyError> {
    let other = |signed: &str| VerifyError::OtherKey {
        signed: shortened(signed),
        trusted: key.hint(),
    };
    if let Some(hint) = &reference.hint
        && *hint != key.hint().to_string()
    {
        return Err(other(hint));
    }
    match &reference.key {
        Some(named) if named != key => Err(other(&named.hint().to_string())),
        _ => Ok(()),
    }
}

fn certified(
    chain: &[Certificate],
    roots: &Roots,
    at: SystemTime,
) -> Result<(PublicKey, Identity), ChainError> {
    let (signer, others) = chain
        .split_first()
        .expect("a bundle with certificates has at least one");
    let root = roots.vouching_for(signer, others, at)?;
    let key = signer.key()?;
    let identity = identity(signer, &key, root)?;
    Ok((key, identity))
}

fn identity(
    signer: &Certificate,
    key: &PublicKey,
    root: &Certificate,
) -> Result<Identity, CertificateError> {
    let validity = signer.validity();
    Ok(Identity {
        subject: signer.subject(),
        issuer: signer.issuer(),
        serial: signer.serial(),
        alternative_names: signer.alternative_names()?,
        not_before: validity.not_before.to_system_time(),
        not_after: validity.not_after.to_system_time(),
        fingerprint: signer.fingerprint(),
        key: key.hint(),
        root: root.subject(),
        root_fingerprint: root.fingerprint(),
    })
}
