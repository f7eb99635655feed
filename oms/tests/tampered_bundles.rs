//! Every way to damage or to stretch a signature's file that we know of, and what the reader is told. Each row is a change
//! to a signature that is good without it.

mod common;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candor_oms::SigningKey;
use common::{Row, as_array, bundle_over, p256_key, read, remove, statement, statement_json};
use serde_json::{Value, json};

/// Another way to write the same.
type Spelling<'a> = (&'a str, &'a dyn Fn(&mut Value));

const FORM: &[Row] = &[
    (
        "a field beside the others",
        |b| b["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in the envelope",
        |b| b["dsseEnvelope"]["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in a signature",
        |b| b["dsseEnvelope"]["signatures"][0]["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in the material",
        |b| b["verificationMaterial"]["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "in the key",
        |b| b["verificationMaterial"]["publicKey"]["extra"] = 1.into(),
        "unknown field `extra`",
    ),
    (
        "an escape sequence as a field",
        |b| b["\u{1b}[2J"] = 1.into(),
        "unknown field `\\u{1b}[2J`",
    ),
    (
        "an older release",
        |b| b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into(),
        "the mediaType is",
    ),
    (
        "the other spelling of 0.3",
        |b| b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.3".into(),
        "the mediaType is",
    ),
    (
        "no media type",
        |b| remove(b, "mediaType"),
        "missing field `mediaType`",
    ),
    (
        "no material",
        |b| b["verificationMaterial"] = json!({}),
        "verificationMaterial has 0 of publicKey and x509CertificateChain",
    ),
    (
        "two materials",
        |b| b["verificationMaterial"]["x509CertificateChain"] = json!({"certificates": []}),
        "verificationMaterial has 2 of publicKey and x509CertificateChain",
    ),
    (
        "a certificate of Sigstore",
        |b| b["verificationMaterial"] = json!({"certificate": {"rawBytes": "AAAA"}}),
        "signed without a key of its own, by Sigstore",
    ),
    (
        "a chain of none",
        |b| {
            b["verificationMaterial"] = json!({"x509CertificateChain": {"certificates": []}});
        },
        "the chain has 0 certificates",
    ),
    (
        "a chain of a text",
        |b| {
            b["verificationMaterial"] =
                json!({"x509CertificateChain": {"certificates": [{"rawBytes": "LS0t"}]}});
        },
        "certificates[0] of the chain: it is no X.509 certificate in DER",
    ),
    (
        "no list of logs",
        |b| b["verificationMaterial"]["tlogEntries"] = "x".into(),
        "expected a sequence",
    ),
    (
        "no envelope",
        |b| remove(b, "dsseEnvelope"),
        "missing field `dsseEnvelope`",
    ),
    (
        "a signature of bytes",
        |b| b["messageSignature"] = json!({"signature": "AAAA"}),
        "the signature is a messageSignature",
    ),
];

const ENVELOPE: &[Row] = &[
    (
        "another payload type",
        |b| b["dsseEnvelope"]["payloadType"] = "application/json".into(),
        "the payloadType is \"application/json\"",
    ),
    (
        "no signature",
        |b| b["dsseEnvelope"]["signatures"] = json!([]),
        "the envelope has 0 signatures",
    ),
    (
        "a second signature",
        |b| {
            let first = b["dsseEnvelope"]["signatures"][0].clone();
            b["dsseEnvelope"]["signatures"] = json!([first, {"sig": "AAAA", "keyid": ""}]);
        },
        "the envelope has 2 signatures",
    ),
    (
        "a key ID that is a number",
        |b| b["dsseEnvelope"]["signatures"][0]["keyid"] = 1.into(),
        "expected a string",
    ),
    (
        "line breaks in the payload",
        |b| {
            let payload = b["dsseEnvelope"]["payload"].as_str().expect("a text");
            b["dsseEnvelope"]["payload"] = format!("{}\n{}", &payload[..64], &payload[64..]).into();
        },
        "payload is not base64 with padding",
    ),
    (
        "strange characters in the payload",
        |b| {
            let payload = b["dsseEnvelope"]["payload"].as_str().expect("a text");
            b["dsseEnvelope"]["payload"] = format!("!*{payload}").into();
        },
        "payload is not base64 with padding",
    ),
    (
        "no padding",
        |b| {
            // ECDSA's DER has 70 to 72 bytes, of which only the last needs no padding.
            b["dsseEnvelope"]["signatures"][0]["sig"] = "AAA".into();
        },
        "sig is not base64 with padding",
    ),
    (
        "an empty signature",
        |b| b["dsseEnvelope"]["signatures"][0]["sig"] = "".into(),
        "the signature is not that of the key",
    ),
    (
        "a bit of the signature",
        |b| {
            change_bytes(&mut b["dsseEnvelope"]["signatures"][0]["sig"], |sig| {
                sig[9] ^= 1;
            });
        },
        "the signature is not that of the key",
    ),
    (
        "a byte behind the signature",
        |b| {
            change_bytes(&mut b["dsseEnvelope"]["signatures"][0]["sig"], |sig| {
                sig.push(0);
            });
        },
        "the signature is not that of the key",
    ),
    (
        "a file of the payload",
        |b| {
            change_bytes(&mut b["dsseEnvelope"]["payload"], |payload| {
                let text = String::from_utf8_lossy(payload).replace("vocab", "vocal");
                *payload = text.into_bytes();
            });
        },
        "the signature is not that of the key",
    ),
    (
        "white space in the payload",
        |b| {
            change_bytes(&mut b["dsseEnvelope"]["payload"], |payload| {
                payload.push(b' ');
            });
        },
        "the signature is not that of the key",
    ),
    (
        "a key that is none",
        |b| b["verificationMaterial"]["publicKey"] = json!({"rawBytes": "AAAA"}),
        "publicKey.rawBytes: ",
    ),
];

fn good_bundle(key: &p256::SecretKey) -> Value {
    bundle_over(statement_json().to_string().as_bytes(), key)
}

#[test]
fn a_changed_bundle_is_refused() {
    let key = p256_key();
    read(good_bundle(&key).to_string().as_bytes(), &key).expect("good without a change");
    for (name, change, message) in FORM.iter().chain(ENVELOPE) {
        let mut bundle = good_bundle(&key);
        change(&mut bundle);
        let said = read(bundle.to_string().as_bytes(), &key).expect_err(name);
        assert!(said.contains(message), "{name}: {said}");
    }
}

#[test]
fn an_array_is_no_object_of_a_bundle() {
    let key = p256_key();
    let objects: [(&str, &[&str]); 5] = [
        (
            "",
            &[
                "mediaType",
                "verificationMaterial",
                "dsseEnvelope",
                "messageSignature",
            ],
        ),
        (
            "/verificationMaterial",
            &[
                "publicKey",
                "x509CertificateChain",
                "certificate",
                "tlogEntries",
                "timestampVerificationData",
            ],
        ),
        (
            "/verificationMaterial/publicKey",
            &["hint", "rawBytes", "keyDetails"],
        ),
        ("/dsseEnvelope", &["payload", "payloadType", "signatures"]),
        ("/dsseEnvelope/signatures/0", &["sig", "keyid"]),
    ];
    for (pointer, fields) in objects {
        let mut bundle = good_bundle(&key);
        as_array(&mut bundle, pointer, fields);
        let said = read(bundle.to_string().as_bytes(), &key).expect_err(pointer);
        assert!(
            said.starts_with("the signature's form: an array stands where an object should"),
            "{pointer}: {said}"
        );
    }
}

#[test]
fn a_bundle_that_names_another_key_is_refused() {
    let key = p256_key();
    let hint = SigningKey::from(key.clone()).public_key().hint();
    let other = SigningKey::from(p256_key()).public_key();
    let names = [
        json!({"hint": other.hint().to_string()}),
        json!({"hint": hint.to_string().to_uppercase()}),
        json!({"rawBytes": BASE64_STANDARD.encode(other.to_pem())}),
        json!({"hint": hint.to_string(), "rawBytes": BASE64_STANDARD.encode(other.to_pem())}),
    ];
    for name in names {
        let mut bundle = good_bundle(&key);
        bundle["verificationMaterial"]["publicKey"] = name.clone();
        let said = read(bundle.to_string().as_bytes(), &key).expect_err("another key");
        assert!(
            said.contains("the model is signed by the key"),
            "{name}: {said}"
        );
    }
}

fn change_bytes(text: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = BASE64_STANDARD
        .decode(text.as_str().expect("a text"))
        .expect("base64");
    change(&mut bytes);
    *text = BASE64_STANDARD.encode(bytes).into();
}

#[test]
fn what_is_not_strict_json_is_refused() {
    let key = p256_key();
    let good = good_bundle(&key).to_string();
    let twice = good.replace("\"payload\":", "\"payload\":\"AAAA\",\"payload\":");
    let texts = [
        (format!("\u{feff}{good}"), "not strict JSON"),
        (format!("{good}x"), "trailing characters"),
        (twice, "the key \"payload\" is there twice"),
        (String::new(), "not strict JSON"),
        ("[]".to_owned(), "the signature's form"),
        ("null".to_owned(), "the signature's form"),
        (
            good.replace("mediaType", "media_type"),
            "unknown field `media_type`",
        ),
    ];
    for (text, message) in texts {
        let said = read(text.as_bytes(), &key).expect_err(message);
        assert!(said.contains(message), "{message}: {said}");
    }
    // And what is the same bundle in another layout is read.
    let indented = serde_json::to_string_pretty(&good_bundle(&key)).expect("JSON");
    read(format!("{indented}\n").as_bytes(), &key).expect("white space");
}

#[test]
fn other_spellings_of_the_same_bundle_are_read() {
    let key = p256_key();
    let public = SigningKey::from(key.clone()).public_key();
    let raw = BASE64_STANDARD.encode(public.to_pem());
    let rows: &[Spelling<'_>] = &[
        ("no logs", &|b| {
            remove(&mut b["verificationMaterial"], "tlogEntries");
        }),
        ("an entry of a log", &|b| {
            b["verificationMaterial"]["tlogEntries"] = json!([{}]);
        }),
        ("timestamps", &|b| {
            b["verificationMaterial"]["timestampVerificationData"] = json!({});
        }),
        ("no hint", &|b| {
            b["verificationMaterial"]["publicKey"] = json!({});
        }),
        ("an empty hint", &|b| {
            b["verificationMaterial"]["publicKey"]["hint"] = "".into();
        }),
        ("a hint of null", &|b| {
            b["verificationMaterial"]["publicKey"]["hint"] = Value::Null;
        }),
        ("the key itself", &|b| {
            b["verificationMaterial"]["publicKey"] =
                json!({"rawBytes": raw, "keyDetails": "PKIX_ECDSA_P256_SHA_256"});
        }),
        ("no key ID", &|b| {
            remove(&mut b["dsseEnvelope"]["signatures"][0], "keyid");
        }),
        ("a key ID of null", &|b| {
            b["dsseEnvelope"]["signatures"][0]["keyid"] = Value::Null;
        }),
        ("any key ID", &|b| {
            b["dsseEnvelope"]["signatures"][0]["keyid"] = "x".into();
        }),
        ("URL-safe base64", &|b| {
            let signature = b["dsseEnvelope"]["signatures"][0]["sig"].as_str();
            let text = signature
                .expect("a text")
                .replace('+', "-")
                .replace('/', "_");
            b["dsseEnvelope"]["signatures"][0]["sig"] = text.into();
        }),
    ];
    for (name, change) in rows {
        let mut bundle = good_bundle(&key);
        change(&mut bundle);
        let verified = read(bundle.to_string().as_bytes(), &key);
        assert_eq!(*verified.expect(name).statement(), statement());
    }
}
