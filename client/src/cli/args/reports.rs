//! Files with what a command found, for the programs that run it.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text, where backticks would stand as they are"
)]

use std::path::PathBuf;

use clap::Args;

/// Which files are written.
#[derive(Debug, Default, Args)]
pub struct ReportArgs {
    /// Write what was found to this file as SARIF 2.1.0, in place of an earlier report
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write what was checked and found to this file as JUnit XML, in place of an earlier report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}
