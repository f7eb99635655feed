use std::io;
use std::path::PathBuf;

use candor_core::Sha256;
use candor_core::record::{JsonError, Kind, SchemaViolation, StatementError};
use candor_core::weights::{FilePath, ManifestError};

use crate::folder::FolderError;

/// How many Git LFS pointers are named that are in the place of files.
const POINTERS_NAMED_MAX: usize = 4;

/// Why a file can't be turned into a record.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The folder can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another file than a moment ago.
    #[error("{} changed after its digest was taken", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// Text that is not UTF-8.
    #[error("{file}: the text is not UTF-8: the bytes from {valid_up_to} on are no character")]
    NotUtf8 {
        /// Which file.
        file: String,
        /// How many bytes are UTF-8.
        valid_up_to: usize,
    },
    /// Too much to read.
    #[error("{file}: {what} has {bytes} bytes, and at most {bytes_max} are read")]
    TooLarge {
        /// Which file.
        file: String,
        /// Which part of it.
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// YAML that can't be read.
    #[error("{file}: {what} is not YAML that can be read: {message}")]
    Yaml {
        /// Which file.
        file: String,
        /// Which part of it.
        what: &'static str,
        /// What is wrong, and in which line of the part.
        message: String,
    },
    /// YAML that unfolds into far more than it looks like.
    #[error("{file}: {what} goes over a limit of what is read: {message}")]
    YamlLimit {
        /// Which file.
        file: String,
        /// Which part of it.
        what: &'static str,
        /// Which limit.
        message: String,
    },
    /// JSON that can't be read.
    #[error("{file}: {error}")]
    Json {
        /// Which file.
        file: String,
        /// What is wrong.
        error: JsonError,
    },
    /// Not the document that it should be.
    #[error("{file}: {rule}, and this is {found}")]
    Form {
        /// Which file.
        file: String,
        /// What should be there.
        rule: &'static str,
        /// What is there.
        found: String,
    },
    /// None of the formats that are known.
    #[error(
        "{file} is none of the files that can be published: a model card (.md), a training config (.yml, .yaml, .json), results of lm-evaluation-harness (.json), a list of checksums (MD5SUMS, .csv), a list of files by the Hugging Face hub (.json), the OCI manifest of a ModelPack or ModelKit (.json) or a statement (.json with _type)"
    )]
    NotUnderstood {
        /// Which file.
        file: String,
    },
    /// More than one file could be the training config.
    #[error(
        "{} of the files look like a training config, and a release has one: {}",
        candidates.len(),
        candidates.join(", ")
    )]
    SeveralConfigs {
        /// Their paths.
        candidates: Vec<String>,
    },
    /// A line of a checksum list.
    #[error("{file}: line {line}: {rule}")]
    ChecksumLine {
        /// Which file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the value.
        rule: String,
    },
    /// A field of a document that others wrote.
    #[error("{file}: {pointer}: {rule}")]
    Field {
        /// Which file.
        file: String,
        /// Where in it (RFC 6901).
        pointer: String,
        /// What is wrong, with the value.
        rule: String,
    },
    /// An index of OCI, which is about several artifacts.
    #[error(
        "{file}: this is an index, which names several OCI manifests, and a release is one of them"
    )]
    Index {
        /// Which file.
        file: String,
    },
    /// A Git LFS pointer that is none.
    #[error("{file}: it is no Git LFS pointer, and begins as one: {rule}")]
    Pointer {
        /// Which file of the release.
        file: FilePath,
        /// What is wrong, and in which line.
        rule: String,
    },
    /// Pointers in the place of files.
    #[error(
        "{} of the {of} files in {} are Git LFS pointers, and not the files that these stand for: {}{}",
        pointers.len(),
        folder.display(),
        pointers.iter().take(POINTERS_NAMED_MAX).map(FilePath::as_str).collect::<Vec<_>>().join(", "),
        if pointers.len() > POINTERS_NAMED_MAX { ", …" } else { "" }
    )]
    Pointers {
        /// Which folder.
        folder: PathBuf,
        /// Which of its files.
        pointers: Vec<FilePath>,
        /// How many files it has.
        of: usize,
    },
    /// No pointers where there should be some.
    #[error("none of the files in {} is a Git LFS pointer", folder.display())]
    NoPointers {
        /// Which folder.
        folder: PathBuf,
    },
    /// Not a manifest.
    #[error("{file}: {error}")]
    Manifest {
        /// Which file.
        file: String,
        /// Why.
        error: ManifestError,
    },
    /// A file is not what its name says, or not only that.
    #[error("{file}: {error}")]
    Contents {
        /// Which file.
        file: FilePath,
        /// What is wrong with its contents.
        error: String,
    },
    /// A file that is to be taken in a certain way is not there.
    #[error("{} has no file {file}", folder.display())]
    NoSuchFile {
        /// Which file.
        file: FilePath,
        /// Where it should be.
        folder: PathBuf,
    },
    /// The record is not as its schema says.
    #[error("the {kind} record is not as its schema says")]
    Schema {
        /// Of what kind it is.
        kind: Kind,
        /// Where, and which rules.
        violations: Vec<SchemaViolation>,
    },
    /// The record breaks a rule that no schema can express.
    #[error("{what}: {error}")]
    Statement {
        /// A file, or which record.
        what: String,
        /// Which rule, and where.
        error: StatementError,
    },
    /// The record does not fit into an entry of the log.
    #[error(
        "the {kind} record would make an entry of some {bytes} bytes, and the log takes at most {bytes_max}"
    )]
    EntryTooLarge {
        /// Of what kind it is.
        kind: Kind,
        /// How large it would be.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// A document that the record names is not among the files given.
    #[error(
        "the {kind} record names the attachment {name:?} with SHA-256 {sha256}, and none of the files given has it"
    )]
    AttachmentMissing {
        /// Of what kind the record is.
        kind: Kind,
        /// The attachment's name.
        name: String,
        /// Its digest.
        sha256: Sha256,
    },
    /// A document is there that the record does not name, or with another size.
    #[error("the {kind} record and its attachment {name:?} don't fit together: {rule}")]
    AttachmentMismatch {
        /// Of what kind the record is.
        kind: Kind,
        /// The attachment's name.
        name: String,
        /// What differs.
        rule: String,
    },
    /// The subject digest of the record can't be derived from the file.
    #[error("{file}: which content the {kind} record is about does not follow from the file")]
    SubjectDigestMissing {
        /// Which file.
        file: String,
        /// Of what kind the record is.
        kind: Kind,
    },
}

impl SourceError {
    /// Further lines: each violation of the schema.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Schema { violations, .. } => violations.iter().map(ToString::to_string).collect(),
            Self::Folder(_)
            | Self::Io { .. }
            | Self::Changed { .. }
            | Self::NotUtf8 { .. }
            | Self::TooLarge { .. }
            | Self::Yaml { .. }
            | Self::YamlLimit { .. }
            | Self::Json { .. }
            | Self::Form { .. }
            | Self::NotUnderstood { .. }
            | Self::SeveralConfigs { .. }
            | Self::ChecksumLine { .. }
            | Self::Field { .. }
            | Self::Index { .. }
            | Self::Pointer { .. }
            | Self::Pointers { .. }
            | Self::NoPointers { .. }
            | Self::Manifest { .. }
            | Self::Contents { .. }
            | Self::NoSuchFile { .. }
            | Self::Statement { .. }
            | Self::EntryTooLarge { .. }
            | Self::AttachmentMissing { .. }
            | Self::AttachmentMismatch { .. }
            | Self::SubjectDigestMissing { .. } => Vec::new(),
        }
    }

    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Io { .. } => "check that it is there and that you may read it",
            Self::Changed { .. } => {
                "wait until nothing writes to the folder any more, and try again"
            }
            Self::NotUtf8 { .. } => "save the file as UTF-8",
            Self::TooLarge { .. } => "publish the essential part, and keep the rest elsewhere",
            Self::Yaml { .. } => "correct that line; text with a colon or a bracket needs quotes",
            Self::YamlLimit { .. } => {
                "write the values out instead of building them from anchors, aliases and nesting"
            }
            Self::Json { .. } => {
                "correct the file; it must be JSON that every reader understands alike"
            }
            Self::Form { .. } | Self::NotUnderstood { .. } => {
                "say what it is with `--kind KIND` (of `candor release`: `--with KIND:FILE`), or write a statement as `candor schema KIND` says"
            }
            Self::SeveralConfigs { .. } => "name the one that was run with `--config FILE`",
            Self::ChecksumLine { .. } => {
                "each line is a digest, two spaces and a path; a .csv has a header with a path and a digest column"
            }
            Self::Field { .. } => {
                "save the document again, whole and as its host has it; nobody can tell what a changed one is about"
            }
            Self::Index { .. } => {
                "save the manifest of the one that you mean, by the digest that the index has of it"
            }
            Self::Pointer { .. } => {
                "fetch the file that it stands for (`git lfs pull`); `--as-bytes FILE` takes it as it is"
            }
            Self::Pointers { .. } => {
                "fetch the files (`git lfs pull`); or `--from-pointers` lists them by the digests in their pointers, and the record says so"
            }
            Self::NoPointers { .. } => {
                "leave out `--from-pointers`: the files themselves are there"
            }
            Self::Manifest { .. } => {
                "correct the list; each file is listed once, by a path inside the release"
            }
            Self::Contents { .. } => {
                "mend the file, or fetch it again; `--as-bytes FILE` takes it as it is, without looking into it"
            }
            Self::NoSuchFile { .. } => "name a file of the release by its path inside the folder",
            Self::Schema { .. } | Self::Statement { .. } => {
                "correct that field; `candor schema KIND` prints the rules"
            }
            Self::EntryTooLarge { .. } => {
                "put the long part into an attachment, or publish several records"
            }
            Self::AttachmentMissing { .. } => "name the file with `--attach FILE`",
            Self::AttachmentMismatch { .. } => {
                "make the descriptor anew from the file: its name, media type, size and SHA-256"
            }
            Self::SubjectDigestMissing { .. } => {
                "name the record that it is about: its subject digest, or for a withdrawal its statement digest"
            }
        }
    }
}
