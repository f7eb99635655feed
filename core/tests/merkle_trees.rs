//! Every tree of up to 600 leaves, every leaf in it and every tree it grew from; and random trees of up to
//! a million leaves. That changed proofs are refused is tested in `merkle_tampering.rs`.
//!
//! ```text
//! leaves ──► CompactRange::append ──► tiles ──► ProofPlan ──► proof ──► verify
//!                    │                                          │
//!                    └── roots, compared with ct-merkle         └── compared, hash by hash, with ct-merkle
//!                        and rs_merkle                              and (inclusion only) rs_merkle
//! ```

mod trees;

use std::collections::HashMap;
use std::sync::LazyLock;

use candor_core::merkle::{
    CompactRange, ConsistencyProof, Hash, InclusionProof, LeafHash, PlanError, ProofError,
    ProofPlan, Tile, TilePath, TreeHead, TreeSize,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use trees::{
    Log, SMALL, SMALL_MAX, consistency_by_ct_merkle, ct_merkle_trees, inclusion_by_ct_merkle,
    leaf_bytes, leaf_in,
};

/// The largest tree whose proofs others are asked to verify, on top of making the same.
const OTHERS_VERIFY_MAX: u64 = 130;
/// The size of the large tree.
const LARGE: u64 = 1_000_000;

static LARGE_LOG: LazyLock<Log> = LazyLock::new(|| Log::new(LARGE));

impl Log {
    fn tile(&self, path: TilePath) -> Tile {
        let start = usize::try_from(path.index.get()).expect("it is in memory") * 256;
        let hashes = &self.levels[usize::from(path.level.get())][start..start + path.width.count()];
        Tile::new(hashes.to_vec()).expect("1 to 256 hashes")
    }

    /// All tiles of the tree of `size`, each as wide as that tree has it.
    fn tiles(&self, size: TreeSize) -> HashMap<TilePath, Tile> {
        TilePath::all_in_tree(size)
            .map(|path| (path, self.tile(path)))
            .collect()
    }

    /// What `plan` comes to, given exactly the tiles that it asked for.
    fn hashes(&self, plan: &ProofPlan) -> Vec<Hash> {
        let tiles: HashMap<TilePath, Tile> = plan
            .tiles()
            .into_iter()
            .map(|path| (path, self.tile(path)))
            .collect();
        plan.hashes(&tiles)
            .expect("all tiles that were asked for are there")
    }

    /// The head of the tree of `size`, from its tiles alone.
    fn head_from_tiles(&self, size: TreeSize) -> TreeHead {
        let edge = self.hashes(&ProofPlan::edge(size));
        CompactRange::from_edge(size, edge)
            .expect("the plan asks for one hash per subtree")
            .head()
    }
}

/// RFC 6962 for `rs_merkle`, which hashes leaves itself only in its own way.
#[derive(Clone)]
struct Rfc6962;

impl rs_merkle::Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(leaf: &[u8]) -> [u8; 32] {
        Sha256::new_with_prefix([0])
            .chain_update(leaf)
            .finalize()
            .into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| {
            Sha256::new_with_prefix([1])
                .chain_update(left)
                .chain_update(right)
                .finalize()
                .into()
        })
    }
}

type RsMerkle = rs_merkle::MerkleTree<Rfc6962>;
fn rs_merkle_tree(size: u64) -> RsMerkle {
    let leaves: Vec<_> = (0..size)
        .map(|index| <Rfc6962 as rs_merkle::Hasher>::hash(&leaf_bytes(index)))
        .collect();
    RsMerkle::from_leaves(&leaves)
}

fn to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn every_tree_to_600_has_the_root_that_two_others_compute() {
    assert_eq!(SMALL.head(0), TreeHead::empty());
    ct_merkle_trees(SMALL_MAX, |size, tree| {
        let root = SMALL.head(size).root;
        let by_ct_merkle: [u8; 32] = (*tree.root().as_bytes()).into();
        assert_eq!(root.as_bytes(), &by_ct_merkle, "ct-merkle, size {size}");
        let by_rs_merkle = rs_merkle_tree(size).root().expect("the tree is not empty");
        assert_eq!(root.as_bytes(), &by_rs_merkle, "rs_merkle, size {size}");
    });
}

#[test]
fn every_tree_to_600_is_found_again_from_its_tiles() {
    for size in 0..=SMALL_MAX {
        let head = SMALL.head(size);
        assert_eq!(SMALL.head_from_tiles(head.size), head);
    }
}

#[test]
fn every_inclusion_proof_to_600_holds_and_is_the_one_that_two_others_make() {
    let mut proofs = 0;
    ct_merkle_trees(SMALL_MAX, |size, ct_merkle| {
        let tiles = SMALL.tiles(TreeSize::new(size));
        let rs_merkle = rs_merkle_tree(size);
        for index in 0..size {
            let at = leaf_in(size, index);
            let path = ProofPlan::inclusion(at)
                .hashes(&tiles)
                .expect("all tiles of the tree are there");
            let proof = InclusionProof { at, path };
            assert_eq!(
                SMALL.check_inclusion(&proof),
                Ok(()),
                "leaf {index} of {size}"
            );
            assert_eq!(
                proof,
                inclusion_by_ct_merkle(ct_merkle, index),
                "leaf {index} of {size}"
            );
            let by_rs_merkle = rs_merkle.proof(&[usize::try_from(index).expect("it is in memory")]);
            assert_eq!(
                to_bytes(&proof.path),
                by_rs_merkle.to_bytes(),
                "leaf {index} of {size}"
            );
            proofs += 1;
        }
    });
    assert_eq!(proofs, SMALL_MAX * (SMALL_MAX + 1) / 2);
}

#[test]
fn every_consistency_proof_to_600_holds_and_is_the_one_that_another_makes() {
    let mut proofs = 0;
    ct_merkle_trees(SMALL_MAX, |size, ct_merkle| {
        let new = TreeSize::new(size);
        let tiles = SMALL.tiles(new);
        for old in 0..=size {
            let plan =
                ProofPlan::consistency(TreeSize::new(old), new).expect("the tree does not shrink");
            let path = plan
                .hashes(&tiles)
                .expect("all tiles of the tree are there");
            let proof = ConsistencyProof {
                old: TreeSize::new(old),
                new,
                path,
            };
            assert_eq!(SMALL.check_consistency(&proof), Ok(()), "{old} to {size}");
            if old == 0 {
                assert_eq!(
                    proof.path,
                    [],
                    "there is nothing to prove from the empty tree"
                );
            } else {
                assert_eq!(
                    proof,
                    consistency_by_ct_merkle(ct_merkle, old),
                    "{old} to {size}"
                );
            }
            proofs += 1;
        }
    });
    assert_eq!(proofs, SMALL_MAX * (SMALL_MAX + 3) / 2);
}

#[test]
fn two_others_accept_the_proofs_that_tiles_give() {
    for size in 1..=OTHERS_VERIFY_MAX {
        let tiles = SMALL.tiles(TreeSize::new(size));
        let digest = |size: u64| (*SMALL.head(size).root.as_bytes()).into();
        let root = ct_merkle::RootHash::<Sha256>::new(digest(size), size);
        for index in 0..size {
            let path = ProofPlan::inclusion(leaf_in(size, index))
                .hashes(&tiles)
                .expect("all tiles are there");
            let path = to_bytes(&path);
            let proof = rs_merkle::MerkleProof::<Rfc6962>::from_bytes(&path).expect("whole hashes");
            let leaf = *SMALL.leaf(leaf_in(size, index)).to_hash().as_bytes();
            let (at, count) = (usize::try_from(index), usize::try_from(size));
            let (at, count) = (at.expect("small"), count.expect("small"));
            assert!(
                proof.verify(*SMALL.head(size).root.as_bytes(), &[at], &[leaf], count),
                "{index} of {size}"
            );
            let proof = ct_merkle::InclusionProof::from_bytes(path);
            root.verify_inclusion(&leaf_bytes(index), index, &proof)
                .expect("ct-merkle accepts the proof");
        }
        for old in 1..=size {
            let plan =
                ProofPlan::consistency(TreeSize::new(old), TreeSize::new(size)).expect("it grows");
            let path = to_bytes(&plan.hashes(&tiles).expect("all tiles are there"));
            let proof = ct_merkle::ConsistencyProof::try_from_bytes(path).expect("whole hashes");
            let old_root = ct_merkle::RootHash::new(digest(old), old);
            root.verify_consistency(&old_root, &proof)
                .expect("ct-merkle accepts the proof");
        }
    }
}

#[test]
fn a_plan_asks_for_all_the_tiles_that_it_reads_and_for_no_other() {
    for size in (0..=SMALL_MAX).filter(|size| size % 13 == 0 || size % 256 < 3) {
        let size = TreeSize::new(size);
        let mut plans = vec![ProofPlan::edge(size)];
        plans.extend((0..size.get()).map(|index| ProofPlan::inclusion(leaf_in(size.get(), index))));
        for old in (0..=size.get()).map(TreeSize::new) {
            let plan = ProofPlan::consistency(old, size);
            plans.push(plan.expect("the tree does not shrink"));
            let plan = ProofPlan::edge_within(old, size);
            plans.push(plan.expect("the tree does not shrink"));
        }
        for plan in plans {
            let paths = plan.tiles();
            SMALL.hashes(&plan);
            for without in &paths {
                assert_eq!(
                    TilePath::in_tree(without.level, without.index, size),
                    Some(*without)
                );
                let rest = paths
                    .iter()
                    .filter(|path| *path != without)
                    .map(|&path| (path, SMALL.tile(path)));
                let rest: HashMap<TilePath, Tile> = rest.collect();
                assert_eq!(plan.hashes(&rest), Err(PlanError::MissingTile(*without)));
            }
        }
    }
}

#[test]
fn the_root_of_a_smaller_tree_comes_from_the_larger_ones_tiles() {
    for size in (0..=SMALL_MAX).filter(|size| size % 13 == 0 || size % 256 < 3) {
        for old in (0..=size).map(TreeSize::new) {
            let plan = ProofPlan::edge_within(old, TreeSize::new(size)).expect("it grows");
            let inside = CompactRange::from_edge(old, SMALL.hashes(&plan));
            assert_eq!(
                inside.expect("one hash for each subtree").head(),
                SMALL.head_from_tiles(old)
            );
        }
        let (old, new) = (TreeSize::new(size + 1), TreeSize::new(size));
        let shrinks = ProofPlan::edge_within(old, new).expect_err("it shrinks");
        assert_eq!(shrinks, ProofError::Shrinks { old, new });
    }
}

#[test]
fn a_tile_that_is_too_short_is_reported_as_missing() {
    let at = leaf_in(300, 299);
    let plan = ProofPlan::inclusion(at);
    let [leaves, above] = plan.tiles()[..] else {
        panic!("the proof is in two tiles")
    };
    assert_eq!(
        (leaves.to_string(), above.to_string()),
        ("tile/0/001.p/44".into(), "tile/1/000.p/1".into())
    );
    let mut tiles = HashMap::from([(leaves, SMALL.tile(leaves)), (above, SMALL.tile(above))]);
    assert!(plan.hashes(&tiles).is_ok());
    let hashes = SMALL.tile(leaves).hashes().to_vec();
    tiles.insert(
        leaves,
        Tile::new(hashes[..42].to_vec()).expect("1 to 256 hashes"),
    );
    assert_eq!(plan.hashes(&tiles), Err(PlanError::MissingTile(leaves)));
}

#[test]
fn no_proof_is_planned_from_a_larger_tree_to_a_smaller_one() {
    let (old, new) = (TreeSize::new(8), TreeSize::new(7));
    assert_eq!(
        ProofPlan::consistency(old, new).map(|_| ()),
        Err(ProofError::Shrinks { old, new })
    );
    let proof = ConsistencyProof {
        old,
        new,
        path: Vec::new(),
    };
    assert_eq!(
        SMALL.check_consistency(&proof),
        Err(ProofError::Shrinks { old, new })
    );
}

#[test]
fn the_large_tree_has_the_root_that_another_computes() {
    let by_rs_merkle = rs_merkle_tree(LARGE).root().expect("the tree is not empty");
    assert_eq!(LARGE_LOG.head(LARGE).root.as_bytes(), &by_rs_merkle);
}

#[test]
fn heads_of_the_large_tree_are_found_again_from_its_tiles() {
    assert!(
        LARGE_LOG.heads.len() > 800,
        "every size to 600, and 200 above"
    );
    for head in LARGE_LOG.heads.values() {
        assert_eq!(LARGE_LOG.head_from_tiles(head.size), *head);
    }
}

/// A tree size up to a million and a smaller number; often near a power of two, where trees change shape.
fn size_and_below() -> impl Strategy<Value = (u64, u64)> {
    let near_a_power = (1..20_u32, -2..=2_i64)
        .prop_map(|(power, off)| (1_u64 << power).saturating_add_signed(off));
    let size = prop_oneof![
        1..=LARGE,
        near_a_power.prop_map(|size| size.clamp(1, LARGE))
    ];
    size.prop_flat_map(|size| (Just(size), prop_oneof![0..size, Just(0), Just(size - 1)]))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_random_leaf_of_a_random_tree_is_proven_from_tiles((size, index) in size_and_below(), bit in 0..256_usize) {
        let at = leaf_in(size, index);
        let head = LARGE_LOG.head_from_tiles(at.size());
        let proof = InclusionProof { at, path: LARGE_LOG.hashes(&ProofPlan::inclusion(at)) };
        let leaf = LARGE_LOG.leaf(at);
        prop_assert_eq!(leaf, LeafHash::of_bytes(&leaf_bytes(index)));
        prop_assert_eq!(proof.verify(leaf, &head), Ok(()));
        let root = ct_merkle::RootHash::<Sha256>::new((*head.root.as_bytes()).into(), size);
        let by_ct_merkle = ct_merkle::InclusionProof::from_bytes(to_bytes(&proof.path));
        prop_assert!(root.verify_inclusion(&leaf_bytes(index), index, &by_ct_merkle).is_ok());
        for place in 0..proof.path.len() {
            let mut changed = proof.clone();
            let mut bytes = *changed.path[place].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed.path[place] = Hash::from_bytes(bytes);
            prop_assert!(changed.verify(leaf, &head).is_err());
        }
    }

    #[test]
    fn a_random_tree_extends_a_random_older_one((size, old) in size_and_below(), bit in 0..256_usize) {
        let (old, new) = (TreeSize::new(old), TreeSize::new(size));
        let (old_head, new_head) = (LARGE_LOG.head_from_tiles(old), LARGE_LOG.head_from_tiles(new));
        let plan = ProofPlan::consistency(old, new).expect("the older is not larger");
        let proof = ConsistencyProof { old, new, path: LARGE_LOG.hashes(&plan) };
        prop_assert_eq!(proof.verify(&old_head, &new_head), Ok(()));
        if old > TreeSize::EMPTY {
            let root = |head: TreeHead| ct_merkle::RootHash::<Sha256>::new((*head.root.as_bytes()).into(), head.size.get());
            let by_ct_merkle = ct_merkle::ConsistencyProof::try_from_bytes(to_bytes(&proof.path)).expect("whole hashes");
            prop_assert!(root(new_head).verify_consistency(&root(old_head), &by_ct_merkle).is_ok());
        }
        for place in 0..proof.path.len() {
            let mut changed = proof.clone();
            let mut bytes = *changed.path[place].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed.path[place] = Hash::from_bytes(bytes);
            prop_assert!(changed.verify(&old_head, &new_head).is_err());
        }
    }
}
