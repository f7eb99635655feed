//! Where things stand in a tree: indexes, sizes and levels, as types that can't be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an entry stands in the log, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafIndex(u64);

/// How many entries a tree holds: the index that the next one will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(u64);

/// A leaf known to lie inside a tree: `index < size` is settled in [`TreeSize::leaf`] and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafInTree {
    index: LeafIndex,
    size: TreeSize,
}

/// A height above the leaves: 0 for leaves, at most 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// A complete subtree: the `index`-th, from the left, of those with `2^level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height.
    pub level: Level,
    /// Its place among the nodes of that height, counted from 0.
    pub index: u64,
}

impl LeafIndex {
    /// The `index`-th entry, counted from 0.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TreeSize {
    /// The tree without entries.
    pub const EMPTY: Self = Self(0);

    /// A tree of `size` entries.
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The entry at `index`, if this tree holds it.
    pub fn leaf(self, index: LeafIndex) -> Option<LeafInTree> {
        (index.0 < self.0).then_some(LeafInTree { index, size: self })
    }

    /// The index that the next entry will get.
    pub const fn next_index(self) -> LeafIndex {
        LeafIndex(self.0)
    }
}

impl LeafInTree {
    /// Where the leaf stands.
    pub const fn index(self) -> LeafIndex {
        self.index
    }

    /// The size of the tree that it stands in.
    pub const fn size(self) -> TreeSize {
        self.size
    }
}

impl Level {
    /// The leaves.
    pub const LEAVES: Self = Self(0);

    /// The level `height` above the leaves, or `None` over 63: no tree of 64-bit indexes reaches it.
    pub const fn new(height: u8) -> Option<Self> {
        if height < 64 {
            Some(Self(height))
        } else {
            None
        }
    }

    /// As a number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
