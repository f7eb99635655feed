//! A statement held against the files that are there.

use std::collections::BTreeMap;

use candor_core::Sha256;

use crate::ignored::{GIT_PATHS, is_git_path};
use crate::name::ResourceName;
use crate::statement::Statement;

/// How a folder differs from what was signed. Each list is sorted by name, except where it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Signed, and not there.
    pub missing: Vec<String>,
    /// There, and not signed.
    pub extra: Vec<String>,
    /// Signed and there, with other bytes.
    pub changed: Vec<ChangedFile>,
    /// There and not signed, which every reader ignores: git's files, and the signature itself.
    pub ignored: Vec<String>,
    /// What the signer wants ignored beyond that, as signed. It was not followed here: a signer could have files of any
    /// content ignored by it. So what lies there is in [`Self::extra`], and people are to see these paths.
    pub ignore_paths_not_followed: Vec<String>,
}

/// A file that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Where it is.
    pub name: String,
    /// As signed.
    pub signed: Sha256,
    /// As found.
    pub found: Sha256,
}

impl Comparison {
    /// Whether every signed file is there as it was signed, and no other.
    pub fn is_same(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.changed.is_empty()
    }
}

/// Holds the files that `statement` lists against those that were `found` in a model's folder: paths from the folder with
/// `/` between their parts, and the digests of the files' bytes. `signature` is the path of the signature's own file, if
/// it lies in the folder.
///
/// Ignored are, at the top of the folder, `.git` and `.github` with what is in them, the files `.gitattributes` and
/// `.gitignore`, and the file `signature`; and none of them if it is signed.
pub fn compare<'a>(
    statement: &Statement,
    found: impl IntoIterator<Item = (&'a str, Sha256)>,
    signature: Option<&str>,
) -> Comparison {
    let mut found: BTreeMap<&str, Sha256> = found.into_iter().collect();
    let mut comparison = Comparison::default();
    for file in statement.files() {
        let name = file.name.to_string();
        match found.remove(file.name.as_str()) {
            None => comparison.missing.push(name),
            Some(sha256) if sha256 == file.sha256 => {}
            Some(sha256) => comparison.changed.push(ChangedFile {
                name,
                signed: file.sha256,
                found: sha256,
            }),
        }
    }
    comparison.missing.sort();
    comparison.changed.sort_by(|a, b| a.name.cmp(&b.name));
    for name in found.into_keys() {
        if Some(name) == signature || is_git_path(name) {
            comparison.ignored.push(name.to_owned());
        } else {
            comparison.extra.push(name.to_owned());
        }
    }
    let not_followed = |path: &&str| !GIT_PATHS.contains(path) && Some(*path) != signature;
    let ignore_paths = statement.ignore_paths().iter().map(ResourceName::as_str);
    comparison.ignore_paths_not_followed = ignore_paths
        .filter(not_followed)
        .map(str::to_owned)
        .collect();
    comparison.ignore_paths_not_followed.sort();
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignedFile;

    fn file(name: &str, content: &str) -> SignedFile {
        SignedFile {
            name: name.parse().expect("a name"),
            sha256: Sha256::of(content),
        }
    }

    fn compared(
        signed: &[(&str, &str)],
        ignore_paths: &[&str],
        found: &[(&str, &str)],
    ) -> Comparison {
        let files = signed.iter().map(|(name, content)| file(name, content));
        let ignore_paths = ignore_paths
            .iter()
            .map(|path| path.parse().expect("a name"));
        let statement = Statement::new("m", files.collect(), ignore_paths).expect("a statement");
        let found = found
            .iter()
            .map(|(name, content)| (*name, Sha256::of(content)));
        compare(&statement, found, Some("model.sig"))
    }

    #[test]
    fn the_same_files_are_the_same() {
        let files = [("a", "1"), ("b/c", "2")];
        let comparison = compared(&files, &["model.sig"], &files);
        assert_eq!(comparison, Comparison::default());
        assert!(comparison.is_same());
    }

    #[test]
    fn missing_changed_and_added_files_differ() {
        let comparison = compared(
            &[("a", "1"), ("b/c", "2")],
            &[],
            &[("b/c", "3"), ("d", "4"), ("model.sig", "")],
        );
        assert_eq!(comparison.missing, ["a"]);
        assert_eq!(comparison.extra, ["d"]);
        assert_eq!(comparison.changed.len(), 1);
        assert_eq!(comparison.changed[0].name, "b/c");
        assert_eq!(comparison.changed[0].found, Sha256::of("3"));
        assert_eq!(comparison.ignored, ["model.sig"]);
        assert!(!comparison.is_same());
    }

    #[test]
    fn a_renamed_file_is_missing_and_added() {
        let comparison = compared(&[("a", "1")], &[], &[("A", "1")]);
        assert_eq!(
            (comparison.missing, comparison.extra),
            (vec!["a".to_owned()], vec!["A".to_owned()])
        );
    }

    #[test]
    fn only_what_every_reader_ignores_is_ignored() {
        let comparison = compared(
            &[("a", "1")],
            &["cache", "model.sig"],
            &[
                ("a", "1"),
                (".git/config", ""),
                (".github/x.yml", ""),
                (".gitattributes", ""),
                (".gitignore", ""),
                ("model.sig", ""),
                (".gitignore/pickle.bin", ""),
                (".gitmodules", ""),
                ("cache/x", ""),
                ("model.sig/pickle.bin", ""),
                ("sub/.git/config", ""),
            ],
        );
        assert_eq!(comparison.ignored.len(), 5, "{comparison:?}");
        assert_eq!(
            comparison.extra,
            [
                ".gitignore/pickle.bin",
                ".gitmodules",
                "cache/x",
                "model.sig/pickle.bin",
                "sub/.git/config"
            ]
        );
        assert_eq!(comparison.ignore_paths_not_followed, ["cache"]);
    }
}
