//! Certificates: what they say, and what they may be used for (RFC 5280).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use candor_core::Sha256;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc5280::{
    ID_CE_BASIC_CONSTRAINTS, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_NAME_CONSTRAINTS, ID_CE_SUBJECT_ALT_NAME, ID_KP_CODE_SIGNING,
};
use x509_cert::der::{Decode, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::time::Validity;

use crate::key::{KeyError, PublicKey};
use crate::text::shortened;

/// The extensions that may be critical: those that this crate or webpki looks at. CRL distribution points say where to ask
/// for what was revoked, which nobody does here.
const CRITICAL: [ObjectIdentifier; 5] = [
    ID_CE_BASIC_CONSTRAINTS,
    ID_CE_CRL_DISTRIBUTION_POINTS,
    ID_CE_EXT_KEY_USAGE,
    ID_CE_KEY_USAGE,
    ID_CE_SUBJECT_ALT_NAME,
];

/// A certificate, well-formed. Whether anybody vouches for it is another matter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    parsed: x509_cert::Certificate,
}

/// Why bytes are no certificate, or not one for this use. Subjects are written as in RFC 4514, and shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the form of a certificate.
    #[error("it is no X.509 certificate in DER: {0}")]
    Malformed(String),
    /// An extension that is broken, or there twice.
    #[error("the certificate of {subject:?} has an extension that can't be read: {error}")]
    Extension {
        /// Whose.
        subject: String,
        /// What is wrong.
        error: String,
    },
    /// A key of another kind.
    #[error("the certificate of {subject:?}: {error}")]
    Key {
        /// Whose.
        subject: String,
        /// What is wrong.
        error: KeyError,
    },
    /// A certificate that is not for signing models.
    #[error("the certificate of {subject:?} is not for signing: {rule}")]
    NotForSigning {
        /// Whose.
        subject: String,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// A certificate that may not vouch for another one.
    #[error("the certificate of {subject:?} can't vouch for others: {rule}")]
    NotAnIssuer {
        /// Whose.
        subject: String,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// Rules for names, by which it may vouch for some subjects and not for others.
    #[error(
        "the certificate of {subject:?} has name constraints, and those are not applied here: nobody could say that they let the signer pass"
    )]
    NameConstraints {
        /// Whose.
        subject: String,
    },
    /// A rule that nobody knows here, and that was made for such readers to stop at.
    #[error(
        "the certificate of {subject:?} has a critical extension that is not known here, {oid}"
    )]
    Critical {
        /// Whose.
        subject: String,
        /// Its object identifier.
        oid: String,
    },
}

/// Why PEM text is no list of certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Broken PEM.
    #[error("the PEM text is broken: {0}")]
    Broken(String),
    /// None at all.
    #[error("the text holds no certificate in PEM form")]
    None,
    /// A broken certificate.
    #[error("certificate {number} of the text: {error}")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        error: CertificateError,
    },
}

impl CertificateError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Extension { .. } => {
                "get the certificate again from who issued it"
            }
            Self::Key { error, .. } => error.hint(),
            Self::NotForSigning { .. } => {
                "the signer needs a certificate with the key usage digitalSignature and the extended key usage codeSigning, which is no authority's (CA:FALSE)"
            }
            Self::NotAnIssuer { .. } => {
                "it needs CA:TRUE, and the key usage keyCertSign if it has that extension"
            }
            Self::NameConstraints { .. } => {
                "check the signature with `model_signing verify certificate`, or have the signer's certificate issued by authorities without name constraints"
            }
            Self::Critical { .. } => {
                "check the signature with `model_signing verify certificate`, or have the certificate issued without that extension"
            }
        }
    }
}

impl PemError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Broken(_) | Self::None => {
                "name a file with -----BEGIN CERTIFICATE-----; `openssl x509 -inform DER -in FILE` makes it of DER"
            }
            Self::Certificate { error, .. } => error.hint(),
        }
    }
}

impl Certificate {
    /// Reads a certificate in DER, all of it.
    pub(crate) fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let parsed = x509_cert::Certificate::from_der(&der)
            .map_err(|e| CertificateError::Malformed(e.to_string()))?;
        Ok(Self {
            der: der.into(),
            parsed,
        })
    }

    /// Reads all certificates of a PEM text, in its order; there is at least one.
    pub(crate) fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, PemError> {
        let sections = CertificateDer::pem_slice_iter(text);
        let certificate = |(index, section): (usize, Result<CertificateDer<'_>, pem::Error>)| {
            let der = section.map_err(|e| PemError::Broken(shortened(&e.to_string())))?;
            Self::from_der(der.to_vec()).map_err(|error| PemError::Certificate {
                number: index + 1,
                error,
            })
        };
        let all: Vec<_> = sections
            .enumerate()
            .map(certificate)
            .collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(PemError::None);
        }
        Ok(all)
    }

    /// Its bytes.
    pub(crate) fn as_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of its bytes.
    pub(crate) fn fingerprint(&self) -> Sha256 {
        Sha256::of(&self.der)
    }

    /// The subject, as RFC 4514 writes it.
    pub(crate) fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// The issuer, as RFC 4514 writes it.
    pub(crate) fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    /// The serial number's bytes in hexadecimal digits.
    pub(crate) fn serial(&self) -> String {
        hex::encode(self.parsed.tbs_certificate().serial_number().as_bytes())
    }

    /// From when to when it is valid.
    pub(crate) fn validity(&self) -> &Validity {
        self.parsed.tbs_certificate().validity()
    }

    /// Whether subject and issuer are the same, as in a root.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether subject and issuer are the same for OpenSSL, which looks neither at the case of ASCII letters nor at how much
    /// white space there is.
    pub(crate) fn names_itself(&self) -> bool {
        let canonical = |name: String| {
            let words: Vec<_> = name
                .split_whitespace()
                .map(str::to_ascii_lowercase)
                .collect();
            words.join(" ")
        };
        canonical(self.subject()) == canonical(self.issuer())
    }

    /// Whether it names `issuer` as its issuer.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.parsed.tbs_certificate().issuer() == issuer.parsed.tbs_certificate().subject()
    }

    /// Its key.
    pub(crate) fn key(&self) -> Result<PublicKey, CertificateError> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        let der = info
            .to_der()
            .map_err(|e| CertificateError::Malformed(e.to_string()))?;
        PublicKey::from_spki_der(&der).map_err(|error| CertificateError::Key {
            subject: shortened(&self.subject()),
            error,
        })
    }

    /// How many authorities may stand below it; none if it doesn't say, or is no authority.
    pub(crate) fn path_length(&self) -> Result<Option<u8>, CertificateError> {
        let constraints = self.extension::<BasicConstraints>()?;
        Ok(constraints.and_then(|constraints| constraints.path_len_constraint))
    }

    /// Other names of the subject, with their kind: `email:…`, `URI:…`, `DNS:…`, `IP:…`.
    pub(crate) fn alternative_names(&self) -> Result<Vec<String>, CertificateError> {
        let name = |name: &GeneralName| match name {
            GeneralName::Rfc822Name(text) => format!("email:{text}"),
            GeneralName::DnsName(text) => format!("DNS:{text}"),
            GeneralName::UniformResourceIdentifier(text) => format!("URI:{text}"),
            GeneralName::DirectoryName(name) => format!("directory:{name}"),
            GeneralName::IpAddress(bytes) => format!("IP:{}", address(bytes.as_bytes())),
            GeneralName::RegisteredId(oid) => format!("OID:{oid}"),
            GeneralName::OtherName(other) => format!("other:{}", other.type_id),
            GeneralName::EdiPartyName(_) => "EDI".to_owned(),
        };
        let names = self.extension::<SubjectAltName>()?;
        Ok(names.map_or_else(Vec::new, |names| names.0.iter().map(name).collect()))
    }

    /// Refuses what is not for signing code (RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12). Without the extended key
    /// usage, any server's certificate under the same root could sign models.
    pub(crate) fn check_for_signing(&self) -> Result<(), CertificateError> {
        let refused = |rule| {
            let subject = shortened(&self.subject());
            Err(CertificateError::NotForSigning { subject, rule })
        };
        if self.is_authority()? {
            return refused("it is an authority's (CA:TRUE)");
        }
        let usage = self.extension::<KeyUsage>()?;
        if usage.is_some_and(|usage| !usage.digital_signature()) {
            return refused("its key usage is not digitalSignature");
        }
        if self.is_for_code()? != Some(true) {
            return refused("its extended key usage is not codeSigning");
        }
        Ok(())
    }

    /// Refuses what may not stand above another certificate.
    pub(crate) fn check_for_issuing(&self) -> Result<(), CertificateError> {
        let refused = |rule| {
            let subject = shortened(&self.subject());
            Err(CertificateError::NotAnIssuer { subject, rule })
        };
        if !self.is_authority()? {
            return refused("it is not an authority's (CA:TRUE)");
        }
        let usage = self.extension::<KeyUsage>()?;
        if usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return refused("its key usage is not keyCertSign");
        }
        if self.is_for_code()? == Some(false) {
            return refused("its extended key usage leaves out codeSigning");
        }
        Ok(())
    }

    /// Refuses what stands in a certificate of a path and is not applied here. webpki holds name constraints against the
    /// alternative names alone, where RFC 5280 section 4.2.1.10 and OpenSSL look at the subject too, and it looks at no
    /// critical extension of a root.
    pub(crate) fn check_extensions(&self) -> Result<(), CertificateError> {
        let extensions = self.parsed.tbs_certificate().extensions();
        let extensions: &[Extension] = extensions.map_or(&[], Vec::as_slice);
        let subject = || shortened(&self.subject());
        if extensions
            .iter()
            .any(|it| it.extn_id == ID_CE_NAME_CONSTRAINTS)
        {
            return Err(CertificateError::NameConstraints { subject: subject() });
        }
        let is_unknown = |it: &&Extension| it.critical && !CRITICAL.contains(&it.extn_id);
        match extensions.iter().find(is_unknown) {
            None => Ok(()),
            Some(unknown) => Err(CertificateError::Critical {
                subject: subject(),
                oid: shortened(&unknown.extn_id.to_string()),
            }),
        }
    }

    /// Whether what it says of its issuer's key and certificate fits `issuer` (RFC 5280 section 4.2.1.1), where both have it.
    pub(crate) fn identifies(&self, issuer: &Self) -> Result<bool, CertificateError> {
        let Some(stated) = self.extension::<AuthorityKeyIdentifier>()? else {
            return Ok(true);
        };
        let key = issuer.extension::<SubjectKeyIdentifier>()?;
        let certificate = issuer.parsed.tbs_certificate();
        let fits_key = match (&stated.key_identifier, &key) {
            (Some(stated), Some(key)) => *stated == key.0,
            _ => true,
        };
        let fits_serial = (stated.authority_cert_serial_number.as_ref())
            .is_none_or(|serial| serial == certificate.serial_number());
        // Names of another kind say nothing of a certificate.
        let mut names = stated.authority_cert_issuer.iter().flatten();
        let name = names.find_map(|name| match name {
            GeneralName::DirectoryName(name) => Some(name),
            _ => None,
        });
        let fits_name = name.is_none_or(|name| name == certificate.issuer());
        Ok(fits_key && fits_serial && fits_name)
    }

    fn is_authority(&self) -> Result<bool, CertificateError> {
        let constraints = self.extension::<BasicConstraints>()?;
        Ok(constraints.is_some_and(|constraints| constraints.ca))
    }

    /// Whether its extended key usage, if it has one, is signing code. "Any" is not enough.
    fn is_for_code(&self) -> Result<Option<bool>, CertificateError> {
        let usage = self.extension::<ExtendedKeyUsage>()?;
        Ok(usage.map(|usage| usage.0.contains(&ID_KP_CODE_SIGNING)))
    }

    fn extension<'a, T: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, CertificateError>
    where
        T::Error: fmt::Display,
    {
        match self.parsed.tbs_certificate().get_extension::<T>() {
            Ok(found) => Ok(found.map(|(_, extension)| extension)),
            Err(error) => Err(CertificateError::Extension {
                subject: shortened(&self.subject()),
                error: error.to_string(),
            }),
        }
    }
}

/// An IP address, or what is none in hexadecimal digits.
fn address(bytes: &[u8]) -> String {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        Ipv4Addr::from(bytes).to_string()
    } else if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        Ipv6Addr::from(bytes).to_string()
    } else {
        hex::encode(bytes)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("sha256", &self.fingerprint())
            .finish()
    }
}
