//! What is left out of a model: git's own files, and what a signer wants ignored besides.

use crate::name::ResourceName;

/// What is never signed: at the top of the model's folder, each with what lies in it (OMS 1.0 section 6.2).
pub const GIT_PATHS: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// Those of [`GIT_PATHS`] that are folders, or for git a file that names one.
const GIT_FOLDERS: [&str; 2] = [".git", ".github"];

/// Whether a file that is not signed is git's own: at the top of the folder, what is in `.git` and `.github`, and the files
/// `.gitattributes` and `.gitignore`. What is in a folder of their name is nothing of git's, and is not left out.
pub fn is_git_path(name: &str) -> bool {
    let top = name.split('/').next().unwrap_or(name);
    GIT_FOLDERS.contains(&top) || GIT_PATHS.contains(&name)
}

/// The paths to ignore, of which at most one holds a name: sorted by their parts, without those that lie in another one. Then
/// what lies in a path stands right behind it, and a name is looked up among thousands in a few steps.
pub(crate) struct Ignored<'a>(Vec<&'a ResourceName>);

impl<'a> Ignored<'a> {
    pub(crate) fn new(paths: &'a [ResourceName]) -> Self {
        let mut paths: Vec<_> = paths.iter().collect();
        paths.sort();
        paths.dedup_by(|path, before| path.is_in(before.as_str()));
        Self(paths)
    }

    /// The path that is `name`, or that it lies in.
    pub(crate) fn holding(&self, name: &ResourceName) -> Option<&'a ResourceName> {
        let behind = self.0.partition_point(|path| *path <= name);
        let before = self.0[..behind].last()?;
        name.is_in(before.as_str()).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_files_are_those_at_the_top() {
        for name in [
            ".git",
            ".git/config",
            ".github/x",
            ".gitignore",
            ".gitattributes",
        ] {
            assert!(is_git_path(name), "{name}");
        }
        for name in [
            ".gitmodules",
            "a/.git",
            "git",
            ".gitignore/x",
            ".gitattributes/x",
        ] {
            assert!(!is_git_path(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_found_in_the_path_that_holds_it_among_any_others() {
        let paths = [
            "b/c", "a", "b/c/d", "a-b", "b/c", "a/x/y", "b.d", "c/d/e", "a!",
        ];
        let paths = paths.map(|path| path.parse().expect("a name"));
        let ignored = Ignored::new(&paths);
        for name in [
            "a", "a/x", "a/x/y/z", "a-", "a-b", "a-b/c", "a-bc", "a.b", "b", "b/b", "b/c", "b/c/d",
            "b/c/z", "b/cd", "b/d", "b.d/x", "c", "c/d", "c/d/e/f", "c/d/f", "A", "z", "a!/b",
            "a!b",
        ] {
            let name: ResourceName = name.parse().expect("a name");
            let one_by_one = paths.iter().any(|path| name.is_in(path.as_str()));
            let found = ignored.holding(&name);
            assert_eq!(found.is_some(), one_by_one, "{name}");
            assert!(found.is_none_or(|path| name.is_in(path.as_str())), "{name}");
        }
    }
}
