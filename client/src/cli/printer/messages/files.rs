//! The errors of what is on this machine: folders, files, and records made of them.

use std::io;

use candor_core::merkle::EntryTooLong;
use candor_core::record::{Kind, PublicKeyError, RecordError, SchemaViolation, StatementError};
use candor_core::weights::{FilePathError, ManifestError};

use super::{digest, index, json_error, not_allowed, path, size};
use crate::cli::error::CliError;
use crate::folder::FolderError;
use crate::hashing::FileError;
use crate::log_client::LogError;
use crate::memory::MemoryError;
use crate::publish::PublishError;
use crate::replay::ReplayError;
use crate::sources::SourceError;
use crate::transport::TransportError;

fn file() -> String {
    "card/README.md".to_owned()
}

fn rule() -> StatementError {
    StatementError::Rule {
        pointer: "/predicate/behind/release".to_owned(),
        rule: "a release is not behind itself".to_owned(),
    }
}

fn violations() -> Vec<SchemaViolation> {
    let violation = |pointer: &str, rule: &str, message: &str| SchemaViolation {
        pointer: pointer.to_owned(),
        rule: rule.to_owned(),
        message: message.to_owned(),
    };
    vec![
        violation(
            "/predicate",
            "required",
            "\"endpoint\" is a required property",
        ),
        violation(
            "/predicate/validFrom",
            "format",
            "\"today\" is not a \"date-time\"",
        ),
    ]
}

fn no_threads() -> rayon::ThreadPoolBuildError {
    let refuse = |_| Err(io::Error::from_raw_os_error(11));
    let pool = rayon::ThreadPoolBuilder::new()
        .spawn_handler(refuse)
        .build();
    pool.expect_err("no thread can be made")
}

#[test]
fn what_is_said_of_folders() {
    let of_file = |error| CliError::from(FolderError::from(error));
    let printed = messages! { FolderError as CliError::from;
        FolderError::NotAFolder { .. } => FolderError::NotAFolder { path: path() },
        FolderError::Empty { .. } => FolderError::Empty { path: path() },
        FolderError::TooManyFiles { .. } => FolderError::TooManyFiles { path: path() },
        FolderError::Link { .. } => FolderError::Link { path: path() },
        FolderError::Special { .. } => FolderError::Special { path: path() },
        FolderError::NotUtf8 { .. } => FolderError::NotUtf8 { path: path() },
        FolderError::Name { .. } => FolderError::Name {
            path: path(),
            error: FilePathError::Backslash("a\\b".to_owned()),
        },
        FolderError::Case { .. } => FolderError::Case {
            path: "tiny/README.md".into(),
            other: "tiny/readme.md".into(),
        },
        FolderError::File(_) => FileError::Changed { path: path() }.into(),
        FolderError::Io { .. } => FolderError::Io { path: path(), error: not_allowed() },
    } + &messages! { FileError as of_file;
        FileError::Changed { .. } => FileError::Changed { path: path() },
        FileError::Io { .. } => FileError::Io { path: path(), error: not_allowed() },
        FileError::Threads(_) => FileError::Threads(no_threads()),
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_files_that_should_become_records() {
    let printed = messages! { SourceError as CliError::from;
        SourceError::Folder(_) => SourceError::Folder(FolderError::Empty { path: path() }),
        SourceError::Io { .. } => SourceError::Io { path: path(), error: not_allowed() },
        SourceError::Changed { .. } => SourceError::Changed { path: path() },
        SourceError::NotUtf8 { .. } => SourceError::NotUtf8 { file: file(), valid_up_to: 17 },
        SourceError::TooLarge { .. } => SourceError::TooLarge {
            file: file(),
            what: "its front matter",
            bytes: 300_000,
            bytes_max: 262_144,
        },
        SourceError::Yaml { .. } => SourceError::Yaml {
            file: file(),
            what: "its front matter",
            message: "mapping values are not allowed in this context at line 2, column 9".to_owned(),
        },
        SourceError::YamlLimit { .. } => SourceError::YamlLimit {
            file: file(),
            what: "its front matter",
            message: "too many aliases".to_owned(),
        },
        SourceError::Json { .. } => SourceError::Json { file: file(), error: json_error() },
        SourceError::Form { .. } => SourceError::Form {
            file: file(),
            rule: "a training config is an object",
            found: "a list".to_owned(),
        },
        SourceError::NotUnderstood { .. } => SourceError::NotUnderstood { file: "notes.txt".to_owned() },
        SourceError::SeveralConfigs { .. } => SourceError::SeveralConfigs {
            candidates: vec!["a.yml".to_owned(), "b.yml".to_owned()],
        },
        SourceError::ChecksumLine { .. } => SourceError::ChecksumLine {
            file: "MD5SUMS".to_owned(),
            line: 3,
            rule: "\"hello\" is not a digest, two spaces and a path".to_owned(),
        },
        SourceError::Field { .. } => SourceError::Field {
            file: "manifest.json".to_owned(),
            pointer: "/layers/3/digest".to_owned(),
            rule: "\"sha256:12\" is neither sha256: and 64 nor sha512: and 128 lower-case hexadecimal digits".to_owned(),
        },
        SourceError::Index { .. } => SourceError::Index { file: "index.json".to_owned() },
        SourceError::Pointer { .. } => SourceError::Pointer {
            file: "model.safetensors".parse().expect("a path"),
            rule: "line 3: \"12 bytes\" is no size in bytes".to_owned(),
        },
        SourceError::Pointers { .. } => SourceError::Pointers {
            folder: "opt-125m".into(),
            pointers: ["a", "b", "c", "d", "e"].map(|it| it.parse().expect("a path")).into(),
            of: 9,
        },
        SourceError::NoPointers { .. } => SourceError::NoPointers { folder: "opt-125m".into() },
        SourceError::Contents { .. } => SourceError::Contents {
            file: "model.safetensors".parse().expect("a path"),
            error: "its header says to have 9223372036854775808 bytes, and at most 100000000 are read"
                .to_owned(),
        },
        SourceError::NoSuchFile { .. } => SourceError::NoSuchFile {
            file: "model.safetensor".parse().expect("a path"),
            folder: "opt-125m".into(),
        },
        SourceError::Manifest { .. } => SourceError::Manifest {
            file: "MD5SUMS".to_owned(),
            error: ManifestError::Duplicate("a.bin".parse().expect("a path")),
        },
        SourceError::Schema { .. } => SourceError::Schema {
            kind: Kind::ApiVersion,
            violations: violations(),
        },
        SourceError::Statement { .. } => SourceError::Statement { what: file(), error: rule() },
        SourceError::EntryTooLarge { .. } => SourceError::EntryTooLarge {
            kind: Kind::Evaluation,
            bytes: 70_000,
            bytes_max: 65_535,
        },
        SourceError::AttachmentMissing { .. } => SourceError::AttachmentMissing {
            kind: Kind::ModelCard,
            name: "README.md".to_owned(),
            sha256: digest("a card"),
        },
        SourceError::AttachmentMismatch { .. } => SourceError::AttachmentMismatch {
            kind: Kind::ModelCard,
            name: "README.md".to_owned(),
            rule: format!("the file has 6 bytes and SHA-256 {}", digest("a card")),
        },
        SourceError::SubjectDigestMissing { .. } => SourceError::SubjectDigestMissing {
            file: "withdrawal.json".to_owned(),
            kind: Kind::Withdrawal,
        },
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_records_that_are_to_be_published() {
    let out_of_reach = || TransportError::OutOfReach {
        url: "https://log.example.org/api/v1/records".to_owned(),
        reason: "connection refused".to_owned(),
    };
    let no_entry = || LogError::NoSuchEntry {
        index: index(9),
        size: size(4),
    };
    let printed = messages! { PublishError as CliError::from;
        PublishError::Schema { .. } => PublishError::Schema {
            kind: Kind::ApiVersion,
            violations: violations(),
        },
        PublishError::Statement(_) => PublishError::Statement(rule()),
        PublishError::Record(_) => PublishError::Record(Box::new(RecordError::Statement(rule()))),
        PublishError::TooLong { .. } => PublishError::TooLong {
            kind: Kind::Evaluation,
            error: EntryTooLong { bytes: 70_000 },
        },
        PublishError::Count(_) => PublishError::Count(257),
        PublishError::AttachmentSize { .. } => PublishError::AttachmentSize {
            name: "README.md".to_owned(),
            stated: 6,
            found: 7,
        },
        PublishError::AttachmentUnnamed(_) => PublishError::AttachmentUnnamed(digest("a card")),
        PublishError::Manifest(_) => PublishError::Manifest(ManifestError::NotCanonical),
        PublishError::Key(_) => PublishError::Key(PublicKeyError::SmallOrder),
        PublishError::Log(_) => PublishError::Log(out_of_reach().into()),
        PublishError::Memory(_) => PublishError::Memory(MemoryError::Log(out_of_reach().into())),
        PublishError::Retired { .. } => PublishError::Retired {
            origin: "log.example.org/2026".parse().expect("an origin"),
            next: None,
        },
        PublishError::OtherAnswer(_) => PublishError::OtherAnswer("it is about another record"),
        PublishError::Receipt { .. } => PublishError::Receipt {
            index: index(9),
            error: Box::new(candor_core::bundle::ReceiptError::NotInTree { index: index(9), size: 4 }),
        },
        PublishError::Replay(_) => PublishError::Replay(ReplayError::Log(no_entry())),
        PublishError::Sent(_) => PublishError::Sent(Box::new(PublishError::Log(out_of_reach().into()))),
    };
    insta::assert_snapshot!(printed);
}
