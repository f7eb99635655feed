//! Lineage: which records a release may name as those of its parents, and whether what the log has is what was named.
//!
//! ```text
//! weights record ── relation, release, index, statement ──► the parent's weights, card or API version
//!    at entry 9                           4                      at entry 4, with that statement digest
//! ```
//!
//! A log checks it before it takes a record, and whoever reads a record checks it again: both by [`ParentRecord::check`].
//!
//! Always: a parent stands before its child, so that no release is its own ancestor, whatever the records say.
//!
//! Not here: what the training config says of parents. It may name releases that no log has; a log asks no more of it than
//! that a statement digest, where it gives one, is of a record that is there.

use crate::Sha256;
use crate::merkle::LeafIndex;

use super::kinds::{ParentRecord, Relation};
use super::{Kind, ReleaseName, Statement};

/// The most parents that a release names.
pub const PARENTS_MAX: usize = 32;

/// What stands in the log where a record says that its parent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// Where it stands.
    pub index: LeafIndex,
    /// Its statement digest.
    pub statement: Sha256,
    /// Its kind.
    pub kind: Kind,
    /// The name of what it is about.
    pub subject: String,
}

impl FoundRecord {
    /// A statement that stands at `index`.
    pub fn of(index: LeafIndex, statement: &Statement) -> Self {
        Self {
            index,
            statement: statement.digest,
            kind: statement.kind(),
            subject: statement.subject.name.to_string(),
        }
    }
}

/// How what the log has is not the parent that a record names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParentError {
    /// Another statement stands there.
    #[error("entry {index} has the statement digest {found}, and not {named}")]
    OtherStatement {
        /// Where.
        index: LeafIndex,
        /// What is named.
        named: Sha256,
        /// What stands there.
        found: Sha256,
    },
    /// The statement stands elsewhere.
    #[error("the record with that statement digest is entry {found}, and not entry {named}")]
    OtherIndex {
        /// Where it is said to be.
        named: LeafIndex,
        /// Where it is.
        found: LeafIndex,
    },
    /// The record is about something else.
    #[error("entry {index} is about {found}, and not about {named}")]
    OtherRelease {
        /// Where it stands.
        index: LeafIndex,
        /// What it should be about.
        named: ReleaseName,
        /// What it is about.
        found: String,
    },
    /// The record does not say what a release is.
    #[error(
        "entry {index} is a record of the kind {kind}, and a parent is named by its weights, model-card or api-version record"
    )]
    OtherKind {
        /// Where it stands.
        index: LeafIndex,
        /// What it is.
        kind: Kind,
    },
    /// The parent does not come first.
    #[error("entry {parent} does not stand before entry {child}, which names it")]
    NotBefore {
        /// Where the parent's record stands.
        parent: LeafIndex,
        /// Where the record stands that names it.
        child: LeafIndex,
    },
}

impl ParentError {
    /// Which field of the parent is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::OtherStatement { .. } | Self::OtherKind { .. } => "statement",
            Self::OtherIndex { .. } | Self::NotBefore { .. } => "index",
            Self::OtherRelease { .. } => "release",
        }
    }
}

/// How a list of parents contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParentListError {
    /// A release among its own parents.
    #[error("{release} is not made from itself")]
    Itself {
        /// Which parent, counted from 0.
        parent: usize,
        /// The release.
        release: ReleaseName,
    },
    /// A parent twice.
    #[error("{release} is named as {} twice", relation.name())]
    Twice {
        /// The second, counted from 0.
        parent: usize,
        /// The relation.
        relation: Relation,
        /// The parent.
        release: ReleaseName,
    },
}

impl ParentListError {
    /// Where in the statement, as a JSON pointer.
    pub fn pointer(&self) -> String {
        match self {
            Self::Itself { parent, .. } | Self::Twice { parent, .. } => {
                format!("/predicate/parents/{parent}/release")
            }
        }
    }
}

impl ParentRecord {
    /// Holds what was `found` in the log against this parent, which the record at `child` names.
    pub fn check(&self, child: LeafIndex, found: &FoundRecord) -> Result<(), ParentError> {
        let index = found.index;
        if found.statement != self.statement {
            return Err(ParentError::OtherStatement {
                index,
                named: self.statement,
                found: found.statement,
            });
        }
        if index != self.index {
            return Err(ParentError::OtherIndex {
                named: self.index,
                found: index,
            });
        }
        if found.subject != self.release.to_string() {
            return Err(ParentError::OtherRelease {
                index,
                named: self.release.clone(),
                found: found.subject.clone(),
            });
        }
        if !found.kind.says_what_a_release_is() {
            return Err(ParentError::OtherKind {
                index,
                kind: found.kind,
            });
        }
        if index >= child {
            return Err(ParentError::NotBefore {
                parent: index,
                child,
            });
        }
        Ok(())
    }
}

/// Checks what can be known of a list of parents without a log: no parent twice, and none the `release` itself.
pub fn check_list(release: &ReleaseName, parents: &[ParentRecord]) -> Result<(), ParentListError> {
    for (n, parent) in parents.iter().enumerate() {
        if parent.release == *release {
            return Err(ParentListError::Itself {
                parent: n,
                release: release.clone(),
            });
        }
        let is_same = |other: &ParentRecord| {
            other.release == parent.release && other.relation == parent.relation
        };
        if parents[..n].iter().any(is_same) {
            return Err(ParentListError::Twice {
                parent: n,
                relation: parent.relation,
                release: parent.release.clone(),
            });
        }
    }
    Ok(())
}
