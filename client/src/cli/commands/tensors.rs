//! `candor tensors`: the tensors of a release, as its files' headers name them; for people by name, for programs in the order
//! of the list, whose indexes proofs have.

use candor_core::weights::TensorList;
use serde_json::json;

use super::diff::{Known, known};
use crate::cli::Session;
use crate::cli::args::TensorsArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone};

/// Runs it.
pub fn run(args: &TensorsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let known = known(&args.release, &args.as_bytes, args.threads, session)?;
    print(&known, session);
    let listed = known.tensors.as_ref().map(TensorList::tensors);
    session.printer.json(&json!({
        "release": known.what,
        "root": known.tensors.as_ref().map(TensorList::root),
        "tensors": listed,
    }));
    Ok(Exit::Holds)
}

/// A line for each tensor, and one for each further place of it.
fn print(known: &Known, session: &mut Session) {
    let out = &mut session.printer;
    let line = Text::of(Tone::Strong, &known.what);
    out.line(line.with(Tone::Dim, format!("  {}", known.headline())));
    let Some(list) = &known.tensors else {
        let words =
            "no tensors are listed: none of its files is in a format whose header names them";
        out.line(Text::of(Tone::Dim, words));
        return;
    };
    let mut by_name: Vec<_> = list.tensors().iter().collect();
    by_name.sort_by(|a, b| a.tensor.name.cmp(&b.tensor.name));
    for listed in by_name {
        let tensor = &listed.tensor;
        for (n, place) in listed.places.iter().enumerate() {
            let bytes = match tensor.bytes.checked_sub(1) {
                Some(rest) => format!(
                    "bytes {}-{}",
                    place.offset,
                    place.offset.saturating_add(rest)
                ),
                None => "no bytes".to_owned(),
            };
            let where_it_is = format!("  {}  {bytes}", place.path);
            let line = match n {
                0 => Text::from(tensor.name.as_str())
                    .with(Tone::Dim, format!("  {} {:?}", tensor.dtype, tensor.shape))
                    .plain(where_it_is)
                    .with(Tone::Dim, format!("  sha256 {}", tensor.sha256)),
                _ => Text::of(Tone::Dim, "  also").plain(where_it_is),
            };
            out.line(line);
        }
    }
}
