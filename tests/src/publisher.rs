//! Publishers with keys from a seed, and the records that they sign.

use candor_core::Sha256;
use candor_core::record::kinds::{Attachment, Behind, ModelCard, Publisher, Undisclosed};
use candor_core::record::{
    Envelope, Predicate, PublicKey, ReleaseName, Statement, SubjectName, to_canonical_json,
};
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};

/// A publisher whose key follows from its name.
pub struct TestPublisher {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: SigningKey,
}

impl TestPublisher {
    /// The same name has the same key in every run.
    pub fn new(name: &str) -> Self {
        let seed = Sha256::of(format!("candor test key of {name}"));
        Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(seed.as_bytes()),
        }
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.key.verifying_key()).expect("keys from seeds are not weak")
    }

    /// Its registration, unsigned.
    pub fn registration(&self) -> Vec<u8> {
        let predicate = Predicate::Publisher(Publisher {
            display_name: self.name.clone(),
            url: None,
            contact: None,
            keys: vec![self.public_key()],
            previous: None,
            annotations: Map::new(),
        });
        let name = SubjectName::Publisher(self.name.parse().expect("a publisher's name"));
        Statement::compose(&name, Sha256::of(to_canonical_json(&predicate)), &predicate)
    }

    /// Its registration, signed.
    pub fn register(&self) -> Value {
        self.sign(self.registration())
    }

    /// Signs a statement.
    pub fn sign(&self, payload: Vec<u8>) -> Value {
        Envelope::sign(payload, &[&self.key])
            .expect("a good key")
            .to_json()
    }

    /// A small record that needs no attachment: an API version of `model` at `version`. `filler` makes the
    /// statement as long as real ones are.
    pub fn api_version(&self, model: &str, version: &str, filler: &str) -> Value {
        self.sign(self.api_version_statement(model, version, filler))
    }

    /// The statement of [`TestPublisher::api_version`].
    pub fn api_version_statement(&self, model: &str, version: &str, filler: &str) -> Vec<u8> {
        let mut annotations = Map::new();
        if !filler.is_empty() {
            annotations.insert("note".to_owned(), filler.into());
        }
        let predicate = Predicate::ApiVersion(candor_core::record::kinds::ApiVersion {
            provider: self.name.clone(),
            endpoint: "https://api.example.org/v1".to_owned(),
            model_id: format!("{model}-{version}"),
            alias: Some(false),
            behind: Behind::Undisclosed(Undisclosed::Undisclosed),
            decoding: None,
            system_prompt: None,
            context_length: Some(2_048),
            valid_from: "2026-01-01T00:00:00Z".to_owned(),
            valid_until: None,
            replaces: None,
            annotations,
        });
        let name = SubjectName::Release(self.release(model, version));
        Statement::compose(&name, Sha256::of(to_canonical_json(&predicate)), &predicate)
    }

    /// A model card with `document` as its attachment.
    pub fn model_card(&self, model: &str, version: &str, document: &[u8]) -> Value {
        let attachment = Attachment::describe("README.md", "text/markdown", document);
        let card = ModelCard {
            document: attachment.clone(),
            license: Some("apache-2.0".to_owned()),
            license_name: None,
            license_link: None,
            languages: vec!["en".to_owned()],
            tags: Vec::new(),
            pipeline_tag: None,
            library_name: None,
            datasets: Vec::new(),
            base_models: Vec::new(),
            results: Vec::new(),
            intended_use: None,
            limitations: None,
            evaluation_summary: None,
            annotations: Map::new(),
        };
        let name = SubjectName::Release(self.release(model, version));
        self.sign(Statement::compose(
            &name,
            attachment.digest.sha256,
            &Predicate::ModelCard(card),
        ))
    }

    /// The name of one of its releases.
    pub fn release(&self, model: &str, version: &str) -> ReleaseName {
        format!("{}/{model}@{version}", self.name)
            .parse()
            .expect("a release's name")
    }
}
