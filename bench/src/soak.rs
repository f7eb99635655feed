//! A log at full rate for a long time: whether memory and waits stay what they were. What finds a log's entries in memory
//! grows with the log, and is told apart from the rest, which must not grow.
//!
//! ```text
//! signer (one thread) ──► the next window's requests ──► one window after the other over HTTP ──► a line a minute
//! ```
//!
//! The signer shares the cores too: what a window waits for it is no part of its waits.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use hdrhistogram::Histogram;
use hyper::body::Bytes;
use serde::Serialize;

use crate::http::{Ask, Connection, load, runtime};
use crate::report::Report;
use crate::server::Target;
use crate::workload::Workload;

/// How many records a window has: some seconds of them.
const WINDOW_RECORDS: usize = 65_536;

/// How long a line is about.
const LINE: Duration = Duration::from_mins(1);

/// How a log is kept busy.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many minutes
    #[arg(long, default_value_t = 20)]
    minutes: u64,
    /// How many connections publish
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How many records a request has
    #[arg(long, default_value_t = 16)]
    records: usize,
    /// Further flags of `candor-server serve`
    #[arg(last = true)]
    flags: Vec<String>,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    after_minutes: u64,
    entries: u64,
    records_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    server_rss_mib: f64,
    index_mib: f64,
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("log");
    target.init(&data)?;
    let flags: Vec<&str> = options.flags.iter().map(String::as_str).collect();
    let server = target.serve(&data, &flags)?;
    let runtime = runtime()?;
    let workload = Workload::new("soak");
    runtime.block_on(async {
        let mut connection = Connection::open(&server.address).await?;
        connection.publish(workload.registrations().into()).await
    })?;
    let (signed, windows) = mpsc::sync_channel::<Vec<Ask>>(1);
    let requests = WINDOW_RECORDS / options.records;
    let records = options.records;
    std::thread::spawn(move || {
        let publishers = workload.publishers().len();
        loop {
            let bodies = (0..requests).map(|n| workload.body(n % publishers, records));
            let asks = bodies.map(|body| Ask::Publish(Bytes::from(body))).collect();
            // Nobody wants more at the end.
            if signed.send(asks).is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let mut entries = 0_u64;
    for minute in 1..=options.minutes {
        let end = begun + LINE * u32::try_from(minute)?;
        let mut latency_us = Histogram::<u64>::new(3)?;
        let (since, before) = (Instant::now(), entries);
        while Instant::now() < end {
            let asks = windows.recv()?;
            let window = load(&server.address, options.connections, asks, LINE);
            let window = runtime.block_on(window)?;
            latency_us.add(&window.latency_us)?;
            entries += window.requests * records as u64;
        }
        let quantile = |quantile| latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let figures = Figures {
            bench: "soak",
            storage: target.storage(),
            after_minutes: minute,
            entries,
            records_per_second: (entries - before) as f64 / since.elapsed().as_secs_f64(),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            max_ms: quantile(1.0),
            server_rss_mib: mib(server.usage()?.rss_bytes as f64),
            index_mib: mib(runtime.block_on(index_bytes(&server.address))?),
        };
        let line = format!(
            "minute {:>3}: {:>10} entries  {:>6.0} records/s  p50 {:>6.1} ms  p99 {:>6.1}  max {:>7.1}  memory {:>4.0} MiB: index {:>3.0}, rest {:>4.0}",
            figures.after_minutes,
            figures.entries,
            figures.records_per_second,
            figures.p50_ms,
            figures.p99_ms,
            figures.max_ms,
            figures.server_rss_mib,
            figures.index_mib,
            figures.server_rss_mib - figures.index_mib,
        );
        report.add(&line, &figures)?;
    }
    server.stop()?;
    Ok(())
}

/// What the server says of the memory that finds the log's entries.
async fn index_bytes(address: &str) -> anyhow::Result<f64> {
    let metrics = Connection::open(address).await?.get("/metrics").await?;
    let metrics = String::from_utf8(metrics.to_vec())?;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix("candor_index_bytes "));
    Ok(value
        .context("no candor_index_bytes in /metrics")?
        .parse()?)
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
