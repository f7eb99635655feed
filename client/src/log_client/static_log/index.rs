//! What is kept of each entry: some 45 bytes, 40 more of weights, and each name once.

use std::collections::HashMap;

use candor_core::Sha256;
use candor_core::merkle::{CompactRange, Entry, LeafHash, LeafIndex, TreeHead, TreeSize};
use candor_core::record::kinds::Scope;
use candor_core::record::{Kind, Predicate, SignedRecord};

/// All entries of a tree, as far as questions need them.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::log_client) struct Index {
    pub(super) range: CompactRange,
    pub(super) names: Names,
    pub(super) rows: Vec<Row>,
    /// In the order of the log.
    pub(super) withdrawals: Vec<Withdrawal>,
    /// In the order of the log: of each `weights` record its manifest.
    pub(super) manifests: Vec<(LeafIndex, Sha256)>,
}

/// A record. One that can't be read as such has no kind, and is in no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: Option<Kind>,
    pub(super) publisher: NameId,
    pub(super) subject: NameId,
    pub(super) statement: Sha256,
}

/// A withdrawal, by the publisher and about the subject of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withdrawal {
    pub(super) by: LeafIndex,
    pub(super) scope: Scope,
    /// The digest of its subject: of one record, that record's statement.
    pub(super) sha256: Sha256,
}

/// A publisher or a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NameId(pub(super) u32);

/// Each name that there is, once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    by_id: Vec<Box<str>>,
    ids: HashMap<Box<str>, NameId>,
}

/// What is kept of an entry.
pub(super) struct Gist {
    leaf: LeafHash,
    record: Option<RecordGist>,
}

struct RecordGist {
    kind: Kind,
    publisher: String,
    subject: String,
    statement: Sha256,
    withdraws: Option<(Scope, Sha256)>,
    manifest: Option<Sha256>,
}

/// Reads an entry for what is kept of it.
pub(super) fn gist_of(entry: &Entry) -> Gist {
    let record = SignedRecord::from_entry(entry).ok().map(|record| {
        let statement = record.statement();
        let withdraws = match &statement.predicate {
            Predicate::Withdrawal(withdrawal) => Some((withdrawal.scope, statement.subject.sha256)),
            _ => None,
        };
        RecordGist {
            kind: statement.kind(),
            publisher: statement.publisher().to_string(),
            subject: statement.subject.name.to_string(),
            statement: statement.digest,
            withdraws,
            manifest: (statement.kind() == Kind::Weights).then_some(statement.subject.sha256),
        }
    });
    Gist {
        leaf: LeafHash::of(entry),
        record,
    }
}

impl Index {
    pub(in crate::log_client) fn empty() -> Self {
        Self {
            range: CompactRange::empty(),
            names: Names::default(),
            rows: Vec::new(),
            withdrawals: Vec::new(),
            manifests: Vec::new(),
        }
    }

    /// The tree of its entries.
    pub(in crate::log_client) fn head(&self) -> TreeHead {
        self.range.head()
    }

    pub(super) fn append(&mut self, gist: Gist) {
        let index = LeafIndex::new(self.range.size().get());
        self.range.append(gist.leaf, |_, _| ());
        let row = match gist.record {
            Some(record) => {
                if let Some((scope, sha256)) = record.withdraws {
                    self.withdrawals.push(Withdrawal {
                        by: index,
                        scope,
                        sha256,
                    });
                }
                if let Some(manifest) = record.manifest {
                    self.manifests.push((index, manifest));
                }
                Row {
                    kind: Some(record.kind),
                    publisher: self.names.id_of(record.publisher),
                    subject: self.names.id_of(record.subject),
                    statement: record.statement,
                }
            }
            None => Row {
                kind: None,
                publisher: self.names.id_of(String::new()),
                subject: self.names.id_of(String::new()),
                statement: Sha256::of(b""),
            },
        };
        self.rows.push(row);
    }

    /// The rows of the first `size` entries, with their indexes.
    pub(super) fn rows(
        &self,
        size: TreeSize,
    ) -> impl DoubleEndedIterator<Item = (LeafIndex, &Row)> + Clone {
        let end = usize::try_from(size.get()).unwrap_or(usize::MAX);
        let rows = &self.rows[..end.min(self.rows.len())];
        let rows = rows.iter().enumerate();
        rows.map(|(index, row)| (LeafIndex::new(index as u64), row))
    }

    /// The row of an entry that is there.
    pub(super) fn row(&self, index: LeafIndex) -> &Row {
        &self.rows[usize::try_from(index.get()).expect("all rows are in memory")]
    }
}

impl Names {
    pub(super) fn id_of(&mut self, name: String) -> NameId {
        if let Some(id) = self.ids.get(name.as_str()) {
            return *id;
        }
        let id =
            NameId(u32::try_from(self.by_id.len()).expect("fewer names than memory has room for"));
        let name = name.into_boxed_str();
        self.by_id.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    /// The ID of a name, if it is there.
    pub(super) fn find(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: NameId) -> &str {
        &self.by_id[id.0 as usize]
    }

    /// All of them, in the order of their IDs.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.by_id.iter().map(|name| &**name)
    }
}
