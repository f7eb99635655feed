//! One bit of a stored log is another one: `fsck` finds it and says where.

use std::fs;
use std::path::Path;

use candor_tests::cli::copy_folder;
use candor_tests::load::Random;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::world::{expect_sound, printed, server, stopped, text};

/// How many bits are changed, one at a time.
const FLIPS: usize = 100;

/// A column, and how `fsck` names its row: `{}` stands for the row's key.
struct Column {
    table: &'static str,
    name: &'static str,
    key: &'static str,
    words: &'static str,
}

const fn column(
    table: &'static str,
    name: &'static str,
    key: &'static str,
    words: &'static str,
) -> Column {
    Column {
        table,
        name,
        key,
        words,
    }
}

/// What a log keeps of entries, tiles and views, and what these logs have in it. When an entry was accepted is not among it: nothing proves that, as its
/// documentation says.
const COLUMNS: [Column; 23] = [
    column("entry", "bytes", "idx", "entry {}"),
    column("entry", "bytes", "idx", "entry {}"),
    column("entry", "statement", "idx", "entry {}"),
    column("tile", "hashes", "level || '/' || idx", "tile/"),
    column("tile", "hashes", "level || '/' || idx", "tile/"),
    column("tree_head", "root", "id", "the tree on record"),
    column("attachment", "bytes", "lower(hex(sha256))", "attachment {}"),
    column(
        "attachment",
        "media_type",
        "lower(hex(sha256))",
        "attachment {}",
    ),
    column("record", "kind", "idx", "the row {} of record"),
    column("record", "publisher", "idx", "the row {} of record"),
    column("record", "subject", "idx", "the row {} of record"),
    column("record", "subject_sha256", "idx", "the row {} of record"),
    column("record", "withdrawn_by", "idx", "the row {} of record"),
    column("release", "name", "first_idx", "the row {} of release"),
    column("release", "model", "first_idx", "the row {} of release"),
    column(
        "release",
        "withdrawn_by",
        "first_idx",
        "the row {} of release",
    ),
    column("publisher", "name", "name", "of publisher"),
    column(
        "publisher",
        "display_name",
        "name",
        "the row {} of publisher",
    ),
    column("publisher", "record_idx", "name", "the row {} of publisher"),
    column(
        "publisher",
        "record_statement",
        "name",
        "the row {} of publisher",
    ),
    column(
        "publisher_key",
        "public_key",
        "publisher",
        "of publisher_key",
    ),
    column("publisher_key", "position", "publisher", "of publisher_key"),
    column(
        "publisher_key",
        "retired_at",
        "publisher",
        "of publisher_key",
    ),
];

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what was tried is part of the result")]
async fn each_bit_that_is_flipped_is_found_and_named() {
    let mut random = Random::from_environment();
    let log = stopped(600);
    expect_sound(&log.data());
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("data");
    let (mut flipped, mut refused) = (0, 0);
    while flipped < FLIPS {
        let _ = fs::remove_dir_all(&data);
        copy_folder(&log.data(), &data);
        let column = &COLUMNS[flipped % COLUMNS.len()];
        let Some((key, what)) = flip(&data.join("log.db"), column, &mut random).await else {
            // The database itself refuses it: a kind twice, or text that is none.
            refused += 1;
            assert!(
                refused < 1_000,
                "{}.{}: nothing to flip",
                column.table,
                column.name
            );
            continue;
        };
        flipped += 1;
        let said = printed(&server(&["fsck", "--data", text(&data)]), 1);
        let words = column.words.replace("{}", &key);
        assert!(said.contains(&words), "{what}: {words:?} is not in\n{said}");
    }
    println!("{flipped} bits were flipped and found, {refused} more the database did not take");
}

/// Flips a bit of a random row's column. Returns the row's key, and what was done.
async fn flip(file: &Path, column: &Column, random: &mut Random) -> Option<(String, String)> {
    let Column {
        table, name, key, ..
    } = column;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(false);
    let mut database = SqliteConnection::connect_with(&options)
        .await
        .expect("it opens");
    let rows = format!(
        "SELECT rowid, CAST({key} AS TEXT), typeof({name}), CAST({name} AS BLOB) FROM {table} WHERE {name} IS NOT NULL"
    );
    let rows: Vec<SqliteRow> = sqlx::query(AssertSqlSafe(rows))
        .fetch_all(&mut database)
        .await
        .expect("rows");
    let row = &rows[usize::try_from(random.within(&(0..=rows.len() as u64 - 1))).expect("fits")];
    let (rowid, key, kind): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    let mut bytes: Vec<u8> = row.get(3);
    let update = if kind == "integer" {
        let number: i64 = String::from_utf8(bytes)
            .expect("digits")
            .parse()
            .expect("a number");
        let bit = random.within(&(0..=20));
        format!(
            "UPDATE {table} SET {name} = {} WHERE rowid = {rowid}",
            number ^ (1 << bit)
        )
    } else {
        let bit = random.within(&(0..=8 * bytes.len() as u64 - 1));
        bytes[usize::try_from(bit / 8).expect("fits")] ^= 1 << (bit % 8);
        let hex = hex::encode(&bytes);
        let value = match kind.as_str() {
            "text" => format!("CAST(x'{hex}' AS TEXT)"),
            _ => format!("x'{hex}'"),
        };
        format!("UPDATE {table} SET {name} = {value} WHERE rowid = {rowid}")
    };
    let done = sqlx::query(AssertSqlSafe(update))
        .execute(&mut database)
        .await;
    database.close().await.expect("it closes");
    done.ok()?;
    Some((key.clone(), format!("{table}.{name} of {key}")))
}

/// Parts of what finds an entry by a digest are written only when 65,536 entries are there.
#[test]
fn rows_that_should_not_be_there_and_rows_that_are_gone_are_named() {
    let log = stopped(300);
    let parent = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (n, (sql, words)) in [
        ("DELETE FROM entry WHERE idx = 123", "entry 123 is missing"),
        ("DELETE FROM record WHERE idx = 17", "the row 17 of record is missing"),
        ("DELETE FROM tile WHERE level = 1", "tile/1/000.p/1 is missing"),
        ("DELETE FROM attachment", "it is missing"),
        (
            "INSERT INTO tile SELECT 2, 0, hashes FROM tile LIMIT 1",
            "the tree has no such tile",
        ),
        (
            "INSERT INTO attachment VALUES (zeroblob(32), 'text/plain', x'78')",
            "no entry names it",
        ),
        (
            "INSERT INTO release VALUES (99999, 'a-lab/m@1', 'a-lab/m', NULL)",
            "the row 99999 of release is there, and does not follow from the entries",
        ),
        (
            "INSERT INTO entry SELECT idx + 1, statement, accepted_ms, bytes FROM entry ORDER BY idx DESC LIMIT 1",
            "is there, and the tree ends before it",
        ),
        (
            "UPDATE tree_head SET size = size + 1",
            "is missing",
        ),
        (
            "INSERT INTO digest_run VALUES (3, x'')",
            "the row 3 of digest_run is there, and does not follow",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let data = parent.path().join(n.to_string());
        copy_folder(&log.data(), &data);
        runtime.block_on(async {
            let options = SqliteConnectOptions::new()
                .filename(data.join("log.db"))
                .foreign_keys(false);
            let mut database = SqliteConnection::connect_with(&options).await.expect("it opens");
            sqlx::query(sql).execute(&mut database).await.expect(sql);
            database.close().await.expect("it closes");
        });
        let said = printed(&server(&["fsck", "--data", text(&data)]), 1);
        assert!(said.contains(words), "{sql}: {said}");
    }
}
