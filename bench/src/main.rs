//! How fast the log is, beside the bare parts that it is made of, and beside the log that a user would pick instead.
//!
//! ```text
//! workload ──► a real candor-server, over loopback ──► rate, latencies, memory ──┐
//!          ├─► the same bytes through the bare part, in the same minute ─────────┴─► ratio
//!          └─► the same bytes to Tessera, in the same minutes ──► the same figures
//! results (JSON lines) ──► tables and plots of docs/performance.md
//! ```
//!
//! Always: a figure stands beside its bare part, measured in the same run, since machines differ and are noisy.
//! The load generator shares the cores with what it measures. Nothing here asserts a time: tests do not measure.
//!
//! Not here: what the figures were (`docs/performance.md`).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts become rates, which are printed with three digits"
)]

mod all;
mod bare;
mod ceiling;
mod compare;
mod grow;
mod hash;
mod http;
mod labs;
mod page;
mod pages;
mod postgres;
mod read;
mod receipts;
mod report;
mod server;
mod soak;
mod workload;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use candor_tests::postgres::Postgres;
use clap::{Parser, Subcommand};

/// Measures candor-server beside the bare parts that it is made of.
#[derive(Parser)]
#[command(name = "candor-bench")]
struct Cli {
    /// The candor-server to measure [default: the one beside this program]
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// A Postgres database that the log may be made in, instead of `SQLite`; it must be empty
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Measure with a Postgres that is started for this, and goes with it
    #[arg(long, global = true, conflicts_with = "database")]
    postgres: bool,
    /// Add what was measured to this file, one JSON object a line
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Records a second, and how long a publisher waits, for each number of connections
    Write(write::Options),
    /// Proofs and tiles a second
    Read(read::Options),
    /// Pages a second: home, models and search
    Pages(pages::Options),
    /// What appending, starting and memory cost as the log grows
    Grow(grow::Options),
    /// A log at full rate for a long time: whether memory and waits stay what they were
    Soak(soak::Options),
    /// Checking a folder of files beside bare hashing, `sha256sum` and `model_signing`
    Hash(hash::Options),
    /// The bare parts alone: strict parse, strict verify and `SQLite`, in one process
    Ceiling(ceiling::Options),
    /// Postgres's own insert rate, in a throw-away cluster unless there is a `--database`
    Postgres(postgres::Options),
    /// Durable and included entries a second beside Tessera's POSIX driver, which Go builds
    Compare(compare::Options),
    /// All of these in turn, and the page of their figures; adds to target/bench-results.jsonl without `--json`
    All(all::Options),
    /// A server that answers with so many bytes and has no log: a bare part, which measurements start by themselves
    #[command(hide = true)]
    Bare(bare::Options),
    /// The tables and plots of the page, from figures that were measured before
    Page(page::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let cluster = cli.postgres.then(|| Postgres::start(&[]));
    let target = server::Target {
        program: cli.server.unwrap_or_else(server::beside),
        database: cluster
            .as_ref()
            .map(|cluster| cluster.database().url)
            .or(cli.database),
    };
    let result = run(cli.command, &target, cli.json);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, target: &server::Target, json: Option<PathBuf>) -> anyhow::Result<()> {
    let report = &mut report::Report::open(json.clone())?;
    match command {
        Command::Write(options) => write::run(&options, target, report),
        Command::Read(options) => read::run(&options, target, report),
        Command::Pages(options) => pages::run(&options, target, report),
        Command::Grow(options) => grow::run(&options, target, report),
        Command::Soak(options) => soak::run(&options, target, report),
        Command::Hash(options) => hash::run(&options, target, report),
        Command::Ceiling(options) => ceiling::run(&options, report),
        Command::Postgres(options) => postgres::run(&options, target, report),
        Command::Compare(options) => compare::run(&options, target, report),
        Command::All(options) => all::run(&options, target, json),
        Command::Bare(options) => bare::run(&options),
        Command::Page(options) => page::run(&options),
    }
}
