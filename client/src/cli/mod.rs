//! The command `candor`.
//!
//! ```text
//! argv ──► args (what was typed) ──► settings (what is meant) ──► commands ──► printer
//!                                                                    └──► CliError ──► exit
//! ```
//!
//! Always: only [`printer`] writes to the terminal, and only [`exit`] decides exit codes.

pub mod args;
pub mod commands;
pub mod error;
pub mod exit;
pub mod files;
#[cfg(unix)]
pub mod mirrors;
pub mod page;
pub mod printer;
pub mod progress;
pub mod records;
mod reference;
pub mod report_files;
pub mod settings;
pub mod text;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, Common, OmsCommand, PublisherCommand, ReportArgs};
use error::CliError;
use exit::Exit;
use printer::Printer;
use settings::{Settings, Surroundings};

/// How many logs are gone through, each of which goes on in the next.
const SHARDS_MAX: usize = 16;

/// What a command works with.
pub struct Session {
    /// What is meant.
    pub settings: Settings,
    /// Where it goes.
    pub printer: Printer,
}

/// Runs the process's own command line.
pub fn main() -> ExitCode {
    run_with(std::env::args_os(), Surroundings::of_process(), |common| {
        Printer::of_process(common.color, common.json, common.quiet)
    })
    .into()
}

/// Runs a command line in surroundings, and with a printer, of the caller's making.
pub fn run_with(
    args: impl IntoIterator<Item = OsString>,
    around: Surroundings,
    printer: impl FnOnce(&Common) -> Printer,
) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(mut cli) => {
            cli.common.json |= cli.command.prints_json();
            let printer = printer(&cli.common);
            run(cli, around, printer)
        }
        Err(error) => {
            // What could not be parsed still says whether a program is reading.
            let json = args.iter().any(|arg| arg == "--json");
            printer(&Common {
                json,
                ..Common::default()
            })
            .usage(&error);
            // Help and version go to stdout and are no errors; the rest is wrong usage.
            if error.use_stderr() {
                ReportArgs::write_wrong_usage(&args, &error);
                Exit::BadInput
            } else {
                Exit::Holds
            }
        }
    }
}

fn run(cli: Cli, around: Surroundings, printer: Printer) -> Exit {
    let mut session = match Settings::new(cli.common, around) {
        Ok(mut settings) => {
            settings.show_progress(printer.shows_progress());
            Session { settings, printer }
        }
        Err(error) => {
            if let Command::Verify(args) = &cli.command {
                commands::verify::report_error(args, &error);
            }
            return fail(printer, &error);
        }
    };
    let exit = match dispatch_in_shards(&cli.command, &mut session) {
        Ok(exit) => exit,
        Err(error) => return fail(session.printer, &error),
    };
    match session.printer.lost_output() {
        // Whoever reads it has less than was found, and must not take it for all.
        Some(error) => fail(session.printer, &CliError::Output(error)),
        None => exit,
    }
}

fn fail(mut printer: Printer, error: &CliError) -> Exit {
    printer.error(error);
    Exit::of_error(error)
}

/// Runs a command in the log that is meant, or in one that it goes on in: what is sent goes where records are taken, and
/// what the one does not have, the next may.
///
/// Each next log is named, with its key, by the last checkpoint of the one before.
fn dispatch_in_shards(command: &Command, session: &mut Session) -> Result<Exit, CliError> {
    let mut seen = Vec::new();
    loop {
        let ended = dispatch(command, session);
        let goes_on = match &ended {
            // What is withdrawn is in this log.
            Err(error) if error.is_retirement() => !matches!(command, Command::Withdraw(_)),
            Err(error) => error.is_absence() || error.is_of_another_log(),
            Ok(_) => false,
        };
        let Some((origin, retirement)) = session.settings.retirement() else {
            return ended;
        };
        let Some(next) = retirement.next else {
            return ended;
        };
        let words = format!(
            "{origin} is retired, and goes on as {} at {}",
            next.key.origin(),
            next.url()
        );
        if !goes_on {
            if command.asks_a_log() {
                session.printer.note(words);
            }
            return ended;
        }
        seen.push(origin);
        if seen.len() > SHARDS_MAX || seen.contains(&next.key.origin()) {
            return ended;
        }
        session.printer.note(format!("{words}; looking there"));
        session.settings.go_on_in(next);
    }
}

fn dispatch(command: &Command, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        Command::Keygen(args) => commands::keygen::run(args, session),
        Command::Publisher(PublisherCommand::Register(args)) => {
            commands::publisher::register(args, session)
        }
        Command::Publisher(PublisherCommand::Show { name }) => {
            commands::publisher::show(name, session)
        }
        Command::Publisher(PublisherCommand::Update(args)) => {
            commands::publisher::update(args, session)
        }
        Command::Publisher(PublisherCommand::Rotate {
            name,
            new_key,
            keep_old,
            drop_others,
        }) => {
            let others = if *drop_others {
                commands::publisher::Others::Dropped
            } else {
                commands::publisher::Others::Kept {
                    and_mine: *keep_old,
                }
            };
            commands::publisher::rotate(name, new_key, others, session)
        }
        Command::Release(args) => commands::release::run(args, session),
        Command::Publish(args) => commands::publish::run(args, session),
        Command::Withdraw(args) => commands::withdraw::run(args, session),
        Command::Verify(args) => commands::verify::run(args, session),
        Command::Oms(OmsCommand::Sign(args)) => commands::oms::sign(args, session),
        Command::Oms(OmsCommand::Verify(args)) => commands::verify::oms(args, session),
        Command::Fetch(args) => commands::verify::fetch(args, session),
        Command::Diff(args) => commands::diff::run(args, session),
        Command::Tensors(args) => commands::tensors::run(args, session),
        Command::ProveFile(args) => commands::prove::file(args, session),
        Command::ProveChunk(args) => commands::prove::chunk(args, session),
        Command::ProveTensor(args) => commands::prove::tensor(args, session),
        Command::VerifyFile(args) => commands::verify::files_of_proof(args, session),
        Command::VerifyChunk(args) => commands::verify::chunks(args, session),
        Command::Lineage(args) => commands::lineage::run(args, session),
        Command::VerifyTensor(args) => commands::verify::tensors(args, session),
        Command::Export(args) => commands::export::run(args, session),
        Command::Show(args) => commands::show::run(args, session),
        Command::List(args) => commands::list::run(args, session),
        Command::Log(args) => commands::log::run(args, session),
        Command::Proof(args) => commands::proof::run(args, session),
        Command::Checkpoint => commands::checkpoint::run(session),
        Command::Schema { kind } => Ok(commands::schema::run(*kind, session)),
        Command::Completions { shell } => Ok(commands::manual::completions(*shell, session)),
        Command::Man { dir } => commands::manual::man(dir.as_deref(), session),
    }
}
