//! `candor publisher`: a name and the keys that sign for it.

use std::path::Path;

use candor_core::Sha256;
use candor_core::bundle::LoggedRecord;
use candor_core::record::kinds::Publisher;
use candor_core::record::{
    Predicate, PublicKey, PublisherName, PublisherState, SignedRecord, Statement, SubjectName,
    to_canonical_json,
};
use serde_json::json;

use crate::cli::args::{RegisterArgs, UpdateArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone};
use crate::cli::{Session, files, page};
use crate::log_client::{LogClient, SignedCheckpoint};
use crate::publish::{self, Attachments, Published};
use crate::replay::Replay;

/// A publisher as the log's own entries show it.
struct Shown {
    state: PublisherState,
    newest: Publisher,
    history: Vec<LoggedRecord>,
}

/// `candor publisher register`.
pub fn register(args: &RegisterArgs, session: &mut Session) -> Result<Exit, CliError> {
    if let Some(file) = &args.request {
        files::check_new(file)?;
    }
    let key = session.settings.secret_key()?;
    let publisher = Publisher {
        display_name: args
            .display_name
            .clone()
            .unwrap_or_else(|| args.name.to_string()),
        url: args.url.clone(),
        contact: args.contact.clone(),
        keys: vec![key.public().clone()],
        previous: None,
        annotations: serde_json::Map::new(),
    };
    let record = publish::sign(payload(&args.name, publisher), &[&key])?;
    if let Some(file) = &args.request {
        return write_request(&record, file, session);
    }
    let sent = send(&record, session)?;
    let done = if sent.created {
        "registered"
    } else {
        "registered already"
    };
    let out = &mut session.printer;
    out.line(Text::of(Tone::Good, done).plain(format!("  {}, entry {}", args.name, sent.index)));
    out.line(Text::of(Tone::Dim, "key       ").plain(key.public().keyid().to_string()));
    print_json(&args.name, &[key.public().clone()], &sent, session);
    Ok(Exit::Holds)
}

fn write_request(
    record: &SignedRecord,
    file: &Path,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let mut text =
        serde_json::to_string_pretty(&record.envelope().to_json()).expect("an envelope is JSON");
    text.push('\n');
    files::write(file, text.as_bytes())?;
    let out = &mut session.printer;
    out.line(Text::of(Tone::Good, "written").plain(format!("  {}", file.display())));
    out.note("next: send the file to the log's operator, who admits it; nothing was sent");
    out.json(
        &json!({ "request": file.display().to_string(), "statement": record.statement().digest }),
    );
    Ok(Exit::Holds)
}

/// `candor publisher show`.
pub fn show(name: &PublisherName, session: &mut Session) -> Result<Exit, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let (checkpoint, _) = memory.fetch(&client)?;
    let shown = look_up(&client, &checkpoint, name)?;
    let out = &mut session.printer;
    let dim = |text: &str| Text::of(Tone::Dim, format!("  {text:<10}"));
    out.line(Text::of(Tone::Strong, name.as_str()));
    out.line(dim("Name").plain(&shown.newest.display_name));
    for (title, value) in [
        ("Page", &shown.newest.url),
        ("Contact", &shown.newest.contact),
    ] {
        if let Some(value) = value {
            out.line(dim(title).plain(value));
        }
    }
    for key in &shown.state.keys {
        out.line(dim("Key").plain(key.keyid().to_string()));
    }
    for retired in &shown.state.retired {
        let words = format!("  counts no longer since entry {}", retired.at);
        out.line(
            dim("Old key")
                .plain(retired.key.keyid().to_string())
                .with(Tone::Warning, words),
        );
    }
    let entries: Vec<_> = shown
        .history
        .iter()
        .map(|logged| logged.index.to_string())
        .collect();
    out.line(dim("Entries").plain(entries.join(", ")));
    let words = format!(
        "  against the checkpoint of {}",
        page::tree_words(&checkpoint.checkpoint)
    );
    out.note(Text::of(Tone::Good, "verified").with(Tone::Dim, words));
    let retired = shown.state.retired.iter();
    out.json(&json!({
        "name": name,
        "displayName": shown.newest.display_name,
        "url": shown.newest.url,
        "contact": shown.newest.contact,
        "keys": shown.state.keys,
        "retired": retired.map(|it| json!({ "keyid": it.key.keyid(), "at": it.at })).collect::<Vec<_>>(),
        "history": shown.history.iter().map(|logged| logged.index).collect::<Vec<_>>(),
        "checkpoint": page::checkpoint_json(&checkpoint.checkpoint),
    }));
    Ok(Exit::Holds)
}

/// `candor publisher update`.
pub fn update(args: &UpdateArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (name, key) = (&args.name, session.settings.secret_key()?);
    if args.display_name.is_none() && args.url.is_none() && args.contact.is_none() {
        return Err(CliError::Usage {
            what: format!("nothing of {name} would change"),
            hint: "say what: `--display-name`, `--url` or `--contact`".to_owned(),
        });
    }
    let (client, memory) = (
        session.settings.client()?.for_writing(),
        session.settings.memory()?,
    );
    let (checkpoint, _) = memory.fetch(&client)?;
    let Shown { state, newest, .. } = look_up(&client, &checkpoint, name)?;
    // An empty text takes the field away; one that was not given leaves it.
    let changed = |given: &Option<String>, now: &Option<String>| match given {
        Some(given) => Some(given.clone()).filter(|text| !text.is_empty()),
        None => now.clone(),
    };
    let wanted = Publisher {
        display_name: args
            .display_name
            .clone()
            .unwrap_or_else(|| newest.display_name.clone()),
        url: changed(&args.url, &newest.url),
        contact: changed(&args.contact, &newest.contact),
        ..newest.clone()
    };
    if wanted == newest {
        let words = format!("  {name}, entry {}", state.at);
        let out = &mut session.printer;
        out.line(Text::of(Tone::Good, "updated already").plain(words));
        out.json(&json!({ "name": name, "keys": state.keys, "index": state.at, "created": false }));
        return Ok(Exit::Holds);
    }
    let update = Publisher {
        previous: Some(state.record),
        ..wanted
    };
    let record = publish::sign(payload(name, update), &[&key])?;
    let published = send(&record, session)?;
    let words = format!("  {name}, entry {}", published.index);
    let out = &mut session.printer;
    out.line(Text::of(Tone::Good, "updated").plain(words));
    print_json(name, &state.keys, &published, session);
    Ok(Exit::Holds)
}

/// What becomes of the keys that count today.
#[derive(Clone, Copy, Debug)]
pub enum Others {
    /// Those of other people stay, and one's own too, if one likes.
    Kept {
        /// Whether one's own stays.
        and_mine: bool,
    },
    /// All are taken off the list, for good.
    Dropped,
}

/// `candor publisher rotate`.
pub fn rotate(
    name: &PublisherName,
    new_key: &Path,
    others: Others,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let new = session.settings.secret_key_in(new_key)?;
    let (client, memory) = (
        session.settings.client()?.for_writing(),
        session.settings.memory()?,
    );
    let (checkpoint, _) = memory.fetch(&client)?;
    let Shown { state, newest, .. } = look_up(&client, &checkpoint, name)?;
    let old = session.settings.secret_key()?;
    // Who signs with the very key has nothing to replace; a rotation that was done is asked for with the old one.
    let drops_others = matches!(others, Others::Dropped) && state.keys.len() > 1;
    if old.public() == new.public() && state.keys.contains(new.public()) && !drops_others {
        return Err(CliError::Usage {
            what: format!(
                "{} is the key that signs for {name} already, so nothing would change",
                new_key.display()
            ),
            hint: "make a new one with `candor keygen --out FILE`, and name that".to_owned(),
        });
    }
    let mut keys = match others {
        Others::Kept { and_mine } => {
            let mut keys = state.keys.clone();
            keys.retain(|key| and_mine || key != old.public());
            keys
        }
        Others::Dropped => Vec::new(),
    };
    if !keys.contains(new.public()) {
        keys.push(new.public().clone());
    }
    if keys == state.keys {
        session.printer.line(
            Text::of(Tone::Good, "rotated already").plain(format!("  {name}, entry {}", state.at)),
        );
        session
            .printer
            .json(&json!({ "name": name, "keys": keys, "index": state.at, "created": false }));
        return Ok(Exit::Holds);
    }
    let update = Publisher {
        keys: keys.clone(),
        previous: Some(state.record),
        ..newest
    };
    // The old key says that the change is the publisher's; the new one that whoever made it holds the key.
    let signers = if old.public() == new.public() {
        vec![&old]
    } else {
        vec![&old, &new]
    };
    let record = publish::sign(payload(name, update), &signers)?;
    let published = send(&record, session)?;
    let out = &mut session.printer;
    out.line(Text::of(Tone::Good, "rotated").plain(format!("  {name}, entry {}", published.index)));
    for key in &keys {
        out.line(Text::of(Tone::Dim, "key      ").plain(key.keyid().to_string()));
    }
    out.note(format!(
        "next: sign with the new key: `--key {}`",
        new_key.display()
    ));
    print_json(name, &keys, &published, session);
    Ok(Exit::Holds)
}

/// A publisher's state, from its own entries, each proven and checked.
fn look_up(
    client: &LogClient,
    checkpoint: &SignedCheckpoint,
    name: &PublisherName,
) -> Result<Shown, CliError> {
    let mut replay = Replay::default();
    let end = checkpoint.size().next_index();
    let history = replay.catch_up(client, checkpoint, name, end)?;
    let newest = history
        .last()
        .map(|logged| &logged.record.statement().predicate);
    match (replay.publisher(name).cloned(), newest) {
        (Some(state), Some(Predicate::Publisher(newest))) => Ok(Shown { state, newest: newest.clone(), history }),
        _ => Err(CliError::Absent {
            what: format!("the log says that it has no publisher {name}"),
            hint: "check the name; `candor list publishers` lists them, `candor publisher register NAME` adds yours".to_owned(),
        }),
    }
}

fn payload(name: &PublisherName, publisher: Publisher) -> Vec<u8> {
    let predicate = Predicate::Publisher(publisher);
    let sha256 = Sha256::of(to_canonical_json(&predicate));
    Statement::compose(&SubjectName::Publisher(name.clone()), sha256, &predicate)
}

fn send(record: &SignedRecord, session: &Session) -> Result<Published, CliError> {
    let (client, memory) = (
        session.settings.client()?.for_writing(),
        session.settings.memory()?,
    );
    let mut published = publish::publish(
        &client,
        &memory,
        std::slice::from_ref(record),
        &Attachments::new(),
    )?;
    Ok(published.pop().expect("as many are published as were sent"))
}

fn print_json(
    name: &PublisherName,
    keys: &[PublicKey],
    published: &Published,
    session: &mut Session,
) {
    session.printer.json(&json!({
        "name": name,
        "keys": keys,
        "index": published.index,
        "statement": published.statement,
        "created": published.created,
        "receipt": published.receipt.to_string(),
    }));
}
