//! Many more records, for measuring: made-up labs with models, cards, weights, evaluations and now and then an end.
//!
//! ```text
//! Maker ──► a request of records ──► sign, accept ──► place
//! (one)     the same in every run    (all cores)      (in order)
//! ```
//!
//! Always: the same number makes the same records at the same places. A lineage names a parent by where it stands, so a
//! request names only what stands in those before it.

use std::num::NonZero;
use std::thread;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::ReleaseName;
use candor_core::record::kinds::{
    Annotations, ApiVersion, Behind, Disclosed, Evaluation, EvaluationResult, Harness, ModelCard,
    Outcome, Reason, Relation, Scope, Weights, Withdrawal,
};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::lab::{Document, Draft, Lab, Signed, empty_card, note, release};
use super::lab_story::{manifest, standard_error};
use super::story::Logged;
use super::{DemoDataError, Filled, OpenLog};
use crate::accept::RECORDS_PER_REQUEST_MAX;

/// What the names of these labs begin with.
pub(super) const LAB_PREFIX: &str = "load-lab-";

/// One lab for so many records, and no more than `LABS_MAX`.
const RECORDS_PER_LAB: u64 = 250;
const LABS_MAX: u64 = 400;

/// How many releases in front can become parents.
const PARENTS_KEPT: usize = 4_096;

const NOTE: &str = "Made up for measuring.";

const LICENSES: [&str; 6] = [
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc-by-4.0",
    "gpl-3.0",
    "other",
];
const PIPELINES: [&str; 6] = [
    "text-generation",
    "feature-extraction",
    "text-classification",
    "translation",
    "image-classification",
    "automatic-speech-recognition",
];
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "zh", "ja", "ar", "sw"];
const TASKS: [&str; 12] = [
    "arc_challenge",
    "arc_easy",
    "boolq",
    "copa",
    "gsm8k",
    "hellaswag",
    "lambada_openai",
    "logiqa",
    "openbookqa",
    "piqa",
    "sciq",
    "winogrande",
];
const DATASETS: [&str; 6] = [
    "common-crawl",
    "wikipedia",
    "books",
    "code",
    "minutes",
    "fairy-tales",
];
const FIRST_WORDS: [&str; 24] = [
    "amber", "brisk", "calm", "dense", "early", "faint", "grand", "hazel", "ivory", "jolly",
    "keen", "lunar", "mellow", "noble", "opal", "plain", "quiet", "rapid", "sober", "tidal",
    "umber", "vivid", "warm", "young",
];
const LAST_WORDS: [&str; 24] = [
    "anchor", "birch", "canyon", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper",
    "kestrel", "lagoon", "meadow", "nectar", "orchid", "pebble", "quarry", "river", "summit",
    "thicket", "upland", "valley", "willow", "zephyr",
];

/// Publishes `count` further records, and adds them to `filled`, which has what is in the log.
pub(super) async fn publish(
    log: &OpenLog,
    count: u64,
    filled: &mut Filled,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), DemoDataError> {
    let lab_count = (count / RECORDS_PER_LAB).clamp(2, LABS_MAX).min(count);
    let mut labs: Vec<Lab> = (1..=lab_count)
        .map(|n| Lab::new(&format!("{LAB_PREFIX}{n:03}"), &lab_title(n), NOTE))
        .collect();
    let mut next = filled.count();
    for labs in labs.chunks_mut(RECORDS_PER_REQUEST_MAX) {
        let signed: Vec<Signed> = labs.iter_mut().map(Lab::introduce).collect();
        next += signed.len() as u64;
        let what = "the publisher records of made-up labs".to_owned();
        log.publish(what, signed).await?;
    }
    for _ in 0..lab_count {
        filled.add(candor_core::record::Kind::Publisher);
    }
    let mut maker = Maker {
        random: Random(1),
        labs: lab_count,
        left: count - lab_count,
        next,
        model: 0,
        before: Vec::new(),
        filled,
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let labs = &labs;
    let requests = std::iter::from_fn(|| maker.request());
    let accepted = stream::iter(requests)
        .map(|request| async move {
            let made = request.len() as u64;
            let sign = |(lab, draft): (usize, Draft)| labs[lab].sign(draft);
            let signed = request.into_iter().map(sign).collect();
            let what = "a request of made-up records".to_owned();
            Ok::<_, DemoDataError>((made, log.accept(what, signed).await?))
        })
        .buffered(2 * cores);
    let mut accepted = std::pin::pin!(accepted);
    let mut done = lab_count;
    while let Some(next) = accepted.next().await {
        let (made, accepted) = next?;
        log.place(accepted).await?;
        done += made;
        progress(done, count);
    }
    Ok(())
}

fn lab_title(n: u64) -> String {
    format!("Load Lab {n} (made up)")
}

/// Numbers that look random, and are the same in every run: splitmix64, as Steele, Lea and Flood describe it in "Fast
/// Splittable Pseudorandom Number Generators" (2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 to `below - 1`.
    fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).expect("the lists are short")]
    }

    /// In `of` cases out of 100.
    fn chance(&mut self, of: u64) -> bool {
        self.below(100) < of
    }
}

/// Makes one request after the other.
struct Maker<'a> {
    random: Random,
    labs: u64,
    /// How many records are still to be made.
    left: u64,
    /// The index of the next one.
    next: u64,
    /// How many models there are.
    model: u64,
    /// Weights that stand in requests before.
    before: Vec<Logged>,
    filled: &'a mut Filled,
}

impl Maker<'_> {
    /// The next request: records with the numbers of the labs that sign them.
    fn request(&mut self) -> Option<Vec<(usize, Draft)>> {
        let most = self.left.min(RECORDS_PER_REQUEST_MAX as u64);
        let most = usize::try_from(most).expect("a request is small");
        if most == 0 {
            return None;
        }
        let mut records = Vec::with_capacity(most);
        let mut made = Vec::new();
        while records.len() < most {
            self.add_model(&mut records, &mut made);
        }
        // What is cut off is made of what stands before it: no record needs one behind it.
        records.truncate(most);
        for (n, (_, draft)) in records.iter().enumerate() {
            self.filled.add(draft.predicate.kind());
            for logged in made
                .iter_mut()
                .filter(|it: &&mut Logged| it.statement == draft.statement())
            {
                logged.index = LeafIndex::new(self.next + n as u64);
                self.before.push(logged.clone());
            }
        }
        let too_many = self.before.len().saturating_sub(PARENTS_KEPT);
        self.before.drain(..too_many);
        self.next += most as u64;
        self.left -= most as u64;
        Some(records)
    }

    /// A model with one to three versions.
    fn add_model(&mut self, records: &mut Vec<(usize, Draft)>, made: &mut Vec<Logged>) {
        self.model += 1;
        let lab = self.random.below(self.labs);
        let (first, last) = (
            self.random.one_of(&FIRST_WORDS),
            self.random.one_of(&LAST_WORDS),
        );
        let model = format!("{first}-{last}-{}", self.model);
        let parent = (self.random.chance(30) && !self.before.is_empty()).then(|| {
            let at = self.random.below(self.before.len() as u64);
            self.before[usize::try_from(at).expect("they are few")].clone()
        });
        for version in 1..=1 + self.random.below(3) {
            let of = release(&format!("{LAB_PREFIX}{:03}/{model}@{version}.0.0", lab + 1));
            self.add_release(&of, lab, parent.as_ref(), records, made);
        }
    }

    fn add_release(
        &mut self,
        of: &ReleaseName,
        lab: u64,
        parent: Option<&Logged>,
        records: &mut Vec<(usize, Draft)>,
        made: &mut Vec<Logged>,
    ) {
        let signer = |lab: u64| usize::try_from(lab).expect("labs are few");
        let card = self.card(of);
        let mut about = card.sha256;
        let mut newest = card.statement();
        records.push((signer(lab), card));
        if self.random.chance(70) {
            let weights = self.weights(of, parent);
            (about, newest) = (weights.sha256, weights.statement());
            made.push(Logged {
                release: of.clone(),
                index: LeafIndex::new(0),
                statement: newest,
                sha256: about,
            });
            records.push((signer(lab), weights));
        }
        for _ in 0..self.random.below(4) {
            let author = self.random.below(self.labs);
            let evaluation = self.evaluation(of, about, author);
            records.push((signer(author), evaluation));
        }
        if self.random.chance(4) {
            records.push((signer(lab), api_version(of, newest)));
        }
        if self.random.chance(2) {
            records.push((signer(lab), withdrawal(of, newest)));
        }
    }

    fn card(&mut self, of: &ReleaseName) -> Draft {
        let words: Vec<String> = (0..4)
            .map(|_| {
                let (first, last) = (
                    self.random.one_of(&FIRST_WORDS),
                    self.random.one_of(&LAST_WORDS),
                );
                format!("{first} {last}")
            })
            .collect();
        let words = words.join(", ");
        let text = format!(
            "# {of}\n\nMade up for measuring: {words}.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n"
        );
        let card = ModelCard {
            license: Some(self.random.one_of(&LICENSES).to_owned()),
            languages: vec![self.random.one_of(&LANGUAGES).to_owned()],
            tags: vec![
                self.random.one_of(&FIRST_WORDS).to_owned(),
                self.random.one_of(&LAST_WORDS).to_owned(),
            ],
            pipeline_tag: Some(self.random.one_of(&PIPELINES).to_owned()),
            datasets: vec![self.random.one_of(&DATASETS).to_owned()],
            intended_use: Some(format!("Measuring how fast a log finds {words}.")),
            annotations: annotations(),
            ..empty_card()
        };
        Draft::card(of, card, Document::new("README.md", "text/markdown", text))
    }

    fn weights(&mut self, of: &ReleaseName, parent: Option<&Logged>) -> Draft {
        let bytes = (1 + self.random.below(4_096)) << 20;
        let manifest = manifest(of, &[("README.md", 300), ("model.safetensors", bytes)]);
        let relation = self.random.one_of(&Relation::ALL);
        let parents = parent.map(|parent| parent.as_parent(relation));
        Draft::weights(of, &manifest, |weights| Weights {
            format: Some("safetensors".to_owned()),
            parameters: Some(bytes / 2),
            parents: parents.into_iter().collect(),
            annotations: annotations(),
            ..weights
        })
    }

    fn evaluation(&mut self, of: &ReleaseName, about: Sha256, author: u64) -> Draft {
        let mut tasks: Vec<&str> = (0..=self.random.below(3))
            .map(|_| self.random.one_of(&TASKS))
            .collect();
        tasks.sort_unstable();
        tasks.dedup();
        let results = tasks.into_iter().map(|task| {
            let (thousandths, samples) =
                (200 + self.random.below(700), 500 + self.random.below(5_000));
            #[expect(clippy::cast_precision_loss, reason = "it is below 1,000")]
            let value = thousandths as f64 / 1_000.0;
            EvaluationResult {
                task: task.to_owned(),
                metric: "acc".to_owned(),
                value,
                standard_error: Some(standard_error(value, samples)),
                samples: Some(samples),
                few_shot: Some(0),
            }
        });
        let evaluation = Evaluation {
            author: format!("{LAB_PREFIX}{:03}", author + 1)
                .parse()
                .expect("a name"),
            harness: Harness {
                name: "lm-evaluation-harness".to_owned(),
                version: Some("0.4.2".to_owned()),
                uri: None,
                digest: None,
            },
            results: results.collect(),
            config: None,
            raw_results: None,
            outcome: Outcome::Reported,
            answers: None,
            date: None,
            annotations: annotations(),
        };
        Draft::evaluation(of, about, evaluation, None)
    }
}

fn api_version(of: &ReleaseName, statement: Sha256) -> Draft {
    let name = of.to_string();
    let name = name.replace('@', "-api@");
    let api = ApiVersion {
        provider: "Made up".to_owned(),
        endpoint: "https://load.example.org/v1".to_owned(),
        model_id: name.clone(),
        alias: None,
        behind: Behind::Release(Disclosed {
            release: of.clone(),
            statement: Some(statement),
        }),
        decoding: None,
        system_prompt: None,
        context_length: Some(2_048),
        valid_from: "2026-01-01T00:00:00Z".to_owned(),
        valid_until: None,
        replaces: None,
        annotations: annotations(),
    };
    Draft::api_version(&release(&name), api)
}

fn withdrawal(of: &ReleaseName, statement: Sha256) -> Draft {
    let withdrawal = Withdrawal {
        author: of.publisher().clone(),
        scope: Scope::Release,
        reason: Reason::Retired,
        explanation: "Nobody measures with it any more.".to_owned(),
        replacement: None,
        annotations: annotations(),
    };
    Draft::withdrawal(of, statement, withdrawal)
}

fn annotations() -> Annotations {
    note(NOTE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use candor_core::record::Predicate;

    use super::*;

    fn made(left: u64) -> (Vec<Vec<(usize, Draft)>>, Filled) {
        let mut filled = Filled::default();
        let mut maker = Maker {
            random: Random(1),
            labs: 7,
            left,
            next: 40,
            model: 0,
            before: Vec::new(),
            filled: &mut filled,
        };
        let requests = std::iter::from_fn(|| maker.request()).collect();
        (requests, filled)
    }

    #[test]
    fn the_same_number_makes_the_same_records_and_no_other_number_of_them() {
        for count in [1, 255, 256, 257, 1_000] {
            let (requests, filled) = made(count);
            assert_eq!((made(count).0, filled.count()), (requests.clone(), count));
            let sizes = requests.iter().map(Vec::len);
            assert_eq!(sizes.sum::<usize>() as u64, count);
        }
    }

    #[test]
    fn all_are_records_that_a_log_takes_and_parents_stand_in_requests_before() {
        let (requests, _) = made(3_000);
        let (mut index, mut stands, mut parents) = (40, Vec::new(), 0);
        for request in requests {
            let begins = index;
            let mut statements = HashSet::new();
            for (_, draft) in request {
                let draft = draft.checked().expect("a log takes it");
                assert!(statements.insert(draft.statement()), "twice");
                if let Predicate::Weights(weights) = &draft.predicate {
                    for parent in &weights.parents {
                        assert!(parent.index.get() < begins);
                        assert!(stands.contains(&(parent.index.get(), parent.statement)));
                        parents += 1;
                    }
                    stands.push((index, draft.statement()));
                }
                index += 1;
            }
        }
        assert!(parents > 100, "{parents}");
    }
}
