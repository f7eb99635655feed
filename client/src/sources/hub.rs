//! Lists of a repository's files, as the API of the Hugging Face hub answers them.
//!
//! ```text
//! GET /api/models/ORG/NAME/tree/COMMIT?recursive=true          a list: type, path, size, oid, and lfs: oid, size
//! GET /api/models/ORG/NAME/revision/COMMIT?blobs=true          an object: sha, siblings: rfilename, size, blobId,
//!                                                              and lfs: sha256, size
//! ```
//!
//! As `huggingface_hub` reads them (`hf_api.py`, `RepoFile` and `RepoSibling`). Of large files the hub says their SHA-256. Of
//! the others it says the name of git's blob alone, which is by SHA-1: that is taken for what it is, weak. Of a large file,
//! git's blob is the pointer, and its name says nothing of the file.

use candor_core::record::kinds::{Source, Weights};
use candor_core::record::{Algorithm, ReleaseName};
use candor_core::weights::{FilePath, Manifest, ManifestFile};
use serde_json::Value;

use super::fields::Fields;
use super::yaml::type_name;
use super::{Drafts, SourceError, foreign_json, weights};

/// How many entries the hub puts into one answer, with a link to the next one.
const PAGE_ENTRIES: usize = 1000;

/// How an entry's parts are called in one of the two answers.
struct Names {
    path: &'static str,
    blob: &'static str,
    sha256: &'static str,
}

const TREE: Names = Names {
    path: "path",
    blob: "oid",
    sha256: "oid",
};

const SIBLINGS: Names = Names {
    path: "rfilename",
    blob: "blobId",
    sha256: "sha256",
};

/// Whether a document is such a list, by its first entry.
pub(super) fn is_listing(json: &Value) -> bool {
    let first = |list: &Value, names: [&str; 2]| {
        let first = list.as_array().and_then(|list| list.first());
        first.is_some_and(|it| names.iter().all(|name| it.get(name).is_some()))
    };
    first(json, ["type", "path"])
        || json
            .get("siblings")
            .is_some_and(|list| first(list, ["rfilename", "rfilename"]))
}

/// Reads a list into a manifest and a record about it. `file` is its name or path, for messages; `source` says where the
/// list was published.
pub fn draft(
    file: &str,
    bytes: &[u8],
    release: &ReleaseName,
    source: Option<&Source>,
) -> Result<Drafts, SourceError> {
    let json = foreign_json(bytes).map_err(|error| SourceError::Json {
        file: file.to_owned(),
        error,
    })?;
    let mut warnings = Vec::new();
    let (manifest, commit) = match &json {
        Value::Array(entries) => {
            if entries.len().is_multiple_of(PAGE_ENTRIES) {
                warnings.push(format!(
                    "{file}: it has {} entries, and the hub answers with {PAGE_ENTRIES} at a time: see that the pages that follow are in it, too",
                    entries.len()
                ));
            }
            (manifest(file, "", entries, &TREE)?, None)
        }
        Value::Object(info) => {
            let siblings = info.get("siblings").and_then(Value::as_array);
            let siblings = siblings.ok_or_else(|| not_a_listing(file, &json))?;
            let commit = info.get("sha").map(|_| {
                let info = Fields::new(file, String::new(), &json)?;
                info.digest("sha", Algorithm::GitCommit)
            });
            let manifest = manifest(file, "/siblings", siblings, &SIBLINGS)?;
            (manifest, commit.transpose()?)
        }
        other => return Err(not_a_listing(file, other)),
    };
    let by_git = manifest
        .files()
        .iter()
        .filter(|it| it.digest.to_sha256().is_none());
    let (by_git, files) = (by_git.count(), manifest.files().len());
    let mut facts = vec!["Digests by the API of the Hugging Face hub.".to_owned()];
    if by_git > 0 {
        let words =
            format!("of {by_git} of {files} files the hub says only git's digest, by SHA-1");
        facts.push(format!("{}.", words.replacen('o', "O", 1)));
        warnings.push(format!(
            "{file}: {words}, which is weak: a file with the right one may have been made to have it, and the record says so"
        ));
    }
    let weights = Weights {
        format: weights::format(&manifest).map(str::to_owned),
        source: weights::source(source, commit, &facts),
        ..manifest.to_weights()
    };
    Ok(Drafts {
        drafts: vec![weights::of_weights(&manifest, weights, release)],
        warnings,
    })
}

fn not_a_listing(file: &str, found: &Value) -> SourceError {
    SourceError::Form {
        file: file.to_owned(),
        rule: "the hub lists the files of a repository as a list, or as siblings",
        found: type_name(found).to_owned(),
    }
}

fn manifest(
    file: &str,
    pointer: &str,
    entries: &[Value],
    names: &Names,
) -> Result<Manifest, SourceError> {
    let mut files = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let entry = Fields::new(file, format!("{pointer}/{n}"), entry)?;
        match entry.maybe_text("type")? {
            Some("directory") => {}
            None | Some("file") => files.push(listed(&entry, names)?),
            Some(_) => return Err(entry.error("type", "is neither \"file\" nor \"directory\"")),
        }
    }
    Manifest::new(files).map_err(|error| SourceError::Manifest {
        file: file.to_owned(),
        error,
    })
}

fn listed(entry: &Fields<'_>, names: &Names) -> Result<ManifestFile, SourceError> {
    let path: FilePath = entry.path(names.path)?;
    let size = entry.count("size")?;
    let digest = match entry.maybe_object("lfs")? {
        Some(lfs) => {
            // The hub says it twice; whoever wrote the list by hand may not have.
            if lfs.count("size")? != size {
                return Err(lfs.error("size", "is another one than that of the entry"));
            }
            lfs.digest(names.sha256, Algorithm::Sha256)?
        }
        None => entry.digest(names.blob, Algorithm::GitBlob)?,
    };
    Ok(ManifestFile {
        path,
        size: Some(size),
        digest,
    })
}
