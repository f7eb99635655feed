//! `candor schema`: what a record may say, by the very file that logs validate with.

use candor_core::record::{COMMON_SCHEMA_TEXT, Kind, schema_text};
use serde_json::Value;

use crate::cli::Session;
use crate::cli::exit::Exit;

/// Prints the schema of a kind, or what all of them have in common.
pub fn run(kind: Option<Kind>, session: &mut Session) -> Exit {
    let text = kind.map_or(COMMON_SCHEMA_TEXT, schema_text);
    session.printer.verbatim_unless_json(text.as_bytes());
    let schema: Value = serde_json::from_str(text).expect("schemas are JSON");
    session.printer.json(&schema);
    Exit::Holds
}
