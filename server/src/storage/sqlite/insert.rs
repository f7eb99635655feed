//! Statements that insert many rows: each statement goes to the connection's own thread and back.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::storage::StorageError;

/// A statement, of which some parameters are bound.
pub(super) type Insert<'r> = Query<'r, Sqlite, SqliteArguments>;

/// A statement inserts at most so many rows. There is one for each power of two up to this, which the connection
/// keeps: to read a statement of many rows takes longer than to run it.
const ROWS_PER_STATEMENT_MAX: usize = 256;

/// A table that rows go into.
pub(super) struct Table {
    /// Its name, and its columns in parentheses, of which the first is never null.
    pub(super) into: &'static str,
    /// What becomes of a row that is there already, as SQL.
    pub(super) on_conflict: &'static str,
}

impl Table {
    /// Of rows that are not there yet.
    pub(super) const fn new(into: &'static str) -> Self {
        Self {
            into,
            on_conflict: "",
        }
    }

    /// Inserts `rows`; `bind` gives the values of one.
    pub(super) async fn insert<'r, R>(
        &self,
        connection: &mut SqliteConnection,
        rows: &'r [R],
        bind: impl Fn(Insert<'r>, &'r R) -> Insert<'r>,
    ) -> Result<(), StorageError> {
        for rows in rows.chunks(ROWS_PER_STATEMENT_MAX) {
            let text = self.text(rows.len().next_power_of_two());
            let statement = rows.iter().fold(sqlx::query(AssertSqlSafe(text)), &bind);
            statement.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// A statement for up to `rows` rows: what is not bound is null, and such rows are left out.
    ///
    /// One that fails ends the turn, so `SQLite` need not keep a copy of each page that it touches, to take back this
    /// statement alone.
    fn text(&self, rows: usize) -> String {
        let Self { into, on_conflict } = self;
        let columns = 1 + into.matches(',').count();
        let row = format!("(?{})", ", ?".repeat(columns - 1));
        format!(
            "INSERT OR ROLLBACK INTO {into} SELECT * FROM (VALUES {row}{}) WHERE column1 IS NOT NULL {on_conflict}",
            format!(", {row}").repeat(rows - 1)
        )
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn there_is_a_row_for_each_that_was_inserted() {
        const TABLE: Table = Table {
            into: "number (here, twice)",
            on_conflict: "ON CONFLICT (here) DO UPDATE SET twice = excluded.twice",
        };
        let mut connection = SqliteConnection::connect("sqlite::memory:")
            .await
            .expect("opens");
        sqlx::query("CREATE TABLE number (here INTEGER PRIMARY KEY, twice INTEGER) STRICT")
            .execute(&mut connection)
            .await
            .expect("a table");
        // Fewer and fewer, so that statements come again with less that is bound.
        for count in [600_i64, 257, 256, 255, 129, 3, 2, 1, 0] {
            let rows: Vec<_> = (0..count).collect();
            let insert = TABLE.insert(&mut connection, &rows, |row, here| {
                row.bind(here).bind(2 * here + count)
            });
            insert.await.expect("inserts");
            let found: Vec<(i64, i64)> = sqlx::query_as(
                "SELECT here, twice FROM number WHERE twice = 2 * here + ?1 ORDER BY here",
            )
            .bind(count)
            .fetch_all(&mut connection)
            .await
            .expect("reads");
            let expected: Vec<_> = rows.iter().map(|here| (*here, 2 * here + count)).collect();
            assert_eq!(found, expected);
        }
    }
}
