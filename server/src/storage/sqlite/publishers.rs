//! Publishers and their keys.
//!
//! Always: keys that were retired are read by their IDs or by the record that left them out. A publisher can have
//! thousands of them.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex};
use candor_core::record::{Kind, PublisherName, PublisherState, RetiredKey};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, SqliteConnection};

use super::json_list;
use crate::storage::rows::{
    behind, index_from_db, key_from_db, sha256_from_db, text_from_db, to_db,
};
use crate::storage::{PublisherPage, PublisherRow, StorageError};

pub(super) async fn upsert(
    connection: &mut SqliteConnection,
    index: LeafIndex,
    first: i64,
    display_name: &str,
    url: Option<&str>,
    state: &PublisherState,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO publisher (name, display_name, url, record_idx, record_statement, first_idx)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, url = excluded.url,
             record_idx = excluded.record_idx, record_statement = excluded.record_statement",
    )
    .bind(state.name.as_str())
    .bind(display_name)
    .bind(url)
    .bind(to_db(index.get())?)
    .bind(state.record.as_bytes().as_slice())
    .bind(first)
    .execute(&mut *connection)
    .await?;
    for (key, position) in state.keys.iter().zip(0_i64..) {
        sqlx::query(
            "INSERT INTO publisher_key (publisher, keyid, public_key, position) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (publisher, keyid) DO UPDATE SET position = excluded.position",
        )
        .bind(state.name.as_str())
        .bind(key.keyid().as_bytes().as_slice())
        .bind(key.to_base64_der())
        .bind(position)
        .execute(&mut *connection)
        .await?;
    }
    // Those that were retired before have their rows, and keep their last place.
    let gone = state.retired.iter().filter(|it| it.at == index);
    for RetiredKey { key, .. } in gone {
        sqlx::query("UPDATE publisher_key SET retired_at = ?1 WHERE publisher = ?2 AND keyid = ?3")
            .bind(to_db(index.get())?)
            .bind(state.name.as_str())
            .bind(key.keyid().as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The publishers named, with the keys that they have now, and those of `keys` that they had.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    names: &HashSet<PublisherName>,
    keys: &HashSet<Sha256>,
) -> Result<HashMap<PublisherName, PublisherState>, StorageError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT name, record_idx, record_statement FROM publisher
         WHERE name IN (SELECT value FROM json_each(?1))",
    )
    .bind(json_list(names.iter()))
    .fetch_all(&mut *connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let name: PublisherName = text_from_db(row.try_get(0)?)?;
        let state = PublisherState {
            name: name.clone(),
            at: index_from_db(row.try_get(1)?)?,
            record: sha256_from_db(row.try_get(2)?)?,
            keys: Vec::new(),
            retired: Vec::new(),
        };
        known.insert(name, state);
    }
    let current = sqlx::query(
        "SELECT publisher, public_key FROM publisher_key
         WHERE publisher IN (SELECT value FROM json_each(?1)) AND retired_at IS NULL ORDER BY position",
    )
    .bind(json_list(names.iter()))
    .fetch_all(&mut *connection)
    .await?;
    for row in current {
        if let Some(state) = known.get_mut(&text_from_db(row.try_get(0)?)?) {
            state.keys.push(key_from_db(row.try_get(1)?)?);
        }
    }
    let retired = sqlx::query(
        "SELECT publisher, public_key, retired_at FROM publisher_key
         WHERE publisher IN (SELECT value FROM json_each(?1))
             AND keyid IN (SELECT unhex(value) FROM json_each(?2)) AND retired_at IS NOT NULL",
    )
    .bind(json_list(names.iter()))
    .bind(json_list(keys.iter()))
    .fetch_all(&mut *connection)
    .await?;
    for row in retired {
        if let Some(state) = known.get_mut(&text_from_db(row.try_get(0)?)?) {
            state.retired.push(RetiredKey {
                key: key_from_db(row.try_get(1)?)?,
                at: index_from_db(row.try_get(2)?)?,
            });
        }
    }
    Ok(known)
}

/// One publisher, with up to `limit` of its records behind `after`, and the keys that those retired.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    name: &PublisherName,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Option<PublisherPage>, StorageError> {
    let names = HashSet::from([name.clone()]);
    let Some(mut state) = known(connection, &names, &HashSet::new())
        .await?
        .remove(name)
    else {
        return Ok(None);
    };
    let after = behind(after);
    // One more than is asked for says whether there are more.
    let rows = sqlx::query(
        "SELECT idx FROM record
         WHERE publisher = (SELECT first_idx FROM publisher WHERE name = ?1) AND kind = ?2 AND idx > ?3
         ORDER BY idx LIMIT ?4",
    )
    .bind(name.as_str())
    .bind(Kind::Publisher.name())
    .bind(after)
    .bind(i64::from(limit) + 1)
    .fetch_all(&mut *connection)
    .await?;
    let mut history: Vec<i64> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    let more = history.len() > limit as usize;
    history.truncate(limit as usize);
    let retired = sqlx::query(
        "SELECT public_key, retired_at FROM publisher_key
         WHERE publisher = ?1 AND retired_at > ?2 AND retired_at <= ?3 ORDER BY retired_at, position",
    )
    .bind(name.as_str())
    .bind(after)
    .bind(history.last().copied().unwrap_or(-1))
    .fetch_all(&mut *connection)
    .await?;
    for row in retired {
        state.retired.push(RetiredKey {
            key: key_from_db(row.try_get(0)?)?,
            at: index_from_db(row.try_get(1)?)?,
        });
    }
    let newest = sqlx::query("SELECT bytes FROM entry WHERE idx = ?1")
        .bind(to_db(state.at.get())?)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Some(PublisherPage {
        newest: Entry::new(newest.try_get(0)?).map_err(StorageError::damaged)?,
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
    pool: &SqlitePool,
    after: &str,
    limit: u32,
) -> Result<Vec<PublisherRow>, StorageError> {
    let rows = sqlx::query(
        "SELECT name, display_name, record_idx FROM publisher WHERE name > ?1 ORDER BY name LIMIT ?2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let row = |row: &SqliteRow| {
        Ok(PublisherRow {
            name: text_from_db(row.try_get(0)?)?,
            display_name: row.try_get(1)?,
            at: index_from_db(row.try_get(2)?)?,
        })
    };
    rows.iter().map(row).collect()
}

pub(super) async fn of_key(
    pool: &SqlitePool,
    keyid: Sha256,
) -> Result<Option<PublisherName>, StorageError> {
    let row = sqlx::query(
        "SELECT publisher FROM publisher_key WHERE keyid = ?1 ORDER BY publisher LIMIT 1",
    )
    .bind(keyid.as_bytes().as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(|row| text_from_db(row.try_get(0)?)).transpose()
}
