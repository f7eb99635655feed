//! A folder, held against the manifest of a release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

use candor_core::bundle::VerifiedBundle;
use candor_core::merkle::LeafIndex;
use candor_core::record::Algorithm;
use candor_core::weights::{Change, ChunkList, Chunks, Comparison, FilePath, Manifest};
use candor_oms::Bundle;

use super::policy::Gate;
use super::report::{Doubt, Finding, Report};
use crate::cli::Session;
use crate::cli::args::VerifyArgs;
use crate::cli::error::CliError;
use crate::cli::page;
use crate::cli::progress::HashingBar;
use crate::cli::text::{algorithms, bytes, counted};
use crate::folder::{FolderError, Progress, Unlistable, look_at_listed};
use crate::hashing::{FileError, Hashed, Job, OpenFile, Options, hash_files, is_computed, no_look};
use crate::sources::lfs;

/// How a folder is held against a release.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    /// Whether what a release never lists is refused too.
    is_strict: bool,
    /// The bundle that the folder is held against, which may lie in it.
    bundle: Option<&'a Path>,
    /// Whether files are read whose digests are remembered.
    reads_all: bool,
    threads: Option<NonZeroUsize>,
    /// What looks at each file as it is hashed.
    gate: Option<&'a Gate>,
}

impl<'a> How<'a> {
    pub(super) fn new(args: &VerifyArgs, bundle: Option<&'a Path>, gate: Option<&'a Gate>) -> Self {
        Self {
            gate,
            is_strict: args.strict,
            bundle,
            reads_all: args.reread,
            threads: args.threads,
        }
    }
}

/// How many chunks of a file are named that differ.
const CHUNKS_NAMED_MAX: usize = 5;

/// What signatures in the form of the `OpenSSF` end with.
const SIGNATURE_SUFFIX: &str = ".sig";

/// How many bytes of a file are read that may be a signature: those that say so are the first.
const SNIFFED: usize = 1_024;

/// What a user can do who has weak digests only.
const STRONGER_HINT: &str =
    "look for stronger evidence, such as SHA-256 digests from the publisher";

/// Holds a folder against the release's weights.
pub(super) fn judge(
    bundle: &VerifiedBundle,
    folder: &Path,
    how: How<'_>,
    session: &Session,
    report: &mut Report,
) -> Result<(), CliError> {
    let release = &bundle.release;
    let Some((index, _)) = bundle.weights() else {
        report.doubts.push(Doubt {
            words: format!("{release} has no weights record, so nothing says which files it is"),
            hint: format!("ask {} to publish the weights, too", release.publisher()),
            is_of_weak_digests: false,
        });
        return Ok(());
    };
    let Some(manifest) = bundle.manifests.get(&index) else {
        report.doubts.push(Doubt {
            words: "the manifest, the list of the release's files, is not in the bundle".to_owned(),
            hint: format!("get another bundle, or ask the log: `candor verify DIR --as {release}`"),
            is_of_weak_digests: false,
        });
        return Ok(());
    };
    let bar = HashingBar::new(&session.printer);
    let options = Options {
        threads: how.threads,
        known: session.settings.known_digests(),
        reads_all: how.reads_all,
        ..Options::default()
    };
    let look = |path: &FilePath, file: &OpenFile| match how.gate {
        Some(gate) => gate.look(path, file),
        None => Ok(()),
    };
    let found = look_at_listed(folder, release, manifest, options, &look, &mut |progress| {
        bar.show(progress);
    });
    drop(bar);
    let found = match found {
        Err(error @ FolderError::TooManyFiles { .. }) => {
            let words = error.to_string();
            report.findings.push(Finding::Broken { words });
            return Ok(());
        }
        found => found?,
    };
    let mut comparison = Comparison::new(manifest, &found.files);
    if comparison.is_proven() && found.unlistable.is_empty() {
        say_same(manifest, index, found.known_files, report);
    }
    say_known(found.known_files, report);
    for Unlistable {
        path,
        what,
        is_link,
    } in found.unlistable
    {
        let listed = comparison
            .missing
            .iter()
            .position(|missing| missing.as_str() == path);
        report.findings.push(match listed {
            // It is there, and not as a file.
            Some(at) => {
                comparison.missing.remove(at);
                if is_link {
                    Finding::Linked { path }
                } else {
                    Finding::Changed { path, how: what }
                }
            }
            None => Finding::Extra {
                path,
                what: Some(what),
            },
        });
    }
    judge_left_out(folder, found.ignored, how, report);
    let chunks = match bundle.chunk_lists.get(&index) {
        Some(list) => {
            let bar = HashingBar::new(&session.printer);
            // That a file differs stands, whatever becomes of looking where.
            changed_chunks(folder, &comparison, list, how, &bar).unwrap_or_default()
        }
        None => BTreeMap::new(),
    };
    compare(folder, &comparison, manifest, &chunks, report);
    Ok(())
}

/// Says that the files are those of the weights record at `index`.
pub(super) fn say_same(
    manifest: &Manifest,
    index: LeafIndex,
    known_files: u64,
    report: &mut Report,
) {
    let size = manifest
        .total_bytes()
        .map(|total| format!(", {}", bytes(total)));
    let files = counted(manifest.files().len() as u64, "file", "files");
    // Who reads this line alone must not take for read what was not.
    let known = match known_files {
        0 => String::new(),
        known => format!(", {known} of them by digests that were taken before"),
    };
    report.checked.push(format!(
        "{files}{}, are those of the weights record (entry {index}){known}",
        size.unwrap_or_default()
    ));
}

/// Says how many files were not read again.
pub(super) fn say_known(known_files: u64, report: &mut Report) {
    if known_files > 0 {
        let files = counted(known_files, "file", "files");
        report.not_checked.push(format!(
            "the bytes of {files} that nobody wrote to, by their times, since they were last read: `--reread` reads them"
        ));
    }
}

/// What a release never lists is named, so that nobody takes it for checked.
pub(super) fn judge_left_out(
    folder: &Path,
    mut left_out: Vec<String>,
    how: How<'_>,
    report: &mut Report,
) {
    if !how.is_strict {
        if !left_out.is_empty() {
            report.not_checked.push(format!(
                "what is in {}, which a release never lists: `--strict` refuses it",
                left_out.join(", ")
            ));
        }
        return;
    }
    // The bundle that everything was held against has been checked itself.
    if let Some(bundle) = how.bundle.and_then(|it| it.canonicalize().ok()) {
        left_out.retain(|name| folder.join(name).canonicalize().ok().as_ref() != Some(&bundle));
    }
    let findings = left_out.into_iter().map(|path| Finding::LeftOut { path });
    report.findings.extend(findings);
}

/// Which chunks of large files are others, in words: where a download went wrong, one of thousands is.
fn changed_chunks<'a>(
    folder: &Path,
    comparison: &'a Comparison,
    list: &ChunkList,
    how: How<'_>,
    bar: &HashingBar,
) -> Result<BTreeMap<&'a FilePath, String>, FileError> {
    let large = comparison.changed.iter().filter_map(|change| {
        let path = &change.listed.path;
        let is_as_long = change.listed.size == Some(change.found.size);
        Some((path, list.of(path).filter(|_| is_as_long)?))
    });
    let large: Vec<_> = large.collect();
    let job = |(path, chunks): &(&FilePath, &Chunks)| Job {
        path: folder.join(path.as_str()),
        size: chunks.file_bytes(),
        also: Vec::new(),
        chunks: true,
    };
    if large.is_empty() {
        return Ok(BTreeMap::new());
    }
    let jobs: Vec<_> = large.iter().map(job).collect();
    let options = Options {
        threads: how.threads,
        below: Some(folder),
        ..Options::default()
    };
    let hashed = hash_files(&jobs, options, no_look, &mut |hashing| {
        bar.show(Progress::of(hashing, large[hashing.job].0));
    })?;
    let words = |((path, chunks), hashed): ((&'a FilePath, &Chunks), Hashed<()>)| {
        let leaves = hashed.chunks.unwrap_or_default();
        (path, chunks_in_words(chunks, &chunks.differing(&leaves)))
    };
    Ok(large.into_iter().zip(hashed).map(words).collect())
}

/// Which chunks these are, as HTTP and people write ranges: with the last byte.
fn chunks_in_words(chunks: &Chunks, differing: &[usize]) -> String {
    let count = chunks.count();
    if differing.is_empty() {
        return format!(
            "; but all of its {count} chunks are as listed, so that the record contradicts itself, or somebody wrote to the file"
        );
    }
    let range = |chunk: &usize| {
        let Range { start, end } = chunks.range(*chunk);
        format!("{start}-{}", end.saturating_sub(1))
    };
    let (named, others) = differing.split_at(differing.len().min(CHUNKS_NAMED_MAX));
    let mut ranges: Vec<_> = named.iter().map(range).collect();
    if !others.is_empty() {
        ranges.push(format!("and {} more", others.len()));
    }
    format!(
        ", in {} of its {count} chunks: bytes {}",
        differing.len(),
        ranges.join(", ")
    )
}

/// Says what the files are that were compared with their manifest.
pub(super) fn compare(
    folder: &Path,
    comparison: &Comparison,
    manifest: &Manifest,
    chunks: &BTreeMap<&FilePath, String>,
    report: &mut Report,
) {
    let findings = &mut report.findings;
    findings.extend(comparison.changed.iter().map(|change| Finding::Changed {
        path: change.listed.path.to_string(),
        how: how(change)
            + chunks.get(&change.listed.path).map_or("", String::as_str)
            + lfs::words(folder, &change.listed, change.found.size).unwrap_or_default(),
    }));
    findings.extend(comparison.missing.iter().map(|path| Finding::Missing {
        path: path.to_string(),
    }));
    findings.extend(comparison.extra.iter().map(|path| extra(folder, path)));
    let weak = &comparison.only_weakly_same;
    if !weak.is_empty() {
        let files = counted(
            weak.len() as u64,
            "file has the digests",
            "files have the digests",
        );
        let compared = listed_algorithms(manifest, weak, is_computed);
        let others = listed_algorithms(manifest, weak, |it, digest| !is_computed(it, digest));
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!("; those by {} were not compared", algorithms(others)),
        };
        report.doubts.push(Doubt {
            words: format!(
                "{files} that are listed, by {} alone: other files can be made to have the same ones{others}",
                algorithms(&compared)
            ),
            hint: STRONGER_HINT.to_owned(),
            is_of_weak_digests: true,
        });
    }
    let unknown = &comparison.not_compared;
    if !unknown.is_empty() {
        let files = counted(unknown.len() as u64, "file has", "files have");
        report.doubts.push(Doubt {
            words: format!(
                "{files} only digests by {}, which this program does not compute",
                algorithms(&listed_algorithms(manifest, unknown, |_, _| true))
            ),
            hint: STRONGER_HINT.to_owned(),
            is_of_weak_digests: false,
        });
    }
}

/// A file that is not listed.
fn extra(folder: &Path, path: &FilePath) -> Finding {
    if is_signature(folder, path) {
        return Finding::Proof {
            path: path.to_string(),
            what: "an OMS signature, which is not part of the release",
            hint: "move the signature out of the folder; to have it in the release, run `candor oms sign` before `candor release`",
        };
    }
    Finding::Extra {
        path: path.to_string(),
        what: None,
    }
}

/// Whether the file at `path` looks like what `candor oms sign` writes. What it signs is not looked at.
fn is_signature(folder: &Path, path: &FilePath) -> bool {
    let (name, path) = (path.as_str(), folder.join(path.as_str()));
    let beginning = || {
        let size = fs::symlink_metadata(&path).ok()?.len();
        let mut beginning = vec![0; usize::try_from(size).map_or(SNIFFED, |it| it.min(SNIFFED))];
        let file = OpenFile::open(&path, Some(folder), size).ok()?;
        file.read_at(0, &mut beginning).ok()?;
        Some(beginning)
    };
    name.ends_with(SIGNATURE_SUFFIX) && beginning().is_some_and(|it| Bundle::looks_like_one(&it))
}

/// The algorithms of the digests that `manifest` lists of the files at `paths`, of those that are `wanted`.
fn listed_algorithms(
    manifest: &Manifest,
    paths: &[FilePath],
    wanted: impl Fn(Algorithm, &str) -> bool,
) -> Vec<Algorithm> {
    let paths: BTreeSet<_> = paths.iter().collect();
    let files = manifest.files().iter();
    let algorithms: BTreeSet<_> = files
        .filter(|file| paths.contains(&file.path))
        .flat_map(|file| file.digest.iter())
        .filter(|(algorithm, digest)| wanted(*algorithm, digest))
        .map(|(algorithm, _)| algorithm)
        .collect();
    algorithms.into_iter().collect()
}

fn how(change: &Change) -> String {
    let found = change.found.size;
    if let Some(listed) = change.listed.size.filter(|listed| *listed != found) {
        return format!("{found} bytes instead of {listed}");
    }
    let found = change.found.digest.iter();
    let mut common = found.flat_map(|found| change.listed.digest.in_common(found));
    let differing = common.find(|(_, listed, found)| listed != found);
    differing
        .map(|(algorithm, listed, found)| {
            let (found, listed) = (page::short(found), page::short(listed));
            format!("{algorithm} {found}… instead of {listed}…")
        })
        .unwrap_or_default()
}
