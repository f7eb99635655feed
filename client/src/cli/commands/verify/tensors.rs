//! `candor verify-tensor`: some tensors of a release, and the bytes in a folder that should be theirs.
//!
//! Always: no more of a file is read than the places of the tensors, and no link is followed.

use std::path::Path;

use candor_core::Sha256;
use candor_core::bundle::ProvenParts;
use candor_core::digest::Sha256Stream;
use candor_core::weights::ProvenTensor;

use super::parts::{self, Place, Proof, unreadable};
use super::report::{Finding, Report};
use crate::cli::Session;
use crate::cli::args::VerifyTensorArgs;
use crate::cli::error::CliError;
use crate::cli::text::{bytes, counted, grouped};

/// How many bytes are read at once.
const STEP_BYTES: usize = 1 << 20;

/// How many tensors are named one by one.
const NAMED_MAX: usize = 20;

/// Checks the proof, and then the bytes.
pub(super) fn judge(args: &VerifyTensorArgs, session: &Session) -> Result<Report, CliError> {
    let proof = parts::read(&args.proof, session)?;
    let ProvenParts::Tensors(tensors) = &proof.proven.parts else {
        return Err(parts::other_parts(&args.proof, &proof));
    };
    if !args.folder.is_dir() {
        return Err(CliError::Form {
            path: args.folder.clone(),
            what: "is not a folder".to_owned(),
            hint: "name the folder that holds the release's files",
        });
    }
    let of = counted(tensors.len() as u64, "tensor", "tensors");
    proof.report(&of, &args.folder, session, |report| {
        judge_tensors(&proof, tensors, &args.folder, report)
    })
}

fn judge_tensors(
    proof: &Proof,
    tensors: &[ProvenTensor],
    folder: &Path,
    report: &mut Report,
) -> Result<(), CliError> {
    let all = proof.weights().tensors.as_ref();
    report.checked.push(format!(
        "{} of the {} of the weights record (entry {}), by one proof",
        counted(tensors.len() as u64, "tensor is", "tensors are"),
        grouped(all.map_or(0, |all| all.count)),
        proof.proven.weights
    ));
    let (mut read, mut found, mut absent) = (0_u64, Vec::new(), Vec::new());
    for tensor in tensors {
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
    at: &candor_core::weights::Place,
    tensor: &ProvenTensor,
) -> Result<Option<Sha256>, CliError> {
    let end = at.offset.checked_add(tensor.tensor.bytes);
    let place = Place::inside(folder, &at.path);
    let Some((place, end)) = place.zip(end).filter(|(place, end)| *end <= place.bytes) else {
        return Ok(None);
    };
    let file = place.open()?;
    let (mut stream, mut at) = (Sha256Stream::default(), at.offset);
    let mut buffer = vec![0; STEP_BYTES];
    while at < end {
        let step = usize::try_from(end - at).map_or(STEP_BYTES, |left| left.min(STEP_BYTES));
        file.read_at(at, &mut buffer[..step]).map_err(unreadable)?;
        stream.update(&buffer[..step]);
        at += step as u64;
    }
    Ok(Some(stream.finish()))
}
