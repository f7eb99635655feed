//! A log as it is at one moment, to be read from one end to the other: to check it, and to copy it.
//!
//! Nothing here writes, and nothing here trusts: what is read may be damaged, and whoever reads it finds out.

use std::collections::HashMap;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead};
use futures_util::stream::BoxStream;

use super::{EntriesLimit, LogIdentity, StorageError, StoredAttachment};

/// What opens snapshots of a log, for reading alone.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Which log this is.
    async fn identity(&self) -> Result<LogIdentity, StorageError>;

    /// What the log ends with, if it is closed: the text of its last checkpoint.
    async fn ending(&self) -> Result<Option<String>, StorageError>;

    /// The log as of now. While it is held, the database keeps what is written meanwhile beside it: hold it for
    /// seconds, not for hours.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StorageError>;

    /// What the database itself finds wrong with its file, in its own words: pages that are torn, indexes that do not
    /// fit their tables. Nothing where its operator has other tools for that.
    async fn check_structure(&self) -> Result<Vec<String>, StorageError>;

    /// How the views are laid out.
    fn form(&self) -> Form;
}

/// What a log consists of, wherever it is kept.
#[async_trait]
pub trait Contents: Send {
    /// The tree.
    fn head(&self) -> TreeHead;

    /// Entries from `first` on, without gaps: as many as there are, up to the limit.
    async fn entries(
        &mut self,
        first: LeafIndex,
        limit: EntriesLimit,
    ) -> Result<Vec<StoredEntry>, StorageError>;

    /// The tiles at `paths`, each cut to the width that its path says. Those that are not there, or are shorter, are
    /// left out.
    async fn tiles(&mut self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError>;

    /// A document that an entry names.
    async fn attachment(&mut self, sha256: Sha256) -> Result<Option<StoredDocument>, StorageError>;
}

/// A log in a database, at one moment.
#[async_trait]
pub trait Snapshot: Contents {
    /// When each entry was accepted, in their order.
    fn accepted(&mut self) -> BoxStream<'_, Result<Option<i64>, StorageError>>;

    /// The digests by which documents are stored, sorted.
    fn attachments(&mut self) -> BoxStream<'_, Result<Sha256, StorageError>>;

    /// Which tiles are stored, by level and index, and how many bytes each has.
    fn tile_places(&mut self) -> BoxStream<'_, Result<TilePlace, StorageError>>;

    /// The rows of a view, sorted by their keys.
    fn view(&mut self, view: View, form: Form) -> BoxStream<'_, Result<ViewRow, StorageError>>;
}

/// An entry, and what is stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its leaf data.
    pub entry: Entry,
    /// Digest of the statement in it, where that is stored.
    pub statement: Option<Sha256>,
    /// The server's clock when it was accepted, in milliseconds since 1970; none where that is not stored.
    pub accepted_ms: Option<i64>,
}

/// A document that an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// As what it is stored, where that is said.
    pub media_type: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl From<StoredAttachment> for StoredDocument {
    fn from(stored: StoredAttachment) -> Self {
        Self {
            media_type: Some(stored.media_type),
            bytes: stored.bytes,
        }
    }
}

/// Where a tile stands, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePlace {
    /// Its level.
    pub level: TileLevel,
    /// Its place there.
    pub index: TileIndex,
    /// The bytes that are stored.
    pub bytes: u64,
}

/// What is derived from the entries, as tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// One row for each entry.
    Records,
    /// One row for each release.
    Releases,
    /// One row for each publisher.
    Publishers,
    /// One row for each key that a publisher has or had.
    Keys,
    /// What finds an entry by a digest, in parts.
    DigestRuns,
    /// What says that a digest leads nowhere.
    DigestFilters,
}

/// How rows name publishers and releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By the indexes of the first records about them, as `SQLite` has them.
    Indexed,
    /// By their names, as Postgres has them.
    Named,
}

/// A row, as text: two databases hold the same if it reads the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRow {
    /// What rows are sorted by.
    pub key: ViewKey,
    /// What it says: `column=value`, with spaces between them. Text and bytes are `x'…'`, in hexadecimal.
    pub columns: String,
}

/// What tells a row from the others of its view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViewKey {
    /// Where the entry stands that it is of, or another number.
    Number(i64),
    /// A name, or a name and a key ID, in hexadecimal.
    Name(String),
}

impl View {
    /// Those that a log in this form has.
    pub fn all(form: Form) -> &'static [Self] {
        match form {
            Form::Named => &[Self::Records, Self::Releases, Self::Publishers, Self::Keys],
            Form::Indexed => &[
                Self::Records,
                Self::Releases,
                Self::Publishers,
                Self::Keys,
                Self::DigestRuns,
                Self::DigestFilters,
            ],
        }
    }

    /// The table's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Records => "record",
            Self::Releases => "release",
            Self::Publishers => "publisher",
            Self::Keys => "publisher_key",
            Self::DigestRuns => "digest_run",
            Self::DigestFilters => "digest_filter",
        }
    }

    /// Whether its rows are sorted by numbers, and not by names.
    pub(super) fn is_by_number(self, form: Form) -> bool {
        match self {
            Self::Publishers | Self::Keys => false,
            Self::Releases => form == Form::Indexed,
            Self::Records | Self::DigestRuns | Self::DigestFilters => true,
        }
    }
}
