use serde::{Deserialize, Serialize};

use super::{Annotations, Attachment, Relation};
use crate::Sha256;
use crate::merkle::LeafIndex;
use crate::record::{Algorithm, DigestSet, ReleaseName};
use crate::weights::{ChunksRoot, FilesRoot, TensorsRoot};

/// Which bits a release is. Subject: the release; its digest is the manifest's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// The list of files ([`crate::weights::Manifest`]), which is too long for an entry.
    pub manifest: Attachment,
    /// How many files it lists.
    pub files: u64,
    /// Their sizes in all; none where sizes were never published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Merkle root over the manifest's files: path, size and digests of each.
    pub root: FilesRoot,
    /// The algorithms that every file has a digest of; none where some have git's alone.
    pub algorithms: Vec<Algorithm>,
    /// Whether one of them says for sure which bytes are meant.
    pub strength: Strength,
    /// The chunks of its large files, if it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<ChunkedFiles>,
    /// The tensors in its files, where these are in formats that tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensors: Option<TensorSet>,
    /// The weights' file format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// How many parameters the model has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Where the digests come from, when the publisher has not computed them from the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The releases that these bits were made from, each by a record of it in the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ParentRecord>,
    /// Free.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

impl Weights {
    /// The documents that it names beside the manifest.
    pub fn lists(&self) -> impl Iterator<Item = &Attachment> {
        let chunks = self.chunks.iter().map(|chunks| &chunks.list);
        chunks.chain(self.tensors.iter().map(|tensors| &tensors.list))
    }
}

/// The files of a release that have more than one chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkedFiles {
    /// The leaf hashes of all their chunks ([`crate::weights::ChunkList`]).
    pub list: Attachment,
    /// Merkle root over the files: path, size and the root over the chunks of each.
    pub root: ChunksRoot,
}

/// The tensors of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorSet {
    /// The list of them ([`crate::weights::TensorList`]).
    pub list: Attachment,
    /// How many it lists.
    pub count: u64,
    /// Merkle root over them: what each is, and not where.
    pub root: TensorsRoot,
}

/// A release that another was made from, and the record in the log that says what it is: its weights, or else its card or
/// its API version. What must hold of it, [`crate::record::lineage`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRecord {
    /// What was made of the parent.
    pub relation: Relation,
    /// The parent.
    pub release: ReleaseName,
    /// Where its record stands.
    pub index: LeafIndex,
    /// The statement digest of that record.
    pub statement: Sha256,
}

/// How much the digests say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// A file with the right digest is the right file.
    Strong,
    /// Of some files only MD5, SHA-1 or git's digest: a file with the right one may have been made to have it.
    Weak,
}

/// Where digests come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Where they were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What they were published as: a git commit, or the SHA-256 of the manifest of an OCI artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestSet>,
}
