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
mod tensors;

use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::Verified;
use candor_core::bundle::{Bundle, VerifiedBundle};
use candor_core::merkle::LeafIndex;
use candor_core::record::ReleaseName;

use crate::bundle_maker::{MadeBundle, Wanted, make_bundle};
use crate::cli::args::{
    self, FetchArgs, OmsVerifyArgs, VerifyArgs, VerifyChunkArgs, VerifyFileArgs, VerifyTensorArgs,
};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::report_files::Verification;
use crate::cli::{Session, files};
use crate::log_client::SignedCheckpoint;
use crate::memory::{Advance, EVIDENCE_EXTENSION, Evidence};
use folder::How;
use places::look_for_newer;
use policy::{Basis, Gate};
use release::From;
use report::{Finding, OtherRelease, Report};

/// The most bytes of a file that are looked at to see what it is: what the largest, a bundle, may have.
const FILE_BYTES_MAX: usize = candor_core::bundle::BUNDLE_BYTES_MAX;

/// What is to be verified.
enum Target {
    /// A bundle's records.
    Bundle(PathBuf),
    /// A folder, against a bundle.
    FolderOffline {
        folder: PathBuf,
        bundle: PathBuf,
        /// Whether nobody named the bundle, and it lay in the folder.
        is_inside: bool,
    },
    /// A folder, against a release in the log.
    FolderOnline {
        folder: PathBuf,
        release: ReleaseName,
    },
    /// A folder, against the releases in the log that have its files.
    FolderByDigest(PathBuf),
    /// What speaks against a log.
    Evidence(PathBuf),
    /// A record, against a proof.
    RecordOffline { record: PathBuf, proof: PathBuf },
    /// A record, against the log.
    RecordOnline(PathBuf),
    /// An entry of the log.
    Index(LeafIndex),
    /// A record of the log.
    Statement(Sha256),
    /// A release in the log.
    Release(ReleaseName),
}

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

impl Target {
    /// A base goes with an adapter's folder. Offline, it takes a bundle of its own: one release's has no files of others.
    fn check_base(&self, args: &VerifyArgs) -> Result<(), CliError> {
        if args.base.is_none() {
            return Ok(());
        }
        let is_folder = matches!(
            self,
            Self::FolderOffline { .. } | Self::FolderOnline { .. } | Self::FolderByDigest(_)
        );
        if is_folder && (args.base_bundle.is_some() || !args.offline) {
            return Ok(());
        }
        let (what, hint) = if is_folder {
            (
                "the base can't be verified offline without its bundle",
                "name it with `--base-bundle FILE`",
            )
        } else {
            (
                "`--base` names the folder that goes with an adapter's folder, and this is none",
                "name the adapter's folder: `candor verify DIR --bundle FILE --base DIR`",
            )
        };
        Err(CliError::Usage {
            what: what.to_owned(),
            hint: hint.to_owned(),
        })
    }

    fn needs_log(&self) -> bool {
        match self {
            Self::Bundle(_)
            | Self::FolderOffline { .. }
            | Self::Evidence(_)
            | Self::RecordOffline { .. } => false,
            Self::FolderOnline { .. }
            | Self::FolderByDigest(_)
            | Self::RecordOnline(_)
            | Self::Index(_)
            | Self::Statement(_)
            | Self::Release(_) => true,
        }
    }

    /// Whether it is a release, or a folder that should be one.
    fn is_release(&self) -> bool {
        match self {
            Self::Bundle(_)
            | Self::FolderOffline { .. }
            | Self::FolderOnline { .. }
            | Self::FolderByDigest(_)
            | Self::Release(_) => true,
            Self::Evidence(_)
            | Self::RecordOffline { .. }
            | Self::RecordOnline(_)
            | Self::Index(_)
            | Self::Statement(_) => false,
        }
    }
}

/// What is meant. What is written like something in the log is that, whatever files there are: else whoever can put a
/// file here decides what is verified. Flags that the target has no use for are refused: who gives one believes that it
/// is checked.
fn target(args: &VerifyArgs) -> Result<Target, CliError> {
    let path = PathBuf::from(&args.target);
    if let Some((what, target)) = target_in_log(&args.target) {
        if path.exists() {
            return Err(CliError::Usage {
                what: format!(
                    "{:?} is {what}, and there is a file or folder of that name",
                    args.target
                ),
                hint: format!(
                    "write ./{} for what is here; for what is in the log, run the command in another folder",
                    args.target
                ),
            });
        }
        args.refuse(
            what,
            &[
                Flag::Bundle,
                Flag::Release,
                Flag::Proof,
                Flag::Record,
                Flag::Strict,
                Flag::Reread,
                Flag::Threads,
            ],
        )?;
        if !target.is_release() {
            args.refuse(what, &[Flag::Policy])?;
        }
        return Ok(target);
    }
    if path.is_dir() {
        args.refuse("a folder", &[Flag::Proof, Flag::Record])?;
        return folder_target(path, args);
    }
    if path.exists() {
        return file_target(path, args);
    }
    Err(CliError::Usage {
        what: format!(
            "{:?} is no file or folder here, and no index, statement digest or release",
            args.target
        ),
        hint: "check the path; a release is written publisher/model@version".to_owned(),
    })
}

fn folder_target(folder: PathBuf, args: &VerifyArgs) -> Result<Target, CliError> {
    if let Some(bundle) = &args.bundle {
        return Ok(Target::FolderOffline {
            folder,
            bundle: bundle.clone(),
            is_inside: false,
        });
    }
    if args.offline {
        // Nobody else can be asked. That the bundle is of its log it proves, wherever it lies.
        let bundle = by_digest::bundle_inside(&folder)?;
        let bundle = bundle.ok_or_else(|| CliError::Usage {
            what: format!("{} can't be verified offline by itself", folder.display()),
            hint: "name a bundle with `--bundle FILE`, or put one at the top of the folder"
                .to_owned(),
        })?;
        return Ok(Target::FolderOffline {
            folder,
            bundle,
            is_inside: true,
        });
    }
    Ok(match &args.release {
        Some(release) => Target::FolderOnline {
            folder,
            release: release.clone(),
        },
        None => Target::FolderByDigest(folder),
    })
}

/// What is written like something in the log, and what that is.
fn target_in_log(text: &str) -> Option<(&'static str, Target)> {
    if let Ok(index) = args::index(text) {
        return Some(("an entry's index", Target::Index(LeafIndex::new(index))));
    }
    if let Ok(statement) = text.parse() {
        return Some(("a statement digest", Target::Statement(statement)));
    }
    let release = text.parse().ok()?;
    Some(("a release's name", Target::Release(release)))
}

fn file_target(path: PathBuf, args: &VerifyArgs) -> Result<Target, CliError> {
    if args.bundle.is_some() {
        return Err(CliError::Usage {
            what: format!(
                "{} is a file, and what `--bundle` shows is a whole release",
                path.display()
            ),
            hint: "name the folder that it is in: `candor verify DIR --bundle FILE`".to_owned(),
        });
    }
    args.refuse("a file", &[Flag::Strict, Flag::Reread, Flag::Threads])?;
    let bytes = files::read(&path, FILE_BYTES_MAX)?;
    if record::is_proof(&bytes) {
        args.refuse("a proof", &[Flag::Release, Flag::Proof, Flag::Policy])?;
        let record = args.record.clone().ok_or_else(|| CliError::Usage {
            what: format!("{} is a proof, and nothing says of what", path.display()),
            hint: "name the record with `--record FILE`".to_owned(),
        })?;
        return Ok(Target::RecordOffline {
            record,
            proof: path,
        });
    }
    let has_extension = |wanted| path.extension().is_some_and(|found| found == wanted);
    if Evidence::is_evidence(&bytes) || has_extension(EVIDENCE_EXTENSION) {
        args.refuse(
            "evidence against a log",
            &[
                Flag::Bundle,
                Flag::Release,
                Flag::Proof,
                Flag::Record,
                Flag::Policy,
            ],
        )?;
        return Ok(Target::Evidence(path));
    }
    if Bundle::looks_like_one(&bytes) || has_extension("candor") {
        args.refuse("a bundle", &[Flag::Proof, Flag::Record])?;
        return Ok(Target::Bundle(path));
    }
    args.refuse("a record", &[Flag::Release, Flag::Record, Flag::Policy])?;
    Ok(match &args.proof {
        Some(proof) => Target::RecordOffline {
            record: path,
            proof: proof.clone(),
        },
        None => Target::RecordOnline(path),
    })
}

/// The flags that say what a target is held against.
#[derive(Clone, Copy)]
enum Flag {
    Bundle,
    Release,
    Proof,
    Record,
    Policy,
    Strict,
    Reread,
    Threads,
}

impl VerifyArgs {
    fn refuse(&self, what: &str, flags: &[Flag]) -> Result<(), CliError> {
        let given = |flag: &Flag| match flag {
            Flag::Bundle => self.bundle.is_some().then_some("--bundle"),
            Flag::Release => self.release.is_some().then_some("--as"),
            Flag::Proof => self.proof.is_some().then_some("--proof"),
            Flag::Record => self.record.is_some().then_some("--record"),
            Flag::Policy => self.policy.is_some().then_some("--policy"),
            Flag::Strict => self.strict.then_some("--strict"),
            Flag::Reread => self.reread.then_some("--reread"),
            Flag::Threads => self.threads.is_some().then_some("--threads"),
        };
        let Some(flag) = flags.iter().find_map(given) else {
            return Ok(());
        };
        Err(CliError::Usage {
            what: format!(
                "{:?} is {what}, which `{flag}` has nothing to do with",
                self.target
            ),
            hint: "leave the flag out, or check the path; `candor verify --help` says what goes together"
                .to_owned(),
        })
    }
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
            lineage::judge(&bundle.verified, None, &mut report);
            judge_name(path, release, wanted, false, &mut report);
            policy::judge(gate, bundle.basis(false), session, &mut report)?;
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
            judge_folder(
                folder,
                &bundle.verified,
                From::Bundle,
                how,
                session,
                &mut report,
            )?;
            lineage::judge(&bundle.verified, None, &mut report);
            let fits = report.findings.is_empty() && report.doubts.is_empty();
            lineage::judge_base(&bundle.verified, args, session, &mut report)?;
            judge_name(folder, release, wanted, fits, &mut report);
            if *is_inside {
                report.not_checked.push(format!(
                    "whether {} is the bundle that you want: it lies in the folder itself, where whoever could change the files could put another",
                    path.display()
                ));
            }
            policy::judge(gate, bundle.basis(true), session, &mut report)?;
            compare_offline(&bundle.checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::FolderByDigest(folder) => by_digest::judge(folder, args, gate, session),
        Target::FolderOnline { folder, release } => {
            let how = How::new(args, None, gate);
            let (client, memory) = (settings.client()?, settings.memory()?);
            let wanted = Wanted::all(release).with(policy::authors(gate));
            let made = make_bundle(&client, &memory, &wanted)?;
            let mut report = Report::new(target_words(folder, release));
            report.leave_open_if_first(made.advance);
            let from = From::log(&client, made.others);
            judge_folder(folder, &made.verified, from, how, session, &mut report)?;
            policy::judge(gate, basis(&made, from, true), session, &mut report)?;
            report.note_accepted(&made.accepted);
            look_for_newer(release, &client, &memory, &mut report)?;
            lineage::judge(&made.verified, Some(&made.ancestors), &mut report);
            lineage::judge_base(&made.verified, args, session, &mut report)?;
            Ok(report)
        }
        Target::Release(name) => {
            let (client, memory) = (settings.client()?, settings.memory()?);
            let wanted = Wanted::all(name).with(policy::authors(gate));
            let made = make_bundle(&client, &memory, &wanted)?;
            let mut report = Report::new(name.to_string());
            report.leave_open_if_first(made.advance);
            let from = From::log(&client, made.others);
            release::judge(&made.verified, from, &mut report);
            policy::judge(gate, basis(&made, from, false), session, &mut report)?;
            report.note_accepted(&made.accepted);
            look_for_newer(name, &client, &memory, &mut report)?;
            lineage::judge(&made.verified, Some(&made.ancestors), &mut report);
            Ok(report)
        }
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
    fn basis(&self, has_folder: bool) -> Basis<'_> {
        Basis {
            bundle: &self.verified,
            checkpoint: &self.checkpoint.text,
            from: From::Bundle,
            has_folder,
        }
    }
}

fn basis(made: &MadeBundle, from: From, has_folder: bool) -> Basis<'_> {
    Basis {
        bundle: &made.verified,
        checkpoint: &made.bundle.checkpoint,
        from,
        has_folder,
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

fn judge_folder(
    folder: &Path,
    bundle: &VerifiedBundle,
    from: From,
    how: How<'_>,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    release::judge(bundle, from, report);
    folder::judge(bundle, folder, how, session, report)
}
