//! Records a second over HTTP, beside the ceiling of the bare parts.
//!
//! An answer carries receipts in a signed tree, so what a publisher waits for is also the time until its record is
//! included. That is not taken on faith: the last answer on each connection is checked as a publisher would.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use candor_core::note::LogKey;
use candor_server::data_folder::DataFolder;
use candor_server::sequencer::BATCH_RECORDS;
use clap::Args;
use hyper::body::Bytes;
use serde::Serialize;

use crate::ceiling;
use crate::http::{Ask, Connection, Load, load, runtime};
use crate::postgres;
use crate::receipts::{log_key, verify_answer};
use crate::report::Report;
use crate::server::{Server, Target};
use crate::workload::Workload;

/// How publishing is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many seconds each form is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The forms, as `CONNECTIONSxRECORDS`, the latter being how many a request has
    #[arg(
        long, value_delimiter = ',',
        default_values_t = ["1x1", "64x1", "256x1", "1024x1", "64x256"].map(str::to_owned)
    )]
    forms: Vec<String>,
    /// How many records are signed in advance for each second: above what the log can take
    #[arg(long, default_value_t = 20_000)]
    records_per_second_max: usize,
    /// Let no catalogue follow the log, to see what that takes of publishing: a folder stands in its file's place
    #[arg(long)]
    no_catalogue: bool,
    /// Don't measure the ceiling
    #[arg(long)]
    no_ceiling: bool,
    /// Further flags of `candor-server serve`
    #[arg(last = true)]
    flags: Vec<String>,
}

impl Options {
    /// How many records a form is measured with at most.
    fn records_max(&self) -> anyhow::Result<usize> {
        Ok(self.records_per_second_max * usize::try_from(self.seconds)?)
    }
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    /// `none`, where none follows the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<&'static str>,
    connections: usize,
    records_per_request: usize,
    records: u64,
    records_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// Records whose receipts were checked, and hold.
    receipts_verified: usize,
    server_cores: f64,
    server_rss_mib: f64,
    /// Of the ceiling that was measured right before and right after.
    of_ceiling: Option<f64>,
    ceiling: Option<f64>,
    /// How many records each of its commits had.
    ceiling_batch: usize,
    /// Of what a handler reaches that reads and verifies the same requests, answers as much, and stores nothing.
    of_bare: Option<f64>,
    bare_records_per_second: Option<f64>,
}

/// Of so many, each waits for the disk: a few seconds.
const CEILING_COMMITS_MAX: usize = 20_000;

/// How long the bare handler is measured.
const BARE_TIME: Duration = Duration::from_secs(4);

/// How many connections, and how many records in a request.
#[derive(Clone, Copy)]
struct Form {
    connections: usize,
    records: usize,
}

impl Form {
    /// How many records can wait at a time, of those that the log takes into one batch.
    fn waiting_max(self) -> usize {
        (self.connections * self.records).min(BATCH_RECORDS)
    }
}

impl std::str::FromStr for Form {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let wrong =
            || anyhow::anyhow!("{text:?} is no form: write CONNECTIONSxRECORDS, as in 64x256");
        let (connections, records) = text.split_once('x').ok_or_else(wrong)?;
        Ok(Self {
            connections: connections.parse().map_err(|_| wrong())?,
            records: records.parse().map_err(|_| wrong())?,
        })
    }
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let forms = options
        .forms
        .iter()
        .map(|form| form.parse())
        .collect::<anyhow::Result<Vec<Form>>>()?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("log");
    target.init(&data)?;
    if options.no_catalogue {
        ensure!(
            target.database.is_none(),
            "in Postgres, the catalogue has no file that something else could stand for: leave out --no-catalogue"
        );
        fs::create_dir(DataFolder::new(&data).catalogue())?;
    }
    let flags: Vec<&str> = options.flags.iter().map(String::as_str).collect();
    let server = target.serve(&data, &flags)?;
    let runtime = runtime()?;
    let workload = Workload::new("write");
    let key = runtime.block_on(async {
        let mut connection = Connection::open(&server.address).await?;
        connection.publish(workload.registrations().into()).await?;
        log_key(&mut connection).await
    })?;
    for form in forms {
        let before = ceiling_rate(form, options, target, &runtime)?;
        let measured = measure(form, options, &workload, &server, &key, &runtime)?;
        let after = ceiling_rate(form, options, target, &runtime)?;
        let ceiling = before
            .zip(after)
            .map(|(before, after)| f64::midpoint(before, after));
        report_form(form, options, target, &measured, &server, ceiling, report)?;
    }
    server.stop()?;
    Ok(())
}

/// The bare parts with `SQLite`; on Postgres, what it inserts without a log around it.
fn ceiling_rate(
    form: Form,
    options: &Options,
    target: &Target,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<Option<f64>> {
    if options.no_ceiling {
        return Ok(None);
    }
    let batch = form.waiting_max();
    // As many as the log is offered: over fewer, SQLite would not once have copied its write-ahead log.
    let records = options.records_max()?.min(CEILING_COMMITS_MAX * batch);
    let rate = match &target.database {
        Some(url) => runtime.block_on(postgres::measure(url, records, batch))?,
        None => ceiling::measure(records, batch)?.rate,
    };
    Ok(Some(rate))
}

/// What one form came to.
struct Measured {
    load: Load,
    server_cores: f64,
    receipts_verified: usize,
    /// Records a second of the bare handler.
    bare: Option<f64>,
}

fn measure(
    form: Form,
    options: &Options,
    workload: &Workload,
    server: &Server,
    key: &LogKey,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<Measured> {
    let bodies = options.records_max()?.div_ceil(form.records);
    let bodies: Vec<Bytes> = workload
        .bodies(bodies, form.records)
        .into_iter()
        .map(Bytes::from)
        .collect();
    let asks: Vec<Ask> = bodies.iter().cloned().map(Ask::Publish).collect();
    let before = server.usage()?;
    let time = Duration::from_secs(options.seconds);
    let load = runtime.block_on(load(&server.address, form.connections, asks.clone(), time))?;
    let used = server.usage()?.cpu_seconds - before.cpu_seconds;
    let mut receipts_verified = 0;
    for (n, answer) in &load.kept {
        receipts_verified += verify_answer(&bodies[*n], answer, key)?;
    }
    let bare = if options.no_ceiling {
        None
    } else {
        Some(bare_rate(form, &load, asks, runtime)?)
    };
    Ok(Measured {
        bare,
        server_cores: used / load.elapsed.as_secs_f64(),
        receipts_verified,
        load,
    })
}

/// What a handler reaches that reads and verifies the same, and answers as much.
fn bare_rate(
    form: Form,
    measured: &Load,
    asks: Vec<Ask>,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<f64> {
    let bytes = measured.answer_bytes / measured.requests.max(1);
    let bare = Server::bare(usize::try_from(bytes)?)?;
    let load = runtime.block_on(load(&bare.address, form.connections, asks, BARE_TIME))?;
    Ok(load.rate() * form.records as f64)
}

fn report_form(
    form: Form,
    options: &Options,
    target: &Target,
    measured: &Measured,
    server: &Server,
    ceiling: Option<f64>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let load = &measured.load;
    let records_per_second = load.rate() * form.records as f64;
    let figures = Figures {
        bench: "write",
        storage: target.storage(),
        catalogue: options.no_catalogue.then_some("none"),
        connections: form.connections,
        records_per_request: form.records,
        records: load.requests * form.records as u64,
        records_per_second,
        p50_ms: load.quantile_ms(0.5),
        p99_ms: load.quantile_ms(0.99),
        p999_ms: load.quantile_ms(0.999),
        max_ms: load.quantile_ms(1.0),
        receipts_verified: measured.receipts_verified,
        server_cores: measured.server_cores,
        server_rss_mib: server.usage()?.rss_peak_bytes as f64 / f64::from(1 << 20),
        of_ceiling: ceiling.map(|ceiling| records_per_second / ceiling),
        ceiling,
        ceiling_batch: form.waiting_max(),
        of_bare: measured.bare.map(|bare| records_per_second / bare),
        bare_records_per_second: measured.bare,
    };
    let ratio =
        figures
            .of_ceiling
            .zip(figures.ceiling)
            .map_or_else(String::new, |(ratio, ceiling)| {
                let batch = figures.ceiling_batch;
                format!("  {ratio:.2} of {ceiling:.0}/s in commits of {batch}")
            });
    let bare = figures.of_bare.zip(figures.bare_records_per_second);
    let bare = bare.map_or_else(String::new, |(ratio, bare)| {
        format!(", {ratio:.2} of {bare:.0}/s of a handler that only verifies")
    });
    let line = format!(
        "{:>5} connections x {:>3}: {:>7.0} records/s  included after p50 {:>7.1} ms  p99 {:>7.1}  p99.9 {:>7.1}  max {:>7.1}  server {:.2} cores, {:.0} MiB  {} receipts hold{ratio}{bare}",
        form.connections,
        form.records,
        figures.records_per_second,
        figures.p50_ms,
        figures.p99_ms,
        figures.p999_ms,
        figures.max_ms,
        figures.server_cores,
        figures.server_rss_mib,
        figures.receipts_verified,
    );
    report.add(&line, &figures)
}
