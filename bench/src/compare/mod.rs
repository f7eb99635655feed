//! Candor beside Tessera, the log that a user would pick instead: the same records, from the same connections, in
//! the same minutes.
//!
//! What counts is the same for both: an entry that is durable, and in the tree of a published checkpoint. What they
//! do for it is not, and stands beside the figures: Tessera takes any bytes.

mod inclusion;
mod tessera;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use candor_core::note::LogKey;
use clap::Args;
use hdrhistogram::Histogram;
use hyper::body::Bytes;
use serde::Serialize;

use self::inclusion::{Api, publish};
use self::tessera::{Program, Tessera};
use crate::http::{Connection, runtime};
use crate::receipts::{log_key, verify_answer};
use crate::report::Report;
use crate::server::{Server, Target};
use crate::workload::{PUBLISHERS, Signed, Workload};

/// How the two are compared.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many seconds each is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many connections publish, each one record after the other
    #[arg(long, value_delimiter = ',', default_values_t = [64_usize, 1_024])]
    connections: Vec<usize>,
    /// How many records are signed in advance for each second: above what either can take
    #[arg(long, default_value_t = 40_000)]
    records_per_second_max: usize,
    /// Tessera's largest batch, where it is tuned
    #[arg(long, default_value_t = 256)]
    batch_size: u32,
    /// How many milliseconds Tessera's batch waits to fill, where it is tuned
    #[arg(long, default_value_t = 10)]
    batch_age: u32,
    /// How many milliseconds Tessera lets pass between two checkpoints, where it is tuned; it allows no less than 100
    #[arg(long, default_value_t = 100)]
    checkpoint_interval: u32,
}

/// How many records a request has, where Candor is given several at a time.
const RECORDS_PER_REQUEST: usize = 256;

/// How many connections send such requests.
const CONNECTIONS_WITH_BATCHES: usize = 64;

/// One of those that are compared.
#[derive(Clone, Copy)]
enum Contestant {
    Candor { records_per_request: usize },
    Tessera { program: Program, antispam: bool },
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    log: String,
    settings: String,
    checks: &'static str,
    connections: usize,
    records_per_request: usize,
    entries: u64,
    refused: u64,
    entries_per_second: f64,
    entries_per_core_second: f64,
    answered_p50_ms: f64,
    answered_p99_ms: f64,
    included_p50_ms: f64,
    included_p99_ms: f64,
    server_cores: f64,
    server_rss_mib: f64,
    receipts_verified: usize,
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let tessera = Tessera::build()?;
    let runtime = runtime()?;
    let workload = Workload::new("compare");
    let signed =
        workload.signed(options.records_per_second_max * usize::try_from(options.seconds)?);
    let one = Arc::new(bodies(&signed, 1));
    let contest = Contest {
        options,
        target,
        tessera: &tessera,
        workload: &workload,
        runtime: &runtime,
    };
    for connections in &options.connections {
        for contestant in [
            Contestant::Candor {
                records_per_request: 1,
            },
            Contestant::tessera(Program::Example, false),
            Contestant::tessera(Program::Example, true),
            Contestant::tessera(Program::Flags, false),
            Contestant::tessera(Program::Flags, true),
        ] {
            contest.measure(contestant, *connections, &one, report)?;
        }
    }
    // Tessera's program takes one entry a request.
    drop(one);
    let several = Contestant::Candor {
        records_per_request: RECORDS_PER_REQUEST,
    };
    let bodies = Arc::new(bodies(&signed, RECORDS_PER_REQUEST));
    contest.measure(several, CONNECTIONS_WITH_BATCHES, &bodies, report)
}

/// The entries as they are, or several of one publisher in a request.
fn bodies(signed: &[Signed], records_per_request: usize) -> Vec<Bytes> {
    if records_per_request == 1 {
        return signed
            .iter()
            .map(|record| Bytes::from(record.entry.clone()))
            .collect();
    }
    // Who is next takes turns, as among single records.
    let publishers = usize::try_from(PUBLISHERS).expect("64");
    let of_each: Vec<Vec<&Signed>> = (0..publishers)
        .map(|publisher| {
            let own = signed.iter().filter(|record| record.publisher == publisher);
            own.collect()
        })
        .collect();
    let rounds = signed.len() / publishers / records_per_request;
    (0..rounds)
        .flat_map(|round| of_each.iter().map(move |own| (round, own)))
        .filter_map(|(round, own)| own.chunks(records_per_request).nth(round))
        .map(|records| {
            let entries: Vec<&[u8]> = records.iter().map(|record| &*record.entry).collect();
            Bytes::from([b"[", &*entries.join(&b','), b"]"].concat())
        })
        .collect()
}

impl Contestant {
    fn tessera(program: Program, antispam: bool) -> Self {
        Self::Tessera { program, antispam }
    }

    fn settings(self, options: &Options) -> String {
        match self {
            Self::Candor { .. } => "its defaults".to_owned(),
            Self::Tessera { program, antispam } => {
                let batches = match program {
                    Program::Example => {
                        "example program: batches of 256 or 1 s, checkpoints every 1 s".to_owned()
                    }
                    Program::Flags => format!(
                        "tuned: batches of {} or {} ms, checkpoints every {} ms",
                        options.batch_size, options.batch_age, options.checkpoint_interval
                    ),
                };
                let antispam = if antispam { "on" } else { "off" };
                format!("{batches}, antispam {antispam}")
            }
        }
    }

    /// What it makes sure of before it answers.
    fn checks(self) -> &'static str {
        match self {
            Self::Candor { .. } => {
                "strict JSON, schema, publisher's keys, Ed25519, all duplicates, conflicts; included"
            }
            Self::Tessera {
                antispam: false, ..
            } => "duplicates of the last 262,144; not yet in a checkpoint",
            Self::Tessera { antispam: true, .. } => {
                "duplicates, by a database that follows the log; not yet in a checkpoint"
            }
        }
    }
}

/// What all of them share.
struct Contest<'a> {
    options: &'a Options,
    target: &'a Target,
    tessera: &'a Tessera,
    workload: &'a Workload,
    runtime: &'a tokio::runtime::Runtime,
}

impl Contest<'_> {
    /// One of them, with a log of its own that is gone afterwards.
    fn measure(
        &self,
        contestant: Contestant,
        connections: usize,
        bodies: &Arc<Vec<Bytes>>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("log");
        let time = Duration::from_secs(self.options.seconds);
        let (api, records_per_request) = match contestant {
            Contestant::Candor {
                records_per_request,
            } => (Api::Candor, records_per_request),
            Contestant::Tessera { .. } => (Api::Tessera, 1),
        };
        let (server, key) = self.start(contestant, &data)?;
        let before = server.usage()?;
        let all = Arc::clone(bodies);
        let published = publish(&server.address, api, connections, all, time);
        let published = self.runtime.block_on(published)?;
        let after = server.usage()?;
        key.verify_checkpoint(&published.checkpoint)?;
        let mut receipts_verified = 0;
        if api == Api::Candor {
            for (n, answer) in &published.kept {
                receipts_verified += verify_answer(&bodies[*n], answer, &key)?;
            }
        }
        server.stop()?;
        let (log, storage, included_us) = match contestant {
            // Its answer is the proof that the entry is included; of Tessera's entries the watcher knows.
            Contestant::Candor { .. } => (
                "Candor".to_owned(),
                self.target.storage(),
                &published.answered_us,
            ),
            Contestant::Tessera { .. } => (
                format!("Tessera {}", Tessera::version()?),
                "posix",
                &published.included_us,
            ),
        };
        let cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        let entries_per_core_second = published.entries as f64 / cpu_seconds;
        let figures = Figures {
            bench: "compare",
            storage,
            log,
            settings: contestant.settings(self.options),
            checks: contestant.checks(),
            connections,
            records_per_request,
            entries: published.entries,
            refused: published.refused,
            entries_per_second: published.rate,
            entries_per_core_second,
            answered_p50_ms: quantile_ms(&published.answered_us, 0.5),
            answered_p99_ms: quantile_ms(&published.answered_us, 0.99),
            included_p50_ms: quantile_ms(included_us, 0.5),
            included_p99_ms: quantile_ms(included_us, 0.99),
            server_cores: published.rate / entries_per_core_second,
            server_rss_mib: after.rss_peak_bytes as f64 / f64::from(1 << 20),
            receipts_verified,
        };
        report.add(&line(&figures), &figures)
    }

    fn start(&self, contestant: Contestant, data: &Path) -> anyhow::Result<(Server, LogKey)> {
        match contestant {
            Contestant::Candor { .. } => {
                self.target.init(data)?;
                let server = self.target.serve(data, &[])?;
                let key = self.runtime.block_on(async {
                    let mut connection = Connection::open(&server.address).await?;
                    let registrations = self.workload.registrations().into();
                    connection.publish(registrations).await?;
                    log_key(&mut connection).await
                })?;
                Ok((server, key))
            }
            Contestant::Tessera { program, antispam } => {
                let mut flags = vec![format!("--antispam={antispam}")];
                match program {
                    Program::Example => {}
                    Program::Flags => flags.extend([
                        format!("--batch_size={}", self.options.batch_size),
                        format!("--batch_age={}ms", self.options.batch_age),
                        format!(
                            "--checkpoint_interval={}ms",
                            self.options.checkpoint_interval
                        ),
                    ]),
                }
                self.tessera.serve(program, data, &flags)
            }
        }
    }
}

fn quantile_ms(microseconds: &Histogram<u64>, quantile: f64) -> f64 {
    microseconds.value_at_quantile(quantile) as f64 / 1_000.0
}

fn line(figures: &Figures) -> String {
    format!(
        "{:>5} connections x {:>3}, {} ({}): {:.0} entries/s, {:.0} per core  answered after p50 {:.1} ms p99 {:.1}  included after p50 {:.1} ms p99 {:.1}  server {:.2} cores, {:.0} MiB, {} told to come later, {} receipts hold\n      checks {}",
        figures.connections,
        figures.records_per_request,
        figures.log,
        figures.settings,
        figures.entries_per_second,
        figures.entries_per_core_second,
        figures.answered_p50_ms,
        figures.answered_p99_ms,
        figures.included_p50_ms,
        figures.included_p99_ms,
        figures.server_cores,
        figures.server_rss_mib,
        figures.refused,
        figures.receipts_verified,
        figures.checks,
    )
}
