//! Where the static part is: a folder, or a bucket that speaks S3, as settings say it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use serde::Deserialize;

use super::error::StaticPartError;
use super::store::Store;

/// What the address of a bucket begins with.
const S3: &str = "s3://";

/// How long a request is repeated by itself. Who waits for the store longer than this is told.
const RETRY_TIME: Duration = Duration::from_secs(10);

/// How often a request is repeated by itself.
const RETRIES_MAX: usize = 4;

/// Where the static part of a log is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Location {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what the names in it begin with.
    S3 {
        /// The bucket.
        bucket: String,
        /// Empty, or path segments with slashes between them.
        prefix: String,
    },
}

/// Where a log is read that is files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder or a bucket.
    Files(Location),
    /// What a web server serves: a static part, or a whole `candor-server`.
    Web(String),
}

/// Text that names neither a folder nor a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is neither a folder nor a bucket such as s3://my-bucket/log: {rule}")]
pub struct LocationError {
    found: String,
    rule: &'static str,
}

impl FromStr for Location {
    type Err = LocationError;
    fn from_str(text: &str) -> Result<Self, LocationError> {
        let error = |rule| LocationError {
            found: text.to_owned(),
            rule,
        };
        let Some(address) = text.strip_prefix(S3) else {
            return match text {
                "" => Err(error("it is empty")),
                _ if text.contains("://") => Err(LocationError {
                    // What follows may hold a password.
                    found: text
                        .split_inclusive("://")
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    rule: "of addresses, only s3:// is understood",
                }),
                _ => Ok(Self::Folder(text.into())),
            };
        };
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() {
            return Err(error("it names no bucket"));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        let segments = || prefix.split('/');
        if !prefix.is_empty()
            && (!prefix.chars().all(is_plain) || segments().any(|it| matches!(it, "" | "." | "..")))
        {
            return Err(error(
                "behind the bucket come names of letters, digits, dots, hyphens and underscores, with slashes between them",
            ));
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl TryFrom<String> for Location {
    type Error = LocationError;
    fn try_from(text: String) -> Result<Self, LocationError> {
        text.parse()
    }
}

impl FromStr for Place {
    type Err = LocationError;
    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Web(text.trim_end_matches('/').to_owned()));
        }
        let folder = text.strip_prefix("file://").unwrap_or(text);
        folder.parse().map(Self::Files)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(location) => location.fmt(f),
            Self::Web(url) => url.fmt(f),
        }
    }
}

impl Place {
    /// What is there, to be read.
    pub(super) fn open(&self) -> Result<Store, StaticPartError> {
        let url = match self {
            Self::Files(Location::Folder(path)) if !path.is_dir() => {
                return Err(StaticPartError::NoFolder { path: path.clone() });
            }
            Self::Files(location) => return location.open(),
            Self::Web(url) => url,
        };
        install_ciphers();
        let options = ClientOptions::new().with_allow_http(true);
        let objects = HttpBuilder::new()
            .with_url(url)
            .with_client_options(options)
            .with_retry(retries())
            .build()
            .map_err(|error| StaticPartError::Bucket {
                location: url.clone(),
                error,
            })?;
        Ok(Store::objects(url.clone(), Arc::new(objects)))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "{S3}{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "{S3}{bucket}/{prefix}"),
        }
    }
}

impl Location {
    /// Refuses a folder that is the data folder, or holds it, or is in it: all that is in the static part is served, and
    /// keys are in the data folder.
    pub fn check_apart(&self, data: &Path) -> Result<(), StaticPartError> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        // One that is not there is refused elsewhere.
        let (Ok(folder), Ok(data)) = (folder.canonicalize(), data.canonicalize()) else {
            return Ok(());
        };
        if folder.starts_with(&data) || data.starts_with(&folder) {
            return Err(StaticPartError::HoldsKeys {
                location: self.to_string(),
                data,
            });
        }
        Ok(())
    }

    /// The store there. A folder must be there; a bucket is not asked yet.
    pub(super) fn open(&self) -> Result<Store, StaticPartError> {
        match self {
            Self::Folder(path) => {
                // One that is not mounted must not be made: the log would go on elsewhere than people read it.
                let folder = LocalFileSystem::new_with_prefix(path).map_err(|error| {
                    StaticPartError::Folder {
                        path: path.clone(),
                        error,
                    }
                })?;
                let folder = folder.with_fsync(true).with_automatic_cleanup(true);
                let store = Store::folder(self.to_string(), Arc::new(folder), path);
                store.map_err(|_| StaticPartError::Replaced {
                    location: self.to_string(),
                })
            }
            Self::S3 { bucket, prefix } => {
                let builder = AmazonS3Builder::from_env();
                if !has_credentials(&builder) {
                    let location = self.to_string();
                    return Err(StaticPartError::NoCredentials { location });
                }
                let objects = open_bucket(builder, bucket).map_err(|error| {
                    let location = self.to_string();
                    StaticPartError::Bucket { location, error }
                })?;
                let objects = PrefixStore::new(objects, prefix.as_str());
                Ok(Store::objects(self.to_string(), Arc::new(objects)))
            }
        }
    }
}

/// Of the two libraries of ciphers that there could be, the one that is there. Whoever came first set the same.
fn install_ciphers() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME,
    }
}

/// Whether it is said where credentials come from. Where nothing is, the library would ask at an address of cloud
/// providers, which is somebody else's in any other network.
fn has_credentials(builder: &AmazonS3Builder) -> bool {
    use AmazonS3ConfigKey as Key;
    let any_of = [
        Key::AccessKeyId,
        Key::SecretAccessKey,
        Key::WebIdentityTokenFile,
        Key::ContainerCredentialsRelativeUri,
        Key::ContainerCredentialsFullUri,
        Key::MetadataEndpoint,
    ];
    let is_set = |key| builder.get_config_value(key).is_some();
    any_of.iter().any(is_set)
}

/// Region, endpoint and credentials come from the `AWS_` variables, as other programs read them.
fn open_bucket(
    builder: AmazonS3Builder,
    bucket: &str,
) -> object_store::Result<object_store::aws::AmazonS3> {
    install_ciphers();
    let mut builder = builder.with_bucket_name(bucket).with_retry(retries());
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    // Elsewhere, what is sent could be read and changed on the way: AWS_ALLOW_HTTP=true says that it may.
    if endpoint.is_some_and(|endpoint| is_on_loopback(&endpoint)) {
        builder = builder.with_allow_http(true);
    }
    builder.build()
}

fn is_on_loopback(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .filter_map(|loopback| host.strip_prefix(loopback))
        .any(|port| port.is_empty() || port.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_or_a_bucket() {
        for (text, shown) in [
            ("/srv/log", "/srv/log"),
            ("log", "log"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://bucket/logs/candor/", "s3://bucket/logs/candor"),
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), shown);
        }
        for (text, rule) in [
            ("", "it is empty"),
            ("gs://bucket", "only s3:// is understood"),
            ("s3://", "it names no bucket"),
            ("s3://bucket//log", "with slashes between them"),
            ("s3://bucket/../log", "with slashes between them"),
            ("s3://bucket/a b", "with slashes between them"),
        ] {
            let error = text.parse::<Location>().expect_err(text).to_string();
            assert!(error.ends_with(rule), "{error}");
        }
    }

    #[test]
    fn only_what_stays_on_this_machine_goes_without_tls() {
        for endpoint in [
            "http://127.0.0.1:9000",
            "http://localhost",
            "http://[::1]:1/x",
        ] {
            assert!(is_on_loopback(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org:80",
            "https://127.0.0.1",
        ] {
            assert!(!is_on_loopback(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("static");
        let opened = Location::Folder(path.clone()).open();
        assert!(matches!(opened, Err(StaticPartError::Folder { .. })));
        assert!(!path.exists());
        std::fs::create_dir(&path).expect("a folder");
        Location::Folder(path).open().expect("it is there");
    }
}
