//! Undefined behaviour and errors of memory: what only tools of the nightly compiler look for.
//!
//! No line of ours outside of `mapped/` and `faults/` is `unsafe`, and those are calls of the system, which Miri does not
//! know. What is looked for is in what we depend on, fed as we feed it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::needs;
use crate::run::{answers, root, run, target};

/// How long each fuzz target runs, in seconds.
const SECONDS: &str = "20";

/// The tests of core that Miri gets through in minutes, by their files and what their names contain: it interprets each
/// instruction, and a signature takes it seconds.
const MIRI_TESTS: [(&str, &[&str]); 6] = [
    (
        "checkpoints",
        &[
            "a_checkpoint_of_another_log",
            "a_checkpoint_that_was_signed",
            "a_checkpoint_without_all_three_lines",
        ],
    ),
    ("comparisons", &[]),
    (
        "merkle_vectors",
        &["a_compact_range_made_from_published_nodes", "appending"],
    ),
    (
        "notes",
        &["a_signature_given_twice", "a_note_without_signatures"],
    ),
    (
        "tile_paths",
        &[
            "a_bundle",
            "a_level",
            "a_path_that_is_read",
            "a_tile_of_another_length",
        ],
    ),
    ("verifier_keys", &["a_verifier_key", "keys_of_small_order"]),
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
    run(&mut miri_test(&["--lib"]))?;
    for (file, names) in MIRI_TESTS {
        run(miri_test(&["--test", file, "--"]).args(names))?;
    }
    Ok(())
}

fn miri_test(arguments: &[&str]) -> Command {
    let mut command = nightly();
    command
        .args(["miri", "test", "--locked", "--package", "candor-core"])
        .args(arguments)
        .env("CARGO_TARGET_DIR", target().join("miri"))
        // Examples are files.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("PROPTEST_CASES", "2");
    command
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
    // All are built before the first one runs: sources that change meanwhile are another run's.
    run(&mut fuzz(&cargo_fuzz, "build"))?;
    for name in targets {
        // What is found goes into the first folder, and not into the repository.
        let found = target().join("fuzz/found").join(&name);
        let artifacts = target().join("fuzz/artifacts").join(&name);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&artifacts)?;
        run(fuzz(&cargo_fuzz, "run")
            .arg(&name)
            .arg(&found)
            .arg(root().join("fuzz/corpus").join(&name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1"))?;
    }
    Ok(())
}

fn fuzz(cargo_fuzz: &Path, verb: &str) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly"])
        .arg(cargo_fuzz)
        .args([verb, "--features", "libfuzzer", "--sanitizer", "address"])
        .arg("--target-dir")
        .arg(target().join("fuzz/build"))
        .current_dir(root())
        // One whole program for each target takes the linker long enough as it is.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    command
}

fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .current_dir(root());
    command
}
