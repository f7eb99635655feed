//! What was claimed to answer behind APIs, and when.

use super::Conditions;
use crate::calendar::Day;
use crate::catalogue::Catalogue;
use crate::catalogue::sql::{Columns, Row};
use crate::storage::StorageError;

/// What a publisher says to answer behind an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// The record that says so.
    pub record: i64,
    /// The API version's name.
    pub name: String,
    /// The part of it before the `@`.
    pub model: String,
    /// Whose it is.
    pub publisher: String,
    /// Who runs the API.
    pub provider: String,
    /// Its base URL.
    pub endpoint: String,
    /// The model as clients name it.
    pub model_id: String,
    /// Whether that may be pointed at something else later.
    pub is_alias: Option<bool>,
    /// The release that answers; none where that is not disclosed.
    pub behind: Option<String>,
    /// Since when, as the record has it.
    pub valid_from: String,
    /// Until when, by the record or by the one that took its place; none while no end is known.
    pub valid_until: Option<String>,
    /// Where that end is from.
    pub until: Until,
    /// The API version that it says to take the place of.
    pub replaces: Option<String>,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<i64>,
}

/// Where an end is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// The record says so.
    Stated,
    /// This API version says to take its place, from then on.
    Replaced(String),
    /// There is none.
    Open,
}

/// Which API versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersionFilter {
    /// Of this publisher.
    pub publisher: Option<String>,
    /// With this name before the `@`.
    pub model: Option<String>,
    /// That clients name like this.
    pub model_id: Option<String>,
    /// That releases of this model answer behind.
    pub behind_model: Option<String>,
    /// That were claimed to answer at some time of this day.
    pub at: Option<Day>,
    /// Whether those that were withdrawn are asked for too.
    pub with_withdrawn: bool,
}

/// The ends are looked up with the rows: by the record, or by the first that replaces it and was not withdrawn.
const API_VERSION: &str = "SELECT it.record, it.name, it.model, it.publisher, it.provider, it.endpoint, it.model_id, it.is_alias,
    it.behind, it.valid_from, it.valid_until, it.replaces, it.withdrawn_by,
    next.name, next.valid_from
    FROM api_version AS it LEFT JOIN api_version AS next ON next.record = (
        SELECT other.record FROM api_version AS other
        WHERE other.replaces = it.name AND other.publisher = it.publisher AND other.withdrawn_by IS NULL
          AND other.valid_from_s > it.valid_from_s
        ORDER BY other.valid_from_s, other.record LIMIT 1)";

fn api_version_of(row: &Row) -> Result<ApiVersion, StorageError> {
    let mut columns = Columns::of(row);
    let mut found = ApiVersion {
        record: columns.next()?,
        name: columns.next()?,
        model: columns.next()?,
        publisher: columns.next()?,
        provider: columns.next()?,
        endpoint: columns.next()?,
        model_id: columns.next()?,
        is_alias: columns.next::<Option<i64>>()?.map(|it| it != 0),
        behind: columns.next()?,
        valid_from: columns.next()?,
        valid_until: columns.next()?,
        until: Until::Stated,
        replaces: columns.next()?,
        withdrawn_by: columns.next()?,
    };
    if found.valid_until.is_none() {
        let (name, from): (Option<String>, Option<String>) = (columns.next()?, columns.next()?);
        found.until = name.map_or(Until::Open, Until::Replaced);
        found.valid_until = from;
    }
    Ok(found)
}

impl ApiVersionFilter {
    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        for (condition, value) in [
            ("it.publisher = ?", &self.publisher),
            ("it.model = ?", &self.model),
            ("it.model_id = ?", &self.model_id),
            ("it.behind_model = ?", &self.behind_model),
        ] {
            conditions.add_if(condition, value.as_deref());
        }
        if !self.with_withdrawn {
            conditions.add("it.withdrawn_by IS NULL", []);
        }
        if let Some(day) = self.at {
            let end = day.next().map_or(i64::MAX, Day::begins_s);
            conditions.add("it.valid_from_s < ?", [end.into()]);
            conditions.add(
                "coalesce(it.valid_until_s, next.valid_from_s, ?) > ?",
                [i64::MAX.into(), day.begins_s().into()],
            );
        }
        conditions
    }
}

impl Catalogue {
    /// API versions by when they begin, from the one behind the record `after` on.
    pub async fn api_versions(
        &self,
        filter: &ApiVersionFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ApiVersion>, StorageError> {
        let mut conditions = filter.conditions();
        if let Some(after) = after {
            conditions.add(
                "(it.valid_from_s, it.record) > (
                    (SELECT valid_from_s FROM api_version WHERE record = ?), CAST(? AS BIGINT))",
                [after.into(), after.into()],
            );
        }
        let limit = conditions.value(i64::from(limit));
        let select = format!(
            "{API_VERSION}{} ORDER BY it.valid_from_s, it.record LIMIT {limit}",
            conditions.to_where()
        );
        let rows = self.pool.rows(select, conditions.values).await?;
        rows.iter().map(api_version_of).collect()
    }

    /// What answers as this release, if it is a version of an API.
    pub async fn api_version(&self, name: &str) -> Result<Option<ApiVersion>, StorageError> {
        let select = format!("{API_VERSION} WHERE it.name = $1");
        let row = self.pool.row(select, vec![name.into()]).await?;
        row.as_ref().map(api_version_of).transpose()
    }
}
