//! Weights: what a release's manifest says, and what its files say of themselves.

use candor_core::record::kinds::Weights;
use candor_core::record::{Predicate, ReleaseName};
use candor_core::weights::{ChunkList, ChunkListError, MANIFEST_MEDIA_TYPE, Manifest};

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

/// Makes the record of `manifest`, with the chunk list of its large files, if it has some, and with what the `heads` of
/// its files say.
pub(super) fn draft(
    manifest: &Manifest,
    chunks: &[u8],
    heads: &Heads,
    release: &ReleaseName,
) -> Drafts {
    let mut warnings = heads.warnings(manifest);
    let chunks = match ChunkList::parse(chunks, manifest) {
        Ok(list) => {
            let stated = list.to_stated();
            let document = DraftAttachment {
                descriptor: stated.list.clone(),
                bytes: chunks.to_vec(),
            };
            Some((stated, document))
        }
        Err(error @ ChunkListError::TooLong(_)) => {
            let words = "so the files can be checked as a whole, and not in parts";
            warnings.push(format!("left out: {error}: {words}"));
            None
        }
        // None of the files has more than one chunk.
        Err(_) => None,
    };
    let (chunks, document) = chunks.unzip();
    let weights = Weights {
        chunks,
        format: format(manifest).map(str::to_owned),
        parameters: heads.parameters(manifest),
        ..manifest.to_weights()
    };
    let mut draft = of_weights(manifest, weights, release);
    draft.attachments.extend(document);
    Drafts {
        drafts: vec![draft],
        warnings,
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
