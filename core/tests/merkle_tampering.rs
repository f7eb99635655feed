//! Proofs of trees of up to 600 leaves, changed in every small way: none of them holds.
//!
//! The proofs come from ct-merkle, which makes the same as we do (see `merkle_trees.rs`) by looking up nodes.
//!
//! In a normal run every single bit is flipped in the proofs of trees of up to 40 leaves, and one random bit
//! in every hash of all other proofs. With `CANDOR_EXHAUSTIVE=1` it is every bit of all of them:
//! about a quarter of an hour on two processors, reckoned from the largest trees (under six seconds each).

mod trees;

use std::thread;

use candor_core::merkle::{
    CompactRange, ConsistencyProof, Hash, InclusionProof, LeafHash, LeafIndex, ProofError,
    TreeHead, TreeSize,
};

use trees::{
    CtMerkle, SMALL, SMALL_MAX, consistency_by_ct_merkle, ct_merkle_trees, inclusion_by_ct_merkle,
    leaf_bytes, leaf_in,
};

/// The largest tree in whose proofs every bit is flipped in a normal run.
const EVERY_BIT_MAX: u64 = 40;
/// The largest tree whose proofs are taken apart and put together wrongly in every possible way.
const TAKEN_APART_MAX: u64 = 130;

/// All proofs that the tree of each size up to `last` can give, made by ct-merkle.
fn all_proofs(
    last: u64,
    mut inclusion: impl FnMut(&InclusionProof),
    mut consistency: impl FnMut(&ConsistencyProof),
) {
    ct_merkle_trees(last, |size, tree| {
        (0..size).for_each(|index| inclusion(&inclusion_by_ct_merkle(tree, index)));
        (1..=size).for_each(|old| consistency(&consistency_by_ct_merkle(tree, old)));
    });
}

/// A small generator of numbers, for choices that need not be good but must be the same each time.
struct Random(u64);

impl Random {
    /// A number below `bound`, by `SplitMix64`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("the remainder is below a usize")
    }
}

/// Which bits of each hash are flipped, one at a time.
enum Bits {
    Every,
    Random(Random),
}

impl Bits {
    /// Calls `refused` with `hash` after each change.
    fn flip(&mut self, hash: Hash, mut refused: impl FnMut(Hash) -> bool) {
        let mut one = |bit: usize| {
            let mut bytes = *hash.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(Hash::from_bytes(bytes)), "with bit {bit} flipped");
        };
        match self {
            Self::Every => (0..256).for_each(one),
            Self::Random(random) => one(random.below(256)),
        }
    }
}

/// Flips bits in the leaf hash, in each hash of the path and in the root; each time the proof must fail.
fn flip_in_inclusion(proof: &InclusionProof, bits: &mut Bits) {
    let head = SMALL.head(proof.at.size().get());
    let leaf = SMALL.leaf(proof.at);
    let mismatch = |result| matches!(result, Err(ProofError::RootMismatch { .. }));
    bits.flip(leaf.to_hash(), |leaf| {
        mismatch(proof.verify(LeafHash::from_hash(leaf), &head))
    });
    bits.flip(head.root, |root| {
        mismatch(proof.verify(leaf, &TreeHead { root, ..head }))
    });
    let mut changed = proof.clone();
    for (place, &hash) in proof.path.iter().enumerate() {
        bits.flip(hash, |hash| {
            changed.path[place] = hash;
            mismatch(changed.verify(leaf, &head))
        });
        changed.path[place] = hash;
    }
    assert_eq!(changed.verify(leaf, &head), Ok(()), "unchanged, it holds");
}

/// Flips bits in both roots and in each hash of the path; each time the proof must fail.
fn flip_in_consistency(proof: &ConsistencyProof, bits: &mut Bits) {
    let (old, new) = (SMALL.head(proof.old.get()), SMALL.head(proof.new.get()));
    let mismatch = |result| {
        matches!(
            result,
            Err(ProofError::RootMismatch { .. } | ProofError::OldRootMismatch { .. })
        )
    };
    bits.flip(old.root, |root| {
        mismatch(proof.verify(&TreeHead { root, ..old }, &new))
    });
    bits.flip(new.root, |root| {
        mismatch(proof.verify(&old, &TreeHead { root, ..new }))
    });
    let mut changed = proof.clone();
    for (place, &hash) in proof.path.iter().enumerate() {
        bits.flip(hash, |hash| {
            changed.path[place] = hash;
            mismatch(changed.verify(&old, &new))
        });
        changed.path[place] = hash;
    }
    assert_eq!(changed.verify(&old, &new), Ok(()), "unchanged, it holds");
}

#[test]
fn any_flipped_bit_in_a_proof_of_a_tree_to_40_is_refused() {
    all_proofs(
        EVERY_BIT_MAX,
        |proof| flip_in_inclusion(proof, &mut Bits::Every),
        |proof| flip_in_consistency(proof, &mut Bits::Every),
    );
}

#[test]
fn one_flipped_bit_in_any_hash_of_a_proof_to_600_is_refused() {
    #[allow(
        clippy::disallowed_methods,
        reason = "the crate reads no environment, but its tests may"
    )]
    let exhaustive = std::env::var_os("CANDOR_EXHAUSTIVE").is_some_and(|value| value == "1");
    if exhaustive {
        return any_flipped_bit_to_600();
    }
    let seed = 0x00ca_17d0;
    let mut bits = Bits::Random(Random(seed));
    let mut more_bits = Bits::Random(Random(!seed));
    all_proofs(
        SMALL_MAX,
        |proof| flip_in_inclusion(proof, &mut bits),
        |proof| flip_in_consistency(proof, &mut more_bits),
    );
}

fn ct_merkle_tree(size: u64) -> CtMerkle {
    let mut tree = CtMerkle::new();
    (0..size).for_each(|index| tree.push(leaf_bytes(index)));
    tree
}

/// Every bit of every proof to 600, on all processors: each takes the trees that no other has taken.
fn any_flipped_bit_to_600() {
    let workers = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for worker in 0..workers {
            scope.spawn(move || {
                for size in (1..=SMALL_MAX).rev().skip(worker).step_by(workers) {
                    let tree = ct_merkle_tree(size);
                    for index in 0..size {
                        flip_in_inclusion(&inclusion_by_ct_merkle(&tree, index), &mut Bits::Every);
                        flip_in_consistency(
                            &consistency_by_ct_merkle(&tree, index + 1),
                            &mut Bits::Every,
                        );
                    }
                }
            });
        }
    });
}

/// All ways to lengthen `path` by one hash: each of its own and a foreign one, at each place.
fn lengthened(path: &[Hash], foreign: Hash) -> impl Iterator<Item = Vec<Hash>> {
    (0..=path.len()).flat_map(move |place| {
        path.iter().copied().chain([foreign]).map(move |hash| {
            let mut longer = path.to_vec();
            longer.insert(place, hash);
            longer
        })
    })
}

/// All ways to take one hash out of `path`.
fn shortened(path: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    (0..path.len()).map(move |place| {
        let mut shorter = path.to_vec();
        shorter.remove(place);
        shorter
    })
}

/// All ways to swap two hashes of `path`, which no proof here has twice.
fn swapped(path: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    (0..path.len()).flat_map(move |a| {
        (a + 1..path.len()).map(move |b| {
            let mut swapped = path.to_vec();
            swapped.swap(a, b);
            assert_ne!(swapped, path, "all hashes of a proof differ");
            swapped
        })
    })
}

#[test]
fn a_proof_with_one_hash_more_is_refused() {
    let foreign = Hash::of_empty_tree();
    all_proofs(
        TAKEN_APART_MAX,
        |proof| {
            for path in lengthened(&proof.path, foreign) {
                let longer = InclusionProof {
                    path,
                    ..proof.clone()
                };
                assert_eq!(
                    SMALL.check_inclusion(&longer),
                    Err(ProofError::TooLong { extra: 1 })
                );
            }
        },
        |proof| {
            for path in lengthened(&proof.path, foreign) {
                let longer = ConsistencyProof {
                    path,
                    ..proof.clone()
                };
                assert_eq!(
                    SMALL.check_consistency(&longer),
                    Err(ProofError::TooLong { extra: 1 })
                );
            }
        },
    );
}

#[test]
fn a_proof_from_the_empty_tree_takes_no_hash_and_no_other_root() {
    for size in 0..=TAKEN_APART_MAX {
        let (old, new) = (TreeSize::EMPTY, TreeSize::new(size));
        let proof = ConsistencyProof {
            old,
            new,
            path: Vec::new(),
        };
        assert_eq!(SMALL.check_consistency(&proof), Ok(()));
        let longer = ConsistencyProof {
            path: vec![Hash::of_empty_tree()],
            ..proof.clone()
        };
        assert_eq!(
            SMALL.check_consistency(&longer),
            Err(ProofError::TooLong { extra: 1 })
        );
        let root = SMALL.head(1).root;
        let result = proof.verify(&TreeHead { size: old, root }, &SMALL.head(size));
        assert!(
            matches!(result, Err(ProofError::OldRootMismatch { .. })),
            "{result:?}"
        );
    }
    let proof = ConsistencyProof {
        old: TreeSize::EMPTY,
        new: TreeSize::EMPTY,
        path: Vec::new(),
    };
    let false_head = TreeHead {
        size: TreeSize::EMPTY,
        root: SMALL.head(1).root,
    };
    assert!(
        proof.verify(&TreeHead::empty(), &false_head).is_err(),
        "there is one empty tree"
    );
    assert!(
        proof.verify(&false_head, &false_head).is_err(),
        "there is one empty tree"
    );
}

#[test]
fn a_proof_with_one_hash_less_is_refused() {
    all_proofs(
        TAKEN_APART_MAX,
        |proof| {
            for path in shortened(&proof.path) {
                let shorter = InclusionProof {
                    path,
                    ..proof.clone()
                };
                assert_eq!(SMALL.check_inclusion(&shorter), Err(ProofError::TooShort));
            }
        },
        |proof| {
            for path in shortened(&proof.path) {
                let shorter = ConsistencyProof {
                    path,
                    ..proof.clone()
                };
                assert_eq!(SMALL.check_consistency(&shorter), Err(ProofError::TooShort));
            }
        },
    );
}

#[test]
fn a_proof_with_two_hashes_swapped_is_refused() {
    all_proofs(
        TAKEN_APART_MAX,
        |proof| {
            for path in swapped(&proof.path) {
                let result = SMALL.check_inclusion(&InclusionProof {
                    path,
                    ..proof.clone()
                });
                assert!(
                    matches!(result, Err(ProofError::RootMismatch { .. })),
                    "{result:?}"
                );
            }
        },
        |proof| {
            for path in swapped(&proof.path) {
                assert!(
                    SMALL
                        .check_consistency(&ConsistencyProof {
                            path,
                            ..proof.clone()
                        })
                        .is_err()
                );
            }
        },
    );
}

#[test]
fn an_inclusion_proof_is_refused_for_every_other_leaf_of_its_tree() {
    let mut by_root = 0;
    ct_merkle_trees(EVERY_BIT_MAX, |size, tree| {
        for index in 0..size {
            let proof = inclusion_by_ct_merkle(tree, index);
            for other in (0..size).filter(|other| *other != index) {
                let expected_length = inclusion_by_ct_merkle(tree, other).path.len();
                let head = SMALL.head(size);
                // The right leaf at the wrong place, and the leaf of that place.
                let elsewhere = InclusionProof {
                    at: leaf_in(size, other),
                    ..proof.clone()
                };
                for leaf in [SMALL.leaf(proof.at), SMALL.leaf(elsewhere.at)] {
                    match elsewhere
                        .verify(leaf, &head)
                        .expect_err("a proof holds at one place only")
                    {
                        ProofError::TooShort => assert!(proof.path.len() < expected_length),
                        ProofError::TooLong { extra } => {
                            assert_eq!(proof.path.len(), expected_length + extra);
                        }
                        ProofError::RootMismatch { .. } => {
                            assert_eq!(proof.path.len(), expected_length);
                            by_root += 1;
                        }
                        error => panic!("leaf {index} as {other} of {size}: {error}"),
                    }
                }
                // Another leaf at this place.
                let result = proof.verify(SMALL.leaf(leaf_in(size, other)), &head);
                assert!(
                    matches!(result, Err(ProofError::RootMismatch { .. })),
                    "{result:?}"
                );
            }
        }
    });
    assert!(
        by_root > 10_000,
        "many other places have as many hashes in their proof"
    );
}

#[test]
fn an_inclusion_proof_is_refused_one_leaf_or_one_size_off() {
    all_proofs(
        SMALL_MAX - 1,
        |proof| {
            let (index, size) = (proof.at.index().get(), proof.at.size().get());
            for near in [index.wrapping_sub(1), index + 1] {
                let Some(at) = proof.at.size().leaf(LeafIndex::new(near)) else {
                    continue;
                };
                let moved = InclusionProof {
                    at,
                    ..proof.clone()
                };
                assert!(
                    moved
                        .verify(SMALL.leaf(proof.at), &SMALL.head(size))
                        .is_err()
                );
                assert!(SMALL.check_inclusion(&moved).is_err());
            }
            for near in [size - 1, size + 1] {
                // Against the head of the other size, the proof as it is, and then one that says so too.
                let head = SMALL.head(near);
                let other_tree = ProofError::OtherTree {
                    proof: proof.at.size(),
                    head: head.size,
                };
                assert_eq!(proof.verify(SMALL.leaf(proof.at), &head), Err(other_tree));
                let Some(at) = head.size.leaf(proof.at.index()) else {
                    continue;
                };
                assert!(
                    SMALL
                        .check_inclusion(&InclusionProof {
                            at,
                            ..proof.clone()
                        })
                        .is_err()
                );
            }
        },
        |_| (),
    );
}

#[test]
fn a_consistency_proof_is_refused_one_size_off() {
    all_proofs(
        SMALL_MAX - 1,
        |_| (),
        |proof| {
            let (old, new) = (proof.old.get(), proof.new.get());
            for near in [old - 1, old + 1] {
                let head = SMALL.head(near);
                let other_tree = ProofError::OtherTree {
                    proof: proof.old,
                    head: head.size,
                };
                assert_eq!(proof.verify(&head, &SMALL.head(new)), Err(other_tree));
                let moved = ConsistencyProof {
                    old: head.size,
                    ..proof.clone()
                };
                // From the empty tree, and from a tree to itself, the empty proof is the right one.
                let nothing_to_prove = proof.path.is_empty() && (near == 0 || near == new);
                assert_eq!(
                    SMALL.check_consistency(&moved).is_ok(),
                    nothing_to_prove,
                    "{moved:?}"
                );
            }
            for near in [new - 1, new + 1] {
                let head = SMALL.head(near);
                let other_tree = ProofError::OtherTree {
                    proof: proof.new,
                    head: head.size,
                };
                assert_eq!(proof.verify(&SMALL.head(old), &head), Err(other_tree));
                let moved = ConsistencyProof {
                    new: head.size,
                    ..proof.clone()
                };
                assert!(SMALL.check_consistency(&moved).is_err(), "{moved:?}");
            }
        },
    );
}

#[test]
fn a_fork_is_refused_whatever_proof_is_offered() {
    // The same log, but for leaf 5: nothing of the first can show that the second extends it.
    let forked: Vec<TreeHead> = {
        let mut tree = CompactRange::empty();
        let mut heads = vec![tree.head()];
        for index in 0..EVERY_BIT_MAX {
            let leaf = if index == 5 {
                LeafHash::of_bytes(b"another")
            } else {
                SMALL.leaf(leaf_in(index + 1, index))
            };
            tree.append(leaf, |_, _| ());
            heads.push(tree.head());
        }
        heads
    };
    all_proofs(
        EVERY_BIT_MAX,
        |proof| {
            let head = forked[usize::try_from(proof.at.size().get()).expect("at most 40")];
            let holds = proof.verify(SMALL.leaf(proof.at), &head).is_ok();
            assert_eq!(
                holds,
                head.size <= TreeSize::new(5),
                "only before the fork: {proof:?}"
            );
        },
        |proof| {
            let head = forked[usize::try_from(proof.new.get()).expect("at most 40")];
            let holds = proof.verify(&SMALL.head(proof.old.get()), &head).is_ok();
            assert_eq!(
                holds,
                head.size <= TreeSize::new(5),
                "only before the fork: {proof:?}"
            );
        },
    );
}
