//! Who tried what was claimed of a release, and did not find it.
//!
//! It changes nothing about whether the records hold; whoever relies on the release wants to know it all the same.

use candor_core::bundle::{LoggedRecord, withdrawn};
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::Outcome;
use candor_core::record::{Predicate, PublisherName, ReleaseName};
use serde_json::json;

use super::report::Report;
use crate::bundle_maker::{BundleMakerError, Others};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::replay::Replay;

/// How many are told. The log lists all.
const TOLD_MAX: usize = 5;

/// Those among verified records of a release.
pub(super) fn judge(records: &[LoggedRecord], report: &mut Report) {
    let failed = records
        .iter()
        .filter(|it| is_failure(it) && withdrawn(it, records).is_none());
    let failed: Vec<_> = failed.collect();
    for logged in failed.iter().take(TOLD_MAX) {
        tell(logged, "", report);
    }
    if failed.len() > TOLD_MAX {
        report.remarks.push(format!(
            "{} more of its records say so, too",
            failed.len() - TOLD_MAX
        ));
    }
}

/// Those that the log lists, and that did not come along with the release. Each that is told is proven to be in the log
/// and signed; that none was left out, only the log's entries show.
pub(super) fn look(
    release: &ReleaseName,
    others: Others,
    client: &LogClient,
    memory: &Memory,
    report: &mut Report,
) -> Result<(), CliError> {
    let came_along = others.taken == others.listed && !others.is_more;
    if came_along || client.has_all_entries() {
        return Ok(());
    }
    match find(release, client, memory, report) {
        Ok(()) => Ok(()),
        Err(error) if Exit::of_error(&error) == Exit::Refuted => Err(error),
        Err(error) => {
            report.not_checked.push(format!(
                "whether somebody did not find what was claimed, among what did not come along: {error}"
            ));
            Ok(())
        }
    }
}

fn find(
    release: &ReleaseName,
    client: &LogClient,
    memory: &Memory,
    report: &mut Report,
) -> Result<(), CliError> {
    let known: Vec<LeafIndex> = report.logged.iter().map(|it| it.index).collect();
    let mut listed: Vec<LeafIndex> = client.failures(release)?;
    listed.sort_unstable();
    listed.dedup();
    listed.retain(|index| !known.contains(index));
    if listed.is_empty() {
        return Ok(());
    }
    let (checkpoint, _) = memory.fetch(client)?;
    for index in listed.iter().take(TOLD_MAX) {
        let (entry, _) = client.listed_entry(*index, &checkpoint)?;
        let logged = Replay::default().check_alone(client, &checkpoint, &entry)?;
        let statement = logged.record.statement();
        if !is_failure(&logged) || statement.release() != Some(release) {
            return Err(BundleMakerError::OtherRecord {
                index: *index,
                publisher: statement.publisher().clone(),
                release: release.clone(),
            }
            .into());
        }
        tell(&logged, "; that it was not withdrawn, the log says", report);
    }
    if listed.len() > TOLD_MAX {
        report.remarks.push(format!(
            "the log lists {} more records that say so, or over",
            listed.len() - TOLD_MAX
        ));
    }
    Ok(())
}

fn is_failure(logged: &LoggedRecord) -> bool {
    matches!(
        &logged.record.statement().predicate,
        Predicate::Evaluation(it) if it.outcome == Outcome::FailedToReproduce
    )
}

fn tell(logged: &LoggedRecord, but: &str, report: &mut Report) {
    let author: &PublisherName = logged.record.statement().publisher();
    let index = logged.index;
    report.remarks.push(format!(
        "NOT REPRODUCED: {author} tried what was claimed, and did not find it (entry {index}: `candor show {index}`){but}"
    ));
    let told = report.more.entry("notReproduced");
    if let Some(told) = told.or_insert_with(|| json!([])).as_array_mut() {
        told.push(json!({ "author": author, "index": index }));
    }
}
