//! Publishers and their keys.
//!
//! Always: keys that were retired are read by their IDs or by the record that left them out. A publisher can have
//! thousands of them.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex};
use candor_core::record::{Kind, PublicKey, PublisherName, PublisherState, RetiredKey};
use sqlx::{PgConnection, PgExecutor};

use super::column;
use super::log::digests_of;
use crate::storage::rows::{
    behind, index_from_db, key_from_db, sha256_from_db, text_from_db, to_db,
};
use crate::storage::{PublisherPage, PublisherRow, StorageError};

pub(super) async fn upsert(
    connection: &mut PgConnection,
    index: LeafIndex,
    display_name: &str,
    url: Option<&str>,
    state: &PublisherState,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO publisher (name, display_name, url, record_idx, record_statement) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, url = excluded.url,
             record_idx = excluded.record_idx, record_statement = excluded.record_statement",
    )
    .bind(state.name.as_str())
    .bind(display_name)
    .bind(url)
    .bind(to_db(index.get())?)
    .bind(state.record.as_bytes().as_slice())
    .execute(&mut *connection)
    .await?;
    let keyids = column(state.keys.iter().map(|key| key.keyid().as_bytes().to_vec()));
    let keys = column(state.keys.iter().map(PublicKey::to_base64_der));
    sqlx::query(
        "INSERT INTO publisher_key (publisher, keyid, public_key, position)
         SELECT $1, keyid, key, n - 1 FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS new (keyid, key, n)
         ON CONFLICT (publisher, keyid) DO UPDATE SET position = excluded.position",
    )
    .bind(state.name.as_str())
    .bind(keyids)
    .bind(keys)
    .execute(&mut *connection)
    .await?;
    // Those that were retired before have their rows, and keep their last place.
    let gone = state.retired.iter().filter(|it| it.at == index);
    let gone = column(gone.map(|it| it.key.keyid().as_bytes().to_vec()));
    sqlx::query(
        "UPDATE publisher_key SET retired_at = $1 WHERE publisher = $2 AND keyid = ANY($3)",
    )
    .bind(to_db(index.get())?)
    .bind(state.name.as_str())
    .bind(gone)
    .execute(connection)
    .await?;
    Ok(())
}

/// The publishers named, with the keys that they have now, and those of `keys` that they had.
pub(super) async fn known(
    connection: &mut PgConnection,
    names: &HashSet<PublisherName>,
    keys: &HashSet<Sha256>,
) -> Result<HashMap<PublisherName, PublisherState>, StorageError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let names = column(names.iter().map(PublisherName::as_str));
    let rows: Vec<(String, i64, Vec<u8>, Vec<String>)> = sqlx::query_as(
        "SELECT name, record_idx, record_statement,
             ARRAY(SELECT public_key FROM publisher_key
                   WHERE publisher = name AND retired_at IS NULL ORDER BY position)
         FROM publisher WHERE name = ANY($1)",
    )
    .bind(&names)
    .fetch_all(&mut *connection)
    .await?;
    let mut known: HashMap<PublisherName, PublisherState> = HashMap::with_capacity(rows.len());
    for (name, at, record, keys) in rows {
        let name: PublisherName = text_from_db(&name)?;
        let keys = keys.iter().map(|key| key_from_db(key));
        let state = PublisherState {
            name: name.clone(),
            at: index_from_db(at)?,
            record: sha256_from_db(&record)?,
            keys: keys.collect::<Result<_, _>>()?,
            retired: Vec::new(),
        };
        known.insert(name, state);
    }
    if keys.is_empty() {
        return Ok(known);
    }
    let retired: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT publisher, public_key, retired_at FROM publisher_key
         WHERE publisher = ANY($1) AND keyid = ANY($2) AND retired_at IS NOT NULL",
    )
    .bind(&names)
    .bind(digests_of(keys))
    .fetch_all(connection)
    .await?;
    for (name, key, at) in retired {
        if let Some(state) = known.get_mut(&text_from_db::<PublisherName>(&name)?) {
            state.retired.push(RetiredKey {
                key: key_from_db(&key)?,
                at: index_from_db(at)?,
            });
        }
    }
    Ok(known)
}

/// One publisher, with up to `limit` of its records behind `after`, and the keys that those retired.
pub(super) async fn page(
    connection: &mut PgConnection,
    name: &PublisherName,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Option<PublisherPage>, StorageError> {
    let names = HashSet::from([name.clone()]);
    let found = known(connection, &names, &HashSet::new())
        .await?
        .remove(name);
    let Some(mut state) = found else {
        return Ok(None);
    };
    let after = behind(after);
    // One more than is asked for says whether there are more.
    let rows: Vec<(i64,)> = sqlx::query_as(
        "SELECT idx FROM record WHERE publisher = $1 AND kind = $2 AND idx > $3 ORDER BY idx LIMIT $4",
    )
    .bind(name.as_str())
    .bind(Kind::Publisher.name())
    .bind(after)
    .bind(i64::from(limit) + 1)
    .fetch_all(&mut *connection)
    .await?;
    let mut history = column(rows.into_iter().map(|(index,)| index));
    let more = history.len() > limit as usize;
    history.truncate(limit as usize);
    let retired: Vec<(String, i64)> = sqlx::query_as(
        "SELECT public_key, retired_at FROM publisher_key
         WHERE publisher = $1 AND retired_at > $2 AND retired_at <= $3 ORDER BY retired_at, position",
    )
    .bind(name.as_str())
    .bind(after)
    .bind(history.last().copied().unwrap_or(-1))
    .fetch_all(&mut *connection)
    .await?;
    for (key, at) in retired {
        state.retired.push(RetiredKey {
            key: key_from_db(&key)?,
            at: index_from_db(at)?,
        });
    }
    let (newest,): (Vec<u8>,) = sqlx::query_as("SELECT bytes FROM entry WHERE idx = $1")
        .bind(to_db(state.at.get())?)
        .fetch_one(connection)
        .await?;
    Ok(Some(PublisherPage {
        newest: Entry::new(newest).map_err(StorageError::damaged)?,
        state,
        history: history
            .into_iter()
            .map(index_from_db)
            .collect::<Result<_, _>>()?,
        more,
    }))
}

/// Publishers by name, from the one behind `after` on.
pub(super) async fn list(
    database: impl PgExecutor<'_>,
    after: &str,
    limit: u32,
) -> Result<Vec<PublisherRow>, StorageError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT name, display_name, record_idx FROM publisher WHERE name > $1 ORDER BY name LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(database)
    .await?;
    rows.into_iter()
        .map(|(name, display_name, at)| {
            Ok(PublisherRow {
                name: text_from_db(&name)?,
                display_name,
                at: index_from_db(at)?,
            })
        })
        .collect()
}

pub(super) async fn of_key(
    database: impl PgExecutor<'_>,
    keyid: Sha256,
) -> Result<Option<PublisherName>, StorageError> {
    let row: Option<(String,)> = sqlx::query_as(
        "SELECT publisher FROM publisher_key WHERE keyid = $1 ORDER BY publisher LIMIT 1",
    )
    .bind(keyid.as_bytes().as_slice())
    .fetch_optional(database)
    .await?;
    row.map(|(name,)| text_from_db(&name)).transpose()
}
