//! Rows of the catalogue, as they are read, changed and written back.

use candor_core::record::Kind;

use super::sql::{Columns, Row, Value};
use crate::storage::StorageError;

/// A publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Where it was registered.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What people call it, by its newest record.
    pub display_name: String,
    /// Its home page, by the same.
    pub url: Option<String>,
    /// Its newest `publisher` record.
    pub record: i64,
    /// How many records it signed.
    pub records: i64,
    /// How many releases it has.
    pub releases: i64,
    pub(super) name_skeleton: String,
    pub(super) display_skeleton: String,
    /// The record since which it is called something with that skeleton.
    pub(super) display_since: i64,
}

/// A publisher as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherSeen {
    /// The publisher.
    pub publisher: Publisher,
    /// One that its names could be taken for, and that had such a name before it.
    pub looks_like: Option<String>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The first record about one of its releases.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its publisher's.
    pub publisher: String,
    /// How many releases it has.
    pub releases: i64,
    /// The newest: the one whose first record was logged last.
    pub newest: i64,
}

/// A record of a release's own publisher, of a kind that it has once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Where it stands.
    pub record: Option<i64>,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<i64>,
}

impl Own {
    /// Whether it is there and was not withdrawn.
    pub fn stands(self) -> bool {
        self.record.is_some() && self.withdrawn_by.is_none()
    }
}

/// A release, or a version of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The first record about it.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its model's.
    pub model: String,
    /// Its publisher's.
    pub publisher: String,
    /// When that record was accepted, in milliseconds since 1970, where somebody knows.
    pub accepted_ms: Option<i64>,
    /// The kinds of the records about it, as bits.
    pub(super) kinds: i64,
    /// Its card.
    pub card: Own,
    /// Its weights.
    pub weights: Own,
    /// Its training config.
    pub config: Own,
    /// What answers as it, if it is a version of an API.
    pub api: Own,
    /// The withdrawal of all of it, by its publisher.
    pub withdrawn_by: Option<i64>,
    /// The withdrawal that it falls with.
    pub fallen_by: Option<i64>,
    /// Its licence.
    pub licence: Option<String>,
    /// What it is made for.
    pub task: Option<String>,
    /// Its card's first words.
    pub summary: Option<String>,
    /// How many files it has.
    pub files: Option<i64>,
    /// How many bytes these are.
    pub bytes: Option<i64>,
    /// How many parameters it has.
    pub parameters: Option<i64>,
    /// Its weights' format.
    pub format: Option<String>,
    /// Whether its files' digests are weak.
    pub is_weak: Option<i64>,
    /// How many evaluations there are of it.
    pub evaluations: i64,
}

/// The bit of a kind.
fn bit(kind: Kind) -> i64 {
    let place = Kind::ALL.iter().position(|it| *it == kind);
    1 << place.expect("all kinds are in the list of all kinds")
}

impl Release {
    /// The kinds of the records about it.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Kind::ALL.to_vec();
        kinds.retain(|kind| self.kinds & bit(*kind) != 0);
        kinds
    }

    /// Notes a record of this kind, and returns whether it is the first.
    pub(super) fn add_kind(&mut self, kind: Kind) -> bool {
        let is_new = self.kinds & bit(kind) == 0;
        self.kinds |= bit(kind);
        is_new
    }

    /// Its publisher's record of this kind.
    pub(super) fn own(&mut self, kind: Kind) -> Option<&mut Own> {
        match kind {
            Kind::ModelCard => Some(&mut self.card),
            Kind::Weights => Some(&mut self.weights),
            Kind::TrainingConfig => Some(&mut self.config),
            Kind::ApiVersion => Some(&mut self.api),
            Kind::Publisher | Kind::Evaluation | Kind::Withdrawal => None,
        }
    }

    /// The withdrawal that the release falls with: as [`candor_core::bundle::release_fallen`] says, of what is here.
    pub(super) fn fallen(&self) -> Option<i64> {
        let is_carried = self.card.stands() || self.weights.stands();
        let carrying = [
            (self.card, true),
            (self.weights, true),
            (self.config, !is_carried),
            (self.api, !is_carried),
        ];
        let fell = |(own, carries): &(Own, bool)| own.withdrawn_by.filter(|_| *carries);
        self.withdrawn_by
            .or_else(|| carrying.iter().filter_map(fell).min())
    }
}

pub(super) const PUBLISHER: &str = "id, name, display_name, url, record, records, releases, name_skeleton, display_skeleton, display_since";

/// Behind [`PUBLISHER`]: whom it could be taken for. Who had a name first counts, and not who was there first: whoever
/// takes up another's name later is the one that looks like somebody, and nobody else can be made to.
pub(super) const LOOKS_LIKE: &str = "COALESCE(
    (SELECT name FROM publisher other WHERE other.name_skeleton = publisher.name_skeleton
        AND other.id < publisher.id ORDER BY other.id LIMIT 1),
    (SELECT name FROM publisher other WHERE other.display_skeleton = publisher.name_skeleton
        AND other.display_since < publisher.id ORDER BY other.display_since LIMIT 1),
    (SELECT name FROM publisher other WHERE other.name_skeleton = publisher.display_skeleton
        AND other.id < publisher.display_since ORDER BY other.id LIMIT 1),
    (SELECT name FROM publisher other WHERE other.display_skeleton = publisher.display_skeleton
        AND other.display_since < publisher.display_since ORDER BY other.display_since LIMIT 1))";

pub(super) fn publisher_seen_of(row: &Row) -> Result<PublisherSeen, StorageError> {
    let mut columns = Columns::of(row);
    Ok(PublisherSeen {
        publisher: publisher_at(&mut columns)?,
        looks_like: columns.next()?,
    })
}

pub(super) fn publisher_of(row: &Row) -> Result<Publisher, StorageError> {
    publisher_at(&mut Columns::of(row))
}

fn publisher_at(columns: &mut Columns<'_>) -> Result<Publisher, StorageError> {
    Ok(Publisher {
        id: columns.next()?,
        name: columns.next()?,
        display_name: columns.next()?,
        url: columns.next()?,
        record: columns.next()?,
        records: columns.next()?,
        releases: columns.next()?,
        name_skeleton: columns.next()?,
        display_skeleton: columns.next()?,
        display_since: columns.next()?,
    })
}

pub(super) fn publisher_values(it: Publisher) -> Vec<Value> {
    vec![
        it.id.into(),
        it.name.into(),
        it.display_name.into(),
        it.url.into(),
        it.record.into(),
        it.records.into(),
        it.releases.into(),
        it.name_skeleton.into(),
        it.display_skeleton.into(),
        it.display_since.into(),
    ]
}

pub(super) const MODEL: &str = "id, name, publisher, releases, newest";

pub(super) fn model_of(row: &Row) -> Result<Model, StorageError> {
    let mut columns = Columns::of(row);
    Ok(Model {
        id: columns.next()?,
        name: columns.next()?,
        publisher: columns.next()?,
        releases: columns.next()?,
        newest: columns.next()?,
    })
}

pub(super) fn model_values(it: Model) -> Vec<Value> {
    vec![
        it.id.into(),
        it.name.into(),
        it.publisher.into(),
        it.releases.into(),
        it.newest.into(),
    ]
}

pub(super) const RELEASE: &str = "id, name, model, publisher, accepted_ms, kinds, card, card_withdrawn_by, weights, weights_withdrawn_by, config, config_withdrawn_by, api, api_withdrawn_by, withdrawn_by, fallen_by, licence, task, summary, files, bytes, parameters, format, is_weak, evaluations";

pub(super) fn release_of(row: &Row) -> Result<Release, StorageError> {
    let mut columns = Columns::of(row);
    release_at(&mut columns)
}

pub(super) fn release_at(columns: &mut Columns<'_>) -> Result<Release, StorageError> {
    let own = |columns: &mut Columns<'_>| -> Result<Own, StorageError> {
        Ok(Own {
            record: columns.next()?,
            withdrawn_by: columns.next()?,
        })
    };
    Ok(Release {
        id: columns.next()?,
        name: columns.next()?,
        model: columns.next()?,
        publisher: columns.next()?,
        accepted_ms: columns.next()?,
        kinds: columns.next()?,
        card: own(columns)?,
        weights: own(columns)?,
        config: own(columns)?,
        api: own(columns)?,
        withdrawn_by: columns.next()?,
        fallen_by: columns.next()?,
        licence: columns.next()?,
        task: columns.next()?,
        summary: columns.next()?,
        files: columns.next()?,
        bytes: columns.next()?,
        parameters: columns.next()?,
        format: columns.next()?,
        is_weak: columns.next()?,
        evaluations: columns.next()?,
    })
}

pub(super) fn release_values(it: Release) -> Vec<Value> {
    let mut values: Vec<Value> = vec![
        it.id.into(),
        it.name.into(),
        it.model.into(),
        it.publisher.into(),
        it.accepted_ms.into(),
        it.kinds.into(),
    ];
    for own in [it.card, it.weights, it.config, it.api] {
        values.push(own.record.into());
        values.push(own.withdrawn_by.into());
    }
    values.extend::<[Value; 11]>([
        it.withdrawn_by.into(),
        it.fallen_by.into(),
        it.licence.into(),
        it.task.into(),
        it.summary.into(),
        it.files.into(),
        it.bytes.into(),
        it.parameters.into(),
        it.format.into(),
        it.is_weak.into(),
        it.evaluations.into(),
    ]);
    values
}
