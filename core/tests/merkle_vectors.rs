//! Proofs and trees that others published: every one gets the verdict that its publisher expects.
//!
//! `vectors/transparency-dev-proofs.json` holds the 518 proofs in `testdata` of
//! <https://github.com/transparency-dev/merkle> at the commit named in the file. The tree of eight leaves
//! is the one that implementations of RFC 6962 have shared since the first Certificate Transparency logs; its
//! hashes are in `testonly/constants.go` of the same repository.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::merkle::{
    CompactRange, ConsistencyProof, Entry, Hash, InclusionProof, LeafHash, LeafIndex, ProofError,
    Subtree, SubtreeConsistencyProof, SubtreeInclusionProof, TreeHead, TreeSize,
};
use serde::Deserialize;

const PROOFS: &str = include_str!("vectors/transparency-dev-proofs.json");

/// The only proof on which we are stricter than its publisher. It ties an empty subtree to a tree of no
/// entries whose root is not that of the empty tree. The publisher ignores the root of the tree whenever
/// the subtree is empty. We don't ignore it here: such a tree head is false, whatever the proof says.
const STRICTER: &str = "additional/subtree-is-empty-sizes-are-equal-zero-subtree-root-valid-tree-root-random-proof-is-empty";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFile {
    source: String,
    commit: String,
    licence: String,
    #[serde(rename = "changes")]
    _changes: String,
    inclusion: Vec<InclusionCase>,
    consistency: Vec<ConsistencyCase>,
    subtreeinclusion: Vec<SubtreeInclusionCase>,
    subtreeconsistency: Vec<SubtreeConsistencyCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InclusionCase {
    name: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsistencyCase {
    name: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeInclusionCase {
    name: String,
    leaf_idx: u64,
    start: u64,
    end: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeConsistencyCase {
    name: String,
    start: u64,
    end: u64,
    size: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// Why a case was refused.
#[derive(Debug)]
enum Refusal {
    /// It can't be said in our types: a hash that is not 32 bytes long, or a leaf outside of the tree.
    NotExpressible,
    /// The proof was checked and does not hold.
    Proof(ProofError),
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

fn proof_file() -> ProofFile {
    serde_json::from_str(PROOFS).expect("the vectors are in the form that this file declares")
}

fn hash(text: &str) -> Result<Hash, Refusal> {
    text.parse().map_err(|_| Refusal::NotExpressible)
}

/// A root, of which some cases only say that it does not matter: the texts "don't care 1" and "don't care 2"
/// in place of 32 bytes. In a proof that should hold, a hash of that text stands in for it.
fn root(text: &str, must_fail: bool) -> Result<Hash, Refusal> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|_| Refusal::NotExpressible)?;
    if !must_fail && bytes.starts_with(b"don't care") {
        return Ok(LeafHash::of_bytes(&bytes).to_hash());
    }
    hash(text)
}

fn path(proof: Option<&[String]>) -> Result<Vec<Hash>, Refusal> {
    proof
        .unwrap_or_default()
        .iter()
        .map(|text| hash(text))
        .collect()
}

impl InclusionCase {
    fn check(&self) -> Result<(), Refusal> {
        let size = TreeSize::new(self.tree_size);
        let at = size
            .leaf(LeafIndex::new(self.leaf_idx))
            .ok_or(Refusal::NotExpressible)?;
        let proof = InclusionProof {
            at,
            path: path(self.proof.as_deref())?,
        };
        let head = TreeHead {
            size,
            root: root(&self.root, self.want_err)?,
        };
        Ok(proof.verify(LeafHash::from_hash(hash(&self.leaf_hash)?), &head)?)
    }
}

impl ConsistencyCase {
    fn check(&self) -> Result<(), Refusal> {
        let (old, new) = (TreeSize::new(self.size1), TreeSize::new(self.size2));
        let proof = ConsistencyProof {
            old,
            new,
            path: path(self.proof.as_deref())?,
        };
        let old = TreeHead {
            size: old,
            root: root(&self.root1, self.want_err)?,
        };
        let new = TreeHead {
            size: new,
            root: root(&self.root2, self.want_err)?,
        };
        Ok(proof.verify(&old, &new)?)
    }
}

impl SubtreeInclusionCase {
    fn check(&self) -> Result<(), Refusal> {
        let subtree = Subtree::new(self.start, self.end)?;
        let index = LeafIndex::new(self.leaf_idx);
        let proof = SubtreeInclusionProof {
            index,
            subtree,
            path: path(self.proof.as_deref())?,
        };
        let leaf = LeafHash::from_hash(hash(&self.leaf_hash)?);
        Ok(proof.verify(leaf, root(&self.root, self.want_err)?)?)
    }
}

impl SubtreeConsistencyCase {
    fn check(&self) -> Result<(), Refusal> {
        let subtree = Subtree::new(self.start, self.end)?;
        let size = TreeSize::new(self.size);
        let proof = SubtreeConsistencyProof {
            subtree,
            size,
            path: path(self.proof.as_deref())?,
        };
        let head = TreeHead {
            size,
            root: root(&self.root2, self.want_err)?,
        };
        Ok(proof.verify(root(&self.root1, self.want_err)?, &head)?)
    }
}

/// How many cases of one kind ran, how many of them had to fail, and how many of these failed in
/// [`InclusionProof::verify`] or its siblings, rather than before it.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    ran: usize,
    had_to_fail: usize,
    failed_as_proofs: usize,
}

fn tally<'a>(cases: impl Iterator<Item = (&'a str, bool, Result<(), Refusal>)>) -> Tally {
    let mut tally = Tally {
        ran: 0,
        had_to_fail: 0,
        failed_as_proofs: 0,
    };
    for (name, want_err, verdict) in cases {
        assert_eq!(verdict.is_err(), want_err, "{name}: {verdict:?}");
        tally.ran += 1;
        tally.had_to_fail += usize::from(want_err);
        tally.failed_as_proofs += usize::from(matches!(verdict, Err(Refusal::Proof(_))));
    }
    tally
}

#[test]
fn every_published_inclusion_proof_gets_the_expected_verdict() {
    let file = proof_file();
    let cases = file
        .inclusion
        .iter()
        .map(|case| (&*case.name, case.want_err, case.check()));
    assert_eq!(
        tally(cases),
        Tally {
            ran: 98,
            had_to_fail: 92,
            failed_as_proofs: 55
        }
    );
}

#[test]
fn every_published_consistency_proof_gets_the_expected_verdict() {
    let file = proof_file();
    let cases = file
        .consistency
        .iter()
        .map(|case| (&*case.name, case.want_err, case.check()));
    assert_eq!(
        tally(cases),
        Tally {
            ran: 98,
            had_to_fail: 92,
            failed_as_proofs: 66
        }
    );
}

#[test]
fn every_published_subtree_inclusion_proof_gets_the_expected_verdict() {
    let file = proof_file();
    let cases = file
        .subtreeinclusion
        .iter()
        .map(|case| (&*case.name, case.want_err, case.check()));
    assert_eq!(
        tally(cases),
        Tally {
            ran: 204,
            had_to_fail: 192,
            failed_as_proofs: 140
        }
    );
}

#[test]
fn every_published_subtree_consistency_proof_but_one_gets_the_expected_verdict() {
    let file = proof_file();
    let cases = file
        .subtreeconsistency
        .iter()
        .filter(|case| case.name != STRICTER);
    let cases = cases.map(|case| (&*case.name, case.want_err, case.check()));
    assert_eq!(
        tally(cases),
        Tally {
            ran: 117,
            had_to_fail: 106,
            failed_as_proofs: 77
        }
    );
}

#[test]
fn an_empty_subtree_does_not_excuse_a_false_root_of_the_empty_tree() {
    let file = proof_file();
    let mut cases = file
        .subtreeconsistency
        .iter()
        .filter(|case| case.name == STRICTER);
    let case = cases
        .next()
        .expect("the case that we are stricter on is in the file");
    assert!(
        !case.want_err,
        "{STRICTER} is expected to hold, or it would not be an exception"
    );
    assert!(matches!(
        case.check(),
        Err(Refusal::Proof(ProofError::RootMismatch { .. }))
    ));
    assert!(cases.next().is_none(), "one exception, and no more");
}

#[test]
fn the_file_holds_518_proofs_of_which_482_have_to_fail() {
    let file = proof_file();
    assert_eq!(
        file.source,
        "https://github.com/transparency-dev/merkle, directory testdata"
    );
    assert_eq!(file.commit, "417fb0c314750d94e53942e9f92e79b6d35915db");
    assert_eq!(file.licence, "Apache-2.0");
    let want_err: Vec<bool> = (file.inclusion.iter().map(|case| case.want_err))
        .chain(file.consistency.iter().map(|case| case.want_err))
        .chain(file.subtreeinclusion.iter().map(|case| case.want_err))
        .chain(file.subtreeconsistency.iter().map(|case| case.want_err))
        .collect();
    assert_eq!(want_err.len(), 518);
    assert_eq!(want_err.iter().filter(|want_err| **want_err).count(), 482);
}

/// The leaves of the shared tree.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The hashes of all complete subtrees over [`LEAVES`], level by level.
const NODES: [&[&str]; 4] = [
    &[
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    &[
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    &[
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    &["5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
];

/// The roots of the trees of the first 0 to 8 of [`LEAVES`].
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves() -> impl Iterator<Item = LeafHash> {
    LEAVES.iter().map(|leaf| {
        let entry = Entry::new(hex::decode(leaf).expect("LEAVES are hexadecimal"))
            .expect("at most 16 bytes");
        LeafHash::of(&entry)
    })
}

fn to_hex(hash: Hash) -> String {
    hex::encode(hash.as_bytes())
}

#[test]
fn the_shared_tree_has_the_published_root_at_every_size() {
    let mut tree = CompactRange::empty();
    assert_eq!(tree.head(), TreeHead::empty());
    assert_eq!(to_hex(tree.root()), ROOTS[0]);
    for (leaf, root) in leaves().zip(&ROOTS[1..]) {
        tree.append(leaf, |_, _| ());
        assert_eq!(to_hex(tree.root()), *root, "at size {}", tree.size());
    }
    assert_eq!(tree.size(), TreeSize::new(8));
}

#[test]
fn appending_completes_each_published_node_once_and_no_other() {
    let mut tree = CompactRange::empty();
    let mut found: [Vec<String>; 4] = Default::default();
    for leaf in leaves() {
        tree.append(leaf, |node, hash| {
            let level = &mut found[usize::from(node.level.get())];
            assert_eq!(
                node.index,
                level.len() as u64,
                "nodes of one level are completed from the left"
            );
            level.push(to_hex(hash));
        });
    }
    let found: Vec<&[String]> = found.iter().map(Vec::as_slice).collect();
    assert_eq!(found, NODES);
}

#[test]
fn a_compact_range_made_from_published_nodes_has_the_published_root() {
    for (size, root) in (0_u64..).zip(ROOTS) {
        let size = TreeSize::new(size);
        let edge: Vec<Hash> = CompactRange::nodes(size)
            .map(|node| {
                let index = usize::try_from(node.index).expect("below 8");
                let bytes =
                    hex::decode(NODES[usize::from(node.level.get())][index]).expect("hexadecimal");
                Hash::from_bytes(bytes.try_into().expect("32 bytes"))
            })
            .collect();
        let mut longer = edge.clone();
        longer.push(Hash::of_empty_tree());
        assert!(
            CompactRange::from_edge(size, longer).is_none(),
            "one hash too many for size {size}"
        );
        let tree = CompactRange::from_edge(size, edge).expect("as many hashes as subtrees");
        assert_eq!(to_hex(tree.root()), root, "at size {size}");
    }
}
