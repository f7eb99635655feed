//! What appending, starting and memory cost as the log grows.
//!
//! Between two sizes the log is filled through the server's own storage, without HTTP and without checking
//! signatures (they hold, and others may check them); at each size the real server is started and written to. A size
//! that a log has passed by then is measured on a new one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use candor_core::merkle::{Entry, LeafHash, LeafIndex};
use candor_core::record::{Kind, SignedRecord};
use candor_server::storage::{Batch, NewEntry, Storage};
use candor_server::tree::RightEdge;
use candor_server::views::{Effect, ViewChange};
use clap::Args;
use hyper::body::Bytes;
use serde::Serialize;

use crate::http::{Ask, load, runtime};
use crate::report::Report;
use crate::server::Target;
use crate::workload::{Signed, Workload};

/// How growth is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The sizes at which the server is started and measured
    #[arg(
        long, value_delimiter = ',',
        default_values_t = [1_000_u64, 10_000, 100_000, 1_000_000, 10_000_000]
    )]
    sizes: Vec<u64>,
    /// How many records are published at each size, in requests of 256 over 64 connections, after as many to warm up
    #[arg(long, default_value_t = 65_536)]
    records: usize,
    /// The folder in which the logs are made, and left; a temporary one that is removed, if left out
    #[arg(long)]
    data: Option<PathBuf>,
}

/// How many records a request has.
const RECORDS_PER_REQUEST: usize = 256;

/// How many connections publish.
const CONNECTIONS: usize = 64;

/// How many entries a batch of the filling has.
const FILL_BATCH: usize = 4_096;

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    size: u64,
    records_per_second: f64,
    server_cpu_us_per_record: f64,
    p99_ms: f64,
    start_ms: f64,
    rss_mib: f64,
    database_bytes_per_entry: f64,
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let grown = 2 * options.records as u64;
    ensure!(
        target.database.is_none()
            || options
                .sizes
                .is_sorted_by(|size, next| size + grown <= *next),
        "a database has room for one log: pass --sizes that are at least {grown} apart, by which it grows at each"
    );
    let temporary = tempfile::tempdir()?;
    let folder = options.data.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder)?;
    let runtime = runtime()?;
    let workload = Workload::new("grow");
    let mut log: Option<(PathBuf, u64)> = None;
    for size in &options.sizes {
        let data = if let Some((data, entries)) = log.take()
            && entries <= *size
        {
            data
        } else {
            let data = folder.join(format!("log-{size}"));
            target.init(&data)?;
            target.register(&data, &workload, &runtime)?;
            data
        };
        runtime.block_on(fill(target, &data, &workload, *size))?;
        // What was filled in is on its way to the disk, and would be measured along.
        ensure!(Command::new("sync").status()?.success(), "sync failed");
        let figures = measure(options, target, &data, &workload, &runtime, *size)?;
        let line = format!(
            "{:>9} entries: {:>6.0} records/s  {:>5.0} us of a core each  p99 {:>6.1} ms  starts in {:>6.0} ms  {:>4.0} MiB  {:.0} bytes an entry on disk",
            figures.size,
            figures.records_per_second,
            figures.server_cpu_us_per_record,
            figures.p99_ms,
            figures.start_ms,
            figures.rss_mib,
            figures.database_bytes_per_entry,
        );
        report.add(&line, &figures)?;
        log = Some((data, size + grown));
    }
    Ok(())
}

fn measure(
    options: &Options,
    target: &Target,
    data: &Path,
    workload: &Workload,
    runtime: &tokio::runtime::Runtime,
    size: u64,
) -> anyhow::Result<Figures> {
    let asks = |records: usize| -> Vec<Ask> {
        workload
            .bodies(records / RECORDS_PER_REQUEST, RECORDS_PER_REQUEST)
            .into_iter()
            .map(|body| Ask::Publish(Bytes::from(body)))
            .collect()
    };
    // Behind what was filled in, the first seconds are about memory and disk coming to rest.
    let (warm_up, measured) = (asks(options.records), asks(options.records));
    let server = target.serve(data, &[])?;
    let time = Duration::from_mins(10);
    runtime.block_on(load(&server.address, CONNECTIONS, warm_up, time))?;
    let before = server.usage()?;
    let load = runtime.block_on(load(&server.address, CONNECTIONS, measured, time))?;
    let after = server.usage()?;
    let records = load.requests as f64 * RECORDS_PER_REQUEST as f64;
    let start_ms = server.start_time.as_secs_f64() * 1_000.0;
    server.stop()?;
    Ok(Figures {
        bench: "grow",
        storage: target.storage(),
        size,
        records_per_second: records / load.elapsed.as_secs_f64(),
        server_cpu_us_per_record: (after.cpu_seconds - before.cpu_seconds) * 1e6 / records,
        p99_ms: load.quantile_ms(0.99),
        start_ms,
        rss_mib: after.rss_peak_bytes as f64 / f64::from(1 << 20),
        database_bytes_per_entry: folder_bytes(data)? as f64 / (size as f64 + 2.0 * records),
    })
}

/// Fills the log up to `size` entries.
pub(crate) async fn fill(
    target: &Target,
    data: &Path,
    workload: &Workload,
    size: u64,
) -> anyhow::Result<()> {
    let storage = target.open_storage(data).await?;
    let mut edge = RightEdge::load(storage.as_ref()).await?;
    let begun = Instant::now();
    while edge.head().size.get() < size {
        let missing = usize::try_from(size - edge.head().size.get())?;
        let signed = workload.signed(missing.min(16 * FILL_BATCH));
        for records in signed.chunks(FILL_BATCH) {
            append(storage.as_ref(), &mut edge, workload, records).await?;
        }
    }
    if begun.elapsed() > Duration::from_secs(5) {
        eprintln!(
            "filled up to {size} entries in {:.0} s",
            begun.elapsed().as_secs_f64()
        );
    }
    storage.close().await;
    Ok(())
}

async fn append(
    storage: &dyn Storage,
    edge: &mut RightEdge,
    workload: &Workload,
    records: &[Signed],
) -> anyhow::Result<()> {
    let before = edge.head();
    let (mut entries, mut views, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for (record, index) in records.iter().zip(before.size.get()..) {
        let entry = Entry::new(record.entry.clone())?;
        let subject = SignedRecord::from_entry(&entry)?.statement().subject.sha256;
        leaves.push(LeafHash::of(&entry));
        entries.push(NewEntry {
            entry,
            statement: record.statement,
            accepted_ms: None,
        });
        views.push(ViewChange {
            index: LeafIndex::new(index),
            kind: Kind::ApiVersion,
            publisher: workload.publishers()[record.publisher].name.parse()?,
            subject: record.subject.clone(),
            subject_sha256: subject,
            release: Some(record.subject.parse()?),
            effect: Effect::None,
        });
    }
    let tiles = edge.append(leaves);
    let batch = Batch {
        before,
        after: edge.head(),
        entries,
        tiles,
        attachments: Vec::new(),
        views,
    };
    Ok(storage.turn().await?.commit(&batch).await?)
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
