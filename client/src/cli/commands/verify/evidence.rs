//! An evidence file: whether the log signed two histories.

use std::path::Path;

use candor_core::note::LogKey;

use super::report::{Doubt, Finding, Report};
use crate::cli::error::CliError;
use crate::cli::files;
use crate::log_client::SignedCheckpoint;
use crate::memory::{EVIDENCE_BYTES_MAX, Evidence, EvidenceVerdict};

/// Judges it by the log's two signatures and the proof in it, and by nothing that it says of itself.
pub(super) fn judge(path: &Path, key: &LogKey) -> Result<Report, CliError> {
    let none = |error| CliError::Evidence {
        path: path.to_owned(),
        error,
    };
    let evidence = Evidence::parse(&files::read(path, EVIDENCE_BYTES_MAX)?).map_err(none)?;
    let judged = evidence.judge(key).map_err(none)?;
    let mut report = Report::new(format!("the log {}", key.origin()));
    let words = |checkpoint: &SignedCheckpoint| {
        format!(
            "a tree of {} entries with root {}",
            checkpoint.size(),
            checkpoint.head().root
        )
    };
    report.checked = [&judged.seen, &judged.shown]
        .map(|checkpoint| format!("the log signed {}", words(checkpoint)))
        .to_vec();
    let (smaller, larger) = if judged.seen.size() < judged.shown.size() {
        (&judged.seen, &judged.shown)
    } else {
        (&judged.shown, &judged.seen)
    };
    match judged.verdict {
        EvidenceVerdict::TwoRoots => report.findings.push(Finding::Fork {
            words: format!("it signed two different trees of {} entries", larger.size()),
        }),
        EvidenceVerdict::OtherBeginning {
            root_in_larger_tree,
        } => report.findings.push(Finding::Fork {
            words: format!(
                "its tree of {} entries does not begin with its tree of {}: the first {} entries there have the root {root_in_larger_tree}",
                larger.size(),
                smaller.size(),
                smaller.size()
            ),
        }),
        EvidenceVerdict::Open => {
            report.doubts.push(Doubt {
                words: "both trees may be of one history: nothing in the file shows that they are not"
                    .to_owned(),
                hint: "ask the log again, with `candor checkpoint`; if it goes on, send the file to its operator and a witness"
                    .to_owned(),
                is_of_weak_digests: false,
            });
        }
    }
    Ok(report)
}
