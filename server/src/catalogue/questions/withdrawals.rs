//! What was taken back, and why.

use super::Conditions;
use crate::catalogue::Catalogue;
use crate::catalogue::sql::Columns;
use crate::storage::StorageError;

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The record that it is.
    pub record: i64,
    /// Who withdrew.
    pub author: String,
    /// The release that it is about.
    pub release: String,
    /// The record that is withdrawn; none where all of the release is.
    pub target: Option<i64>,
    /// `record` or `release`.
    pub scope: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in its author's words.
    pub explanation: String,
    /// What to use instead.
    pub replacement: Option<String>,
}

/// Which withdrawals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithdrawalFilter {
    /// By this author.
    pub author: Option<String>,
    /// About this release.
    pub release: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
}

impl Catalogue {
    /// Withdrawals, newest first, from the one before the record `before` on.
    pub async fn withdrawals(
        &self,
        filter: &WithdrawalFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Withdrawal>, StorageError> {
        let mut conditions = Conditions::default();
        for (condition, value) in [
            ("author = ?", &filter.author),
            ("release = ?", &filter.release),
            ("reason = ?", &filter.reason),
        ] {
            conditions.add_if(condition, value.as_deref());
        }
        conditions.add_if("record < ?", before);
        let limit = conditions.value(i64::from(limit));
        let select = format!(
            "SELECT record, author, release, target, scope, reason, explanation, replacement
             FROM withdrawal{} ORDER BY record DESC LIMIT {limit}",
            conditions.to_where()
        );
        let rows = self.pool.rows(select, conditions.values).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                Ok(Withdrawal {
                    record: columns.next()?,
                    author: columns.next()?,
                    release: columns.next()?,
                    target: columns.next()?,
                    scope: columns.next()?,
                    reason: columns.next()?,
                    explanation: columns.next()?,
                    replacement: columns.next()?,
                })
            })
            .collect()
    }
}
