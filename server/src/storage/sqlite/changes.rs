//! Writing what records change in the views.
//!
//! Always: a name has one row, at the first record about it. All other rows have that record's index instead of it,
//! so that their indexes grow where the last ones are, and not all over.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use candor_core::record::Kind;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::digests::{Digests, Key};
use super::insert::Table;
use super::{json_list, publishers};
use crate::storage::StorageError;
use crate::storage::rows::to_db;
use crate::views::{Effect, ViewChange};

/// The indexes that stand for the names of publishers and releases: those of the first records about them.
pub(super) struct Subjects<'a> {
    publishers: HashMap<&'a str, i64>,
    releases: HashMap<&'a str, i64>,
    new_releases: Vec<(Key, u64)>,
}

impl<'a> Subjects<'a> {
    /// Of all that `views` name, some of which have their first record there.
    pub(super) async fn of(
        connection: &mut SqliteConnection,
        digests: &Digests,
        views: &'a [ViewChange],
    ) -> Result<Self, StorageError> {
        let releases = || views.iter().filter(|view| view.release.is_some());
        let candidates = digests.candidates(releases().map(|view| Key::of_name(&view.subject)));
        let publishers: HashSet<&str> = views.iter().map(|view| view.publisher.as_str()).collect();
        let known_publishers = sqlx::query(
            "SELECT name, first_idx FROM publisher WHERE name IN (SELECT value FROM json_each(?1))",
        )
        .bind(json_list(publishers.into_iter()))
        .fetch_all(&mut *connection)
        .await?;
        let known_publishers = first_indexes(&known_publishers)?;
        let known_releases = match candidates.find(connection).await? {
            None => HashMap::new(),
            Some(entries) => {
                let rows = sqlx::query(
                    "SELECT name, first_idx FROM release
                     WHERE first_idx IN (SELECT value FROM json_each(?1))",
                )
                .bind(entries)
                .fetch_all(connection)
                .await?;
                first_indexes(&rows)?
            }
        };
        let mut subjects = Self {
            publishers: HashMap::new(),
            releases: HashMap::new(),
            new_releases: Vec::new(),
        };
        for view in views {
            let here = to_db(view.index.get())?;
            let name = view.publisher.as_str();
            let first = known_publishers.get(name).copied().unwrap_or(here);
            subjects.publishers.entry(name).or_insert(first);
            if view.release.is_none() {
                continue;
            }
            let name = view.subject.as_str();
            if let Entry::Vacant(place) = subjects.releases.entry(name) {
                let known = known_releases.get(name).copied();
                place.insert(known.unwrap_or(here));
                if known.is_none() {
                    let key = Key::of_name(name);
                    subjects.new_releases.push((key, view.index.get()));
                }
            }
        }
        Ok(subjects)
    }

    /// Names of releases that were not there before, and their first records.
    pub(super) fn new_releases(&self) -> impl Iterator<Item = (Key, u64)> {
        self.new_releases.iter().copied()
    }

    fn publisher(&self, view: &ViewChange) -> i64 {
        self.publishers[view.publisher.as_str()]
    }

    fn subject(&self, view: &ViewChange) -> i64 {
        match view.release {
            Some(_) => self.releases[view.subject.as_str()],
            None => self.publishers[view.subject.as_str()],
        }
    }
}

/// By name, from rows of both.
fn first_indexes(rows: &[SqliteRow]) -> Result<HashMap<String, i64>, StorageError> {
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

const RECORDS: Table = Table::new("record (idx, kind, publisher, subject, subject_sha256)");
const RELEASES: Table = Table::new("release (first_idx, name, model)");

/// Writes what records change, in their order.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    views: &[ViewChange],
    subjects: &Subjects<'_>,
) -> Result<(), StorageError> {
    let mut rows = with_db_indexes(views)?;
    let insert = RECORDS.insert(connection, &rows, |row, (index, view)| {
        row.bind(index)
            .bind(view.kind.name())
            .bind(subjects.publisher(view))
            .bind(subjects.subject(view))
            .bind(view.subject_sha256.as_bytes().as_slice())
    });
    insert.await?;
    rows.retain(|(index, view)| view.release.is_some() && subjects.subject(view) == *index);
    let insert = RELEASES.insert(connection, &rows, |row, (index, view)| {
        let release = view.release.as_ref().expect("the others were left out");
        row.bind(index)
            .bind(&view.subject)
            .bind(release.model().to_string())
    });
    insert.await?;
    for view in views {
        apply_effect(connection, view, subjects).await?;
    }
    Ok(())
}

fn with_db_indexes(views: &[ViewChange]) -> Result<Vec<(i64, &ViewChange)>, StorageError> {
    views
        .iter()
        .map(|view| Ok((to_db(view.index.get())?, view)))
        .collect()
}

async fn apply_effect(
    connection: &mut SqliteConnection,
    view: &ViewChange,
    subjects: &Subjects<'_>,
) -> Result<(), StorageError> {
    match &view.effect {
        Effect::None => {}
        Effect::Publisher {
            display_name,
            url,
            state,
        } => {
            let first = subjects.publisher(view);
            let url = url.as_deref();
            publishers::upsert(connection, view.index, first, display_name, url, state).await?;
        }
        Effect::WithdrawRecord { target } => {
            sqlx::query(
                "UPDATE record SET withdrawn_by = ?1 WHERE idx = ?2 AND withdrawn_by IS NULL",
            )
            .bind(to_db(view.index.get())?)
            .bind(to_db(target.get())?)
            .execute(&mut *connection)
            .await?;
        }
        Effect::WithdrawRelease => {
            withdraw_release(connection, view, subjects).await?;
        }
    }
    Ok(())
}

async fn withdraw_release(
    connection: &mut SqliteConnection,
    view: &ViewChange,
    subjects: &Subjects<'_>,
) -> Result<(), StorageError> {
    let (index, release) = (to_db(view.index.get())?, subjects.subject(view));
    sqlx::query(
        "UPDATE release SET withdrawn_by = ?1 WHERE first_idx = ?2 AND withdrawn_by IS NULL",
    )
    .bind(index)
    .bind(release)
    .execute(&mut *connection)
    .await?;
    // Later records of the same batch have their rows already, and are not withdrawn by this. Kind by kind, so
    // that what others say of the release is not even read.
    let kinds = Kind::ALL.into_iter();
    for kind in kinds.filter(|kind| !matches!(kind, Kind::Publisher | Kind::Withdrawal)) {
        let update = format!(
            "UPDATE record SET withdrawn_by = ?1
             WHERE subject = ?2 AND publisher = ?3 AND kind = '{kind}' AND withdrawn_by IS NULL AND idx < ?1"
        );
        sqlx::query(AssertSqlSafe(update))
            .bind(index)
            .bind(release)
            .bind(subjects.publisher(view))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
