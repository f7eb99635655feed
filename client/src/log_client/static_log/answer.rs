//! The questions of the API, answered from an index, in the form of the API.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TreeSize};
use candor_core::record::kinds::Scope;
use candor_core::record::{Kind, ReleaseName};
use serde_json::{Value, json};

use super::index::{Index, NameId, Row};

/// How many records a page has that says no number.
const PAGE_ITEMS: usize = 50;

/// What is said of a release as a whole.
struct Release {
    name: ReleaseName,
    first: LeafIndex,
    kinds: BTreeSet<Kind>,
}

impl Index {
    /// What a server that has the first `size` entries would answer to `path`; `None` if there is no such thing.
    pub(in crate::log_client) fn answer(&self, path: &str, size: TreeSize) -> Option<Value> {
        let path = path.strip_prefix("api/v1/")?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path.split_once('/') {
            None => match path {
                "records" => Some(self.records(&Query(query), size)),
                "publishers" => Some(self.publishers(size)),
                "models" => Some(self.models(size)),
                _ => None,
            },
            Some(("records", digest)) => self.record_by_statement(digest.parse().ok()?, size),
            Some(("manifests", digest)) => {
                Some(self.weights_of(digest.parse().ok()?, &Query(query), size))
            }
            Some(("publishers", name)) => self.publisher(name, size),
            Some(("models", name)) => self.model(name, size),
            Some(("releases", name)) => self.release(name, size),
            Some(_) => None,
        }
    }

    /// A page of records, newest first.
    fn records(&self, query: &Query<'_>, size: TreeSize) -> Value {
        let limit = query.number("limit").map_or(PAGE_ITEMS, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let before = query
            .number("before")
            .map_or(size, |before| TreeSize::new(before.min(size.get())));
        let kind = query.value("kind").map(|kind| kind.parse::<Kind>().ok());
        let publisher = query.value("publisher").map(|name| self.names.find(&name));
        let subject = query.value("subject").map(|name| self.names.find(&name));
        let mut found = self.rows(before).rev().filter(|(_, row)| {
            row.kind.is_some()
                && kind.is_none_or(|kind| kind == row.kind)
                && publisher.is_none_or(|id| id == Some(row.publisher))
                && subject.is_none_or(|id| id == Some(row.subject))
        });
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let next = found.next().and(page.last()).map(|(last, _)| {
            let filters = ["kind", "publisher", "subject"].into_iter();
            let filters = filters.filter_map(|name| Some(format!("&{name}={}", query.raw(name)?)));
            let filters: String = filters.collect();
            format!("/api/v1/records?limit={limit}{filters}&before={last}")
        });
        let records: Vec<_> = page
            .into_iter()
            .map(|(index, row)| self.record(index, row, size))
            .collect();
        json!({ "records": records, "next": next })
    }

    fn record_by_statement(&self, digest: Sha256, size: TreeSize) -> Option<Value> {
        let mut rows = self.rows(size);
        let (index, row) = rows.find(|(_, row)| row.kind.is_some() && row.statement == digest)?;
        Some(self.record(index, row, size))
    }

    /// A page of weights records with one manifest, oldest first.
    fn weights_of(&self, manifest: Sha256, query: &Query<'_>, size: TreeSize) -> Value {
        let limit = query.number("limit").unwrap_or(PAGE_ITEMS as u64);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let after = query.number("after").map(LeafIndex::new);
        let manifests = self.manifests.iter();
        let mut found = manifests.filter(|(index, it)| {
            *it == manifest
                && size.leaf(*index).is_some()
                && after.is_none_or(|after| *index > after)
        });
        let page: Vec<_> = found
            .by_ref()
            .take(limit)
            .map(|(index, _)| *index)
            .collect();
        let next = found
            .next()
            .and(page.last())
            .map(|last| format!("/api/v1/manifests/{manifest}?after={last}&limit={limit}"));
        let records: Vec<_> = page
            .into_iter()
            .map(|index| self.record(index, self.row(index), size))
            .collect();
        json!({ "records": records, "next": next })
    }

    fn record(&self, index: LeafIndex, row: &Row, size: TreeSize) -> Value {
        json!({
            "index": index,
            "statement": row.statement,
            "kind": row.kind,
            "publisher": self.names.name(row.publisher),
            "withdrawnBy": self.withdrawn_by(index, row, size),
        })
    }

    /// The first withdrawal that covers a record.
    fn withdrawn_by(&self, index: LeafIndex, row: &Row, size: TreeSize) -> Option<LeafIndex> {
        if matches!(row.kind, None | Some(Kind::Publisher | Kind::Withdrawal)) {
            return None;
        }
        let mut withdrawals = self.withdrawals.iter();
        let covers = withdrawals.find(|it| {
            let by = self.row(it.by);
            it.by > index
                && size.leaf(it.by).is_some()
                && by.publisher == row.publisher
                && by.subject == row.subject
                && match it.scope {
                    Scope::Record => it.sha256 == row.statement,
                    Scope::Release => true,
                }
        });
        covers.map(|it| it.by)
    }

    fn publishers(&self, size: TreeSize) -> Value {
        let mut newest = BTreeMap::new();
        for (index, row) in self.rows(size) {
            if row.kind == Some(Kind::Publisher) {
                newest.insert(self.names.name(row.publisher), index);
            }
        }
        let rows = newest.into_iter();
        let rows: Vec<_> = rows
            .map(|(name, index)| json!({ "name": name, "index": index }))
            .collect();
        json!({ "publishers": rows })
    }

    fn publisher(&self, name: &str, size: TreeSize) -> Option<Value> {
        let id = self.names.find(name)?;
        let theirs = |row: &Row| row.kind == Some(Kind::Publisher) && row.publisher == id;
        let rows = self.rows(size).filter(|(_, row)| theirs(row));
        let history: Vec<_> = rows.map(|(index, _)| index).collect();
        (!history.is_empty()).then(|| json!({ "name": name, "history": history }))
    }

    fn models(&self, size: TreeSize) -> Value {
        let mut models = BTreeMap::new();
        for release in self.releases(size, |_| true) {
            let (releases, latest) = models
                .entry(release.name.model().to_string())
                .or_insert((0_u64, release.name.clone()));
            *releases += 1;
            *latest = release.name;
        }
        let rows = models.into_iter();
        let rows: Vec<_> = rows
            .map(|(name, (releases, latest))| {
                json!({ "name": name, "releases": releases, "latest": latest })
            })
            .collect();
        json!({ "models": rows })
    }

    fn model(&self, name: &str, size: TreeSize) -> Option<Value> {
        let is_of_it = |subject: &str| subject.split_once('@').is_some_and(|it| it.0 == name);
        let rows: Vec<_> = self
            .releases(size, is_of_it)
            .into_iter()
            .map(|release| {
                json!({
                    "name": release.name,
                    "firstIndex": release.first,
                    "kinds": release.kinds,
                    "withdrawnBy": self.release_withdrawn_by(&release.name, size),
                })
            })
            .collect();
        (!rows.is_empty()).then(|| json!({ "name": name, "releases": rows }))
    }

    fn release(&self, name: &str, size: TreeSize) -> Option<Value> {
        let name: ReleaseName = name.parse().ok()?;
        let subject = self.names.find(&name.to_string())?;
        self.rows(size).find(|(_, row)| row.subject == subject)?;
        Some(json!({ "withdrawnBy": self.release_withdrawn_by(&name, size) }))
    }

    /// The withdrawal of all of a release, by its own publisher.
    fn release_withdrawn_by(&self, name: &ReleaseName, size: TreeSize) -> Option<LeafIndex> {
        let subject = self.names.find(&name.to_string())?;
        let publisher = self.names.find(name.publisher().as_str())?;
        let mut withdrawals = self.withdrawals.iter();
        let all = withdrawals.find(|it| {
            let by = self.row(it.by);
            it.scope == Scope::Release
                && size.leaf(it.by).is_some()
                && (by.publisher, by.subject) == (publisher, subject)
        });
        all.map(|it| it.by)
    }

    /// The releases whose names are `wanted`, in the order of their first records.
    fn releases(&self, size: TreeSize, wanted: impl Fn(&str) -> bool) -> Vec<Release> {
        let mut found: BTreeMap<NameId, Release> = BTreeMap::new();
        for (index, row) in self.rows(size) {
            let (Some(kind), subject) = (row.kind, self.names.name(row.subject)) else {
                continue;
            };
            if kind == Kind::Publisher || !wanted(subject) {
                continue;
            }
            if let Some(release) = found.get_mut(&row.subject) {
                release.kinds.insert(kind);
            } else if let Ok(name) = subject.parse() {
                let (first, kinds) = (index, [kind].into());
                found.insert(row.subject, Release { name, first, kinds });
            }
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|release| release.first);
        found
    }
}

/// What stands behind the question mark of a path that this program made.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn raw(&self, name: &str) -> Option<&str> {
        let mut parameters = self.0.split('&').filter_map(|it| it.split_once('='));
        parameters
            .find(|(it, _)| *it == name)
            .map(|(_, value)| value)
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(self.raw(name)?.replace("%2B", "+"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.raw(name)?.parse().ok()
    }
}
