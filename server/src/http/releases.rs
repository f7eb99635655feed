//! What is known of a release, in lists.

use candor_core::record::Kind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::calendar::rfc3339_of_ms;
use crate::catalogue::{Own, Release};

/// What the records of a release's own publisher say, in short.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReleaseFacts {
    #[schema(example = "meta-ai/opt-125m@1.0.0")]
    name: String,
    #[schema(example = "meta-ai/opt-125m")]
    model: String,
    publisher: String,
    /// The first record about it.
    first_index: u64,
    /// When the server took that record, by its own clock, which nothing proves; null where the log was read from files
    /// that do not say.
    accepted_at: Option<String>,
    /// The kinds of the records about it.
    kinds: Vec<&'static str>,
    /// Its publisher's records, of which there is one of each kind.
    records: OwnRecords,
    /// The withdrawal that it falls with: of all of it, or of a record that carries it.
    withdrawn_by: Option<u64>,
    licence: Option<String>,
    /// What it is made for.
    task: Option<String>,
    /// The first words of its card.
    summary: Option<String>,
    /// How many files it has.
    files: Option<u64>,
    /// How many bytes these are.
    bytes: Option<u64>,
    parameters: Option<u64>,
    /// The format of its weights.
    format: Option<String>,
    /// Whether a digest of its files may be another file's too.
    weak: Option<bool>,
    /// How many evaluations there are of it, by anybody.
    evaluations: u64,
}

/// Where a release's own records stand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OwnRecords {
    model_card: Option<OwnRecord>,
    weights: Option<OwnRecord>,
    training_config: Option<OwnRecord>,
    api_version: Option<OwnRecord>,
}

/// A record of a release's own publisher.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OwnRecord {
    index: u64,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
}

/// A number from the catalogue, which has none below 0.
pub(super) fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl OwnRecord {
    fn of(own: Own) -> Option<Self> {
        Some(Self {
            index: number(own.record?),
            withdrawn_by: own.withdrawn_by.map(number),
        })
    }
}

impl ReleaseFacts {
    pub(super) fn of(release: &Release) -> Self {
        Self {
            name: release.name.clone(),
            model: release.model.clone(),
            publisher: release.publisher.clone(),
            first_index: number(release.id),
            accepted_at: release.accepted_ms.and_then(rfc3339_of_ms),
            kinds: release.kinds().into_iter().map(Kind::name).collect(),
            records: OwnRecords {
                model_card: OwnRecord::of(release.card),
                weights: OwnRecord::of(release.weights),
                training_config: OwnRecord::of(release.config),
                api_version: OwnRecord::of(release.api),
            },
            withdrawn_by: release.fallen_by.map(number),
            licence: release.licence.clone(),
            task: release.task.clone(),
            summary: release.summary.clone(),
            files: release.files.map(number),
            bytes: release.bytes.map(number),
            parameters: release.parameters.map(number),
            format: release.format.clone(),
            weak: release.is_weak.map(|weak| weak != 0),
            evaluations: number(release.evaluations),
        }
    }
}
