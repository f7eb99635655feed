//! Tensors, as all formats have them.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Format, FormatError, Import};

/// The most tensors of one file: the largest mixtures of experts that are published have some 150,000 in all.
pub(crate) const TENSORS_MAX: usize = 1_000_000;

/// The most bytes of a tensor's name.
pub(crate) const NAME_BYTES_MAX: usize = 1_024;

/// The most dimensions of a tensor; no framework has more than 64, and no model more than 8.
pub(crate) const DIMENSIONS_MAX: usize = 64;

/// What a file of weights holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The format that it is in.
    pub format: Format,
    /// Its tensors, by where they are: first those in this file, then those in others. No two have a name in common, and,
    /// in formats that don't let tensors share their data, no two a byte.
    pub tensors: Vec<Tensor>,
    /// Tensors whose elements don't lie in the file one behind the other, as they are.
    pub unlisted: Vec<Unlisted>,
    /// What pickles in it would import beyond what the weights of a model need, the worst first, each once. To import is
    /// to run code.
    pub imports: Vec<Import>,
    /// Why they may import more than that: one could not be followed to its end. What Python would do there is not known.
    pub not_followed: Option<String>,
}

/// A tensor that has no range of bytes to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// Its name in the file.
    pub name: String,
    /// Why, for a sentence that begins with the tensor.
    pub why: String,
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in the file; empty where a file is one tensor.
    pub name: String,
    /// What its elements are.
    pub dtype: Dtype,
    /// How many elements it has in each dimension, the outermost first (as in `NumPy`); of a scalar, none.
    pub shape: Vec<u64>,
    /// The other file that its data is in, as a path from the folder of the one that was read; none if it is in that one.
    pub file: Option<String>,
    /// Where in it its data is, in bytes.
    pub range: Range<u64>,
}

/// What the elements of a tensor are: by the names of safetensors where it has one, else by those of GGUF, ONNX, `NumPy` or
/// `PyTorch`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dtype(String);

impl Dtype {
    /// A type by its name.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Tensor {
    /// How many elements it has, if that is a number of 64 bits.
    pub fn elements(&self) -> Option<u64> {
        elements(&self.shape)
    }
}

pub(crate) fn elements(shape: &[u64]) -> Option<u64> {
    // Zero times anything is nothing, even where the rest has no product.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1_u64, |all, length| all.checked_mul(*length))
}

impl Contents {
    /// Sorts the tensors of a file by where they are, and checks that no two have a name or a byte in common; in another
    /// file, two may be the very same bytes.
    pub(crate) fn new(format: Format, tensors: Vec<Tensor>) -> Result<Self, FormatError> {
        let contents = Self::sharing(format, tensors)?;
        let with_data = contents.tensors.iter().filter(|it| !it.range.is_empty());
        let mut before: Option<&Tensor> = None;
        for tensor in with_data {
            if let Some(before) = before
                && before.file == tensor.file
                && before.range.end > tensor.range.start
                && !(tensor.file.is_some() && before.range == tensor.range)
            {
                return Err(FormatError::Overlap {
                    first: before.name.clone(),
                    second: tensor.name.clone(),
                });
            }
            before = Some(tensor);
        }
        Ok(contents)
    }

    /// Sorts the tensors of a file in a format that lets them share their data by where they are, and checks that no
    /// two have a name in common.
    pub(crate) fn sharing(format: Format, mut tensors: Vec<Tensor>) -> Result<Self, FormatError> {
        tensors.sort_by(|a, b| {
            let range = |tensor: &Tensor| (tensor.range.start, tensor.range.end);
            let by_file = a.file.cmp(&b.file);
            by_file
                .then_with(|| range(a).cmp(&range(b)))
                .then_with(|| a.name.cmp(&b.name))
        });
        let mut names = BTreeSet::new();
        for tensor in &tensors {
            if !names.insert(&tensor.name) {
                return Err(FormatError::Twice {
                    name: tensor.name.clone(),
                });
            }
        }
        Ok(Self {
            format,
            tensors,
            unlisted: Vec::new(),
            imports: Vec::new(),
            not_followed: None,
        })
    }

    /// Adds the tensors that have no range of bytes, and checks that their names are not those of others.
    pub(crate) fn with_unlisted(mut self, unlisted: Vec<Unlisted>) -> Result<Self, FormatError> {
        let mut names: BTreeSet<_> = self.tensors.iter().map(|it| &it.name).collect();
        for Unlisted { name, .. } in &unlisted {
            if !names.insert(name) {
                return Err(FormatError::Twice { name: name.clone() });
            }
        }
        self.unlisted = unlisted;
        Ok(self)
    }
}
