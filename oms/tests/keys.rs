//! Signing with a key, and checking with its public half.

mod common;

use candor_oms::{
    Bundle, Curve, KeyError, Method, PublicKey, SignedBy, Signer, SigningKey, Trust, VerifyError,
};
use common::{p256_key, p384_key, p521_key, statement};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};

#[test]
fn what_is_signed_on_each_curve_is_verified() {
    let keys: [(SigningKey, Curve); 3] = [
        (p256_key().into(), Curve::P256),
        (p384_key().into(), Curve::P384),
        (p521_key().into(), Curve::P521),
    ];
    for (key, curve) in keys {
        let public = key.public_key();
        assert_eq!(public.curve(), curve);
        let bundle = Signer::with_key(key.clone()).sign(&statement());
        let read = Bundle::parse(bundle.to_json().as_bytes()).expect("a bundle");
        assert_eq!(read, bundle);
        assert_eq!(read.method(), Method::Key);
        assert_eq!(read.key_hint(), Some(public.hint()));
        let verified = read
            .verify(&Trust::Key(public.clone()))
            .expect("a signature");
        assert_eq!(*verified.statement(), statement());
        assert_eq!(*verified.signer(), SignedBy::Key(public.hint()));
        // RFC 6979: nothing in a signature is random.
        assert_eq!(Signer::with_key(key).sign(&statement()), bundle);
    }
}

#[test]
fn another_key_does_not_verify() {
    let bundle = Signer::with_key(p256_key().into()).sign(&statement());
    let other = SigningKey::from(p256_key()).public_key();
    let error = bundle
        .verify(&Trust::Key(other.clone()))
        .expect_err("another key");
    assert!(matches!(error, VerifyError::OtherKey { trusted, .. } if trusted == other.hint()));

    // Without the hint, the signature itself tells.
    let json = bundle.to_json();
    let hint = bundle.key_hint().expect("a hint").to_string();
    let bundle = Bundle::parse(json.replace(&hint, "").as_bytes()).expect("a bundle");
    assert_eq!(bundle.key_hint(), None);
    let error = bundle.verify(&Trust::Key(other)).expect_err("another key");
    assert!(matches!(error, VerifyError::Signature { .. }), "{error}");
}

#[test]
fn private_keys_are_read_in_every_form_that_openssl_writes() {
    let key = p256_key();
    let public = SigningKey::from(key.clone()).public_key();
    let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).expect("PEM");
    let sec1 = key.to_sec1_pem(LineEnding::LF).expect("PEM");
    // The curve, as `openssl ecparam -genkey` writes it in front of a key.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let behind_parameters = format!("{parameters}{}", *sec1);
    for pem in [
        pkcs8.as_str(),
        &pkcs8.replace('\n', "\r\n"),
        &sec1,
        &behind_parameters,
    ] {
        let read = SigningKey::from_pem(pem, None).expect("a key");
        assert_eq!(read.public_key(), public);
    }
    let p384 = p384_key();
    let sec1 = p384.to_sec1_pem(LineEnding::LF).expect("PEM");
    let read = SigningKey::from_pem(&sec1, None).expect("a key");
    assert_eq!(read.public_key(), SigningKey::from(p384).public_key());
    let p521 = p521_key();
    let pkcs8 = p521.to_pkcs8_pem(LineEnding::LF).expect("PEM");
    let read = SigningKey::from_pem(&pkcs8, None).expect("a key");
    assert_eq!(read.public_key(), SigningKey::from(p521).public_key());
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let key = p256_key();
    let der = key.to_pkcs8_der().expect("DER");
    let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_bytes()).expect("a key");
    // Weak on purpose: the test would wait for what makes guessing slow.
    let scrypt = pkcs8::pkcs5::scrypt::Params::new(4, 1, 1).expect("parameters");
    let parameters =
        pkcs8::pkcs5::pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &[7; 16], [9; 16])
            .expect("parameters");
    let encrypted = info
        .encrypt_with_params(parameters, "secret")
        .expect("encrypted");
    let pem = encrypted
        .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
        .expect("PEM");
    let read = SigningKey::from_pem(&pem, Some(b"secret")).expect("a key");
    assert_eq!(read.public_key(), SigningKey::from(key).public_key());
    let refused =
        |passphrase: Option<&[u8]>| SigningKey::from_pem(&pem, passphrase).expect_err("refused");
    assert_eq!(refused(None), KeyError::PassphraseMissing);
    // One wrong passphrase in 256 gives something like padding, and is told apart by what is left.
    for wrong in 0..=255_u8 {
        assert_eq!(refused(Some(&[wrong])), KeyError::WrongPassphrase);
    }
}

/// Public keys that nobody has the other half of any more, and texts that are no keys.
#[test]
fn messages() {
    let rsa = include_str!("data/rsa.pub");
    let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let secp256k1 = include_str!("data/secp256k1.pub");
    let private = p256_key().to_pkcs8_pem(LineEnding::LF).expect("PEM");
    let table = [
        (
            rsa,
            "the key is RSA, and only elliptic curve keys sign models",
        ),
        (
            ed25519,
            "the key is Ed25519, and only elliptic curve keys sign models",
        ),
        (
            secp256k1,
            "the key is on the curve secp256k1, and only P-256, P-384 and P-521 sign models",
        ),
        (private.as_str(), "the text holds no PUBLIC KEY in PEM form"),
        ("", "the text holds no PUBLIC KEY in PEM form"),
    ];
    for (pem, message) in table {
        let error = PublicKey::from_pem(pem).expect_err(message);
        assert_eq!(error.to_string(), message);
        assert!(!error.hint().is_empty());
    }
    let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let error = PublicKey::from_pem(broken).expect_err("broken");
    assert!(matches!(error, KeyError::Malformed { .. }), "{error}");

    let public = SigningKey::from(p256_key()).public_key().to_pem();
    let error = SigningKey::from_pem(&public, None).expect_err("a public key");
    assert_eq!(
        error.to_string(),
        "the text holds no private key in PEM form"
    );
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let error = SigningKey::from_pem(old, Some(b"x")).expect_err("an old form");
    assert_eq!(
        error.to_string(),
        "the private key is encrypted in an old way: Proc-Type 4,ENCRYPTED"
    );
}

#[test]
fn no_secret_is_in_debug_output() {
    let key = SigningKey::from(p256_key());
    let shown = format!("{key:?} {:?}", Signer::with_key(key.clone()));
    assert!(shown.contains(&key.public_key().hint().to_string()));
    assert!(shown.len() < 600, "{shown}");
}
