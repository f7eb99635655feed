//! Publishers, records, models and releases.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafIndex};
use candor_core::record::{
    Kind, ModelName, PublicKey, PublisherName, PublisherState, ReleaseName, RetiredKey,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{ROWS_PER_INSERT, from_db, index_from_db, json_list, sha256_from_db, to_db};
use crate::storage::{
    KnownRelease, LoggedRecord, ModelRow, PublisherRow, PublisherWithKeys, Questions, RecordFilter,
    RecordPage, RecordRow, ReleaseRow, StorageError,
};
use crate::views::{Effect, ViewChange};

/// Writes what records change, in their order.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    // Rows first, many to a statement: each statement goes to the connection's own thread and back.
    for chunk in views.chunks(ROWS_PER_INSERT) {
        insert_records(connection, chunk).await?;
        insert_releases(connection, chunk).await?;
    }
    for view in views {
        apply_effect(connection, view).await?;
    }
    Ok(())
}

async fn insert_records(
    connection: &mut SqliteConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO record (idx, kind, publisher, subject, subject_sha256) ",
    );
    insert.push_values(with_db_indexes(views)?, |mut row, (index, view)| {
        row.push_bind(index)
            .push_bind(view.kind.name())
            .push_bind(view.publisher.as_str())
            .push_bind(&view.subject)
            .push_bind(view.subject_sha256.as_bytes().as_slice());
    });
    let insert = insert.build().persistent(false);
    insert.execute(connection).await?;
    Ok(())
}

async fn insert_releases(
    connection: &mut SqliteConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    let mut rows = with_db_indexes(views)?;
    rows.retain(|(_, view)| view.release.is_some());
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO release (name, model, first_idx) ");
    insert.push_values(rows, |mut row, (index, view)| {
        let release = view.release.as_ref().expect("the others were left out");
        row.push_bind(release.to_string())
            .push_bind(release.model().to_string())
            .push_bind(index);
    });
    insert.push(" ON CONFLICT (name) DO NOTHING");
    let insert = insert.build().persistent(false);
    insert.execute(connection).await?;
    Ok(())
}

fn with_db_indexes(views: &[ViewChange]) -> Result<Vec<(i64, &ViewChange)>, StorageError> {
    views
        .iter()
        .map(|view| Ok((to_db(view.index.get())?, view)))
        .collect()
}

async fn apply_effect(
    connection: &mut SqliteConnection,
    view: &ViewChange,
) -> Result<(), StorageError> {
    match &view.effect {
        Effect::None => {}
        Effect::Publisher {
            display_name,
            url,
            state,
        } => {
            upsert_publisher(connection, view.index, display_name, url.as_deref(), state).await?;
        }
        Effect::WithdrawRecord { target } => {
            sqlx::query(
                "UPDATE record SET withdrawn_by = ?1 WHERE idx = ?2 AND withdrawn_by IS NULL",
            )
            .bind(to_db(view.index.get())?)
            .bind(to_db(target.get())?)
            .execute(&mut *connection)
            .await?;
        }
        Effect::WithdrawRelease => {
            withdraw_release(connection, view, to_db(view.index.get())?).await?;
        }
    }
    Ok(())
}

async fn withdraw_release(
    connection: &mut SqliteConnection,
    view: &ViewChange,
    index: i64,
) -> Result<(), StorageError> {
    sqlx::query("UPDATE release SET withdrawn_by = ?1 WHERE name = ?2 AND withdrawn_by IS NULL")
        .bind(index)
        .bind(&view.subject)
        .execute(&mut *connection)
        .await?;
    // Later records of the same batch have their rows already, and are not withdrawn by this.
    sqlx::query(
        "UPDATE record SET withdrawn_by = ?1
         WHERE subject = ?2 AND publisher = ?3 AND kind <> 'withdrawal' AND withdrawn_by IS NULL AND idx < ?1",
    )
    .bind(index)
    .bind(&view.subject)
    .bind(view.publisher.as_str())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn upsert_publisher(
    connection: &mut SqliteConnection,
    index: LeafIndex,
    display_name: &str,
    url: Option<&str>,
    state: &PublisherState,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO publisher (name, display_name, url, record_idx, record_statement) VALUES (?1, ?2, ?3, ?4, ?5)
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

const PUBLISHER: &str =
    "SELECT name, display_name, url, record_idx, record_statement FROM publisher";

pub(super) async fn known_publishers(
    connection: &mut SqliteConnection,
    questions: &Questions,
) -> Result<HashMap<PublisherName, PublisherState>, StorageError> {
    if questions.publishers.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(PUBLISHER);
    query
        .push(" WHERE name IN (SELECT value FROM json_each(")
        .push_bind(json_list(questions.publishers.iter()))
        .push("))");
    let rows = query.build().fetch_all(&mut *connection).await?;
    let keys = sqlx::query(
        "SELECT publisher, public_key, retired_at FROM publisher_key
         WHERE publisher IN (SELECT value FROM json_each(?1))
             AND (retired_at IS NULL OR lower(hex(keyid)) IN (SELECT value FROM json_each(?2)))
         ORDER BY publisher, retired_at, position",
    )
    .bind(json_list(questions.publishers.iter()))
    .bind(json_list(questions.keyids.iter()))
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in &rows {
        let state = state_of(&publisher_of(row)?, &keys)?;
        known.insert(state.name.clone(), state);
    }
    Ok(known)
}

pub(super) async fn publisher(
    connection: &mut SqliteConnection,
    name: &PublisherName,
) -> Result<Option<PublisherWithKeys>, StorageError> {
    let mut query = QueryBuilder::<Sqlite>::new(PUBLISHER);
    query.push(" WHERE name = ").push_bind(name.as_str());
    let Some(row) = query.build().fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let row = publisher_of(&row)?;
    let keys = sqlx::query(
        "SELECT publisher, public_key, retired_at FROM publisher_key
         WHERE publisher = ?1 ORDER BY retired_at, position",
    )
    .bind(name.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let history = sqlx::query(
        "SELECT idx FROM record WHERE publisher = ?1 AND kind = 'publisher' ORDER BY idx",
    )
    .bind(name.as_str())
    .fetch_all(connection)
    .await?;
    Ok(Some(PublisherWithKeys {
        state: state_of(&row, &keys)?,
        row,
        history: history
            .iter()
            .map(|row| index_from_db(row.try_get(0)?))
            .collect::<Result<_, _>>()?,
    }))
}

pub(super) async fn publishers(
    pool: &SqlitePool,
    after: &str,
    limit: u32,
) -> Result<Vec<PublisherRow>, StorageError> {
    let mut query = QueryBuilder::<Sqlite>::new(PUBLISHER);
    query
        .push(" WHERE name > ")
        .push_bind(after)
        .push(" ORDER BY name LIMIT ")
        .push_bind(i64::from(limit));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(publisher_of).collect()
}

fn publisher_of(row: &SqliteRow) -> Result<PublisherRow, StorageError> {
    Ok(PublisherRow {
        name: row
            .try_get::<&str, _>(0)?
            .parse()
            .map_err(StorageError::damaged)?,
        display_name: row.try_get(1)?,
        url: row.try_get(2)?,
        at: index_from_db(row.try_get(3)?)?,
        record: sha256_from_db(row.try_get(4)?)?,
    })
}

/// The state of a publisher, from rows of `publisher_key` that others may have rows among too.
fn state_of(publisher: &PublisherRow, keys: &[SqliteRow]) -> Result<PublisherState, StorageError> {
    let mut state = PublisherState {
        name: publisher.name.clone(),
        record: publisher.record,
        at: publisher.at,
        keys: Vec::new(),
        retired: Vec::new(),
    };
    for row in keys {
        if row.try_get::<&str, _>(0)? != publisher.name.as_str() {
            continue;
        }
        let key = PublicKey::from_base64_der(row.try_get(1)?).map_err(StorageError::damaged)?;
        match row.try_get::<Option<i64>, _>(2)? {
            None => state.keys.push(key),
            Some(at) => state.retired.push(RetiredKey {
                key,
                at: index_from_db(at)?,
            }),
        }
    }
    Ok(state)
}

pub(super) async fn publisher_of_key(
    pool: &SqlitePool,
    keyid: Sha256,
) -> Result<Option<PublisherName>, StorageError> {
    let row = sqlx::query(
        "SELECT publisher FROM publisher_key WHERE keyid = ?1 ORDER BY publisher LIMIT 1",
    )
    .bind(keyid.as_bytes().as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        row.try_get::<&str, _>(0)?
            .parse()
            .map_err(StorageError::damaged)
    })
    .transpose()
}

pub(super) async fn known_releases(
    connection: &mut SqliteConnection,
    names: &HashSet<ReleaseName>,
) -> Result<HashMap<ReleaseName, KnownRelease>, StorageError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT release.name, release.withdrawn_by, record.kind, record.idx, record.subject_sha256
         FROM release LEFT JOIN record ON record.subject = release.name
             AND record.kind IN ('model-card', 'weights', 'training-config', 'api-version')
         WHERE release.name IN (SELECT value FROM json_each(?1))",
    )
    .bind(json_list(names.iter()))
    .fetch_all(connection)
    .await?;
    let mut known: HashMap<ReleaseName, KnownRelease> = HashMap::new();
    for row in rows {
        let name = row
            .try_get::<&str, _>(0)?
            .parse()
            .map_err(StorageError::damaged)?;
        let release = known.entry(name).or_default();
        release.withdrawn_by = row
            .try_get::<Option<i64>, _>(1)?
            .map(index_from_db)
            .transpose()?;
        if let Some(kind) = row.try_get::<Option<&str>, _>(2)? {
            let kind: Kind = kind.parse().map_err(StorageError::damaged)?;
            let place = (
                index_from_db(row.try_get(3)?)?,
                sha256_from_db(row.try_get(4)?)?,
            );
            release.records.insert(kind, place);
        }
    }
    Ok(known)
}

const RECORD: &str =
    "SELECT record.idx, entry.statement, record.kind, record.publisher, record.subject,
     record.subject_sha256, record.withdrawn_by, entry.accepted_ms
     FROM record JOIN entry ON entry.idx = record.idx";

/// The same, with the entry.
const LOGGED_RECORD: &str =
    "SELECT record.idx, entry.statement, record.kind, record.publisher, record.subject,
     record.subject_sha256, record.withdrawn_by, entry.accepted_ms, entry.bytes
     FROM record JOIN entry ON entry.idx = record.idx";

pub(super) async fn record(
    pool: &SqlitePool,
    index: LeafIndex,
) -> Result<Option<LoggedRecord>, StorageError> {
    let Ok(index) = i64::try_from(index.get()) else {
        return Ok(None);
    };
    let mut query = QueryBuilder::<Sqlite>::new(LOGGED_RECORD);
    query.push(" WHERE record.idx = ").push_bind(index);
    let row = query.build().fetch_optional(pool).await?;
    row.as_ref().map(logged_record_of).transpose()
}

pub(super) async fn records(
    pool: &SqlitePool,
    filter: &RecordFilter,
    page: RecordPage,
) -> Result<Vec<RecordRow>, StorageError> {
    let rows = page_of(RECORD, filter, page)
        .build()
        .fetch_all(pool)
        .await?;
    rows.iter().map(record_of).collect()
}

/// All records about a release.
pub(super) async fn logged_records(
    connection: &mut SqliteConnection,
    release: &ReleaseName,
    page: RecordPage,
) -> Result<Vec<LoggedRecord>, StorageError> {
    let filter = RecordFilter {
        subject: Some(release.to_string()),
        ..RecordFilter::default()
    };
    let rows = page_of(LOGGED_RECORD, &filter, page)
        .build()
        .fetch_all(connection)
        .await?;
    rows.iter().map(logged_record_of).collect()
}

fn page_of(select: &str, filter: &RecordFilter, page: RecordPage) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE record.idx < ");
    let (end, limit) = match page {
        RecordPage::NewestBefore(end, limit) | RecordPage::OldestFrom(_, end, limit) => {
            (end, limit)
        }
    };
    query.push_bind(i64::try_from(end.get()).unwrap_or(i64::MAX));
    if let RecordPage::OldestFrom(first, ..) = page {
        query
            .push(" AND record.idx >= ")
            .push_bind(i64::try_from(first.get()).unwrap_or(i64::MAX));
    }
    if let Some(kind) = filter.kind {
        // Beside another filter, the plus keeps the planner off the index by kind, which has a large part of all
        // records. A publisher's own records have an index of theirs, which wants the kind to be written out.
        let by_kind = filter.publisher.is_none() && filter.subject.is_none();
        let is_history = kind == Kind::Publisher && filter.subject.is_none();
        let plus = if by_kind || is_history { "" } else { "+" };
        query.push(format!(" AND {plus}record.kind = '{}'", kind.name()));
    }
    if let Some(publisher) = &filter.publisher {
        query
            .push(" AND record.publisher = ")
            .push_bind(publisher.as_str());
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND record.subject = ").push_bind(subject);
    }
    query.push(match page {
        RecordPage::NewestBefore(..) => " ORDER BY record.idx DESC LIMIT ",
        RecordPage::OldestFrom(..) => " ORDER BY record.idx LIMIT ",
    });
    query.push_bind(i64::from(limit));
    query
}

fn logged_record_of(row: &SqliteRow) -> Result<LoggedRecord, StorageError> {
    Ok(LoggedRecord {
        row: record_of(row)?,
        entry: Entry::new(row.try_get(8)?).map_err(StorageError::damaged)?,
    })
}

fn record_of(row: &SqliteRow) -> Result<RecordRow, StorageError> {
    Ok(RecordRow {
        index: index_from_db(row.try_get(0)?)?,
        statement: sha256_from_db(row.try_get(1)?)?,
        kind: row
            .try_get::<&str, _>(2)?
            .parse()
            .map_err(StorageError::damaged)?,
        publisher: row
            .try_get::<&str, _>(3)?
            .parse()
            .map_err(StorageError::damaged)?,
        subject: row.try_get(4)?,
        subject_sha256: sha256_from_db(row.try_get(5)?)?,
        withdrawn_by: row
            .try_get::<Option<i64>, _>(6)?
            .map(index_from_db)
            .transpose()?,
        accepted_ms: row.try_get(7)?,
    })
}

pub(super) async fn models(
    pool: &SqlitePool,
    publisher: Option<&PublisherName>,
    after: &str,
    limit: u32,
) -> Result<Vec<ModelRow>, StorageError> {
    // A model's name begins with its publisher's and a slash; `0` is the character behind the slash.
    let (first, end) = match publisher {
        Some(publisher) => (format!("{publisher}/"), format!("{publisher}0")),
        None => (String::new(), "~".to_owned()),
    };
    // SQLite takes the other columns from the row that `max` comes from.
    let rows = sqlx::query(
        "SELECT model, count(*), name, max(first_idx) FROM release
         WHERE model > ?1 AND model >= ?2 AND model < ?3 GROUP BY model ORDER BY model LIMIT ?4",
    )
    .bind(after)
    .bind(first)
    .bind(end)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ModelRow {
                name: row
                    .try_get::<&str, _>(0)?
                    .parse()
                    .map_err(StorageError::damaged)?,
                releases: from_db(row.try_get(1)?)?,
                latest: row
                    .try_get::<&str, _>(2)?
                    .parse()
                    .map_err(StorageError::damaged)?,
            })
        })
        .collect()
}

pub(super) async fn releases(
    pool: &SqlitePool,
    model: &ModelName,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<ReleaseRow>, StorageError> {
    let after = after.map_or(-1, |after| i64::try_from(after.get()).unwrap_or(i64::MAX));
    let rows = sqlx::query(
        "SELECT name, first_idx, withdrawn_by,
             (SELECT json_group_array(DISTINCT kind) FROM record WHERE subject = release.name)
         FROM release WHERE model = ?1 AND first_idx > ?2 ORDER BY first_idx LIMIT ?3",
    )
    .bind(model.to_string())
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(release_of).collect()
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    name: &ReleaseName,
) -> Result<Option<ReleaseRow>, StorageError> {
    let row = sqlx::query(
        "SELECT name, first_idx, withdrawn_by,
             (SELECT json_group_array(DISTINCT kind) FROM record WHERE subject = release.name)
         FROM release WHERE name = ?1",
    )
    .bind(name.to_string())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(release_of).transpose()
}

fn release_of(row: &SqliteRow) -> Result<ReleaseRow, StorageError> {
    let mut kinds: Vec<Kind> =
        serde_json::from_str(row.try_get(3)?).map_err(StorageError::damaged)?;
    kinds.sort_unstable();
    Ok(ReleaseRow {
        name: row
            .try_get::<&str, _>(0)?
            .parse()
            .map_err(StorageError::damaged)?,
        first: index_from_db(row.try_get(1)?)?,
        withdrawn_by: row
            .try_get::<Option<i64>, _>(2)?
            .map(index_from_db)
            .transpose()?,
        kinds,
    })
}

#[cfg(test)]
mod tests;
