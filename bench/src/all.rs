//! Every figure of `docs/performance.md`, one program after the other, each in a process of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;

use crate::page;
use crate::report::Report;
use crate::server::Target;
use crate::workload::cores;

/// Where everything goes.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// The page whose figures are replaced, and which gets its plots
    #[arg(long, default_value = "docs/performance.md", value_name = "FILE")]
    page: PathBuf,
    /// A few seconds of each, to see that all of it works: not for the page
    #[arg(long)]
    quick: bool,
}

#[derive(Serialize)]
struct Machine {
    bench: &'static str,
    version: &'static str,
    processor: String,
    cores: usize,
    memory_gib: f64,
    system: String,
}

/// Where the figures are added, unless `--json` says.
const RESULTS: &str = "target/bench-results.jsonl";

/// One program, and what it is told.
struct Step {
    arguments: &'static [&'static str],
    /// If it has to be quick.
    quick: &'static [&'static str],
}

const STEPS: [Step; 10] = [
    Step {
        arguments: &["write"],
        quick: &["--seconds", "2", "--forms", "1x1,64x1,64x256"],
    },
    Step {
        arguments: &["write", "--postgres", "--forms", "256x1,64x256"],
        quick: &["--seconds", "2"],
    },
    Step {
        arguments: &["write", "--no-catalogue", "--forms", "256x1,64x256"],
        quick: &["--seconds", "2"],
    },
    Step {
        arguments: &["postgres"],
        quick: &["--records", "20000"],
    },
    Step {
        arguments: &["read"],
        quick: &["--entries", "10000", "--seconds", "2"],
    },
    Step {
        arguments: &["pages"],
        quick: &["--entries", "5000", "--seconds", "2"],
    },
    Step {
        arguments: &["grow"],
        quick: &["--sizes", "1000,10000", "--records", "16384"],
    },
    Step {
        arguments: &["hash"],
        quick: &["--bytes", "1048576", "--rounds", "1"],
    },
    Step {
        arguments: &["hash", "--files", "100000", "--bytes", "4096"],
        quick: &["--rounds", "1"],
    },
    Step {
        arguments: &["compare"],
        quick: &["--seconds", "3", "--connections", "64"],
    },
];

pub(crate) fn run(options: &Options, target: &Target, json: Option<PathBuf>) -> anyhow::Result<()> {
    ensure!(
        target.database.is_none(),
        "each program makes a log of its own, and a database has room for one: leave out --database and --postgres here"
    );
    let results = json.unwrap_or_else(|| RESULTS.into());
    Report::open(Some(results.clone()))?.add_machine()?;
    let own = std::env::current_exe()?;
    for step in STEPS {
        let name = step.arguments.join(" ");
        println!("\n{name}");
        let mut command = Command::new(&own);
        command
            .arg("--json")
            .arg(&results)
            .arg("--server")
            .arg(&target.program)
            .args(step.arguments);
        if options.quick {
            command.args(step.quick);
        }
        let status = command.status()?;
        ensure!(
            status.success(),
            "candor-bench {name} ended with {status}; what came before it is in {}",
            results.display()
        );
    }
    println!();
    page::write(&results, &options.page)
}

impl Report {
    /// What the figures were measured on.
    fn add_machine(&mut self) -> anyhow::Result<()> {
        let machine = Machine {
            bench: "machine",
            version: env!("CARGO_PKG_VERSION"),
            processor: field_of("/proc/cpuinfo", "model name")?,
            cores: cores(),
            memory_gib: field_of("/proc/meminfo", "MemTotal")?
                .trim_end_matches(" kB")
                .parse::<f64>()?
                / f64::from(1 << 20),
            system: format!(
                "Linux {}",
                fs::read_to_string("/proc/sys/kernel/osrelease")?.trim()
            ),
        };
        let line = format!(
            "{} cores of {}, {:.0} GiB, {}",
            machine.cores, machine.processor, machine.memory_gib, machine.system
        );
        self.add(&line, &machine)
    }
}

/// What stands behind `name` and a colon.
fn field_of(file: &str, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).context(file.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.with_context(|| format!("{file} has no {name}"))?;
    Ok(value.trim_start().trim_start_matches(':').trim().to_owned())
}
