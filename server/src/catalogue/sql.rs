//! One way to ask either engine: the catalogue's questions are written once, in the SQL that both understand.
//!
//! Placeholders are `$1`, `$2`, …, numbers are 64 bits, and digests are bytes. What differs (full-text search) is in
//! [`super::tables`] and in `search`.

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Decode, Postgres, Row as _, Sqlite, Transaction, Type};

use crate::storage::StorageError;

/// How many values one statement binds at most. Postgres takes 65,535, and `SQLite` 32,766; but `SQLite` finds each by its
/// name in a list, so that the time for one statement grows with the square of how many it has.
const VALUES_MAX: usize = 1_000;

/// Connections to a catalogue.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction on one of them.
pub(super) enum Changes {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Which of two spellings a statement has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as, from either engine.
pub(super) trait Column:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    /// The column at `place`.
    pub(super) fn at<T: Column>(&self, place: usize) -> Result<T, StorageError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(place)?,
            Self::Postgres(row) => row.try_get(place)?,
        })
    }
}

/// Columns, one after the other.
pub(super) struct Columns<'a> {
    row: &'a Row,
    place: usize,
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: &'a Row) -> Self {
        Self { row, place: 0 }
    }

    /// The next column.
    pub(super) fn next<T: Column>(&mut self) -> Result<T, StorageError> {
        self.place += 1;
        self.row.at(self.place - 1)
    }
}

macro_rules! values {
    ($($from:ty => $variant:ident($value:ident) $into:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$variant($into)
            }
        }
    )*};
}
values! {
    i64 => Number(it) Some(it);
    Option<i64> => Number(it) it;
    f64 => Real(it) Some(it);
    Option<f64> => Real(it) it;
    &str => Text(it) Some(it.to_owned());
    String => Text(it) Some(it);
    Option<String> => Text(it) it;
    Vec<u8> => Bytes(it) it;
}

impl Value {
    fn bind_sqlite(
        self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Query<'_, Sqlite, SqliteArguments> {
        match self {
            Self::Number(value) => query.bind(value),
            Self::Real(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Bytes(value) => query.bind(value),
        }
    }

    fn bind_postgres(
        self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Query<'_, Postgres, PgArguments> {
        match self {
            Self::Number(value) => query.bind(value),
            Self::Real(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Bytes(value) => query.bind(value),
        }
    }
}

/// Whether a statement of so many values is worth keeping prepared: longer ones are seldom as long again.
fn is_usual(values: &[Value]) -> bool {
    values.len() <= 32
}

fn sqlite(sql: String, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(is_usual(&values));
    values
        .into_iter()
        .fold(query, |query, value| value.bind_sqlite(query))
}

fn postgres(sql: String, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(is_usual(&values));
    values
        .into_iter()
        .fold(query, |query, value| value.bind_postgres(query))
}

impl Pool {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(super) async fn rows(
        &self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StorageError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(pool) => {
                let rows = sqlite(sql, values).fetch(pool).map_ok(Row::Sqlite);
                rows.try_collect().await?
            }
            Self::Postgres(pool) => {
                let rows = postgres(sql, values).fetch(pool).map_ok(Row::Postgres);
                rows.try_collect().await?
            }
        })
    }

    pub(super) async fn row(
        &self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StorageError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    pub(super) async fn begin(&self) -> Result<Changes, StorageError> {
        Ok(match self {
            Self::Sqlite(pool) => Changes::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Changes::Postgres(pool.begin().await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Changes {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Changes something, and returns how many rows.
    pub(super) async fn execute(
        &mut self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<u64, StorageError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(it) => sqlite(sql, values)
                .execute(&mut **it)
                .await?
                .rows_affected(),
            Self::Postgres(it) => postgres(sql, values)
                .execute(&mut **it)
                .await?
                .rows_affected(),
        })
    }

    /// Several statements without values.
    pub(super) async fn script(&mut self, sql: String) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(it) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **it).await?;
            }
            Self::Postgres(it) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **it).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn rows(
        &mut self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StorageError> {
        let sql = sql.into();
        Ok(match self {
            Self::Sqlite(it) => {
                let rows = sqlite(sql, values).fetch(&mut **it).map_ok(Row::Sqlite);
                rows.try_collect().await?
            }
            Self::Postgres(it) => {
                let rows = postgres(sql, values).fetch(&mut **it).map_ok(Row::Postgres);
                rows.try_collect().await?
            }
        })
    }

    /// The rows of `SELECT` whose column `among` has one of `values`: as many statements as it takes.
    pub(super) async fn rows_among(
        &mut self,
        select: &str,
        among: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StorageError> {
        let mut found = Vec::new();
        let mut values = values.into_iter().peekable();
        while values.peek().is_some() {
            let some: Vec<Value> = values.by_ref().take(VALUES_MAX).collect();
            let sql = format!(
                "{select} WHERE {among} IN ({})",
                placeholders(0, some.len())
            );
            found.extend(self.rows(sql, some).await?);
        }
        Ok(found)
    }

    /// Writes rows into `table`, whose `columns` are named with commas between. `conflict` says what becomes of those
    /// that are there.
    pub(super) async fn insert(
        &mut self,
        table: &str,
        columns: &str,
        rows: Vec<Vec<Value>>,
        conflict: &str,
    ) -> Result<(), StorageError> {
        let width = columns.split(',').count();
        for some in rows.chunks((VALUES_MAX / width).max(1)) {
            let tuples: Vec<String> = (0..some.len())
                .map(|n| format!("({})", placeholders(n * width, width)))
                .collect();
            let sql = format!(
                "INSERT INTO {table} ({columns}) VALUES {} {conflict}",
                tuples.join(", ")
            );
            self.execute(sql, some.concat()).await?;
        }
        Ok(())
    }

    /// Writes rows whose first column is their key: those that are there take the new values.
    pub(super) async fn upsert(
        &mut self,
        table: &str,
        columns: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StorageError> {
        let mut names = columns.split(',').map(str::trim);
        let key = names.next().expect("there is a first column");
        let set: Vec<String> = names
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let conflict = format!("ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        self.insert(table, columns, rows, &conflict).await
    }

    pub(super) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(it) => it.commit().await?,
            Self::Postgres(it) => it.commit().await?,
        }
        Ok(())
    }
}

/// `$3, $4`, for two values behind the second.
pub(super) fn placeholders(before: usize, count: usize) -> String {
    let names: Vec<String> = (before + 1..=before + count)
        .map(|n| format!("${n}"))
        .collect();
    names.join(", ")
}
