//! What certificates demand of whoever reads them: done, or the path is refused. Each refused path is taken without the
//! extension.

mod common;

use candor_core::record::pae;
use candor_oms::{Bundle, Roots, Signer, SignerError, SigningKey, Trust};
use common::{
    Authority, NOW, PAYLOAD_TYPE, Spec, at, bundle_with, chain_json, p256_key, pem, spki,
    statement_json,
};
use p256::ecdsa::signature::Signer as _;
use x509_cert::certificate::Certificate;
use x509_cert::der::Encode;
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::der::oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, NameConstraints, SubjectKeyIdentifier};

fn extension(oid: ObjectIdentifier, critical: bool, value: &impl Encode) -> Extension {
    Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(value.to_der().expect("an encoding")).expect("short"),
    }
}

/// Lets nobody pass whose e-mail address is elsewhere: that of [`Spec::signer`] may.
fn name_constraints(critical: bool) -> Extension {
    let host = GeneralName::Rfc822Name(Ia5String::new("example.com").expect("ASCII"));
    let permitted = GeneralSubtree {
        base: host,
        minimum: 0,
        maximum: None,
    };
    let constraints = NameConstraints {
        permitted_subtrees: Some(vec![permitted]),
        excluded_subtrees: None,
    };
    extension(NameConstraints::OID, critical, &constraints)
}

fn key_id(id: &[u8]) -> Extension {
    let id = SubjectKeyIdentifier(OctetString::new(id).expect("short"));
    extension(SubjectKeyIdentifier::OID, false, &id)
}

fn issuer_key_id(id: &[u8]) -> Extension {
    let id = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(id).expect("short")),
        ..Default::default()
    };
    extension(AuthorityKeyIdentifier::OID, false, &id)
}

fn issuer_certificate(issuer: &str, of: &Certificate) -> Extension {
    let issuer = issuer.parse().expect("a name");
    let id = AuthorityKeyIdentifier {
        key_identifier: None,
        authority_cert_issuer: Some(vec![GeneralName::DirectoryName(issuer)]),
        authority_cert_serial_number: Some(of.tbs_certificate().serial_number().clone()),
    };
    extension(AuthorityKeyIdentifier::OID, false, &id)
}

fn with(spec: Spec, extensions: Vec<Extension>) -> Spec {
    Spec { extensions, ..spec }
}

fn bundle(certificates: &[&Certificate], key: &p256::SecretKey) -> Bundle {
    let payload = statement_json().to_string();
    let signature: p256::ecdsa::DerSignature =
        p256::ecdsa::SigningKey::from(key).sign(&pae(PAYLOAD_TYPE, payload.as_bytes()));
    let chain = chain_json(certificates);
    let json = bundle_with(&chain, payload.as_bytes(), signature.as_bytes());
    Bundle::parse(json.to_string().as_bytes()).expect("a bundle")
}

/// What a reader who trusts the root is told of the path from a signer over an authority to it.
fn said(root: &Spec, authority: &Spec, signer: &Spec) -> Result<(), String> {
    let root = Authority::root(root);
    let authority = root.authority(authority);
    let key = p256_key();
    let signer = authority.issue(signer, spki(&key.public_key()));
    let said = verified(
        &bundle(&[&signer, &authority.certificate], &key),
        &root.pem(),
    );

    // Nobody signs what no reader takes. Of roots, signers need not know.
    let chain = format!("{}{}", pem(&signer), authority.pem());
    let signing = Signer::with_certificate(SigningKey::from(key), chain.as_bytes());
    match &said {
        Err(error) if !error.contains("CN=Root") => {
            let error = signing.expect_err("refused").to_string();
            assert_eq!(said, Err(error));
        }
        _ => assert!(signing.is_ok(), "{signing:?}"),
    }
    said
}

fn verified(bundle: &Bundle, roots: &str) -> Result<(), String> {
    let roots = Roots::from_pem(roots.as_bytes()).expect("roots");
    let said = bundle.verify(&Trust::Roots { roots, at: at(NOW) });
    said.map(drop).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })
}

fn specs() -> (Spec, Spec, Spec) {
    (
        Spec::authority("Root"),
        Spec::authority("Authority"),
        Spec::signer("Signer"),
    )
}

#[test]
fn a_path_with_name_constraints_is_refused_whoever_has_them() {
    let (root, authority, signer) = specs();
    // Without alternative names, webpki finds nothing to hold them against.
    let unnamed = Spec {
        email: None,
        ..signer.clone()
    };
    for (signer, critical) in [
        (&signer, true),
        (&signer, false),
        (&unnamed, true),
        (&unnamed, false),
    ] {
        said(&root, &authority, signer).expect("without them");
        let constrained = |spec: &Spec| with(spec.clone(), vec![name_constraints(critical)]);
        for (said, who) in [
            (said(&constrained(&root), &authority, signer), "Root"),
            (said(&root, &constrained(&authority), signer), "Authority"),
            (said(&root, &authority, &constrained(signer)), "Signer"),
        ] {
            let error = said.expect_err(who);
            assert!(
                error.starts_with(&format!(
                    "the certificate of \"CN={who}\" has name constraints"
                )),
                "{error}"
            );
        }
    }
}

#[test]
fn constraints_on_a_way_that_is_not_taken_refuse_nothing() {
    // The root signed one and the same authority twice.
    let (root, authority, signer) = specs();
    let signer = Spec {
        email: None,
        ..signer
    };
    let root = Authority::root(&root);
    let constrained = root.authority(&with(authority.clone(), vec![name_constraints(true)]));
    let common::AuthorityKey::P256(key) = &constrained.key else {
        panic!("the authorities of tests are on P-256")
    };
    let free = root.issue(&authority, spki(&key.public_key()));
    let key = p256_key();
    let signer = constrained.issue(&signer, spki(&key.public_key()));
    let both = bundle(&[&signer, &constrained.certificate, &free], &key);
    verified(&both, &root.pem()).expect("by the other one");
    let one = bundle(&[&signer, &constrained.certificate], &key);
    verified(&one, &root.pem()).expect_err("by that alone");
}

#[test]
fn a_critical_extension_that_is_not_known_is_refused_whoever_has_it() {
    let (root, authority, signer) = specs();
    let policies: ObjectIdentifier = ID_CE_CERTIFICATE_POLICIES;
    for oid in [
        ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1"),
        policies,
    ] {
        let list: Vec<()> = Vec::new();
        let demanding =
            |spec: &Spec, critical| with(spec.clone(), vec![extension(oid, critical, &list)]);
        said(
            &demanding(&root, false),
            &demanding(&authority, false),
            &demanding(&signer, false),
        )
        .expect("none of them is critical");
        let critical = format!("has a critical extension that is not known here, {oid}");
        let error = said(&demanding(&root, true), &authority, &signer);
        let error = error.expect_err("in the root");
        assert!(
            error.contains("CN=Root") && error.contains(&critical),
            "{error}"
        );
        let error = said(&root, &authority, &demanding(&signer, true));
        let error = error.expect_err("in the signer's");
        assert!(
            error.contains("CN=Signer") && error.contains(&critical),
            "{error}"
        );
        // Between them, webpki is the one who refuses.
        let root = Authority::root(&root);
        let authority = root.authority(&demanding(&authority, true));
        let key = p256_key();
        let issued = authority.issue(&signer, spki(&key.public_key()));
        let chain = bundle(&[&issued, &authority.certificate], &key);
        let error = verified(&chain, &root.pem()).expect_err("between them");
        assert!(
            error.contains("a critical extension is not known here"),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_is_issued_by_the_key_that_it_names() {
    let (root, authority, signer) = specs();
    let (root, authority) = (
        with(root, vec![key_id(b"root")]),
        with(
            authority,
            vec![key_id(b"authority"), issuer_key_id(b"root")],
        ),
    );
    let names = |id: &[u8]| with(signer.clone(), vec![issuer_key_id(id)]);
    said(&root, &authority, &names(b"authority")).expect("that key");
    said(&root, &Spec::authority("Authority"), &names(b"any")).expect("its key has no name");
    assert_eq!(
        said(&root, &authority, &names(b"another")),
        Err("the certificate of \"CN=Signer\" says that another key or certificate of \"CN=Authority\" issued it (authorityKeyIdentifier)".to_owned())
    );
    let stranger = with(
        Spec::authority("Authority"),
        vec![issuer_key_id(b"stranger")],
    );
    assert_eq!(
        said(&root, &stranger, &signer),
        Err("the certificate of \"CN=Authority\" says that another key or certificate of \"CN=Root\" issued it (authorityKeyIdentifier)".to_owned())
    );
}

#[test]
fn a_certificate_is_issued_by_the_certificate_that_it_names() {
    let root = Authority::root(&Spec::authority("Root"));
    let authority = root.authority(&Spec::authority("Authority"));
    let key = p256_key();
    let said = |named: Extension| {
        let spec = with(Spec::signer("Signer"), vec![named]);
        let signer = authority.issue(&spec, spki(&key.public_key()));
        verified(
            &bundle(&[&signer, &authority.certificate], &key),
            &root.pem(),
        )
    };
    said(issuer_certificate("CN=Root", &authority.certificate)).expect("that certificate");
    for other in [
        issuer_certificate("CN=Other", &authority.certificate),
        issuer_certificate("CN=Root", &root.certificate),
    ] {
        let error = said(other).expect_err("another certificate");
        assert!(
            error.contains("another key or certificate of \"CN=Authority\""),
            "{error}"
        );
    }
}

#[test]
fn a_signer_has_another_name_than_its_issuer() {
    let root = Authority::root(&Spec::authority("Root"));
    let key = p256_key();
    let signed = |name| {
        let signer = root.issue(&Spec::signer(name), spki(&key.public_key()));
        let signing = Signer::with_certificate(key.clone().into(), pem(&signer).as_bytes());
        (verified(&bundle(&[&signer], &key), &root.pem()), signing)
    };
    let (said, signing) = signed("Signer");
    assert!(said.is_ok() && signing.is_ok());
    for name in ["Root", "rooT"] {
        let (said, signing) = signed(name);
        assert_eq!(
            said,
            Err(format!(
                "the certificate of \"CN={name}\" names itself as its issuer"
            ))
        );
        assert!(matches!(signing, Err(SignerError::SelfIssued { .. })));
    }
}
