//! The manifest: the list of a release's files, in one canonical form.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use super::FilePath;
use super::chunks::{ChunkList, ChunkListError};
use super::long_json::{self, Unread, at_most};
use super::tensors::{TensorList, TensorListError};
use super::tree::{self, MultiProof};
use crate::Sha256;
use crate::digest::Sha256Stream;
use crate::merkle::LeafHash;
use crate::record::kinds::{Attachment, AttachmentDigest, Strength, Weights};
use crate::record::{Algorithm, DigestSet, JsonError, write_string};

/// The media type of manifests.
pub const MANIFEST_MEDIA_TYPE: &str = "application/vnd.candor.manifest+json";

/// The most files of one release: at some 150 bytes each, an attachment of 30 MB.
pub const MANIFEST_FILES_MAX: usize = 200_000;

/// The largest size of a file: 2^53 (RFC 8785 section 3.2.2.3).
const FILE_BYTES_MAX: u64 = 1 << 53;

/// What a manifest says to be.
const MANIFEST_TYPE: &str = "urn:candor:manifest:v1";

/// The files of a release: at least one, in the order of their paths, each path once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<ManifestFile>,
    sums: Sums,
}

/// What follows from all files together. It is computed once, since the canonical form of a long list takes longer than
/// to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sums {
    /// How many bytes the canonical form has.
    bytes: u64,
    /// Their digest.
    sha256: Sha256,
    /// The root over the files.
    root: FilesRoot,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Where it is in the release's folder.
    pub path: FilePath,
    /// Its size in bytes. Lists of digests that others made may lack it; who hashes a folder always knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its digests.
    pub digest: DigestSet,
}

/// RFC 6962 root over a manifest's files. The data of each leaf is the file's entry in the manifest, as
/// canonical JSON: digests, path and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FilesRoot(Sha256);

/// Some files of a release, and the hashes that lead from them to the root over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesProof {
    /// The files, each with its index among all.
    pub files: Vec<ProvenFile>,
    /// The hashes.
    pub hashes: MultiProof,
}

/// A file of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenFile {
    /// Its index among all files of the release.
    pub index: u64,
    /// Its path, size and digests.
    pub file: ManifestFile,
}

/// Why a list of files is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not strict JSON.
    #[error("the manifest is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no manifest.
    #[error("this is not a manifest: {0}")]
    Form(String),
    /// Another spelling of a manifest, whose digest would be another.
    #[error(
        "the manifest is not in canonical form (RFC 8785), or its files are not sorted by path"
    )]
    NotCanonical,
    /// None, or too many.
    #[error("a manifest lists 1 to {MANIFEST_FILES_MAX} files, and this one lists {0}")]
    Count(usize),
    /// A path twice.
    #[error("{0} is listed twice")]
    Duplicate(FilePath),
    /// A path that is a file and a folder.
    #[error("{0} is listed as a file, and other files are listed inside it")]
    FileAndFolder(FilePath),
    /// A size that not every JSON reader keeps.
    #[error(
        "{0} is larger than {FILE_BYTES_MAX} bytes, the largest number that JSON keeps exactly"
    )]
    FileTooLarge(FilePath),
    /// No algorithm that all files have, so nothing to compare a folder by; and none of them is known by git's digest alone,
    /// which is what hosts of models publish of small files.
    #[error(
        "no digest algorithm is there for every file: add one that all of them have, such as sha256"
    )]
    NoCommonAlgorithm,
    /// The list of the files' chunks is not what the statement says of it.
    #[error(transparent)]
    Chunks(#[from] ChunkListError),
    /// The list of the tensors is none, or not what the statement says of it.
    #[error(transparent)]
    Tensors(#[from] TensorListError),
    /// The statement says something else about the manifest.
    #[error("/predicate/{field}: the statement says {stated}, and its manifest {actual}")]
    Disagrees {
        /// Which field of the `weights` predicate.
        field: &'static str,
        /// What it says.
        stated: String,
        /// What the manifest says.
        actual: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestJson {
    manifest: String,
    #[serde(deserialize_with = "few_enough_files")]
    files: Vec<ManifestFile>,
}

fn few_enough_files<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ManifestFile>, D::Error> {
    at_most(MANIFEST_FILES_MAX, "files", deserializer)
}

impl Manifest {
    /// Sorts and checks a list of files.
    pub fn new(mut files: Vec<ManifestFile>) -> Result<Self, ManifestError> {
        if files.is_empty() || files.len() > MANIFEST_FILES_MAX {
            return Err(ManifestError::Count(files.len()));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(ManifestError::Duplicate(pair[0].path.clone()));
        }
        if let Some(path) = file_and_folder(&files) {
            return Err(ManifestError::FileAndFolder(path.clone()));
        }
        for file in &files {
            if file.size.is_some_and(|size| size > FILE_BYTES_MAX) {
                return Err(ManifestError::FileTooLarge(file.path.clone()));
            }
        }
        let sums = Sums::of(&files);
        let manifest = Self { files, sums };
        if manifest.algorithms().is_empty() && !manifest.files.iter().any(is_by_git_alone) {
            return Err(ManifestError::NoCommonAlgorithm);
        }
        Ok(manifest)
    }

    /// Reads a manifest, which must be in canonical form. That form has no key twice and no number that loses
    /// digits, so nothing but a comparison with it is needed to know that the JSON was strict.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let json: ManifestJson = long_json::read(bytes).map_err(|unread| match unread {
            Unread::Json(error) => ManifestError::Json(error),
            Unread::Form(what) => ManifestError::Form(what),
        })?;
        if json.manifest != MANIFEST_TYPE {
            return Err(ManifestError::Form(format!(
                "its type is not {MANIFEST_TYPE:?}"
            )));
        }
        let manifest = Self::new(json.files)?;
        if manifest.sums.sha256 == Sha256::of(bytes) {
            Ok(manifest)
        } else {
            Err(ManifestError::NotCanonical)
        }
    }

    /// The canonical form, whose digest is the release's subject digest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for_each_piece(&self.files, |piece| {
            bytes.extend_from_slice(piece.bytes());
        });
        bytes
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// The file at `path`, if it is listed.
    pub fn file(&self, path: &FilePath) -> Option<&ManifestFile> {
        let found = self.files.binary_search_by(|file| file.path.cmp(path));
        found.ok().map(|at| &self.files[at])
    }

    /// The Merkle root over the files.
    pub fn root(&self) -> FilesRoot {
        self.sums.root
    }

    fn leaves(&self) -> Vec<LeafHash> {
        self.files.iter().map(ManifestFile::leaf).collect()
    }

    /// Proves the files at `paths`, in any order and each once; `None` if not at each of them is one.
    pub fn prove(&self, paths: &[FilePath]) -> Option<FilesProof> {
        let index = |path: &FilePath| {
            let found = self.files.binary_search_by(|file| file.path.cmp(path));
            found.ok()
        };
        let indices: Vec<_> = paths.iter().map(index).collect::<Option<_>>()?;
        let hashes = MultiProof::new(&self.leaves(), &indices)?;
        let proven = |index: &usize| ProvenFile {
            index: *index as u64,
            file: self.files[*index].clone(),
        };
        Some(FilesProof {
            files: indices.iter().map(proven).collect(),
            hashes,
        })
    }

    /// The sizes of all files together, in bytes; `None` if one is not known.
    pub fn total_bytes(&self) -> Option<u64> {
        self.files
            .iter()
            .try_fold(0_u64, |total, file| total.checked_add(file.size?))
    }

    /// The algorithms that every file has a digest of; those of git, whose objects are not files, aside.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let has_all = |algorithm: &Algorithm| {
            self.files
                .iter()
                .all(|file| file.digest.by(*algorithm).is_some())
        };
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| algorithm.is_of_bytes() && has_all(algorithm))
            .collect()
    }

    /// What the `weights` statement says of this manifest.
    pub fn to_weights(&self) -> Weights {
        let algorithms = self.algorithms();
        let strong = algorithms.iter().copied().any(Algorithm::is_strong);
        Weights {
            manifest: Attachment {
                name: "manifest.json".to_owned(),
                media_type: MANIFEST_MEDIA_TYPE.to_owned(),
                size: self.sums.bytes,
                digest: AttachmentDigest {
                    sha256: self.sums.sha256,
                },
            },
            files: self.files.len() as u64,
            bytes: self.total_bytes(),
            root: self.sums.root,
            algorithms,
            strength: if strong {
                Strength::Strong
            } else {
                Strength::Weak
            },
            format: None,
            parameters: None,
            source: None,
            chunks: None,
            tensors: None,
            parents: Vec::new(),
            annotations: serde_json::Map::new(),
        }
    }

    /// Checks that a `weights` statement says of this manifest what is so.
    pub fn check_statement(&self, stated: &Weights) -> Result<(), ManifestError> {
        Self::check_stated(stated, &self.to_weights())
    }

    /// Checks the documents of a `weights` statement against it: the manifest, and of those that it names beside that one
    /// the ones that are here.
    pub fn check_documents<'a>(
        stated: &Weights,
        manifest: &[u8],
        document: impl Fn(&Attachment) -> Option<&'a [u8]>,
    ) -> Result<(), ManifestError> {
        let manifest = Self::parse(manifest)?;
        manifest.check_statement(stated)?;
        if let Some(chunks) = &stated.chunks
            && let Some(bytes) = document(&chunks.list)
        {
            ChunkList::parse_stated(bytes, chunks, &manifest)?;
        }
        if let Some(tensors) = &stated.tensors
            && let Some(bytes) = document(&tensors.list)
        {
            TensorList::parse_stated(bytes, tensors, &manifest)?;
        }
        Ok(())
    }

    /// Checks that a `weights` statement says what [`Manifest::to_weights`] does, which takes a while for a long
    /// list and needs to be done only once for several statements.
    pub fn check_stated(stated: &Weights, actual: &Weights) -> Result<(), ManifestError> {
        fn same<T: PartialEq + Serialize>(
            field: &'static str,
            stated: &T,
            actual: &T,
        ) -> Result<(), ManifestError> {
            if stated == actual {
                return Ok(());
            }
            Err(ManifestError::Disagrees {
                field,
                stated: in_json(stated),
                actual: in_json(actual),
            })
        }
        same(
            "manifest/digest/sha256",
            &stated.manifest.digest.sha256,
            &actual.manifest.digest.sha256,
        )?;
        same("root", &stated.root, &actual.root)?;
        same("files", &stated.files, &actual.files)?;
        same("bytes", &stated.bytes, &actual.bytes)?;
        let sorted = |algorithms: &[Algorithm]| algorithms.iter().copied().collect::<BTreeSet<_>>();
        same(
            "algorithms",
            &sorted(&stated.algorithms),
            &sorted(&actual.algorithms),
        )
    }
}

impl ManifestFile {
    /// Writes what [`to_canonical_json`](crate::record::to_canonical_json) would. By itself, since a manifest may have
    /// 200,000 files, and a JSON value of each would take several times as long as everything else.
    fn write_canonical(&self, out: &mut String) {
        let Self { path, size, digest } = self;
        out.push_str("{\"digest\":{");
        let mut digests: Vec<_> = digest.iter().collect();
        digests.sort_unstable_by_key(|(algorithm, _)| algorithm.name());
        for (n, (algorithm, digest)) in digests.into_iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            write_string(algorithm.name(), out);
            out.push(':');
            write_string(digest, out);
        }
        out.push_str("},\"path\":");
        write_string(path.as_str(), out);
        if let Some(size) = size {
            write!(out, ",\"size\":{size}").expect("a String takes any text");
        }
        out.push('}');
    }

    /// The hash of its leaf.
    fn leaf(&self) -> LeafHash {
        let mut canonical = String::new();
        self.write_canonical(&mut canonical);
        LeafHash::of_bytes(canonical.as_bytes())
    }
}

impl FilesProof {
    /// Whether these files are among those that a `weights` statement says, at their indices.
    pub fn verify(&self, stated: &Weights) -> bool {
        let leaves = self
            .files
            .iter()
            .map(|proven| (proven.index, proven.file.leaf()));
        self.hashes.leads_to(&stated.root.0, stated.files, leaves)
    }

    /// The files, as a manifest of these alone.
    pub fn manifest(&self) -> Result<Manifest, ManifestError> {
        Manifest::new(self.files.iter().map(|it| it.file.clone()).collect())
    }
}

/// A piece of a manifest's canonical form.
enum Piece<'a> {
    /// What stands between the files.
    Between(&'a str),
    /// A file: the data of a leaf.
    File(&'a [u8]),
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Between(text) => text.as_bytes(),
            Self::File(bytes) => bytes,
        }
    }
}

/// The canonical form of a manifest, piece by piece: as one JSON value, a long list would take a gigabyte.
fn for_each_piece(files: &[ManifestFile], mut take: impl FnMut(&Piece<'_>)) {
    let mut canonical = String::new();
    take(&Piece::Between("{\"files\":["));
    for (n, file) in files.iter().enumerate() {
        if n > 0 {
            take(&Piece::Between(","));
        }
        canonical.clear();
        file.write_canonical(&mut canonical);
        take(&Piece::File(canonical.as_bytes()));
    }
    take(&Piece::Between(&format!(
        "],\"manifest\":\"{MANIFEST_TYPE}\"}}"
    )));
}

impl Sums {
    /// `files` are at least one.
    fn of(files: &[ManifestFile]) -> Self {
        let (mut bytes, mut sha256, mut leaves) = (0, Sha256Stream::default(), Vec::new());
        for_each_piece(files, |piece| {
            bytes += piece.bytes().len() as u64;
            sha256.update(piece.bytes());
            if let Piece::File(data) = piece {
                leaves.push(LeafHash::of_bytes(data));
            }
        });
        let root = tree::root(&leaves).expect("a manifest has at least one file");
        Self {
            bytes,
            sha256: sha256.finish(),
            root: FilesRoot(Sha256::from_bytes(*root.as_bytes())),
        }
    }
}

/// A file that other files are listed inside of, if there is one of `files`, which are sorted.
fn file_and_folder(files: &[ManifestFile]) -> Option<&FilePath> {
    // The files before this one whose whole paths it begins with. All that begin with the same text stand together.
    let mut begins_with: Vec<&FilePath> = Vec::new();
    for file in files {
        let path = file.path.as_str();
        while begins_with
            .pop_if(|before| !path.starts_with(before.as_str()))
            .is_some()
        {}
        let is_inside =
            |before: &&&FilePath| path.as_bytes().get(before.as_str().len()) == Some(&b'/');
        if let Some(folder) = begins_with.iter().find(is_inside) {
            return Some(folder);
        }
        begins_with.push(&file.path);
    }
    None
}

/// Whether nothing is known of a file but the name of the blob that git would keep it as.
fn is_by_git_alone(file: &ManifestFile) -> bool {
    file.digest
        .iter()
        .all(|(algorithm, _)| !algorithm.is_of_bytes())
}

/// As it stands in the statement.
fn in_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers, digests and names are JSON")
}

impl fmt::Display for FilesRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::to_canonical_json;

    fn files() -> impl Strategy<Value = ManifestFile> {
        let path = "[ -~é\u{10000}]{1,20}".prop_filter_map("a path", |path| path.parse().ok());
        let size = proptest::option::of(0..=FILE_BYTES_MAX);
        let digests = proptest::collection::vec(0..3_usize, 1..4).prop_map(|which| {
            let all = [
                (Algorithm::Sha256, "0a".repeat(32)),
                (Algorithm::Blake3, "1b".repeat(32)),
                (Algorithm::GitBlob, "2c".repeat(20)),
            ];
            DigestSet::new(which.into_iter().map(|n| all[n].clone())).expect("digests")
        });
        (path, size, digests).prop_map(|(path, size, digest)| ManifestFile { path, size, digest })
    }

    proptest! {
        #[test]
        fn files_are_written_in_canonical_json(file in files()) {
            let mut written = String::new();
            file.write_canonical(&mut written);
            prop_assert_eq!(written.into_bytes(), to_canonical_json(&file));
        }
    }
}
