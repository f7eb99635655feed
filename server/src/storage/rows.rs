//! From the columns of a row to what they mean: the same for every engine, since the columns are.
//!
//! Always: what no version of this program would have written is [`StorageError::Damaged`], and never a panic.

use candor_core::Sha256;
use candor_core::merkle::{
    Entry, Hash, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead, TreeSize,
};
use candor_core::record::{Kind, PublicKey};
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;

use super::snapshot::{StoredEntry, TilePlace};
use super::{
    EntriesLimit, LogIdentity, LoggedRecord, OutboxRow, Progress, RecordRow, StorageError,
};

/// Numbers cross to the database's signed 64-bit integers here and nowhere else.
pub(super) fn to_db(number: u64) -> Result<i64, StorageError> {
    i64::try_from(number)
        .map_err(|_| StorageError::Damaged(format!("{number} is more than the database can hold")))
}

pub(super) fn from_db(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(StorageError::damaged)
}

pub(super) fn index_from_db(number: i64) -> Result<LeafIndex, StorageError> {
    from_db(number).map(LeafIndex::new)
}

pub(super) fn sha256_from_db(bytes: &[u8]) -> Result<Sha256, StorageError> {
    bytes
        .try_into()
        .map(Sha256::from_bytes)
        .map_err(StorageError::damaged)
}

/// A name, a kind or an identity, as text.
pub(super) fn text_from_db<T>(text: &str) -> Result<T, StorageError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(StorageError::damaged)
}

pub(super) fn key_from_db(key: &str) -> Result<PublicKey, StorageError> {
    PublicKey::from_base64_der(key).map_err(StorageError::damaged)
}

/// The first 8 bytes of the digest as an integer. It finds candidates; the whole digest decides.
pub(super) fn statement_key(statement: Sha256) -> i64 {
    let bytes = statement
        .as_bytes()
        .first_chunk::<8>()
        .expect("32 bytes have a first 8");
    i64::from_be_bytes(*bytes)
}

pub(super) fn identity_of(origin: &str, key: &str) -> Result<LogIdentity, StorageError> {
    Ok(LogIdentity {
        origin: text_from_db(origin)?,
        key: text_from_db(key)?,
    })
}

pub(super) fn head_of(size: i64, root: &[u8]) -> Result<TreeHead, StorageError> {
    let root: [u8; 32] = root.try_into().map_err(StorageError::damaged)?;
    Ok(TreeHead {
        size: TreeSize::new(from_db(size)?),
        root: Hash::from_bytes(root),
    })
}

/// The entries from `first` on, none of which may be missing.
pub(super) fn entries_of(
    rows: Vec<(i64, Vec<u8>)>,
    first: LeafIndex,
) -> Result<Vec<Entry>, StorageError> {
    let mut entries = Vec::with_capacity(rows.len());
    for ((index, bytes), expected) in rows.into_iter().zip(first.get()..) {
        if from_db(index)? != expected {
            return Err(StorageError::Damaged(format!(
                "entry {expected} is missing"
            )));
        }
        entries.push(Entry::new(bytes).map_err(StorageError::damaged)?);
    }
    Ok(entries)
}

/// The tile at `path` out of what is stored there; `None` if that is narrower. A tile only grows, so an older,
/// narrower form is its beginning.
pub(super) fn tile_of(path: &TilePath, stored: &[u8]) -> Result<Option<Tile>, StorageError> {
    stored
        .get(..path.width.count() * 32)
        .map(|prefix| Tile::parse(prefix, path.width).map_err(StorageError::damaged))
        .transpose()
}

/// `record.idx`, `entry.statement`, `record.kind`, `record.publisher`, `record.subject`, `record.subject_sha256`,
/// `record.withdrawn_by`, `entry.accepted_ms`
pub(super) type RecordColumns = (
    i64,
    Vec<u8>,
    String,
    String,
    String,
    Vec<u8>,
    Option<i64>,
    Option<i64>,
);

pub(super) fn record_of(columns: RecordColumns) -> Result<RecordRow, StorageError> {
    let (index, statement, kind, publisher, subject, subject_sha256, withdrawn_by, accepted_ms) =
        columns;
    Ok(RecordRow {
        index: index_from_db(index)?,
        statement: sha256_from_db(&statement)?,
        kind: text_from_db(&kind)?,
        publisher: text_from_db(&publisher)?,
        subject,
        subject_sha256: sha256_from_db(&subject_sha256)?,
        withdrawn_by: withdrawn_by.map(index_from_db).transpose()?,
        accepted_ms,
    })
}

pub(super) fn logged_record_of(
    columns: RecordColumns,
    entry: Vec<u8>,
) -> Result<LoggedRecord, StorageError> {
    Ok(LoggedRecord {
        row: record_of(columns)?,
        entry: Entry::new(entry).map_err(StorageError::damaged)?,
    })
}

/// The kinds of a release's records, in their order.
pub(super) fn kinds_of(kinds: &[String]) -> Result<Vec<Kind>, StorageError> {
    let mut kinds = kinds
        .iter()
        .map(|kind| text_from_db(kind))
        .collect::<Result<Vec<Kind>, _>>()?;
    kinds.sort_unstable();
    Ok(kinds)
}

/// Where a list goes on: -1 is before all rows.
pub(super) fn behind(after: Option<LeafIndex>) -> i64 {
    after.map_or(-1, |after| i64::try_from(after.get()).unwrap_or(i64::MAX))
}

/// `entry.idx`, `entry.statement`, `entry.accepted_ms`, `entry.bytes`
pub(super) type EntryColumns = (i64, Vec<u8>, Option<i64>, Vec<u8>);

/// The entries from `first` on, without gaps, up to the limit. One by one: what does not fit is not kept.
pub(super) async fn stored_entries_of(
    mut rows: BoxStream<'_, Result<EntryColumns, sqlx::Error>>,
    first: LeafIndex,
    limit: EntriesLimit,
) -> Result<Vec<StoredEntry>, StorageError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for expected in first.get().. {
        let Some((index, statement, accepted_ms, entry)) = rows.try_next().await? else {
            break;
        };
        let entry = Entry::new(entry).map_err(StorageError::damaged)?;
        bytes += entry.as_bytes().len();
        if from_db(index)? != expected || (bytes > limit.bytes && !found.is_empty()) {
            break;
        }
        found.push(StoredEntry {
            entry,
            statement: Some(sha256_from_db(&statement)?),
            accepted_ms,
        });
    }
    Ok(found)
}

/// Where a tile stands, and how long it is.
pub(super) fn tile_place_of(level: i64, index: i64, bytes: i64) -> Result<TilePlace, StorageError> {
    let level = u8::try_from(level).ok().and_then(TileLevel::new);
    Ok(TilePlace {
        level: level.ok_or_else(|| StorageError::damaged("a tile of no level"))?,
        index: TileIndex::new(from_db(index)?),
        bytes: from_db(bytes)?,
    })
}

/// `webhook`, `first_idx`, `next_idx`, `attempts`, `retry_ms`, `error`, and the server that has it
pub(super) type OutboxColumns = (
    String,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
);

pub(super) fn outbox_row_of(columns: OutboxColumns) -> Result<OutboxRow, StorageError> {
    let (webhook, first, next, attempts, retry_ms, error, server) = columns;
    Ok(OutboxRow {
        webhook,
        first: index_from_db(first)?,
        progress: Progress {
            next: index_from_db(next)?,
            attempts: u32::try_from(attempts).map_err(StorageError::damaged)?,
            retry_ms,
            error,
        },
        server,
    })
}
