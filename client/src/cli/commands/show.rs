//! `candor show`: what the log says about a release, a model or one record.
//!
//! Releases, records and withdrawals come from verified entries. A model's list of releases is the log's word alone, and
//! says so.

use std::collections::BTreeSet;

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, release_withdrawn, withdrawn};
use candor_core::merkle::LeafIndex;
use candor_core::record::{ModelName, ReleaseName};
use serde_json::{Value, json};

use super::list;
use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::args::{self, ShowArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, table};
use crate::cli::{Session, page};
use crate::lineage::Lineage;
use crate::log_client::{LogClient, SignedCheckpoint};
use crate::replay::Replay;

/// Runs it.
pub fn run(args: &ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let target = args.target.as_str();
    let client = session.settings.client()?;
    if let Ok(index) = args::index(target) {
        return record(&client, LeafIndex::new(index), None, session);
    }
    if let Ok(statement) = target.parse::<Sha256>() {
        session.settings.memory()?.fetch(&client)?;
        let index = client.record_by_statement(statement)?.index;
        return record(&client, index, Some(statement), session);
    }
    if let Ok(name) = target.parse::<ReleaseName>() {
        return release(&client, &name, session);
    }
    if let Ok(name) = target.parse::<ModelName>() {
        return model(&client, &name, session);
    }
    Err(CliError::Usage {
        what: format!("{target:?} is no release, model, entry or statement digest"),
        hint: "write a release as publisher/model@version, a model as publisher/model, an entry as a number; `candor publisher show NAME` shows publishers".to_owned(),
    })
}

fn release(
    client: &LogClient,
    name: &ReleaseName,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let made = make_bundle(client, &session.settings.memory()?, &Wanted::all(name))?;
    for line in page::release(&made.verified) {
        session.printer.line(line);
    }
    if let Some(words) = page::others_words(&made.others, name) {
        session.printer.line(Text::of(Tone::Warning, words));
    }
    let lineage = Lineage::of(&made.verified, Some(&made.ancestors), usize::MAX);
    for words in page::lineage::withdrawn_ancestors(&lineage) {
        session.printer.line(Text::of(Tone::Warning, words));
    }
    let records = page::records_about(name, &made.verified.records);
    let rows: Vec<Value> = records
        .iter()
        .map(|logged| {
            let mut row = page::record_json(logged);
            row["withdrawnBy"] = json!(withdrawn(logged, &records).map(|it| it.by));
            row
        })
        .collect();
    session.printer.json(&json!({
        "name": name,
        "withdrawnBy": release_withdrawn(name, &records).map(|it| it.by),
        "records": rows,
        "lineage": page::lineage::lineage_gist_json(&lineage),
        "others": page::others_json(&made.others),
        "checkpoint": page::checkpoint_json(&made.verified.checkpoint),
    }));
    Ok(Exit::Holds)
}

/// A model: its releases as the log lists them, and the newest in full.
fn model(client: &LogClient, name: &ModelName, session: &mut Session) -> Result<Exit, CliError> {
    // Its signed checkpoint shows that what answers is the log, before its word is taken for anything.
    session.settings.memory()?.fetch(client)?;
    let view = client.model(name).map_err(|error| {
        if error.is_absence() {
            CliError::Absent {
                what: format!("the log says that it has no model {name}"),
                hint: "check the name; `candor list models` lists them".to_owned(),
            }
        } else {
            error.into()
        }
    })?;
    let mut releases = view.releases;
    releases.retain(|row| row.name.model() == name);
    releases.sort_by_key(|row| row.first_index);
    let out = &mut session.printer;
    // The list is the log's word; a release by itself is proven.
    out.json(&json!({ "name": name, "releases": releases, "verified": false }));
    let Some(newest) = releases.last().map(|row| row.name.clone()) else {
        out.line(format!("{name} has no releases"));
        return Ok(Exit::Holds);
    };
    if out.is_json() {
        return Ok(Exit::Holds);
    }
    if releases.len() > 1 {
        out.line(
            Text::of(Tone::Strong, name.to_string())
                .with(Tone::Dim, "  releases, as the log lists them"),
        );
        let rows: Vec<_> = releases.iter().map(release_row).collect();
        for line in table(&rows) {
            out.line(format!("  {line}"));
        }
        out.blank();
    }
    release(client, &newest, session)
}

fn release_row(row: &crate::api::ReleaseRow) -> Vec<String> {
    let kinds: BTreeSet<_> = row.kinds.iter().map(|kind| kind.name()).collect();
    let kinds: Vec<_> = kinds.into_iter().collect();
    let withdrawn = row
        .withdrawn_by
        .map(|by| format!("WITHDRAWN by entry {by}"));
    vec![
        row.name.to_string(),
        format!("entry {}", row.first_index),
        kinds.join(", "),
        withdrawn.unwrap_or_default(),
    ]
}

/// The record at `index`, which must be the statement that was asked for, if one was.
fn record(
    client: &LogClient,
    index: LeafIndex,
    asked: Option<Sha256>,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let (logged, mut checkpoint) = look_up(client, index, asked, session)?;
    let by = listed_withdrawal(&logged, client)?;
    let withdrawal = match by {
        Some(by) => {
            // It may have come since; the record is in a tree that grew out of this one as well.
            (checkpoint, _) = session.settings.memory()?.fetch(client)?;
            let mut replay = Replay::default();
            let withdrawal = list::withdrawal(&logged, by, client, &checkpoint, &mut replay)?;
            Some(withdrawal)
        }
        None => None,
    };
    for line in page::record(&logged, withdrawal.as_ref(), &checkpoint.checkpoint) {
        session.printer.line(line);
    }
    let mut object = page::record_json(&logged);
    object["withdrawnBy"] = json!(by);
    object["checkpoint"] = page::checkpoint_json(&checkpoint.checkpoint);
    session.printer.json(&object);
    Ok(Exit::Holds)
}

/// The withdrawal that the log names for a record, if it names one.
fn listed_withdrawal(
    logged: &LoggedRecord,
    client: &LogClient,
) -> Result<Option<LeafIndex>, CliError> {
    let statement = logged.record.statement();
    // What a publisher says of itself is never withdrawn.
    if statement.release().is_none() {
        return Ok(None);
    }
    Ok(client.record_by_statement(statement.digest)?.withdrawn_by)
}

/// The same record, checked, and the tree that it is in.
pub(super) fn look_up(
    client: &LogClient,
    index: LeafIndex,
    asked: Option<Sha256>,
    session: &Session,
) -> Result<(LoggedRecord, SignedCheckpoint), CliError> {
    let (checkpoint, _) = session.settings.memory()?.fetch(client)?;
    // An index that was typed may be wrong; one that the log named has to be there.
    let entry = match asked {
        Some(_) => client.listed_entry(index, &checkpoint)?.0,
        None => client.entry(index, &checkpoint)?,
    };
    let logged = Replay::default().check_alone(client, &checkpoint, &entry)?;
    if let Some(asked) = asked.filter(|asked| *asked != logged.record.statement().digest) {
        return Err(CliError::Refuted {
            what: format!(
                "the log names entry {index} as the record with statement digest {asked}, and it is another"
            ),
            context: Vec::new(),
            hint: "keep the output, and tell the log's operator and a witness".to_owned(),
        });
    }
    Ok((logged, checkpoint))
}
