//! Files of releases, and manifests of them.

use candor_core::Sha256;
use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{FilePath, Manifest, ManifestFile};

pub(crate) fn path(path: &str) -> FilePath {
    path.parse().expect("the tests use good paths")
}

/// A file with SHA-256 and size.
pub(crate) fn file(at: &str, bytes: &[u8]) -> ManifestFile {
    ManifestFile {
        path: path(at),
        size: Some(bytes.len() as u64),
        digest: DigestSet::sha256(Sha256::of(bytes)),
    }
}

pub(crate) fn with_digests(
    at: &str,
    size: Option<u64>,
    digests: &[(Algorithm, &str)],
) -> ManifestFile {
    ManifestFile {
        path: path(at),
        size,
        digest: DigestSet::new(
            digests
                .iter()
                .map(|(algorithm, digest)| (*algorithm, (*digest).to_owned())),
        )
        .expect("the tests use good digests"),
    }
}

pub(crate) fn manifest(files: Vec<ManifestFile>) -> Manifest {
    Manifest::new(files).expect("the tests use good lists")
}

/// Files of many names and sizes, the first of them empty.
pub(crate) fn folder(count: usize) -> Vec<ManifestFile> {
    (0..count)
        .map(|n| file(&format!("model-{n:05}.safetensors"), &vec![b'w'; n]))
        .collect()
}

pub(crate) const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
pub(crate) const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
