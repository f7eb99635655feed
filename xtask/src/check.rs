//! Checks and tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::run::{build, cargo, root, run, target};
use crate::{demo, mutations, needs, tidy};

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
    let real_model = needs::real_model();
    let python = needs::python();
    let schemathesis = needs::schemathesis();
    let spdx = needs::spdx();
    let browser = needs::browser();
    let advisories = check()?;
    // The end-to-end tests start these programs.
    build()?;
    let mut tests = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    if length == Length::Long {
        tests
            .env("CANDOR_EXHAUSTIVE", "1")
            .env("CANDOR_FAULTS_LONG", "1")
            .env("CANDOR_FAILOVER_SECONDS", "300")
            .env("CANDOR_STATIC_RECORDS", "1000000");
    }
    if let Ok(python) = &python {
        tests.env("CANDOR_PYTHON", python).env(
            "CANDOR_MODEL_SIGNING",
            python.with_file_name("model_signing"),
        );
    }
    if let Ok(schemathesis) = &schemathesis {
        tests.env("CANDOR_SCHEMATHESIS", schemathesis);
    }
    if let Ok(spdx) = &spdx {
        tests.env("CANDOR_SPDX", spdx);
    }
    if let Ok(browser) = &browser {
        tests.env("CANDOR_BROWSER", browser);
    }
    run(&mut tests)?;
    demo::demo(demo::After::Stop)?;
    println!("\nAll tests passed.");
    let not_run = [
        real_model.err(),
        python.err(),
        schemathesis.err(),
        spdx.err(),
        browser.err(),
        advisories.not_checked(),
    ];
    for reason in not_run.into_iter().flatten() {
        println!("Not run: {reason}");
    }
    Ok(())
}

/// What is known of advisories against what we depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advisories {
    /// There are none.
    None,
    /// The database of advisories can't be had here.
    OutOfReach,
}

impl Advisories {
    /// Says so when they were not checked.
    pub(crate) fn say(self) {
        if let Some(reason) = self.not_checked() {
            println!("Not run: {reason}");
        }
    }

    fn not_checked(self) -> Option<String> {
        (self == Self::OutOfReach).then(|| {
            "advisories: their database is out of reach, and there is no copy of it here".to_owned()
        })
    }
}

/// Formatting, lints, licences, house rules.
pub(crate) fn check() -> anyhow::Result<Advisories> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::tidy(&root())?;
    mutations::check()?;
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
fn advisories(deny: &std::path::Path) -> anyhow::Result<Advisories> {
    let fetched = Command::new(deny)
        .args(["fetch", "db"])
        .current_dir(root())
        .output();
    let offline: &[&str] = match fetched {
        Ok(output) if output.status.success() => &[],
        _ if has_advisory_db() => &["--offline"],
        _ => return Ok(Advisories::OutOfReach),
    };
    let mut command = Command::new(deny);
    command.args(offline).args(["check", "advisories"]);
    run(command.current_dir(root()))?;
    Ok(Advisories::None)
}

/// Whether an earlier run has left a copy of the database.
fn has_advisory_db() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let copies = home.and_then(|home| fs::read_dir(home.join("advisory-dbs")).ok());
    copies.is_some_and(|mut copies| {
        copies.any(|copy| copy.is_ok_and(|copy| copy.path().join(".git").exists()))
    })
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
