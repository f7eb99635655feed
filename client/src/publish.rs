//! Publishes records: checks them here first, sends them, and believes the answer only after checking it.
//!
//! ```text
//! payload ──schema, rules──► sign ──► checkpoint ──► send ──► receipts ──our entry bytes, log key──► Published
//!                                         │            └────► checkpoint ┐
//!                                         └──────────── memory ◄─────────┘
//! ```
//!
//! Always: what a log would refuse for its form is refused here, before anything leaves this machine; nothing
//! is sent before what answers has shown to be the log, since records are public for good; and a record counts
//! as published only when its receipt holds.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::bundle::{Receipt, ReceiptError};
use candor_core::merkle::{Entry, EntryTooLong, LeafIndex};
use candor_core::note::{NextLog, Origin, Retirement};
use candor_core::record::{
    Envelope, Kind, PayloadError, Predicate, PublicKeyError, RecordError, SchemaViolation,
    SignedRecord, Statement, StatementError,
};
use candor_core::weights::{Manifest, ManifestError};
use serde_json::Value;

use crate::api::{PublishedRecordView, PublishedView};
use crate::keys::SecretKey;
use crate::log_client::{LogClient, LogError, SignedCheckpoint};
use crate::memory::{Memory, MemoryError};
use crate::replay::{Replay, ReplayError, parse};
use crate::transport::{RequestBody, TransportError};

/// The most records of one release: what a log takes at once.
pub const RECORDS_MAX: usize = 256;

/// Documents by their digest.
pub type Attachments = BTreeMap<Sha256, Vec<u8>>;

/// A record that is in the log, which its receipt proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Where it stands.
    pub index: LeafIndex,
    /// What it is.
    pub kind: Kind,
    /// Its statement digest.
    pub statement: Sha256,
    /// Whether it is new; else the log had it already.
    pub created: bool,
    /// The proof.
    pub receipt: Receipt,
}

/// Why records are not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Not as the schema of its kind says.
    #[error("the {kind} record is not as its schema says")]
    Schema {
        /// Which kind.
        kind: Kind,
        /// Where, and how.
        violations: Vec<SchemaViolation>,
    },
    /// Not a statement of ours.
    #[error("the statement is refused: {0}")]
    Statement(#[from] StatementError),
    /// Not an envelope around such a statement.
    #[error("the record is refused: {0}")]
    Record(#[from] Box<RecordError>),
    /// Too large for a log entry.
    #[error("the {kind} record is too large: {error}")]
    TooLong {
        /// Which kind.
        kind: Kind,
        /// How large.
        error: EntryTooLong,
    },
    /// Nothing, or too much at once.
    #[error("1 to {RECORDS_MAX} records are published at once, and these are {0}")]
    Count(usize),
    /// An attachment of another size than the statement says.
    #[error("the statement says that {name} has {stated} bytes, and it has {found}")]
    AttachmentSize {
        /// Its name.
        name: String,
        /// As the statement says.
        stated: u64,
        /// As it is.
        found: u64,
    },
    /// A document that no statement names.
    #[error("none of the records names an attachment with the digest {0}")]
    AttachmentUnnamed(Sha256),
    /// The manifest is none, or is not what the statement says of it.
    #[error("the manifest is refused: {0}")]
    Manifest(#[from] ManifestError),
    /// The key can't sign.
    #[error("the record can't be signed with this key: {0}")]
    Key(#[from] PublicKeyError),
    /// The log could not be asked, or refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log's checkpoint does not fit what was seen before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The log is closed, so nothing was sent.
    #[error("the log {origin} is retired, and takes no further record")]
    Retired {
        /// Which log.
        origin: Origin,
        /// Where it goes on.
        next: Option<NextLog>,
    },
    /// An answer about something else than what was sent.
    #[error("the log's answer does not fit what was sent: {0}")]
    OtherAnswer(&'static str),
    /// An answer that proves nothing.
    #[error(
        "the log says that the record is entry {index}, and its receipt does not hold: {error}"
    )]
    Receipt {
        /// Where it should stand.
        index: LeafIndex,
        /// Why.
        error: Box<ReceiptError>,
    },
    /// The entry that the log has is not a record.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Something went wrong when the records had left.
    #[error(transparent)]
    Sent(Box<PublishError>),
}

impl From<PayloadError> for PublishError {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Statement(error) => Self::Statement(error),
            PayloadError::Schema { kind, violations } => Self::Schema { kind, violations },
        }
    }
}

impl PublishError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Schema { kind, .. } => {
                format!("mend the fields that are named; `candor schema {kind}` says what each may hold")
            }
            Self::Statement(_) | Self::Record(_) => {
                "mend the field that is named, and publish again; nothing was sent".to_owned()
            }
            Self::TooLong { .. } => {
                "put the long part into an attachment, or publish it in several records".to_owned()
            }
            Self::Count(_) => "publish the rest with `candor publish`".to_owned(),
            Self::AttachmentSize { .. } => {
                "attach the very file that the statement describes, or describe it again".to_owned()
            }
            Self::AttachmentUnnamed(_) => {
                "leave it out, or name it in the statement by its digest".to_owned()
            }
            Self::Manifest(_) => "let `candor release FOLDER` make the manifest".to_owned(),
            Self::Key(_) => "make a new key with `candor keygen`".to_owned(),
            Self::Log(LogError::Transport(TransportError::OutOfReach { .. }))
            | Self::Memory(MemoryError::Log(LogError::Transport(
                TransportError::OutOfReach { .. },
            ))) => {
                "check the address (`--log URL`) and the network, and publish again: what the log has already stays as it is".to_owned()
            }
            Self::Log(error) => error.hint(),
            Self::Memory(error) => error.hint(),
            Self::Retired { next: None, .. } => {
                "name another log (`--log URL`, `--log-key KEY`): this one names none that it goes on in".to_owned()
            }
            Self::Retired { next: Some(next), .. } => format!(
                "it goes on elsewhere: `--log {} --log-key {}`", next.url(), next.key
            ),
            Self::OtherAnswer(_) | Self::Receipt { .. } => {
                "publish again, which changes nothing if the record is there; if it stays so, tell the log's operator and a witness".to_owned()
            }
            Self::Replay(error) => error.hint(),
            Self::Sent(error) => error.hint(),
        }
    }

    /// The log's part in it, if it was asked and did not do it.
    pub fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) => Some(error),
            Self::Memory(error) => error.log_error(),
            Self::Replay(error) => error.log_error(),
            Self::Sent(error) => error.log_error(),
            Self::Schema { .. }
            | Self::Statement(_)
            | Self::Record(_)
            | Self::TooLong { .. }
            | Self::Count(_)
            | Self::AttachmentSize { .. }
            | Self::AttachmentUnnamed(_)
            | Self::Manifest(_)
            | Self::Key(_)
            | Self::Retired { .. }
            | Self::OtherAnswer(_)
            | Self::Receipt { .. } => None,
        }
    }

    /// Whether nothing was taken: the log says so, or there is none that takes anything.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Log(LogError::ReadOnly { .. }))
            || matches!(self, Self::Log(LogError::Problem(problem)) if (400..500).contains(&problem.status))
    }

    /// Further lines: each violation of the schema, or what else is known.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Schema { violations, .. } => violations.iter().map(ToString::to_string).collect(),
            Self::Memory(error) => error.context(),
            Self::Sent(error) => {
                let sent = "the records were sent before that, and may be in the log; publishing them again changes nothing if they are";
                [vec![sent.to_owned()], error.context()].concat()
            }
            Self::Statement(_)
            | Self::Record(_)
            | Self::TooLong { .. }
            | Self::Count(_)
            | Self::AttachmentSize { .. }
            | Self::AttachmentUnnamed(_)
            | Self::Manifest(_)
            | Self::Key(_)
            | Self::Log(_)
            | Self::Retired { .. }
            | Self::OtherAnswer(_)
            | Self::Receipt { .. }
            | Self::Replay(_) => self.log_error().map(LogError::context).unwrap_or_default(),
        }
    }
}

/// Checks a payload as a log does: strict JSON, kind, schema, and the rules that no schema can express.
pub fn check_payload(payload: &[u8]) -> Result<Statement, PublishError> {
    Ok(Statement::parse_by_schema(payload, usize::MAX)?)
}

/// Checks a payload, and signs it with each of `keys`.
pub fn sign(payload: Vec<u8>, keys: &[&SecretKey]) -> Result<SignedRecord, PublishError> {
    check_payload(&payload)?;
    let keys: Vec<_> = keys.iter().map(|key| key.signing_key()).collect();
    check_envelope(Envelope::sign(payload, &keys)?)
}

/// Checks an envelope that somebody signed, except for who it was.
pub fn check_envelope(envelope: Envelope) -> Result<SignedRecord, PublishError> {
    let record = SignedRecord::from_envelope_by_schema(envelope, usize::MAX)?;
    let kind = record.statement().kind();
    Entry::new(record.envelope().to_canonical_json())
        .map_err(|error| PublishError::TooLong { kind, error })?;
    Ok(record)
}

/// Publishes `records` as one: all of them get into the log, or none.
///
/// A record that the log had already gets a receipt for its first entry, against the newest checkpoint.
pub fn publish(
    client: &LogClient,
    memory: &Memory,
    records: &[SignedRecord],
    attachments: &Attachments,
) -> Result<Vec<Published>, PublishError> {
    if records.is_empty() || records.len() > RECORDS_MAX {
        return Err(PublishError::Count(records.len()));
    }
    check_attachments(records, attachments)?;
    check_open(client, memory)?;
    send(client, memory, records, attachments).map_err(|error| {
        if error.is_refusal() {
            error
        } else {
            PublishError::Sent(Box::new(error))
        }
    })
}

/// Checks that what answers is the log, and that it takes records: another log, or one that was rewritten, is found out
/// before it gets anything.
pub fn check_open(client: &LogClient, memory: &Memory) -> Result<(), PublishError> {
    let (checkpoint, _) = memory.fetch(client)?;
    match &checkpoint.checkpoint.retirement {
        None => Ok(()),
        Some(Retirement { next }) => Err(PublishError::Retired {
            origin: client.key().origin(),
            next: next.clone(),
        }),
    }
}

fn send(
    client: &LogClient,
    memory: &Memory,
    records: &[SignedRecord],
    attachments: &Attachments,
) -> Result<Vec<Published>, PublishError> {
    let sent = client.send_records(&request_body(records, attachments));
    let answer = sent.map_err(|error| match error {
        // Which of the records it is about goes without saying if there is one.
        LogError::Problem(mut problem) if records.len() == 1 => {
            problem.record = None;
            LogError::Problem(problem)
        }
        error => error,
    })?;
    let checkpoint = SignedCheckpoint::verify(answer.checkpoint.clone(), client.key())
        .map_err(LogError::from)?;
    // Others who publish from this machine may have seen a newer one meanwhile; then this is proven to be
    // the beginning of that.
    memory.advance(client, &checkpoint)?;
    check_answer(client, records, &answer, &checkpoint)
}

/// Each document is named by a statement, and is as large as that says; manifests fit their statements.
fn check_attachments(
    records: &[SignedRecord],
    attachments: &Attachments,
) -> Result<(), PublishError> {
    let mut unnamed: Vec<_> = attachments.keys().collect();
    for record in records {
        let predicate = &record.statement().predicate;
        for named in predicate.attachments() {
            let digest = named.digest.sha256;
            unnamed.retain(|unnamed| **unnamed != digest);
            // What is not at hand here may be in the log already; it says so if it is not.
            let Some(bytes) = attachments.get(&digest) else {
                continue;
            };
            if bytes.len() as u64 != named.size {
                return Err(PublishError::AttachmentSize {
                    name: named.name.clone(),
                    stated: named.size,
                    found: bytes.len() as u64,
                });
            }
        }
        if let Predicate::Weights(weights) = predicate
            && let Some(manifest) = attachments.get(&weights.manifest.digest.sha256)
        {
            Manifest::check_documents(weights, manifest, |named| {
                attachments.get(&named.digest.sha256).map(Vec::as_slice)
            })?;
        }
    }
    match unnamed.first() {
        Some(digest) => Err(PublishError::AttachmentUnnamed(**digest)),
        None => Ok(()),
    }
}

/// The envelopes as JSON, alone or as the first part of a form that has the attachments too.
fn request_body(records: &[SignedRecord], attachments: &Attachments) -> RequestBody {
    let envelopes: Vec<Value> = records
        .iter()
        .map(|record| record.envelope().to_json())
        .collect();
    let json = match <[Value; 1]>::try_from(envelopes) {
        Ok([envelope]) => envelope,
        Err(envelopes) => Value::Array(envelopes),
    };
    let json = json.to_string().into_bytes();
    if attachments.is_empty() {
        return RequestBody {
            content_type: "application/json".to_owned(),
            bytes: json,
        };
    }
    // A digest over everything that it parts can't stand in any of that.
    let parts = attachments
        .values()
        .flat_map(|bytes| *Sha256::of(bytes).as_bytes());
    let boundary = format!(
        "candor-{}",
        Sha256::of(json.iter().copied().chain(parts).collect::<Vec<u8>>())
    );
    let mut bytes = Vec::new();
    let mut part = |name: &str, media_type: &str, content: &[u8]| {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {media_type}\r\n\r\n"
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    };
    part("records", "application/json", &json);
    for content in attachments.values() {
        part("attachment", "application/octet-stream", content);
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    RequestBody {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        bytes,
    }
}

/// Holds each answer against what was sent.
fn check_answer(
    client: &LogClient,
    records: &[SignedRecord],
    answer: &PublishedView,
    checkpoint: &SignedCheckpoint,
) -> Result<Vec<Published>, PublishError> {
    if answer.records.len() != records.len() {
        return Err(PublishError::OtherAnswer(
            "it is about another number of records",
        ));
    }
    let pairs = records.iter().zip(&answer.records);
    pairs
        .map(|(record, answer)| check_receipt(client, record, answer, checkpoint))
        .collect()
}

fn check_receipt(
    client: &LogClient,
    record: &SignedRecord,
    answer: &PublishedRecordView,
    checkpoint: &SignedCheckpoint,
) -> Result<Published, PublishError> {
    let statement = record.statement();
    let index = answer.index;
    let failed = |error| PublishError::Receipt {
        index,
        error: Box::new(error),
    };
    let receipt: Receipt = answer.receipt.parse().map_err(failed)?;
    if answer.statement != statement.digest || receipt.index != index {
        return Err(PublishError::OtherAnswer("it is about another record"));
    }
    // The tree that was held against what is remembered, and no other.
    if receipt.checkpoint != checkpoint.text {
        return Err(PublishError::OtherAnswer(
            "its proof is for another tree than its checkpoint",
        ));
    }
    let entry = Entry::new(record.envelope().to_canonical_json()).map_err(|error| {
        PublishError::TooLong {
            kind: statement.kind(),
            error,
        }
    })?;
    match receipt.verify(&entry, client.key()) {
        Ok(_) => {}
        // The log may have this statement under other signatures: from an earlier time, or with signatures
        // dropped that were not needed. Then its own entry is what the receipt is about.
        Err(ReceiptError::NotIncluded { .. }) => {
            let logged = client.entry(index, checkpoint)?;
            if parse(&logged)?.envelope().payload() != record.envelope().payload() {
                return Err(PublishError::OtherAnswer(
                    "the entry that it names holds another statement",
                ));
            }
            receipt
                .verify(&logged.entry, client.key())
                .map_err(failed)?;
            // Its signatures are others than ours, so they are checked like anybody's.
            Replay::default().check_alone(client, checkpoint, &logged)?;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(Published {
        index,
        kind: statement.kind(),
        statement: statement.digest,
        created: answer.created,
        receipt,
    })
}

#[cfg(test)]
mod tests;
