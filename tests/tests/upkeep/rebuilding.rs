//! Views and tiles are thrown away, and derived again as they were.

use std::collections::BTreeMap;
use std::path::Path;

use candor_tests::cli::copy_folder;
use candor_tests::{TestLog, postgres};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::world::{expect_sound, fill, printed, server, stopped, text};

const DERIVED: [&str; 7] = [
    "publisher_key",
    "publisher",
    "release",
    "record",
    "tile",
    "digest_run",
    "digest_filter",
];

async fn open(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(data.join("log.db"))
        .foreign_keys(false);
    SqliteConnection::connect_with(&options)
        .await
        .expect("it opens")
}

/// All rows of all tables, as text.
async fn rows(data: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let mut database = open(data).await;
    let mut all = BTreeMap::new();
    for table in DERIVED
        .into_iter()
        .chain(["entry", "tree_head", "attachment"])
    {
        let columns: Vec<String> =
            sqlx::query(AssertSqlSafe(format!("PRAGMA table_info({table})")))
                .fetch_all(&mut database)
                .await
                .expect("columns")
                .iter()
                .map(|row| format!("quote({})", row.get::<String, _>(1)))
                .collect();
        let select = format!(
            "SELECT {} AS row FROM {table} ORDER BY row",
            columns.join(" || ','  || ")
        );
        let rows = sqlx::query(AssertSqlSafe(select))
            .fetch_all(&mut database)
            .await;
        let rows = rows.expect("rows").iter().map(|row| row.get(0)).collect();
        all.insert(table, rows);
    }
    database.close().await.expect("it closes");
    all
}

#[tokio::test]
async fn what_is_derived_is_thrown_away_and_derived_again_as_it_was() {
    let log = stopped(700);
    let before = rows(&log.data()).await;
    assert!(before["record"].len() > 700 && before["publisher_key"].len() > 3);
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("data");
    copy_folder(&log.data(), &data);
    let mut database = open(&data).await;
    for table in DERIVED {
        let delete = AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(delete)
            .execute(&mut database)
            .await
            .expect("it is emptied");
    }
    sqlx::query("UPDATE entry SET statement = zeroblob(32) WHERE idx = 5")
        .execute(&mut database)
        .await
        .expect("it is changed");
    sqlx::query("UPDATE tree_head SET root = zeroblob(32), size = 3")
        .execute(&mut database)
        .await
        .expect("it is changed");
    database.close().await.expect("it closes");
    let said = printed(&server(&["rebuild", "--data", text(&data)]), 0);
    assert!(
        said.contains("1 digests of statements were wrong"),
        "{said}"
    );
    assert!(
        said.contains("the tree on record was another one"),
        "{said}"
    );
    assert_eq!(rows(&data).await, before);
    expect_sound(&data);
}

/// What the entries do not lead to the signed tree with is no ground to derive from.
#[tokio::test]
async fn nothing_is_derived_from_entries_that_are_not_those_that_were_signed() {
    let log = stopped(300);
    for (sql, words) in [
        (
            "DELETE FROM entry WHERE idx >= 200",
            "there are 200 entries, and the log signed",
        ),
        (
            "UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE idx = 30) WHERE idx = 31",
            "entry 31",
        ),
        ("DELETE FROM attachment", "it is missing"),
    ] {
        let parent = tempfile::tempdir().expect("a folder");
        let data = parent.path().join("data");
        copy_folder(&log.data(), &data);
        let mut database = open(&data).await;
        sqlx::query(sql).execute(&mut database).await.expect(sql);
        database.close().await.expect("it closes");
        let before = rows(&data).await;
        let said = printed(&server(&["rebuild", "--data", text(&data)]), 2);
        assert!(
            said.contains("nothing was changed") && said.contains(words),
            "{said}"
        );
        assert_eq!(rows(&data).await, before);
    }
}

#[test]
fn a_log_in_postgres_is_checked_and_derived_again_too() {
    let database = postgres::shared().database();
    let log = TestLog::start_on(&database.url);
    fill(&log, 500);
    let sound = || {
        server(&[
            "fsck",
            "--data",
            text(&log.data()),
            "--database",
            &database.url,
        ])
    };
    printed(&sound(), 0);
    for (sql, words) in [
        (
            "UPDATE record SET subject = 'example-lab/tiny@9.9.9' WHERE idx = 10",
            "the row 10 of record",
        ),
        (
            "UPDATE publisher SET display_name = 'Somebody' WHERE name = 'zeta-lab'",
            "the row zeta-lab of publisher",
        ),
        (
            "DELETE FROM release WHERE name = 'example-lab/tiny@1.0.0'",
            "the row example-lab/tiny@1.0.0 of release is missing",
        ),
        (
            "UPDATE tile SET hashes = overlay(hashes PLACING '\\x00'::bytea FROM 100) WHERE level = 0 AND idx = 0",
            "tile/0/000",
        ),
        (
            "UPDATE entry SET statement_key = 0 WHERE idx = 12",
            "entry 12",
        ),
    ] {
        postgres::shared().run(&database.name, sql);
        let said = printed(&sound(), 1);
        assert!(said.contains(words), "{sql}: {said}");
    }
    let rebuild = server(&[
        "rebuild",
        "--data",
        text(&log.data()),
        "--database",
        &database.url,
    ]);
    // It holds the folder's lock.
    assert!(printed(&rebuild, 2).contains("another candor-server runs the log"));
    let mut log = log;
    assert!(log.stop().success());
    let arguments = [
        "rebuild",
        "--data",
        text(&log.data()),
        "--database",
        &database.url,
    ]
    .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    printed(&server(&arguments), 0);
    printed(
        &server(&[
            "fsck",
            "--data",
            text(&log.data()),
            "--database",
            &database.url,
        ]),
        0,
    );
    log.restart();
    assert_eq!(log.get("/api/v1/records/10").status, 200);
}
