//! Which tensors a file of model weights holds, and where in it: read from the file's header.
//!
//! ```text
//! Source (bytes, by offset) ──► Format::of ──► safetensors │ gguf │ numpy │ onnx │ npz │ pytorch ──► Contents: tensors,
//!                                                                           └► zip, pickle ◄┘        each with its dtype,
//!                                                                                                    shape, byte range
//!                          Index::read: which tensor should be in which file of a model in shards
//! ```
//!
//! Always: nothing in a file is run, loaded or followed. What a file says of itself is not believed before it was held
//! against the file's length: no allocation is larger than what was read for it, and where much can be made of little,
//! there is a bound. Each byte of a file is at most one tensor's, but in `PyTorch`'s, where tensors may share their
//! data, and in another file that one names, where two may be the very same bytes. What does not fit is an error that
//! says where. What has no range of bytes is said to be there, and so is what a pickle would import.
//!
//! Not here: opening files, and the digests of what they hold.

mod format;
mod gguf;
mod globals;
mod imports;
mod index;
mod npz;
mod numpy;
mod onnx;
mod packed;
mod pickle;
mod pickled;
mod pickles;
mod pytorch;
mod rebuild;
mod safetensors;
mod source;
mod tar;
mod tensor;
mod zip;

pub use format::{Format, FormatError, read};
pub use imports::{Import, Risk};
pub use index::{INDEX_BYTES_MAX, Index, IndexError};
pub use pickles::{Pickles, pickles};
pub use source::{Source, SourceError};
pub use tensor::{Contents, Dtype, Tensor, Unlisted};
