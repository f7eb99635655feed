//! How the log grows, and what is in it.

use std::collections::BTreeMap;

use candor_core::record::Kind;

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
    /// How many models: of what has a name, all but the following.
    pub models: i64,
    /// How many of the names are of APIs alone.
    pub apis: i64,
    /// How many of the names have a card alone, which names no task: as data sets have.
    pub cards: i64,
    /// How many releases.
    pub releases: i64,
    /// Whether there is more than was counted, or more names than were looked at for what they are.
    pub is_cut: bool,
}

/// How many rows of a table are counted.
const COUNTED_MAX: i64 = 1_000_000;

/// How many names are looked at for what they are, the newest ones first.
const LOOKED_AT_MAX: i64 = 20_000;

/// How many days of growth are read for each kind of record: more than a century, by the server's own clock.
const DAYS_MAX: i64 = 40_000;

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

    /// The first records that are left out because they could not be read; at most `limit`.
    pub(in crate::catalogue) async fn unread(&self, limit: u32) -> Result<Vec<i64>, StorageError> {
        let select = "SELECT record FROM left_out WHERE is_unread = 1 ORDER BY record LIMIT $1";
        let rows = self
            .pool
            .rows(select, vec![i64::from(limit).into()])
            .await?;
        rows.iter().map(|row| row.at(0)).collect()
    }

    /// Counts. `growth` has a row for each day and kind, and publishers, models and releases are counted as they are.
    pub async fn statistics(&self) -> Result<Statistics, StorageError> {
        let mut found = Statistics::default();
        let select = "SELECT day, kind, records FROM growth ORDER BY day, kind LIMIT $1";
        let days_max = DAYS_MAX * i64::try_from(Kind::ALL.len()).unwrap_or(1);
        let mut days: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
        for row in self.pool.rows(select, vec![days_max.into()]).await? {
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
        let mut names = 0;
        for (table, count) in [
            ("publisher", &mut found.publishers),
            ("model", &mut names),
            ("release", &mut found.releases),
        ] {
            let select = format!(
                "SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {COUNTED_MAX}) AS counted"
            );
            if let Some(row) = self.pool.row(select, Vec::new()).await? {
                *count = row.at(0)?;
            }
            found.is_cut |= *count == COUNTED_MAX;
        }
        found.is_cut |= names > LOOKED_AT_MAX;
        // By their newest release: what it has says what it is.
        let select = format!(
            "SELECT what, count(*) FROM (
                SELECT CASE WHEN it.weights IS NOT NULL OR it.config IS NOT NULL OR it.task IS NOT NULL THEN 'model'
                    WHEN it.api IS NOT NULL THEN 'api' WHEN it.card IS NOT NULL THEN 'card' ELSE 'model' END AS what
                FROM (SELECT newest FROM model ORDER BY newest DESC LIMIT {LOOKED_AT_MAX}) AS recent
                JOIN release AS it ON it.id = recent.newest
             ) AS named GROUP BY what"
        );
        for row in self.pool.rows(select, Vec::new()).await? {
            let (what, count): (String, i64) = (row.at(0)?, row.at(1)?);
            match what.as_str() {
                "api" => found.apis = count,
                "card" => found.cards = count,
                _ => {}
            }
        }
        found.models = names - found.apis - found.cards;
        Ok(found)
    }
}
