//! Which bits a release is: the manifest of its files, and one Merkle root over them.
//!
//! ```text
//! folder ──(the client reads it)──► FileDigest… ──► Manifest ──► canonical JSON   (an attachment)
//!                                                      └───────► root, count, bytes (the `weights` statement)
//! ```
//!
//! Always: the root covers path, size and digests of every file, empty files too. A root over digests alone
//! would let files swap names.
//!
//! Not here: reading files.

mod comparison;
mod manifest;
mod path;

pub use comparison::{Change, Comparison, FoundFile};
pub use manifest::{
    FilesRoot, MANIFEST_FILES_MAX, MANIFEST_MEDIA_TYPE, Manifest, ManifestError, ManifestFile,
};
pub use path::{FilePath, FilePathError};
