//! What a catalogue is asked, a file for each subject. Every question has an index that leads to its answer in the
//! order of the answer, and a bound on how much it reads.

mod api_versions;
mod evaluations;
mod failures;
mod files;
mod lineage;
mod models;
mod search;
mod statistics;
mod withdrawals;

pub use api_versions::{ApiVersion, ApiVersionFilter, Until};
pub use evaluations::{
    Agreement, COMPARED_MAX, Evaluation, EvaluationFilter, EvaluationPlace, Measured, Measurement,
};
pub use failures::{Failure, Failures};
pub use files::{FileHolder, FilePlace};
pub use lineage::{Direction, Edge, LINEAGE_DEPTH_MAX, Lineage, LineageLimit, Node};
pub use models::ModelOrder;
pub use search::{Hit, HitOf, HitPlace, Search};
pub use statistics::{Growth, Statistics};
pub use withdrawals::{Withdrawal, WithdrawalFilter};

use std::fmt::Write as _;

use super::sql::Value;

/// The conditions of a question, and the values that they need.
#[derive(Default)]
struct Conditions {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds `condition`, in which each `?` stands for the next of `values`.
    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let mut parts = condition.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, value) in parts.zip(values) {
            self.values.push(value);
            write!(text, "${}{part}", self.values.len()).expect("text takes what is written to it");
        }
        self.conditions.push(text);
    }

    /// Adds a condition if there is a value for it.
    fn add_if(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(condition, [value.into()]);
        }
    }

    /// A placeholder for one more value.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// ` WHERE …`, if there is anything.
    fn to_where(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        }
    }
}
