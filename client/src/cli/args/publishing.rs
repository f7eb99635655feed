//! What can be typed to publish records, and to take them back.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use candor_core::record::kinds::Reason;
use candor_core::record::{Kind, PublisherName, ReleaseName};
use candor_core::weights::FilePath;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::ParentArg;

/// `candor release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The folder with the release's files
    pub folder: PathBuf,
    /// The release's name: publisher/model@version
    #[arg(long = "as", value_name = "RELEASE")]
    pub release: ReleaseName,
    /// The training config, where it is not found by itself
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take this file of the release as it is, and not as what its name says (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub as_bytes: Vec<FilePath>,
    /// Publish a record from this file too, such as results of an evaluation, or api-version:FILE (may be repeated)
    #[arg(long, value_name = "[KIND:]FILE", value_parser = With::parse)]
    pub with: Vec<With>,
    /// A release in the log that this one is made from, such as quantized-from:meta-ai/opt-125m@1.0.0 (may be repeated);
    /// others are fine-tune-of, merged-from, distilled-from, adapter-for and converted-from
    #[arg(long, value_name = "RELATION:RELEASE")]
    pub parent: Vec<ParentArg>,
    /// Name a parent that was withdrawn, all the same
    #[arg(long, requires = "parent")]
    pub allow_withdrawn: bool,
    /// List the files that Git LFS has elsewhere by the digests in their pointers, which are in their place
    #[arg(long)]
    pub from_pointers: bool,
    /// Where the files come from
    #[arg(long, value_name = "URI")]
    pub source_uri: Option<String>,
    /// What is special about them
    #[arg(long, value_name = "TEXT")]
    pub source_note: Option<String>,
    /// Say what would be published, and sign and send nothing; needs no log, but for --parent
    #[arg(long)]
    pub dry_run: bool,
    /// Where to write the bundle [default: MODEL-VERSION.candor here; beside the folder, if here is inside it]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// A file for `candor release --with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct With {
    /// What it is, where that is not plain.
    pub kind: Option<Kind>,
    /// Where it is.
    pub file: PathBuf,
}

/// `candor publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// What to publish
    pub file: PathBuf,
    /// The release that it is about: publisher/model@version
    #[arg(long = "as", value_name = "RELEASE")]
    pub release: Option<ReleaseName>,
    /// What it is, where that is not plain
    #[arg(long, value_parser = kinds_about_releases())]
    pub kind: Option<Kind>,
    /// Who evaluated, for evaluations [default: the release's publisher]
    #[arg(long, value_name = "PUBLISHER")]
    pub author: Option<PublisherName>,
    /// A document that a statement names (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// Where the content comes from
    #[arg(long, value_name = "URI")]
    pub source_uri: Option<String>,
    /// What is special about it
    #[arg(long, value_name = "TEXT")]
    pub source_note: Option<String>,
    /// Write the release's bundle to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Say what would be published, and sign and send nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `candor withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// A release, with all that its publisher signed about it; or one record, by its index or statement digest
    pub target: String,
    /// Why, in one word
    #[arg(long, value_parser = reasons())]
    pub reason: Reason,
    /// Why, and what users should do
    #[arg(long, value_name = "TEXT")]
    pub explanation: String,
    /// What to use instead
    #[arg(long, value_name = "RELEASE")]
    pub replacement: Option<ReleaseName>,
    /// Don't ask whether it is meant
    #[arg(long, short)]
    pub yes: bool,
}

impl With {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let with_kind = text
            .split_once(':')
            .and_then(|(kind, file)| Some((kind.parse().ok()?, file)));
        let (kind, file) = match with_kind {
            Some((kind, file)) => (Some(kind_of_file(kind)?), file),
            None => (None, text),
        };
        Ok(Self {
            kind,
            file: file.into(),
        })
    }
}

/// The kinds of which a record is made from a file. That of publishers is known, to say how it is made instead.
fn kinds_about_releases() -> impl TypedValueParser<Value = Kind> {
    let kinds =
        Kind::ALL.map(|kind| PossibleValue::new(kind.name()).hide(kind_of_file(kind).is_err()));
    PossibleValuesParser::new(kinds)
        .try_map(|name| kind_of_file(name.parse().expect("one of the kinds' own names")))
}

/// A publisher's record has to be signed by every key that it lists, and names the one before it.
fn kind_of_file(kind: Kind) -> Result<Kind, &'static str> {
    match kind {
        Kind::Publisher => Err(
            "a publisher's record is not made of a file; `candor publisher` registers a name, and changes what is said of it",
        ),
        Kind::ModelCard
        | Kind::Weights
        | Kind::TrainingConfig
        | Kind::ApiVersion
        | Kind::Evaluation
        | Kind::Withdrawal => Ok(kind),
    }
}

fn reasons() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(Reason::name)).map(|name| {
        let mut reasons = Reason::ALL.into_iter();
        let reason = reasons.find(|reason| reason.name() == name);
        reason.expect("one of the reasons' own names")
    })
}
