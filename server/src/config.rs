//! Settings: flags first, then the environment, then one TOML file, then the defaults.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderName;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::accept::RECORDS_PER_REQUEST_MAX;
use crate::data_folder::DataFolder;
use crate::rates::RateSettings;
use crate::static_part::Location;
use crate::storage::postgres::DatabaseUrl;
use crate::tls::TlsFiles;
use crate::webhooks::{Webhook, WebhookTable};

/// Where the server listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:3270";

/// Where a log keeps its files unless told otherwise.
const DATA: &str = "candor-data";

/// How many submissions may wait for the sequencer.
const QUEUE_MAX: u64 = 4_096;

/// What can be set as `queue-max`. Each that waits holds a request in memory, so more is of no use.
const QUEUE_MAX_RANGE: RangeInclusive<u64> = 1..=1_000_000;

/// How many may follow the log at a time.
const EVENT_LISTENERS_MAX: u64 = 1_000;

/// What can be set as `event-listeners-max`: each holds a connection, and of these there are no more.
const EVENT_LISTENERS_RANGE: RangeInclusive<u64> = 1..=16_384;

/// How long one request may take, body included.
const REQUEST_SECONDS_MAX: u64 = 60;

/// What can be set as `request-seconds-max`: up to a day.
const REQUEST_SECONDS_RANGE: RangeInclusive<u64> = 1..=86_400;

/// The most that can be set as what is allowed a minute. More is no limit.
const PER_MINUTE_MAX: u64 = 100_000_000;

/// Who may register publishers, as a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationSetting {
    /// Anybody may register a name that is free.
    Open,
    /// The operator admits each publisher: `candor-server admit`.
    Approved,
}

impl RegistrationSetting {
    /// As it is written in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
        }
    }
}

/// Where the log is, for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct DataOptions {
    /// The folder that holds the log's database and keys [default: candor-data]
    #[arg(long, env = "CANDOR_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The Postgres database that the log is in, such as `postgres://candor@db.example.org/candor`; a file in the
    /// folder, if left out. Passwords belong into `PGPASSWORD` or `.pgpass`: others see the flags of a program
    #[arg(
        long,
        env = "CANDOR_DATABASE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database: Option<Secret>,
    /// The socket of the `candor-signer` that has the log's key; log-key.pem in the folder, if left out
    #[arg(long, env = "CANDOR_SIGNER", value_name = "FILE")]
    pub signer: Option<PathBuf>,
    /// A TOML file with settings, which flags and environment override
    #[arg(long, env = "CANDOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Text that may hold a password. It is looked at when all settings are there: errors of the command line and of TOML
/// repeat what they are about.
#[derive(Clone, Deserialize)]
pub struct Secret(String);

/// An address and port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

/// Text that is no address to listen on.
#[derive(Debug, thiserror::Error)]
#[error("{found:?} is no IP address with a port, such as 127.0.0.1:3270 or [::1]:3270")]
pub struct ListenError {
    found: String,
}

/// The header in which a proxy writes its client's address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressHeader(pub HeaderName);

/// Text that names no header.
#[derive(Debug, thiserror::Error)]
#[error("{found:?} is no name of a header, such as x-forwarded-for")]
pub struct AddressHeaderError {
    found: String,
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:3270]
    #[arg(long, env = "CANDOR_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<Listen>,
    /// Who may register publishers [default: open]
    #[arg(long, env = "CANDOR_REGISTRATION", value_enum)]
    pub registration: Option<RegistrationSetting>,
    /// How many requests to publish may wait at a time; beyond, clients are told to come back [default: 4096]
    #[arg(long, env = "CANDOR_QUEUE_MAX", value_name = "N")]
    pub queue_max: Option<u64>,
    /// How many seconds a request may take, body included [default: 60]
    #[arg(long, env = "CANDOR_REQUEST_SECONDS_MAX", value_name = "SECONDS")]
    pub request_seconds_max: Option<u64>,
    /// How many may follow the log by /api/v1/events at a time, and no more than half of all connections [default: 1000]
    #[arg(long, env = "CANDOR_EVENT_LISTENERS_MAX", value_name = "N")]
    pub event_listeners_max: Option<u64>,
    /// Where to put tiles, entry bundles and attachments as plain files as well: a folder, or `s3://bucket/prefix`
    #[arg(long, env = "CANDOR_STATIC_PART", value_name = "FOLDER|URL")]
    pub static_part: Option<Location>,
    /// Where to answer `/metrics`, `/readyz` and `/healthz` instead: an address that strangers can't reach
    #[arg(long, env = "CANDOR_OPERATOR_LISTEN", value_name = "ADDRESS")]
    pub operator_listen: Option<Listen>,
    /// The server's certificate and what leads to it, in a PEM file, for TLS; read again when it changes
    #[arg(long, env = "CANDOR_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in a PEM file
    #[arg(long, env = "CANDOR_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// How many requests one address may make a minute that ask the database [default: no limit]
    #[arg(long, env = "CANDOR_READS_PER_ADDRESS", value_name = "N")]
    pub reads_per_address: Option<u64>,
    /// How many records one address may send a minute [default: no limit]
    #[arg(long, env = "CANDOR_RECORDS_PER_ADDRESS", value_name = "N")]
    pub records_per_address: Option<u64>,
    /// How many records of one publisher are accepted a minute [default: no limit]
    #[arg(long, env = "CANDOR_RECORDS_PER_PUBLISHER", value_name = "N")]
    pub records_per_publisher: Option<u64>,
    /// The header in which a proxy before the server writes its client's address, such as x-forwarded-for; the last
    /// address in it counts. Only where nobody can reach the server but through the proxy
    #[arg(long, env = "CANDOR_ADDRESS_HEADER", value_name = "NAME")]
    pub address_header: Option<AddressHeader>,
    /// Write log lines as JSON; `--log-json=false` overrides the file
    #[arg(
        long, env = "CANDOR_LOG_JSON", value_name = "BOOL",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub log_json: Option<bool>,
}

/// The TOML file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data: Option<PathBuf>,
    database: Option<Secret>,
    signer: Option<PathBuf>,
    listen: Option<Listen>,
    registration: Option<RegistrationSetting>,
    #[serde(default, deserialize_with = "whole_number")]
    queue_max: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    request_seconds_max: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    event_listeners_max: Option<u64>,
    static_part: Option<Location>,
    operator_listen: Option<Listen>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[serde(default, deserialize_with = "whole_number")]
    reads_per_address: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    records_per_address: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    records_per_publisher: Option<u64>,
    address_header: Option<AddressHeader>,
    log_json: Option<bool>,
    #[serde(default)]
    webhook: Vec<WebhookTable>,
}

/// What is meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's files.
    pub data: DataFolder,
    /// Where its entries are, if not in a file among these.
    pub database: Option<DatabaseUrl>,
    /// Who has the log's key, if it is not among these.
    pub signer: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may register publishers.
    pub registration: RegistrationSetting,
    /// How many submissions may wait.
    pub queue_max: usize,
    /// How long a request may take.
    pub request_time_max: Duration,
    /// How many may follow the log at a time.
    pub event_listeners_max: usize,
    /// Where the static part is, if there is one.
    pub static_part: Option<Location>,
    /// Where operators are answered, if not where everybody is.
    pub operator_listen: Option<SocketAddr>,
    /// The certificate, if there is TLS.
    pub tls: Option<TlsFiles>,
    /// How often strangers may do what costs.
    pub rates: RateSettings,
    /// Where a proxy says whom it asks for.
    pub address_header: Option<AddressHeader>,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// Whom to tell of records.
    pub webhooks: Vec<Webhook>,
}

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
        error: String,
    },
    /// Half of what TLS needs.
    #[error("TLS needs a certificate and its key: set {missing} too")]
    HalfOfTls {
        /// Which setting is not there.
        missing: &'static str,
    },
    /// A webhook can't be told.
    #[error("the webhook {name:?}: {rule}")]
    Webhook {
        /// Which.
        name: String,
        /// Why.
        rule: String,
    },
    /// The database's address is none.
    #[error("the setting database: {0}")]
    Database(String),
    /// A number that makes no sense.
    #[error("{name} is {found}, and must be from {} to {}", range.start(), range.end())]
    Range {
        /// Which setting.
        name: &'static str,
        /// What it is set to.
        found: u64,
        /// What it may be.
        range: RangeInclusive<u64>,
    },
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
        let listeners = serve
            .event_listeners_max
            .or(file.event_listeners_max)
            .unwrap_or(EVENT_LISTENERS_MAX);
        for (name, found, range) in [
            ("queue-max", queue_max, QUEUE_MAX_RANGE),
            ("request-seconds-max", seconds, REQUEST_SECONDS_RANGE),
            ("event-listeners-max", listeners, EVENT_LISTENERS_RANGE),
        ] {
            if !range.contains(&found) {
                return Err(ConfigError::Range { name, found, range });
            }
        }
        let rates = RateSettings {
            reads_per_address: per_minute(
                "reads-per-address",
                serve.reads_per_address.or(file.reads_per_address),
                1,
            )?,
            records_per_address: per_minute(
                "records-per-address",
                serve.records_per_address.or(file.records_per_address),
                RECORDS_PER_REQUEST_MAX as u64,
            )?,
            records_per_publisher: per_minute(
                "records-per-publisher",
                serve.records_per_publisher.or(file.records_per_publisher),
                RECORDS_PER_REQUEST_MAX as u64,
            )?,
        };
        let certificate = serve.tls_certificate.clone().or(file.tls_certificate);
        let tls = match (certificate, serve.tls_key.clone().or(file.tls_key)) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::HalfOfTls { missing: "tls-key" }),
            (None, Some(_)) => {
                let missing = "tls-certificate";
                return Err(ConfigError::HalfOfTls { missing });
            }
        };
        let default_listen = || LISTEN.parse().expect("the default is an address");
        let Listen(listen) = serve.listen.or(file.listen).unwrap_or_else(default_listen);
        Ok(Self {
            data: DataFolder::new(
                data.data
                    .as_ref()
                    .or(file.data.as_ref())
                    .map_or(Path::new(DATA), |data| data),
            ),
            database: data
                .database
                .clone()
                .or(file.database)
                .map(|Secret(url)| DatabaseUrl::try_from(url))
                .transpose()
                .map_err(|error| ConfigError::Database(error.to_string()))?,
            signer: data.signer.clone().or(file.signer),
            listen,
            registration: serve
                .registration
                .or(file.registration)
                .unwrap_or(RegistrationSetting::Open),
            queue_max: usize::try_from(queue_max).expect("QUEUE_MAX_RANGE fits a usize"),
            request_time_max: Duration::from_secs(seconds),
            event_listeners_max: usize::try_from(listeners).expect("the range fits a usize"),
            static_part: serve.static_part.clone().or(file.static_part),
            operator_listen: serve
                .operator_listen
                .or(file.operator_listen)
                .map(|Listen(listen)| listen),
            tls,
            rates,
            address_header: serve.address_header.clone().or(file.address_header),
            log_json: serve.log_json.or(file.log_json).unwrap_or(false),
            webhooks: WebhookTable::check_all(file.webhook)
                .map_err(|(name, rule)| ConfigError::Webhook { name, rule })?,
        })
    }
}

/// A setting of how much is allowed a minute.
fn per_minute(
    name: &'static str,
    found: Option<u64>,
    min: u64,
) -> Result<Option<NonZero<u32>>, ConfigError> {
    let range = min..=PER_MINUTE_MAX;
    match found {
        None => Ok(None),
        Some(found) if range.contains(&found) => {
            Ok(u32::try_from(found).ok().and_then(NonZero::new))
        }
        Some(found) => Err(ConfigError::Range { name, found, range }),
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Secret {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl FromStr for Listen {
    type Err = ListenError;
    fn from_str(text: &str) -> Result<Self, ListenError> {
        text.parse().map(Self).map_err(|_| ListenError {
            found: text.to_owned(),
        })
    }
}

impl FromStr for AddressHeader {
    type Err = AddressHeaderError;
    fn from_str(text: &str) -> Result<Self, AddressHeaderError> {
        text.parse().map(Self).map_err(|_| AddressHeaderError {
            found: text.to_owned(),
        })
    }
}

impl TryFrom<String> for AddressHeader {
    type Error = AddressHeaderError;
    fn try_from(text: String) -> Result<Self, AddressHeaderError> {
        text.parse()
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;
    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

/// Reads a whole number, with a message that doesn't speak of Rust's types.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    struct WholeNumber;
    impl Visitor<'_> for WholeNumber {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }
    }
    input.deserialize_u64(WholeNumber).map(Some)
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Io {
            path: path.to_owned(),
            error,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Form {
            path: path.to_owned(),
            error: without_secrets(&error, &text),
        })
    }
}

/// What is wrong with a file. Its lines are not repeated: one of them may hold a password, also under a name that is
/// misspelt.
fn without_secrets(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let number = before.map_or(0, |before| before.matches('\n').count());
    let line = text.lines().nth(number).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let setting = match line.split_once('=').map(|(name, _)| name.trim()) {
        Some(name) if !name.is_empty() && name.chars().all(is_name) => {
            format!(", the setting {name}")
        }
        _ => String::new(),
    };
    format!("line {}{setting}: {}", number + 1, error.message())
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
                database: None,
                signer: None,
                config: Some(config),
            },
            serve,
        )
    }

    #[test]
    fn lines_of_the_file_are_not_repeated() {
        for wrong in [
            "database \"postgres://candor:tell-nobody@host/x\"",
            "database = postgres://candor:tell-nobody@host/x",
            "postgres://candor:tell-nobody@host/x = 1",
            "dsn = \"password=tell-nobody\"",
        ] {
            let error = with_file(wrong, &ServeOptions::default()).expect_err(wrong);
            let error = error.to_string();
            assert!(error.contains("line 1"), "{error}");
            assert!(!error.contains("tell-nobody"), "{error}");
        }
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_the_defaults() {
        let file = "listen = \"127.0.0.1:1\"\nregistration = \"approved\"\ndata = \"elsewhere\"\nlog-json = true";
        let serve = ServeOptions {
            listen: Some("127.0.0.1:2".parse().expect("an address")),
            log_json: Some(false),
            ..Default::default()
        };
        let settings = with_file(file, &serve).expect("good settings");
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.registration, RegistrationSetting::Approved);
        assert_eq!(settings.data.path(), Path::new("elsewhere"));
        assert_eq!(settings.queue_max, 4_096);
        assert!(!settings.log_json, "false is an answer too");
        let settings = with_file(file, &ServeOptions::default()).expect("good settings");
        assert!(settings.log_json);
    }

    #[test]
    fn a_setting_that_nobody_knows_is_an_error() {
        let error =
            with_file("listne = \"127.0.0.1:1\"", &ServeOptions::default()).expect_err("misspelt");
        assert!(error.to_string().contains("listne"), "{error}");
    }
}
