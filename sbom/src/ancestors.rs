//! What a release was made from, as far as its records name it, and what of that was withdrawn.
//!
//! ```text
//! weights record, training config ──► parents ──► their records, where they came along ──► their parents …
//!                                        └────────── withdrawn? ─────────────┘
//! ```
//!
//! Always: each release is looked at once, so that it ends, whatever the records name. Of a release whose records did not come
//! along nothing is known, and nothing is said.
//!
//! Not here: whether the log has what a parent is named as. Whoever makes a bundle a document checks that first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, Withdrawn, release_fallen};
use candor_core::record::kinds::{Relation, TrainingConfig, Weights};
use candor_core::record::{Predicate, ReleaseName};

/// A release that this one was made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) release: &'a ReleaseName,
    pub(crate) relation: Relation,
    /// The statement digest of the record that is meant, where that is named.
    pub(crate) statement: Option<Sha256>,
    /// The withdrawal that it fell with, if the records here show one.
    pub(crate) withdrawn: Option<Withdrawn<'a>>,
}

/// A parent that was withdrawn, or one further up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WithdrawnAncestor<'a> {
    /// Which release.
    pub release: &'a ReleaseName,
    /// How many steps it is from the release that was made from it, at least.
    pub depth: usize,
    /// The withdrawal that it fell with.
    pub withdrawn: Withdrawn<'a>,
}

/// What a release says that it was made from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources<'a> {
    pub(crate) weights: Option<&'a Weights>,
    pub(crate) config: Option<&'a TrainingConfig>,
}

impl<'a> Sources<'a> {
    /// By its weights record, which names records, and what its training config names besides.
    pub(crate) fn parents(self, records: &'a [LoggedRecord]) -> Vec<Parent<'a>> {
        let parent = |release, relation, statement| Parent {
            release,
            relation,
            statement,
            withdrawn: release_fallen(release, records),
        };
        let mut parents: Vec<Parent<'a>> = Vec::new();
        for it in self.weights.map_or(&[][..], |weights| &weights.parents) {
            parents.push(parent(&it.release, it.relation, Some(it.statement)));
        }
        for it in self.config.map_or(&[][..], |config| &config.parents) {
            let is_it =
                |known: &Parent<'_>| *known.release == it.release && known.relation == it.relation;
            if !parents.iter().any(is_it) {
                parents.push(parent(&it.release, it.relation, it.statement));
            }
        }
        parents
    }

    fn names(self) -> impl Iterator<Item = &'a ReleaseName> {
        let weights = self.weights.map_or(&[][..], |it| &it.parents);
        let config = self.config.map_or(&[][..], |it| &it.parents);
        let of_config = config.iter().map(|it| &it.release);
        weights.iter().map(|it| &it.release).chain(of_config)
    }
}

/// Those of the ancestors of `release` that were withdrawn, the nearest first.
pub(crate) fn withdrawn_ancestors<'a>(
    release: &'a ReleaseName,
    parents: &[Parent<'a>],
    records: &'a [LoggedRecord],
) -> Vec<WithdrawnAncestor<'a>> {
    let mut sources: BTreeMap<&ReleaseName, Sources<'a>> = BTreeMap::new();
    let mut has_withdrawal: BTreeSet<&ReleaseName> = BTreeSet::new();
    for logged in records {
        let statement = logged.record.statement();
        let Some(about) = statement.release() else {
            continue;
        };
        match &statement.predicate {
            Predicate::Weights(it) => sources.entry(about).or_default().weights = Some(it),
            Predicate::TrainingConfig(it) => sources.entry(about).or_default().config = Some(it),
            Predicate::Withdrawal(_) => {
                has_withdrawal.insert(about);
            }
            Predicate::Publisher(_)
            | Predicate::ModelCard(_)
            | Predicate::ApiVersion(_)
            | Predicate::Evaluation(_) => {}
        }
    }
    let mut ancestors = Vec::new();
    let mut seen = BTreeSet::from([release]);
    let mut queue: VecDeque<_> = parents.iter().map(|it| (it.release, 1)).collect();
    while let Some((release, depth)) = queue.pop_front() {
        if !seen.insert(release) {
            continue;
        }
        if has_withdrawal.contains(release)
            && let Some(withdrawn) = release_fallen(release, records)
        {
            ancestors.push(WithdrawnAncestor {
                release,
                depth,
                withdrawn,
            });
        }
        let sources = sources.get(release).copied().unwrap_or_default();
        queue.extend(sources.names().map(|it| (it, depth + 1)));
    }
    ancestors
}
