//! Evidence: two checkpoints of one log that don't fit together, for anybody to judge.
//!
//! ```text
//! { "type": "urn:candor:evidence:v1", "finding": "fork", "origin": …, "logKey": …,
//!   "seen": "<signed note>", "shown": "<signed note>",
//!   "proof": { "from": 3, "to": 5, "rootInLargerTree": "…", "hashes": ["…"] } }
//! ```
//!
//! Always: what a file is worth follows from the log's two signatures and the proof. What it says of itself,
//! its finding and its key, counts for nothing.
//!
//! Not here: where the files are kept ([`super::Memory`]).

use candor_core::merkle::{ConsistencyProof, Hash, TreeHead, TreeSize};
use candor_core::note::{CheckpointError, LogKey, NOTE_BYTES_MAX, Origin};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::log_client::SignedCheckpoint;

/// What evidence files say to be.
const EVIDENCE_TYPE: &str = "urn:candor:evidence:v1";

/// How the names of evidence files end.
pub const EVIDENCE_EXTENSION: &str = "candor-evidence";

/// The most bytes of an evidence file: two notes, in which JSON may write a byte as six (`\u0009`), and a
/// proof of at most 126 hashes with the rest in 64 KiB.
pub const EVIDENCE_BYTES_MAX: usize = 2 * 6 * NOTE_BYTES_MAX + 65_536;

/// Two signed checkpoints of one log that don't fit together, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `urn:candor:evidence:v1`.
    #[serde(rename = "type")]
    pub evidence_type: String,
    /// What was found.
    pub finding: Finding,
    /// Which log.
    pub origin: Origin,
    /// The key that signed both.
    pub log_key: String,
    /// The checkpoint that was seen first, verbatim.
    pub seen: String,
    /// The checkpoint that came now, verbatim.
    pub shown: String,
    /// What the log's tiles say of the smaller tree inside the larger one, where they could be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<EvidenceProof>,
}

/// What two checkpoints show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Two histories.
    Fork,
    /// The log did not show that one leads to the other: its tiles could not be had, or are not the signed
    /// trees'. Not a fork by itself.
    Unproven,
    /// A tree smaller than one that was seen before. Not a fork by itself.
    Stale,
}

/// A consistency proof made from the log's tiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceProof {
    /// Size of the smaller tree.
    pub from: TreeSize,
    /// Size of the larger tree.
    pub to: TreeSize,
    /// The root that the larger tree's first `from` entries have, by the log's tiles. If the proof holds for
    /// it, and the smaller checkpoint has another root, the two checkpoints are of two histories: no more
    /// is needed to convince anybody.
    pub root_in_larger_tree: Hash,
    /// The proof.
    pub hashes: Vec<Hash>,
}

/// Evidence whose checkpoints the log did sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedEvidence {
    /// The checkpoint that was seen first.
    pub seen: SignedCheckpoint,
    /// The checkpoint that came later.
    pub shown: SignedCheckpoint,
    /// What the two come to.
    pub verdict: EvidenceVerdict,
}

/// What evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceVerdict {
    /// Two histories: one size, and two roots.
    TwoRoots,
    /// Two histories: the larger tree begins with another tree than the smaller.
    OtherBeginning {
        /// The root that its beginning has.
        root_in_larger_tree: Hash,
    },
    /// Nothing: both may be of one history.
    Open,
}

/// Why evidence is none.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Other bytes.
    #[error("is no evidence file: {0}")]
    Form(String),
    /// The log never signed this.
    #[error(
        "is no evidence against {origin}: the checkpoint under {field:?} does not hold: {error}"
    )]
    Checkpoint {
        /// The log that it was judged for.
        origin: Origin,
        /// `seen` or `shown`.
        field: &'static str,
        /// Why.
        error: CheckpointError,
    },
}

impl EvidenceError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Form(_) => "check that all of it arrived, as `candor` wrote it",
            Self::Checkpoint { .. } => {
                "check that `--log-key` is the key of the log that the file is about, as its operator gave it to you; if it is, somebody made the file up"
            }
        }
    }
}

impl Evidence {
    /// What was found about two checkpoints that were signed with `key`.
    pub(super) fn new(
        key: &LogKey,
        finding: Finding,
        [seen, shown]: [&SignedCheckpoint; 2],
        proof: Option<EvidenceProof>,
    ) -> Self {
        Self {
            evidence_type: EVIDENCE_TYPE.to_owned(),
            finding,
            origin: key.origin(),
            log_key: key.to_string(),
            seen: seen.text.clone(),
            shown: shown.text.clone(),
            proof,
        }
    }

    /// Whether a file says to be evidence.
    pub fn is_evidence(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Value>(bytes).is_ok_and(|json| json["type"] == EVIDENCE_TYPE)
    }

    /// Reads an evidence file.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let evidence: Self =
            serde_json::from_slice(bytes).map_err(|e| EvidenceError::Form(e.to_string()))?;
        if evidence.evidence_type == EVIDENCE_TYPE {
            Ok(evidence)
        } else {
            Err(EvidenceError::Form(format!(
                "its type is not {EVIDENCE_TYPE}"
            )))
        }
    }

    /// As a file has it.
    pub(super) fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("evidence is JSON");
        text.push('\n');
        text
    }

    /// What this shows of the log with `key`, checked with nothing but that key.
    pub fn judge(&self, key: &LogKey) -> Result<JudgedEvidence, EvidenceError> {
        let verified = |field, text: &String| {
            SignedCheckpoint::verify(text.clone(), key).map_err(|error| EvidenceError::Checkpoint {
                origin: key.origin(),
                field,
                error,
            })
        };
        let (seen, shown) = (
            verified("seen", &self.seen)?,
            verified("shown", &self.shown)?,
        );
        let verdict = self.compare(seen.head(), shown.head());
        Ok(JudgedEvidence {
            seen,
            shown,
            verdict,
        })
    }

    fn compare(&self, seen: TreeHead, shown: TreeHead) -> EvidenceVerdict {
        if seen.size == shown.size && seen.root != shown.root {
            return EvidenceVerdict::TwoRoots;
        }
        let (smaller, larger) = if seen.size < shown.size {
            (seen, shown)
        } else {
            (shown, seen)
        };
        match &self.proof {
            Some(proof) if proof.refutes(smaller, larger) => EvidenceVerdict::OtherBeginning {
                root_in_larger_tree: proof.root_in_larger_tree,
            },
            Some(_) | None => EvidenceVerdict::Open,
        }
    }
}

impl EvidenceProof {
    /// Whether it shows that `larger` begins with another tree than `smaller`.
    pub(super) fn refutes(&self, smaller: TreeHead, larger: TreeHead) -> bool {
        let inside = TreeHead {
            size: self.from,
            root: self.root_in_larger_tree,
        };
        let proof = ConsistencyProof {
            old: self.from,
            new: self.to,
            path: self.hashes.clone(),
        };
        inside.size == smaller.size
            && inside.root != smaller.root
            && proof.verify(&inside, &larger).is_ok()
    }
}

impl JudgedEvidence {
    /// Whether the log signed two histories.
    pub fn is_fork(&self) -> bool {
        match self.verdict {
            EvidenceVerdict::TwoRoots | EvidenceVerdict::OtherBeginning { .. } => true,
            EvidenceVerdict::Open => false,
        }
    }
}

impl Finding {
    /// What the names of its files begin with.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Unproven => "unproven",
            Self::Stale => "stale",
        }
    }
}
