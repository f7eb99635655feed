//! What `hf download --local-dir` noted of a folder's files, held against the files.
//!
//! `.cache/huggingface/download/PATH.metadata` has three lines (`huggingface_hub`, `_local_folder.py`, "Download metadata
//! file structure"):
//!
//! ```text
//! 11c5a3d5811f50298f278a704980280950aedb10                            the repository's commit
//! 7c5d3f4b8b76583b422fcb9189ad6c89d5d97a094541ce8932dce3ecabde1421    the etag: of large files their SHA-256,
//! 1712656091.123                                                      of others the name of git's blob, by SHA-1
//! ```
//!
//! Always: the notes lie beside the files and are no better protected than they are. They tell a broken download, and what
//! the publisher believes to have; the digests of a record are those of the files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{Manifest, ManifestFile};
use sha1::{Digest as _, Sha1};

use super::release::read_listed;
use super::{DOCUMENT_BYTES_MAX, SourceError};

/// Where the notes are.
const NOTES: &str = ".cache/huggingface/download";

/// Two digests, a time, and three line breaks.
const NOTE_BYTES_MAX: u64 = 1024;

/// How many files are named that are not as noted.
const NAMED_MAX: usize = 5;

/// What the notes say of a folder.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Noted {
    /// The commit of all of them, if all files are as noted.
    pub(super) commit: Option<DigestSet>,
    /// How many files are as noted.
    pub(super) files: usize,
    /// What is not as it should be.
    pub(super) warnings: Vec<String>,
}

/// A note.
struct Note {
    commit: DigestSet,
    etag: DigestSet,
}

/// Reads the notes on the files of `folder`; `None`, if there are none.
pub(super) fn noted(folder: &Path, manifest: &Manifest) -> Result<Option<Noted>, SourceError> {
    if !folder.join(NOTES).is_dir() {
        return Ok(None);
    }
    let (mut commits, mut differ, mut noted) = (BTreeSet::new(), Vec::new(), Noted::default());
    for file in manifest.files() {
        let name = format!("{NOTES}/{}.metadata", file.path);
        let path = folder.join(&name);
        let note = match read(&path) {
            Ok(None) => continue,
            Ok(Some(text)) => Note::parse(&text),
            Err(error) => Err(error.to_string()),
        };
        let note = match note {
            Ok(note) => note,
            Err(rule) => {
                noted
                    .warnings
                    .push(format!("{name}: {rule}; it was not looked at"));
                continue;
            }
        };
        commits.insert(note.commit);
        match is_as_noted(folder, file, &note.etag)? {
            Some(true) => noted.files += 1,
            Some(false) => differ.push(file.path.as_str()),
            None => noted.warnings.push(format!(
                "{}: too large to be held against git's digest, which its download noted",
                file.path
            )),
        }
    }
    if let [first, ..] = differ.as_slice() {
        let named = differ.iter().take(NAMED_MAX).copied().collect::<Vec<_>>();
        let more = match differ.len() - named.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let what = if differ.len() == 1 { "is" } else { "are" };
        noted.warnings.push(format!(
            "{}{more} {what} not as downloaded, by the etag in {NOTES}/{first}.metadata: the download broke, or somebody wrote to it since",
            named.join(", ")
        ));
    }
    let is_one = commits.len() == 1;
    if commits.len() > 1 {
        let words = "the files were downloaded from several commits, so that none is named";
        noted.warnings.push(words.to_owned());
    }
    noted.commit = commits
        .pop_first()
        .filter(|_| is_one && differ.is_empty() && noted.files > 0);
    Ok((noted.commit.is_some() || !noted.warnings.is_empty()).then_some(noted))
}

impl Note {
    fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let &[commit, etag, time] = lines.as_slice() else {
            return Err(format!("it has {} lines and not 3", lines.len()));
        };
        let digest = |line: usize, algorithm, digest: &str| {
            DigestSet::new([(algorithm, digest.to_owned())])
                .map_err(|error| format!("line {line}: {error}"))
        };
        let commit = digest(1, Algorithm::GitCommit, commit)?;
        let by = if etag.len() == 64 {
            Algorithm::Sha256
        } else {
            Algorithm::GitBlob
        };
        let etag = digest(2, by, etag)?;
        let is_time = time.parse::<f64>().is_ok_and(f64::is_finite);
        if !is_time {
            return Err("line 3: it is no time".to_owned());
        }
        Ok(Self { commit, etag })
    }
}

/// Whether a file of the release has the digest in `etag`; `None`, if that was not found out.
fn is_as_noted(
    folder: &Path,
    file: &ManifestFile,
    etag: &DigestSet,
) -> Result<Option<bool>, SourceError> {
    if let Some((_, noted, found)) = etag.in_common(&file.digest).next() {
        return Ok(Some(noted == found));
    }
    // Files that are no larger than this are kept in git itself.
    if file.size.is_none_or(|size| size > DOCUMENT_BYTES_MAX) {
        return Ok(None);
    }
    let found = git_blob(&read_listed(folder, file)?);
    Ok(Some(etag.by(Algorithm::GitBlob) == Some(found.as_str())))
}

/// The name of the blob that git would keep `bytes` as.
fn git_blob(bytes: &[u8]) -> String {
    let head = format!("blob {}\0", bytes.len());
    hex::encode(Sha1::new_with_prefix(head).chain_update(bytes).finalize())
}

/// A note, if there is one.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is no file")),
        Ok(_) => (),
    }
    let mut text = String::new();
    File::open(path)?
        .take(NOTE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;

    use super::*;

    const COMMIT: &str = "11c5a3d5811f50298f278a704980280950aedb10";

    /// A folder of two files, each with a note.
    fn noted_of(weights: &str, config: &str) -> Option<Noted> {
        let folder = tempfile::tempdir().expect("made");
        let notes = folder.path().join(NOTES);
        fs::create_dir_all(&notes).expect("made");
        let files = [
            ("model.bin", "weights", weights),
            ("config.json", "abc", config),
        ];
        let files = files.map(|(name, contents, note)| {
            fs::write(folder.path().join(name), contents).expect("written");
            if !note.is_empty() {
                fs::write(notes.join(format!("{name}.metadata")), note).expect("written");
            }
            ManifestFile {
                path: name.parse().expect("a path"),
                size: Some(contents.len() as u64),
                digest: DigestSet::sha256(Sha256::of(contents)),
            }
        });
        let manifest = Manifest::new(files.into()).expect("a manifest");
        noted(folder.path(), &manifest).expect("readable")
    }

    fn note(etag: &str) -> String {
        format!("{COMMIT}\n{etag}\n1712656091.123\n")
    }

    /// `printf abc | git hash-object --stdin`
    const ABC: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";

    #[test]
    fn files_that_are_as_downloaded_name_their_commit() {
        let noted = noted_of(&note(&Sha256::of("weights").to_string()), &note(ABC));
        let noted = noted.expect("notes");
        assert_eq!((noted.files, noted.warnings), (2, Vec::new()));
        let commit = noted.commit.expect("one");
        assert_eq!(commit.by(Algorithm::GitCommit), Some(COMMIT));
        assert_eq!(noted_of("", ""), None);
    }

    #[test]
    fn a_file_that_is_not_as_downloaded_is_named_and_no_commit() {
        let good = note(&Sha256::of("weights").to_string());
        let other = good.replace("11c5", "22c5");
        for (weights, config, words) in [
            (
                note(&Sha256::of("other").to_string()),
                note(ABC),
                "model.bin is not as downloaded",
            ),
            (
                good.clone(),
                note(&ABC.replace('f', "e")),
                "config.json is not as downloaded",
            ),
            (other, note(ABC), "several commits"),
        ] {
            let noted = noted_of(&weights, &config).expect("notes");
            assert_eq!(noted.commit, None, "{words}");
            assert!(
                noted.warnings.iter().any(|it| it.contains(words)),
                "{:?}",
                noted.warnings
            );
        }
    }

    #[test]
    fn a_note_that_is_none_is_named_and_left_aside() {
        let good = note(ABC);
        for (bad, words) in [
            ("x".to_owned(), "it has 1 lines"),
            (good.replace(COMMIT, "main"), "line 1"),
            (good.replace(ABC, "\"abc\""), "line 2"),
            (good.replace("1712656091.123", "yesterday"), "line 3"),
            (format!("{good}more\n"), "it has 4 lines"),
        ] {
            let noted = noted_of(&note(&Sha256::of("weights").to_string()), &bad).expect("notes");
            assert!(noted.warnings[0].contains(words), "{:?}", noted.warnings);
            assert!(noted.warnings[0].starts_with(NOTES), "{:?}", noted.warnings);
        }
    }
}
