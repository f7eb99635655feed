//! A release, put in order: one record of each kind, who published them, and what still stands.
//!
//! ```text
//! records of the bundle ──┬─ about the release ──► card, weights + manifest, config, evaluations
//!                         │                          └── less what was withdrawn
//!                         └─ publishers' own ────► display names
//! ```
//!
//! Which records were withdrawn, and whether the release falls with them, are core's rules.

use std::collections::BTreeMap;

use candor_core::bundle::{LoggedRecord, VerifiedBundle, Withdrawn, release_fallen, withdrawn};
use candor_core::merkle::LeafIndex;
use candor_core::note::Checkpoint;
use candor_core::record::kinds::{
    Evaluation, ModelCard, Publisher, Strength, TrainingConfig, Weights,
};
use candor_core::record::{Algorithm, Predicate, PublisherName, ReleaseName};
use candor_core::weights::Manifest;
use candor_core::{Sha256, Verified};

use crate::ancestors::{Parent, Sources, WithdrawnAncestor, withdrawn_ancestors};
use crate::properties::files_not_listed;

/// What a bundle proves of a release, as a bill of materials needs it.
#[derive(Clone, Debug)]
pub struct Release<'a> {
    pub(crate) name: &'a ReleaseName,
    pub(crate) checkpoint: &'a Checkpoint,
    /// All that are about it, whoever signed them; in the order of the log.
    pub(crate) records: Vec<&'a LoggedRecord>,
    pub(crate) card: Option<&'a ModelCard>,
    pub(crate) weights: Option<&'a Weights>,
    /// The list of its files, if the bundle has it.
    pub(crate) manifest: Option<&'a Manifest>,
    pub(crate) config: Option<&'a TrainingConfig>,
    /// Those that stand.
    pub(crate) evaluations: Vec<Evaluated<'a>>,
    /// The withdrawal that the whole release falls with.
    pub(crate) fallen: Option<Withdrawn<'a>>,
    /// Records that were withdrawn while the release stands, and those of others.
    pub(crate) withdrawn: Vec<(&'a LoggedRecord, Withdrawn<'a>)>,
    /// What it was made from.
    pub(crate) parents: Vec<Parent<'a>>,
    withdrawn_ancestors: Vec<WithdrawnAncestor<'a>>,
    publishers: BTreeMap<&'a PublisherName, &'a Publisher>,
}

/// An evaluation, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluated<'a> {
    pub(crate) index: LeafIndex,
    pub(crate) evaluation: &'a Evaluation,
}

/// Records that describe no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no card, weights or training config of {release}, and so no model to describe; an API version is a service, and has none"
)]
pub struct NoModel {
    /// What the bundle is about.
    pub release: ReleaseName,
}

impl<'a> Release<'a> {
    /// Puts a bundle in order.
    pub fn of(bundle: &'a Verified<VerifiedBundle>) -> Result<Self, NoModel> {
        let name = &bundle.release;
        let is_about = |it: &&LoggedRecord| it.record.statement().release() == Some(name);
        let mut release = Self {
            name,
            checkpoint: &bundle.checkpoint,
            records: bundle.records.iter().filter(is_about).collect(),
            card: None,
            weights: None,
            manifest: None,
            config: None,
            evaluations: Vec::new(),
            fallen: None,
            withdrawn: Vec::new(),
            parents: Vec::new(),
            withdrawn_ancestors: Vec::new(),
            publishers: BTreeMap::new(),
        };
        for logged in &bundle.records {
            let statement = logged.record.statement();
            if let Predicate::Publisher(publisher) = &statement.predicate {
                release.publishers.insert(statement.publisher(), publisher);
            }
        }
        release.fallen = release_fallen(name, &bundle.records);
        for logged in release.records.clone() {
            release.take(logged, bundle);
        }
        let sources = Sources {
            weights: release.weights,
            config: release.config,
        };
        release.parents = sources.parents(&bundle.records);
        release.withdrawn_ancestors = withdrawn_ancestors(name, &release.parents, &bundle.records);
        let describes = |it: &&LoggedRecord| {
            let predicate = &it.record.statement().predicate;
            matches!(
                predicate,
                Predicate::ModelCard(_) | Predicate::Weights(_) | Predicate::TrainingConfig(_)
            )
        };
        if !release.records.iter().any(describes) {
            return Err(NoModel {
                release: name.clone(),
            });
        }
        Ok(release)
    }

    /// The withdrawal that the release falls with, if it does; the documents say so.
    pub fn fallen(&self) -> Option<Withdrawn<'a>> {
        self.fallen
    }

    /// Records that were withdrawn while the release stands, and those of others; what they say is not in the documents.
    pub fn withdrawn_records(&self) -> &[(&'a LoggedRecord, Withdrawn<'a>)] {
        &self.withdrawn
    }

    /// Its ancestors that were withdrawn, the nearest first, as far as their records are in the bundle; the documents say so.
    pub fn withdrawn_ancestors(&self) -> &[WithdrawnAncestor<'a>] {
        &self.withdrawn_ancestors
    }

    /// The withdrawal of a record about it that is among [`Release::withdrawn_records`]: of that one, only this is said.
    pub(crate) fn withdrawal_of(&self, logged: &LoggedRecord) -> Option<Withdrawn<'a>> {
        let mut withdrawn = self.withdrawn.iter();
        let it = withdrawn.find(|(it, _)| it.index == logged.index);
        it.map(|(_, withdrawn)| *withdrawn)
    }

    /// The algorithms of its files' digests, if all of them are weak; the documents say so.
    pub fn weak_digests(&self) -> Option<&'a [Algorithm]> {
        let weak = self.weights.filter(|it| it.strength == Strength::Weak);
        weak.map(|it| it.algorithms.as_slice())
    }

    /// Why the documents do not list its files one by one, if they don't.
    pub fn files_not_listed(&self) -> Option<String> {
        files_not_listed(self)
    }

    /// What the publisher's newest record says of it.
    pub(crate) fn publisher(&self, name: &PublisherName) -> Option<&'a Publisher> {
        self.publishers.get(name).copied()
    }

    /// What people call a publisher.
    pub(crate) fn display_name<'n>(&self, name: &'n PublisherName) -> &'n str
    where
        'a: 'n,
    {
        self.publisher(name)
            .map_or(name.as_str(), |it| it.display_name.as_str())
    }

    /// The keys that signed what the release's own publisher says of it; each once.
    pub(crate) fn keys(&self) -> Vec<Sha256> {
        let mut keys = Vec::new();
        for logged in &self.records {
            if logged.record.statement().publisher() == self.name.publisher() {
                for key in logged.record.signed_by() {
                    if !keys.contains(&key.keyid()) {
                        keys.push(key.keyid());
                    }
                }
            }
        }
        keys
    }

    /// The record with this statement digest, if it is about the release and in the bundle.
    pub(crate) fn record(&self, statement: Sha256) -> Option<&'a LoggedRecord> {
        let is_it = |it: &&&LoggedRecord| it.record.statement().digest == statement;
        self.records.iter().find(is_it).copied()
    }

    /// Takes what a record says, unless it was withdrawn. Of a release that fell, what its publisher said is kept, under the
    /// mark that it fell; a value that was withdrawn is not, since a list of values has no place for such a mark.
    fn take(&mut self, logged: &'a LoggedRecord, bundle: &'a VerifiedBundle) {
        let predicate = &logged.record.statement().predicate;
        let withdrawal = withdrawn(logged, &bundle.records);
        let is_evaluation = matches!(predicate, Predicate::Evaluation(_));
        if let Some(withdrawn) = withdrawal
            && !matches!(predicate, Predicate::Withdrawal(_))
            && (is_evaluation || self.fallen.is_none())
        {
            self.withdrawn.push((logged, withdrawn));
            return;
        }
        match predicate {
            Predicate::ModelCard(card) => self.card = Some(card),
            Predicate::Weights(weights) => {
                self.weights = Some(weights);
                self.manifest = bundle.manifests.get(&logged.index);
            }
            Predicate::TrainingConfig(config) => self.config = Some(config),
            Predicate::Evaluation(evaluation) => self.evaluations.push(Evaluated {
                index: logged.index,
                evaluation,
            }),
            Predicate::Publisher(_) | Predicate::ApiVersion(_) | Predicate::Withdrawal(_) => {}
        }
    }
}
