//! A whole release from its folder: weights, card and training config.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candor_core::record::kinds::Source;
use candor_core::record::{Predicate, ReleaseName};
use candor_core::weights::{FilePath, Manifest, ManifestFile, Place, Tensor};
use candor_core::{Sha256, record::DigestSet};

use super::heads::{Elsewhere, Head, Heads};
use super::lfs::{self, Pointer};
use super::training_config::{CONFIG_BYTES_MAX, is_training_config};
use super::{
    DOCUMENT_BYTES_MAX, Draft, Drafts, SourceError, download, git, model_card, training_config,
    weights,
};
use crate::folder::{FolderError, LeftOut, Progress, hash_folder, list_folder};
use crate::hashing::{Job, Look, OpenFile, Options, hash_files};

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

/// A folder that is to be a release.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseFolder<'a> {
    /// Where it is.
    pub folder: &'a Path,
    /// What it is to be.
    pub release: &'a ReleaseName,
    /// Its training config; without it, the one file in the folder that looks like one is taken, and none is fine.
    pub config: Option<&'a Path>,
    /// Files whose contents are not looked at, whatever their names say.
    pub as_bytes: &'a [FilePath],
    /// Whether the files that Git LFS has elsewhere are listed by their pointers, which are in their place.
    pub from_pointers: bool,
    /// Where the publisher says that the files come from.
    pub source: Option<&'a Source>,
}

/// The Git LFS pointers among a folder's files, each with the digest of the pointer itself.
type Pointers = BTreeMap<FilePath, (Pointer, Sha256)>;

/// A folder's files, and what is in them.
pub struct FolderContents {
    /// The files.
    pub manifest: Manifest,
    /// The tensors in them, each with its place.
    pub tensors: Vec<(Tensor, Place)>,
    /// The chunk list of the large ones.
    chunks: Vec<u8>,
    heads: Heads,
    /// Names at the top of the folder that are no part of a release: `.git`, bundles.
    pub ignored: Vec<String>,
}

/// Reads the files of a folder, for which a release may stand that it is to be. A file that is not what its name says is an error,
/// unless it is to be taken `as_bytes` alone.
pub fn read_folder<'a>(
    folder: &Path,
    left_out: impl Into<LeftOut<'a>>,
    as_bytes: &[FilePath],
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FolderContents, SourceError> {
    read_files(
        (folder, &Pointers::new()),
        left_out,
        as_bytes,
        options,
        progress,
    )
}

/// The same of a folder in which some files are pointers to others, which are listed in their place.
fn read_files<'a>(
    (folder, pointers): (&Path, &Pointers),
    left_out: impl Into<LeftOut<'a>>,
    as_bytes: &[FilePath],
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FolderContents, SourceError> {
    let look = |path: &FilePath, file: &OpenFile| Head::read(path, file, as_bytes.contains(path));
    let mut files = hash_folder(folder, left_out, options, look, progress)?;
    let listed = |path: &FilePath| files.files.iter().any(|file| file.path == *path);
    if let Some(path) = as_bytes.iter().find(|path| !listed(path)) {
        return Err(SourceError::NoSuchFile {
            file: path.clone(),
            folder: folder.to_owned(),
        });
    }
    let paths = files.files.iter().map(|file| file.path.clone());
    let heads = paths.zip(files.seen.into_iter().zip(files.ranges));
    // What a pointer begins with says nothing of its file.
    let heads = Heads::new(heads.filter(|(path, _)| !pointers.contains_key(path)));
    lfs::resolve(folder, &mut files.files, pointers)?;
    let refused = |file: &FilePath, error: String| SourceError::Contents {
        file: file.clone(),
        error,
    };
    if let Some((file, error)) = heads.refused() {
        return Err(refused(file, error.to_string()));
    }
    let manifest = Manifest::new(files.files).map_err(|error| SourceError::Manifest {
        file: folder.display().to_string(),
        error,
    })?;
    // The lists of tensors and of chunks are of all files, or there are none.
    let (tensors, chunks) = if pointers.is_empty() {
        if let Some((file, error)) = heads.refused_index(&manifest) {
            return Err(refused(file, error));
        }
        let elsewhere = heads
            .elsewhere(&manifest)
            .map_err(|(file, error)| refused(file, error))?;
        let tensors = heads.tensors(&hash_elsewhere(folder, elsewhere, options)?);
        (tensors, files.chunks)
    } else {
        (Vec::new(), Vec::new())
    };
    Ok(FolderContents {
        manifest,
        tensors,
        chunks,
        heads,
        ignored: files.ignored,
    })
}

/// Reads a folder as a release. Several files that look like a training config, where none is named, are an error that
/// lists them; and so is a file that is not what its name says, or a Git LFS pointer that was not asked for.
pub fn release_drafts(
    of: ReleaseFolder<'_>,
    options: Options<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ReleaseDrafts, SourceError> {
    let ReleaseFolder {
        folder,
        release,
        config,
        as_bytes,
        from_pointers: _,
        source,
    } = of;
    // Before gigabytes are read.
    let pointers = pointers(of)?;
    let contents = read_files((folder, &pointers), release, as_bytes, options, progress)?;
    let FolderContents {
        manifest,
        tensors,
        chunks,
        heads,
        ignored,
    } = contents;
    let is_here = |file: &&ManifestFile| !pointers.contains_key(&file.path);
    let (source, doubts) = origin(folder, &manifest, pointers.len(), source)?;
    let mut all = weights::draft(&manifest, &chunks, (&heads, tensors), release, source);
    all.warnings.extend(doubts);
    all.extend(card_drafts(folder, &manifest, is_here, release)?);
    let config = training_config_of(folder, &manifest, is_here, config)?;
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
        ignored,
    })
}

/// The Git LFS pointers in the folder, if they are to be taken for files; otherwise there may be none.
fn pointers(of: ReleaseFolder<'_>) -> Result<Pointers, SourceError> {
    let listing = list_folder(of.folder, of.release)?;
    let pointers = lfs::pointers(of.folder, &listing, of.as_bytes)?;
    let folder = || of.folder.to_owned();
    match (of.from_pointers, pointers.is_empty()) {
        (true, true) => Err(SourceError::NoPointers { folder: folder() }),
        (false, false) => Err(SourceError::Pointers {
            folder: folder(),
            pointers: pointers.into_keys().collect(),
            of: listing.files.len(),
        }),
        (true, false) | (false, true) => Ok(pointers),
    }
}

/// Where the files come from, by what the publisher says and what git and Hugging Face's tools left in the folder; and what
/// is doubtful about that.
fn origin(
    folder: &Path,
    manifest: &Manifest,
    pointers: usize,
    said: Option<&Source>,
) -> Result<(Option<Source>, Vec<String>), SourceError> {
    let (mut facts, mut doubts) = (Vec::new(), Vec::new());
    let files = manifest.files().len();
    if pointers > 0 {
        facts.push(format!(
            "{pointers} of {files} files are listed by the digests in their Git LFS pointers; their bytes were not read."
        ));
    }
    let noted = download::noted(folder, manifest)?.unwrap_or_default();
    doubts.extend(noted.warnings);
    let checkout = match git::head_commit(folder) {
        Some(Err(rule)) => {
            doubts.push(format!(".git: {rule}, so that the record names no commit"));
            None
        }
        found => found.transpose().expect("errors were taken out"),
    };
    let commit = match (checkout, noted.commit) {
        (Some(checkout), Some(noted)) if checkout != noted => {
            let words = ".git and the notes of `hf download` name two commits, so that the record names none";
            doubts.push(words.to_owned());
            None
        }
        (_, Some(commit)) => {
            facts.push(format!(
                "{} of {files} files are as `hf download` noted them at this commit.",
                noted.files
            ));
            Some(commit)
        }
        (Some(commit), None) => {
            let words =
                "The commit is that of the folder's .git, with which its files were not compared.";
            facts.push(words.to_owned());
            Some(commit)
        }
        (None, None) => None,
    };
    Ok((weights::source(said, commit, &facts), doubts))
}

/// The card of the folder, if it has one.
fn card_drafts(
    folder: &Path,
    manifest: &Manifest,
    is_here: impl Fn(&&ManifestFile) -> bool,
    release: &ReleaseName,
) -> Result<Drafts, SourceError> {
    let without = |words: String| Drafts {
        drafts: Vec::new(),
        warnings: vec![words],
    };
    let Some(card) = card(manifest) else {
        return Ok(without(format!(
            "{} has no README.md at its top, so the release has no model card",
            folder.display()
        )));
    };
    if !is_here(&card) {
        let words = "it is a Git LFS pointer, so the release has no model card";
        return Ok(without(format!("{}: {words}", card.path)));
    }
    let bytes = read_listed(folder, card)?;
    let card = card.path.as_str();
    let mut drafts = model_card::draft(card, &bytes, release)?;
    let without_license = |draft: &Draft| matches!(&draft.predicate, Predicate::ModelCard(card) if card.license.is_none());
    if drafts.drafts.iter().any(without_license) {
        let words = "its front matter names no license, so nobody knows what they may do";
        drafts.warnings.push(format!("{card}: {words}"));
    }
    Ok(drafts)
}

/// Takes the digests of tensors that are in other files than those that tell of them. These files are read once more, and
/// must still be those that the manifest lists.
fn hash_elsewhere<'a>(
    folder: &Path,
    elsewhere: Vec<Elsewhere<'a>>,
    options: Options<'_>,
) -> Result<Vec<(Elsewhere<'a>, Sha256)>, SourceError> {
    let mut by_file: BTreeMap<&FilePath, Vec<Elsewhere<'a>>> = BTreeMap::new();
    for it in elsewhere {
        by_file.entry(&it.file.path).or_default().push(it);
    }
    let job = |(path, tensors): (&&FilePath, &Vec<Elsewhere<'a>>)| Job {
        path: folder.join(path.as_str()),
        size: tensors[0].file.size.unwrap_or_default(),
        also: Vec::new(),
        chunks: false,
    };
    let jobs: Vec<_> = by_file.iter().map(job).collect();
    let ranges: Vec<Vec<_>> = by_file
        .values()
        .map(|tensors| tensors.iter().map(|it| it.tensor.range.clone()).collect())
        .collect();
    let look = |job: usize, _: &OpenFile| {
        Ok(Look {
            seen: (),
            ranges: ranges[job].clone(),
        })
    };
    let options = Options {
        below: Some(folder),
        ..options
    };
    let hashed = hash_files(&jobs, options, look, &mut |_| {}).map_err(FolderError::from)?;
    let mut found = Vec::new();
    for ((_, tensors), (job, hashed)) in by_file.into_iter().zip(jobs.into_iter().zip(hashed)) {
        if tensors[0].file.digest != hashed.digest {
            return Err(SourceError::Changed { path: job.path });
        }
        found.extend(tensors.into_iter().zip(hashed.ranges));
    }
    Ok(found)
}

impl Drafts {
    fn extend(&mut self, more: Self) {
        self.drafts.extend(more.drafts);
        self.warnings.extend(more.warnings);
    }
}

/// The card: README.md at the top, however its name is written.
fn card(manifest: &Manifest) -> Option<&ManifestFile> {
    let is_card = |file: &&ManifestFile| file.path.as_str().eq_ignore_ascii_case("readme.md");
    manifest.files().iter().find(is_card)
}

fn training_config_of(
    folder: &Path,
    manifest: &Manifest,
    is_here: impl Fn(&&ManifestFile) -> bool,
    config: Option<&Path>,
) -> Result<Option<(String, Vec<u8>)>, SourceError> {
    if let Some(path) = config {
        // One that is a file of the release must be the one that its manifest lists.
        let bytes = match listed_at(folder, manifest, path).filter(&is_here) {
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
    for file in manifest.files().iter().filter(is_here) {
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
pub(super) fn read_listed(folder: &Path, file: &ManifestFile) -> Result<Vec<u8>, SourceError> {
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
