//! Git LFS pointers: what a git checkout has in place of large files until they are fetched.
//!
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>, "The Pointer":
//!
//! ```text
//! version https://git-lfs.github.com/spec/v1
//! oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
//! size 12345
//! ```
//!
//! Always: whatever begins as a pointer is a whole one or an error. A pointer with extensions is an error too: its digest
//! is of what the extensions made of the file.

use std::collections::BTreeMap;
use std::path::Path;

use candor_core::Sha256;
use candor_core::record::DigestSet;
use candor_core::weights::{FilePath, ManifestFile};

use super::SourceError;
use crate::folder::{FolderError, FolderListing};
use crate::hashing::{FileError, OpenFile};

/// The versions that the specification knows; the second is of before the first release.
const VERSIONS: [&str; 2] = [
    "https://git-lfs.github.com/spec/v1",
    "https://hawser.github.com/spec/v1",
];

/// How pointers begin, of whatever version.
const BEGINNINGS: [&[u8]; 2] = [
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
];

/// Git LFS takes no file of as many bytes, or more, for a pointer.
const POINTER_BYTES_END: u64 = 1024;

/// A file, as its pointer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// The digest of its bytes.
    pub(super) sha256: Sha256,
    /// Its size in bytes.
    pub(super) size: u64,
}

impl Pointer {
    /// Reads a pointer. What does not begin as one is none; the error says what is wrong with one that does, and where.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Self, String>> {
        begins_as_one(bytes).then(|| Self::parse(bytes))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 >= POINTER_BYTES_END {
            return Err(too_long());
        }
        let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text
            .strip_suffix('\n')
            .ok_or("its last line does not end with a line break")?;
        let mut lines = (1..).zip(text.split('\n'));
        let mut value = |key: &str| {
            let (number, line) = lines.next().ok_or_else(|| format!("it has no {key:?}"))?;
            let value = line.strip_prefix(key).and_then(|it| it.strip_prefix(' '));
            let value = value.ok_or_else(|| {
                let found: String = line.chars().take(80).collect();
                format!("line {number}: {found:?} is there, where {key:?} and its value should be")
            })?;
            Ok::<_, String>((number, value))
        };
        let (number, version) = value("version")?;
        if !VERSIONS.contains(&version) {
            let found: String = version.chars().take(80).collect();
            return Err(format!(
                "line {number}: {found:?} is no version that is known"
            ));
        }
        let (number, oid) = value("oid")?;
        let digest = oid.strip_prefix("sha256:").and_then(|it| it.parse().ok());
        let sha256 = digest.ok_or_else(|| {
            let found: String = oid.chars().take(80).collect();
            format!("line {number}: {found:?} is not sha256: and 64 hexadecimal digits")
        })?;
        let (number, size) = value("size")?;
        let bytes = size.parse().ok();
        let bytes = bytes.filter(|bytes: &u64| bytes.to_string() == size);
        let bytes = bytes.ok_or_else(|| {
            let found: String = size.chars().take(80).collect();
            format!("line {number}: {found:?} is no size in bytes")
        })?;
        match lines.next() {
            None => Ok(Self {
                sha256,
                size: bytes,
            }),
            Some((number, _)) => Err(format!("line {number}: a pointer ends behind its size")),
        }
    }
}

/// Which files of a folder are pointers, each with the digest of the pointer itself. `as_bytes` are taken as they are.
pub(super) fn pointers(
    folder: &Path,
    listing: &FolderListing,
    as_bytes: &[FilePath],
) -> Result<BTreeMap<FilePath, (Pointer, Sha256)>, SourceError> {
    let mut found = BTreeMap::new();
    for (path, size) in &listing.files {
        if as_bytes.contains(path) {
            continue;
        }
        let bytes =
            beginning(&folder.join(path.as_str()), folder, *size).map_err(FolderError::from)?;
        let pointer = match Pointer::read(&bytes) {
            None => continue,
            Some(_) if *size >= POINTER_BYTES_END => Err(too_long()),
            Some(pointer) => pointer,
        };
        let pointer = pointer.map_err(|rule| SourceError::Pointer {
            file: path.clone(),
            rule,
        })?;
        found.insert(path.clone(), (pointer, Sha256::of(&bytes)));
    }
    Ok(found)
}

/// Puts what the pointers stand for in the place of the pointers, which must still be those that were read.
pub(super) fn resolve(
    folder: &Path,
    files: &mut [ManifestFile],
    pointers: &BTreeMap<FilePath, (Pointer, Sha256)>,
) -> Result<(), SourceError> {
    for file in files {
        let Some((pointer, sha256)) = pointers.get(&file.path) else {
            continue;
        };
        if file.digest.to_sha256() != Some(*sha256) {
            return Err(SourceError::Changed {
                path: folder.join(file.path.as_str()),
            });
        }
        file.size = Some(pointer.size);
        file.digest = DigestSet::sha256(pointer.sha256);
    }
    Ok(())
}

/// What is to be said of a file of `size` bytes that is not the one `listed`, if it is a pointer: to that one, or not.
pub(crate) fn words(folder: &Path, listed: &ManifestFile, size: u64) -> Option<&'static str> {
    if size >= POINTER_BYTES_END {
        return None;
    }
    let bytes = beginning(&folder.join(listed.path.as_str()), folder, size).ok()?;
    let Pointer { sha256, size } = Pointer::read(&bytes)?.ok()?;
    Some(match listed.digest.to_sha256() {
        Some(digest) if digest == sha256 && listed.size == Some(size) => {
            "; it is a Git LFS pointer to the listed file, which `git lfs pull` fetches"
        }
        Some(_) => "; it is a Git LFS pointer to another file",
        None => "; it is a Git LFS pointer, and not the file that it stands for",
    })
}

/// The first bytes of a file: all of them, if it is as small as a pointer.
fn beginning(path: &Path, folder: &Path, size: u64) -> Result<Vec<u8>, FileError> {
    let length = size.min(POINTER_BYTES_END - 1);
    let mut bytes = vec![0; usize::try_from(length).expect("a pointer fits into memory")];
    OpenFile::open(path, Some(folder), size)?.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn begins_as_one(bytes: &[u8]) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| bytes.starts_with(beginning))
}

fn too_long() -> String {
    format!("it begins as a pointer, and those have less than {POINTER_BYTES_END} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the specification.
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n\
        size 12345\n";

    #[test]
    fn the_pointers_of_the_specification_are_read() {
        let old = POINTER.replace("git-lfs", "hawser");
        for pointer in [POINTER, &old] {
            let found = Pointer::read(pointer.as_bytes()).expect("a pointer");
            let Pointer { sha256, size } = found.expect("a whole one");
            assert!(POINTER.contains(&sha256.to_string()));
            assert_eq!(size, 12345);
        }
        for other in ["", "version 1\n", "weights", &POINTER[..20]] {
            assert_eq!(Pointer::read(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn what_begins_as_a_pointer_and_is_none_is_refused_with_the_line() {
        let with = |from: &str, to: &str| POINTER.replacen(from, to, 1);
        let long = format!("{POINTER}{}", "x".repeat(1000));
        for (text, words) in [
            (
                with("spec/v1", "spec/v2"),
                "line 1: \"https://git-lfs.github.com/spec/v2\" is no version",
            ),
            (with("sha256:", "sha512:"), "line 2: \"sha512:4d"),
            (with("2393\n", "239\n"), "line 2: \"sha256:4d"),
            (with("4d7a", "4D7A"), "line 2: \"sha256:4D"),
            (
                with("oid ", "ext-0-foo sha256:00\noid "),
                "line 2: \"ext-0-foo",
            ),
            (
                with("size 12345", "size 12345 "),
                "line 3: \"12345 \" is no size",
            ),
            (with("12345", "-1"), "line 3: \"-1\" is no size"),
            (with("12345", "012345"), "line 3: \"012345\" is no size"),
            (with("12345", "99999999999999999999"), "line 3"),
            (with("\nsize 12345", ""), "it has no \"size\""),
            (with("12345\n", "12345"), "does not end with a line break"),
            (with("v1\n", "v1\r\n"), "line 1"),
            (
                format!("{POINTER}more 1\n"),
                "line 4: a pointer ends behind its size",
            ),
            (long, "less than 1024 bytes"),
        ] {
            let error = Pointer::read(text.as_bytes()).expect("it begins as one");
            let error = error.expect_err(words);
            assert!(error.contains(words), "{error} for {text:?}");
        }
    }
}
