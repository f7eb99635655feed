//! Why a request is refused.

use candor_core::Sha256;
use candor_core::merkle::EntryTooLong;
use candor_core::record::{
    AuthorityError, EnvelopeError, JsonError, Kind, PublisherName, SchemaViolation, StatementError,
};
use candor_core::weights::ManifestError;

use super::{ATTACHMENT_BYTES_MAX, READ_BYTES_MAX, RECORDS_PER_REQUEST_MAX, SIGNATURE_CHECKS_MAX};
use crate::storage::StorageError;

/// Why a request is refused. `record` is the place in the request's list, counted from 0.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The body is not strict JSON.
    #[error("the body is not strict JSON: {0}")]
    Json(JsonError),
    /// No records, or too many.
    #[error(
        "a request publishes 1 to {RECORDS_PER_REQUEST_MAX} records together, and this one has {0}"
    )]
    Count(usize),
    /// An envelope is malformed.
    #[error("{error}")]
    Envelope {
        /// Which record.
        record: usize,
        /// Why.
        error: EnvelopeError,
    },
    /// A statement is malformed.
    #[error("{error}")]
    Statement {
        /// Which record.
        record: usize,
        /// Why.
        error: StatementError,
    },
    /// A statement is not as its schema says.
    #[error("the statement does not fit the schema of {kind} records: {}", violations[0])]
    Schema {
        /// Which record.
        record: usize,
        /// Its kind.
        kind: Kind,
        /// What is wrong; at least one.
        violations: Vec<SchemaViolation>,
    },
    /// The signatures don't suffice.
    #[error("{error}{}", owner.as_ref().map(|owner| format!("; the key is one of {owner}")).unwrap_or_default())]
    Authority {
        /// Which record.
        record: usize,
        /// Why.
        error: AuthorityError,
        /// Whose key it is that signed, if it is in the log.
        owner: Option<PublisherName>,
    },
    /// More signature checks than a request may cost.
    #[error(
        "it would take {checks} checks to find out which keys signed the first {} records of the request, and at most {SIGNATURE_CHECKS_MAX} are made", record + 1
    )]
    TooManyChecks {
        /// Which record is too many.
        record: usize,
        /// How many checks it takes up to this record.
        checks: usize,
    },
    /// Keys change, and more of that publisher is in the request: by which keys?
    #[error(
        "this record and record {other} of the request can't be published together: one of them changes the keys of {publisher}"
    )]
    KeyChangeNotAlone {
        /// Which record.
        record: usize,
        /// Which it can't be beside, counted from 0.
        other: usize,
        /// Whose keys change.
        publisher: PublisherName,
    },
    /// Longer than an entry.
    #[error("{error}")]
    EntryTooLong {
        /// Which record.
        record: usize,
        /// Why.
        error: EntryTooLong,
    },
    /// An attachment is larger than this log takes.
    #[error(
        "the attachment {name:?} has {size} bytes, and this log takes at most {ATTACHMENT_BYTES_MAX}"
    )]
    AttachmentTooLarge {
        /// Which record.
        record: usize,
        /// The attachment's name.
        name: String,
        /// Its size.
        size: u64,
    },
    /// Bytes that no record of this request names.
    #[error("attachment {part} of the request has the SHA-256 {sha256}, which no record of the request names{}", if wanted.is_empty() { String::new() } else { format!("; still to come: {wanted}") })]
    AttachmentNotNamed {
        /// Which attachment, counted from 1.
        part: usize,
        /// The digest of its bytes.
        sha256: Sha256,
        /// What was expected.
        wanted: String,
    },
    /// An attachment that is not of the size that is stated.
    #[error("the attachment {name:?} has {found} bytes, and the record states {stated}")]
    AttachmentSize {
        /// Which record.
        record: usize,
        /// The attachment's name.
        name: String,
        /// As stated.
        stated: u64,
        /// As found.
        found: u64,
    },
    /// A record names an attachment that is neither sent nor stored.
    #[error("the attachment {name:?} ({sha256}) is not stored here, and was not sent along")]
    AttachmentMissing {
        /// Which record.
        record: usize,
        /// Its name.
        name: String,
        /// Its digest.
        sha256: Sha256,
    },
    /// More manifests and lists than are read for one request.
    #[error(
        "the manifests of this request and the lists that it names with them come to {bytes} bytes, a list once for each \
         manifest, and at most {READ_BYTES_MAX} are read for one request"
    )]
    TooMuchToRead {
        /// Which record is too many.
        record: usize,
        /// How many bytes it takes up to this record.
        bytes: u64,
    },
    /// A manifest is malformed, or not what its statement says.
    #[error("{error}")]
    Manifest {
        /// Which record.
        record: usize,
        /// Why.
        error: ManifestError,
    },
    /// The storage does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
