//! The proof of some tensors: a release's weights record, that it is in the log, and the hashes from the tensors to its root.
//!
//! ```text
//! { "proof": "urn:candor:tensor-proof:v1",
//!   "bundle": { …a bundle without documents… },       who signed the root, and where that is logged
//!   "tensors": [ { "index": 4,
//!                  "tensor": { "bytes", "dtype", "name", "sha256", "shape" },
//!                  "places": [ { "path", "offset" } ] }, … ],
//!   "hashes": ["gSKy…=", …] }                         one multiproof for all of them
//! ```
//!
//! Always: places are a hint where to look. A tensor is where its bytes have its digest.

use serde::{Deserialize, Serialize};

use super::candor_bundle::{Bundle, BundleError, VerifiedBundle};
use crate::Verified;
use crate::merkle::LeafIndex;
use crate::note::LogKey;
use crate::record::kinds::Weights;
use crate::record::{JsonError, Predicate, ReleaseName, parse_strict_bounded};
use crate::weights::{MultiProof, ProvenTensor, TensorsProof};

/// The most bytes of a tensor proof that are read: at some 300 for each tensor, those of 50,000.
pub const TENSOR_PROOF_BYTES_MAX: usize = 16 << 20;

/// The most JSON values of a tensor proof that are read.
const TENSOR_PROOF_VALUES_MAX: usize = 500_000;

const TENSOR_PROOF_TYPE: &str = "urn:candor:tensor-proof:v1";

/// A tensor proof as it was received. It means nothing until [`TensorProof::verify`] has checked it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorProof {
    #[serde(rename = "proof")]
    form: String,
    /// The records of the release.
    pub bundle: Bundle,
    /// The tensors, each with its index among all of the release.
    pub tensors: Vec<ProvenTensor>,
    /// The hashes that lead from them to the root.
    pub hashes: MultiProof,
}

/// What a tensor proof proves. Comes only as `Verified<VerifiedTensors>`.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedTensors {
    /// The records.
    pub bundle: Verified<VerifiedBundle>,
    /// The weights record among them that has the root.
    pub weights: LeafIndex,
    /// The tensors, which are the release's. Where they are, nothing proves but their bytes.
    pub tensors: Vec<ProvenTensor>,
}

/// Why a tensor proof is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TensorProofError {
    /// Over [`TENSOR_PROOF_BYTES_MAX`].
    #[error("the tensor proof has {bytes} bytes, and at most {TENSOR_PROOF_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not strict JSON.
    #[error("the tensor proof is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no tensor proof.
    #[error("this is not a tensor proof: {0}")]
    Form(String),
    /// The records in it do not hold.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Nothing that the tensors could lead to.
    #[error("no weights record of {0} in the proof names tensors")]
    NoTensors(ReleaseName),
    /// The tensors do not lead to the root that was signed.
    #[error("entry {index}: the tensors of the proof do not lead to the root that it states")]
    Root {
        /// The weights record.
        index: LeafIndex,
    },
}

impl TensorProof {
    /// Puts a proof together; of the `bundle`, only the records count.
    pub fn new(mut bundle: Bundle, proof: TensorsProof) -> Self {
        bundle.attachments.clear();
        let TensorsProof { tensors, hashes } = proof;
        Self {
            form: TENSOR_PROOF_TYPE.to_owned(),
            bundle,
            tensors,
            hashes,
        }
    }

    /// Reads a proof from strict JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, TensorProofError> {
        if bytes.len() > TENSOR_PROOF_BYTES_MAX {
            return Err(TensorProofError::TooLong { bytes: bytes.len() });
        }
        let json = parse_strict_bounded(bytes, TENSOR_PROOF_VALUES_MAX)?;
        let proof: Self =
            serde_json::from_value(json).map_err(|e| TensorProofError::Form(e.to_string()))?;
        if proof.form != TENSOR_PROOF_TYPE {
            return Err(TensorProofError::Form(format!(
                "its type is not {TENSOR_PROOF_TYPE:?}"
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

    /// Checks everything in the proof against the log's key: the records as [`Bundle::verify`] does, and that the tensors
    /// are among those of the release's weights record.
    pub fn verify(&self, key: &LogKey) -> Result<Verified<VerifiedTensors>, TensorProofError> {
        let bundle = self.bundle.verify(key)?;
        let (index, weights) = bundle
            .weights()
            .ok_or_else(|| TensorProofError::NoTensors(bundle.release.clone()))?;
        let stated = weights
            .tensors
            .as_ref()
            .ok_or_else(|| TensorProofError::NoTensors(bundle.release.clone()))?;
        let proof = TensorsProof {
            tensors: self.tensors.clone(),
            hashes: self.hashes.clone(),
        };
        if !proof.verify(stated) {
            return Err(TensorProofError::Root { index });
        }
        Ok(Verified::attest(VerifiedTensors {
            weights: index,
            tensors: proof.tensors,
            bundle,
        }))
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
