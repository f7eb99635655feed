use serde::{Deserialize, Serialize};

use super::Annotations;
use crate::Sha256;
use crate::record::PublicKey;

/// A namespace and the keys that sign for it. Subject: the publisher's name; its digest is over the
/// predicate as canonical JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publisher {
    /// What people call it.
    pub display_name: String,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where to write to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The keys that sign for it from this record on: all of them, not only new ones.
    pub keys: Vec<PublicKey>,
    /// Statement digest of the `publisher` record before this one; none in a registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Sha256>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}
