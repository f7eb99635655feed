//! The log's JSON views, as types. A view is an index to look things up with: what is shown or relied on is
//! read from proven entries.

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ModelName, PublisherName, ReleaseName};
use serde::{Deserialize, Serialize};

/// One record in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    /// Where it stands.
    pub index: LeafIndex,
    /// Its statement digest.
    pub statement: Sha256,
    /// Its kind.
    pub kind: Kind,
    /// Who signed it.
    pub publisher: PublisherName,
    /// The withdrawal that covers it, if there is one.
    #[serde(default)]
    pub withdrawn_by: Option<LeafIndex>,
    /// When the server took it, by the server's own clock.
    #[serde(default)]
    pub accepted_at: Option<String>,
}

/// `GET /api/v1/records`, and `GET /api/v1/manifests/{sha256}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RecordsView {
    /// Newest first; those of a manifest, oldest first.
    pub records: Vec<RecordView>,
    /// Where the next page is.
    #[serde(default)]
    pub next: Option<String>,
}

/// One publisher in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublisherRow {
    /// Its name.
    pub name: PublisherName,
    /// Where its newest `publisher` record stands.
    pub index: LeafIndex,
}

/// `GET /api/v1/publishers`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublishersView {
    /// By name.
    pub publishers: Vec<PublisherRow>,
    /// Where the next page is.
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /api/v1/publishers/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublisherView {
    /// Its name.
    pub name: PublisherName,
    /// Where its `publisher` records stand, ascending.
    pub history: Vec<LeafIndex>,
    /// Where the next page is.
    #[serde(default)]
    pub next: Option<String>,
}

/// One model in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Its name.
    pub name: ModelName,
    /// How many releases it has.
    pub releases: u64,
    /// Its newest release.
    pub latest: ReleaseName,
}

/// `GET /api/v1/models`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModelsView {
    /// By name.
    pub models: Vec<ModelRow>,
    /// Where the next page is.
    #[serde(default)]
    pub next: Option<String>,
}

/// One release of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRow {
    /// Its name.
    pub name: ReleaseName,
    /// Where its first record stands.
    pub first_index: LeafIndex,
    /// What there is about it.
    pub kinds: Vec<Kind>,
    /// The withdrawal, if it is withdrawn.
    #[serde(default)]
    pub withdrawn_by: Option<LeafIndex>,
}

/// `GET /api/v1/models/{publisher}/{model}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModelView {
    /// Its name.
    pub name: ModelName,
    /// Its releases.
    pub releases: Vec<ReleaseRow>,
    /// Where the next page is.
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /api/v1/releases/{publisher}/{release}`, without its records.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// The withdrawal, if it is withdrawn.
    #[serde(default)]
    pub withdrawn_by: Option<LeafIndex>,
}

/// Somebody who says that they did not find what was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NotReproduced {
    /// Who.
    pub author: PublisherName,
    /// A record of theirs that says so.
    pub index: LeafIndex,
}

/// `GET /api/v1/releases/{release}/evaluations`, as far as it is read here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonView {
    /// Each of them once, those who said so first first.
    #[serde(default)]
    pub not_reproduced: Vec<NotReproduced>,
    /// Whether there are more.
    #[serde(default)]
    pub more_not_reproduced: bool,
}

/// What `POST /api/v1/records` answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublishedView {
    /// A checkpoint of a tree that has all the records.
    pub checkpoint: String,
    /// One for each envelope, in their order.
    pub records: Vec<PublishedRecordView>,
}

/// One record's place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublishedRecordView {
    /// Where it stands.
    pub index: LeafIndex,
    /// Its statement digest.
    pub statement: Sha256,
    /// Whether it is new.
    pub created: bool,
    /// C2SP `tlog-proof@v1`.
    pub receipt: String,
}
