//! All faults in one go, and what was tried.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail};

use crate::needs;
use crate::run::{build, cargo, run, target};

/// The tests that break something. Tests of one file run side by side.
const TESTS: [&str; 2] = ["durability", "faults"];

/// What was tried of one fault.
#[derive(Default)]
struct Tried {
    times: u64,
    acknowledged: u64,
    checkpoints: u64,
    verified: u64,
}

/// Runs the fault tests in their long form, and prints how often each fault was tried and on what. A test that finds
/// something fails, so nothing was lost where there is a line.
pub(crate) fn faults() -> anyhow::Result<()> {
    needs::install()?;
    build()?;
    let counts = target().join("fault-counts");
    let _ = fs::remove_file(&counts);
    let mut tests = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    for test in TESTS {
        tests.args(["--test", test]);
    }
    tests
        .env("CANDOR_FAULTS_LONG", "1")
        .env("CANDOR_FAULT_COUNTS", &counts);
    let passed = run(&mut tests);
    let lines = fs::read_to_string(&counts).with_context(|| counts.display().to_string())?;
    print(&sum(&lines)?);
    passed.context("something was lost, or a test found something else")
}

fn sum(lines: &str) -> anyhow::Result<BTreeMap<String, Tried>> {
    let mut faults = BTreeMap::<String, Tried>::new();
    for line in lines.lines() {
        let text = |name: &str| {
            let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
            let value = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => rest.split([',', '}']).next(),
            };
            value.map(str::to_owned)
        };
        let number = |name: &str| text(name).and_then(|number| number.parse::<u64>().ok());
        let Some(fault) = text("fault") else {
            bail!("no fault in {line:?}");
        };
        let tried = faults.entry(fault).or_default();
        tried.times += number("times").unwrap_or_default();
        tried.acknowledged += number("acknowledged").unwrap_or_default();
        tried.checkpoints += number("checkpoints").unwrap_or_default();
        tried.verified += number("verified").unwrap_or_default();
    }
    Ok(faults)
}

fn print(faults: &BTreeMap<String, Tried>) {
    println!();
    println!(
        "{:>6}  {:>12}  {:>5}  {:>11}  {:>12}  {:>9}  fault",
        "times", "acknowledged", "lost", "checkpoints", "inconsistent", "verified"
    );
    for (fault, tried) in faults {
        println!(
            "{:>6}  {:>12}  {:>5}  {:>11}  {:>12}  {:>9}  {fault}",
            tried.times, tried.acknowledged, 0, tried.checkpoints, 0, tried.verified
        );
    }
}
