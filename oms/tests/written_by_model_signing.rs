//! Signatures that `model_signing` 1.1.1 wrote. The private keys are gone.

use std::time::{Duration, SystemTime};

use candor_oms::{
    Bundle, GIT_PATHS, PublicKey, ResourceName, Roots, SignedBy, StatementError, Trust, Verified,
    VerifyError, compare,
};

const P256: &str = include_str!("data/p256.pub");

fn by_key(bundle: &str, key: &str) -> Result<Verified, VerifyError> {
    let key = PublicKey::from_pem(key).expect("a key");
    let bundle = Bundle::parse(bundle.as_bytes()).expect("a bundle");
    assert_eq!(bundle.key_hint(), Some(key.hint()));
    bundle.verify(&Trust::Key(key))
}

/// 2026-12-01, when all of them were valid.
fn december() -> SystemTime {
    const DAYS: u64 = 20_788;
    SystemTime::UNIX_EPOCH + Duration::from_secs(DAYS * 86_400)
}

fn by_roots(bundle: &str, roots: &str) -> Verified {
    let roots = Roots::from_pem(roots.as_bytes()).expect("a root");
    let bundle = Bundle::parse(bundle.as_bytes()).expect("a bundle");
    let at = december();
    bundle.verify(&Trust::Roots { roots, at }).expect("a chain")
}

fn assert_is_demo(verified: &Verified) {
    let statement = verified.statement();
    assert_eq!(statement.name(), "demo");
    assert_eq!(
        statement.root_digest().to_string(),
        "19401be28fb5e6274e7faee83ac8f8249547bf574694f5648fa1a7989e0186ae"
    );
    let names: Vec<_> = statement
        .files()
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["config.json", "empty.txt", "sub/vocab.txt", "weights.bin"]
    );
    // Their order changes from run to run there.
    let mut ignored: Vec<_> = statement
        .ignore_paths()
        .iter()
        .map(ResourceName::as_str)
        .collect();
    ignored.sort_unstable();
    assert_eq!(ignored, GIT_PATHS);
    assert!(!statement.allow_symlinks());
    let found = statement
        .files()
        .iter()
        .map(|file| (file.name.as_str(), file.sha256));
    assert!(compare(statement, found, None).is_same());
}

#[test]
fn keys_on_each_curve() {
    let signatures = [
        (include_str!("data/p256.sig"), P256),
        (include_str!("data/p384.sig"), include_str!("data/p384.pub")),
        (include_str!("data/p521.sig"), include_str!("data/p521.pub")),
    ];
    for (bundle, key) in signatures {
        let verified = by_key(bundle, key).expect("a signature");
        assert_is_demo(&verified);
        let key = PublicKey::from_pem(key).expect("a key");
        assert_eq!(*verified.signer(), SignedBy::Key(key.hint()));
    }
}

#[test]
fn certificates_below_authorities_of_each_kind() {
    let signatures = [
        (
            include_str!("data/certificate.sig"),
            include_str!("data/root.pem"),
            "CN=OMS Test Signer",
            vec![],
        ),
        (
            include_str!("data/rsa_root.sig"),
            include_str!("data/rsa_root.pem"),
            "CN=rsa signer,O=Example",
            vec!["email:signer@example.com", "URI:https://example.com/ci"],
        ),
        // The root's key is on P-521, and signed with SHA-256.
        (
            include_str!("data/p521_root.sig"),
            include_str!("data/p521_root.pem"),
            "CN=p521sha256 signer,O=Example",
            vec!["email:signer@example.com", "URI:https://example.com/ci"],
        ),
    ];
    for (bundle, root, subject, names) in signatures {
        let verified = by_roots(bundle, root);
        assert_is_demo(&verified);
        let SignedBy::Certificate(identity) = verified.signer() else {
            panic!("signed by a certificate")
        };
        assert_eq!(identity.subject, subject);
        assert_eq!(identity.alternative_names, names);
    }
}

#[test]
fn files_are_in_the_order_of_their_parts() {
    let verified = by_key(include_str!("data/order.sig"), P256).expect("a signature");
    let names: Vec<_> = verified
        .statement()
        .files()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["a/x", "a-b", "a.txt"]);
}

#[test]
fn a_single_file_has_the_models_name() {
    let verified = by_key(include_str!("data/single_file.sig"), P256).expect("a signature");
    let names: Vec<_> = verified
        .statement()
        .files()
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["weights.bin"]);
}

#[test]
fn what_is_not_read_here_says_so() {
    let refused = |bundle| by_key(bundle, P256).expect_err("not read");
    let shards = refused(include_str!("data/shards.sig"));
    assert_eq!(shards, VerifyError::Statement(StatementError::Shards));
    assert_eq!(
        shards.to_string(),
        "the signature is good, but the model is signed by shards, which are not read here"
    );
    assert_eq!(
        refused(include_str!("data/blake3.sig")).to_string(),
        "the signature is good, but the model is hashed by \"blake3\", and only \"sha256\" is read here"
    );
}
