//! What can be typed about fetching.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use candor_core::record::ReleaseName;
use clap::Args;

/// `candor fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// A release in the log, or a bundle
    pub release: String,
    /// Where the files are: https://HOST/PATH/, hf://ORG/REPO@REVISION or file:///PATH (may be repeated)
    #[arg(long, value_name = "SOURCE")]
    pub from: Vec<String>,
    /// A file that names sources, one a line, with # before comments (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub mirrors: Vec<PathBuf>,
    /// Ask, too, where the weights record says that its digests were published, if that is a place with files
    #[arg(long)]
    pub from_record: bool,
    /// Where to write the files [default: MODEL-VERSION here]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The release that a bundle should be of
    #[arg(long = "as", value_name = "RELEASE")]
    pub wanted: Option<ReleaseName>,
    /// Hold the release against this policy, too: before anybody is asked for files, and when they are here
    /// [env: CANDOR_POLICY]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Replace files that are there and are others than the release's
    #[arg(long)]
    pub replace: bool,
    /// How many files are fetched at once
    #[arg(long, value_name = "N", default_value = "4")]
    pub connections: NonZeroUsize,
    /// How often a source that broke off or is out of reach is tried again for a file
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub retries: u32,
}
