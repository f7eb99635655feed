//! `candor completions` and `candor man`, both made from the definition of the command line.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::cli::args::Cli;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{Session, files};

/// Prints completions.
pub fn completions(shell: Shell, session: &mut Session) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "candor", &mut script);
    session.printer.verbatim_unless_json(&script);
    session.printer.json(&json!({
        "shell": shell.to_string(),
        "script": String::from_utf8_lossy(&script),
    }));
    Exit::Holds
}

/// Prints the manual page of `candor`, or writes the pages of all commands into `dir`.
pub fn man(dir: Option<&Path>, session: &mut Session) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = dir else {
        let page = page(command, "candor")?;
        session.printer.verbatim_unless_json(&page);
        let page = String::from_utf8_lossy(&page);
        session.printer.json(&json!({ "page": page }));
        return Ok(Exit::Holds);
    };
    std::fs::create_dir_all(dir).map_err(CliError::file(dir))?;
    let mut pages = Vec::new();
    write_pages(command, "candor", dir, &mut pages)?;
    for page in &pages {
        session.printer.note(page.as_str());
    }
    session.printer.json(&json!({ "pages": pages }));
    Ok(Exit::Holds)
}

fn write_pages(
    command: clap::Command,
    name: &str,
    dir: &Path,
    pages: &mut Vec<String>,
) -> Result<(), CliError> {
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        write_pages(
            inner.clone(),
            &format!("{name}-{}", inner.get_name()),
            dir,
            pages,
        )?;
    }
    let path = dir.join(format!("{name}.1"));
    files::write(&path, &page(command, name)?)?;
    pages.push(path.display().to_string());
    Ok(())
}

fn page(command: clap::Command, name: &str) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    let name = name.to_owned();
    let manual = Man::new(command.name(name.clone()).display_name(name.clone()));
    manual
        .render(&mut page)
        .map_err(CliError::file(Path::new(&name)))?;
    Ok(page)
}
