//! Publishers, records and releases are what the entries say: whoever has the entries can derive them again.

use std::path::Path;

use candor_tests::TestLog;
use candor_tests::http::multipart;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Column as _, Connection as _, Row as _, ValueRef as _};

use crate::world::{CARD, World, manifest};

/// The tables that `migrations/sqlite/0002_views.sql` makes, each with an order of its rows.
const VIEWS: [(&str, &str); 4] = [
    ("record", "idx"),
    ("publisher", "name"),
    ("publisher_key", "publisher, keyid"),
    ("release", "name"),
];

#[test]
fn the_views_follow_from_the_entries() {
    let world = World::new();
    let again = TestLog::start();
    // One by one, as they were logged: what was a batch there is sixteen batches here.
    for index in 0..world.envelopes.len() {
        let record = world.json(&format!("/api/v1/records/{index}"));
        let envelope = serde_json::to_vec(&record["envelope"]).expect("JSON");
        let attachments: &[&[u8]] = match record["kind"].as_str() {
            Some("model-card") => &[CARD],
            Some("weights") => &[&manifest().to_bytes()],
            _ => &[],
        };
        let (content_type, body) = multipart(&envelope, attachments);
        again.post(content_type, &body).expect_status(201);
    }
    for (table, order) in VIEWS {
        let rows = rows(&world.log.data(), table, order);
        assert!(
            !rows.is_empty(),
            "{table} has no rows, so nothing is compared"
        );
        assert_eq!(rows, self::rows(&again.data(), table, order), "{table}");
    }
}

/// All that a table holds, as text.
fn rows(data: &Path, table: &str, order: &str) -> Vec<String> {
    let query = format!("SELECT * FROM {table} ORDER BY {order}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rows = runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(data.join("log.db"))
            .read_only(true);
        let mut database = SqliteConnection::connect_with(&options).await?;
        sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_all(&mut database)
            .await
    });
    rows.expect("the tables are there")
        .iter()
        .map(row)
        .collect()
}

fn row(row: &SqliteRow) -> String {
    let value = |column: usize| {
        if row.try_get_raw(column).expect("a column").is_null() {
            return "null".to_owned();
        }
        row.try_get::<String, _>(column)
            .or_else(|_| row.try_get::<i64, _>(column).map(|it| it.to_string()))
            .or_else(|_| row.try_get::<Vec<u8>, _>(column).map(hex::encode))
            .expect("text, a number or bytes")
    };
    let columns = row.columns().iter().enumerate();
    let columns = columns.map(|(n, column)| format!("{}={}", column.name(), value(n)));
    columns.collect::<Vec<_>>().join(" ")
}
