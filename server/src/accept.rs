//! From bytes that anybody may send to records that may be queued.
//!
//! ```text
//! body ──► strict JSON ──► envelopes ──► statements ──► schema ──► keys from the log ──► signatures
//!                                                                                          │
//! attachments: only what the statements name, only after they were verified ◄──────────────┘
//! ```
//!
//! Runs for every request on its own, on all cores. What the log holds is read at the moment; the sequencer
//! looks again before it writes.
//!
//! Not here: HTTP, and what conflicts with other records ([`crate::plan`]).

use std::collections::{BTreeMap, HashMap};

use candor_core::merkle::{EntryTooLong, LeafIndex};
use candor_core::record::kinds::{Attachment, Weights};
use candor_core::record::{
    Admission, AuthorityError, Envelope, EnvelopeError, JsonError, Kind, Predicate, PublicKey,
    PublisherName, PublisherState, Record, RecordError, SchemaViolation, SignedRecord, Statement,
    StatementError, check_schema, parse_strict, parse_strict_bounded,
};
use candor_core::weights::{Manifest, ManifestError};
use candor_core::{Sha256, Verified};
use serde_json::Value;

use crate::plan::Submission;
use crate::storage::{NewAttachment, Questions, Storage, StorageError};

/// The most records that can be published together.
pub const RECORDS_PER_REQUEST_MAX: usize = 64;

/// The most bytes of JSON in one request: every record as large as an envelope may be.
pub const REQUEST_JSON_BYTES_MAX: usize =
    RECORDS_PER_REQUEST_MAX * candor_core::record::ENVELOPE_BYTES_MAX;

/// The most JSON values in one request: an envelope with all its signatures has far fewer than its share.
const REQUEST_VALUES_MAX: usize = RECORDS_PER_REQUEST_MAX * 1_024;

/// The most bytes of one attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 32 << 20;

/// The most bytes of all attachments of one request together.
pub const ATTACHMENTS_BYTES_MAX: u64 = 2 * ATTACHMENT_BYTES_MAX;

/// Records whose signatures hold, and what is still to come with them.
#[derive(Debug)]
pub struct Accepted {
    records: Vec<AcceptedRecord>,
    /// Attachments that the records name: the only ones that are taken.
    named: BTreeMap<Sha256, NamedAttachment>,
}

#[derive(Debug)]
struct NamedAttachment {
    /// What the records say of it, each with its place in the request; at least one.
    said: Vec<(usize, Attachment)>,
    /// Whether the log has it, or the request brought it.
    is_here: bool,
}

#[derive(Debug)]
enum AcceptedRecord {
    /// To be sequenced.
    New(Box<Verified<Record>>),
    /// The very same signature is in the log.
    Known(LeafIndex, Sha256),
}

/// What a request comes to: places that are known, and what goes to the sequencer. `known` has one item for
/// each record of the request; `None` stands for the next record of `submission`.
#[derive(Debug)]
pub struct Ready {
    /// Index and statement digest of the records that are in the log.
    pub known: Vec<Option<(LeafIndex, Sha256)>>,
    /// The others.
    pub submission: Submission,
}

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

/// Who may register publishers.
#[derive(Clone, Debug)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Those whom the operator admits with this key.
    Approved(Box<PublicKey>),
}

impl Registration {
    fn admission(&self) -> Admission<'_> {
        match self {
            Self::Open => Admission::Open,
            Self::Approved(operator) => Admission::ByOperator(operator),
        }
    }

    /// The operator's key, where it takes one.
    pub fn operator(&self) -> Option<&PublicKey> {
        match self {
            Self::Open => None,
            Self::Approved(operator) => Some(operator),
        }
    }
}

/// Checks the JSON part of a request: one envelope, or a list of them.
pub async fn accept(
    body: &[u8],
    storage: &dyn Storage,
    registration: &Registration,
) -> Result<Accepted, AcceptError> {
    let records = parse(body)?;
    let mut questions = Questions::default();
    for record in &records {
        questions.about(record.envelope(), record.statement());
    }
    let known = storage.known(&questions).await?;

    let mut publishers: HashMap<PublisherName, PublisherState> = known.publishers;
    let mut accepted = Accepted {
        records: Vec::new(),
        named: BTreeMap::new(),
    };
    for (n, record) in records.into_iter().enumerate() {
        let digest = record.statement().digest;
        accepted.name_attachments(n, record.statement(), &known.attachments)?;
        // Twice in one request is as harmless as in two.
        if let Some(first) = accepted.new_record(digest)
            && share_signature(first.envelope(), record.envelope())
        {
            let again = AcceptedRecord::New(Box::new(first.clone()));
            accepted.records.push(again);
            continue;
        }
        if let Some(statement) = known.statements.get(&digest)
            && is_logged(&record, statement.index, storage).await?
        {
            accepted
                .records
                .push(AcceptedRecord::Known(statement.index, digest));
            continue;
        }
        let name = record.statement().publisher().clone();
        if let Some(other) = accepted.key_change_beside(&record) {
            let (record, publisher) = (n, name);
            return Err(AcceptError::KeyChangeNotAlone {
                record,
                other,
                publisher,
            });
        }
        let record = match record
            .clone()
            .accept(publishers.get(&name), registration.admission())
        {
            Ok(record) => record,
            Err(error) => {
                let owner = owner_of_keys(&record, &error, storage).await?;
                return Err(AcceptError::Authority {
                    record: n,
                    error,
                    owner,
                });
            }
        };
        record
            .to_entry()
            .map_err(|error| AcceptError::EntryTooLong { record: n, error })?;
        // Who registers may publish in the same request. Where the registration will stand is not known yet,
        // and never said: further changes of the keys are refused above.
        let unknown = LeafIndex::new(0);
        if let Some(state) = PublisherState::after(publishers.get(&name), &record, unknown) {
            publishers.insert(name, state);
        }
        accepted.records.push(AcceptedRecord::New(Box::new(record)));
    }
    Ok(accepted)
}

fn parse(body: &[u8]) -> Result<Vec<SignedRecord>, AcceptError> {
    let body = parse_strict_bounded(body, REQUEST_VALUES_MAX).map_err(AcceptError::Json)?;
    let envelopes = match &body {
        Value::Array(envelopes) => envelopes.as_slice(),
        one => std::slice::from_ref(one),
    };
    if envelopes.is_empty() || envelopes.len() > RECORDS_PER_REQUEST_MAX {
        return Err(AcceptError::Count(envelopes.len()));
    }
    envelopes
        .iter()
        .enumerate()
        .map(|(n, envelope)| parse_record(n, envelope))
        .collect()
}

fn parse_record(record: usize, envelope: &Value) -> Result<SignedRecord, AcceptError> {
    let envelope =
        Envelope::from_json(envelope).map_err(|error| AcceptError::Envelope { record, error })?;
    // The schema first: its messages say more than those of the types behind it.
    let statement = parse_strict(envelope.payload()).map_err(|e| AcceptError::Statement {
        record,
        error: e.into(),
    })?;
    let kind = Statement::kind_of_json(&statement)
        .map_err(|error| AcceptError::Statement { record, error })?;
    check_schema(kind, &statement).map_err(|violations| AcceptError::Schema {
        record,
        kind,
        violations,
    })?;
    SignedRecord::from_envelope(envelope).map_err(|error| match error {
        RecordError::Envelope(error) => AcceptError::Envelope { record, error },
        RecordError::Statement(error) => AcceptError::Statement { record, error },
        RecordError::NotCanonical => unreachable!("only log entries have to be canonical"),
    })
}

/// Whether the entry at `index` has one of the record's own signatures. Then it was verified when it was
/// logged, and stays what it is even if the key has been retired since.
async fn is_logged(
    record: &SignedRecord,
    index: LeafIndex,
    storage: &dyn Storage,
) -> Result<bool, StorageError> {
    let entries = storage.entries(index, 1).await?;
    let logged = entries
        .first()
        .map(SignedRecord::from_entry)
        .ok_or_else(|| StorageError::Damaged(format!("entry {index} is missing")))?
        .map_err(StorageError::damaged)?;
    Ok(share_signature(logged.envelope(), record.envelope()))
}

fn share_signature(one: &Envelope, other: &Envelope) -> bool {
    let others = other.signatures();
    one.signatures()
        .iter()
        .any(|it| others.iter().any(|other| other.sig == it.sig))
}

/// Whose keys signed, when they are not the publisher's: tells "wrong key" from "wrong namespace".
async fn owner_of_keys(
    record: &SignedRecord,
    error: &AuthorityError,
    storage: &dyn Storage,
) -> Result<Option<PublisherName>, StorageError> {
    if !matches!(error, AuthorityError::UnknownKey { .. }) {
        return Ok(None);
    }
    for signature in record.envelope().signatures() {
        if let Ok(keyid) = signature.keyid.parse()
            && let Some(owner) = storage.publisher_of_key(keyid).await?
        {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

impl NamedAttachment {
    fn first(&self) -> &(usize, Attachment) {
        &self.said[0]
    }

    /// Two records can name one document, and each states its size.
    fn check_size(&self, found: u64) -> Result<(), AcceptError> {
        let wrong = self
            .said
            .iter()
            .find(|(_, attachment)| attachment.size != found);
        wrong.map_or(Ok(()), |(record, attachment)| {
            Err(AcceptError::AttachmentSize {
                record: *record,
                name: attachment.name.clone(),
                stated: attachment.size,
                found,
            })
        })
    }
}

impl Accepted {
    /// The record before `record` that can't be published together with it: where one of the two changes the
    /// keys of their publisher. Only a registration can come first, and be followed by other kinds.
    fn key_change_beside(&self, record: &SignedRecord) -> Option<usize> {
        let publisher = record.statement().publisher();
        let changes = record.statement().kind() == Kind::Publisher;
        self.records.iter().position(|other| match other {
            AcceptedRecord::Known(..) => false,
            AcceptedRecord::New(other) => match &other.statement().predicate {
                _ if other.statement().publisher() != publisher => false,
                Predicate::Publisher(update) => changes || update.previous.is_some(),
                _ => changes,
            },
        })
    }

    /// The record of this request with this statement digest, if it came before.
    fn new_record(&self, digest: Sha256) -> Option<&Verified<Record>> {
        self.records.iter().find_map(|record| match record {
            AcceptedRecord::New(record) if record.statement().digest == digest => {
                Some(record.as_ref())
            }
            _ => None,
        })
    }

    fn name_attachments(
        &mut self,
        record: usize,
        statement: &Statement,
        stored: &HashMap<Sha256, u64>,
    ) -> Result<(), AcceptError> {
        for attachment in statement.predicate.attachments() {
            if attachment.size > ATTACHMENT_BYTES_MAX {
                return Err(AcceptError::AttachmentTooLarge {
                    record,
                    name: attachment.name.clone(),
                    size: attachment.size,
                });
            }
            let sha256 = attachment.digest.sha256;
            let stored = stored.get(&sha256);
            let named = self.named.entry(sha256).or_insert_with(|| NamedAttachment {
                said: Vec::new(),
                is_here: stored.is_some(),
            });
            named.said.push((record, attachment.clone()));
            if let Some(size) = stored {
                named.check_size(*size)?;
            }
        }
        Ok(())
    }

    /// Whether there is anything to be sequenced.
    pub fn has_new(&self) -> bool {
        self.records
            .iter()
            .any(|record| matches!(record, AcceptedRecord::New(_)))
    }

    /// How many bytes the new records have, with the attachments that are still to come; about, and at most
    /// what the limits allow.
    pub fn bytes(&self) -> u32 {
        let records = self.records.iter().map(|record| match record {
            AcceptedRecord::New(record) => record.envelope().payload().len() as u64,
            AcceptedRecord::Known(..) => 0,
        });
        let to_come = self.named.values().filter(|named| !named.is_here);
        let attachments = to_come.map(|named| named.first().1.size);
        let bytes = records.sum::<u64>() + attachments.sum::<u64>().min(ATTACHMENTS_BYTES_MAX);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// The most bytes that the next attachment can have.
    pub fn attachment_bytes_max(&self) -> u64 {
        self.named
            .values()
            .flat_map(|named| &named.said)
            .map(|(_, attachment)| attachment.size)
            .max()
            .unwrap_or(0)
    }

    /// Takes an attachment that came as part `part` of the request, counted from 1. Returns nothing for one
    /// that is here already, since a client need not know that.
    pub fn attach(
        &mut self,
        part: usize,
        bytes: Vec<u8>,
    ) -> Result<Option<NewAttachment>, AcceptError> {
        let sha256 = Sha256::of(&bytes);
        let Some(named) = self.named.get_mut(&sha256) else {
            let wanted = self.named.iter().filter(|(_, named)| !named.is_here);
            let list =
                wanted.map(|(sha256, named)| format!("{:?} ({sha256})", named.first().1.name));
            let wanted = list.collect::<Vec<_>>().join(", ");
            return Err(AcceptError::AttachmentNotNamed {
                part,
                sha256,
                wanted,
            });
        };
        named.check_size(bytes.len() as u64)?;
        if std::mem::replace(&mut named.is_here, true) {
            return Ok(None);
        }
        let media_type = named.first().1.media_type.clone();
        Ok(Some(NewAttachment {
            sha256,
            media_type,
            bytes,
        }))
    }

    /// Checks that nothing is missing, and that manifests are what the `weights` records say of them.
    pub async fn ready(
        self,
        attachments: Vec<NewAttachment>,
        storage: &dyn Storage,
    ) -> Result<Ready, AcceptError> {
        if let Some(missing) = self.named.into_values().find(|named| !named.is_here) {
            let (record, attachment) = missing.first();
            return Err(AcceptError::AttachmentMissing {
                record: *record,
                name: attachment.name.clone(),
                sha256: attachment.digest.sha256,
            });
        }
        let mut ready = Ready {
            known: Vec::new(),
            submission: Submission {
                records: Vec::new(),
                attachments: Vec::new(),
            },
        };
        for (n, record) in self.records.into_iter().enumerate() {
            match record {
                AcceptedRecord::Known(index, statement) => {
                    ready.known.push(Some((index, statement)));
                }
                AcceptedRecord::New(record) => {
                    if let Predicate::Weights(weights) = &record.statement().predicate {
                        check_manifest(n, weights, &attachments, storage).await?;
                    }
                    ready.known.push(None);
                    ready.submission.records.push(*record);
                }
            }
        }
        ready.submission.attachments = attachments;
        Ok(ready)
    }
}

/// The manifest came with the request, or was stored before: as another record's manifest, of which that
/// record may have said something else, or as any other document.
async fn check_manifest(
    record: usize,
    weights: &Weights,
    attachments: &[NewAttachment],
    storage: &dyn Storage,
) -> Result<(), AcceptError> {
    let digest = weights.manifest.digest.sha256;
    let sent = attachments
        .iter()
        .find(|attachment| attachment.sha256 == digest);
    let stored;
    let bytes = if let Some(sent) = sent {
        &sent.bytes
    } else {
        stored = storage.attachment(digest).await?.ok_or_else(|| {
            StorageError::Damaged(format!("attachment {digest} was there, and is missing"))
        })?;
        &stored.bytes
    };
    Manifest::parse(bytes)
        .and_then(|manifest| manifest.check_statement(weights))
        .map_err(|error| AcceptError::Manifest { record, error })
}
