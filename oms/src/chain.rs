//! From the signer's certificate to a root that the reader trusts (RFC 5280 section 6).
//!
//! `rustls-webpki` builds and checks the path: signatures, validity, authorities and their path lengths. What it leaves to
//! others is checked here: what the signer's certificate is for, the key usage of those above it, which key they say that
//! their issuers have, and what the root says of itself.
//!
//! Always: whatever a certificate of the path demands of readers is done, or the path is refused. So no certificate of it has
//! a critical extension that is not known here, and none has name constraints: webpki applies them to alternative names, and
//! not to the subject, as RFC 5280 section 4.2.1.10 demands for e-mail addresses.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor, UnixTime, alg_id,
};
use sha2::Digest as _;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_cert::time::Time;

use crate::certificate::{Certificate, CertificateError, PemError};
use crate::text::shortened;

/// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3, as DER without its head.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// Certificates that the reader trusts to say who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    anchors: Vec<Certificate>,
    /// Given beside the roots: they may lead to them, and nothing is trusted because of them.
    intermediates: Vec<Certificate>,
}

/// Why certificates are no roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Not a list of certificates.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Only certificates that need another one.
    #[error("none of the {0} certificates is a root: each names another one as its issuer")]
    NoRoot(usize),
    /// A root that may not vouch for others.
    #[error(transparent)]
    Root(CertificateError),
}

/// Why nobody vouches for who signed. Subjects are written as in RFC 4514, and shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A certificate that is not for this use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Used before or after its time.
    #[error(
        "the certificate of {subject:?} is valid from {not_before} to {not_after}, and not at {at}"
    )]
    Validity {
        /// Whose.
        subject: String,
        /// RFC 3339.
        not_before: String,
        /// RFC 3339.
        not_after: String,
        /// The time that was asked for, RFC 3339.
        at: String,
    },
    /// Its own issuer by its name, whoever signed it.
    #[error("the certificate of {subject:?} names itself as its issuer")]
    SelfIssued {
        /// Whose.
        subject: String,
    },
    /// Issued by another key or certificate of the issuer's name than it says.
    #[error(
        "the certificate of {subject:?} says that another key or certificate of {issuer:?} issued it (authorityKeyIdentifier)"
    )]
    OtherIssuer {
        /// Whose.
        subject: String,
        /// The issuer that was found.
        issuer: String,
    },
    /// More authorities below a root than it allows.
    #[error("the root {subject:?} allows {allowed} authorities below it, and here are {found}")]
    PathLength {
        /// Which root.
        subject: String,
        /// Its path length constraint.
        allowed: u8,
        /// How many there are.
        found: usize,
    },
    /// No path to a root.
    #[error("nobody whom you trust vouches for the certificate of {subject:?}: {why}")]
    NoPath {
        /// Whose.
        subject: String,
        /// What was wrong with the path that came closest.
        why: String,
    },
}

impl RootsError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Pem(error) => error.hint(),
            Self::NoRoot(_) => {
                "add the certificate that is its own issuer, which you trust to say who may sign"
            }
            Self::Root(error) => error.hint(),
        }
    }
}

impl ChainError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Certificate(error) => error.hint(),
            Self::Validity { .. } => {
                "if you know when the model was signed, check it as of that time; else have it signed again"
            }
            Self::SelfIssued { .. } => {
                "have it issued for another name than the authority's, or sign with the key alone"
            }
            Self::OtherIssuer { .. } => {
                "give the issuer's certificate whose subjectKeyIdentifier it names, or have the signer's certificate issued again"
            }
            Self::PathLength { .. } => "have the signer's certificate issued by the root itself",
            Self::NoPath { .. } => {
                "give the root of the signer, and the certificates between the two if the signature has not got them"
            }
        }
    }
}

impl Roots {
    /// Reads certificates from PEM text. Those that are their own issuers are roots; there is at least one. The others may
    /// lead to them.
    pub fn from_pem(text: &[u8]) -> Result<Self, RootsError> {
        let all = Certificate::all_from_pem(text)?;
        let count = all.len();
        let (anchors, intermediates): (Vec<_>, Vec<_>) =
            all.into_iter().partition(Certificate::is_self_issued);
        if anchors.is_empty() {
            return Err(RootsError::NoRoot(count));
        }
        for anchor in &anchors {
            anchor.check_for_issuing().map_err(RootsError::Root)?;
            trust_anchor(anchor).map_err(RootsError::Root)?;
        }
        Ok(Self {
            anchors,
            intermediates,
        })
    }

    /// Finds the root that vouches at `at` for `signer`, over certificates of `others`.
    pub(crate) fn vouching_for(
        &self,
        signer: &Certificate,
        others: &[Certificate],
        at: SystemTime,
    ) -> Result<&Certificate, ChainError> {
        signer.check_for_signing()?;
        signer.check_extensions()?;
        if signer.names_itself() {
            return Err(ChainError::SelfIssued {
                subject: shortened(&signer.subject()),
            });
        }
        check_validity(signer, at)?;
        let valid = |anchor: &&Certificate| check_validity(anchor, at).is_ok();
        let anchors: Vec<&Certificate> = self.anchors.iter().filter(valid).collect();
        if anchors.is_empty() {
            check_validity(&self.anchors[0], at)?;
        }
        let trusted = anchors
            .iter()
            .map(|anchor| trust_anchor(anchor))
            .collect::<Result<Vec<_>, _>>()?;
        let intermediates: Vec<CertificateDer<'_>> = others
            .iter()
            .chain(&self.intermediates)
            .map(|certificate| certificate.as_der().clone())
            .collect();
        let no_path = |error| ChainError::NoPath {
            subject: shortened(&signer.subject()),
            why: explained(&error),
        };
        let leaf = EndEntityCert::try_from(signer.as_der()).map_err(no_path)?;

        // webpki tells why a path was refused only in words of its own.
        let refused = RefCell::new(None);
        let check = |path: &VerifiedPath<'_>| {
            let root = vouching(path, &trusted, &anchors);
            check_path(signer, path, root).map_err(|error| {
                refused.replace(Some(error));
                webpki::Error::UnknownIssuer
            })
        };
        let mut algorithms = webpki::ALL_VERIFICATION_ALGS.to_vec();
        algorithms.extend(P521_ALGORITHMS);
        let path = leaf.verify_for_usage(
            &algorithms,
            &trusted,
            &intermediates,
            UnixTime::since_unix_epoch(since_epoch(at)),
            KeyUsage::required_if_present(CODE_SIGNING),
            None,
            Some(&check),
        );
        match path {
            Ok(path) => Ok(vouching(&path, &trusted, &anchors)),
            Err(error) => Err(refused.take().unwrap_or_else(|| {
                let all = others.iter().chain(&self.intermediates).chain(anchors);
                constrained(&error, all).unwrap_or_else(|| no_path(error))
            })),
        }
    }
}

fn trust_anchor(certificate: &Certificate) -> Result<TrustAnchor<'_>, CertificateError> {
    anchor_from_trusted_cert(certificate.as_der())
        .map_err(|e| CertificateError::Malformed(explained(&e)))
}

/// The certificate of a path's end: `anchors` are those of `trusted`, in its order. Two roots may have one name and one key,
/// so it is found by where it is.
fn vouching<'a>(
    path: &VerifiedPath<'_>,
    trusted: &[TrustAnchor<'_>],
    anchors: &[&'a Certificate],
) -> &'a Certificate {
    let same = |anchor: &TrustAnchor<'_>| std::ptr::eq(anchor, path.anchor());
    let index = trusted.iter().position(same);
    anchors[index.expect("a path ends at one of the anchors that were given")]
}

/// Whose name constraints webpki found broken before anybody else saw the path.
fn constrained<'a>(
    error: &webpki::Error,
    mut all: impl Iterator<Item = &'a Certificate>,
) -> Option<ChainError> {
    let is_it = matches!(error, webpki::Error::NameConstraintViolation);
    let refused = all.find_map(|certificate| match certificate.check_extensions() {
        Err(error @ CertificateError::NameConstraints { .. }) => Some(error),
        _ => None,
    });
    refused.filter(|_| is_it).map(ChainError::Certificate)
}

/// What webpki does not look at: key usage of authorities, extensions that it does not apply, whom they say that they are
/// issued by, and the root's path length.
fn check_path(
    signer: &Certificate,
    path: &VerifiedPath<'_>,
    root: &Certificate,
) -> Result<(), ChainError> {
    let between = path.intermediate_certificates();
    let between = between.map(|certificate| Certificate::from_der(certificate.der().to_vec()));
    let between = between.collect::<Result<Vec<_>, _>>()?;
    let mut below = signer;
    for issuer in between.iter().chain([root]) {
        issuer.check_for_issuing()?;
        issuer.check_extensions()?;
        if !below.identifies(issuer)? {
            return Err(ChainError::OtherIssuer {
                subject: shortened(&below.subject()),
                issuer: shortened(&issuer.subject()),
            });
        }
        below = issuer;
    }
    match root.path_length()? {
        Some(allowed) if between.len() > usize::from(allowed) => Err(ChainError::PathLength {
            subject: shortened(&root.subject()),
            allowed,
            found: between.len(),
        }),
        _ => Ok(()),
    }
}

fn check_validity(certificate: &Certificate, at: SystemTime) -> Result<(), ChainError> {
    let validity = certificate.validity();
    let at = since_epoch(at);
    if validity.not_before.to_unix_duration() <= at && at <= validity.not_after.to_unix_duration() {
        return Ok(());
    }
    // Beyond the year 9999 there is no time in a certificate, and no way to write it.
    let at = x509_cert::der::DateTime::from_unix_duration(at).map_or_else(
        |_| "a time after the year 9999".to_owned(),
        |at| at.to_string(),
    );
    let shown = |time: Time| time.to_date_time().to_string();
    Err(ChainError::Validity {
        subject: shortened(&certificate.subject()),
        not_before: shown(validity.not_before),
        not_after: shown(validity.not_after),
        at,
    })
}

/// In whole seconds, as certificates count, so that the last second is all of it.
fn since_epoch(at: SystemTime) -> Duration {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since.as_secs())
}

/// webpki's errors, of which the common ones say what to look at.
fn explained(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => "no certificate leads from it to a root that was given",
        E::CertExpired { .. } => "a certificate between it and the root has expired",
        E::CertNotValidYet { .. } => "a certificate between it and the root is not valid yet",
        E::InvalidSignatureForPublicKey => {
            "a certificate names an issuer who did not sign it (another one of the same name?)"
        }
        E::EndEntityUsedAsCa => "an issuer is not an authority (CA:TRUE)",
        E::PathLenConstraintViolated => "an authority has more authorities below it than it may",
        E::MaximumPathDepthExceeded => "there are over 6 certificates between it and the root",
        E::NameConstraintViolation => "an authority may not vouch for such a name",
        E::UnsupportedCriticalExtension => "a critical extension is not known here",
        E::UnsupportedCertVersion => "a certificate is not of version 3",
        E::RequiredEkuNotFoundContext(_) => {
            "an authority's extended key usage leaves out codeSigning"
        }
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a certificate is signed by an algorithm that is not trusted here, such as SHA-1 or RSA with under 2048 bits"
        }
        other => return format!("{other:?}"),
    }
    .to_owned()
}

/// What ring has not got: authorities with keys on P-521.
static P521_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 3] = [
    &P521(Hash::Sha256),
    &P521(Hash::Sha384),
    &P521(Hash::Sha512),
];

#[derive(Debug)]
struct P521(Hash);

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl SignatureVerificationAlgorithm for P521 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.0 {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key =
            p521::ecdsa::VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature =
            p521::ecdsa::DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        match self.0 {
            Hash::Sha256 => key.verify_prehash(&sha2::Sha256::digest(message), &signature),
            Hash::Sha384 => key.verify_prehash(&sha2::Sha384::digest(message), &signature),
            Hash::Sha512 => key.verify_prehash(&sha2::Sha512::digest(message), &signature),
        }
        .map_err(|_| InvalidSignature)
    }
}
