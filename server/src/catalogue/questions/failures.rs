//! Who tried what was claimed of a release, and did not find it.

use crate::catalogue::Catalogue;
use crate::catalogue::sql::Columns;
use crate::storage::StorageError;

/// What such a record is, in the words of the index that finds it: a row for each record, and not for each value in it.
pub(super) const FAILED: &str =
    "outcome = 'failed-to-reproduce' AND n = 0 AND withdrawn_by IS NULL";

/// How many authors are counted. Anybody may register, and say so.
const AUTHORS_MAX: usize = 1_000;

/// An author who did not find what was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who tried.
    pub author: String,
    /// The newest record of theirs that says so and was not withdrawn.
    pub record: i64,
    /// The first.
    pub first: i64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// One for each author, those who said so first first. Of more than a thousand, the first by name.
    pub of_authors: Vec<Failure>,
    /// Whether there are more authors than were counted.
    pub is_more: bool,
}

impl Catalogue {
    /// Who did not find what was claimed of a release. What else was measured of it, and how often, takes nobody off the
    /// list: each step goes to the next author in the index, over all records of the one before.
    pub async fn failures(&self, release: &str) -> Result<Failures, StorageError> {
        let select = format!(
            "WITH RECURSIVE who (author) AS (
                SELECT min(author) FROM evaluation WHERE release = $1 AND {FAILED}
                UNION ALL
                SELECT (SELECT min(it.author) FROM evaluation AS it
                        WHERE it.release = $1 AND {FAILED} AND it.author > who.author)
                FROM who WHERE who.author IS NOT NULL
             )
             SELECT who.author,
                (SELECT max(it.record) FROM evaluation AS it
                 WHERE it.release = $1 AND {FAILED} AND it.author = who.author),
                (SELECT min(it.record) FROM evaluation AS it
                 WHERE it.release = $1 AND {FAILED} AND it.author = who.author)
             FROM who WHERE who.author IS NOT NULL LIMIT $2"
        );
        let limit = i64::try_from(AUTHORS_MAX + 1).unwrap_or(i64::MAX);
        let rows = self
            .pool
            .rows(select, vec![release.into(), limit.into()])
            .await?;
        let is_more = rows.len() > AUTHORS_MAX;
        let mut of_authors = Vec::with_capacity(rows.len());
        for row in rows.iter().take(AUTHORS_MAX) {
            let mut columns = Columns::of(row);
            of_authors.push(Failure {
                author: columns.next()?,
                record: columns.next()?,
                first: columns.next()?,
            });
        }
        of_authors.sort_by_key(|it| it.first);
        Ok(Failures {
            of_authors,
            is_more,
        })
    }
}
