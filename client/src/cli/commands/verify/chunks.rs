//! `candor verify-chunk`: some chunks of a large file of a release, in whatever is there of that.
//!
//! ```text
//! release's file   ├─ 0 ─┼─ 1 ─┼─ 2 ─┼─ 3 ┤
//! proven                       ├─ 2 ─┤
//! what is read     ├──────── all ─────────┤      as long as the file
//!                  ├──── some ───────┤           of another length: the file from its first byte on
//!                              ├ alone ┤         as long as the proven chunks, or `--at` says where it begins
//! ```
//!
//! Always: no more of a file is read than the chunks of the proof.

use std::ops::Range;

use candor_core::bundle::ProvenParts;
use candor_core::merkle::LeafHash;
use candor_core::weights::{ChunkedFile, ChunksProof, ProvenChunk};

use super::parts::{self, Place, unreadable};
use super::report::{Finding, Report};
use crate::cli::Session;
use crate::cli::args::VerifyChunkArgs;
use crate::cli::error::CliError;
use crate::cli::text::{bytes, counted, grouped};

/// How many chunks are named one by one.
const NAMED_MAX: usize = 20;

/// Checks the proof, and then the chunks.
pub(super) fn judge(args: &VerifyChunkArgs, session: &Session) -> Result<Report, CliError> {
    let proof = parts::read(&args.proof, session)?;
    let ProvenParts::Chunks(chunks) = &proof.proven.parts else {
        return Err(parts::other_parts(&args.proof, &proof));
    };
    if args.at.is_some() && args.target.is_dir() {
        return Err(CliError::Usage {
            what: format!(
                "{} is a folder, which `--at` has nothing to do with",
                args.target.display()
            ),
            hint: "name the file that begins there, or leave the flag out".to_owned(),
        });
    }
    let count = chunks.chunks.len() as u64;
    let of = counted(count, "chunk", "chunks");
    proof.report(&of, &args.target, session, |report| {
        report.checked.push(format!(
            "{} of the {} of {} in the weights record (entry {})",
            counted(count, "chunk is", "chunks are"),
            grouped(chunks.file.chunks()),
            chunks.file.path,
            proof.proven.weights
        ));
        let path = chunks.file.path.to_string();
        let Some(place) = Place::named(&args.target, &chunks.file.path)? else {
            report.findings.push(Finding::Missing { path });
            return Ok(());
        };
        let begin = begin(args, &place, chunks, report);
        judge_chunks(&place, begin, chunks, report)
    })
}

/// At which byte of the release's file the one that is read begins.
fn begin(args: &VerifyChunkArgs, place: &Place, proof: &ChunksProof, report: &mut Report) -> u64 {
    let (found, whole) = (place.bytes, proof.file.bytes);
    let (begin, how) = match (args.at, alone(proof)) {
        (Some(at), _) => (at, "as you say"),
        (None, _) if found == whole => return 0,
        (None, Some(alone)) if found == alone.end - alone.start => (alone.start, "by its size"),
        (None, _) => {
            report.remarks.push(format!(
                "{} has {}, and the release's {} has {}: it is not that file, whatever is in it",
                args.target.display(),
                counted(found, "byte", "bytes"),
                proof.file.path,
                grouped(whole),
            ));
            return 0;
        }
    };
    report.remarks.push(format!(
        "{} is taken for the bytes of {} from {begin} on, {how}",
        args.target.display(),
        proof.file.path
    ));
    begin
}

/// The bytes of the chunks together, if there is nothing between them.
fn alone(proof: &ChunksProof) -> Option<Range<u64>> {
    let mut indices: Vec<_> = proof.chunks.iter().map(|chunk| chunk.index).collect();
    indices.sort_unstable();
    let (first, last) = (*indices.first()?, *indices.last()?);
    let is_run = last - first + 1 == indices.len() as u64;
    is_run.then(|| proof.file.range(first).start..proof.file.range(last).end)
}

fn judge_chunks(
    place: &Place,
    begin: u64,
    proof: &ChunksProof,
    report: &mut Report,
) -> Result<(), CliError> {
    let file = place.open()?;
    let end = begin.saturating_add(place.bytes);
    let (mut read, mut same) = (0, Vec::new());
    let mut buffer = Vec::new();
    for chunk in &proof.chunks {
        let range = proof.file.range(chunk.index);
        let words = in_words(&proof.file, chunk);
        if range.start < begin || range.end > end {
            report.findings.push(Finding::Missing { path: words });
            continue;
        }
        let length = range.end - range.start;
        buffer.resize(usize::try_from(length).expect("8 MiB at most"), 0);
        file.read_at(range.start - begin, &mut buffer)
            .map_err(unreadable)?;
        read += length;
        let found = LeafHash::of_bytes(&buffer);
        if found == chunk.leaf {
            same.push(words);
            continue;
        }
        report.findings.push(Finding::Changed {
            path: words,
            how: format!(
                "leaf hash {} instead of {}",
                found.to_hash(),
                chunk.leaf.to_hash()
            ),
        });
    }
    let more = same.len().saturating_sub(NAMED_MAX);
    report.checked.extend(same.into_iter().take(NAMED_MAX));
    if more > 0 {
        let more = counted(more as u64, "chunk", "chunks");
        report.checked.push(format!("and {more} more"));
    }
    report.not_checked.push(format!(
        "all but {} of the file, and its digest as a whole: that the publisher took it of the same bytes",
        bytes(read)
    ));
    Ok(())
}

/// A chunk, with its bytes as HTTP and people write ranges: with the last byte.
fn in_words(file: &ChunkedFile, chunk: &ProvenChunk) -> String {
    let Range { start, end } = file.range(chunk.index);
    format!(
        "{}: chunk {}, bytes {start}-{}",
        file.path,
        chunk.index,
        end.saturating_sub(1)
    )
}
