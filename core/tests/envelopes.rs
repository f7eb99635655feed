//! DSSE envelopes: what is read, what is refused, and in which words.

mod common;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::merkle::{ENTRY_BYTES_MAX, Entry};
use candor_core::record::{ENVELOPE_BYTES_MAX, Envelope, Kind, SignedRecord, pae};
use common::wire::{card, changed, signature};
use common::{envelope_json, key, publisher, signed};
use serde_json::{Value, json};

fn good() -> Value {
    envelope_json(&card(), &[signature()])
}

/// A good envelope with one member changed, or removed when `value` is null.
fn with(member: &str, value: Value) -> Value {
    let mut envelope = good();
    let members = envelope.as_object_mut().expect("an envelope is an object");
    members.remove(member);
    if !value.is_null() {
        members.insert(member.to_owned(), value);
    }
    envelope
}

fn refused_bytes(envelope: &[u8]) -> String {
    Envelope::parse(envelope)
        .expect_err("the envelope should be refused")
        .to_string()
}

fn refused(envelope: &Value) -> String {
    refused_bytes(&serde_json::to_vec(envelope).expect("a value is JSON"))
}

#[test]
fn the_bytes_that_are_signed_are_those_of_the_specification() {
    // secure-systems-lab/dsse, protocol.md and implementation/README.md.
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    // Lengths are counted in bytes, and the payload is taken as it is.
    assert_eq!(
        pae("\u{e9}", b"\x00\xff 1"),
        b"DSSEv1 2 \xc3\xa9 4 \x00\xff 1"
    );
    let envelope = Envelope::sign(b"{}".to_vec(), &[&key(1)]).expect("a good key");
    assert_eq!(
        envelope.signed_bytes(),
        b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    );
}

/// Length prefixes keep the type and the payload apart: no two pairs have the same bytes.
#[test]
fn type_and_payload_cannot_trade_bytes() {
    let pairs: [(&str, &[u8]); 5] = [
        ("a", b"b c"),
        ("a 3 b", b"c"),
        ("a 1 b", b"c"),
        ("", b"a 1 b"),
        ("a b", b"c"),
    ];
    let encoded: std::collections::BTreeSet<_> = pairs.map(|(t, p)| pae(t, p)).into();
    assert_eq!(encoded.len(), pairs.len());
}

#[test]
fn each_spelling_of_base64_is_read() {
    // These bytes need both characters in which the alphabets differ, and padding.
    let bytes = b"\xfb\xff\xfe\xfa";
    let spellings = [
        BASE64_STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    ];
    assert_eq!(spellings, ["+//++g==", "+//++g", "-__--g==", "-__--g"]);
    for spelling in spellings {
        let mut envelope = with("payload", json!(spelling));
        envelope["signatures"][0]["sig"] = json!(spelling);
        let read = Envelope::parse(&serde_json::to_vec(&envelope).expect("JSON")).expect(&spelling);
        assert_eq!(read.payload(), bytes);
        assert_eq!(read.signatures()[0].sig, bytes);
        // Written again, all are alike.
        assert_eq!(read.to_json()["payload"], "+//++g==");
    }
}

#[test]
fn fields_that_dsse_does_not_know_are_ignored() {
    let mut envelope = good();
    envelope["kept"] = json!({ "for": "later" });
    envelope["signatures"][0]["cert"] = json!("-----BEGIN");
    let read = Envelope::from_json(&envelope).expect("unknown fields are no fault");
    assert_eq!(
        read,
        Envelope::from_json(&good()).expect("the good envelope")
    );
    assert_eq!(
        read.to_json(),
        good(),
        "what is stored has the known fields only"
    );
}

#[test]
fn a_key_id_may_be_missing() {
    for keyid in [
        json!({ "sig": "AAAA" }),
        json!({ "sig": "AAAA", "keyid": null }),
        json!({ "sig": "AAAA", "keyid": "" }),
    ] {
        let envelope = Envelope::from_json(&envelope_json(b"{}", &[keyid])).expect("only a hint");
        assert_eq!(envelope.signatures()[0].keyid, "");
    }
}

#[test]
fn what_is_no_strict_json_is_no_envelope() {
    let good = serde_json::to_string(&good()).expect("JSON");
    assert_eq!(
        refused_bytes(b"payload=abc"),
        "the envelope is not strict JSON: expected value at line 1 column 1"
    );
    assert_eq!(
        refused_bytes(b""),
        "the envelope is not strict JSON: EOF while parsing a value at line 1 column 0"
    );
    assert_eq!(
        refused_bytes(br#"{"payload":"","payload":""}"#),
        "the envelope is not strict JSON: the key \"payload\" is there twice at line 1 column 23"
    );
    assert_eq!(
        refused_bytes(br#"{"signatures":[{"sig":"","sig":""}]}"#),
        "the envelope is not strict JSON: the key \"sig\" is there twice at line 1 column 30"
    );
    assert_eq!(
        refused_bytes(format!("{good}{{}}").as_bytes()),
        format!(
            "the envelope is not strict JSON: trailing characters at line 1 column {}",
            good.len() + 1
        )
    );
    assert_eq!(
        refused_bytes(&good.as_bytes()[..good.len() / 2]),
        format!(
            "the envelope is not strict JSON: EOF while parsing a string at line 1 column {}",
            good.len() / 2
        )
    );
    assert_eq!(
        refused_bytes(b"\"\xff\""),
        "the envelope is not strict JSON: the text is not UTF-8: the bytes from 1 on are no character"
    );
    assert_eq!(
        refused_bytes(format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)).as_bytes()),
        "the envelope is not strict JSON: nested more than 32 deep at line 1 column 33"
    );
    // White space around it is not trailing text.
    Envelope::parse(format!("\n {good}\n").as_bytes()).expect("the same envelope");
}

#[test]
fn an_envelope_without_its_parts_is_refused_by_name() {
    assert_eq!(
        refused(&json!([good()])),
        "/: a DSSE envelope is an object with payload, payloadType and signatures"
    );
    assert_eq!(
        refused(&with("payloadType", Value::Null)),
        "/payloadType: a text is required"
    );
    assert_eq!(
        refused(&with("payloadType", json!("application/json"))),
        "/payloadType: it is \"application/json\", and only \"application/vnd.in-toto+json\" is taken"
    );
    assert_eq!(
        refused(&with("payload", Value::Null)),
        "/payload: the base64 of the statement is required"
    );
    for bad in ["a", "****", "+/-_", "YQ==\n", " YQ==", "YR==", "YQ==YQ=="] {
        assert_eq!(
            refused(&with("payload", json!(bad))),
            "/payload: the base64 of the statement is required",
            "{bad:?}"
        );
    }
    assert_eq!(
        refused(&with("signatures", Value::Null)),
        "/signatures: a list is required"
    );
    assert_eq!(
        refused(&with("signatures", json!([]))),
        "/signatures: 1 to 20 signatures are taken"
    );
    let signatures = |count| Value::Array(vec![signature(); count]);
    assert_eq!(
        refused(&with("signatures", signatures(21))),
        "/signatures: 1 to 20 signatures are taken"
    );
    Envelope::from_json(&with("signatures", signatures(20))).expect("20 are allowed");
}

#[test]
fn a_bad_signature_field_is_named_by_its_place() {
    let second =
        |signature: Value| refused(&with("signatures", json!([self::signature(), signature])));
    for no_signature in [
        json!({ "keyid": "k" }),
        json!({ "sig": 1 }),
        json!({ "sig": "?" }),
        json!("sig"),
    ] {
        assert_eq!(
            second(no_signature),
            "/signatures/1/sig: the base64 of the signature is required"
        );
    }
    for no_keyid in [json!(7), json!(["k"]), json!("k".repeat(257))] {
        assert_eq!(
            second(json!({ "keyid": no_keyid, "sig": "AAAA" })),
            "/signatures/1/keyid: a text of at most 256 bytes, or nothing"
        );
    }
}

#[test]
fn an_envelope_over_the_limit_is_not_even_parsed() {
    assert_eq!(ENVELOPE_BYTES_MAX, 131_070);
    let mut bytes = serde_json::to_vec(&good()).expect("JSON");
    bytes.resize(ENVELOPE_BYTES_MAX, b' ');
    Envelope::parse(&bytes).expect("as long as allowed");
    bytes.push(b' ');
    assert_eq!(
        refused_bytes(&bytes),
        "the envelope has 131071 bytes, and at most 131070 are read; put large documents into attachments"
    );
    assert_eq!(
        refused_bytes(&vec![0xff; 10_000_000]),
        "the envelope has 10000000 bytes, and at most 131070 are read; put large documents into attachments"
    );
}

#[test]
fn an_entry_reads_back_only_in_its_canonical_form() {
    let record = signed(card(), &[&key(1)]);
    let canonical = record.envelope().to_canonical_json();
    let entry = |bytes: &[u8]| Entry::new(bytes.to_vec()).expect("short enough");
    let read = SignedRecord::from_entry(&entry(&canonical)).expect("the canonical form");
    assert_eq!(read, record);

    let text = String::from_utf8(canonical).expect("JSON is UTF-8");
    let other_spellings = [
        text.replacen(':', ": ", 1),
        format!("{text}\n"),
        text.replacen("\"payload\"", "\"\\u0070ayload\"", 1),
        text.replacen('{', "{\"a\":1,", 1),
        text.replacen("==", "", 1),
        text.replacen("application/vnd", "application\\/vnd", 1),
    ];
    for spelling in other_spellings {
        assert_ne!(spelling, text, "each spelling differs");
        SignedRecord::parse(spelling.as_bytes()).expect("publishers may spell it so");
        let error = SignedRecord::from_entry(&entry(spelling.as_bytes())).expect_err(&spelling);
        assert_eq!(
            error.to_string(),
            "the entry is not in canonical form (RFC 8785): another program wrote it, or somebody changed it"
        );
    }
}

/// A card whose envelope, signed once, is `bytes` long in canonical form.
fn card_of_entry_length(bytes: usize) -> Vec<u8> {
    let length = |payload: &[u8]| {
        Envelope::sign(payload.to_vec(), &[&key(1)])
            .expect("a good key")
            .to_canonical_json()
            .len()
    };
    let with_note = |note: usize| {
        changed(|statement| {
            statement["predicate"]["annotations"] = json!({ "note": "n".repeat(note) });
        })
    };
    // Four characters of base64 hold three bytes, so that this lands at most three below.
    let guess = (bytes - length(&with_note(0))) / 4 * 3;
    (guess..guess + 6)
        .map(with_note)
        .take_while(|payload| length(payload) <= bytes)
        .last()
        .expect("the guess is not above")
}

#[test]
fn an_entry_of_65_535_bytes_fits_and_a_longer_one_does_not() {
    let verified = |payload: Vec<u8>| {
        let registration = signed(publisher("meta-ai", &[&key(1)], None), &[&key(1)])
            .verify(None)
            .expect("a good registration");
        let state = common::state_after(None, &registration, 0);
        signed(payload, &[&key(1)])
            .verify(Some(&state))
            .expect("a good card")
    };
    let longest = verified(card_of_entry_length(ENTRY_BYTES_MAX));
    let entry = longest.to_entry().expect("it fits");
    assert!(
        (ENTRY_BYTES_MAX - 3..=ENTRY_BYTES_MAX).contains(&entry.as_bytes().len()),
        "the longest has {} bytes",
        entry.as_bytes().len()
    );
    let too_long = verified(card_of_entry_length(ENTRY_BYTES_MAX + 4));
    let error = too_long
        .to_entry()
        .expect_err("it does not fit")
        .to_string();
    assert_eq!(
        error,
        format!(
            "the entry has {} bytes, and the log takes at most 65535",
            too_long.envelope().to_canonical_json().len()
        )
    );
}

#[test]
fn a_payload_is_kept_as_it_was_signed() {
    // Not canonical, and with a field that nobody knows: still this statement, with this digest.
    let payload = serde_json::to_string_pretty(
        &serde_json::from_slice::<Value>(&changed(|statement| statement["later"] = json!(1)))
            .expect("JSON"),
    )
    .expect("JSON");
    let record = signed(payload.clone().into_bytes(), &[&key(1)]);
    assert_eq!(record.envelope().payload(), payload.as_bytes());
    assert_eq!(record.statement().digest, Sha256::of(&payload));
    assert_eq!(record.statement().json()["later"], 1);
    assert_eq!(record.statement().kind(), Kind::ModelCard);
}

/// Not even decoded: the base64 of ten megabytes would be parsed before anybody looked at a signature.
#[test]
fn a_payload_that_no_entry_can_hold_is_refused_before_it_is_read() {
    let long = with("payload", json!("!".repeat(ENTRY_BYTES_MAX + 1)));
    assert_eq!(
        refused(&long),
        "/payload: it has 65536 characters, and an entry holds at most 65535; put large documents into attachments"
    );
    let at_the_limit = with("payload", json!("!".repeat(ENTRY_BYTES_MAX)));
    assert_eq!(
        refused(&at_the_limit),
        "/payload: the base64 of the statement is required"
    );
}
