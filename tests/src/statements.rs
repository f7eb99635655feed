//! Further records that publishers sign, and ways to spoil them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_core::record::kinds::{
    Evaluation, EvaluationResult, Harness, Outcome, Publisher, Reason, Scope, Withdrawal,
};
use candor_core::record::{
    Envelope, Predicate, PublicKey, ReleaseName, Statement, SubjectName, to_canonical_json,
};
use candor_core::weights::Manifest;
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};

use crate::TestPublisher;

/// The bytes that an envelope's signatures are over.
pub fn payload_of(envelope: &Value) -> Vec<u8> {
    let payload = envelope["payload"].as_str().expect("a payload");
    BASE64_STANDARD.decode(payload).expect("base64")
}

/// The statement inside an envelope.
pub fn statement_of(envelope: &Value) -> Value {
    serde_json::from_slice(&payload_of(envelope)).expect("statements are JSON")
}

/// The digest that other records name it by.
pub fn digest_of(envelope: &Value) -> Sha256 {
    Sha256::of(payload_of(envelope))
}

/// The subject digest of the statement inside an envelope.
pub fn subject_digest_of(envelope: &Value) -> Sha256 {
    statement_of(envelope)["subject"][0]["digest"]["sha256"]
        .as_str()
        .and_then(|digest| digest.parse().ok())
        .expect("a subject digest")
}

fn release_of(envelope: &Value) -> ReleaseName {
    statement_of(envelope)["subject"][0]["name"]
        .as_str()
        .and_then(|name| name.parse().ok())
        .expect("a release")
}

/// Makes the subject digest fit the predicate again, for kinds where it is over the predicate.
pub fn fit_subject(statement: &mut Value) {
    let digest = Sha256::of(to_canonical_json(&statement["predicate"]));
    statement["subject"][0]["digest"]["sha256"] = digest.to_string().into();
}

impl TestPublisher {
    /// The same publisher with another key, which follows from `key_name`.
    #[must_use]
    pub fn with_key(&self, key_name: &str) -> Self {
        Self {
            name: self.name.clone(),
            key: Self::new(key_name).key,
        }
    }

    /// Signs the statement of `envelope` again after an edit.
    pub fn altered(&self, envelope: &Value, edit: impl FnOnce(&mut Value)) -> Value {
        let mut statement = statement_of(envelope);
        edit(&mut statement);
        self.sign(serde_json::to_vec(&statement).expect("JSON"))
    }

    /// Signs the payload of `envelope` again with `old` replaced by `new` in its text.
    pub fn rewritten(&self, envelope: &Value, old: &str, new: &str) -> Value {
        let text = String::from_utf8(payload_of(envelope)).expect("statements are text");
        assert!(text.contains(old), "{old:?} is not in {text}");
        self.sign(text.replacen(old, new, 1).into_bytes())
    }

    /// The statement that lists `keys` from now on, behind the record `previous`.
    pub fn update(&self, previous: Option<Sha256>, keys: Vec<PublicKey>) -> Vec<u8> {
        let predicate = Predicate::Publisher(Publisher {
            display_name: self.name.clone(),
            url: None,
            contact: None,
            keys,
            previous,
            annotations: Map::new(),
        });
        let name = SubjectName::Publisher(self.name.parse().expect("a publisher's name"));
        Statement::compose(&name, Sha256::of(to_canonical_json(&predicate)), &predicate)
    }

    /// Replaces its key, which the record `previous` lists, by that of `new`.
    pub fn rotate(&self, previous: &Value, new: &Self) -> Value {
        let update = self.update(Some(digest_of(previous)), vec![new.public_key()]);
        sign_with(update, &[&self.key, &new.key])
    }

    /// An evaluation of what the record `about` describes.
    pub fn evaluation(&self, about: &Value, outcome: Outcome, answers: Option<&Value>) -> Value {
        let evaluation = Evaluation {
            author: self.name.parse().expect("a publisher's name"),
            harness: Harness {
                name: "lm-evaluation-harness".to_owned(),
                version: Some("0.4.2".to_owned()),
                uri: None,
                digest: None,
            },
            results: vec![EvaluationResult {
                task: "lambada_openai".to_owned(),
                metric: "acc".to_owned(),
                value: 0.379,
                standard_error: Some(0.006_758),
                samples: Some(5_153),
                few_shot: Some(0),
            }],
            config: None,
            raw_results: None,
            outcome,
            answers: answers.map(digest_of),
            date: None,
            annotations: Map::new(),
        };
        self.sign(Statement::compose(
            &SubjectName::Release(release_of(about)),
            subject_digest_of(about),
            &Predicate::Evaluation(evaluation),
        ))
    }

    /// Withdraws the record `of`, or the whole release that it is about.
    pub fn withdrawal(&self, of: &Value, scope: Scope) -> Value {
        let withdrawal = Withdrawal {
            author: self.name.parse().expect("a publisher's name"),
            scope,
            reason: Reason::Error,
            explanation: "It was wrong.".to_owned(),
            replacement: None,
            annotations: Map::new(),
        };
        self.sign(Statement::compose(
            &SubjectName::Release(release_of(of)),
            digest_of(of),
            &Predicate::Withdrawal(withdrawal),
        ))
    }

    /// A weights record for `manifest`.
    pub fn weights(&self, model: &str, version: &str, manifest: &Manifest) -> Value {
        let weights = manifest.to_weights();
        let digest = weights.manifest.digest.sha256;
        self.sign(Statement::compose(
            &SubjectName::Release(self.release(model, version)),
            digest,
            &Predicate::Weights(weights),
        ))
    }
}

/// Signs `payload` with several keys.
pub fn sign_with(payload: Vec<u8>, keys: &[&SigningKey]) -> Value {
    Envelope::sign(payload, keys).expect("good keys").to_json()
}
