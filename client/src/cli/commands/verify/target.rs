//! What `candor verify` was given, and which flags go with that.

use std::path::PathBuf;

use candor_core::Sha256;
use candor_core::bundle::{Bundle, PartProof};
use candor_core::merkle::LeafIndex;
use candor_core::record::ReleaseName;

use super::{by_digest, record};
use crate::cli::args::{self, VerifyArgs};
use crate::cli::error::CliError;
use crate::cli::files;
use crate::memory::{EVIDENCE_EXTENSION, Evidence};

/// The most bytes of a file that are looked at to see what it is: what the largest, a bundle, may have.
const FILE_BYTES_MAX: usize = candor_core::bundle::BUNDLE_BYTES_MAX;

/// What is to be verified.
pub(super) enum Target {
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

impl Target {
    /// A base goes with an adapter's folder. Offline, it takes a bundle of its own: one release's has no files of others.
    pub(super) fn check_base(&self, args: &VerifyArgs) -> Result<(), CliError> {
        if args.base.is_none() {
            return Ok(());
        }
        let is_folder = self.is_folder();
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

    /// Whether it is a folder that should be a release.
    pub(super) fn is_folder(&self) -> bool {
        matches!(
            self,
            Self::FolderOffline { .. } | Self::FolderOnline { .. } | Self::FolderByDigest(_)
        )
    }

    pub(super) fn needs_log(&self) -> bool {
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
    pub(super) fn is_release(&self) -> bool {
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
pub(super) fn target(args: &VerifyArgs) -> Result<Target, CliError> {
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
    if PartProof::looks_like_one(&bytes) {
        return Err(CliError::Usage {
            what: format!(
                "{} is a proof of tensors, files or chunks, which says nothing by itself",
                path.display()
            ),
            hint: "hold files against it: `candor verify-tensor`, `verify-file` or `verify-chunk`, with `--proof FILE`".to_owned(),
        });
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
