//! in-toto Statement v1, restricted to what a record is: one subject, one of seven predicates.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::canonical::{canonical_of, to_canonical_json};
use super::json::{JsonError, parse_strict, parse_strict_bounded};
use super::kinds::{Attachment, Behind, Disclosed, Outcome, Scope, Strength};
use super::lineage;
use super::schema::{SchemaViolation, check_schema};
use super::text::check_plain_text;
use super::{Algorithm, Kind, NameError, Predicate, PublisherName, ReleaseName};
use crate::Sha256;

/// The `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What a publisher states.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SHA-256 of the payload's bytes: the name that other records call this one by, and what decides
    /// whether it was published before.
    pub digest: Sha256,
    /// What it is about.
    pub subject: Subject,
    /// What it says.
    pub predicate: Predicate,
    json: Value,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A publisher, for `publisher` records, or else a release or API version.
    pub name: SubjectName,
    /// What exactly, by rules that differ from kind to kind; see the types in [`super::kinds`].
    pub sha256: Sha256,
}

/// The name of a statement's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectName {
    /// A namespace.
    Publisher(PublisherName),
    /// A release or a version of an API.
    Release(ReleaseName),
}

/// Why a payload is no statement of ours.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatementError {
    /// Not strict JSON.
    #[error("the payload is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// Not an in-toto Statement v1.
    #[error("/_type: it is {found:?}, and only {STATEMENT_TYPE:?} is taken")]
    Type {
        /// What it says, shortened.
        found: String,
    },
    /// None of the seven kinds.
    #[error(
        "/predicateType: {found:?} is none of the kinds that the log takes: urn:candor:KIND:v1 with KIND one of publisher, model-card, weights, training-config, api-version, evaluation, withdrawal"
    )]
    UnknownKind {
        /// What it says, shortened.
        found: String,
    },
    /// A name that breaks the rules for names.
    #[error("{pointer}: {error}")]
    Name {
        /// JSON pointer into the statement.
        pointer: &'static str,
        /// Which rule.
        error: NameError,
    },
    /// Not exactly one subject with a name and a SHA-256 digest.
    #[error("/subject: a record is about exactly one subject, with a name and a sha256 digest")]
    Subject,
    /// The predicate can't be read as one of its kind.
    #[error("/predicate: {0}")]
    Predicate(String),
    /// A rule that no schema can express.
    #[error("{}: {rule}", if pointer.is_empty() { "/" } else { pointer })]
    Rule {
        /// JSON pointer into the statement.
        pointer: String,
        /// Which rule, and how it is broken.
        rule: String,
    },
}

/// Why a log does not take a payload.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PayloadError {
    /// It is no statement, or breaks a rule that no schema can express.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is not as the schema of its kind says.
    #[error("the statement does not fit the schema of {kind} records: {}", violations[0])]
    Schema {
        /// Its kind.
        kind: Kind,
        /// What is wrong; at least one.
        violations: Vec<SchemaViolation>,
    },
}

impl From<JsonError> for PayloadError {
    fn from(error: JsonError) -> Self {
        Self::Statement(error.into())
    }
}

impl Statement {
    /// Reads a payload. Checks names, and the rules that tie its parts together; not the schema.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        Self::read(parse_strict(payload)?, payload)
    }

    /// Reads a payload as a log does, of at most `values_max` JSON values. The schema comes first: what it finds
    /// wrong is said in more words, and of all parts at once.
    pub fn parse_by_schema(payload: &[u8], values_max: usize) -> Result<Self, PayloadError> {
        let json = parse_strict_bounded(payload, values_max)?;
        let kind = Self::kind_of_json(&json)?;
        check_schema(kind, &json)
            .map_err(|violations| PayloadError::Schema { kind, violations })?;
        Ok(Self::read(json, payload)?)
    }

    /// `json` is what `payload` says.
    fn read(json: Value, payload: &[u8]) -> Result<Self, StatementError> {
        let kind = Self::kind_of_json(&json)?;
        let subject = Subject::read(kind, &json["subject"])?;
        let predicate = Predicate::read(kind, &json["predicate"])
            .map_err(|e| StatementError::Predicate(e.to_string()))?;
        let statement = Self {
            digest: Sha256::of(payload),
            subject,
            predicate,
            json,
        };
        statement.check_rules()?;
        Ok(statement)
    }

    /// The kind that a statement says to be of, before anything else about it is known.
    pub fn kind_of_json(statement: &Value) -> Result<Kind, StatementError> {
        if !statement.is_object() {
            let text = "a statement is an object with _type, subject, predicateType and predicate";
            return Err(rule("", text));
        }
        let text = |name: &str| statement[name].as_str().unwrap_or_default();
        let shortened = |text: &str| text.chars().take(100).collect();
        if text("_type") != STATEMENT_TYPE {
            return Err(StatementError::Type {
                found: shortened(text("_type")),
            });
        }
        Kind::of_predicate_type(text("predicateType")).ok_or_else(|| StatementError::UnknownKind {
            found: shortened(text("predicateType")),
        })
    }

    /// Makes the payload of a statement, as canonical JSON.
    pub fn compose(name: &SubjectName, sha256: Sha256, predicate: &Predicate) -> Vec<u8> {
        to_canonical_json(&serde_json::json!({
            "_type": STATEMENT_TYPE,
            "subject": [{ "name": name.to_string(), "digest": { "sha256": sha256 } }],
            "predicateType": predicate.kind().predicate_type(),
            "predicate": predicate,
        }))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.predicate.kind()
    }

    /// Who has to sign it.
    pub fn publisher(&self) -> &PublisherName {
        match (&self.predicate, &self.subject.name) {
            (Predicate::Evaluation(evaluation), _) => &evaluation.author,
            (Predicate::Withdrawal(withdrawal), _) => &withdrawal.author,
            (_, SubjectName::Publisher(name)) => name,
            (_, SubjectName::Release(release)) => release.publisher(),
        }
    }

    /// The release or API version that it is about.
    pub fn release(&self) -> Option<&ReleaseName> {
        match &self.subject.name {
            SubjectName::Publisher(_) => None,
            SubjectName::Release(release) => Some(release),
        }
    }

    /// The other records that it points at, by their statement digests, and where it does. They must be in
    /// the log before it.
    pub fn references(&self) -> Vec<(Cow<'static, str>, Sha256)> {
        let of_parent = |n: usize| Cow::from(format!("/predicate/parents/{n}/statement"));
        match &self.predicate {
            Predicate::Publisher(publisher) => publisher
                .previous
                .map(|digest| ("/predicate/previous".into(), digest))
                .into_iter()
                .collect(),
            Predicate::TrainingConfig(config) => {
                let parents = config.parents.iter().enumerate();
                parents
                    .filter_map(|(n, parent)| Some((of_parent(n), parent.statement?)))
                    .collect()
            }
            Predicate::Weights(weights) => {
                let parents = weights.parents.iter().enumerate();
                parents
                    .map(|(n, parent)| (of_parent(n), parent.statement))
                    .collect()
            }
            Predicate::ApiVersion(api) => match &api.behind {
                Behind::Release(Disclosed {
                    statement: Some(digest),
                    ..
                }) => vec![("/predicate/behind/statement".into(), *digest)],
                _ => Vec::new(),
            },
            Predicate::Evaluation(evaluation) => evaluation
                .answers
                .map(|digest| ("/predicate/answers".into(), digest))
                .into_iter()
                .collect(),
            Predicate::Withdrawal(_) => {
                vec![("/subject/0/digest/sha256".into(), self.subject.sha256)]
            }
            Predicate::ModelCard(_) => Vec::new(),
        }
    }

    /// The releases that it refers to by their names, and where it does. A log takes them as they are: what they name
    /// may not be there yet.
    pub fn named_releases(&self) -> Vec<(&'static str, &ReleaseName)> {
        match &self.predicate {
            Predicate::TrainingConfig(config) => config
                .parents
                .iter()
                .map(|parent| ("/predicate/parents", &parent.release))
                .collect(),
            Predicate::ApiVersion(api) => {
                let behind = match &api.behind {
                    Behind::Release(disclosed) => Some(&disclosed.release),
                    Behind::Undisclosed(_) => None,
                };
                let behind = behind.map(|release| ("/predicate/behind/release", release));
                let replaces = api.replaces.as_ref();
                let replaces = replaces.map(|release| ("/predicate/replaces", release));
                behind.into_iter().chain(replaces).collect()
            }
            Predicate::Withdrawal(withdrawal) => {
                let replacement = withdrawal.replacement.as_ref();
                let replacement = replacement.map(|release| ("/predicate/replacement", release));
                replacement.into_iter().collect()
            }
            Predicate::Publisher(_)
            | Predicate::ModelCard(_)
            | Predicate::Weights(_)
            | Predicate::Evaluation(_) => Vec::new(),
        }
    }

    /// The whole statement, as it was read; null once it was let go of.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Lets go of the JSON, which takes several times the memory of its text. What the statement says stays.
    pub(super) fn let_json_go(&mut self) {
        self.json = Value::Null;
    }

    /// The rules that tie a statement's parts together.
    fn check_rules(&self) -> Result<(), StatementError> {
        for attachment in self.predicate.attachments() {
            check_plain_text(&attachment.name).map_err(|e| {
                rule(
                    "/predicate",
                    format!(
                        "the attachment's name {:?} can't be shown: {e}",
                        attachment.name
                    ),
                )
            })?;
        }
        let sha256 = self.subject.sha256;
        match &self.predicate {
            Predicate::Publisher(publisher) => {
                check_plain_text(&publisher.display_name).map_err(|e| {
                    rule(
                        "/predicate/displayName",
                        format!("the name can't be shown: {e}"),
                    )
                })?;
                if publisher.keys.is_empty() {
                    return Err(rule("/predicate/keys", "a publisher has at least one key"));
                }
                self.check_subject_is_predicate()
            }
            Predicate::ModelCard(card) => subject_is(sha256, &card.document, "/predicate/document"),
            Predicate::Weights(weights) => {
                let strong = weights.algorithms.iter().copied().any(Algorithm::is_strong);
                if strong != (weights.strength == Strength::Strong) {
                    return Err(rule(
                        "/predicate/strength",
                        "it is \"strong\" if and only if one of the algorithms is",
                    ));
                }
                if let Some(release) = self.release() {
                    lineage::check_list(release, &weights.parents)
                        .map_err(|error| rule(&error.pointer(), error.to_string()))?;
                }
                subject_is(sha256, &weights.manifest, "/predicate/manifest")
            }
            Predicate::TrainingConfig(config) => {
                subject_is(sha256, &config.document, "/predicate/document")
            }
            Predicate::ApiVersion(api) => {
                // RFC 3339 in UTC: the first 19 characters, to the second, sort as the times do.
                let seconds = |time: &str| time.get(..19).map(str::to_owned);
                if let Some(until) = &api.valid_until
                    && seconds(until) <= seconds(&api.valid_from)
                {
                    return Err(rule(
                        "/predicate/validUntil",
                        "it must be later than validFrom",
                    ));
                }
                self.check_subject_is_predicate()
            }
            Predicate::Evaluation(evaluation) => {
                if evaluation.outcome != Outcome::Reported && evaluation.answers.is_none() {
                    let text =
                        "an outcome other than \"reported\" names the record that it answers";
                    return Err(rule("/predicate/answers", text));
                }
                Ok(())
            }
            Predicate::Withdrawal(withdrawal) => {
                let owner = self.release().map(ReleaseName::publisher);
                if withdrawal.scope == Scope::Release && owner != Some(&withdrawal.author) {
                    let text = "only the publisher of a release withdraws all of it; others withdraw their own records (\"record\")";
                    return Err(rule("/predicate/scope", text));
                }
                Ok(())
            }
        }
    }

    /// For subjects that have no bytes of their own: they are what the predicate says.
    fn check_subject_is_predicate(&self) -> Result<(), StatementError> {
        let expected = Sha256::of(canonical_of(&self.json["predicate"]));
        if self.subject.sha256 == expected {
            return Ok(());
        }
        let text = format!(
            "it must be the SHA-256 of the predicate as canonical JSON (RFC 8785), which is {expected}"
        );
        Err(rule("/subject/0/digest/sha256", text))
    }
}

fn rule(pointer: &str, rule: impl Into<String>) -> StatementError {
    StatementError::Rule {
        pointer: pointer.to_owned(),
        rule: rule.into(),
    }
}

fn subject_is(
    sha256: Sha256,
    attachment: &Attachment,
    pointer: &str,
) -> Result<(), StatementError> {
    if sha256 == attachment.digest.sha256 {
        return Ok(());
    }
    Err(rule(
        "/subject/0/digest/sha256",
        format!("it must be the digest of the attachment at {pointer}"),
    ))
}

impl Subject {
    fn read(kind: Kind, subjects: &Value) -> Result<Self, StatementError> {
        let Some([subject]) = subjects.as_array().map(Vec::as_slice) else {
            return Err(StatementError::Subject);
        };
        let (Some(name), Some(sha256)) = (
            subject["name"].as_str(),
            subject["digest"]["sha256"].as_str(),
        ) else {
            return Err(StatementError::Subject);
        };
        let name = match kind {
            Kind::Publisher => name.parse().map(SubjectName::Publisher),
            _ => name.parse().map(SubjectName::Release),
        };
        let name = name.map_err(|error| StatementError::Name {
            pointer: "/subject/0/name",
            error,
        })?;
        let sha256 = sha256
            .parse()
            .map_err(|e| rule("/subject/0/digest/sha256", format!("{e}")))?;
        Ok(Self { name, sha256 })
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher(name) => name.fmt(f),
            Self::Release(name) => name.fmt(f),
        }
    }
}
