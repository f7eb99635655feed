//! A folder of which nobody says what it is: the log is asked which releases have these very files.
//!
//! ```text
//! folder ──► digests ──► manifest ──► its SHA-256 ──► weights records, by the log's order ──► proven
//!                                                                                              │
//!            of the publisher who came first: bundles, judged as by name ◄─────────────────────┤
//!            of others: named, and no more ◄───────────────────────────────────────────────────┘
//! ```
//!
//! Always: who came first decides. Whoever has files can release them under a name of their own, and withdraw that; so what
//! others did later neither speaks for files that the first publisher withdrew, nor against those that it stands by. That
//! the first is who the user takes it for, nobody can know here, and it is said to be open.
//!
//! Not here: which of the files differ, where the digest is that of no release. That takes a name (`folder`).

use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::bundle::VerifiedBundle;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, ReleaseName};
use candor_core::weights::{Manifest, ManifestFile};

use super::failures;
use super::folder::{How, judge_left_out, say_known, say_same};
use super::lineage;
use super::places::{FoundRelease, look_for_newer};
use super::policy::{self, Gate};
use super::release::{self, From};
use super::report::{Doubt, Finding, Report};
use super::{basis, target_words};
use crate::bundle_maker::{MadeBundle, Wanted, make_bundle};
use crate::cli::Session;
use crate::cli::args::VerifyArgs;
use crate::cli::error::CliError;
use crate::cli::progress::HashingBar;
use crate::cli::text::counted;
use crate::folder::{FolderListing, LeftOut, Progress, list_folder};
use crate::hashing::{Job, Look, OpenFile, Options, hash_files, no_look};
use crate::log_client::{LogClient, SignedCheckpoint};
use crate::memory::Memory;
use crate::replay::parse;
use crate::sources::SourceError;

/// How many releases with the same files are looked at. The first is what counts, and comes first.
const LOOKED_AT_MAX: usize = 16;

/// What bundles end with.
const BUNDLE_SUFFIX: &str = ".candor";

/// A folder's files, as a release of them would list them.
struct FoundFolder {
    manifest: Manifest,
    /// The digest of that, which is what its weights record is about.
    digest: Sha256,
    known_files: u64,
    left_out: Vec<String>,
}

/// A release of the publisher who came first.
struct Own {
    release: ReleaseName,
    made: MadeBundle,
    /// What its records come to.
    report: Report,
}

/// Finds the release, and judges it.
pub(super) fn judge(
    folder: &Path,
    args: &VerifyArgs,
    gate: Option<&Gate>,
    session: &Session,
) -> Result<Report, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    // Before hours are spent on files: whether there is a log at all. Its signature comes before its word for anything.
    let (_, advance) = memory.fetch(&client)?;
    let mut files = digests(folder, args.reread, args, gate, session)?;
    let (mut rows, mut is_more) = client.weights_of(files.digest)?;
    if rows.is_empty() && files.known_files > 0 {
        // What is remembered may confirm, and not refute: else a mistake of the memory would stay one for ever.
        files = digests(folder, true, args, gate, session)?;
        (rows, is_more) = client.weights_of(files.digest)?;
    }
    if rows.is_empty() {
        return Err(not_found(folder, &files, &client));
    }
    let (checkpoint, _) = memory.fetch(&client)?;
    let mut found = Vec::new();
    for row in rows.iter().take(LOOKED_AT_MAX) {
        let release = release_at(row.index, files.digest, &client, &checkpoint)?;
        found.push(FoundRelease {
            release,
            index: row.index,
            withdrawn_by: row.withdrawn_by,
        });
    }
    let unseen = rows.len() - found.len();
    let mut report = judge_found(
        folder,
        found,
        &files,
        (&client, &memory),
        gate,
        args,
        session,
    )?;
    report.leave_open_if_first(advance);
    if unseen > 0 {
        let more = if is_more { "over " } else { "" };
        report.not_checked.push(format!(
            "{more}{unseen} later releases of the same files, which the log lists"
        ));
    }
    say_known(files.known_files, &mut report);
    judge_left_out(
        folder,
        files.left_out,
        How::new(args, None, gate),
        &mut report,
    );
    Ok(report)
}

/// The bundle of a folder that is verified with nobody to ask: the only one at its top.
pub(super) fn bundle_inside(folder: &Path) -> Result<Option<PathBuf>, CliError> {
    let mut bundles = bundles_inside(folder)?;
    if bundles.len() > 1 {
        let names: Vec<_> = bundles.iter().map(|it| it.display().to_string()).collect();
        return Err(CliError::Usage {
            what: format!(
                "{} has several bundles at its top: {}",
                folder.display(),
                names.join(", ")
            ),
            hint: "name one of them with `--bundle FILE`".to_owned(),
        });
    }
    Ok(bundles.pop())
}

fn bundles_inside(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut bundles = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(CliError::file(folder))? {
        let entry = entry.map_err(CliError::file(folder))?;
        let is_named_like_one = entry.file_name().to_string_lossy().ends_with(BUNDLE_SUFFIX);
        // Not through a link, which leads elsewhere.
        if is_named_like_one && entry.file_type().map_err(CliError::file(folder))?.is_file() {
            bundles.push(entry.path());
        }
    }
    bundles.sort();
    Ok(bundles)
}

/// The digests of all files that a release of the folder would list.
fn digests(
    folder: &Path,
    reads_all: bool,
    args: &VerifyArgs,
    gate: Option<&Gate>,
    session: &Session,
) -> Result<FoundFolder, CliError> {
    let FolderListing { files, ignored } = list_folder(folder, LeftOut::OfAnyRelease)?;
    let jobs = files.iter().map(|(path, size)| Job {
        path: folder.join(path.as_str()),
        size: *size,
        also: Vec::new(),
        chunks: false,
    });
    let jobs: Vec<_> = jobs.collect();
    let options = Options {
        threads: args.threads,
        known: session.settings.known_digests(),
        reads_all,
        below: Some(folder),
    };
    let bar = HashingBar::new(&session.printer);
    let look = |index: usize, file: &OpenFile| match gate {
        Some(gate) => gate.look(&files[index].0, file).map(|()| Look::default()),
        None => no_look(index, file),
    };
    let hashed = hash_files(&jobs, options, look, &mut |hashing| {
        bar.show(Progress::of(hashing, &files[hashing.job].0));
    });
    drop(bar);
    let hashed = hashed.map_err(|error| CliError::Folder(error.into()))?;
    let known_files = hashed.iter().filter(|it| it.was_known).count() as u64;
    let files = files.into_iter().zip(hashed);
    let files = files.map(|((path, size), hashed)| ManifestFile {
        path,
        size: Some(size),
        digest: hashed.digest,
    });
    let manifest = Manifest::new(files.collect()).map_err(|error| SourceError::Manifest {
        file: folder.display().to_string(),
        error,
    })?;
    Ok(FoundFolder {
        digest: Sha256::of(manifest.to_bytes()),
        manifest,
        known_files,
        left_out: ignored,
    })
}

/// The release whose weights record is entry `index`, which the log lists as one of these files.
fn release_at(
    index: LeafIndex,
    manifest: Sha256,
    client: &LogClient,
    checkpoint: &SignedCheckpoint,
) -> Result<ReleaseName, CliError> {
    let (entry, _) = client.listed_entry(index, checkpoint)?;
    let record = parse(&entry)?;
    let statement = record.statement();
    let is_it = statement.kind() == Kind::Weights && statement.subject.sha256 == manifest;
    let release = statement.release().filter(|_| is_it);
    release.cloned().ok_or_else(|| CliError::Refuted {
        what: format!(
            "the log lists entry {index} as weights with the manifest {manifest}, and it is something else"
        ),
        context: Vec::new(),
        hint: "the log broke its own rules: keep the output, and tell its operator and a witness"
            .to_owned(),
    })
}

/// Judges by the publisher who came first in `found`, which has at least one.
fn judge_found(
    folder: &Path,
    mut found: Vec<FoundRelease>,
    files: &FoundFolder,
    (client, memory): (&LogClient, &Memory),
    gate: Option<&Gate>,
    args: &VerifyArgs,
    session: &Session,
) -> Result<Report, CliError> {
    let first = found[0].release.publisher().clone();
    let mut own = Vec::new();
    for it in found
        .iter_mut()
        .filter(|it| *it.release.publisher() == first)
    {
        let made = make_bundle(
            client,
            memory,
            &Wanted::all(&it.release).with(policy::authors(gate)),
        )?;
        let mut report = Report::new(target_words(folder, &it.release));
        release::judge(&made.verified, From::log(client, made.others), &mut report);
        judge_weights(it, files, &made.verified, &mut report)?;
        it.withdrawn_by = withdrawn_by(&report);
        own.push(Own {
            release: it.release.clone(),
            made,
            report,
        });
    }
    let stands = own.iter().position(|it| it.report.findings.is_empty());
    let Own {
        release,
        made,
        mut report,
    } = own.swap_remove(stands.unwrap_or(0));
    lineage::judge(&made.verified, Some(&made.ancestors), &mut report);
    let from = From::log(client, made.others);
    let basis = basis(&made, from, policy::Files::Looked);
    lineage::judge_base(basis, args, session, &mut report)?;
    policy::judge(gate, basis, session, &mut report)?;
    report.note_accepted(&made.accepted);
    let index = found.iter().find(|it| it.release == release);
    let index = index.map_or(found[0].index, |it| it.index);
    if made.verified.weights().is_some() {
        say_same(&files.manifest, index, files.known_files, &mut report);
    }
    report.checked.push(format!(
        "the log finds {release} by these files: their manifest's digest is {}",
        files.digest
    ));
    let others: Vec<_> = found.iter().filter(|it| it.release != release).collect();
    for other in &others {
        report.remarks.push(same_files_words(other, &release));
    }
    let others_stand: Vec<_> = others
        .iter()
        .filter(|it| it.withdrawn_by.is_none() && *it.release.publisher() != first)
        .map(|it| it.release.to_string())
        .collect();
    if stands.is_none() && !others_stand.is_empty() {
        // Loud, and no verdict: these may be people who found nothing wrong with it, or whoever wants it to be used.
        leave_open(&others_stand.join(", "), &mut report);
    }
    report.not_checked.push(format!(
        "whether {first} is who you take it for, and {release} what you want: whoever has files can release them under a name of their own; name the release with `--as`"
    ));
    look_for_newer(&release, client, memory, &mut report)?;
    failures::look(&release, made.others, client, memory, &mut report)?;
    report.found = found;
    Ok(report)
}

/// Holds the entry by which a release was found against the release's own records: of the entry nothing was checked but that
/// the log has it.
fn judge_weights(
    found: &FoundRelease,
    files: &FoundFolder,
    bundle: &VerifiedBundle,
    report: &mut Report,
) -> Result<(), CliError> {
    let FoundRelease { release, index, .. } = found;
    match bundle.weights() {
        Some((at, weights)) if at == *index && weights.manifest.digest.sha256 == files.digest => {}
        Some((at, _)) => {
            return Err(CliError::Refuted {
                what: format!(
                    "the log lists entry {index} as the weights of {release}, whose weights record is entry {at}"
                ),
                context: Vec::new(),
                hint: "the log broke its own rules: keep the output, and tell its operator and a witness"
                    .to_owned(),
            });
        }
        None => report.doubts.push(Doubt {
            words: format!(
                "the log finds {release} by entry {index}, which is not among the records that it lists of it"
            ),
            hint: "`candor log` walks through all entries, and shows what the log leaves out".to_owned(),
            is_of_weak_digests: false,
        }),
    }
    Ok(())
}

/// The withdrawal that refutes it, if one does.
fn withdrawn_by(report: &Report) -> Option<LeafIndex> {
    report.findings.iter().find_map(|finding| match finding {
        Finding::Withdrawn { by, .. } => Some(*by),
        _ => None,
    })
}

/// Makes withdrawals what leaves it open, where the same files still stand as `others`.
fn leave_open(others: &str, report: &mut Report) {
    let is_withdrawal = |finding: &Finding| matches!(finding, Finding::Withdrawn { .. });
    let findings = std::mem::take(&mut report.findings);
    let (withdrawals, findings) = findings.into_iter().partition(is_withdrawal);
    report.findings = findings;
    let withdrawals: Vec<Finding> = withdrawals;
    report.doubts.extend(withdrawals.iter().map(|it| Doubt {
        words: format!(
            "{}. Others have released the same files later, which still stand: {others}",
            it.words().trim_end_matches('.')
        ),
        hint: "name the release that you mean with `--as`; if it is one of the others, ask its publisher what became of the withdrawal".to_owned(),
        is_of_weak_digests: false,
    }));
}

fn same_files_words(other: &FoundRelease, release: &ReleaseName) -> String {
    let withdrawn = match other.withdrawn_by {
        None => String::new(),
        Some(by) => format!(", WITHDRAWN by entry {by}"),
    };
    let whose = if other.release.publisher() == release.publisher() {
        String::new()
    } else {
        format!(
            ", which {} released, and not {}",
            other.release.publisher(),
            release.publisher()
        )
    };
    format!(
        "the same files are {} too (entry {}){whose}{withdrawn}",
        other.release, other.index
    )
}

fn not_found(folder: &Path, files: &FoundFolder, client: &LogClient) -> CliError {
    let count = counted(files.manifest.files().len() as u64, "file", "files");
    let says = if client.has_all_entries() {
        "no entry of the log is"
    } else {
        "the log says that it has no"
    };
    let dir = folder.display();
    let mut hint = format!(
        "one file more, less or changed makes another digest: `candor verify {dir} --as publisher/model@version` says which differ; releases that were made of a list of checksums are only found so"
    );
    if let Some(bundle) = bundles_inside(folder).ok().and_then(|mut it| it.pop()) {
        hint = format!(
            "{hint}; {} lies in the folder, and `--bundle` holds it against that",
            bundle.display()
        );
    }
    CliError::Absent {
        what: format!(
            "{says} release of the very {count} in {dir}, whose manifest has the digest {}",
            files.digest
        ),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeLog, manifest, weights_record};

    const RELEASE: &str = "meta-ai/opt-125m@1.0.0";

    /// What becomes of a folder with these files, which the log finds at `index`.
    fn judged(log: &FakeLog, content: &str, index: LeafIndex) -> Result<Report, CliError> {
        let dir = tempfile::tempdir().expect("a folder");
        let release: ReleaseName = RELEASE.parse().expect("a name");
        let memory = Memory::new(dir.path());
        let made = make_bundle(&log.client(), &memory, &Wanted::all(&release));
        let manifest = manifest(content);
        let files = FoundFolder {
            digest: Sha256::of(manifest.to_bytes()),
            manifest,
            known_files: 0,
            left_out: Vec::new(),
        };
        let found = FoundRelease {
            release,
            index,
            withdrawn_by: None,
        };
        let mut report = Report::new(RELEASE.to_owned());
        let bundle = made.expect("the log has it").verified;
        judge_weights(&found, &files, &bundle, &mut report).map(|()| report)
    }

    #[test]
    fn files_are_a_releases_only_by_the_record_that_it_has() {
        let log = FakeLog::new();
        log.register("meta-ai", 1);
        let own = log.add(&weights_record(RELEASE, "weights", 1));
        let bytes = manifest("weights").to_bytes();
        let sha256 = Sha256::of(&bytes);
        log.state().attachments.insert(sha256, bytes);
        // A lying log may have any entry, which nobody signed who may, and leave it out of the release's list.
        let forged = LeafIndex::new(99);
        assert!(
            judged(&log, "weights", own)
                .expect("it is")
                .doubts
                .is_empty()
        );
        for (content, index) in [("others", forged), ("weights", forged), ("others", own)] {
            let refused = judged(&log, content, index);
            assert!(
                matches!(refused, Err(CliError::Refuted { .. })),
                "{content} at {index}"
            );
        }
    }
}
