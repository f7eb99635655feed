//! The records of a release's ancestors, which come along in its bundle, so that its lineage can be checked with nobody to
//! ask.
//!
//! ```text
//! records of the release ──parents──► each parent: the entries that are named ──┐
//!        ▲                            what its own publisher says of it ────────┼─► entries and proofs
//!        └────── the next wave ◄───── the keys of that publisher ───────────────┘
//! ```
//!
//! Always: breadth first and each release once, so that it ends whatever the records name; no further than its [`Reach`]; and
//! no ancestor takes the room of the others of its wave, nor a wave that of the further ones, so that nobody hides a withdrawn
//! parent behind fat ones.
//! An ancestor never decides about the release: what the log does not list or explain is left out and named. Only what is
//! proven against the log is an error.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::merkle::LeafIndex;
use candor_core::record::lineage::FoundRecord;
use candor_core::record::{Kind, Predicate, ReleaseName, SignedRecord, Statement};

use super::{BundleMakerError, Parts, Proven};
use crate::replay::{Replay, ReplayError, parse};

/// How far the ancestors of a release come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// How many steps up.
    pub depth: usize,
    /// How many releases.
    pub releases: usize,
    /// How many bytes of entries, those of their publishers' keys among them.
    pub bytes: usize,
    /// How many bytes of one of them.
    pub bytes_of_one: usize,
}

/// What became of the ancestors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestors {
    /// Those whose records did not come along, and why.
    pub missing: BTreeMap<ReleaseName, Missing>,
    /// Entries that were named as a parent's record, and are records of something else. That they stand there is proven;
    /// who signed them was not asked.
    pub strangers: BTreeMap<LeafIndex, FoundRecord>,
}

/// Why an ancestor's records did not come along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There are more ancestors than are looked at.
    Bounded,
    /// The log lists no record of it by its publisher, and none that is named is.
    Unlisted,
    /// What the log lists does not explain who signed it.
    Unexplained(String),
}

impl Reach {
    /// None of them.
    pub const NOWHERE: Self = Self {
        depth: 0,
        releases: 0,
        bytes: 0,
        bytes_of_one: 0,
    };

    /// What a bundle has room for beside its release: a hundred ancestors, at some 80 KiB each.
    pub const OF_A_BUNDLE: Self = Self {
        depth: usize::MAX,
        releases: 100,
        bytes: 8 << 20,
        bytes_of_one: 1 << 20,
    };

    /// What is asked of a log at most: some thousands of questions, and 64 MiB of memory with their proofs.
    pub const FAR: Self = Self {
        depth: usize::MAX,
        releases: 1_000,
        bytes: 32 << 20,
        bytes_of_one: 2 << 20,
    };
}

/// Releases to look at, in the order in which they are named, and the entries by which they are.
#[derive(Default)]
struct Wave {
    order: Vec<ReleaseName>,
    named: BTreeMap<ReleaseName, BTreeSet<LeafIndex>>,
}

impl Wave {
    fn take(&mut self, statement: &Statement) {
        let mut add = |release: &ReleaseName, index: Option<LeafIndex>| {
            let named = self.named.entry(release.clone()).or_insert_with(|| {
                self.order.push(release.clone());
                BTreeSet::new()
            });
            named.extend(index);
        };
        match &statement.predicate {
            Predicate::Weights(weights) => {
                for parent in &weights.parents {
                    add(&parent.release, Some(parent.index));
                }
            }
            Predicate::TrainingConfig(config) => {
                for parent in &config.parents {
                    add(&parent.release, None);
                }
            }
            Predicate::Publisher(_)
            | Predicate::ModelCard(_)
            | Predicate::ApiVersion(_)
            | Predicate::Evaluation(_)
            | Predicate::Withdrawal(_) => {}
        }
    }
}

/// How many bytes of entries there is room for.
struct Room(usize);

/// What came along of one ancestor.
struct Taken {
    /// How many bytes of entries, without those that were here already.
    bytes: usize,
    /// What its publisher says of it.
    statements: Vec<Statement>,
}

impl Parts<'_> {
    /// Takes in what the publishers of the release's ancestors say of them.
    pub(super) fn take_ancestors(&mut self, reach: Reach) -> Result<Ancestors, BundleMakerError> {
        let mut ancestors = Ancestors::default();
        if reach.depth == 0 {
            return Ok(ancestors);
        }
        let mut seen = BTreeSet::from([self.release.clone()]);
        let (mut releases, mut room) = (reach.releases, reach.bytes);
        let mut wave = self.parents()?;
        for _ in 0..reach.depth {
            let mut next = Wave::default();
            // Half of the room is for those further up.
            let mut of_wave = room / 2;
            let mut asked: Vec<_> = (wave.order.into_iter())
                .map(|release| (seen.insert(release.clone()), release))
                .filter(|(is_new, release)| *is_new || !self.has_all(&wave.named[release]))
                .collect();
            let further = asked.split_off(releases.min(asked.len()));
            let bounded = further.into_iter().map(|(_, it)| (it, Missing::Bounded));
            ancestors.missing.extend(bounded);
            releases -= asked.len();
            // First each its share; then those for which that was too little, of what others left of theirs.
            for is_shared in [true, false] {
                let mut too_large = Vec::new();
                let count = asked.len();
                for (n, (is_new, release)) in asked.into_iter().enumerate() {
                    let share = if is_shared {
                        of_wave / (count - n)
                    } else {
                        of_wave
                    };
                    let taken = self.take_ancestor(
                        &release,
                        &wave.named[&release],
                        &mut Room(share.min(reach.bytes_of_one)),
                        &mut ancestors.strangers,
                    )?;
                    match taken {
                        Ok(taken) => {
                            room -= taken.bytes;
                            of_wave -= taken.bytes;
                            if is_new {
                                taken.statements.iter().for_each(|it| next.take(it));
                            }
                        }
                        Err(Missing::Bounded) if is_shared => too_large.push((is_new, release)),
                        Err(why) => drop(ancestors.missing.insert(release, why)),
                    }
                }
                asked = too_large;
            }
            if next.order.is_empty() {
                break;
            }
            wave = next;
        }
        Ok(ancestors)
    }

    /// Whether all of these entries came along.
    fn has_all(&self, named: &BTreeSet<LeafIndex>) -> bool {
        named.iter().all(|index| self.entries.contains_key(index))
    }

    /// The parents that the records about the release name.
    fn parents(&self) -> Result<Wave, BundleMakerError> {
        let mut wave = Wave::default();
        for (entry, _) in self.entries.values() {
            let signed = parse(entry)?;
            if signed.statement().release() == Some(self.release) {
                wave.take(signed.statement());
            }
        }
        Ok(wave)
    }

    /// Takes in the records of one ancestor, all of them or none.
    fn take_ancestor(
        &mut self,
        release: &ReleaseName,
        named: &BTreeSet<LeafIndex>,
        room: &mut Room,
        strangers: &mut BTreeMap<LeafIndex, FoundRecord>,
    ) -> Result<Result<Taken, Missing>, BundleMakerError> {
        let Some(mut records) = self.records_of(release, named, room, strangers)? else {
            return Ok(Err(Missing::Bounded));
        };
        if records.is_empty() {
            return Ok(Err(Missing::Unlisted));
        }
        let Some(history) = self.history(release.publisher())? else {
            let words = format!("the log has no publisher {}", release.publisher());
            return Ok(Err(Missing::Unexplained(words)));
        };
        for index in history {
            if !self.take_within(index, room, &mut records)? {
                return Ok(Err(Missing::Bounded));
            }
        }
        let mut replay = Replay::default();
        let mut statements = Vec::new();
        for (entry, _) in records.values() {
            match replay.check(entry) {
                Ok(logged) if logged.record.statement().release() == Some(release) => {
                    statements.push(logged.record.statement().clone());
                }
                Ok(_) => {}
                Err(ReplayError::Authority { index, error })
                    if error.may_want_for_earlier_records() =>
                {
                    let words = format!(
                        "the publisher records that the log lists don't explain entry {index}: {error}"
                    );
                    return Ok(Err(Missing::Unexplained(words)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut bytes = 0;
        for (index, proven) in records {
            if !self.entries.contains_key(&index) {
                bytes += proven.0.entry.as_bytes().len();
                self.add(proven)?;
            }
        }
        Ok(Ok(Taken { bytes, statements }))
    }

    /// The records that say what an ancestor is, and what became of it: those that are `named`, and those that the log
    /// lists. Nothing, if there is no room for them.
    fn records_of(
        &self,
        release: &ReleaseName,
        named: &BTreeSet<LeafIndex>,
        room: &mut Room,
        strangers: &mut BTreeMap<LeafIndex, FoundRecord>,
    ) -> Result<Option<BTreeMap<LeafIndex, Proven>>, BundleMakerError> {
        let is_theirs = |signed: &SignedRecord| {
            let statement = signed.statement();
            statement.release() == Some(release) && statement.publisher() == release.publisher()
        };
        let mut records = BTreeMap::new();
        for index in named {
            // One beyond the tree can't stand before the record that names it, which is in the tree.
            if self.checkpoint.size().leaf(*index).is_none() {
                continue;
            }
            if !self.take_within(*index, room, &mut records)? {
                return Ok(None);
            }
            let signed = parse(&records[index].0)?;
            if !is_theirs(&signed) {
                records.remove(index);
                strangers.insert(*index, FoundRecord::of(*index, signed.statement()));
            }
        }
        let listed = match self.client.records_by(release, release.publisher()) {
            Ok(listed) => listed,
            Err(error) if error.is_absence() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for row in listed {
            // What came after the checkpoint is not part of what it proves. What was measured says nothing of lineage.
            let is_newer = self.checkpoint.size().leaf(row.index).is_none();
            if is_newer || row.kind == Kind::Evaluation {
                continue;
            }
            if !self.take_within(row.index, room, &mut records)? {
                return Ok(None);
            }
            if !is_theirs(&parse(&records[&row.index].0)?) {
                return Err(BundleMakerError::OtherRecord {
                    index: row.index,
                    publisher: release.publisher().clone(),
                    release: release.clone(),
                });
            }
        }
        Ok(Some(records))
    }

    /// Puts an entry among `records`. False, if there is no room for it. Those that came along already take none.
    fn take_within(
        &self,
        index: LeafIndex,
        room: &mut Room,
        records: &mut BTreeMap<LeafIndex, Proven>,
    ) -> Result<bool, BundleMakerError> {
        if records.contains_key(&index) {
            return Ok(true);
        }
        let proven = if let Some(proven) = self.entries.get(&index) {
            proven.clone()
        } else {
            let proven = self.client.listed_entry(index, self.checkpoint)?;
            let bytes = proven.0.entry.as_bytes().len();
            let Some(left) = room.0.checked_sub(bytes) else {
                return Ok(false);
            };
            room.0 = left;
            proven
        };
        records.insert(index, proven);
        Ok(true)
    }
}
