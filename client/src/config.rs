//! The client's settings: flags, then environment, then one TOML file.
//!
//! ```toml
//! [log]
//! url = "https://log.example.org/candor"
//! key = "log.example.org/candor+7d9cddd2+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
//!
//! [verify]
//! policy = "candor.toml"     # beside this file
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candor_core::note::LogKey;
use serde::Deserialize;

/// How much of what is wrong is said; it may repeat a value.
const REASON_CHARS_MAX: usize = 200;

/// What the configuration file can say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which log is meant when no other is named.
    #[serde(default)]
    pub log: LogConfig,
    /// How releases are verified.
    #[serde(default)]
    pub verify: VerifyConfig,
}

/// The log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Its address.
    pub url: Option<String>,
    /// Its verifier key.
    #[serde(default, deserialize_with = "read_key")]
    pub key: Option<LogKey>,
}

/// How releases are verified.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyConfig {
    /// The policy that they are held against; from the folder of the configuration file.
    pub policy: Option<PathBuf>,
}

fn read_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<LogKey>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not as it should be.
    #[error("{} is no configuration: {reason}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

impl ConfigError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the file's permissions, or move it away",
            Self::Form { .. } => {
                "the file has the sections [log], with the settings url and key, and [verify], with policy; see `candor --help`"
            }
        }
    }
}

impl Config {
    /// Reads the file at `path`; if there is none, nothing is configured.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| ConfigError::Form {
                path: path.to_owned(),
                reason: reason(&text, &error),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Io {
                path: path.to_owned(),
                error,
            }),
        }
    }
}

/// What is wrong, and in which line. The line itself is not repeated: who mistook the file for another one may
/// have put a secret there.
pub(crate) fn reason(text: &str, error: &toml::de::Error) -> String {
    if text.contains("PRIVATE KEY") {
        return "it holds a private key, and should hold none".to_owned();
    }
    let message: String = error.message().chars().take(REASON_CHARS_MAX).collect();
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("config.toml");
        fs::write(&path, text).expect("written");
        Config::read(&path)
    }

    #[test]
    fn a_missing_file_configures_nothing() {
        let config = Config::read(Path::new("/nowhere/config.toml")).expect("nothing is fine");
        assert_eq!(config, Config::default());
    }

    #[test]
    fn settings_are_read() {
        let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let config = read(&format!(
            "[log]\nurl = \"https://example.com/foo\"\nkey = \"{key}\"\n"
        ));
        let log = config.expect("it is right").log;
        assert_eq!(log.url.as_deref(), Some("https://example.com/foo"));
        assert_eq!(log.key.map(|key| key.to_string()).as_deref(), Some(key));
        let verify = read("[verify]\npolicy = \"candor.toml\"\n").expect("it is right");
        assert_eq!(
            verify.verify.policy.as_deref(),
            Some(Path::new("candor.toml"))
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_repeating_what_may_be_secret() {
        let words = |text: &str| read(text).expect_err("it is wrong").to_string();
        assert!(words("# a\n[log]\nulr = \"x\"\n").ends_with(
            "config.toml is no configuration: line 3: unknown field `ulr`, expected `url` or `key`"
        ));
        let pem =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEISECRET\n-----END PRIVATE KEY-----\n";
        for text in [
            pem.to_owned(),
            format!("log = {pem:?}\n"),
            format!("[log]\nkey = {pem:?}\n"),
            format!("[log]\nkey = \"\"\"\n{pem}\"\"\"\n"),
            "[log]\nkey = \"MC4CAQAwBQYDK2VwBCIEISECRET\"\n".to_owned(),
        ] {
            let words = words(&text);
            assert!(!words.contains("SECRET"), "{words}");
        }
        assert!(words(&format!("log = {:?}\n", "x".repeat(10_000))).len() < 500);
    }

    #[test]
    fn unknown_settings_and_bad_keys_are_refused() {
        for text in [
            "[log]\nulr = \"x\"\n",
            "[logs]\n",
            "[log]\nkey = \"x\"\n",
            "[verify]\npolicies = []\n",
            "log",
        ] {
            assert!(
                matches!(read(text), Err(ConfigError::Form { .. })),
                "{text}"
            );
        }
    }
}
