//! Where things stand in the log: records, the releases that a folder is, and the release that came after one.
//!
//! Always: the order is the log's, which it signed. When that was, it only says; that it left no release out of its lists,
//! too.

use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ReleaseName};
use serde_json::{Value, json};

use super::report::Report;
use crate::api::RecordView;
use crate::bundle_maker::BundleMakerError;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::replay::parse;

/// A record, and where it stands.
pub(super) struct Logged {
    pub(super) kind: Kind,
    pub(super) index: LeafIndex,
    /// When the log says that it accepted it (RFC 3339), which nothing proves.
    pub(super) accepted_at: Option<String>,
}

/// A release that is the same files.
pub(super) struct FoundRelease {
    pub(super) release: ReleaseName,
    /// Where its weights record stands.
    pub(super) index: LeafIndex,
    /// The withdrawal of it or of its weights: proven of the publisher who came first, and of others the log's word.
    pub(super) withdrawn_by: Option<LeafIndex>,
}

/// A release that came later than another of its model.
pub(super) struct Superseded {
    pub(super) by: ReleaseName,
    /// Where its first record stands.
    pub(super) index: LeafIndex,
}

/// Looks for the newest release of the same model by its publisher that still stands. That there is a newer one takes
/// nothing from this one, so a log that does not say is no reason for another verdict; one that says what is not so is.
pub(super) fn look_for_newer(
    release: &ReleaseName,
    client: &LogClient,
    memory: &Memory,
    report: &mut Report,
) -> Result<(), CliError> {
    // By its entries, which were proven, and not by what the log says of the release.
    let own = report.logged.iter().map(|it| it.index).min();
    match newer(release, own, client, memory) {
        Ok(superseded) => report.superseded = superseded,
        Err(error) if Exit::of_error(&error) == Exit::Refuted => return Err(error),
        Err(error) => report.not_checked.push(format!(
            "whether there is a newer release of {}: {error}",
            release.model()
        )),
    }
    Ok(())
}

fn newer(
    release: &ReleaseName,
    own: Option<LeafIndex>,
    client: &LogClient,
    memory: &Memory,
) -> Result<Option<Superseded>, CliError> {
    let Some(own) = own else {
        return Ok(None);
    };
    let releases = client.model(release.model())?.releases;
    // Anybody may evaluate a version that nobody released.
    let later = releases.iter().filter(|row| {
        row.first_index > own
            && row.withdrawn_by.is_none()
            && row.name.model() == release.model()
            && row.kinds.iter().any(|kind| kind.is_once_per_release())
    });
    let Some(newest) = later.max_by_key(|row| row.first_index) else {
        return Ok(None);
    };
    let by = newest.name.clone();
    let publisher = by.publisher();
    let rows = client.records_by(&by, publisher)?;
    let is_of_it = |row: &&RecordView| row.kind.is_once_per_release();
    let first = rows.iter().filter(is_of_it).min_by_key(|row| row.index);
    let Some(first) = first.filter(|first| first.index > own) else {
        return Ok(None);
    };
    let (checkpoint, _) = memory.fetch(client)?;
    let (entry, _) = client.listed_entry(first.index, &checkpoint)?;
    let record = parse(&entry)?;
    let statement = record.statement();
    if statement.release() != Some(&by) || statement.publisher() != publisher {
        return Err(BundleMakerError::OtherRecord {
            index: first.index,
            publisher: publisher.clone(),
            release: by,
        }
        .into());
    }
    let index = first.index;
    Ok(Some(Superseded { by, index }))
}

impl Logged {
    pub(super) fn to_json(&self) -> Value {
        json!({ "kind": self.kind, "index": self.index, "acceptedAt": self.accepted_at })
    }
}

/// Where records stand, and when that was: a log signs its order, and no times.
pub(super) fn logged_words(logged: &[Logged]) -> Option<String> {
    let indexes: Vec<_> = logged.iter().map(|it| it.index.to_string()).collect();
    let word = match indexes.len() {
        0 => return None,
        1 => "as entry",
        _ => "as entries",
    };
    let mut times: Vec<_> = logged.iter().map(|it| it.accepted_at.as_deref()).collect();
    times.sort_unstable();
    times.dedup();
    let when = match times.as_slice() {
        [None] => "the log's order; no time is proven".to_owned(),
        [Some(at)] => format!("accepted {at}, as the log says, which nothing proves"),
        [first, .., last] => format!(
            "accepted between {} and {}, as the log says, which nothing proves",
            first.unwrap_or("a time that it does not say"),
            last.unwrap_or_default()
        ),
        [] => return None,
    };
    Some(format!("{word} {}: {when}", indexes.join(", ")))
}

impl FoundRelease {
    pub(super) fn to_json(&self) -> Value {
        json!({ "release": self.release, "index": self.index, "withdrawnBy": self.withdrawn_by })
    }
}

impl Superseded {
    pub(super) fn words(&self) -> String {
        format!(
            "by {}, which came later into the log (entry {})",
            self.by, self.index
        )
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "release": self.by, "index": self.index })
    }
}
