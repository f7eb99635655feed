//! A release's records: from a bundle or from the log.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::bundle::{
    LoggedRecord, VerifiedBundle, is_carried_by, release_withdrawn, withdrawn,
};
use candor_core::merkle::TreeSize;
use candor_core::record::kinds::Strength;
use candor_core::record::{Predicate, PublisherName, PublisherState};

use super::failures;
use super::places::Logged;
use super::report::{Doubt, Finding, Report, Signer};
use crate::bundle_maker::Others;
use crate::cli::page;
use crate::cli::text::{algorithms, counted};
use crate::log_client::LogClient;

/// Where a release comes from.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// A file, without asking anybody.
    Bundle,
    /// The log, as it is now, with what it lists of others.
    Log(Others),
    /// The log's files, with what its entries say of others: all of them were read.
    Entries(Others),
}

impl From {
    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Log(_) => "log",
            Self::Entries(_) => "entries",
        }
    }

    /// What was asked of `client`, and is answered.
    pub(super) fn log(client: &LogClient, others: Others) -> Self {
        if client.has_all_entries() {
            Self::Entries(others)
        } else {
            Self::Log(others)
        }
    }
}

/// What the records of a release come to. The bundle has been verified; this says what that means.
pub(super) fn judge(bundle: &VerifiedBundle, from: From, report: &mut Report) {
    let records = page::records_about(&bundle.release, &bundle.records);
    let entries: Vec<_> = records
        .iter()
        .map(|logged| logged.index.to_string())
        .collect();
    report.checked.push(format!(
        "{} of {} {} in the log, at {}, and signed by those who had to",
        counted(records.len() as u64, "record", "records"),
        bundle.release,
        if records.len() == 1 { "is" } else { "are" },
        entries_words(&entries)
    ));
    report.signers = signers(&records, &bundle.records);
    let logged = records.iter().map(|logged| Logged {
        kind: logged.record.statement().kind(),
        index: logged.index,
        accepted_at: None,
    });
    report.logged = logged.collect();
    report.checkpoint = Some((*bundle.checkpoint).clone());
    report.source = Some(from.name());
    if let Some((index, weights)) = bundle
        .weights()
        .filter(|(_, it)| it.strength == Strength::Weak)
    {
        let only = match weights.algorithms.as_slice() {
            [] => "of some files only git's digests".to_owned(),
            weak => format!("only digests by {}", algorithms(weak)),
        };
        report.remarks.push(format!(
            "the weights record (entry {index}) has {only}, which are weak: a file that has them may be another one"
        ));
    }
    judge_standing(bundle, &records, report);
    judge_subject(bundle, &records, from, report);
    failures::judge(&records, report);
    let size = bundle.checkpoint.head.size;
    match from {
        From::Bundle => report.not_checked.push(format!(
            "whether anything was withdrawn, or a key taken off its list: whoever made the bundle may have left it out, and it has nothing that came after the checkpoint's {size} entries; `candor verify {}` asks the log",
            bundle.release
        )),
        From::Log(others) | From::Entries(others) => {
            judge_lists(matches!(from, From::Entries(_)), size, report);
            report
                .not_checked
                .extend(page::others_words(&others, &bundle.release));
        }
    }
    if records.iter().any(|logged| {
        matches!(
            logged.record.statement().predicate,
            Predicate::Evaluation(_)
        )
    }) {
        report.not_checked.push(
            "whether the evaluations' values are right: they are what their authors measured"
                .to_owned(),
        );
    }
}

/// Says that the records were all that was looked at.
pub(super) fn leave_files_open(bundle: &VerifiedBundle, report: &mut Report) {
    if let Some((_, weights)) = bundle.weights() {
        report.not_checked.push(format!(
            "whether any copy of {} is as listed: `candor verify FOLDER --as {}` reads one",
            counted(weights.files, "file", "files"),
            bundle.release
        ));
    }
}

/// What its own publisher says the release is, which is what makes it one; and whether the evaluations are about that.
fn judge_subject(
    bundle: &VerifiedBundle,
    records: &[LoggedRecord],
    from: From,
    report: &mut Report,
) {
    let release = &bundle.release;
    let statements = || records.iter().map(|logged| logged.record.statement());
    let said: Vec<Sha256> = statements()
        .filter(|statement| statement.kind().is_once_per_release())
        .map(|statement| statement.subject.sha256)
        .collect();
    if said.is_empty() {
        report.doubts.push(Doubt {
            words: format!(
                "no record by {} says what {release} is: others may say of any name what they like",
                release.publisher()
            ),
            hint: match from {
                From::Bundle => format!(
                    "ask the log for all of it: `candor verify {release}`; or ask {} for a bundle",
                    release.publisher()
                ),
                From::Log(_) | From::Entries(_) => {
                    format!("ask {} to publish what it is", release.publisher())
                }
            },
            is_of_weak_digests: false,
        });
    }
    let of_something_else: Vec<String> = records
        .iter()
        .filter(|logged| {
            let statement = logged.record.statement();
            matches!(statement.predicate, Predicate::Evaluation(_))
                && !said.contains(&statement.subject.sha256)
        })
        .map(|logged| logged.index.to_string())
        .collect();
    if !of_something_else.is_empty() {
        report.not_checked.push(format!(
            "what was evaluated in {}: no record here says that {release} has that content",
            entries_words(&of_something_else)
        ));
    }
}

/// `entry 1`, `entries 1, 2`.
fn entries_words(indexes: &[String]) -> String {
    let word = if indexes.len() == 1 {
        "entry"
    } else {
        "entries"
    };
    format!("{word} {}", indexes.join(", "))
}

/// Withdrawals: of the release or of a record that it falls with, they refute; others are remarks.
fn judge_standing(bundle: &VerifiedBundle, records: &[LoggedRecord], report: &mut Report) {
    if let Some(it) = release_withdrawn(&bundle.release, records) {
        let words = format!("{} is {}", bundle.release, page::withdrawn_words(&it));
        report.findings.push(Finding::Withdrawn {
            words,
            by: it.by,
            part: None,
        });
        return;
    }
    for logged in records {
        let Some(it) = withdrawn(logged, records) else {
            continue;
        };
        let (kind, index) = (logged.record.statement().kind(), logged.index);
        let words = format!("{kind} (entry {index}) is {}", page::withdrawn_words(&it));
        if is_carried_by(logged, records) {
            report.findings.push(Finding::Withdrawn {
                words,
                by: it.by,
                part: Some(format!("{kind} record (entry {index})")),
            });
        } else {
            report.remarks.push(words);
        }
    }
}

/// Which keys signed which of `records`, and whether `all` show that they count no longer.
pub(super) fn signers(records: &[LoggedRecord], all: &[LoggedRecord]) -> Vec<Signer> {
    let mut states: BTreeMap<PublisherName, PublisherState> = BTreeMap::new();
    for logged in all {
        let name = logged.record.statement().publisher();
        if let Some(state) = PublisherState::after(states.get(name), &logged.record, logged.index) {
            states.insert(name.clone(), state);
        }
    }
    let mut signers: Vec<Signer> = Vec::new();
    for logged in records {
        let statement = logged.record.statement();
        let publisher = statement.publisher();
        for key in logged.record.signed_by() {
            let what = (statement.kind().to_string(), logged.index);
            let known = signers
                .iter_mut()
                .find(|it| it.keyid == key.keyid() && it.publisher == *publisher);
            if let Some(known) = known {
                known.records.push(what);
                continue;
            }
            let retired = states
                .get(publisher)
                .into_iter()
                .flat_map(|state| &state.retired);
            signers.push(Signer {
                publisher: publisher.clone(),
                keyid: key.keyid(),
                records: vec![what],
                retired_by: retired.filter(|it| it.key == *key).map(|it| it.at).next(),
                checked: true,
            });
        }
    }
    signers
}

/// Whether what was looked at is all that there is: a log's lists can leave records out, its entries can't.
pub(super) fn judge_lists(from_entries: bool, size: TreeSize, report: &mut Report) {
    if from_entries {
        let words = format!(
            "all {size} entries of the log were read, so that no list can leave records out"
        );
        report.checked.push(words);
    } else {
        report.not_checked.push(
            "whether the log's lists leave records out: `candor log` walks through all entries"
                .to_owned(),
        );
    }
}
