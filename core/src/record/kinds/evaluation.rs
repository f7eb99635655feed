use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Annotations, Attachment};
use crate::Sha256;
use crate::record::{DigestSet, PublisherName};

/// How a release or an API version did, by whoever tried. Subject: what was evaluated; its digest is the
/// subject digest of a record about it in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Who evaluated, and signs.
    pub author: PublisherName,
    /// The program that asked and judged.
    pub harness: Harness,
    /// What came out: results of one run.
    pub results: Vec<EvaluationResult>,
    /// How the harness was set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<EvaluationConfig>,
    /// What the harness wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_results: Option<Attachment>,
    /// What it says about the record that it answers.
    pub outcome: Outcome,
    /// Statement digest of the record whose claim was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Sha256>,
    /// When it ran. RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// The program that ran the evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Harness {
    /// Such as `lm-evaluation-harness`.
    pub name: String,
    /// Which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Which commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestSet>,
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationResult {
    /// What was asked, by the harness's name.
    pub task: String,
    /// What was measured, by the harness's name.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Its standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Over how many samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// After how many examples in the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<u64>,
}

/// How the harness was set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationConfig {
    /// Of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestSet>,
    /// Its settings, under the harness's own names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

/// What an evaluation says about an earlier claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing: it reports numbers of its own.
    Reported,
    /// The claim was tried, and holds.
    Reproduced,
    /// The claim was tried, and does not.
    FailedToReproduce,
}

impl Outcome {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Reproduced => "reproduced",
            Self::FailedToReproduce => "failed-to-reproduce",
        }
    }
}
