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
    let (mut read, mut found, mut absent) = (0_u64, Vec::new(), Vec::new());
    for tensor in &proven.tensors {
        let mut is_anywhere = false;
        for place in &tensor.places {
            let Some(actual) = digest_at(folder, place, tensor)? else {
                absent.push(place);
                continue;
            };
            read += tensor.tensor.bytes;
            is_anywhere = true;
            if actual == tensor.tensor.sha256 {
                found.push((tensor, place));
                continue;
            }
            report.findings.push(Finding::Changed {
                path: place.path.to_string(),
                how: format!(
                    "tensor {}, {} from byte {} on: sha256 {actual} instead of {}",
                    tensor.tensor.name,
                    bytes(tensor.tensor.bytes),
                    place.offset,
                    tensor.tensor.sha256
                ),
            });
        }
        if !is_anywhere {
            let at = tensor.places.first();
            let at = at.map_or("any file", |place| place.path.as_str());
            report.findings.push(Finding::Missing {
                path: format!("{at} (tensor {})", tensor.tensor.name),
            });
        }
    }
    if let (Some(place), true) = (absent.first(), report.findings.is_empty()) {
        report.not_checked.push(format!(
            "{} where the same tensors should be too, and which are not there, such as {}",
            counted(absent.len() as u64, "place", "places"),
            place.path
        ));
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
        "all but {} of the files, their headers too: whether a program that loads them finds the tensors there",
        bytes(read)
    ));
    Ok(())
}

/// The digest of the bytes at a place; `None` if it has no file, or one that ends before.
fn digest_at(
    folder: &Path,
    place: &Place,
    tensor: &ProvenTensor,
) -> Result<Option<Sha256>, CliError> {
    let (bytes, offset) = (tensor.tensor.bytes, place.offset);
    // A link on the way would lead to another folder's file.
    let mut path = folder.to_owned();
    let mut is_there = None;
    for part in place.path.as_str().split('/') {
        path.push(part);
        is_there = fs::symlink_metadata(&path).ok();
        if is_there.as_ref().is_none_or(fs::Metadata::is_symlink) {
            return Ok(None);
        }
    }
    let is_there = is_there.filter(fs::Metadata::is_file);
    let path = &path;
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
