//! `candor-server completions` and `candor-server man`, both made from the definition of the command line.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Completions for a shell.
pub(crate) fn completions(shell: Shell, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "candor-server", &mut script);
    script
}

/// The manual page of `candor-server`.
pub(crate) fn page(mut command: Command) -> anyhow::Result<Vec<u8>> {
    command.build();
    render(command, "candor-server".to_owned())
}

/// Writes the pages of all commands into `dir`.
pub(crate) fn write_pages(mut command: Command, dir: &Path) -> anyhow::Result<()> {
    command.build();
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let inner = command
        .get_subcommands()
        .filter(|it| it.get_name() != "help");
    let inner = inner.map(|it| (format!("candor-server-{}", it.get_name()), it.clone()));
    let all: Vec<_> = inner
        .chain([("candor-server".to_owned(), command.clone())])
        .collect();
    for (name, command) in all {
        let path = dir.join(format!("{name}.1"));
        fs::write(&path, render(command, name)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn render(command: Command, name: String) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.name(name.clone()).display_name(name)).render(&mut page)?;
    Ok(page)
}
