//! Reading a whole log, and leaving it as it is.

use std::collections::HashMap;

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, Tile, TilePath, TreeHead};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use super::{DatabaseUrl, Postgres, SNAPSHOT, connect_once, log};
use crate::storage::rows::{sha256_from_db, statement_key, stored_entries_of, tile_place_of};
use crate::storage::snapshot::{
    Contents, Form, Snapshot, Snapshots, StoredDocument, StoredEntry, TilePlace, View, ViewKey,
    ViewRow,
};
use crate::storage::{EntriesLimit, LogIdentity, StorageError};

/// Opens snapshots of the log in a database.
pub struct PostgresSnapshots {
    url: DatabaseUrl,
    identity: LogIdentity,
}

/// A transaction that reads.
struct PostgresSnapshot {
    connection: PgConnection,
    head: TreeHead,
}

impl PostgresSnapshots {
    /// Of the log in the database at `url`, which servers may write to meanwhile.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StorageError> {
        Ok(Self {
            url: url.clone(),
            identity: Postgres::identity_at(url)
                .await?
                .ok_or_else(|| StorageError::NotALog(format!("{url} holds no log")))?,
        })
    }
}

#[async_trait]
impl Snapshots for PostgresSnapshots {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        Ok(self.identity.clone())
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        log::ending(&mut connect_once(&self.url).await?).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StorageError> {
        let mut connection = connect_once(&self.url).await?;
        // All of a table is read in one go, in the order of an index.
        connection
            .execute(sqlx::raw_sql(
                "SET statement_timeout = 0; SET jit = off; SET enable_seqscan = off; SET enable_sort = off",
            ))
            .await?;
        connection.execute(sqlx::raw_sql(SNAPSHOT)).await?;
        let head = log::head(&mut connection).await?;
        Ok(Box::new(PostgresSnapshot { connection, head }))
    }

    /// `pg_amcheck` and data checksums are the operator's.
    async fn check_structure(&self) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }

    fn form(&self) -> Form {
        Form::Named
    }
}

#[async_trait]
impl Contents for PostgresSnapshot {
    fn head(&self) -> TreeHead {
        self.head
    }

    async fn entries(
        &mut self,
        first: LeafIndex,
        limit: EntriesLimit,
    ) -> Result<Vec<StoredEntry>, StorageError> {
        let Ok(from) = i64::try_from(first.get()) else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query_as::<_, (i64, Vec<u8>, Option<i64>, Vec<u8>, i64)>(
            "SELECT idx, statement, accepted_ms, bytes, statement_key
             FROM entry WHERE idx >= $1 ORDER BY idx LIMIT $2",
        )
        .bind(from)
        .bind(i64::from(limit.items))
        .fetch(&mut self.connection);
        // What does not find the statement is as wrong as another statement.
        let rows = rows.map_ok(|(index, statement, accepted_ms, bytes, key)| {
            let is_found = sha256_from_db(&statement).is_ok_and(|it| statement_key(it) == key);
            let statement = if is_found { statement } else { vec![0; 32] };
            (index, statement, accepted_ms, bytes)
        });
        stored_entries_of(rows.boxed(), first, limit).await
    }

    async fn tiles(&mut self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        log::tiles(&mut self.connection, paths).await
    }

    async fn attachment(&mut self, sha256: Sha256) -> Result<Option<StoredDocument>, StorageError> {
        let stored = log::attachment(&mut self.connection, sha256).await?;
        Ok(stored.map(StoredDocument::from))
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn accepted(&mut self) -> BoxStream<'_, Result<Option<i64>, StorageError>> {
        let rows = sqlx::query("SELECT accepted_ms FROM entry ORDER BY idx");
        rows.fetch(&mut self.connection)
            .map(|row| Ok(row?.try_get(0)?))
            .boxed()
    }

    fn attachments(&mut self) -> BoxStream<'_, Result<Sha256, StorageError>> {
        let rows = sqlx::query("SELECT sha256 FROM attachment ORDER BY sha256");
        rows.fetch(&mut self.connection)
            .map(|row| sha256_from_db(row?.try_get(0)?))
            .boxed()
    }

    fn tile_places(&mut self) -> BoxStream<'_, Result<TilePlace, StorageError>> {
        let rows = sqlx::query(
            "SELECT level::bigint, idx, octet_length(hashes)::bigint FROM tile ORDER BY level, idx",
        );
        rows.fetch(&mut self.connection)
            .map(|row| {
                let row = row?;
                tile_place_of(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
            })
            .boxed()
    }

    fn view(&mut self, view: View, form: Form) -> BoxStream<'_, Result<ViewRow, StorageError>> {
        assert_eq!(form, Form::Named, "Postgres has no indexes for names");
        let is_by_number = view.is_by_number(form);
        sqlx::query(query(view))
            .fetch(&mut self.connection)
            .map(move |row| row_of(&row?, is_by_number))
            .boxed()
    }
}

fn row_of(row: &PgRow, is_by_number: bool) -> Result<ViewRow, StorageError> {
    let key = if is_by_number {
        ViewKey::Number(row.try_get(0)?)
    } else {
        ViewKey::Name(row.try_get(0)?)
    };
    Ok(ViewRow {
        key,
        columns: row.try_get(1)?,
    })
}

/// The rows of a view as [`ViewRow`] has them: the same text that `SQLite` makes of its own.
fn query(view: View) -> AssertSqlSafe<String> {
    let columns = |columns: &[String]| columns.join(" || ' ' || ");
    let hex = |bytes: &str| format!("upper(encode({bytes}, 'hex'))");
    let of_text = |text: &str| hex(&format!("convert_to({text}, 'UTF8')"));
    let column = |name: &str, value: &str| format!("'{name}=' || coalesce({value}, 'none')");
    let literal = |hex: String| format!("'x''' || {hex} || ''''");
    let text = |name: &str| column(name, &literal(of_text(name)));
    let bytes = |name: &str| column(name, &literal(hex(name)));
    let number = |name: &str| column(name, &format!("{name}::text"));
    AssertSqlSafe(match view {
        View::Records => format!(
            "SELECT idx, {} FROM record ORDER BY idx",
            columns(&[
                text("kind"),
                text("publisher"),
                text("subject"),
                bytes("subject_sha256"),
                number("withdrawn_by"),
            ])
        ),
        View::Releases => format!(
            "SELECT {}, {} FROM release ORDER BY name",
            of_text("name"),
            columns(&[text("model"), number("first_idx"), number("withdrawn_by")])
        ),
        View::Publishers => format!(
            "SELECT {}, {} FROM publisher ORDER BY name",
            of_text("name"),
            columns(&[
                text("display_name"),
                text("url"),
                number("record_idx"),
                bytes("record_statement"),
            ])
        ),
        View::Keys => format!(
            "SELECT {} || '/' || {}, {} FROM publisher_key ORDER BY publisher, keyid",
            of_text("publisher"),
            hex("keyid"),
            columns(&[text("public_key"), number("position"), number("retired_at")])
        ),
        View::DigestRuns | View::DigestFilters => {
            unreachable!("Postgres has an index for this: `View::all`")
        }
    })
}
