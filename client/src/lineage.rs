//! Where a release comes from: the graph of its ancestors, and whether the log bears out each edge of it.
//!
//! ```text
//! verified records ──► the release ──parents──► each parent ──parents──► …        breadth first
//!                            edge: core's ParentRecord::check      node: standing
//! ```
//!
//! Reads nothing but verified records, so that a bundle and the log are judged alike; what the log left out of what it was
//! asked for comes as [`Ancestors`].
//!
//! Always: each release is one node, so that it ends, whatever the records name. A parent that stands behind its child is
//! refuted, so that edges that are checked never lead in a circle.

use std::collections::{BTreeMap, VecDeque};

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, VerifiedBundle, Withdrawn, release_fallen};
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{ParentRecord, Relation, Strength};
use candor_core::record::lineage::{FoundRecord, ParentError};
use candor_core::record::{Kind, Predicate, ReleaseName};

use crate::bundle_maker::{Ancestors, Missing};

/// The most releases of a graph: what is asked of a log at most, and the release itself.
pub const NODES_MAX: usize = 1_001;

/// The most edges of a graph; releases name a few parents each.
pub const EDGES_MAX: usize = 4_000;

/// A graph of releases.
#[derive(Clone, Debug)]
pub struct Lineage<'a> {
    /// Breadth first: the release itself comes first.
    pub nodes: Vec<Node<'a>>,
    /// In the order of their children.
    pub edges: Vec<Edge<'a>>,
    /// Whether there is more than a graph holds.
    pub is_cut: bool,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Its name.
    pub release: ReleaseName,
    /// How many steps it is from the release that was asked for, at least.
    pub depth: usize,
    /// What is known of it; none, if its records are not there.
    pub known: Option<KnownNode<'a>>,
    /// Parents that it names, and that were not looked at, since they are further than was asked for.
    pub not_followed: usize,
    /// Which nodes are ancestors of it that were withdrawn, by their numbers.
    pub withdrawn_ancestors: Vec<usize>,
}

/// What the records of a release say.
#[derive(Clone, Copy, Debug)]
pub struct KnownNode<'a> {
    /// The record that says what it is: its weights, API version, card or training config.
    pub record: &'a LoggedRecord,
    /// The withdrawal that it fell with, if it did.
    pub withdrawn: Option<Withdrawn<'a>>,
    /// Whether its digests are weak.
    pub is_weak: bool,
}

/// That a release names another as its parent.
#[derive(Clone, Debug)]
pub struct Edge<'a> {
    /// The number of the node that names.
    pub child: usize,
    /// The number of the node that is named.
    pub parent: usize,
    /// How the one was made from the other.
    pub relation: Relation,
    /// The record that says so.
    pub named_by: &'a LoggedRecord,
    /// Where the parent's record is said to stand.
    pub index: Option<LeafIndex>,
    /// Which statement it is said to be.
    pub statement: Option<Sha256>,
    /// What came of it.
    pub state: State,
}

/// What came of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The record that is named is in the log, and is what it is named as.
    Checked,
    /// It is named by its name alone, or by a digest of none of its records here: by the training config, of which no log
    /// asks more.
    Named,
    /// The log has something else there.
    Refuted(ParentError),
    /// The record is not at hand.
    Open(Open),
}

/// Why there is no telling about an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// It is not among the records.
    NotHere,
    /// The log did not give it.
    Missing(Missing),
}

/// A parent as a record names it.
struct Named<'a> {
    by: &'a LoggedRecord,
    relation: Relation,
    release: &'a ReleaseName,
    /// From the weights: where it stands, and what it is.
    record: Option<&'a ParentRecord>,
    statement: Option<Sha256>,
}

impl<'a> Lineage<'a> {
    /// The lineage of the release that `bundle` is about, at most `depth` steps up. `ancestors` says what became of those
    /// that are not in it, where the log was asked.
    pub fn of(bundle: &'a VerifiedBundle, ancestors: Option<&Ancestors>, depth: usize) -> Self {
        let mut by_release: BTreeMap<&ReleaseName, Vec<&LoggedRecord>> = BTreeMap::new();
        for logged in &bundle.records {
            if let Some(release) = logged.record.statement().release() {
                by_release.entry(release).or_default().push(logged);
            }
        }
        let records = &bundle.records;
        let of = |release: &ReleaseName| by_release.get(release).map_or(&[][..], Vec::as_slice);
        let node = |release: &ReleaseName, depth| Node {
            known: known(release, of(release), records),
            release: release.clone(),
            depth,
            not_followed: 0,
            withdrawn_ancestors: Vec::new(),
        };
        let mut lineage = Self {
            nodes: vec![node(&bundle.release, 0)],
            edges: Vec::new(),
            is_cut: false,
        };
        let mut numbers = BTreeMap::from([(bundle.release.clone(), 0)]);
        let mut queue = VecDeque::from([0]);
        while let Some(child) = queue.pop_front() {
            let (release, at) = {
                let node = &lineage.nodes[child];
                (node.release.clone(), node.depth)
            };
            let parents = named_by(of(&release));
            if at >= depth {
                lineage.nodes[child].not_followed = parents.len();
                continue;
            }
            for named in parents {
                let is_new = !numbers.contains_key(named.release);
                if lineage.edges.len() >= EDGES_MAX || is_new && lineage.nodes.len() >= NODES_MAX {
                    lineage.is_cut = true;
                    continue;
                }
                let parent = *numbers.entry(named.release.clone()).or_insert_with(|| {
                    lineage.nodes.push(node(named.release, at + 1));
                    queue.push_back(lineage.nodes.len() - 1);
                    lineage.nodes.len() - 1
                });
                lineage.edges.push(Edge {
                    child,
                    parent,
                    relation: named.relation,
                    named_by: named.by,
                    index: named.record.map(|it| it.index),
                    statement: named.statement,
                    state: state(&named, of(named.release), records, ancestors),
                });
            }
        }
        lineage.is_cut |= lineage
            .edges
            .iter()
            .any(|edge| edge.state == State::Open(Open::Missing(Missing::Bounded)));
        lineage.spread_withdrawals();
        lineage
    }

    /// The nodes that were withdrawn, by their numbers; not the release itself.
    pub fn withdrawn(&self) -> impl Iterator<Item = (&Node<'a>, Withdrawn<'a>)> {
        let nodes = self.nodes.iter().skip(1);
        nodes.filter_map(|node| Some((node, node.known.as_ref()?.withdrawn?)))
    }

    /// The edges from a node to its parents.
    pub fn parents_of(&self, child: usize) -> impl Iterator<Item = &Edge<'a>> {
        self.edges.iter().filter(move |edge| edge.child == child)
    }

    /// Whether the release names no parents.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.nodes[0].not_followed == 0
    }

    /// Tells each node which of its ancestors were withdrawn. An edge that leads nowhere, or in a circle, counts too: that
    /// the parent is named is enough to say so.
    fn spread_withdrawals(&mut self) {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            children[edge.parent].push(edge.child);
        }
        let is_withdrawn = |node: &Node<'_>| node.known.is_some_and(|it| it.withdrawn.is_some());
        let withdrawn: Vec<_> = (0..self.nodes.len())
            .filter(|number| is_withdrawn(&self.nodes[*number]))
            .collect();
        for origin in withdrawn {
            let mut seen = vec![false; self.nodes.len()];
            seen[origin] = true;
            let mut stack = vec![origin];
            while let Some(parent) = stack.pop() {
                for child in &children[parent] {
                    if !std::mem::replace(&mut seen[*child], true) {
                        self.nodes[*child].withdrawn_ancestors.push(origin);
                        stack.push(*child);
                    }
                }
            }
        }
    }
}

/// What the records about a release say, if there are some by its publisher that say what it is.
fn known<'a>(
    release: &ReleaseName,
    about: &[&'a LoggedRecord],
    records: &'a [LoggedRecord],
) -> Option<KnownNode<'a>> {
    let of_kind = |kind| {
        let mut about = about.iter().copied();
        about.find(|logged| logged.record.statement().kind() == kind)
    };
    let record = [
        Kind::Weights,
        Kind::ApiVersion,
        Kind::ModelCard,
        Kind::TrainingConfig,
    ]
    .into_iter()
    .find_map(of_kind)?;
    let is_weak = matches!(
        &record.record.statement().predicate,
        Predicate::Weights(weights) if weights.strength == Strength::Weak
    );
    Some(KnownNode {
        record,
        withdrawn: release_fallen(release, records),
        is_weak,
    })
}

/// The parents that the records about a release name. What the weights and the training config both say is one edge.
fn named_by<'a>(about: &[&'a LoggedRecord]) -> Vec<Named<'a>> {
    let mut parents: Vec<Named<'a>> = Vec::new();
    for logged in about.iter().copied() {
        if let Predicate::Weights(weights) = &logged.record.statement().predicate {
            parents.extend(weights.parents.iter().map(|parent| Named {
                by: logged,
                relation: parent.relation,
                release: &parent.release,
                record: Some(parent),
                statement: Some(parent.statement),
            }));
        }
    }
    for logged in about.iter().copied() {
        if let Predicate::TrainingConfig(config) = &logged.record.statement().predicate {
            for parent in &config.parents {
                let is_same = |it: &Named<'_>| {
                    it.relation == parent.relation && *it.release == parent.release
                };
                if !parents.iter().any(is_same) {
                    parents.push(Named {
                        by: logged,
                        relation: parent.relation,
                        release: &parent.release,
                        record: None,
                        statement: parent.statement,
                    });
                }
            }
        }
    }
    parents
}

fn state(
    named: &Named<'_>,
    about: &[&LoggedRecord],
    records: &[LoggedRecord],
    ancestors: Option<&Ancestors>,
) -> State {
    let Some(parent) = named.record else {
        let is_it = |logged: &&&LoggedRecord| {
            let statement = logged.record.statement();
            Some(statement.digest) == named.statement
                && statement.kind().says_what_a_release_is()
                && logged.index < named.by.index
        };
        return match about.iter().find(is_it) {
            Some(_) => State::Checked,
            None => State::Named,
        };
    };
    let child = named.by.index;
    // It is in the tree, so what stands behind it is refuted without a look.
    if parent.index >= child {
        let parent = parent.index;
        return State::Refuted(ParentError::NotBefore { parent, child });
    }
    let here = records.iter().find(|logged| logged.index == parent.index);
    let found = match here {
        Some(logged) => Some(FoundRecord::of(logged.index, logged.record.statement())),
        None => ancestors.and_then(|it| it.strangers.get(&parent.index).cloned()),
    };
    match found {
        Some(found) => match parent.check(child, &found) {
            Ok(()) => State::Checked,
            Err(error) => State::Refuted(error),
        },
        None => State::Open(
            match ancestors.and_then(|it| it.missing.get(named.release)) {
                Some(missing) => Open::Missing(missing.clone()),
                None => Open::NotHere,
            },
        ),
    }
}

#[cfg(test)]
mod tests;
