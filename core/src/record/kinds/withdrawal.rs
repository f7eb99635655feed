use serde::{Deserialize, Serialize};

use super::Annotations;
use crate::record::{PublisherName, ReleaseName};

/// That a record, or a whole release, should not be relied on any more. Subject: the release that the
/// withdrawn record is about; its digest is that record's statement digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// Who withdraws, and signs: the publisher of the withdrawn record.
    pub author: PublisherName,
    /// How much is withdrawn.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub explanation: String,
    /// What to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<ReleaseName>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// How much is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The one record.
    Record,
    /// The release that the record is about, with all that its publisher said of it.
    Release,
}

/// Why something is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Reason {
    Security,
    Legal,
    Error,
    Superseded,
    Retired,
    Other,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Security,
        Self::Legal,
        Self::Error,
        Self::Superseded,
        Self::Retired,
        Self::Other,
    ];

    /// Its name in a withdrawal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Legal => "legal",
            Self::Error => "error",
            Self::Superseded => "superseded",
            Self::Retired => "retired",
            Self::Other => "other",
        }
    }
}
