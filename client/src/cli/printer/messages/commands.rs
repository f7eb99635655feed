//! The errors of the command line itself: settings, keys, and what was typed.

use candor_core::bundle::{BundleError, PartProofError, ReceiptError};
use candor_core::note::{KeyType, VerifierKeyError};
use candor_core::record::PublicKeyError;
use candor_sbom::NoModel;

use super::{index, not_allowed, path, release, size};
use crate::bundle_maker::BundleMakerError;
use crate::cli::error::CliError;
use crate::config::ConfigError;
use crate::folder::FolderError;
use crate::keys::KeyError;
use crate::log_client::LogError;
use crate::memory::{EvidenceError, MemoryError};
use crate::oms::OmsError;
use crate::publish::PublishError;
use crate::replay::ReplayError;
use crate::sources::SourceError;

#[test]
fn what_a_command_says() {
    let no_entry = || LogError::NoSuchEntry {
        index: index(9),
        size: size(4),
    };
    let printed = messages! { CliError as std::convert::identity;
        CliError::Usage { .. } => CliError::Usage {
            what: "\"tiny\" is no release, entry or statement digest".to_owned(),
            hint: "write a release as publisher/model@version, an entry as a number".to_owned(),
        },
        CliError::NoLog => CliError::NoLog,
        CliError::NoLogKey => CliError::NoLogKey,
        CliError::LogKey(_) => CliError::LogKey(VerifierKeyError::Form),
        CliError::Output(_) => CliError::Output(std::io::Error::from_raw_os_error(28)),
        CliError::NoHome => CliError::NoHome,
        CliError::Config(_) => ConfigError::Io { path: path(), error: not_allowed() }.into(),
        CliError::Key(_) => KeyError::PassphrasesDiffer.into(),
        CliError::File { .. } => CliError::File { path: path(), error: not_allowed() },
        CliError::FileExists { .. } => CliError::FileExists { path: path() },
        CliError::FileTooLong { .. } => CliError::FileTooLong { path: path(), bytes_max: 32 << 20 },
        CliError::Form { .. } => CliError::Form {
            path: path(),
            what: "is a folder, and should be a file".to_owned(),
            hint: "name the file",
        },
        CliError::Folder(_) => FolderError::Empty { path: path() }.into(),
        CliError::Source(_) => SourceError::Changed { path: path() }.into(),
        CliError::Log(_) => no_entry().into(),
        CliError::Memory(_) => MemoryError::Log(no_entry()).into(),
        CliError::BundleMaker(_) => BundleMakerError::NoSuchRelease(release()).into(),
        CliError::Publish(_) => PublishError::Count(257).into(),
        CliError::Replay(_) => ReplayError::Log(no_entry()).into(),
        CliError::NoModel(_) => NoModel { release: release() }.into(),
        CliError::Bundle { .. } => CliError::Bundle {
            path: path(),
            error: Box::new(BundleError::NothingAbout(release())),
        },
        CliError::Oms { .. } => CliError::Oms {
            path: path(),
            error: Box::new(OmsError::Bundle(candor_oms::BundleError::Signatures(2))),
        },
        CliError::PartProof { .. } => CliError::PartProof {
            path: path(),
            error: Box::new(PartProofError::TooLong { bytes: 1 << 30 }),
        },
        #[cfg(unix)]
        CliError::Fetch(_) => super::fetching::differs(),
        CliError::Receipt { .. } => CliError::Receipt {
            path: path(),
            error: Box::new(ReceiptError::TooLong { bytes: 1 << 20 }),
        },
        CliError::Absent { .. } => CliError::Absent {
            what: "the log says that it has no model example-lab/tiny".to_owned(),
            hint: "check the name; `candor list models` lists them".to_owned(),
        },
        CliError::Evidence { .. } => CliError::Evidence {
            path: path(),
            error: EvidenceError::Form("its type is not urn:candor:evidence:v1".to_owned()),
        },
        CliError::Refuted { .. } => CliError::Refuted {
            what: format!("this is not {}: 2 findings", release()),
            context: vec!["README.md was changed".to_owned(), "b.bin is missing".to_owned()],
            hint: "get the files again".to_owned(),
        },
        CliError::CouldNotTell { .. } => CliError::CouldNotTell {
            what: format!("there is no telling whether {} holds", release()),
            context: vec!["no weights record is there".to_owned()],
            hint: "ask its publisher".to_owned(),
        },
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_settings() {
    let printed = messages! { ConfigError as CliError::from;
        ConfigError::Io { .. } => ConfigError::Io { path: path(), error: not_allowed() },
        ConfigError::Form { .. } => ConfigError::Form {
            path: path(),
            reason: "line 3: unknown field `ulr`, expected `url` or `key`".to_owned(),
        },
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_keys() {
    let source_name = || path().display().to_string();
    let printed = messages! { KeyError as CliError::from;
        KeyError::Missing { .. } => KeyError::Missing { path: path() },
        KeyError::ReadableByOthers { .. } => KeyError::ReadableByOthers { path: path(), mode: 0o644 },
        KeyError::NoKey { .. } => KeyError::NoKey { source_name: source_name() },
        KeyError::PassphraseMissing { .. } => KeyError::PassphraseMissing { source_name: source_name() },
        KeyError::WrongPassphrase { .. } => KeyError::WrongPassphrase { source_name: source_name() },
        KeyError::EmptyPassphrase => KeyError::EmptyPassphrase,
        KeyError::PassphrasesDiffer => KeyError::PassphrasesDiffer,
        KeyError::NoPassphraseForNewKey => KeyError::NoPassphraseForNewKey,
        KeyError::Exists { .. } => KeyError::Exists { path: path() },
        KeyError::Weak { .. } => KeyError::Weak {
            source_name: source_name(),
            error: PublicKeyError::SmallOrder,
        },
        KeyError::Randomness(_) => KeyError::Randomness(getrandom::Error::UNSUPPORTED),
        KeyError::Io { .. } => KeyError::Io { path: path(), error: not_allowed() },
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_a_logs_key() {
    let name = || "log.example.org/candor".to_owned();
    let a_space = || {
        "a b"
            .parse::<candor_core::note::KeyName>()
            .expect_err("it has a space")
    };
    let id = candor_core::note::KeyId::from_bytes;
    let printed = messages! { VerifierKeyError as CliError::LogKey;
        VerifierKeyError::PrivateKey => VerifierKeyError::PrivateKey,
        VerifierKeyError::Form => VerifierKeyError::Form,
        VerifierKeyError::Name(_) => VerifierKeyError::Name(a_space()),
        VerifierKeyError::Encoding { .. } => VerifierKeyError::Encoding { name: name() },
        VerifierKeyError::Unsupported { .. } => VerifierKeyError::Unsupported { kind: 4, wanted: KeyType::Ed25519, name: name() },
        VerifierKeyError::WeakKey { .. } => VerifierKeyError::WeakKey { name: name() },
        VerifierKeyError::KeyIdMismatch { .. } => VerifierKeyError::KeyIdMismatch {
            name: name(),
            stated: id([1; 4]),
            computed: id([2; 4]),
        },
    };
    insta::assert_snapshot!(printed);
}
