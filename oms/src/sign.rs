//! Signing, so that `model_signing` and [`crate::Bundle::verify`] both take it.

use candor_core::Sha256;
use candor_core::record::{PAYLOAD_TYPE, pae};

use crate::bundle::{Bundle, KeyReference, Material};
use crate::certificate::{Certificate, CertificateError, PemError};
use crate::key::{PublicKey, SigningKey};
use crate::statement::Statement;
use crate::text::shortened;

/// A key, and what the signature says of it.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SigningKey,
    material: Material,
}

/// Why a certificate and a key can't sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Not a list of certificates.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate that no reader would take.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate of another key.
    #[error(
        "the certificate of {subject:?} is for the key {certified}, and the key that signs is {signing}"
    )]
    OtherKey {
        /// Whose certificate.
        subject: String,
        /// The hint of its key.
        certified: Sha256,
        /// The hint of the key that would sign.
        signing: Sha256,
    },
    /// A certificate by nobody.
    #[error("the certificate of {subject:?} is its own issuer, so nobody vouches for it")]
    SelfIssued {
        /// Whose.
        subject: String,
    },
    /// A certificate that does not belong there.
    #[error(
        "the certificate of {next:?} is not that of the issuer of {before:?}, behind which it stands"
    )]
    Order {
        /// The subject before.
        before: String,
        /// The subject behind.
        next: String,
    },
    /// Issued by another key or certificate of that name.
    #[error(
        "the certificate of {subject:?} says that another key or certificate of {issuer:?} issued it (authorityKeyIdentifier)"
    )]
    OtherIssuer {
        /// Whose.
        subject: String,
        /// The issuer behind it.
        issuer: String,
    },
    /// An issuer whose certificate is younger than the signer's.
    #[error(
        "the certificate of the issuer {issuer:?} is valid only from a later time on than the signer's"
    )]
    IssuerTooYoung {
        /// Whose.
        issuer: String,
    },
}

impl SignerError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Pem(error) => error.hint(),
            Self::Certificate(error) => error.hint(),
            Self::OtherKey { .. } => {
                "put the signer's certificate first, and sign with the key that it was issued for"
            }
            Self::SelfIssued { .. } => "sign with the key alone, and give readers its public key",
            Self::Order { .. } => {
                "put the signer's certificate first, then that of its issuer, and so on"
            }
            Self::OtherIssuer { .. } => {
                "put the issuer's certificate there whose subjectKeyIdentifier it names"
            }
            Self::IssuerTooYoung { .. } => {
                "have the signer's certificate issued again: model_signing 1.1 looks at all of them as of its first second"
            }
        }
    }
}

impl Signer {
    /// Signs with a key that readers know.
    pub fn with_key(key: SigningKey) -> Self {
        let reference = KeyReference {
            hint: Some(key.public_key().hint().to_string()),
            key: None,
        };
        Self {
            key,
            material: Material::Key(reference),
        }
    }

    /// Signs with a key that has a certificate. `chain` is PEM text: the signer's certificate, then those of the issuers,
    /// one behind the other. A root at its end is left out, since readers have theirs.
    pub fn with_certificate(key: SigningKey, chain: &[u8]) -> Result<Self, SignerError> {
        let mut chain = Certificate::all_from_pem(chain)?;
        check_leaf(&chain[0], &key.public_key())?;
        for pair in chain.windows(2) {
            check_issuer(&pair[0], &pair[1])?;
            if pair[1].validity().not_before.to_unix_duration()
                > chain[0].validity().not_before.to_unix_duration()
            {
                return Err(SignerError::IssuerTooYoung {
                    issuer: shortened(&pair[1].subject()),
                });
            }
        }
        chain.retain(|certificate| !certificate.is_self_issued());
        Ok(Self {
            key,
            material: Material::Certificates(chain),
        })
    }

    /// Which key signs.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Signs. The same statement gets the same signature.
    pub fn sign(&self, statement: &Statement) -> Bundle {
        let payload = statement.to_payload();
        Bundle {
            signature: self.key.sign(&pae(PAYLOAD_TYPE, &payload)),
            payload,
            material: self.material.clone(),
        }
    }
}

fn check_leaf(leaf: &Certificate, key: &PublicKey) -> Result<(), SignerError> {
    leaf.check_for_signing()?;
    leaf.check_extensions()?;
    let subject = shortened(&leaf.subject());
    let certified = leaf.key()?;
    if certified != *key {
        return Err(SignerError::OtherKey {
            subject,
            certified: certified.hint(),
            signing: key.hint(),
        });
    }
    if leaf.names_itself() {
        return Err(SignerError::SelfIssued { subject });
    }
    Ok(())
}

fn check_issuer(certificate: &Certificate, issuer: &Certificate) -> Result<(), SignerError> {
    if !certificate.is_issued_by(issuer) {
        return Err(SignerError::Order {
            before: shortened(&certificate.subject()),
            next: shortened(&issuer.subject()),
        });
    }
    issuer.check_for_issuing()?;
    issuer.check_extensions()?;
    if !certificate.identifies(issuer)? {
        return Err(SignerError::OtherIssuer {
            subject: shortened(&certificate.subject()),
            issuer: shortened(&issuer.subject()),
        });
    }
    Ok(())
}
