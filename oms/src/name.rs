//! Names of files in a statement: OMS 1.0 section 6.1.2.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most bytes of a name: what common file systems take for a path.
const NAME_BYTES_MAX: usize = 4_096;

/// Where a file is in a model's folder: relative, `/` between its parts, with one spelling.
///
/// Sorted by parts, as `model_signing` sorts: `a/x` comes before `a-b`, and that before `a.txt`. Anything else may be in
/// it, also line breaks and backslashes, so it is not printed as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceName(String);

/// Why text is no name of a file in a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceNameError {
    /// Nothing at all, or too much.
    #[error("the name {name:?} has {bytes} bytes, and may have 1 to {NAME_BYTES_MAX}")]
    Length {
        /// The name, shortened.
        name: String,
        /// How long it is.
        bytes: usize,
    },
    /// Begins at the root of a file system.
    #[error("the name {0:?} is absolute, and must be relative to the model's folder")]
    Absolute(String),
    /// `.`, `..` or an empty part.
    #[error(
        "the name {name:?} has the part {part:?}, which could lead out of the model's folder or gives a file two names"
    )]
    Part {
        /// The name, shortened.
        name: String,
        /// Its first bad part.
        part: String,
    },
    /// A byte that no file system takes.
    #[error("the name {0:?} has the character U+0000, which no file's name has")]
    Null(String),
}

impl ResourceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `folder`, or lies in it.
    pub fn is_in(&self, folder: &str) -> bool {
        self.0
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for ResourceName {
    type Err = ResourceNameError;
    fn from_str(name: &str) -> Result<Self, ResourceNameError> {
        let shortened = || name.chars().take(200).collect::<String>();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(ResourceNameError::Length {
                name: shortened(),
                bytes: name.len(),
            });
        }
        if name.contains('\0') {
            return Err(ResourceNameError::Null(shortened()));
        }
        if name.starts_with('/') {
            return Err(ResourceNameError::Absolute(shortened()));
        }
        let bad_part = name
            .split('/')
            .find(|part| matches!(*part, "" | "." | ".."));
        if let Some(part) = bad_part {
            return Err(ResourceNameError::Part {
                name: shortened(),
                part: part.to_owned(),
            });
        }
        Ok(Self(name.to_owned()))
    }
}

impl Ord for ResourceName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for ResourceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ResourceName {
        text.parse().expect(text)
    }

    #[test]
    fn names_are_sorted_by_their_parts() {
        let mut names = ["a.txt", "a-b", "a/x", "a/x/y", "a", "B", "é", "z"].map(name);
        names.sort();
        let sorted = names.each_ref().map(ResourceName::as_str);
        assert_eq!(sorted, ["B", "a", "a/x", "a/x/y", "a-b", "a.txt", "z", "é"]);
    }

    #[test]
    fn names_that_lead_elsewhere_or_have_two_spellings_are_refused() {
        for text in [
            "", ".", "..", "/a", "a/", "./a", "a//b", "a/./b", "a/../b", "../a", "a\0",
        ] {
            assert!(text.parse::<ResourceName>().is_err(), "{text:?}");
        }
        assert!("a".repeat(4_097).parse::<ResourceName>().is_err());
        for text in [
            "a", "..a", "a..", "a/...", "a b", "a\\b", "a:b", "a\nb", "*",
        ] {
            name(text);
        }
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_what_begins_like_it() {
        assert!(name(".git").is_in(".git"));
        assert!(name(".git/config").is_in(".git"));
        assert!(!name(".gitmodules").is_in(".git"));
        assert!(!name("sub/.git").is_in(".git"));
    }
}
