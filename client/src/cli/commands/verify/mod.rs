//! `candor verify`: works out what the target is, has it checked, and reports.
//!
//! ```text
//! bundle ─────────────────┐
//! folder + bundle ────────┼─ offline ─► Bundle::verify ─► release::judge ─┐
//! folder + release, name ─┼─ online ──► make_bundle ────► release::judge ─┼─► Report ─► terminal, JSON, report files
//! folder ─────────────────┤  online ──► by_digest ──► make_bundle … ──────┤
//! record + proof ─────────┼─ offline ─► Receipt::verify ──────────────────┤
//! evidence of a fork ─────┤  offline ─► Evidence::judge ──────────────────┤
//! record, index, digest ──┘  online ──► proven entry, Replay ─────────────┘
//! ```
//!
//! What is a release is held against a policy besides, if there is one.
//!
//! Not here: any check. Core judges bundles, receipts, records and manifests, [`crate::policy`] releases by a policy, and
//! [`crate::memory`] what two checkpoints show.

mod by_digest;
mod chunks;
mod evidence;
mod failures;
#[cfg(unix)]
mod fetch;
mod folder;
mod lineage;
mod oms;
mod part_files;
mod parts;
mod places;
mod policy;
mod record;
mod release;
mod report;
mod target;
mod tensors;

use std::path::Path;

use candor_core::Verified;
use candor_core::bundle::VerifiedBundle;
use candor_core::record::ReleaseName;

use crate::bundle_maker::{MadeBundle, Wanted, make_bundle};
use crate::cli::args::{
    FetchArgs, OmsVerifyArgs, VerifyArgs, VerifyChunkArgs, VerifyFileArgs, VerifyTensorArgs,
};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::report_files::Verification;
use crate::cli::{Session, files};
use crate::log_client::SignedCheckpoint;
use crate::memory::Advance;
use folder::How;
use places::look_for_newer;
use policy::{Basis, Gate};
use release::From;
use report::{Finding, OtherRelease, Report};
use target::{Target, target};

/// Runs it.
pub fn run(args: &VerifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    check_reports(args)?;
    let judged = target(args).and_then(|target| {
        if args.offline && target.needs_log() {
            return Err(CliError::Usage {
                what: format!("{:?} can't be verified offline by itself", args.target),
                hint: "name a bundle with `--bundle FILE`, or a proof with `--proof FILE`"
                    .to_owned(),
            });
        }
        target.check_base(args)?;
        if target.is_folder() {
            // They are read while the release's records are verified.
            session.settings.known_digests();
        }
        let gate = Gate::open(&target, args, session)?;
        let mut report = verify(&target, args, gate.as_ref(), session)?;
        if gate.is_none() {
            policy::leave_open(&target, session, &mut report);
        } else if args.base.is_some() {
            report.not_checked.push(
                "whether the base is as the policy asks: verify it by itself for that".to_owned(),
            );
        }
        Ok(report)
    });
    let verification = match &judged {
        Ok(report) => report.verification(&args.target),
        Err(error) => Verification::of_error(&args.target, error),
    };
    match args.reports.write(&verification) {
        Ok(()) => {}
        // Who waits for the file must not go on without it.
        Err(error) if verification.exit == Exit::Holds => return Err(error),
        // The verdict comes first.
        Err(error) => session
            .printer
            .warning(format!("a report was not written: {error}")),
    }
    judged?.finish(session)
}

/// Writes report files about an error that came before anything was verified.
pub fn report_error(args: &VerifyArgs, error: &CliError) {
    let verification = Verification::of_error(&args.target, error);
    // The error itself is about to be told, and is not there for want of a file.
    let _ = check_reports(args).and_then(|()| args.reports.write(&verification));
}

fn check_reports(args: &VerifyArgs) -> Result<(), CliError> {
    let target = Path::new(&args.target);
    let folder = Some(target).filter(|path| path.is_dir());
    let inputs = [
        Some(target),
        args.bundle.as_deref(),
        args.proof.as_deref(),
        args.record.as_deref(),
        args.policy.as_deref(),
        args.base_bundle.as_deref(),
    ];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().collect();
    if args.base.is_some() {
        args.reports.check(args.base.as_deref(), &inputs)?;
    }
    args.reports.check(folder, &inputs)
}

/// Runs `candor oms verify`.
pub fn oms(args: &OmsVerifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    oms::judge(args, session)?.finish(session)
}

/// Runs `candor verify-file`.
pub fn files_of_proof(args: &VerifyFileArgs, session: &mut Session) -> Result<Exit, CliError> {
    part_files::judge(args, session)?.finish(session)
}

/// Runs `candor verify-chunk`.
pub fn chunks(args: &VerifyChunkArgs, session: &mut Session) -> Result<Exit, CliError> {
    chunks::judge(args, session)?.finish(session)
}

/// Runs `candor fetch`.
pub fn fetch(args: &FetchArgs, session: &mut Session) -> Result<Exit, CliError> {
    #[cfg(unix)]
    return fetch::judge(args, session)?.finish(session);
    #[cfg(not(unix))]
    return {
        let _ = (args, session);
        Err(CliError::Usage {
            what: "this system is not one that `candor fetch` runs on, which are those of Unix"
                .to_owned(),
            hint: "download the files by other means, and check them with `candor verify DIR`"
                .to_owned(),
        })
    };
}

/// Runs `candor verify-tensor`.
pub fn tensors(args: &VerifyTensorArgs, session: &mut Session) -> Result<Exit, CliError> {
    tensors::judge(args, session)?.finish(session)
}

fn verify(
    target: &Target,
    args: &VerifyArgs,
    gate: Option<&Gate>,
    session: &mut Session,
) -> Result<Report, CliError> {
    let settings = &session.settings;
    let wanted = args.release.as_ref();
    match target {
        Target::Bundle(path) => {
            let bundle = read_bundle(path, session)?;
            let release = &bundle.verified.release;
            let mut report = Report::new(wanted.unwrap_or(release).to_string());
            release::judge(&bundle.verified, From::Bundle, &mut report);
            release::leave_files_open(&bundle.verified, &mut report);
            lineage::judge(&bundle.verified, None, &mut report);
            judge_name(path, release, wanted, false, &mut report);
            policy::judge(
                gate,
                bundle.basis(policy::Files::NotHere),
                session,
                &mut report,
            )?;
            compare_offline(&bundle.checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::FolderOffline {
            folder,
            bundle: path,
            is_inside,
        } => {
            let how = How::new(args, Some(path), gate);
            let bundle = read_bundle(path, session)?;
            let release = &bundle.verified.release;
            let mut report = Report::new(target_words(folder, wanted.unwrap_or(release)));
            release::judge(&bundle.verified, From::Bundle, &mut report);
            folder::judge(&bundle.verified, folder, how, session, &mut report)?;
            lineage::judge(&bundle.verified, None, &mut report);
            let fits = report.findings.is_empty() && report.doubts.is_empty();
            let basis = bundle.basis(policy::Files::Looked);
            lineage::judge_base(basis, args, session, &mut report)?;
            judge_name(folder, release, wanted, fits, &mut report);
            if *is_inside {
                report.not_checked.push(format!(
                    "whether {} is the bundle that you want: it lies in the folder itself, where whoever could change the files could put another",
                    path.display()
                ));
            }
            policy::judge(
                gate,
                bundle.basis(policy::Files::Looked),
                session,
                &mut report,
            )?;
            compare_offline(&bundle.checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::FolderByDigest(folder) => by_digest::judge(folder, args, gate, session),
        Target::FolderOnline { folder, release } => {
            online(release, Some(folder), args, gate, session)
        }
        Target::Release(release) => online(release, None, args, gate, session),
        Target::Evidence(path) => evidence::judge(path, &settings.log_key()?),
        Target::RecordOffline { record, proof } => {
            let (mut report, checkpoint) =
                record::against_proof(record, proof, &settings.log_key()?)?;
            compare_offline(&checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::RecordOnline(path) => {
            record::file_in_log(path, &settings.client()?, &settings.memory()?)
        }
        Target::Index(index) => {
            record::index_in_log(*index, &settings.client()?, &settings.memory()?)
        }
        Target::Statement(digest) => {
            let (client, memory) = (settings.client()?, settings.memory()?);
            // The signed checkpoint shows that what answers is the log, before its word is taken for anything.
            memory.fetch(&client)?;
            let index = client.record_by_statement(*digest)?.index;
            record::statement_in_log(*digest, index, &client, &memory)
        }
    }
}

/// A release in the log, and the folder that should be it.
fn online(
    release: &ReleaseName,
    folder: Option<&Path>,
    args: &VerifyArgs,
    gate: Option<&Gate>,
    session: &Session,
) -> Result<Report, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let wanted = Wanted::all(release).with(policy::authors(gate));
    let made = make_bundle(&client, &memory, &wanted)?;
    let target = folder.map_or_else(|| release.to_string(), |it| target_words(it, release));
    let mut report = Report::new(target);
    report.leave_open_if_first(made.advance);
    let from = From::log(&client, made.others);
    release::judge(&made.verified, from, &mut report);
    if let Some(folder) = folder {
        let how = How::new(args, None, gate);
        folder::judge(&made.verified, folder, how, session, &mut report)?;
    } else {
        release::leave_files_open(&made.verified, &mut report);
    }
    let files = folder.map_or(policy::Files::NotHere, |_| policy::Files::Looked);
    let basis = basis(&made, from, files);
    policy::judge(gate, basis, session, &mut report)?;
    report.note_accepted(&made.accepted);
    look_for_newer(release, &client, &memory, &mut report)?;
    failures::look(release, made.others, &client, &memory, &mut report)?;
    lineage::judge(&made.verified, Some(&made.ancestors), &mut report);
    lineage::judge_base(basis, args, session, &mut report)?;
    Ok(report)
}

/// A bundle says itself which release it is about; only the user can say which it should be.
fn judge_name(
    what: &Path,
    found: &ReleaseName,
    wanted: Option<&ReleaseName>,
    folder_fits: bool,
    report: &mut Report,
) {
    match wanted {
        Some(wanted) if wanted == found => {
            report.checked.push(format!("it is {wanted}, as asked"));
        }
        Some(wanted) => report.findings.push(Finding::OtherRelease(OtherRelease {
            what: what.display().to_string(),
            found: found.clone(),
            wanted: wanted.clone(),
            folder_fits,
        })),
        None => report.not_checked.push(format!(
            "whether {found} is the release that you want: name that with `--as`"
        )),
    }
}

fn target_words(folder: &Path, release: &ReleaseName) -> String {
    format!("{} as {release}", folder.display())
}

/// A bundle from a file, after its checks.
struct ReadBundle {
    verified: Verified<VerifiedBundle>,
    checkpoint: SignedCheckpoint,
}

impl ReadBundle {
    fn basis(&self, files: policy::Files) -> Basis<'_> {
        Basis {
            bundle: &self.verified,
            checkpoint: &self.checkpoint.text,
            from: From::Bundle,
            files,
        }
    }
}

fn basis(made: &MadeBundle, from: From, files: policy::Files) -> Basis<'_> {
    Basis {
        bundle: &made.verified,
        checkpoint: &made.bundle.checkpoint,
        from,
        files,
    }
}

fn read_bundle(path: &Path, session: &Session) -> Result<ReadBundle, CliError> {
    let key = session.settings.log_key()?;
    let bundle = files::read_bundle(path)?;
    let refused = |error| CliError::Bundle {
        path: path.to_owned(),
        error: Box::new(error),
    };
    let verified = bundle.verify(&key).map_err(refused)?;
    let checkpoint =
        SignedCheckpoint::verify(bundle.checkpoint, &key).map_err(|e| refused(e.into()))?;
    Ok(ReadBundle {
        verified,
        checkpoint,
    })
}

/// Holds a checkpoint from a file against the newest that was seen of its log.
fn compare_offline(
    checkpoint: &SignedCheckpoint,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    // Without a place for what was seen, nothing was.
    let seen = match session.settings.memory() {
        Ok(memory) => memory.compare_offline(&session.settings.log_key()?, checkpoint)?,
        Err(_) => None,
    };
    match seen {
        Some(seen) if seen == checkpoint.size() => {}
        Some(seen) => report.not_checked.push(format!(
            "whether this checkpoint and the one of {seen} entries that was seen before are of one history"
        )),
        None => report.leave_open_if_first(Advance::First),
    }
    Ok(())
}
