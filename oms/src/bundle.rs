//! The file `model.sig`: a Sigstore bundle v0.3 with a DSSE envelope.
//!
//! ```text
//! {"mediaType", "verificationMaterial": {"publicKey": {"hint"}}  or {"x509CertificateChain": {"certificates": […]}},
//!  "dsseEnvelope": {"payload", "payloadType", "signatures": [{"sig", "keyid"}]}}
//! ```
//!
//! Always: one payload, one signature, one way to find its key. What the payload says nobody knows before the signature
//! was checked, so there is no way to read it here.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use candor_core::Sha256;
use candor_core::record::{JsonError, PAYLOAD_TYPE, parse_strict_bounded};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::certificate::{Certificate, CertificateError};
use crate::key::{KeyError, PublicKey};
use crate::text::{form, shortened};

/// The most bytes of a bundle: those of [`crate::FILES_MAX`] files with long names.
pub const BUNDLE_BYTES_MAX: usize = 128 << 20;

/// A bundle is some 20 values; each entry of a transparency log has some 100 more.
const VALUES_MAX: usize = 10_000;

/// The most certificates of a chain. Paths to a root have at most 6 between the ends.
const CERTIFICATES_MAX: usize = 16;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A signature of a model, well-formed. Nobody has checked yet who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub(crate) material: Material,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What says which key to check against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    /// Which key of those that the reader has.
    Key(KeyReference),
    /// The signer's certificate, then those that may lead to a root.
    Certificates(Vec<Certificate>),
}

/// A name for a key, by which no key is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyReference {
    /// SHA-256 of its PEM, in hexadecimal digits. Not empty.
    pub(crate) hint: Option<String>,
    /// The key itself, as releases before 1.1 wrote it.
    pub(crate) key: Option<PublicKey>,
}

/// How a model is signed (OMS 1.0 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By a key that the reader knows.
    Key,
    /// By a key in a certificate, whose root the reader knows.
    Certificate,
}

/// Why bytes are no signature of a model, or not one that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Over [`BUNDLE_BYTES_MAX`].
    #[error("the signature has {0} bytes, and at most {BUNDLE_BYTES_MAX} are read")]
    TooLong(usize),
    /// Not strict JSON.
    #[error("the signature is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A field is missing, unknown or of the wrong type.
    #[error("the signature's form: {0}")]
    Form(String),
    /// Another kind of bundle.
    #[error("the mediaType is {0:?}, and only {MEDIA_TYPE:?} is read here")]
    MediaType(String),
    /// Sigstore's keyless signing.
    #[error(
        "the model is signed without a key of its own, by Sigstore (\"certificate\"), which is not read here"
    )]
    Keyless,
    /// More or less than one way to find the key.
    #[error(
        "verificationMaterial has {0} of publicKey and x509CertificateChain, and should have exactly one"
    )]
    Material(usize),
    /// A signature over bytes without a statement.
    #[error("the signature is a messageSignature, and that of a model is a dsseEnvelope")]
    MessageSignature,
    /// An envelope with something else in it.
    #[error("the payloadType is {0:?}, and only {PAYLOAD_TYPE:?} is read here")]
    PayloadType(String),
    /// More or less than one signature.
    #[error("the envelope has {0} signatures, and should have exactly one")]
    Signatures(usize),
    /// Broken base64.
    #[error("{0} is not base64 with padding")]
    Base64(&'static str),
    /// The old form of `publicKey` with something else in it.
    #[error("publicKey.rawBytes: {0}")]
    RawKey(KeyError),
    /// None, or too many.
    #[error("the chain has {0} certificates, and may have 1 to {CERTIFICATES_MAX}")]
    Certificates(usize),
    /// A broken certificate.
    #[error("certificates[{index}] of the chain: {error}")]
    Certificate {
        /// Counted from 0.
        index: usize,
        /// What is wrong.
        error: CertificateError,
    },
}

impl BundleError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong(_) => {
                "a signature is some 300 bytes a file: check that this is the right file"
            }
            Self::Json(_) | Self::MessageSignature | Self::PayloadType(_) => {
                "name the file that `model_signing sign` wrote, model.sig unless told otherwise"
            }
            Self::MediaType(_) => {
                "it is a signature of another kind, or of another release of the format: sign the model again"
            }
            Self::Keyless => {
                "check it with `model_signing verify sigstore`, or have the model signed by a key or a certificate"
            }
            Self::Form(_)
            | Self::Material(_)
            | Self::Signatures(_)
            | Self::Base64(_)
            | Self::RawKey(_)
            | Self::Certificates(_)
            | Self::Certificate { .. } => {
                "it was damaged or changed after it was written, or the program that wrote it does not follow OMS 1.0: get it again"
            }
        }
    }
}

impl Bundle {
    /// Whether a file that begins with these bytes may be a signature: it names the media type, which is written first. It
    /// may be anything else.
    pub fn looks_like_one(beginning: &[u8]) -> bool {
        beginning
            .windows(MEDIA_TYPE.len())
            .any(|it| it == MEDIA_TYPE.as_bytes())
    }

    /// Reads a `model.sig`.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLong(bytes.len()));
        }
        let mut json = parse_strict_bounded(bytes, VALUES_MAX)?;
        // Before its form: the form of another release of the format is another one.
        if let Some(Value::String(media_type)) = json.get_mut("mediaType")
            && media_type != MEDIA_TYPE
        {
            return Err(BundleError::MediaType(shortened(media_type)));
        }
        let json: BundleJson = form(json).map_err(BundleError::Form)?;
        if json.media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType(shortened(&json.media_type)));
        }
        if json.message_signature.is_some() {
            return Err(BundleError::MessageSignature);
        }
        let missing = || BundleError::Form("missing field `dsseEnvelope`".to_owned());
        let envelope = json.dsse_envelope.ok_or_else(missing)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(BundleError::PayloadType(shortened(&envelope.payload_type)));
        }
        let [signature] = <[_; 1]>::try_from(envelope.signatures)
            .map_err(|all| BundleError::Signatures(all.len()))?;
        Ok(Self {
            material: material(json.verification_material)?,
            payload: decoded("payload", &envelope.payload)?,
            signature: decoded("sig", &signature.sig)?,
        })
    }

    /// How the model is signed: whether a key is needed to check it, or roots.
    pub fn method(&self) -> Method {
        match self.material {
            Material::Key(_) => Method::Key,
            Material::Certificates(_) => Method::Certificate,
        }
    }

    /// What the bundle says of the key that signed it: its [`PublicKey::hint`]. Anybody can write it there, so it helps to
    /// find a key and proves nothing.
    pub fn key_hint(&self) -> Option<Sha256> {
        match &self.material {
            Material::Key(key) => match (&key.hint, &key.key) {
                (Some(hint), _) => hint.parse().ok(),
                (None, key) => key.as_ref().map(PublicKey::hint),
            },
            Material::Certificates(_) => None,
        }
    }

    /// The file's bytes, as `model_signing` writes them: one line of JSON.
    pub fn to_json(&self) -> String {
        let mut verification_material = MaterialJson {
            tlog_entries: Some(Vec::new()),
            ..MaterialJson::default()
        };
        match &self.material {
            Material::Key(key) => {
                verification_material.public_key = Some(PublicKeyJson {
                    hint: key.hint.clone(),
                    raw_bytes: (key.key.as_ref()).map(|key| BASE64_STANDARD.encode(key.to_pem())),
                    key_details: None,
                });
            }
            Material::Certificates(certificates) => {
                let certificate = |certificate: &Certificate| CertificateJson {
                    raw_bytes: BASE64_STANDARD.encode(certificate.as_der()),
                };
                verification_material.x509_certificate_chain = Some(ChainJson {
                    certificates: certificates.iter().map(certificate).collect(),
                });
            }
        }
        let json = BundleJson {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material,
            dsse_envelope: Some(EnvelopeJson {
                payload: BASE64_STANDARD.encode(&self.payload),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: vec![SignatureJson {
                    sig: BASE64_STANDARD.encode(&self.signature),
                    keyid: Some(String::new()),
                }],
            }),
            message_signature: None,
        };
        serde_json::to_string(&json).expect("it has only texts, lists and objects")
    }
}

fn material(json: MaterialJson) -> Result<Material, BundleError> {
    if json.certificate.is_some() {
        return Err(BundleError::Keyless);
    }
    match (json.public_key, json.x509_certificate_chain) {
        (Some(key), None) => Ok(Material::Key(key_reference(key)?)),
        (None, Some(chain)) => Ok(Material::Certificates(certificates(chain)?)),
        (Some(_), Some(_)) => Err(BundleError::Material(2)),
        (None, None) => Err(BundleError::Material(0)),
    }
}

fn key_reference(json: PublicKeyJson) -> Result<KeyReference, BundleError> {
    let raw = |text: String| {
        let bytes = decoded("publicKey.rawBytes", &text)?;
        // Sigstore says DER, and `model_signing` wrote PEM.
        match str::from_utf8(&bytes) {
            Ok(pem) if pem.starts_with("-----BEGIN") => PublicKey::from_pem(pem),
            _ => PublicKey::from_spki_der(&bytes),
        }
        .map_err(BundleError::RawKey)
    };
    Ok(KeyReference {
        hint: json.hint.filter(|hint| !hint.is_empty()),
        key: json.raw_bytes.map(raw).transpose()?,
    })
}

fn certificates(chain: ChainJson) -> Result<Vec<Certificate>, BundleError> {
    let count = chain.certificates.len();
    if !(1..=CERTIFICATES_MAX).contains(&count) {
        return Err(BundleError::Certificates(count));
    }
    let certificate = |(index, json): (usize, CertificateJson)| {
        let der = decoded("rawBytes of a certificate", &json.raw_bytes)?;
        Certificate::from_der(der).map_err(|error| BundleError::Certificate { index, error })
    };
    chain
        .certificates
        .into_iter()
        .enumerate()
        .map(certificate)
        .collect()
}

/// Either alphabet, since DSSE lets signers choose.
fn decoded(what: &'static str, text: &str) -> Result<Vec<u8>, BundleError> {
    let alphabet = if text.contains(['-', '_']) {
        BASE64_URL_SAFE
    } else {
        BASE64_STANDARD
    };
    alphabet.decode(text).map_err(|_| BundleError::Base64(what))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BundleJson {
    media_type: String,
    verification_material: MaterialJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<EnvelopeJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_signature: Option<Value>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MaterialJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKeyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<ChainJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    // What other parties say of the signature, of which nothing is needed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    tlog_entries: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublicKeyJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_details: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainJson {
    certificates: Vec<CertificateJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CertificateJson {
    raw_bytes: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EnvelopeJson {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    sig: String,
    // It names a key to whoever wrote it, and decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
}
