//! `candor verify`: works out what the target is, has it checked, and reports.
//!
//! ```text
//! bundle ─────────────────┐
//! folder + bundle ────────┼─ offline ─► Bundle::verify ─► release::judge ─┐
//! folder + release, name ─┼─ online ──► make_bundle ────► release::judge ─┼─► Report
//! record + proof ─────────┼─ offline ─► Receipt::verify ──────────────────┤
//! evidence of a fork ─────┤  offline ─► Evidence::judge ──────────────────┤
//! record, index, digest ──┘  online ──► proven entry, Replay ─────────────┘
//! ```
//!
//! Not here: any check. Core judges bundles, receipts, records and manifests, and [`crate::memory`] what two
//! checkpoints show.

mod evidence;
mod record;
mod release;
mod report;

use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::Verified;
use candor_core::bundle::VerifiedBundle;
use candor_core::merkle::LeafIndex;
use candor_core::record::ReleaseName;

use crate::bundle_maker::make_bundle;
use crate::cli::args::VerifyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{Session, files};
use crate::log_client::SignedCheckpoint;
use crate::memory::{Advance, EVIDENCE_EXTENSION, Evidence};
use release::From;
use report::{Finding, Report};

/// The most bytes of a file that are looked at to see what it is: what the largest, a bundle, may have.
const FILE_BYTES_MAX: usize = candor_core::bundle::BUNDLE_BYTES_MAX;

/// What is to be verified.
enum Target {
    /// A bundle's records.
    Bundle(PathBuf),
    /// A folder, against a bundle.
    FolderOffline { folder: PathBuf, bundle: PathBuf },
    /// A folder, against a release in the log.
    FolderOnline {
        folder: PathBuf,
        release: ReleaseName,
    },
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
    let target = target(args)?;
    if args.offline && target.needs_log() {
        return Err(CliError::Usage {
            what: format!("{:?} can't be verified offline by itself", args.target),
            hint: "name a bundle with `--bundle FILE`, or a proof with `--proof FILE`".to_owned(),
        });
    }
    verify(&target, args.release.as_ref(), session)?.finish(session)
}

impl Target {
    fn needs_log(&self) -> bool {
        match self {
            Self::Bundle(_)
            | Self::FolderOffline { .. }
            | Self::Evidence(_)
            | Self::RecordOffline { .. } => false,
            Self::FolderOnline { .. }
            | Self::RecordOnline(_)
            | Self::Index(_)
            | Self::Statement(_)
            | Self::Release(_) => true,
        }
    }
}

/// What is meant: by what is there, and then by what it looks like. Flags that the target has no use for are
/// refused: who gives one believes that it is checked.
fn target(args: &VerifyArgs) -> Result<Target, CliError> {
    let path = PathBuf::from(&args.target);
    if path.is_dir() {
        args.refuse("a folder", &[Flag::Proof, Flag::Record])?;
        return match (&args.bundle, &args.release) {
            (Some(bundle), _) => Ok(Target::FolderOffline { folder: path, bundle: bundle.clone() }),
            (None, Some(release)) => Ok(Target::FolderOnline { folder: path, release: release.clone() }),
            (None, None) => Err(CliError::Usage {
                what: format!("{} is a folder, and nothing says which release it should be", path.display()),
                hint: "name its bundle with `--bundle FILE`, or the release in the log with `--as publisher/model@version`".to_owned(),
            }),
        };
    }
    if path.exists() {
        return file_target(path, args);
    }
    let of_the_log = |what| {
        args.refuse(
            what,
            &[Flag::Bundle, Flag::Release, Flag::Proof, Flag::Record],
        )
    };
    if let Ok(index) = args.target.parse() {
        of_the_log("an entry's index")?;
        return Ok(Target::Index(LeafIndex::new(index)));
    }
    if let Ok(statement) = args.target.parse() {
        of_the_log("a statement digest")?;
        return Ok(Target::Statement(statement));
    }
    if let Ok(release) = args.target.parse() {
        of_the_log("a release's name")?;
        return Ok(Target::Release(release));
    }
    Err(CliError::Usage {
        what: format!(
            "{:?} is no file or folder here, and no index, statement digest or release",
            args.target
        ),
        hint: "check the path; a release is written publisher/model@version".to_owned(),
    })
}

fn file_target(path: PathBuf, args: &VerifyArgs) -> Result<Target, CliError> {
    let bytes = files::read(&path, FILE_BYTES_MAX)?;
    if record::is_proof(&bytes) {
        args.refuse("a proof", &[Flag::Bundle, Flag::Release, Flag::Proof])?;
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
            &[Flag::Bundle, Flag::Release, Flag::Proof, Flag::Record],
        )?;
        return Ok(Target::Evidence(path));
    }
    if record::is_bundle(&bytes) || has_extension("candor") {
        args.refuse("a bundle", &[Flag::Bundle, Flag::Proof, Flag::Record])?;
        return Ok(Target::Bundle(path));
    }
    args.refuse("a record", &[Flag::Bundle, Flag::Release, Flag::Record])?;
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
}

impl VerifyArgs {
    fn refuse(&self, what: &str, flags: &[Flag]) -> Result<(), CliError> {
        let given = |flag: &Flag| match flag {
            Flag::Bundle => self.bundle.is_some().then_some("--bundle"),
            Flag::Release => self.release.is_some().then_some("--as"),
            Flag::Proof => self.proof.is_some().then_some("--proof"),
            Flag::Record => self.record.is_some().then_some("--record"),
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
    wanted: Option<&ReleaseName>,
    session: &mut Session,
) -> Result<Report, CliError> {
    let settings = &session.settings;
    match target {
        Target::Bundle(path) => {
            let bundle = read_bundle(path, session)?;
            let mut report = Report::new(bundle.verified.release.to_string());
            release::judge(&bundle.verified, From::Bundle, &mut report);
            judge_name(&bundle.verified.release, wanted, &mut report);
            compare_offline(&bundle.checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::FolderOffline { folder, bundle } => {
            let bundle = read_bundle(bundle, session)?;
            let mut report = judge_folder(folder, &bundle.verified, From::Bundle, session)?;
            judge_name(&bundle.verified.release, wanted, &mut report);
            compare_offline(&bundle.checkpoint, session, &mut report)?;
            Ok(report)
        }
        Target::FolderOnline { folder, release } => {
            let made = make_bundle(&settings.client()?, &settings.memory()?, release)?;
            let mut report = judge_folder(folder, &made.verified, From::Log, session)?;
            report.leave_open_if_first(made.advance);
            Ok(report)
        }
        Target::Release(name) => {
            let made = make_bundle(&settings.client()?, &settings.memory()?, name)?;
            let mut report = Report::new(name.to_string());
            release::judge(&made.verified, From::Log, &mut report);
            report.leave_open_if_first(made.advance);
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
            let client = settings.client()?;
            let index = client.record_by_statement(*digest)?.index;
            record::statement_in_log(*digest, index, &client, &settings.memory()?)
        }
    }
}

/// A bundle says itself which release it is about; only the user can say which it should be.
fn judge_name(found: &ReleaseName, wanted: Option<&ReleaseName>, report: &mut Report) {
    match wanted {
        Some(wanted) if wanted == found => {
            report.checked.push(format!("it is {wanted}, as asked"));
        }
        Some(wanted) => report.findings.push(Finding::Broken {
            words: format!("the bundle is of {found}, and not of {wanted}"),
        }),
        None => report.not_checked.push(format!(
            "whether {found} is the release that you want: name that with `--as`"
        )),
    }
}

/// A bundle from a file, after its checks.
struct ReadBundle {
    verified: Verified<VerifiedBundle>,
    checkpoint: SignedCheckpoint,
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
    session: &Session,
) -> Result<Report, CliError> {
    let mut report = Report::new(format!("{} as {}", folder.display(), bundle.release));
    release::judge(bundle, from, &mut report);
    release::judge_folder(bundle, folder, &session.printer, &mut report)?;
    Ok(report)
}
