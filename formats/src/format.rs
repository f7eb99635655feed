//! Which format a file is in.

use serde::{Deserialize, Serialize};

use crate::source::{Source, SourceError};
use crate::tensor::{Contents, DIMENSIONS_MAX, NAME_BYTES_MAX, TENSORS_MAX};
use crate::{gguf, npz, numpy, onnx, pytorch, safetensors};

/// A format of files with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// <https://github.com/huggingface/safetensors>
    Safetensors,
    /// <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>
    Gguf,
    /// `.npy`: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
    Numpy,
    /// <https://github.com/onnx/onnx/blob/main/docs/IR.md>
    Onnx,
    /// `.npz`: <https://numpy.org/doc/stable/reference/generated/numpy.savez.html>
    Npz,
    /// What `torch.save` writes, <https://docs.pytorch.org/docs/stable/notes/serialization.html>, and pickles in general.
    Pytorch,
}

/// Why a file is not what its name says, or not only that.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It does not begin as such files do.
    #[error("it does not begin as a {} file does", .0.name())]
    Magic(Format),
    /// A version that this reader does not know.
    #[error("it is of version {found} of {of}, and what is known here is {known}")]
    Version {
        /// Of which format.
        of: &'static str,
        /// As it says.
        found: String,
        /// What is read.
        known: &'static str,
    },
    /// A part that is not there, or can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A header that is longer than any real one.
    #[error("its header says to have {found} bytes, and at most {max} are read")]
    HeaderTooLong {
        /// As it says.
        found: u64,
        /// What is read.
        max: u64,
    },
    /// A header in another form.
    #[error("its header: {0}")]
    Header(String),
    /// A zip archive that is not in one piece, or could be read in two ways.
    #[error("its zip archive: {0}")]
    Zip(String),
    /// An error in a file that is in this one, by the places in that.
    #[error("in its entry {name:?}: {error}")]
    Entry {
        /// Which.
        name: String,
        /// What is wrong there.
        error: Box<FormatError>,
    },
    /// Too many tensors, names that are too long, too many dimensions: the bounds of this reader.
    #[error("it says to have {found} {what}, and at most {max} are read")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As it says.
        found: u64,
        /// What is read.
        max: usize,
    },
    /// A number that stands for nothing.
    #[error("tensor {name:?} has elements of the unknown type {dtype}")]
    UnknownDtype {
        /// Which tensor.
        name: String,
        /// As the file has it.
        dtype: String,
    },
    /// A tensor whose parts do not fit each other.
    #[error("tensor {name:?}: {rule}")]
    Tensor {
        /// Which.
        name: String,
        /// What is wrong.
        rule: String,
    },
    /// A name that stands twice.
    #[error("there are two tensors {name:?}")]
    Twice {
        /// Which name.
        name: String,
    },
    /// Two tensors with bytes in common.
    #[error("the data of the tensors {first:?} and {second:?} overlap")]
    Overlap {
        /// The one that begins first.
        first: String,
        /// The other one.
        second: String,
    },
}

/// How much of what a file says is repeated in an error.
const SAID_CHARS: usize = 300;

impl FormatError {
    /// An error of a header, by words in which the file's own may be: then only the first of them are said.
    pub(crate) fn header(rule: &impl std::fmt::Display) -> Self {
        Self::Header(clipped(&rule.to_string()))
    }
}

/// The first characters of a text that may be long.
pub(crate) fn clipped(text: &str) -> String {
    match text.char_indices().nth(SAID_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [
        Self::Safetensors,
        Self::Gguf,
        Self::Numpy,
        Self::Onnx,
        Self::Npz,
        Self::Pytorch,
    ];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Gguf => "GGUF",
            Self::Numpy => "NumPy",
            Self::Onnx => "ONNX",
            Self::Npz => "NumPy archive",
            Self::Pytorch => "PyTorch",
        }
    }

    /// The format that the files are in whose path ends like this one. Many other files than those of `PyTorch` end in
    /// `.bin`: [`read`] answers [`FormatError::Magic`] for them.
    pub fn of(path: &str) -> Option<Self> {
        let (name, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            // As checkpoints of the early days are called, be they archives of tar or not.
            "tar" => Self::of(name).filter(|format| *format == Self::Pytorch),
            "safetensors" => Some(Self::Safetensors),
            "gguf" => Some(Self::Gguf),
            "npy" => Some(Self::Numpy),
            "onnx" => Some(Self::Onnx),
            "npz" => Some(Self::Npz),
            "pt" | "pth" | "bin" | "ckpt" | "pkl" | "pickle" | "pk" | "joblib" => {
                Some(Self::Pytorch)
            }
            _ => None,
        }
    }
}

/// Reads which tensors a file holds, which should be in this format.
pub fn read(format: Format, source: &dyn Source) -> Result<Contents, FormatError> {
    match format {
        Format::Safetensors => safetensors::read(source),
        Format::Gguf => gguf::read(source),
        Format::Numpy => numpy::read(source),
        Format::Onnx => onnx::read(source),
        Format::Npz => npz::read(source),
        Format::Pytorch => pytorch::read(source),
    }
}

pub(crate) fn check_count(found: u64) -> Result<(), FormatError> {
    at_most("tensors", found, TENSORS_MAX)
}

pub(crate) fn check_name(name: &str) -> Result<(), FormatError> {
    at_most(
        "bytes in a tensor's name",
        name.len() as u64,
        NAME_BYTES_MAX,
    )
}

pub(crate) fn check_dimensions(found: u64) -> Result<(), FormatError> {
    at_most("dimensions of a tensor", found, DIMENSIONS_MAX)
}

pub(crate) fn at_most(what: &'static str, found: u64, max: usize) -> Result<(), FormatError> {
    if found > max as u64 {
        return Err(FormatError::TooMany { what, found, max });
    }
    Ok(())
}
