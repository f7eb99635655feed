//! Files in chunks: so that a part of one can be checked before, or without, all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::tree::{LeafPath, MultiProof};
use super::{FilePath, Manifest};
use crate::Sha256;
use crate::merkle::{CompactRange, Hash, LeafHash};
use crate::record::kinds::{Attachment, ChunkedFiles};
use crate::record::to_canonical_json;

/// How many bytes each chunk of a file has, but for the last one: 8 MiB.
pub const CHUNK_BYTES: u64 = 8 << 20;

/// The media type of chunk lists.
pub const CHUNKS_MEDIA_TYPE: &str = "application/vnd.candor.chunks";

/// The most bytes of a chunk list: that of files of 2 TiB. It comes along in bundles.
pub const CHUNK_LIST_BYTES_MAX: usize = 8 << 20;

/// How many bytes a leaf hash has.
const HASH_BYTES: usize = 32;

/// RFC 6962 root over the files of a release that have more than one chunk, in the manifest's order. The data of each
/// leaf is, as canonical JSON, the file's path and size in bytes, and the RFC 6962 root over its chunks, whose leaves are
/// the chunks' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunksRoot(Sha256);

/// The leaf hashes of all chunks of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    file_bytes: u64,
    leaves: Vec<LeafHash>,
}

/// The leaf hashes of all chunks of all files of a release that have more than one.
///
/// As bytes: 32 for each leaf hash, file after file in the manifest's order. How many are whose, the files' sizes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkList {
    files: BTreeMap<FilePath, Chunks>,
}

/// Why bytes are not the chunk list that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkListError {
    /// Too few or too many.
    #[error(
        "/predicate/chunks/list: a chunk list of {found} bytes, and the manifest's files have chunks for {expected}"
    )]
    Length {
        /// Of the list.
        found: u64,
        /// For the files.
        expected: u64,
    },
    /// For more files than there is room for.
    #[error(
        "/predicate/chunks/list: a chunk list of {0} bytes, and the most that one may have are {CHUNK_LIST_BYTES_MAX}: leave it out"
    )]
    TooLong(u64),
    /// Hashes of something else.
    #[error("/predicate/chunks/root: the statement says {stated}, and its chunk list {actual}")]
    Root {
        /// What the statement says.
        stated: ChunksRoot,
        /// What the list says.
        actual: ChunksRoot,
    },
}

/// A file that has more than one chunk: the data of its leaf, as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkedFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// Where it is in the release's folder.
    pub path: FilePath,
    /// The RFC 6962 root over its chunks.
    pub root: Sha256,
}

/// Some chunks of one file of a release, and the hashes that lead from them to the root over all chunked files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunksProof {
    /// The file.
    pub file: ChunkedFile,
    /// The hashes that lead from it to the release's root.
    pub siblings: LeafPath,
    /// The chunks, each with its index among all of the file.
    pub chunks: Vec<ProvenChunk>,
    /// The hashes that lead from them to the file's root.
    pub hashes: MultiProof,
}

/// A chunk of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenChunk {
    /// Its index among all chunks of its file.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: LeafHash,
}

impl ChunkedFile {
    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        count(self.bytes)
    }

    /// Where in it a chunk is, in bytes; empty behind the last one.
    pub fn range(&self, chunk: u64) -> Range<u64> {
        range(chunk, self.bytes)
    }

    fn leaf(&self) -> LeafHash {
        LeafHash::of_bytes(&to_canonical_json(self))
    }
}

impl ChunksProof {
    /// Whether these chunks are those of a file of which a `weights` statement says so.
    pub fn verify(&self, stated: &ChunkedFiles) -> bool {
        let found = self.siblings.root(self.file.leaf());
        let chunks = self.chunks.iter().map(|chunk| (chunk.index, chunk.leaf));
        found.as_bytes() == stated.root.0.as_bytes()
            && self
                .hashes
                .leads_to(&self.file.root, self.file.chunks(), chunks)
    }
}

impl Chunks {
    /// How many bytes their file has.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.leaves.len()
    }

    /// Where in its file a chunk is, in bytes; empty behind the last one.
    pub fn range(&self, chunk: usize) -> Range<u64> {
        range(chunk as u64, self.file_bytes)
    }

    /// Which of them have another leaf hash in `leaves`, or none there.
    pub fn differing(&self, leaves: &[LeafHash]) -> Vec<usize> {
        let is_other = |chunk: &usize| leaves.get(*chunk) != Some(&self.leaves[*chunk]);
        (0..self.count()).filter(is_other).collect()
    }
}

impl ChunkList {
    /// How many bytes the chunk list of `manifest` has; 0 if none of its files has more than one chunk.
    pub fn bytes_of(manifest: &Manifest) -> u64 {
        let hashes: u64 = chunked(manifest).map(|(_, bytes)| count(bytes)).sum();
        hashes.saturating_mul(HASH_BYTES as u64)
    }

    /// Reads what may be the chunk list of `manifest`. Whether it is the one that is meant, its root says.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, ChunkListError> {
        check_length(bytes.len() as u64, manifest)?;
        let (leaves, _) = bytes.as_chunks::<HASH_BYTES>();
        let mut leaves = leaves
            .iter()
            .map(|leaf| LeafHash::from_hash(Hash::from_bytes(*leaf)));
        let files = chunked(manifest).map(|(path, file_bytes)| {
            let count = usize::try_from(count(file_bytes)).expect("the list has as many");
            let leaves = leaves.by_ref().take(count).collect();
            (path.clone(), Chunks { file_bytes, leaves })
        });
        let files = files.collect();
        Ok(Self { files })
    }

    /// Reads the chunk list of `manifest` that a `weights` statement names.
    pub fn parse_stated(
        bytes: &[u8],
        stated: &ChunkedFiles,
        manifest: &Manifest,
    ) -> Result<Self, ChunkListError> {
        let list = Self::parse(bytes, manifest)?;
        let (stated, actual) = (stated.root, list.root());
        if stated != actual {
            return Err(ChunkListError::Root { stated, actual });
        }
        Ok(list)
    }

    /// Checks what a statement says of the list before anybody reads that.
    pub fn check_stated_length(
        stated: &ChunkedFiles,
        manifest: &Manifest,
    ) -> Result<(), ChunkListError> {
        check_length(stated.list.size, manifest)
    }

    /// The bytes of the list.
    pub fn to_bytes(&self) -> Vec<u8> {
        let leaves = self.files.values().flat_map(|chunks| &chunks.leaves);
        leaves.flat_map(|leaf| *leaf.to_hash().as_bytes()).collect()
    }

    /// The Merkle root over the files.
    pub fn root(&self) -> ChunksRoot {
        ChunksRoot(root(self.chunked().map(|file| file.leaf())))
    }

    /// The files, in the manifest's order.
    fn chunked(&self) -> impl Iterator<Item = ChunkedFile> {
        self.files.iter().map(|(path, chunks)| ChunkedFile {
            bytes: chunks.file_bytes,
            path: path.clone(),
            root: root(chunks.leaves.iter().copied()),
        })
    }

    /// Proves the chunks at `indices` of the file at `path`, in any order and each once; `None` if the file has not more
    /// than one chunk, or not one at each of these.
    pub fn prove(&self, path: &FilePath, indices: &[usize]) -> Option<ChunksProof> {
        let leaves = &self.files.get(path)?.leaves;
        let hashes = MultiProof::new(leaves, indices)?;
        let mut files: Vec<_> = self.chunked().collect();
        let all: Vec<_> = files.iter().map(ChunkedFile::leaf).collect();
        let at = files.iter().position(|file| file.path == *path)?;
        let chunk = |index: &usize| ProvenChunk {
            index: *index as u64,
            leaf: leaves[*index],
        };
        Some(ChunksProof {
            file: files.swap_remove(at),
            siblings: LeafPath::new(&all, at)?,
            chunks: indices.iter().map(chunk).collect(),
            hashes,
        })
    }

    /// What the `weights` statement says of this list.
    pub fn to_stated(&self) -> ChunkedFiles {
        ChunkedFiles {
            list: Attachment::describe("chunks.bin", CHUNKS_MEDIA_TYPE, &self.to_bytes()),
            root: self.root(),
        }
    }

    /// The chunks of a file, if it has more than one.
    pub fn of(&self, path: &FilePath) -> Option<&Chunks> {
        self.files.get(path)
    }
}

impl fmt::Display for ChunksRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The files that have more than one chunk, with their sizes in bytes. Of a file with one, the digest says as much.
fn chunked(manifest: &Manifest) -> impl Iterator<Item = (&FilePath, u64)> {
    let sized = |file: &'_ super::ManifestFile| file.size.filter(|bytes| *bytes > CHUNK_BYTES);
    let files = manifest.files().iter();
    files.filter_map(move |file| Some((&file.path, sized(file)?)))
}

fn check_length(found: u64, manifest: &Manifest) -> Result<(), ChunkListError> {
    let expected = ChunkList::bytes_of(manifest);
    if found != expected || found == 0 {
        return Err(ChunkListError::Length { found, expected });
    }
    if found > CHUNK_LIST_BYTES_MAX as u64 {
        return Err(ChunkListError::TooLong(found));
    }
    Ok(())
}

/// Where a chunk of a file of so many bytes is in it.
fn range(chunk: u64, file_bytes: u64) -> Range<u64> {
    let start = chunk.saturating_mul(CHUNK_BYTES).min(file_bytes);
    start..start.saturating_add(CHUNK_BYTES).min(file_bytes)
}

/// How many chunks a file of so many bytes has.
fn count(file_bytes: u64) -> u64 {
    file_bytes.div_ceil(CHUNK_BYTES)
}

/// The root over leaves, of which there may be a quarter of a million: `rs_merkle` would keep some 300 bytes for each.
fn root(leaves: impl Iterator<Item = LeafHash>) -> Sha256 {
    let mut tree = CompactRange::empty();
    for leaf in leaves {
        tree.append(leaf, |_, _| {});
    }
    Sha256::from_bytes(*tree.root().as_bytes())
}
