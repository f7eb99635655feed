//! Inclusion and consistency proofs, verified by the recursion that defines them.
//!
//! RFC 6962 defines `PATH(m, D[n])` and `SUBPROOF(m, D[n], b)` by splitting a tree of `n` leaves at `k`, the
//! largest power of two below `n`. The functions below split in the same way and take one hash off the end
//! of the proof per split. So the positions alone decide how many hashes a proof has: when the recursion is
//! over, a missing hash has been noticed and a left-over one is noticed.
//!
//! Subtree proofs are those of Merkle Tree Certificates (draft-ietf-plants-merkle-tree-certs, "Subtrees"),
//! which mirrors and subtree cosignatures use. Plain proofs are their special case `start = 0`.

use super::{Hash, LeafHash, LeafInTree, LeafIndex, TreeHead, TreeSize};

/// That a leaf is in a tree (RFC 6962 section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The leaf that it is about, and the size of the tree.
    pub at: LeafInTree,
    /// The leaf's sibling first, a child of the root last.
    pub path: Vec<Hash>,
}

/// That a tree only grew (RFC 6962 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Size of the older tree.
    pub old: TreeSize,
    /// Size of the newer tree.
    pub new: TreeSize,
    /// From the lowest level to the highest.
    pub path: Vec<Hash>,
}

/// The leaves `start..end` of a tree, where `start` is a multiple of the smallest power of two that is not
/// below `end - start`: then their hash can be tied to any tree that holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    start: u64,
    end: u64,
}

/// That a leaf is in a subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtreeInclusionProof {
    /// The leaf, by its index in the whole log.
    pub index: LeafIndex,
    /// The subtree.
    pub subtree: Subtree,
    /// As in [`InclusionProof`].
    pub path: Vec<Hash>,
}

/// That a subtree is part of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtreeConsistencyProof {
    /// The subtree.
    pub subtree: Subtree,
    /// Size of the tree.
    pub size: TreeSize,
    /// As in [`ConsistencyProof`].
    pub path: Vec<Hash>,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof is about a tree of another size than the head it was checked against.
    #[error("the proof is about a tree of {proof} entries, and was checked against one of {head}")]
    OtherTree {
        /// The size that the proof speaks of.
        proof: TreeSize,
        /// The size of the tree head.
        head: TreeSize,
    },
    /// The older tree is larger than the newer one.
    #[error("a tree of {old} entries can't be the beginning of one of {new}")]
    Shrinks {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// The leaf or the subtree is not inside the tree.
    #[error("entry {index} is not between {start} and {end}")]
    OutOfBounds {
        /// The leaf.
        index: LeafIndex,
        /// The first entry that could be meant.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// Not a range of leaves that has a hash of its own.
    #[error(
        "{start}..{end} is no subtree: {start} is not a multiple of the power of two that covers it"
    )]
    NoSubtree {
        /// First leaf.
        start: u64,
        /// One past the last leaf.
        end: u64,
    },
    /// These positions ask for more hashes than the proof has.
    #[error("the proof has too few hashes for these positions")]
    TooShort,
    /// These positions ask for fewer hashes than the proof has.
    #[error("the proof has {extra} hashes more than these positions ask for")]
    TooLong {
        /// How many are left over.
        extra: usize,
    },
    /// The hashes lead to another root than the newer (or only) tree's.
    #[error("the proof leads to root {computed}, and the tree's root is {expected}")]
    RootMismatch {
        /// What the proof leads to.
        computed: Hash,
        /// What it should lead to.
        expected: Hash,
    },
    /// The hashes lead to another root than the older tree's, or the subtree's.
    #[error("the proof leads to root {computed} for the older tree, whose root is {expected}")]
    OldRootMismatch {
        /// What the proof leads to.
        computed: Hash,
        /// What it should lead to.
        expected: Hash,
    },
}

impl InclusionProof {
    /// Checks that `leaf` stands where the proof says in the tree of `head`.
    pub fn verify(&self, leaf: LeafHash, head: &TreeHead) -> Result<(), ProofError> {
        same_size(self.at.size(), head.size)?;
        let subtree = Subtree {
            start: 0,
            end: head.size.get(),
        };
        verify_inclusion(self.at.index(), subtree, leaf, &self.path, head.root)
    }
}

impl SubtreeInclusionProof {
    /// Checks that `leaf` stands where the proof says in the subtree whose hash is `root`.
    pub fn verify(&self, leaf: LeafHash, root: Hash) -> Result<(), ProofError> {
        verify_inclusion(self.index, self.subtree, leaf, &self.path, root)
    }
}

impl ConsistencyProof {
    /// Checks that the tree of `old` is the beginning of the tree of `new`.
    ///
    /// Everything begins with the empty tree: from there, an empty proof and the empty tree's root hold.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofError> {
        same_size(self.old, old.size)?;
        same_size(self.new, new.size)?;
        if old.size > new.size {
            return Err(ProofError::Shrinks {
                old: old.size,
                new: new.size,
            });
        }
        let subtree = Subtree {
            start: 0,
            end: old.size.get(),
        };
        verify_consistency(subtree, new.size, &self.path, old.root, new.root)
    }
}

impl SubtreeConsistencyProof {
    /// Checks that the subtree with hash `subtree_root` is part of the tree of `head`.
    pub fn verify(&self, subtree_root: Hash, head: &TreeHead) -> Result<(), ProofError> {
        same_size(self.size, head.size)?;
        verify_consistency(self.subtree, self.size, &self.path, subtree_root, head.root)
    }
}

impl Subtree {
    /// The leaves `start..end`, if they can have a hash of their own.
    pub fn new(start: u64, end: u64) -> Result<Self, ProofError> {
        let aligned = start <= end
            && (start == 0
                || start == end
                || (end - start)
                    .checked_next_power_of_two()
                    .is_some_and(|power| start.is_multiple_of(power)));
        if aligned {
            Ok(Self { start, end })
        } else {
            Err(ProofError::NoSubtree { start, end })
        }
    }

    fn leaves(self) -> u64 {
        self.end - self.start
    }
}

fn same_size(proof: TreeSize, head: TreeSize) -> Result<(), ProofError> {
    if proof == head {
        Ok(())
    } else {
        Err(ProofError::OtherTree { proof, head })
    }
}

/// The largest power of two below `n`, for `n > 1`: where RFC 6962 splits a tree of `n` leaves.
pub(super) fn split_point(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

fn verify_inclusion(
    index: LeafIndex,
    Subtree { start, end }: Subtree,
    leaf: LeafHash,
    path: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if !(start..end).contains(&index.get()) {
        return Err(ProofError::OutOfBounds { index, start, end });
    }
    let mut rest = Unused(path);
    let computed = root_from_path(index.get() - start, end - start, leaf, &mut rest)?;
    rest.check_empty()?;
    if computed == root {
        Ok(())
    } else {
        Err(ProofError::RootMismatch {
            computed,
            expected: root,
        })
    }
}

fn verify_consistency(
    subtree: Subtree,
    size: TreeSize,
    path: &[Hash],
    old_root: Hash,
    new_root: Hash,
) -> Result<(), ProofError> {
    if subtree.end > size.get() {
        return Err(ProofError::Shrinks {
            old: TreeSize::new(subtree.end),
            new: size,
        });
    }
    let mut rest = Unused(path);
    let computed = if subtree.leaves() == 0 {
        // The empty tree is part of every tree, so there is nothing to tie it to.
        RootPair {
            old: Hash::of_empty_tree(),
            new: new_root,
        }
    } else {
        roots_from_subproof(subtree, size.get(), true, old_root, &mut rest)?
    };
    rest.check_empty()?;
    if computed.old != old_root {
        return Err(ProofError::OldRootMismatch {
            computed: computed.old,
            expected: old_root,
        });
    }
    if computed.new != new_root {
        return Err(ProofError::RootMismatch {
            computed: computed.new,
            expected: new_root,
        });
    }
    // Both trees empty: the root is given, and there is only one that it can be.
    if size == TreeSize::EMPTY && new_root != Hash::of_empty_tree() {
        return Err(ProofError::RootMismatch {
            computed: Hash::of_empty_tree(),
            expected: new_root,
        });
    }
    Ok(())
}

/// `PATH(m, D[n])` read backwards: `MTH(D[n])` from the hash of leaf `m` and its path.
fn root_from_path(
    m: u64,
    n: u64,
    leaf: LeafHash,
    path: &mut Unused<'_>,
) -> Result<Hash, ProofError> {
    if n == 1 {
        return Ok(leaf.to_hash());
    }
    let k = split_point(n);
    let sibling = path.take_last()?;
    if m < k {
        let left = root_from_path(m, k, leaf, path)?;
        Ok(Hash::of_children(&left, &sibling))
    } else {
        let right = root_from_path(m - k, n - k, leaf, path)?;
        Ok(Hash::of_children(&sibling, &right))
    }
}

/// What a consistency proof leads to: the hash of the older tree or subtree, and of the whole tree.
struct RootPair {
    old: Hash,
    new: Hash,
}

/// `SUBPROOF(start, end, D[n], b)` read backwards.
///
/// `b` says that `start..end` is still the whole subtree that the verifier knows the hash of, which is then
/// left out of the proof. It becomes false when the recursion cuts the subtree in two.
fn roots_from_subproof(
    Subtree { start, end }: Subtree,
    n: u64,
    b: bool,
    known: Hash,
    path: &mut Unused<'_>,
) -> Result<RootPair, ProofError> {
    if start == 0 && end == n {
        let hash = if b { known } else { path.take_last()? };
        return Ok(RootPair {
            old: hash,
            new: hash,
        });
    }
    let k = split_point(n);
    let sibling = path.take_last()?;
    if end <= k {
        // All of it on the left; what is right of the split came later.
        let RootPair { old, new } = roots_from_subproof(Subtree { start, end }, k, b, known, path)?;
        Ok(RootPair {
            old,
            new: Hash::of_children(&new, &sibling),
        })
    } else if start >= k {
        // All of it on the right; what is left of the split is not part of it.
        let right = Subtree {
            start: start - k,
            end: end - k,
        };
        let RootPair { old, new } = roots_from_subproof(right, n - k, b, known, path)?;
        Ok(RootPair {
            old,
            new: Hash::of_children(&sibling, &new),
        })
    } else {
        // On both sides: it starts at 0, since a subtree that doesn't is cut by no split. Its left part is
        // the whole left side, which both trees have.
        let right = Subtree {
            start: 0,
            end: end - k,
        };
        let RootPair { old, new } = roots_from_subproof(right, n - k, false, known, path)?;
        Ok(RootPair {
            old: Hash::of_children(&sibling, &old),
            new: Hash::of_children(&sibling, &new),
        })
    }
}

/// The hashes of a proof that have not been used yet.
struct Unused<'a>(&'a [Hash]);

impl Unused<'_> {
    fn take_last(&mut self) -> Result<Hash, ProofError> {
        let (last, rest) = self.0.split_last().ok_or(ProofError::TooShort)?;
        self.0 = rest;
        Ok(*last)
    }

    fn check_empty(&self) -> Result<(), ProofError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ProofError::TooLong {
                extra: self.0.len(),
            })
        }
    }
}
