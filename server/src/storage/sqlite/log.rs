//! Entries, tiles, the head, and attachments.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead};
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, SqliteExecutor};

use super::insert::Table;
use super::json_list;
use super::views::{NAMES, SUBJECT};
use crate::storage::rows::{
    entries_of, from_db, head_of, identity_of, index_from_db, sha256_from_db, text_from_db,
    tile_of, to_db,
};
use crate::storage::{
    Batch, KnownStatement, LogIdentity, NewAttachment, StorageError, StoredAttachment,
};

const ENTRIES: Table = Table::new("entry (idx, statement, accepted_ms, bytes)");
const TILES: Table = Table {
    into: "tile (level, idx, hashes)",
    on_conflict: "ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
};

pub(super) async fn insert_identity(
    pool: &SqlitePool,
    identity: &LogIdentity,
) -> Result<(), StorageError> {
    let empty = TreeHead::empty();
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO log (id, origin, key) VALUES (1, ?1, ?2)")
        .bind(identity.origin.as_str())
        .bind(identity.key.to_string())
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO tree_head (id, size, root) VALUES (1, 0, ?1)")
        .bind(empty.root.as_bytes().as_slice())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

pub(super) async fn identity(
    database: impl SqliteExecutor<'_>,
) -> Result<LogIdentity, StorageError> {
    let row = sqlx::query("SELECT origin, key FROM log")
        .fetch_optional(database)
        .await?;
    let row =
        row.ok_or_else(|| StorageError::NotALog("the database has no log in it".to_owned()))?;
    identity_of(row.try_get(0)?, row.try_get(1)?)
}

/// Moves what the write-ahead log holds into the database file, and that onto stable storage. Returns whether
/// that could be done: not while another program reads or writes.
pub(super) async fn checkpoint(pool: &SqlitePool) -> Result<bool, StorageError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(pool)
        .await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

pub(super) async fn head(database: impl SqliteExecutor<'_>) -> Result<TreeHead, StorageError> {
    let row = sqlx::query("SELECT size, root FROM tree_head")
        .fetch_one(database)
        .await?;
    head_of(row.try_get(0)?, row.try_get(1)?)
}

pub(super) async fn ending(
    database: impl SqliteExecutor<'_>,
) -> Result<Option<String>, StorageError> {
    let row = sqlx::query("SELECT ending FROM tree_head")
        .fetch_one(database)
        .await?;
    Ok(row.try_get(0)?)
}

pub(super) async fn set_ending(
    connection: &mut SqliteConnection,
    ending: &str,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE tree_head SET ending = ?1")
        .bind(ending)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

pub(super) async fn update_head(
    connection: &mut SqliteConnection,
    head: &TreeHead,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE tree_head SET size = ?1, root = ?2")
        .bind(to_db(head.size.get())?)
        .bind(head.root.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_entries(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), StorageError> {
    let first = to_db(batch.before.size.get())?;
    let rows: Vec<_> = (first..).zip(&batch.entries).collect();
    let insert = ENTRIES.insert(connection, &rows, |row, (index, new)| {
        row.bind(index)
            .bind(new.statement.as_bytes().as_slice())
            .bind(new.accepted_ms)
            .bind(new.entry.as_bytes())
    });
    insert.await
}

pub(super) async fn entries(
    database: impl SqliteExecutor<'_>,
    first: LeafIndex,
    count: u16,
) -> Result<Vec<Entry>, StorageError> {
    let Ok(from) = i64::try_from(first.get()) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query_as("SELECT idx, bytes FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT ?2")
        .bind(from)
        .bind(i64::from(count))
        .fetch_all(database)
        .await?;
    entries_of(rows, first)
}

pub(super) async fn upsert_tiles(
    connection: &mut SqliteConnection,
    tiles: &[(TileLevel, TileIndex, Tile)],
) -> Result<(), StorageError> {
    let row = |(level, index, tile): &(TileLevel, TileIndex, Tile)| {
        Ok((i64::from(level.get()), to_db(index.get())?, tile.to_bytes()))
    };
    let rows = tiles.iter().map(row);
    let rows = rows.collect::<Result<Vec<_>, StorageError>>()?;
    let insert = TILES.insert(connection, &rows, |row, (level, index, hashes)| {
        row.bind(level).bind(index).bind(hashes)
    });
    insert.await
}

pub(super) async fn tiles(
    database: impl SqliteExecutor<'_>,
    paths: &[TilePath],
) -> Result<HashMap<TilePath, Tile>, StorageError> {
    // A level or an index beyond what the database can hold is of a tile that is not there.
    let wanted = paths.iter().filter_map(|path| {
        let index = i64::try_from(path.index.get()).ok()?;
        Some((path.level.get(), index))
    });
    let rows = sqlx::query(
        "SELECT tile.level, tile.idx, tile.hashes FROM json_each(?1) AS wanted
         CROSS JOIN tile ON tile.level = wanted.value ->> 0 AND tile.idx = wanted.value ->> 1",
    )
    .bind(json_list(wanted))
    .fetch_all(database)
    .await?;
    let mut stored = HashMap::with_capacity(rows.len());
    for row in &rows {
        let place = (from_db(row.try_get(0)?)?, from_db(row.try_get(1)?)?);
        stored.insert(place, row.try_get::<&[u8], _>(2)?);
    }
    let mut found = HashMap::with_capacity(paths.len());
    for path in paths {
        let place = (u64::from(path.level.get()), path.index.get());
        if let Some(hashes) = stored.get(&place)
            && let Some(tile) = tile_of(path, hashes)?
        {
            found.insert(*path, tile);
        }
    }
    Ok(found)
}

pub(super) async fn insert_attachments(
    connection: &mut SqliteConnection,
    attachments: &[NewAttachment],
) -> Result<(), StorageError> {
    for attachment in attachments {
        sqlx::query(
            "INSERT INTO attachment (sha256, media_type, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(attachment.sha256.as_bytes().as_slice())
        .bind(&attachment.media_type)
        .bind(&attachment.bytes)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn attachment(
    database: impl SqliteExecutor<'_>,
    sha256: Sha256,
) -> Result<Option<StoredAttachment>, StorageError> {
    let row = sqlx::query("SELECT media_type, bytes FROM attachment WHERE sha256 = ?1")
        .bind(sha256.as_bytes().as_slice())
        .fetch_optional(database)
        .await?;
    row.map(|row| {
        Ok(StoredAttachment {
            media_type: row.try_get(0)?,
            bytes: row.try_get(1)?,
        })
    })
    .transpose()
}

pub(super) async fn known_attachments(
    connection: &mut SqliteConnection,
    digests: &HashSet<Sha256>,
) -> Result<HashMap<Sha256, u64>, StorageError> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT sha256, length(bytes) FROM attachment
         WHERE sha256 IN (SELECT unhex(value) FROM json_each(?1))",
    )
    .bind(json_list(digests.iter()))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok((sha256_from_db(row.try_get(0)?)?, from_db(row.try_get(1)?)?)))
        .collect()
}

/// The statements at `entries`, where they are among those that were asked for.
pub(super) async fn known_statements(
    connection: &mut SqliteConnection,
    digests: &HashSet<Sha256>,
    entries: &str,
) -> Result<HashMap<Sha256, KnownStatement>, StorageError> {
    let query = format!(
        "SELECT entry.statement, entry.idx, record.kind, signer.name, {SUBJECT}
         FROM entry JOIN record ON record.idx = entry.idx {NAMES}
         WHERE entry.idx IN (SELECT value FROM json_each(?1))"
    );
    let rows = sqlx::query(AssertSqlSafe(query))
        .bind(entries)
        .fetch_all(connection)
        .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let digest = sha256_from_db(row.try_get(0)?)?;
        if digests.contains(&digest) {
            let statement = KnownStatement {
                index: index_from_db(row.try_get(1)?)?,
                kind: text_from_db(row.try_get(2)?)?,
                publisher: text_from_db(row.try_get(3)?)?,
                subject: row.try_get(4)?,
            };
            known.insert(digest, statement);
        }
    }
    Ok(known)
}
