//! A release against a policy: which file that is, and what its verdict means for the report.
//!
//! Always: the policy comes from the user, by a flag, a variable or their own configuration. None is looked for, and
//! one that lies in what is being verified is refused, whoever names it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use candor_core::bundle::VerifiedBundle;
use candor_core::record::PublisherName;
use candor_core::weights::FilePath;

use super::release::From;
use super::report::{AppliedPolicy, Doubt, Finding, Report};
use super::target::Target;
use crate::cli::args::{FetchArgs, VerifyArgs};
use crate::cli::error::CliError;
use crate::cli::text::counted;
use crate::cli::{Session, files};
use crate::hashing::{FileError, OpenFile};
use crate::policy::{self, Facts, FilesSeen, POLICY_BYTES_MAX, Policy, Rule, Verdict};

/// What can be done about a policy that can't be read.
const HINT: &str = "docs/policy.md says what a policy is, and has one to begin with";

/// A policy that a release has to pass.
pub(super) struct Gate {
    path: PathBuf,
    policy: Policy,
    seen: FilesSeen,
}

impl Gate {
    /// Reads the policy, if there is one and the target is something that it is about.
    pub(super) fn open(
        target: &Target,
        args: &VerifyArgs,
        session: &Session,
    ) -> Result<Option<Self>, CliError> {
        let path = args.policy.clone().or_else(|| session.settings.policy());
        let Some(path) = path.filter(|_| target.is_release()) else {
            return Ok(None);
        };
        let mut folders = Vec::new();
        if let Target::FolderOffline { folder, .. }
        | Target::FolderOnline { folder, .. }
        | Target::FolderByDigest(folder) = target
        {
            folders.push(folder.as_path());
        }
        folders.extend(args.base.as_deref());
        for folder in folders {
            refuse_inside(&path, folder)?;
        }
        Self::read(path).map(Some)
    }

    /// The same for what is about to be fetched.
    pub(super) fn of_fetch(args: &FetchArgs, session: &Session) -> Result<Option<Self>, CliError> {
        let path = args.policy.clone().or_else(|| session.settings.policy());
        path.map(Self::read).transpose()
    }

    /// Refuses a policy that lies where the files of a release are to be.
    pub(super) fn refuse_inside(&self, folder: &Path) -> Result<(), CliError> {
        refuse_inside(&self.path, folder)
    }

    fn read(path: PathBuf) -> Result<Self, CliError> {
        let bytes = files::read(&path, POLICY_BYTES_MAX)?;
        let form = |what: String| CliError::Form {
            path: path.clone(),
            what: format!("is no policy: {what}"),
            hint: HINT,
        };
        let text = str::from_utf8(&bytes).map_err(|error| {
            form(format!(
                "it is not UTF-8: the bytes from {} on are no character",
                error.valid_up_to()
            ))
        })?;
        let policy = Policy::parse(text).map_err(|error| form(error.to_string()))?;
        Ok(Self {
            path,
            policy,
            seen: FilesSeen::default(),
        })
    }

    /// Looks at a file of the folder that is about to be hashed.
    pub(super) fn look(&self, path: &FilePath, file: &OpenFile) -> Result<(), FileError> {
        self.seen.look(&self.policy, path, file)
    }

    fn judge(&self, basis: Basis<'_>, session: &Session) -> Result<Verdict, CliError> {
        let seen = self.seen.take();
        let others = match basis.from {
            From::Bundle => None,
            From::Log(others) | From::Entries(others) => Some(others),
        };
        Ok(self.policy.judge(Facts {
            bundle: basis.bundle,
            checkpoint: basis.checkpoint,
            log: &session.settings.log_key()?,
            is_offline: matches!(basis.from, From::Bundle),
            has_all_entries: matches!(basis.from, From::Entries(_)),
            has_left_out_others: others.is_none_or(|it| it.is_more || it.taken < it.listed),
            files: match basis.files {
                Files::Looked => policy::Files::Seen(&seen),
                Files::NotHere => policy::Files::NotHere,
                Files::Awaited => policy::Files::Awaited,
            },
            now: SystemTime::now(),
        }))
    }
}

/// Whoever brought the folder would have written the policy that lets it pass.
fn refuse_inside(policy: &Path, folder: &Path) -> Result<(), CliError> {
    let inside = match (policy.canonicalize(), folder.canonicalize()) {
        (Ok(policy), Ok(folder)) => policy.starts_with(folder),
        // What is not there is said when it is read.
        _ => false,
    };
    if !inside {
        return Ok(());
    }
    Err(CliError::Usage {
        what: format!(
            "the policy {} is in {}, which it is to judge: whoever brought the folder may have brought it",
            policy.display(),
            folder.display()
        ),
        hint: "keep the policy elsewhere, with what uses the release".to_owned(),
    })
}

/// Whose records the policy needs, beside those of the release's own publisher.
pub(super) fn authors(gate: Option<&Gate>) -> BTreeSet<PublisherName> {
    gate.map_or_else(BTreeSet::new, |gate| gate.policy.authors())
}

/// Says that the user's policy is about something else.
pub(super) fn leave_open(target: &Target, session: &Session, report: &mut Report) {
    if let Some(path) = session.settings.policy().filter(|_| !target.is_release()) {
        report.not_checked.push(format!(
            "the policy {}, which is about releases",
            path.display()
        ));
    }
}

/// What a release rests on.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    pub(super) bundle: &'a VerifiedBundle,
    /// The signed checkpoint, as it was received.
    pub(super) checkpoint: &'a str,
    pub(super) from: From,
    pub(super) files: Files,
}

/// The release's files, as the policy finds them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// The gate looked at each.
    Looked,
    /// There is no folder.
    NotHere,
    /// They are to be fetched.
    Awaited,
}

/// Holds a release that was judged against the policy, if there is one.
pub(super) fn judge(
    gate: Option<&Gate>,
    basis: Basis<'_>,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    if let Some(gate) = gate {
        report_on(gate, gate.judge(basis, session)?, report);
    }
    Ok(())
}

/// Holds a release against the policy, if there is one, before its files are fetched. What lets it pass is not reported:
/// the policy judges again when they are here.
pub(super) fn judge_before(
    gate: Option<&Gate>,
    basis: Basis<'_>,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    if let Some(gate) = gate {
        let verdict = gate.judge(basis, session)?;
        if !(verdict.broken.is_empty() && verdict.open.is_empty()) {
            report_on(gate, verdict, report);
        }
    }
    Ok(())
}

fn report_on(gate: &Gate, verdict: Verdict, report: &mut Report) {
    let rules = gate.policy.rules();
    let is_kept = |rule: &Rule| {
        verdict.broken.iter().all(|it| it.rule != *rule)
            && verdict.open.iter().all(|it| it.rule != *rule)
    };
    let kept: Vec<_> = rules.iter().copied().filter(is_kept).collect();
    let file = gate.path.display().to_string();
    if kept == rules {
        let names: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
        report.checked.push(format!(
            "it is as the policy {file} asks, by {}: {}",
            counted(rules.len() as u64, "rule", "rules"),
            names.join(", ")
        ));
    }
    let names = |rules: &[Rule]| rules.iter().map(|rule| rule.name()).collect();
    report.policy = Some(AppliedPolicy {
        file,
        rules: names(&rules),
        kept: names(&kept),
        witnesses: verdict.witnesses,
    });
    let broken = verdict.broken.into_iter();
    report.findings.extend(broken.map(|it| Finding::Policy {
        rule: it.rule.name(),
        words: it.words,
        path: it.path.map(|path| path.to_string()),
    }));
    let open = verdict.open.into_iter();
    report.doubts.extend(open.map(|it| Doubt {
        words: format!("policy {}: {}", it.rule.name(), it.words),
        hint: it.hint,
        is_of_weak_digests: false,
    }));
    report.not_checked.extend(verdict.not_checked);
}
