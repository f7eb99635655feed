//! What was measured: printed for people, and kept as JSON for plots.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

/// Where results go.
pub(crate) struct Report {
    file: Option<File>,
}

impl Report {
    /// Results are printed, and added to `file` if there is one.
    pub(crate) fn open(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let file = file
            .map(|path| {
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&path)
                    .with_context(|| path.display().to_string())
            })
            .transpose()?;
        Ok(Self { file })
    }

    /// One result: a line for people, and the figures behind it.
    pub(crate) fn add(&mut self, line: &str, figures: &impl Serialize) -> anyhow::Result<()> {
        println!("{line}");
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::to_string(figures)?)?;
        }
        Ok(())
    }
}
