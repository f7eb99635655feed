//! Verifier keys, and what strict Ed25519 is for (C2SP `signed-note`, "Verifier keys" and "Ed25519 signatures").

mod signing;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::note::{
    KeyId, KeyName, KeyType, NoteError, NoteSignature, VerifierKey, VerifierKeyError,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use signing::{key_of, name, note, signature, signer, verify};

fn weak_key() -> VerifierKeyError {
    VerifierKeyError::WeakKey {
        name: "example.org/log".to_owned(),
    }
}

/// The example in the specification.
const FOO_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn a_verifier_key_of_other_than_three_parts_is_refused() {
    let key = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    for text in [
        String::new(),
        "example.com/foo".to_owned(),
        "example.com/foo+530d903a".to_owned(),
        format!("example.com/foo {key}"),
        format!("example.com/foo++{key}"),
        format!("example.com/foo+530d903+{key}"),
        format!("example.com/foo+530d903a0+{key}"),
        format!("example.com/foo+530D903A+{key}"),
        format!("example.com/foo+530d903A+{key}"),
        format!("example.com/foo+0x530d90+{key}"),
        format!("example.com/foo+530d903g+{key}"),
        format!("example.com/foo+ 530d903+{key}"),
        format!("example.com/f+oo+530d903a+{key}"),
    ] {
        assert_eq!(
            text.parse::<VerifierKey>(),
            Err(VerifierKeyError::Form),
            "{text}"
        );
    }
}

#[test]
fn a_name_that_can_not_name_a_key_is_refused() {
    for bad in [
        "",
        " ",
        "a b",
        " a",
        "a ",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{3000}b",
        "a\nb",
        "a\tb",
        "a\0b",
    ] {
        let error = bad
            .parse::<KeyName>()
            .expect_err("spaces and control characters are not allowed");
        let text = FOO_KEY.replace("example.com/foo", bad);
        assert_eq!(
            text.parse::<VerifierKey>(),
            Err(VerifierKeyError::Name(error)),
            "{bad:?}"
        );
    }
    assert!("a+b".parse::<KeyName>().is_err());
    for good in [
        "a",
        "example.org/log",
        "https://example.org",
        "ключ",
        "a_b",
        "名前",
    ] {
        assert_eq!(
            good.parse::<KeyName>()
                .expect("anything else is allowed")
                .as_str(),
            good
        );
    }
}

#[test]
fn a_verifier_key_in_another_encoding_is_refused() {
    let bytes = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    let base64 = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    for text in [
        "example.com/foo+530d903a+".to_owned(),
        "example.com/foo+530d903a+=".to_owned(),
        format!("example.com/foo+530d903a+{base64}="),
        format!("example.com/foo+530d903a+{base64}\n"),
        format!("example.com/foo+530d903a+ {base64}"),
        format!("example.com/foo+530d903a+{}", &base64[..43]),
        format!("example.com/foo+530d903a+{}", base64.replace('A', "-")),
        vkey("example.org/log", 1, &bytes[..31]),
        vkey("example.org/log", 1, &[&bytes[..], &[0]].concat()),
        vkey("example.org/log", 1, &[]),
    ] {
        assert_eq!(
            text.parse::<VerifierKey>(),
            Err(VerifierKeyError::Encoding {
                name: text.split('+').next().expect("a name").to_owned()
            }),
            "{text}"
        );
    }
}

#[test]
fn a_verifier_key_of_another_type_is_refused() {
    let bytes = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    for kind in [0, 2, 3, 4, 5, 6, 0xfa, 0xff] {
        for key in [&bytes[..], &[7; 1312], &[]] {
            let text = vkey("example.org/log", kind, key);
            assert_eq!(
                text.parse::<VerifierKey>(),
                Err(VerifierKeyError::Unsupported {
                    kind,
                    wanted: KeyType::Ed25519,
                    name: "example.org/log".to_owned()
                })
            );
        }
    }
}

#[test]
fn a_verifier_key_that_is_no_point_is_refused() {
    let no_point = (2..=255_u8)
        .map(|y| [&[y][..], &[0; 31]].concat())
        .find(|key| {
            VerifyingKey::from_bytes(key.as_slice().try_into().expect("32 bytes")).is_err()
        });
    let text = vkey(
        "example.org/log",
        1,
        &no_point.expect("half of all numbers are no y of a point"),
    );
    assert_eq!(text.parse::<VerifierKey>(), Err(weak_key()));
}

#[test]
fn a_verifier_key_with_the_id_of_another_key_or_name_is_refused() {
    let right: VerifierKey = FOO_KEY.parse().expect("a key");
    let other_id = FOO_KEY.replace("530d903a", "530d903b");
    let other_key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    let other_key = BASE64_STANDARD.encode([&[1], &other_key[..]].concat());
    let error = VerifierKeyError::KeyIdMismatch {
        name: "example.com/foo".to_owned(),
        stated: KeyId::from_bytes([0x53, 0x0d, 0x90, 0x3b]),
        computed: right.id(),
    };
    assert_eq!(other_id.parse::<VerifierKey>(), Err(error));
    for text in [
        FOO_KEY.replace("foo", "bar"),
        FOO_KEY.replace("example", "Example"),
        format!("x{FOO_KEY}"),
        format!("example.com/foo+530d903a+{other_key}"),
    ] {
        let result = text.parse::<VerifierKey>();
        assert!(
            matches!(result, Err(VerifierKeyError::KeyIdMismatch { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    let secret = "MC4CAQAwBQYDK2VwBCIEIDHH+p2QfYh8sNhdZ1lqsecret";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    assert_eq!(
        pem.parse::<VerifierKey>(),
        Err(VerifierKeyError::PrivateKey)
    );
    for text in [
        pem.clone(),
        secret.to_owned(),
        format!("{secret}+{secret}"),
        format!("log+530d903a+{secret}"),
        format!("log+530d903a+{secret}\n{pem}"),
        FOO_KEY.replace("530d903a", secret),
    ] {
        let error = text.parse::<VerifierKey>().expect_err("it is no key");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(
                !shown.contains("MC4C") && !shown.contains("p2Qf"),
                "{shown}"
            );
        }
    }
    let long = FOO_KEY.replace("example.com/foo", &"long".repeat(10_000));
    let error = long
        .parse::<VerifierKey>()
        .expect_err("its id is another's");
    assert!(error.to_string().len() < 300, "{error}");
}

/// The order of the base point, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_whose_scalar_is_not_reduced_is_refused() {
    let signer = signer("example.org/log", 1);
    let good = signature(&signer, "text\n");
    let mut malleated = good.clone();
    let mut carry = 0;
    for (byte, add) in malleated.signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S + L still fits into 32 bytes");
    assert_ne!(malleated, good);
    let result = verify(&note("text\n", &[malleated]), &key_of(&signer));
    assert!(
        matches!(result, Err(NoteError::BadSignature { .. })),
        "{result:?}"
    );
    assert!(verify(&note("text\n", &[good]), &key_of(&signer)).is_ok());
}

/// All encodings of points of small order: the eight canonical ones first, then those with a `y` not below
/// the field's prime, or a sign bit on an `x` of zero.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// A verifier key of any kind and bytes, with the right ID.
fn vkey(name: &str, kind: u8, key: &[u8]) -> String {
    let hash = Sha256::new_with_prefix(name)
        .chain_update([b'\n', kind])
        .chain_update(key)
        .finalize();
    let key = [&[kind], key].concat();
    format!(
        "{name}+{}+{}",
        hex::encode(&hash[..4]),
        BASE64_STANDARD.encode(key)
    )
}

fn key_bytes(text: &str) -> [u8; 32] {
    hex::decode(text)
        .expect("hexadecimal")
        .try_into()
        .expect("32 bytes")
}

/// The y of the point is p + 2: RFC 8032 section 5.1.3 lets no second encoding of a point pass.
#[test]
fn a_key_in_a_second_encoding_is_refused() {
    let text = "example.org/log+73e6ba9b+AfD///////////////////////////////////////9/";
    assert_eq!(text.parse::<VerifierKey>(), Err(weak_key()));
}

#[test]
fn keys_of_small_order_are_refused() {
    for key in SMALL_ORDER {
        let text = vkey("example.org/log", 1, &key_bytes(key));
        assert_eq!(text.parse::<VerifierKey>(), Err(weak_key()), "{key}");
    }
    for key in &SMALL_ORDER[..8] {
        let key = VerifyingKey::from_bytes(&key_bytes(key)).expect("the canonical ones are points");
        assert!(
            key.is_weak(),
            "so it is their order that they are refused for"
        );
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing_even_if_it_gets_in() {
    // With the identity as key, R = identity and S = 0 satisfy the equation for every text.
    let key =
        VerifyingKey::from_bytes(&key_bytes(SMALL_ORDER[0])).expect("the identity is a point");
    let key = VerifierKey::new(name("example.org/log"), key);
    let signature = [&key_bytes(SMALL_ORDER[0])[..], &[0; 32]].concat();
    let forged = NoteSignature {
        name: key.name().clone(),
        key_id: key.id(),
        signature,
    };
    let result = verify(&note("text\n", &[forged]), &[key]);
    assert!(
        matches!(result, Err(NoteError::BadSignature { .. })),
        "{result:?}"
    );
}

#[test]
fn a_signature_with_a_point_of_small_order_is_refused() {
    let signer = signer("example.org/log", 1);
    for point in SMALL_ORDER {
        for scalar in [[0; 32], [1; 32]] {
            let good = signature(&signer, "text\n");
            let forged = NoteSignature {
                signature: [key_bytes(point), scalar].concat(),
                ..good
            };
            assert!(verify(&note("text\n", &[forged]), &key_of(&signer)).is_err());
        }
    }
}
