//! Breaking the log on purpose: a test that notices nothing shows nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::run::{cargo, root, run, target};

/// One way to break the log.
struct Mutation {
    name: String,
    patch: PathBuf,
    /// What it breaks.
    what: String,
    /// The arguments of `cargo test` that should fail.
    test: Vec<String>,
}

fn mutations() -> anyhow::Result<Vec<Mutation>> {
    let folder = root().join("tests/mutations");
    let mut mutations = Vec::new();
    for file in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let patch = file?.path();
        if patch
            .extension()
            .is_some_and(|extension| extension == "patch")
        {
            mutations.push(Mutation::read(patch)?);
        }
    }
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(mutations)
}

impl Mutation {
    fn read(patch: PathBuf) -> anyhow::Result<Self> {
        let patch_lines =
            fs::read_to_string(&patch).with_context(|| patch.display().to_string())?;
        let mut lines = patch_lines.lines();
        let what = lines.next().unwrap_or_default().to_owned();
        let test = lines.next().and_then(|line| line.strip_prefix("test: "));
        let test = test.with_context(|| format!("{} names no test", patch.display()))?;
        let name = patch.file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            what,
            test: test.split_whitespace().map(str::to_owned).collect(),
            patch,
        })
    }
}

/// Checks that each patch fits the sources.
pub(crate) fn check() -> anyhow::Result<()> {
    for mutation in mutations()? {
        let fits = git(&root(), &["apply", "--check"], &mutation.patch)?;
        if !fits {
            bail!(
                "{} does not fit the sources any more: break the same thing again, and write the difference there",
                mutation.patch.display()
            );
        }
    }
    Ok(())
}

/// Breaks a copy of the sources in each way, or in one, and expects that a test fails.
pub(crate) fn run_all(only: Option<&str>) -> anyhow::Result<()> {
    let copy = target().join("mutations/sources");
    let into = target().join("mutations/target");
    let mut tried = 0;
    let mut unnoticed = Vec::new();
    for mutation in mutations()? {
        if only.is_some_and(|only| only != mutation.name) {
            continue;
        }
        tried += 1;
        copy_sources(&copy)?;
        if !git(&copy, &["apply"], &mutation.patch)? {
            bail!("{} does not fit the sources any more", mutation.name);
        }
        println!("{}: {}", mutation.name, mutation.what);
        let build = &["build", "--workspace", "--bins", "--lib", "--locked"];
        run(in_copy(&mut cargo(build), &copy, &into))?;
        let compile = [
            &["test", "--locked", "--no-run"],
            words(&mutation.test).as_slice(),
        ]
        .concat();
        run(in_copy(&mut cargo(&compile), &copy, &into))?;
        let test = [&["test", "--locked"], words(&mutation.test).as_slice()].concat();
        let log = target().join(format!("mutations/{}.log", mutation.name));
        let passed = in_copy(&mut cargo(&test), &copy, &into)
            .env("CANDOR_SEEDS", "2000")
            // What depends on when a fault comes is not noticed each time.
            .env("CANDOR_FAULT_ROUNDS", "30")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(Stdio::null())
            .status()?
            .success();
        if passed {
            println!("  NOT NOTICED by cargo {}", test.join(" "));
            unnoticed.push(mutation.name);
        } else {
            println!("  noticed: {}", reason(&log)?);
        }
    }
    if tried == 0 {
        bail!("there is no such mutation");
    }
    if unnoticed.is_empty() {
        println!("{tried} mutations were tried, and each was noticed");
        return Ok(());
    }
    bail!("not noticed: {}", unnoticed.join(", "))
}

fn words(test: &[String]) -> Vec<&str> {
    test.iter().map(String::as_str).collect()
}

fn in_copy<'a>(command: &'a mut Command, copy: &Path, into: &Path) -> &'a mut Command {
    command.current_dir(copy).env("CARGO_TARGET_DIR", into)
}

/// The first thing that a failed test said.
fn reason(log: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(log)?;
    let mut lines = text.lines();
    let panic = lines.find(|line| line.contains("panicked at"));
    let said = lines.next().unwrap_or_default();
    let said: String = said.chars().take(160).collect();
    Ok(match panic {
        Some(_) => said,
        None => "the test did not pass".to_owned(),
    })
}

fn git(folder: &Path, arguments: &[&str], patch: &Path) -> anyhow::Result<bool> {
    let status = Command::new("git")
        .args(arguments)
        .arg(patch)
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .context("git")?;
    Ok(status.success())
}

/// Makes the copy what the sources are; files that did not change keep their times, so that cargo builds no more than it
/// must.
fn copy_sources(copy: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    let names = String::from_utf8(listed.stdout).context("names of files")?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let folder = to.parent().context("a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&to, bytes).with_context(|| to.display().to_string())?;
    }
    // Without a repository of its own, git would look at the one around it.
    if !copy.join(".git").exists() {
        Command::new("git")
            .args(["init", "-q"])
            .current_dir(copy)
            .status()?;
    }
    Ok(())
}
