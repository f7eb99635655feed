//! `candor list`: records, publishers and models.
//!
//! The log's lists say where to look; what is printed about a record or a publisher comes from its entry,
//! proven, checked, and held against what was asked for. So does a withdrawal that the log names. That a list is
//! complete, or that nothing was withdrawn, can't be checked; walking the log shows all of it.

use candor_core::bundle::{LoggedRecord, withdrawn};
use candor_core::merkle::LeafIndex;
use candor_core::record::Kind;
use serde_json::{Value, json};

use crate::api::ModelRow;
use crate::cli::args::{ListArgs, Listed};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, counted, grouped, table};
use crate::cli::{Session, page};
use crate::log_client::{LogClient, SignedCheckpoint, query_value};
use crate::replay::Replay;

/// Where a list by name was cut off; unlike records, names have no index to go on from.
const MORE_WORDS: &str = "there are more, and a larger `--limit N` shows them";

/// Runs it.
pub fn run(args: &ListArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.settings.client()?;
    match args.what {
        Listed::Records => records(&client, args, session)?,
        Listed::Publishers | Listed::Models
            if args.kind.is_some()
                || args.publisher.is_some()
                || args.about.is_some()
                || args.before.is_some() =>
        {
            return Err(CliError::Usage {
                what: "`--kind`, `--publisher`, `--about` and `--before` choose among records"
                    .to_owned(),
                hint: "leave them out, or list records: `candor list records --kind KIND`"
                    .to_owned(),
            });
        }
        Listed::Publishers => publishers(&client, args, session)?,
        Listed::Models => models(&client, args, session)?,
    }
    Ok(Exit::Holds)
}

fn records(client: &LogClient, args: &ListArgs, session: &mut Session) -> Result<(), CliError> {
    let kind = args.kind.map(|kind| format!("&kind={kind}"));
    let publisher = args
        .publisher
        .as_ref()
        .map(|name| format!("&publisher={name}"));
    let about = args.about.as_ref();
    let about = about.map(|release| format!("&subject={}", query_value(release)));
    let filters: String = [kind, publisher, about].into_iter().flatten().collect();
    let before = args.before.map(|index| format!("&before={index}"));
    let path = format!(
        "/api/v1/records?limit={}{filters}{}",
        args.limit.min(100),
        before.unwrap_or_default()
    );
    let limit = limit(args);
    let mut rows = Vec::new();
    let mut next = Some(path);
    while let Some(path) = next.take_if(|_| rows.len() < limit) {
        let page = client.records_page(&path)?;
        // A page without rows would have us ask for ever.
        next = page.next.filter(|_| !page.records.is_empty());
        rows.extend(page.records);
    }
    let is_more = next.is_some() || rows.len() > limit;
    rows.truncate(limit);
    let (checkpoint, _) = session.settings.memory()?.fetch(client)?;
    let mut replay = Replay::default();
    let mut list = Vec::new();
    let mut oldest = None;
    for row in rows {
        let (entry, _) = client.listed_entry(row.index, &checkpoint)?;
        let logged = replay.check_alone(client, &checkpoint, &entry)?;
        let statement = logged.record.statement();
        let is_asked = args.kind.is_none_or(|kind| kind == statement.kind())
            && args
                .publisher
                .as_ref()
                .is_none_or(|name| name == statement.publisher())
            && args
                .about
                .as_ref()
                .is_none_or(|release| Some(release) == statement.release());
        if !is_asked || row.statement != statement.digest {
            return Err(not_as_listed(
                row.index,
                "a record of those that were asked for",
            ));
        }
        if args.before.is_some_and(|before| row.index.get() >= before) {
            return Err(not_as_listed(
                row.index,
                "a record before the one that was named",
            ));
        }
        if let Some(by) = row.withdrawn_by {
            withdrawal(&logged, by, client, &checkpoint, &mut replay)?;
        }
        session.printer.line(match row.withdrawn_by {
            Some(by) => page::row(&logged).with(Tone::Bad, format!("  {}", withdrawn_words(by))),
            None => page::row(&logged),
        });
        let mut object = page::record_json(&logged);
        object["withdrawnBy"] = json!(row.withdrawn_by);
        // By the log's own clock, which nothing proves.
        object["acceptedAt"] = json!(row.accepted_at);
        list.push(object);
        oldest = Some(row.index);
    }
    // Without filters, the records are the entries.
    let all = (filters.is_empty() && args.before.is_none()).then(|| checkpoint.size().get());
    match oldest.filter(|_| is_more) {
        Some(oldest) => {
            let of = all.map_or_else(String::new, |all| format!(" of {}", grouped(all)));
            let words = format!(
                "{}{of} records, each checked; `--before {oldest}` shows more",
                list.len()
            );
            session.printer.note(Text::of(Tone::Dim, words));
        }
        None => finish(list.len(), "record", session),
    }
    session.printer.json(
        &json!({ "records": list, "checkpoint": page::checkpoint_json(&checkpoint.checkpoint) }),
    );
    Ok(())
}

fn publishers(client: &LogClient, args: &ListArgs, session: &mut Session) -> Result<(), CliError> {
    let limit = limit(args);
    let mut rows = Vec::new();
    let mut next = Some("/api/v1/publishers".to_owned());
    while let Some(path) = next.take_if(|_| rows.len() < limit) {
        let page = client.publishers_page(&path)?;
        next = page.next.filter(|_| !page.publishers.is_empty());
        rows.extend(page.publishers);
    }
    let is_more = next.is_some() || rows.len() > limit;
    rows.truncate(limit);
    let (checkpoint, _) = session.settings.memory()?.fetch(client)?;
    let mut replay = Replay::default();
    let mut list = Vec::new();
    for row in rows {
        let (entry, _) = client.listed_entry(row.index, &checkpoint)?;
        let logged = replay.check_alone(client, &checkpoint, &entry)?;
        let statement = logged.record.statement();
        if statement.kind() != Kind::Publisher || *statement.publisher() != row.name {
            let listed_as = format!("the publisher record of {}", row.name);
            return Err(not_as_listed(row.index, &listed_as));
        }
        session.printer.line(page::row(&logged));
        list.push(page::record_json(&logged));
    }
    if is_more {
        let count = counted(list.len() as u64, "publisher", "publishers");
        let words = format!("{count}, checked; {MORE_WORDS}");
        session.printer.note(Text::of(Tone::Dim, words));
    } else {
        finish(list.len(), "publisher", session);
    }
    session.printer.json(
        &json!({ "publishers": list, "checkpoint": page::checkpoint_json(&checkpoint.checkpoint) }),
    );
    Ok(())
}

fn models(client: &LogClient, args: &ListArgs, session: &mut Session) -> Result<(), CliError> {
    let limit = limit(args);
    let mut rows = Vec::new();
    let mut next = Some("/api/v1/models".to_owned());
    while let Some(path) = next.take_if(|_| rows.len() < limit) {
        let page = client.models_page(&path)?;
        next = page.next.filter(|_| !page.models.is_empty());
        rows.extend(page.models);
    }
    let is_more = next.is_some() || rows.len() > limit;
    rows.truncate(limit);
    let mut cells = Vec::new();
    let mut list = Vec::new();
    for row in &rows {
        // A question for each model, as the list does not say it.
        let withdrawn_by = client.release(&row.latest)?.withdrawn_by;
        cells.push(vec![
            row.name.to_string(),
            counted(row.releases, "release", "releases"),
            format!("newest {}", row.latest),
            withdrawn_by.map(withdrawn_words).unwrap_or_default(),
        ]);
        list.push(model_json(row, withdrawn_by));
    }
    for line in table(&cells) {
        session.printer.line(line);
    }
    if rows.is_empty() {
        session.printer.note("no models");
    } else {
        session.printer.note(Text::of(
            Tone::Dim,
            if client.has_all_entries() {
                "as all entries of the log have them; `candor show NAME` checks the signatures behind a name"
            } else {
                "as the log lists them; `candor show NAME` checks what is behind a name"
            },
        ));
    }
    if is_more {
        let count = counted(rows.len() as u64, "model", "models");
        let words = format!("{count}; {MORE_WORDS}");
        session.printer.note(Text::of(Tone::Dim, words));
    }
    session.printer.json(&json!({ "models": list }));
    Ok(())
}

/// As many as a list in memory can have.
fn limit(args: &ListArgs) -> usize {
    usize::try_from(args.limit).unwrap_or(usize::MAX)
}

fn model_json(row: &ModelRow, withdrawn_by: Option<LeafIndex>) -> Value {
    let mut object = json!(row);
    object["latestWithdrawnBy"] = json!(withdrawn_by);
    object
}

fn withdrawn_words(by: LeafIndex) -> String {
    format!("WITHDRAWN by entry {by}")
}

/// The withdrawal that the log names for `logged`: proven and checked, and shown to cover it.
pub(super) fn withdrawal(
    logged: &LoggedRecord,
    by: LeafIndex,
    client: &LogClient,
    checkpoint: &SignedCheckpoint,
    replay: &mut Replay,
) -> Result<LoggedRecord, CliError> {
    let (entry, _) = client.listed_entry(by, checkpoint)?;
    let withdrawal = replay.check_alone(client, checkpoint, &entry)?;
    if withdrawn(logged, std::slice::from_ref(&withdrawal)).is_none() {
        let listed_as = format!("the withdrawal of entry {}", logged.index);
        return Err(not_as_listed(by, &listed_as));
    }
    Ok(withdrawal)
}

/// The log named an entry as something that it is not.
fn not_as_listed(index: LeafIndex, listed_as: &str) -> CliError {
    CliError::Refuted {
        what: format!("the log lists entry {index} as {listed_as}, and it is another"),
        context: Vec::new(),
        hint: "keep the output, and tell the log's operator and a witness".to_owned(),
    }
}

fn finish(count: usize, what: &str, session: &mut Session) {
    let words = match count {
        0 => format!("no {what}s"),
        n => counted(
            n as u64,
            &format!("{what}, checked"),
            &format!("{what}s, each checked"),
        ),
    };
    session.printer.note(Text::of(Tone::Dim, words));
}
