//! Records, models and releases.

use std::collections::{HashMap, HashSet};

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ModelName, PublisherName, ReleaseName};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, FromRow as _, PgConnection, PgExecutor, Row as _};

use super::{column, publishers};
use crate::storage::rows::{
    RecordColumns, behind, from_db, index_from_db, kinds_of, logged_record_of, record_of,
    sha256_from_db, text_from_db, to_db,
};
use crate::storage::{
    EntriesLimit, KnownRelease, LoggedRecord, ModelRow, RecordFilter, RecordPage, RecordRow,
    ReleasePage, ReleaseRow, StorageError,
};
use crate::views::{Effect, ViewChange};

/// Writes what records change, in their order.
pub(super) async fn apply(
    connection: &mut PgConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    insert_records(connection, views).await?;
    insert_releases(connection, views).await?;
    for view in views {
        apply_effect(connection, view).await?;
    }
    Ok(())
}

async fn insert_records(
    connection: &mut PgConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    let indexes = views.iter().map(|view| to_db(view.index.get()));
    let digests = views
        .iter()
        .map(|view| view.subject_sha256.as_bytes().as_slice());
    sqlx::query(
        "INSERT INTO record (idx, kind, publisher, subject, subject_sha256)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[])",
    )
    .bind(indexes.collect::<Result<Vec<_>, _>>()?)
    .bind(column(views.iter().map(|view| view.kind.name())))
    .bind(column(views.iter().map(|view| view.publisher.as_str())))
    .bind(column(views.iter().map(|view| view.subject.as_str())))
    .bind(column(digests))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_releases(
    connection: &mut PgConnection,
    views: &[ViewChange],
) -> Result<(), StorageError> {
    let (mut names, mut models, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
    for view in views {
        if let Some(release) = &view.release {
            names.push(release.to_string());
            models.push(release.model().to_string());
            firsts.push(to_db(view.index.get())?);
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO release (name, model, first_idx) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(names)
    .bind(models)
    .bind(firsts)
    .execute(connection)
    .await?;
    Ok(())
}

async fn apply_effect(
    connection: &mut PgConnection,
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
                "UPDATE record SET withdrawn_by = $1 WHERE idx = $2 AND withdrawn_by IS NULL",
            )
            .bind(to_db(view.index.get())?)
            .bind(to_db(target.get())?)
            .execute(connection)
            .await?;
        }
        Effect::WithdrawRelease => withdraw_release(connection, view).await?,
    }
    Ok(())
}

async fn withdraw_release(
    connection: &mut PgConnection,
    view: &ViewChange,
) -> Result<(), StorageError> {
    let index = to_db(view.index.get())?;
    sqlx::query("UPDATE release SET withdrawn_by = $1 WHERE name = $2 AND withdrawn_by IS NULL")
        .bind(index)
        .bind(&view.subject)
        .execute(&mut *connection)
        .await?;
    // Later records of the same batch have their rows already, and are not withdrawn by this. Kind by kind, so
    // that what others say of the release is not even read.
    let kinds = Kind::ALL.into_iter();
    for kind in kinds.filter(|kind| !matches!(kind, Kind::Publisher | Kind::Withdrawal)) {
        let update = format!(
            "UPDATE record SET withdrawn_by = $1
             WHERE subject = $2 AND publisher = $3 AND kind = '{kind}' AND withdrawn_by IS NULL AND idx < $1"
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

/// Of a release and one of its records: `name`, `withdrawn_by`, `kind`, `idx`, `subject_sha256`
type KnownColumns = (
    String,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
);

pub(super) async fn known_releases(
    connection: &mut PgConnection,
    names: &HashSet<ReleaseName>,
) -> Result<HashMap<ReleaseName, KnownRelease>, StorageError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<KnownColumns> = sqlx::query_as(
        "SELECT release.name, release.withdrawn_by, record.kind, record.idx, record.subject_sha256
         FROM release LEFT JOIN record ON record.subject = release.name
             AND record.kind IN ('model-card', 'weights', 'training-config', 'api-version')
         WHERE release.name = ANY($1)",
    )
    .bind(column(names.iter().map(ToString::to_string)))
    .fetch_all(connection)
    .await?;
    let mut known: HashMap<ReleaseName, KnownRelease> = HashMap::new();
    for (name, withdrawn_by, kind, index, sha256) in rows {
        let release = known.entry(text_from_db(&name)?).or_default();
        release.withdrawn_by = withdrawn_by.map(index_from_db).transpose()?;
        if let (Some(kind), Some(index), Some(sha256)) = (kind, index, sha256) {
            let place = (index_from_db(index)?, sha256_from_db(&sha256)?);
            release.records.insert(text_from_db(&kind)?, place);
        }
    }
    Ok(known)
}

/// What [`RecordColumns`] are of `record` and `entry`.
const RECORD: &str =
    "SELECT record.idx, entry.statement, record.kind, record.publisher, record.subject,
     record.subject_sha256, record.withdrawn_by, entry.accepted_ms";

pub(super) async fn record(
    database: impl PgExecutor<'_>,
    index: LeafIndex,
) -> Result<Option<LoggedRecord>, StorageError> {
    let Ok(index) = i64::try_from(index.get()) else {
        return Ok(None);
    };
    let query = format!(
        "{RECORD}, entry.bytes FROM record JOIN entry ON entry.idx = record.idx WHERE record.idx = $1"
    );
    let row = sqlx::query(AssertSqlSafe(query))
        .bind(index)
        .fetch_optional(database)
        .await?;
    row.map(|row| logged_record_of(RecordColumns::from_row(&row)?, row.try_get(8)?))
        .transpose()
}

pub(super) async fn records(
    database: impl PgExecutor<'_>,
    filter: &RecordFilter,
    page: RecordPage,
) -> Result<Vec<RecordRow>, StorageError> {
    let before = i64::try_from(page.before.get()).unwrap_or(i64::MAX);
    let part = ("idx < $1", "idx DESC", before, page.limit);
    list(database, filter, part).await
}

pub(super) async fn records_after(
    database: impl PgExecutor<'_>,
    filter: &RecordFilter,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<RecordRow>, StorageError> {
    let part = ("idx > $1", "idx", behind(after), limit);
    list(database, filter, part).await
}

/// Rows that fulfil a condition on `idx` and `$1`, in an order, with `$1`; and at most how many.
type ListPart = (&'static str, &'static str, i64, u32);

async fn list(
    database: impl PgExecutor<'_>,
    filter: &RecordFilter,
    (condition, order, bound, limit): ListPart,
) -> Result<Vec<RecordRow>, StorageError> {
    let found = found(filter, condition, order);
    let query = format!(
        "{RECORD} FROM ({found}) AS record JOIN entry ON entry.idx = record.idx
         ORDER BY record.{order}"
    );
    let mut query = sqlx::query_as(AssertSqlSafe(query))
        .bind(bound)
        .bind(i64::from(limit));
    if let Some(publisher) = &filter.publisher {
        query = query.bind(publisher.as_str());
    }
    if let Some(subject) = &filter.subject {
        query = query.bind(subject);
    }
    let rows = query.fetch_all(database).await?;
    rows.into_iter().map(record_of).collect()
}

pub(super) async fn weights_of(
    database: impl PgExecutor<'_>,
    manifest: Sha256,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<RecordRow>, StorageError> {
    // The limit inside, so that what is not shown is not joined either.
    let query = format!(
        "{RECORD} FROM (SELECT * FROM record WHERE kind = 'weights' AND subject_sha256 = $1 AND idx > $2
                        ORDER BY idx LIMIT $3) AS record
         JOIN entry ON entry.idx = record.idx ORDER BY record.idx"
    );
    let rows: Vec<RecordColumns> = sqlx::query_as(AssertSqlSafe(query))
        .bind(manifest.as_bytes().as_slice())
        .bind(behind(after))
        .bind(i64::from(limit))
        .fetch_all(database)
        .await?;
    rows.into_iter().map(record_of).collect()
}

/// The rows of `record` that `filter` and `condition` let through, in this order, at most `$2`. `$1` is for the
/// caller; behind `$2` come the publisher and the subject, where there are any.
///
/// The indexes are in the order of the rows within one kind. So a filter that leaves the kind open asks for so many
/// of each kind: all that is read is a few times what is shown.
fn found(filter: &RecordFilter, condition: &str, order: &str) -> String {
    let publisher = filter
        .publisher
        .as_ref()
        .map_or("", |_| " AND publisher = $3");
    let subject = match (&filter.subject, &filter.publisher) {
        (None, _) => "",
        (Some(_), None) => " AND subject = $3",
        (Some(_), Some(_)) => " AND subject = $4",
    };
    let of_kind = |kind: Kind| {
        format!(
            "(SELECT * FROM record WHERE kind = '{kind}' AND {condition}{publisher}{subject}
              ORDER BY {order} LIMIT $2)"
        )
    };
    let rows = match filter.kind {
        Some(kind) => of_kind(kind),
        None if publisher.is_empty() && subject.is_empty() => {
            format!("SELECT * FROM record WHERE {condition}")
        }
        None => Kind::ALL.map(of_kind).join(" UNION ALL "),
    };
    format!("SELECT * FROM ({rows}) AS found ORDER BY {order} LIMIT $2")
}

pub(super) async fn models(
    database: impl PgExecutor<'_>,
    publisher: Option<&PublisherName>,
    after: &str,
    limit: u32,
) -> Result<Vec<ModelRow>, StorageError> {
    // A model's name begins with its publisher's and a slash; `0` is the character behind the slash.
    let (first, end) = match publisher {
        Some(publisher) => (format!("{publisher}/"), format!("{publisher}0")),
        None => (String::new(), "~".to_owned()),
    };
    let rows: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT model, count(*), (SELECT newest.name FROM release AS newest WHERE newest.model = release.model
                                  ORDER BY newest.first_idx DESC LIMIT 1)
         FROM release WHERE model > $1 AND model >= $2 AND model < $3 GROUP BY model ORDER BY model LIMIT $4",
    )
    .bind(after)
    .bind(first)
    .bind(end)
    .bind(i64::from(limit))
    .fetch_all(database)
    .await?;
    rows.into_iter()
        .map(|(model, releases, latest)| {
            Ok(ModelRow {
                name: text_from_db(&model)?,
                releases: from_db(releases)?,
                latest: text_from_db(&latest)?,
            })
        })
        .collect()
}

/// `name`, `first_idx`, `withdrawn_by`, and the kinds
type ReleaseColumns = (String, i64, Option<i64>, Vec<String>);

/// What [`ReleaseColumns`] are. The kinds one by one: of some, there may be a million records.
const RELEASE: &str = "SELECT name, first_idx, withdrawn_by,
     ARRAY(SELECT wanted.kind FROM unnest($1::text[]) AS wanted (kind)
           WHERE EXISTS (SELECT 1 FROM record WHERE record.subject = release.name AND record.kind = wanted.kind))
     FROM release";

fn kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

fn release_of(columns: ReleaseColumns) -> Result<ReleaseRow, StorageError> {
    let (name, first, withdrawn_by, kinds) = columns;
    Ok(ReleaseRow {
        name: text_from_db(&name)?,
        first: index_from_db(first)?,
        withdrawn_by: withdrawn_by.map(index_from_db).transpose()?,
        kinds: kinds_of(&kinds)?,
    })
}

pub(super) async fn releases(
    database: impl PgExecutor<'_>,
    model: &ModelName,
    after: Option<LeafIndex>,
    limit: u32,
) -> Result<Vec<ReleaseRow>, StorageError> {
    let query =
        format!("{RELEASE} WHERE model = $2 AND first_idx > $3 ORDER BY first_idx LIMIT $4");
    let rows = sqlx::query_as(AssertSqlSafe(query))
        .bind(kinds())
        .bind(model.to_string())
        .bind(behind(after))
        .bind(i64::from(limit))
        .fetch_all(database)
        .await?;
    rows.into_iter().map(release_of).collect()
}

pub(super) async fn newest_release(
    database: impl PgExecutor<'_>,
    model: &ModelName,
) -> Result<Option<ReleaseRow>, StorageError> {
    // A publisher that withdraws one release after the other makes this no slower than so many rows.
    let query = format!(
        "{RELEASE} WHERE name = (
             SELECT newest.name FROM (SELECT name, first_idx, withdrawn_by FROM release WHERE model = $2
                                      ORDER BY first_idx DESC LIMIT 1000) AS newest
             ORDER BY newest.withdrawn_by IS NOT NULL, newest.first_idx DESC LIMIT 1)"
    );
    let row = sqlx::query_as(AssertSqlSafe(query))
        .bind(kinds())
        .bind(model.to_string())
        .fetch_optional(database)
        .await?;
    row.map(release_of).transpose()
}

pub(super) async fn release(
    connection: &mut PgConnection,
    name: &ReleaseName,
    after: Option<LeafIndex>,
    limit: EntriesLimit,
) -> Result<Option<ReleasePage>, StorageError> {
    let row = sqlx::query_as(AssertSqlSafe(format!("{RELEASE} WHERE name = $2")))
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
    let found = found(&filter, "idx > $1", "idx");
    let query = format!(
        "{RECORD}, entry.bytes FROM ({found}) AS record JOIN entry ON entry.idx = record.idx
         ORDER BY record.idx"
    );
    // One more than is asked for says whether there are more.
    let query = sqlx::query(AssertSqlSafe(query))
        .bind(behind(after))
        .bind(i64::from(limit.items) + 1)
        .bind(name.to_string());
    let mut page = ReleasePage {
        row: release_of(row)?,
        records: Vec::new(),
        more: false,
    };
    let mut bytes = 0;
    // One by one: what does not fit is not kept.
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

#[cfg(test)]
mod tests {
    use candor_tests::postgres;
    use sqlx::PgPool;

    use super::*;

    /// How many records of a page are asked for.
    const LIMIT: i64 = 3;

    /// A log that somebody has filled with evaluations of `noise`, and with some of `a-lab` among them.
    async fn filled() -> PgPool {
        let database = postgres::shared().database();
        let pool = PgPool::connect(&database.url).await.expect("a connection");
        super::super::MIGRATIONS.run(&pool).await.expect("tables");
        let fill = "INSERT INTO record (idx, kind, publisher, subject, subject_sha256)
            SELECT n,
                CASE WHEN n % 3 = 0 THEN 'publisher' ELSE 'evaluation' END,
                CASE WHEN n % 5000 IN (1, 3) THEN 'a-lab' ELSE 'noise' END,
                CASE WHEN n % 5000 IN (1, 2) THEN 'a-lab/m@1' ELSE 'noise/m@1' END,
                sha256('')
            FROM generate_series(0, 29999) AS n; ANALYZE record";
        sqlx::raw_sql(fill)
            .execute(&pool)
            .await
            .expect("it is filled");
        pool
    }

    /// Whoever fills the log with records that a filter leaves out must not make its questions slow, nor whoever has
    /// many that it lets through.
    #[tokio::test]
    async fn every_filter_reads_a_few_times_what_it_shows() {
        let pool = filled().await;
        let kinds = i64::try_from(Kind::ALL.len()).expect("a few");
        for who in ["a-lab", "noise"] {
            for (kind, publisher, subject) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
                let filter = RecordFilter {
                    kind: kind.then_some(Kind::Evaluation),
                    publisher: publisher.then(|| who.parse().expect("a name")),
                    subject: subject.then(|| format!("{who}/m@1")),
                };
                for part in [("idx < $1", "idx DESC", 30_000), ("idx > $1", "idx", -1)] {
                    let plan = plan(&pool, &filter, part).await;
                    for counted in ["actual rows=", "Rows Removed by Filter: "] {
                        for rest in plan.split(counted).skip(1) {
                            let count = rest.split([' ', '\n']).next().unwrap_or_default();
                            let count: i64 = count.parse().expect("a number");
                            assert!(count <= kinds * LIMIT, "{filter:?}\n{plan}");
                        }
                    }
                }
            }
        }
    }

    /// How the database found what `filter` lets through, and how many rows each step had.
    async fn plan(
        pool: &PgPool,
        filter: &RecordFilter,
        (condition, order, bound): (&str, &str, i64),
    ) -> String {
        let found = found(filter, condition, order);
        let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {found}");
        let mut query = sqlx::query_as(AssertSqlSafe(explain))
            .bind(bound)
            .bind(LIMIT);
        if let Some(publisher) = &filter.publisher {
            query = query.bind(publisher.as_str());
        }
        if let Some(subject) = &filter.subject {
            query = query.bind(subject);
        }
        let rows: Vec<(String,)> = query.fetch_all(pool).await.expect("a plan");
        let lines: Vec<String> = rows.into_iter().map(|(line,)| line).collect();
        lines.join("\n")
    }
}
