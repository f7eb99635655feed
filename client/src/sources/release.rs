//! A whole release from its folder: weights, card and training config.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candor_core::record::{Predicate, ReleaseName};
use candor_core::weights::{Manifest, ManifestFile};
use candor_core::{Sha256, record::DigestSet};

use super::heads::{Head, Heads};
use super::training_config::{CONFIG_BYTES_MAX, is_training_config};
use super::{DOCUMENT_BYTES_MAX, Draft, Drafts, SourceError, model_card, training_config, weights};
use crate::folder::{Progress, hash_folder};
use crate::hashing::Options;

/// What a folder became.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseDrafts {
    /// Weights, then the card and the training config where there are some.
    pub drafts: Vec<Draft>,
    /// The files, as `weights` names them.
    pub manifest: Manifest,
    /// The file that is taken for the training config, if one is.
    pub config: Option<String>,
    /// Sentences that say what was left out, and why.
    pub warnings: Vec<String>,
    /// Names at the top of the folder that are no part of the release: `.git`, bundles of the release.
    pub ignored: Vec<String>,
}

/// Reads `folder` as the release `release`.
///
/// `config` names its training config; without it, the one file in the folder that looks like one is taken, and
/// none is fine. Several that look like one are an error that lists them.
pub fn release_drafts(
    folder: &Path,
    release: &ReleaseName,
    config: Option<&Path>,
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ReleaseDrafts, SourceError> {
    let files = hash_folder(folder, release, options, Head::read, progress)?;
    let paths = files.files.iter().map(|file| file.path.clone());
    let heads = Heads::new(paths.zip(files.seen));
    let manifest = Manifest::new(files.files).map_err(|error| SourceError::Manifest {
        file: folder.display().to_string(),
        error,
    })?;
    let mut all = weights::draft(&manifest, &files.chunks, &heads, release);
    match card(&manifest, &mut all.warnings) {
        Some(card) => {
            let bytes = read_listed(folder, card)?;
            let card = card.path.as_str();
            all.extend(model_card::draft(card, &bytes, release)?);
            let without_license = |draft: &Draft| matches!(&draft.predicate, Predicate::ModelCard(card) if card.license.is_none());
            if all.drafts.iter().any(without_license) {
                let words = "its front matter names no license, so nobody knows what they may do";
                all.warnings.push(format!("{card}: {words}"));
            }
        }
        None => all.warnings.push(format!(
            "{} has no README.md at its top, so the release has no model card",
            folder.display()
        )),
    }
    let config = training_config_of(folder, &manifest, config)?;
    match &config {
        Some((file, bytes)) => all.extend(training_config::draft(file, bytes, release)?),
        None => all.warnings.push(format!(
            "{} has no file that looks like a training config, so the release has none: `--config FILE` names one; taken by themselves are training_config.yml, training_args.json, train*.yml, a config in a folder `training`, and any with settings such as learning_rate",
            folder.display()
        )),
    }
    Ok(ReleaseDrafts {
        drafts: all.drafts,
        manifest,
        config: config.map(|(file, _)| file),
        warnings: all.warnings,
        ignored: files.ignored,
    })
}

impl Drafts {
    fn extend(&mut self, more: Self) {
        self.drafts.extend(more.drafts);
        self.warnings.extend(more.warnings);
    }
}

/// The card: README.md at the top, however its name is written.
fn card<'a>(manifest: &'a Manifest, warnings: &mut Vec<String>) -> Option<&'a ManifestFile> {
    let is_card = |file: &&ManifestFile| file.path.as_str().eq_ignore_ascii_case("readme.md");
    let cards: Vec<_> = manifest.files().iter().filter(is_card).collect();
    let usual = cards.iter().find(|file| file.path.as_str() == "README.md");
    let card = usual.or(cards.first()).copied()?;
    if cards.len() > 1 {
        let names: Vec<_> = cards.iter().map(|file| file.path.as_str()).collect();
        warnings.push(format!(
            "{} are all there: {} is the card",
            names.join(" and "),
            card.path
        ));
    }
    Some(card)
}

fn training_config_of(
    folder: &Path,
    manifest: &Manifest,
    config: Option<&Path>,
) -> Result<Option<(String, Vec<u8>)>, SourceError> {
    if let Some(path) = config {
        // One that is a file of the release must be the one that its manifest lists.
        let bytes = match listed_at(folder, manifest, path) {
            Some(file) => read_listed(folder, file)?,
            None => read(path)?,
        };
        return Ok(Some((path.display().to_string(), bytes)));
    }
    let is_text = |path: &str| {
        let path = path.to_ascii_lowercase();
        [".yml", ".yaml", ".json"]
            .iter()
            .any(|ending| path.ends_with(ending))
    };
    let mut candidates = Vec::new();
    for file in manifest.files() {
        let path = file.path.as_str();
        if is_text(path) && file.size.is_some_and(|size| size <= CONFIG_BYTES_MAX) {
            let bytes = read_listed(folder, file)?;
            if is_training_config(path, &bytes) {
                candidates.push((path.to_owned(), bytes));
            }
        }
    }
    if candidates.len() > 1 {
        return Err(SourceError::SeveralConfigs {
            candidates: candidates.into_iter().map(|(path, _)| path).collect(),
        });
    }
    Ok(candidates.pop())
}

/// The file of the release that `path` leads to, if it is one.
fn listed_at<'a>(folder: &Path, manifest: &'a Manifest, path: &Path) -> Option<&'a ManifestFile> {
    let (folder, path) = (folder.canonicalize().ok()?, path.canonicalize().ok()?);
    let inside = path.strip_prefix(folder).ok()?;
    let mut files = manifest.files().iter();
    files.find(|file| Path::new(file.path.as_str()) == inside)
}

/// Reads a file of the release, which must still be the one that the manifest lists.
fn read_listed(folder: &Path, file: &ManifestFile) -> Result<Vec<u8>, SourceError> {
    let path = folder.join(file.path.as_str());
    let bytes = read(&path)?;
    if file.digest == DigestSet::sha256(Sha256::of(&bytes)) {
        Ok(bytes)
    } else {
        Err(SourceError::Changed { path })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let io_error = |error| SourceError::Io {
        path: path.to_owned(),
        error,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_error)?;
    // One byte more than is taken tells a file that is too large.
    file.take(DOCUMENT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(SourceError::TooLarge {
            file: path.display().to_string(),
            what: "it",
            bytes: bytes.len() as u64,
            bytes_max: DOCUMENT_BYTES_MAX,
        });
    }
    Ok(bytes)
}
