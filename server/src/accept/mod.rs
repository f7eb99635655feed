//! From bytes that anybody may send to records that may be queued.
//!
//! ```text
//! body ──► strict JSON ──► envelopes ──► statements ──► schema ──► keys from the log ──► signatures
//!          └──────────────────── parse ──────────────────────┘                              │
//! attachments: only what the statements name, only after they were verified ◄──────────────┘
//! manifests: against the `weights` records that name them
//! ```
//!
//! Runs for every request on its own, long work on all cores ([`Limits::compute`]). What the log holds is read
//! at the moment; the sequencer looks again before it writes.
//!
//! Not here: HTTP, and what conflicts with other records ([`crate::plan`]).

mod error;
mod manifests;
mod parse;

use std::collections::{BTreeMap, HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::Attachment;
use candor_core::record::{
    Admission, AuthorityError, Envelope, Kind, Predicate, PublicKey, PublisherName, PublisherState,
    SignedRecord, Statement,
};

pub use error::AcceptError;
pub use parse::Parsed;

use crate::limits::Limits;
use crate::plan::{NewRecord, Submission};
use crate::recent::Recent;
use crate::storage::{Known, NewAttachment, Questions, Storage, StorageError};

/// The most records that can be published together.
pub const RECORDS_PER_REQUEST_MAX: usize = 256;

/// Up to this many records of a request may be as large, and as much work, as a record can be.
const LARGE_RECORDS_MAX: usize = 64;

/// The most bytes of JSON in one request.
pub const REQUEST_JSON_BYTES_MAX: usize =
    LARGE_RECORDS_MAX * candor_core::record::ENVELOPE_BYTES_MAX;

/// The most signature checks of one request: 16 for each large record, for whoever has all its keys and names none
/// of them, and as many again. A check of a long statement takes some 0.2 ms, so all of them 0.4 s.
const SIGNATURE_CHECKS_MAX: usize = LARGE_RECORDS_MAX * 2 * 16;

/// What one signature check counts for, in bytes of work: about what it takes to hash as many.
const SIGNATURE_CHECK_BYTES: usize = 16 << 10;

/// The most bytes of one attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 32 << 20;

/// The most bytes of all attachments of one request together.
pub const ATTACHMENTS_BYTES_MAX: u64 = 2 * ATTACHMENT_BYTES_MAX;

/// The most bytes of manifests, and of the lists beside them, that one request may have read: twice what it can bring, for
/// what is stored already. A list counts once for each manifest that it is named with.
pub const READ_BYTES_MAX: u64 = 2 * ATTACHMENTS_BYTES_MAX;

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
    New(NewRecord),
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

/// Who finds out whether a record is in the log already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The sequencer, which asks anyway.
    IsFoundLater,
    /// Whoever accepts: something depends on which records are new.
    IsLookedUp,
}

/// Checks records against what the log knows: keys, and signatures.
pub async fn accept(
    parsed: Parsed,
    storage: &dyn Storage,
    recent: &Recent,
    registration: &Registration,
    limits: &Limits,
    again: Again,
) -> Result<Accepted, AcceptError> {
    let records = parsed.records;
    let remembered = match again {
        Again::IsFoundLater => remembered(&records, recent),
        Again::IsLookedUp => None,
    };
    if let Some(known) = remembered {
        let checks = check_signature_count(&records, &known, registration)?;
        let check = || Accepted::check(records.clone(), known, &HashSet::new(), registration);
        match limits.compute(checks * SIGNATURE_CHECK_BYTES, check).await {
            Ok(accepted) => return Ok(accepted),
            Err(Unaccepted::Other(error)) => return Err(error),
            // The keys may be others by now, or the record in the log since they were.
            Err(Unaccepted::Authority { .. }) => {}
        }
    }
    let mut questions = Questions::default();
    for record in &records {
        questions.about(record.envelope(), record.statement());
    }
    let known = storage.known(&questions).await?;
    recent.remember(known.publishers.values());
    let mut logged = HashSet::new();
    for record in &records {
        let digest = record.statement().digest;
        if let Some(statement) = known.statements.get(&digest)
            && is_logged(record, statement.index, storage).await?
        {
            logged.insert(digest);
        }
    }
    let checks = check_signature_count(&records, &known, registration)?;
    let check = || Accepted::check(records, known, &logged, registration);
    let accepted = limits.compute(checks * SIGNATURE_CHECK_BYTES, check).await;
    match accepted {
        Ok(accepted) => Ok(accepted),
        Err(Unaccepted::Other(error)) => Err(error),
        Err(Unaccepted::Authority {
            record,
            error,
            keyids,
        }) => {
            let owner = owner_of_keys(&keyids, &error, storage).await?;
            Err(AcceptError::Authority {
                record,
                error,
                owner,
            })
        }
    }
}

/// What is remembered, if the records need no more: those of publishers that are known, which neither change keys nor
/// name documents. Whether one is in the log already, the sequencer finds.
fn remembered(records: &[SignedRecord], recent: &Recent) -> Option<Known> {
    let mut known = Known::default();
    for record in records {
        let statement = record.statement();
        if statement.kind() == Kind::Publisher || !statement.predicate.attachments().is_empty() {
            return None;
        }
        let name = statement.publisher();
        if !known.publishers.contains_key(name) {
            let state = recent.publisher(name)?;
            known
                .publishers
                .insert(name.clone(), PublisherState::clone(&state));
        }
    }
    Some(known)
}

/// How many signature checks the request takes at most, if that is not too many.
fn check_signature_count(
    records: &[SignedRecord],
    known: &Known,
    registration: &Registration,
) -> Result<usize, AcceptError> {
    let mut checks = 0;
    // Who registers here has these keys from then on, if the signatures hold.
    let mut registered: HashMap<&PublisherName, PublisherState> = HashMap::new();
    for (record, signed) in records.iter().enumerate() {
        let statement = signed.statement();
        let name = statement.publisher();
        let publisher = known.publishers.get(name).or(registered.get(name));
        checks += signed.signature_checks_max(publisher, registration.admission());
        if checks > SIGNATURE_CHECKS_MAX {
            return Err(AcceptError::TooManyChecks { record, checks });
        }
        if let Predicate::Publisher(update) = &statement.predicate {
            registered.entry(name).or_insert_with(|| PublisherState {
                name: name.clone(),
                record: statement.digest,
                at: LeafIndex::new(0),
                keys: update.keys.clone(),
                retired: Vec::new(),
            });
        }
    }
    Ok(checks)
}

/// Why records are not accepted, before it is known whose the keys are.
enum Unaccepted {
    Authority {
        record: usize,
        error: AuthorityError,
        /// The key IDs on the record.
        keyids: Vec<Sha256>,
    },
    Other(AcceptError),
}

impl From<AcceptError> for Unaccepted {
    fn from(error: AcceptError) -> Self {
        Self::Other(error)
    }
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
    keyids: &[Sha256],
    error: &AuthorityError,
    storage: &dyn Storage,
) -> Result<Option<PublisherName>, StorageError> {
    if !matches!(error, AuthorityError::UnknownKey { .. }) {
        return Ok(None);
    }
    for keyid in keyids {
        if let Some(owner) = storage.publisher_of_key(*keyid).await? {
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

/// The new records of a request so far, by their places in it.
#[derive(Default)]
struct Before {
    /// By statement digest: the first with it.
    statements: HashMap<Sha256, usize>,
    publishers: HashMap<PublisherName, BeforeOfPublisher>,
}

struct BeforeOfPublisher {
    /// The first of all.
    first: usize,
    /// The first that changes keys, and is no registration.
    key_change: Option<usize>,
}

impl Before {
    fn add(&mut self, place: usize, record: &SignedRecord) {
        let statement = record.statement();
        self.statements.entry(statement.digest).or_insert(place);
        let name = statement.publisher();
        if !self.publishers.contains_key(name) {
            let before = BeforeOfPublisher {
                first: place,
                key_change: None,
            };
            self.publishers.insert(name.clone(), before);
        }
        if let Predicate::Publisher(update) = &statement.predicate
            && update.previous.is_some()
            && let Some(before) = self.publishers.get_mut(name)
        {
            before.key_change.get_or_insert(place);
        }
    }

    /// The record before `record` that can't be published together with it: where one of the two changes the
    /// keys of their publisher. Only a registration can come first, and be followed by other kinds.
    fn key_change_beside(&self, record: &SignedRecord) -> Option<usize> {
        let before = self.publishers.get(record.statement().publisher())?;
        match record.statement().kind() {
            Kind::Publisher => Some(before.first),
            _ => before.key_change,
        }
    }
}

impl Accepted {
    /// `logged` are the statements of records that are in the log, signature and all.
    fn check(
        records: Vec<SignedRecord>,
        known: Known,
        logged: &HashSet<Sha256>,
        registration: &Registration,
    ) -> Result<Self, Unaccepted> {
        let mut publishers: HashMap<PublisherName, PublisherState> = known.publishers;
        let mut accepted = Self {
            records: Vec::with_capacity(records.len()),
            named: BTreeMap::new(),
        };
        let mut before = Before::default();
        for (n, record) in records.into_iter().enumerate() {
            let digest = record.statement().digest;
            accepted.name_attachments(n, record.statement(), &known.attachments)?;
            // Twice in one request is as harmless as in two.
            if let Some(first) = before.statements.get(&digest)
                && let AcceptedRecord::New(first) = &accepted.records[*first]
                && share_signature(first.record().envelope(), record.envelope())
            {
                let again = AcceptedRecord::New(first.clone());
                accepted.records.push(again);
                continue;
            }
            if let Some(statement) = known.statements.get(&digest)
                && logged.contains(&digest)
            {
                let known = AcceptedRecord::Known(statement.index, digest);
                accepted.records.push(known);
                continue;
            }
            let name = record.statement().publisher().clone();
            if let Some(other) = before.key_change_beside(&record) {
                let (record, publisher) = (n, name);
                return Err(AcceptError::KeyChangeNotAlone {
                    record,
                    other,
                    publisher,
                }
                .into());
            }
            let keyids = record.envelope().keyids().collect();
            before.add(n, &record);
            let record = record
                .accept(publishers.get(&name), registration.admission())
                .map_err(|error| Unaccepted::Authority {
                    record: n,
                    error,
                    keyids,
                })?;
            // Who registers may publish in the same request. Where the registration will stand is not known
            // yet, and never said: further changes of the keys are refused above.
            let unknown = LeafIndex::new(0);
            if let Some(state) = PublisherState::after(publishers.get(&name), &record, unknown) {
                publishers.insert(name, state);
            }
            let new = NewRecord::new(record)
                .map_err(|error| AcceptError::EntryTooLong { record: n, error })?;
            accepted.records.push(AcceptedRecord::New(new));
        }
        Ok(accepted)
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

    /// How many records of each publisher are to be sequenced.
    pub fn new_by_publisher(&self) -> BTreeMap<PublisherName, u32> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            if let AcceptedRecord::New(record) = record {
                let publisher = record.record().statement().publisher();
                *counts.entry(publisher.clone()).or_insert(0) += 1;
            }
        }
        counts
    }

    /// Whether there is anything to be sequenced.
    pub fn has_new(&self) -> bool {
        self.records
            .iter()
            .any(|record| matches!(record, AcceptedRecord::New(_)))
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
        limits: &Limits,
    ) -> Result<Ready, AcceptError> {
        if let Some(missing) = self.named.into_values().find(|named| !named.is_here) {
            let (record, attachment) = missing.first();
            return Err(AcceptError::AttachmentMissing {
                record: *record,
                name: attachment.name.clone(),
                sha256: attachment.digest.sha256,
            });
        }
        let stated = self.records.iter().enumerate().filter_map(|(n, record)| {
            let AcceptedRecord::New(record) = record else {
                return None;
            };
            match &record.record().statement().predicate {
                Predicate::Weights(weights) => Some((n, weights)),
                _ => None,
            }
        });
        manifests::check(stated, &attachments, storage, limits).await?;
        let mut ready = Ready {
            known: Vec::new(),
            submission: Submission {
                records: Vec::new(),
                attachments: Vec::new(),
            },
        };
        for record in self.records {
            match record {
                AcceptedRecord::Known(index, statement) => {
                    ready.known.push(Some((index, statement)));
                }
                AcceptedRecord::New(record) => {
                    ready.known.push(None);
                    ready.submission.records.push(record);
                }
            }
        }
        ready.submission.attachments = attachments;
        Ok(ready)
    }
}
