//! A policy: what somebody asks of a release beyond that it holds, in a file of theirs (`candor.toml`).
//!
//! ```text
//! candor.toml ──parse──► Policy ─┐
//! verified bundle, checkpoint ───┼─ judge ─► Verdict ─┬► broken: rules that it breaks, by what was proven
//! files, looked at as hashed ────┘                    └► open: rules of which there is no telling
//! ```
//!
//! Always: a policy only adds to what is asked; nothing that does not hold without one holds with one. What is not
//! there was left out by whoever passed it on, or never was: that leaves a rule open and does not break it, unless all
//! entries of the log were read. A rule that is open is not passed.
//!
//! Not here: where the file is, and what becomes of a verdict (`cli`). It never comes from what is being verified:
//! whoever brings a release would bring its policy.

mod files;
mod judge;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use candor_core::Sha256;
use candor_core::note::Quorum;
use candor_core::record::{Kind, PublisherName};
use candor_formats::Format;
use serde::Deserialize;

pub use files::{FilesSeen, Seen};
pub use judge::{Broken, Facts, Files, Open, Verdict};
pub use parse::PolicyError;

/// The most bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 64 << 10;

/// What a release has to be. There is at least one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    publishers: Option<Vec<AcceptedPublisher>>,
    records: Option<RequiredRecords>,
    pickle: Option<PickleRule>,
    formats: Option<BTreeSet<Format>>,
    licenses: Option<BTreeSet<String>>,
    witnesses: Option<Witnesses>,
}

/// A rule, by its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The release's publisher is one of these, and signs with one of these keys.
    Publishers,
    /// There are records of these kinds, and they stand.
    Records,
    /// No file is a pickle.
    Pickle,
    /// Files of weights are in these formats.
    Formats,
    /// The card names one of these licences.
    License,
    /// So many of these witnesses signed the checkpoint.
    Witnesses,
}

/// A publisher whose releases are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AcceptedPublisher {
    name: PublisherName,
    /// The IDs of the keys that count; all of the publisher's, if there are none here.
    keys: Vec<Sha256>,
}

/// What there has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RequiredRecords {
    kinds: BTreeSet<Kind>,
    /// Whose evaluations count; anybody's, if nobody is here.
    evaluations_by: BTreeSet<PublisherName>,
}

/// How pickles are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PickleRule {
    /// By what the files hold, for which it takes the folder.
    Refuse,
    /// By their names; and where the folder is there, by what they hold, too.
    RefuseByName,
}

/// Who has to have seen the log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Witnesses {
    quorum: Quorum,
    /// How old what they saw may be.
    max_age: Option<Duration>,
}

impl Rule {
    /// As a person finds it in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publishers => "publishers.accepted",
            Self::Records => "records.required",
            Self::Pickle => "weights.pickle",
            Self::Formats => "weights.formats",
            Self::License => "license.accepted",
            Self::Witnesses => "witnesses.quorum",
        }
    }
}

impl Policy {
    /// What it asks.
    pub fn rules(&self) -> Vec<Rule> {
        let Self {
            publishers,
            records,
            pickle,
            formats,
            licenses,
            witnesses,
        } = self;
        let rules = [
            (Rule::Publishers, publishers.is_some()),
            (Rule::Records, records.is_some()),
            (Rule::Pickle, pickle.is_some()),
            (Rule::Formats, formats.is_some()),
            (Rule::License, licenses.is_some()),
            (Rule::Witnesses, witnesses.is_some()),
        ];
        let asked = rules.into_iter().filter(|(_, is_asked)| *is_asked);
        asked.map(|(rule, _)| rule).collect()
    }

    /// Whose records, beside those of a release's own publisher, it takes to judge by it.
    pub fn authors(&self) -> BTreeSet<PublisherName> {
        let records = self.records.as_ref();
        records.map_or_else(BTreeSet::new, |it| it.evaluations_by.clone())
    }
}
