//! Walks a log from one entry to another, with everything checked on the way.
//!
//! ```text
//! entry bundle ──leaf hashes──► root of these 256 ──subtree proof from tiles──► checkpoint
//!      └──► each entry ──► Replay: is it signed by those who had to?
//! ```
//!
//! Always: an entry is handed out only after its bundle was tied to the checkpoint's root.

use candor_core::bundle::LoggedRecord;
use candor_core::merkle::{
    CompactRange, EntryBundlePath, LeafHash, LeafIndex, ProofPlan, Subtree,
    SubtreeConsistencyProof, TILE_HEIGHT, TILE_WIDTH, TileIndex,
};

use crate::log_client::{LogClient, LogError, ProvenEntry, SignedCheckpoint};
use crate::replay::{Replay, ReplayError, parse};

/// A walk: where it is, and what it has learned of publishers.
pub struct Walk<'a> {
    client: &'a LogClient,
    replay: Replay,
    from: LeafIndex,
    next: LeafIndex,
}

impl<'a> Walk<'a> {
    /// A walk that begins at entry `from`.
    pub fn new(client: &'a LogClient, from: LeafIndex) -> Self {
        Self {
            client,
            replay: Replay::default(),
            from,
            next: from,
        }
    }

    /// The entry that comes next.
    pub fn next_index(&self) -> LeafIndex {
        self.next
    }

    /// Hands the next entries of the checkpoint's tree to `take`, until it returns false or they end.
    pub fn advance<E: From<ReplayError>>(
        &mut self,
        checkpoint: &SignedCheckpoint,
        mut take: impl FnMut(LoggedRecord) -> Result<bool, E>,
    ) -> Result<(), E> {
        while checkpoint.size().leaf(self.next).is_some() {
            let entries =
                proven_bundle(self.client, checkpoint, self.next).map_err(ReplayError::from)?;
            let next = self.next;
            for entry in entries.into_iter().skip_while(|entry| entry.index < next) {
                let logged = self.check(checkpoint, &entry)?;
                self.next = LeafIndex::new(entry.index.get() + 1);
                if !take(logged)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// From the beginning of a log, its entries say all there is to know of publishers. From the middle,
    /// what a publisher's records before that say is fetched when the first of its entries comes by.
    fn check(
        &mut self,
        checkpoint: &SignedCheckpoint,
        entry: &ProvenEntry,
    ) -> Result<LoggedRecord, ReplayError> {
        let name = parse(entry)?.statement().publisher().clone();
        if self.from > LeafIndex::new(0) && self.replay.publisher(&name).is_none() {
            self.replay
                .catch_up(self.client, checkpoint, &name, entry.index)?;
        }
        self.replay.check(entry)
    }
}

/// All entries of the bundle that holds `index`, proven to be in the checkpoint's tree.
fn proven_bundle(
    client: &LogClient,
    checkpoint: &SignedCheckpoint,
    index: LeafIndex,
) -> Result<Vec<ProvenEntry>, LogError> {
    let width = u64::from(TILE_WIDTH);
    let first = index.get() / width * width;
    let path = EntryBundlePath::in_tree(TileIndex::new(first / width), checkpoint.size())
        .expect("the entry is inside the tree, so its bundle is");
    if !path.width.is_full() {
        // The right edge is no complete subtree, so each of its entries has a proof of its own.
        return (first..checkpoint.size().get())
            .map(|index| client.entry(LeafIndex::new(index), checkpoint))
            .collect();
    }
    let bundle = client.entry_bundle(path)?;
    let mut range = CompactRange::empty();
    for entry in bundle.entries() {
        range.append(LeafHash::of(entry), |_, _| ());
    }
    let not_in_tree = |error| LogError::NotInTree {
        index: LeafIndex::new(first),
        error,
    };
    let subtree = Subtree::new(first, first + width).map_err(not_in_tree)?;
    // The path from a complete subtree up is the path of its first leaf, less the part inside the subtree.
    let leaf = checkpoint
        .size()
        .leaf(LeafIndex::new(first))
        .expect("the bundle is inside the tree");
    let path = client.hashes(&ProofPlan::inclusion(leaf))?;
    let proof = SubtreeConsistencyProof {
        subtree,
        size: checkpoint.size(),
        path: path[usize::from(TILE_HEIGHT)..].to_vec(),
    };
    proof
        .verify(range.root(), &checkpoint.head())
        .map_err(not_in_tree)?;
    let entries = bundle.into_entries().into_iter().zip(first..);
    Ok(entries
        .map(|(entry, index)| ProvenEntry {
            index: LeafIndex::new(index),
            entry,
        })
        .collect())
}

#[cfg(test)]
mod tests;
