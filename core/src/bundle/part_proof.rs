//! The proof of a part of a release: its weights record, that it is in the log, and the hashes from some files, chunks or
//! tensors to the root that the record states.
//!
//! ```text
//! { "proof": "urn:candor:part-proof:v1",
//!   "bundle": { …a bundle without documents… },       who signed the roots, and where that is logged
//!   "parts": …one of
//!     { "of": "files",   "files":   [ { "index": 4, "file": { "digest", "path", "size" } }, … ],
//!                        "hashes":  [ "gSKy…=", … ] }                    one multiproof for all of them
//!     { "of": "chunks",  "file":    { "bytes", "path", "root" },
//!                        "siblings": [ { "left": "Hw8b…=" }, … ],        from the file to the release's root
//!                        "chunks":  [ { "index": 357, "leaf": "q1Zk…=" }, … ],
//!                        "hashes":  [ … ] }                              from the chunks to the file's root
//!     { "of": "tensors", "tensors": [ { "index": 4,
//!                                       "tensor": { "bytes", "dtype", "name", "sha256", "shape" },
//!                                       "places": [ { "path", "offset" } ] }, … ],
//!                        "hashes":  [ … ] } }
//! ```
//!
//! Always: places are a hint where to look. A tensor is where its bytes have its digest.

use std::fmt;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::candor_bundle::{Bundle, BundleError, VerifiedBundle};
use crate::Verified;
use crate::merkle::LeafIndex;
use crate::note::LogKey;
use crate::record::kinds::Weights;
use crate::record::{JsonError, Predicate, ReleaseName, from_json, parse_strict_bounded};
use crate::weights::{
    ChunksProof, FilesProof, Manifest, ManifestError, ProvenTensor, TensorsProof,
};

/// The most bytes of a proof that are read: at some 300 for each tensor, those of 50,000.
pub const PART_PROOF_BYTES_MAX: usize = 16 << 20;

/// The most JSON values of a proof that are read.
const PART_PROOF_VALUES_MAX: usize = 500_000;

const PART_PROOF_TYPE: &str = "urn:candor:part-proof:v1";

/// A proof as it was received. It means nothing until [`PartProof::verify`] has checked it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartProof {
    #[serde(rename = "proof")]
    form: String,
    /// The records of the release.
    pub bundle: Bundle,
    /// What is proven, with the hashes that lead to the record's root.
    pub parts: Parts,
}

/// What of a release is proven, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "of", rename_all = "lowercase")]
pub enum Parts {
    /// Files, as the manifest lists them.
    Files(FilesProof),
    /// Chunks of one file.
    Chunks(ChunksProof),
    /// Tensors, in whatever files.
    Tensors(TensorsProof),
}

// As serde would do it by `tag = "of"`, which lets an array stand for an object.
impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parts = Map::<String, Value>::deserialize(deserializer)?;
        let of = parts
            .remove("of")
            .ok_or_else(|| D::Error::missing_field("of"))?;
        let kind = from_json(of).map_err(D::Error::custom)?;
        let parts = Value::Object(parts);
        match kind {
            PartKind::Files => from_json(parts).map(Self::Files),
            PartKind::Chunks => from_json(parts).map(Self::Chunks),
            PartKind::Tensors => from_json(parts).map(Self::Tensors),
        }
        .map_err(D::Error::custom)
    }
}

/// Which parts of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Files.
    Files,
    /// Chunks of a file.
    Chunks,
    /// Tensors.
    Tensors,
}

/// What a proof proves. Comes only as `Verified<VerifiedParts>`.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedParts {
    /// The records.
    pub bundle: Verified<VerifiedBundle>,
    /// The weights record among them that has the root.
    pub weights: LeafIndex,
    /// The parts, which are the release's.
    pub parts: ProvenParts,
}

/// Parts that are a release's.
#[derive(Clone, Debug, PartialEq)]
pub enum ProvenParts {
    /// Files: a manifest of these alone.
    Files(Manifest),
    /// Chunks of one file.
    Chunks(ChunksProof),
    /// Tensors. Where they are, nothing proves but their bytes.
    Tensors(Vec<ProvenTensor>),
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PartProofError {
    /// Over [`PART_PROOF_BYTES_MAX`].
    #[error("the proof has {bytes} bytes, and at most {PART_PROOF_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not strict JSON.
    #[error("the proof is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no proof.
    #[error("this is not a proof of files, chunks or tensors: {0}")]
    Form(String),
    /// The records in it do not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Nothing that the parts could lead to.
    #[error("no weights record of {release} in the proof names {parts}")]
    NotStated {
        /// The release.
        release: ReleaseName,
        /// What is not named.
        parts: PartKind,
    },
    /// The parts do not lead to the root that was signed.
    #[error("entry {index}: the {parts} of the proof do not lead to the root that it states")]
    Root {
        /// The weights record.
        index: LeafIndex,
        /// What does not.
        parts: PartKind,
    },
    /// Files that lead to the root, and that no manifest may list.
    #[error("entry {index}: its manifest: {error}")]
    Manifest {
        /// The weights record.
        index: LeafIndex,
        /// What is wrong.
        error: ManifestError,
    },
}

impl PartProof {
    /// Puts a proof together; of the `bundle`, only the records count.
    pub fn new(mut bundle: Bundle, parts: Parts) -> Self {
        bundle.attachments.clear();
        Self {
            form: PART_PROOF_TYPE.to_owned(),
            bundle,
            parts,
        }
    }

    /// Whether `bytes` look like one: JSON with its name on it. Nothing is kept of what they hold.
    pub fn looks_like_one(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Named {
            proof: String,
        }
        // serde would take an array for the struct.
        bytes.trim_ascii_start().starts_with(b"{")
            && serde_json::from_slice::<Named>(bytes).is_ok_and(|it| it.proof == PART_PROOF_TYPE)
    }

    /// Reads a proof from strict JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, PartProofError> {
        if bytes.len() > PART_PROOF_BYTES_MAX {
            return Err(PartProofError::TooLong { bytes: bytes.len() });
        }
        let json = parse_strict_bounded(bytes, PART_PROOF_VALUES_MAX)?;
        let proof: Self = from_json(json).map_err(|e| PartProofError::Form(e.to_string()))?;
        if proof.form != PART_PROOF_TYPE {
            return Err(PartProofError::Form(format!(
                "its type is not {PART_PROOF_TYPE:?}"
            )));
        }
        Ok(proof)
    }

    /// As JSON for a file.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a proof is JSON");
        json.push('\n');
        json
    }

    /// Checks everything in the proof against the log's key: the records as [`Bundle::verify`] does, and that the parts
    /// are those of the release's weights record.
    pub fn verify(&self, key: &LogKey) -> Result<Verified<VerifiedParts>, PartProofError> {
        let bundle = self.bundle.verify(key)?;
        let kind = self.parts.kind();
        let not_stated = || PartProofError::NotStated {
            release: bundle.release.clone(),
            parts: kind,
        };
        let (index, weights) = bundle.weights().ok_or_else(not_stated)?;
        let leads_there = match &self.parts {
            Parts::Files(proof) => proof.verify(weights),
            Parts::Chunks(proof) => proof.verify(weights.chunks.as_ref().ok_or_else(not_stated)?),
            Parts::Tensors(proof) => proof.verify(weights.tensors.as_ref().ok_or_else(not_stated)?),
        };
        if !leads_there {
            return Err(PartProofError::Root { index, parts: kind });
        }
        let parts = match &self.parts {
            Parts::Files(proof) => {
                let manifest = proof.manifest();
                let malformed = |error| PartProofError::Manifest { index, error };
                ProvenParts::Files(manifest.map_err(malformed)?)
            }
            Parts::Chunks(proof) => ProvenParts::Chunks(proof.clone()),
            Parts::Tensors(proof) => ProvenParts::Tensors(proof.tensors.clone()),
        };
        Ok(Verified::attest(VerifiedParts {
            weights: index,
            parts,
            bundle,
        }))
    }
}

impl Parts {
    /// What they are.
    pub fn kind(&self) -> PartKind {
        match self {
            Self::Files(_) => PartKind::Files,
            Self::Chunks(_) => PartKind::Chunks,
            Self::Tensors(_) => PartKind::Tensors,
        }
    }

    /// How many are proven.
    pub fn count(&self) -> usize {
        match self {
            Self::Files(proof) => proof.files.len(),
            Self::Chunks(proof) => proof.chunks.len(),
            Self::Tensors(proof) => proof.tensors.len(),
        }
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Chunks => "chunks",
            Self::Tensors => "tensors",
        })
    }
}

impl VerifiedBundle {
    /// The weights record of the release that the bundle is about, and where it stands.
    pub fn weights(&self) -> Option<(LeafIndex, &Weights)> {
        self.records.iter().find_map(|logged| {
            let statement = logged.record.statement();
            match &statement.predicate {
                Predicate::Weights(weights) if statement.release() == Some(&self.release) => {
                    Some((logged.index, weights))
                }
                _ => None,
            }
        })
    }
}
