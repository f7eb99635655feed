//! Where a log is: an address on the web, or a folder.

use candor_core::record::ReleaseName;

use super::LogError;

/// What the address of a folder begins with.
const FILE: &str = "file://";

/// The address that a log's paths follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogUrl(String);

impl std::str::FromStr for LogUrl {
    type Err = LogError;
    fn from_str(text: &str) -> Result<Self, LogError> {
        let error = |rule| LogError::Url {
            found: text.chars().take(200).collect(),
            rule,
        };
        let is_plain =
            !text.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c));
        if let Some(path) = text.strip_prefix(FILE) {
            return match path {
                _ if !is_plain => Err(error("it must have no spaces and none of ? # @")),
                _ if !path.starts_with('/') => Err(error(
                    "behind file:// comes the whole path of a folder, which begins with /",
                )),
                _ => Ok(Self(text.trim_end_matches('/').to_owned())),
            };
        }
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(|| error("it must begin with https://, http:// or file://"))?;
        if host.is_empty() || host.starts_with(['/', ':']) {
            return Err(error("it names no host"));
        }
        if !is_plain {
            return Err(error("it must have no spaces and none of ? # @"));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl LogUrl {
    /// Whether it is a folder of this machine.
    pub fn is_folder(&self) -> bool {
        self.0.starts_with(FILE)
    }
}

impl std::fmt::Display for LogUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A release in a query, where a plus sign means a space.
pub fn query_value(release: &ReleaseName) -> String {
    release.to_string().replace('+', "%2B")
}
