//! Settings: flags first, then the environment, then one TOML file, then the defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Where the server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:3270";

/// Where a log keeps its files unless told otherwise.
const DATA: &str = "candor-data";

/// How many submissions may wait for the sequencer.
const QUEUE_MAX: usize = 4_096;

/// How long one request may take, body included.
const REQUEST_SECONDS_MAX: u64 = 60;

/// Who may register publishers, as a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationSetting {
    /// Anybody may register a name that is free.
    Open,
    /// The operator admits each publisher: `candor-server admit`.
    Approved,
}

/// Where the log is, for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct DataOptions {
    /// The folder that holds the log's database and keys [default: candor-data]
    #[arg(long, env = "CANDOR_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A TOML file with settings, which flags and environment override
    #[arg(long, env = "CANDOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3270]
    #[arg(long, env = "CANDOR_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Who may register publishers [default: open]
    #[arg(long, env = "CANDOR_REGISTRATION", value_enum)]
    pub registration: Option<RegistrationSetting>,
    /// How many requests to publish may wait at a time; beyond, clients are told to come back [default: 4096]
    #[arg(long, env = "CANDOR_QUEUE_MAX", value_name = "N")]
    pub queue_max: Option<usize>,
    /// How many seconds a request may take, body included [default: 60]
    #[arg(long, env = "CANDOR_REQUEST_SECONDS_MAX", value_name = "SECONDS")]
    pub request_seconds_max: Option<u64>,
    /// Write log lines as JSON
    #[arg(long, env = "CANDOR_LOG_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    pub log_json: bool,
}

/// The TOML file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    registration: Option<RegistrationSetting>,
    queue_max: Option<usize>,
    request_seconds_max: Option<u64>,
    log_json: Option<bool>,
}

/// What is meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's files.
    pub data: DataFolder,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may register publishers.
    pub registration: RegistrationSetting,
    /// How many submissions may wait.
    pub queue_max: usize,
    /// How long a request may take.
    pub request_time_max: Duration,
    /// Whether log lines are JSON.
    pub log_json: bool,
}

/// The files of a log.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{}: {error}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        error: toml::de::Error,
    },
    /// A value that makes no sense.
    #[error("{name} must be at least 1")]
    Zero {
        /// Which setting.
        name: &'static str,
    },
}

impl DataFolder {
    /// The files of a log in this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("log.db")
    }

    /// The key that signs checkpoints.
    pub fn log_key(&self) -> PathBuf {
        self.0.join("log-key.pem")
    }

    /// The key that admits publishers.
    pub fn operator_key(&self) -> PathBuf {
        self.0.join("operator-key.pem")
    }

    /// The newest checkpoint that was signed.
    pub fn last_signed(&self) -> PathBuf {
        self.0.join("last-signed")
    }

    /// Held while a server runs, so that no second one writes to the same log.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}

impl Settings {
    /// Puts the sources together. clap has put the environment behind the flags already.
    pub fn resolve(data: &DataOptions, serve: &ServeOptions) -> Result<Self, ConfigError> {
        let file = data
            .config
            .as_deref()
            .map(File::read)
            .transpose()?
            .unwrap_or_default();
        let queue_max = serve.queue_max.or(file.queue_max).unwrap_or(QUEUE_MAX);
        let seconds = serve
            .request_seconds_max
            .or(file.request_seconds_max)
            .unwrap_or(REQUEST_SECONDS_MAX);
        for (name, value) in [
            ("queue-max", queue_max as u64),
            ("request-seconds-max", seconds),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { name });
            }
        }
        let default_listen = || LISTEN.parse().expect("the default is an address");
        Ok(Self {
            data: DataFolder(
                data.data
                    .clone()
                    .or(file.data)
                    .unwrap_or_else(|| DATA.into()),
            ),
            listen: serve.listen.or(file.listen).unwrap_or_else(default_listen),
            registration: serve
                .registration
                .or(file.registration)
                .unwrap_or(RegistrationSetting::Open),
            queue_max,
            request_time_max: Duration::from_secs(seconds),
            log_json: serve.log_json || file.log_json.unwrap_or(false),
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Io {
            path: path.to_owned(),
            error,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Form {
            path: path.to_owned(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, serve: &ServeOptions) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("candor.toml");
        std::fs::write(&config, text).expect("the file is written");
        Settings::resolve(
            &DataOptions {
                data: None,
                config: Some(config),
            },
            serve,
        )
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_the_defaults() {
        let file = "listen = \"127.0.0.1:1\"\nregistration = \"approved\"\ndata = \"elsewhere\"";
        let serve = ServeOptions {
            listen: Some("127.0.0.1:2".parse().expect("an address")),
            ..Default::default()
        };
        let settings = with_file(file, &serve).expect("good settings");
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.registration, RegistrationSetting::Approved);
        assert_eq!(settings.data.path(), Path::new("elsewhere"));
        assert_eq!(settings.queue_max, QUEUE_MAX);
    }

    #[test]
    fn a_setting_that_nobody_knows_is_an_error() {
        let error =
            with_file("listne = \"127.0.0.1:1\"", &ServeOptions::default()).expect_err("misspelt");
        assert!(error.to_string().contains("listne"), "{error}");
        let error = with_file("queue-max = 0", &ServeOptions::default()).expect_err("no queue");
        assert_eq!(error.to_string(), "queue-max must be at least 1");
    }
}
