//! Weights: what a release's manifest says, and what its files say of themselves.

use candor_core::record::kinds::{Source, TensorSet, Weights};
use candor_core::record::{DigestSet, Predicate, ReleaseName};
use candor_core::weights::{
    ChunkList, ChunkListError, MANIFEST_MEDIA_TYPE, Manifest, Place, TENSOR_LIST_BYTES_MAX, Tensor,
    TensorList, TensorListError,
};

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

/// Makes the record of `manifest`, with the chunk list of its large files, if it has some, with the tensors
/// that were found in its files, and with what the `heads` of these say.
pub(super) fn draft(
    manifest: &Manifest,
    chunks: &[u8],
    (heads, tensors): (&Heads, Vec<(Tensor, Place)>),
    release: &ReleaseName,
    source: Option<Source>,
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
    let tensors = tensor_list(manifest, tensors, &mut warnings);
    let (chunks, chunks_document) = chunks.unzip();
    let (tensors, tensors_document) = tensors.unzip();
    let weights = Weights {
        chunks,
        tensors,
        format: format(manifest).map(str::to_owned),
        parameters: heads.parameters(manifest),
        source,
        ..manifest.to_weights()
    };
    let mut draft = of_weights(manifest, weights, release);
    draft.attachments.extend(chunks_document);
    draft.attachments.extend(tensors_document);
    Drafts {
        drafts: vec![draft],
        warnings,
    }
}

/// What the record says of the tensors that were found, and the list of them; none if there are none.
fn tensor_list(
    manifest: &Manifest,
    found: Vec<(Tensor, Place)>,
    warnings: &mut Vec<String>,
) -> Option<(TensorSet, DraftAttachment)> {
    if found.is_empty() {
        return None;
    }
    let made = TensorList::new(found, manifest).and_then(|list| {
        let (stated, bytes) = (list.to_stated(), list.to_bytes());
        if bytes.len() > TENSOR_LIST_BYTES_MAX {
            return Err(TensorListError::TooLong(bytes.len()));
        }
        let descriptor = stated.list.clone();
        Ok((stated, DraftAttachment { descriptor, bytes }))
    });
    let error = match made {
        Ok(made) => return Some(made),
        Err(error) => error,
    };
    let words = "so the files can be compared as files, and not by their tensors";
    warnings.push(format!("left out: {error}: {words}"));
    None
}

/// A draft of `weights`, which were made from `manifest`.
pub(super) fn of_weights(manifest: &Manifest, weights: Weights, release: &ReleaseName) -> Draft {
    let name = weights.manifest.name.clone();
    let document = DraftAttachment::new(&name, MANIFEST_MEDIA_TYPE, manifest.to_bytes());
    Draft::of_document(release, Predicate::Weights(weights), document)
}

/// Where digests come from: what the command line says of it, what they were published as, and what else is to be known.
pub(super) fn source(
    said: Option<&Source>,
    digest: Option<DigestSet>,
    facts: &[String],
) -> Option<Source> {
    let mut source = said.cloned().unwrap_or_default();
    source.digest = digest.or(source.digest);
    if !facts.is_empty() {
        let own = source.note.iter().map(String::as_str);
        let all: Vec<_> = own.chain(facts.iter().map(String::as_str)).collect();
        source.note = Some(all.join(" "));
    }
    (source != Source::default()).then_some(source)
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
