//! A manifest held against files that somebody has.

use std::collections::BTreeMap;

use super::{FilePath, Manifest, ManifestFile};
use crate::record::DigestSet;

/// How a folder differs from a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Files whose size and strong digest are as listed.
    pub same: usize,
    /// Files whose weak digests are as listed, where no strong digest is known: good as a hint only.
    pub only_weakly_same: Vec<FilePath>,
    /// Files that are listed, but could not be compared: no listed digest was computed for them.
    pub not_compared: Vec<FilePath>,
    /// Files that differ.
    pub changed: Vec<Change>,
    /// Files that are listed and not there.
    pub missing: Vec<FilePath>,
    /// Files that are there and not listed.
    pub extra: Vec<FilePath>,
}

/// A file that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is in the folder.
    pub path: FilePath,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests, unless nobody took them: of a file that is not listed, or has another size, none are needed.
    pub digest: Option<DigestSet>,
}

/// A file that differs from its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As listed.
    pub listed: ManifestFile,
    /// As found.
    pub found: FoundFile,
}

impl Comparison {
    /// Compares what is listed with what was `found`.
    pub fn new(manifest: &Manifest, found: &[FoundFile]) -> Self {
        let mut rest: BTreeMap<&FilePath, &FoundFile> =
            found.iter().map(|file| (&file.path, file)).collect();
        let mut comparison = Self::default();
        for listed in manifest.files() {
            match rest.remove(&listed.path) {
                None => comparison.missing.push(listed.path.clone()),
                Some(found) => comparison.compare(listed, found),
            }
        }
        comparison.extra = rest.into_keys().cloned().collect();
        comparison
    }

    fn compare(&mut self, listed: &ManifestFile, found: &FoundFile) {
        let sizes_differ = listed.size.is_some_and(|listed| listed != found.size);
        let common: Vec<_> = found
            .digest
            .iter()
            .flat_map(|found| listed.digest.in_common(found))
            .collect();
        if sizes_differ || common.iter().any(|(_, listed, found)| listed != found) {
            self.changed.push(Change {
                listed: listed.clone(),
                found: found.clone(),
            });
        } else if common.is_empty() {
            self.not_compared.push(listed.path.clone());
        } else if common.iter().any(|(algorithm, ..)| algorithm.is_strong()) {
            self.same += 1;
        } else {
            self.only_weakly_same.push(listed.path.clone());
        }
    }

    /// Whether the folder is not what the manifest lists.
    pub fn is_refuted(&self) -> bool {
        !(self.changed.is_empty() && self.missing.is_empty() && self.extra.is_empty())
    }

    /// Whether every file is as listed, by a strong digest.
    pub fn is_proven(&self) -> bool {
        !self.is_refuted() && self.only_weakly_same.is_empty() && self.not_compared.is_empty()
    }
}
