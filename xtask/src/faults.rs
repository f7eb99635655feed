//! All faults in one go, and what was tried.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use serde::Deserialize;

use crate::needs;
use crate::run::{build, cargo, run, target};

/// The tests that break something. Tests of one file run side by side.
const TESTS: [&str; 2] = ["durability", "faults"];

/// What a test says that it tried, once it has found nothing lost and one history alone.
#[derive(Deserialize)]
struct Counts {
    fault: String,
    times: u64,
    acknowledged: u64,
    checkpoints: u64,
    verified: u64,
}

/// What was tried of one fault, by all tests together.
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
        let one: Counts = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let tried = faults.entry(one.fault).or_default();
        tried.times += one.times;
        tried.acknowledged += one.acknowledged;
        tried.checkpoints += one.checkpoints;
        tried.verified += one.verified;
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
