//! `candor verify-file`: some files of a release, by themselves or in a folder.
//!
//! Always: no other file is read, and none of another size.

use std::collections::BTreeMap;

use candor_core::bundle::ProvenParts;
use candor_core::weights::{Comparison, FoundFile, Manifest, ManifestFile};

use super::folder::compare;
use super::parts::{self, Place, unreadable};
use super::report::Report;
use crate::cli::args::VerifyFileArgs;
use crate::cli::error::CliError;
use crate::cli::progress::HashingBar;
use crate::cli::text::{bytes, counted, grouped};
use crate::cli::{Session, page};
use crate::folder::Progress;
use crate::hashing::{Job, Options, hash_files, no_look};

/// How many files are named one by one.
const NAMED_MAX: usize = 20;

/// Checks the proof, and then the files.
pub(super) fn judge(args: &VerifyFileArgs, session: &Session) -> Result<Report, CliError> {
    let proof = parts::read(&args.proof, session)?;
    let ProvenParts::Files(manifest) = &proof.proven.parts else {
        return Err(parts::other_parts(&args.proof, &proof));
    };
    let files = manifest.files();
    let is_folder = args.target.is_dir();
    if !is_folder && files.len() > 1 {
        return Err(CliError::Usage {
            what: format!(
                "{} is a proof of {}, and {} is not a folder",
                args.proof.display(),
                counted(files.len() as u64, "file", "files"),
                args.target.display()
            ),
            hint: "name the folder that holds the release's files".to_owned(),
        });
    }
    let of = counted(files.len() as u64, "file", "files");
    proof.report(&of, &args.target, session, |report| {
        report.checked.push(format!(
            "{} of the {} of the weights record (entry {}), by one proof",
            counted(files.len() as u64, "file is", "files are"),
            grouped(proof.weights().files),
            proof.proven.weights
        ));
        let found = find(args, manifest, session)?;
        let comparison = Comparison::new(manifest, &found);
        compare(
            &args.target,
            &comparison,
            manifest,
            &BTreeMap::new(),
            report,
        );
        say_same(&comparison, files, report);
        report.not_checked.push(if is_folder {
            "all other files of the folder".to_owned()
        } else {
            format!(
                "its name and place: the release has it as {}",
                files[0].path
            )
        });
        Ok(())
    })
}

/// Reads the files that have the right size.
fn find(
    args: &VerifyFileArgs,
    manifest: &Manifest,
    session: &Session,
) -> Result<Vec<FoundFile>, CliError> {
    let (mut found, mut read, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    let mut below = None;
    for file in manifest.files() {
        let Some(place) = Place::named(&args.target, &file.path)? else {
            continue;
        };
        if file.size.is_none_or(|listed| listed == place.bytes) {
            read.push(found.len());
            jobs.push(Job {
                path: place.path,
                size: place.bytes,
                also: file.digest.iter().map(|(it, _)| it).collect(),
                chunks: false,
            });
        }
        below = place.below;
        found.push(FoundFile {
            path: file.path.clone(),
            size: place.bytes,
            digest: None,
        });
    }
    let options = Options {
        below: below.as_deref(),
        ..Options::default()
    };
    if jobs.is_empty() {
        return Ok(found);
    }
    let bar = HashingBar::new(&session.printer);
    let hashed = hash_files(&jobs, options, no_look, &mut |hashing| {
        bar.show(Progress::of(hashing, &found[read[hashing.job]].path));
    })
    .map_err(unreadable)?;
    for (at, hashed) in read.into_iter().zip(hashed) {
        found[at].digest = Some(hashed.digest);
    }
    Ok(found)
}

/// Names the files that are as they should be.
fn say_same(comparison: &Comparison, files: &[ManifestFile], report: &mut Report) {
    let differs = |file: &&ManifestFile| {
        let path = &file.path;
        comparison.changed.iter().any(|it| it.listed.path == *path)
            || comparison.missing.contains(path)
            || comparison.only_weakly_same.contains(path)
            || comparison.not_compared.contains(path)
    };
    let same: Vec<_> = files.iter().filter(|file| !differs(file)).collect();
    for file in same.iter().take(NAMED_MAX) {
        let strong = file.digest.iter().find(|(it, _)| it.is_strong());
        let digest = strong.map(|(it, digest)| format!(", {it} {}…", page::short(digest)));
        let size = file.size.map(|size| format!(" {}", bytes(size)));
        report.checked.push(format!(
            "{}:{}{}",
            file.path,
            size.unwrap_or_default(),
            digest.unwrap_or_default()
        ));
    }
    if same.len() > NAMED_MAX {
        let more = counted((same.len() - NAMED_MAX) as u64, "file", "files");
        report.checked.push(format!("and {more} more"));
    }
}
