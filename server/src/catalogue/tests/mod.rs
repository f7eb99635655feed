//! The same records, in both engines, in batches of different sizes: the same answers, and those that the definitions
//! give.

/// What all of them answer to a question.
macro_rules! answer {
    ($catalogues:expr, $catalogue:ident => $question:expr) => {{
        let mut answers = Vec::new();
        for (name, $catalogue) in &$catalogues.all {
            answers.push((*name, $question.await.expect(name)));
        }
        let (first, others) = answers.split_first().expect("there are some");
        for (name, answer) in others {
            assert_eq!(answer, &first.1, "{name} and {}", first.0);
        }
        answers.swap_remove(0).1
    }};
}

mod answering;
mod making;
mod searching;

use std::collections::HashMap;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::note::NoteSigner;
use candor_core::record::kinds::{
    ApiVersion, Attachment, BaseModel, Behind, Disclosed, Evaluation, EvaluationResult, Harness,
    ModelCard, Outcome, Parent, Publisher, Reason, Relation, Scope, TrainingConfig, Withdrawal,
};
use candor_core::record::{
    DigestSet, Kind, Predicate, ReleaseName, Statement, SubjectName, to_canonical_json,
};
use candor_core::weights::{Manifest, ManifestFile};
use candor_tests::load::Random;
use candor_tests::{TestPublisher, postgres};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use super::derive::Logged;
use super::questions::*;
use super::terms::{Filter, Place as FoundAt, Question, Terms};
use super::*;

/// When the first record was accepted: 2026-05-01, noon.
const BEGUN_MS: i64 = 1_777_636_800_000;

/// How long it takes until the next one.
const PAUSE_MS: i64 = 7_200_000;

/// A log, as far as a catalogue knows it.
#[derive(Default)]
struct Records {
    statements: Vec<Statement>,
    documents: HashMap<Sha256, Vec<u8>>,
}

impl Records {
    fn add(&mut self, subject: &SubjectName, sha256: Sha256, predicate: &Predicate) -> Sha256 {
        let payload = Statement::compose(subject, sha256, predicate);
        let statement = Statement::parse(&payload).expect("a statement");
        let digest = statement.digest;
        self.statements.push(statement);
        digest
    }

    fn attach(&mut self, name: &str, bytes: &[u8]) -> Attachment {
        let attachment = Attachment::describe(name, "text/markdown", bytes);
        self.documents
            .insert(attachment.digest.sha256, bytes.to_vec());
        attachment
    }

    fn publisher(&mut self, name: &str, display_name: &str) {
        let predicate = Predicate::Publisher(Publisher {
            display_name: display_name.to_owned(),
            url: None,
            contact: None,
            keys: vec![TestPublisher::new(name).public_key()],
            previous: None,
            annotations: serde_json::Map::new(),
        });
        let json = serde_json::to_value(&predicate).expect("JSON");
        let digest = Sha256::of(to_canonical_json(&json));
        self.add(
            &SubjectName::Publisher(name.parse().expect("a name")),
            digest,
            &predicate,
        );
    }

    fn about(&mut self, release: &str, sha256: Sha256, predicate: &Predicate) -> Sha256 {
        self.add(&SubjectName::Release(named(release)), sha256, predicate)
    }

    fn card(&mut self, release: &str, text: &str, edit: impl FnOnce(&mut ModelCard)) -> Sha256 {
        let document = self.attach("README.md", text.as_bytes());
        let mut card: ModelCard =
            serde_json::from_value(serde_json::json!({ "document": document })).expect("a card");
        edit(&mut card);
        let digest = card.document.digest.sha256;
        self.about(release, digest, &Predicate::ModelCard(card))
    }

    fn weights(&mut self, release: &str, files: &[(&str, &str)]) -> Sha256 {
        let file = |(path, contents): &(&str, &str)| ManifestFile {
            path: path.parse().expect("a path"),
            size: Some(contents.len() as u64),
            digest: DigestSet::sha256(Sha256::of(contents)),
        };
        let manifest = Manifest::new(files.iter().map(file).collect()).expect("a manifest");
        self.attach("manifest.json", &manifest.to_bytes());
        let weights = manifest.to_weights();
        let digest = weights.manifest.digest.sha256;
        self.about(release, digest, &Predicate::Weights(weights))
    }

    fn made_from(&mut self, release: &str, parents: &[&str]) -> Sha256 {
        let document = self.attach("train.yml", release.as_bytes());
        let parent = |name: &&str| Parent {
            release: named(name),
            relation: Relation::FineTuneOf,
            statement: None,
        };
        let mut config: TrainingConfig =
            serde_json::from_value(serde_json::json!({ "document": document })).expect("a config");
        config.parents = parents.iter().map(parent).collect();
        let digest = config.document.digest.sha256;
        self.about(release, digest, &Predicate::TrainingConfig(config))
    }

    fn evaluation(
        &mut self,
        author: &str,
        release: &str,
        results: &[(&str, f64, Option<f64>)],
    ) -> Sha256 {
        self.evaluation_with(author, release, results, Outcome::Reported)
    }

    fn evaluation_with(
        &mut self,
        author: &str,
        release: &str,
        results: &[(&str, f64, Option<f64>)],
        outcome: Outcome,
    ) -> Sha256 {
        let result = |(task, value, error): &(&str, f64, Option<f64>)| EvaluationResult {
            task: (*task).to_owned(),
            metric: "acc".to_owned(),
            value: *value,
            standard_error: *error,
            samples: Some(100),
            few_shot: Some(0),
        };
        let predicate = Predicate::Evaluation(Evaluation {
            author: author.parse().expect("a name"),
            harness: Harness {
                name: "lm-evaluation-harness".to_owned(),
                version: None,
                uri: None,
                digest: None,
            },
            results: results.iter().map(result).collect(),
            config: None,
            raw_results: None,
            outcome,
            answers: (outcome != Outcome::Reported).then(|| Sha256::of("a claim")),
            date: None,
            annotations: serde_json::Map::new(),
        });
        self.about(release, Sha256::of(release), &predicate)
    }

    fn api_version(&mut self, name: &str, edit: impl FnOnce(&mut ApiVersion)) -> Sha256 {
        let json = serde_json::json!({
            "provider": "Example Lab", "endpoint": "https://api.example.org/v1", "modelId": "tiny",
            "behind": "undisclosed", "validFrom": "2026-04-01T00:00:00Z",
        });
        let mut api: ApiVersion = serde_json::from_value(json).expect("an API version");
        edit(&mut api);
        let predicate = Predicate::ApiVersion(api);
        let json = serde_json::to_value(&predicate).expect("JSON");
        self.about(name, Sha256::of(to_canonical_json(&json)), &predicate)
    }

    fn withdraw(&mut self, author: &str, release: &str, statement: Sha256, scope: Scope) {
        let predicate = Predicate::Withdrawal(Withdrawal {
            author: author.parse().expect("a name"),
            scope,
            reason: Reason::Error,
            explanation: "It was wrong.".to_owned(),
            replacement: None,
            annotations: serde_json::Map::new(),
        });
        self.about(release, statement, &predicate);
    }

    /// Where the record with this statement stands.
    fn index_of(&self, statement: Sha256) -> i64 {
        let place = self.statements.iter().position(|it| it.digest == statement);
        i64::try_from(place.expect("it is there")).expect("a small number")
    }

    /// Adds all of them to `catalogue`, so many at a time.
    async fn add_to(&self, catalogue: &Catalogue, at_a_time: usize) {
        let logged: Vec<Logged<'_>> = (0..)
            .zip(&self.statements)
            .map(|(index, statement)| Logged {
                index: LeafIndex::new(index),
                accepted_ms: i64::try_from(index).ok().map(|n| BEGUN_MS + n * PAUSE_MS),
                statement,
                documents: &self.documents,
                withdrawn: match &statement.predicate {
                    Predicate::Withdrawal(_) => {
                        let target = self
                            .statements
                            .iter()
                            .position(|it| it.digest == statement.subject.sha256);
                        let target = target.expect("it is there");
                        Some((
                            LeafIndex::new(target as u64),
                            self.statements[target].kind(),
                        ))
                    }
                    _ => None,
                },
            })
            .collect();
        for some in logged.chunks(at_a_time) {
            let mut changes = catalogue.writer.begin().await.expect("a transaction");
            batch::add(&mut changes, some).await.expect("it is added");
            changes.commit().await.expect("it is committed");
        }
    }
}

fn named(release: &str) -> ReleaseName {
    release.parse().expect("a release's name")
}

/// Catalogues of one log, in each engine, taken in in batches of two sizes.
struct Catalogues {
    all: Vec<(&'static str, Catalogue)>,
    _folder: TempDir,
}

impl Catalogues {
    async fn of(records: &Records) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = identity();
        let mut all = Vec::new();
        for (name, at_a_time) in [
            ("SQLite", 1_000),
            ("SQLite, one by one", 1),
            ("Postgres", 7),
        ] {
            let place = if name == "Postgres" {
                Place::Database(
                    postgres::shared()
                        .database()
                        .url
                        .parse()
                        .expect("an address"),
                )
            } else {
                Place::File(folder.path().join(name))
            };
            let catalogue = Catalogue::open(&place, &identity).await.expect("it opens");
            records.add_to(&catalogue, at_a_time).await;
            all.push((name, catalogue));
        }
        Self {
            all,
            _folder: folder,
        }
    }
}

fn identity() -> LogIdentity {
    let key = NoteSigner::new(
        "example.org/candor".parse().expect("a name"),
        SigningKey::from_bytes(&[7; 32]),
    );
    LogIdentity {
        origin: "example.org/candor".parse().expect("an origin"),
        key: key.verifier_key().clone(),
    }
}
