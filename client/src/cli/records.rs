//! Files as records: what a file on the command line becomes before it is signed.
//!
//! ```text
//! envelope (DSSE) ─────────────────────────────────────► sent as it is
//! statement (in-toto), predicate with `--kind` ──┐
//! card, config, results, checksums ──sources─────┴─► Draft ──► signed with the key
//! ```

use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::record::kinds::Source;
use candor_core::record::{
    Envelope, Kind, Predicate, PublisherName, ReleaseName, SignedRecord, Statement, SubjectName,
    parse_strict,
};
use serde_json::{Value, json};

use super::error::CliError;
use super::files;
use crate::keys::SecretKey;
use crate::publish::{self, Attachments};
use crate::sources::evaluation::Evaluated;
use crate::sources::statement::{About, GivenFile};
use crate::sources::{
    DOCUMENT_BYTES_MAX, Draft, DraftAttachment, Drafts, SourceError, SourceKind, checksums, detect,
    evaluation, hub, model_card, oci, statement, training_config,
};

/// What the command line says about a file.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// What it is about, where it does not say so itself.
    pub release: Option<&'a ReleaseName>,
    /// Whether a statement may be about something else than `release`.
    pub others_too: bool,
    /// What it is.
    pub kind: Option<Kind>,
    /// Who evaluated.
    pub author: Option<&'a PublisherName>,
    /// Documents that it may name.
    pub attach: &'a [PathBuf],
    /// Where it comes from.
    pub source: Option<&'a Source>,
}

/// Which content of a release is meant by a record about it.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// The subject digest of the record that says what the release is; evaluations have it as theirs.
    pub subject: Sha256,
    /// The statement digest of that record, once it is in the log; withdrawals have it as their subject digest.
    pub statement: Option<Sha256>,
}

/// Finds the content of a release.
pub type ContentOf<'a> = &'a mut dyn FnMut(&ReleaseName) -> Result<Content, CliError>;

/// Records that may still have to be signed, in the order in which they are published.
#[derive(Default)]
pub struct Parts {
    parts: Vec<Part>,
    /// Sentences that say what was left out of them, and why.
    pub warnings: Vec<String>,
}

enum Part {
    /// Somebody signed it already.
    Signed(Box<SignedRecord>, Attachments),
    Draft(Box<Draft>),
}

/// Records ready to be sent.
#[derive(Default)]
pub struct Ready {
    /// The records.
    pub records: Vec<SignedRecord>,
    /// The documents that they name.
    pub attachments: Attachments,
}

impl Parts {
    /// Adds what another file became.
    pub fn extend(&mut self, more: Self) {
        self.parts.extend(more.parts);
        self.warnings.extend(more.warnings);
    }

    /// What they say, each checked as a log checks it.
    pub fn statements(&self) -> Result<Vec<Statement>, CliError> {
        let statement = |part: &Part| match part {
            Part::Signed(record, _) => Ok(record.statement().clone()),
            Part::Draft(draft) => Ok(draft.check()?),
        };
        self.parts.iter().map(statement).collect()
    }

    /// Signs what is not signed yet, with the key that is asked for if one is needed.
    pub fn sign(
        self,
        key: impl FnOnce() -> Result<SecretKey, CliError>,
    ) -> Result<Ready, CliError> {
        let mut ready = Ready::default();
        let is_draft = |part: &Part| matches!(part, Part::Draft(_));
        let key = self.parts.iter().any(is_draft).then(key).transpose()?;
        for part in self.parts {
            match part {
                Part::Signed(record, attachments) => {
                    ready.records.push(*record);
                    ready.attachments.extend(attachments);
                }
                Part::Draft(draft) => {
                    let key = key.as_ref().expect("it was asked for if there is a draft");
                    draft.check()?;
                    ready.records.push(publish::sign(draft.payload(), &[key])?);
                    let documents = draft.attachments.into_iter();
                    ready
                        .attachments
                        .extend(documents.map(|it| (it.descriptor.digest.sha256, it.bytes)));
                }
            }
        }
        Ok(ready)
    }
}

impl From<Drafts> for Parts {
    fn from(drafts: Drafts) -> Self {
        let parts = drafts.drafts.into_iter();
        Self {
            parts: parts.map(|draft| Part::Draft(Box::new(draft))).collect(),
            warnings: drafts.warnings,
        }
    }
}

impl From<Draft> for Parts {
    fn from(draft: Draft) -> Self {
        Drafts::from(draft).into()
    }
}

/// Reads a file as records. `content_of` finds what an evaluation or a withdrawal is about.
pub fn read(path: &Path, said: &Said<'_>, content_of: ContentOf<'_>) -> Result<Parts, CliError> {
    let bytes = read_document(path)?;
    let given = said
        .attach
        .iter()
        .map(|path| {
            Ok(GivenFile {
                name: path.display().to_string(),
                bytes: files::read(path, bytes_max())?,
            })
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    let json: Option<Value> = serde_json::from_slice(&bytes).ok();
    if json
        .as_ref()
        .is_some_and(|json| json.get("payloadType").is_some())
    {
        let envelope =
            Envelope::parse(&bytes).map_err(|e| publish::PublishError::from(Box::new(e.into())))?;
        let record = publish::check_envelope(envelope)?;
        check_subject(path, &record.statement().subject.name, said)?;
        let attachments = given
            .into_iter()
            .map(|file| (Sha256::of(&file.bytes), file.bytes))
            .collect();
        return Ok(Parts {
            parts: vec![Part::Signed(Box::new(record), attachments)],
            warnings: Vec::new(),
        });
    }
    let drafts = File {
        path,
        name: path.display().to_string(),
        bytes,
        json,
        given,
    }
    .drafts(said, content_of)?;
    for draft in &drafts.drafts {
        check_subject(path, &draft.subject, said)?;
    }
    Ok(drafts.into())
}

/// Reads what a record is made of, which is text: of weights, only a folder becomes a record.
fn read_document(path: &Path) -> Result<Vec<u8>, CliError> {
    let refused = |what: &str| CliError::Form {
        path: path.to_owned(),
        what: what.to_owned(),
        hint: "publish a model's files with the folder that they are in: `candor release FOLDER --as publisher/model@version`; of single files, a card, a config, results or checksums become a record",
    };
    if path.is_dir() {
        return Err(refused("is a folder, and should be a file"));
    }
    match files::read(path, bytes_max()) {
        // Text has no such byte, and weights are full of them.
        Ok(bytes) if bytes.contains(&0) => {
            Err(refused("is a binary file, of which no record is made"))
        }
        Err(CliError::FileTooLong { bytes_max, .. }) => Err(refused(&format!(
            "has more than {bytes_max} bytes, and no record is made of so much"
        ))),
        read => read,
    }
}

/// `--as` says what a file is about; one that says so itself must say the same.
fn check_subject(path: &Path, subject: &SubjectName, said: &Said<'_>) -> Result<(), CliError> {
    let Some(release) = said.release.filter(|_| !said.others_too) else {
        return Ok(());
    };
    if *subject == SubjectName::Release(release.clone()) {
        return Ok(());
    }
    Err(CliError::Usage {
        what: format!(
            "{} is about {subject}, and `--as` says {release}",
            path.display()
        ),
        hint: "leave out `--as`, or change the statement's subject".to_owned(),
    })
}

fn bytes_max() -> usize {
    usize::try_from(DOCUMENT_BYTES_MAX).expect("32 MiB fit into memory")
}

struct File<'a> {
    path: &'a Path,
    name: String,
    bytes: Vec<u8>,
    json: Option<Value>,
    given: Vec<GivenFile>,
}

impl File<'_> {
    fn drafts(&self, said: &Said<'_>, content_of: ContentOf<'_>) -> Result<Drafts, CliError> {
        let Self {
            name, bytes, given, ..
        } = self;
        if let Some(kind) = said.kind.filter(|kind| self.is_predicate_of(*kind)) {
            let release = self.release(said)?;
            let sha256 = match kind {
                Kind::Evaluation => Some(content_of(release)?.subject),
                // Which one record is withdrawn, only a whole statement says.
                Kind::Withdrawal if self.has_scope("release") => content_of(release)?.statement,
                Kind::Withdrawal
                | Kind::Publisher
                | Kind::ModelCard
                | Kind::Weights
                | Kind::TrainingConfig
                | Kind::ApiVersion => None,
            };
            let about = About {
                kind,
                subject: &SubjectName::Release(release.clone()),
                sha256,
            };
            return Ok(statement::draft_of_predicate(name, bytes, &about, given)?);
        }
        Ok(match self.source_kind(said.kind)? {
            SourceKind::Statement(_) => statement::draft(name, bytes, given)?,
            SourceKind::ModelCard => model_card::draft(name, bytes, self.release(said)?)?,
            SourceKind::TrainingConfig => self.training_config(self.release(said)?, said.kind)?,
            SourceKind::Checksums => {
                checksums::draft(name, bytes, self.release(said)?, said.source.cloned())?
            }
            SourceKind::HubListing => hub::draft(name, bytes, self.release(said)?, said.source)?,
            SourceKind::OciManifest => oci::draft(name, bytes, self.release(said)?, said.source)?,
            SourceKind::Evaluation => {
                let release = self.release(said)?;
                let author = said.author.unwrap_or_else(|| release.publisher());
                let of = Evaluated {
                    subject: release,
                    sha256: content_of(release)?.subject,
                    author,
                };
                evaluation::drafts(name, bytes, &of)?
            }
        })
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.json
            .as_ref()
            .is_some_and(|json| json["scope"] == scope)
    }

    /// A training config. One that was run and still can't be read (it happens: programs differ in what
    /// they take for YAML) is attached as it is, if the command line says what it is.
    fn training_config(
        &self,
        release: &ReleaseName,
        said: Option<Kind>,
    ) -> Result<Drafts, CliError> {
        match training_config::draft(&self.name, &self.bytes, release) {
            Err(error @ (SourceError::Yaml { .. } | SourceError::Json { .. }))
                if said.is_some() =>
            {
                let name = self.path.file_name().unwrap_or_default().to_string_lossy();
                let document = DraftAttachment::new(&name, "text/plain", self.bytes.clone());
                let predicate = serde_json::from_value(json!({ "document": document.descriptor }))
                    .expect("a training config needs no more than its document");
                let draft = Draft {
                    subject: SubjectName::Release(release.clone()),
                    sha256: document.descriptor.digest.sha256,
                    predicate: Predicate::TrainingConfig(predicate),
                    attachments: vec![document],
                };
                let warning = format!(
                    "{error}; the file is attached as it is, and its settings are not in the record"
                );
                Ok(Drafts {
                    drafts: vec![draft],
                    warnings: vec![warning],
                })
            }
            drafts => Ok(drafts?),
        }
    }

    /// Whether the file is the predicate of a `kind` statement, and not a document of which one is made.
    fn is_predicate_of(&self, kind: Kind) -> bool {
        let Some(json) = &self.json else {
            return false;
        };
        let has = |name: &str| json.get(name).is_some();
        !has("_type")
            && match kind {
                Kind::ModelCard | Kind::TrainingConfig => has("document"),
                Kind::Weights => has("manifest"),
                Kind::Evaluation => has("harness"),
                Kind::ApiVersion | Kind::Withdrawal | Kind::Publisher => true,
            }
    }

    /// What the file is: by what the command line says, or else by its name and contents.
    fn source_kind(&self, said: Option<Kind>) -> Result<SourceKind, CliError> {
        let found = detect(self.path, &self.bytes);
        let Some(said) = said else {
            return Ok(found?);
        };
        match (found, said) {
            (Ok(found), said) if found.kind() == said => Ok(found),
            // Whatever is no card would be text of one; what is JSON was meant as something else.
            (_, Kind::ModelCard) if self.json.as_ref().is_some_and(Value::is_object) => {
                Err(CliError::Form {
                    path: self.path.to_owned(),
                    what: "is JSON, and a model card is a text, in Markdown".to_owned(),
                    hint: "name the card, such as README.md; or leave out `--kind`, if the file says itself what it is",
                })
            }
            (_, Kind::ModelCard) => Ok(SourceKind::ModelCard),
            (_, Kind::TrainingConfig) => Ok(SourceKind::TrainingConfig),
            // Lists of lines are no JSON, and what is wrong with JSON was said.
            (
                Err(error @ (SourceError::Json { .. } | SourceError::YamlLimit { .. })),
                Kind::Weights,
            ) => Err(error.into()),
            (_, Kind::Weights) => Ok(SourceKind::Checksums),
            (_, Kind::Evaluation) => Ok(SourceKind::Evaluation),
            // Of these, a file holds a statement or its predicate, and both are JSON.
            (_, Kind::Publisher | Kind::ApiVersion | Kind::Withdrawal) => {
                let file = self.name.clone();
                Err(match parse_strict(&self.bytes) {
                    Err(error) => SourceError::Json { file, error },
                    Ok(_) => SourceError::NotUnderstood { file },
                }
                .into())
            }
        }
    }

    fn release<'a>(&self, said: &Said<'a>) -> Result<&'a ReleaseName, CliError> {
        said.release.ok_or_else(|| CliError::Usage {
            what: format!("{} does not say which release it is about", self.name),
            hint: "say it with `--as publisher/model@version`".to_owned(),
        })
    }
}
