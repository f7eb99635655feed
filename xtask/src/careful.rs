//! Undefined behaviour and errors of memory: what only tools of the nightly compiler look for.
//!
//! No line of ours outside of `faults/` is `unsafe`. What is looked for is in what we depend on, fed as we feed it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::needs;
use crate::run::{answers, root, run, target};

/// How long each fuzz target runs, in seconds.
const SECONDS: &str = "20";

/// The tests of core that Miri gets through in minutes: it interprets each instruction.
const MIRI_TESTS: [&str; 10] = [
    "bundle_attachments",
    "canonical_json",
    "checkpoints",
    "comparisons",
    "envelopes",
    "merkle_vectors",
    "notes",
    "receipts",
    "tile_paths",
    "verifier_keys",
];

/// Runs core's tests in Miri, and each fuzz target with `AddressSanitizer`, for `seconds`.
pub(crate) fn careful(seconds: Option<&str>) -> anyhow::Result<()> {
    if !answers("rustup", &["run", "nightly", "cargo", "miri", "--version"]) {
        bail!(
            "this takes a nightly compiler: rustup toolchain install nightly --component miri,rust-src"
        );
    }
    miri()?;
    sanitized_targets(seconds.unwrap_or(SECONDS))
}

/// <https://github.com/rust-lang/miri>
fn miri() -> anyhow::Result<()> {
    let mut tests = nightly();
    tests.args(["miri", "test", "--locked", "--package", "candor-core"]);
    for test in MIRI_TESTS {
        tests.args(["--test", test]);
    }
    tests
        .env("CARGO_TARGET_DIR", target().join("miri"))
        // Examples and snapshots are files.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("PROPTEST_CASES", "4");
    run(&mut tests)
}

/// <https://rust-fuzz.github.io/book/cargo-fuzz.html>
fn sanitized_targets(seconds: &str) -> anyhow::Result<()> {
    let cargo_fuzz = needs::cargo_fuzz()?;
    let mut targets = Vec::new();
    for file in fs::read_dir(root().join("fuzz/targets"))? {
        let path = file?.path();
        let name = path.file_stem().context("a target has a name")?;
        targets.push(name.to_string_lossy().into_owned());
    }
    targets.sort();
    for name in targets {
        // What is found goes into the first folder, and not into the repository.
        let found = target().join("fuzz/found").join(&name);
        let artifacts = target().join("fuzz/artifacts").join(&name);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&artifacts)?;
        let mut fuzz = Command::new("rustup");
        fuzz.args(["run", "nightly"])
            .arg(&cargo_fuzz)
            .args(["run", "--features", "libfuzzer", "--sanitizer", "address"])
            .arg("--target-dir")
            .arg(target().join("fuzz/build"))
            .arg(&name)
            .arg(&found)
            .arg(root().join("fuzz/corpus").join(&name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            .current_dir(root())
            // One whole program for each target takes the linker long enough as it is.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        run(&mut fuzz)?;
    }
    Ok(())
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .current_dir(root());
    command
}
