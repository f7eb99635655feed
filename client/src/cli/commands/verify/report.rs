//! What a verification came to, for people, as JSON, and as outcomes for files.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::note::Checkpoint;
use candor_core::record::{PublisherName, ReleaseName};
use serde_json::{Map, Value, json};

use super::places::{FoundRelease, Logged, Superseded, logged_words};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::report_files::{Outcome, Rule, Verification};
use crate::cli::text::{Text, Tone, counted, wrapped};
use crate::cli::{Session, page};
use crate::folder::LINK_HINT;
use crate::memory::Advance;

/// How wide a sentence gets.
const WIDTH: usize = 90;

/// The most findings that are printed one by one; a wholly different folder has thousands.
const FINDINGS_MAX: usize = 50;

/// Why something is not listed.
const LEFT_OUT_WORDS: &str = "a release never lists it";

/// What is in the place of a file.
const LINKED_WORDS: &str = "a symbolic link, and links are not followed";

/// A verification, being made.
#[derive(Default)]
pub(super) struct Report {
    /// What was verified.
    pub(super) target: String,
    /// What was checked, and holds.
    pub(super) checked: Vec<String>,
    /// Who signed.
    pub(super) signers: Vec<Signer>,
    /// Where its records stand in the log.
    pub(super) logged: Vec<Logged>,
    /// Of a folder that nobody named: the releases that are the same files, by the log's order.
    pub(super) found: Vec<FoundRelease>,
    /// The newest release of the model, where it is another one.
    pub(super) superseded: Option<Superseded>,
    /// Of a release: who said which records there are.
    pub(super) source: Option<&'static str>,
    /// The tree that proofs led to.
    pub(super) checkpoint: Option<Checkpoint>,
    /// What speaks against it.
    pub(super) findings: Vec<Finding>,
    /// What leaves it open.
    pub(super) doubts: Vec<Doubt>,
    /// What is worth knowing, and changes nothing.
    pub(super) remarks: Vec<String>,
    /// What was not checked.
    pub(super) not_checked: Vec<String>,
    /// The policy that it was held against.
    pub(super) policy: Option<AppliedPolicy>,
    /// What nobody who reads the verdict should miss, although it changes nothing.
    pub(super) warnings: Vec<String>,
    /// Where it comes from, as JSON; null, if it names no parents.
    pub(super) lineage: Value,
    /// The base that it is an adapter for, as JSON; null, if none was verified with it.
    pub(super) base: Value,
    /// What programs are told besides.
    pub(super) more: Map<String, Value>,
}

/// A policy, and what it asks.
pub(super) struct AppliedPolicy {
    /// Its file, as it was named.
    pub(super) file: String,
    /// The rules in it.
    pub(super) rules: Vec<&'static str>,
    /// Those that are neither broken nor open.
    pub(super) kept: Vec<&'static str>,
    /// The witnesses of its that signed the checkpoint, and when: in seconds since 1970.
    pub(super) witnesses: Vec<(String, u64)>,
}

/// What leaves a claim open, and how it could be settled.
pub(super) struct Doubt {
    pub(super) words: String,
    pub(super) hint: String,
    /// Whether it is that weak digests are all that there is.
    pub(super) is_of_weak_digests: bool,
}

/// A key that signed, and what.
pub(super) struct Signer {
    pub(super) publisher: PublisherName,
    pub(super) keyid: Sha256,
    /// Kind and index of each record.
    pub(super) records: Vec<(String, LeafIndex)>,
    /// The entry that took the key off its publisher's list, if one did.
    pub(super) retired_by: Option<LeafIndex>,
    /// Whether the signature was checked; offline, a lone record leaves it open.
    pub(super) checked: bool,
}

/// What speaks against a claim.
pub(super) enum Finding {
    /// A file is not as listed.
    Changed { path: String, how: String },
    /// A symbolic link is in the place of a file, whatever it leads to.
    Linked { path: String },
    /// A listed file is not there.
    Missing { path: String },
    /// A file is there and not listed; `what` says why nothing could list it.
    Extra { path: String, what: Option<String> },
    /// A proof of the folder lies in it and is not listed, as one that was made afterwards; `what` says of what kind.
    Proof {
        path: String,
        what: &'static str,
        hint: &'static str,
    },
    /// What no release lists is there, and was to be refused.
    LeftOut { path: String },
    /// The bundle is of another release than the user wants.
    OtherRelease(OtherRelease),
    /// What was verified was withdrawn, or else a part of it, without which it does not stand.
    Withdrawn {
        words: String,
        by: LeafIndex,
        part: Option<String>,
    },
    /// A rule of the policy is broken, by this file if one is named.
    Policy {
        rule: &'static str,
        words: String,
        path: Option<String>,
    },
    /// The log signed two histories.
    Fork { words: String },
    /// Anything else.
    Broken { words: String },
}

/// A bundle that is of another release than the user wants.
pub(super) struct OtherRelease {
    /// What was verified, as the user calls it.
    pub(super) what: String,
    pub(super) found: ReleaseName,
    pub(super) wanted: ReleaseName,
    /// Whether the folder is the bundle's own release.
    pub(super) folder_fits: bool,
}

impl OtherRelease {
    fn words(&self) -> String {
        let fits = if self.folder_fits {
            ", and the folder fits that"
        } else {
            ""
        };
        format!(
            "{} is not {}: the bundle is of {}{fits}",
            self.what, self.wanted, self.found
        )
    }
}

impl Finding {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Changed { path, how } => format!("changed: {path} ({how})"),
            Self::Linked { path } => format!("changed: {path} ({LINKED_WORDS})"),
            Self::Missing { path } => format!("missing: {path}"),
            Self::Extra { path, what: None } => format!("not listed: {path}"),
            Self::Extra {
                path,
                what: Some(what),
            } => format!("not listed: {path} ({what})"),
            Self::Proof { path, what, .. } => format!("not listed: {path} ({what})"),
            Self::LeftOut { path } => format!("not listed: {path} ({LEFT_OUT_WORDS})"),
            Self::OtherRelease(it) => it.words(),
            Self::Policy {
                rule,
                words,
                path: None,
            } => format!("policy {rule}: {words}"),
            Self::Policy {
                rule,
                words,
                path: Some(path),
            } => format!("policy {rule}: {path}: {words}"),
            Self::Withdrawn { words, .. } | Self::Fork { words } | Self::Broken { words } => {
                words.clone()
            }
        }
    }

    /// What sort of finding it is.
    fn rule(&self) -> Rule {
        match self {
            Self::Changed { .. } | Self::Linked { .. } => Rule::Changed,
            Self::Missing { .. } => Rule::Missing,
            Self::Extra { .. } | Self::Proof { .. } | Self::LeftOut { .. } => Rule::NotListed,
            Self::OtherRelease(_) => Rule::OtherRelease,
            Self::Withdrawn { .. } => Rule::Withdrawn,
            Self::Policy { .. } => Rule::Policy,
            Self::Fork { .. } => Rule::Fork,
            Self::Broken { .. } => Rule::Broken,
        }
    }

    /// The file that it is about.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Changed { path, .. }
            | Self::Linked { path }
            | Self::Missing { path }
            | Self::Extra { path, .. }
            | Self::Proof { path, .. }
            | Self::LeftOut { path } => Some(path),
            Self::Policy { path, .. } => path.as_deref(),
            Self::OtherRelease(_)
            | Self::Withdrawn { .. }
            | Self::Fork { .. }
            | Self::Broken { .. } => None,
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            rule: self.rule(),
            words: self.words(),
            path: self.path().map(str::to_owned),
        }
    }

    fn to_json(&self) -> Value {
        let finding = self.rule().name();
        match self {
            Self::Changed { path, how } => {
                json!({ "finding": finding, "path": path, "detail": how })
            }
            Self::Linked { path } => {
                json!({ "finding": finding, "path": path, "detail": LINKED_WORDS })
            }
            Self::Missing { path } | Self::Extra { path, what: None } => {
                json!({ "finding": finding, "path": path })
            }
            Self::Extra { path, what } => {
                json!({ "finding": finding, "path": path, "detail": what })
            }
            Self::Proof { path, what, .. } => {
                json!({ "finding": finding, "path": path, "detail": what })
            }
            Self::LeftOut { path } => {
                json!({ "finding": finding, "path": path, "detail": LEFT_OUT_WORDS })
            }
            Self::OtherRelease(it) => json!({
                "finding": finding, "wanted": it.wanted, "found": it.found, "detail": it.words(),
            }),
            Self::Withdrawn { words, by, part: _ } => {
                json!({ "finding": finding, "by": by, "detail": words })
            }
            Self::Policy { rule, words, path } => {
                let mut json = json!({ "finding": finding, "rule": rule, "detail": words });
                if let Some(path) = path {
                    json["path"] = json!(path);
                }
                json
            }
            Self::Fork { words } | Self::Broken { words } => {
                json!({ "finding": finding, "detail": words })
            }
        }
    }
}

impl Report {
    pub(super) fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            ..Self::default()
        }
    }

    /// Proofs tie a log to what was seen of it before. The first time, that is nothing.
    pub(super) fn leave_open_if_first(&mut self, advance: Advance) {
        if advance == Advance::First {
            self.not_checked.push(
                "whether this is the history that others see: no checkpoint of this log was seen here before"
                    .to_owned(),
            );
        }
    }

    /// Says of records that are logged when the log says that it accepted them.
    pub(super) fn note_accepted(&mut self, accepted: &BTreeMap<LeafIndex, String>) {
        for logged in &mut self.logged {
            logged.accepted_at = accepted.get(&logged.index).cloned();
        }
    }

    /// What was found and what was not looked at, for files: the same sentences that people read.
    pub(super) fn verification(&self, typed: &str) -> Verification {
        let mut outcomes: Vec<Outcome> = self.findings.iter().map(Finding::outcome).collect();
        outcomes.extend(self.doubts.iter().map(|doubt| {
            let rule = if doubt.is_of_weak_digests {
                Rule::WeakDigests
            } else {
                Rule::Doubt
            };
            Outcome::new(rule, &doubt.words)
        }));
        let superseded = self.superseded.iter();
        outcomes.extend(superseded.map(|it| Outcome::new(Rule::Superseded, it.words())));
        for (rule, sentences) in [
            (Rule::Remark, &self.remarks),
            (Rule::Checked, &self.checked),
            (Rule::NotChecked, &self.not_checked),
        ] {
            outcomes.extend(sentences.iter().map(|words| Outcome::new(rule, words)));
        }
        Verification {
            target: self.target.clone(),
            typed: typed.to_owned(),
            exit: self.exit(),
            outcomes,
        }
    }

    pub(super) fn exit(&self) -> Exit {
        if !self.findings.is_empty() {
            Exit::Refuted
        } else if self.doubts.is_empty() {
            Exit::Holds
        } else {
            Exit::CouldNotTell
        }
    }

    /// Prints the report. What does not hold is an error besides, for people and their scripts.
    pub(super) fn finish(self, session: &mut Session) -> Result<Exit, CliError> {
        let exit = self.exit();
        session.printer.json(&self.to_json());
        if session.printer.is_json() {
            return Ok(exit);
        }
        self.print(session);
        for words in &self.warnings {
            session.printer.warning(words);
        }
        let target = self.target;
        match exit {
            Exit::Holds => Ok(exit),
            Exit::CouldNotTell | Exit::BadInput => {
                let hint = self.doubts.first().map(|doubt| doubt.hint.clone());
                Err(CliError::CouldNotTell {
                    what: format!("there is no telling whether {target} holds"),
                    context: self.doubts.into_iter().map(|doubt| doubt.words).collect(),
                    hint: hint.unwrap_or_default(),
                })
            }
            Exit::Refuted => Err(refuted(&target, &self.findings)),
        }
    }

    fn print(&self, session: &mut Session) {
        let out = &mut session.printer;
        let (tone, word) = match self.exit() {
            Exit::Holds => (Tone::Good, "holds"),
            Exit::Refuted => (Tone::Bad, "refuted"),
            Exit::CouldNotTell | Exit::BadInput => (Tone::Warning, "unclear"),
        };
        out.line(
            Text::of(tone, word)
                .plain("  ")
                .with(Tone::Strong, &self.target),
        );
        let mut rows = |title: &str, sentences: &[String]| {
            let mut title = title;
            for line in sentences
                .iter()
                .flat_map(|sentence| wrapped(sentence, WIDTH))
            {
                out.line(Text::of(Tone::Dim, format!("  {title:<13}")).plain(line));
                title = "";
            }
        };
        rows("checked", &self.checked);
        rows(
            "signed by",
            &self.signers.iter().map(Signer::words).collect::<Vec<_>>(),
        );
        rows("logged", logged_words(&self.logged).as_slice());
        let superseded = self.superseded.iter().map(Superseded::words);
        rows("superseded", &superseded.collect::<Vec<_>>());
        let policy = self.policy.iter().filter_map(AppliedPolicy::words);
        rows("policy", &policy.collect::<Vec<_>>());
        // Otherwise they are the error that is told last.
        if self.exit() == Exit::Refuted {
            let doubts = self.doubts.iter().map(|doubt| doubt.words.clone());
            rows("unclear", &doubts.collect::<Vec<_>>());
        }
        rows("remarks", &self.remarks);
        let head = self.checkpoint.as_ref().map(|it| {
            format!(
                "{}, {}, root {}",
                it.origin,
                counted(it.head.size.get(), "entry", "entries"),
                it.head.root
            )
        });
        rows("checkpoint", head.as_slice());
        rows("not checked", &self.not_checked);
    }

    fn to_json(&self) -> Value {
        let exit = self.exit();
        let mut report = json!({
            "verdict": exit.verdict(),
            "exit": exit.code(),
            "target": self.target,
            "checked": self.checked,
            "signedBy": self.signers.iter().map(Signer::to_json).collect::<Vec<_>>(),
            "logged": self.logged.iter().map(Logged::to_json).collect::<Vec<_>>(),
            "found": self.found.iter().map(FoundRelease::to_json).collect::<Vec<_>>(),
            "supersededBy": self.superseded.as_ref().map(Superseded::to_json),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "doubts": self.doubts.iter().map(|doubt| &doubt.words).collect::<Vec<_>>(),
            "remarks": self.remarks,
            "notChecked": self.not_checked,
            "policy": self.policy.as_ref().map(AppliedPolicy::to_json),
            "source": self.source,
            "checkpoint": self.checkpoint.as_ref().map(page::checkpoint_json),
            "lineage": self.lineage,
            "base": self.base,
        });
        let fields = report.as_object_mut().expect("made above");
        fields.extend(self.more.clone());
        report
    }
}

fn refuted(target: &str, findings: &[Finding]) -> CliError {
    let other_release = findings.iter().find_map(|finding| match finding {
        Finding::OtherRelease(it) => Some(it),
        _ => None,
    });
    let listed = findings
        .iter()
        .filter(|finding| !matches!(finding, Finding::OtherRelease(_)));
    let mut context: Vec<String> = listed.map(Finding::words).collect();
    if let Some(more) = context
        .len()
        .checked_sub(FINDINGS_MAX)
        .filter(|more| *more > 0)
    {
        context.truncate(FINDINGS_MAX);
        context.push(format!("and {more} more; `--json` lists all"));
    }
    if let Some(it) = other_release {
        return CliError::Refuted {
            what: it.words(),
            context,
            hint: format!("check `--as`, or get the bundle of {}", it.wanted),
        };
    }
    let all = |is: fn(&Finding) -> bool| findings.iter().all(is);
    let (what, hint) = if all(|finding| matches!(finding, Finding::Fork { .. })) {
        (
            format!("{target} signed two histories"),
            "trust nothing that this log says; publish the file, or send it to a witness: it convinces whoever has the log's key",
        )
    } else if all(|finding| matches!(finding, Finding::Withdrawn { .. })) {
        let parts = findings.iter().filter_map(|finding| match finding {
            Finding::Withdrawn { part, .. } => part.as_deref(),
            _ => None,
        });
        let parts: Vec<_> = parts.collect();
        let what = match parts.as_slice() {
            [] => format!("{target} is in the log, and was withdrawn"),
            [part] => format!("{target} is in the log, and its {part} was withdrawn"),
            parts => format!(
                "{target} is in the log, and of it were withdrawn: {}",
                parts.join(", ")
            ),
        };
        (
            what,
            "don't use it; the withdrawal says why, and what to use instead",
        )
    } else if all(|finding| matches!(finding, Finding::Linked { .. })) {
        (
            format!(
                "{target} has links in place of files, and what they lead to was not looked at"
            ),
            LINK_HINT,
        )
    } else if all(|finding| matches!(finding, Finding::Policy { .. })) {
        (
            format!("{target} is not as the policy asks"),
            "don't use it here: the release may hold, and the policy says that this is not enough",
        )
    } else if let Some(Finding::Proof { hint, .. }) =
        (findings.first()).filter(|_| all(|finding| matches!(finding, Finding::Proof { .. })))
    {
        (format!("{target} has more in it than is listed"), *hint)
    } else if all(|finding| matches!(finding, Finding::LeftOut { .. })) {
        (
            format!("{target} has more in it than a release has"),
            "move that away, or leave out `--strict`: the files of the release are as they should be",
        )
    } else {
        (
            format!("{target} does not hold"),
            "don't use it; fetch it again from its publisher, and verify that",
        )
    };
    CliError::Refuted {
        what,
        context,
        hint: hint.to_owned(),
    }
}

impl AppliedPolicy {
    /// How much of it is kept, if that is not all.
    fn words(&self) -> Option<String> {
        if self.kept.len() == self.rules.len() {
            return None;
        }
        let rules = counted(self.rules.len() as u64, "rule", "rules");
        let kept = match self.kept.as_slice() {
            [] => "none of them is kept".to_owned(),
            kept => format!("kept of them: {}", kept.join(", ")),
        };
        Some(format!("{}: {rules}, {kept}", self.file))
    }

    fn to_json(&self) -> Value {
        let witnesses = self.witnesses.iter();
        json!({
            "file": self.file,
            "rules": self.rules,
            "kept": self.kept,
            "cosignedBy": witnesses.map(|(name, time)| json!({ "name": name, "time": time })).collect::<Vec<_>>(),
        })
    }
}

impl Signer {
    fn words(&self) -> String {
        let records: Vec<_> = self
            .records
            .iter()
            .map(|(kind, index)| format!("{kind} (entry {index})"))
            .collect();
        let retired = self
            .retired_by
            .map(|by| format!("; the key counts no longer since entry {by}"));
        let open = if self.checked {
            ""
        } else {
            ", as the record says"
        };
        format!(
            "{}{open}, key {}: {}{}",
            self.publisher,
            self.keyid,
            records.join(", "),
            retired.unwrap_or_default()
        )
    }

    fn to_json(&self) -> Value {
        let records = self.records.iter();
        json!({
            "publisher": self.publisher,
            "keyid": self.keyid,
            "checked": self.checked,
            "records": records.map(|(kind, index)| json!({ "kind": kind, "index": index })).collect::<Vec<_>>(),
            "retiredBy": self.retired_by,
        })
    }
}
