//! `candor log`: walks through the entries, and checks each: that it is in the tree, and that those signed
//! who had to.

use std::time::Duration;

use candor_core::bundle::LoggedRecord;
use candor_core::merkle::LeafIndex;

use crate::cli::args::LogArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, page};
use crate::walk::Walk;

/// How often a log is asked for something new.
const FOLLOW_WAIT: Duration = Duration::from_secs(2);

/// Runs it.
pub fn run(args: &LogArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let from = LeafIndex::new(args.from);
    let mut walk = Walk::new(&client, from);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let (mut checkpoint, _) = memory.fetch(&client)?;
    if args.from > checkpoint.size().get() && !args.follow {
        let (index, size) = (from, checkpoint.size());
        return Err(crate::log_client::LogError::NoSuchEntry { index, size }.into());
    }
    loop {
        walk.advance(&checkpoint, |logged| -> Result<bool, CliError> {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            print(&logged, session);
            Ok(left > 0 && !session.printer.is_closed())
        })?;
        if !args.follow || left == 0 || session.printer.is_closed() {
            break;
        }
        std::thread::sleep(FOLLOW_WAIT);
        // Each new checkpoint must extend the one before; `fetch` has that proven.
        (checkpoint, _) = memory.fetch(&client)?;
    }
    let walked = walk.next_index().get().saturating_sub(args.from);
    let words = format!(
        "  {}, each in the tree of {} entries and signed by its publisher",
        counted(walked, "entry", "entries"),
        checkpoint.size()
    );
    session
        .printer
        .note(Text::of(Tone::Good, "verified").with(Tone::Dim, words));
    Ok(Exit::Holds)
}

/// With `--json`, one object in each line, as they come.
fn print(logged: &LoggedRecord, session: &mut Session) {
    session.printer.line(page::row(logged));
    if session.printer.is_json() {
        session.printer.json_line(&page::record_json(logged));
    }
}
