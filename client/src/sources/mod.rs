//! The files of the field, turned into drafts of records.
//!
//! ```text
//! folder ──► release ─┬► weights          manifest, format, parameters; lfs, git and download say where it comes from
//!                     ├► model_card       README.md: front matter, sections
//! FILE ──► detect ──► ├► training_config  YAML, JSON                      ──► Draft ──► check ──► (signed)
//!                     ├► evaluation       lm-evaluation-harness
//!                     ├► checksums        MD5SUMS, CSV
//!                     ├► hub              lists of the Hugging Face hub
//!                     ├► oci              manifests of ModelPacks and ModelKits
//!                     └► statement        records that are written by hand
//! ```
//!
//! Always: what a record says stands in the file, and the file itself goes along as an attachment. A value
//! that does not fit the schema is left out with a warning that names it; nothing is guessed. The files come
//! from others, so what is read of them is limited.
//!
//! Not here: signing and sending (`publish`), and reading the folder (`folder`).

pub mod checksums;
mod detect;
mod download;
mod error;
pub mod evaluation;
mod fields;
mod fit;
mod git;
mod heads;
pub mod hub;
pub(crate) mod lfs;
mod markdown;
pub mod model_card;
pub mod oci;
mod release;
mod shards;
pub mod statement;
pub mod training_config;
mod weights;
mod yaml;

use candor_core::Sha256;
use candor_core::merkle::ENTRY_BYTES_MAX;
use candor_core::record::{
    Attachment, JsonError, PAYLOAD_TYPE, Predicate, ReleaseName, Statement, SubjectName,
    check_schema, parse_strict, parse_strict_bounded,
};
use candor_core::weights::Manifest;

pub use detect::{SourceKind, detect};
pub use error::SourceError;
pub use release::{FolderContents, ReleaseDrafts, ReleaseFolder, read_folder, release_drafts};

/// The most bytes of a document that becomes an attachment: what a log takes.
pub const DOCUMENT_BYTES_MAX: u64 = 32 << 20;

/// The bytes of an entry beside its base64 payload: 60 of JSON, the payload type, and room for two signatures
/// of some 190 bytes each (a key id of 64, a signature of 88, and JSON).
const ENVELOPE_BYTES: usize = 60 + PAYLOAD_TYPE.len() + 2 * 190;

/// A record that nobody has signed yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it is about.
    pub subject: SubjectName,
    /// The subject digest.
    pub sha256: Sha256,
    /// What it says.
    pub predicate: Predicate,
    /// The documents that it names, in the order of [`Predicate::attachments`].
    pub attachments: Vec<DraftAttachment>,
}

/// A document and how the record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftAttachment {
    /// As it stands in the predicate.
    pub descriptor: Attachment,
    /// The document.
    pub bytes: Vec<u8>,
}

/// What a file became, and what the reader should know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drafts {
    /// The records: one, unless the file holds more than fits into an entry.
    pub drafts: Vec<Draft>,
    /// Sentences that say what was left out, and why.
    pub warnings: Vec<String>,
}

/// The most values of a JSON document of somebody else's: what a hub says of as many files as a release may have. Made for
/// nothing else, they take a gigabyte of memory.
const JSON_VALUES_MAX: usize = 2_000_000;

/// Reads a JSON document that somebody else wrote.
fn foreign_json(bytes: &[u8]) -> Result<serde_json::Value, JsonError> {
    parse_strict_bounded(bytes, JSON_VALUES_MAX)
}

impl Draft {
    /// A draft about `release`, with one document that is also the subject.
    fn of_document(release: &ReleaseName, predicate: Predicate, document: DraftAttachment) -> Self {
        Self {
            subject: SubjectName::Release(release.clone()),
            sha256: document.descriptor.digest.sha256,
            predicate,
            attachments: vec![document],
        }
    }

    /// The statement's bytes, as they are signed.
    pub fn payload(&self) -> Vec<u8> {
        Statement::compose(&self.subject, self.sha256, &self.predicate)
    }

    /// How many bytes the log's entry will have at most, with one or two signatures.
    pub fn entry_bytes(&self) -> usize {
        entry_bytes(self.payload().len())
    }

    /// Checks everything about the record that the log will check, apart from signatures and from what is in
    /// the log already: schema, rules between its parts, size, attachments. Returns the statement.
    pub fn check(&self) -> Result<Statement, SourceError> {
        let kind = self.predicate.kind();
        let statement_error = |error| SourceError::Statement {
            what: format!("the {kind} record"),
            error,
        };
        let payload = self.payload();
        let json = parse_strict(&payload).map_err(|e| statement_error(e.into()))?;
        check_schema(kind, &json).map_err(|violations| SourceError::Schema { kind, violations })?;
        let statement = Statement::parse(&payload).map_err(statement_error)?;
        let bytes = entry_bytes(payload.len());
        if bytes > ENTRY_BYTES_MAX {
            return Err(SourceError::EntryTooLarge {
                kind,
                bytes,
                bytes_max: ENTRY_BYTES_MAX,
            });
        }
        self.check_attachments()?;
        Ok(statement)
    }

    fn check_attachments(&self) -> Result<(), SourceError> {
        let kind = self.predicate.kind();
        let mismatch = |name: &str, rule: String| SourceError::AttachmentMismatch {
            kind,
            name: name.to_owned(),
            rule,
        };
        let named = self.predicate.attachments();
        for attachment in &self.attachments {
            let Attachment {
                name, media_type, ..
            } = &attachment.descriptor;
            let actual = Attachment::describe(name, media_type, &attachment.bytes);
            if !named.contains(&&actual) {
                let found = format!(
                    "the file has {} bytes and SHA-256 {}",
                    actual.size, actual.digest.sha256
                );
                return Err(mismatch(name, found));
            }
        }
        for descriptor in named {
            if !self.attachments.iter().any(|a| a.descriptor == *descriptor) {
                return Err(SourceError::AttachmentMissing {
                    kind,
                    name: descriptor.name.clone(),
                    sha256: descriptor.digest.sha256,
                });
            }
        }
        if let Predicate::Weights(weights) = &self.predicate {
            let document = |named: &Attachment| {
                let mut documents = self.attachments.iter();
                let found = documents.find(|document| document.descriptor == *named);
                found.map(|document| document.bytes.as_slice())
            };
            let manifest = document(&weights.manifest).unwrap_or_default();
            Manifest::check_documents(weights, manifest, document)
                .map_err(|error| mismatch(&weights.manifest.name, error.to_string()))?;
        }
        Ok(())
    }
}

impl DraftAttachment {
    /// Describes `bytes`.
    pub fn new(name: &str, media_type: &str, bytes: Vec<u8>) -> Self {
        Self {
            descriptor: Attachment::describe(name, media_type, &bytes),
            bytes,
        }
    }
}

impl From<Draft> for Drafts {
    fn from(draft: Draft) -> Self {
        Self {
            drafts: vec![draft],
            warnings: Vec::new(),
        }
    }
}

/// How many bytes an entry has whose payload has `payload_bytes`.
const fn entry_bytes(payload_bytes: usize) -> usize {
    payload_bytes.div_ceil(3) * 4 + ENVELOPE_BYTES
}

/// Reads a document as text.
fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, SourceError> {
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(SourceError::TooLarge {
            file: file.to_owned(),
            what: "it",
            bytes: bytes.len() as u64,
            bytes_max: DOCUMENT_BYTES_MAX,
        });
    }
    str::from_utf8(bytes).map_err(|e| SourceError::NotUtf8 {
        file: file.to_owned(),
        valid_up_to: e.valid_up_to(),
    })
}

/// The last part of a path, which is what people call the document.
fn document_name(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}
