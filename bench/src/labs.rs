//! Made-up labs with models, as pages show them: releases with cards, weights and evaluations.
//!
//! All of it follows from how many records there are to be, so that every log of so many has the same pages.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use candor_core::Sha256;
use candor_core::record::kinds::Outcome;
use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{Manifest, ManifestFile};
use candor_tests::TestPublisher;
use candor_tests::http::multipart;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::Server;
use crate::workload::on_all_cores;

/// How many labs there are.
const LABS: usize = 50;

/// How many releases a model has, and how many records a release has.
const RELEASES: usize = 5;
const RECORDS: usize = 5;

/// How many words there are, and how many of them a card has.
const WORDS: usize = 4_000;
const CARD_WORDS: usize = 250;

/// How many releases are published in a request.
const RELEASES_PER_REQUEST: usize = 20;

/// What models are tagged with.
const TAGS: [&str; 8] = [
    "chat",
    "code",
    "vision",
    "speech",
    "small",
    "base",
    "instruct",
    "distilled",
];

/// What is evaluated.
const TASKS: [&str; 6] = [
    "lambada_openai",
    "arc_easy",
    "sciq",
    "piqa",
    "hellaswag",
    "winogrande",
];

/// The labs, and what they publish.
pub(crate) struct Labs {
    publishers: Vec<TestPublisher>,
    models: usize,
    words: Vec<String>,
    /// How many questions were made, and how many records besides.
    asked: AtomicUsize,
    more: AtomicUsize,
}

/// Numbers that look like nothing and are always the same (Steele, Lea and Flood's `SplitMix`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).expect("31 bits")
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() % bound
    }

    /// Below `bound`, the first ones far more often than the last, as words are in a language.
    fn seldom(&mut self, bound: usize) -> usize {
        // Every power of two has the same share.
        let power = self.below(bound.ilog2() as usize + 1);
        let at = (1 << power) + self.below(1 << power) - 1;
        at.min(bound - 1)
    }
}

/// Which model, of which lab.
#[derive(Clone, Copy)]
struct Model(usize);

impl Model {
    fn lab(self) -> usize {
        self.0 % LABS
    }
}

impl Labs {
    /// Those that publish about so many records.
    pub(crate) fn new(records: usize) -> Self {
        let labs = (0..LABS).map(|n| TestPublisher::new(&format!("example-lab-{n:02}")));
        let mut numbers = Numbers(0);
        let syllables = [
            "ka", "lo", "mi", "ra", "te", "nu", "so", "vi", "de", "po", "ga", "li",
        ];
        let words = (0..WORDS).map(|n| {
            // The more frequent, the shorter.
            let length = 1 + n.checked_ilog(8).unwrap_or(0) as usize;
            let mut word: String = (0..length).map(|_| syllables[numbers.below(12)]).collect();
            word.push(char::from(b'a' + u8::try_from(n % 26).expect("a letter")));
            word
        });
        Self {
            words: words.collect(),
            publishers: labs.collect(),
            models: (records / RELEASES / RECORDS).max(LABS),
            asked: AtomicUsize::new(0),
            more: AtomicUsize::new(0),
        }
    }

    fn model_name(&self, model: Model) -> String {
        let word = &self.words[model.0 % 97];
        format!("{word}-{}m", model.0)
    }

    /// The path of the page of the model with this number, of which there are endlessly many.
    pub(crate) fn model_path(&self, n: usize) -> String {
        let model = Model(n.wrapping_mul(2_654_435_761) % self.models);
        format!(
            "/models/{}/{}",
            self.publishers[model.lab()].name,
            self.model_name(model)
        )
    }

    /// The path of the page that answers question `n`.
    pub(crate) fn question_path(&self, n: usize) -> String {
        let mut numbers = Numbers(n as u64);
        let (one, other) = (numbers.seldom(WORDS), numbers.seldom(WORDS));
        let (one, other) = (&self.words[one], &self.words[other]);
        let model = self.model_name(Model(numbers.below(self.models)));
        let tag = TAGS[numbers.below(TAGS.len())];
        let question = match n % 6 {
            0 => format!("q={one}"),
            1 => format!("q={one}+{other}"),
            2 => format!("q={one}&kind=weights&newest=true"),
            3 => format!("q={}", &model[..model.len() - 2]),
            4 => format!("q={one}&tag={tag}"),
            _ => format!(
                "q={}",
                Sha256::of(format!("weights of {model} {}", n % RELEASES))
            ),
        };
        // What is no word asks for nothing, and makes each address another one.
        let (words, filters) = question.split_once('&').unwrap_or((&question, ""));
        let apart: String = (0..10)
            .map(|digit| ['.', '-', '!', '*'][n >> (2 * digit) & 3])
            .collect();
        format!("/search?{words}+{apart}&{filters}")
    }

    /// Publishes all of it, over one connection.
    pub(crate) async fn publish(&self, server: &Server) -> anyhow::Result<()> {
        let mut connection = Connection::open(&server.address).await?;
        let registrations: Vec<Value> = self
            .publishers
            .iter()
            .map(TestPublisher::register)
            .collect();
        connection
            .publish(serde_json::to_vec(&registrations)?.into())
            .await?;
        let releases = self.models * RELEASES;
        let requests = releases.div_ceil(RELEASES_PER_REQUEST);
        // A part at a time: signing takes all cores, and what is signed takes memory.
        for part in (0..requests).collect::<Vec<_>>().chunks(200) {
            let first = part[0];
            let bodies = on_all_cores(part.len(), |n| {
                let begin = (first + n) * RELEASES_PER_REQUEST;
                let end = (begin + RELEASES_PER_REQUEST).min(releases);
                self.body(begin..end)
            });
            // While these were signed, the server let go whoever said nothing.
            connection = Connection::open(&server.address).await?;
            for (content_type, body) in bodies {
                connection.publish_form(content_type, body.into()).await?;
            }
        }
        Ok(())
    }

    /// A request with these releases, of all models' first ones first.
    fn body(&self, releases: std::ops::Range<usize>) -> (&'static str, Vec<u8>) {
        let (mut records, mut attachments) = (Vec::new(), Vec::new());
        for n in releases {
            let (model, release) = (Model(n % self.models), n / self.models);
            self.release(model, release, &mut records, &mut attachments);
        }
        let attachments: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
        multipart(&serde_json::to_vec(&records).expect("JSON"), &attachments)
    }

    fn release(
        &self,
        model: Model,
        release: usize,
        records: &mut Vec<Value>,
        attachments: &mut Vec<Vec<u8>>,
    ) {
        let mut numbers = Numbers((model.0 * RELEASES + release) as u64);
        let (lab, name) = (&self.publishers[model.lab()], self.model_name(model));
        let version = format!("{}.0.0", release + 1);
        let document = self.card(&name, &version, &mut numbers);
        let card = lab.model_card(&name, &version, document.as_bytes());
        let card = lab.altered(&card, |statement| {
            let predicate = &mut statement["predicate"];
            predicate["tags"] =
                json!([TAGS[numbers.below(TAGS.len())], TAGS[model.0 % TAGS.len()]]);
            predicate["pipelineTag"] = "text-generation".into();
            predicate["license"] = ["apache-2.0", "mit", "other"][model.0 % 3].into();
        });
        let manifest = manifest(&name, release);
        let weights = lab.weights(&name, &version, &manifest);
        let mut of_others = |outcome| {
            let author = &self.publishers[(model.lab() + 1 + numbers.below(LABS - 1)) % LABS];
            let one = author.evaluation(&weights, outcome, None);
            let values: Vec<Value> = TASKS
                .iter()
                .map(|task| {
                    let value = 0.2 + numbers.below(6_000) as f64 / 10_000.0;
                    json!({"task": task, "metric": "acc", "value": value, "standardError": 0.01})
                })
                .collect();
            author.altered(&one, |statement| {
                statement["predicate"]["results"] = values.into();
            })
        };
        let evaluations = [of_others(Outcome::Reported), of_others(Outcome::Reported)];
        let api = lab.api_version(&format!("{name}-api"), &version, "");
        records.extend([card, weights]);
        records.extend(evaluations);
        records.push(api);
        attachments.push(document.into_bytes());
        attachments.push(manifest.to_bytes());
    }

    /// A card of some paragraphs.
    fn card(&self, name: &str, version: &str, numbers: &mut Numbers) -> String {
        let mut text = format!("# {name} {version}\n");
        for n in 0..CARD_WORDS {
            match n % 50 {
                0 => {
                    let _ = write!(text, "\n## {}\n\n", self.words[numbers.below(WORDS)]);
                }
                25 => text.push_str(".\n\n- "),
                _ => text.push(' '),
            }
            text.push_str(&self.words[numbers.seldom(WORDS)]);
        }
        text
    }

    /// One more record, which nobody has published yet.
    pub(crate) fn one_more(&self) -> Bytes {
        let n = self.more.fetch_add(1, Ordering::Relaxed);
        let started = std::process::id();
        let lab = &self.publishers[n % LABS];
        let record = lab.api_version("one-more", &format!("1.{started}.{n}"), "");
        serde_json::to_vec(&record).expect("JSON").into()
    }

    /// The number of the first of `questions` questions that nobody asked before.
    pub(crate) fn new_questions(&self, questions: usize) -> usize {
        self.asked.fetch_add(questions, Ordering::Relaxed)
    }
}

/// Three files, as a release has them.
fn manifest(name: &str, release: usize) -> Manifest {
    let files = ["config.json", "model.safetensors", "tokenizer.json"].map(|path| {
        let what = if path.starts_with("model") {
            "weights"
        } else {
            path
        };
        let digest = Sha256::of(format!("{what} of {name} {release}")).to_string();
        ManifestFile {
            path: path.parse().expect("a path"),
            size: Some(1 << 20),
            digest: DigestSet::new([(Algorithm::Sha256, digest)]).expect("a digest"),
        }
    });
    Manifest::new(files.to_vec()).expect("a manifest")
}
