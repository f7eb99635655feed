//! Who may sign what: signatures that don't hold, keys of others, keys of the past.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::record::{Envelope, pae};
use candor_tests::TestPublisher;
use candor_tests::statements::{digest_of, payload_of, sign_with, statement_of};
use serde_json::{Value, json};

use super::Case;
use super::world::{Which, World};

/// The order of the Ed25519 group, little-endian (RFC 8032 section 5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub(crate) fn cases(world: &World) -> Vec<Case> {
    [
        signatures(world),
        namespaces(world),
        registrations(world),
        rotations(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Changes the bytes of the first signature.
fn with_signature(envelope: &Value, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut envelope = envelope.clone();
    let sig = envelope["signatures"][0]["sig"].as_str().expect("base64");
    let mut sig = BASE64_STANDARD.decode(sig).expect("base64");
    change(&mut sig);
    envelope["signatures"][0]["sig"] = BASE64_STANDARD.encode(sig).into();
    envelope
}

/// S + L, which stands for the same scalar.
fn add_group_order(sig: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in sig[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

fn signatures(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let good = lab.api_version("tiny", "1.5.0", "");
    let bad = |name, envelope: &Value| Case::record(name, envelope, 403, "bad-signature");
    let mut swapped = good.clone();
    swapped["signatures"] = lab.api_version("tiny", "1.5.1", "")["signatures"].clone();
    let mut over_payload_alone = good.clone();
    let sig = ed25519_dalek::Signer::sign(&lab.key, &payload_of(&good));
    over_payload_alone["signatures"][0]["sig"] = BASE64_STANDARD.encode(sig.to_bytes()).into();
    let mut over_other_type = good.clone();
    let message = pae("application/json", &payload_of(&good));
    let sig = ed25519_dalek::Signer::sign(&lab.key, &message);
    over_other_type["signatures"][0]["sig"] = BASE64_STANDARD.encode(sig.to_bytes()).into();
    vec![
        bad(
            "a signature with one bit changed",
            &with_signature(&good, |sig| sig[0] ^= 1),
        ),
        bad("a signature over another statement", &swapped),
        bad("a signature over the payload alone", &over_payload_alone),
        bad("a signature over another payload type", &over_other_type),
        bad(
            "a signature of 63 bytes",
            &with_signature(&good, |sig| sig.truncate(63)),
        ),
        bad(
            "a signature with a non-canonical S",
            &with_signature(&good, |sig| add_group_order(sig)),
        ),
    ]
}

fn namespaces(world: &World) -> Vec<Case> {
    let World {
        lab,
        auditor,
        rotated,
        retired,
        stranger,
        ..
    } = world;
    let good = lab.api_version("tiny", "1.5.2", "");
    let by = |publisher: &TestPublisher| publisher.sign(payload_of(&good));
    let mut posing = by(stranger);
    posing["signatures"][0]["keyid"] = lab.public_key().keyid().to_string().into();
    let mut nameless = by(stranger);
    nameless["signatures"][0] = json!({"sig": nameless["signatures"][0]["sig"]});
    vec![
        Case::record(
            "a publisher that is not registered",
            &stranger.api_version("tiny", "1.0.0", ""),
            403,
            "unknown-publisher",
        ),
        Case::record(
            "a key that nobody has registered",
            &by(stranger),
            403,
            "unknown-key",
        ),
        Case::record(
            "a key without an ID that nobody has registered",
            &nameless,
            403,
            "unknown-key",
        ),
        Case::record(
            "a key of another namespace",
            &by(auditor),
            403,
            "unknown-key",
        ),
        Case::record(
            "a signature by a stranger under the ID of a right key",
            &posing,
            403,
            "bad-signature",
        ),
        Case::record(
            "a revoked key",
            &retired.api_version("tiny", "1.0.0", ""),
            403,
            "revoked-key",
        ),
        Case::json(
            "a good record and one of another namespace",
            json!([rotated.api_version("tiny", "1.0.0", ""), by(auditor)]).to_string(),
            403,
            "unknown-key",
        ),
    ]
}

fn registrations(world: &World) -> Vec<Case> {
    let World { lab, stranger, .. } = world;
    let squatter = lab.with_key("squatter");
    let unproven = stranger.update(None, vec![stranger.public_key(), lab.public_key()]);
    let following = stranger.update(Some(Sha256::of("nothing")), vec![stranger.public_key()]);
    vec![
        Case::record(
            "a name that is taken",
            &squatter.register(),
            409,
            "name-taken",
        ),
        Case::record(
            "a key of somebody else in a registration",
            &stranger.sign(unproven),
            422,
            "bad-key-change",
        ),
        Case::record(
            "a registration that follows something",
            &stranger.sign(following),
            422,
            "bad-key-change",
        ),
        Case::record(
            "a registration that nobody admitted",
            &stranger.register(),
            403,
            "not-admitted",
        )
        .to(Which::Approved),
        Case::record(
            "a registration that a stranger admitted",
            &admitted_by(stranger, lab),
            403,
            "not-admitted",
        )
        .to(Which::Approved),
    ]
}

fn admitted_by(publisher: &TestPublisher, operator: &TestPublisher) -> Value {
    let mut envelope = Envelope::from_json(&publisher.register()).expect("an envelope");
    envelope.add_signature(&operator.key).expect("a good key");
    envelope.to_json()
}

fn rotations(world: &World) -> Vec<Case> {
    let World {
        rotated, retired, ..
    } = world;
    let third = rotated.with_key("the third key of rotated-lab");
    let newest = Some(digest_of(&world.rotation));
    let back = rotated.update(newest, vec![rotated.public_key(), retired.public_key()]);
    let unproven = rotated.update(newest, vec![third.public_key()]);
    assert!(statement_of(&world.rotation)["predicate"]["previous"].is_string());
    vec![
        Case::record(
            "a rotation that follows an old record",
            &retired.rotate(&world.first_registration, &third),
            409,
            "name-taken",
        ),
        Case::record(
            "a rotation by the new key alone",
            &third.sign(unproven.clone()),
            403,
            "unknown-key",
        ),
        Case::record(
            "a rotation by the old key alone",
            &rotated.sign(unproven),
            422,
            "bad-key-change",
        ),
        Case::record(
            "a rotation by a revoked key",
            &retired.rotate(&world.rotation, &third),
            403,
            "revoked-key",
        ),
        Case::record(
            "a revoked key that comes back",
            &sign_with(back, &[&rotated.key, &retired.key]),
            422,
            "bad-key-change",
        ),
    ]
}
