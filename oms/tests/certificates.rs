//! Certificates: which paths to a root are taken, and what the reader is told of the others.

mod common;

use std::time::{Duration, SystemTime};

use candor_core::Sha256;
use candor_core::record::pae;
use candor_oms::{Bundle, Method, Roots, SignedBy, Signer, SigningKey, Trust, Verified};
use common::{
    Authority, AuthorityKey, NOW, PAYLOAD_TYPE, Spec, YEAR, at, bundle_with, chain_json, p256_key,
    p384_key, p521_key, pem, spki, statement, statement_json,
};
use p256::ecdsa::signature::Signer as _;
use x509_cert::certificate::Certificate;
use x509_cert::der::Encode as _;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::KeyUsages;

/// A signature by `key` with these certificates, whatever they are.
fn bundle(certificates: &[&Certificate], key: &p256::SecretKey) -> Bundle {
    let payload = statement_json().to_string();
    let signature: p256::ecdsa::DerSignature =
        p256::ecdsa::SigningKey::from(key).sign(&pae(PAYLOAD_TYPE, payload.as_bytes()));
    let json = bundle_with(
        &chain_json(certificates),
        payload.as_bytes(),
        signature.as_bytes(),
    );
    Bundle::parse(json.to_string().as_bytes()).expect("a bundle")
}

fn verify_at(bundle: &Bundle, roots: &str, at: SystemTime) -> Result<Verified, String> {
    let roots = Roots::from_pem(roots.as_bytes()).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })?;
    bundle.verify(&Trust::Roots { roots, at }).map_err(|error| {
        assert!(!error.hint().is_empty());
        error.to_string()
    })
}

fn verify(bundle: &Bundle, roots: &str) -> Result<Verified, String> {
    verify_at(bundle, roots, at(NOW))
}

#[track_caller]
fn assert_refused(said: Result<Verified, String>, message: &str) {
    let said = said.expect_err(message);
    assert!(said.contains(message), "{message}: {said}");
}

/// A root, an authority below it, and a signer below that.
struct World {
    root: Authority,
    authority: Authority,
    key: p256::SecretKey,
    signer: Certificate,
}

fn world_of(root: &Spec, authority: &Spec, signer: &Spec) -> World {
    let root = Authority::root(root);
    let authority = root.authority(authority);
    let key = p256_key();
    let signer = authority.issue(signer, spki(&key.public_key()));
    World {
        root,
        authority,
        key,
        signer,
    }
}

fn world() -> World {
    let (root, authority) = (Spec::authority("Root"), Spec::authority("Authority"));
    world_of(&root, &authority, &Spec::signer("Signer"))
}

impl World {
    fn bundle(&self) -> Bundle {
        bundle(&[&self.signer, &self.authority.certificate], &self.key)
    }

    fn verify(&self) -> Result<Verified, String> {
        verify(&self.bundle(), &self.root.pem())
    }
}

#[test]
fn a_chain_to_a_root_says_who_signed() {
    let world = world();
    let bundle = world.bundle();
    assert_eq!(bundle.method(), Method::Certificate);
    let verified = verify(&bundle, &world.root.pem()).expect("a chain");
    assert_eq!(*verified.statement(), statement());
    let SignedBy::Certificate(identity) = verified.signer() else {
        panic!("signed by a certificate")
    };
    assert_eq!(identity.subject, "CN=Signer");
    assert_eq!(identity.issuer, "CN=Authority");
    assert_eq!(identity.root, "CN=Root");
    assert_eq!(identity.alternative_names, ["email:signer@example.com"]);
    assert_eq!(identity.not_before, at(NOW - YEAR));
    assert_eq!(identity.not_after, at(NOW + YEAR));
    let key = SigningKey::from(world.key.clone()).public_key();
    assert_eq!(identity.key, key.hint());
    let sha256 = |certificate: &Certificate| Sha256::of(certificate.to_der().expect("DER"));
    assert_eq!(identity.fingerprint, sha256(&world.signer));
    assert_eq!(identity.root_fingerprint, sha256(&world.root.certificate));
    // Its length is as random as it is: DER has no zeros at the beginning.
    let serial = world.signer.tbs_certificate().serial_number();
    assert_eq!(identity.serial, hex::encode(serial.as_bytes()));
}

#[test]
fn what_our_signer_writes_with_a_certificate_is_verified_on_each_curve() {
    let root = Authority::root(&Spec::authority("Root"));
    let authority = root.authority(&Spec::authority("Authority"));
    let spec = Spec::signer("Signer");
    let (p256, p384, p521) = (p256_key(), p384_key(), p521_key());
    let keys = [
        (
            authority.issue(&spec, spki(&p256.public_key())),
            p256.into(),
        ),
        (
            authority.issue(&spec, spki(&p384.public_key())),
            p384.into(),
        ),
        (
            authority.issue(&spec, spki(&p521.public_key())),
            SigningKey::from(p521),
        ),
    ];
    for (certificate, key) in keys {
        // The root is left out: readers have theirs.
        let chain = format!("{}{}{}", pem(&certificate), authority.pem(), root.pem());
        let signer = Signer::with_certificate(key, chain.as_bytes()).expect("a chain");
        let json = signer.sign(&statement()).to_json();
        assert_eq!(json.matches("rawBytes").count(), 2);
        let bundle = Bundle::parse(json.as_bytes()).expect("a bundle");
        verify(&bundle, &root.pem()).expect("a chain");
    }
}

#[test]
fn authorities_on_every_curve_vouch() {
    let keys = [
        AuthorityKey::P384(p384_key()),
        AuthorityKey::P521(p521_key()),
    ];
    for key in keys {
        let root = Authority::root_with(key, &Spec::authority("Root"));
        let key = p256_key();
        let signer = root.issue(&Spec::signer("Signer"), spki(&key.public_key()));
        verify(&bundle(&[&signer], &key), &root.pem()).expect("a chain");

        let other = Authority::root_with(AuthorityKey::P521(p521_key()), &Spec::authority("Root"));
        assert_refused(
            verify(&bundle(&[&signer], &key), &other.pem()),
            "nobody whom you trust",
        );
    }
}

#[test]
fn certificates_on_the_way_come_from_the_signature_or_the_reader() {
    let world = world();
    let (root, authority) = (world.root.pem(), world.authority.pem());
    let alone = bundle(&[&world.signer], &world.key);
    assert_refused(
        verify(&alone, &root),
        "no certificate leads from it to a root that was given",
    );
    verify(&alone, &format!("{authority}{root}")).expect("the reader's");
    verify(
        &alone,
        &format!("{root}text between\n{}", authority.trim_end()),
    )
    .expect("any order");

    // An authority that the reader gave is trusted only as far as a root vouches for it.
    assert_refused(
        verify(&world.bundle(), &authority),
        "none of the 1 certificates is a root",
    );
    let stranger = Authority::root(&Spec::authority("Stranger"));
    let mixed = format!("{authority}{}", stranger.pem());
    assert_refused(
        verify(&alone, &mixed),
        "no certificate leads from it to a root",
    );

    // The root, strangers and another order in the signature change nothing.
    let many = [
        &world.signer,
        &stranger.certificate,
        &world.root.certificate,
        &world.authority.certificate,
    ];
    verify(&bundle(&many, &world.key), &root).expect("a chain");
    assert_refused(
        verify(
            &bundle(&many, &world.key),
            &Authority::root(&Spec::authority("Root")).pem(),
        ),
        "a certificate names an issuer who did not sign it",
    );
}

#[test]
fn the_first_certificate_is_the_signers() {
    let world = world();
    let swapped = bundle(&[&world.authority.certificate, &world.signer], &world.key);
    assert_refused(
        verify(&swapped, &world.root.pem()),
        "\"CN=Authority\" is not for signing: it is an authority's",
    );
    // The certificate of another key.
    let other = bundle(&[&world.signer, &world.authority.certificate], &p256_key());
    assert_refused(
        verify(&other, &world.root.pem()),
        "the signature is not that of the key",
    );
}

#[test]
fn a_key_is_no_root_and_a_root_no_key() {
    let world = world();
    let key = SigningKey::from(world.key.clone());
    let error = world
        .bundle()
        .verify(&Trust::Key(key.public_key()))
        .expect_err("no key");
    assert_eq!(
        error.to_string(),
        "the model is signed by a certificate, and you trust a key"
    );
    let by_key = Signer::with_key(key).sign(&statement());
    assert_refused(
        verify(&by_key, &world.root.pem()),
        "the model is signed by a key, and you trust a certificate",
    );
}

#[test]
fn a_signers_certificate_is_for_signing_code() {
    let signer = Spec::signer("Signer");
    let none = || None;
    let usage = |usage: KeyUsages| Some(usage.into());
    let refused = [
        (
            usage(KeyUsages::KeyEncipherment),
            signer.extended.clone(),
            "its key usage is not",
        ),
        (
            usage(KeyUsages::NonRepudiation),
            signer.extended.clone(),
            "its key usage is not",
        ),
        (
            signer.usage,
            vec![],
            "its extended key usage is not codeSigning",
        ),
        (
            signer.usage,
            vec![ID_KP_SERVER_AUTH],
            "its extended key usage is not codeSigning",
        ),
        (
            signer.usage,
            vec![ANY_EXTENDED_KEY_USAGE],
            "its extended key usage is not codeSigning",
        ),
        (none(), vec![], "its extended key usage is not codeSigning"),
    ];
    for (usage, extended, message) in refused {
        let spec = Spec {
            usage,
            extended,
            ..signer.clone()
        };
        let world = world_of(
            &Spec::authority("Root"),
            &Spec::authority("Authority"),
            &spec,
        );
        assert_refused(world.verify(), message);
    }
    let taken = [
        Spec {
            usage: None,
            ..signer.clone()
        },
        Spec {
            constraints: None,
            ..signer.clone()
        },
        Spec {
            extended: vec![ID_KP_SERVER_AUTH, signer.extended[0]],
            ..signer.clone()
        },
    ];
    for spec in taken {
        let world = world_of(
            &Spec::authority("Root"),
            &Spec::authority("Authority"),
            &spec,
        );
        world.verify().expect("for signing code");
    }
    let unknown = Spec {
        unknown_critical: true,
        ..signer
    };
    let world = world_of(
        &Spec::authority("Root"),
        &Spec::authority("Authority"),
        &unknown,
    );
    assert_refused(
        world.verify(),
        "\"CN=Signer\" has a critical extension that is not known here, 1.3.6.1.4.1.99999.1",
    );
}

#[test]
fn only_authorities_vouch() {
    let authority = Spec::authority("Authority");
    let (root, signer) = (Spec::authority("Root"), Spec::signer("Signer"));
    let refused = [
        (
            Spec {
                constraints: Some((false, None)),
                ..authority.clone()
            },
            "an issuer is not an authority",
        ),
        (
            Spec {
                constraints: None,
                ..authority.clone()
            },
            "an issuer is not an authority",
        ),
        (
            Spec {
                usage: Some(KeyUsages::DigitalSignature.into()),
                ..authority.clone()
            },
            "\"CN=Authority\" can't vouch for others: its key usage is not keyCertSign",
        ),
        (
            Spec {
                extended: vec![ID_KP_SERVER_AUTH],
                ..authority.clone()
            },
            "an authority's extended key usage leaves out codeSigning",
        ),
        (
            Spec {
                unknown_critical: true,
                ..authority.clone()
            },
            "a critical extension",
        ),
    ];
    for (spec, message) in refused {
        assert_refused(world_of(&root, &spec, &signer).verify(), message);
    }
    let roots = [
        (
            Spec {
                constraints: Some((false, None)),
                ..root.clone()
            },
            "it is not an authority's",
        ),
        (
            Spec {
                constraints: None,
                usage: None,
                ..root.clone()
            },
            "it is not an authority's",
        ),
        (
            Spec {
                usage: Some(KeyUsages::DigitalSignature.into()),
                ..root.clone()
            },
            "its key usage is not keyCertSign",
        ),
        (
            Spec {
                extended: vec![ID_KP_SERVER_AUTH],
                ..root.clone()
            },
            "its extended key usage leaves out codeSigning",
        ),
    ];
    for (spec, message) in roots {
        assert_refused(world_of(&spec, &authority, &signer).verify(), message);
    }
    let without_usage = Spec {
        usage: None,
        ..root
    };
    world_of(&without_usage, &authority, &signer)
        .verify()
        .expect("RFC 5280 lets it");
}

#[test]
fn path_lengths_hold_for_authorities_and_for_the_root() {
    let (root, authority) = (Spec::authority("Root"), Spec::authority("Authority"));
    let signer = Spec::signer("Signer");
    let none = Spec {
        constraints: Some((true, Some(0))),
        ..root.clone()
    };
    assert_refused(
        world_of(&none, &authority, &signer).verify(),
        "the root \"CN=Root\" allows 0 authorities below it, and here are 1",
    );
    let one = Spec {
        constraints: Some((true, Some(1))),
        ..root.clone()
    };
    let world = world_of(&one, &authority, &signer);
    world.verify().expect("one is allowed");

    let last = Spec {
        constraints: Some((true, Some(0))),
        ..authority
    };
    let world = world_of(&root, &last, &signer);
    world.verify().expect("none below it");
    let below = world.authority.authority(&Spec::authority("Below"));
    let key = p256_key();
    let signer = below.issue(&signer, spki(&key.public_key()));
    let bundle = bundle(
        &[&signer, &below.certificate, &world.authority.certificate],
        &key,
    );
    assert_refused(
        verify(&bundle, &world.root.pem()),
        "an authority has more authorities below it than it may",
    );
}

#[test]
fn every_certificate_is_valid_at_the_time_that_is_asked_for() {
    let (root, authority) = (Spec::authority("Root"), Spec::authority("Authority"));
    let signer = Spec::signer("Signer");
    let world = world_of(&root, &authority, &signer);
    let when = |seconds| verify_at(&world.bundle(), &world.root.pem(), at(seconds));
    when(NOW - YEAR).expect("the first second");
    when(NOW + YEAR).expect("the last second");
    let in_the_last = at(NOW + YEAR) + Duration::from_millis(999);
    verify_at(&world.bundle(), &world.root.pem(), in_the_last).expect("the last second");
    assert_refused(
        when(NOW + YEAR + 1),
        "the certificate of \"CN=Signer\" is valid from 2025-01-01T00:00:00Z to 2027-01-01T00:00:00Z, and not at 2027-01-01T00:00:01Z",
    );
    assert_refused(when(NOW - YEAR - 1), "and not at 2024-12-31T23:59:59Z");
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_refused(
        verify_at(&world.bundle(), &world.root.pem(), before_1970),
        "and not at 1970-01-01T00:00:00Z",
    );

    let past = |spec: &Spec| Spec {
        to: NOW - 1,
        ..spec.clone()
    };
    let future = |spec: &Spec| Spec {
        from: NOW + 1,
        ..spec.clone()
    };
    assert_refused(
        world_of(&root, &past(&authority), &signer).verify(),
        "a certificate between it and the root has expired",
    );
    assert_refused(
        world_of(&root, &future(&authority), &signer).verify(),
        "a certificate between it and the root is not valid yet",
    );
    for spec in [past(&root), future(&root)] {
        assert_refused(
            world_of(&spec, &authority, &signer).verify(),
            "the certificate of \"CN=Root\" is valid from",
        );
    }
}

#[test]
fn a_signer_that_is_its_own_root_is_refused() {
    let spec = Spec::signer("Self");
    let key = p256_key();
    let own = Authority::root_with(AuthorityKey::P256(key.clone()), &spec);
    assert_refused(
        verify(&bundle(&[&own.certificate], &key), &own.pem()),
        "\"CN=Self\" can't vouch for others",
    );
}

#[test]
fn a_long_way_is_refused() {
    let root = Authority::root(&Spec::authority("Root"));
    let mut chain: Vec<Authority> = Vec::new();
    let names = ["A1", "A2", "A3", "A4", "A5", "A6", "A7"];
    for (count, name) in names.into_iter().enumerate() {
        let authority = chain
            .last()
            .unwrap_or(&root)
            .authority(&Spec::authority(name));
        chain.push(authority);
        let key = p256_key();
        let issuer = &chain[count];
        let signer = issuer.issue(&Spec::signer("Signer"), spki(&key.public_key()));
        let mut certificates = vec![&signer];
        certificates.extend(chain.iter().rev().map(|authority| &authority.certificate));
        let said = verify(&bundle(&certificates, &key), &root.pem());
        if count < 6 {
            said.expect(name);
        } else {
            assert_refused(
                said,
                "there are over 6 certificates between it and the root",
            );
        }
    }
}

#[test]
fn a_signer_takes_only_what_readers_take() {
    let world = world();
    let key = || SigningKey::from(world.key.clone());
    let (leaf, authority, root) = (pem(&world.signer), world.authority.pem(), world.root.pem());
    let refused = |key: SigningKey, chain: &str| {
        let error = Signer::with_certificate(key, chain.as_bytes()).expect_err("refused");
        assert!(!error.hint().is_empty());
        error.to_string()
    };
    Signer::with_certificate(key(), leaf.as_bytes()).expect("the reader has the authority's");
    let said = refused(p256_key().into(), &leaf);
    assert!(
        said.contains("the certificate of \"CN=Signer\" is for the key"),
        "{said}"
    );
    let said = refused(key(), &format!("{leaf}{root}"));
    assert_eq!(
        said,
        "the certificate of \"CN=Root\" is not that of the issuer of \"CN=Signer\", behind which it stands"
    );
    let said = refused(key(), &format!("{authority}{leaf}"));
    assert!(
        said.contains("\"CN=Authority\" is not for signing"),
        "{said}"
    );
    assert_eq!(
        refused(key(), ""),
        "the text holds no certificate in PEM form"
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let said = refused(key(), &format!("{leaf}{broken}"));
    assert!(
        said.contains("certificate 2 of the text: it is no X.509"),
        "{said}"
    );

    let own_key = p256_key();
    let own = Authority::root_with(AuthorityKey::P256(own_key.clone()), &Spec::signer("Self"));
    let said = refused(own_key.into(), &own.pem());
    assert!(said.contains("\"CN=Self\" is its own issuer"), "{said}");

    // `model_signing` looks at all certificates as of the signer's first second.
    let young = Spec {
        from: NOW,
        ..Spec::authority("Authority")
    };
    let world = world_of(&Spec::authority("Root"), &young, &Spec::signer("Signer"));
    let chain = format!("{}{}", pem(&world.signer), world.authority.pem());
    let said = refused(world.key.clone().into(), &chain);
    assert!(
        said.contains("is valid only from a later time on"),
        "{said}"
    );
}
