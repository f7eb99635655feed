use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Annotations, AttachmentDigest};
use crate::Sha256;
use crate::record::{ReleaseName, from_json};

/// What answers behind an API. Subject: the API version's own name; its digest is over the predicate as
/// canonical JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiVersion {
    /// Who runs the API.
    pub provider: String,
    /// Its base URL.
    pub endpoint: String,
    /// The model as clients name it in their requests.
    pub model_id: String,
    /// Whether `model_id` may be pointed at something else later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<bool>,
    /// The release that answers, or that this is not disclosed.
    pub behind: Behind,
    /// Settings that apply when the client names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding: Option<Decoding>,
    /// What the model is told before the client speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<SystemPrompt>,
    /// In tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// Since when it answers. RFC 3339, UTC.
    pub valid_from: String,
    /// Until when. RFC 3339, UTC; none while no end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// The API version that it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReleaseName>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// The release behind an API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Behind {
    /// The provider does not say.
    Undisclosed(Undisclosed),
    /// The provider says which.
    Release(Disclosed),
}

// As serde would do it by `untagged`, which lets an array stand for an object, and an object for a word.
impl<'de> Deserialize<'de> for Behind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            word @ Value::String(_) => from_json(word).map(Self::Undisclosed),
            other => from_json(other).map(Self::Release),
        }
        .map_err(D::Error::custom)
    }
}

/// The word `undisclosed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "one word")]
pub enum Undisclosed {
    Undisclosed,
}

/// A release in this log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disclosed {
    /// Its name.
    pub release: ReleaseName,
    /// Statement digest of the record that says which bits it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Sha256>,
}

/// Defaults of an API's decoding.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decoding {
    /// 0 is greedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling among the likeliest k; -1 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// In tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// As the API defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// As the API defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// A fixed seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts that end an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Further settings, under the API's own names.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the model is told first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SystemPrompt {
    /// There is none, or the provider does not say.
    Unnamed(Unnamed),
    /// The text with this digest.
    Named {
        /// Over its UTF-8.
        digest: AttachmentDigest,
    },
}

/// A text that is named by its digest.
#[derive(Deserialize)]
struct NamedText {
    digest: AttachmentDigest,
}

// As with [`Behind`].
impl<'de> Deserialize<'de> for SystemPrompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            word @ Value::String(_) => from_json(word).map(Self::Unnamed),
            other => from_json(other).map(|NamedText { digest }| Self::Named { digest }),
        }
        .map_err(D::Error::custom)
    }
}

/// The words `none` and `undisclosed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Unnamed {
    None,
    Undisclosed,
}
