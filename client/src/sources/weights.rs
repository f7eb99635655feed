//! Weights: what a release's manifest says, and what its files say of themselves.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candor_core::record::kinds::Weights;
use candor_core::record::{Predicate, ReleaseName};
use candor_core::weights::{MANIFEST_MEDIA_TYPE, Manifest, ManifestFile};
use serde_json::{Map, Value};

use super::{Draft, DraftAttachment};

/// The most bytes of a safetensors header, as the format's own reader has it.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// Formats, the most telling first, by what file names end with.
const FORMATS: [(&str, &[&str]); 6] = [
    ("safetensors", &[".safetensors"]),
    ("gguf", &[".gguf"]),
    ("onnx", &[".onnx"]),
    ("pytorch", &[".bin", ".pt", ".pth", ".ckpt"]),
    ("tensorflow", &[".h5", "saved_model.pb"]),
    ("numpy", &[".npy", ".npz"]),
];

/// Element types that parameters have. Whole numbers may be packed or no parameters at all.
const FLOATS: [&str; 6] = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"];

/// Element types that hold no parameters: positions, masks.
const NOT_PARAMETERS: [&str; 2] = ["I64", "BOOL"];

/// Makes the record of `manifest`. With the `folder` that it was made from, the headers of safetensors files
/// are read for the number of parameters.
pub fn draft(manifest: &Manifest, folder: Option<&Path>, release: &ReleaseName) -> Draft {
    let weights = Weights {
        format: format(manifest).map(str::to_owned),
        parameters: folder.and_then(|folder| parameters(manifest, folder)),
        ..manifest.to_weights()
    };
    of_weights(manifest, weights, release)
}

/// A draft of `weights`, which were made from `manifest`.
pub(super) fn of_weights(manifest: &Manifest, weights: Weights, release: &ReleaseName) -> Draft {
    let name = weights.manifest.name.clone();
    let document = DraftAttachment::new(&name, MANIFEST_MEDIA_TYPE, manifest.to_bytes());
    Draft::of_document(release, Predicate::Weights(weights), document)
}

/// The format of the weights, by the names of the files; `None` where no name tells.
pub(super) fn format(manifest: &Manifest) -> Option<&'static str> {
    let names: Vec<_> = manifest
        .files()
        .iter()
        .map(|file| file.path.as_str().to_ascii_lowercase())
        .collect();
    let has = |ending: &str| {
        names
            .iter()
            .any(|path| path.ends_with(ending) && !is_other_bin(path))
    };
    FORMATS
        .into_iter()
        .find(|(_, endings)| endings.iter().any(|ending| has(ending)))
        .map(|(format, _)| format)
}

/// `.bin` files of other programs than `PyTorch`.
fn is_other_bin(path: &str) -> bool {
    let name = super::document_name(path);
    let stem = name.strip_suffix(".bin");
    stem.is_some_and(|stem| stem.starts_with("ggml") || stem.starts_with("openvino"))
}

/// How many parameters the safetensors files of one folder hold together. `None` at any doubt: a tensor that is
/// there twice, packed numbers, an adapter that is only a part, a header that does not fit its file.
fn parameters(manifest: &Manifest, folder: &Path) -> Option<u64> {
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
    if files.iter().any(|file| parent(file) != first) || manifest.files().iter().any(is_adapter) {
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut total = 0_u64;
    for file in files {
        for (name, tensor) in header(&folder.join(file.path.as_str()), file.size?)? {
            if name == "__metadata__" {
                continue;
            }
            total = total.checked_add(elements(&tensor)?)?;
            if !seen.insert(name) {
                return None;
            }
        }
    }
    (total > 0).then_some(total)
}

fn is_safetensors(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

/// The header of a safetensors file: its length as a little-endian number of 8 bytes, then JSON.
fn header(path: &Path, size: u64) -> Option<Map<String, Value>> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let data = size.checked_sub(8)?.checked_sub(length)?;
    if length > HEADER_BYTES_MAX {
        return None;
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    let Ok(Value::Object(header)) = serde_json::from_slice(&header) else {
        return None;
    };
    let end = |tensor: &Value| tensor["data_offsets"][1].as_u64();
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
    let ends = tensors
        .map(|(_, tensor)| end(tensor))
        .collect::<Option<Vec<_>>>()?;
    // The data of the last tensor ends where the file does.
    (ends.into_iter().max().unwrap_or(0) == data).then_some(header)
}

/// How many parameters a tensor holds.
fn elements(tensor: &Value) -> Option<u64> {
    let dtype = tensor["dtype"].as_str()?;
    if NOT_PARAMETERS.contains(&dtype) {
        return Some(0);
    }
    let shape = tensor["shape"]
        .as_array()
        .filter(|_| FLOATS.contains(&dtype))?;
    shape.iter().try_fold(1_u64, |product, length| {
        product.checked_mul(length.as_u64()?)
    })
}
