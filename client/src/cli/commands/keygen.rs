//! `candor keygen`: a new signing key.

use serde_json::json;

use crate::cli::Session;
use crate::cli::args::KeygenArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone};
use crate::keys::{KeyError, SecretKey};

/// Runs it.
pub fn run(args: &KeygenArgs, session: &mut Session) -> Result<Exit, CliError> {
    let path = args
        .out
        .clone()
        .map_or_else(|| session.settings.key_path(), Ok)?;
    // Asked before a passphrase is typed twice for nothing; `write_new` is what makes sure.
    if path.exists() {
        return Err(KeyError::Exists { path }.into());
    }
    let passphrase = if args.no_passphrase {
        None
    } else {
        Some(session.settings.new_passphrase()?)
    };
    let key = SecretKey::generate()?;
    key.write_new(&path, passphrase.as_ref().map(|text| text.as_str()))?;
    let keyid = key.public().keyid();
    let out = &mut session.printer;
    out.line(Text::of(Tone::Dim, "key id  ").plain(keyid.to_string()));
    out.line(Text::of(Tone::Dim, "file    ").plain(path.display().to_string()));
    if passphrase.is_none() {
        out.warning("the key has no passphrase: whoever reads the file can sign as you");
    }
    out.note("next: `candor publisher register NAME` registers your name with it; keep a copy of the file where it can't get lost");
    out.json(&json!({
        "path": path.display().to_string(),
        "keyid": keyid,
        "publicKey": key.public().to_base64_der(),
        "encrypted": passphrase.is_some(),
    }));
    Ok(Exit::Holds)
}
