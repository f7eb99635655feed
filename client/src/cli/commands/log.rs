//! `candor log`: walks through the entries, and checks each: that it is in the tree, and that those signed
//! who had to.
//!
//! ```text
//! fetch ──► walk to the end ──► wait ──► fetch ──► …         with --follow, until it is refuted
//!   ▲                                      │
//!   └───────── wait longer ◄── no telling ─┘
//! ```

use std::time::Duration;

use candor_core::bundle::LoggedRecord;
use candor_core::merkle::LeafIndex;

use crate::cli::args::LogArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, page};
use crate::log_client::{LogError, SignedCheckpoint};
use crate::memory::Advance;
use crate::walk::Walk;

/// How often a log is asked for something new.
const FOLLOW_WAIT: Duration = Duration::from_secs(2);

/// The longest wait for a log that does not answer: it may be away for days, and is missed for a minute.
const OUTAGE_WAIT_MAX: Duration = Duration::from_mins(1);

/// Runs it.
pub fn run(args: &LogArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (client, memory) = (session.settings.client()?, session.settings.memory()?);
    let from = LeafIndex::new(args.from);
    let mut walk = Walk::new(&client, from);
    let mut left = args.limit.unwrap_or(u64::MAX);
    // A log that does not answer at first is more likely misspelt than away.
    let (mut checkpoint, advance) = memory.fetch(&client)?;
    if args.from > checkpoint.size().get() && !args.follow {
        let (index, size) = (from, checkpoint.size());
        return Err(LogError::NoSuchEntry { index, size }.into());
    }
    let mut patience = Patience::default();
    let mut step = walk_on(&mut walk, &checkpoint, &mut left, session);
    while args.follow && left > 0 && !session.printer.is_closed() {
        patience.take(step, session)?;
        std::thread::sleep(patience.wait);
        // Each new checkpoint must extend the one before; `fetch` has that proven.
        let fetched = memory.fetch(&client).map_err(CliError::from);
        step = fetched.and_then(|(newer, _)| {
            checkpoint = newer;
            walk_on(&mut walk, &checkpoint, &mut left, session)
        });
    }
    step?;
    let walked = walk.next_index().get().saturating_sub(args.from);
    let words = format!(
        "  {}, each in the tree of {} entries and signed by its publisher",
        counted(walked, "entry", "entries"),
        checkpoint.size()
    );
    session
        .printer
        .note(Text::of(Tone::Good, "verified").with(Tone::Dim, words));
    for words in left_open(from, advance) {
        session
            .printer
            .note(Text::of(Tone::Dim, "not checked  ").plain(words));
    }
    Ok(Exit::Holds)
}

/// Prints the entries up to the end of the checkpoint's tree, or `left` of them.
fn walk_on(
    walk: &mut Walk<'_>,
    checkpoint: &SignedCheckpoint,
    left: &mut u64,
    session: &mut Session,
) -> Result<(), CliError> {
    walk.advance(checkpoint, |logged| {
        if *left == 0 {
            return Ok(false);
        }
        *left -= 1;
        print(&logged, session);
        Ok(*left > 0 && !session.printer.is_closed())
    })
}

/// What a walk can't say.
fn left_open(from: LeafIndex, advance: Advance) -> Vec<String> {
    let keys = (from > LeafIndex::new(0)).then(|| format!(
        "whether the log left out a change of keys before entry {from}: where those stand is its word alone; `candor log` without `--from` sees all of them"
    ));
    let first = (advance == Advance::First).then(|| {
        "whether this is the history that others see: no checkpoint of this log was seen here before"
            .to_owned()
    });
    keys.into_iter().chain(first).collect()
}

/// How a log that is followed is waited for.
struct Patience {
    /// How long until it is asked again.
    wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { wait: FOLLOW_WAIT }
    }
}

impl Patience {
    /// Passes on what ends a walk. What leaves everything open, such as an outage or an address that lags, is
    /// said once and waited out.
    fn take(&mut self, step: Result<(), CliError>, session: &mut Session) -> Result<(), CliError> {
        let is_outage = self.wait > FOLLOW_WAIT;
        match step {
            Ok(()) => {
                if is_outage {
                    session.printer.note("the log answers again");
                }
                self.wait = FOLLOW_WAIT;
                Ok(())
            }
            Err(error) if Exit::of_error(&error) == Exit::CouldNotTell => {
                if !is_outage {
                    session
                        .printer
                        .warning(format!("{error}; the log is asked again until it answers"));
                }
                self.wait = (2 * self.wait).min(OUTAGE_WAIT_MAX);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// With `--json`, one object in each line, as they come.
fn print(logged: &LoggedRecord, session: &mut Session) {
    session.printer.line(page::row(logged));
    if session.printer.is_json() {
        session.printer.json_line(&page::record_json(logged));
    }
}
