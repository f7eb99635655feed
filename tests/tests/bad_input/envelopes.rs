//! Envelopes that DSSE or this log does not know, and entries that are too long.

use candor_tests::TestPublisher;
use serde_json::{Value, json};

use super::Case;
use super::world::World;

/// The longest record that becomes an entry: 4 bytes more, the next that base64 can have, are refused.
pub(crate) fn longest(lab: &TestPublisher) -> Value {
    of_payload_bytes(lab, PAYLOAD_BYTES_MAX)
}

/// What fits into an entry of 65,535 bytes beside one signature: three quarters of what is left.
const PAYLOAD_BYTES_MAX: usize = (65_535 - ENVELOPE_BYTES) / 4 * 3;

/// `{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}` with a
/// key ID of 64 and a signature of 88 characters.
const ENVELOPE_BYTES: usize = 98 + 64 + 88;

fn of_payload_bytes(lab: &TestPublisher, bytes: usize) -> Value {
    let version = "9.9.9";
    let beside = lab.api_version_statement("tiny", version, "x").len() - 1;
    let payload = lab.api_version_statement("tiny", version, &"x".repeat(bytes - beside));
    assert_eq!(payload.len(), bytes);
    lab.sign(payload)
}

pub(crate) fn cases(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let good = lab.api_version("tiny", "1.3.0", "");
    let with = |pointer: &str, value: Value| {
        let mut envelope = good.clone();
        *envelope.pointer_mut(pointer).expect("it is there") = value;
        envelope
    };
    let without = |field: &str| {
        let mut envelope = good.clone();
        envelope.as_object_mut().expect("an object").remove(field);
        envelope
    };
    let signature = &good["signatures"][0];
    let malformed =
        |name, envelope: &Value| Case::record(name, envelope, 400, "malformed-envelope");
    vec![
        malformed("a text instead of an envelope", &json!("envelope")),
        malformed(
            "a bare statement instead of an envelope",
            &json!({"_type": "x"}),
        ),
        malformed("a second record that is no envelope", &json!([good, 7])),
        malformed("no payload", &without("payload")),
        malformed(
            "a payload that is not base64",
            &with("/payload", json!("{}")),
        ),
        malformed("no payload type", &without("payloadType")),
        malformed(
            "another payload type",
            &with("/payloadType", json!("application/vnd.cyclonedx+json")),
        ),
        malformed("no list of signatures", &without("signatures")),
        malformed(
            "an empty list of signatures",
            &with("/signatures", json!([])),
        ),
        malformed(
            "21 signatures",
            &with("/signatures", Value::Array(vec![signature.clone(); 21])),
        ),
        malformed(
            "a signature that is not base64",
            &with("/signatures/0/sig", json!("not base64!")),
        ),
        malformed(
            "a key ID that is a number",
            &with("/signatures/0/keyid", json!(7)),
        ),
        Case::record(
            "an entry of over 65,535 bytes",
            &of_payload_bytes(lab, PAYLOAD_BYTES_MAX + 1),
            413,
            "too-large",
        ),
    ]
}
