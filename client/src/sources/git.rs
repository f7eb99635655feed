//! Which commit a git checkout says that it is of, read without git.
//!
//! ```text
//! .git/HEAD ──► "ref: refs/heads/main" ──► .git/refs/heads/main, or its line in .git/packed-refs ──► the commit
//!    └────────► the commit itself                      (gitrepository-layout(5), git-pack-refs(1))
//!
//! .git, a file ──► "gitdir: PATH" ──► PATH/HEAD; refs are in the folder that PATH/commondir names (git-worktree(1))
//! ```
//!
//! Always: the commit is what the checkout says of itself. Nobody compares its files with it here, nor is it a digest that
//! a folder could be held against.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use candor_core::record::{Algorithm, DigestSet};

/// Where git keeps what it knows of a checkout, at its top.
const GIT: &str = ".git";

/// HEAD, a branch and the like are a line each.
const LINE_BYTES_MAX: u64 = 4096;

/// Packed references: a line for each branch and tag. At some 80 bytes, 800,000 of them.
const PACKED_BYTES_MAX: u64 = 64 << 20;

/// A reference may name another one; git follows five.
const REFERENCES_MAX: usize = 5;

/// The commit that the checkout in `folder` is of; `None` where there is no checkout. The error says why it can't be told.
pub(super) fn head_commit(folder: &Path) -> Option<Result<DigestSet, String>> {
    let git = folder.join(GIT);
    git.symlink_metadata().ok()?;
    Some(commit_of(folder, &git))
}

fn commit_of(folder: &Path, git: &Path) -> Result<DigestSet, String> {
    let git = if git.is_dir() {
        git.to_owned()
    } else {
        let text = line(git, GIT)?;
        let path = text.strip_prefix("gitdir: ");
        folder.join(path.ok_or(".git is a file, and does not say which folder it stands for")?)
    };
    let common = match line(&git.join("commondir"), "commondir") {
        Ok(path) => git.join(path),
        Err(_) => git.clone(),
    };
    let mut value = line(&git.join("HEAD"), "HEAD")?;
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = value.strip_prefix("ref: ") else {
            return DigestSet::new([(Algorithm::GitCommit, value)]).map_err(|_| {
                "what HEAD leads to is no commit, which has 40 or 64 hexadecimal digits".to_owned()
            });
        };
        if !is_reference(reference) {
            return Err("HEAD names a reference whose name is not allowed".to_owned());
        }
        value = look_up(&[&git, &common], reference)?;
    }
    Err("HEAD leads from reference to reference".to_owned())
}

/// What `reference` stands for: in a file of its own, or else in the list of packed ones.
fn look_up(folders: &[&PathBuf], reference: &str) -> Result<String, String> {
    for folder in folders {
        if let Ok(value) = line(&folder.join(reference), reference) {
            return Ok(value);
        }
    }
    folders
        .iter()
        .find_map(|folder| packed(&folder.join("packed-refs"), reference))
        .ok_or_else(|| format!("there is no commit of {reference}"))
}

/// The commit of `reference` in a file of lines such as `1c8d… refs/heads/main`.
fn packed(path: &Path, reference: &str) -> Option<String> {
    let lines = BufReader::new(open(path)?.take(PACKED_BYTES_MAX)).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let (commit, name) = line.split_once(' ')?;
        (name == reference).then(|| commit.to_owned())
    })
}

/// The first and only line of a small file.
fn line(path: &Path, name: &str) -> Result<String, String> {
    let unreadable = || format!("{name} can't be read");
    let mut text = String::new();
    let file = open(path).ok_or_else(unreadable)?;
    let read = file.take(LINE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|_| unreadable())?;
    let text = text.trim_end();
    if text.is_empty() || text.contains(char::is_control) {
        return Err(format!("{name} is not a line of text"));
    }
    Ok(text.to_owned())
}

/// Opens what is a file, and waits for no pipe.
fn open(path: &Path) -> Option<File> {
    path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    File::open(path).ok()
}

/// Whether a name is one of git's references, and leads nowhere else (git-check-ref-format(1)).
fn is_reference(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.starts_with("refs/")
        && !name.contains("..")
        && !name.contains('\\')
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COMMIT: &str = "60c8d8ab2adcf57a391163a7eeb0cdb8bf348e44";

    fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("made");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        folder
    }

    fn commit(files: &[(&str, &str)], inside: &str) -> Option<Result<String, String>> {
        let folder = checkout(files);
        let found = head_commit(&folder.path().join(inside))?;
        Some(found.map(|found| found.by(Algorithm::GitCommit).expect("a commit").to_owned()))
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let line = format!("{COMMIT}\n");
        let packed = format!(
            "# pack-refs with: peeled\n{} refs/heads/other\n{COMMIT} refs/heads/main\n^{}\n",
            "1".repeat(40),
            "2".repeat(40)
        );
        let head = "ref: refs/heads/main\n";
        for (files, inside) in [
            (vec![(".git/HEAD", line.as_str())], ""),
            (
                vec![(".git/HEAD", head), (".git/refs/heads/main", &line)],
                "",
            ),
            (vec![(".git/HEAD", head), (".git/packed-refs", &packed)], ""),
            (
                vec![
                    (".git/HEAD", head),
                    (".git/refs/heads/main", "ref: refs/heads/trunk\n"),
                    (".git/refs/heads/trunk", &line),
                ],
                "",
            ),
            (
                vec![
                    ("tree/.git", "gitdir: ../main/.git/worktrees/tree\n"),
                    ("main/.git/worktrees/tree/HEAD", head),
                    ("main/.git/worktrees/tree/commondir", "../..\n"),
                    ("main/.git/packed-refs", &packed),
                ],
                "tree",
            ),
        ] {
            assert_eq!(
                commit(&files, inside),
                Some(Ok(COMMIT.to_owned())),
                "{files:?}"
            );
        }
        assert_eq!(commit(&[("README.md", "x")], ""), None);
    }

    #[test]
    fn what_leads_to_no_commit_is_said_and_not_guessed() {
        let elsewhere = format!("{COMMIT}\n");
        for (files, words) in [
            (vec![(".git/config", "")], "HEAD can't be read"),
            (vec![(".git/HEAD", "")], "HEAD is not a line"),
            (vec![(".git/HEAD", "60c8\n")], "is no commit"),
            (
                vec![(".git/HEAD", "ref: refs/heads/main\n")],
                "no commit of refs/heads/main",
            ),
            (
                vec![
                    (".git/HEAD", "ref: refs/heads/../../../there\n"),
                    ("there", &elsewhere),
                ],
                "not allowed",
            ),
            (vec![(".git/HEAD", "ref: /there\n")], "not allowed"),
            (
                vec![
                    (".git/HEAD", "ref: refs/a\n"),
                    (".git/refs/a", "ref: refs/a\n"),
                ],
                "from reference to reference",
            ),
            (vec![(".git", "elsewhere\n")], "does not say which folder"),
        ] {
            let error = commit(&files, "").expect("a checkout").expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }
}
