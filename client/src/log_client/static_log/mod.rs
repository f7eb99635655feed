//! A log that is files alone: what a server's lists would say, found in the log's own entries.
//!
//! ```text
//! checkpoint ─────────────────────────────────── is it its root? ─┐
//! entry bundles ──► leaf hashes ──► CompactRange ─────────────────┤
//!      └──► what, by whom, about what ──► Index ◄─────────────────┘──► answers, in the form of the API
//!                                           │
//!                                   <state>/…/index   so that the next command reads what is new
//! ```
//!
//! A log has no API where `/api/v1/log` is not found, in words that are none of a log's: a server that says that it has
//! no such record is not mistaken for that.
//!
//! Always: what is answered comes from all entries of a tree that the log signed, so it is complete, as no list of a
//! server can be shown to be. What is found is proven and checked one by one all the same, by those who asked.
//!
//! Not here: signatures and who may sign what ([`crate::replay`]).

mod answer;
mod cache;
mod index;
#[cfg(test)]
mod tests;

use candor_core::merkle::{EntryBundlePath, TILE_WIDTH, TileIndex, TreeHead};
use serde::de::DeserializeOwned;

use super::{LogClient, LogError, SignedCheckpoint, locked};
use crate::problem::Problem;
pub(super) use index::Index;
use index::{Gist, gist_of};

/// What only a log's server answers.
const API: &str = "api/v1/log";

/// The most bytes of that answer.
const API_BYTES_MAX: usize = 64 << 10;

/// How many bundles are fetched at a time. Most of the time goes into the way there and back.
const CONNECTIONS: usize = 8;

/// How many bundles are taken in at a time: of entries, 100 MiB where all are as long as they can be, and 25 MiB where
/// they are as long as most.
const BUNDLES_AT_ONCE: u64 = 64;

/// How many entries of how many were read.
pub type Progress = Box<dyn Fn(u64, u64) + Send + Sync>;

impl LogClient {
    /// Says that the log takes no records, where it is files alone.
    pub(super) fn require_server(&self) -> Result<(), LogError> {
        if self.has_no_api()? {
            return Err(self.read_only());
        }
        Ok(())
    }

    pub(super) fn read_only(&self) -> LogError {
        LogError::ReadOnly {
            url: self.base.to_string(),
        }
    }

    /// Whether what answers is files alone.
    pub(super) fn has_no_api(&self) -> Result<bool, LogError> {
        match self.fetch(API, API_BYTES_MAX) {
            Err(error) if error.is_missing_file() => Ok(true),
            // An answer, or a log's refusal in its own words.
            Ok(_) | Err(LogError::Problem(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a server would answer to `path`, from the entries.
    pub(super) fn answer_from_entries<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, LogError> {
        let newest = locked(&self.newest).clone();
        let checkpoint = newest.map_or_else(|| self.checkpoint(), Ok)?;
        let mut held = locked(&self.index);
        let index = self.index_of(held.take(), &checkpoint)?;
        let answer = held.insert(index).answer(path, checkpoint.size());
        let answer = answer.ok_or_else(|| LogError::Problem(Box::new(absence(&checkpoint))))?;
        serde_json::from_value(answer).map_err(|e| self.bad_answer(path, &e.to_string()))
    }

    /// An index whose tree is that of the checkpoint, or a larger one that it is the beginning of.
    fn index_of(
        &self,
        held: Option<Index>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Index, LogError> {
        let asked = checkpoint.head();
        match held.or_else(|| cache::load(self.cache.as_deref()?)) {
            Some(index) if index.head() == asked => return Ok(index),
            Some(index) if index.head().size > asked.size => {
                if self.is_beginning(asked, index.head()) {
                    return Ok(index);
                }
            }
            Some(index) if index.head().size < asked.size => {
                match self.read_on(index, checkpoint) {
                    // What was kept may be damaged, or of another history; the log is what is asked.
                    Err(LogError::NotTheTree { .. }) => {}
                    read => return read,
                }
            }
            Some(_) | None => {}
        }
        self.read_on(Index::empty(), checkpoint)
    }

    fn is_beginning(&self, old: TreeHead, new: TreeHead) -> bool {
        let proof = self.consistency(old.size, new.size);
        proof.is_ok_and(|proof| proof.verify(&old, &new).is_ok())
    }

    /// Reads all entries that are not in `index` yet.
    fn read_on(&self, mut index: Index, checkpoint: &SignedCheckpoint) -> Result<Index, LogError> {
        let width = u64::from(TILE_WIDTH);
        let size = checkpoint.size().get();
        let mut next = index.head().size.get() / width;
        let end = size.div_ceil(width);
        while next < end {
            let bundles = next..end.min(next + BUNDLES_AT_ONCE);
            next = bundles.end;
            // Of the first one, which was partial.
            let known = index.head().size.get() - bundles.start * width;
            let known = usize::try_from(known).expect("at most 256");
            for gist in self.gists(bundles, checkpoint)?.skip(known) {
                index.append(gist);
            }
            if let Some(progress) = &self.progress {
                progress(index.head().size.get(), size);
            }
        }
        if index.head() != checkpoint.head() {
            return Err(LogError::NotTheTree {
                size: checkpoint.size(),
            });
        }
        if let Some(cache) = &self.cache {
            // Who has no room for it reads again.
            let _ = cache::save(cache, &index);
        }
        Ok(index)
    }

    /// What is kept of each entry of these bundles, in their order.
    fn gists(
        &self,
        bundles: std::ops::Range<u64>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<impl Iterator<Item = Gist>, LogError> {
        let one = |index: u64| -> Result<Vec<Gist>, LogError> {
            let path = EntryBundlePath::in_tree(TileIndex::new(index), checkpoint.size());
            let path = path.expect("the bundle is inside the tree");
            let bundle = self.fetch_entry_bundle(path)?;
            Ok(bundle.entries().iter().map(gist_of).collect())
        };
        let indexes: Vec<u64> = bundles.collect();
        let share = indexes.len().div_ceil(CONNECTIONS);
        let read: Vec<_> = std::thread::scope(|scope| {
            let threads = indexes.chunks(share).map(|mine| {
                scope.spawn(move || mine.iter().map(|index| one(*index)).collect::<Vec<_>>())
            });
            let threads: Vec<_> = threads.collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .flat_map(|it| it.expect("what was read is data, and is not panicked over"))
                .collect()
        });
        let read = read.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(read.into_iter().flatten())
    }
}

/// As a server would say it, so that those who asked understand.
fn absence(checkpoint: &SignedCheckpoint) -> Problem {
    Problem {
        problem_type: "urn:candor:problem:not-found".to_owned(),
        title: "Not in this log".to_owned(),
        status: 404,
        detail: Some(format!(
            "it is nowhere in the {} entries of this log",
            checkpoint.size()
        )),
        hint: Some("all entries were looked at: check the name or the digest".to_owned()),
        pointer: None,
        record: None,
        violations: Vec::new(),
    }
}
