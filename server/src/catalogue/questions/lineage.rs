//! What a release was made from, and what was made from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Catalogue;
use crate::catalogue::rows::Release;
use crate::catalogue::sql::{Columns, Row, Value, placeholders};
use crate::storage::StorageError;

/// The deepest that anybody can ask for.
pub const LINEAGE_DEPTH_MAX: u32 = 64;

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what it was made from.
    Ancestors,
    /// To what was made from it.
    Descendants,
    /// First the one, then the other. Not what else was made from its ancestors.
    Both,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineageLimit {
    /// How many edges away from where it began.
    pub depth: u32,
    /// How many releases.
    pub releases: usize,
}

impl LineageLimit {
    /// How many edges one wave has: a release may be made from several, and be named by two of its records.
    fn edges(self) -> usize {
        self.releases.saturating_mul(2)
    }
}

/// That one release was made from another, as the child's publisher says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// What was made.
    pub child: String,
    /// From what.
    pub parent: String,
    /// How.
    pub relation: String,
    /// The child's record that says so.
    pub record: i64,
    /// The parent's record that it names; none where it names the release alone.
    pub parent_record: Option<i64>,
    /// The withdrawal that this record fell to.
    pub withdrawn_by: Option<i64>,
}

/// A release of a lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How many edges away it is: below 0 towards ancestors.
    pub distance: i32,
    /// What the log has of it; nothing where it is only named.
    pub release: Option<Release>,
}

/// A part of the graph of releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Releases, by distance and name.
    pub nodes: Vec<Node>,
    /// Edges between them, by child and parent.
    pub edges: Vec<Edge>,
    /// Whether there is more, which the limit left out.
    pub is_cut: bool,
}

impl Catalogue {
    /// The releases around `name`, wave by wave, nearest first.
    pub async fn lineage(
        &self,
        name: &str,
        direction: Direction,
        limit: LineageLimit,
    ) -> Result<Lineage, StorageError> {
        let mut found = Found {
            distances: BTreeMap::from([(name.to_owned(), 0)]),
            edges: BTreeSet::new(),
            is_cut: false,
        };
        if direction != Direction::Descendants {
            self.walk(name, Step::Up, limit, &mut found).await?;
        }
        if direction != Direction::Ancestors {
            self.walk(name, Step::Down, limit, &mut found).await?;
        }
        let names: Vec<String> = found.distances.keys().cloned().collect();
        let releases = self.releases_named(&names).await?;
        let node = |(name, distance): (String, i32)| Node {
            release: releases.iter().find(|it| it.name == name).cloned(),
            name,
            distance,
        };
        let mut nodes: Vec<Node> = found.distances.into_iter().map(node).collect();
        nodes.sort_by(|a, b| (a.distance, &a.name).cmp(&(b.distance, &b.name)));
        Ok(Lineage {
            nodes,
            edges: found.edges.into_iter().collect(),
            is_cut: found.is_cut,
        })
    }

    async fn walk(
        &self,
        from: &str,
        step: Step,
        limit: LineageLimit,
        found: &mut Found,
    ) -> Result<(), StorageError> {
        let mut wave = vec![from.to_owned()];
        for distance in (1..=limit.depth.min(LINEAGE_DEPTH_MAX)).map(i32::try_from) {
            let distance = distance.map_err(StorageError::damaged)? * step.sign();
            let mut edges = self.edges(&wave, step, limit.edges() + 1).await?;
            found.is_cut |= edges.len() > limit.edges();
            edges.truncate(limit.edges());
            wave.clear();
            for edge in edges {
                let next = step.end_of(&edge).to_owned();
                if !found.distances.contains_key(&next) {
                    if found.distances.len() >= limit.releases {
                        found.is_cut = true;
                        continue;
                    }
                    found.distances.insert(next.clone(), distance);
                    wave.push(next);
                }
                found.edges.insert(edge);
            }
            if wave.is_empty() {
                return Ok(());
            }
        }
        // Whether anything is behind the last wave.
        found.is_cut |= !self.edges(&wave, step, 1).await?.is_empty();
        Ok(())
    }

    /// The edges at these releases, oldest first.
    async fn edges(
        &self,
        at: &[String],
        step: Step,
        limit: usize,
    ) -> Result<Vec<Edge>, StorageError> {
        let mut values: Vec<Value> = at.iter().map(|name| name.as_str().into()).collect();
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let select = format!(
            "SELECT child, parent, relation, record, parent_record, withdrawn_by FROM edge
             WHERE {} IN ({}) ORDER BY record, n LIMIT ${}",
            step.column(),
            placeholders(0, at.len()),
            values.len()
        );
        let rows = self.pool.rows(select, values).await?;
        rows.iter().map(edge_of).collect()
    }
}

struct Found {
    distances: BTreeMap<String, i32>,
    edges: BTreeSet<Edge>,
    is_cut: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Up,
    Down,
}

impl Step {
    fn sign(self) -> i32 {
        match self {
            Self::Up => -1,
            Self::Down => 1,
        }
    }

    /// The end of an edge where the step begins.
    fn column(self) -> &'static str {
        match self {
            Self::Up => "child",
            Self::Down => "parent",
        }
    }

    fn end_of(self, edge: &Edge) -> &str {
        match self {
            Self::Up => &edge.parent,
            Self::Down => &edge.child,
        }
    }
}

fn edge_of(row: &Row) -> Result<Edge, StorageError> {
    let mut columns = Columns::of(row);
    Ok(Edge {
        child: columns.next()?,
        parent: columns.next()?,
        relation: columns.next()?,
        record: columns.next()?,
        parent_record: columns.next()?,
        withdrawn_by: columns.next()?,
    })
}
