//! What a file is, by its name and its contents.

use std::path::Path;

use candor_core::record::{Kind, Statement};
use serde_json::Value;

use super::checksums::is_checksums;
use super::evaluation::is_evaluation;
use super::hub::is_listing;
use super::oci::is_manifest;
use super::training_config::is_training_config;
use super::yaml::parse_json_like;
use super::{SourceError, foreign_json, text};

/// What a file can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A statement of this kind: [`super::statement::draft`].
    Statement(Kind),
    /// A model card: [`super::model_card::draft`].
    ModelCard,
    /// A training config: [`super::training_config::draft`].
    TrainingConfig,
    /// Results of lm-evaluation-harness: [`super::evaluation::drafts`].
    Evaluation,
    /// A list of checksums: [`super::checksums::draft`].
    Checksums,
    /// A list of files by the Hugging Face hub: [`super::hub::draft`].
    HubListing,
    /// A manifest of an OCI artifact: [`super::oci::draft`].
    OciManifest,
}

impl SourceKind {
    /// The kind of record that it becomes.
    pub fn kind(self) -> Kind {
        match self {
            Self::Statement(kind) => kind,
            Self::ModelCard => Kind::ModelCard,
            Self::TrainingConfig => Kind::TrainingConfig,
            Self::Evaluation => Kind::Evaluation,
            Self::Checksums | Self::HubListing | Self::OciManifest => Kind::Weights,
        }
    }
}

/// Says what a file is. Whatever could be two things is what its contents say, before its name.
pub fn detect(path: &Path, bytes: &[u8]) -> Result<SourceKind, SourceError> {
    let file = path.display().to_string();
    let contents = text(&file, bytes)?;
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let named = path.to_string_lossy().replace('\\', "/");
    let found = match extension.as_str() {
        "md" | "markdown" => Some(SourceKind::ModelCard),
        "json" => detect_json(&file, &named, bytes)?,
        "yml" | "yaml" => is_training_config(&named, bytes).then_some(SourceKind::TrainingConfig),
        _ if is_checksums(contents) => Some(SourceKind::Checksums),
        // What tools print has whatever name it was saved under.
        _ => foreign_json(bytes).ok().and_then(|json| published(&json)),
    };
    found.ok_or(SourceError::NotUnderstood { file })
}

fn detect_json(file: &str, named: &str, bytes: &[u8]) -> Result<Option<SourceKind>, SourceError> {
    let json = parse_json_like(file, bytes)?.value;
    if json.get("_type").is_some() {
        let kind = Statement::kind_of_json(&json).map_err(|error| SourceError::Statement {
            what: file.to_owned(),
            error,
        })?;
        return Ok(Some(SourceKind::Statement(kind)));
    }
    if is_evaluation(&json) {
        return Ok(Some(SourceKind::Evaluation));
    }
    if let Some(found) = published(&json) {
        return Ok(Some(found));
    }
    Ok(is_training_config(named, bytes).then_some(SourceKind::TrainingConfig))
}

/// Digests that others publish as JSON.
fn published(json: &Value) -> Option<SourceKind> {
    if is_manifest(json) {
        return Some(SourceKind::OciManifest);
    }
    is_listing(json).then_some(SourceKind::HubListing)
}
