//! Records: what publishers sign and the log keeps.
//!
//! ```text
//! envelope bytes ──► SignedRecord ──► (schema) ──► verify against the publisher's keys ──► Verified<Record>
//!  strict JSON       one of the       predicate    who may sign: `authority`               ──► Entry
//!                    seven kinds      rules
//! ```
//!
//! Always: the payload's bytes are kept verbatim, and the statement that is acted on is parsed from the very
//! bytes whose signature was checked.
//!
//! Not here: which names and statements exist already (the sequencer asks the storage), and where
//! attachments are kept.

mod authority;
mod canonical;
mod digest_set;
mod envelope;
mod from_json;
mod json;
mod key;
pub mod kinds;
pub mod lineage;
mod names;
mod schema;
mod statement;
mod text;

use std::sync::Arc;

use crate::merkle::{Entry, EntryTooLong};
use crate::{Sha256, Verified};

pub use authority::{Admission, AuthorityError, PublisherState, RetiredKey};
pub use canonical::to_canonical_json;
pub(crate) use canonical::write_string;
pub use digest_set::{Algorithm, DigestSet, DigestSetError};
pub use envelope::{
    ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, EnvelopeSignature, PAYLOAD_TYPE, pae,
};
pub use from_json::from_json;
pub use json::{JSON_DEPTH_MAX, JsonError, parse_strict, parse_strict_bounded};
pub use key::{PublicKey, PublicKeyError, SignatureFault};
pub use kinds::{Attachment, Kind, Predicate};
pub use names::{ModelName, NameError, PublisherName, ReleaseName, Version};
pub use schema::{COMMON_SCHEMA_TEXT, SchemaViolation, check_schema, schema_text};
pub use statement::{
    PayloadError, STATEMENT_TYPE, Statement, StatementError, Subject, SubjectName,
};
pub use text::{UnsafeText, check_plain_text};

/// An envelope and the statement inside it, well-formed; nobody has checked yet who signed it. Clones share all but
/// the signatures.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedRecord {
    envelope: Envelope,
    statement: Arc<Statement>,
}

/// An envelope, its statement and who signed it. Comes only as `Verified<Record>`. Clones share all but the signatures.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    envelope: Envelope,
    statement: Arc<Statement>,
    signed_by: Vec<PublicKey>,
    checked_against: Option<Sha256>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The envelope is malformed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The statement inside is malformed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A log entry that is an envelope, but not in its canonical form.
    #[error(
        "the entry is not in canonical form (RFC 8785): another program wrote it, or somebody changed it"
    )]
    NotCanonical,
}

impl SignedRecord {
    /// Reads an envelope as a publisher sends it.
    pub fn parse(envelope: &[u8]) -> Result<Self, RecordError> {
        Self::from_envelope(Envelope::parse(envelope)?)
    }

    /// Reads a log entry, which must be in canonical form.
    pub fn from_entry(entry: &Entry) -> Result<Self, RecordError> {
        let record = Self::parse(entry.as_bytes())?;
        if record.envelope.to_canonical_json() != entry.as_bytes() {
            return Err(RecordError::NotCanonical);
        }
        Ok(record)
    }

    /// Reads the statement inside `envelope`.
    pub fn from_envelope(envelope: Envelope) -> Result<Self, RecordError> {
        let statement = Arc::new(Statement::parse(envelope.payload())?);
        Ok(Self {
            envelope,
            statement,
        })
    }

    /// Reads the statement inside `envelope` as a log does ([`Statement::parse_by_schema`]).
    pub fn from_envelope_by_schema(
        envelope: Envelope,
        values_max: usize,
    ) -> Result<Self, PayloadError> {
        let statement = Statement::parse_by_schema(envelope.payload(), values_max)?;
        Ok(Self {
            envelope,
            statement: Arc::new(statement),
        })
    }

    /// The statement, which nobody has vouched for yet.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Lets go of the statement as JSON ([`Statement::json`]): for whoever holds many records, and needs only what
    /// they say.
    pub fn let_json_go(&mut self) {
        Arc::make_mut(&mut self.statement).let_json_go();
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// How many signature checks [`SignedRecord::accept`] makes at most, each of which takes some ten
    /// microseconds. For strangers' records, whose signatures need not name their keys.
    pub fn signature_checks_max(
        &self,
        publisher: Option<&PublisherState>,
        admission: Admission<'_>,
    ) -> usize {
        authority::checks_max(&self.envelope, &self.statement, publisher, admission)
    }

    /// Checks a log entry: that those signed who had to, by what the log says of the publisher before it.
    ///
    /// `publisher` is the state of [`Statement::publisher`] after all entries before this record, or `None`
    /// while the log has no `publisher` record of that name.
    pub fn verify(
        self,
        publisher: Option<&PublisherState>,
    ) -> Result<Verified<Record>, AuthorityError> {
        let counted =
            authority::check(&self.envelope, &self.statement, publisher, Admission::Open)?;
        Ok(Verified::attest(Record {
            envelope: self.envelope,
            statement: self.statement,
            signed_by: counted.keys,
            checked_against: publisher.map(|publisher| publisher.record),
        }))
    }

    /// Checks a record that wants to become a log entry. As [`SignedRecord::verify`], and further: the
    /// operator must have admitted a new publisher where `admission` says so, and signatures that were not
    /// checked are dropped, since only what was verified is ever stored.
    pub fn accept(
        self,
        publisher: Option<&PublisherState>,
        admission: Admission<'_>,
    ) -> Result<Verified<Record>, AuthorityError> {
        let counted = authority::check(&self.envelope, &self.statement, publisher, admission)?;
        Ok(Verified::attest(Record {
            envelope: self.envelope.with_signatures(counted.signatures),
            statement: self.statement,
            signed_by: counted.keys,
            checked_against: publisher.map(|publisher| publisher.record),
        }))
    }
}

impl Record {
    /// What was signed.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The publisher's keys that signed.
    pub fn signed_by(&self) -> &[PublicKey] {
        &self.signed_by
    }

    /// The `publisher` record that the signatures were checked against; `None` for a registration. If the
    /// publisher has another one by now, the check must be made again.
    pub fn checked_against(&self) -> Option<Sha256> {
        self.checked_against
    }

    /// Takes the mark off, so that the record can be checked against newer keys.
    pub fn into_signed(self) -> SignedRecord {
        SignedRecord {
            envelope: self.envelope,
            statement: self.statement,
        }
    }

    /// The log's leaf data: the envelope as canonical JSON.
    pub fn to_entry(&self) -> Result<Entry, EntryTooLong> {
        Entry::new(self.envelope.to_canonical_json())
    }
}
