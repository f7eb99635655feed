//! Reading a whole log, and leaving it as it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, Tile, TilePath, TreeHead};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::views::{NAMES, SUBJECT};
use super::{FileId, check_identity, log};
use crate::storage::rows::{sha256_from_db, stored_entries_of, tile_place_of};
use crate::storage::snapshot::{
    Contents, Form, Snapshot, Snapshots, StoredDocument, StoredEntry, TilePlace, View, ViewKey,
    ViewRow,
};
use crate::storage::{EntriesLimit, LogIdentity, StorageError};

/// How many findings of its own `SQLite` lists at most.
const FINDINGS_MAX: u32 = 20;

/// Opens snapshots of the log in a file.
pub struct SqliteSnapshots {
    file: PathBuf,
}

/// A transaction that reads.
struct SqliteSnapshot {
    connection: SqliteConnection,
    head: TreeHead,
}

impl SqliteSnapshots {
    /// Of the log in `file`, which a server may run meanwhile. Nothing is written to it.
    pub async fn open(file: &Path) -> Result<Self, StorageError> {
        FileId::of(file)?;
        check_identity(file).await?;
        Ok(Self {
            file: file.to_owned(),
        })
    }

    /// Writes a copy of the database to a file that is not there yet, as of one moment.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StorageError> {
        sqlx::query("VACUUM INTO ?1")
            .bind(file.to_string_lossy().into_owned())
            .execute(&mut self.connect().await?)
            .await?;
        Ok(())
    }

    async fn connect(&self) -> Result<SqliteConnection, StorageError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.file)
            .read_only(true);
        Ok(SqliteConnection::connect_with(&options).await?)
    }
}

#[async_trait]
impl Snapshots for SqliteSnapshots {
    async fn identity(&self) -> Result<LogIdentity, StorageError> {
        log::identity(&mut self.connect().await?).await
    }

    async fn ending(&self) -> Result<Option<String>, StorageError> {
        log::ending(&mut self.connect().await?).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StorageError> {
        let mut connection = self.connect().await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        let head = log::head(&mut connection).await?;
        Ok(Box::new(SqliteSnapshot { connection, head }))
    }

    async fn check_structure(&self) -> Result<Vec<String>, StorageError> {
        let mut connection = self.connect().await?;
        let check = format!("PRAGMA integrity_check({FINDINGS_MAX})");
        let rows = sqlx::query(AssertSqlSafe(check))
            .fetch_all(&mut connection)
            .await?;
        let findings = rows.iter().map(|row| Ok(row.try_get::<String, _>(0)?));
        let findings = findings.collect::<Result<Vec<_>, StorageError>>()?;
        Ok(if findings == ["ok"] {
            Vec::new()
        } else {
            findings
        })
    }

    fn form(&self) -> Form {
        Form::Indexed
    }
}

#[async_trait]
impl Contents for SqliteSnapshot {
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
        let rows = sqlx::query_as(
            "SELECT idx, statement, accepted_ms, bytes FROM entry WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
        )
        .bind(from)
        .bind(i64::from(limit.items))
        .fetch(&mut self.connection);
        stored_entries_of(rows, first, limit).await
    }

    async fn tiles(&mut self, paths: &[TilePath]) -> Result<HashMap<TilePath, Tile>, StorageError> {
        log::tiles(&mut self.connection, paths).await
    }

    async fn attachment(&mut self, sha256: Sha256) -> Result<Option<StoredDocument>, StorageError> {
        // As bytes, which may be no text any more.
        let row =
            sqlx::query("SELECT CAST(media_type AS BLOB), bytes FROM attachment WHERE sha256 = ?1")
                .bind(sha256.as_bytes().as_slice())
                .fetch_optional(&mut self.connection)
                .await?;
        row.map(|row| {
            let media_type = String::from_utf8_lossy(row.try_get(0)?).into_owned();
            Ok(StoredDocument {
                media_type: Some(media_type),
                bytes: row.try_get(1)?,
            })
        })
        .transpose()
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
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
        let rows = sqlx::query("SELECT level, idx, length(hashes) FROM tile ORDER BY level, idx");
        rows.fetch(&mut self.connection)
            .map(|row| {
                let row = row?;
                tile_place_of(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
            })
            .boxed()
    }

    fn view(&mut self, view: View, form: Form) -> BoxStream<'_, Result<ViewRow, StorageError>> {
        let is_by_number = view.is_by_number(form);
        sqlx::query(AssertSqlSafe(query(view, form)))
            .fetch(&mut self.connection)
            .map(move |row| row_of(&row?, is_by_number))
            .boxed()
    }
}

fn row_of(row: &SqliteRow, is_by_number: bool) -> Result<ViewRow, StorageError> {
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

/// The rows of a view as [`ViewRow`] has them.
fn query(view: View, form: Form) -> String {
    let columns = |columns: &[&str]| columns.join(" || ' ' || ");
    let text = |name: &str, value: &str| {
        format!("'{name}=' || iif({value} IS NULL, 'none', 'x''' || hex({value}) || '''')")
    };
    let number = |name: &str, value: &str| format!("'{name}=' || coalesce({value}, 'none')");
    match (view, form) {
        (View::Records, Form::Indexed) => format!(
            "SELECT idx, {} FROM record ORDER BY idx",
            columns(&[
                &text("kind", "kind"),
                &number("publisher", "publisher"),
                &number("subject", "subject"),
                &text("subject_sha256", "subject_sha256"),
                &number("withdrawn_by", "withdrawn_by"),
            ])
        ),
        (View::Records, Form::Named) => format!(
            "SELECT record.idx, {} FROM record {NAMES} ORDER BY record.idx",
            columns(&[
                &text("kind", "record.kind"),
                &text("publisher", "signer.name"),
                &text("subject", SUBJECT),
                &text("subject_sha256", "record.subject_sha256"),
                &number("withdrawn_by", "record.withdrawn_by"),
            ])
        ),
        (View::Releases, Form::Indexed) => format!(
            "SELECT first_idx, {} FROM release ORDER BY first_idx",
            columns(&[
                &text("name", "name"),
                &text("model", "model"),
                &number("withdrawn_by", "withdrawn_by"),
            ])
        ),
        (View::Releases, Form::Named) => format!(
            "SELECT hex(name), {} FROM release ORDER BY name",
            columns(&[
                &text("model", "model"),
                &number("first_idx", "first_idx"),
                &number("withdrawn_by", "withdrawn_by"),
            ])
        ),
        (View::Publishers, _) => {
            let first = match form {
                Form::Indexed => number("first_idx", "first_idx") + " || ' ' || ",
                Form::Named => String::new(),
            };
            format!(
                "SELECT hex(name), {first}{} FROM publisher ORDER BY name",
                columns(&[
                    &text("display_name", "display_name"),
                    &text("url", "url"),
                    &number("record_idx", "record_idx"),
                    &text("record_statement", "record_statement"),
                ])
            )
        }
        (View::Keys, _) => format!(
            "SELECT hex(publisher) || '/' || hex(keyid), {} FROM publisher_key ORDER BY publisher, keyid",
            columns(&[
                &text("public_key", "public_key"),
                &number("position", "position"),
                &number("retired_at", "retired_at"),
            ])
        ),
        (View::DigestRuns, _) => format!(
            "SELECT bucket, {} FROM digest_run ORDER BY bucket",
            text("keys", "keys")
        ),
        (View::DigestFilters, _) => format!(
            "SELECT generation, {} FROM digest_filter ORDER BY generation",
            text("filter", "filter")
        ),
    }
}
