//! The trees of up to 600 leaves that the tests of proofs share, and ct-merkle's opinion of them.

use std::collections::HashMap;
use std::sync::LazyLock;

use candor_core::merkle::{
    CompactRange, ConsistencyProof, Hash, InclusionProof, LeafHash, LeafInTree, LeafIndex,
    ProofError, TileLevel, TreeHead, TreeSize,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

/// The largest of the trees that are tried in full.
pub(crate) const SMALL_MAX: u64 = 600;

pub(crate) static SMALL: LazyLock<Log> = LazyLock::new(|| Log::new(SMALL_MAX));

/// A log as a server would keep it: tiles, and the heads that it once had.
pub(crate) struct Log {
    /// The hashes at tree levels 0, 8, 16, …: all that tiles are made of.
    pub(crate) levels: Vec<Vec<Hash>>,
    /// The head of the tree at every size up to [`SMALL_MAX`], and then at every 4,999th and the last.
    pub(crate) heads: HashMap<TreeSize, TreeHead>,
}

impl Log {
    pub(crate) fn new(size: u64) -> Self {
        let mut tree = CompactRange::empty();
        let mut levels: Vec<Vec<Hash>> = Vec::new();
        let mut heads = HashMap::from([(TreeSize::EMPTY, tree.head())]);
        for index in 0..size {
            tree.append(LeafHash::of_bytes(&leaf_bytes(index)), |node, hash| {
                let Some(level) = TileLevel::with_hashes_at(node.level) else {
                    return;
                };
                let level = usize::from(level.get());
                if levels.len() == level {
                    levels.push(Vec::new());
                }
                assert_eq!(
                    node.index,
                    levels[level].len() as u64,
                    "each node is completed once, from the left"
                );
                levels[level].push(hash);
            });
            if index < SMALL_MAX || index % 4_999 == 0 || index + 1 == size {
                heads.insert(tree.size(), tree.head());
            }
        }
        Self { levels, heads }
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        self.heads[&TreeSize::new(size)]
    }

    pub(crate) fn leaf(&self, at: LeafInTree) -> LeafHash {
        LeafHash::from_hash(
            self.levels[0][usize::try_from(at.index().get()).expect("it is in memory")],
        )
    }

    /// Checks a proof against the leaf and the head that it should hold for.
    pub(crate) fn check_inclusion(&self, proof: &InclusionProof) -> Result<(), ProofError> {
        proof.verify(self.leaf(proof.at), &self.head(proof.at.size().get()))
    }

    /// Checks a proof against the heads that it should hold for.
    pub(crate) fn check_consistency(&self, proof: &ConsistencyProof) -> Result<(), ProofError> {
        proof.verify(&self.head(proof.old.get()), &self.head(proof.new.get()))
    }
}

/// The leaf at `index`: its index.
pub(crate) fn leaf_bytes(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

pub(crate) fn leaf_in(size: u64, index: u64) -> LeafInTree {
    TreeSize::new(size)
        .leaf(LeafIndex::new(index))
        .expect("the test asks for leaves inside of trees")
}

pub(crate) type CtMerkle = MemoryBackedTree<Sha256, [u8; 8]>;

/// ct-merkle's trees of 1 to `last` leaves, one after the other.
pub(crate) fn ct_merkle_trees(last: u64, mut each: impl FnMut(u64, &CtMerkle)) {
    let mut tree = CtMerkle::new();
    for size in 1..=last {
        tree.push(leaf_bytes(size - 1));
        each(size, &tree);
    }
}

pub(crate) fn to_hashes(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    assert!(rest.is_empty(), "a proof is a number of whole hashes");
    hashes.iter().copied().map(Hash::from_bytes).collect()
}

/// The proof for a leaf as ct-merkle makes it.
pub(crate) fn inclusion_by_ct_merkle(tree: &CtMerkle, index: u64) -> InclusionProof {
    let proof = tree.prove_inclusion(usize::try_from(index).expect("it is in memory"));
    InclusionProof {
        at: leaf_in(tree.len(), index),
        path: to_hashes(proof.as_bytes()),
    }
}

/// The proof from an older size, over 0, as ct-merkle makes it.
pub(crate) fn consistency_by_ct_merkle(tree: &CtMerkle, old: u64) -> ConsistencyProof {
    let proof = tree.prove_consistency(usize::try_from(tree.len() - old).expect("it is in memory"));
    let (old, new) = (TreeSize::new(old), TreeSize::new(tree.len()));
    ConsistencyProof {
        old,
        new,
        path: to_hashes(proof.as_bytes()),
    }
}
