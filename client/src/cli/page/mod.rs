//! Verified records as pages that people read.
//!
//! Always: what stands on a page comes from records that passed their checks, and goes to the printer as
//! [`Text`], which leaves nothing in it that a terminal would obey.

mod fields;
mod kinds;
pub mod lineage;
mod results;

use candor_core::bundle::{LoggedRecord, VerifiedBundle, Withdrawn, release_withdrawn, withdrawn};
use candor_core::note::Checkpoint;
use candor_core::record::{Kind, Record, ReleaseName};
use serde_json::{Value, json};

use super::text::{Text, Tone, counted, one_line};
use crate::bundle_maker::Others;
use fields::Fields;

/// A release: everything that its records say, one section each.
pub fn release(bundle: &VerifiedBundle) -> Vec<Text> {
    let records = records_about(&bundle.release, &bundle.records);
    let mut lines = vec![Text::of(Tone::Strong, bundle.release.to_string())];
    if let Some(withdrawn) = release_withdrawn(&bundle.release, &records) {
        lines.push(withdrawn_line(&withdrawn));
    }
    for logged in &records {
        lines.push(Text::new());
        lines.extend(section(logged, &records));
    }
    lines.push(Text::new());
    lines.push(proven_by(&bundle.checkpoint));
    lines
}

/// One record, and the withdrawal that covers it.
pub fn record(
    logged: &LoggedRecord,
    withdrawal: Option<&LoggedRecord>,
    checkpoint: &Checkpoint,
) -> Vec<Text> {
    let statement = logged.record.statement();
    let mut lines = vec![Text::of(Tone::Strong, statement.subject.name.to_string())];
    if let Some(withdrawn) = withdrawal.and_then(|it| withdrawn(logged, std::slice::from_ref(it))) {
        lines.push(withdrawn_line(&withdrawn));
    }
    lines.push(Text::new());
    lines.extend(section(logged, std::slice::from_ref(logged)));
    let mut fields = Fields::new();
    fields.row("Statement", &statement.digest.to_string());
    lines.extend(fields.into_lines());
    lines.push(Text::new());
    lines.push(proven_by(checkpoint));
    lines
}

/// One record, as JSON.
pub fn record_json(logged: &LoggedRecord) -> Value {
    let statement = logged.record.statement();
    let keyids: Vec<_> = logged
        .record
        .signed_by()
        .iter()
        .map(|key| key.keyid().to_string())
        .collect();
    json!({
        "index": logged.index,
        "kind": statement.kind(),
        "publisher": statement.publisher(),
        "subject": { "name": statement.subject.name.to_string(), "sha256": statement.subject.sha256 },
        "statement": statement.digest,
        "signedBy": keyids,
        "statementJson": statement.json(),
        "envelope": logged.record.envelope().to_json(),
    })
}

/// A checkpoint, as JSON.
pub fn checkpoint_json(checkpoint: &Checkpoint) -> Value {
    json!({
        "origin": checkpoint.origin,
        "size": checkpoint.head.size,
        "root": checkpoint.head.root,
    })
}

/// One record in one line: `  4711  weights  meta-ai/opt-125m@1.0.0  9 files, 251.9 MB`.
pub fn row(logged: &LoggedRecord) -> Text {
    let statement = logged.record.statement();
    let subject = statement.subject.name.to_string();
    let by = match statement.release() {
        Some(release) if release.publisher() != statement.publisher() => {
            format!("  by {}", statement.publisher())
        }
        _ => String::new(),
    };
    Text::of(Tone::Dim, format!("{:>6}", logged.index.get()))
        .plain(format!("  {:<15}  ", statement.kind().name()))
        .with(Tone::Strong, subject)
        .plain(by)
        .with(
            Tone::Dim,
            format!("  {}", one_line(&kinds::gist(&statement.predicate), 60)),
        )
}

/// The records about a release, whoever signed them; a bundle has its publishers' records besides.
pub fn records_about(release: &ReleaseName, records: &[LoggedRecord]) -> Vec<LoggedRecord> {
    let is_about = |logged: &&LoggedRecord| logged.record.statement().release() == Some(release);
    records.iter().filter(is_about).cloned().collect()
}

/// What others say of a release beyond what is shown; nothing if it is all there.
pub fn others_words(others: &Others, release: &ReleaseName) -> Option<String> {
    if others.taken == others.listed && !others.is_more {
        return None;
    }
    let listed = counted(others.listed as u64, "record", "records");
    let over = if others.is_more { "over " } else { "" };
    Some(format!(
        "{over}{listed} by others are listed about {release}, and {} of them are looked at: `candor list --about {release}` goes through all",
        others.taken
    ))
}

/// The same as JSON.
pub fn others_json(others: &Others) -> Value {
    json!({ "listed": others.listed, "more": others.is_more, "taken": others.taken })
}

/// `withdrawn by entry 12 (security): …`.
pub fn withdrawn_words(withdrawn: &Withdrawn<'_>) -> String {
    let it = withdrawn.withdrawal;
    let instead = it
        .replacement
        .as_ref()
        .map(|release| format!(" Use {release} instead."));
    let explanation = one_line(&it.explanation, usize::MAX);
    let stop = if explanation.ends_with(['.', '!', '?']) || instead.is_none() {
        ""
    } else {
        "."
    };
    format!(
        "withdrawn by entry {} ({}): {explanation}{stop}{}",
        withdrawn.by,
        it.reason.name(),
        instead.unwrap_or_default()
    )
}

/// The same as a line of its own.
pub fn withdrawn_line(withdrawn: &Withdrawn<'_>) -> Text {
    let words = withdrawn_words(withdrawn);
    let words = words.trim_start_matches("withdrawn");
    Text::of(Tone::Bad, "WITHDRAWN").plain(words)
}

/// `signed by meta-ai (key 93054051d7ad)`.
pub fn signed_by(record: &Record) -> String {
    let keys: Vec<_> = record
        .signed_by()
        .iter()
        .map(|key| short(&key.keyid().to_string()))
        .collect();
    let word = if keys.len() == 1 { "key" } else { "keys" };
    format!(
        "signed by {} ({word} {})",
        record.statement().publisher(),
        keys.join(", ")
    )
}

/// The first twelve digits of a digest: enough to tell some things apart, not to prove anything.
pub fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn section(logged: &LoggedRecord, records: &[LoggedRecord]) -> Vec<Text> {
    let statement = logged.record.statement();
    let heading = Text::of(Tone::Strong, title(statement.kind())).with(
        Tone::Dim,
        format!("  entry {}, {}", logged.index, signed_by(&logged.record)),
    );
    let mut lines = vec![heading];
    if let Some(withdrawn) = withdrawn(logged, records) {
        lines.push(
            Text::from("  ")
                .with(Tone::Bad, "WITHDRAWN")
                .plain(format!(" by entry {}", withdrawn.by)),
        );
    }
    lines.extend(kinds::lines(statement, records));
    lines
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Publisher => "Publisher",
        Kind::ModelCard => "Model card",
        Kind::Weights => "Weights",
        Kind::TrainingConfig => "Training config",
        Kind::ApiVersion => "API version",
        Kind::Evaluation => "Evaluation",
        Kind::Withdrawal => "Withdrawal",
    }
}

fn proven_by(checkpoint: &Checkpoint) -> Text {
    let root = checkpoint.head.root;
    let words = format!(
        "  against the checkpoint of {}, root {root}",
        tree_words(checkpoint)
    );
    Text::of(Tone::Good, "verified").with(Tone::Dim, words)
}

/// `example.org/candor with 12 entries`.
pub fn tree_words(checkpoint: &Checkpoint) -> String {
    let size = counted(checkpoint.head.size.get(), "entry", "entries");
    format!("{} with {size}", checkpoint.origin)
}
