//! Follows the log: what is released is taken into the catalogue, in order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candor_core::Sha256;
use candor_core::merkle::{
    Entry, EntryBundle, LeafHash, LeafIndex, TILE_WIDTH, TileIndex, TileLevel, TilePath, TreeSize,
};
use candor_core::record::{Kind, Predicate, SignedRecord};
use tokio::sync::watch;
use tracing::{error, info};

use super::derive::{Logged, number, wanted};
use super::sql::Changes;
use super::{Catalogue, Opened, Place, Progress, batch, progress};
use crate::releases::Released;
use crate::storage::{LogIdentity, Questions, RecordFilter, RecordPage, Storage, StorageError};

/// How many entries are taken in at a time.
const BATCH: u16 = 512;

/// How many bytes of documents are in memory for a batch, save that of one record.
const DOCUMENT_BYTES_MAX: usize = 32 << 20;

/// How long to wait before trying again what failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Of how many records that could not be read it is tried again whether they can, at the start.
const UNREAD_TRIED: u32 = 100;

/// How much longer than it works it rests while the log grows: whoever publishes goes first.
const REST: u32 = 2;

/// Keeps a catalogue behind a log.
pub struct Follower {
    /// Where the catalogue is.
    pub place: Place,
    /// Where it is put when it is open.
    pub opened: Opened,
    /// The log.
    pub storage: Arc<dyn Storage>,
    /// Which one that is.
    pub identity: LogIdentity,
    /// What the log shows.
    pub released: watch::Receiver<Arc<Released>>,
}

impl Follower {
    /// Takes in what is released, until `stop` turns true. What fails is tried again: the log goes on without.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut is_checked = false;
        loop {
            let size = self.released.borrow_and_update().head.size;
            let reached = tokio::select! {
                reached = self.reach(size, &mut is_checked) => reached,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let failed = reached.is_err();
            if let Err(error) = reached {
                error!(%error, "the catalogue can't go on for now: search and pages stay behind the log");
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                changed = self.released.changed(), if !failed => {
                    if changed.is_err() {
                        break;
                    }
                }
                () = tokio::time::sleep(FAILURE_PAUSE), if failed => {}
            }
        }
        if let Some(catalogue) = self.opened.at_once() {
            catalogue.close().await;
        }
    }

    async fn reach(&self, size: TreeSize, is_checked: &mut bool) -> Result<(), StorageError> {
        let catalogue = if let Some(catalogue) = self.opened.at_once() {
            catalogue
        } else {
            let catalogue = Arc::new(Catalogue::open(&self.place, &self.identity).await?);
            self.opened.0.send_replace(Some(Arc::clone(&catalogue)));
            catalogue
        };
        catch_up(&catalogue, &*self.storage, &self.identity, size, is_checked).await
    }
}

/// Takes in all entries of a tree.
async fn catch_up(
    catalogue: &Catalogue,
    storage: &dyn Storage,
    identity: &LogIdentity,
    size: TreeSize,
    is_checked: &mut bool,
) -> Result<(), StorageError> {
    if !*is_checked {
        check_history(catalogue, storage, identity).await?;
        *is_checked = true;
    }
    // Up to here, one by one: there is one among them that is left out.
    let mut alone_until = 0;
    while catalogue.size() < size.get() {
        let begun = Instant::now();
        let at = catalogue.size();
        let is_alone = at < alone_until;
        match step(catalogue, storage, size, if is_alone { 1 } else { BATCH }).await {
            Err(error) if error.is_refusal() && is_alone => {
                leave_out(catalogue, storage, at, error.to_string()).await?;
            }
            Err(error) if error.is_refusal() => alone_until = at + u64::from(BATCH),
            done => done?,
        }
        // Further behind than a batch: the log grows, or the catalogue is new.
        if size.get().saturating_sub(catalogue.size()) > u64::from(BATCH) {
            let grows = storage.head().await?.size > size;
            let rest = if grows {
                begun.elapsed() * REST
            } else {
                Duration::ZERO
            };
            tokio::time::sleep(rest).await;
        }
    }
    Ok(())
}

/// A log that was put back from before may have gone on in another way: the catalogue of what it was is emptied.
async fn check_history(
    catalogue: &Catalogue,
    storage: &dyn Storage,
    identity: &LogIdentity,
) -> Result<(), StorageError> {
    let mut changes = catalogue.writer.begin().await?;
    let found = held_progress(&mut changes).await?;
    drop(changes);
    let Some(last) = found.size.checked_sub(1) else {
        return Ok(());
    };
    // It may be ahead of `size`, which another server had before this one looked; never of what is stored.
    let entries = storage.entries(LeafIndex::new(last), 1).await?;
    let last = entries
        .first()
        .map(|entry| LeafHash::of(entry).to_hash().to_string());
    let why = if last.as_deref() != Some(found.last_leaf.as_str()) {
        "it is of another history of this log"
    } else if reads_more_now(catalogue, storage).await? {
        "this program reads records that another could not"
    } else {
        return Ok(());
    };
    info!(size = found.size, why, "the catalogue is made anew");
    catalogue.clear(identity).await
}

/// Whether one of the records can be read that were left out because they could not be.
async fn reads_more_now(
    catalogue: &Catalogue,
    storage: &dyn Storage,
) -> Result<bool, StorageError> {
    for index in catalogue.unread(UNREAD_TRIED).await? {
        let index = u64::try_from(index).map_err(StorageError::damaged)?;
        let entries = storage.entries(LeafIndex::new(index), 1).await?;
        if entries
            .first()
            .is_some_and(|entry| SignedRecord::from_entry(entry).is_ok())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an entry is what was logged, and not what a disk made of it.
async fn is_logged(
    storage: &dyn Storage,
    index: LeafIndex,
    size: TreeSize,
    entry: &Entry,
) -> Result<bool, StorageError> {
    let tile = TileIndex::new(index.get() / u64::from(TILE_WIDTH));
    let Some(path) = TilePath::in_tree(TileLevel::LEAVES, tile, size) else {
        return Ok(false);
    };
    let tiles = storage.tiles(&[path]).await?;
    // Leaf hashes stand in their tile as entries do in their bundle.
    let place = EntryBundle::offset(index);
    let leaf = tiles.get(&path).and_then(|tile| tile.hashes().get(place));
    Ok(leaf == Some(&LeafHash::of(entry).to_hash()))
}

/// Takes in one batch of at most `most` entries, or finds that another server did.
async fn step(
    catalogue: &Catalogue,
    storage: &dyn Storage,
    size: TreeSize,
    most: u16,
) -> Result<(), StorageError> {
    let mut changes = catalogue.writer.begin().await?;
    // Held until the end: two servers on one catalogue take turns.
    let at = held_progress(&mut changes).await?;
    if at.size != catalogue.size() || at.size >= size.get() {
        drop(changes);
        catalogue.size.send_replace(at.size);
        return Ok(());
    }
    let loaded = Loaded::load(storage, at.size, size, most).await?;
    batch::add(&mut changes, &loaded.logged()).await?;
    finish(catalogue, changes, loaded.reached).await
}

/// Passes over a record that the catalogue's database does not take, so that it does not stop at it for good.
async fn leave_out(
    catalogue: &Catalogue,
    storage: &dyn Storage,
    at: u64,
    why: String,
) -> Result<(), StorageError> {
    let mut changes = catalogue.writer.begin().await?;
    if held_progress(&mut changes).await?.size != at {
        return Ok(());
    }
    let entries = storage.entries(LeafIndex::new(at), 1).await?;
    let entry = entries
        .first()
        .ok_or_else(|| StorageError::damaged(format!("entry {at} of the log is not there")))?;
    let mut reached = Reached::behind(at);
    reached.leave_out(LeafIndex::new(at), entry, Why::Refused(why));
    finish(catalogue, changes, reached).await
}

async fn held_progress(changes: &mut Changes) -> Result<Progress, StorageError> {
    let at = progress(changes).await?;
    at.ok_or_else(|| StorageError::damaged("the catalogue says not how far it is"))
}

/// Notes how far the catalogue is with these changes, and makes them last.
async fn finish(
    catalogue: &Catalogue,
    mut changes: Changes,
    reached: Reached,
) -> Result<(), StorageError> {
    let left_out = reached.left_out.iter();
    let rows = left_out.map(|(index, why)| {
        let is_unread = i64::from(matches!(why, Why::Unread(_)));
        vec![number(*index).into(), why.words().into(), is_unread.into()]
    });
    changes
        .insert("left_out", "record, why, is_unread", rows.collect(), "")
        .await?;
    let update = "UPDATE progress SET size = $1, last_leaf = $2";
    let size = number(LeafIndex::new(reached.size));
    let values = vec![size.into(), reached.last_leaf.into()];
    changes.execute(update, values).await?;
    changes.commit().await?;
    for (index, why) in reached.left_out {
        error!(%index, why = why.words(), "a record is left out of the catalogue: search and pages don't have it, the log does");
    }
    catalogue.size.send_replace(reached.size);
    Ok(())
}

/// How far a batch comes, and what of it is left out.
struct Reached {
    size: u64,
    last_leaf: String,
    left_out: Vec<(LeafIndex, Why)>,
}

/// Why a record is left out.
enum Why {
    /// This program can't read it.
    Unread(String),
    /// The catalogue's database does not take what it says.
    Refused(String),
}

impl Why {
    fn words(&self) -> &str {
        match self {
            Self::Unread(words) | Self::Refused(words) => words,
        }
    }
}

impl Reached {
    /// Behind the first `size` entries.
    fn behind(size: u64) -> Self {
        Self {
            size,
            last_leaf: String::new(),
            left_out: Vec::new(),
        }
    }

    /// Goes on behind the next one.
    fn pass(&mut self, entry: &Entry) {
        self.size += 1;
        self.last_leaf = LeafHash::of(entry).to_hash().to_string();
    }

    fn leave_out(&mut self, index: LeafIndex, entry: &Entry, why: Why) {
        self.pass(entry);
        self.left_out.push((index, why));
    }
}

/// A batch of records with what it takes to derive from them.
struct Loaded {
    reached: Reached,
    records: Vec<LoadedRecord>,
    documents: HashMap<Sha256, Vec<u8>>,
}

struct LoadedRecord {
    index: LeafIndex,
    accepted_ms: Option<i64>,
    record: SignedRecord,
    withdrawn: Option<(LeafIndex, Kind)>,
}

impl Loaded {
    async fn load(
        storage: &dyn Storage,
        first: u64,
        size: TreeSize,
        most: u16,
    ) -> Result<Self, StorageError> {
        let left = size.get() - first;
        let count = u16::try_from(left).unwrap_or(most).min(most);
        let entries = storage.entries(LeafIndex::new(first), count).await?;
        let page = RecordPage {
            before: TreeSize::new(first + entries.len() as u64),
            limit: u32::from(count),
        };
        let rows = storage.records(&RecordFilter::default(), page).await?;
        let mut accepted: HashMap<LeafIndex, Option<i64>> = rows
            .iter()
            .map(|row| (row.index, row.accepted_ms))
            .collect();
        let mut loaded = Self {
            reached: Reached::behind(first),
            records: Vec::with_capacity(entries.len()),
            documents: HashMap::new(),
        };
        let mut bytes = 0;
        for (index, entry) in (first..).map(LeafIndex::new).zip(&entries) {
            let record = match SignedRecord::from_entry(entry) {
                Ok(record) => record,
                Err(error) if !is_logged(storage, index, size, entry).await? => {
                    let what = format!("entry {index} is not what its leaf hash is of: {error}");
                    return Err(StorageError::damaged(what));
                }
                // Another version of this program took what this one would refuse.
                Err(error) => {
                    let why = error.to_string();
                    loaded.reached.leave_out(index, entry, Why::Unread(why));
                    continue;
                }
            };
            if let Some(sha256) = wanted(record.statement())
                && !loaded.documents.contains_key(&sha256)
            {
                let document = storage.attachment(sha256).await?;
                let document = document.map(|it| it.bytes).unwrap_or_default();
                bytes += document.len();
                if bytes > DOCUMENT_BYTES_MAX && loaded.reached.size > first {
                    break;
                }
                loaded.documents.insert(sha256, document);
            }
            loaded.reached.pass(entry);
            loaded.records.push(LoadedRecord {
                index,
                accepted_ms: accepted.remove(&index).flatten(),
                record,
                withdrawn: None,
            });
        }
        loaded.find_withdrawn(storage).await?;
        Ok(loaded)
    }

    /// Looks up the records that are withdrawn by others of the batch.
    async fn find_withdrawn(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        let is_withdrawal = |it: &&LoadedRecord| {
            matches!(it.record.statement().predicate, Predicate::Withdrawal(_))
        };
        let targets = self.records.iter().filter(is_withdrawal);
        let statements: HashSet<Sha256> = targets
            .map(|it| it.record.statement().subject.sha256)
            .collect();
        if statements.is_empty() {
            return Ok(());
        }
        let questions = Questions {
            statements,
            ..Questions::default()
        };
        let known = storage.known(&questions).await?;
        for record in &mut self.records {
            let statement = record.record.statement();
            if matches!(statement.predicate, Predicate::Withdrawal(_)) {
                let target = known.statements.get(&statement.subject.sha256);
                record.withdrawn = target.map(|it| (it.index, it.kind));
            }
        }
        Ok(())
    }

    fn logged(&self) -> Vec<Logged<'_>> {
        let records = self.records.iter();
        records
            .map(|it| Logged {
                index: it.index,
                accepted_ms: it.accepted_ms,
                statement: it.record.statement(),
                documents: &self.documents,
                withdrawn: it.withdrawn,
            })
            .collect()
    }
}
