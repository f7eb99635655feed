//! Checks and tests.

use std::fs;
use std::process::Command;

use anyhow::Context as _;

use crate::run::{build, cargo, root, run, target};
use crate::{demo, needs, tidy};

/// How long the tests may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Minutes.
    Normal,
    /// Up to an hour more.
    Long,
}

/// Everything that decides whether a change is good.
pub(crate) fn test(length: Length) -> anyhow::Result<()> {
    needs::install()?;
    needs::real_model();
    check()?;
    // The end-to-end tests start these programs.
    build()?;
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    if length == Length::Long {
        tests
            .env("CANDOR_EXHAUSTIVE", "1")
            .env("CANDOR_KILLS", "500");
    }
    run(&mut tests)?;
    demo::demo(demo::After::Stop)
}

/// Formatting, lints, licences, house rules.
pub(crate) fn check() -> anyhow::Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::tidy(&root())?;
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let deny = needs::cargo_deny()?;
    run(Command::new(&deny)
        .args(["check", "licenses", "bans", "sources"])
        .current_dir(root()))?;
    advisories(&deny)
}

/// Advisories come from a database on the network. Where a copy is at hand it is used, and where neither can
/// be had, that is said: a machine without network must be able to run the tests.
fn advisories(deny: &std::path::Path) -> anyhow::Result<()> {
    let fetched = Command::new(deny)
        .args(["fetch", "db"])
        .current_dir(root())
        .output();
    let have = fetched.is_ok_and(|output| output.status.success());
    let check = |offline: &[&str]| {
        let mut command = Command::new(deny);
        command
            .args(offline)
            .args(["check", "advisories"])
            .current_dir(root());
        command
    };
    if have {
        return run(&mut check(&[]));
    }
    let copies = std::env::home_dir().map(|home| home.join(".cargo/advisory-dbs"));
    let has_copy = copies
        .and_then(|copies| fs::read_dir(copies).ok())
        .is_some_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().join(".git").exists()))
        });
    if has_copy {
        return run(&mut check(&["--offline"]));
    }
    println!(
        "advisories: not checked, the database of advisories is out of reach and there is no copy of it here"
    );
    Ok(())
}

/// Writes the files that are made from code. Tests compare them with the code.
pub(crate) fn generate() -> anyhow::Result<()> {
    build()?;
    let output = Command::new(target().join("debug/candor-server"))
        .arg("openapi")
        .output()?;
    let file = root().join("schemas/openapi.json");
    fs::write(&file, output.stdout).with_context(|| file.display().to_string())
}
