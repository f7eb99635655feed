//! Postgres's own insert rate: the rows of a log, durable, with one index, and no log around them.
//!
//! Unless a database is named, a throw-away cluster is started as it comes: `fsync` on, commits that wait for the disk.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use candor_tests::postgres::Postgres;
use clap::Args;
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};

use crate::http::runtime;
use crate::report::Report;
use crate::server::Target;
use crate::workload::{Signed, Workload};

/// How Postgres is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many records are inserted for each size of batch
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// How many records each commit has
    #[arg(long, value_delimiter = ',', default_values_t = [256_usize, 1_024, 4_096])]
    batches: Vec<usize>,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    version: String,
    records: usize,
    batch: usize,
    records_per_second: f64,
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let (url, _cluster) = if let Some(url) = &target.database {
        (url.clone(), None)
    } else {
        let cluster = Postgres::start(&[]);
        (cluster.database().url, Some(cluster))
    };
    let version = runtime.block_on(version(&url))?;
    for batch in &options.batches {
        let rate = runtime.block_on(measure(&url, options.records, *batch))?;
        let figures = Figures {
            bench: "postgres",
            version: version.clone(),
            records: options.records,
            batch: *batch,
            records_per_second: rate,
        };
        let line = format!(
            "Postgres {version}: {rate:.0} records/s in commits of {batch}, {} records, one index",
            options.records
        );
        report.add(&line, &figures)?;
    }
    Ok(())
}

/// Which one it is, if its commits are durable.
async fn version(url: &str) -> anyhow::Result<String> {
    let pool = open(url).await?;
    let show = async |name: &str| -> anyhow::Result<String> {
        let setting = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
        Ok(setting.fetch_one(&pool).await?)
    };
    for name in ["fsync", "synchronous_commit"] {
        let setting = show(name).await?;
        ensure!(
            setting == "on",
            "{name} is {setting:?}: a log's commits are durable, so measure with it on"
        );
    }
    let version = show("server_version").await?;
    pool.close().await;
    Ok(version.split(' ').next().unwrap_or_default().to_owned())
}

async fn open(url: &str) -> anyhow::Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(1);
    options
        .connect(url)
        .await
        .context("Postgres does not answer")
}

/// Records a second, in commits of `batch`, in a schema that is made for it and dropped.
pub(crate) async fn measure(url: &str, records: usize, batch: usize) -> anyhow::Result<f64> {
    let signed = Workload::new("postgres").signed(records);
    let pool = open(url).await?;
    let mut connection = pool.acquire().await?;
    for statement in [
        "DROP SCHEMA IF EXISTS candor_bench CASCADE",
        "CREATE SCHEMA candor_bench",
        "CREATE TABLE candor_bench.entry (idx bigint PRIMARY KEY, statement bytea NOT NULL,
             statement_key bigint NOT NULL, bytes bytea NOT NULL)",
        "CREATE INDEX entry_by_statement_key ON candor_bench.entry (statement_key)",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    let begun = Instant::now();
    let mut index = 0_i64;
    for records in signed.chunks(batch) {
        insert(&mut connection, &mut index, records).await?;
    }
    let elapsed = begun.elapsed();
    sqlx::query("DROP SCHEMA candor_bench CASCADE")
        .execute(&mut *connection)
        .await?;
    drop(connection);
    pool.close().await;
    Ok(records as f64 / elapsed.as_secs_f64())
}

/// One statement, and so one transaction.
async fn insert(
    connection: &mut PgConnection,
    index: &mut i64,
    records: &[Signed],
) -> sqlx::Result<()> {
    let (mut indexes, mut statements, mut keys, mut entries) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let statement = record.statement.as_bytes();
        indexes.push(*index);
        statements.push(statement.as_slice());
        keys.push(i64::from_be_bytes(
            *statement.first_chunk::<8>().expect("32 bytes"),
        ));
        entries.push(record.entry.as_slice());
        *index += 1;
    }
    sqlx::query(
        "INSERT INTO candor_bench.entry
         SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[])",
    )
    .bind(indexes)
    .bind(statements)
    .bind(keys)
    .bind(entries)
    .execute(connection)
    .await?;
    Ok(())
}
