//! Envelopes and statements as they arrive.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::record::{RecordError, SignedRecord};
use serde_json::{Value, json};

use super::{CARD, RELEASE, envelope_json, model_card};

pub(crate) fn card() -> Vec<u8> {
    model_card(RELEASE, CARD)
}

pub(crate) fn signature() -> Value {
    json!({ "keyid": "k", "sig": BASE64_STANDARD.encode([7; 64]) })
}

pub(crate) fn refused_statement(payload: &[u8]) -> String {
    // In its envelope, as it arrives.
    let envelope = serde_json::to_vec(&envelope_json(payload, &[signature()])).expect("JSON");
    let error = SignedRecord::parse(&envelope).expect_err("the statement should be refused");
    assert!(matches!(error, RecordError::Statement(_)), "{error}");
    error.to_string()
}

/// The card's statement, changed.
pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut statement: Value = serde_json::from_slice(&card()).expect("a statement is JSON");
    change(&mut statement);
    serde_json::to_vec(&statement).expect("a value is JSON")
}
