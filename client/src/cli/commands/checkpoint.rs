//! `candor checkpoint`: the newest tree head, verified and remembered.

use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone};
use crate::cli::{Session, page};
use crate::memory::Advance;

/// Runs it.
pub fn run(session: &mut Session) -> Result<Exit, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let (checkpoint, advance) = memory.fetch(&client)?;
    let before = match advance {
        Advance::First => "the first that was seen of this log".to_owned(),
        Advance::Same => "the same tree as last time".to_owned(),
        Advance::Grown { from } => format!(
            "extends the {from} entries that were seen before, which a consistency proof shows"
        ),
        Advance::Older { newest } => format!(
            "the beginning of the {newest} entries that somebody here has seen meanwhile, which a consistency proof shows"
        ),
    };
    let out = &mut session.printer;
    out.verbatim_unless_json(checkpoint.text.as_bytes());
    out.note(
        Text::of(Tone::Good, "verified")
            .plain(format!("  signed by {}, {before}", client.key().origin())),
    );
    let mut object = page::checkpoint_json(&checkpoint.checkpoint);
    object["checkpoint"] = json!(checkpoint.text);
    object["seenBefore"] = match advance {
        Advance::First => json!(null),
        Advance::Same => json!(checkpoint.size()),
        Advance::Grown { from } => json!(from),
        Advance::Older { newest } => json!(newest),
    };
    out.json(&object);
    Ok(Exit::Holds)
}
