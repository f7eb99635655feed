//! What the tests of records and bundles build with: keys, statements of each kind, signed records.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own, and uses its own part of this"
)]

pub(crate) mod cards;
pub(crate) mod examples;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod story;
pub(crate) mod wire;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{
    Evaluation, EvaluationResult, Harness, ModelCard, Outcome, Publisher, Reason, Scope, Withdrawal,
};
use candor_core::record::{
    Attachment, Envelope, Predicate, PublicKey, PublisherState, Record, SignedRecord, Statement,
    SubjectName, to_canonical_json,
};
use candor_core::{Sha256, Verified};
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};

/// The release that the tests are about.
pub(crate) const RELEASE: &str = "meta-ai/opt-125m@1.0.0";

/// Its card.
pub(crate) const CARD: &[u8] = b"# OPT 125M\n";

/// The order of the Ed25519 group, little-endian (RFC 8032 section 5.1).
pub(crate) const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A key that is the same in each run.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.verifying_key()).expect("a key made from a seed is not of small order")
}

pub(crate) fn keyid(key: &SigningKey) -> Sha256 {
    public(key).keyid()
}

/// The payload of a `publisher` record.
pub(crate) fn publisher(name: &str, keys: &[&SigningKey], previous: Option<Sha256>) -> Vec<u8> {
    let predicate = Predicate::Publisher(Publisher {
        display_name: format!("The lab {name}"),
        url: None,
        contact: None,
        keys: keys.iter().map(|key| public(key)).collect(),
        previous,
        annotations: Map::new(),
    });
    let name = SubjectName::Publisher(name.parse().expect("the tests use good names"));
    Statement::compose(&name, Sha256::of(to_canonical_json(&predicate)), &predicate)
}

/// The payload of a `model-card` record whose card is `card`.
pub(crate) fn model_card(release: &str, card: &[u8]) -> Vec<u8> {
    let document = Attachment::describe("README.md", "text/markdown", card);
    let predicate: ModelCard = serde_json::from_value(json!({ "document": document }))
        .expect("a card needs no more than its document");
    about(release, Sha256::of(card), &Predicate::ModelCard(predicate))
}

/// The payload of a statement about a release.
pub(crate) fn about(release: &str, sha256: Sha256, predicate: &Predicate) -> Vec<u8> {
    let name = SubjectName::Release(release.parse().expect("the tests use good names"));
    Statement::compose(&name, sha256, predicate)
}

/// The payload of an `evaluation` record.
pub(crate) fn evaluation(author: &str, release: &str, subject: Sha256) -> Vec<u8> {
    let predicate = Predicate::Evaluation(Evaluation {
        author: author.parse().expect("the tests use good names"),
        harness: Harness {
            name: "harness".to_owned(),
            version: None,
            uri: None,
            digest: None,
        },
        results: vec![EvaluationResult {
            task: "sciq".to_owned(),
            metric: "acc".to_owned(),
            value: 0.751,
            standard_error: Some(0.013_681_600_278_702_308),
            samples: Some(1_000),
            few_shot: Some(0),
        }],
        config: None,
        raw_results: None,
        outcome: Outcome::Reported,
        answers: None,
        date: None,
        annotations: Map::new(),
    });
    about(release, subject, &predicate)
}

/// The payload of a `withdrawal` record, of one record.
pub(crate) fn withdrawal(author: &str, release: &str, withdrawn: Sha256) -> Vec<u8> {
    withdrawal_of(Scope::Record, author, release, withdrawn)
}

pub(crate) fn withdrawal_of(
    scope: Scope,
    author: &str,
    release: &str,
    withdrawn: Sha256,
) -> Vec<u8> {
    let predicate = Predicate::Withdrawal(Withdrawal {
        author: author.parse().expect("the tests use good names"),
        scope,
        reason: Reason::Error,
        explanation: "The wrong file was uploaded.".to_owned(),
        replacement: None,
        annotations: Map::new(),
    });
    about(release, withdrawn, &predicate)
}

pub(crate) fn signed(payload: Vec<u8>, keys: &[&SigningKey]) -> SignedRecord {
    let envelope = Envelope::sign(payload, keys).expect("the tests' keys are good");
    SignedRecord::from_envelope(envelope).expect("the tests' statements are good")
}

/// The state that a `publisher` record which was verified leaves behind.
pub(crate) fn state_after(
    before: Option<&PublisherState>,
    record: &Verified<Record>,
    index: u64,
) -> PublisherState {
    PublisherState::after(before, record, LeafIndex::new(index)).expect("a publisher record")
}

/// The JSON of an envelope, written by hand, so that it can be wrong.
pub(crate) fn envelope_json(payload: &[u8], signatures: &[Value]) -> Value {
    json!({
        "payload": BASE64_STANDARD.encode(payload),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": signatures,
    })
}

/// Makes the second spelling of an Ed25519 signature: adds the group's order to S.
pub(crate) fn add_group_order(signature: &[u8]) -> Vec<u8> {
    let mut spelling = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in spelling[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S and the order are below 2^253 each");
    spelling
}

/// Writes an object of JSON as the array of its members, in the order of `fields`: what serde takes for a struct too.
pub(crate) fn as_array(json: &mut serde_json::Value, pointer: &str, fields: &[&str]) {
    let object = json.pointer_mut(pointer).expect("it is there");
    let members = object.as_object_mut().expect("an object");
    let mut member = |field: &&str| members.remove(*field).unwrap_or_default();
    let array: Vec<_> = fields.iter().map(&mut member).collect();
    assert!(members.is_empty(), "{members:?}");
    *object = array.into();
}
