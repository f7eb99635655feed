//! What goes wrong on the command line: the library's errors, and those of typing and files.

use std::io;
use std::path::{Path, PathBuf};

use candor_core::bundle::{BundleError, PartKind, PartProofError, ReceiptError};
use candor_core::note::{CheckpointError, NoteError, VerifierKeyError};
use candor_core::record::ReleaseName;
use candor_sbom::NoModel;
use serde_json::{Value, json};

#[cfg(unix)]
use super::mirrors::FetchFailure;
use crate::bundle_maker::BundleMakerError;
use crate::config::ConfigError;
use crate::folder::FolderError;
use crate::keys::KeyError;
use crate::log_client::LogError;
use crate::memory::{EvidenceError, MemoryError};
use crate::oms::OmsError;
use crate::problem::Problem;
use crate::publish::PublishError;
use crate::replay::ReplayError;
use crate::sources::SourceError;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command does not make sense as typed.
    #[error("{what}")]
    Usage {
        /// What does not.
        what: String,
        /// How it would.
        hint: String,
    },
    /// No log is named.
    #[error("no log is named")]
    NoLog,
    /// The log's key is not known.
    #[error("the log's key is not known, and nothing can be checked without it")]
    NoLogKey,
    /// The log's key is none.
    #[error("the log's key can't be used: {0}")]
    LogKey(VerifierKeyError),
    /// What was to be printed could not be.
    #[error("the output could not be written: {0}")]
    Output(io::Error),
    /// There is no place for files.
    #[error("there is no home folder to keep keys and state in")]
    NoHome,
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file would be overwritten.
    #[error("{} is there already, and is not overwritten", path.display())]
    FileExists {
        /// Which file.
        path: PathBuf,
    },
    /// A file is larger than anything of its sort.
    #[error("{} has more than {bytes_max} bytes, and no more of it are read", path.display())]
    FileTooLong {
        /// Which file.
        path: PathBuf,
        /// How many are read at most.
        bytes_max: usize,
    },
    /// A file is not what it should be.
    #[error("{} {what}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A folder can't be read as a release.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of which no record can be made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log could not be asked, or gave something that does not hold.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log's checkpoint does not fit what was seen before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A release could not be had from the log.
    #[error(transparent)]
    BundleMaker(#[from] BundleMakerError),
    /// Records could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An entry should not be in the log.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A release has nothing that a bill of materials could be about.
    #[error(transparent)]
    NoModel(#[from] NoModel),
    /// A bundle does not hold.
    #[error("{}: {error}", path.display())]
    Bundle {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: Box<BundleError>,
    },
    /// A signature by OMS, or what it takes to make one.
    #[error("{}: {error}", path.display())]
    Oms {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: Box<OmsError>,
    },
    /// A proof of files, chunks or tensors does not hold.
    #[error("{}: {error}", path.display())]
    PartProof {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: Box<PartProofError>,
    },
    /// A release could not be fetched.
    #[cfg(unix)]
    #[error(transparent)]
    Fetch(#[from] Box<FetchFailure>),
    /// A proof does not hold.
    #[error("{}: {error}", path.display())]
    Receipt {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: Box<ReceiptError>,
    },
    /// Evidence against a log is none.
    #[error("{} {error}", path.display())]
    Evidence {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: EvidenceError,
    },
    /// What was to be verified does not hold.
    #[error("{what}")]
    Refuted {
        /// What does not.
        what: String,
        /// Each finding.
        context: Vec<String>,
        /// What to do next.
        hint: String,
    },
    /// The log says that it has no such thing.
    #[error("{what}")]
    Absent {
        /// What it says.
        what: String,
        /// What to do next.
        hint: String,
    },
    /// What was to be verified may hold or not.
    #[error("{what}")]
    CouldNotTell {
        /// What may.
        what: String,
        /// What is missing.
        context: Vec<String>,
        /// What to do next.
        hint: String,
    },
}

impl CliError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Usage { hint, .. } | Self::Refuted { hint, .. } | Self::Absent { hint, .. } | Self::CouldNotTell { hint, .. } => hint.clone(),
            Self::NoLog => "name it with `--log URL` or CANDOR_LOG, or in the configuration file under [log] as url".to_owned(),
            Self::NoLogKey => "get it from the log's operator, and name it with `--log-key KEY` or CANDOR_LOG_KEY, or in the configuration file under [log] as key".to_owned(),
            Self::LogKey(error) => log_key_hint(error).to_owned(),
            Self::NoHome => "set HOME, or name the places with `--key FILE` and `--state-dir DIR`".to_owned(),
            Self::Output(_) => "make room where it goes, and run the command again".to_owned(),
            Self::Config(error) => error.hint().to_owned(),
            Self::Key(error) => error.hint(),
            Self::File { error, .. } => io_hint(error).to_owned(),
            Self::FileExists { .. } => "name another file, or move this one away".to_owned(),
            Self::FileTooLong { .. } => "check that this is the file that you mean".to_owned(),
            Self::Form { hint, .. } => (*hint).to_owned(),
            Self::Folder(error) => error.hint().to_string(),
            Self::Source(error) => error.hint().to_string(),
            Self::Log(error) => error.hint(),
            Self::Memory(error) => error.hint(),
            Self::BundleMaker(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Replay(error) => error.hint(),
            Self::NoModel(error) => format!("`candor show {}` shows what is logged of it; where an API version names the release behind it, export that", error.release),
            #[cfg(unix)]
            Self::Fetch(failure) => failure.hint(),
            Self::Bundle { error, .. } => bundle_hint(error),
            Self::Receipt { error, .. } => receipt_hint(error).to_owned(),
            Self::PartProof { error, .. } => part_proof_hint(error),
            Self::Oms { error, .. } => error.hint(),
            Self::Evidence { error, .. } => error.hint().to_owned(),
        }
    }

    /// Further lines.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Refuted { context, .. } | Self::CouldNotTell { context, .. } => context.clone(),
            Self::Source(error) => error.context(),
            Self::Memory(error) => error.context(),
            Self::BundleMaker(error) => error.context(),
            Self::Publish(error) => error.context(),
            #[cfg(unix)]
            Self::Fetch(failure) => failure.context(),
            Self::Log(_)
            | Self::Replay(_)
            | Self::Usage { .. }
            | Self::NoLog
            | Self::NoLogKey
            | Self::LogKey(_)
            | Self::NoHome
            | Self::Output(_)
            | Self::Config(_)
            | Self::Key(_)
            | Self::File { .. }
            | Self::FileExists { .. }
            | Self::FileTooLong { .. }
            | Self::Form { .. }
            | Self::Folder(_)
            | Self::NoModel(_)
            | Self::Bundle { .. }
            | Self::Receipt { .. }
            | Self::PartProof { .. }
            | Self::Oms { .. }
            | Self::Absent { .. }
            | Self::Evidence { .. } => self.log_error().map(LogError::context).unwrap_or_default(),
        }
    }

    /// What programs are told beside the words: some fields more.
    pub fn details(&self) -> Option<Value> {
        match self {
            #[cfg(unix)]
            Self::Fetch(failure) => failure.details(),
            error => {
                let problem = serde_json::to_value(error.problem()?).expect("a problem is JSON");
                Some(json!({ "problem": problem }))
            }
        }
    }

    /// Whether the log says that it has no such thing; one that it goes on in may have it.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::BundleMaker(BundleMakerError::NoSuchRelease(_)) => true,
            error => error.log_error().is_some_and(LogError::is_absence),
        }
    }

    /// Whether a file was made in a log with another key; it may be one that this log goes on in.
    pub(super) fn is_of_another_log(&self) -> bool {
        let checkpoint = match self {
            Self::Bundle { error, .. } => match &**error {
                BundleError::Checkpoint(error) => error,
                _ => return false,
            },
            Self::Receipt { error, .. } => match &**error {
                ReceiptError::Checkpoint(error) => error,
                _ => return false,
            },
            _ => return false,
        };
        matches!(
            checkpoint,
            CheckpointError::Note(NoteError::NoTrustedSignature { .. })
                | CheckpointError::OtherOrigin { .. }
        )
    }

    /// Whether the log takes no records any more.
    pub(super) fn is_retirement(&self) -> bool {
        matches!(self, Self::Publish(PublishError::Retired { .. }))
    }

    /// The log's own words, if it was the log that refused.
    pub fn problem(&self) -> Option<&Problem> {
        self.log_error()?.problem()
    }

    /// The log's part in it, if it was asked and did not do it.
    fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) => Some(error),
            Self::Memory(error) => error.log_error(),
            Self::BundleMaker(error) => error.log_error(),
            Self::Replay(error) => error.log_error(),
            Self::Publish(error) => error.log_error(),
            #[cfg(unix)]
            Self::Fetch(_) => None,
            Self::Usage { .. }
            | Self::NoLog
            | Self::NoLogKey
            | Self::LogKey(_)
            | Self::NoHome
            | Self::Output(_)
            | Self::Config(_)
            | Self::Key(_)
            | Self::File { .. }
            | Self::FileExists { .. }
            | Self::FileTooLong { .. }
            | Self::Form { .. }
            | Self::Folder(_)
            | Self::Source(_)
            | Self::NoModel(_)
            | Self::Bundle { .. }
            | Self::Receipt { .. }
            | Self::PartProof { .. }
            | Self::Oms { .. }
            | Self::Evidence { .. }
            | Self::Absent { .. }
            | Self::Refuted { .. }
            | Self::CouldNotTell { .. } => None,
        }
    }

    /// For errors with files.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::File { path, error }
    }
}

fn log_key_hint(error: &VerifierKeyError) -> &'static str {
    match error {
        VerifierKeyError::PrivateKey => {
            "name the log's public key, <name>+<key id>+<base64>, which its operator gives out; a key to sign with is named by its file (`--key FILE`)"
        }
        VerifierKeyError::Form
        | VerifierKeyError::Name(_)
        | VerifierKeyError::Encoding { .. }
        | VerifierKeyError::KeyIdMismatch { .. } => {
            "copy the whole key from the log's operator: <name>+<key id>+<base64>"
        }
        VerifierKeyError::Unsupported { .. } | VerifierKeyError::WeakKey { .. } => {
            "ask the log's operator for the log's Ed25519 key: nothing can be checked with this one"
        }
    }
}

/// A bundle is fetched again as a whole: its parts can't be had one by one.
fn bundle_hint(error: &BundleError) -> String {
    match error {
        BundleError::TooLong { .. } | BundleError::Json(_) | BundleError::Form(_) => {
            "check that this is a .candor bundle, and that all of it arrived".to_owned()
        }
        BundleError::Checkpoint(error)
        | BundleError::Inclusion(ReceiptError::Checkpoint(error)) => {
            let again =
                "the bundle was changed or damaged: fetch it again from whoever published it";
            checkpoint_hint(error, again).to_owned()
        }
        BundleError::NothingAbout(release) => fetch_hint(release),
        BundleError::Twice { .. } => {
            "the log broke its own rules: keep the output, and tell its operator and a witness"
                .to_owned()
        }
        BundleError::Inclusion(
            ReceiptError::Form { .. }
            | ReceiptError::TooLong { .. }
            | ReceiptError::NotInTree { .. }
            | ReceiptError::NotIncluded { .. },
        )
        | BundleError::Authority { .. }
        | BundleError::Order(_)
        | BundleError::Record { .. }
        | BundleError::Attachment { .. }
        | BundleError::AttachmentNotNamed(_)
        | BundleError::Manifest { .. }
        | BundleError::AttachmentEncoding(_) => {
            "the bundle was changed or damaged: fetch it again from whoever published it".to_owned()
        }
    }
}

fn fetch_hint(release: &ReleaseName) -> String {
    format!("ask the log itself: `candor verify {release}`")
}

fn receipt_hint(error: &ReceiptError) -> &'static str {
    match error {
        ReceiptError::Form { .. } | ReceiptError::TooLong { .. } => {
            "check that this is a C2SP tlog-proof, such as `candor proof INDEX` writes"
        }
        ReceiptError::Checkpoint(error) => checkpoint_hint(
            error,
            "the proof was changed or damaged: get it again, with `candor proof INDEX`",
        ),
        ReceiptError::NotInTree { .. } | ReceiptError::NotIncluded { .. } => {
            "the record, or its proof, was changed or belongs elsewhere: get both again, with `candor proof INDEX --entry FILE`"
        }
    }
}

fn part_proof_hint(error: &PartProofError) -> String {
    match error {
        PartProofError::TooLong { .. } | PartProofError::Json(_) | PartProofError::Form(_) => {
            "check that this is what `candor prove-file`, `prove-chunk` or `prove-tensor` wrote"
                .to_owned()
        }
        PartProofError::Bundle(error) => bundle_hint(error),
        PartProofError::NotStated { parts, .. } | PartProofError::Root { parts, .. } => {
            let verb = match parts {
                PartKind::Files => "prove-file",
                PartKind::Chunks => "prove-chunk",
                PartKind::Tensors => "prove-tensor",
            };
            format!(
                "the proof was changed or belongs elsewhere: get it again, with `candor {verb}`"
            )
        }
        PartProofError::Manifest { .. } => {
            "the release's own record is broken: ask its publisher for another release".to_owned()
        }
    }
}

/// What can be done about a file that can't be read or written.
pub fn io_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path: nothing is there, or its folder is not",
        io::ErrorKind::PermissionDenied => "check its permissions, and those of its folder",
        io::ErrorKind::IsADirectory => "name a file; this is a folder",
        io::ErrorKind::NotADirectory => "check the path: a part of it is a file, and no folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room for what is written, and run the command again"
        }
        _ => "check the path, its permissions, and that there is room for what is written",
    }
}

/// `again` is for what was signed by the right key, and changed since.
fn checkpoint_hint(error: &CheckpointError, again: &'static str) -> &'static str {
    match error {
        CheckpointError::Note(NoteError::NoTrustedSignature { .. })
        | CheckpointError::OtherOrigin { .. } => {
            "check that `--log-key` is the key of the log that this is from"
        }
        CheckpointError::Note(NoteError::BadSignature { .. }) => again,
        CheckpointError::Note(
            NoteError::TooLong { .. }
            | NoteError::NotUtf8 { .. }
            | NoteError::ControlCharacter { .. }
            | NoteError::NoSignatures
            | NoteError::BadSignatureLine { .. }
            | NoteError::TooManySignatures,
        ) => "check that all of it arrived, as it was sent",
        CheckpointError::TooFewLines { .. }
        | CheckpointError::Size(_)
        | CheckpointError::Root(_)
        | CheckpointError::Extensions
        | CheckpointError::Retirement(_)
        | CheckpointError::OtherForm
        | CheckpointError::TwoRetirements
        | CheckpointError::EmptyTreeRoot => {
            "tell the log's operator: the log signed a checkpoint that is none"
        }
    }
}
