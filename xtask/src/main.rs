//! The one list of verbs for working on Candor: `cargo xtask VERB`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal"
)]

mod careful;
mod check;
mod demo;
mod faults;
mod mutations;
mod needs;
mod run;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask VERB

  demo [--once]  build both programs, run a log and show what it is good for; then keep serving
                 (--once: stop after the checks)
  test [--long]  install what the tests need, then run every check and every test
                 (--long: the forms that take an hour as well)
  faults         every fault in its long form, and how often each was tried; an hour
  mutations [NAME]
                 break a copy of the log in each way of tests/mutations, and expect that a test fails
  careful [SECONDS]
                 core's tests in Miri, and each fuzz target with AddressSanitizer for so long; takes a nightly compiler
  check          formatting, lints, licences, house rules
  gen            write the files that are made from code: schemas/openapi.json
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["demo"] => demo::demo(demo::After::KeepServing),
        ["demo", "--once"] => demo::demo(demo::After::Stop),
        ["test"] => check::test(check::Length::Normal),
        ["test", "--long"] => check::test(check::Length::Long),
        ["faults"] => faults::faults(),
        ["mutations"] => mutations::run_all(None),
        ["mutations", name] => mutations::run_all(Some(name)),
        ["careful"] => careful::careful(None),
        ["careful", seconds] => careful::careful(Some(seconds)),
        ["check"] => check::check().map(check::Advisories::say),
        ["gen"] => check::generate(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
