//! Proofs and tiles a second, beside an axum handler that sends the same bytes and does nothing else.

use std::time::Duration;

use candor_core::merkle::{LeafIndex, TileIndex, TileLevel, TilePath, TileWidth};
use clap::Args;
use hyper::body::Bytes;
use serde::Serialize;

use crate::grow::fill;
use crate::http::{Ask, Connection, Load, load, runtime};
use crate::report::Report;
use crate::server::{Server, Target};
use crate::workload::Workload;

/// How reading is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many entries the log has
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// How many seconds each form is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many connections ask
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    what: &'static str,
    entries: u64,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    bytes_per_answer: f64,
    server_rss_mib: f64,
    bare_requests_per_second: f64,
    of_bare: f64,
}

/// How many different things are asked for.
const VARIETY: u64 = 100_000;

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("log");
    target.init(&data)?;
    let workload = Workload::new("read");
    target.register(&data, &workload, &runtime)?;
    runtime.block_on(fill(target, &data, &workload, options.entries))?;
    let server = target.serve(&data, &[])?;
    let entries = options.entries;
    // Spread over the log in an order without one: a multiple of a number that has no factor in common.
    let spread = |n: u64, of: u64| n.wrapping_mul(2_654_435_761) % of;
    let full_tiles = (entries / 256).max(1);
    let proof = |n| {
        let index = spread(n, entries);
        format!("/api/v1/proofs/inclusion?index={index}&size={entries}")
    };
    let tile = |n| {
        let path = TilePath {
            level: TileLevel::LEAVES,
            index: TileIndex::new(spread(n, full_tiles)),
            width: TileWidth::FULL,
        };
        format!("/{path}")
    };
    let record = |n| format!("/api/v1/records/{}", LeafIndex::new(spread(n, entries)));
    let forms: [(&'static str, &dyn Fn(u64) -> String); 4] = [
        ("inclusion proofs", &proof),
        ("full tiles", &tile),
        ("checkpoints", &|_| "/checkpoint".to_owned()),
        ("records", &record),
    ];
    for (what, path) in forms {
        let asks = |count| (0..count).map(|n| Ask::Get(path(n))).collect::<Vec<_>>();
        let one = runtime.block_on(get_once(&server, &path(1)))?;
        let bare = bare_rate(options, one.len(), &runtime)?;
        let seconds = Duration::from_secs(options.seconds);
        // Once through, so that caches are what they are in a server that has run for a while.
        runtime.block_on(load(
            &server.address,
            options.connections,
            asks(VARIETY),
            seconds,
        ))?;
        let repeated: Vec<Ask> = asks(VARIETY).into_iter().cycle().take(10_000_000).collect();
        let load = runtime.block_on(load(
            &server.address,
            options.connections,
            repeated,
            seconds,
        ))?;
        let figures = Figures {
            bench: "read",
            storage: target.storage(),
            what,
            entries,
            requests_per_second: load.rate(),
            p50_ms: load.quantile_ms(0.5),
            p99_ms: load.quantile_ms(0.99),
            bytes_per_answer: load.answer_bytes as f64 / load.requests as f64,
            server_rss_mib: server.usage()?.rss_peak_bytes as f64 / f64::from(1 << 20),
            bare_requests_per_second: bare,
            of_bare: load.rate() / bare,
        };
        report.add(&line(&figures), &figures)?;
    }
    server.stop()?;
    Ok(())
}

fn line(figures: &Figures) -> String {
    format!(
        "{:>16} of {} entries: {:>6.0}/s  p50 {:.2} ms  p99 {:.2}  {:.0} bytes each  server {:.0} MiB  {:.2} of a bare handler's {:.0}/s",
        figures.what,
        figures.entries,
        figures.requests_per_second,
        figures.p50_ms,
        figures.p99_ms,
        figures.bytes_per_answer,
        figures.server_rss_mib,
        figures.of_bare,
        figures.bare_requests_per_second,
    )
}

async fn get_once(server: &Server, path: &str) -> anyhow::Result<Bytes> {
    Connection::open(&server.address).await?.get(path).await
}

/// What a handler that sends `bytes` bytes from memory reaches, in a process of its own.
fn bare_rate(
    options: &Options,
    bytes: usize,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<f64> {
    let bare = Server::bare(bytes)?;
    let asks = vec![Ask::Get("/".to_owned()); 10_000_000];
    let time = Duration::from_secs(options.seconds);
    let load: Load = runtime.block_on(load(&bare.address, options.connections, asks, time))?;
    Ok(load.rate())
}
