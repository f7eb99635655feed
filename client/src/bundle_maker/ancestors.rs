//! The records of a release's ancestors, which come along in its bundle, so that its lineage can be checked with nobody to
//! ask.
//!
//! ```text
//! records of the release ──parents──► each parent: the entries that are named ──┐
//!        ▲                            what its own publisher says of it ────────┼─► entries and proofs
//!        └────── the next wave ◄───── the keys of that publisher ───────────────┘
//! ```
//!
//! Always: breadth first and each release once, so that it ends whatever the records name; and no further than its
//! [`Reach`]. An ancestor never decides about the release: what the log does not list or explain is left out and named.
//! Only what is proven against the log is an error.

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
    };

    /// What a bundle has room for beside its release: a hundred ancestors, at some 64 KiB each.
    pub const OF_A_BUNDLE: Self = Self {
        depth: usize::MAX,
        releases: 100,
        bytes: 8 << 20,
    };

    /// What is asked of a log at most: some thousands of questions, and 64 MiB of memory with their proofs.
    pub const FAR: Self = Self {
        depth: usize::MAX,
        releases: 1_000,
        bytes: 32 << 20,
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

impl Parts<'_> {
    /// Takes in what the publishers of the release's ancestors say of them.
    pub(super) fn take_ancestors(&mut self, reach: Reach) -> Result<Ancestors, BundleMakerError> {
        let mut ancestors = Ancestors::default();
        if reach.depth == 0 {
            return Ok(ancestors);
        }
        let mut seen = BTreeSet::from([self.release.clone()]);
        let (mut releases, mut room) = (reach.releases, reach.bytes);
        let mut wave = self.wave_of(&seen)?;
        for _ in 0..reach.depth {
            let mut next = BTreeSet::new();
            for release in wave.order {
                let named = &wave.named[&release];
                let is_new = seen.insert(release.clone());
                if !is_new && named.iter().all(|index| self.entries.contains_key(index)) {
                    continue;
                }
                if releases == 0 {
                    ancestors.missing.insert(release, Missing::Bounded);
                    continue;
                }
                releases -= 1;
                let taken =
                    self.take_ancestor(&release, named, &mut room, &mut ancestors.strangers)?;
                match taken {
                    Ok(()) if is_new => drop(next.insert(release)),
                    Ok(()) => {}
                    Err(why) => drop(ancestors.missing.insert(release, why)),
                }
            }
            if next.is_empty() {
                break;
            }
            wave = self.wave_of(&next)?;
        }
        Ok(ancestors)
    }

    /// The parents that the records about `releases` name, of those that are here.
    fn wave_of(&self, releases: &BTreeSet<ReleaseName>) -> Result<Wave, BundleMakerError> {
        let mut wave = Wave::default();
        for (entry, _) in self.entries.values() {
            let signed = parse(entry)?;
            let statement = signed.statement();
            if statement.release().is_some_and(|it| releases.contains(it)) {
                wave.take(statement);
            }
        }
        Ok(wave)
    }

    /// Takes in the records of one ancestor, all of them or none.
    fn take_ancestor(
        &mut self,
        release: &ReleaseName,
        named: &BTreeSet<LeafIndex>,
        room: &mut usize,
        strangers: &mut BTreeMap<LeafIndex, FoundRecord>,
    ) -> Result<Result<(), Missing>, BundleMakerError> {
        let Some(records) = self.records_of(release, named, strangers)? else {
            return Ok(Err(Missing::Unlisted));
        };
        let Some(mut indexes) = self.history(release.publisher())? else {
            let words = format!("the log has no publisher {}", release.publisher());
            return Ok(Err(Missing::Unexplained(words)));
        };
        indexes.extend(records);
        indexes.sort_unstable();
        indexes.dedup();
        let (mut found, mut bytes, mut replay) = (Vec::new(), 0, Replay::default());
        for index in indexes {
            let proven = self.proven(index)?;
            bytes += proven.0.entry.as_bytes().len();
            if bytes > *room {
                return Ok(Err(Missing::Bounded));
            }
            match replay.check(&proven.0) {
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
            found.push(proven);
        }
        *room -= bytes;
        for proven in found {
            self.add(proven)?;
        }
        Ok(Ok(()))
    }

    /// Where the records stand that say what an ancestor is, and what became of it: those that are `named`, and those
    /// that the log lists. None, if there are none.
    fn records_of(
        &self,
        release: &ReleaseName,
        named: &BTreeSet<LeafIndex>,
        strangers: &mut BTreeMap<LeafIndex, FoundRecord>,
    ) -> Result<Option<BTreeSet<LeafIndex>>, BundleMakerError> {
        let is_theirs = |signed: &SignedRecord| {
            let statement = signed.statement();
            statement.release() == Some(release) && statement.publisher() == release.publisher()
        };
        let mut records = BTreeSet::new();
        for index in named {
            // One beyond the tree can't stand before the record that names it, which is in the tree.
            if self.checkpoint.size().leaf(*index).is_none() {
                continue;
            }
            let signed = parse(&self.proven(*index)?.0)?;
            if is_theirs(&signed) {
                records.insert(*index);
                continue;
            }
            strangers.insert(*index, FoundRecord::of(*index, signed.statement()));
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
            if !is_theirs(&parse(&self.proven(row.index)?.0)?) {
                return Err(BundleMakerError::OtherRecord {
                    index: row.index,
                    publisher: release.publisher().clone(),
                    release: release.clone(),
                });
            }
            records.insert(row.index);
        }
        Ok((!records.is_empty()).then_some(records))
    }

    /// An entry that is here already, or is fetched.
    fn proven(&self, index: LeafIndex) -> Result<Proven, BundleMakerError> {
        match self.entries.get(&index) {
            Some(proven) => Ok(proven.clone()),
            None => Ok(self.client.listed_entry(index, self.checkpoint)?),
        }
    }
}
