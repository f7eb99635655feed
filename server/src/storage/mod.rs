//! What the server keeps, as operations. SQL is in the engines' own modules.
//!
//! One trait, so that the sequencer and the readers are the same for every engine: [`sqlite`] is built in, and
//! [`postgres`] serves any number of servers. One suite of tests holds both to what the trait says
//! (`server/tests/storage`).

mod gapless;
mod outbox;
mod peers;
pub mod postgres;
mod rebuild;
mod rows;
pub mod snapshot;
pub mod sqlite;
mod turn;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{
    Entry, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead, TreeSize,
};
use candor_core::note::{Checkpoint, LogKey, Origin, VerifierKey};
use candor_core::record::{Kind, ModelName, PublisherName, PublisherState, ReleaseName};

use crate::views::ViewChange;
pub(crate) use gapless::check_gapless;
pub use outbox::{Claim, Outbox, OutboxRow, Progress};
pub use peers::Peers;
pub use rebuild::Rebuild;
pub use turn::{CommitError, Turn};

/// Keeps a log. Every method sees only what was committed.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Which log this is.
    async fn identity(&self) -> Result<LogIdentity, StorageError>;

    /// Puts all that was committed on stable storage once more, and says on `Ok` that it is there. After a
    /// write that failed, the system may show what is not on the disk.
    async fn settle(&self) -> Result<(), StorageError>;

    /// Closes the log in order.
    async fn close(&self);

    /// Says whether the log still is where it was opened. What is written to a file that was removed or
    /// replaced meanwhile is gone when the server stops.
    fn check_place(&self) -> Result<(), StorageError>;

    /// How many bytes can still be written where the log is; `None` where the database keeps that to itself.
    fn free_bytes(&self) -> Result<Option<u64>, StorageError>;

    /// The same log, for those who write and release: what they read waits for nobody who answers requests.
    fn for_writing(self: Arc<Self>) -> Arc<dyn Storage>;

    /// The other servers on the same database, if there can be any.
    fn peers(&self) -> Option<&dyn Peers>;

    /// How far the log's webhooks have come.
    fn outbox(&self) -> &dyn Outbox;

    /// How many connections read now, and how many wait for something to read.
    fn readers(&self) -> Readers;

    /// How many bytes of memory find the log's entries, which grow with the log.
    fn index_bytes(&self) -> u64;

    /// The tree after the last committed batch.
    async fn head(&self) -> Result<TreeHead, StorageError>;

    /// What the log ends with, if it is closed: the text of its last checkpoint, which may not be signed yet.
    async fn ending(&self) -> Result<Option<String>, StorageError>;

    /// The tiles at `paths`, each cut to the width that its path says. Tiles that are not there, or are
    /// shorter, are left out.
    async fn tiles(&self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError>;

    /// Up to `count` entries from `first` on, without gaps.
    async fn entries(&self, first: LeafIndex, count: u16) -> Result<Vec<Entry>, StorageError>;

    /// What the log knows of the things that `questions` names, all of it as of one moment.
    async fn known(&self, questions: &Questions) -> Result<Known, StorageError>;

    /// Waits for its turn to write, and begins it. There is none in a log that is closed.
    async fn turn(&self) -> Result<Box<dyn Turn>, StorageError>;

    /// Waits for its turn to write, and begins to derive again all that follows from the entries.
    async fn rebuild(&self) -> Result<Box<dyn Rebuild>, StorageError>;

    /// A document that an entry names.
    async fn attachment(&self, sha256: Sha256) -> Result<Option<StoredAttachment>, StorageError>;

    /// The owner of a key that is or was on a publisher's list, to tell people whose key they used.
    async fn publisher_of_key(&self, keyid: Sha256) -> Result<Option<PublisherName>, StorageError>;

    /// One record, by its index.
    async fn record(&self, index: LeafIndex) -> Result<Option<LoggedRecord>, StorageError>;

    /// Records, newest first, without their entries.
    async fn records(
        &self,
        filter: &RecordFilter,
        page: RecordPage,
    ) -> Result<Vec<RecordRow>, StorageError>;

    /// The same, oldest first, from the one behind `after` on; at most `limit`.
    async fn records_after(
        &self,
        filter: &RecordFilter,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError>;

    /// The `weights` records of this manifest, whoever signed them, oldest first, from the one behind `after` on.
    async fn weights_of(
        &self,
        manifest: Sha256,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, StorageError>;

    /// Publishers by name, from the one behind `after` on.
    async fn publishers(&self, after: &str, limit: u32) -> Result<Vec<PublisherRow>, StorageError>;

    /// One publisher, with up to `limit` of its own records from the one behind `after` on; all of it as of one
    /// moment.
    async fn publisher(
        &self,
        name: &PublisherName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Option<PublisherPage>, StorageError>;

    /// Models by name, from the one behind `after` on; those of one publisher, if given.
    async fn models(
        &self,
        publisher: Option<&PublisherName>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ModelRow>, StorageError>;

    /// The releases of a model, oldest first; at most `limit`, from the one behind `after` on.
    async fn releases(
        &self,
        model: &ModelName,
        after: Option<LeafIndex>,
        limit: u32,
    ) -> Result<Vec<ReleaseRow>, StorageError>;

    /// The release of a model that was logged last and was not withdrawn; or that was logged last, if all were, as far as
    /// the newest thousand say.
    async fn newest_release(&self, model: &ModelName) -> Result<Option<ReleaseRow>, StorageError>;

    /// One release, with the records about it, oldest first, from the one behind `after` on; all of it as of one
    /// moment.
    async fn release(
        &self,
        name: &ReleaseName,
        after: Option<LeafIndex>,
        limit: EntriesLimit,
    ) -> Result<Option<ReleasePage>, StorageError>;
}

/// Which log a storage holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// Its origin.
    pub origin: Origin,
    /// Its key.
    pub key: VerifierKey,
}

/// What the connections for reading do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    /// How many answer a question.
    pub busy: u32,
    /// How many wait for one.
    pub idle: u32,
}

/// What has to be looked up before a batch can be planned.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// By statement digest: published before, or pointed at.
    pub statements: HashSet<Sha256>,
    /// By name: their keys.
    pub publishers: HashSet<PublisherName>,
    /// Key IDs in play: of its retired keys, a publisher can have thousands, and only those matter.
    pub keyids: HashSet<Sha256>,
    /// By name: which records they have.
    pub releases: HashSet<ReleaseName>,
    /// By digest: whether they are stored.
    pub attachments: HashSet<Sha256>,
}

/// The answers to [`Questions`]. What is not in it is not in the log.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Records by statement digest.
    pub statements: HashMap<Sha256, KnownStatement>,
    /// Publishers by name; of their retired keys, those that were asked about.
    pub publishers: HashMap<PublisherName, PublisherState>,
    /// Releases by name.
    pub releases: HashMap<ReleaseName, KnownRelease>,
    /// The sizes of stored attachments, in bytes.
    pub attachments: HashMap<Sha256, u64>,
}

/// A record that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownStatement {
    /// Where it stands.
    pub index: LeafIndex,
    /// What it is.
    pub kind: Kind,
    /// Who signed it.
    pub publisher: PublisherName,
    /// What it is about.
    pub subject: String,
}

/// A release that is in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRelease {
    /// Its records of the kinds that it can have once, with their subject digests.
    pub records: BTreeMap<Kind, (LeafIndex, Sha256)>,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<LeafIndex>,
}

/// What one transaction writes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The head that the batch was planned on. If it is not the head any more, nothing is written.
    pub before: TreeHead,
    /// The head after it.
    pub after: TreeHead,
    /// The entries, the first at index `before.size`.
    pub entries: Vec<NewEntry>,
    /// Tiles that grew or are new, each with all its hashes.
    pub tiles: Vec<(TileLevel, TileIndex, Tile)>,
    /// Documents that the entries name and that are not stored yet.
    pub attachments: Vec<NewAttachment>,
    /// What the entries change in the views, in their order.
    pub views: Vec<ViewChange>,
}

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its leaf data.
    pub entry: Entry,
    /// Digest of the statement in it.
    pub statement: Sha256,
    /// The server's clock when it was accepted, in milliseconds since 1970; none where nobody knows.
    pub accepted_ms: Option<i64>,
}

/// A document to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// Its digest.
    pub sha256: Sha256,
    /// As the statement gives it.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAttachment {
    /// As the first statement that named it gives it.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A record as the views have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// Where it stands.
    pub index: LeafIndex,
    /// Its statement's digest.
    pub statement: Sha256,
    /// What it is.
    pub kind: Kind,
    /// Who signed it.
    pub publisher: PublisherName,
    /// What it is about.
    pub subject: String,
    /// What exactly.
    pub subject_sha256: Sha256,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<LeafIndex>,
    /// The server's clock when it was accepted, in milliseconds since 1970; none where the log was read from files that
    /// do not say.
    pub accepted_ms: Option<i64>,
}

/// A record as the views have it, and as it is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    /// Its row.
    pub row: RecordRow,
    /// Its leaf data.
    pub entry: Entry,
}

/// Which records to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// Signed by this publisher only.
    pub publisher: Option<PublisherName>,
    /// About this publisher or release only.
    pub subject: Option<String>,
}

/// Which part of a list of records: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPage {
    /// Beginning with the record before this index.
    pub before: TreeSize,
    /// At most so many.
    pub limit: u32,
}

/// How much a page with entries holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntriesLimit {
    /// At most so many.
    pub items: u32,
    /// And so many bytes of entries, save that there is always one.
    pub bytes: usize,
}

/// A publisher as lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherRow {
    /// Its name.
    pub name: PublisherName,
    /// What people call it.
    pub display_name: String,
    /// Its newest `publisher` record.
    pub at: LeafIndex,
}

/// A publisher, and a part of its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherPage {
    /// Name and keys; of the keys that it had, those that records of this part left out.
    pub state: PublisherState,
    /// Its newest `publisher` record.
    pub newest: Entry,
    /// Where its `publisher` records stand, oldest first.
    pub history: Vec<LeafIndex>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// A release, and a part of what was said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePage {
    /// The release.
    pub row: ReleaseRow,
    /// Records about it, oldest first.
    pub records: Vec<LoggedRecord>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// A model as the views have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRow {
    /// Its name.
    pub name: ModelName,
    /// How many releases it has.
    pub releases: u64,
    /// The one that was logged last.
    pub latest: ReleaseName,
}

/// A release as the views have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its name.
    pub name: ReleaseName,
    /// Its first record.
    pub first: LeafIndex,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<LeafIndex>,
    /// The kinds of records that it has.
    pub kinds: Vec<Kind>,
}

/// Why a storage can't answer.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No log there, and none is made unless asked.
    #[error("{0}")]
    NotALog(String),
    /// What was read is not what was written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A log that is read from elsewhere can't be.
    #[error("{0}")]
    Elsewhere(String),
    /// Nothing more is ever written.
    #[error("the log is retired: it takes no further record")]
    Retired,
    /// Nothing more can be written until there is room.
    #[error("the disk is full: {0}")]
    Full(sqlx::Error),
    /// The database takes no records, or not for good.
    #[error("{0}")]
    NotDurable(&'static str),
    /// Others may have written since.
    #[error(
        "this server lost its turn to write: it stood still for too long, or its connection to the database broke"
    )]
    TurnLost,
    /// There is no connection to the database, so it was not asked.
    #[error("the database is out of reach: {0}")]
    OutOfReach(String),
    /// Nobody knows what the database does.
    #[error("the database has not answered for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Somebody else reads or writes the database, and does not end.
    #[error(
        "another program holds {} open, such as an sqlite3 shell or a backup, so what was committed last can't be put on stable storage: end that program (`fuser {}` says which it is), and start again",
        path.display(), path.display()
    )]
    Held {
        /// Which file.
        path: PathBuf,
    },
    /// The database is not where it was opened.
    #[error(
        "{} was removed or replaced while the server ran, so what is written now would be lost: put the newest database back, and start again",
        path.display()
    )]
    Replaced {
        /// Which file.
        path: PathBuf,
    },
    /// A file or its file system can't be looked at.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database does not answer, or not in time.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

impl StorageError {
    /// Whether what is stored is at fault, and not the way to it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_)
            | Self::Database(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => true,
            Self::Database(error) => sqlite::is_damage(error),
            _ => false,
        }
    }

    /// Whether the database was asked, and does not take what it was given: again and again, it would not.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Encode(_)) => true,
            Self::Database(error) => sqlite::is_refusal(error) || postgres::is_refusal(error),
            _ => false,
        }
    }

    /// For values read from the database that no version of this program would have written.
    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }
}

/// Closes the log in `storage` with `last`, if its tree is that one.
pub async fn close_with(storage: &dyn Storage, last: &Checkpoint) -> Result<(), CommitError> {
    let turn = storage.turn().await?;
    let found = turn.head();
    if found != last.head {
        turn.end().await;
        return Err(CommitError::HeadMoved {
            planned: last.head.size,
            found: found.size,
        });
    }
    turn.retire(&last.to_string()).await
}

/// The last checkpoint of the log with `key`, which must be of the tree in storage, `head`.
pub(crate) fn ending_of(
    ending: &str,
    key: &LogKey,
    head: TreeHead,
) -> Result<Checkpoint, StorageError> {
    let last = Checkpoint::from_unsigned(ending, &key.origin())
        .map_err(|error| StorageError::damaged(format!("its last checkpoint is none: {error}")))?;
    if last.retirement.is_none() {
        return Err(StorageError::damaged(
            "its last checkpoint does not say that it is one",
        ));
    }
    if last.head != head {
        return Err(StorageError::damaged(format!(
            "its last checkpoint is of {} entries, and it has {}",
            last.head.size, head.size
        )));
    }
    Ok(last)
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        if sqlite::is_full(&error) || postgres::is_full(&error) {
            Self::Full(error)
        } else if postgres::is_out_of_reach(&error) {
            Self::OutOfReach(error.to_string())
        } else if sqlite::is_damage(&error) {
            Self::damaged(error)
        } else {
            Self::Database(error)
        }
    }
}
