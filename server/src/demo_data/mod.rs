//! A new log filled with what shows what a registry is for: `candor-server demo-data`.
//!
//! ```text
//! published ─┐  (--from)      drafts, checked
//! model ─────┤  (--model)  ──► before there is a log ──► Story ──► OpenLog ──► accept ──► sequencer
//! examples ──┤  (carried)                               signs,     as a request's body
//! lab_story ─┘                                          in order
//! load ───────  (--records)  ───────────────────────────────────► the same, many at a time
//! ```
//!
//! Always: publishers' keys follow from texts that their records name, so two runs make the same statements at the same
//! places, and nobody can take these publishers for real ones. What comes from files is read and checked before anything is
//! made: a folder that can't be read leaves no log behind.
//!
//! Not here: making the log and opening it (the program's `demo_data` command), and any rule about records.

mod checksums;
mod config;
mod examples;
mod figures;
mod front_matter;
mod harness;
mod lab;
mod lab_story;
mod load;
mod model_folder;
mod open_log;
mod published;
mod story;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candor_core::record::{Kind, PayloadError, ReleaseName};
use candor_core::weights::ManifestError;

use crate::accept::{ATTACHMENT_BYTES_MAX, AcceptError};
use crate::sequencer::SubmitError;
use model_folder::ModelFolder;
use published::PublishedData;
use story::Story;

pub use open_log::OpenLog;

/// The most further records: some 15 GB of them.
pub const FURTHER_RECORDS_MAX: u64 = 10_000_000;

/// The release that a model's folder becomes, unless it is told otherwise.
pub const MODEL_RELEASE: &str = "sentence-transformers/all-minilm-l6-v2@1.0.0";

/// The release that the hint at `candor verify` names: it is there whatever else is.
pub const RELEASE_TO_VERIFY: &str = "example-lab/tiny-lm@2.0.0";

/// Where content comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// A folder with what others published, in place of the examples of OPT that are carried along.
    pub from: Option<PathBuf>,
    /// A model's folder, and the release that it becomes.
    pub model: Option<(PathBuf, ReleaseName)>,
    /// How many records of made-up labs are added, for measuring.
    pub further_records: u64,
}

/// What a log is to be filled with, read and checked.
pub struct Content {
    published: Option<PublishedData>,
    model: Option<ModelFolder>,
    further_records: u64,
}

/// What a log was filled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// How many records there are of each kind.
    pub records: BTreeMap<Kind, u64>,
}

/// Why a log is not filled.
#[derive(Debug, thiserror::Error)]
pub enum DemoDataError {
    /// A file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {rule}", path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// What it should be, and what it is.
        rule: String,
    },
    /// Files make no manifest.
    #[error("{}: {error}", path.display())]
    Manifest {
        /// The list, or the folder.
        path: PathBuf,
        /// Why.
        error: ManifestError,
    },
    /// A record that no log takes.
    #[error("the {kind} record of {release} is none that a log takes: {error}")]
    Record {
        /// Its kind.
        kind: Kind,
        /// What it is about.
        release: ReleaseName,
        /// Why.
        error: PayloadError,
    },
    /// More records than anybody needs.
    #[error("--records is {0}, and may be at most {FURTHER_RECORDS_MAX}")]
    TooManyRecords(u64),
    /// A publisher's name that the further records take.
    #[error(
        "{0} can't be what the model becomes: names that begin with {prefix} are those of --records; say another with --model-as",
        prefix = load::LAB_PREFIX
    )]
    ReservedName(ReleaseName),
    /// The log does not accept a record.
    #[error("{what} was not accepted: {error}")]
    NotAccepted {
        /// Which records.
        what: String,
        /// Why.
        error: AcceptError,
    },
    /// The log does not place a record.
    #[error("{what} was not published: {error}")]
    NotPublished {
        /// Which records.
        what: String,
        /// Why.
        error: SubmitError,
    },
}

impl Content {
    /// Reads and checks all that comes from files.
    pub fn read(sources: &Sources) -> Result<Self, DemoDataError> {
        if sources.further_records > FURTHER_RECORDS_MAX {
            return Err(DemoDataError::TooManyRecords(sources.further_records));
        }
        let model = sources.model.as_ref();
        if let Some((_, release)) = model
            && release.publisher().as_str().starts_with(load::LAB_PREFIX)
        {
            return Err(DemoDataError::ReservedName(release.clone()));
        }
        Ok(Self {
            published: sources
                .from
                .as_deref()
                .map(PublishedData::read)
                .transpose()?,
            model: model
                .map(|(folder, release)| ModelFolder::read(folder, release))
                .transpose()?,
            further_records: sources.further_records,
        })
    }

    /// Publishes it all into `log`, which is new. `progress` hears how many of the further records are in it.
    pub async fn publish(
        self,
        log: &OpenLog,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Filled, DemoDataError> {
        let mut story = Story::begin(log);
        let opt_125m = match self.published {
            Some(published) => published.publish(&mut story).await?,
            None => examples::publish(&mut story).await?,
        };
        lab_story::publish(&mut story, &opt_125m).await?;
        if let Some(model) = self.model {
            model.publish(&mut story).await?;
        }
        let mut filled = story.end();
        if self.further_records > 0 {
            load::publish(log, self.further_records, &mut filled, progress).await?;
        }
        Ok(filled)
    }
}

impl Filled {
    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.records.values().sum()
    }

    fn add(&mut self, kind: Kind) {
        *self.records.entry(kind).or_default() += 1;
    }
}

/// Reads a file that becomes an attachment.
fn read_document(path: &Path) -> Result<Vec<u8>, DemoDataError> {
    let io = |error| DemoDataError::Io {
        path: path.to_owned(),
        error,
    };
    let metadata = fs::metadata(path).map_err(io)?;
    // Reading a pipe would wait for somebody to write into it.
    if !metadata.is_file() {
        return Err(form(path, "it should be a file, and is something else"));
    }
    if metadata.len() > ATTACHMENT_BYTES_MAX {
        let bytes = metadata.len();
        let rule =
            format!("it has {bytes} bytes, and a log takes at most {ATTACHMENT_BYTES_MAX} of it");
        return Err(form(path, rule));
    }
    fs::read(path).map_err(io)
}

/// Reads a file that is text.
fn read_text(path: &Path) -> Result<String, DemoDataError> {
    String::from_utf8(read_document(path)?)
        .map_err(|error| form(path, format!("it should be text in UTF-8: {error}")))
}

fn form(path: &Path, rule: impl Into<String>) -> DemoDataError {
    DemoDataError::Form {
        path: path.to_owned(),
        rule: rule.into(),
    }
}

/// The last part of a path: what people call the document.
fn name_of(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
