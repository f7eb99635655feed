//! `candor prove-file`, `prove-chunk` and `prove-tensor`: a part of a release, with the hashes that lead to what its
//! publisher signed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::bundle::{Bundle, PartKind, PartProof, Parts, VerifiedBundle};
use candor_core::record::ReleaseName;
use candor_core::weights::{CHUNK_BYTES, Chunks, FilePath, Manifest, TensorList};
use serde_json::json;

use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::args::{ByteRange, ProveChunkArgs, ProveFileArgs, ProveTensorArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, counted, grouped};
use crate::cli::{Session, files};

/// How many names are told to whoever names one that is not there.
const NAMES_MAX: usize = 3;

/// A bundle, before and after its checks.
pub(super) type Checked = (Bundle, Verified<VerifiedBundle>);

/// Runs `candor prove-file`.
pub fn file(args: &ProveFileArgs, session: &mut Session) -> Result<Exit, CliError> {
    prove(&args.release, args.out.as_ref(), session, |bundle| {
        let manifest = manifest_of(bundle)?;
        let paths: BTreeSet<_> = args.paths.iter().cloned().collect();
        if let Some(path) = paths.iter().find(|path| manifest.file(path).is_none()) {
            return Err(no_such_file(path, manifest));
        }
        let paths: Vec<_> = paths.into_iter().collect();
        let proof = manifest.prove(&paths).expect("each is a file, once");
        let of = grouped(manifest.files().len() as u64);
        Ok((Parts::Files(proof), of))
    })
}

/// Runs `candor prove-chunk`.
pub fn chunk(args: &ProveChunkArgs, session: &mut Session) -> Result<Exit, CliError> {
    prove(&args.release, args.out.as_ref(), session, |bundle| {
        let manifest = manifest_of(bundle)?;
        let path = &args.path;
        let file = manifest
            .file(path)
            .ok_or_else(|| no_such_file(path, manifest))?;
        if let Some(size) = file.size.filter(|size| *size <= CHUNK_BYTES) {
            return Err(CliError::Usage {
                what: format!(
                    "{path} has {}, and is one chunk",
                    counted(size, "byte", "bytes")
                ),
                hint: format!(
                    "prove it as it is: `candor prove-file {} {path}`",
                    args.release
                ),
            });
        }
        let list = bundle
            .weights()
            .and_then(|(index, _)| bundle.chunk_lists.get(&index))
            .ok_or_else(|| without(&bundle.release, PartKind::Chunks))?;
        let chunks = list
            .of(path)
            .ok_or_else(|| without(&bundle.release, PartKind::Chunks))?;
        let indices = chunks_of(args, chunks)?;
        let proof = list.prove(path, &indices).expect("each is a chunk, once");
        let of = format!("{} of {path}", grouped(chunks.count() as u64));
        Ok((Parts::Chunks(proof), of))
    })
}

/// Runs `candor prove-tensor`.
pub fn tensor(args: &ProveTensorArgs, session: &mut Session) -> Result<Exit, CliError> {
    prove(&args.release, args.out.as_ref(), session, |bundle| {
        let list = bundle
            .weights()
            .and_then(|(index, _)| bundle.tensor_lists.get(&index))
            .ok_or_else(|| without(&bundle.release, PartKind::Tensors))?;
        let proof = list
            .prove(&indices(list, &args.names)?)
            .expect("each is the index of a tensor, once");
        let of = grouped(list.tensors().len() as u64);
        Ok((Parts::Tensors(proof), of))
    })
}

/// Makes the proof of `parts` of a release, which also says of what they are some.
fn prove(
    release: &str,
    out: Option<&PathBuf>,
    session: &mut Session,
    parts: impl FnOnce(&VerifiedBundle) -> Result<(Parts, String), CliError>,
) -> Result<Exit, CliError> {
    if let Some(out) = out {
        files::check_new(out)?;
    }
    let (bundle, verified) = bundle_of(release, session)?;
    let (parts, of) = parts(&verified)?;
    let (one, many) = match parts.kind() {
        PartKind::Files => ("file", "files"),
        PartKind::Chunks => ("chunk", "chunks"),
        PartKind::Tensors => ("tensor", "tensors"),
    };
    let count = counted(parts.count() as u64, one, many);
    let of_parts = json!(parts).to_string().len();
    let proof = PartProof::new(bundle, parts);
    let text = proof.to_json();
    match out {
        Some(file) => files::write(file, text.as_bytes())?,
        None => session.printer.verbatim_unless_json(text.as_bytes()),
    }
    let words = format!(
        "  {count} of {of}, of {}: {} bytes, {} with its records",
        verified.release,
        grouped(of_parts as u64),
        grouped(text.len() as u64),
    );
    session
        .printer
        .note(Text::of(Tone::Good, "proven").plain(words));
    session.printer.json(&json!(proof));
    Ok(Exit::Holds)
}

/// The bundle that is meant: a file, or one of a release in the log.
pub(super) fn bundle_of(text: &str, session: &Session) -> Result<Checked, CliError> {
    let path = Path::new(text);
    match text.parse::<ReleaseName>() {
        Ok(release) if !path.exists() => {
            let client = session.settings.client()?;
            let made = make_bundle(&client, &session.settings.memory()?, &Wanted::own(&release))?;
            Ok((made.bundle, made.verified))
        }
        _ => {
            let bundle = files::read_bundle(path)?;
            let key = session.settings.log_key()?;
            let verified = bundle.verify(&key).map_err(|error| CliError::Bundle {
                path: path.to_owned(),
                error: Box::new(error),
            })?;
            Ok((bundle, verified))
        }
    }
}

fn manifest_of(bundle: &VerifiedBundle) -> Result<&Manifest, CliError> {
    bundle
        .weights()
        .and_then(|(index, _)| bundle.manifests.get(&index))
        .ok_or_else(|| without(&bundle.release, PartKind::Files))
}

/// The chunks that are asked for, each once.
fn chunks_of(args: &ProveChunkArgs, chunks: &Chunks) -> Result<Vec<usize>, CliError> {
    let (count, bytes) = (chunks.count() as u64, chunks.file_bytes());
    let behind = |what: String| CliError::Usage {
        what: format!(
            "{} has {} bytes in {} chunks, and no {what}",
            args.path,
            grouped(bytes),
            grouped(count)
        ),
        hint: "chunks and bytes are counted from 0".to_owned(),
    };
    let mut indices: BTreeSet<u64> = args.chunk.iter().copied().collect();
    if let Some(chunk) = indices.iter().find(|chunk| **chunk >= count) {
        return Err(behind(format!("chunk {chunk}")));
    }
    if let Some(ByteRange { first, last }) = args.bytes {
        let last = last.unwrap_or(bytes - 1);
        if first > last || last >= bytes {
            return Err(behind(format!("bytes {first}-{last}")));
        }
        indices.extend(first / CHUNK_BYTES..=last / CHUNK_BYTES);
    }
    let index = |chunk| usize::try_from(chunk).expect("below their number");
    Ok(indices.into_iter().map(index).collect())
}

/// The tensors of these names: each once, and all of a name that several have.
fn indices(list: &TensorList, names: &[String]) -> Result<Vec<usize>, CliError> {
    let mut indices = BTreeSet::new();
    for name in names {
        let all = list.tensors().iter().enumerate();
        let before = indices.len();
        indices.extend(
            all.filter(|(_, it)| it.tensor.name == *name)
                .map(|(at, _)| at),
        );
        let is_known = |at: &usize| list.tensors()[*at].tensor.name == *name;
        if indices.len() == before && !indices.iter().any(is_known) {
            let names: BTreeSet<_> = list.tensors().iter().map(|it| &*it.tensor.name).collect();
            return Err(CliError::Usage {
                what: format!("the release has no tensor {name:?}"),
                hint: format!(
                    "{}; `candor tensors` lists them",
                    some_of("name", "names", &names)
                ),
            });
        }
    }
    Ok(indices.into_iter().collect())
}

fn no_such_file(path: &FilePath, manifest: &Manifest) -> CliError {
    let files = manifest.files().iter();
    CliError::Usage {
        what: format!("the release has no file {path}"),
        hint: some_of(
            "file",
            "files",
            &files.map(|file| file.path.as_str()).collect(),
        ),
    }
}

fn some_of(one: &str, many: &str, names: &BTreeSet<&str>) -> String {
    let some: Vec<_> = names.iter().take(NAMES_MAX).copied().collect();
    format!(
        "it has {}: {}{}",
        counted(names.len() as u64, one, many),
        some.join(", "),
        if names.len() > some.len() {
            ", …"
        } else {
            ""
        }
    )
}

fn without(release: &ReleaseName, parts: PartKind) -> CliError {
    let (of_a_release, verb) = match parts {
        PartKind::Files => ("files, by a weights record", "prove-file"),
        PartKind::Chunks => ("chunks, which files of more than 8 MiB have", "prove-chunk"),
        PartKind::Tensors => (
            "tensors, which files in formats such as safetensors have",
            "prove-tensor",
        ),
    };
    CliError::CouldNotTell {
        what: format!("there is no telling which {parts} {release} has"),
        context: vec!["its weights record names none, or their list is not here".to_owned()],
        hint: format!(
            "ask its publisher for a release with {of_a_release}; a bundle without the list: `candor {verb} {release} …` asks the log"
        ),
    }
}
