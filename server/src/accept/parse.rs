//! From bytes to records: strict JSON, envelopes, statements, schemas.
//!
//! Always: what is parsed has a bound, in values and not in bytes alone, before any signature is looked at; and
//! what is kept of it is known, so that room can be taken for it.

use candor_core::record::{Envelope, PayloadError, SignedRecord, parse_strict_bounded};
use serde_json::Value;

use super::{AcceptError, LARGE_RECORDS_MAX, RECORDS_PER_REQUEST_MAX};

/// The most JSON values of the envelopes of one request, and of the statements in them. An envelope with all its
/// signatures has far fewer than its share, and so have most statements; the one in a request alone can have
/// as many as its bytes allow.
const REQUEST_VALUES_MAX: usize = LARGE_RECORDS_MAX * 1_024;

/// The memory of a node of the tree that a JSON object is, which has up to 11 members; a member takes 56 bytes.
const OBJECT_NODE_BYTES: usize = 640;

/// The fewest members that such a node has, save the only one.
const OBJECT_NODE_MEMBERS_MIN: usize = 5;

/// The memory of an item of a list: a value takes 32 bytes, and half of a list may be in reserve.
const ITEM_BYTES: usize = 64;

/// The bytes of a signature and its key ID in an entry, about.
const SIGNATURE_BYTES: usize = 192;

/// Well-formed records, whose signatures nobody has looked at.
#[derive(Debug)]
pub struct Parsed {
    pub(super) records: Vec<SignedRecord>,
    /// How many bytes they take in memory, about.
    pub(super) bytes: usize,
}

impl Parsed {
    /// How many records there are, 1 to 256.
    pub fn count(&self) -> u32 {
        u32::try_from(self.records.len()).expect("they are few")
    }

    /// Reads the JSON part of a request: one envelope, or a list of them.
    pub fn parse(body: &[u8]) -> Result<Self, AcceptError> {
        let body = parse_strict_bounded(body, REQUEST_VALUES_MAX).map_err(AcceptError::Json)?;
        let envelopes = match &body {
            Value::Array(envelopes) => envelopes.as_slice(),
            one => std::slice::from_ref(one),
        };
        if envelopes.is_empty() || envelopes.len() > RECORDS_PER_REQUEST_MAX {
            return Err(AcceptError::Count(envelopes.len()));
        }
        let mut parsed = Self {
            records: Vec::with_capacity(envelopes.len()),
            bytes: 0,
        };
        let mut values_left = REQUEST_VALUES_MAX;
        for (n, envelope) in envelopes.iter().enumerate() {
            parsed.add(n, envelope, &mut values_left)?;
        }
        Ok(parsed)
    }

    fn add(
        &mut self,
        record: usize,
        envelope: &Value,
        values_left: &mut usize,
    ) -> Result<(), AcceptError> {
        let envelope = Envelope::from_json(envelope)
            .map_err(|error| AcceptError::Envelope { record, error })?;
        let signed = SignedRecord::from_envelope_by_schema(envelope, *values_left);
        let mut signed = signed.map_err(|error| match error {
            PayloadError::Statement(error) => AcceptError::Statement { record, error },
            PayloadError::Schema { kind, violations } => AcceptError::Schema {
                record,
                kind,
                violations,
            },
        })?;
        let statement = signed.statement().json();
        *values_left -= values(statement);
        // The payload, the types that are made of its JSON and take no more than that, which goes again, and the entry.
        let payload = signed.envelope().payload().len();
        let signatures = SIGNATURE_BYTES * signed.envelope().signatures().len();
        self.bytes += payload + bytes_in_memory(statement) + 4 * payload / 3 + signatures;
        signed.let_json_go();
        self.records.push(signed);
        Ok(())
    }

    /// How many bytes the records take in memory; about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How many values a value is made of, itself among them.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many bytes a value has on the heap, about and at most.
fn bytes_in_memory(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items
            .iter()
            .map(|item| ITEM_BYTES + bytes_in_memory(item))
            .sum(),
        Value::Object(members) => {
            let nodes = members.len().div_ceil(OBJECT_NODE_MEMBERS_MIN);
            let held = members
                .iter()
                .map(|(key, value)| key.len() + bytes_in_memory(value));
            nodes * OBJECT_NODE_BYTES + held.sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_take_many_times_their_text() {
        let text = format!("[{}0]", r#"{"":0},"#.repeat(1_000));
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(values(&value), 2_002);
        assert_eq!(
            bytes_in_memory(&value),
            1_000 * OBJECT_NODE_BYTES + 1_001 * ITEM_BYTES
        );
        assert!(bytes_in_memory(&value) > 90 * text.len());
    }
}
