//! What the files of a release say of themselves at their beginnings, looked at before they are hashed.
//!
//! ```text
//! folder ──hash──► OpenFile ─┬► Head… ──► Heads ─┬► parameters   from the headers of safetensors files
//!                            └► digest           └► warnings     files that are not what their names say
//! ```
//!
//! Always: what is read here are bytes that the digest is taken over, or there is no digest; a file is never opened a
//! second time. What is kept of a file is bounded, whatever it says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::hashing::{FileError, OpenFile};
use candor_core::weights::{FilePath, Manifest, ManifestFile};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The longest safetensors header that is read: some 100 bytes for each tensor, and the largest files that are
/// published have some 10,000. At 50 bytes for the shortest it is at most 84,000 of them.
const HEADER_BYTES_MAX: usize = 4 << 20;

/// How much of any file is looked at.
const MAGIC_BYTES: usize = 48;

/// What stands in a git checkout in place of a file that Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Formats whose files begin with certain bytes, by what file names end with.
const MAGIC: [(&str, &str, &[u8]); 4] = [
    (".gguf", "GGUF", b"GGUF"),
    (".npy", "NumPy", b"\x93NUMPY"),
    (".npz", "NumPy", b"PK"),
    (".h5", "HDF5", b"\x89HDF\r\n\x1a\n"),
];

/// Element types that parameters have. Whole numbers may be packed or no parameters at all.
const FLOATS: [&str; 6] = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"];

/// Element types that hold no parameters: positions, masks.
const NOT_PARAMETERS: [&str; 2] = ["I64", "BOOL"];

/// The beginnings of a folder's files.
pub(super) struct Heads {
    files: BTreeMap<FilePath, Head>,
}

/// The beginning of one file.
#[derive(Default)]
pub(super) struct Head {
    /// The first bytes.
    bytes: Vec<u8>,
    /// What its header says, if it is a safetensors file.
    tensors: Option<Tensors>,
}

/// What the header of a safetensors file says.
struct Tensors {
    /// The name of each, and how many parameters it has, if that can be told.
    parameters: Vec<(String, Option<u64>)>,
    /// How many bytes the data has.
    data_bytes: u64,
}

/// One tensor in a header.
#[derive(serde::Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Heads {
    /// The heads of the files of a folder.
    pub(super) fn new(heads: impl IntoIterator<Item = (FilePath, Head)>) -> Self {
        Self {
            files: heads.into_iter().collect(),
        }
    }

    /// How many parameters the safetensors files of one folder hold together. `None` at any doubt: a tensor that
    /// is there twice, packed numbers, an adapter that is only a part, a header that does not fit its file.
    pub(super) fn parameters(&self, manifest: &Manifest) -> Option<u64> {
        let files: Vec<_> = manifest
            .files()
            .iter()
            .filter(|file| is_safetensors(file.path.as_str()))
            .collect();
        let parent = |file: &ManifestFile| {
            file.path
                .as_str()
                .rsplit_once('/')
                .map(|(parent, _)| parent.to_owned())
        };
        let is_adapter = |file: &ManifestFile| file.path.as_str().ends_with("adapter_config.json");
        let first = parent(files.first()?);
        if files.iter().any(|file| parent(file) != first) || manifest.files().iter().any(is_adapter)
        {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut total = 0_u64;
        for file in files {
            let head = self.files.get(&file.path)?;
            let tensors = head.tensors.as_ref()?;
            if head.file_bytes() != file.size {
                return None;
            }
            for (name, count) in &tensors.parameters {
                total = total.checked_add((*count)?)?;
                if !seen.insert(name) {
                    return None;
                }
            }
        }
        (total > 0).then_some(total)
    }

    /// Files that are not what their names say.
    pub(super) fn warnings(&self, manifest: &Manifest) -> Vec<String> {
        let nothing = Head::default();
        manifest
            .files()
            .iter()
            .filter_map(|file| {
                let head = self.files.get(&file.path).unwrap_or(&nothing);
                let what = head.wrong(file)?;
                Some(format!("{}: it {what}", file.path))
            })
            .collect()
    }
}

impl Head {
    /// Looks at the beginning of the file at `path`.
    pub(super) fn read(path: &FilePath, file: &OpenFile) -> Result<Self, FileError> {
        let mut bytes =
            vec![0; MAGIC_BYTES.min(usize::try_from(file.size()).unwrap_or(MAGIC_BYTES))];
        file.read_at(0, &mut bytes)?;
        let mut head = Self {
            bytes,
            tensors: None,
        };
        let header = head.header_bytes().filter(|length| {
            is_safetensors(path.as_str())
                && *length <= HEADER_BYTES_MAX
                && 8 + *length as u64 <= file.size()
        });
        if let Some(length) = header {
            let mut header = vec![0; length];
            file.read_at(8, &mut header)?;
            head.tensors = serde_json::from_slice(&header).ok();
        }
        Ok(head)
    }

    /// The length of a safetensors header: a little-endian number of 8 bytes, before the header itself.
    fn header_bytes(&self) -> Option<usize> {
        let length = u64::from_le_bytes(*self.bytes.first_chunk()?);
        Some(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// How long a safetensors file is, by its header: the data of the last tensor ends where the file does.
    fn file_bytes(&self) -> Option<u64> {
        let header = 8 + self.header_bytes()? as u64;
        header.checked_add(self.tensors.as_ref()?.data_bytes)
    }

    /// How `file` is not what its name says, for a sentence.
    fn wrong(&self, file: &ManifestFile) -> Option<String> {
        let name = file.path.as_str().to_ascii_lowercase();
        if self.bytes.starts_with(LFS_POINTER) {
            return Some("is a Git LFS pointer, and not the file that it stands for".to_owned());
        }
        if is_safetensors(&name) {
            let is_too_long = |length: usize| {
                let has_room = file.size.is_some_and(|size| length as u64 + 8 <= size);
                length > HEADER_BYTES_MAX && has_room && self.bytes.get(8) == Some(&b'{')
            };
            return match (self.file_bytes(), file.size) {
                (Some(stated), Some(size)) if stated != size => Some(format!(
                    "has {size} bytes, and by its own header it should have {stated}"
                )),
                (Some(_), _) => None,
                (None, _) if self.header_bytes().is_some_and(is_too_long) => None,
                (None, _) => Some("has no header of a safetensors file".to_owned()),
            };
        }
        let (_, format, magic) = MAGIC.iter().find(|(ending, ..)| name.ends_with(ending))?;
        let is_so = self.bytes.starts_with(magic);
        (!is_so).then(|| format!("does not begin as a {format} file does"))
    }
}

impl<'de> Deserialize<'de> for Tensors {
    /// Reads a header without keeping more of it than names and counts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Header;
        impl<'de> Visitor<'de> for Header {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tensors, A::Error> {
                let mut tensors = Tensors {
                    parameters: Vec::new(),
                    data_bytes: 0,
                };
                while let Some(name) = members.next_key::<String>()? {
                    if name == "__metadata__" {
                        members.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let tensor: Tensor = members.next_value()?;
                    tensors.data_bytes = tensors.data_bytes.max(tensor.data_offsets[1]);
                    tensors.parameters.push((name, tensor.parameters()));
                }
                Ok(tensors)
            }
        }
        deserializer.deserialize_map(Header)
    }
}

impl Tensor {
    /// How many parameters it holds, if its elements are numbers that say so.
    fn parameters(&self) -> Option<u64> {
        let dtype = self.dtype.as_str();
        if NOT_PARAMETERS.contains(&dtype) {
            return Some(0);
        }
        if !FLOATS.contains(&dtype) {
            return None;
        }
        let mut shape = self.shape.iter();
        shape.try_fold(1_u64, |product, length| product.checked_mul(*length))
    }
}

fn is_safetensors(path: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data_bytes: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data_bytes, 0);
        file
    }

    fn read(path: &str, bytes: &[u8]) -> (ManifestFile, Head) {
        let folder = tempfile::tempdir().expect("made");
        let at = folder.path().join(path);
        std::fs::write(&at, bytes).expect("written");
        let size = bytes.len() as u64;
        let path: FilePath = path.parse().expect("a path");
        let file = OpenFile::open(&at, size).expect("open");
        let head = Head::read(&path, &file).expect("read");
        let digest = candor_core::record::DigestSet::sha256(candor_core::Sha256::of(bytes));
        let size = Some(size);
        (ManifestFile { path, size, digest }, head)
    }

    #[test]
    fn a_header_is_read_if_the_file_has_all_of_it() {
        let header =
            r#"{"__metadata__":{"a":[1]},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let bytes = file(header, 24);
        let (listed, head) = read("m.safetensors", &bytes);
        assert_eq!(head.file_bytes(), Some(bytes.len() as u64));
        assert_eq!(head.bytes, bytes[..MAGIC_BYTES]);
        assert_eq!(head.wrong(&listed), None);
        let tensors = head.tensors.expect("read");
        assert_eq!(tensors.parameters, [("w".to_owned(), Some(6))]);
        for size in [0, 1, 7, 8, 9, 60, bytes.len() - 1] {
            let (listed, head) = read("m.safetensors", &bytes[..size]);
            assert!(head.wrong(&listed).is_some(), "{size}");
        }
    }

    #[test]
    fn what_is_kept_of_a_file_is_bounded() {
        let long = file(
            &format!(
                "{{\"__metadata__\":{{\"a\":\"{}\"}}}}",
                "x".repeat(HEADER_BYTES_MAX)
            ),
            0,
        );
        let (listed, head) = read("m.safetensors", &long);
        assert!(head.tensors.is_none() && head.bytes.len() == MAGIC_BYTES);
        assert_eq!(head.wrong(&listed), None, "it may be what its name says");
    }
}
