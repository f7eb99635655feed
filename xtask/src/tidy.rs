//! House rules that no compiler knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// A file with more lines holds two subjects.
const LINES_MAX: usize = 600;

/// What must not be in core's dependency tree: it does no I/O.
const NOT_IN_CORE: [&str; 7] = [
    "tokio",
    "sqlx",
    "hyper",
    "axum",
    "ureq",
    "reqwest",
    "async-trait",
];

/// What core must not use itself: the same bytes get the same verdict. Deeper down it can't be kept out, since
/// jsonschema seeds its hash maps with it.
const NOT_IN_CORE_ITSELF: [&str; 2] = ["getrandom", "rand"];

/// Words with a better one.
const WORDS: [(&str, &str); 4] = [
    ("leaf_data", "entry"),
    ("signed_tree_head", "checkpoint"),
    ("audit_path", "path of an inclusion proof"),
    ("TODO", "an issue in the tracker"),
];

/// Checks them all, and reports every breach.
pub(crate) fn tidy(root: &Path) -> anyhow::Result<()> {
    let mut breaches = Vec::new();
    for file in rust_files(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let lines = text.lines().count();
        if lines > LINES_MAX {
            breaches.push(format!(
                "{name} has {lines} lines, and at most {LINES_MAX} are good to read"
            ));
        }
        if name != "xtask/src/tidy.rs" {
            for (word, better) in WORDS {
                if text.contains(word) {
                    breaches.push(format!("{name} says {word:?}; say {better}"));
                }
            }
        }
    }
    check_core_is_pure(root, &mut breaches)?;
    check_schemas_have_examples(root, &mut breaches)?;
    check_links(root, &mut breaches)?;
    if breaches.is_empty() {
        println!("tidy: every house rule holds");
        return Ok(());
    }
    bail!("house rules:\n  {}", breaches.join("\n  "))
}

/// The Rust files that git knows or would know.
fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    tracked(root, "*.rs")
}

fn tracked(root: &Path, pattern: &str) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            pattern,
        ])
        .current_dir(root)
        .output()
        .context("git lists the files")?;
    let names = String::from_utf8(output.stdout).context("file names are UTF-8")?;
    Ok(names
        .lines()
        .map(|name| root.join(name))
        .filter(|path| path.exists())
        .collect())
}

fn check_core_is_pure(root: &Path, breaches: &mut Vec<String>) -> anyhow::Result<()> {
    let output = crate::run::cargo(&[
        "tree",
        "--package",
        "candor-core",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ])
    .current_dir(root)
    .output()?;
    let tree = String::from_utf8_lossy(&output.stdout);
    if !tree.starts_with("candor-core ") {
        bail!(
            "cargo tree did not list candor-core: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let impure = NOT_IN_CORE.iter().filter(|name| names.contains(name));
    let manifest = fs::read_to_string(root.join("core/Cargo.toml")).context("core/Cargo.toml")?;
    let own = |name: &&&str| manifest.lines().any(|line| line.starts_with(**name));
    let impure = impure.chain(NOT_IN_CORE_ITSELF.iter().filter(own));
    breaches.extend(
        impure.map(|name| format!("candor-core depends on {name}; it must stay free of I/O")),
    );
    Ok(())
}

fn check_schemas_have_examples(root: &Path, breaches: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join("schemas"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(kind) = name.strip_suffix(".schema.json")
            && kind != "common"
            && !root.join(format!("schemas/examples/{kind}.json")).exists()
        {
            breaches.push(format!(
                "schemas/{name} has no example in schemas/examples/{kind}.json"
            ));
        }
    }
    Ok(())
}

/// Links between documents lead somewhere.
fn check_links(root: &Path, breaches: &mut Vec<String>) -> anyhow::Result<()> {
    for file in tracked(root, "*.md")? {
        let text = fs::read_to_string(&file)?;
        let folder = file.parent().unwrap_or(root);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            let is_local =
                !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            if is_local && !folder.join(path).exists() {
                let name = file.strip_prefix(root).unwrap_or(&file).display();
                breaches.push(format!("{name} links to {target}, which is not there"));
            }
        }
    }
    Ok(())
}
