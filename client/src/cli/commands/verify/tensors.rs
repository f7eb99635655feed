//! `candor verify-tensor`: some tensors of a release, and the bytes in a folder that should be theirs.
//!
//! Always: no more of a file is read than the places of the tensors, and no link is followed.

use std::fs;
use std::path::Path;

use candor_core::Sha256;
use candor_core::bundle::{TENSOR_PROOF_BYTES_MAX, TensorProof, VerifiedTensors};
use candor_core::weights::{Place, ProvenTensor};
use sha2::Digest as _;

use super::report::{Finding, Report};
use super::{compare_offline, release};
use crate::cli::args::VerifyTensorArgs;
use crate::cli::error::CliError;
use crate::cli::text::{bytes, counted, grouped};
use crate::cli::{Session, files};
use crate::hashing::{FileError, OpenFile};
use crate::log_client::SignedCheckpoint;

/// How many bytes are read at once.
const STEP_BYTES: usize = 1 << 20;

/// How many tensors are named one by one.
const NAMED_MAX: usize = 20;

/// Checks the proof, and then the bytes.
pub(super) fn judge(args: &VerifyTensorArgs, session: &Session) -> Result<Report, CliError> {
    let path = &args.proof;
    let refused = |error| CliError::TensorProof {
        path: path.clone(),
        error: Box::new(error),
    };
    let key = session.settings.log_key()?;
    let bytes = files::read(path, TENSOR_PROOF_BYTES_MAX)?;
    let proof = TensorProof::parse(&bytes).map_err(refused)?;
    let proven = proof.verify(&key).map_err(refused)?;
    let checkpoint = SignedCheckpoint::verify(proof.bundle.checkpoint, &key)
        .map_err(|error| refused(candor_core::bundle::BundleError::from(error).into()))?;
    if !args.folder.is_dir() {
        return Err(CliError::Form {
            path: args.folder.clone(),
            what: "is not a folder".to_owned(),
            hint: "name the folder that holds the release's files",
        });
    }
    let name = &proven.bundle.release;
    let mut report = Report::new(format!(
        "{} of {} as {name}",
        counted(proven.tensors.len() as u64, "tensor", "tensors"),
        args.folder.display()
    ));
    release::judge(&proven.bundle, release::From::Bundle, &mut report);
    judge_tensors(&proven, &args.folder, &mut report)?;
    compare_offline(&checkpoint, session, &mut report)?;
    Ok(report)
}

fn judge_tensors(
    proven: &VerifiedTensors,
    folder: &Path,
    report: &mut Report,
) -> Result<(), CliError> {
    let all = proven
        .bundle
        .weights()
        .and_then(|(_, weights)| weights.tensors.as_ref());
    let all = all.map_or(0, |tensors| tensors.count);
    report.checked.push(format!(
        "{} of the {} of the weights record (entry {}), by one proof",
        counted(proven.tensors.len() as u64, "tensor is", "tensors are"),
        grouped(all),
        proven.weights
    ));
    let (mut read, mut found) = (0_u64, Vec::new());
    for tensor in &proven.tensors {
        match find(tensor, folder)? {
            Found::At(place) => {
                read += tensor.tensor.bytes;
                found.push((tensor, place));
            }
            Found::Other(place, actual) => report.findings.push(Finding::Changed {
                path: place.path.to_string(),
                how: format!(
                    "tensor {}, {} from byte {} on: sha256 {actual} instead of {}",
                    tensor.tensor.name,
                    bytes(tensor.tensor.bytes),
                    place.offset,
                    tensor.tensor.sha256
                ),
            }),
            Found::Nowhere => report.findings.push(Finding::Missing {
                path: format!(
                    "{} (tensor {})",
                    tensor
                        .places
                        .first()
                        .map_or("any file", |place| place.path.as_str()),
                    tensor.tensor.name
                ),
            }),
        }
    }
    for (tensor, place) in found.iter().take(NAMED_MAX) {
        let it = &tensor.tensor;
        report.checked.push(format!(
            "{}: {} {:?}, {} of {} from byte {} on",
            it.name,
            it.dtype,
            it.shape,
            bytes(it.bytes),
            place.path,
            place.offset
        ));
    }
    if found.len() > NAMED_MAX {
        let more = counted((found.len() - NAMED_MAX) as u64, "tensor", "tensors");
        report.checked.push(format!("and {more} more"));
    }
    report.not_checked.push(format!(
        "all but {} of the files, and the other tensors",
        bytes(read)
    ));
    Ok(())
}

/// Where a tensor was found.
enum Found<'a> {
    /// There.
    At(&'a Place),
    /// Other bytes are there, with this digest.
    Other(&'a Place, Sha256),
    /// None of the places is there.
    Nowhere,
}

fn find<'a>(tensor: &'a ProvenTensor, folder: &Path) -> Result<Found<'a>, CliError> {
    let mut other = Found::Nowhere;
    for place in &tensor.places {
        let Some(actual) = digest_at(&folder.join(place.path.as_str()), place.offset, tensor)?
        else {
            continue;
        };
        if actual == tensor.tensor.sha256 {
            return Ok(Found::At(place));
        }
        other = Found::Other(place, actual);
    }
    Ok(other)
}

/// The digest of the bytes at a place; `None` if it has no file, or one that ends before.
fn digest_at(path: &Path, offset: u64, tensor: &ProvenTensor) -> Result<Option<Sha256>, CliError> {
    let bytes = tensor.tensor.bytes;
    let is_there = fs::symlink_metadata(path)
        .ok()
        .filter(fs::Metadata::is_file);
    let end = offset.checked_add(bytes);
    let Some(size) = is_there
        .map(|it| it.len())
        .filter(|size| end.is_some_and(|end| end <= *size))
    else {
        return Ok(None);
    };
    let unreadable = |error: FileError| CliError::Folder(error.into());
    let file = OpenFile::open(path, size).map_err(unreadable)?;
    let (mut hasher, mut at) = (sha2::Sha256::new(), offset);
    let end = offset + bytes;
    let mut buffer = vec![0; STEP_BYTES];
    while at < end {
        let step = usize::try_from(end - at).map_or(STEP_BYTES, |left| left.min(STEP_BYTES));
        file.read_at(at, &mut buffer[..step]).map_err(unreadable)?;
        hasher.update(&buffer[..step]);
        at += step as u64;
    }
    Ok(Some(Sha256::from_bytes(hasher.finalize().into())))
}
