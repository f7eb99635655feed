//! What can be typed about where releases come from.

use std::fmt;
use std::str::FromStr;

use candor_core::record::ReleaseName;
use candor_core::record::kinds::Relation;
use clap::{Args, ValueEnum};

/// `candor lineage`.
#[derive(Debug, Args)]
pub struct LineageArgs {
    /// A release in the log (publisher/model@version), or a .candor bundle, which asks nobody
    pub target: String,
    /// How the graph is written [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// How many steps up to look [default: all the way]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: Option<u16>,
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As a tree, for people
    Text,
    /// For Graphviz
    Dot,
    /// The same as --json
    Json,
}

/// A release that another is made from, as it is typed: RELATION:RELEASE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentArg {
    /// How it is.
    pub relation: Relation,
    /// Which.
    pub release: ReleaseName,
}

impl FromStr for ParentArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let relations = || Relation::ALL.map(Relation::name).join(", ");
        let (relation, release) = text.split_once(':').ok_or_else(|| {
            format!(
                "write RELATION:RELEASE, such as quantized-from:example-lab/tiny@1.0.0; RELATION is one of {}",
                relations()
            )
        })?;
        let mut all = Relation::ALL.into_iter();
        let relation = all
            .find(|it| it.name() == relation)
            .ok_or_else(|| format!("the relation is one of {}", relations()))?;
        let release = release
            .parse()
            .map_err(|error| format!("{error}; a release is written publisher/model@version"))?;
        Ok(Self { relation, release })
    }
}

impl fmt::Display for ParentArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.relation.name(), self.release)
    }
}
