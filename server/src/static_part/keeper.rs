//! Shows the newest released checkpoint, and removes what its full tiles replaced.
//!
//! Always: what a checkpoint needs is there before it, whoever released it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use candor_core::Verified;
use candor_core::merkle::TreeSize;
use candor_core::note::Checkpoint;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::{error, warn};

use super::source::{grown_bundles, grown_tiles};
use super::{OBJECTS_AT_ONCE, PAUSE, StaticPart, StaticPartError};
use crate::failpoint::failpoint;
use crate::metrics::gauge;
use crate::releases::Released;
use crate::storage::Storage;

/// How often the checkpoint is read again because somebody else replaced it.
const REPLACEMENTS_MAX: u32 = 20;

/// Keeps the checkpoint of a static part at the newest that was released, by whichever server.
pub struct Keeper {
    pub(super) part: StaticPart,
    pub(super) storage: Arc<dyn Storage>,
}

/// A keeper at work.
pub struct Keeping {
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

/// Why a keeper goes on.
#[derive(PartialEq, Eq)]
enum Woken {
    /// There is something to show, or to try again.
    Work,
    /// Nothing is released here any more.
    End,
}

impl Keeping {
    /// Waits until the newest tree is shown, or can't be. For when the sequencer has ended: what other servers release
    /// from then on, they show.
    pub async fn end(self) -> Result<(), JoinError> {
        // It may have ended by itself.
        let _ = self.end.send(());
        self.task.await
    }
}

impl Keeper {
    /// Shows each checkpoint that is released, or the newest of several, until [`Keeping::end`]. That nothing is released
    /// any more would be too late an end: readers are shown what other servers release for as long as there are readers.
    pub fn start(self, released: watch::Receiver<Arc<Released>>) -> Keeping {
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(self.run(released, ended));
        Keeping { task, end }
    }

    async fn run(
        mut self,
        mut released: watch::Receiver<Arc<Released>>,
        mut ended: oneshot::Receiver<()>,
    ) {
        released.mark_changed();
        let (mut failed, mut woken) = (false, Woken::Work);
        while woken == Woken::Work {
            woken = tokio::select! {
                biased;
                _ = &mut ended => Woken::End,
                changed = released.changed() => changed.map_or(Woken::End, |()| Woken::Work),
                () = tokio::time::sleep(PAUSE), if failed => Woken::Work,
            };
            // At the end the newest is shown, if it is not, and what failed is not tried again.
            if woken == Woken::End && failed {
                return;
            }
            let newest = Arc::clone(&released.borrow_and_update());
            let shown = self.show(&newest).await;
            failed = shown.is_err();
            let health = &self.part.health;
            health.checkpoint_fails.store(failed, Ordering::Relaxed);
            match shown {
                Ok(replaced) => self.tidy(replaced, newest.head.size).await,
                Err(error) => {
                    self.part.metrics.static_part_failures.inc();
                    error!(%error, tree.size = newest.head.size.get(), "the static part does not show the newest checkpoint");
                }
            }
        }
    }

    /// The sequencer has put there what its own trees need. Another server's may have put nothing, or elsewhere.
    async fn show(&mut self, newest: &Released) -> Result<Option<TreeSize>, StaticPartError> {
        let size = newest.head.size;
        if self.part.known() < size {
            self.part.bring_others(self.storage.as_ref(), size).await?;
        }
        self.part.show(newest).await
    }

    /// Nobody misses what is left over: what could not be removed is removed by `static-part write`.
    async fn tidy(&self, replaced: Option<TreeSize>, size: TreeSize) {
        self.part.metrics.static_part_size.set(gauge(size.get()));
        let Some(replaced) = replaced else { return };
        if let Err(error) = self.part.clean_up(replaced, size).await {
            self.part.metrics.static_part_failures.inc();
            warn!(%error, "partial tiles are left in the static part");
        }
    }
}

impl StaticPart {
    /// Puts the checkpoint of a released tree there, unless a newer one is there already. Returns the size of the tree
    /// whose checkpoint it replaced, if it did.
    pub(crate) async fn show(
        &mut self,
        released: &Released,
    ) -> Result<Option<TreeSize>, StaticPartError> {
        self.show_checkpoint(released.verified(), &released.checkpoint)
            .await
    }

    /// The same, of a checkpoint that was released some time.
    pub(super) async fn show_checkpoint(
        &mut self,
        newest: &Verified<Checkpoint>,
        text: &str,
    ) -> Result<Option<TreeSize>, StaticPartError> {
        let head = newest.head;
        for _ in 0..REPLACEMENTS_MAX {
            self.store.check_place()?;
            let _lock = self.store.lock().await?;
            let shown = self.store.checkpoint().await?;
            if shown.is_none() && self.has_shown {
                return Err(StaticPartError::Emptied {
                    location: self.store.location().to_owned(),
                });
            }
            let mut replaced = None;
            if let Some(shown) = &shown {
                let location = || self.store.location().to_owned();
                let checkpoint = self.key.verify_checkpoint(&shown.text).map_err(|error| {
                    StaticPartError::OtherLog {
                        location: location(),
                        error,
                    }
                })?;
                if checkpoint.head.size == head.size && checkpoint.head != head {
                    return Err(StaticPartError::OtherHistory {
                        location: location(),
                        shown: head.size,
                    });
                }
                self.check_end(&checkpoint, head.size)?;
                // Another server is ahead, or nothing has changed.
                if checkpoint.rank() > newest.rank() || shown.text == text.as_bytes() {
                    self.has_shown = true;
                    return Ok(None);
                }
                replaced = Some(checkpoint.head.size);
            }
            if self.store.replace_checkpoint(shown.as_ref(), text).await? {
                failpoint("shown");
                self.has_shown = true;
                return Ok(replaced);
            }
        }
        Err(StaticPartError::Contended {
            location: self.store.location().to_owned(),
        })
    }

    /// Removes the partial tiles and bundles beside those that are full in a tree of `size` and were not in one
    /// of `from` (C2SP `tlog-tiles`, "Partial Tiles": they may go once the full one is there). Returns how many.
    pub(super) async fn clean_up(
        &self,
        from: TreeSize,
        size: TreeSize,
    ) -> Result<u64, StaticPartError> {
        let tiles = grown_tiles(from, size).filter(|path| path.width.is_full());
        let bundles = grown_bundles(from, size).filter(|path| path.width.is_full());
        let full = tiles
            .map(|path| path.to_string())
            .chain(bundles.map(|path| path.to_string()));
        stream::iter(full)
            .map(|name| async move { self.store.remove_all_in(&format!("{name}.p")).await })
            .buffer_unordered(OBJECTS_AT_ONCE)
            .try_fold(0, |sum, removed| future::ready(Ok(sum + removed as u64)))
            .await
    }
}
