//! Every message of every error that an operator can meet.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use candor_core::merkle::TreeSize;
use candor_core::note::{CheckpointError, LogKey, NextLog, NoteSigner};

use crate::config::ConfigError;
use crate::data_folder::DataFolderError;
use crate::init::InitError;
use crate::last_signed::LastSignedError;
use crate::plan::{Conflict, Refused};
use crate::releases::ReleaseError;
use crate::sequencer::{SequencerError, SubmitError};
use crate::signer::SignerError;
use crate::static_part::StaticPartError;
use crate::storage::postgres::DatabaseUrl;
use crate::storage::{CommitError, StorageError};
use crate::webhooks::WebhooksError;
use candor_signer::ClientError;
use candor_signer::key_file::KeyFileError;

/// An example of every variant, as text. A variant without a row does not compile.
macro_rules! messages {
    ($error:ident: $($pattern:pat => $example:expr,)*) => {{
        let _ = |error: &$error| match error { $($pattern => (),)* };
        [$((stringify!($pattern), $error::to_string(&$example)),)*]
            .map(|(pattern, text)| format!("{pattern}\n    {text}\n"))
            .concat()
    }};
}

fn path() -> PathBuf {
    "/var/lib/candor/file".into()
}

fn no_room() -> io::Error {
    io::Error::from_raw_os_error(28)
}

fn storage() -> StorageError {
    StorageError::Damaged("tile/0/000 is missing".to_owned())
}

fn location() -> String {
    "s3://bucket/log".to_owned()
}

fn object_store() -> object_store::Error {
    let (store, source) = ("S3", "no answer".into());
    object_store::Error::Generic { store, source }
}

fn size(size: u64) -> TreeSize {
    TreeSize::new(size)
}

fn other_key() -> LogKey {
    let name = "log.example.org/2027".parse().expect("a name");
    let key = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    NoteSigner::new(name, key).verifier_key().clone().into()
}

fn next_log() -> NextLog {
    NextLog::new(other_key(), "https://log.example.org/2027").expect("a good one")
}

#[test]
fn what_publishers_are_told() {
    insta::assert_snapshot!(messages! { SubmitError:
        SubmitError::Refused(_) => SubmitError::Refused(Refused {
            record: 0,
            conflict: Conflict::AttachmentMissing {
                name: "README.md".to_owned(),
                sha256: candor_core::Sha256::of(b""),
            },
        }),
        SubmitError::QueueFull { .. } => SubmitError::QueueFull { waiting: 4_096 },
        SubmitError::Stopping => SubmitError::Stopping,
        SubmitError::Retired { .. } => SubmitError::Retired { next: Some(next_log()) },
        SubmitError::Full => SubmitError::Full,
        SubmitError::OutOfReach => SubmitError::OutOfReach,
        SubmitError::Failed => SubmitError::Failed,
    });
}

#[test]
fn what_ends_the_sequencer() {
    insta::assert_snapshot!(messages! { SequencerError:
        SequencerError::Commit(_) => SequencerError::Commit(CommitError::Unknown(storage())),
        SequencerError::LastSigned(_) => SequencerError::LastSigned(LastSignedError::Missing { path: path() }),
        SequencerError::Release(_) => SequencerError::Release(ReleaseError::NotOurs(CheckpointError::TooFewLines { found: 1 })),
        SequencerError::StaticPart(_) => SequencerError::StaticPart(StaticPartError::Contended { location: location() }),
        SequencerError::Storage(_) => SequencerError::Storage(StorageError::Replaced { path: path() }),
        SequencerError::Signer(_) => SequencerError::Signer(SignerError::Elsewhere(ClientError::Refused {
            socket: "/run/candor/signer.sock".into(),
            reason: "a tree of 4 entries was signed, and this one has 3".to_owned(),
        })),
        SequencerError::Thread(_) => SequencerError::Thread(no_room()),
    });
}

#[test]
fn what_a_storage_says() {
    insta::assert_snapshot!(
        messages! { StorageError:
            StorageError::NotALog(_) => StorageError::NotALog("there is no log at /var/lib/candor/log.db".to_owned()),
            StorageError::Damaged(_) => storage(),
            StorageError::Elsewhere(_) => StorageError::Elsewhere("s3://bucket/log can't be read".to_owned()),
            StorageError::Retired => StorageError::Retired,
            StorageError::Full(_) => StorageError::Full(sqlx::Error::WorkerCrashed),
            StorageError::NotDurable(_) => StorageError::NotDurable("the database is a standby, which takes no records: name its primary"),
            StorageError::TurnLost => StorageError::TurnLost,
            StorageError::OutOfReach(_) => StorageError::OutOfReach("connection refused".to_owned()),
            StorageError::Silent(_) => StorageError::Silent(Duration::from_secs(15)),
            StorageError::Held { .. } => StorageError::Held { path: path() },
            StorageError::Replaced { .. } => StorageError::Replaced { path: path() },
            StorageError::Io { .. } => StorageError::Io { path: path(), error: no_room() },
            StorageError::Database(_) => StorageError::Database(sqlx::Error::WorkerCrashed),
        } + &messages! { CommitError:
            CommitError::NotWritten(_) => CommitError::NotWritten(storage()),
            CommitError::HeadMoved { .. } => CommitError::HeadMoved { planned: size(3), found: size(4) },
            CommitError::Lost(_) => CommitError::Lost(storage()),
            CommitError::Unknown(_) => CommitError::Unknown(storage()),
        }
    );
}

#[test]
fn what_is_said_of_the_files_of_a_log() {
    insta::assert_snapshot!(
        messages! { LastSignedError:
            LastSignedError::Io { .. } => LastSignedError::Io { path: path(), error: no_room() },
            LastSignedError::Missing { .. } => LastSignedError::Missing { path: path() },
            LastSignedError::Form { .. } => LastSignedError::Form {
                path: path(),
                error: CheckpointError::TooFewLines { found: 1 },
            },
            LastSignedError::Behind { .. } => LastSignedError::Behind { path: path(), stored: size(3), signed: size(4) },
            LastSignedError::OtherHistory { .. } => LastSignedError::OtherHistory { path: path(), signed: size(4) },
            LastSignedError::Reopened { .. } => LastSignedError::Reopened { path: path(), stored: size(4), signed: size(3) },
            LastSignedError::Storage(_) => LastSignedError::Storage(storage()),
        } + &messages! { KeyFileError:
            KeyFileError::Io { .. } => KeyFileError::Io { path: path(), error: no_room() },
            KeyFileError::Missing { .. } => KeyFileError::Missing { path: path() },
            KeyFileError::Mode { .. } => KeyFileError::Mode { path: path(), mode: 0o644 },
            KeyFileError::Form { .. } => KeyFileError::Form { path: path() },
            KeyFileError::Random(_) => KeyFileError::Random(getrandom::Error::UNSUPPORTED),
        } + &messages! { DataFolderError:
            DataFolderError::NoLog { .. } => DataFolderError::NoLog { path: path() },
            DataFolderError::HalfMade { .. } => DataFolderError::HalfMade { path: path() },
            DataFolderError::DatabaseMissing { .. } => DataFolderError::DatabaseMissing { path: path() },
            DataFolderError::DatabaseHere { .. } => DataFolderError::DatabaseHere { path: path() },
            DataFolderError::NoKeys { .. } => DataFolderError::NoKeys { path: path() },
            DataFolderError::LogExists { .. } => DataFolderError::LogExists { path: path() },
            DataFolderError::NotEmpty { .. } => DataFolderError::NotEmpty { path: path(), found: "notes.txt".to_owned() },
            DataFolderError::Io { .. } => DataFolderError::Io { path: path(), error: no_room() },
        } + &messages! { InitError:
            InitError::Folder(_) => InitError::Folder(DataFolderError::LogExists { path: path() }),
            InitError::OtherOrigin { .. } => InitError::OtherOrigin {
                key: other_key().verifier_key().clone(),
                origin: "log.example.org/2026".parse().expect("an origin"),
            },
            InitError::Signer(_) => InitError::Signer(SignerError::Elsewhere(ClientError::OutOfReach {
                socket: "/run/candor/signer.sock".into(),
                error: io::Error::from_raw_os_error(111),
            })),
            InitError::Io { .. } => InitError::Io { path: path(), error: no_room() },
            InitError::Key(_) => InitError::Key(KeyFileError::Io { path: path(), error: no_room() }),
            InitError::Storage(_) => InitError::Storage(StorageError::Full(sqlx::Error::WorkerCrashed)),
            InitError::LastSigned(_) => InitError::LastSigned(LastSignedError::Io { path: path(), error: no_room() }),
        }
    );
}

#[test]
fn what_is_said_of_the_static_part() {
    insta::assert_snapshot!(messages! { StaticPartError:
        StaticPartError::Folder { .. } => StaticPartError::Folder { path: path(), error: object_store() },
        StaticPartError::NoFolder { .. } => StaticPartError::NoFolder { path: path() },
        StaticPartError::Bucket { .. } => StaticPartError::Bucket { location: location(), error: object_store() },
        StaticPartError::NoCredentials { .. } => StaticPartError::NoCredentials { location: location() },
        StaticPartError::Store { .. } => StaticPartError::Store {
            location: location(),
            verb: "write",
            name: "tile/0/000".to_owned(),
            error: object_store(),
        },
        StaticPartError::Lock { .. } => StaticPartError::Lock { location: location(), path: path(), error: no_room() },
        StaticPartError::OtherLog { .. } => StaticPartError::OtherLog {
            location: location(),
            error: CheckpointError::TooFewLines { found: 1 },
        },
        StaticPartError::Behind { .. } => StaticPartError::Behind { location: location(), stored: size(3), shown: size(4) },
        StaticPartError::OtherHistory { .. } => StaticPartError::OtherHistory { location: location(), shown: size(4) },
        StaticPartError::Reopened { .. } => StaticPartError::Reopened { location: location(), stored: size(4), shown: size(3) },
        StaticPartError::Replaced { .. } => StaticPartError::Replaced { location: location() },
        StaticPartError::Emptied { .. } => StaticPartError::Emptied { location: location() },
        StaticPartError::HoldsKeys { .. } => StaticPartError::HoldsKeys { location: location(), data: path() },
        StaticPartError::Contended { .. } => StaticPartError::Contended { location: location() },
        StaticPartError::Storage(_) => StaticPartError::Storage(storage()),
    });
}

#[test]
fn what_is_said_of_settings() {
    let toml = toml::from_str::<toml::Table>("queue-max = ").expect_err("not TOML");
    insta::assert_snapshot!(
        messages! { WebhooksError:
            WebhooksError::Random(_) => WebhooksError::Random(getrandom::Error::UNSUPPORTED),
        } + &messages! { ConfigError:
            ConfigError::HalfOfTls { .. } => ConfigError::HalfOfTls { missing: "tls-key" },
            ConfigError::Io { .. } => ConfigError::Io { path: path(), error: no_room() },
            ConfigError::Form { .. } => ConfigError::Form { path: path(), error: toml.to_string() },
            ConfigError::Database(_) => ConfigError::Database(DatabaseUrl::try_from("mysql://root@127.0.0.1/candor".to_owned()).expect_err("not Postgres").to_string()),
            ConfigError::Webhook { .. } => ConfigError::Webhook {
                name: "dashboard".to_owned(),
                rule: "its url is neither https:// nor http:// to this machine".to_owned(),
            },
            ConfigError::Range { .. } => ConfigError::Range { name: "queue-max", found: 0, range: 1..=9 },
        }
    );
}
