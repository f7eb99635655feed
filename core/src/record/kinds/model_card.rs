use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Annotations, Attachment};

/// What a model is: the metadata that Hugging Face front matter carries, and the card itself as an
/// attachment. Subject: the release; its digest is the card's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelCard {
    /// The card, as a rule a README.md.
    pub document: Attachment,
    /// SPDX identifier, or the Hub's, such as `apache-2.0` or `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The licence's name, when `license` is `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_name: Option<String>,
    /// Where its text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_link: Option<String>,
    /// Language codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Free tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The task that it is made for, such as `text-generation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_tag: Option<String>,
    /// The library that loads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library_name: Option<String>,
    /// What it was trained on, by the Hub's names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// What it was made from, by the Hub's names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_models: Vec<BaseModel>,
    /// What its makers measured: `model-index`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CardResult>,
    /// What it should be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_use: Option<String>,
    /// What it should not be used for, and where it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limitations: Option<String>,
    /// The evaluation in a few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_summary: Option<String>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// A model that this one was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseModel {
    /// Its name on the Hub, or in this log.
    pub name: String,
    /// `finetune`, `adapter`, `merge` or `quantized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
}

/// One entry of `model-index`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardResult {
    /// What was asked of the model.
    pub task: CardTask,
    /// On which data.
    pub dataset: CardDataset,
    /// How it did.
    pub metrics: Vec<CardMetric>,
    /// Where the numbers come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CardSource>,
}

/// A task, by the Hub's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardTask {
    /// Such as `text-generation`.
    #[serde(rename = "type")]
    pub task_type: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A data set, by the Hub's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardDataset {
    /// Its identifier.
    #[serde(rename = "type")]
    pub dataset_type: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which configuration of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Which split of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Which revision of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardMetric {
    /// Such as `accuracy`.
    #[serde(rename = "type")]
    pub metric_type: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A number, or text where the card has text.
    pub value: Value,
}

/// Where numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardSource {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
