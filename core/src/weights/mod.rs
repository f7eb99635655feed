//! Which bits a release is: the manifest of its files, and one Merkle root over them.
//!
//! ```text
//! folder ──(the client reads it)──► ManifestFile… ──► Manifest ──► canonical JSON   (an attachment)
//!                      │                                 ├───────► root, count, bytes (the `weights` statement)
//!                      │                                 └───────► FilesProof of some of them
//!                      ├──► leaf hash of each 8 MiB ──► ChunkList (an attachment)
//!                      │    of large files                 ├─────► root               (the `weights` statement)
//!                      │                                   └─────► ChunksProof of some of one file
//!                      └──► digest of each tensor ──────► TensorList (an attachment)
//!                                                          ├─────► root, count        (the `weights` statement)
//!                                                          └─────► TensorsProof of some of them
//! ```
//!
//! Always: the root covers path, size and digests of every file, empty files too. A root over digests alone
//! would let files swap names. What a file is, its SHA-256 says; the chunks are for who has a part of it, and the tensors
//! for who has the same ones in other files: their root says what each is, and not where.
//!
//! Not here: reading files.

mod chunks;
mod comparison;
mod difference;
mod long_json;
mod manifest;
mod path;
mod tensors;
mod tree;

pub use chunks::{
    CHUNK_BYTES, CHUNK_LIST_BYTES_MAX, CHUNKS_MEDIA_TYPE, ChunkList, ChunkListError, ChunkedFile,
    Chunks, ChunksProof, ChunksRoot, ProvenChunk,
};
pub use comparison::{Change, Comparison, FoundFile};
pub use difference::{Aspect, Difference, FileDifference, Side, TensorDifference};
pub use manifest::{
    FilesProof, FilesRoot, MANIFEST_FILES_MAX, MANIFEST_MEDIA_TYPE, Manifest, ManifestError,
    ManifestFile, ProvenFile,
};
pub use path::{FilePath, FilePathError};
pub use tensors::{
    ListedTensor, Place, ProvenTensor, TENSOR_LIST_BYTES_MAX, TENSORS_MAX, TENSORS_MEDIA_TYPE,
    Tensor, TensorList, TensorListError, TensorsProof, TensorsRoot,
};
pub use tree::{LeafPath, MultiProof};
