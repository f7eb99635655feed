//! The seven kinds of records: one file each, one JSON Schema each.
//!
//! The types hold every field that the schemas know (a test keeps the two together). They ignore fields that
//! they don't know, so that a verifier still reads what a later `v1` schema adds; whoever publishes or
//! accepts a record checks the schema as well, which refuses unknown fields.

mod api_version;
mod evaluation;
mod model_card;
mod publisher;
mod training_config;
mod weights;
mod withdrawal;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::from_json::from_json_at;
use crate::Sha256;

pub use api_version::{
    ApiVersion, Behind, Decoding, Disclosed, SystemPrompt, Undisclosed, Unnamed,
};
pub use evaluation::{Evaluation, EvaluationConfig, EvaluationResult, Harness, Outcome};
pub use model_card::{
    BaseModel, CardDataset, CardMetric, CardResult, CardSource, CardTask, ModelCard,
};
pub use publisher::Publisher;
pub use training_config::{
    Checkpoint, Code, DataSource, Duration, Framework, Hardware, Parent, Relation, TrainingConfig,
};
pub use weights::{ChunkedFiles, ParentRecord, Source, Strength, TensorSet, Weights};
pub use withdrawal::{Reason, Scope, Withdrawal};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Who signs: a namespace and its keys.
    Publisher,
    /// What a model is.
    ModelCard,
    /// Which bits it is.
    Weights,
    /// How it was made.
    TrainingConfig,
    /// What answers behind an API.
    ApiVersion,
    /// How it succeeded or failed, by whoever tried.
    Evaluation,
    /// That a record or a release should not be relied on any more.
    Withdrawal,
}

/// What a statement says, by its kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the variants are documented on the types that they hold"
)]
pub enum Predicate {
    Publisher(Publisher),
    ModelCard(ModelCard),
    Weights(Weights),
    TrainingConfig(TrainingConfig),
    ApiVersion(ApiVersion),
    Evaluation(Evaluation),
    Withdrawal(Withdrawal),
}

/// A document that a statement names by its hash and that is kept beside the log: an in-toto
/// `ResourceDescriptor` with its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// What people call it: a file name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: AttachmentDigest,
}

/// The digest of an attachment: SHA-256 and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentDigest {
    /// Over the attachment's bytes.
    pub sha256: Sha256,
}

/// Whatever a publisher wants to add that the schema does not know.
pub type Annotations = Map<String, Value>;

impl Kind {
    /// All of them, in the design's order.
    pub const ALL: [Self; 7] = [
        Self::Publisher,
        Self::ModelCard,
        Self::Weights,
        Self::TrainingConfig,
        Self::ApiVersion,
        Self::Evaluation,
        Self::Withdrawal,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::ModelCard => "model-card",
            Self::Weights => "weights",
            Self::TrainingConfig => "training-config",
            Self::ApiVersion => "api-version",
            Self::Evaluation => "evaluation",
            Self::Withdrawal => "withdrawal",
        }
    }

    /// Its predicate type: `urn:candor:KIND:v1`.
    pub fn predicate_type(self) -> String {
        format!("urn:candor:{}:v1", self.name())
    }

    /// The kind with this predicate type.
    pub fn of_predicate_type(predicate_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.predicate_type() == predicate_type)
    }

    /// Whether a record of this kind says what a release is, so that another release can name it as its parent's.
    pub const fn says_what_a_release_is(self) -> bool {
        match self {
            Self::Weights | Self::ModelCard | Self::ApiVersion => true,
            Self::TrainingConfig | Self::Publisher | Self::Evaluation | Self::Withdrawal => false,
        }
    }

    /// Whether a release can have only one record of this kind. What a release is does not change: who wants
    /// to say something else publishes another version.
    pub const fn is_once_per_release(self) -> bool {
        match self {
            Self::ModelCard | Self::Weights | Self::TrainingConfig | Self::ApiVersion => true,
            Self::Publisher | Self::Evaluation | Self::Withdrawal => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no kind of record; there are publisher, model-card, weights, training-config, api-version, evaluation and withdrawal"
)]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.chars().take(80).collect()))
    }
}

impl Predicate {
    /// Reads the predicate of a statement of `kind`.
    pub(super) fn read(kind: Kind, predicate: &Value) -> serde_json::Result<Self> {
        Ok(match kind {
            Kind::Publisher => Self::Publisher(from_json_at(predicate)?),
            Kind::ModelCard => Self::ModelCard(from_json_at(predicate)?),
            Kind::Weights => Self::Weights(from_json_at(predicate)?),
            Kind::TrainingConfig => Self::TrainingConfig(from_json_at(predicate)?),
            Kind::ApiVersion => Self::ApiVersion(from_json_at(predicate)?),
            Kind::Evaluation => Self::Evaluation(from_json_at(predicate)?),
            Kind::Withdrawal => Self::Withdrawal(from_json_at(predicate)?),
        })
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Publisher(_) => Kind::Publisher,
            Self::ModelCard(_) => Kind::ModelCard,
            Self::Weights(_) => Kind::Weights,
            Self::TrainingConfig(_) => Kind::TrainingConfig,
            Self::ApiVersion(_) => Kind::ApiVersion,
            Self::Evaluation(_) => Kind::Evaluation,
            Self::Withdrawal(_) => Kind::Withdrawal,
        }
    }

    /// The documents that it names, which are stored with it.
    pub fn attachments(&self) -> Vec<&Attachment> {
        match self {
            Self::ModelCard(card) => vec![&card.document],
            Self::Weights(weights) => {
                let manifest = std::iter::once(&weights.manifest);
                manifest.chain(weights.lists()).collect()
            }
            Self::TrainingConfig(config) => vec![&config.document],
            Self::Evaluation(evaluation) => evaluation.raw_results.iter().collect(),
            Self::Publisher(_) | Self::ApiVersion(_) | Self::Withdrawal(_) => Vec::new(),
        }
    }
}

impl Serialize for Predicate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Publisher(predicate) => predicate.serialize(serializer),
            Self::ModelCard(predicate) => predicate.serialize(serializer),
            Self::Weights(predicate) => predicate.serialize(serializer),
            Self::TrainingConfig(predicate) => predicate.serialize(serializer),
            Self::ApiVersion(predicate) => predicate.serialize(serializer),
            Self::Evaluation(predicate) => predicate.serialize(serializer),
            Self::Withdrawal(predicate) => predicate.serialize(serializer),
        }
    }
}

impl Attachment {
    /// Describes `bytes`.
    pub fn describe(name: &str, media_type: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            digest: AttachmentDigest {
                sha256: Sha256::of(bytes),
            },
        }
    }
}
