//! Whether one tree is the beginning of another, as far as the log's tiles show it.
//!
//! ```text
//! tiles of the larger tree ──► consistency proof ──holds──► Consistent
//!            │                        └──does not──┐
//!            └──► root of its beginning ───────────┴──► Refuted, or Worthless
//! ```
//!
//! Always: only the larger tree's own tiles are asked for. A log may drop a smaller tree's partial tiles, and
//! one that lies would.

use candor_core::merkle::{CompactRange, Hash, ProofPlan, TreeHead};

use super::evidence::EvidenceProof;
use crate::log_client::{LogClient, LogError};

/// What a consistency proof from the log's tiles came to.
pub(super) enum Proof {
    /// The smaller tree is the beginning of the larger.
    Consistent,
    /// The larger tree begins with another tree than the smaller.
    Refuted(EvidenceProof),
    /// The tiles are not those of the larger tree, so they say nothing of either.
    Worthless(Option<EvidenceProof>),
    /// There is no proof, since a tile could not be had.
    Missing(LogError),
}

/// Tries to prove that `smaller` is the beginning of `larger`.
pub(super) fn prove(client: &LogClient, smaller: TreeHead, larger: TreeHead) -> Proof {
    match attempt(client, smaller, larger) {
        Proof::Worthless(_) => {
            // Tiles are not signed: before a log is accused, its tiles are fetched once more.
            client.forget_tiles();
            attempt(client, smaller, larger)
        }
        // However the tiles came here, with the signatures this says all.
        settled @ (Proof::Consistent | Proof::Refuted(_) | Proof::Missing(_)) => settled,
    }
}

fn attempt(client: &LogClient, smaller: TreeHead, larger: TreeHead) -> Proof {
    let proof = match client.consistency(smaller.size, larger.size) {
        Ok(proof) => proof,
        Err(error) => return Proof::Missing(error),
    };
    if proof.verify(&smaller, &larger).is_ok() {
        return Proof::Consistent;
    }
    // The proof has failed already; that its last piece can't be had is no way out for the log.
    let Some(root_in_larger_tree) = root_within(client, smaller, larger) else {
        return Proof::Worthless(None);
    };
    let evidence = EvidenceProof {
        from: proof.old,
        to: proof.new,
        root_in_larger_tree,
        hashes: proof.path,
    };
    if evidence.refutes(smaller, larger) {
        Proof::Refuted(evidence)
    } else {
        Proof::Worthless(Some(evidence))
    }
}

/// The root that as many entries as `smaller` has come to in the larger tree, if its tiles can be had.
fn root_within(client: &LogClient, smaller: TreeHead, larger: TreeHead) -> Option<Hash> {
    let plan = ProofPlan::edge_within(smaller.size, larger.size).ok()?;
    let range = CompactRange::from_edge(smaller.size, client.hashes(&plan).ok()?);
    Some(
        range
            .expect("the plan has one hash for each bit of the size")
            .root(),
    )
}
