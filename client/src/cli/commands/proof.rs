//! `candor proof`: an entry's inclusion proof as C2SP `tlog-proof@v1`, made from tiles.
//!
//! Always: no file is overwritten, and that is found out before the log is asked.

use candor_core::bundle::Receipt;
use candor_core::merkle::LeafIndex;
use serde_json::{Value, json};

use crate::cli::args::ProofArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone};
use crate::cli::{Session, files};

/// Runs it.
pub fn run(args: &ProofArgs, session: &mut Session) -> Result<Exit, CliError> {
    check_files(args)?;
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let (checkpoint, _) = memory.fetch(&client)?;
    let (entry, path) = client.entry_and_proof(LeafIndex::new(args.index), &checkpoint)?;
    let receipt = Receipt {
        extra: None,
        index: entry.index,
        path,
        checkpoint: checkpoint.text.clone(),
    };
    let text = receipt.to_string();
    if let Some(file) = &args.entry {
        files::write(file, entry.entry.as_bytes())?;
    }
    let out = &mut session.printer;
    match &args.out {
        Some(file) => files::write(file, text.as_bytes())?,
        None => out.verbatim_unless_json(text.as_bytes()),
    }
    let words = format!(
        "  entry {} is in the log {} of {} entries",
        entry.index,
        client.key().origin(),
        checkpoint.size()
    );
    out.note(Text::of(Tone::Good, "verified").plain(words));
    let envelope: Value = serde_json::from_slice(entry.entry.as_bytes()).unwrap_or_default();
    out.json(&json!({
        "index": entry.index,
        "size": checkpoint.size(),
        "hashes": receipt.path,
        "checkpoint": checkpoint.text,
        "proof": text,
        "entry": envelope,
    }));
    Ok(Exit::Holds)
}

/// Each file is a new one, and they are two.
fn check_files(args: &ProofArgs) -> Result<(), CliError> {
    for file in [&args.out, &args.entry].into_iter().flatten() {
        files::check_new(file)?;
    }
    match (&args.out, &args.entry) {
        // What is there by now is a pipe or a device, which takes one after the other.
        (Some(out), Some(entry)) if !out.exists() && files::is_same_file(out, entry) => {
            Err(CliError::Usage {
                what: format!(
                    "`--out` and `--entry` both name {}, and only one of them fits into it",
                    out.display()
                ),
                hint: "name two files, or leave one of the flags out".to_owned(),
            })
        }
        _ => Ok(()),
    }
}
