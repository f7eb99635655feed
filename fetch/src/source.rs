//! Where files are fetched from.
//!
//! ```text
//! https://mirror.example/llama/           + model-00001.safetensors   a folder on a web server
//! hf://ORG/REPO@REVISION                  + model-00001.safetensors   = https://huggingface.co/ORG/REPO/resolve/REVISION/…
//! file:///mnt/disk/llama                  + model-00001.safetensors   a folder of this machine
//! ```
//!
//! Always: what is shown of a source, in errors and outcomes, is what its user wrote, and holds no password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use candor_core::weights::FilePath;
use ureq::http::Uri;

/// Where Hugging Face is.
const HUGGING_FACE: &str = "https://huggingface.co";

/// Which revision is fetched where none is named: what a repository's main branch has.
const MAIN: &str = "main";

/// The longest text that is read as a source.
const SOURCE_BYTES_MAX: usize = 2_048;

/// A folder that may have a release's files, each under the path that the manifest gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    shown: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A URL that ends with `/`.
    Web(String),
    /// A folder.
    Folder(PathBuf),
}

/// Why text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No address of a kind that files are fetched from.
    #[error(
        "{0:?} is not an address to fetch from, which begins with https://, http://, hf:// or file:///"
    )]
    Scheme(String),
    /// Not a URL.
    #[error("{text:?} is not a URL: {reason}")]
    NotAUrl {
        /// What was given, shortened.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user or a password.
    #[error(
        "the address of {host:?} has a user name or a password in it, which would be shown in messages"
    )]
    Credentials {
        /// Whose it is.
        host: String,
    },
    /// A query or a fragment. What stands in it may be a signature that lets whoever has it in.
    #[error("{0:?} is followed by a ? or a #, behind which no file's path can be added")]
    Query(String),
    /// A repository that there can't be.
    #[error("{0:?} is not a repository's name, which is ORG/REPO of letters, digits, and . _ -")]
    Repository(String),
    /// A revision that there can't be.
    #[error("{0:?} is not a revision, which is a branch, a tag or a commit")]
    Revision(String),
}

impl SourceError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Scheme(_) | Self::NotAUrl { .. } | Self::Query(_) => {
                "give the address of the folder that has the files, as https://mirror.example/llama/"
            }
            Self::Credentials { .. } => "leave out what is before the @",
            Self::Repository(_) | Self::Revision(_) => {
                "write hf://ORG/REPO, or hf://ORG/REPO@REVISION for another revision than main"
            }
        }
    }
}

impl Source {
    /// A folder of this machine.
    pub fn folder(path: &Path) -> Self {
        Self {
            shown: path.display().to_string(),
            place: Place::Folder(path.to_owned()),
        }
    }

    /// A revision of a repository on a server that lays files out as Hugging Face does:
    /// `ENDPOINT/ORG/REPO/resolve/REVISION/`. What a branch has changes; the files are held against the manifest all the same.
    pub fn hugging_face(
        endpoint: &str,
        repository: &str,
        revision: &str,
    ) -> Result<Self, SourceError> {
        let is_name = |name: &str| {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !name.is_empty() && !matches!(name, "." | "..") && name.chars().all(is_safe)
        };
        // The oldest repositories have no organization.
        if repository.split('/').count() > 2 || !repository.split('/').all(is_name) {
            return Err(SourceError::Repository(shortened(repository)));
        }
        let has_dots = revision.split('/').any(|it| matches!(it, "" | "." | ".."));
        if has_dots || revision.chars().any(char::is_control) || revision.len() > 256 {
            return Err(SourceError::Revision(shortened(revision)));
        }
        // One segment: the branch `refs/pr/1` is `refs%2Fpr%2F1`.
        let revision = encoded(revision).replace('/', "%2F");
        let endpoint = endpoint.strip_suffix('/').unwrap_or(endpoint);
        Self::web(&format!("{endpoint}/{repository}/resolve/{revision}/"))
    }

    fn web(text: &str) -> Result<Self, SourceError> {
        let not_a_url = |reason: &dyn fmt::Display| SourceError::NotAUrl {
            text: shortened(text),
            reason: reason.to_string(),
        };
        if text.len() > SOURCE_BYTES_MAX {
            return Err(not_a_url(&format!("over {SOURCE_BYTES_MAX} bytes")));
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some((_, host)) = authority.rsplit_once('@') {
            return Err(SourceError::Credentials {
                host: shortened(host),
            });
        }
        if let Some((address, _)) = text.split_once(['?', '#']) {
            return Err(SourceError::Query(shortened(address)));
        }
        let mut url = text.to_owned();
        if !url.ends_with('/') {
            url.push('/');
        }
        let parsed: Uri = url.parse().map_err(|error| not_a_url(&error))?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(not_a_url(&"it names no host"));
        }
        Ok(Self {
            shown: url.clone(),
            place: Place::Web(url),
        })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

impl FromStr for Source {
    type Err = SourceError;

    /// Reads `https://…`, `http://…`, `hf://ORG/REPO@REVISION` or `file:///…`, which is taken as it is, without `%`
    /// sequences.
    fn from_str(text: &str) -> Result<Self, SourceError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(SourceError::Scheme(shortened(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" => Self::web(text),
            "hf" => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let (repository, revision) = rest.split_once('@').unwrap_or((rest, MAIN));
                Self::hugging_face(HUGGING_FACE, repository, revision)
            }
            "file" if rest.starts_with('/') => Ok(Self {
                shown: text.to_owned(),
                place: Place::Folder(PathBuf::from(rest)),
            }),
            _ => Err(SourceError::Scheme(shortened(text))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Where a file is at a web server.
pub(crate) fn url_of(base: &str, path: &FilePath) -> String {
    format!("{base}{}", encoded(path.as_str()))
}

/// RFC 3986 section 2.3: everything but unreserved characters and the `/` between segments. Some stores read `+` as a blank,
/// and `?` and `#` would end the path.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            other => {
                text.push('%');
                text.push_str(&hex::encode_upper([other]));
            }
        }
    }
    text
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Source>().expect(text).to_string()
    }

    #[test]
    fn a_source_is_a_folder_on_a_server_on_hugging_face_or_here() {
        assert_eq!(shown("https://a.example/x"), "https://a.example/x/");
        assert_eq!(shown("http://127.0.0.1:8000"), "http://127.0.0.1:8000/");
        assert_eq!(
            shown("hf://org/repo"),
            "https://huggingface.co/org/repo/resolve/main/"
        );
        assert_eq!(
            shown("hf://org/repo@refs/pr/1"),
            "https://huggingface.co/org/repo/resolve/refs%2Fpr%2F1/"
        );
        let source: Source = "file:///mnt/a b".parse().expect("a folder");
        assert_eq!(source.place, Place::Folder(PathBuf::from("/mnt/a b")));
    }

    #[test]
    fn messages() {
        let scheme = "is not an address to fetch from, which begins with https://, http://, hf:// or file:///";
        let repository =
            "is not a repository's name, which is ORG/REPO of letters, digits, and . _ -";
        let revision = "is not a revision, which is a branch, a tag or a commit";
        let query = "is followed by a ? or a #, behind which no file's path can be added";
        for (text, expected) in [
            ("", format!("\"\" {scheme}")),
            ("mirror.example/x", format!("\"mirror.example/x\" {scheme}")),
            ("ftp://a.example/", format!("\"ftp://a.example/\" {scheme}")),
            ("file://a.example/x", format!("\"file://a.example/x\" {scheme}")),
            ("https://a.example/?sig=1", format!("\"https://a.example/\" {query}")),
            ("https://a.example/#x", format!("\"https://a.example/\" {query}")),
            ("hf://", format!("\"\" {repository}")),
            ("hf://a/b/c", format!("\"a/b/c\" {repository}")),
            ("hf://../repo", format!("\"../repo\" {repository}")),
            ("hf://org/repo@", format!("\"\" {revision}")),
            ("hf://org/repo@../../x", format!("\"../../x\" {revision}")),
            (
                "https://me:secret@a.example/",
                "the address of \"a.example\" has a user name or a password in it, which would be shown in messages"
                    .to_owned(),
            ),
        ] {
            let error = text.parse::<Source>().expect_err(text);
            assert_eq!(error.to_string(), expected);
            assert!(!error.hint().is_empty());
        }
        for text in ["https://", "https:///x", "https://a b.example/"] {
            let error = text.parse::<Source>().expect_err(text);
            assert!(matches!(error, SourceError::NotAUrl { .. }), "{error}");
        }
    }

    #[test]
    fn paths_are_encoded_segment_by_segment() {
        let path: FilePath = "a b/50%+?#\u{e9}.bin".parse().expect("a path");
        assert_eq!(
            url_of("https://a/", &path),
            "https://a/a%20b/50%25%2B%3F%23%C3%A9.bin"
        );
    }
}
