//! How the log grows, and what is in it.

use std::collections::BTreeMap;

use crate::calendar::Day;
use crate::catalogue::Catalogue;
use crate::storage::StorageError;

/// What is in the log, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records by kind.
    pub kinds: BTreeMap<String, i64>,
    /// Day by day, oldest first.
    pub growth: Vec<Growth>,
    /// How many publishers there are.
    pub publishers: i64,
    /// How many models.
    pub models: i64,
    /// How many releases.
    pub releases: i64,
}

/// What came in on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// By the server's clock; none for records whose time nobody knows.
    pub day: Option<Day>,
    /// How many records.
    pub records: i64,
    /// Records by kind.
    pub kinds: BTreeMap<String, i64>,
    /// How many there were at the end of it.
    pub total: i64,
}

impl Catalogue {
    /// The newest records that are not in the catalogue, and why; at most `limit`.
    pub async fn left_out(&self, limit: u32) -> Result<Vec<(i64, String)>, StorageError> {
        let select = "SELECT record, why FROM left_out ORDER BY record DESC LIMIT $1";
        let rows = self
            .pool
            .rows(select, vec![i64::from(limit).into()])
            .await?;
        rows.iter()
            .map(|row| Ok((row.at(0)?, row.at(1)?)))
            .collect()
    }

    /// Counts. `growth` has a row for each day and kind, and publishers, models and releases are counted as they are.
    pub async fn statistics(&self) -> Result<Statistics, StorageError> {
        let mut found = Statistics::default();
        let select = "SELECT day, kind, records FROM growth ORDER BY day, kind";
        let mut days: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
        for row in self.pool.rows(select, Vec::new()).await? {
            let (day, kind, records): (i64, String, i64) = (row.at(0)?, row.at(1)?, row.at(2)?);
            *found.kinds.entry(kind.clone()).or_default() += records;
            days.entry(day).or_default().insert(kind, records);
        }
        let mut total = 0;
        for (day, kinds) in days {
            let records: i64 = kinds.values().sum();
            total += records;
            found.growth.push(Growth {
                day: Day::of_number(day),
                records,
                kinds,
                total,
            });
        }
        let counts = "SELECT (SELECT count(*) FROM publisher), (SELECT count(*) FROM model), (SELECT count(*) FROM release)";
        if let Some(row) = self.pool.row(counts, Vec::new()).await? {
            (found.publishers, found.models, found.releases) = (row.at(0)?, row.at(1)?, row.at(2)?);
        }
        Ok(found)
    }
}
