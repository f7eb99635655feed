//! Publishers, and model cards that are signed well or badly.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::record::{Admission, AuthorityError, Envelope, PublisherState, SignedRecord};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use super::{CARD, RELEASE, envelope_json, model_card, publisher, signed, state_after};

/// The state of a publisher that registered `keys` at entry 4.
pub(crate) fn registered(name: &str, keys: &[&SigningKey]) -> PublisherState {
    let record = signed(publisher(name, keys, None), keys)
        .verify(None)
        .expect("a good registration");
    state_after(None, &record, 4)
}

/// The state after one more `publisher` record, at `index`.
pub(crate) fn succeeded(
    state: &PublisherState,
    keys: &[&SigningKey],
    signers: &[&SigningKey],
    index: u64,
) -> PublisherState {
    let payload = publisher(state.name.as_str(), keys, Some(state.record));
    let record = signed(payload, signers)
        .verify(Some(state))
        .expect("a good succession");
    state_after(Some(state), &record, index)
}

pub(crate) fn card_signed_by(keys: &[&SigningKey]) -> SignedRecord {
    signed(model_card(RELEASE, CARD), keys)
}

/// The card with these signatures, which nobody has checked.
pub(crate) fn card_with(signatures: &[Value]) -> SignedRecord {
    let envelope = Envelope::from_json(&envelope_json(&model_card(RELEASE, CARD), signatures))
        .expect("well-formed");
    SignedRecord::from_envelope(envelope).expect("well-formed")
}

/// What `key` signs the card with.
pub(crate) fn card_signature(key: &SigningKey) -> Vec<u8> {
    card_signed_by(&[key]).envelope().signatures()[0]
        .sig
        .clone()
}

/// A signature as envelopes list it.
pub(crate) fn listed(keyid: &(impl ToString + ?Sized), sig: &[u8]) -> Value {
    json!({ "keyid": keyid.to_string(), "sig": BASE64_STANDARD.encode(sig) })
}

/// Why a record is refused.
pub(crate) fn refused(record: SignedRecord, state: Option<&PublisherState>) -> AuthorityError {
    // Verifying and accepting share their rules; only the operator's say differs.
    let by_verify = record.clone().verify(state).expect_err("it breaks a rule");
    let by_accept = record
        .accept(state, Admission::Open)
        .expect_err("it breaks a rule");
    assert_eq!(by_verify, by_accept);
    assert!(!by_verify.hint().is_empty());
    by_verify
}
