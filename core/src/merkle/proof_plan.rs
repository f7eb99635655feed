//! Building proofs from tiles: first say which tiles it takes, then, with the tiles at hand, compute.
//!
//! ```text
//! ProofPlan::inclusion(at) ──► plan.tiles() ──► (caller reads them) ──► plan.hashes(tiles)
//! ```
//!
//! The two steps keep this crate free of I/O. A server reads the tiles from its storage, a client over HTTP;
//! a client must verify what comes out, since nothing here says that the tiles are true.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

use super::proof::split_point;
use super::{CompactRange, Hash, LeafInTree, Level, Node, ProofError, Tile, TilePath, TreeSize};

/// Which subtrees make up a proof, in the order of its hashes.
#[derive(Clone, Debug)]
pub struct ProofPlan {
    size: TreeSize,
    /// Leaves whose Merkle Tree Hash is the proof's next hash.
    ranges: Vec<Range<u64>>,
}

/// Why a planned proof can't be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A tile of [`ProofPlan::tiles`] was not handed over, or is shorter than its path says.
    #[error("{0} is needed for this proof, and is missing or too short")]
    MissingTile(TilePath),
}

impl ProofPlan {
    /// For `PATH(index, D[size])`.
    pub fn inclusion(at: LeafInTree) -> Self {
        fn path(m: u64, leaves: Range<u64>, ranges: &mut Vec<Range<u64>>) {
            let n = leaves.end - leaves.start;
            if n == 1 {
                return;
            }
            let middle = leaves.start + split_point(n);
            let (left, right) = (leaves.start..middle, middle..leaves.end);
            if m < middle {
                path(m, left, ranges);
                ranges.push(right);
            } else {
                path(m, right, ranges);
                ranges.push(left);
            }
        }
        let mut ranges = Vec::new();
        path(at.index().get(), 0..at.size().get(), &mut ranges);
        Self {
            size: at.size(),
            ranges,
        }
    }

    /// For `PROOF(old, D[new])`; nothing to prove from the empty tree.
    pub fn consistency(old: TreeSize, new: TreeSize) -> Result<Self, ProofError> {
        fn subproof(m: u64, leaves: Range<u64>, b: bool, ranges: &mut Vec<Range<u64>>) {
            if m == leaves.end {
                if !b {
                    ranges.push(leaves);
                }
                return;
            }
            let middle = leaves.start + split_point(leaves.end - leaves.start);
            let (left, right) = (leaves.start..middle, middle..leaves.end);
            if m <= middle {
                subproof(m, left, b, ranges);
                ranges.push(right);
            } else {
                subproof(m, right, false, ranges);
                ranges.push(left);
            }
        }
        if old > new {
            return Err(ProofError::Shrinks { old, new });
        }
        let mut ranges = Vec::new();
        if old > TreeSize::EMPTY {
            subproof(old.get(), 0..new.get(), true, &mut ranges);
        }
        Ok(Self { size: new, ranges })
    }

    /// For the right edge of a tree of `size`: what a [`CompactRange`] holds.
    pub fn edge(size: TreeSize) -> Self {
        let ranges = CompactRange::nodes(size).map(leaves_below).collect();
        Self { size, ranges }
    }

    /// For the right edge that the tree of `old` entries has inside the tree of `new`: what its root there is
    /// computed from, with no tile that only the old tree had.
    pub fn edge_within(old: TreeSize, new: TreeSize) -> Result<Self, ProofError> {
        if old > new {
            return Err(ProofError::Shrinks { old, new });
        }
        Ok(Self {
            size: new,
            ..Self::edge(old)
        })
    }

    /// The tiles that the proof is computed from, each once.
    pub fn tiles(&self) -> Vec<TilePath> {
        let mut tiles: Vec<TilePath> = Vec::new();
        for node in self.ranges.iter().flat_map(complete_subtrees) {
            let (tile, _) = self.tile_of(node);
            if !tiles.contains(&tile) {
                tiles.push(tile);
            }
        }
        tiles
    }

    /// The hashes, from `tiles`: the `path` of the proof that was planned. A tile may be wider than its path says.
    pub fn hashes<T: Borrow<Tile>, S: BuildHasher>(
        &self,
        tiles: &HashMap<TilePath, T, S>,
    ) -> Result<Vec<Hash>, PlanError> {
        self.ranges
            .iter()
            .map(|range| self.hash_over(range, tiles))
            .collect()
    }

    /// `MTH(D[range])`: the complete subtrees in it, folded from the right as RFC 6962 splits them.
    fn hash_over<T: Borrow<Tile>, S: BuildHasher>(
        &self,
        range: &Range<u64>,
        tiles: &HashMap<TilePath, T, S>,
    ) -> Result<Hash, PlanError> {
        let mut subtrees = complete_subtrees(range);
        subtrees.reverse();
        let mut hash = None;
        for node in subtrees {
            let (path, run) = self.tile_of(node);
            let left = tiles
                .get(&path)
                .and_then(|tile| tile.borrow().hash_over(run))
                .ok_or(PlanError::MissingTile(path))?;
            hash = Some(hash.map_or(left, |right| Hash::of_children(&left, &right)));
        }
        Ok(hash.expect("a proof has no hash over an empty range"))
    }

    fn tile_of(&self, node: Node) -> (TilePath, Range<usize>) {
        TilePath::of_node(node, self.size).expect("the plan's subtrees lie inside its tree")
    }
}

/// The leaves below a complete subtree.
fn leaves_below(node: Node) -> Range<u64> {
    let width = 1_u64 << node.level.get();
    node.index * width..(node.index + 1) * width
}

/// The complete subtrees that make up `range`, largest first. All ranges in proofs start at a multiple of
/// the power of two that covers them, so the ones in the length's binary form are the subtrees.
fn complete_subtrees(range: &Range<u64>) -> Vec<Node> {
    let mut start = range.start;
    let mut nodes = Vec::new();
    while start < range.end {
        let height = (range.end - start).ilog2();
        nodes.push(Node {
            level: Level::new(u8::try_from(height).expect("below 64")).expect("below 64"),
            index: start >> height,
        });
        start += 1 << height;
    }
    nodes
}
