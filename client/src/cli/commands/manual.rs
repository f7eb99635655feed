//! `candor completions` and `candor man`, both made from the definition of the command line.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::cli::args::Cli;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{Session, files, reference};

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
    let is_whole = command.get_name() == "candor";
    let manual = Man::new(command.name(name.to_owned()).display_name(name.to_owned()));
    let mut page = Vec::new();
    let rendered = if is_whole {
        whole_page(&manual, &mut page)
    } else {
        manual.render(&mut page)
    };
    rendered.map_err(CliError::file(Path::new(name)))?;
    Ok(page)
}

/// The page of `candor` itself, with sections of its own for what is around a command.
fn whole_page(manual: &Man, page: &mut Vec<u8>) -> io::Result<()> {
    manual.render_title(page)?;
    manual.render_name_section(page)?;
    manual.render_synopsis_section(page)?;
    manual.render_description_section(page)?;
    manual.render_options_section(page)?;
    manual.render_subcommands_section(page)?;
    reference::roff().to_writer(page)?;
    manual.render_version_section(page)
}
