//! The static part: tiles, entry bundles, attachments and the checkpoint as plain objects, in a folder or a bucket.
//!
//! ```text
//!                 ┌─ publish ────────────────────────────┐
//! commit ───────► │ tiles, entry bundles, attachments    │ ──► sign, keep, release ──► answers
//!                 └──────────────────────────────────────┘              │
//!                                            checkpoint, then clean-up ◄┘  (`Keeper`, beside it)
//! ```
//!
//! ```text
//! checkpoint                        changes; all the rest never does
//! tile/0/x001/234                   a full tile          tile/0/x001/234.p/5         a partial one
//! tile/entries/x001/234             a full bundle        tile/entries/x001/234.p/5   a partial one
//! api/v1/attachments/<sha256>       a document that an entry names
//! ```
//!
//! Always: what a checkpoint needs is there, durably, before that checkpoint is signed. The checkpoint here is one that
//! was released, and it never goes back. An object's bytes follow from its name and the log, so writing one twice, or by
//! two servers at once, does no harm. A crash leaves objects that no checkpoint needs yet; the next start writes what is
//! missing between the checkpoint that is there and the database's head.
//!
//! Publishers are answered before the checkpoint is there: their receipts prove their places without it, and a
//! store that fails just then takes nothing from what was released.
//!
//! Not here: how objects are written (`store`), what they are made of (`source`).

mod error;
mod files;
mod keeper;
mod location;
mod source;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use candor_core::Verified;
use candor_core::merkle::{EntryBundlePath, TilePath, TreeHead, TreeSize};
use candor_core::note::{Checkpoint, LogKey};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use tokio::sync::{Semaphore, watch};
use tracing::{error, info};

use crate::metrics::Metrics;
use crate::storage::{Batch, Storage};
use crate::tree;

pub use error::StaticPartError;
pub use files::{Files, FilesError};
pub use keeper::{Keeper, Keeping};
pub use location::{Location, LocationError, Place};
use source::{Source, bundle, grown_bundles, grown_tiles};
use store::{Object, Store, Written, bytes_of_accepted};

/// How many objects are written at a time. Each may wait for a machine far away, so their waits should overlap;
/// each takes memory, of which an entry bundle has at worst 16 MiB.
const OBJECTS_AT_ONCE: usize = 16;

/// How many documents are read and written at a time.
const ATTACHMENTS_AT_ONCE: usize = 4;

/// How long to wait before a store that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The static part of a log.
pub struct StaticPart {
    store: Arc<Store>,
    key: LogKey,
    /// The tree whose objects are known to be there.
    published: TreeSize,
    /// The same, for the keeper: it follows what the sequencer puts there.
    known: Arc<AtomicU64>,
    /// Whether a checkpoint was there that should be there still.
    has_shown: bool,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

/// Whether the store did what it was asked last.
#[derive(Debug, Default)]
pub struct Health {
    objects_fail: AtomicBool,
    checkpoint_fails: AtomicBool,
}

/// What was done to bring a store to where a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects that were not there.
    pub new: u64,
    /// Objects that were there and were something else.
    pub mended: u64,
    /// Objects that were there.
    pub as_they_were: u64,
    /// Partial tiles and bundles that full ones replaced, and that were removed.
    pub removed: u64,
}

/// How objects are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// They are new, most likely.
    AtOnce,
    /// They may be there.
    IfOther,
}

/// One of the things that a tree needs.
enum Part {
    Tile(TilePath),
    Bundle(EntryBundlePath),
    Document(Object),
}

/// From one tree to a larger one.
struct Step<'a> {
    source: Source<'a>,
    /// The tree that is there.
    from: TreeSize,
    put: Put,
    attachments_at_once: Semaphore,
}

impl Health {
    /// Whether it did.
    pub fn is_good(&self) -> bool {
        !self.objects_fail.load(Ordering::Relaxed) && !self.checkpoint_fails.load(Ordering::Relaxed)
    }
}

impl StaticPart {
    /// The static part at `location` of the log with `key`. A folder must be there; a bucket is not asked yet.
    pub fn open(
        location: &Location,
        key: LogKey,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StaticPartError> {
        Ok(Self::in_store(location.open()?, key, metrics))
    }

    /// The static part among `objects`.
    #[cfg(test)]
    pub(crate) fn of_objects(
        objects: Arc<dyn object_store::ObjectStore>,
        key: LogKey,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self::in_store(Store::objects("memory".to_owned(), objects), key, metrics)
    }

    fn in_store(store: Store, key: LogKey, metrics: Arc<Metrics>) -> Self {
        Self {
            store: Arc::new(store),
            key,
            published: TreeSize::new(0),
            known: Arc::default(),
            has_shown: false,
            health: Arc::default(),
            metrics,
        }
    }

    /// Whether it does what it is asked.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Brings a store that others may have read to where the database is, or says why the two are not of one history.
    pub async fn catch_up(&mut self, storage: &dyn Storage) -> Result<Report, StaticPartError> {
        let shown = self.shown().await?;
        // The head after the checkpoint: another server may release while this one starts.
        let head = storage.head().await?;
        if let Some(shown) = shown {
            self.check_history(storage, &shown, head).await?;
            self.published = shown.head.size;
        }
        let begun = Instant::now();
        self.known
            .fetch_max(self.published.get(), Ordering::Relaxed);
        let from = self.published;
        let source = Source {
            storage,
            batch: None,
        };
        let report = self.bring_to(source, head.size, Put::IfOther).await?;
        if head.size > from {
            info!(
                from = from.get(),
                tree.size = head.size.get(),
                objects.new = report.new,
                seconds = begun.elapsed().as_secs_f64(),
                "the static part was brought to where the log is"
            );
        }
        Ok(report)
    }

    /// Compares everything that the tree of `checkpoint` needs with what is there, writes what differs, and then the
    /// checkpoint; removes what full tiles replaced.
    pub async fn write_anew(
        &mut self,
        storage: &dyn Storage,
        checkpoint: &Verified<Checkpoint>,
        text: &str,
    ) -> Result<Report, StaticPartError> {
        let head = checkpoint.head;
        if let Some(shown) = self.shown().await? {
            self.check_history(storage, &shown, storage.head().await?)
                .await?;
        }
        let source = Source {
            storage,
            batch: None,
        };
        let mut report = self.bring_to(source, head.size, Put::IfOther).await?;
        self.show_checkpoint(checkpoint, text).await?;
        report.removed = self.clean_up(TreeSize::new(0), head.size).await?;
        Ok(report)
    }

    /// Writes down when the entries were accepted, for a copy of the log.
    pub async fn write_accepted(
        &self,
        accepted: impl IntoIterator<Item = Option<i64>>,
    ) -> Result<(), StaticPartError> {
        self.store.put_accepted(bytes_of_accepted(accepted)).await
    }

    /// Puts what the committed tree `head` needs there, and tries again until that is done or the server stops. Nobody
    /// has seen that tree, so there is nothing to lose by waiting. `batch` is what was committed last, if it was here.
    pub async fn publish(
        &mut self,
        storage: &dyn Storage,
        head: TreeHead,
        batch: Option<&Batch>,
        stop: &watch::Receiver<bool>,
        mut failed: impl FnMut(),
    ) -> Result<(), StaticPartError> {
        let mut stop = stop.clone();
        loop {
            let begun = Instant::now();
            let published = self.try_publish(storage, head, batch).await;
            let took = begun.elapsed().as_secs_f64();
            self.metrics.publish_tiles_seconds.observe(took);
            let fails = published.is_err();
            self.health.objects_fail.store(fails, Ordering::Relaxed);
            match published {
                Err(error) if !*stop.borrow() => {
                    error!(%error, "a batch waits for the static part, and is not released yet");
                    self.metrics.static_part_failures.inc();
                    failed();
                    let _ = tokio::time::timeout(PAUSE, stop.wait_for(|stop| *stop)).await;
                }
                published => return published,
            }
        }
    }

    async fn try_publish(
        &mut self,
        storage: &dyn Storage,
        head: TreeHead,
        batch: Option<&Batch>,
    ) -> Result<(), StaticPartError> {
        self.store.check_place()?;
        let before = batch.map_or(head.size, |batch| batch.before.size);
        if self.published < before
            && let Some(shown) = self.shown().await?
        {
            // Another server was here meanwhile, and did its part.
            self.published = self.published.max(shown.head.size.min(before));
        }
        let source = Source { storage, batch };
        self.bring_to(source, head.size, Put::AtOnce).await?;
        Ok(())
    }

    /// Puts all there that a tree of `size` has and the one that is there has not.
    async fn bring_to(
        &mut self,
        source: Source<'_>,
        size: TreeSize,
        put: Put,
    ) -> Result<Report, StaticPartError> {
        let to = Step {
            source,
            from: self.published,
            put,
            attachments_at_once: Semaphore::new(ATTACHMENTS_AT_ONCE),
        };
        let parts = (source.new_attachments().map(Part::Document))
            .chain(grown_bundles(to.from, size).map(Part::Bundle))
            .chain(grown_tiles(to.from, size).map(Part::Tile));
        let report = stream::iter(parts)
            .map(|part| self.put_part(part, &to))
            .buffer_unordered(OBJECTS_AT_ONCE)
            .try_fold(Report::default(), |sum, part| {
                future::ready(Ok::<_, StaticPartError>(sum.with(part)))
            })
            .await?;
        self.published = self.published.max(size);
        self.known
            .fetch_max(self.published.get(), Ordering::Relaxed);
        Ok(report)
    }

    async fn put_part(&self, part: Part, step: &Step<'_>) -> Result<Report, StaticPartError> {
        let mut report = Report::default();
        let object = match part {
            Part::Document(object) => object,
            Part::Tile(path) => step.source.tile(path).await?,
            Part::Bundle(path) => {
                let entries = step.source.entries(path).await?;
                // Before the entries that name them can be read.
                for sha256 in step.source.attachments_of(path, &entries, step.from)? {
                    let room = step.attachments_at_once.acquire().await;
                    let _room = room.expect("it is never closed");
                    let document = step.source.attachment(sha256).await?;
                    report.count(self.put(document, step.put).await?);
                }
                bundle(path, entries)
            }
        };
        report.count(self.put(object, step.put).await?);
        Ok(report)
    }

    async fn put(&self, object: Object, put: Put) -> Result<Written, StaticPartError> {
        match put {
            Put::AtOnce => self.store.put(object).await.map(|()| Written::New),
            Put::IfOther => self.store.put_if_other(object).await,
        }
    }

    /// The checkpoint that is there.
    pub async fn shown(&self) -> Result<Option<Verified<Checkpoint>>, StaticPartError> {
        let Some(shown) = self.store.checkpoint().await? else {
            return Ok(None);
        };
        let checkpoint =
            self.key
                .verify_checkpoint(&shown.text)
                .map_err(|error| StaticPartError::OtherLog {
                    location: self.store.location().to_owned(),
                    error,
                })?;
        Ok(Some(checkpoint))
    }

    /// Checks that the tree of `shown` is the beginning of the tree in storage, whose head is `head`.
    async fn check_history(
        &self,
        storage: &dyn Storage,
        shown: &Checkpoint,
        head: TreeHead,
    ) -> Result<(), StaticPartError> {
        let location = || self.store.location().to_owned();
        self.check_end(shown, head.size)?;
        let shown = shown.head;
        if shown.size > head.size {
            return Err(StaticPartError::Behind {
                location: location(),
                stored: head.size,
                shown: shown.size,
            });
        }
        if tree::head_at(storage, shown.size).await? == shown {
            Ok(())
        } else {
            Err(StaticPartError::OtherHistory {
                location: location(),
                shown: shown.size,
            })
        }
    }

    /// Checks that nothing is behind the end of a log, if `shown` is that.
    fn check_end(&self, shown: &Checkpoint, size: TreeSize) -> Result<(), StaticPartError> {
        if shown.retirement.is_some() && size > shown.head.size {
            return Err(StaticPartError::Reopened {
                location: self.store.location().to_owned(),
                stored: size,
                shown: shown.head.size,
            });
        }
        Ok(())
    }

    /// Who shows the checkpoint, of the log in `storage`.
    pub fn keeper(&self, storage: Arc<dyn Storage>) -> Keeper {
        let part = Self {
            store: Arc::clone(&self.store),
            key: self.key.clone(),
            published: self.published,
            known: Arc::clone(&self.known),
            has_shown: false,
            health: self.health(),
            metrics: Arc::clone(&self.metrics),
        };
        Keeper { part, storage }
    }

    /// The tree whose objects this server knows to be there.
    fn known(&self) -> TreeSize {
        TreeSize::new(self.known.load(Ordering::Relaxed))
    }

    /// Puts there what a tree of `size` needs that another server released, unless that has done so.
    async fn bring_others(
        &mut self,
        storage: &dyn Storage,
        size: TreeSize,
    ) -> Result<(), StaticPartError> {
        self.store.check_place()?;
        let shown = self.shown().await?.map(|shown| shown.head.size.min(size));
        self.published = self.known().max(shown.unwrap_or(TreeSize::new(0)));
        let source = Source {
            storage,
            batch: None,
        };
        self.bring_to(source, size, Put::IfOther).await?;
        Ok(())
    }
}

impl Report {
    fn count(&mut self, written: Written) {
        match written {
            Written::New => self.new += 1,
            Written::Mended => self.mended += 1,
            Written::AsItWas => self.as_they_were += 1,
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            new: self.new + other.new,
            mended: self.mended + other.mended,
            as_they_were: self.as_they_were + other.as_they_were,
            removed: self.removed + other.removed,
        }
    }
}
