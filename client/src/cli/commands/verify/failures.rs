//! Who tried what was claimed of a release, and did not find it.
//!
//! It changes nothing about whether the records hold; whoever relies on the release wants to know it all the same.

use std::collections::BTreeSet;

use candor_core::bundle::{LoggedRecord, withdrawn};
use candor_core::record::kinds::Outcome;
use candor_core::record::{Predicate, PublisherName, ReleaseName};
use serde_json::{Value, json};

use super::report::Report;
use crate::bundle_maker::{BundleMakerError, Others};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::replay::Replay;

/// How many authors are told, of those in a bundle and of those beside it. The log lists all.
const TOLD_MAX: usize = 5;

/// Those among verified records of a release: the first record of each author, so that nobody's many hide another's.
pub(super) fn judge(records: &[LoggedRecord], report: &mut Report) {
    let mut authors = BTreeSet::new();
    let failed: Vec<_> = records
        .iter()
        .filter(|it| is_failure(it) && withdrawn(it, records).is_none())
        .filter(|it| authors.insert(it.record.statement().publisher()))
        .collect();
    for logged in failed.iter().take(TOLD_MAX) {
        tell(logged, "", report);
    }
    if failed.len() > TOLD_MAX {
        let more = failed.len() - TOLD_MAX;
        let remark = format!("{more} more publishers say so in its records");
        report.remarks.push(remark);
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
    let found = client.failures(release)?;
    let mut listed = found.not_reproduced;
    let told = report.more.get("notReproduced").and_then(Value::as_array);
    let told: BTreeSet<&str> = (told.into_iter().flatten())
        .filter_map(|it| it["author"].as_str())
        .collect();
    listed.retain(|it| !told.contains(it.author.as_str()));
    if !listed.is_empty() {
        let (checkpoint, _) = memory.fetch(client)?;
        for it in listed.iter().take(TOLD_MAX) {
            let (entry, _) = client.listed_entry(it.index, &checkpoint)?;
            let logged = Replay::default().check_alone(client, &checkpoint, &entry)?;
            let statement = logged.record.statement();
            let is_theirs = statement.publisher() == &it.author;
            if !is_failure(&logged) || !is_theirs || statement.release() != Some(release) {
                return Err(BundleMakerError::OtherRecord {
                    index: it.index,
                    publisher: statement.publisher().clone(),
                    release: release.clone(),
                }
                .into());
            }
            tell(&logged, "; that it was not withdrawn, the log says", report);
        }
    }
    let more = listed.len().saturating_sub(TOLD_MAX);
    if more > 0 || found.more_not_reproduced {
        let over = if found.more_not_reproduced {
            " and over"
        } else {
            ""
        };
        report.remarks.push(format!(
            "the log lists {more}{over} more publishers who say so: see {release} on its pages"
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
        "NOT REPRODUCED: {author} says that it tried what was claimed, and did not find it (entry {index}: `candor show {index}`){but}"
    ));
    let told = report.more.entry("notReproduced");
    if let Some(told) = told.or_insert_with(|| json!([])).as_array_mut() {
        told.push(json!({ "author": author, "index": index }));
    }
}
