//! Deriving tiles and views again, in the place of what is there.

use candor_core::merkle::{LeafIndex, TreeHead};

use super::documents::{Bytes, Documents};
use super::{CHUNK, Flaw, Progress, up_to};
use crate::own_thread::block;
use crate::replay::{Parsed, Replay};
use crate::storage::snapshot::Snapshots;
use crate::storage::{CommitError, Storage, StorageError};
use crate::tree::RightEdge;

/// What was derived again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The tree over the entries.
    pub head: TreeHead,
    /// Whether another one was on record.
    pub head_was_wrong: bool,
    /// How many entries had the digest of another statement.
    pub wrong_statements: u64,
}

/// Why nothing was derived again: all is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log can't be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was derived can't be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What should be derived from is damaged.
    #[error("nothing was changed: {0}")]
    Flaw(Flaw),
}

/// Derives tiles, views and the tree on record from the entries, which must be those of the tree that the log signed,
/// and maybe more. `source` is the same log; no server may run.
pub async fn rebuild(
    storage: &dyn Storage,
    source: &dyn Snapshots,
    signed: TreeHead,
    progress: Progress<'_>,
) -> Result<Rebuilt, RebuildError> {
    let mut snapshot = source.snapshot().await?;
    let on_record = snapshot.head();
    let mut rebuild = storage.rebuild().await?;
    let mut replay = Replay::from(RightEdge::empty());
    let mut wrong_statements = 0;
    loop {
        let size = replay.edge().head().size;
        let first = LeafIndex::new(size.get());
        let limit = up_to(signed.size, size, CHUNK);
        let entries = snapshot.entries(first, limit).await?;
        if entries.is_empty() {
            break;
        }
        let parsed = block(|| Parsed::of(first, entries)).map_err(flaw)?;
        let wrong: Vec<LeafIndex> = parsed.wrong_statements().collect();
        let known = rebuild.known(&parsed.questions()).await?;
        let named = parsed.new_documents(&known);
        // All documents are there; one that is not is named by the entry that wants it.
        let documents = Documents::read(&mut *snapshot, named, Bytes::Dropped).await?;
        if let Some(flaw) = documents.flaws.into_iter().next() {
            return Err(RebuildError::Flaw(flaw));
        }
        let batch = replay.plan(parsed, known, documents.read).map_err(flaw)?;
        for index in &wrong {
            let place = usize::try_from(index.get() - first.get()).expect("it is in the batch");
            rebuild
                .set_statement(*index, batch.entries[place].statement)
                .await?;
        }
        wrong_statements += wrong.len() as u64;
        rebuild.derive(&batch).await?;
        if batch.after.size == signed.size && batch.after != signed {
            return Err(RebuildError::Flaw(Flaw::OtherHistory(signed.size)));
        }
        let total = on_record.size.get().max(batch.after.size.get());
        progress(batch.after.size.get(), total);
    }
    let head = replay.edge().head();
    if head.size < signed.size {
        let (found, signed) = (head.size, signed.size);
        return Err(RebuildError::Flaw(Flaw::Behind { found, signed }));
    }
    rebuild.commit(head).await?;
    Ok(Rebuilt {
        head,
        head_was_wrong: head != on_record,
        wrong_statements,
    })
}

fn flaw(bad: crate::replay::BadEntry) -> RebuildError {
    RebuildError::Flaw(bad.into())
}
