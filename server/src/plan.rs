//! What becomes of a batch: which records get which index, which were there before, which are refused.
//!
//! Pure: the storage says what is known, this decides, the storage writes what was decided. The sequencer
//! is the only caller, so nothing can change between the three.

use std::collections::HashSet;
use std::fmt;

use candor_core::merkle::{LeafHash, LeafIndex, TreeSize};
use candor_core::record::kinds::Withdrawal;
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
    pub records: Vec<Verified<Record>>,
    /// Documents that they name.
    pub attachments: Vec<NewAttachment>,
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
        pointer: &'static str,
        /// At what.
        digest: Sha256,
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
        self.statements.insert(statement.digest);
        self.statements
            .extend(statement.references().into_iter().map(|(_, digest)| digest));
        self.publishers.insert(statement.publisher().clone());
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
    pub fn new(known: Known, size: TreeSize, operator: Option<&'a PublicKey>) -> Self {
        let (entries, leaves, attachments, views) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            known,
            size,
            operator,
            entries,
            leaves,
            attachments,
            views,
        }
    }

    /// Places all records of a submission, or none.
    pub fn place(&mut self, submission: Submission) -> Result<Vec<Placed>, Refused> {
        let mut attempt = Attempt {
            known: &self.known,
            newer: Known::default(),
            first: self.size.get() + self.entries.len() as u64,
            operator: self.operator,
            sent: submission
                .attachments
                .iter()
                .map(|attachment| attachment.sha256)
                .collect(),
            written: Vec::new(),
        };
        let mut placed = Vec::new();
        for (n, record) in submission.records.into_iter().enumerate() {
            placed.push(attempt.place(record).map_err(|conflict| Refused {
                record: n,
                conflict,
            })?);
        }
        // Nothing was refused: the attempt becomes part of the batch.
        let Attempt { newer, written, .. } = attempt;
        self.known.absorb(newer);
        for (entry, view) in written {
            self.leaves.push(LeafHash::of(&entry.entry));
            self.entries.push(entry);
            self.views.push(view);
        }
        for attachment in submission.attachments {
            let size = attachment.bytes.len() as u64;
            if self
                .known
                .attachments
                .insert(attachment.sha256, size)
                .is_none()
            {
                self.attachments.push(attachment);
            }
        }
        Ok(placed)
    }
}

/// One submission on top of what is known: dropped as a whole if one of its records is refused.
struct Attempt<'a> {
    known: &'a Known,
    /// What its records before this one add to that.
    newer: Known,
    /// Where its first new record will stand.
    first: u64,
    operator: Option<&'a PublicKey>,
    sent: HashSet<Sha256>,
    written: Vec<(NewEntry, ViewChange)>,
}

impl Attempt<'_> {
    fn statement(&self, digest: &Sha256) -> Option<&KnownStatement> {
        let newer = self.newer.statements.get(digest);
        newer.or_else(|| self.known.statements.get(digest))
    }

    fn publisher(&self, name: &PublisherName) -> Option<&PublisherState> {
        let newer = self.newer.publishers.get(name);
        newer.or_else(|| self.known.publishers.get(name))
    }

    fn release(&self, name: &ReleaseName) -> Option<&KnownRelease> {
        let newer = self.newer.releases.get(name);
        newer.or_else(|| self.known.releases.get(name))
    }

    fn place(&mut self, record: Verified<Record>) -> Result<Placed, Conflict> {
        let digest = record.statement().digest;
        if let Some(known) = self.statement(&digest) {
            return Ok(Placed {
                index: known.index,
                statement: digest,
                created: false,
            });
        }
        let record = self.with_current_keys(record)?;
        let statement = record.statement();
        self.check_references(statement)?;
        self.check_release(statement)?;
        self.check_attachments(statement)?;
        let withdrawn = match &statement.predicate {
            Predicate::Withdrawal(withdrawal) => {
                Some(self.check_withdrawal(statement, withdrawal)?)
            }
            _ => None,
        };
        let index = LeafIndex::new(self.first + self.written.len() as u64);
        let publisher = self.publisher(statement.publisher());
        let view = ViewChange::of(&record, index, publisher, withdrawn);
        let entry = record
            .to_entry()
            .expect("accept refuses records that are too long for an entry");
        self.remember(&record, index);
        self.written.push((
            NewEntry {
                entry,
                statement: digest,
            },
            view,
        ));
        Ok(Placed {
            index,
            statement: digest,
            created: true,
        })
    }

    fn place_of(&self, index: LeafIndex) -> Place {
        if index.get() < self.first {
            Place::Entry(index)
        } else {
            Place::SameRequest
        }
    }

    /// The signatures were checked before the record was queued. If the publisher's keys have changed since,
    /// they are checked again.
    fn with_current_keys(
        &self,
        record: Verified<Record>,
    ) -> Result<Verified<Record>, AuthorityError> {
        let publisher = self.publisher(record.statement().publisher());
        if record.checked_against() == publisher.map(|publisher| publisher.record) {
            return Ok(record);
        }
        let admission = self.operator.map_or(Admission::Open, Admission::ByOperator);
        record
            .into_inner()
            .into_signed()
            .accept(publisher, admission)
    }

    fn check_references(&self, statement: &Statement) -> Result<(), Conflict> {
        for (pointer, digest) in statement.references() {
            if self.statement(&digest).is_none() {
                return Err(Conflict::UnknownReference { pointer, digest });
            }
        }
        Ok(())
    }

    fn check_release(&self, statement: &Statement) -> Result<(), Conflict> {
        let (Some(release), kind) = (statement.release(), statement.kind()) else {
            return Ok(());
        };
        let nothing = KnownRelease::default();
        let known = self.release(release).unwrap_or(&nothing);
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
            if !self.sent.contains(&sha256) && !self.known.attachments.contains_key(&sha256) {
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
            .statement(&digest)
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
        let statement = record.statement();
        let (kind, publisher) = (statement.kind(), statement.publisher().clone());
        let subject = statement.subject.name.to_string();
        if let Some(release) = statement.release() {
            let before = || self.known.releases.get(release).cloned();
            let known = self.newer.releases.entry(release.clone());
            let known = known.or_insert_with(|| before().unwrap_or_default());
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
        }
        if let Some(state) = PublisherState::after(self.publisher(&publisher), record, index) {
            self.newer.publishers.insert(publisher.clone(), state);
        }
        self.newer.statements.insert(
            statement.digest,
            KnownStatement {
                index,
                kind,
                publisher,
                subject,
            },
        );
    }
}

impl Known {
    fn absorb(&mut self, newer: Self) {
        self.statements.extend(newer.statements);
        self.publishers.extend(newer.publishers);
        self.releases.extend(newer.releases);
    }
}
