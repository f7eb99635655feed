//! What was measured, by whom, and whether they agree.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use super::Conditions;
use candor_core::record::kinds::Outcome;

use crate::catalogue::Catalogue;
use crate::catalogue::sql::{Columns, Row};
use crate::storage::StorageError;

/// How many results of a release are compared at most, the newest ones first: so many of its publisher, and so many of
/// others, so that neither side can publish the other's out of sight.
pub const COMPARED_MAX: u32 = 10_000;

/// Of how many values of a model the tasks are looked for that were measured most often, the newest ones first.
const LOOKED_AT_MAX: i64 = 20_000;

/// How many standard errors of their difference two values may be apart and still agree: some 95 of 100 honest pairs
/// are no further apart than 1.96.
const AGREE_WITHIN: f64 = 1.96;

/// One number, and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The record that it is in.
    pub record: i64,
    /// Its place among that record's results.
    pub n: i64,
    /// What was evaluated.
    pub release: String,
    /// Its model.
    pub model: String,
    /// Who evaluated.
    pub author: String,
    /// Whether that is somebody else than the release's publisher.
    pub by_others: bool,
    /// The harness's name for what was asked.
    pub task: String,
    /// The harness's name for what was measured.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// Over how many samples.
    pub samples: Option<i64>,
    /// After how many examples in the prompt.
    pub few_shot: Option<i64>,
    /// The program that asked and judged.
    pub harness: String,
    /// Which version of it.
    pub harness_version: Option<String>,
    /// What the record says of an earlier claim.
    pub outcome: String,
    /// When it ran, as its author says.
    pub date: Option<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: Option<i64>,
    /// The withdrawal that it fell to.
    pub withdrawn_by: Option<i64>,
}

/// Which numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluationFilter {
    /// Of this release.
    pub release: Option<String>,
    /// Of any release of this model.
    pub model: Option<String>,
    /// On this task.
    pub task: Option<String>,
    /// By this metric.
    pub metric: Option<String>,
    /// By this author.
    pub author: Option<String>,
    /// By others than the release's publisher, or by that one alone.
    pub by_others: Option<bool>,
    /// With this outcome, among those of a release.
    pub outcome: Option<Outcome>,
    /// Whether those that were withdrawn are asked for too.
    pub with_withdrawn: bool,
}

/// A number's place among all: by record, and within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationPlace {
    /// The record.
    pub record: i64,
    /// The place in it.
    pub n: i64,
}

impl EvaluationPlace {
    /// As it stands in the address of the next page.
    pub fn to_cursor(self) -> String {
        format!("{}.{}", self.record, self.n)
    }
}

impl FromStr for EvaluationPlace {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let rule = "it is taken from the address of the next page as it is";
        let (record, n) = text.split_once('.').ok_or(rule)?;
        Ok(Self {
            record: record.parse().ok().filter(|it| *it >= 0).ok_or(rule)?,
            n: n.parse().ok().filter(|it| *it >= 0).ok_or(rule)?,
        })
    }
}

/// What is compared: the same thing, measured by several.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// After how many examples in the prompt.
    pub few_shot: Option<i64>,
    /// By author: the newest value of each that was not withdrawn, the publisher's own first.
    pub values: Vec<Evaluation>,
    /// Whether they agree.
    pub agreement: Agreement,
}

/// All that was measured of a release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// By task, metric and number of examples.
    pub measured: Vec<Measured>,
    /// Whether there is more than was compared.
    pub is_cut: bool,
}

/// Whether values agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// There is one.
    Alone,
    /// All pairs are within 1.96 standard errors of their difference of each other.
    Agree,
    /// Some are further apart.
    Differ,
    /// They are not the same, and not all say how sure they are.
    Unknown,
}

impl Agreement {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Agree => "agree",
            Self::Differ => "differ",
            Self::Unknown => "unknown",
        }
    }

    /// Of values of one thing.
    fn of(values: &[Evaluation]) -> Self {
        let pairs = values.iter().enumerate().flat_map(|(n, one)| {
            values[n + 1..]
                .iter()
                .map(move |other| Self::of_two(one, other))
        });
        // The worst of all pairs: one that differs decides.
        pairs
            .max_by_key(|it| match it {
                Self::Alone => 0,
                Self::Agree => 1,
                Self::Unknown => 2,
                Self::Differ => 3,
            })
            .unwrap_or(Self::Alone)
    }

    fn of_two(one: &Evaluation, other: &Evaluation) -> Self {
        let apart = (one.value - other.value).abs();
        match (one.standard_error, other.standard_error) {
            (Some(a), Some(b)) if apart <= AGREE_WITHIN * a.hypot(b) => Self::Agree,
            (Some(_), Some(_)) => Self::Differ,
            _ if apart == 0.0 => Self::Agree,
            _ => Self::Unknown,
        }
    }
}

const EVALUATION: &str = "record, n, release, model, author, by_others, task, metric, value, standard_error, samples, few_shot, harness, harness_version, outcome, date, accepted_ms, withdrawn_by";

fn evaluation_of(row: &Row) -> Result<Evaluation, StorageError> {
    let mut columns = Columns::of(row);
    Ok(Evaluation {
        record: columns.next()?,
        n: columns.next()?,
        release: columns.next()?,
        model: columns.next()?,
        author: columns.next()?,
        by_others: columns.next::<i64>()? != 0,
        task: columns.next()?,
        metric: columns.next()?,
        value: columns.next()?,
        standard_error: columns.next()?,
        samples: columns.next()?,
        few_shot: columns.next()?,
        harness: columns.next()?,
        harness_version: columns.next()?,
        outcome: columns.next()?,
        date: columns.next()?,
        accepted_ms: columns.next()?,
        withdrawn_by: columns.next()?,
    })
}

impl EvaluationFilter {
    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        for (condition, value) in [
            ("release = ?", &self.release),
            ("model = ?", &self.model),
            ("task = ?", &self.task),
            ("metric = ?", &self.metric),
            ("author = ?", &self.author),
        ] {
            conditions.add_if(condition, value.as_deref());
        }
        conditions.add_if("by_others = ?", self.by_others.map(i64::from));
        conditions.add_if("outcome = ?", self.outcome.map(Outcome::name));
        if !self.with_withdrawn {
            conditions.add("withdrawn_by IS NULL", []);
        }
        conditions
    }
}

impl Catalogue {
    /// Numbers, oldest first, from the one behind `after` on.
    pub async fn evaluations(
        &self,
        filter: &EvaluationFilter,
        after: Option<EvaluationPlace>,
        limit: u32,
    ) -> Result<Vec<Evaluation>, StorageError> {
        let mut conditions = filter.conditions();
        if let Some(after) = after {
            conditions.add(
                "(record, n) > (?, ?)",
                [after.record.into(), after.n.into()],
            );
        }
        let limit = conditions.value(i64::from(limit));
        let select = format!(
            "SELECT {EVALUATION} FROM evaluation{} ORDER BY record, n LIMIT {limit}",
            conditions.to_where()
        );
        let rows = self.pool.rows(select, conditions.values).await?;
        rows.iter().map(evaluation_of).collect()
    }

    /// All that was measured of a release, put together by what was measured.
    pub async fn measurement(&self, release: &str) -> Result<Measurement, StorageError> {
        let mut is_cut = false;
        let mut found: BTreeMap<(String, String, Option<i64>), Vec<Evaluation>> = BTreeMap::new();
        for by_others in [0_i64, 1] {
            let select = format!(
                "SELECT {EVALUATION} FROM evaluation
                 WHERE release = $1 AND by_others = $2 AND withdrawn_by IS NULL
                 ORDER BY record DESC, n DESC LIMIT $3"
            );
            let limit = i64::from(COMPARED_MAX + 1);
            let values = vec![release.into(), by_others.into(), limit.into()];
            let rows = self.pool.rows(select, values).await?;
            is_cut |= rows.len() > COMPARED_MAX as usize;
            let mut seen = HashSet::new();
            for row in rows.iter().take(COMPARED_MAX as usize) {
                let it = evaluation_of(row)?;
                let key = (it.task.clone(), it.metric.clone(), it.few_shot);
                // The newest of each author comes first.
                if seen.insert((key.clone(), it.author.clone())) {
                    found.entry(key).or_default().push(it);
                }
            }
        }
        let measured = found
            .into_iter()
            .map(|((task, metric, few_shot), mut values)| {
                values.sort_by_key(|it| (it.by_others, it.record));
                Measured {
                    agreement: Agreement::of(&values),
                    task,
                    metric,
                    few_shot,
                    values,
                }
            });
        Ok(Measurement {
            measured: measured.collect(),
            is_cut,
        })
    }

    /// The tasks and metrics that a model's releases were measured by, most often first, with how many values: of the
    /// newest 20,000.
    pub async fn measured_of_model(
        &self,
        model: &str,
        limit: u32,
    ) -> Result<Vec<(String, String, i64)>, StorageError> {
        let rows = self
            .pool
            .rows(
                "SELECT task, metric, count(*) FROM (
                    SELECT task, metric, author, by_others FROM evaluation
                    WHERE model = $1 AND withdrawn_by IS NULL ORDER BY record DESC, n DESC LIMIT $3
                 ) AS newest
                 GROUP BY task, metric
                 ORDER BY count(DISTINCT author) DESC, count(*) DESC, max(by_others) DESC, task, metric LIMIT $2",
                vec![
                    model.into(),
                    i64::from(limit).into(),
                    LOOKED_AT_MAX.into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.at(0)?, row.at(1)?, row.at(2)?)))
            .collect()
    }
}
