//! Records that are written by hand: a whole statement, or only its predicate.

use candor_core::Sha256;
use candor_core::record::kinds::Attachment;
use candor_core::record::{
    Kind, STATEMENT_TYPE, Statement, SubjectName, check_schema, to_canonical_json,
};
use serde_json::{Value, json};

use super::{Draft, DraftAttachment, Drafts, SourceError, document_name, foreign_json};

/// A file that a statement may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFile {
    /// Its name or path, for messages.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a bare predicate is of.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What it says.
    pub kind: Kind,
    /// What it is about.
    pub subject: &'a SubjectName,
    /// The subject digest, which evaluations and withdrawals need: it does not follow from what they say.
    pub sha256: Option<Sha256>,
}

/// Reads a statement (JSON with `_type`). `file` is its name or path, for messages.
pub fn draft(file: &str, bytes: &[u8], given: &[GivenFile]) -> Result<Drafts, SourceError> {
    let statement = json(file, bytes)?;
    from_json(file, &statement, given)
}

/// Reads a predicate (JSON without `_type`) of a statement about `about`.
pub fn draft_of_predicate(
    file: &str,
    bytes: &[u8],
    about: &About<'_>,
    given: &[GivenFile],
) -> Result<Drafts, SourceError> {
    let predicate = json(file, bytes)?;
    let sha256 = match about.kind {
        Kind::Publisher | Kind::ApiVersion => Some(Sha256::of(to_canonical_json(&predicate))),
        Kind::ModelCard | Kind::TrainingConfig => named_digest(&predicate["document"]),
        Kind::Weights => named_digest(&predicate["manifest"]),
        Kind::Evaluation | Kind::Withdrawal => None,
    };
    // Where a field of the predicate is missing, the schema says so better than we could here.
    let falls_back = !matches!(about.kind, Kind::Evaluation | Kind::Withdrawal);
    let sha256 = sha256
        .or(about.sha256)
        .or_else(|| falls_back.then(|| Sha256::of("")))
        .ok_or_else(|| SourceError::SubjectDigestMissing {
            file: file.to_owned(),
            kind: about.kind,
        })?;
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": about.subject.to_string(), "digest": { "sha256": sha256 } }],
        "predicateType": about.kind.predicate_type(),
        "predicate": predicate,
    });
    from_json(file, &statement, given)
}

fn json(file: &str, bytes: &[u8]) -> Result<Value, SourceError> {
    foreign_json(bytes).map_err(|error| SourceError::Json {
        file: file.to_owned(),
        error,
    })
}

fn named_digest(descriptor: &Value) -> Option<Sha256> {
    descriptor["digest"]["sha256"].as_str()?.parse().ok()
}

fn from_json(file: &str, statement: &Value, given: &[GivenFile]) -> Result<Drafts, SourceError> {
    let statement_error = |error| SourceError::Statement {
        what: file.to_owned(),
        error,
    };
    let kind = Statement::kind_of_json(statement).map_err(statement_error)?;
    // Before it is read into types, which ignore fields that they don't know.
    check_schema(kind, statement).map_err(|violations| SourceError::Schema { kind, violations })?;
    let bytes = to_canonical_json(statement);
    let parsed = Statement::parse(&bytes).map_err(statement_error)?;
    let attachments = parsed
        .predicate
        .attachments()
        .into_iter()
        .map(|descriptor| find(kind, descriptor, given))
        .collect::<Result<Vec<_>, _>>()?;
    let draft = Draft {
        subject: parsed.subject.name,
        sha256: parsed.subject.sha256,
        predicate: parsed.predicate,
        attachments,
    };
    let mut drafts = Drafts::from(draft);
    if drafts.drafts[0].payload() != bytes {
        drafts.warnings.push(format!(
            "{file}: fields that are empty are left out of the record, which reads the same without them"
        ));
    }
    Ok(drafts)
}

fn find(
    kind: Kind,
    descriptor: &Attachment,
    given: &[GivenFile],
) -> Result<DraftAttachment, SourceError> {
    let wanted = descriptor.digest.sha256;
    let same_name = |file: &&GivenFile| document_name(&file.name) == descriptor.name;
    if let Some(file) = given.iter().find(|file| Sha256::of(&file.bytes) == wanted) {
        return Ok(DraftAttachment {
            descriptor: descriptor.clone(),
            bytes: file.bytes.clone(),
        });
    }
    let name = descriptor.name.clone();
    Err(match given.iter().find(same_name) {
        Some(file) => SourceError::AttachmentMismatch {
            kind,
            rule: format!(
                "the record says SHA-256 {wanted}, and {} has {}",
                file.name,
                Sha256::of(&file.bytes)
            ),
            name,
        },
        None => SourceError::AttachmentMissing {
            kind,
            name,
            sha256: wanted,
        },
    })
}
