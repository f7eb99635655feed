//! What records change in the catalogue: pure, so that a catalogue that is made anew is the same.
//!
//! ```text
//! a batch of records ──► Derived::add, one by one, in their order ──► rows to write
//!                             ▲
//!          what the catalogue has of the publishers, models and releases that they are about
//! ```

use std::collections::{BTreeMap, HashMap};

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{
    ApiVersion, Behind, Evaluation, ModelCard, Publisher as PublisherRecord, Scope, Strength,
    TrainingConfig, Weights, Withdrawal,
};
use candor_core::record::{Kind, Predicate, ReleaseName, Statement};
use candor_core::weights::Manifest;

use super::card;
use super::look_alike::skeleton_of;
use super::rows::{Model, Publisher, Release};
use super::sql::Value;
use super::terms::{Filter, Place, Terms};
use crate::calendar::{self, Day};

/// Of how many tasks that strangers evaluated it on a release is found: what others say must not grow what it has.
const EVALUATED_TASKS_MAX: usize = 1_000;

/// How much of a card's own words counts as facts: lists of tags and data sets are as long as their authors like.
const FACTS_MAX: usize = 1_000;

/// A record, and what it takes to derive from it.
pub(super) struct Logged<'a> {
    /// Where it stands.
    pub index: LeafIndex,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: Option<i64>,
    /// What it says.
    pub statement: &'a Statement,
    /// The documents that it names, as far as they were asked for ([`wanted`]) and are there.
    pub documents: &'a HashMap<Sha256, Vec<u8>>,
    /// Where the record stands that it withdraws, if it withdraws one, and its kind.
    pub withdrawn: Option<(LeafIndex, Kind)>,
}

/// The documents that are read of a record: its card, or the list of its files.
pub(super) fn wanted(statement: &Statement) -> Option<Sha256> {
    match &statement.predicate {
        Predicate::ModelCard(card) => Some(card.document.digest.sha256),
        Predicate::Weights(weights) => Some(weights.manifest.digest.sha256),
        Predicate::Publisher(_)
        | Predicate::TrainingConfig(_)
        | Predicate::ApiVersion(_)
        | Predicate::Evaluation(_)
        | Predicate::Withdrawal(_) => None,
    }
}

/// What a withdrawal changes in rows that may be there already.
pub(super) enum Withdrawn {
    /// This record.
    Record { by: i64, target: i64 },
    /// All that its author said of the release before.
    Release {
        by: i64,
        release: String,
        author: String,
    },
}

/// Rows that a batch adds, by their tables, with the columns in the order of the tables.
#[derive(Default)]
pub(super) struct NewRows {
    pub edges: Vec<Vec<Value>>,
    pub evaluations: Vec<Vec<Value>>,
    pub api_versions: Vec<Vec<Value>>,
    pub withdrawals: Vec<Vec<Value>>,
    pub files: Vec<Vec<Value>>,
}

/// The part of a catalogue that a batch of records is about.
#[derive(Default)]
pub(super) struct Derived {
    /// By name.
    pub publishers: HashMap<String, Publisher>,
    /// By name.
    pub models: HashMap<String, Model>,
    /// By name.
    pub releases: HashMap<String, Release>,
    /// By the `id` of what they are of.
    pub documents: HashMap<i64, Terms>,
    /// Rows that are new.
    pub new: NewRows,
    /// What was withdrawn, in the order of the log.
    pub withdrawn: Vec<Withdrawn>,
    /// How many records of each kind there are on each day.
    pub growth: BTreeMap<(i64, &'static str), i64>,
}

/// An index, as the catalogue has it.
pub(super) fn number(index: LeafIndex) -> i64 {
    i64::try_from(index.get()).expect("the database has given it an index of its own")
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Derived {
    /// Adds what a record says.
    pub(super) fn add(&mut self, logged: &Logged<'_>) {
        let statement = logged.statement;
        let day = logged
            .accepted_ms
            .map_or(-1, |ms| ms.div_euclid(calendar::DAY_MS));
        *self
            .growth
            .entry((day, statement.kind().name()))
            .or_default() += 1;
        if let Predicate::Publisher(record) = &statement.predicate {
            self.add_publisher(logged, record);
        }
        if let Some(publisher) = self.publishers.get_mut(statement.publisher().as_str()) {
            publisher.records += 1;
        }
        let Some(release) = statement.release() else {
            return;
        };
        let release = self.release(logged, release);
        match &statement.predicate {
            Predicate::Publisher(_) => {}
            Predicate::ModelCard(card) => self.add_card(logged, &release, card),
            Predicate::Weights(weights) => self.add_weights(logged, &release, weights),
            Predicate::TrainingConfig(config) => self.add_config(logged, &release, config),
            Predicate::ApiVersion(api) => self.add_api_version(logged, &release, api),
            Predicate::Evaluation(evaluation) => self.add_evaluation(logged, &release, evaluation),
            Predicate::Withdrawal(withdrawal) => self.add_withdrawal(logged, &release, withdrawal),
        }
    }

    fn add_publisher(&mut self, logged: &Logged<'_>, record: &PublisherRecord) {
        let index = number(logged.index);
        let name = logged.statement.publisher().to_string();
        let (name_skeleton, display_skeleton) =
            (skeleton_of(&name), skeleton_of(&record.display_name));
        let known = self.publishers.get(&name);
        let id = known.map_or(index, |it| it.id);
        let display_since = match known {
            _ if display_skeleton == name_skeleton => id,
            Some(known) if known.display_skeleton == display_skeleton => known.display_since,
            _ => index,
        };
        let publisher = Publisher {
            id,
            display_name: record.display_name.clone(),
            url: record.url.clone(),
            record: index,
            records: known.map_or(0, |it| it.records),
            releases: known.map_or(0, |it| it.releases),
            name_skeleton,
            display_skeleton,
            display_since,
            name: name.clone(),
        };
        let terms = self.documents.entry(publisher.id).or_default();
        terms.add_name(&name);
        terms.add_text(Place::Name, &record.display_name);
        terms.add(&Filter::Kind(Kind::Publisher));
        terms.add(&Filter::Publisher(name.clone()));
        terms.add(&Filter::Newest);
        if publisher.id == index {
            add_dates(terms, logged.accepted_ms);
        }
        self.publishers.insert(name, publisher);
    }

    /// Notes a record about a release, which may be the first, and returns its name.
    fn release(&mut self, logged: &Logged<'_>, name: &ReleaseName) -> String {
        let kind = logged.statement.kind();
        let text = name.to_string();
        if !self.releases.contains_key(&text) {
            self.add_release(logged, name);
        }
        let release = self
            .releases
            .get_mut(&text)
            .expect("it was added if it was not there");
        if release.add_kind(kind) {
            let terms = self.documents.entry(release.id).or_default();
            terms.add(&Filter::Kind(kind));
        }
        if let Some(own) = release.own(kind) {
            own.record = Some(number(logged.index));
        }
        text
    }

    fn add_release(&mut self, logged: &Logged<'_>, name: &ReleaseName) {
        let index = number(logged.index);
        let publisher = name.publisher().to_string();
        let model = self
            .models
            .entry(name.model().to_string())
            .or_insert_with(|| Model {
                id: index,
                name: name.model().to_string(),
                publisher: publisher.clone(),
                releases: 0,
                newest: index,
            });
        model.releases += 1;
        if let Some(before) = self.documents.get_mut(&model.newest) {
            before.remove(&Filter::Newest);
        }
        model.newest = index;
        let mut terms = Terms::default();
        terms.add_name(&publisher);
        terms.add_name(name.model().model());
        terms.add_name(name.version().as_str());
        terms.add(&Filter::Publisher(publisher.clone()));
        terms.add(&Filter::Newest);
        add_dates(&mut terms, logged.accepted_ms);
        if let Some(publisher) = self.publishers.get_mut(&publisher) {
            publisher.releases += 1;
            terms.add_text(Place::Name, &publisher.display_name);
        }
        self.documents.insert(index, terms);
        let release = Release {
            id: index,
            name: name.to_string(),
            model: name.model().to_string(),
            publisher,
            accepted_ms: logged.accepted_ms,
            ..Release::default()
        };
        self.releases.insert(release.name.clone(), release);
    }

    /// A release that is there, and its terms.
    fn parts(&mut self, name: &str) -> (&mut Release, &mut Terms) {
        let release = self
            .releases
            .get_mut(name)
            .expect("its record was noted before");
        let terms = self.documents.entry(release.id).or_default();
        (release, terms)
    }

    fn add_card(&mut self, logged: &Logged<'_>, release: &str, card: &ModelCard) {
        let document = logged.documents.get(&card.document.digest.sha256);
        let text = document.map(|bytes| card::read(bytes)).unwrap_or_default();
        let (release, terms) = self.parts(release);
        release.licence.clone_from(&card.license);
        release.task.clone_from(&card.pipeline_tag);
        release.summary = text.summary.or_else(|| card.intended_use.clone());
        if let Some(licence) = &card.license {
            terms.add(&Filter::Licence(licence.clone()));
        }
        if let Some(task) = &card.pipeline_tag {
            terms.add(&Filter::Task(task.clone()));
        }
        for tag in card.tags.iter().take(FACTS_MAX) {
            terms.add(&Filter::Tag(tag.clone()));
        }
        for base in card.base_models.iter().take(FACTS_MAX) {
            terms.add(&Filter::Base(base.name.clone()));
        }
        let named = [
            &card.license,
            &card.license_name,
            &card.pipeline_tag,
            &card.library_name,
        ];
        let bases = card.base_models.iter().map(|base| &base.name);
        let lists = card
            .tags
            .iter()
            .chain(&card.languages)
            .chain(&card.datasets);
        for fact in named
            .into_iter()
            .flatten()
            .chain(bases)
            .chain(lists)
            .take(FACTS_MAX)
        {
            terms.add_text(Place::Fact, fact);
        }
        let written = [
            &card.intended_use,
            &card.limitations,
            &card.evaluation_summary,
        ];
        for written in written.into_iter().flatten() {
            terms.add_text(Place::Text, written);
        }
        terms.add_text(Place::Text, &text.text);
    }

    fn add_weights(&mut self, logged: &Logged<'_>, name: &str, weights: &Weights) {
        let record = number(logged.index);
        let (release, terms) = self.parts(name);
        release.files = Some(count(weights.files));
        release.bytes = weights.bytes.map(count);
        release.parameters = weights.parameters.map(count);
        release.format.clone_from(&weights.format);
        release.is_weak = Some((weights.strength == Strength::Weak).into());
        if let Some(format) = &weights.format {
            terms.add_text(Place::Fact, format);
        }
        for parent in &weights.parents {
            terms.add(&Filter::Base(parent.release.to_string()));
            terms.add(&Filter::Base(parent.release.model().to_string()));
        }
        let id = release.id;
        let parents = weights.parents.iter();
        let parents = parents.map(|it| (it.relation.name(), &it.release, Some(number(it.index))));
        self.add_edges(record, name, parents);
        // What was logged is what its statement says; a document that is not is not shown as one.
        let document = logged.documents.get(&weights.manifest.digest.sha256);
        let manifest = document.and_then(|bytes| Manifest::parse(bytes).ok());
        for (n, file) in (0_i64..).zip(manifest.iter().flat_map(Manifest::files)) {
            for (algorithm, digest) in file.digest.iter() {
                let Some(digest) = bytes_of_hex(digest) else {
                    continue;
                };
                self.new.files.push(vec![
                    digest.into(),
                    record.into(),
                    n.into(),
                    algorithm.to_string().into(),
                    id.into(),
                    file.path.to_string().into(),
                    file.size.map(count).into(),
                ]);
            }
        }
    }

    fn add_config(&mut self, logged: &Logged<'_>, name: &str, config: &TrainingConfig) {
        let (_, terms) = self.parts(name);
        for parent in &config.parents {
            terms.add(&Filter::Base(parent.release.to_string()));
            terms.add(&Filter::Base(parent.release.model().to_string()));
        }
        for source in config.data.iter().take(FACTS_MAX) {
            terms.add_text(Place::Fact, &source.name);
        }
        if let Some(framework) = &config.framework {
            terms.add_text(Place::Fact, &framework.name);
        }
        if let Some(accelerator) = config
            .hardware
            .as_ref()
            .and_then(|it| it.accelerator.as_ref())
        {
            terms.add_text(Place::Fact, accelerator);
        }
        let parents = config.parents.iter();
        let parents = parents.map(|it| (it.relation.name(), &it.release, None));
        self.add_edges(number(logged.index), name, parents);
    }

    fn add_edges<'a>(
        &mut self,
        record: i64,
        child: &str,
        parents: impl Iterator<Item = (&'static str, &'a ReleaseName, Option<i64>)>,
    ) {
        for (n, (relation, parent, parent_record)) in (0_i64..).zip(parents) {
            self.new.edges.push(vec![
                record.into(),
                n.into(),
                child.into(),
                relation.into(),
                parent.to_string().into(),
                parent.model().to_string().into(),
                parent_record.into(),
                None::<i64>.into(),
            ]);
        }
    }

    fn add_api_version(&mut self, logged: &Logged<'_>, name: &str, api: &ApiVersion) {
        let behind = match &api.behind {
            Behind::Release(disclosed) => Some(&disclosed.release),
            Behind::Undisclosed(_) => None,
        };
        let (release, terms) = self.parts(name);
        for fact in [&api.provider, &api.endpoint, &api.model_id] {
            terms.add_text(Place::Fact, fact);
        }
        if let Some(behind) = behind {
            terms.add_text(Place::Fact, &behind.to_string());
        }
        // The schema has seen that it is a time, so this finds one.
        let seconds = |text: &str| calendar::seconds_of(text);
        let row = vec![
            number(logged.index).into(),
            name.into(),
            release.model.clone().into(),
            release.publisher.clone().into(),
            api.provider.clone().into(),
            api.endpoint.clone().into(),
            api.model_id.clone().into(),
            api.alias.map(i64::from).into(),
            behind.map(ToString::to_string).into(),
            behind.map(|it| it.model().to_string()).into(),
            api.valid_from.clone().into(),
            api.valid_until.clone().into(),
            seconds(&api.valid_from).unwrap_or_default().into(),
            api.valid_until.as_deref().and_then(seconds).into(),
            api.replaces.as_ref().map(ToString::to_string).into(),
            None::<i64>.into(),
        ];
        self.new.api_versions.push(row);
    }

    fn add_evaluation(&mut self, logged: &Logged<'_>, name: &str, evaluation: &Evaluation) {
        let author = evaluation.author.to_string();
        let (release, terms) = self.parts(name);
        release.evaluations += 1;
        let by_others = author != release.publisher;
        let model = release.model.clone();
        for result in &evaluation.results {
            if terms.count_of("fa") < EVALUATED_TASKS_MAX {
                terms.add(&Filter::Task(result.task.clone()));
            }
        }
        for (n, result) in (0_i64..).zip(&evaluation.results) {
            self.new.evaluations.push(vec![
                number(logged.index).into(),
                n.into(),
                name.into(),
                model.clone().into(),
                author.clone().into(),
                i64::from(by_others).into(),
                result.task.clone().into(),
                result.metric.clone().into(),
                result.value.into(),
                result.standard_error.into(),
                result.samples.map(count).into(),
                result.few_shot.map(count).into(),
                evaluation.harness.name.clone().into(),
                evaluation.harness.version.clone().into(),
                evaluation.outcome.name().into(),
                evaluation.date.clone().into(),
                logged.accepted_ms.into(),
                None::<i64>.into(),
            ]);
        }
    }

    fn add_withdrawal(&mut self, logged: &Logged<'_>, name: &str, withdrawal: &Withdrawal) {
        let by = number(logged.index);
        let author = withdrawal.author.to_string();
        let target = logged.withdrawn.map(|(target, _)| number(target));
        self.new.withdrawals.push(vec![
            by.into(),
            author.clone().into(),
            name.into(),
            target.filter(|_| withdrawal.scope == Scope::Record).into(),
            scope_name(withdrawal.scope).into(),
            withdrawal.reason.name().into(),
            withdrawal.explanation.clone().into(),
            withdrawal
                .replacement
                .as_ref()
                .map(ToString::to_string)
                .into(),
        ]);
        let (release, _) = self.parts(name);
        match (withdrawal.scope, logged.withdrawn) {
            (Scope::Release, _) => {
                release.withdrawn_by.get_or_insert(by);
                for kind in Kind::ALL {
                    if let Some(own) = release.own(kind).filter(|own| own.stands()) {
                        own.withdrawn_by = Some(by);
                    }
                }
                self.withdrawn.push(Withdrawn::Release {
                    by,
                    release: name.to_owned(),
                    author,
                });
            }
            (Scope::Record, Some((target, kind))) => {
                let target = number(target);
                let own = release.own(kind).filter(|own| own.record == Some(target));
                if let Some(own) = own.filter(|own| own.stands()) {
                    own.withdrawn_by = Some(by);
                }
                self.withdrawn.push(Withdrawn::Record { by, target });
            }
            (Scope::Record, None) => {}
        }
        let (release, _) = self.parts(name);
        release.fallen_by = release.fallen();
    }
}

/// The name of a scope, as withdrawals have it.
fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Record => "record",
        Scope::Release => "release",
    }
}

/// When it was logged, so that it is found by dates.
fn add_dates(terms: &mut Terms, accepted_ms: Option<i64>) {
    let Some(day) = accepted_ms.and_then(Day::of_ms) else {
        return;
    };
    terms.add(&Filter::Year(day.year));
    terms.add(&Filter::Month(day.year, day.month));
    terms.add(&Filter::Day(day.year, day.month, day.day));
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
    };
    digits.chunks_exact(2).map(byte).collect()
}
