//! `candor release`: a folder as one signed release, and the bundle that proves it.

use std::path::{Path, PathBuf};

use candor_core::bundle::{LoggedRecord, release_withdrawn};
use candor_core::record::kinds::{ParentRecord, Source};
use candor_core::record::{Kind, Predicate, ReleaseName};
use candor_core::weights::Manifest;
use serde_json::json;

use super::parents::{self, Parents};
use super::preview;
use super::publish::{print, rows, warn, warn_of_unknown};
use crate::bundle_maker::{BundleMakerError, MadeBundle, Wanted, make_bundle};
use crate::cli::args::ReleaseArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::progress::HashingBar;
use crate::cli::records::{Content, Parts, Said, read};
use crate::cli::text::{Text, Tone, bytes, counted};
use crate::cli::{Session, files, page};
use crate::hashing::Options;
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::publish::{PublishError, check_open, publish};
use crate::sources::{Drafts, ReleaseDrafts, ReleaseFolder, release_drafts};

/// Runs it.
pub fn run(args: &ReleaseArgs, session: &mut Session) -> Result<Exit, CliError> {
    // What can go wrong early goes wrong before gigabytes are read.
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| default_path(&args.folder, &args.release));
    files::check_bundle_path(&out, &args.release)?;
    let around = if args.dry_run {
        None
    } else {
        let settings = &session.settings;
        let (client, memory) = (settings.client()?.for_writing(), settings.memory()?);
        let key = settings.secret_key()?;
        // Whatever else is the matter with the log, the folder may be wrong too, and that is said first.
        if let Err(error @ PublishError::Retired { .. }) = check_open(&client, &memory) {
            refuse_again(&settings.client()?, &memory, &args.release)?;
            return Err(error.into());
        }
        Some((client, memory, key))
    };
    let parents = parents_in_log(args, session)?;
    let ReleaseDrafts {
        drafts,
        manifest,
        config,
        warnings,
        ignored,
    } = read_drafts(args, &parents, session)?;
    let parts = all_parts(Drafts { drafts, warnings }, args)?;
    let warnings = parts.warnings.clone();
    warn(&warnings, session);
    let statements = parts.statements()?;
    let mut object = json!({
        "release": args.release,
        "files": manifest.files().len(),
        "bytes": manifest.total_bytes(),
        "config": config,
        "parents": parents,
        "warnings": warnings,
        "ignored": ignored,
    });
    let Some((client, memory, key)) = around else {
        headline(&args.release, &manifest, session);
        preview::print(&statements, session);
        object["dryRun"] = json!(true);
        object["records"] = json!(preview::rows(&statements));
        session.printer.json(&object);
        return Ok(Exit::Holds);
    };
    warn_of_unknown((&client, &memory), &statements, session)?;
    let ready = parts.sign(move || Ok(key))?;
    let published = publish(&client, &memory, &ready.records, &ready.attachments)?;
    headline(&args.release, &manifest, session);
    // From here on the records are in the log, whatever becomes of the bundle.
    print(&published, session);
    let authors = ready.records.iter();
    let authors = authors.map(|record| record.statement().publisher().clone());
    let made = make_bundle(&client, &memory, &Wanted::all(&args.release).with(authors))?;
    made.check_holds(&ready.records, &published)?;
    files::write(&out, &made.to_file()?)?;
    let records = page::records_about(&args.release, &made.verified.records);
    let withdrawn = release_withdrawn(&args.release, &records);
    if let Some(withdrawn) = &withdrawn {
        session.printer.line(page::withdrawn_line(withdrawn));
    }
    session.printer.line(
        Text::of(Tone::Dim, "bundle    ")
            .plain(out.display().to_string())
            .with(Tone::Dim, format!("  {}", shows(&made, &records))),
    );
    if let Some(words) = page::others_words(&made.others, &args.release) {
        session.printer.note(Text::of(Tone::Dim, words));
    }
    object["withdrawnBy"] = json!(withdrawn.map(|it| it.by));
    object["others"] = page::others_json(&made.others);
    object["records"] = json!(rows(&published));
    object["bundle"] = json!(out.display().to_string());
    session.printer.json(&object);
    Ok(Exit::Holds)
}

/// A release is in one log: what a retired one has is not published once more in the next.
fn refuse_again(
    client: &LogClient,
    memory: &Memory,
    release: &ReleaseName,
) -> Result<(), CliError> {
    match make_bundle(client, memory, &Wanted::own(release)) {
        Err(BundleMakerError::NoSuchRelease(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(CliError::Usage {
            what: format!(
                "{release} is in the log {}, which is retired, and is not published again",
                client.key().origin()
            ),
            hint: format!(
                "`candor verify {release}` says what is there; what is new gets a version of its own"
            ),
        }),
    }
}

/// The releases that it is made from. Only these need a log, if nothing is to be sent.
fn parents_in_log(
    args: &ReleaseArgs,
    session: &mut Session,
) -> Result<Vec<ParentRecord>, CliError> {
    if args.parent.is_empty() {
        return Ok(Vec::new());
    }
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let parents = Parents {
        release: &args.release,
        named: &args.parent,
        allow_withdrawn: args.allow_withdrawn,
    };
    parents::find(parents, (&client, &memory), session)
}

/// Reads the folder, and says what was taken for the training config, and what was left out.
fn read_drafts(
    args: &ReleaseArgs,
    parents: &[ParentRecord],
    session: &mut Session,
) -> Result<ReleaseDrafts, CliError> {
    let bar = HashingBar::new(&session.printer);
    let options = Options {
        threads: args.threads,
        known: session.settings.known_digests(),
        // What is signed is what is there now.
        reads_all: true,
        below: None,
    };
    let source = Source {
        uri: args.source_uri.clone(),
        note: args.source_note.clone(),
        digest: None,
    };
    let folder = ReleaseFolder {
        folder: &args.folder,
        release: &args.release,
        config: args.config.as_deref(),
        as_bytes: &args.as_bytes,
        from_pointers: args.from_pointers,
        source: Some(&source),
    };
    let mut read = release_drafts(folder, options, &mut |progress| bar.show(progress))?;
    drop(bar);
    for draft in &mut read.drafts {
        if let Predicate::Weights(weights) = &mut draft.predicate {
            weights.parents = parents.to_vec();
        }
    }
    if let Some(config) = &read.config {
        let words = format!("training config: {config}");
        session.printer.note(Text::of(Tone::Dim, words));
    }
    if !read.ignored.is_empty() {
        let words = format!("left out: {}", read.ignored.join(", "));
        session.printer.note(Text::of(Tone::Dim, words));
    }
    Ok(read)
}

/// What the folder became, and the files that go with it.
fn all_parts(of_folder: Drafts, args: &ReleaseArgs) -> Result<Parts, CliError> {
    let weights = of_folder
        .drafts
        .iter()
        .find(|draft| draft.predicate.kind() == Kind::Weights)
        .map(|draft| draft.sha256);
    let mut parts = Parts::from(of_folder);
    let attach: Vec<_> = args.with.iter().map(|with| with.file.clone()).collect();
    for with in &args.with {
        let said = Said {
            release: Some(&args.release),
            others_too: true,
            kind: with.kind,
            author: None,
            attach: &attach,
            source: None,
        };
        let mut content_of = |_: &ReleaseName| {
            let subject = weights.ok_or_else(|| no_weights(&args.release))?;
            Ok(Content {
                subject,
                statement: None,
            })
        };
        parts.extend(read(&with.file, &said, &mut content_of)?);
    }
    Ok(parts)
}

/// `meta-ai/opt-125m@1.0.0  9 files, 251.9 MB`.
fn headline(release: &ReleaseName, manifest: &Manifest, session: &mut Session) {
    let size = manifest
        .total_bytes()
        .map(|total| format!(", {}", bytes(total)));
    let words = format!(
        "  {}{}",
        counted(manifest.files().len() as u64, "file", "files"),
        size.unwrap_or_default()
    );
    session
        .printer
        .line(Text::of(Tone::Strong, release.to_string()).with(Tone::Dim, words));
}

/// What the bundle has, which grows with what is said about the release: `4 records, 1 of them by others, of a log with
/// 6 entries`.
fn shows(made: &MadeBundle, records: &[LoggedRecord]) -> String {
    let by_others = records
        .iter()
        .filter(|logged| logged.record.statement().publisher() != made.bundle.release.publisher());
    let by_others = match by_others.count() {
        0 => String::new(),
        count => format!(", {count} of them by others"),
    };
    format!(
        "{}{by_others}, of a log with {}",
        counted(records.len() as u64, "record", "records"),
        counted(made.verified.checkpoint.head.size.get(), "entry", "entries")
    )
}

fn no_weights(release: &ReleaseName) -> CliError {
    CliError::Usage {
        what: format!("{release} has no weights that an evaluation could be about"),
        hint: "publish the evaluation by itself, with `candor publish`".to_owned(),
    }
}

/// In the current folder; but never in the release's own, whose files the manifest has just listed.
fn default_path(folder: &Path, release: &ReleaseName) -> PathBuf {
    let name = files::bundle_path(release);
    let (Ok(here), Ok(folder)) = (Path::new(".").canonicalize(), folder.canonicalize()) else {
        return name;
    };
    match folder.parent() {
        Some(parent) if here.starts_with(&folder) => parent.join(name),
        _ => name,
    }
}
