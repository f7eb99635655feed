//! Keys, certificates and bundles that are made for one test. No private key is kept anywhere.

// Each test is a program of its own, and uses a part of this.
#![allow(dead_code)]

use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candor_core::Sha256;
use candor_core::record::pae;
use candor_oms::{Bundle, SignedFile, SigningKey, Statement, Trust, Verified};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePublicKey;
use serde_json::{Value, json};
use x509_cert::SubjectPublicKeyInfo;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::{Certificate, TbsCertificate};
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::oid::db::rfc5280::ID_KP_CODE_SIGNING;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::{Time, Validity};

pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A random number that is not zero and less than any of the three curves' orders.
fn random(bytes: usize) -> Vec<u8> {
    let mut number = vec![0; bytes];
    getrandom::fill(&mut number).expect("the system has random numbers");
    number[0] = if bytes == 66 { 0 } else { number[0] & 0x7f };
    number[bytes - 1] |= 1;
    number
}

pub(crate) fn p256_key() -> p256::SecretKey {
    p256::SecretKey::from_slice(&random(32)).expect("in range")
}

pub(crate) fn p384_key() -> p384::SecretKey {
    p384::SecretKey::from_slice(&random(48)).expect("in range")
}

pub(crate) fn p521_key() -> p521::SecretKey {
    p521::SecretKey::from_slice(&random(66)).expect("in range")
}

pub(crate) fn file(name: &str, content: &str) -> SignedFile {
    SignedFile {
        name: name.parse().expect("a name"),
        sha256: Sha256::of(content),
    }
}

pub(crate) fn statement() -> Statement {
    let files = vec![
        file("weights.bin", "weights"),
        file("config.json", "{}"),
        file("sub/vocab.txt", "a b"),
    ];
    let ignored = "model.sig".parse().expect("a name");
    Statement::new("demo", files, [ignored]).expect("a statement")
}

/// The statement of [`statement`] as JSON, in the order of `model_signing`.
pub(crate) fn statement_json() -> Value {
    let statement = statement();
    let resource = |file: &SignedFile| {
        json!({
            "name": file.name.as_str(),
            "algorithm": "sha256",
            "digest": file.sha256.to_string(),
        })
    };
    let resources: Vec<_> = statement.files().iter().map(resource).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "demo", "digest": {"sha256": statement.root_digest().to_string()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": false,
                "ignore_paths": [".git", ".gitattributes", ".github", ".gitignore", "model.sig"],
            },
            "resources": resources,
        },
    })
}

/// Gives a statement the root digest of its resources.
pub(crate) fn with_root(mut statement: Value) -> Value {
    let resources = statement["predicate"]["resources"]
        .as_array()
        .expect("a list");
    let digests: Vec<u8> = resources
        .iter()
        .flat_map(|file| hex::decode(file["digest"].as_str().expect("a text")).expect("hex"))
        .collect();
    statement["subject"][0]["digest"]["sha256"] = Sha256::of(digests).to_string().into();
    statement
}

/// A bundle with any payload, signed by `key`.
pub(crate) fn bundle_over(payload: &[u8], key: &p256::SecretKey) -> Value {
    let signing = p256::ecdsa::SigningKey::from(key);
    let signature: p256::ecdsa::DerSignature = signing.sign(&pae(PAYLOAD_TYPE, payload));
    let hint = SigningKey::from(key.clone()).public_key().hint();
    bundle_with(
        &json!({"publicKey": {"hint": hint.to_string()}, "tlogEntries": []}),
        payload,
        signature.as_bytes(),
    )
}

pub(crate) fn bundle_with(material: &Value, payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": BASE64_STANDARD.encode(signature), "keyid": ""}],
        },
    })
}

/// A change, and what is in the message of the error.
pub(crate) type Row = (&'static str, fn(&mut Value), &'static str);

/// Takes a member out of an object.
pub(crate) fn remove(object: &mut Value, member: &str) {
    let members = object.as_object_mut().expect("an object");
    members.remove(member).expect("it is there");
}

/// Writes an object as the array of its members, in the order of `fields`; null for what is not there.
pub(crate) fn as_array(json: &mut Value, pointer: &str, fields: &[&str]) {
    let object = json.pointer_mut(pointer).expect("it is there");
    let members = object.as_object_mut().expect("an object");
    let mut member = |field: &&str| members.remove(*field).unwrap_or_default();
    let array: Vec<Value> = fields.iter().map(&mut member).collect();
    assert!(members.is_empty(), "{members:?}");
    *object = array.into();
}

/// What a reader who trusts `key` is told of a bundle.
pub(crate) fn read(bundle: &[u8], key: &p256::SecretKey) -> Result<Verified, String> {
    let key = SigningKey::from(key.clone()).public_key();
    let bundle = Bundle::parse(bundle).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })?;
    bundle.verify(&Trust::Key(key)).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })
}

/// 2026-01-01, the time of all tests with certificates.
pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const YEAR: u64 = 31_536_000;

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) subject: &'static str,
    /// CA, and the path length; none for no such extension.
    pub(crate) constraints: Option<(bool, Option<u8>)>,
    pub(crate) usage: Option<FlagSet<KeyUsages>>,
    pub(crate) extended: Vec<ObjectIdentifier>,
    pub(crate) email: Option<&'static str>,
    pub(crate) unknown_critical: bool,
    /// Further ones.
    pub(crate) extensions: Vec<Extension>,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Spec {
    pub(crate) fn authority(subject: &'static str) -> Self {
        Self {
            subject,
            constraints: Some((true, None)),
            usage: Some(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            extended: Vec::new(),
            email: None,
            unknown_critical: false,
            extensions: Vec::new(),
            from: NOW - 5 * YEAR,
            to: NOW + 5 * YEAR,
        }
    }

    pub(crate) fn signer(subject: &'static str) -> Self {
        Self {
            constraints: Some((false, None)),
            usage: Some(KeyUsages::DigitalSignature.into()),
            extended: vec![ID_KP_CODE_SIGNING],
            email: Some("signer@example.com"),
            from: NOW - YEAR,
            to: NOW + YEAR,
            ..Self::authority(subject)
        }
    }
}

/// Who issues certificates.
pub(crate) struct Authority {
    pub(crate) key: AuthorityKey,
    pub(crate) certificate: Certificate,
}

pub(crate) enum AuthorityKey {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
}

impl AuthorityKey {
    fn spki(&self) -> SubjectPublicKeyInfo {
        match self {
            Self::P256(key) => spki(&key.public_key()),
            Self::P384(key) => spki(&key.public_key()),
            Self::P521(key) => spki(&key.public_key()),
        }
    }
}

pub(crate) fn spki(key: &impl EncodePublicKey) -> SubjectPublicKeyInfo {
    let der = key.to_public_key_der().expect("an encoding");
    SubjectPublicKeyInfo::from_der(der.as_bytes()).expect("a key")
}

impl Authority {
    /// Its own issuer.
    pub(crate) fn root(spec: &Spec) -> Self {
        Self::root_with(AuthorityKey::P256(p256_key()), spec)
    }

    pub(crate) fn root_with(key: AuthorityKey, spec: &Spec) -> Self {
        let certificate = issued(spec, key.spki(), &key, name(spec.subject));
        Self { key, certificate }
    }

    /// One that this one vouches for.
    pub(crate) fn authority(&self, spec: &Spec) -> Self {
        let key = AuthorityKey::P256(p256_key());
        let certificate = self.issue(spec, key.spki());
        Self { key, certificate }
    }

    pub(crate) fn issue(&self, spec: &Spec, key: SubjectPublicKeyInfo) -> Certificate {
        let issuer = self.certificate.tbs_certificate().subject().clone();
        issued(spec, key, &self.key, issuer)
    }

    pub(crate) fn pem(&self) -> String {
        pem(&self.certificate)
    }
}

pub(crate) fn pem(certificate: &Certificate) -> String {
    certificate.to_pem(LineEnding::LF).expect("an encoding")
}

pub(crate) fn chain_json(certificates: &[&Certificate]) -> Value {
    let certificates: Vec<_> = certificates
        .iter()
        .map(|certificate| {
            let der = certificate.to_der().expect("an encoding");
            json!({"rawBytes": BASE64_STANDARD.encode(der)})
        })
        .collect();
    json!({"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []})
}

fn name(common: &str) -> Name {
    Name::from_str(&format!("CN={common}")).expect("a name")
}

struct Profile {
    subject: Name,
    issuer: Name,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}

fn issued(
    spec: &Spec,
    key: SubjectPublicKeyInfo,
    issuer_key: &AuthorityKey,
    issuer: Name,
) -> Certificate {
    let time = |seconds| Time::try_from(at(seconds)).expect("a time");
    let profile = Profile {
        subject: name(spec.subject),
        issuer,
    };
    let serial = SerialNumber::new(&random(16)).expect("a number");
    let validity = Validity::new(time(spec.from), time(spec.to));
    let mut builder =
        CertificateBuilder::new(profile, serial, validity, key).expect("a certificate");
    if let Some((ca, path_len_constraint)) = spec.constraints {
        let constraints = BasicConstraints {
            ca,
            path_len_constraint,
        };
        builder.add_extension(&constraints).expect("an extension");
    }
    if let Some(usage) = spec.usage {
        builder
            .add_extension(&KeyUsage(usage))
            .expect("an extension");
    }
    if !spec.extended.is_empty() {
        let extended = ExtendedKeyUsage(spec.extended.clone());
        builder.add_extension(&extended).expect("an extension");
    }
    if let Some(email) = spec.email {
        let email = Ia5String::new(email).expect("ASCII");
        let names = SubjectAltName(vec![GeneralName::Rfc822Name(email)]);
        builder.add_extension(&names).expect("an extension");
    }
    if spec.unknown_critical {
        let unknown = Extension {
            extn_id: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1"),
            critical: true,
            extn_value: OctetString::new([5, 0]).expect("short"),
        };
        builder.add_extension(unknown).expect("an extension");
    }
    for extension in &spec.extensions {
        builder
            .add_extension(extension.clone())
            .expect("an extension");
    }
    match issuer_key {
        AuthorityKey::P256(key) => {
            builder.build::<_, p256::ecdsa::DerSignature>(&p256::ecdsa::SigningKey::from(key))
        }
        AuthorityKey::P384(key) => {
            builder.build::<_, p384::ecdsa::DerSignature>(&p384::ecdsa::SigningKey::from(key))
        }
        AuthorityKey::P521(key) => {
            builder.build::<_, p521::ecdsa::DerSignature>(&p521::ecdsa::SigningKey::from(key))
        }
    }
    .expect("a certificate")
}
