//! What can be typed about documents of other people's formats.

use std::path::PathBuf;

use candor_sbom::{Time, Uuid};
use clap::{Args, ValueEnum};

/// `candor export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A .candor bundle, offline; or a release's name in the log
    pub target: String,
    /// Which format
    #[arg(long)]
    pub format: BomFormat,
    /// Write the document to a new file instead of the terminal
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// When the release came out, as 2026-11-26T12:00:00Z: no record says it, and SPDX's AI profile asks for it
    #[arg(long, value_name = "TIME")]
    pub released: Option<Time>,
    /// The document's own identifier [default: one that follows from the records and the time]
    #[arg(long, value_name = "UUID")]
    pub serial: Option<Uuid>,
}

/// What a bill of materials is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BomFormat {
    /// CycloneDX 1.7 (ML-BOM), in JSON
    #[value(name = "cyclonedx", alias = "cyclonedx-1.7")]
    CycloneDx1_7,
    /// CycloneDX 1.6, in JSON
    #[value(name = "cyclonedx-1.6")]
    CycloneDx1_6,
    /// SPDX 3.0.1 with its AI profile, in JSON-LD
    #[value(alias = "spdx-3.0.1")]
    Spdx,
}
