//! What is to be fetched, where from and where to.

use std::path::PathBuf;

use candor_core::merkle::{Hash, LeafHash};
use candor_core::weights::{CHUNK_BYTES, ChunkList, FilePath, Manifest};

use crate::Source;
use crate::digest::Expected;
use crate::folder::WORK_FOLDER;

/// What is to be fetched, where from and where to. Nothing was asked or written yet.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) jobs: Vec<Job>,
    pub(crate) sources: Vec<Source>,
    pub(crate) target: PathBuf,
}

/// One file, and what its bytes must be.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) path: FilePath,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) expected: Expected,
    /// The leaf hash of each chunk, of a file with more than one.
    pub(crate) leaves: Option<Vec<LeafHash>>,
}

/// Why a release can't be fetched at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nowhere to fetch from.
    #[error("no source is named to fetch from")]
    NoSource,
    /// A file that anybody could put another one in the place of.
    #[error(
        "{0} has no strong digest in the manifest, so nobody can tell whether what a mirror sends is the right file"
    )]
    Weak(FilePath),
    /// A file that may be of any size.
    #[error(
        "{0} has no size in the manifest, so a mirror could send without end before its digest says that it is wrong"
    )]
    SizeUnknown(FilePath),
    /// A file in the folder where unfinished files are kept.
    #[error("{0} would be in {WORK_FOLDER}, where unfinished files are kept")]
    Reserved(FilePath),
    /// The chunk list is of other files.
    #[error("the chunk list is not the manifest's: it says other things of {0}")]
    ChunkList(FilePath),
    /// The chunk list has more files than the manifest.
    #[error("the chunk list is not the manifest's: it has chunks of files that are not listed")]
    ChunkListLonger,
}

impl PlanError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSource => "name one, as https://mirror.example/llama/ or hf://ORG/REPO",
            Self::SizeUnknown(_) => {
                "fetch it by other means, and check it with `candor verify FOLDER`"
            }
            Self::Weak(_) => {
                "fetch it by other means: what it should be was never said with a strong digest such as sha256"
            }
            Self::Reserved(_) => "fetch it by other means, and tell the release's publisher",
            Self::ChunkList(_) | Self::ChunkListLonger => {
                "use the one that the same weights statement names, or none"
            }
        }
    }
}

impl Plan {
    /// All files of a manifest, from the first of `sources` that has the right bytes, into the folder `target`, which is made
    /// if it is not there.
    ///
    /// The manifest and the chunk list must be those of the release: whoever calls this has checked them against the log.
    /// Without a chunk list, wrong bytes in a file of more than 8 MiB are found only when all of it was fetched.
    pub fn new(
        manifest: &Manifest,
        chunks: Option<&ChunkList>,
        sources: Vec<Source>,
        target: PathBuf,
    ) -> Result<Self, PlanError> {
        if sources.is_empty() {
            return Err(PlanError::NoSource);
        }
        let mut leaves = chunks.map(Leaves::new);
        let mut jobs = Vec::with_capacity(manifest.files().len());
        for file in manifest.files() {
            let weak = || PlanError::Weak(file.path.clone());
            let expected = Expected::of(&file.digest).ok_or_else(weak)?;
            let size = file.size;
            let size = size.ok_or_else(|| PlanError::SizeUnknown(file.path.clone()))?;
            let first = file.path.as_str().split('/').next().unwrap_or_default();
            if first.to_lowercase() == WORK_FOLDER {
                return Err(PlanError::Reserved(file.path.clone()));
            }
            let leaves = match &mut leaves {
                Some(leaves) => leaves.take(&file.path, size)?,
                None => None,
            };
            jobs.push(Job {
                path: file.path.clone(),
                size,
                expected,
                leaves,
            });
        }
        if leaves.is_some_and(|leaves| leaves.at < leaves.bytes.len()) {
            return Err(PlanError::ChunkListLonger);
        }
        Ok(Self {
            jobs,
            sources,
            target,
        })
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.jobs.len()
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> u64 {
        let sizes = self.jobs.iter().map(|job| job.size);
        sizes.fold(0, u64::saturating_add)
    }
}

impl Job {
    /// Whether each piece of [`CHUNK_BYTES`] is checked by itself: by its leaf hash, or by the digest if there is one piece.
    pub(crate) fn is_checked_by_piece(&self) -> bool {
        self.leaves.is_some() || self.size <= CHUNK_BYTES
    }

    /// Whether the bytes of the piece that begins at `at` are the release's. Without anything to check them by, they may be.
    pub(crate) fn may_be(&self, at: u64, bytes: &[u8]) -> bool {
        if let Some(leaves) = &self.leaves {
            let chunk = usize::try_from(at / CHUNK_BYTES).expect("as many as leaves in memory");
            return leaves.get(chunk) == Some(&LeafHash::of_bytes(bytes));
        }
        if self.size <= CHUNK_BYTES {
            return self.check_all(bytes).is_ok();
        }
        true
    }

    /// Checks all bytes of a file of one piece; the digest that they have, if it is another one.
    pub(crate) fn check_all(&self, bytes: &[u8]) -> Result<(), String> {
        let mut hasher = self.expected.hasher();
        hasher.update(bytes);
        self.expected.check(hasher)
    }

    /// How many bytes the piece that begins at `at` has; 0 behind the last one.
    pub(crate) fn piece_bytes(&self, at: u64) -> usize {
        let bytes = CHUNK_BYTES.min(self.size.saturating_sub(at));
        usize::try_from(bytes).expect("at most 8 MiB")
    }
}

/// The leaf hashes of a chunk list in the order of its files, which is the manifest's.
struct Leaves<'a> {
    list: &'a ChunkList,
    bytes: Vec<u8>,
    at: usize,
}

impl<'a> Leaves<'a> {
    fn new(list: &'a ChunkList) -> Self {
        let bytes = list.to_bytes();
        Self { list, bytes, at: 0 }
    }

    /// Those of the next file, if it has more than one chunk.
    fn take(&mut self, path: &FilePath, size: u64) -> Result<Option<Vec<LeafHash>>, PlanError> {
        let other = || PlanError::ChunkList(path.clone());
        let chunks = match self.list.of(path) {
            None if size <= CHUNK_BYTES => return Ok(None),
            Some(chunks) if chunks.file_bytes() == size => chunks,
            None | Some(_) => return Err(other()),
        };
        let (hashes, _) = self.bytes[self.at..].as_chunks::<32>();
        let hashes = hashes.get(..chunks.count()).ok_or_else(other)?;
        self.at += size_of_val(hashes);
        let leaves = hashes
            .iter()
            .map(|it| LeafHash::from_hash(Hash::from_bytes(*it)));
        Ok(Some(leaves.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Sha256;
    use candor_core::record::{Algorithm, DigestSet};
    use candor_core::weights::ManifestFile;

    fn manifest(files: &[(&str, u64, DigestSet)]) -> Manifest {
        let files = files.iter().map(|(path, size, digest)| ManifestFile {
            path: path.parse().expect("a path"),
            size: Some(*size),
            digest: digest.clone(),
        });
        Manifest::new(files.collect()).expect("a manifest")
    }

    fn strong() -> DigestSet {
        DigestSet::sha256(Sha256::of(""))
    }

    fn sources() -> Vec<Source> {
        vec!["https://a.example/".parse().expect("a source")]
    }

    fn plan(manifest: &Manifest, chunks: Option<&ChunkList>) -> Result<Plan, PlanError> {
        Plan::new(manifest, chunks, sources(), PathBuf::from("x"))
    }

    fn list(manifest: &Manifest) -> ChunkList {
        let bytes = usize::try_from(ChunkList::bytes_of(manifest)).expect("short");
        ChunkList::parse(&vec![7; bytes], manifest).expect("a chunk list")
    }

    #[test]
    fn messages() {
        let weak = DigestSet::new([(Algorithm::Sha1, "0".repeat(40))]).expect("a digest");
        let big = manifest(&[("a", 20 << 20, strong()), ("b", 20 << 20, strong())]);
        let without_size = Manifest::new(vec![ManifestFile {
            path: "a".parse().expect("a path"),
            size: None,
            digest: strong(),
        }]);
        let without_size = without_size.expect("a manifest");
        let errors = [
            Plan::new(&big, None, Vec::new(), PathBuf::from("x")).map(|_| ()),
            plan(&manifest(&[("old.bin", 3, weak)]), None).map(|_| ()),
            plan(&without_size, None).map(|_| ()),
            plan(&manifest(&[(".Candor-Fetch/x", 0, strong())]), None).map(|_| ()),
            plan(
                &big,
                Some(&list(&manifest(&[
                    ("a", 20 << 20, strong()),
                    ("b", 30 << 20, strong()),
                ]))),
            )
            .map(|_| ()),
            plan(&manifest(&[("a", 20 << 20, strong())]), Some(&list(&big))).map(|_| ()),
        ];
        let expected = [
            "no source is named to fetch from",
            "old.bin has no strong digest in the manifest, so nobody can tell whether what a mirror sends is the right file",
            "a has no size in the manifest, so a mirror could send without end before its digest says that it is wrong",
            ".Candor-Fetch/x would be in .candor-fetch, where unfinished files are kept",
            "the chunk list is not the manifest's: it says other things of b",
            "the chunk list is not the manifest's: it has chunks of files that are not listed",
        ];
        for (error, expected) in errors.into_iter().zip(expected) {
            let error = error.expect_err("no plan");
            assert_eq!(error.to_string(), expected);
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn each_file_gets_its_own_leaves() {
        let manifest = manifest(&[
            ("a", 20 << 20, strong()),
            ("b", 1, strong()),
            ("c", 9 << 20, strong()),
        ]);
        let bytes: Vec<u8> = (0..5_u8).flat_map(|n| [n; 32]).collect();
        let list = ChunkList::parse(&bytes, &manifest).expect("a chunk list");
        let plan = plan(&manifest, Some(&list)).expect("a plan");
        let firsts = plan.jobs.iter().map(|job| {
            let leaves = job.leaves.iter().flatten();
            leaves
                .map(|it| it.to_hash().as_bytes()[0])
                .collect::<Vec<_>>()
        });
        assert_eq!(
            firsts.collect::<Vec<_>>(),
            [vec![0, 1, 2], vec![], vec![3, 4]]
        );
    }
}
