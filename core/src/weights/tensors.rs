//! The tensors of a release, as a set: what each is, whatever files they are in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::long_json::{self, Unread, at_most};
use super::tree::{self, MultiProof};
use super::{FilePath, Manifest};
use crate::Sha256;
use crate::merkle::LeafHash;
use crate::record::kinds::{Attachment, TensorSet};
use crate::record::{JsonError, UnsafeText, check_plain_text, to_canonical_json};

/// The media type of tensor lists.
pub const TENSORS_MEDIA_TYPE: &str = "application/vnd.candor.tensors+json";

/// The most tensors of one release.
pub const TENSORS_MAX: usize = 200_000;

/// The most bytes of a tensor list, at some 250 for each tensor: what a log takes as one document.
pub const TENSOR_LIST_BYTES_MAX: usize = 32 << 20;

/// The most places of all tensors of one release together.
const PLACES_MAX: usize = 2 * TENSORS_MAX;

/// The most bytes of a tensor's name, and of the name of its elements' type.
const NAME_BYTES_MAX: usize = 1_024;
const DTYPE_BYTES_MAX: usize = 64;

/// The most dimensions of a tensor.
const DIMENSIONS_MAX: usize = 64;

/// The largest number: 2^53 (RFC 8785 section 3.2.2.3).
const NUMBER_MAX: u64 = 1 << 53;

/// What a tensor list says to be.
const TENSORS_TYPE: &str = "urn:candor:tensors:v1";

/// RFC 6962 root over the tensors of a release. The data of each leaf is a [`Tensor`] as canonical JSON, and the leaves are
/// in the order of these: the same tensors have the same root in whatever files, and however many, they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TensorsRoot(Sha256);

/// What a tensor is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// How many bytes its data has.
    pub bytes: u64,
    /// What its elements are: by the names of safetensors, or where it has none by those of the file's format.
    pub dtype: String,
    /// Its name, in the files that it is in; empty where a file is one tensor.
    pub name: String,
    /// The digest of its data.
    pub sha256: Sha256,
    /// How many elements it has in each dimension, the outermost first.
    pub shape: Vec<u64>,
}

/// A tensor, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedTensor {
    /// What it is.
    pub tensor: Tensor,
    /// Where its data is: at least in one place, each once, sorted.
    pub places: Vec<Place>,
}

/// Where the data of a tensor is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// In which file.
    pub path: FilePath,
    /// At which byte of it the data begins.
    pub offset: u64,
}

/// The tensors of a release, each once, in the order of their canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorList {
    tensors: Vec<ListedTensor>,
    leaves: Vec<LeafHash>,
}

/// Some tensors of a release, and the hashes that lead from them to the root over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorsProof {
    /// The tensors, each with its index among all.
    pub tensors: Vec<ProvenTensor>,
    /// The hashes.
    pub hashes: MultiProof,
}

/// A tensor of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenTensor {
    /// Its index among all tensors of the release.
    pub index: u64,
    /// What it is.
    pub tensor: Tensor,
    /// Where it is said to be. That is not proven: its digest says whether the bytes at a place are its own.
    pub places: Vec<Place>,
}

/// Why a list is no tensor list of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorListError {
    /// Not strict JSON.
    #[error("the tensor list is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no tensor list.
    #[error("this is not a tensor list: {0}")]
    Form(String),
    /// Another spelling, whose digest would be another.
    #[error(
        "the tensor list is not in canonical form (RFC 8785), or its tensors are not each once and in their order"
    )]
    NotCanonical,
    /// None, or too many.
    #[error("a tensor list has 1 to {TENSORS_MAX} tensors, and this one has {0}")]
    Count(usize),
    /// Too many places.
    #[error("the tensors of a list have at most {PLACES_MAX} places, and these have {0}")]
    Places(usize),
    /// Over [`TENSOR_LIST_BYTES_MAX`].
    #[error(
        "a tensor list of {0} bytes, and the most that one may have are {TENSOR_LIST_BYTES_MAX}"
    )]
    TooLong(usize),
    /// A tensor that can't be shown, or is nowhere, or not where the manifest has room for it.
    #[error("tensor {name:?}: {rule}")]
    Tensor {
        /// Which.
        name: String,
        /// What is wrong.
        rule: String,
    },
    /// The statement says something else about the list.
    #[error(
        "/predicate/tensors/{field}: the statement says {stated}, and its tensor list {actual}"
    )]
    Disagrees {
        /// Which field.
        field: &'static str,
        /// What it says.
        stated: String,
        /// What the list says.
        actual: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListJson {
    list: String,
    #[serde(deserialize_with = "few_enough_tensors")]
    tensors: Vec<ListedTensor>,
}

fn few_enough_tensors<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ListedTensor>, D::Error> {
    at_most(TENSORS_MAX, "tensors", deserializer)
}

impl fmt::Display for TensorsRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Tensor {
    /// The hash of its leaf.
    pub fn leaf(&self) -> LeafHash {
        LeafHash::of_bytes(&to_canonical_json(self))
    }
}

impl TensorList {
    /// Sorts what was found in the files of `manifest`; a tensor that is in several places is listed once.
    pub fn new(
        found: impl IntoIterator<Item = (Tensor, Place)>,
        manifest: &Manifest,
    ) -> Result<Self, TensorListError> {
        let mut by_tensor: BTreeMap<Tensor, BTreeSet<Place>> = BTreeMap::new();
        for (tensor, place) in found {
            by_tensor.entry(tensor).or_default().insert(place);
        }
        let listed = by_tensor.into_iter().map(|(tensor, places)| ListedTensor {
            tensor,
            places: places.into_iter().collect(),
        });
        let mut tensors: Vec<_> = listed.collect();
        check_counts(&tensors)?;
        tensors.sort_by_cached_key(|listed| to_canonical_json(&listed.tensor));
        Self::of_sorted(tensors, manifest)
    }

    /// Takes tensors that should be in their order, each once, with their places in theirs. Nothing is copied: a list from
    /// strangers may be as long as it likes, up to its bounds.
    fn of_sorted(tensors: Vec<ListedTensor>, manifest: &Manifest) -> Result<Self, TensorListError> {
        check_counts(&tensors)?;
        let mut leaves = Vec::with_capacity(tensors.len());
        let mut before = Vec::new();
        for listed in &tensors {
            listed
                .check(manifest)
                .map_err(|rule| TensorListError::Tensor {
                    name: listed.tensor.name.chars().take(100).collect(),
                    rule,
                })?;
            let canonical = to_canonical_json(&listed.tensor);
            let are_sorted = listed.places.windows(2).all(|pair| pair[0] < pair[1]);
            if canonical <= before || !are_sorted {
                return Err(TensorListError::NotCanonical);
            }
            leaves.push(LeafHash::of_bytes(&canonical));
            before = canonical;
        }
        Ok(Self { tensors, leaves })
    }

    /// Reads the tensor list of `manifest`, which must be in canonical form.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, TensorListError> {
        if bytes.len() > TENSOR_LIST_BYTES_MAX {
            return Err(TensorListError::TooLong(bytes.len()));
        }
        let json: ListJson = long_json::read(bytes).map_err(|unread| match unread {
            Unread::Json(error) => TensorListError::Json(error),
            Unread::Form(what) => TensorListError::Form(what),
        })?;
        if json.list != TENSORS_TYPE {
            return Err(TensorListError::Form(format!(
                "its type is not {TENSORS_TYPE:?}"
            )));
        }
        let list = Self::of_sorted(json.tensors, manifest)?;
        if list.to_bytes() == bytes {
            Ok(list)
        } else {
            Err(TensorListError::NotCanonical)
        }
    }

    /// The canonical form.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Piece by piece: as one JSON value, a long list would take a gigabyte.
        let mut bytes = format!("{{\"list\":\"{TENSORS_TYPE}\",\"tensors\":[").into_bytes();
        for (n, listed) in self.tensors.iter().enumerate() {
            bytes.extend_from_slice(if n > 0 {
                b",{\"places\":["
            } else {
                b"{\"places\":["
            });
            for (n, place) in listed.places.iter().enumerate() {
                if n > 0 {
                    bytes.push(b',');
                }
                bytes.extend(to_canonical_json(place));
            }
            bytes.extend_from_slice(b"],\"tensor\":");
            bytes.extend(to_canonical_json(&listed.tensor));
            bytes.push(b'}');
        }
        bytes.extend_from_slice(b"]}");
        bytes
    }

    /// The tensors, in their order.
    pub fn tensors(&self) -> &[ListedTensor] {
        &self.tensors
    }

    /// The Merkle root over the tensors.
    pub fn root(&self) -> TensorsRoot {
        let root = tree::root(&self.leaves).expect("a tensor list has at least one tensor");
        TensorsRoot(Sha256::from_bytes(*root.as_bytes()))
    }

    /// What the `weights` statement says of this list.
    pub fn to_stated(&self) -> TensorSet {
        TensorSet {
            list: Attachment::describe("tensors.json", TENSORS_MEDIA_TYPE, &self.to_bytes()),
            count: self.tensors.len() as u64,
            root: self.root(),
        }
    }

    /// Reads the tensor list of `manifest` that a `weights` statement names.
    pub fn parse_stated(
        bytes: &[u8],
        stated: &TensorSet,
        manifest: &Manifest,
    ) -> Result<Self, TensorListError> {
        let list = Self::parse(bytes, manifest)?;
        list.check_stated(stated)?;
        Ok(list)
    }

    /// Checks that a `weights` statement says of this list what is so. That it is the list that is meant, its digest says.
    pub fn check_stated(&self, stated: &TensorSet) -> Result<(), TensorListError> {
        let disagrees = |field, stated: String, actual: String| TensorListError::Disagrees {
            field,
            stated,
            actual,
        };
        let (count, root) = (self.tensors.len() as u64, self.root());
        if stated.count != count {
            return Err(disagrees(
                "count",
                stated.count.to_string(),
                count.to_string(),
            ));
        }
        if stated.root != root {
            return Err(disagrees("root", stated.root.to_string(), root.to_string()));
        }
        Ok(())
    }

    /// Proves the tensors at `indices`, in any order and each once; `None` if not at each of them is one.
    pub fn prove(&self, indices: &[usize]) -> Option<TensorsProof> {
        let hashes = MultiProof::new(&self.leaves, indices)?;
        let tensors = indices.iter().map(|index| {
            let ListedTensor { tensor, places } = self.tensors[*index].clone();
            ProvenTensor {
                index: *index as u64,
                tensor,
                places,
            }
        });
        Some(TensorsProof {
            tensors: tensors.collect(),
            hashes,
        })
    }
}

impl TensorsProof {
    /// Whether these tensors are among those that a `weights` statement says, at their indices, and each has places as a
    /// list has them: in their order, each once. No more of them are proven, and to look into each takes a while.
    pub fn verify(&self, stated: &TensorSet) -> bool {
        let places = self.tensors.iter().map(|proven| proven.places.as_slice());
        let are_sorted = |places: &[Place]| places.windows(2).all(|pair| pair[0] < pair[1]);
        if !places.clone().all(are_sorted) || places.map(<[_]>::len).sum::<usize>() > PLACES_MAX {
            return false;
        }
        let leaf = |proven: &ProvenTensor| (proven.index, proven.tensor.leaf());
        let leaves = self.tensors.iter().map(leaf);
        self.hashes.leads_to(&stated.root.0, stated.count, leaves)
    }
}

/// Checks that there are some tensors, and no more of these and of their places than may be.
fn check_counts(tensors: &[ListedTensor]) -> Result<(), TensorListError> {
    if tensors.is_empty() || tensors.len() > TENSORS_MAX {
        return Err(TensorListError::Count(tensors.len()));
    }
    let places = tensors.iter().map(|listed| listed.places.len()).sum();
    if places > PLACES_MAX {
        return Err(TensorListError::Places(places));
    }
    Ok(())
}

impl ListedTensor {
    /// Which rule it breaks, in words.
    fn check(&self, manifest: &Manifest) -> Result<(), String> {
        self.tensor.check()?;
        if self.places.is_empty() {
            return Err("it is in no file".to_owned());
        }
        let bytes = self.tensor.bytes;
        for Place { path, offset } in &self.places {
            let file = manifest.file(path);
            let size = file
                .ok_or_else(|| format!("{path} is not a file of the manifest"))?
                .size;
            let end = offset.checked_add(bytes);
            if end.zip(size).is_none_or(|(end, size)| end > size) {
                return Err(format!(
                    "{bytes} bytes from byte {offset} on are not in {path}"
                ));
            }
        }
        Ok(())
    }
}

impl Tensor {
    fn check(&self) -> Result<(), String> {
        let text = |what: &str, text: &str, bytes_max: usize| {
            if text.len() > bytes_max {
                let bytes = text.len();
                return Err(format!(
                    "its {what} has {bytes} bytes, and may have {bytes_max}"
                ));
            }
            let unsafe_text =
                |error: UnsafeText| format!("its {what} can't be shown as it is: {error}");
            check_plain_text(text).map_err(unsafe_text)
        };
        text("name", &self.name, NAME_BYTES_MAX)?;
        text("type", &self.dtype, DTYPE_BYTES_MAX)?;
        if self.dtype.is_empty() {
            return Err("its elements have no type".to_owned());
        }
        if self.shape.len() > DIMENSIONS_MAX {
            let found = self.shape.len();
            return Err(format!(
                "it has {found} dimensions, and may have {DIMENSIONS_MAX}"
            ));
        }
        // The places' offsets are below their files' sizes, which the manifest bounds.
        match self.shape.iter().find(|length| **length > NUMBER_MAX) {
            Some(length) => Err(format!(
                "a dimension of {length} is over 2^53, the largest number that JSON keeps exactly"
            )),
            None => Ok(()),
        }
    }
}
