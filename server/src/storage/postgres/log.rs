//! Entries, tiles, the head, and attachments.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use candor_core::Sha256;
use candor_core::merkle::{
    Entry, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TreeHead, TreeSize,
};
use sqlx::{PgConnection, PgExecutor};

use super::turn::SILENCE_MAX;
use super::{ANSWER_TIME_MAX, column};
use crate::storage::rows::{
    entries_of, from_db, head_of, identity_of, index_from_db, sha256_from_db, statement_key,
    text_from_db, tile_of, to_db,
};
use crate::storage::{
    Batch, KnownStatement, LogIdentity, NewAttachment, NewEntry, StorageError, StoredAttachment,
};

/// A statement has at most so many bytes of entries: on a line of 20 Mbit/s, it takes half the time that a server may
/// be silent in its turn.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

pub(super) async fn insert_identity(
    connection: &mut PgConnection,
    identity: &LogIdentity,
) -> Result<(), StorageError> {
    let empty = TreeHead::empty();
    sqlx::query("INSERT INTO log (id, origin, key) VALUES (1, $1, $2)")
        .bind(identity.origin.as_str())
        .bind(identity.key.to_string())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO tree_head (id, size, root) VALUES (1, 0, $1)")
        .bind(empty.root.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

pub(super) async fn identity(database: impl PgExecutor<'_>) -> Result<LogIdentity, StorageError> {
    let row: Option<(String, String)> = sqlx::query_as("SELECT origin, key FROM log")
        .fetch_optional(database)
        .await?;
    let (origin, key) =
        row.ok_or_else(|| StorageError::NotALog("the database has no log in it".to_owned()))?;
    identity_of(&origin, &key)
}

pub(super) async fn head(database: impl PgExecutor<'_>) -> Result<TreeHead, StorageError> {
    let (size, root): (i64, Vec<u8>) = sqlx::query_as("SELECT size, root FROM tree_head")
        .fetch_one(database)
        .await?;
    head_of(size, &root)
}

/// Waits until nobody else has the head locked, locks it until the transaction ends, and returns it; and whether the log
/// is closed.
pub(super) async fn lock_head(
    connection: &mut PgConnection,
) -> Result<(TreeHead, bool), StorageError> {
    let (size, root, is_closed): (i64, Vec<u8>, bool) =
        sqlx::query_as("SELECT size, root, ending IS NOT NULL FROM tree_head FOR UPDATE")
            .fetch_one(connection)
            .await?;
    Ok((head_of(size, &root)?, is_closed))
}

pub(super) async fn ending(database: impl PgExecutor<'_>) -> Result<Option<String>, StorageError> {
    let (ending,) = sqlx::query_as("SELECT ending FROM tree_head")
        .fetch_one(database)
        .await?;
    Ok(ending)
}

pub(super) async fn set_ending(
    connection: &mut PgConnection,
    ending: &str,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE tree_head SET ending = $1")
        .bind(ending)
        .execute(connection)
        .await?;
    Ok(())
}

/// Puts a head on record, whatever is there.
pub(super) async fn set_head(
    connection: &mut PgConnection,
    head: &TreeHead,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE tree_head SET size = $1, root = $2")
        .bind(to_db(head.size.get())?)
        .bind(head.root.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves the head from `before` to `after`. Returns whether it was at `before`.
pub(super) async fn move_head(
    connection: &mut PgConnection,
    before: &TreeHead,
    after: &TreeHead,
) -> Result<bool, StorageError> {
    let moved =
        sqlx::query("UPDATE tree_head SET size = $1, root = $2 WHERE size = $3 AND root = $4")
            .bind(to_db(after.size.get())?)
            .bind(after.root.as_bytes().as_slice())
            .bind(to_db(before.size.get())?)
            .bind(before.root.as_bytes().as_slice())
            .execute(connection)
            .await?;
    Ok(moved.rows_affected() == 1)
}

pub(super) async fn insert_entries(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<(), StorageError> {
    let mut first = to_db(batch.before.size.get())?;
    let mut rest = batch.entries.as_slice();
    while !rest.is_empty() {
        let (entries, behind) = rest.split_at(fit(rest));
        sqlx::query(
            "INSERT INTO entry (idx, statement, statement_key, accepted_ms, bytes)
             SELECT $1 + n - 1, statement, key, accepted_ms, bytes
             FROM unnest($2::bigint[], $3::bytea[], $4::bigint[], $5::bytea[]) WITH ORDINALITY
                 AS new (accepted_ms, statement, key, bytes, n)",
        )
        .bind(first)
        .bind(column(entries.iter().map(|new| new.accepted_ms)))
        .bind(column(
            entries
                .iter()
                .map(|new| new.statement.as_bytes().as_slice()),
        ))
        .bind(column(
            entries.iter().map(|new| statement_key(new.statement)),
        ))
        .bind(column(entries.iter().map(|new| new.entry.as_bytes())))
        .execute(&mut *connection)
        .await?;
        first += i64::try_from(entries.len()).expect("a batch is far from that long");
        rest = behind;
    }
    Ok(())
}

/// How many of `entries` go into a statement; at least one.
fn fit(entries: &[NewEntry]) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|new| {
        let is_first = bytes == 0;
        bytes += new.entry.as_bytes().len();
        is_first || bytes <= STATEMENT_BYTES_MAX
    });
    fitting.count()
}

pub(super) async fn entries(
    database: impl PgExecutor<'_>,
    first: LeafIndex,
    count: u16,
) -> Result<Vec<Entry>, StorageError> {
    let Ok(from) = i64::try_from(first.get()) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query_as("SELECT idx, bytes FROM entry WHERE idx >= $1 ORDER BY idx LIMIT $2")
        .bind(from)
        .bind(i64::from(count))
        .fetch_all(database)
        .await?;
    entries_of(rows, first)
}

pub(super) async fn upsert_tiles(
    connection: &mut PgConnection,
    tiles: &[(TileLevel, TileIndex, Tile)],
) -> Result<(), StorageError> {
    let indexes = tiles.iter().map(|(_, index, _)| to_db(index.get()));
    sqlx::query(
        "INSERT INTO tile (level, idx, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
         ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
    )
    .bind(column(tiles.iter().map(|(level, ..)| i16::from(level.get()))))
    .bind(indexes.collect::<Result<Vec<_>, _>>()?)
    .bind(column(tiles.iter().map(|(.., tile)| tile.to_bytes())))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn tiles(
    database: impl PgExecutor<'_>,
    paths: &[TilePath],
) -> Result<HashMap<TilePath, Tile>, StorageError> {
    // An index beyond what the database can hold is of a tile that is not there.
    let wanted = paths.iter().filter_map(|path| {
        let index = i64::try_from(path.index.get()).ok()?;
        Some((i16::from(path.level.get()), index))
    });
    let (levels, indexes): (Vec<i16>, Vec<i64>) = wanted.unzip();
    let rows: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT level, idx, hashes FROM tile
         JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, idx) USING (level, idx)",
    )
    .bind(levels)
    .bind(indexes)
    .fetch_all(database)
    .await?;
    let mut stored = HashMap::with_capacity(rows.len());
    for (level, index, hashes) in rows {
        stored.insert((from_db(i64::from(level))?, from_db(index)?), hashes);
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
    connection: &mut PgConnection,
    attachments: &[NewAttachment],
) -> Result<(), StorageError> {
    for attachment in attachments {
        // It goes in one piece, and to the database its server is silent until all of it is there.
        let is_large = attachment.bytes.len() > STATEMENT_BYTES_MAX;
        if is_large {
            be_patient(connection, ANSWER_TIME_MAX).await?;
        }
        sqlx::query(
            "INSERT INTO attachment (sha256, media_type, bytes) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(attachment.sha256.as_bytes().as_slice())
        .bind(&attachment.media_type)
        .bind(&attachment.bytes)
        .execute(&mut *connection)
        .await?;
        if is_large {
            be_patient(connection, SILENCE_MAX).await?;
        }
    }
    Ok(())
}

/// Says how long a server may be silent in this turn from now on.
async fn be_patient(connection: &mut PgConnection, silence: Duration) -> Result<(), StorageError> {
    sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', $1, true)")
        .bind(silence.as_millis().to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn attachment(
    database: impl PgExecutor<'_>,
    sha256: Sha256,
) -> Result<Option<StoredAttachment>, StorageError> {
    let row: Option<(String, Vec<u8>)> =
        sqlx::query_as("SELECT media_type, bytes FROM attachment WHERE sha256 = $1")
            .bind(sha256.as_bytes().as_slice())
            .fetch_optional(database)
            .await?;
    Ok(row.map(|(media_type, bytes)| StoredAttachment { media_type, bytes }))
}

pub(super) async fn known_attachments(
    connection: &mut PgConnection,
    digests: &HashSet<Sha256>,
) -> Result<HashMap<Sha256, u64>, StorageError> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    // The length of what is stored out of line, without reading it.
    let rows: Vec<(Vec<u8>, i32)> =
        sqlx::query_as("SELECT sha256, octet_length(bytes) FROM attachment WHERE sha256 = ANY($1)")
            .bind(digests_of(digests))
            .fetch_all(connection)
            .await?;
    rows.into_iter()
        .map(|(sha256, length)| Ok((sha256_from_db(&sha256)?, from_db(i64::from(length))?)))
        .collect()
}

pub(super) async fn known_statements(
    connection: &mut PgConnection,
    digests: &HashSet<Sha256>,
) -> Result<HashMap<Sha256, KnownStatement>, StorageError> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Vec<u8>, i64, String, String, String)> = sqlx::query_as(
        "SELECT entry.statement, entry.idx, record.kind, record.publisher, record.subject
         FROM entry JOIN record ON record.idx = entry.idx WHERE entry.statement_key = ANY($1)",
    )
    .bind(column(digests.iter().map(|digest| statement_key(*digest))))
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for (digest, index, kind, publisher, subject) in rows {
        let digest = sha256_from_db(&digest)?;
        if digests.contains(&digest) {
            let statement = KnownStatement {
                index: index_from_db(index)?,
                kind: text_from_db(&kind)?,
                publisher: text_from_db(&publisher)?,
                subject,
            };
            known.insert(digest, statement);
        }
    }
    Ok(known)
}

pub(super) fn digests_of(digests: &HashSet<Sha256>) -> Vec<&[u8]> {
    digests
        .iter()
        .map(|digest| digest.as_bytes().as_slice())
        .collect()
}

/// What the others know: the log's last checkpoint, or else the newest that a server told of.
pub(super) async fn released(
    database: impl PgExecutor<'_>,
) -> Result<Option<String>, StorageError> {
    let (checkpoint,) = sqlx::query_as(
        "SELECT coalesce(
             (SELECT last_checkpoint FROM tree_head), (SELECT checkpoint FROM released)
         )",
    )
    .fetch_one(database)
    .await?;
    Ok(checkpoint)
}

/// Tells of the log's last checkpoint, if it is closed.
pub(super) async fn tell_last(
    database: impl PgExecutor<'_>,
    checkpoint: &str,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE tree_head SET last_checkpoint = $1 WHERE ending IS NOT NULL")
        .bind(checkpoint)
        .execute(database)
        .await?;
    Ok(())
}

pub(super) async fn tell(
    database: impl PgExecutor<'_>,
    size: TreeSize,
    checkpoint: &str,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO released (id, size, checkpoint) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint
         WHERE released.size < excluded.size",
    )
    .bind(to_db(size.get())?)
    .bind(checkpoint)
    .execute(database)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_as_many_entries_as_fit() {
        let new = |bytes: usize| NewEntry {
            entry: Entry::new(vec![b'x'; bytes]).expect("not too long"),
            statement: Sha256::of(b"x"),
            accepted_ms: None,
        };
        let many = vec![new(60_000); 100];
        let fitting = fit(&many);
        assert!(fitting * 60_000 <= STATEMENT_BYTES_MAX);
        assert!((fitting + 1) * 60_000 > STATEMENT_BYTES_MAX);
        assert_eq!(fit(&many[..3]), 3);
        assert_eq!(fit(&[]), 0);
    }
}
