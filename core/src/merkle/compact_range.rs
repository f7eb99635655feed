//! The right edge of the tree: all that it takes to append.

use super::{Hash, LeafHash, Level, Node, TreeHead, TreeSize};

/// The roots of the complete subtrees that make up a tree, largest first; at most 64 hashes.
///
/// A tree of 13 = 8 + 4 + 1 leaves is held as three:
///
/// ```text
///              root
///            ╱      ╲
///          ●          ●          edge[0] covers leaves 0..8
///     edge[0]       ╱   ╲        edge[1] covers leaves 8..12
///    ╱╱╱╱ ╲╲╲╲ edge[1]  edge[2]  edge[2] is leaf 12
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactRange {
    size: TreeSize,
    edge: Vec<Hash>,
}

impl CompactRange {
    /// The empty tree.
    pub fn empty() -> Self {
        Self {
            size: TreeSize::EMPTY,
            edge: Vec::new(),
        }
    }

    /// A tree of `size` leaves from the roots of its complete subtrees, in the order of
    /// [`CompactRange::nodes`]. `None` when their number does not fit the size.
    pub fn from_edge(size: TreeSize, edge: Vec<Hash>) -> Option<Self> {
        (edge.len() == size.get().count_ones() as usize).then_some(Self { size, edge })
    }

    /// The complete subtrees that make up a tree of `size` leaves, largest first.
    pub fn nodes(size: TreeSize) -> impl Iterator<Item = Node> {
        let size = size.get();
        (0..64u8)
            .rev()
            .filter(move |level| size >> level & 1 == 1)
            .map(move |height| Node {
                level: Level::new(height).expect("0..64 holds levels only"),
                // The leaves to the left of this subtree are the larger powers of two in the size.
                index: (size >> height) - 1,
            })
    }

    /// The roots of the complete subtrees, in the order of [`CompactRange::nodes`].
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Appends a leaf, and tells `completed` each subtree that this makes complete, lowest first: the leaf
    /// itself, then its parent if it has two children now, and so on up.
    pub fn append(&mut self, leaf: LeafHash, mut completed: impl FnMut(Node, Hash)) {
        let mut node = Node {
            level: Level::LEAVES,
            index: self.size.get(),
        };
        let mut hash = leaf.to_hash();
        completed(node, hash);
        // A node with an odd index is a right child: its left sibling is the last of the edge.
        while node.index % 2 == 1 {
            let left = self
                .edge
                .pop()
                .expect("the edge has one hash for each bit of the size");
            hash = Hash::of_children(&left, &hash);
            node = Node {
                level: Level::new(node.level.get() + 1)
                    .expect("an index of 64 bits has at most 63 parents"),
                index: node.index / 2,
            };
            completed(node, hash);
        }
        self.edge.push(hash);
        self.size = TreeSize::new(self.size.get() + 1);
    }

    /// The Merkle Tree Hash of the whole tree.
    pub fn root(&self) -> Hash {
        let smallest_first = self.edge.iter().rev().copied();
        smallest_first
            .reduce(|right, left| Hash::of_children(&left, &right))
            .unwrap_or_else(Hash::of_empty_tree)
    }

    /// Size and root together.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root(),
        }
    }
}
