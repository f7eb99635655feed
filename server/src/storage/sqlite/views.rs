//! Records, models and releases.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ModelName, PublisherName, ReleaseName};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow as _, Row as _, SqliteConnection};

use super::digests::{Digests, Key};
use super::json_list;
use crate::storage::rows::{
    RecordColumns, behind, from_db, index_from_db, logged_record_of, record_of, sha256_from_db,
    text_from_db,
};
use crate::storage::{
    EntriesLimit, KnownRelease, LoggedRecord, ModelRow, RecordFilter, RecordPage, RecordRow,
    ReleasePage, ReleaseRow, StorageError,
};

/// The releases whose first records are at `entries`, where they are among those that were asked for.
pub(super) async fn known_releases(
    connection: &mut SqliteConnection,
    names: &HashSet<ReleaseName>,
    entries: &str,
) -> Result<HashMap<ReleaseName, KnownRelease>, StorageError> {
    let rows = sqlx::query(
        "SELECT release.name, release.withdrawn_by, record.kind, record.idx, record.subject_sha256
         FROM release LEFT JOIN record ON record.subject = release.first_idx
             AND record.kind IN ('model-card', 'weights', 'training-config', 'api-version')
         WHERE release.first_idx IN (SELECT value FROM json_each(?1))",
    )
    .bind(entries)
    .fetch_all(connection)
    .await?;
    let mut known: HashMap<ReleaseName, KnownRelease> = HashMap::new();
    for row in rows {
        let name: ReleaseName = text_from_db(row.try_get(0)?)?;
        if !names.contains(&name) {
            continue;
        }
        let release = known.entry(name).or_default();
        release.withdrawn_by = row
            .try_get::<Option<i64>, _>(1)?
            .map(index_from_db)
            .transpose()?;
        if let Some(kind) = row.try_get::<Option<&str>, _>(2)? {
            let kind: Kind = text_from_db(kind)?;
            let place = (
                index_from_db(row.try_get(3)?)?,
                sha256_from_db(row.try_get(4)?)?,
            );
            release.records.insert(kind, place);
        }
    }
    Ok(known)
}

/// What a row of `record` is about.
pub(super) const SUBJECT: &str = "coalesce(release.name, about.name)";

/// Where the names are that a row of `record` has indexes of. The order is the one to read them in.
pub(super) const NAMES: &str =
    "CROSS JOIN publisher AS signer ON signer.first_idx = record.publisher
     LEFT JOIN release ON release.first_idx = record.subject
     LEFT JOIN publisher AS about ON about.first_idx = record.subject";

/// What [`RecordColumns`] are of `record`, `entry` and the names.
const RECORD: &str =
    "SELECT record.idx, entry.statement, record.kind, signer.name, coalesce(release.name, about.name),
     record.subject_sha256, record.withdrawn_by, entry.accepted_ms";

pub(super) async fn record(
    pool: &SqlitePool,
    index: LeafIndex,
) -> Result<Option<LoggedRecord>, StorageError> {
    let Ok(index) = i64::try_from(index.get()) else {
        return Ok(None);
    };
    let query = format!(
        "{RECORD}, entry.bytes FROM record CROSS JOIN entry ON entry.idx = record.idx {NAMES} WHERE record.idx = ?1"
    );
    let row = sqlx::query(AssertSqlSafe(query))
        .bind(index)
        .fetch_optional(pool)
        .await?;
    row.map(|row| logged_record_of(RecordColumns::from_row(&row)?, row.try_get(8)?))
        .transpose()
}

pub(super) async fn records(
    connection: &mut SqliteConnection,
    digests: &Digests,
    filter: &RecordFilter,
    page: RecordPage,
) -> Result<Vec<RecordRow>, StorageError> {
    let before = i64::try_from(page.before.get()).unwrap_or(i64::MAX);
    let part = ("idx < ?1", "idx DESC", before, page.limit);
    list(connection, digests, filter, part).await
}

pub(super) async fn records_after(
    connection: &mut SqliteConnection,
    digests: &Digests,
    filter: &RecordFilter,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<RecordRow>, StorageError> {
    let part = ("idx > ?1", "idx", behind(after), limit);
    list(connection, digests, filter, part).await
}

/// Rows that fulfil a condition on `idx` and `?1`, in an order, with `?1`; and at most how many.
type ListPart = (&'static str, &'static str, i64, u32);

async fn list(
    connection: &mut SqliteConnection,
    digests: &Digests,
    filter: &RecordFilter,
    (condition, order, bound, limit): ListPart,
) -> Result<Vec<RecordRow>, StorageError> {
    // The subject first: candidates have to be asked for before the snapshot begins.
    let subject = match &filter.subject {
        None => None,
        Some(subject) => Some(match release_index(connection, digests, subject).await? {
            Some(release) => Some(release),
            None => publisher_index(connection, subject).await?,
        }),
    };
    let mut named = Vec::new();
    if let Some(publisher) = &filter.publisher {
        named.push(publisher_index(connection, publisher.as_str()).await?);
    }
    named.extend(subject);
    let found = found(filter, condition, order);
    let query = format!(
        "{RECORD} FROM ({found} LIMIT ?2) AS record CROSS JOIN entry ON entry.idx = record.idx
         {NAMES} ORDER BY record.{order}"
    );
    let mut query = sqlx::query_as(AssertSqlSafe(query))
        .bind(bound)
        .bind(i64::from(limit));
    for index in named {
        let Some(index) = index else {
            return Ok(Vec::new());
        };
        query = query.bind(index);
    }
    let rows = query.fetch_all(connection).await?;
    rows.into_iter().map(record_of).collect()
}

pub(super) async fn weights_of(
    connection: &mut SqliteConnection,
    digests: &Digests,
    manifest: Sha256,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<RecordRow>, StorageError> {
    let candidates = digests.candidates(std::iter::once(Key::of_manifest(manifest)));
    let mut entries = candidates.entries(connection).await?;
    entries.retain(|entry| after.is_none_or(|after| *entry > after.get()));
    entries.sort_unstable();
    let query = format!(
        "{RECORD} FROM json_each(?1) AS candidate CROSS JOIN record ON record.idx = candidate.value
         CROSS JOIN entry ON entry.idx = record.idx {NAMES}
         WHERE record.kind = 'weights' AND record.subject_sha256 = ?2 ORDER BY record.idx"
    );
    let mut found = Vec::new();
    // Nearly all candidates are what was asked for, and anybody may have made any number of them: what is not shown is
    // not read.
    let limit = limit as usize;
    for some in entries.chunks(limit.max(1)) {
        let rows: Vec<RecordColumns> = sqlx::query_as(AssertSqlSafe(query.as_str()))
            .bind(json_list(some.iter()))
            .bind(manifest.as_bytes().as_slice())
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            found.push(record_of(row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

async fn publisher_index(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let row = sqlx::query("SELECT first_idx FROM publisher WHERE name = ?1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn release_index(
    connection: &mut SqliteConnection,
    digests: &Digests,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let candidates = digests.candidates(std::iter::once(Key::of_name(name)));
    let Some(entries) = candidates.find(connection).await? else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT first_idx FROM release WHERE first_idx IN (SELECT value FROM json_each(?1)) AND name = ?2",
    )
    .bind(entries)
    .bind(name)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
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
                name: text_from_db(row.try_get(0)?)?,
                releases: from_db(row.try_get(1)?)?,
                latest: text_from_db(row.try_get(2)?)?,
            })
        })
        .collect()
}

/// What [`release_of`] reads. The kinds one by one: of some, there may be a million records.
const RELEASE: &str = "SELECT name, first_idx, withdrawn_by,
     (SELECT json_group_array(value) FROM json_each(?1) AS kind
      WHERE EXISTS (SELECT 1 FROM record WHERE subject = release.first_idx AND record.kind = kind.value))
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

pub(super) async fn newest_release(
    pool: &SqlitePool,
    model: &ModelName,
) -> Result<Option<ReleaseRow>, StorageError> {
    // A publisher that withdraws one release after the other makes this no slower than so many rows.
    let query = format!(
        "{RELEASE} WHERE first_idx = (
             SELECT first_idx FROM (SELECT first_idx, withdrawn_by FROM release WHERE model = ?2
                                    ORDER BY first_idx DESC LIMIT 1000)
             ORDER BY withdrawn_by IS NOT NULL, first_idx DESC LIMIT 1)"
    );
    let row = sqlx::query(AssertSqlSafe(query))
        .bind(kinds())
        .bind(model.to_string())
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(release_of).transpose()
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    digests: &Digests,
    name: &ReleaseName,
    after: Option<LeafIndex>,
    limit: EntriesLimit,
) -> Result<Option<ReleasePage>, StorageError> {
    let Some(index) = release_index(connection, digests, &name.to_string()).await? else {
        return Ok(None);
    };
    let row = sqlx::query(AssertSqlSafe(format!("{RELEASE} WHERE first_idx = ?2")))
        .bind(kinds())
        .bind(index)
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
         {NAMES} ORDER BY record.idx"
    );
    // One more than is asked for says whether there are more.
    let query = sqlx::query(AssertSqlSafe(query))
        .bind(behind(after))
        .bind(i64::from(limit.items) + 1)
        .bind(index);
    let mut page = ReleasePage {
        row: release_of(&row)?,
        records: Vec::new(),
        more: false,
    };
    let mut bytes = 0;
    // One by one: what does not fit is not read.
    let mut rows = query.fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        let record = logged_record_of(RecordColumns::from_row(&row)?, row.try_get(8)?)?;
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

fn release_of(row: &SqliteRow) -> Result<ReleaseRow, StorageError> {
    let mut kinds: Vec<Kind> =
        serde_json::from_str(row.try_get(3)?).map_err(StorageError::damaged)?;
    kinds.sort_unstable();
    Ok(ReleaseRow {
        name: text_from_db(row.try_get(0)?)?,
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
    async fn plan(filter: &RecordFilter, condition: &str, order: &str) -> Vec<String> {
        // One connection, or there would be a database for each.
        let options = SqlitePoolOptions::new().max_connections(1);
        let pool = options
            .connect("sqlite::memory:")
            .await
            .expect("a database");
        super::super::MIGRATIONS.run(&pool).await.expect("tables");
        let found = found(filter, condition, order);
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
            for (condition, order, bound) in [
                ("idx < ?1", "idx DESC", "rowid<?)"),
                ("idx > ?1", "idx", "rowid>?)"),
            ] {
                let index = index.replace("rowid<?)", bound);
                let plan = plan(&filter, condition, order).await;
                assert!(
                    plan.iter().any(|line| line.ends_with(&index)),
                    "{filter:?}: {plan:#?}"
                );
                for line in &plan {
                    assert!(
                        line.starts_with("SEARCH record USING"),
                        "{filter:?}: {line}"
                    );
                    assert!(line.ends_with(bound), "{filter:?}: {line}");
                }
            }
        }
    }
}
