//! `candor publish`: records made of one file.

use std::collections::BTreeSet;

use candor_core::bundle::VerifiedBundle;
use candor_core::record::kinds::Source;
use candor_core::record::{Kind, ReleaseName, Statement};
use serde_json::{Value, json};

use super::preview;
use crate::bundle_maker::{BundleMakerError, Wanted, make_bundle};
use crate::cli::args::PublishArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::records::{Content, Said, read};
use crate::cli::settings::Settings;
use crate::cli::text::{Text, Tone};
use crate::cli::{Session, files, page};
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::publish::{PublishError, Published, check_open, publish};

/// Runs it.
pub fn run(args: &PublishArgs, session: &mut Session) -> Result<Exit, CliError> {
    let source = Source {
        uri: args.source_uri.clone(),
        note: args.source_note.clone(),
        digest: None,
    };
    let said = Said {
        release: args.release.as_ref(),
        others_too: false,
        kind: args.kind,
        author: args.author.as_ref(),
        attach: &args.attach,
        source: (source != Source::default()).then_some(&source),
    };
    // Only what a log has to say of other records needs one, if nothing is to be sent.
    let around = |settings: &Settings| {
        let client = settings.client()?;
        let client = if args.dry_run {
            client
        } else {
            client.for_writing()
        };
        Ok::<_, CliError>((client, settings.memory()?))
    };
    let parts = read(&args.file, &said, &mut |release| {
        let (client, memory) = around(&session.settings)?;
        content_in_log(&client, &memory, release)
    })?;
    warn(&parts.warnings, session);
    let statements = parts.statements()?;
    if args.dry_run {
        preview::print(&statements, session);
        let warnings = &parts.warnings;
        session.printer.json(&json!({
            "dryRun": true,
            "records": preview::rows(&statements),
            "warnings": warnings,
        }));
        return Ok(Exit::Holds);
    }
    let (client, memory) = around(&session.settings)?;
    check_open(&client, &memory)?;
    warn_of_release((&client, &memory), &statements, session)?;
    warn_of_unknown((&client, &memory), &statements, session)?;
    let ready = parts.sign(|| session.settings.secret_key())?;
    let release = statements
        .first()
        .and_then(|statement| statement.release().cloned());
    if let (Some(file), Some(release)) = (&args.out, &release) {
        files::check_bundle_path(file, release)?;
    }
    let published = publish(&client, &memory, &ready.records, &ready.attachments)?;
    print(&published, session);
    let mut object = json!({ "records": rows(&published) });
    if let (Some(file), Some(release)) = (&args.out, &release) {
        let authors = ready.records.iter();
        let authors = authors.map(|record| record.statement().publisher().clone());
        let made = make_bundle(&client, &memory, &Wanted::all(release).with(authors))?;
        made.check_holds(&ready.records, &published)?;
        files::write(file, &made.to_file()?)?;
        session
            .printer
            .line(Text::of(Tone::Dim, "bundle    ").plain(file.display().to_string()));
        object["bundle"] = json!(file.display().to_string());
    }
    session.printer.json(&object);
    Ok(Exit::Holds)
}

/// Says what was left out of a record, and why.
pub(super) fn warn(warnings: &[String], session: &mut Session) {
    for warning in warnings {
        session.printer.warning(warning);
    }
}

/// Says what is odd about adding to a release, by what the log has of it: that it was withdrawn, or that it is weights,
/// which what answers behind an API has no name in common with.
fn warn_of_release(
    (client, memory): (&LogClient, &Memory),
    statements: &[Statement],
    session: &mut Session,
) -> Result<(), CliError> {
    let added = || statements.iter().filter(|it| it.kind() != Kind::Withdrawal);
    let releases: BTreeSet<_> = added().filter_map(Statement::release).collect();
    if !releases.is_empty() {
        // Another log is found out before it is asked for anything.
        memory.fetch(client).map_err(PublishError::from)?;
    }
    for release in releases {
        let view = match client.release(release) {
            Ok(view) => view,
            Err(error) if error.is_absence() => continue,
            Err(error) => return Err(PublishError::from(error).into()),
        };
        if let Some(by) = view.withdrawn_by {
            let words = format!("the log says that {release} is withdrawn by entry {by}");
            session.printer.warning(words);
        }
        let is_api =
            |it: &Statement| it.kind() == Kind::ApiVersion && it.release() == Some(release);
        if !added().any(is_api) {
            continue;
        }
        let records = client.records_by(release, release.publisher());
        let records = records.map_err(PublishError::from)?;
        if let Some(weights) = records.iter().find(|row| row.kind == Kind::Weights) {
            session.printer.warning(format!(
                "{release} has weights, entry {}: an API version has a name of its own, such as {}-api@2026-11-01, and says in `behind` which weights answer",
                weights.index,
                release.model()
            ));
        }
    }
    Ok(())
}

/// Names releases that are referred to by name alone, and that the log does not have: nothing would hold them back.
pub(super) fn warn_of_unknown(
    (client, memory): (&LogClient, &Memory),
    statements: &[Statement],
    session: &mut Session,
) -> Result<(), CliError> {
    let own: BTreeSet<_> = statements.iter().filter_map(Statement::release).collect();
    let named = statements.iter().flat_map(Statement::named_releases);
    let named: Vec<_> = named
        .filter(|(_, release)| !own.contains(release))
        .collect();
    if !named.is_empty() {
        // Another log is found out before it is asked for anything.
        memory.fetch(client).map_err(PublishError::from)?;
    }
    for (pointer, release) in named {
        let records = client.records_by(release, release.publisher());
        if !records.map_err(PublishError::from)?.is_empty() {
            continue;
        }
        session.printer.warning(format!(
            "{pointer}: the log has no record of {release} by {}; it is taken as it is written",
            release.publisher()
        ));
    }
    Ok(())
}

/// A line for each record, with its index.
pub(super) fn print(published: &[Published], session: &mut Session) {
    for it in published {
        let done = if it.created {
            "published "
        } else {
            "known     "
        };
        let line =
            Text::of(Tone::Good, done).plain(format!("entry {:<6} {}", it.index.get(), it.kind));
        session
            .printer
            .line(line.with(Tone::Dim, format!("  {}", it.statement)));
    }
}

/// The same as JSON.
pub(super) fn rows(published: &[Published]) -> Vec<Value> {
    let row = |it: &Published| {
        json!({
            "index": it.index,
            "kind": it.kind,
            "statement": it.statement,
            "created": it.created,
            "receipt": it.receipt.to_string(),
        })
    };
    published.iter().map(row).collect()
}

/// Which content of a release is meant: that of its weights, if the log has a record of them.
fn content_in_log(
    client: &LogClient,
    memory: &Memory,
    release: &ReleaseName,
) -> Result<Content, CliError> {
    let unknown = || CliError::Usage {
        what: format!(
            "the log has no record that says what {release} is, so nothing can be said about it"
        ),
        hint: "check the name; or have its publisher publish its card or its weights first"
            .to_owned(),
    };
    match make_bundle(client, memory, &Wanted::own(release)) {
        Ok(made) => content(&made.verified).ok_or_else(unknown),
        Err(BundleMakerError::NoSuchRelease(_)) => Err(unknown()),
        // It is on the way to publishing something, and what to do next is said for that.
        Err(BundleMakerError::Memory(error)) => Err(PublishError::from(error).into()),
        Err(BundleMakerError::Log(error)) => Err(PublishError::from(error).into()),
        Err(error) => Err(error.into()),
    }
}

fn content(bundle: &VerifiedBundle) -> Option<Content> {
    let records = page::records_about(&bundle.release, &bundle.records);
    let of_kind = |kind| {
        let mut statements = records.iter().map(|logged| logged.record.statement());
        let statement = statements.find(|statement| statement.kind() == kind)?;
        Some(Content {
            subject: statement.subject.sha256,
            statement: Some(statement.digest),
        })
    };
    [
        Kind::Weights,
        Kind::ApiVersion,
        Kind::ModelCard,
        Kind::TrainingConfig,
    ]
    .into_iter()
    .find_map(of_kind)
}
