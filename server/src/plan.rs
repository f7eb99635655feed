//! What becomes of a batch: which records get which index, which were there before, which are refused.
//!
//! Pure: the storage says what is known, this decides, the storage writes what was decided. The sequencer
//! is the only caller, so nothing can change between the three.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use candor_core::merkle::{Entry, EntryTooLong, LeafHash, LeafIndex, TreeSize};
use candor_core::record::kinds::Withdrawal;
use candor_core::record::lineage::{FoundRecord, ParentError};
use candor_core::record::{
    Admission, AuthorityError, Envelope, Kind, Predicate, PublicKey, PublisherName, PublisherState,
    Record, ReleaseName, Statement,
};
use candor_core::{Sha256, Verified};

use crate::storage::{Known, KnownRelease, KnownStatement, NewAttachment, NewEntry, Questions};
use crate::views::ViewChange;

/// Records that are published together: all of them or none.
#[derive(Clone, Debug)]
pub struct Submission {
    /// In the order that they are to have in the log.
    pub records: Vec<NewRecord>,
    /// Documents that they name.
    pub attachments: Vec<NewAttachment>,
}

impl Submission {
    /// How many bytes it takes to write it, about.
    pub fn bytes(&self) -> usize {
        let entries = self.records.iter().map(|new| new.entry.as_bytes().len());
        let attachments = self.attachments.iter().map(|new| new.bytes.len());
        entries.chain(attachments).sum()
    }
}

/// A record, and what it would be in the log: made on all cores, so that the sequencer has to write only.
#[derive(Clone, Debug)]
pub struct NewRecord {
    record: Verified<Record>,
    entry: Entry,
    leaf: LeafHash,
}

impl NewRecord {
    /// Fails for a record that no entry can hold.
    pub fn new(record: Verified<Record>) -> Result<Self, EntryTooLong> {
        let entry = record.to_entry()?;
        Ok(Self {
            leaf: LeafHash::of(&entry),
            record,
            entry,
        })
    }

    /// A record that was read from this entry.
    pub(crate) fn of_entry(record: Verified<Record>, entry: Entry, leaf: LeafHash) -> Self {
        Self {
            record,
            entry,
            leaf,
        }
    }

    /// The record.
    pub fn record(&self) -> &Verified<Record> {
        &self.record
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its index.
    pub index: LeafIndex,
    /// Its statement's digest.
    pub statement: Sha256,
    /// Whether this batch put it there.
    pub created: bool,
}

/// Why a submission is refused by what the log holds already.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{conflict}")]
pub struct Refused {
    /// Which record of the submission, counted from 0.
    pub record: usize,
    /// Why.
    pub conflict: Conflict,
}

/// A record that another one conflicts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the log.
    Entry(LeafIndex),
    /// In the same request, of which nothing is logged.
    SameRequest,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::SameRequest => f.write_str("another record of this request"),
        }
    }
}

/// How a record conflicts with the log.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Conflict {
    /// The publisher's keys changed since the signatures were checked, and now they don't suffice.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The release has a record of this kind that says something else.
    #[error("{release} has its {kind} record already, {place}, and it says something else")]
    ReleaseExists {
        /// The release.
        release: ReleaseName,
        /// The kind.
        kind: Kind,
        /// The record that is there.
        place: Place,
    },
    /// The release was withdrawn.
    #[error("{release} was withdrawn by {by}, so nothing is added to it")]
    Withdrawn {
        /// The release.
        release: ReleaseName,
        /// The withdrawal.
        by: Place,
    },
    /// It points at a record that is not there.
    #[error("{pointer}: no record with the statement digest {digest} is in the log")]
    UnknownReference {
        /// Where it points.
        pointer: Cow<'static, str>,
        /// At what.
        digest: Sha256,
    },
    /// A parent that the log has otherwise than it is named.
    #[error("/predicate/parents/{parent}/{}: {error}", error.field())]
    OtherParent {
        /// Which, counted from 0.
        parent: usize,
        /// How it is.
        error: ParentError,
    },
    /// A parent that is published in the same request, where it has no index yet.
    #[error(
        "/predicate/parents/{parent}/index: the record is in this same request, and gets its index only when it is logged"
    )]
    ParentInRequest {
        /// Which, counted from 0.
        parent: usize,
    },
    /// An evaluation of something that nobody has described.
    #[error("/subject/0: no record about {release} has the subject digest {sha256}")]
    UnknownSubject {
        /// What it says was evaluated.
        release: ReleaseName,
        /// Which bytes or predicate exactly.
        sha256: Sha256,
    },
    /// A withdrawal by somebody else.
    #[error(
        "/predicate/author: {place} was signed by {publisher}, and only {publisher} can withdraw it"
    )]
    NotTheirs {
        /// The record that should be withdrawn.
        place: Place,
        /// Who signed it.
        publisher: PublisherName,
    },
    /// A withdrawal whose subject is not what the withdrawn record is about.
    #[error("/subject/0/name: {place} is about {subject}, and the withdrawal about something else")]
    OtherSubject {
        /// The record that should be withdrawn.
        place: Place,
        /// What it is about.
        subject: String,
    },
    /// A withdrawal of what can't be withdrawn.
    #[error("{place} is a {kind} record, which can't be withdrawn")]
    NotWithdrawable {
        /// The record that should be withdrawn.
        place: Place,
        /// Its kind.
        kind: Kind,
    },
    /// A document that a record names is neither stored nor sent.
    #[error("the attachment {name:?} ({sha256}) is not stored here, and was not sent along")]
    AttachmentMissing {
        /// Its name.
        name: String,
        /// Its digest.
        sha256: Sha256,
    },
}

impl Questions {
    /// What has to be known to place a record with this envelope and statement.
    pub fn about(&mut self, envelope: &Envelope, statement: &Statement) {
        self.keyids.extend(envelope.keyids());
        if let Predicate::Publisher(update) = &statement.predicate {
            self.keyids.extend(update.keys.iter().map(PublicKey::keyid));
        }
        self.publishers.insert(statement.publisher().clone());
        self.about_statement(statement);
    }

    /// The same without the publisher's keys.
    pub fn about_statement(&mut self, statement: &Statement) {
        self.statements.insert(statement.digest);
        self.statements
            .extend(statement.references().into_iter().map(|(_, digest)| digest));
        self.releases.extend(statement.release().cloned());
        let attachments = statement.predicate.attachments();
        self.attachments.extend(
            attachments
                .into_iter()
                .map(|attachment| attachment.digest.sha256),
        );
    }
}

/// A batch in the making.
pub struct Planner<'a> {
    known: Known,
    size: TreeSize,
    operator: Option<&'a PublicKey>,
    /// The clock when the next record was accepted, in milliseconds since 1970, where that is known.
    pub accepted_ms: Option<i64>,
    /// What is to be written.
    pub entries: Vec<NewEntry>,
    /// The hashes of those entries.
    pub leaves: Vec<LeafHash>,
    /// Documents to be written.
    pub attachments: Vec<NewAttachment>,
    /// Changes of the views.
    pub views: Vec<ViewChange>,
}

impl<'a> Planner<'a> {
    /// Begins a batch on a tree of `size` entries. `operator` admits publishers, where that is asked for.
    pub fn new(
        known: Known,
        size: TreeSize,
        operator: Option<&'a PublicKey>,
        accepted_ms: Option<i64>,
    ) -> Self {
        let (entries, leaves, attachments, views) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            known,
            size,
            operator,
            accepted_ms,
            entries,
            leaves,
            attachments,
            views,
        }
    }

    /// Places all records of a submission, or none.
    pub fn place(&mut self, submission: Submission) -> Result<Vec<Placed>, Refused> {
        let sent = submission.attachments.iter();
        let mut attempt = Attempt {
            sent: sent.map(|attachment| attachment.sha256).collect(),
            first: self.entries.len(),
            changes: Vec::new(),
            planner: self,
        };
        let mut placed = Vec::with_capacity(submission.records.len());
        for (n, record) in submission.records.into_iter().enumerate() {
            match attempt.place(record) {
                Ok(place) => placed.push(place),
                Err(conflict) => {
                    attempt.take_back();
                    return Err(Refused {
                        record: n,
                        conflict,
                    });
                }
            }
        }
        for attachment in submission.attachments {
            let size = attachment.bytes.len() as u64;
            let stored = self.known.attachments.insert(attachment.sha256, size);
            if stored.is_none() {
                self.attachments.push(attachment);
            }
        }
        Ok(placed)
    }
}

/// One submission in the batch: taken back as a whole if one of its records is refused.
struct Attempt<'p, 'a> {
    planner: &'p mut Planner<'a>,
    /// Where its first new record stands in the batch.
    first: usize,
    sent: HashSet<Sha256>,
    /// What its records changed of what is known.
    changes: Vec<Change>,
}

/// A change of what is known, with what was known before.
enum Change {
    Statement(Sha256),
    Publisher(PublisherName, Option<PublisherState>),
    Release(ReleaseName, Option<KnownRelease>),
}

impl Attempt<'_, '_> {
    fn take_back(self) {
        let Self {
            planner,
            first,
            changes,
            ..
        } = self;
        planner.entries.truncate(first);
        planner.leaves.truncate(first);
        planner.views.truncate(first);
        let Known {
            statements,
            publishers,
            releases,
            ..
        } = &mut planner.known;
        // The newest first: one name can be among them several times.
        for change in changes.into_iter().rev() {
            match change {
                Change::Statement(digest) => statements.remove(&digest).map(drop),
                Change::Publisher(name, Some(before)) => publishers.insert(name, before).map(drop),
                Change::Publisher(name, None) => publishers.remove(&name).map(drop),
                Change::Release(name, Some(before)) => releases.insert(name, before).map(drop),
                Change::Release(name, None) => releases.remove(&name).map(drop),
            };
        }
    }

    fn publisher(&self, name: &PublisherName) -> Option<&PublisherState> {
        self.planner.known.publishers.get(name)
    }

    fn place(&mut self, new: NewRecord) -> Result<Placed, Conflict> {
        let digest = new.record.statement().digest;
        if let Some(known) = self.planner.known.statements.get(&digest) {
            return Ok(Placed {
                index: known.index,
                statement: digest,
                created: false,
            });
        }
        let NewRecord {
            record,
            entry,
            leaf,
        } = self.with_current_keys(new)?;
        let statement = record.statement();
        self.check_references(statement)?;
        self.check_parents(statement)?;
        self.check_release(statement)?;
        self.check_attachments(statement)?;
        let withdrawn = match &statement.predicate {
            Predicate::Withdrawal(withdrawal) => {
                Some(self.check_withdrawal(statement, withdrawal)?)
            }
            _ => None,
        };
        let index = self.next_index();
        let planner = &mut *self.planner;
        let publisher = planner.known.publishers.get(statement.publisher());
        planner
            .views
            .push(ViewChange::of(&record, index, publisher, withdrawn));
        planner.leaves.push(leaf);
        planner.entries.push(NewEntry {
            entry,
            statement: digest,
            accepted_ms: planner.accepted_ms,
        });
        self.remember(&record, index);
        Ok(Placed {
            index,
            statement: digest,
            created: true,
        })
    }

    /// The index of the next record of the batch.
    fn next_index(&self) -> LeafIndex {
        LeafIndex::new(self.planner.size.get() + self.planner.entries.len() as u64)
    }

    fn place_of(&self, index: LeafIndex) -> Place {
        if index.get() < self.planner.size.get() + self.first as u64 {
            Place::Entry(index)
        } else {
            Place::SameRequest
        }
    }

    /// The signatures were checked before the record was queued. If the publisher's keys have changed since,
    /// they are checked again.
    fn with_current_keys(&self, new: NewRecord) -> Result<NewRecord, AuthorityError> {
        let publisher = self.publisher(new.record.statement().publisher());
        if new.record.checked_against() == publisher.map(|publisher| publisher.record) {
            return Ok(new);
        }
        let operator = self.planner.operator;
        let admission = operator.map_or(Admission::Open, Admission::ByOperator);
        let record = new.record.into_inner().into_signed();
        let record = record.accept(publisher, admission)?;
        Ok(NewRecord::new(record).expect("it had an entry with as many signatures or more"))
    }

    fn check_references(&self, statement: &Statement) -> Result<(), Conflict> {
        for (pointer, digest) in statement.references() {
            if !self.planner.known.statements.contains_key(&digest) {
                return Err(Conflict::UnknownReference { pointer, digest });
            }
        }
        Ok(())
    }

    /// A parent is named by where its record stands, so that record was logged before this one was signed.
    fn check_parents(&self, statement: &Statement) -> Result<(), Conflict> {
        let Predicate::Weights(weights) = &statement.predicate else {
            return Ok(());
        };
        for (n, parent) in weights.parents.iter().enumerate() {
            let known = &self.planner.known.statements;
            let known = known
                .get(&parent.statement)
                .expect("check_references found it");
            if self.place_of(known.index) == Place::SameRequest {
                return Err(Conflict::ParentInRequest { parent: n });
            }
            let found = FoundRecord {
                index: known.index,
                statement: parent.statement,
                kind: known.kind,
                subject: known.subject.clone(),
            };
            parent
                .check(self.next_index(), &found)
                .map_err(|error| Conflict::OtherParent { parent: n, error })?;
        }
        Ok(())
    }

    fn check_release(&self, statement: &Statement) -> Result<(), Conflict> {
        let (Some(release), kind) = (statement.release(), statement.kind()) else {
            return Ok(());
        };
        let nothing = KnownRelease::default();
        let known = self.planner.known.releases.get(release);
        let known = known.unwrap_or(&nothing);
        if kind.is_once_per_release() {
            if let Some((index, _)) = known.records.get(&kind) {
                return Err(Conflict::ReleaseExists {
                    release: release.clone(),
                    kind,
                    place: self.place_of(*index),
                });
            }
            if let Some(by) = known.withdrawn_by {
                return Err(Conflict::Withdrawn {
                    release: release.clone(),
                    by: self.place_of(by),
                });
            }
        }
        let sha256 = statement.subject.sha256;
        if kind == Kind::Evaluation
            && !known
                .records
                .values()
                .any(|(_, subject)| *subject == sha256)
        {
            return Err(Conflict::UnknownSubject {
                release: release.clone(),
                sha256,
            });
        }
        Ok(())
    }

    fn check_attachments(&self, statement: &Statement) -> Result<(), Conflict> {
        for attachment in statement.predicate.attachments() {
            let sha256 = attachment.digest.sha256;
            if !self.sent.contains(&sha256) && !self.planner.known.attachments.contains_key(&sha256)
            {
                return Err(Conflict::AttachmentMissing {
                    name: attachment.name.clone(),
                    sha256,
                });
            }
        }
        Ok(())
    }

    /// Returns where the record stands that is withdrawn.
    fn check_withdrawal(
        &self,
        statement: &Statement,
        withdrawal: &Withdrawal,
    ) -> Result<LeafIndex, Conflict> {
        let digest = statement.subject.sha256;
        let KnownStatement {
            index,
            kind,
            publisher,
            subject,
        } = self
            .planner
            .known
            .statements
            .get(&digest)
            .expect("check_references found it")
            .clone();
        let place = self.place_of(index);
        if matches!(kind, Kind::Publisher | Kind::Withdrawal) {
            return Err(Conflict::NotWithdrawable { place, kind });
        }
        if publisher != withdrawal.author {
            return Err(Conflict::NotTheirs { place, publisher });
        }
        if subject != statement.subject.name.to_string() {
            return Err(Conflict::OtherSubject { place, subject });
        }
        Ok(index)
    }

    /// What later records of this batch will find.
    fn remember(&mut self, record: &Verified<Record>, index: LeafIndex) {
        let Known {
            statements,
            publishers,
            releases,
            ..
        } = &mut self.planner.known;
        let statement = record.statement();
        let (kind, publisher) = (statement.kind(), statement.publisher().clone());
        let subject = statement.subject.name.to_string();
        if let Some(release) = statement.release() {
            let mut known = releases.get(release).cloned().unwrap_or_default();
            if kind.is_once_per_release() {
                known
                    .records
                    .insert(kind, (index, statement.subject.sha256));
            }
            if let Predicate::Withdrawal(withdrawal) = &statement.predicate
                && withdrawal.scope == candor_core::record::kinds::Scope::Release
            {
                known.withdrawn_by = Some(index);
            }
            let before = releases.insert(release.clone(), known);
            let change = Change::Release(release.clone(), before);
            self.changes.push(change);
        }
        if let Some(state) = PublisherState::after(publishers.get(&publisher), record, index) {
            let before = publishers.insert(publisher.clone(), state);
            let change = Change::Publisher(publisher.clone(), before);
            self.changes.push(change);
        }
        let known = KnownStatement {
            index,
            kind,
            publisher,
            subject,
        };
        statements.insert(statement.digest, known);
        self.changes.push(Change::Statement(statement.digest));
    }
}
