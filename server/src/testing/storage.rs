//! A storage that does what another one does, or what a test wants.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TilePath, TreeHead};
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use tokio::sync::watch;

use crate::storage::sqlite::Sqlite;
use crate::storage::{
    Batch, CommitError, EntriesLimit, Known, LogIdentity, LoggedRecord, ModelRow, Outbox, Peers,
    PublisherPage, PublisherRow, Questions, Readers, Rebuild, RecordFilter, RecordPage, RecordRow,
    ReleasePage, ReleaseRow, Storage, StorageError, StoredAttachment, Turn,
};

/// What the next commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It writes nothing, for the disk is full.
    Full,
    /// It writes nothing, for another reason.
    NotWritten,
    /// It writes nothing, and can't tell.
    Unknown,
    /// It writes the batch, and can't tell.
    UnknownAndWritten,
}

pub(super) struct FaultyStorage {
    inner: Sqlite,
    commits: Arc<Commits>,
    /// Whether the database does not answer.
    is_dead: AtomicBool,
    /// Whether the database was removed.
    is_gone: AtomicBool,
    free_bytes: Mutex<u64>,
}

/// What commits do.
struct Commits {
    next_commit: Mutex<Option<Fault>>,
    /// While true, commits wait.
    hold: watch::Sender<bool>,
    /// Whether one waits.
    is_held_up: AtomicBool,
}

/// A turn whose commit does what the test wants.
struct FaultyTurn {
    inner: Box<dyn Turn>,
    commits: Arc<Commits>,
}

impl FaultyStorage {
    pub(super) fn new(inner: Sqlite) -> Self {
        Self {
            inner,
            commits: Arc::new(Commits {
                next_commit: Mutex::new(None),
                hold: watch::Sender::new(false),
                is_held_up: AtomicBool::new(false),
            }),
            is_dead: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            free_bytes: Mutex::new(1 << 40),
        }
    }

    pub(super) fn fail_next_commit(&self, fault: Fault) {
        let mut next = self.commits.next_commit.lock();
        **next.as_mut().expect("no test panics here") = Some(fault);
    }

    pub(super) fn hold_commits(&self, hold: bool) {
        self.commits.hold.send_replace(hold);
    }

    pub(super) fn is_held_up(&self) -> bool {
        self.commits.is_held_up.load(Ordering::SeqCst)
    }

    pub(super) fn die(&self, is_dead: bool) {
        self.is_dead.store(is_dead, Ordering::SeqCst);
    }

    pub(super) fn remove(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
    }

    pub(super) fn leave_free(&self, bytes: u64) {
        *self.free_bytes.lock().expect("no test panics here") = bytes;
    }

    fn answers(&self) -> Result<(), StorageError> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(StorageError::Database(sqlx::Error::WorkerCrashed));
        }
        Ok(())
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        self.inner.identity().await
    }

    async fn settle(&self) -> Result<(), StorageError> {
        self.inner.settle().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn check_place(&self) -> Result<(), StorageError> {
        if self.is_gone.load(Ordering::SeqCst) {
            let path = PathBuf::from("log.db");
            return Err(StorageError::Replaced { path });
        }
        self.inner.check_place()
    }

    fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        Ok(Some(*self.free_bytes.lock().expect("no test panics here")))
    }

    fn for_writing(self: Arc<Self>) -> Arc<dyn Storage> {
        self
    }

    fn peers(&self) -> Option<&dyn Peers> {
        None
    }

    fn outbox(&self) -> &dyn Outbox {
        self.inner.outbox()
    }

    fn readers(&self) -> Readers {
        self.inner.readers()
    }

    fn index_bytes(&self) -> u64 {
        self.inner.index_bytes()
    }

    async fn head(&self) -> Result<TreeHead, StorageError> {
        self.answers()?;
        self.inner.head().await
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        self.inner.ending().await
    }

    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        self.inner.tiles(paths).await
    }

    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError> {
        self.inner.entries(first, count).await
    }

    async fn known(&self, questions: &Questions) -> Result<Known, StorageError> {
        self.answers()?;
        self.inner.known(questions).await
    }

    async fn turn(&self) -> Result<Box<dyn Turn>, StorageError> {
        self.answers()?;
        Ok(Box::new(FaultyTurn {
            inner: self.inner.turn().await?,
            commits: Arc::clone(&self.commits),
        }))
    }

    async fn rebuild(&self) -> Result<Box<dyn Rebuild>, StorageError> {
        self.inner.rebuild().await
    }

    async fn attachment(&self, sha256: Sha256) -> Result<Option<StoredAttachment>, StorageError> {
        self.inner.attachment(sha256).await
    }

    async fn publisher_of_key(&self, keyid: Sha256) -> Result<Option<PublisherName>, StorageError> {
        self.inner.publisher_of_key(keyid).await
    }

    async fn record(&self, index: LeafIndex) -> Result<Option<LoggedRecord>, StorageError> {
        self.inner.record(index).await
    }

    async fn records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError> {
        self.inner.records(filter, page).await
    }

    async fn records_after(
        &self,
        filter: &RecordFilter,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        self.answers()?;
        self.inner.records_after(filter, after, limit).await
    }

    async fn weights_of(
        &self,
        manifest: Sha256,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError> {
        self.inner.weights_of(manifest, after, limit).await
    }

    async fn publishers(&self, after: &str, limit: u32) -> Result<Vec<PublisherRow>, StorageError> {
        self.inner.publishers(after, limit).await
    }

    async fn publisher(
        &self,
        name: &PublisherName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Option<PublisherPage>, StorageError> {
        self.inner.publisher(name, after, limit).await
    }

    async fn models(
        &self,
        publisher: Option<&PublisherName>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ModelRow>, StorageError> {
        self.inner.models(publisher, after, limit).await
    }

    async fn releases(
        &self,
        model: &ModelName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<ReleaseRow>, StorageError> {
        self.inner.releases(model, after, limit).await
    }

    async fn newest_release(&self, model: &ModelName) -> Result<Option<ReleaseRow>, StorageError> {
        self.inner.newest_release(model).await
    }

    async fn release(
        &self,
        name: &ReleaseName,
        after: Option<LeafIndex>,
        limit: EntriesLimit,
    ) -> Result<Option<ReleasePage>, StorageError> {
        self.inner.release(name, after, limit).await
    }
}

#[async_trait]
impl Turn for FaultyTurn {
    fn head(&self) -> TreeHead {
        self.inner.head()
    }

    async fn known(&mut self, questions: &Questions) -> Result<Known, StorageError> {
        self.inner.known(questions).await
    }

    async fn commit(self: Box<Self>, batch: &Batch) -> Result<(), CommitError> {
        let Self { inner, commits } = *self;
        let mut hold = commits.hold.subscribe();
        commits.is_held_up.store(*hold.borrow(), Ordering::SeqCst);
        let _ = hold.wait_for(|hold| !*hold).await;
        commits.is_held_up.store(false, Ordering::SeqCst);
        let fault = commits
            .next_commit
            .lock()
            .expect("no test panics here")
            .take();
        let failed = || sqlx::Error::WorkerCrashed;
        match fault {
            None => inner.commit(batch).await,
            Some(Fault::Full) => Err(StorageError::Full(failed()).into()),
            Some(Fault::NotWritten) => Err(StorageError::Database(failed()).into()),
            Some(Fault::Unknown) => Err(CommitError::Unknown(failed().into())),
            Some(Fault::UnknownAndWritten) => {
                inner.commit(batch).await?;
                Err(CommitError::Unknown(failed().into()))
            }
        }
    }

    async fn retire(self: Box<Self>, ending: &str) -> Result<(), CommitError> {
        self.inner.retire(ending).await
    }

    async fn end(self: Box<Self>) {
        self.inner.end().await;
    }
}
