//! `candor fetch`: a release's files, from whoever has them.
//!
//! ```text
//! release in the log ─► make_bundle ───┐
//! bundle ─────────────► Bundle::verify ┴─► release::judge ─► policy ─► refuted, unclear: nobody is asked for a file
//!                                                             │ holds
//! --from, --mirrors, --from-record ─► Source… ────────────────┴─► Plan ─► candor_fetch::fetch ─► policy ─► Report
//! ```
//!
//! Always: whoever is asked for files is named by the user, or with `--from-record` by the publisher; never silently.
//!
//! Not here: checking files (`candor_fetch`), and which sources there are ([`crate::cli::mirrors`]). Digests of what
//! was fetched are not remembered for the next `verify`: a file that was written just now could be written to again
//! without its times showing it ([`crate::hashing`]).

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use candor_core::Verified;
use candor_core::bundle::VerifiedBundle;
use candor_core::merkle::LeafIndex;
use candor_core::record::ReleaseName;
use candor_core::record::kinds::Weights;
use candor_core::weights::{CHUNK_BYTES, Manifest, ManifestFile};
use candor_fetch::{MirrorFault, Options, Outcome, Patience, Plan, Source, fetch};
use serde_json::Value;

use super::policy::{self, Basis, Gate};
use super::report::{Doubt, Report};
use super::{compare_offline, judge_name, lineage, read_bundle, release, target_words};
use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::args::FetchArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::mirrors::{
    AsItHappens, FetchFailure, given_up, how_they_came, source_of_record, sources_in,
};
use crate::cli::progress::HashingBar;
use crate::cli::text::{bytes, counted, grouped, one_line};
use crate::cli::{Session, files, mirrors};
use crate::folder::{FolderError, Progress, not_listed};
use crate::hashing::OpenFile;
use crate::transport;

/// The most bytes of a list of mirrors.
const LIST_BYTES_MAX: usize = 64 << 10;

/// How many faults are told as they happen. All are summed up at the end.
const WARNINGS_MAX: usize = 20;

/// How many names are told of what is in a folder beside the release.
const NAMED_MAX: usize = 5;

/// How much of an address is shown that somebody else wrote.
const URI_CHARS_MAX: usize = 200;

/// Fetches, and says what that came to.
pub(super) fn judge(args: &FetchArgs, session: &mut Session) -> Result<Report, CliError> {
    let named = sources(args)?;
    let gate = Gate::of_fetch(args, session)?;
    let Records {
        bundle,
        checkpoint,
        from,
        mut report,
    } = records(args, gate.as_ref(), session)?;
    let folder = args.out.clone();
    let folder = folder.unwrap_or_else(|| folder_of(&bundle.release));
    if let Some(gate) = &gate {
        gate.refuse_inside(&folder)?;
    }
    let basis = |files| Basis {
        bundle: &bundle,
        checkpoint: &checkpoint,
        from,
        files,
    };
    let before = basis(policy::Files::Awaited);
    policy::judge_before(gate.as_ref(), before, session, &mut report)?;
    let weights = weights(&bundle, &mut report);
    let Some((index, weights, manifest)) = weights.filter(|_| report.exit() == Exit::Holds) else {
        let words = "nothing was fetched, and nobody was asked for files";
        report.remarks.push(words.to_owned());
        return Ok(report);
    };
    let sources = with_record(named, weights, &bundle.release, args)?;
    let chunks = bundle.chunk_lists.get(&index);
    let plan = Plan::new(manifest, chunks, sources.clone(), folder.clone())
        .map_err(|error| failed(error.into()))?;
    let outcome = run(&plan, &sources, args, session)?;

    report.target = target_words(&folder, &bundle.release);
    report.checked.push(format!(
        "{}, {}, are those of the weights record (entry {index}): each has its digest, taken as it came",
        counted(plan.files() as u64, "file", "files"),
        bytes(plan.bytes())
    ));
    report.remarks.push(how_they_came(&outcome.files));
    report.remarks.extend(given_up(&outcome.faults));
    judge_chunks(manifest, chunks.is_some(), &mut report);
    judge_others(&folder, &bundle.release, manifest, &mut report);
    if let Some(gate) = &gate {
        look(gate, &folder, manifest)?;
        let after = basis(policy::Files::Looked);
        policy::judge(Some(gate), after, session, &mut report)?;
    }
    let (folder, name) = (folder.display(), &bundle.release);
    let again = if args.release.parse::<ReleaseName>().is_ok() {
        format!("candor verify {folder} --as {name}")
    } else {
        format!("candor verify {folder} --bundle {}", args.release)
    };
    report.not_checked.push(format!(
        "whether the disk gives back what was written to it: `{again}` reads all files again"
    ));
    if let Value::Object(details) = mirrors::outcome_json(&outcome) {
        report.more.extend(details);
    }
    Ok(report)
}

/// Shows the policy the files that came.
fn look(gate: &Gate, folder: &Path, manifest: &Manifest) -> Result<(), CliError> {
    let opened_below = |file: &ManifestFile| {
        let size = file.size.unwrap_or_default();
        OpenFile::open(&folder.join(file.path.as_str()), Some(folder), size)
    };
    for file in manifest.files() {
        let looked = opened_below(file).and_then(|opened| gate.look(&file.path, &opened));
        looked.map_err(FolderError::from)?;
    }
    Ok(())
}

/// The records of the release, where they are from, and what they come to.
struct Records {
    bundle: Verified<VerifiedBundle>,
    /// The signed checkpoint, as it was received.
    checkpoint: String,
    from: release::From,
    report: Report,
}

fn records(args: &FetchArgs, gate: Option<&Gate>, session: &Session) -> Result<Records, CliError> {
    let path = Path::new(&args.release);
    let settings = &session.settings;
    if let Ok(name) = ReleaseName::from_str(&args.release) {
        if path.exists() {
            return Err(CliError::Usage {
                what: format!(
                    "{:?} is a release's name, and there is a file or folder of that name",
                    args.release
                ),
                hint: format!(
                    "write ./{name} for what is here; for what is in the log, run the command in another folder"
                ),
            });
        }
        if args.wanted.is_some() {
            return Err(CliError::Usage {
                what: format!("{name} is a release's name, which `--as` has nothing to do with"),
                hint: "leave the flag out; it says which release a bundle should be of".to_owned(),
            });
        }
        let client = settings.client()?;
        let wanted = Wanted::all(&name).with(policy::authors(gate));
        let made = make_bundle(&client, &settings.memory()?, &wanted)?;
        let mut report = Report::new(name.to_string());
        report.leave_open_if_first(made.advance);
        let from = release::From::log(&client, made.others);
        release::judge(&made.verified, from, &mut report);
        lineage::judge(&made.verified, Some(&made.ancestors), &mut report);
        return Ok(Records {
            bundle: made.verified,
            checkpoint: made.bundle.checkpoint,
            from,
            report,
        });
    }
    if !path.is_file() {
        return Err(CliError::Usage {
            what: format!("{:?} is no bundle here, and no release", args.release),
            hint: "check the path; a release is written publisher/model@version".to_owned(),
        });
    }
    let bundle = read_bundle(path, session)?;
    let name = &bundle.verified.release;
    let wanted = args.wanted.as_ref();
    let mut report = Report::new(wanted.unwrap_or(name).to_string());
    release::judge(&bundle.verified, release::From::Bundle, &mut report);
    lineage::judge(&bundle.verified, None, &mut report);
    judge_name(path, name, wanted, false, &mut report);
    compare_offline(&bundle.checkpoint, session, &mut report)?;
    Ok(Records {
        bundle: bundle.verified,
        checkpoint: bundle.checkpoint.text,
        from: release::From::Bundle,
        report,
    })
}

/// What says which files the release has; a doubt, if nothing does.
fn weights<'a>(
    bundle: &'a VerifiedBundle,
    report: &mut Report,
) -> Option<(LeafIndex, &'a Weights, &'a Manifest)> {
    let release = &bundle.release;
    let Some((index, weights)) = bundle.weights() else {
        report.doubts.push(Doubt {
            words: format!("{release} has no weights record, so nothing says which files it is"),
            hint: format!("ask {} to publish the weights, too", release.publisher()),
            is_of_weak_digests: false,
        });
        return None;
    };
    let Some(manifest) = bundle.manifests.get(&index) else {
        report.doubts.push(Doubt {
            words: "the manifest, the list of the release's files, is not in the bundle".to_owned(),
            hint: format!("get another bundle, or ask the log: `candor fetch {release} …`"),
            is_of_weak_digests: false,
        });
        return None;
    };
    Some((index, weights, manifest))
}

/// Whom the user names, in this order, each once.
fn sources(args: &FetchArgs) -> Result<Vec<Source>, CliError> {
    let mut sources = Vec::new();
    for text in &args.from {
        let source = text.parse::<Source>();
        sources.push(source.map_err(|error| failed(error.into()))?);
    }
    for path in &args.mirrors {
        let form = |what: String, hint| CliError::Form {
            path: path.clone(),
            what,
            hint,
        };
        let text = String::from_utf8(files::read(path, LIST_BYTES_MAX)?);
        let text = text.map_err(|_| {
            let hint = "name a text file with one source a line";
            form("is no list of mirrors: it is not UTF-8".to_owned(), hint)
        })?;
        let listed = sources_in(&text)
            .map_err(|(line, error)| form(format!("in line {line}: {error}"), error.hint()))?;
        sources.extend(listed);
    }
    let mut once: Vec<Source> = Vec::new();
    for source in sources {
        if !once.contains(&source) {
            once.push(source);
        }
    }
    Ok(once)
}

/// The same with whom the publisher names, if the user wants that. Who names nobody is told what the record says.
fn with_record(
    mut sources: Vec<Source>,
    weights: &Weights,
    release: &ReleaseName,
    args: &FetchArgs,
) -> Result<Vec<Source>, CliError> {
    let said = weights.source.as_ref().and_then(|it| it.uri.as_deref());
    let digests_from = said.map_or_else(
        || "its weights record names no place".to_owned(),
        |uri| {
            let uri = one_line(uri, URI_CHARS_MAX);
            format!("its weights record says that its digests are from {uri:?}")
        },
    );
    let from_record = said.and_then(source_of_record);
    let example = "name one with `--from`, as https://mirror.example.org/tiny/ or hf://ORG/REPO";
    if args.from_record {
        let source = from_record.clone().ok_or_else(|| CliError::Usage {
            what: format!("{digests_from}, and files of {release} can't be fetched from there"),
            hint: format!(
                "{example}; of what a record says, repositories on Hugging Face and folders are taken, https://…/"
            ),
        })?;
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    if sources.is_empty() {
        let what = format!("no source is named to fetch {release} from; {digests_from}");
        let hint = match from_record {
            None => example.to_owned(),
            Some(_) => format!(
                "{example}; `--from-record` asks where the record says: what comes is checked, but that host sees who asks"
            ),
        };
        return Err(CliError::Usage { what, hint });
    }
    Ok(sources)
}

/// Fetches, with faults told as they happen.
fn run(
    plan: &Plan,
    sources: &[Source],
    args: &FetchArgs,
    session: &mut Session,
) -> Result<Outcome, CliError> {
    let (agent, no_roots) = transport::agent();
    if let Some(what) = no_roots
        && sources.iter().any(|it| it.to_string().starts_with("https"))
    {
        let hint = "name a PEM file with certificates, or take the variable away".to_owned();
        return Err(CliError::Usage { what, hint });
    }
    let options = Options {
        connections: args.connections,
        replace: args.replace,
        patience: Patience {
            retries: args.retries,
            ..Patience::default()
        },
    };
    let bar = HashingBar::new(&session.printer);
    let printer = &mut session.printer;
    let mut told = 0;
    let mut tell = |fault: &MirrorFault| {
        // Programs find all of them in what is printed at the end.
        if printer.is_json() {
            return;
        }
        told += 1;
        match told {
            ..=WARNINGS_MAX => printer.warning(AsItHappens(fault).to_string()),
            it if it == WARNINGS_MAX + 1 => {
                printer.warning("further sources are given up for further files");
            }
            _ => {}
        }
    };
    let fetched = fetch(plan, &agent, &options, &mut |progress| {
        bar.show(Progress {
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            file: progress.file,
        });
        for fault in progress.faults {
            bar.above(|| tell(fault));
        }
    });
    drop(bar);
    fetched.map_err(|stopped| {
        failed(FetchFailure::Stopped {
            stopped,
            files: plan.files(),
        })
    })
}

/// How early wrong bytes would have been found.
fn judge_chunks(manifest: &Manifest, has_list: bool, report: &mut Report) {
    let is_large = |size: &Option<u64>| size.is_some_and(|size| size > CHUNK_BYTES);
    let large = manifest.files().iter().filter(|it| is_large(&it.size));
    let large = large.count() as u64;
    if large == 0 {
        return;
    }
    let files = counted(large, "file", "files");
    if has_list {
        report.checked.push(format!(
            "each chunk of 8 MiB of {files}, by the release's chunk list, before it was written"
        ));
    } else {
        report.not_checked.push(format!(
            "the parts of {files} as they came: without a chunk list, each file was checked as a whole, when all of it had come"
        ));
    }
}

/// What else is in the folder: it was there before, and nobody said that it should be empty.
fn judge_others(folder: &Path, release: &ReleaseName, manifest: &Manifest, report: &mut Report) {
    let Ok((others, left_out)) = not_listed(folder, release, manifest) else {
        let words = "what else is in the folder: it could not be listed";
        report.not_checked.push(words.to_owned());
        return;
    };
    let count = others.len() + left_out.len();
    if count == 0 {
        return;
    }
    let named = others.iter().chain(&left_out).take(NAMED_MAX);
    let named = named.cloned().collect::<Vec<_>>().join(", ");
    let more = count.saturating_sub(NAMED_MAX);
    let more = if more > 0 {
        format!(" and {} more", grouped(more as u64))
    } else {
        String::new()
    };
    report.not_checked.push(format!(
        "what is in the folder beside the release: {named}{more}"
    ));
}

/// Where files go when nobody says.
fn folder_of(release: &ReleaseName) -> PathBuf {
    files::bundle_path(release).with_extension("")
}

fn failed(failure: FetchFailure) -> CliError {
    CliError::Fetch(Box::new(failure))
}
