//! The RFC 6962 tree of a fixed set: a release's files, the chunks of a file.

use rs_merkle::{Hasher, MerkleTree};
use sha2::Digest as _;

use crate::merkle::{Hash, LeafHash};

/// The root over all leaves; `None` if there are none.
pub(super) fn root(leaves: &[LeafHash]) -> Option<Hash> {
    let leaves: Vec<_> = leaves
        .iter()
        .map(|leaf| *leaf.to_hash().as_bytes())
        .collect();
    let tree = MerkleTree::<Rfc6962>::from_leaves(&leaves);
    tree.root().map(Hash::from_bytes)
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

    #[test]
    fn roots_are_those_of_the_definition() {
        assert_eq!(root(&[]), None);
        for count in 1..70 {
            assert_eq!(root(&leaves(count)), Some(mth(&leaves(count))), "{count}");
        }
    }
}
