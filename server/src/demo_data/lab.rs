//! Who publishes in a demonstration, and what they sign.

use candor_core::Sha256;
use candor_core::record::kinds::{
    Annotations, ApiVersion, Attachment, Evaluation, ModelCard, Publisher, TrainingConfig, Weights,
    Withdrawal,
};
use candor_core::record::{
    Envelope, Predicate, PublicKey, PublisherName, ReleaseName, Statement, SubjectName,
    to_canonical_json,
};
use candor_core::weights::{MANIFEST_MEDIA_TYPE, Manifest};
use ed25519_dalek::SigningKey;
use serde_json::json;

use super::DemoDataError;

/// What every record says that carries something real, or a real name.
pub(super) const NOTE: &str = "A demonstration. The labs named here did not publish this record.";

/// What a record says of an API that is made up.
pub(super) const NO_SUCH_API: &str = "A demonstration. There never was such an API, and the lab named here did not publish this record.";

/// What every record says that is made up.
pub(super) const MADE_UP: &str = "A demonstration. The lab, the model and all numbers are made up.";

/// The most JSON values of one statement: four for each of 512 results, and air.
const VALUES_MAX: usize = 1 << 16;

/// A publisher whose keys follow from its name.
pub(super) struct Lab {
    /// Its name.
    pub(super) name: PublisherName,
    display_name: String,
    note: &'static str,
    /// The number of its current key.
    key_number: u32,
    key: SigningKey,
    /// The statement digest of its newest `publisher` record.
    record: Option<Sha256>,
}

/// A document that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// As it stands in the record.
    pub(super) descriptor: Attachment,
    /// The document.
    pub(super) bytes: Vec<u8>,
}

/// A record that nobody has signed yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) release: ReleaseName,
    pub(super) sha256: Sha256,
    pub(super) predicate: Predicate,
    pub(super) documents: Vec<Vec<u8>>,
}

/// A record, and the documents that it names.
pub(super) struct Signed {
    pub(super) envelope: Envelope,
    pub(super) documents: Vec<Vec<u8>>,
}

impl Lab {
    /// A publisher that is not registered yet. `note` says what it is.
    pub(super) fn new(name: &str, display_name: &str, note: &'static str) -> Self {
        Self {
            name: name.parse().expect("the names of demonstrations are names"),
            display_name: display_name.to_owned(),
            note,
            key_number: 1,
            key: demonstration_key(name, 1),
            record: None,
        }
    }

    /// The record that says who it is, signed: its registration, or the change to its next key.
    pub(super) fn introduce(&mut self) -> Signed {
        let name = self.name.as_str().to_owned();
        let old = self.record.map(|_| self.key.clone());
        if old.is_some() {
            self.key_number += 1;
            self.key = demonstration_key(&name, self.key_number);
        }
        let seed = key_text(&name, self.key_number);
        let mut annotations = note(self.note);
        let word = format!(
            "its seed is the SHA-256 of the text {seed:?}, so anybody can sign with it, and it proves nothing about who did"
        );
        annotations.insert("demonstrationKey".to_owned(), json!(word));
        let predicate = Predicate::Publisher(Publisher {
            display_name: self.display_name.clone(),
            url: None,
            contact: None,
            keys: vec![public_key(&self.key)],
            previous: self.record,
            annotations,
        });
        let payload = Statement::compose(
            &SubjectName::Publisher(self.name.clone()),
            Sha256::of(to_canonical_json(&predicate)),
            &predicate,
        );
        self.record = Some(Sha256::of(&payload));
        let keys: Vec<&SigningKey> = old.iter().chain([&self.key]).collect();
        Signed {
            envelope: envelope(payload, &keys),
            documents: Vec::new(),
        }
    }

    /// Signs a record.
    pub(super) fn sign(&self, draft: Draft) -> Signed {
        Signed {
            envelope: envelope(draft.payload(), &[&self.key]),
            documents: draft.documents,
        }
    }
}

fn envelope(payload: Vec<u8>, keys: &[&SigningKey]) -> Envelope {
    Envelope::sign(payload, keys).expect("keys from digests are not of small order")
}

/// What a key's seed is the SHA-256 of.
fn key_text(publisher: &str, number: u32) -> String {
    format!("candor demonstration key {number} of {publisher}")
}

fn demonstration_key(publisher: &str, number: u32) -> SigningKey {
    SigningKey::from_bytes(Sha256::of(key_text(publisher, number)).as_bytes())
}

fn public_key(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.verifying_key()).expect("keys from digests are not of small order")
}

/// Annotations with a note.
pub(super) fn note(text: &str) -> Annotations {
    Annotations::from_iter([("note".to_owned(), json!(text))])
}

/// A release's name that is written in this program.
pub(super) fn release(name: &str) -> ReleaseName {
    name.parse().expect("the names of demonstrations are names")
}

impl Document {
    pub(super) fn new(name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            descriptor: Attachment::describe(name, media_type, &bytes),
            bytes,
        }
    }
}

impl Draft {
    /// A card, whose document is put into it.
    pub(super) fn card(of: &ReleaseName, card: ModelCard, document: Document) -> Self {
        let card = ModelCard {
            document: document.descriptor.clone(),
            ..card
        };
        Self::of_document(of, Predicate::ModelCard(card), document)
    }

    /// Weights. `further` adds what the manifest does not say.
    pub(super) fn weights(
        of: &ReleaseName,
        manifest: &Manifest,
        further: impl FnOnce(Weights) -> Weights,
    ) -> Self {
        let mut weights = manifest.to_weights();
        let name = of.to_string();
        let name = name.split_once('/').map_or(name.as_str(), |(_, rest)| rest);
        weights.manifest.name = format!("{}.manifest.json", name.replace('@', "-"));
        let document = Document {
            descriptor: weights.manifest.clone(),
            bytes: manifest.to_bytes(),
        };
        debug_assert_eq!(document.descriptor.media_type, MANIFEST_MEDIA_TYPE);
        Self::of_document(of, Predicate::Weights(further(weights)), document)
    }

    /// A training config, whose document is put into it.
    pub(super) fn training_config(
        of: &ReleaseName,
        config: TrainingConfig,
        document: Document,
    ) -> Self {
        let config = TrainingConfig {
            document: document.descriptor.clone(),
            ..config
        };
        Self::of_document(of, Predicate::TrainingConfig(config), document)
    }

    /// An API version.
    pub(super) fn api_version(name: &ReleaseName, api: ApiVersion) -> Self {
        let predicate = Predicate::ApiVersion(api);
        Self {
            release: name.clone(),
            sha256: Sha256::of(to_canonical_json(&predicate)),
            predicate,
            documents: Vec::new(),
        }
    }

    /// An evaluation of the content of `of` that has the subject digest `sha256`.
    pub(super) fn evaluation(
        of: &ReleaseName,
        sha256: Sha256,
        evaluation: Evaluation,
        raw_results: Option<Document>,
    ) -> Self {
        let evaluation = Evaluation {
            raw_results: raw_results.as_ref().map(|raw| raw.descriptor.clone()),
            ..evaluation
        };
        Self {
            release: of.clone(),
            sha256,
            predicate: Predicate::Evaluation(evaluation),
            documents: raw_results.into_iter().map(|raw| raw.bytes).collect(),
        }
    }

    /// A withdrawal of the record with the statement digest `statement`.
    pub(super) fn withdrawal(of: &ReleaseName, statement: Sha256, withdrawal: Withdrawal) -> Self {
        Self {
            release: of.clone(),
            sha256: statement,
            predicate: Predicate::Withdrawal(withdrawal),
            documents: Vec::new(),
        }
    }

    fn of_document(of: &ReleaseName, predicate: Predicate, document: Document) -> Self {
        Self {
            release: of.clone(),
            sha256: document.descriptor.digest.sha256,
            predicate,
            documents: vec![document.bytes],
        }
    }

    /// The statement's bytes, as they are signed.
    pub(super) fn payload(&self) -> Vec<u8> {
        let name = SubjectName::Release(self.release.clone());
        Statement::compose(&name, self.sha256, &self.predicate)
    }

    /// The name that other records call it by.
    pub(super) fn statement(&self) -> Sha256 {
        Sha256::of(self.payload())
    }

    /// Checks it as a log will: for what comes from files, before there is a log.
    pub(super) fn checked(self) -> Result<Self, DemoDataError> {
        match Statement::parse_by_schema(&self.payload(), VALUES_MAX) {
            Ok(_) => Ok(self),
            Err(error) => Err(DemoDataError::Record {
                kind: self.predicate.kind(),
                release: self.release,
                error,
            }),
        }
    }
}

/// A card that says nothing yet. Its document is put in with [`Draft::card`].
pub(super) fn empty_card() -> ModelCard {
    ModelCard {
        document: Attachment::describe("README.md", "text/markdown", b""),
        license: None,
        license_name: None,
        license_link: None,
        languages: Vec::new(),
        tags: Vec::new(),
        pipeline_tag: None,
        library_name: None,
        datasets: Vec::new(),
        base_models: Vec::new(),
        results: Vec::new(),
        intended_use: None,
        limitations: None,
        evaluation_summary: None,
        annotations: Annotations::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_has_the_same_keys_in_every_run_and_says_what_they_are_made_of() {
        let introduce = || {
            let mut lab = Lab::new("example-lab", "Example Lab", MADE_UP);
            [lab.introduce(), lab.introduce()].map(|signed| signed.envelope)
        };
        let [first, second] = introduce();
        assert_eq!([first.clone(), second.clone()], introduce());
        assert_eq!(
            (first.signatures().len(), second.signatures().len()),
            (1, 2)
        );
        let text = String::from_utf8_lossy(second.payload()).into_owned();
        assert!(
            text.contains("candor demonstration key 2 of example-lab"),
            "{text}"
        );
    }

    #[test]
    fn a_draft_is_checked_as_a_log_checks_it() {
        let of = release("example-lab/tiny@1.0.0");
        let card = |license: &str| {
            let card = ModelCard {
                license: Some(license.to_owned()),
                ..empty_card()
            };
            Draft::card(&of, card, Document::new("README.md", "text/markdown", "x")).checked()
        };
        card("mit").expect("a good card");
        let error = card("").expect_err("a licence has a name").to_string();
        assert!(
            error.contains("example-lab/tiny@1.0.0") && error.contains("/predicate/license"),
            "{error}"
        );
    }
}
