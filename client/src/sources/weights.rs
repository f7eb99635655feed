//! Weights: what a release's manifest says, and what its files say of themselves.

use candor_core::record::kinds::Weights;
use candor_core::record::{Predicate, ReleaseName};
use candor_core::weights::{MANIFEST_MEDIA_TYPE, Manifest};

use super::heads::Heads;
use super::{Draft, DraftAttachment, Drafts};

/// Formats, the most telling first, by what file names end with.
const FORMATS: [(&str, &[&str]); 6] = [
    ("safetensors", &[".safetensors"]),
    ("gguf", &[".gguf"]),
    ("onnx", &[".onnx"]),
    ("pytorch", &[".bin", ".pt", ".pth", ".ckpt"]),
    ("tensorflow", &[".h5", "saved_model.pb"]),
    ("numpy", &[".npy", ".npz"]),
];

/// Makes the record of `manifest`, with what the `heads` of its files say.
pub(super) fn draft(manifest: &Manifest, heads: &Heads, release: &ReleaseName) -> Drafts {
    let weights = Weights {
        format: format(manifest).map(str::to_owned),
        parameters: heads.parameters(manifest),
        ..manifest.to_weights()
    };
    Drafts {
        drafts: vec![of_weights(manifest, weights, release)],
        warnings: heads.warnings(manifest),
    }
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
