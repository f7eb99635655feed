//! Makes a `.candor` bundle of a release from what the log serves.
//!
//! ```text
//! checkpoint ──► lists: records of the release's publisher, all of them ──┐
//!                       newest records of others, at most so many ────────┼─► entries and proofs ─► Bundle ──► verify
//!                       publisher records of those who signed ────────────┤   from tiles
//! /api/v1/attachments/… ──► the manifest ─────────────────────────────────┘
//! ```
//!
//! Of a release that names parents, what their publishers say of them comes along too ([`Ancestors`]).
//!
//! Always: what comes out has passed [`Bundle::verify`], so a release is judged online by the same code as
//! offline, from a file. The lists only say where to look. What others say of a release is never needed to judge
//! it: anybody may say as much as they like, so what they said is bounded, and left out where it does not hold.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle, BundleError, BundledRecord, VerifiedBundle};
use candor_core::merkle::{Hash, LeafIndex};
use candor_core::record::kinds::Attachment;
use candor_core::record::{Kind, Predicate, PublisherName, ReleaseName, SignedRecord};
use candor_core::weights::MANIFEST_MEDIA_TYPE;
use candor_core::{Sha256, Verified};

use crate::api::RecordView;
use crate::log_client::{LogClient, LogError, ProvenEntry, SignedCheckpoint};
use crate::memory::{Advance, Memory, MemoryError};
use crate::publish::Published;
use crate::replay::{Replay, ReplayError, parse};

mod ancestors;

pub use ancestors::{Ancestors, Missing, Reach};

/// The most bytes of a manifest: 200,000 files at some 320 bytes; as base64 it still fits into a bundle.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// The most bytes of all lists of chunks and tensors that come along: half of a bundle, in which they are a third longer.
const LISTS_BYTES_MAX: u64 = BUNDLE_BYTES_MAX as u64 / 8 * 3;

/// The most records of others in one bundle, the newest of them: a withdrawal is newer than what it withdraws, so what
/// is there is not there without it.
pub const OTHERS_MAX: usize = 100;

/// How many records of others are counted.
const OTHERS_COUNTED_MAX: usize = 2_000;

/// The most bytes of entries that come along for others, their publisher records among them: 100 of 64 KiB, and as much
/// again. So they leave room for a manifest.
const OTHERS_BYTES_MAX: usize = 13 << 20;

/// The most publisher records that are read for one of the others.
const OTHERS_HISTORY_MAX: usize = 64;

/// Which records of a release are asked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What they are about. All of its own publisher's come along.
    pub release: &'a ReleaseName,
    /// Who else's come along, all of them.
    pub authors: BTreeSet<PublisherName>,
    /// How many of others come along, at most.
    pub others_max: usize,
    /// How far its ancestors come along.
    pub ancestors: Reach,
    /// Whether the documents come along that its records name.
    pub documents: bool,
}

/// What the log lists of others about a release, and how much of it came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// How many records it lists; at most some thousands are counted.
    pub listed: usize,
    /// Whether there are more than were counted.
    pub is_more: bool,
    /// How many came along.
    pub taken: usize,
}

/// A bundle and what it proves.
#[derive(Clone, Debug)]
pub struct MadeBundle {
    /// For a file.
    pub bundle: Bundle,
    /// For everything else.
    pub verified: Verified<VerifiedBundle>,
    /// How its checkpoint relates to what was seen before.
    pub advance: Advance,
    /// What others say of the release, beyond what is in it.
    pub others: Others,
    /// When the log says it accepted each record (RFC 3339), by its own clock, which nothing proves.
    pub accepted: BTreeMap<LeafIndex, String>,
    /// What became of its ancestors' records.
    pub ancestors: Ancestors,
}

/// Why no bundle could be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleMakerError {
    /// The log has nothing about the release.
    #[error("the log has no record of {0}")]
    NoSuchRelease(ReleaseName),
    /// The log could not be asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log's checkpoint does not fit what was seen before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// An entry that is no record.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The log names an entry that is not what it was asked for.
    #[error(
        "the log lists entry {index} as a record of {publisher} about {release}, and it is none"
    )]
    OtherRecord {
        /// Which entry.
        index: LeafIndex,
        /// Whose it should be.
        publisher: PublisherName,
        /// What it should be about.
        release: ReleaseName,
    },
    /// More than a bundle can hold.
    #[error(
        "a bundle of {release} would have {bytes} bytes, and at most {BUNDLE_BYTES_MAX} of one are read"
    )]
    TooLong {
        /// Which release.
        release: ReleaseName,
        /// How many, of what was put into it so far.
        bytes: usize,
    },
    /// The log does not list what it took.
    #[error(
        "the log took the {kind} record of {release} as entry {index}, and {what} out of what it serves about the release"
    )]
    LeftOut {
        /// Which release.
        release: ReleaseName,
        /// Which record.
        index: LeafIndex,
        /// What it is.
        kind: Kind,
        /// What is not there.
        what: &'static str,
    },
    /// What the log served does not hold.
    #[error("what the log serves about {release} does not hold: {error}")]
    Refused {
        /// Which release.
        release: ReleaseName,
        /// Why.
        error: Box<BundleError>,
    },
}

impl BundleMakerError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchRelease(release) => format!(
                "check the name; `candor show {}` lists the model's releases",
                release.model()
            ),
            Self::Log(error) => error.hint(),
            Self::Memory(error) => error.hint(),
            Self::Replay(error) => error.hint(),
            Self::TooLong { .. } => {
                "the records are in the log all the same: verify there, without a bundle".to_owned()
            }
            Self::LeftOut { .. } => {
                "the record is in the log, which its receipt proves: do it again later; if it stays so, tell the log's operator"
                    .to_owned()
            }
            Self::Refused { .. } | Self::OtherRecord { .. } => {
                "the log broke its own rules: keep the output, and tell its operator and a witness"
                    .to_owned()
            }
        }
    }

    /// Further lines: where evidence is, and what else the log says.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Memory(error) => error.context(),
            Self::Log(_)
            | Self::Replay(_)
            | Self::NoSuchRelease(_)
            | Self::OtherRecord { .. }
            | Self::TooLong { .. }
            | Self::LeftOut { .. }
            | Self::Refused { .. } => self.log_error().map(LogError::context).unwrap_or_default(),
        }
    }

    /// The log's part in it, if it was asked and did not do it.
    pub fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) => Some(error),
            Self::Memory(error) => error.log_error(),
            Self::Replay(error) => error.log_error(),
            Self::NoSuchRelease(_)
            | Self::OtherRecord { .. }
            | Self::TooLong { .. }
            | Self::LeftOut { .. }
            | Self::Refused { .. } => None,
        }
    }
}

impl<'a> Wanted<'a> {
    /// What there is about a release, with so much of others as a bundle has room for.
    pub fn all(release: &'a ReleaseName) -> Self {
        Self {
            release,
            authors: BTreeSet::new(),
            others_max: OTHERS_MAX,
            ancestors: Reach::OF_A_BUNDLE,
            documents: true,
        }
    }

    /// What its own publisher says of a release.
    pub fn own(release: &'a ReleaseName) -> Self {
        Self {
            others_max: 0,
            ancestors: Reach::NOWHERE,
            ..Self::all(release)
        }
    }

    /// What its own publisher says of a release, and of its ancestors theirs, as far as `reach`; no documents.
    pub fn lineage(release: &'a ReleaseName, reach: Reach) -> Self {
        Self {
            ancestors: reach,
            documents: false,
            ..Self::own(release)
        }
    }

    /// The same, with all that `authors` say of it.
    #[must_use]
    pub fn with(self, authors: impl IntoIterator<Item = PublisherName>) -> Self {
        Self {
            authors: authors.into_iter().collect(),
            ..self
        }
    }

    /// Those whose records must all be there.
    fn publishers(&self) -> BTreeSet<PublisherName> {
        let mut publishers = self.authors.clone();
        publishers.insert(self.release.publisher().clone());
        publishers
    }
}

impl MadeBundle {
    /// The bundle for a file, if it is one that can be read again.
    pub fn to_file(&self) -> Result<Vec<u8>, BundleMakerError> {
        let bytes = self.bundle.to_json().into_bytes();
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleMakerError::TooLong {
                release: self.bundle.release.clone(),
                bytes: bytes.len(),
            });
        }
        Ok(bytes)
    }

    /// Checks that the bundle has what was `published` about its release, each record where its receipt says, and the
    /// manifests. `records` are what was published, in the same order.
    pub fn check_holds(
        &self,
        records: &[SignedRecord],
        published: &[Published],
    ) -> Result<(), BundleMakerError> {
        let release = &self.bundle.release;
        let is_about = |record: &SignedRecord| record.statement().release() == Some(release);
        for (_, it) in records
            .iter()
            .zip(published)
            .filter(|(record, _)| is_about(record))
        {
            let left_out = |what| BundleMakerError::LeftOut {
                release: release.clone(),
                index: it.index,
                kind: it.kind,
                what,
            };
            let is_here = self.verified.records.iter().any(|logged| {
                logged.index == it.index && logged.record.statement().digest == it.statement
            });
            if !is_here {
                return Err(left_out("leaves it"));
            }
            if it.kind == Kind::Weights && !self.verified.manifests.contains_key(&it.index) {
                return Err(left_out("leaves its manifest"));
            }
        }
        Ok(())
    }
}

/// Makes the bundle of what is `wanted` from the newest checkpoint, which is held against what was seen before.
pub fn make_bundle(
    client: &LogClient,
    memory: &Memory,
    wanted: &Wanted<'_>,
) -> Result<MadeBundle, BundleMakerError> {
    let release = wanted.release;
    // The checkpoint comes first: its signature shows that what answers is the log, before anything else is believed.
    let (mut checkpoint, advance) = memory.fetch(client)?;
    let mut rows = Vec::new();
    for publisher in wanted.publishers() {
        let asked = |row| RecordView {
            publisher: publisher.clone(),
            ..row
        };
        let listed = client.records_by(release, &publisher)?;
        rows.extend(listed.into_iter().map(asked));
    }
    let (mut others, is_more) = others(client, wanted)?;
    if rows.is_empty() && others.is_empty() {
        return Err(BundleMakerError::NoSuchRelease(release.clone()));
    }
    let is_newer = |row: &RecordView| checkpoint.size().leaf(row.index).is_none();
    if rows.iter().chain(&others).any(is_newer) {
        (checkpoint, _) = memory.fetch(client)?;
    }
    let mut parts = Parts::new(client, &checkpoint, release);
    for row in &rows {
        parts.take(row)?;
    }
    for publisher in wanted.publishers() {
        parts.take_history(&publisher)?;
    }
    let accepted = rows.iter().chain(&others).filter_map(|row| {
        let at = row.accepted_at.clone()?;
        let is_a_time = humantime::parse_rfc3339(&at).is_ok();
        is_a_time.then_some((row.index, at))
    });
    let accepted = accepted.collect();
    let listed = others.len();
    others.truncate(wanted.others_max);
    let others = Others {
        listed,
        is_more,
        taken: parts.take_others(&others)?,
    };
    let ancestors = parts.take_ancestors(wanted.ancestors)?;
    let Parts {
        entries,
        manifests,
        lists,
        ..
    } = parts;
    let records = entries.into_values().map(|(entry, proof)| BundledRecord {
        index: entry.index,
        entry: serde_json::from_slice(entry.entry.as_bytes()).unwrap_or_default(),
        proof,
    });
    let mut bundle = Bundle::new(release.clone(), checkpoint.text.clone(), records.collect());
    let (manifests, lists) = if wanted.documents {
        (manifests, lists)
    } else {
        (BTreeSet::new(), BTreeMap::new())
    };
    for manifest in manifests {
        let bytes = client.attachment(manifest, MANIFEST_BYTES_MAX)?;
        bundle.attach(MANIFEST_MEDIA_TYPE, &bytes);
    }
    let mut room = LISTS_BYTES_MAX;
    for (digest, list) in lists {
        // Without it, files can be checked as a whole, and no part of one: that is no reason to have no bundle.
        let (Some(left), Ok(size)) = (room.checked_sub(list.size), usize::try_from(list.size))
        else {
            continue;
        };
        if let Ok(bytes) = client.attachment(digest, size) {
            bundle.attach(&list.media_type, &bytes);
            room = left;
        }
    }
    let verified = bundle.verify(client.key()).map_err(|error| match error {
        BundleError::Authority { index, error } if error.may_want_for_earlier_records() => {
            let error = Box::new(error);
            ReplayError::Unexplained { index, error }.into()
        }
        error => BundleMakerError::Refused {
            release: release.clone(),
            error: Box::new(error),
        },
    })?;
    Ok(MadeBundle {
        bundle,
        verified,
        advance,
        others,
        accepted,
        ancestors,
    })
}

/// What the log lists of others, newest first, and whether there is more of it.
fn others(
    client: &LogClient,
    wanted: &Wanted<'_>,
) -> Result<(Vec<RecordView>, bool), BundleMakerError> {
    if wanted.others_max == 0 {
        return Ok((Vec::new(), false));
    }
    let publishers = wanted.publishers();
    let is_others = |row: &RecordView| !publishers.contains(&row.publisher);
    let count = |rows: &[RecordView]| rows.iter().filter(|row| is_others(row)).count();
    let (mut rows, is_more) =
        client.newest_records(wanted.release, |rows| count(rows) >= OTHERS_COUNTED_MAX)?;
    rows.retain(is_others);
    Ok((rows, is_more))
}

/// An entry and its inclusion proof.
type Proven = (ProvenEntry, Vec<Hash>);

/// What a bundle is put together from.
struct Parts<'a> {
    client: &'a LogClient,
    checkpoint: &'a SignedCheckpoint,
    release: &'a ReleaseName,
    entries: BTreeMap<LeafIndex, Proven>,
    entry_bytes: usize,
    manifests: BTreeSet<Sha256>,
    /// The lists of chunks and tensors beside them.
    lists: BTreeMap<Sha256, Attachment>,
}

impl<'a> Parts<'a> {
    fn new(
        client: &'a LogClient,
        checkpoint: &'a SignedCheckpoint,
        release: &'a ReleaseName,
    ) -> Self {
        Self {
            client,
            checkpoint,
            release,
            entries: BTreeMap::new(),
            entry_bytes: 0,
            manifests: BTreeSet::new(),
            lists: BTreeMap::new(),
        }
    }

    /// Takes in a record that must be there.
    fn take(&mut self, row: &RecordView) -> Result<(), BundleMakerError> {
        let found = self.client.listed_entry(row.index, self.checkpoint)?;
        let signed = parse(&found.0)?;
        let statement = signed.statement();
        if statement.release() != Some(self.release) || *statement.publisher() != row.publisher {
            return Err(BundleMakerError::OtherRecord {
                index: row.index,
                publisher: row.publisher.clone(),
                release: self.release.clone(),
            });
        }
        if let Predicate::Weights(weights) = &statement.predicate {
            self.manifests.insert(weights.manifest.digest.sha256);
            let lists = weights.lists().cloned();
            self.lists
                .extend(lists.map(|list| (list.digest.sha256, list)));
        }
        self.add(found)
    }

    /// Takes in the records that say which keys are a publisher's.
    fn take_history(&mut self, publisher: &PublisherName) -> Result<(), BundleMakerError> {
        for index in self.history(publisher)?.unwrap_or_default() {
            let found = self.client.listed_entry(index, self.checkpoint)?;
            self.add(found)?;
        }
        Ok(())
    }

    /// Where a publisher's records stand; none if the log says that there is no such publisher.
    fn history(&self, publisher: &PublisherName) -> Result<Option<Vec<LeafIndex>>, LogError> {
        let mut history = match self.client.publisher(publisher) {
            Ok(view) => view.history,
            Err(error) if error.is_absence() => return Ok(None),
            Err(error) => return Err(error),
        };
        // What came after the checkpoint is not part of what it proves.
        history.retain(|index| self.checkpoint.size().leaf(*index).is_some());
        Ok(Some(history))
    }

    /// Takes in what holds of others' records, and returns how many that are.
    fn take_others(&mut self, rows: &[RecordView]) -> Result<usize, BundleMakerError> {
        let mut by_publisher: BTreeMap<&PublisherName, BTreeSet<LeafIndex>> = BTreeMap::new();
        for row in rows {
            by_publisher
                .entry(&row.publisher)
                .or_default()
                .insert(row.index);
        }
        let (mut taken, mut room) = (0, OTHERS_BYTES_MAX);
        for (publisher, records) in by_publisher {
            let Some(found) = self.others_entries(publisher, &records, room)? else {
                continue;
            };
            taken += records.len();
            for (entry, proof) in found {
                room -= entry.entry.as_bytes().len();
                self.add((entry, proof))?;
            }
        }
        Ok(taken)
    }

    /// The `records` of somebody else with what it takes to check them; nothing, if that is over `room` bytes, or if
    /// they are not what the log says, or not signed by keys that it shows.
    fn others_entries(
        &self,
        publisher: &PublisherName,
        records: &BTreeSet<LeafIndex>,
        room: usize,
    ) -> Result<Option<Vec<Proven>>, LogError> {
        let Some(mut indexes) = self.history(publisher)? else {
            return Ok(None);
        };
        if indexes.len() > OTHERS_HISTORY_MAX {
            return Ok(None);
        }
        indexes.extend(records);
        indexes.sort_unstable();
        let (mut found, mut bytes, mut replay) = (Vec::new(), 0, Replay::default());
        for index in indexes {
            if self.checkpoint.size().leaf(index).is_none() {
                return Ok(None);
            }
            let (entry, proof) = self.client.listed_entry(index, self.checkpoint)?;
            bytes += entry.entry.as_bytes().len();
            let about = records.contains(&index).then_some(self.release);
            let holds = replay.check(&entry).is_ok_and(|logged| {
                let statement = logged.record.statement();
                statement.publisher() == publisher && statement.release() == about
            });
            if !holds || bytes > room {
                return Ok(None);
            }
            found.push((entry, proof));
        }
        Ok(Some(found))
    }

    fn add(&mut self, (entry, proof): Proven) -> Result<(), BundleMakerError> {
        self.entry_bytes += entry.entry.as_bytes().len();
        if self.entry_bytes > BUNDLE_BYTES_MAX {
            return Err(BundleMakerError::TooLong {
                release: self.release.clone(),
                bytes: self.entry_bytes,
            });
        }
        self.entries.insert(entry.index, (entry, proof));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
