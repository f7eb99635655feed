//! Holds a release against a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, VerifiedBundle, withdrawn};
use candor_core::note::{Cosigned, LogKey};
use candor_core::record::{Kind, Predicate, PublisherName};
use candor_core::weights::{FilePath, Manifest};
use candor_formats::{Format, Pickles};

use super::files::{Seen, is_named_as_other_weights, is_named_as_pickle};
use super::parse::license_of;
use super::{AcceptedPublisher, PickleRule, Policy, RequiredRecords, Rule, Witnesses};

/// How far a witness's clock may be ahead of this one.
const CLOCKS_APART: Duration = Duration::from_mins(5);

/// How much of a text of a publisher's is repeated.
const TEXT_CHARS_MAX: usize = 80;

/// What a policy is held against.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The release, after its checks.
    pub bundle: &'a VerifiedBundle,
    /// The signed checkpoint that the bundle rests on, as it was received.
    pub checkpoint: &'a str,
    /// Whose it is.
    pub log: &'a LogKey,
    /// Whether the log was not asked, and all that there is comes from a bundle.
    pub is_offline: bool,
    /// Whether all entries of the log were read, so that what its publisher, or an author whom the policy names, did
    /// not say there was never said.
    pub has_all_entries: bool,
    /// Whether some of what others say of the release was left out of the bundle, be there ever so much.
    pub has_left_out_others: bool,
    /// What is known of the release's files.
    pub files: Files<'a>,
    /// What time it is.
    pub now: SystemTime,
}

/// What is known of a release's files, beside what its records say.
#[derive(Clone, Copy)]
pub enum Files<'a> {
    /// What was seen of each.
    Seen(&'a BTreeMap<FilePath, Seen>),
    /// Nothing, and nobody brings them.
    NotHere,
    /// Nothing yet: who judges now does so again when they are here.
    Awaited,
}

impl<'a> Files<'a> {
    fn seen(self) -> Option<&'a BTreeMap<FilePath, Seen>> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::NotHere | Self::Awaited => None,
        }
    }
}

/// What a policy makes of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What breaks a rule.
    pub broken: Vec<Broken>,
    /// What leaves a rule open.
    pub open: Vec<Open>,
    /// What a rule does not look at, in sentences.
    pub not_checked: Vec<String>,
    /// The witnesses that signed, and when: in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

/// What breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// How.
    pub words: String,
    /// The file that does.
    pub path: Option<FilePath>,
}

/// What leaves a rule open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub rule: Rule,
    /// Why.
    pub words: String,
    /// How it could be settled.
    pub hint: String,
}

impl Policy {
    /// Holds a release against the policy.
    pub fn judge(&self, facts: Facts<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some(accepted) = &self.publishers {
            judge_publisher(accepted, facts, &mut verdict);
        }
        if let Some(required) = &self.records {
            judge_records(required, facts, &mut verdict);
        }
        if self.pickle.is_some() || self.formats.is_some() {
            self.judge_files(facts, &mut verdict);
        }
        if let Some(accepted) = &self.licenses {
            judge_license(accepted, facts, &mut verdict);
        }
        if let Some(witnesses) = &self.witnesses {
            judge_witnesses(witnesses, facts, &mut verdict);
        }
        verdict
    }

    fn judge_files(&self, facts: Facts<'_>, verdict: &mut Verdict) {
        let manifest = facts.bundle.weights();
        let manifest = manifest.and_then(|(index, _)| facts.bundle.manifests.get(&index));
        if let Some(rule) = self.pickle {
            match manifest {
                Some(manifest) => judge_pickles(rule, manifest, facts, verdict),
                None => verdict.open.push(no_files(Rule::Pickle, facts)),
            }
        }
        if let Some(accepted) = &self.formats {
            match manifest {
                Some(manifest) => judge_formats(accepted, manifest, facts, verdict),
                None => verdict.open.push(no_files(Rule::Formats, facts)),
            }
        }
    }
}

impl Verdict {
    fn broken(&mut self, rule: Rule, words: String) {
        self.broken.push(Broken {
            rule,
            words,
            path: None,
        });
    }

    fn broken_by(&mut self, rule: Rule, path: &FilePath, words: String) {
        self.broken.push(Broken {
            rule,
            words,
            path: Some(path.clone()),
        });
    }

    /// What its publisher's records are without: proven to be missing, or only not there.
    fn missing(&mut self, rule: Rule, words: String, facts: Facts<'_>) {
        if facts.has_all_entries {
            self.broken(rule, words);
        } else {
            self.open.push(Open {
                rule,
                words: format!("{words}, in what was looked at: it may have been left out"),
                hint: ask_again(facts),
            });
        }
    }
}

fn ask_again(facts: Facts<'_>) -> String {
    let release = &facts.bundle.release;
    let publisher = release.publisher();
    if facts.is_offline {
        return format!(
            "ask the log for all of it, with `candor verify {release}`, or {publisher} to publish it"
        );
    }
    format!(
        "ask {publisher} to publish it; `candor log` walks through all entries, should the log have left it out"
    )
}

/// The records that say what the release is, by its own publisher.
fn own_records(facts: Facts<'_>) -> impl Iterator<Item = &LoggedRecord> {
    let release = &facts.bundle.release;
    facts.bundle.records.iter().filter(move |logged| {
        let statement = logged.record.statement();
        statement.release() == Some(release)
            && statement.publisher() == release.publisher()
            && statement.kind().is_once_per_release()
    })
}

fn judge_publisher(accepted: &[AcceptedPublisher], facts: Facts<'_>, verdict: &mut Verdict) {
    let publisher = facts.bundle.release.publisher();
    let Some(found) = accepted.iter().find(|it| it.name == *publisher) else {
        verdict.broken(
            Rule::Publishers,
            format!("{publisher} is not among the publishers that are accepted"),
        );
        return;
    };
    if found.keys.is_empty() {
        return;
    }
    for logged in own_records(facts) {
        let keys = logged.record.signed_by();
        if keys.iter().any(|key| found.keys.contains(&key.keyid())) {
            continue;
        }
        let ids: Vec<_> = keys.iter().map(|key| key.keyid().to_string()).collect();
        verdict.broken(
            Rule::Publishers,
            format!(
                "the {} record (entry {}) is signed with the key {}, which is not among those that are accepted of {publisher}",
                logged.record.statement().kind(),
                logged.index,
                ids.join(", ")
            ),
        );
    }
}

fn judge_records(required: &RequiredRecords, facts: Facts<'_>, verdict: &mut Verdict) {
    for kind in &required.kinds {
        if *kind == Kind::Evaluation {
            judge_evaluations(required, facts, verdict);
            continue;
        }
        let found = own_records(facts).find(|it| it.record.statement().kind() == *kind);
        let Some(found) = found else {
            let release = &facts.bundle.release;
            let words = format!(
                "there is no {kind} record of {release} by {}",
                release.publisher()
            );
            verdict.missing(Rule::Records, words, facts);
            continue;
        };
        // There is one of it, ever.
        if let Some(it) = withdrawn(found, &facts.bundle.records) {
            let words = format!(
                "the {kind} record (entry {}) is withdrawn by entry {}",
                found.index, it.by
            );
            verdict.broken(Rule::Records, words);
        }
    }
}

/// An evaluation counts if it is about what the release is by its publisher's own words, by somebody who counts, and
/// stands.
fn judge_evaluations(required: &RequiredRecords, facts: Facts<'_>, verdict: &mut Verdict) {
    let release = &facts.bundle.release;
    let contents: BTreeSet<Sha256> = own_records(facts)
        .map(|logged| logged.record.statement().subject.sha256)
        .collect();
    let counts = |logged: &&LoggedRecord| {
        let statement = logged.record.statement();
        statement.kind() == Kind::Evaluation
            && statement.release() == Some(release)
            && contents.contains(&statement.subject.sha256)
            && (required.evaluations_by.is_empty()
                || required.evaluations_by.contains(statement.publisher()))
            && withdrawn(logged, &facts.bundle.records).is_none()
    };
    if facts.bundle.records.iter().any(|logged| counts(&logged)) {
        return;
    }
    let names: Vec<_> = required
        .evaluations_by
        .iter()
        .map(PublisherName::as_str)
        .collect();
    let by = if names.is_empty() {
        String::new()
    } else {
        format!(" by {}", names.join(" or "))
    };
    let words = format!("there is no evaluation of {release}{by} that stands");
    let facts = Facts {
        has_all_entries: facts.has_all_entries
            && !(required.evaluations_by.is_empty() && facts.has_left_out_others),
        ..facts
    };
    verdict.missing(Rule::Records, words, facts);
}

fn no_files(rule: Rule, facts: Facts<'_>) -> Open {
    let release = &facts.bundle.release;
    Open {
        rule,
        words: format!("which files {release} has is not known: its manifest is not there"),
        hint: format!("ask the log: `candor verify DIR --as {release}`"),
    }
}

fn judge_pickles(rule: PickleRule, manifest: &Manifest, facts: Facts<'_>, verdict: &mut Verdict) {
    let named: Vec<_> = manifest
        .files()
        .iter()
        .map(|file| &file.path)
        .filter(|path| is_named_as_pickle(path))
        .collect();
    if rule == PickleRule::RefuseByName {
        for path in &named {
            let words = "it is a pickle by its name".to_owned();
            verdict.broken_by(Rule::Pickle, path, words);
        }
    }
    if let Some(files) = facts.files.seen() {
        for (path, seen) in files {
            match &seen.pickles {
                Pickles::Found(what) => verdict.broken_by(Rule::Pickle, path, what.clone()),
                Pickles::Unclear(why) => verdict.open.push(Open {
                    rule: Rule::Pickle,
                    words: format!("whether {path} has a pickle in it: {why}"),
                    hint: "look at the file with a tool for it, and unpack it nowhere that matters"
                        .to_owned(),
                }),
                Pickles::None => {}
            }
        }
    }
    if !matches!(facts.files, Files::NotHere) {
        return;
    }
    match rule {
        PickleRule::RefuseByName => verdict.not_checked.push(
            "whether a file is a pickle whose name is not that of one: only the folder shows it"
                .to_owned(),
        ),
        PickleRule::Refuse => {
            let by_name = match named.as_slice() {
                [] => "none of them is one by its name".to_owned(),
                [path] => format!("by its name, {path} is one"),
                [path, more @ ..] => format!("by their names, {path} and {} more are", more.len()),
            };
            verdict.open.push(Open {
                rule: Rule::Pickle,
                words: format!(
                    "whether a file of {} is a pickle, without the files: {by_name}",
                    facts.bundle.release
                ),
                hint: format!(
                    "verify the folder: `candor verify DIR --as {}`; or have names decide, by pickle = \"refuse-by-name\"",
                    facts.bundle.release
                ),
            });
        }
    }
}

fn judge_formats(
    accepted: &BTreeSet<Format>,
    manifest: &Manifest,
    facts: Facts<'_>,
    verdict: &mut Verdict,
) {
    let names: Vec<_> = accepted.iter().map(|format| format.name()).collect();
    let names = names.join(" or ");
    for file in manifest.files() {
        let path = &file.path;
        let is_accepted = match Format::of(path.as_str()) {
            Some(format) => accepted.contains(&format),
            None if is_named_as_other_weights(path) => false,
            None => continue,
        };
        if !is_accepted {
            let words = format!("by its name, its weights are not in the format {names}");
            verdict.broken_by(Rule::Formats, path, words);
            continue;
        }
        let seen = facts.files.seen().and_then(|files| files.get(path));
        if let Some(why) = seen.and_then(|seen| seen.misnamed.as_ref()) {
            let words = format!("it is not in the format that its name says: {why}");
            verdict.broken_by(Rule::Formats, path, words);
        }
    }
    if matches!(facts.files, Files::NotHere) {
        verdict.not_checked.push(
            "whether the files are in the formats that their names say: only the folder shows it"
                .to_owned(),
        );
    }
}

fn judge_license(accepted: &BTreeSet<String>, facts: Facts<'_>, verdict: &mut Verdict) {
    let card = own_records(facts).find_map(|logged| match &logged.record.statement().predicate {
        Predicate::ModelCard(card) => Some((logged.index, card)),
        _ => None,
    });
    let Some((index, card)) = card else {
        let release = &facts.bundle.release;
        let words = format!("there is no model card of {release}, which would name its licence");
        verdict.missing(Rule::License, words, facts);
        return;
    };
    let Some(license) = &card.license else {
        let words = format!("the model card (entry {index}) names no licence");
        verdict.broken(Rule::License, words);
        return;
    };
    let license = license_of(license, card.license_name.as_deref());
    if !accepted.contains(&license) {
        let license: String = license.chars().take(TEXT_CHARS_MAX).collect();
        verdict.broken(
            Rule::License,
            format!("the licence of the model card (entry {index}) is {license:?}, which is not among those that are accepted"),
        );
    }
}

fn judge_witnesses(witnesses: &Witnesses, facts: Facts<'_>, verdict: &mut Verdict) {
    let Witnesses { quorum, max_age } = witnesses;
    let open = |words: String, hint: &str| Open {
        rule: Rule::Witnesses,
        words,
        hint: hint.to_owned(),
    };
    let cosigned = match quorum.verify(facts.checkpoint.as_bytes(), facts.log) {
        Ok(cosigned) => cosigned,
        // It held a moment ago.
        Err(error) => {
            let hint = "fetch it again from its publisher, or from the log";
            verdict.open.push(open(error.to_string(), hint));
            return;
        }
    };
    let signed = cosigned.cosignatures.iter();
    verdict.witnesses = signed.map(|it| (it.witness.to_string(), it.time)).collect();
    // As the specification advises: a line that says to be of somebody who is trusted, and is not, was put there.
    for refused in &cosigned.refused {
        verdict.open.push(open(
            refused.to_string(),
            "somebody changed what is below the checkpoint: get it from somewhere else",
        ));
    }
    let now = facts.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let times = match max_age {
        Some(age) => now.saturating_sub(*age).as_secs()..=(now + CLOCKS_APART).as_secs(),
        // Where nothing depends on the time, nothing depends on clocks.
        None => 0..=u64::MAX,
    };
    if cosigned.is_quorum(&times) {
        return;
    }
    let age = match max_age {
        Some(age) => format!(" in the last {}", humantime::format_duration(*age)),
        None => String::new(),
    };
    verdict.open.push(open(
        format!(
            "{} of the {} witnesses that it takes cosigned the checkpoint of {} entries{age}{}",
            cosigned.witnesses(&times),
            quorum.required(),
            cosigned.checkpoint.head.size,
            others(&cosigned, &times)
        ),
        "get a bundle whose checkpoint they cosigned; a log has to ask them for that, and Candor's server does not yet",
    ));
}

/// Those that signed at other times.
fn others(cosigned: &Cosigned, times: &std::ops::RangeInclusive<u64>) -> String {
    let at_other_times = cosigned.cosignatures.iter();
    let at_other_times = at_other_times.filter(|it| !times.contains(&it.time));
    let newest = at_other_times.max_by_key(|it| it.time);
    newest.map_or_else(String::new, |it| {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(it.time));
        let time = time.filter(|_| it.time < YEAR_10000);
        let time = time.map_or_else(
            || format!("second {}", it.time),
            |time| humantime::format_rfc3339_seconds(time).to_string(),
        );
        format!("; {} did at {time}", it.witness)
    })
}

/// The first second that is not written in four digits.
const YEAR_10000: u64 = 253_402_300_800;
