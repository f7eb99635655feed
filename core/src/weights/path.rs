//! Paths inside a release: relative, portable, and with one spelling each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::{UnsafeText, check_plain_text};

/// The most bytes that a path may have: what common file systems take.
const PATH_BYTES_MAX: usize = 4_096;

/// The path of a file in a release: `/` between its parts, never leading out of the folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FilePath(String);

/// Why text is no path inside a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilePathError {
    /// Nothing at all, or too much.
    #[error("the path {0:?} has {1} bytes, and may have 1 to {PATH_BYTES_MAX}")]
    Length(String, usize),
    /// Begins at the root of a file system.
    #[error("the path {0:?} is absolute, and must be relative to the release's folder")]
    Absolute(String),
    /// `.`, `..` or an empty part.
    #[error(
        "the path {path:?} has the part {part:?}, which could lead out of the release's folder or has two spellings"
    )]
    Part {
        /// The path.
        path: String,
        /// Its first bad part.
        part: String,
    },
    /// Another system's separator.
    #[error("the path {0:?} has a backslash, which some systems take for a separator; write /")]
    Backslash(String),
    /// Characters that hide or reorder.
    #[error("the path {path:?} can't be shown as it is: {error}")]
    Unsafe {
        /// The path.
        path: String,
        /// Why.
        error: UnsafeText,
    },
}

impl FilePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FilePath {
    type Err = FilePathError;
    fn from_str(path: &str) -> Result<Self, FilePathError> {
        let shortened = || path.chars().take(200).collect::<String>();
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Err(FilePathError::Length(shortened(), path.len()));
        }
        check_plain_text(path).map_err(|error| FilePathError::Unsafe {
            path: shortened(),
            error,
        })?;
        if path.contains('\\') {
            return Err(FilePathError::Backslash(shortened()));
        }
        // `C:` at the beginning is a drive on Windows.
        if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
            return Err(FilePathError::Absolute(shortened()));
        }
        if let Some(part) = path
            .split('/')
            .find(|part| matches!(*part, "" | "." | ".."))
        {
            return Err(FilePathError::Part {
                path: shortened(),
                part: part.to_owned(),
            });
        }
        Ok(Self(path.to_owned()))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_or_look_like_others_are_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/./b",
            "a/",
            "./a",
            "a\\b",
            "c:/x",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            "a\u{200b}b",
            "e\u{301}.txt",
        ] {
            assert!(path.parse::<FilePath>().is_err(), "{path:?}");
        }
        for path in [
            "a",
            "a/b.safetensors",
            "..a",
            "a..b/...",
            "\u{e9}.txt",
            "1_Pooling/config.json",
            "a b",
        ] {
            assert!(path.parse::<FilePath>().is_ok(), "{path:?}");
        }
    }
}
