//! Deriving a log anew from its entries: what checking it, rebuilding it and copying it have in common.
//!
//! ```text
//! entries ──► parse ──────────► what is asked ──► what is known so far ──► plan ───────────────────────► batch
//!             hash, strict JSON  of a log that has the entries before       keys of that moment,
//!             (all cores)                                                   signatures (all cores), rules
//! ```
//!
//! Always: the rules are the ones by which the entries came into the log, in the order of the log. Core says who may
//! sign, [`Planner`] what goes with what was there before. So whatever these would refuse today is found.

use std::collections::hash_map::{Entry as Slot, HashMap};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use candor_core::merkle::{LeafHash, LeafIndex};
use candor_core::record::kinds::Attachment;
use candor_core::record::{
    AuthorityError, Kind, PublisherName, PublisherState, Record, RecordError, SignedRecord,
};
use candor_core::{Sha256, Verified};

use crate::own_thread::block;
use crate::plan::{Conflict, NewRecord, Planner, Refused, Submission};
use crate::storage::snapshot::{StoredDocument, StoredEntry};
use crate::storage::{Batch, Known, NewAttachment, Questions};
use crate::tree::RightEdge;

/// Derives a log, batch by batch.
#[derive(Debug)]
pub struct Replay {
    edge: RightEdge,
}

/// Entries that are records, one behind the other.
#[derive(Debug)]
pub struct Parsed {
    first: LeafIndex,
    entries: Vec<ParsedEntry>,
}

#[derive(Debug)]
struct ParsedEntry {
    stored: StoredEntry,
    leaf: LeafHash,
    record: SignedRecord,
}

/// A document that entries name for the first time.
#[derive(Clone, Debug)]
pub struct NamedDocument {
    /// Its digest.
    pub sha256: Sha256,
    /// What is said of it, and by which entries; at least one.
    said: Vec<(LeafIndex, Attachment)>,
}

/// An entry that should not be in the log.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {index}: {fault}")]
pub struct BadEntry {
    /// Where it stands.
    pub index: LeafIndex,
    /// Why.
    pub fault: EntryFault,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EntryFault {
    /// It is no record.
    #[error(transparent)]
    NotARecord(#[from] RecordError),
    /// Nobody signed it who could.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// It does not go with what was there before.
    #[error(transparent)]
    Conflict(#[from] ConflictFault),
    /// Its statement was logged before.
    #[error("it says what entry {first} says: a statement is logged once")]
    Again {
        /// Where it was logged.
        first: LeafIndex,
    },
}

/// A conflict, as an error of its own.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ConflictFault(pub Conflict);

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// It is another one.
    #[error("its bytes have the digest {0}")]
    OtherBytes(Sha256),
    /// An entry says another size.
    #[error("it has {found} bytes, and entry {index} states {stated}")]
    Size {
        /// How many it has.
        found: u64,
        /// Which entry.
        index: LeafIndex,
        /// What that states.
        stated: u64,
    },
    /// The first entry that names it says another type.
    #[error("it is stored as {found:?}, and entry {index} states {stated:?}")]
    MediaType {
        /// As what it is stored.
        found: String,
        /// Which entry.
        index: LeafIndex,
        /// What that states.
        stated: String,
    },
}

impl Parsed {
    /// Reads entries, of which the first stands at `first`, on all cores. The error is of the first that is no record.
    pub fn of(first: LeafIndex, entries: Vec<StoredEntry>) -> Result<Self, BadEntry> {
        let entries = on_all_cores(entries, |stored| {
            let mut record = SignedRecord::from_entry(&stored.entry)?;
            record.let_json_go();
            Ok(ParsedEntry {
                leaf: LeafHash::of(&stored.entry),
                stored,
                record,
            })
        });
        let at = |(entry, index): (Result<_, RecordError>, u64)| {
            entry.map_err(|error| BadEntry {
                index: LeafIndex::new(index),
                fault: error.into(),
            })
        };
        Ok(Self {
            first,
            entries: entries
                .into_iter()
                .zip(first.get()..)
                .map(at)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first of them, which name documents of no more than `bytes_max` together, or one entry; and the others.
    #[must_use]
    pub fn split(mut self, bytes_max: u64) -> (Self, Self) {
        let mut bytes = 0_u64;
        let fitting = self.entries.iter().take_while(|entry| {
            let documents = entry.record.statement().predicate.attachments();
            let named: u64 = documents.iter().map(|document| document.size).sum();
            bytes = bytes.saturating_add(named);
            bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(self.entries.len());
        let rest = self.entries.split_off(count);
        let behind = Self {
            first: LeafIndex::new(self.first.get() + count as u64),
            entries: rest,
        };
        (self, behind)
    }

    /// Where the digest of the statement is stored, and is not that of the statement.
    pub fn wrong_statements(&self) -> impl Iterator<Item = LeafIndex> {
        let wrong = |entry: &ParsedEntry| {
            let stored = entry.stored.statement;
            stored.is_some_and(|stored| stored != entry.record.statement().digest)
        };
        let indexed = self.entries.iter().zip(self.first.get()..);
        indexed
            .filter(move |(entry, _)| wrong(entry))
            .map(|(_, index)| LeafIndex::new(index))
    }

    /// What has to be known to plan them.
    pub fn questions(&self) -> Questions {
        let mut questions = Questions::default();
        for ParsedEntry { record, .. } in &self.entries {
            questions.about(record.envelope(), record.statement());
        }
        questions
    }

    /// The documents that they name, and that are not `known`.
    pub fn new_documents(&self, known: &Known) -> Vec<NamedDocument> {
        let mut places: HashMap<Sha256, usize> = HashMap::new();
        let mut new: Vec<NamedDocument> = Vec::new();
        for (entry, index) in self.entries.iter().zip(self.first.get()..) {
            for document in entry.record.statement().predicate.attachments() {
                let sha256 = document.digest.sha256;
                if known.attachments.contains_key(&sha256) {
                    continue;
                }
                let place = match places.entry(sha256) {
                    Slot::Occupied(place) => *place.get(),
                    Slot::Vacant(place) => {
                        let said = Vec::new();
                        new.push(NamedDocument { sha256, said });
                        *place.insert(new.len() - 1)
                    }
                };
                let said = (LeafIndex::new(index), document.clone());
                new[place].said.push(said);
            }
        }
        new
    }
}

impl NamedDocument {
    /// The entry that names it first.
    pub fn named_by(&self) -> LeafIndex {
        self.said[0].0
    }

    /// What the first entry that names it says of its type.
    pub fn media_type(&self) -> &str {
        &self.said[0].1.media_type
    }

    /// Holds what is stored against what the entries say.
    pub fn check(&self, stored: Option<&StoredDocument>) -> Result<(), DocumentFault> {
        let stored = stored.ok_or(DocumentFault::Missing)?;
        let sha256 = Sha256::of(&stored.bytes);
        if sha256 != self.sha256 {
            return Err(DocumentFault::OtherBytes(sha256));
        }
        let found = stored.bytes.len() as u64;
        for (index, document) in &self.said {
            if document.size != found {
                return Err(DocumentFault::Size {
                    found,
                    index: *index,
                    stated: document.size,
                });
            }
        }
        match &stored.media_type {
            Some(found) if found != self.media_type() => Err(DocumentFault::MediaType {
                found: found.clone(),
                index: self.named_by(),
                stated: self.media_type().to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

impl Replay {
    /// Goes on behind the entries of this tree.
    pub fn from(edge: RightEdge) -> Self {
        Self { edge }
    }

    /// The tree so far.
    pub fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// What the entries behind the tree so far change. `known` is what the log with that tree says of
    /// [`Parsed::questions`], and `documents` are those that the entries name and that are not known.
    pub fn plan(
        &mut self,
        parsed: Parsed,
        mut known: Known,
        documents: Vec<NewAttachment>,
    ) -> Result<Batch, BadEntry> {
        let before = self.edge.head();
        assert_eq!(
            parsed.first.get(),
            before.size.get(),
            "the entries are the next ones"
        );
        let sizes = documents
            .iter()
            .map(|it| (it.sha256, it.bytes.len() as u64));
        known.attachments.extend(sizes);
        let (records, bad) = verify(parsed, &known.publishers);
        let mut planner = Planner::new(known, before.size, None, None);
        for Checked {
            record,
            stored,
            leaf,
        } in records
        {
            let index = LeafIndex::new(before.size.get() + planner.entries.len() as u64);
            let submission = Submission {
                records: vec![NewRecord::of_entry(record, stored.entry, leaf)],
                attachments: Vec::new(),
            };
            planner.accepted_ms = stored.accepted_ms;
            let placed = planner.place(submission);
            let placed = placed.map_err(|Refused { conflict, .. }| BadEntry {
                index,
                fault: match conflict {
                    Conflict::Authority(error) => error.into(),
                    conflict => ConflictFault(conflict).into(),
                },
            })?;
            if !placed[0].created {
                let first = placed[0].index;
                let fault = EntryFault::Again { first };
                return Err(BadEntry { index, fault });
            }
        }
        // Only now: an entry before it may be as bad.
        if let Some(bad) = bad {
            return Err(bad);
        }
        let tiles = self.edge.append(planner.leaves);
        Ok(Batch {
            before,
            after: self.edge.head(),
            entries: planner.entries,
            tiles,
            attachments: documents,
            views: planner.views,
        })
    }
}

/// An entry whose signatures hold.
struct Checked {
    record: Verified<Record>,
    stored: StoredEntry,
    leaf: LeafHash,
}

/// Checks the signatures of entries, each by the keys that its publisher had there, up to the first that is bad.
///
/// A change of keys is checked at once, since it says by what others are checked; all the rest on all cores.
fn verify(
    parsed: Parsed,
    known: &HashMap<PublisherName, PublisherState>,
) -> (Vec<Checked>, Option<BadEntry>) {
    /// A record whose turn is yet to come, or that was checked.
    enum Step {
        Later(SignedRecord, Option<Arc<PublisherState>>),
        Now(Result<Verified<Record>, AuthorityError>),
    }
    let mut publishers: HashMap<PublisherName, Arc<PublisherState>> = HashMap::new();
    let mut steps = Vec::with_capacity(parsed.entries.len());
    for (entry, index) in parsed.entries.into_iter().zip(parsed.first.get()..) {
        let index = LeafIndex::new(index);
        let ParsedEntry {
            stored,
            leaf,
            record,
        } = entry;
        let name = record.statement().publisher().clone();
        let state = match publishers.entry(name) {
            Slot::Occupied(state) => Some(Arc::clone(state.get())),
            Slot::Vacant(place) => known
                .get(place.key())
                .map(|state| Arc::clone(place.insert(Arc::new(state.clone())))),
        };
        let step = if record.statement().kind() == Kind::Publisher {
            let record = record.verify(state.as_deref());
            if let Ok(record) = &record
                && let Some(after) = PublisherState::after(state.as_deref(), record, index)
            {
                publishers.insert(after.name.clone(), Arc::new(after));
            }
            Step::Now(record)
        } else {
            Step::Later(record, state)
        };
        steps.push((step, stored, leaf, index));
    }
    let checked = block(|| {
        on_all_cores(steps, |(step, stored, leaf, index)| {
            let record = match step {
                Step::Now(checked) => checked,
                Step::Later(record, state) => record.verify(state.as_deref()),
            };
            record
                .map(|record| Checked {
                    record,
                    stored,
                    leaf,
                })
                .map_err(|error| BadEntry {
                    index,
                    fault: error.into(),
                })
        })
    });
    let mut good = Vec::with_capacity(checked.len());
    for entry in checked {
        match entry {
            Ok(entry) => good.push(entry),
            Err(bad) => return (good, Some(bad)),
        }
    }
    (good, None)
}

/// Maps all items, each core a part of them, and keeps their order.
fn on_all_cores<T: Send, R: Send>(items: Vec<T>, map: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let part = items.len().div_ceil(cores).max(1);
    let mut items = items.into_iter();
    let parts: Vec<Vec<T>> = std::iter::from_fn(|| {
        let part: Vec<T> = items.by_ref().take(part).collect();
        (!part.is_empty()).then_some(part)
    })
    .collect();
    let map = &map;
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || part.into_iter().map(map).collect::<Vec<R>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("nothing in it panics"))
            .collect()
    })
}

#[cfg(test)]
mod tests;
