//! Signatures on records: which hold, which don't, and which count.

mod common;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::record::{Admission, AuthorityError, SignatureFault, SignedRecord};
use common::cards::{card_signature, card_signed_by, card_with, listed, refused, registered};
use common::{add_group_order, envelope_json, key, keyid, public, publisher};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

#[test]
fn a_signature_that_names_a_right_key_and_does_not_hold_is_an_error() {
    let (one, two) = (key(1), key(2));
    let state = registered("meta-ai", &[&one, &two]);
    let good = card_signature(&one);
    card_with(&[listed(&keyid(&one), &good)])
        .verify(Some(&state))
        .expect("the good twin");

    for bit in [0, 255, 256, 300, 511] {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = refused(card_with(&[listed(&keyid(&one), &bad)]), Some(&state));
        assert!(
            matches!(
                error,
                AuthorityError::BadSignature {
                    fault: SignatureFault::Mismatch | SignatureFault::NonCanonicalS,
                    ..
                }
            ),
            "bit {bit}: {error}"
        );
    }
    // Over another payload.
    let elsewhere = one.sign(b"another message");
    let error = refused(
        card_with(&[listed(&keyid(&one), &elsewhere.to_bytes())]),
        Some(&state),
    );
    assert_eq!(
        error.to_string(),
        format!(
            "the signature by key {} does not hold: it is not over this payload by this key",
            keyid(&one)
        )
    );
    // By the other key.
    assert_eq!(
        refused(
            card_with(&[listed(&keyid(&one), &card_signature(&two))]),
            Some(&state)
        ),
        AuthorityError::BadSignature {
            keyid: keyid(&one),
            fault: SignatureFault::Mismatch
        }
    );
    for length in [0, 63, 65] {
        let mut bytes = good.clone();
        bytes.resize(length, 0);
        let error = refused(card_with(&[listed(&keyid(&one), &bytes)]), Some(&state));
        assert_eq!(
            error.to_string(),
            format!(
                "the signature by key {} does not hold: it has {length} bytes instead of 64",
                keyid(&one)
            )
        );
    }
}

#[test]
fn a_signature_has_one_spelling() {
    let one = key(1);
    let state = registered("meta-ai", &[&one]);
    let good = card_signature(&one);
    let other = add_group_order(&good);
    assert_eq!(good[..32], other[..32]);
    let error = refused(card_with(&[listed(&keyid(&one), &other)]), Some(&state));
    assert_eq!(
        error.to_string(),
        format!(
            "the signature by key {} does not hold: its S is not below the order of the group (RFC 8032 section 5.1.7)",
            keyid(&one)
        )
    );
    // Without a key ID it is nobody's signature.
    assert!(matches!(
        refused(card_with(&[listed("", &other)]), Some(&state)),
        AuthorityError::UnknownKey { .. }
    ));
    // S at the order, and one below it: the first is a second spelling of 0, the second only wrong.
    let mut at_order = good.clone();
    at_order[32..].copy_from_slice(&common::GROUP_ORDER);
    let mut below = at_order.clone();
    below[32] -= 1;
    for (sig, expected) in [
        (at_order, SignatureFault::NonCanonicalS),
        (below, SignatureFault::Mismatch),
    ] {
        assert_eq!(
            public(&one).verify(b"message", &sig),
            Err(expected),
            "{}",
            hex::encode(sig)
        );
    }
}

/// The points of small order in each encoding that decodes. By the curve's definition their y is 0, 1, -1 or
/// one of the two values whose points have order 8, with either sign of x; 0 and 1 can be written as p and
/// p + 1 as well.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// With a key of small order, the signature R = the neutral point, S = 0 holds over about every eighth
/// message: nobody needs a secret for it. Such a key can't be listed.
#[test]
fn a_key_of_small_order_is_no_key() {
    let one = key(1);
    let payload = publisher("meta-ai", &[&one], None);
    for point in SMALL_ORDER {
        let der = format!("302a300506032b6570032100{point}");
        let der = hex::decode(der).expect("hexadecimal");
        let mut statement: Value = serde_json::from_slice(&payload).expect("JSON");
        statement["predicate"]["keys"][0] = json!({
            "keyid": Sha256::of(&der),
            "algorithm": "ed25519",
            "publicKey": BASE64_STANDARD.encode(&der),
        });
        let payload = serde_json::to_vec(&statement).expect("JSON");
        let mut anybodys = [0; 64];
        anybodys[0] = 1;
        let envelope = envelope_json(&payload, &[listed(&Sha256::of(&der), &anybodys)]);
        let error = SignedRecord::parse(&serde_json::to_vec(&envelope).expect("JSON"))
            .expect_err(point)
            .to_string();
        assert_eq!(
            error,
            "/predicate: the public key is of small order, so anybody could sign with it; make a new one with \
             `candor keygen`",
            "{point}"
        );
    }
}

/// Nobody who signs as RFC 8032 has it gets an R of small order.
#[test]
fn a_signature_with_a_point_of_small_order_does_not_hold() {
    let one = key(1);
    for point in SMALL_ORDER {
        let mut signature = card_signature(&one);
        signature[..32].copy_from_slice(&hex::decode(point).expect("hexadecimal"));
        let state = registered("meta-ai", &[&one]);
        assert_eq!(
            refused(card_with(&[listed(&keyid(&one), &signature)]), Some(&state)),
            AuthorityError::BadSignature {
                keyid: keyid(&one),
                fault: SignatureFault::Mismatch
            }
        );
    }
}

#[test]
fn a_key_id_belongs_to_its_key() {
    let (one, two) = (key(1), key(2));
    let read = |change: fn(&mut Value, Sha256)| {
        let mut statement: Value =
            serde_json::from_slice(&publisher("meta-ai", &[&one], None)).expect("JSON");
        change(&mut statement["predicate"]["keys"][0], keyid(&two));
        let payload = serde_json::to_vec(&statement).expect("JSON");
        let envelope = envelope_json(&payload, &[listed("", b"")]);
        SignedRecord::parse(&serde_json::to_vec(&envelope).expect("JSON"))
            .expect_err("a key that is none")
            .to_string()
    };
    assert_eq!(
        read(|key, other| key["keyid"] = json!(other)),
        format!(
            "/predicate: the key ID {} does not belong to this key, whose ID is {}",
            keyid(&two),
            keyid(&one)
        )
    );
    assert_eq!(
        read(|key, _| key["algorithm"] = json!("rsa")),
        "/predicate: the key's algorithm is \"rsa\", and only \"ed25519\" is supported"
    );
    for no_key in ["", "AAAA", "MCowBQYDK2VwAyEA", "?"] {
        let mut statement: Value =
            serde_json::from_slice(&publisher("meta-ai", &[&one], None)).expect("JSON");
        statement["predicate"]["keys"][0]["publicKey"] = json!(no_key);
        let payload = serde_json::to_vec(&statement).expect("JSON");
        let envelope = envelope_json(&payload, &[listed("", b"")]);
        assert_eq!(
            SignedRecord::parse(&serde_json::to_vec(&envelope).expect("JSON"))
                .expect_err("a key that is none")
                .to_string(),
            "/predicate: the public key is not the base64 of an Ed25519 SubjectPublicKeyInfo (RFC 8410)"
        );
    }
}

#[test]
fn what_is_accepted_keeps_only_the_signatures_that_were_checked() {
    let (one, two, stranger) = (key(1), key(2), key(9));
    let state = registered("meta-ai", &[&one, &two]);
    let record = card_with(&[
        listed(&keyid(&stranger), &card_signature(&stranger)),
        listed("nonsense", b"not a signature"),
        listed("", &card_signature(&two)),
    ]);
    let verified = record.clone().verify(Some(&state)).expect("signed by two");
    assert_eq!(
        verified.envelope(),
        record.envelope(),
        "an entry is what it is"
    );
    assert_eq!(verified.signed_by(), [public(&two)]);

    let accepted = record
        .clone()
        .accept(Some(&state), Admission::Open)
        .expect("signed by two");
    assert_eq!(accepted.signed_by(), [public(&two)]);
    let [kept] = accepted.envelope().signatures() else {
        panic!("one signature was checked");
    };
    assert_eq!(kept.sig, card_signature(&two));
    assert_eq!(
        kept.keyid,
        keyid(&two).to_string(),
        "with the key's true ID"
    );
    assert_eq!(accepted.envelope().payload(), record.envelope().payload());
    assert_eq!(accepted.statement(), record.statement());
}

#[test]
fn every_signature_by_a_current_key_counts() {
    let (one, two, three) = (key(1), key(2), key(3));
    let state = registered("meta-ai", &[&one, &two, &three]);
    let record = card_signed_by(&[&three, &one])
        .accept(Some(&state), Admission::Open)
        .expect("signed by two of three");
    assert_eq!(record.signed_by(), [public(&one), public(&three)]);
    assert_eq!(record.envelope().signatures().len(), 2);
    // The same signature twice is one signature.
    let twice = card_with(&[
        listed(&keyid(&one), &card_signature(&one)),
        listed(&keyid(&one), &card_signature(&one)),
    ])
    .accept(Some(&state), Admission::Open)
    .expect("signed by one");
    assert_eq!(twice.envelope().signatures().len(), 1);
}

#[test]
fn a_key_id_is_only_a_hint() {
    let (one, two) = (key(1), key(2));
    let state = registered("meta-ai", &[&one]);
    let good = card_signature(&one);
    let stranger = Sha256::of("no key of anybody's");
    for hint in [
        json!({ "sig": BASE64_STANDARD.encode(&good) }),
        json!({ "keyid": null, "sig": BASE64_STANDARD.encode(&good) }),
        listed("", &good),
        listed("release key 2022", &good),
        listed(&stranger, &good),
        listed(&keyid(&one).to_string().to_uppercase(), &good),
    ] {
        let record = card_with(std::slice::from_ref(&hint))
            .verify(Some(&state))
            .unwrap_or_else(|error| panic!("{hint}: {error}"));
        assert_eq!(record.signed_by(), [public(&one)]);
    }
    // A right hint does not make a stranger's signature right.
    assert!(matches!(
        refused(
            card_with(&[listed(&keyid(&one), &card_signature(&two))]),
            Some(&state)
        ),
        AuthorityError::BadSignature { .. }
    ));
}
