//! Records, models and releases.

use std::collections::{HashMap, HashSet};

use candor_core::merkle::{Entry, LeafIndex};
use candor_core::record::{Kind, ModelName, PublisherName, ReleaseName};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{ROWS_PER_INSERT, json_list, publishers};
use crate::storage::rows::{from_db, index_from_db, sha256_from_db, to_db};
use crate::storage::{
    EntriesLimit, KnownRelease, LoggedRecord, ModelRow, RecordFilter, RecordPage, RecordRow,
    ReleasePage, ReleaseRow, StorageError,
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
            publishers::upsert(connection, view.index, display_name, url.as_deref(), state).await?;
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
    // Later records of the same batch have their rows already, and are not withdrawn by this. Kind by kind, so
    // that what others say of the release is not even read.
    let kinds = Kind::ALL.into_iter();
    for kind in kinds.filter(|kind| !matches!(kind, Kind::Publisher | Kind::Withdrawal)) {
        let update = format!(
            "UPDATE record SET withdrawn_by = ?1
             WHERE subject = ?2 AND publisher = ?3 AND kind = '{kind}' AND withdrawn_by IS NULL AND idx < ?1"
        );
        sqlx::query(AssertSqlSafe(update))
            .bind(index)
            .bind(&view.subject)
            .bind(view.publisher.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
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

/// What [`record_of`] reads of `record` and `entry`.
const RECORD: &str =
    "SELECT record.idx, entry.statement, record.kind, record.publisher, record.subject,
     record.subject_sha256, record.withdrawn_by, entry.accepted_ms";

pub(super) async fn record(
    pool: &SqlitePool,
    index: LeafIndex,
) -> Result<Option<LoggedRecord>, StorageError> {
    let Ok(index) = i64::try_from(index.get()) else {
        return Ok(None);
    };
    let query = format!(
        "{RECORD}, entry.bytes FROM record JOIN entry ON entry.idx = record.idx WHERE record.idx = ?1"
    );
    let row = sqlx::query(AssertSqlSafe(query))
        .bind(index)
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(logged_record_of).transpose()
}

pub(super) async fn records(
    pool: &SqlitePool,
    filter: &RecordFilter,
    page: RecordPage,
) -> Result<Vec<RecordRow>, StorageError> {
    let found = found(filter, "idx < ?1", "idx DESC");
    let query = format!(
        "{RECORD} FROM ({found} LIMIT ?2) AS record CROSS JOIN entry ON entry.idx = record.idx
         ORDER BY record.idx DESC"
    );
    let mut query = sqlx::query(AssertSqlSafe(query))
        .bind(i64::try_from(page.before.get()).unwrap_or(i64::MAX))
        .bind(i64::from(page.limit));
    if let Some(publisher) = &filter.publisher {
        query = query.bind(publisher.as_str());
    }
    if let Some(subject) = &filter.subject {
        query = query.bind(subject);
    }
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(record_of).collect()
}

/// The rows of `record` that `filter` and `condition` let through, in this order. `?1` and `?2` are for the
/// caller; then come the publisher and the subject, where there are any.
///
/// The indexes are in the order of the rows within one kind. So a filter that leaves the kind open asks for each
/// kind, and the answers are merged: rows that are not shown are not read.
fn found(filter: &RecordFilter, condition: &str, order: &str) -> String {
    let publisher = filter
        .publisher
        .as_ref()
        .map_or("", |_| " AND publisher = ?3");
    let subject = match (&filter.subject, &filter.publisher) {
        (None, _) => "",
        (Some(_), None) => " AND subject = ?3",
        (Some(_), Some(_)) => " AND subject = ?4",
    };
    let of_kind = |kind: Kind| {
        format!("SELECT * FROM record WHERE kind = '{kind}' AND {condition}{publisher}{subject}")
    };
    let rows = match filter.kind {
        Some(kind) => of_kind(kind),
        None if publisher.is_empty() && subject.is_empty() => {
            format!("SELECT * FROM record WHERE {condition}")
        }
        None => Kind::ALL.map(of_kind).join(" UNION ALL "),
    };
    format!("{rows} ORDER BY {order}")
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

/// What [`release_of`] reads. The kinds one by one: of some, there may be a million records.
const RELEASE: &str = "SELECT name, first_idx, withdrawn_by,
     (SELECT json_group_array(value) FROM json_each(?1) AS kind
      WHERE EXISTS (SELECT 1 FROM record WHERE subject = release.name AND record.kind = kind.value))
     FROM release";

fn kinds() -> String {
    json_list(Kind::ALL.iter())
}

pub(super) async fn releases(
    pool: &SqlitePool,
    model: &ModelName,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<ReleaseRow>, StorageError> {
    let query =
        format!("{RELEASE} WHERE model = ?2 AND first_idx > ?3 ORDER BY first_idx LIMIT ?4");
    let rows = sqlx::query(AssertSqlSafe(query))
        .bind(kinds())
        .bind(model.to_string())
        .bind(behind(after))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    rows.iter().map(release_of).collect()
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    name: &ReleaseName,
    after: Option<LeafIndex>,
    limit: EntriesLimit,
) -> Result<Option<ReleasePage>, StorageError> {
    let row = sqlx::query(AssertSqlSafe(format!("{RELEASE} WHERE name = ?2")))
        .bind(kinds())
        .bind(name.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let filter = RecordFilter {
        subject: Some(name.to_string()),
        ..RecordFilter::default()
    };
    let found = found(&filter, "idx > ?1", "idx");
    let query = format!(
        "{RECORD}, entry.bytes FROM ({found} LIMIT ?2) AS record CROSS JOIN entry ON entry.idx = record.idx
         ORDER BY record.idx"
    );
    // One more than is asked for says whether there are more.
    let query = sqlx::query(AssertSqlSafe(query))
        .bind(behind(after))
        .bind(i64::from(limit.items) + 1)
        .bind(name.to_string());
    let mut page = ReleasePage {
        row: release_of(&row)?,
        records: Vec::new(),
        more: false,
    };
    let mut bytes = 0;
    // One by one: what does not fit is not read.
    let mut rows = query.fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        let record = logged_record_of(&row)?;
        bytes += record.entry.as_bytes().len();
        let full = page.records.len() == limit.items as usize || bytes > limit.bytes;
        if full && !page.records.is_empty() {
            page.more = true;
            break;
        }
        page.records.push(record);
    }
    Ok(Some(page))
}

/// Where a list goes on: -1 is before all rows.
fn behind(after: Option<LeafIndex>) -> i64 {
    after.map_or(-1, |after| i64::try_from(after.get()).unwrap_or(i64::MAX))
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
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    /// How the database looks for what `filter` lets through: one line for each table and arm.
    async fn plan(filter: &RecordFilter) -> Vec<String> {
        // One connection, or there would be a database for each.
        let options = SqlitePoolOptions::new().max_connections(1);
        let pool = options
            .connect("sqlite::memory:")
            .await
            .expect("a database");
        super::super::MIGRATIONS.run(&pool).await.expect("tables");
        let found = found(filter, "idx < ?1", "idx DESC");
        let rows = sqlx::query(AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {found} LIMIT ?2"
        )))
        .fetch_all(&pool)
        .await
        .expect("a plan");
        rows.iter()
            .map(|row| row.try_get(3).expect("text"))
            .filter(|line: &String| line.starts_with('S') || line.contains("TEMP"))
            .collect()
    }

    /// Whoever fills the log with records that a filter leaves out must not make its questions slow.
    #[tokio::test]
    async fn every_filter_is_answered_from_an_index_in_the_order_of_the_answer() {
        for (kind, publisher, subject) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
            let filter = RecordFilter {
                kind: kind.then_some(Kind::Evaluation),
                publisher: publisher.then(|| "a-lab".parse().expect("a name")),
                subject: subject.then(|| "a-lab/m@1".to_owned()),
            };
            let index = match (kind, publisher, subject) {
                (false, false, false) => "INTEGER PRIMARY KEY (rowid<?)",
                (true, false, false) => "record_by_kind (kind=? AND rowid<?)",
                (_, true, false) => "record_by_publisher (publisher=? AND kind=? AND rowid<?)",
                (_, false, true) => "record_by_subject (subject=? AND kind=? AND rowid<?)",
                (_, true, true) => {
                    "record_by_subject_and_publisher (subject=? AND publisher=? AND kind=? AND rowid<?)"
                }
            };
            let plan = plan(&filter).await;
            assert!(
                plan.iter().any(|line| line.ends_with(index)),
                "{filter:?}: {plan:#?}"
            );
            for line in &plan {
                assert!(
                    line.starts_with("SEARCH record USING"),
                    "{filter:?}: {line}"
                );
                assert!(line.ends_with("rowid<?)"), "{filter:?}: {line}");
            }
        }
    }
}
