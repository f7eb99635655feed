//! The `.candor` bundle: a release, its records and their proofs in one JSON file.
//!
//! ```text
//! { "bundle": "urn:candor:bundle:v1",
//!   "release": "meta-ai/opt-125m@1.0.0",
//!   "checkpoint": "example.org/candor\n…",          one for all proofs
//!   "records": [                                    by index; the publishers' own records come first
//!     { "index": 4, "entry": { …the envelope… }, "proof": ["gSKy…=", …] }, … ],
//!   "attachments": [                                at least the manifest, and its lists of chunks and tensors
//!     { "sha256": "…", "mediaType": "…", "data": "base64" }, … ] }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tlog_proof::{ReceiptError, verify_inclusion};
use crate::merkle::{Hash, LeafIndex};
use crate::note::{Checkpoint, CheckpointError, LogKey};
use crate::record::{
    AuthorityError, Envelope, JsonError, Kind, Predicate, PublisherName, PublisherState, Record,
    RecordError, ReleaseName, SignedRecord, from_json, parse_strict_bounded,
};
use crate::weights::{ChunkList, Manifest, ManifestError, TensorList};
use crate::{Sha256, Verified};

/// The media type of bundles.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.candor.bundle+json";

/// The most bytes of a bundle that are read.
pub const BUNDLE_BYTES_MAX: usize = 128 << 20;

/// The most JSON values of a bundle that are read. A record takes 10 and one for each hash of its proof, so that
/// 10,000 records from a tree of 2^40 entries fit; a value takes up to 632 bytes of memory, so that a file from a
/// stranger takes at most 320 MB.
const BUNDLE_VALUES_MAX: usize = 500_000;

const BUNDLE_TYPE: &str = "urn:candor:bundle:v1";

/// A bundle as it was received. It means nothing until [`Bundle::verify`] has checked it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    #[serde(rename = "bundle")]
    form: String,
    /// What it is about.
    pub release: ReleaseName,
    /// The log's signed checkpoint, as it was served.
    pub checkpoint: String,
    /// The release's records, and those of the publishers who signed them; in the order of the log.
    pub records: Vec<BundledRecord>,
    /// Documents that the records name.
    #[serde(default)]
    pub attachments: Vec<BundledAttachment>,
}

/// One entry of the log with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledRecord {
    /// Where it stands.
    pub index: LeafIndex,
    /// The envelope.
    pub entry: Value,
    /// The inclusion proof's hashes, the leaf's sibling first.
    pub proof: Vec<Hash>,
}

/// A document that a record names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BundledAttachment {
    /// Its digest.
    pub sha256: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, as base64.
    pub data: String,
}

/// A record and its proven place.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedRecord {
    /// Where it stands in the log.
    pub index: LeafIndex,
    /// The record.
    pub record: Verified<Record>,
}

/// What a bundle proves. Comes only as `Verified<VerifiedBundle>`.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedBundle {
    /// What it is about.
    pub release: ReleaseName,
    /// The tree that all the records are in.
    pub checkpoint: Verified<Checkpoint>,
    /// The records, in the order of the log.
    pub records: Vec<LoggedRecord>,
    /// Documents by their digest.
    pub attachments: BTreeMap<Sha256, Vec<u8>>,
    /// The manifests among them, by the `weights` record that they are of.
    pub manifests: BTreeMap<LeafIndex, Manifest>,
    /// The chunk lists among them, by the same.
    pub chunk_lists: BTreeMap<LeafIndex, ChunkList>,
    /// The tensor lists among them, by the same.
    pub tensor_lists: BTreeMap<LeafIndex, TensorList>,
}

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// Over [`BUNDLE_BYTES_MAX`].
    #[error("the bundle has {bytes} bytes, and at most {BUNDLE_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not strict JSON.
    #[error("the bundle is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no bundle.
    #[error("this is not a bundle: {0}")]
    Form(String),
    /// The checkpoint does not hold.
    #[error("its checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The records are not in the order of the log, or one is there twice.
    #[error("record {0} of the log is out of order, or there twice")]
    Order(LeafIndex),
    /// Two records of which a release has one, so that nobody can say which counts.
    #[error("entries {first} and {second} are both {kind} records of {release}, which has one")]
    Twice {
        /// The release.
        release: ReleaseName,
        /// The kind.
        kind: Kind,
        /// The one.
        first: LeafIndex,
        /// The other.
        second: LeafIndex,
    },
    /// An entry that is no record.
    #[error("entry {index}: {error}")]
    Record {
        /// Which.
        index: LeafIndex,
        /// Why.
        error: RecordError,
    },
    /// An entry that is not where the bundle says.
    #[error(transparent)]
    Inclusion(ReceiptError),
    /// An entry that was not signed by those who had to.
    #[error("entry {index}: {error}")]
    Authority {
        /// Which.
        index: LeafIndex,
        /// Why.
        error: AuthorityError,
    },
    /// No record about the release that the bundle names.
    #[error("the bundle says to be about {0}, and has no record of it")]
    NothingAbout(ReleaseName),
    /// A document that is not what it says to be.
    #[error("attachment {stated}: its bytes have the digest {actual}")]
    Attachment {
        /// The digest that it is filed under.
        stated: Sha256,
        /// The digest of its bytes.
        actual: Sha256,
    },
    /// A document that no record names, in the size that it has.
    #[error("attachment {0}: no record of the bundle names a document of these bytes")]
    AttachmentNotNamed(Sha256),
    /// A manifest, a chunk list or a tensor list that is not what the statement says of it.
    #[error("entry {index}: its manifest: {error}")]
    Manifest {
        /// The `weights` record.
        index: LeafIndex,
        /// What is wrong.
        error: ManifestError,
    },
    /// A document that can't be read.
    #[error("attachment {0}: its data is not base64")]
    AttachmentEncoding(Sha256),
}

impl Bundle {
    /// Puts a bundle together. `records` are in the order of the log.
    pub fn new(release: ReleaseName, checkpoint: String, records: Vec<BundledRecord>) -> Self {
        Self {
            form: BUNDLE_TYPE.to_owned(),
            release,
            checkpoint,
            records,
            attachments: Vec::new(),
        }
    }

    /// Adds a document.
    pub fn attach(&mut self, media_type: &str, bytes: &[u8]) {
        let data = BASE64_STANDARD.encode(bytes);
        let attachment = BundledAttachment {
            sha256: Sha256::of(bytes),
            media_type: media_type.to_owned(),
            data,
        };
        self.attachments.push(attachment);
    }

    /// Whether `bytes` look like a bundle: JSON with its name on it. Nothing is kept of what they hold.
    pub fn looks_like_one(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Named {
            #[expect(dead_code, reason = "that it is there is all that is asked")]
            bundle: IgnoredAny,
        }
        // serde would take an array for the struct.
        bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<Named>(bytes).is_ok()
    }

    /// Reads a bundle from strict JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLong { bytes: bytes.len() });
        }
        let bundle: Self = from_json(parse_strict_bounded(bytes, BUNDLE_VALUES_MAX)?)
            .map_err(|e| BundleError::Form(e.to_string()))?;
        if bundle.form != BUNDLE_TYPE {
            return Err(BundleError::Form(format!(
                "its type is not {BUNDLE_TYPE:?}"
            )));
        }
        Ok(bundle)
    }

    /// As JSON for a file.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a bundle is JSON");
        json.push('\n');
        json
    }

    /// Checks everything in the bundle against the log's key.
    ///
    /// In the order of the log: each entry is in the checkpoint's tree, is a record, and is signed by keys
    /// that its publisher's records before it list. What no bundle can show is that the log has no further
    /// `publisher` record or withdrawal; for that, ask the log, or follow it.
    pub fn verify(&self, key: &LogKey) -> Result<Verified<VerifiedBundle>, BundleError> {
        let checkpoint = key.verify_checkpoint(self.checkpoint.as_bytes())?;
        let mut publishers: BTreeMap<PublisherName, PublisherState> = BTreeMap::new();
        let mut records: Vec<LoggedRecord> = Vec::new();
        for bundled in &self.records {
            let index = bundled.index;
            if records.last().is_some_and(|last| last.index >= index) {
                return Err(BundleError::Order(index));
            }
            let record = bundled.verify(&checkpoint, &publishers)?;
            let publisher = record.statement().publisher().clone();
            if let Some(state) = PublisherState::after(publishers.get(&publisher), &record, index) {
                publishers.insert(publisher, state);
            }
            records.push(LoggedRecord { index, record });
        }
        if !records
            .iter()
            .any(|logged| logged.record.statement().release() == Some(&self.release))
        {
            return Err(BundleError::NothingAbout(self.release.clone()));
        }
        let attachments = self
            .attachments
            .iter()
            .map(BundledAttachment::verify)
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        check_once_per_release(&records)?;
        check_named(&records, &attachments)?;
        let manifests = manifests(&records, &attachments)?;
        let (chunk_lists, tensor_lists) = lists(&records, &attachments, &manifests)?;
        Ok(Verified::attest(VerifiedBundle {
            release: self.release.clone(),
            checkpoint,
            records,
            attachments,
            manifests,
            chunk_lists,
            tensor_lists,
        }))
    }
}

/// Checks what the log promises of releases: one card, one weights record, and so on.
fn check_once_per_release(records: &[LoggedRecord]) -> Result<(), BundleError> {
    let mut seen: BTreeMap<(String, Kind), LeafIndex> = BTreeMap::new();
    for LoggedRecord { index, record } in records {
        let (statement, kind) = (record.statement(), record.statement().kind());
        let Some(release) = statement.release().filter(|_| kind.is_once_per_release()) else {
            continue;
        };
        if let Some(first) = seen.insert((release.to_string(), kind), *index) {
            return Err(BundleError::Twice {
                release: release.clone(),
                kind,
                first,
                second: *index,
            });
        }
    }
    Ok(())
}

/// Checks that each document is one that a record names. A bundle may leave documents out.
fn check_named(
    records: &[LoggedRecord],
    attachments: &BTreeMap<Sha256, Vec<u8>>,
) -> Result<(), BundleError> {
    let named: BTreeSet<(Sha256, u64)> = records
        .iter()
        .flat_map(|logged| logged.record.statement().predicate.attachments())
        .map(|attachment| (attachment.digest.sha256, attachment.size))
        .collect();
    for (sha256, bytes) in attachments {
        if !named.contains(&(*sha256, bytes.len() as u64)) {
            return Err(BundleError::AttachmentNotNamed(*sha256));
        }
    }
    Ok(())
}

/// The manifests that came along, each of which must be what its statement says.
fn manifests(
    records: &[LoggedRecord],
    attachments: &BTreeMap<Sha256, Vec<u8>>,
) -> Result<BTreeMap<LeafIndex, Manifest>, BundleError> {
    let mut manifests = BTreeMap::new();
    for LoggedRecord { index, record } in records {
        if let Predicate::Weights(weights) = &record.statement().predicate
            && let Some(bytes) = attachments.get(&weights.manifest.digest.sha256)
        {
            let index = *index;
            let malformed = |error| BundleError::Manifest { index, error };
            let manifest = Manifest::parse(bytes).map_err(malformed)?;
            manifest.check_statement(weights).map_err(malformed)?;
            manifests.insert(index, manifest);
        }
    }
    Ok(manifests)
}

/// Lists of chunks and of tensors, by their records.
type Lists = (
    BTreeMap<LeafIndex, ChunkList>,
    BTreeMap<LeafIndex, TensorList>,
);

/// The lists that came along with their manifests, each of which must be what its statement says.
fn lists(
    records: &[LoggedRecord],
    attachments: &BTreeMap<Sha256, Vec<u8>>,
    manifests: &BTreeMap<LeafIndex, Manifest>,
) -> Result<Lists, BundleError> {
    let (mut chunk_lists, mut tensor_lists) = Lists::default();
    for LoggedRecord { index, record } in records {
        let Predicate::Weights(weights) = &record.statement().predicate else {
            continue;
        };
        let Some(manifest) = manifests.get(index) else {
            continue;
        };
        let index = *index;
        let malformed = |error: ManifestError| BundleError::Manifest { index, error };
        if let Some(stated) = &weights.chunks
            && let Some(bytes) = attachments.get(&stated.list.digest.sha256)
        {
            let list = ChunkList::parse_stated(bytes, stated, manifest);
            chunk_lists.insert(index, list.map_err(|error| malformed(error.into()))?);
        }
        if let Some(stated) = &weights.tensors
            && let Some(bytes) = attachments.get(&stated.list.digest.sha256)
        {
            let list = TensorList::parse_stated(bytes, stated, manifest);
            tensor_lists.insert(index, list.map_err(|error| malformed(error.into()))?);
        }
    }
    Ok((chunk_lists, tensor_lists))
}

impl BundledRecord {
    fn verify(
        &self,
        checkpoint: &Verified<Checkpoint>,
        publishers: &BTreeMap<PublisherName, PublisherState>,
    ) -> Result<Verified<Record>, BundleError> {
        let index = self.index;
        let malformed = |error| BundleError::Record { index, error };
        let envelope = Envelope::from_json(&self.entry).map_err(|e| malformed(e.into()))?;
        let entry = crate::merkle::Entry::new(envelope.to_canonical_json())
            .map_err(|e| BundleError::Form(e.to_string()))?;
        verify_inclusion(&entry, index, &self.proof, checkpoint).map_err(BundleError::Inclusion)?;
        let signed = SignedRecord::from_envelope(envelope).map_err(malformed)?;
        let publisher = publishers.get(signed.statement().publisher());
        signed
            .verify(publisher)
            .map_err(|error| BundleError::Authority { index, error })
    }
}

impl BundledAttachment {
    fn verify(&self) -> Result<(Sha256, Vec<u8>), BundleError> {
        let bytes = BASE64_STANDARD
            .decode(&self.data)
            .map_err(|_| BundleError::AttachmentEncoding(self.sha256))?;
        let actual = Sha256::of(&bytes);
        if actual != self.sha256 {
            return Err(BundleError::Attachment {
                stated: self.sha256,
                actual,
            });
        }
        Ok((actual, bytes))
    }
}
