//! The RFC 6962 tree of a fixed set: a release's files, the chunks of a file, the tensors of a model.
//!
//! ```text
//! leaf hashes ──► root                                       the set, in 32 bytes
//!        ├──────► MultiProof of some of them ──► root again   without the others
//!        └──────► LeafPath of one of them ─────► root again   where nobody knows how many others there are
//! ```
//!
//! Always: whoever checks a [`MultiProof`] knows how many leaves there are, from where the root is known from. It has
//! exactly the hashes that it needs for that number: `rs_merkle` by itself takes more, and a number that is off by one. A
//! [`LeafPath`] says on which side each of its hashes is, so that it leads to one root only; which leaf it is of, counted
//! from the first, it does not prove. That it is one, and not a node, the prefixes of RFC 6962 see to.

use rs_merkle::{Hasher, MerkleProof, MerkleTree};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::Sha256;
use crate::merkle::{CompactRange, Hash, LeafHash};

/// The hashes that lead from some leaves of a tree to its root: those of `rs_merkle`'s multiproof, from the leaves up and
/// from left to right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MultiProof {
    hashes: Vec<Hash>,
}

/// The hashes that lead from one leaf of a tree to its root, from the leaf up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafPath {
    siblings: Vec<Sibling>,
}

/// The other half of what a node is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sibling {
    Left(Hash),
    Right(Hash),
}

/// The root over all leaves; `None` if there are none. Without a tree, which would take several times as long.
pub(super) fn root(leaves: &[LeafHash]) -> Option<Hash> {
    let mut range = CompactRange::empty();
    for leaf in leaves {
        range.append(*leaf, |_, _| {});
    }
    (!leaves.is_empty()).then(|| range.root())
}

fn tree(leaves: &[LeafHash]) -> MerkleTree<Rfc6962> {
    let leaves: Vec<_> = leaves
        .iter()
        .map(|leaf| *leaf.to_hash().as_bytes())
        .collect();
    MerkleTree::from_leaves(&leaves)
}

impl MultiProof {
    /// Proves the leaves at `indices`, in any order and each once; `None` if there is none of these, or not at each of
    /// them one leaf.
    pub(super) fn new(leaves: &[LeafHash], indices: &[usize]) -> Option<Self> {
        let indices = sorted(indices, leaves.len())?;
        let proof = tree(leaves).proof(&indices);
        let hashes = proof.proof_hashes().iter().copied();
        Some(Self {
            hashes: hashes.map(Hash::from_bytes).collect(),
        })
    }

    /// The root of the tree with `count` leaves of which `leaves` are some, each with its index: if these are that many
    /// of so many that this proof is for. It proves nothing until it is compared with a root that is known.
    pub(super) fn root(&self, count: usize, leaves: &[(usize, LeafHash)]) -> Option<Hash> {
        let indices: Vec<_> = leaves.iter().map(|(index, _)| *index).collect();
        let indices = sorted(&indices, count)?;
        if self.hashes.len() != hashes_needed(&indices, count) {
            return None;
        }
        let mut leaves = leaves.to_vec();
        leaves.sort_by_key(|(index, _)| *index);
        let leaves: Vec<_> = leaves
            .iter()
            .map(|(_, leaf)| *leaf.to_hash().as_bytes())
            .collect();
        let hashes = self.hashes.iter().map(|hash| *hash.as_bytes()).collect();
        let root = MerkleProof::<Rfc6962>::new(hashes).root(&indices, &leaves, count);
        root.ok().map(Hash::from_bytes)
    }

    /// Whether `leaves` are some of `count`, each at its index, of the tree that has this `root`.
    pub(super) fn leads_to(
        &self,
        root: &Sha256,
        count: u64,
        leaves: impl IntoIterator<Item = (u64, LeafHash)>,
    ) -> bool {
        let leaf = |(index, leaf)| Some((usize::try_from(index).ok()?, leaf));
        let leaves: Option<Vec<_>> = leaves.into_iter().map(leaf).collect();
        let found = leaves
            .zip(usize::try_from(count).ok())
            .and_then(|(leaves, count)| self.root(count, &leaves));
        found.is_some_and(|found| found.as_bytes() == root.as_bytes())
    }
}

impl LeafPath {
    /// The path of the leaf at `index`; `None` if there is none (RFC 6962, section 2.1.1).
    pub(super) fn new(leaves: &[LeafHash], index: usize) -> Option<Self> {
        let (mut leaves, mut index) = (leaves, index);
        leaves.get(index)?;
        // From the root down; each half is less than all.
        let mut siblings = Vec::new();
        while leaves.len() > 1 {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            if index < left.len() {
                siblings.push(Sibling::Right(root(right)?));
                leaves = left;
            } else {
                siblings.push(Sibling::Left(root(left)?));
                index -= left.len();
                leaves = right;
            }
        }
        siblings.reverse();
        Some(Self { siblings })
    }

    /// The root that it leads to from `leaf`. It proves nothing until it is compared with a root that is known.
    pub(super) fn root(&self, leaf: LeafHash) -> Hash {
        let up = |hash: Hash, sibling: &Sibling| match sibling {
            Sibling::Left(left) => Hash::of_children(left, &hash),
            Sibling::Right(right) => Hash::of_children(&hash, right),
        };
        self.siblings.iter().fold(leaf.to_hash(), up)
    }
}

/// The indices in their order, if there are some, each once, and all below `count`.
fn sorted(indices: &[usize], count: usize) -> Option<Vec<usize>> {
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    let are_in_order = indices.windows(2).all(|pair| pair[0] < pair[1]);
    (are_in_order && *indices.last()? < count).then_some(indices)
}

/// How many hashes a proof of the leaves at `indices`, of `count`, has: one for each node whose hash is needed and does
/// not follow from the leaves. A node without a sibling to its right needs none, and moves up as it is.
fn hashes_needed(indices: &[usize], count: usize) -> usize {
    let (mut level, mut width, mut needed) = (indices.to_vec(), count, 0);
    while width > 1 {
        let is_known = |node: usize| level.binary_search(&node).is_ok();
        let siblings = level.iter().map(|node| node ^ 1);
        needed += siblings
            .filter(|sibling| *sibling < width && !is_known(*sibling))
            .count();
        level = level.iter().map(|node| node / 2).collect();
        level.dedup();
        width = width.div_ceil(2);
    }
    needed
}

/// RFC 6962 hashing for `rs_merkle`, which leaves domain separation to its hasher.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *LeafHash::of_bytes(data).to_hash().as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        // A node without a right sibling moves up as it is.
        right.map_or(*left, |right| {
            sha2::Sha256::new_with_prefix([0x01])
                .chain_update(left)
                .chain_update(right)
                .finalize()
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<LeafHash> {
        (0..count)
            .map(|n| LeafHash::of_bytes(&n.to_le_bytes()))
            .collect()
    }

    /// RFC 6962, section 2.1, as it is written there.
    fn mth(leaves: &[LeafHash]) -> Hash {
        if let [leaf] = leaves {
            return leaf.to_hash();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        Hash::of_children(&mth(left), &mth(right))
    }

    /// Some of so many leaves: each by one bit of `choice`.
    fn chosen(count: usize, choice: u64) -> Vec<usize> {
        (0..count).filter(|n| choice >> n & 1 == 1).collect()
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        assert_eq!(root(&[]), None);
        for count in 1..70 {
            assert_eq!(root(&leaves(count)), Some(mth(&leaves(count))), "{count}");
        }
    }

    #[test]
    fn any_leaves_lead_to_the_root() {
        for count in 1..11 {
            let all = leaves(count);
            for choice in 1..1 << count {
                let indices = chosen(count, choice);
                let proof = MultiProof::new(&all, &indices).expect("a proof");
                let some: Vec<_> = indices.iter().rev().map(|n| (*n, all[*n])).collect();
                assert_eq!(proof.root(count, &some), root(&all), "{count} {indices:?}");
            }
        }
    }

    #[test]
    fn the_path_of_any_leaf_leads_to_the_root_and_no_other_path_does() {
        for count in 1..34 {
            let all = leaves(count);
            for (n, leaf) in all.iter().enumerate() {
                let path = LeafPath::new(&all, n).expect("a path");
                assert_eq!(path.root(*leaf), mth(&all), "{count} {n}");
                let json = serde_json::to_string(&path).expect("JSON");
                assert_eq!(
                    serde_json::from_str::<LeafPath>(&json).ok(),
                    Some(path.clone())
                );
                for at in 0..path.siblings.len() {
                    let mut other = path.clone();
                    other.siblings[at] = match other.siblings[at] {
                        Sibling::Left(hash) => Sibling::Right(hash),
                        Sibling::Right(hash) => Sibling::Left(hash),
                    };
                    assert_ne!(other.root(*leaf), mth(&all), "{count} {n} {at}");
                    other.siblings.remove(at);
                    assert_ne!(other.root(*leaf), mth(&all), "{count} {n} {at}");
                }
            }
            assert_eq!(LeafPath::new(&all, count), None);
        }
        assert_eq!(LeafPath::new(&[], 0), None);
    }

    type Leaves = Vec<(usize, LeafHash)>;

    #[test]
    fn a_proof_with_anything_else_in_it_leads_nowhere() {
        let all = leaves(13);
        let indices = [0, 5, 12];
        let proof = MultiProof::new(&all, &indices).expect("a proof");
        let some: Vec<_> = indices.map(|n| (n, all[n])).into();
        let right = root(&all);
        let altered = |change: &dyn Fn(&mut MultiProof, &mut Leaves)| {
            let (mut proof, mut some) = (proof.clone(), some.clone());
            change(&mut proof, &mut some);
            proof.root(13, &some)
        };
        assert_eq!(altered(&|_, _| {}), right);
        let strange = Hash::of_empty_tree();
        for found in [
            altered(&|proof, _| proof.hashes.push(strange)),
            altered(&|proof, _| proof.hashes.truncate(1)),
            altered(&|proof, _| proof.hashes[0] = strange),
            altered(&|proof, _| proof.hashes.swap(0, 1)),
            altered(&|_, some| some[0].1 = LeafHash::of_bytes(b"another")),
            altered(&|_, some| some[0].0 = 1),
            altered(&|_, some| some[2].0 = 13),
            altered(&|_, some| some.truncate(2)),
            altered(&|_, some| some.push((7, LeafHash::of_bytes(b"one more")))),
            altered(&|_, some| some.push(some[0])),
            altered(&|_, some| some.clear()),
        ] {
            assert_ne!(found, right);
        }
        assert_eq!(MultiProof::new(&all, &[]), None);
        assert_eq!(MultiProof::new(&all, &[13]), None);
        assert_eq!(MultiProof::new(&all, &[1, 1]), None);
    }
}
