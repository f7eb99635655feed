//! Postgres's own insert rate: the rows of a log, durable, with one index, and no log around them.
//!
//! Unless a database is named, a throw-away cluster is started as its programs come: `fsync` on, commits that wait
//! for the disk, its data in a temporary folder, reached by a socket in there.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
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
    /// The folder with `initdb` and `postgres` [default: the newest in /usr/lib/postgresql]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    version: String,
    records: usize,
    batch: usize,
    records_per_second: f64,
}

/// The user of a cluster that root starts: Postgres refuses to be root.
const NOBODY: u32 = 65_534;

/// How long a cluster may take to start, or to stop.
const START_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let (url, cluster) = if let Some(url) = &target.database {
        (url.clone(), None)
    } else {
        let cluster = Cluster::start(options.programs.as_deref())?;
        (cluster.url(), Some(cluster))
    };
    let version = runtime.block_on(version(&url, cluster.as_ref()))?;
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

/// Waits until the server answers, and makes sure that a commit is durable.
async fn version(url: &str, cluster: Option<&Cluster>) -> anyhow::Result<String> {
    let pool = open(url, cluster).await?;
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

async fn open(url: &str, cluster: Option<&Cluster>) -> anyhow::Result<PgPool> {
    let begun = Instant::now();
    loop {
        match PgPoolOptions::new().max_connections(1).connect(url).await {
            Ok(pool) => return Ok(pool),
            Err(_) if cluster.is_some() && begun.elapsed() < START_MAX => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => {
                let said = cluster.map(Cluster::said).unwrap_or_default();
                return Err(error).context(format!("Postgres does not answer: {said}"));
            }
        }
    }
}

/// Records a second, in commits of `batch`, in a schema that is made for it and dropped.
pub(crate) async fn measure(url: &str, records: usize, batch: usize) -> anyhow::Result<f64> {
    let signed = Workload::new("postgres").signed(records);
    let pool = open(url, None).await?;
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

/// A cluster that goes when this does.
struct Cluster {
    process: Child,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start(programs: Option<&Path>) -> anyhow::Result<Self> {
        let programs = match programs {
            Some(programs) => programs.to_owned(),
            None => newest_programs()?,
        };
        let folder = tempfile::tempdir()?;
        // Who owns a folder that was just made is who this program is.
        let root = std::os::unix::fs::MetadataExt::uid(&folder.path().metadata()?) == 0;
        if root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(folder.path());
            if root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let data = folder.path().join("data");
        let output = command("initdb")
            .args([
                "--auth",
                "trust",
                "--username",
                "bench",
                "--encoding",
                "UTF8",
            ])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .with_context(|| programs.join("initdb").display().to_string())?;
        ensure!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = std::fs::File::create(folder.path().join("postgres.log"))?;
        let process = command("postgres")
            .arg("-D")
            .arg(&data)
            // No port, only a socket in the folder.
            .args(["-c", "listen_addresses=", "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(lines)
            .spawn()?;
        Ok(Self { process, folder })
    }

    fn url(&self) -> String {
        let socket = self.folder.path().display();
        format!("postgres://bench@localhost/postgres?host={socket}")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What it started itself ends only when it is asked to stop: "fast", which does not wait for clients.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.process.wait();
    }
}

fn newest_programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let newest = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("initdb").exists())
        .max();
    match newest {
        Some(programs) => Ok(programs),
        None => bail!(
            "no Postgres in /usr/lib/postgresql; say where its programs are with --programs, or name a database with --database"
        ),
    }
}
