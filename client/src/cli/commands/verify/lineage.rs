//! What a release was made from, as far as it bears on a verdict; and an adapter's base, verified along with it.
//!
//! ```text
//! records of the release and its ancestors ──► Lineage ──► edges: checked, or findings; withdrawn ancestors: remarks
//! adapter ──adapter-for──► record of the base ◄── the base's bundle ──► the base's folder, in the same report
//! ```
//!
//! A withdrawn ancestor refutes nothing: these are still the bits that were signed. It is said where nobody misses it, and
//! in the JSON, for whoever makes it a rule that no ancestor may be withdrawn.

use std::path::Path;

use candor_core::Verified;
use candor_core::bundle::VerifiedBundle;
use candor_core::record::Predicate;
use candor_core::record::kinds::{ParentRecord, Relation};
use candor_core::record::lineage::FoundRecord;
use serde_json::json;

use super::folder::{self, How};
use super::policy::{self, Basis};
use super::release::{self, From};
use super::report::{Doubt, Finding, Report};
use super::{compare_offline, read_bundle, target_words};
use crate::bundle_maker::{Ancestors, Wanted, make_bundle};
use crate::cli::Session;
use crate::cli::args::VerifyArgs;
use crate::cli::error::CliError;
use crate::cli::page::lineage::{edge_words, lineage_gist_json, open_parents, withdrawn_ancestors};
use crate::cli::text::counted;
use crate::lineage::{Lineage, State};
use crate::log_client::SignedCheckpoint;

/// What the records say of the release's ancestors. `ancestors` is what became of those that the log was asked for.
pub(super) fn judge(bundle: &VerifiedBundle, ancestors: Option<&Ancestors>, report: &mut Report) {
    let lineage = Lineage::of(bundle, ancestors, usize::MAX);
    report.lineage = lineage_gist_json(&lineage);
    let of = |is: fn(&State) -> bool| {
        let edges = lineage.edges.iter();
        edges.filter(|edge| is(&edge.state)).collect::<Vec<_>>()
    };
    let checked = of(|state| *state == State::Checked).len();
    if checked > 0 {
        let edges = counted(checked as u64, "parent is", "parents are");
        report.checked.push(format!(
            "{edges} in the log, of the release itself and of its ancestors, as the records name them"
        ));
    }
    for edge in of(|state| matches!(state, State::Refuted(_))) {
        let words = edge_words(&lineage, edge);
        report.findings.push(Finding::Broken { words });
    }
    report.not_checked.extend(open_parents(&lineage));
    let withdrawn = withdrawn_ancestors(&lineage);
    report.remarks.extend(withdrawn.iter().cloned());
    report.warnings.extend(withdrawn);
}

/// Holds the folder that `--base` names against the release that this one is an adapter for. What was found of the adapter
/// stands, whatever becomes of that.
pub(super) fn judge_base(
    adapter: Basis<'_>,
    args: &VerifyArgs,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    match try_base(adapter, args, session, report) {
        Err(error) if !report.findings.is_empty() => {
            report.not_checked.push(format!("the base: {error}"));
            Ok(())
        }
        judged => judged,
    }
}

fn try_base(
    of_adapter: Basis<'_>,
    args: &VerifyArgs,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    let Some(folder) = &args.base else {
        return Ok(());
    };
    let adapter = of_adapter.bundle;
    let (base, checkpoint, from) = if let Some(path) = &args.base_bundle {
        let bundle = read_bundle(path, session)?;
        compare_offline(&bundle.checkpoint, session, report)?;
        (bundle.verified, bundle.checkpoint.text, From::Bundle)
    } else {
        let Some(parent) = the_base(adapter, report) else {
            return Ok(());
        };
        let client = session.settings.client()?;
        let wanted = Wanted::own(&parent.release);
        let made = make_bundle(&client, &session.settings.memory()?, &wanted)?;
        let from = From::log(&client, made.others);
        (made.verified, made.bundle.checkpoint, from)
    };
    let of_base = Basis {
        bundle: &base,
        checkpoint: &checkpoint,
        from,
        files: policy::Files::Looked,
    };
    judge_history([of_adapter, of_base], session, report)?;
    let Some(parent) = named_base(adapter, &base, args.base_bundle.as_deref(), report) else {
        return Ok(());
    };
    let mut of_base = Report::new(target_words(folder, &base.release));
    of_base.checked.push(format!(
        "entry {} is the record that {} names as its base",
        parent.index, adapter.release
    ));
    release::judge(&base, from, &mut of_base);
    let how = How::new(args, args.base_bundle.as_deref(), None);
    folder::judge(&base, folder, how, session, &mut of_base)?;
    report.base = json!({
        "target": of_base.target,
        "release": parent.release,
        "index": parent.index,
        "statement": parent.statement,
        "verdict": of_base.exit().verdict(),
        "exit": of_base.exit().code(),
    });
    take_in(of_base, folder, &base, report);
    Ok(())
}

/// Holds the checkpoints of an adapter and of its base against each other: a log that shows each of them in a history of its
/// own signed two. What was asked of the log was held against what was seen of it, so that two such checkpoints are of one.
fn judge_history(
    both: [Basis<'_>; 2],
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    let is_offline = |it: &Basis<'_>| matches!(it.from, From::Bundle);
    let client = match both.iter().filter(|it| is_offline(it)).count() {
        0 => return Ok(()),
        1 => Some(session.settings.client()?),
        _ => None,
    };
    let key = session.settings.log_key()?;
    let [one, other] = both.map(|it| {
        let signed = SignedCheckpoint::verify(it.checkpoint.to_owned(), &key);
        signed.expect("it was verified with what it is the checkpoint of")
    });
    let both = [&one, &other];
    let is_told = match session.settings.memory() {
        Ok(memory) => memory.compare_two(&key, client.as_ref(), both)?,
        // Without a place for evidence, that there are two roots is all that can be said.
        Err(_) if both[0].size() != both[1].size() => false,
        Err(_) => {
            if both[0].head() != both[1].head() {
                report.findings.push(Finding::Fork {
                    words: format!(
                        "the log signed two different trees of {} entries, one for the adapter and one for its base",
                        both[0].size()
                    ),
                });
            }
            true
        }
    };
    if !is_told {
        report.not_checked.push(format!(
            "whether the checkpoints of {} and of {} entries, of the adapter and of its base, are of one history",
            both[0].size(),
            both[1].size()
        ));
    }
    Ok(())
}

/// The releases that this one says to be an adapter for.
fn bases(adapter: &VerifiedBundle) -> Vec<&ParentRecord> {
    let parents = adapter
        .weights()
        .map_or(&[][..], |(_, weights)| &weights.parents);
    let bases = parents.iter();
    bases
        .filter(|it| it.relation == Relation::AdapterFor)
        .collect()
}

/// The one release that this one is an adapter for; a doubt, if it names none or several.
fn the_base<'a>(adapter: &'a VerifiedBundle, report: &mut Report) -> Option<&'a ParentRecord> {
    let release = &adapter.release;
    let bases = bases(adapter);
    let (words, hint) = match bases.as_slice() {
        [base] => return Some(base),
        [] => (
            format!("{release} names no release that it is an adapter for, so nothing says which base goes with it"),
            "leave out `--base`; who publishes an adapter names its base, with `candor release --parent adapter-for:RELEASE`".to_owned(),
        ),
        several => {
            let names: Vec<_> = several.iter().map(|it| it.release.to_string()).collect();
            (
                format!("{release} is an adapter for several releases: {}", names.join(", ")),
                "name the bundle of the one that the folder is, with `--base-bundle FILE`".to_owned(),
            )
        }
    };
    report.doubts.push(Doubt {
        words,
        hint,
        is_of_weak_digests: false,
    });
    None
}

/// The base that the adapter names and whose records these are. Otherwise they are of something else, which is found, or
/// don't have the record that is named, which leaves it open.
fn named_base<'a>(
    adapter: &'a VerifiedBundle,
    base: &Verified<VerifiedBundle>,
    bundle: Option<&Path>,
    report: &mut Report,
) -> Option<&'a ParentRecord> {
    let bases = bases(adapter);
    if bases.is_empty() {
        return the_base(adapter, report);
    }
    let Some(parent) = bases.iter().find(|it| it.release == base.release).copied() else {
        let names: Vec<_> = bases.iter().map(|it| it.release.to_string()).collect();
        report.findings.push(Finding::Broken {
            words: format!(
                "{} is of {}, and {} is an adapter for {}",
                bundle.map_or_else(|| "the base".to_owned(), |it| it.display().to_string()),
                base.release,
                adapter.release,
                names.join(", ")
            ),
        });
        return None;
    };
    let Some(logged) = base.records.iter().find(|it| it.index == parent.index) else {
        report.doubts.push(Doubt {
            words: format!(
                "entry {}, which {} names as its base, is not among the records of {}",
                parent.index, adapter.release, base.release
            ),
            hint: format!(
                "get the base's bundle again, or ask the log: `candor lineage {}`",
                adapter.release
            ),
            is_of_weak_digests: false,
        });
        return None;
    };
    let child = adapter.weights().map(|(index, _)| index)?;
    let found = FoundRecord::of(logged.index, logged.record.statement());
    if let Err(error) = parent.check(child, &found) {
        let words = format!("the base of {}: {error}", adapter.release);
        report.findings.push(Finding::Broken { words });
        return None;
    }
    if !matches!(logged.record.statement().predicate, Predicate::Weights(_)) {
        report.remarks.push(format!(
            "{} names its base by a {} record; which files the base is, the base's own weights record says",
            adapter.release, found.kind
        ));
    }
    Some(parent)
}

/// Takes what was found of the base into the adapter's report.
fn take_in(base: Report, folder: &Path, bundle: &VerifiedBundle, report: &mut Report) {
    let of_base = |words: String| format!("base: {words}");
    let at = |path: String| format!("{}/{path}", folder.display());
    report.checked.extend(base.checked.into_iter().map(of_base));
    report.remarks.extend(base.remarks.into_iter().map(of_base));
    report
        .not_checked
        .extend(base.not_checked.into_iter().map(of_base));
    report
        .doubts
        .extend(base.doubts.into_iter().map(|doubt| Doubt {
            words: of_base(doubt.words),
            ..doubt
        }));
    report.signers.extend(base.signers);
    report
        .findings
        .extend(base.findings.into_iter().map(|finding| match finding {
            Finding::Changed { path, how } => Finding::Changed {
                path: at(path),
                how,
            },
            Finding::Linked { path } => Finding::Linked { path: at(path) },
            Finding::Missing { path } => Finding::Missing { path: at(path) },
            Finding::Extra { path, what } => Finding::Extra {
                path: at(path),
                what,
            },
            Finding::Proof { path, what, hint } => Finding::Proof {
                path: at(path),
                what,
                hint,
            },
            Finding::LeftOut { path } => Finding::LeftOut { path: at(path) },
            Finding::Withdrawn { words, by, .. } => Finding::Withdrawn {
                words: of_base(words),
                by,
                part: Some(format!("base {}", bundle.release)),
            },
            Finding::Policy { rule, words, path } => Finding::Policy {
                rule,
                words: of_base(words),
                path: path.map(at),
            },
            Finding::Broken { words } => Finding::Broken {
                words: of_base(words),
            },
            other @ (Finding::OtherRelease(_) | Finding::Fork { .. }) => other,
        }));
}
