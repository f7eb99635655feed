//! `candor release`: a folder as one signed release, and the bundle that proves it.

use std::path::{Path, PathBuf};

use candor_core::bundle::LoggedRecord;
use candor_core::record::{Kind, ReleaseName};
use serde_json::json;

use super::publish::{print, rows, warn};
use crate::bundle_maker::{MadeBundle, Wanted, make_bundle};
use crate::cli::args::ReleaseArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::progress::HashingBar;
use crate::cli::records::{Content, Read, Ready, Said, read};
use crate::cli::text::{Text, Tone, bytes, counted};
use crate::cli::{Session, files, page};
use crate::publish::publish;
use crate::sources::{ReleaseDrafts, release_drafts};
use crate::standing::release_withdrawn;

/// Runs it.
pub fn run(args: &ReleaseArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    // What can go wrong early goes wrong before gigabytes are read.
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| default_path(&args.folder, &args.release));
    files::check_bundle_path(&out, &args.release)?;
    let key = session.settings.secret_key()?;
    let bar = HashingBar::new(&session.printer);
    let ReleaseDrafts {
        drafts,
        manifest,
        warnings,
        ignored,
    } = release_drafts(
        &args.folder,
        &args.release,
        args.config.as_deref(),
        &mut |progress| bar.show(progress),
    )?;
    drop(bar);
    warn(&warnings, session);
    if !ignored.is_empty() {
        session.printer.note(Text::of(
            Tone::Dim,
            format!("left out: {}", ignored.join(", ")),
        ));
    }
    let weights = drafts
        .iter()
        .find(|draft| draft.predicate.kind() == Kind::Weights)
        .map(|draft| draft.sha256);
    let mut ready = Ready::default();
    ready.sign(drafts, &key)?;
    let said = Said {
        release: Some(&args.release),
        others_too: true,
        kind: None,
        author: None,
        attach: &args.with,
        source: None,
    };
    for file in &args.with {
        let mut content_of = |_: &ReleaseName| {
            let subject = weights.ok_or_else(|| no_weights(&args.release))?;
            Ok(Content {
                subject,
                statement: None,
            })
        };
        match read(file, &said, &mut content_of)? {
            Read::Signed(record, attachments) => ready.add(*record, attachments),
            Read::Drafts(extra) => {
                warn(&extra.warnings, session);
                ready.sign(extra.drafts, &key)?;
            }
        }
    }
    let published = publish(&client, &memory, &ready.records, &ready.attachments)?;
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
        .line(Text::of(Tone::Strong, args.release.to_string()).with(Tone::Dim, words));
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
    session.printer.json(&json!({
        "release": args.release,
        "withdrawnBy": withdrawn.map(|it| it.by),
        "others": page::others_json(&made.others),
        "records": rows(&published),
        "bundle": out.display().to_string(),
        "files": manifest.files().len(),
        "bytes": manifest.total_bytes(),
        "warnings": warnings,
        "ignored": ignored,
    }));
    Ok(Exit::Holds)
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
