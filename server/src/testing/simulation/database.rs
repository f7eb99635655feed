//! A database in memory, for one server or several, that fails as databases do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{
    Entry, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead, TreeSize,
};
use candor_core::note::{Checkpoint, Origin, VerifierKey};
use candor_core::record::{ModelName, PublisherName, PublisherState, ReleaseName};
use candor_tests::load::Random;
use tokio::time::{Instant, sleep};

use crate::storage::{
    Batch, CommitError, EntriesLimit, Known, KnownRelease, KnownStatement, LogIdentity,
    LoggedRecord, ModelRow, Outbox, Peers, PublisherPage, PublisherRow, Questions, Readers,
    Rebuild, RecordFilter, RecordPage, RecordRow, ReleasePage, ReleaseRow, Storage, StorageError,
    StoredAttachment, Turn,
};
use crate::views::Effect;

/// A turn whose server is silent for so long is over.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What can go wrong with a commit, and how often it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) not_written: u64,
    pub(super) lost_and_written: u64,
    pub(super) lost_and_not_written: u64,
    pub(super) unknown: u64,
    pub(super) turns_lost: u64,
    pub(super) out_of_reach: u64,
}

/// What is stored. A copy of it is a backup.
#[derive(Clone)]
pub(super) struct Contents {
    pub(super) head: TreeHead,
    pub(super) entries: Vec<(Entry, Sha256)>,
    tiles: HashMap<(TileLevel, TileIndex), Tile>,
    statements: HashMap<Sha256, KnownStatement>,
    publishers: HashMap<PublisherName, PublisherState>,
    releases: HashMap<ReleaseName, KnownRelease>,
    released: Option<(TreeSize, String)>,
    ending: Option<String>,
    last_checkpoint: Option<String>,
    /// The same, some batches ago.
    before: Option<Box<Contents>>,
}

struct Shared {
    contents: Contents,
    random: Random,
    /// How many in a thousand questions and commits fail.
    fails: u64,
    faults: Faults,
    /// Whose turn it is, and since when nothing was heard of it.
    holder: Option<(u64, Instant)>,
    turns: u64,
}

/// A server's way to the database.
#[derive(Clone)]
pub(super) struct SimDatabase {
    shared: Arc<Mutex<Shared>>,
    identity: LogIdentity,
    is_shared: bool,
}

struct SimTurn {
    database: SimDatabase,
    number: u64,
    head: TreeHead,
}

impl SimDatabase {
    pub(super) fn new(origin: Origin, key: VerifierKey, is_shared: bool, random: Random) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                contents: Contents {
                    head: TreeHead::empty(),
                    entries: Vec::new(),
                    tiles: HashMap::new(),
                    statements: HashMap::new(),
                    publishers: HashMap::new(),
                    releases: HashMap::new(),
                    released: None,
                    ending: None,
                    last_checkpoint: None,
                    before: None,
                },
                random,
                fails: 0,
                faults: Faults::default(),
                holder: None,
                turns: 0,
            })),
            identity: LogIdentity { origin, key },
            is_shared,
        }
    }

    pub(super) fn fail(&self, in_a_thousand: u64) {
        self.shared().fails = in_a_thousand;
    }

    pub(super) fn faults(&self) -> Faults {
        self.shared().faults
    }

    pub(super) fn contents(&self) -> Contents {
        self.shared().contents.clone()
    }

    pub(super) fn put_back(&self, contents: Contents) {
        self.shared().contents = contents;
    }

    /// What a server's connections held ends with it.
    pub(super) fn disconnect(&self) {
        let mut shared = self.shared();
        if !self.is_shared {
            shared.holder = None;
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every question takes its time.
    async fn take_time(&self) {
        let micros = {
            let mut shared = self.shared();
            // Mostly short, at times very long: a server that stands still.
            if shared.random.within(&(0..=999)) < 3 && shared.fails > 0 {
                shared.random.within(&(1_000_000..=6_000_000))
            } else {
                shared.random.within(&(10..=3_000))
            }
        };
        sleep(Duration::from_micros(micros)).await;
    }

    async fn ask<T>(&self, answer: impl FnOnce(&Contents) -> T) -> Result<T, StorageError> {
        self.take_time().await;
        let mut shared = self.shared();
        if shared.throws_fault() && self.is_shared {
            shared.faults.out_of_reach += 1;
            return Err(StorageError::OutOfReach("the dice say so".to_owned()));
        }
        Ok(answer(&shared.contents))
    }
}

impl Shared {
    fn throws_fault(&mut self) -> bool {
        let fails = self.fails;
        self.random.within(&(0..=999)) < fails
    }
}

impl Contents {
    /// What was there before the last entries came; nothing where there was nothing.
    pub(super) fn without_the_last(&self) -> Option<Self> {
        self.before.as_deref().cloned()
    }

    fn known(&self, questions: &Questions) -> Known {
        let statements = questions.statements.iter();
        let publishers = questions.publishers.iter();
        let releases = questions.releases.iter();
        Known {
            statements: statements
                .filter_map(|it| Some((*it, self.statements.get(it)?.clone())))
                .collect(),
            publishers: publishers
                .filter_map(|it| Some((it.clone(), self.publishers.get(it)?.clone())))
                .collect(),
            releases: releases
                .filter_map(|it| Some((it.clone(), self.releases.get(it)?.clone())))
                .collect(),
            attachments: HashMap::new(),
        }
    }

    fn tiles(&self, paths: &[TilePath]) -> HashMap<TilePath, Tile> {
        let cut = |path: &TilePath| {
            let tile = self.tiles.get(&(path.level, path.index))?;
            let hashes = tile.hashes().get(..path.width.count())?;
            Some((*path, Tile::new(hashes.to_vec())?))
        };
        paths.iter().filter_map(cut).collect()
    }

    fn write(&mut self, batch: &Batch) {
        self.before = Some(Box::new(Self {
            before: None,
            ..self.clone()
        }));
        self.head = batch.after;
        for (level, index, tile) in &batch.tiles {
            self.tiles.insert((*level, *index), tile.clone());
        }
        for (new, view) in batch.entries.iter().zip(&batch.views) {
            self.entries.push((new.entry.clone(), new.statement));
            let statement = KnownStatement {
                index: view.index,
                kind: view.kind,
                publisher: view.publisher.clone(),
                subject: view.subject.clone(),
            };
            self.statements.insert(new.statement, statement);
            if let Effect::Publisher { state, .. } = &view.effect {
                self.publishers.insert(state.name.clone(), state.clone());
            }
            if let Some(release) = &view.release {
                let known = self.releases.entry(release.clone()).or_default();
                if view.kind.is_once_per_release() {
                    let place = (view.index, view.subject_sha256);
                    known.records.insert(view.kind, place);
                }
            }
        }
    }
}

#[async_trait]
impl Turn for SimTurn {
    fn head(&self) -> TreeHead {
        self.head
    }

    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        self.database.take_time().await;
        let mut shared = self.database.shared();
        shared.hears(self.number)?;
        Ok(shared.contents.known(questions))
    }

    async fn commit(self: Box<Self>, batch: &Batch) -> Result<(), CommitError> {
        self.database.take_time().await;
        let mut shared = self.database.shared();
        shared.hears(self.number)?;
        if shared.contents.head != batch.before {
            return Err(CommitError::HeadMoved {
                planned: batch.before.size,
                found: shared.contents.head.size,
            });
        }
        let failed = || StorageError::Database(sqlx::Error::WorkerCrashed);
        let outcome = if shared.throws_fault() {
            shared.random.within(&(0..=3))
        } else {
            9
        };
        let (is_written, answer) = match outcome {
            0 => {
                shared.faults.not_written += 1;
                (false, Err(CommitError::NotWritten(failed())))
            }
            // A file's disk that fails may show anything; a connection that breaks shows the truth in the next turn.
            1 | 2 if !self.database.is_shared => {
                shared.faults.unknown += 1;
                (outcome == 1, Err(CommitError::Unknown(failed())))
            }
            1 => {
                shared.faults.lost_and_written += 1;
                (true, Err(CommitError::Lost(failed())))
            }
            2 => {
                shared.faults.lost_and_not_written += 1;
                (false, Err(CommitError::Lost(failed())))
            }
            _ => (true, Ok(())),
        };
        if is_written {
            shared.contents.write(batch);
        }
        shared.holder = None;
        answer
    }

    async fn retire(self: Box<Self>, ending: &str) -> Result<(), CommitError> {
        self.database.take_time().await;
        let mut shared = self.database.shared();
        shared.hears(self.number)?;
        shared.contents.ending = Some(ending.to_owned());
        shared.holder = None;
        Ok(())
    }

    async fn end(self: Box<Self>) {}
}

impl Shared {
    /// Whether it still is this turn.
    fn hears(&mut self, number: u64) -> Result<(), StorageError> {
        match &mut self.holder {
            Some((holder, heard)) if *holder == number => {
                *heard = Instant::now();
                Ok(())
            }
            _ => {
                self.faults.turns_lost += 1;
                Err(StorageError::TurnLost)
            }
        }
    }
}

impl Drop for SimTurn {
    fn drop(&mut self) {
        let mut shared = self.database.shared();
        if shared
            .holder
            .is_some_and(|(holder, _)| holder == self.number)
        {
            shared.holder = None;
        }
    }
}

#[async_trait]
impl Peers for SimDatabase {
    async fn newest(&self) -> Result<Option<String>, StorageError> {
        self.ask(|contents| {
            let released = contents.released.as_ref().map(|(_, text)| text);
            contents.last_checkpoint.as_ref().or(released).cloned()
        })
        .await
    }

    async fn tell(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), StorageError> {
        self.ask(|_| ()).await?;
        let mut shared = self.shared();
        if checkpoint.retirement.is_some() {
            shared.contents.last_checkpoint = Some(note.to_owned());
            return Ok(());
        }
        let head = checkpoint.head;
        let released = &mut shared.contents.released;
        if released.as_ref().is_none_or(|(size, _)| *size < head.size) {
            *released = Some((head.size, note.to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Storage for SimDatabase {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        Ok(self.identity.clone())
    }

    async fn settle(&self) -> Result<(), StorageError> {
        self.take_time().await;
        Ok(())
    }

    async fn close(&self) {}

    fn check_place(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }

    fn for_writing(self: Arc<Self>) -> Arc<dyn Storage> {
        self
    }

    fn outbox(&self) -> &dyn Outbox {
        unreachable!("nobody is told here")
    }

    fn peers(&self) -> Option<&dyn Peers> {
        self.is_shared.then_some(self)
    }

    fn readers(&self) -> Readers {
        Readers { busy: 0, idle: 1 }
    }

    fn index_bytes(&self) -> u64 {
        0
    }

    async fn head(&self) -> Result<TreeHead, StorageError> {
        self.ask(|contents| contents.head).await
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        self.ask(|contents| contents.ending.clone()).await
    }

    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        self.ask(|contents| contents.tiles(paths)).await
    }

    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError> {
        let first = usize::try_from(first.get()).unwrap_or(usize::MAX);
        self.ask(|contents| {
            let entries = contents.entries.iter().skip(first).take(count.into());
            entries.map(|(entry, _)| entry.clone()).collect()
        })
        .await
    }

    async fn known(&self, questions: &Questions) -> Result<Known, StorageError> {
        self.ask(|contents| contents.known(questions)).await
    }

    async fn turn(&self) -> Result<Box<dyn Turn>, StorageError> {
        loop {
            self.take_time().await;
            let mut shared = self.shared();
            if shared.throws_fault() && self.is_shared {
                shared.faults.out_of_reach += 1;
                return Err(StorageError::OutOfReach("the dice say so".to_owned()));
            }
            let now = Instant::now();
            let is_free = shared
                .holder
                .is_none_or(|(_, heard)| now.duration_since(heard) > SILENCE_MAX);
            if is_free {
                shared.turns += 1;
                let number = shared.turns;
                shared.holder = Some((number, now));
                return Ok(Box::new(SimTurn {
                    database: self.clone(),
                    number,
                    head: shared.contents.head,
                }));
            }
        }
    }

    async fn rebuild(&self) -> Result<Box<dyn Rebuild>, StorageError> {
        unreachable!("nothing is derived again here")
    }

    async fn attachment(&self, _: Sha256) -> Result<Option<StoredAttachment>, StorageError> {
        Ok(None)
    }

    async fn publisher_of_key(&self, _: Sha256) -> Result<Option<PublisherName>, StorageError> {
        Ok(None)
    }

    async fn record(&self, _: LeafIndex) -> Result<Option<LoggedRecord>, StorageError> {
        Ok(None)
    }

    async fn records(
        &self,
        _: &RecordFilter,
        _: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn records_after(
        &self,
        _: &RecordFilter,
        _: Option<LeafIndex>,
        _: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn weights_of(
        &self,
        _: Sha256,
        _: Option<LeafIndex>,
        _: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn publishers(&self, _: &str, _: u32) -> Result<Vec<PublisherRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn publisher(
        &self,
        _: &PublisherName,
        _: Option<LeafIndex>,
        _: u32,
    ) -> Result<Option<PublisherPage>, StorageError> {
        Ok(None)
    }

    async fn models(
        &self,
        _: Option<&PublisherName>,
        _: &str,
        _: u32,
    ) -> Result<Vec<ModelRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn releases(
        &self,
        _: &ModelName,
        _: Option<LeafIndex>,
        _: u32,
    ) -> Result<Vec<ReleaseRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn newest_release(&self, _: &ModelName) -> Result<Option<ReleaseRow>, StorageError> {
        Ok(None)
    }

    async fn release(
        &self,
        _: &ReleaseName,
        _: Option<LeafIndex>,
        _: EntriesLimit,
    ) -> Result<Option<ReleasePage>, StorageError> {
        Ok(None)
    }
}

/// The roots of all trees over the first entries, by their sizes.
pub(super) fn roots(contents: &Contents) -> BTreeMap<TreeSize, TreeHead> {
    let mut range = candor_core::merkle::CompactRange::empty();
    let mut roots = BTreeMap::from([(TreeSize::new(0), range.head())]);
    for (entry, _) in &contents.entries {
        range.append(candor_core::merkle::LeafHash::of(entry), |_, _| {});
        roots.insert(range.size(), range.head());
    }
    roots
}
