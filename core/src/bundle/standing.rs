//! What became of a release: which of its records were withdrawn, and by whom.
//!
//! Reads nothing but verified records, so that a bundle and the log are judged alike. What a withdrawal
//! covers is as `schemas/withdrawal.schema.json` says.

use super::LoggedRecord;
use crate::merkle::LeafIndex;
use crate::record::kinds::{Scope, Withdrawal};
use crate::record::{Kind, Predicate, ReleaseName, Statement};

/// A withdrawal, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Withdrawn<'a> {
    /// The entry of the withdrawal.
    pub by: LeafIndex,
    /// What it says.
    pub withdrawal: &'a Withdrawal,
}

/// The withdrawal that covers `logged`, if one of `records` does; of several, the first.
pub fn withdrawn<'a>(logged: &LoggedRecord, records: &'a [LoggedRecord]) -> Option<Withdrawn<'a>> {
    let statement = logged.record.statement();
    withdrawals(records).find_map(|(by, it, withdrawal)| {
        let covers = it.publisher() == statement.publisher()
            && it.release() == statement.release()
            && by > logged.index
            && match withdrawal.scope {
                Scope::Record => it.subject.sha256 == statement.digest,
                Scope::Release => true,
            };
        covers.then_some(Withdrawn { by, withdrawal })
    })
}

/// The withdrawal of the whole release by its publisher, if one of `records` is that.
pub fn release_withdrawn<'a>(
    release: &ReleaseName,
    records: &'a [LoggedRecord],
) -> Option<Withdrawn<'a>> {
    withdrawals(records).find_map(|(by, it, withdrawal)| {
        let all = withdrawal.scope == Scope::Release
            && it.release() == Some(release)
            && it.publisher() == release.publisher();
        all.then_some(Withdrawn { by, withdrawal })
    })
}

/// The withdrawal that a release falls with, if it does: its own, or else that of a record that it is carried by.
pub fn release_fallen<'a>(
    release: &ReleaseName,
    records: &'a [LoggedRecord],
) -> Option<Withdrawn<'a>> {
    let is_about = |it: &&LoggedRecord| it.record.statement().release() == Some(release);
    let fallen_with =
        |it: &'a LoggedRecord| withdrawn(it, records).filter(|_| is_carried_by(it, records));
    release_withdrawn(release, records)
        .or_else(|| records.iter().filter(is_about).find_map(fallen_with))
}

/// Whether a release falls with `logged`, a record about it: with its weights and its card it does, with the rest of what
/// its publisher says it is only where neither of those is left.
pub fn is_carried_by(logged: &LoggedRecord, records: &[LoggedRecord]) -> bool {
    let statement = logged.record.statement();
    match statement.kind() {
        Kind::Weights | Kind::ModelCard => true,
        Kind::TrainingConfig | Kind::ApiVersion => !records.iter().any(|other| {
            let it = other.record.statement();
            matches!(it.kind(), Kind::Weights | Kind::ModelCard)
                && it.release() == statement.release()
                && withdrawn(other, records).is_none()
        }),
        Kind::Publisher | Kind::Evaluation | Kind::Withdrawal => false,
    }
}

fn withdrawals(
    records: &[LoggedRecord],
) -> impl Iterator<Item = (LeafIndex, &Statement, &Withdrawal)> {
    records.iter().filter_map(|logged| {
        let statement = logged.record.statement();
        match &statement.predicate {
            Predicate::Withdrawal(withdrawal) => Some((logged.index, statement, withdrawal)),
            _ => None,
        }
    })
}
