//! The folder of a log: which files it has, and what those that are there say of it.
//!
//! ```text
//! log.db           the log, where it is in SQLite; a folder without it holds none then
//! log-key.pem      signs checkpoints
//! log-key.elsewhere  which key that is, where a signer has it
//! operator-key.pem admits publishers
//! catalogue.db     what is searched: derived from the log, and made again where it is missing
//! last-signed      the newest checkpoint that was signed
//! demonstration    there where `demo-data` made the log: pages and the server say so
//! reserve          room for a start on a full disk
//! lock             held while a server runs
//! .candor-init-…/  a log in the making: see `init`
//! ```

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of folders begin in which a log is made.
pub(crate) const ASIDE_PREFIX: &str = ".candor-init-";

/// What every new ext4 file system has at its top.
const LOST_AND_FOUND: &str = "lost+found";

/// The files of a log.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

/// Why a folder is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Nothing of a log is there.
    #[error(
        "there is no log in {}: is the folder mounted? For a new log only: candor-server init --data {} --origin ORIGIN",
        path.display(), path.display()
    )]
    NoLog {
        /// Which folder.
        path: PathBuf,
    },
    /// `init` did not get to its end.
    #[error(
        "making the log in {} was interrupted: run `candor-server init` again",
        path.display()
    )]
    HalfMade {
        /// Which folder.
        path: PathBuf,
    },
    /// A log was there.
    #[error(
        "log.db is missing in {}, where other files of a log are: mount what holds it, or restore its newest copy: candor-server restore --data {} --from BACKUP; a new database would be another log. If the log is in Postgres, say where: --database",
        path.display(), path.display()
    )]
    DatabaseMissing {
        /// Which folder.
        path: PathBuf,
    },
    /// A log in `SQLite` is there, and one in Postgres is wanted.
    #[error(
        "the log in {} is in its log.db: leave the setting database out, or name the folder that was made for the log in that database",
        path.display()
    )]
    DatabaseHere {
        /// Which folder.
        path: PathBuf,
    },
    /// The keys of a log in Postgres are not there.
    #[error(
        "{} has no log-key.pem: copy log-key.pem, operator-key.pem and last-signed from another server of this log. For a new log only: candor-server init",
        path.display()
    )]
    NoKeys {
        /// Which folder.
        path: PathBuf,
    },
    /// A log is there.
    #[error("there is a log in {} already, and it is left as it is", path.display())]
    LogExists {
        /// Which folder.
        path: PathBuf,
    },
    /// Something else is there.
    #[error(
        "{} has {found:?} in it: the folder of a new log must not exist yet, or be empty",
        path.display()
    )]
    NotEmpty {
        /// Which folder.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The folder can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a folder is, for those who want a log in it.
#[derive(Debug)]
enum State {
    /// Not there, or nothing of worth in it.
    Empty,
    HalfMade,
    Log,
    DatabaseMissing,
    SomethingElse(String),
}

/// What may be in the way of a new log: what an earlier `init` left when it was interrupted.
#[derive(Debug)]
pub(crate) struct Leftovers {
    /// Files of a log that nobody ever ran.
    pub(crate) files: Vec<PathBuf>,
    /// Folders in which it was made.
    pub(crate) asides: Vec<PathBuf>,
}

impl DataFolder {
    /// The files of a log in this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// That the log was made to show what a log is.
    pub fn demonstration(&self) -> PathBuf {
        self.0.join("demonstration")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("log.db")
    }

    /// What is derived from the log for those who look around in it.
    pub fn catalogue(&self) -> PathBuf {
        self.0.join("catalogue.db")
    }

    /// The key that signs checkpoints.
    pub fn log_key(&self) -> PathBuf {
        self.0.join("log-key.pem")
    }

    /// Which key that is, where a signer has it.
    pub fn log_key_elsewhere(&self) -> PathBuf {
        self.0.join("log-key.elsewhere")
    }

    /// Whether the log's key is here, or named here.
    pub fn names_key(&self) -> bool {
        self.log_key().exists() || self.log_key_elsewhere().exists()
    }

    /// The key that admits publishers.
    pub fn operator_key(&self) -> PathBuf {
        self.0.join("operator-key.pem")
    }

    /// The newest checkpoint that was signed.
    pub fn last_signed(&self) -> PathBuf {
        self.0.join("last-signed")
    }

    /// Held while a server runs, so that no second one writes to the same log.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// All that a new log has beside its database, in the order in which it is put in place.
    pub(crate) fn beside_the_database(&self) -> [PathBuf; 4] {
        [
            self.last_signed(),
            self.operator_key(),
            self.log_key_elsewhere(),
            self.log_key(),
        ]
    }

    /// Refuses a folder without the keys of a log whose database is elsewhere; the log's own may be with a signer.
    pub fn require_keys(&self, signer: Option<&Path>) -> Result<(), DataFolderError> {
        let path = self.0.clone();
        match self.state()? {
            State::Log => Err(DataFolderError::DatabaseHere { path }),
            State::HalfMade => Err(DataFolderError::HalfMade { path }),
            State::DatabaseMissing if self.names_key() || signer.is_some() => Ok(()),
            State::Empty | State::DatabaseMissing | State::SomethingElse(_) => {
                Err(DataFolderError::NoKeys { path })
            }
        }
    }

    /// Refuses a folder without a log.
    pub fn require_log(&self) -> Result<(), DataFolderError> {
        let path = self.0.clone();
        match self.state()? {
            State::Log => Ok(()),
            State::HalfMade => Err(DataFolderError::HalfMade { path }),
            State::DatabaseMissing => Err(DataFolderError::DatabaseMissing { path }),
            State::Empty | State::SomethingElse(_) => Err(DataFolderError::NoLog { path }),
        }
    }

    /// Refuses a folder with anything in it that a new log could harm.
    pub(crate) fn require_room(&self) -> Result<Leftovers, DataFolderError> {
        let path = self.0.clone();
        let files = match self.state()? {
            State::Empty => Vec::new(),
            State::HalfMade => self.beside_the_database().into(),
            State::Log => return Err(DataFolderError::LogExists { path }),
            State::DatabaseMissing => return Err(DataFolderError::DatabaseMissing { path }),
            State::SomethingElse(found) => return Err(DataFolderError::NotEmpty { path, found }),
        };
        let mut asides = self.names()?;
        asides.retain(|name| is_aside(name));
        Ok(Leftovers {
            files: files.into_iter().filter(|file| file.exists()).collect(),
            asides: asides.iter().map(|name| self.0.join(name)).collect(),
        })
    }

    fn state(&self) -> Result<State, DataFolderError> {
        if self.database().exists() {
            return Ok(State::Log);
        }
        let (asides, mut others): (Vec<_>, Vec<_>) =
            self.names()?.into_iter().partition(|name| is_aside(name));
        // The database is put in place last, or the log's key, where the database is elsewhere. As long as that is
        // aside, nobody has run this log or seen its key.
        let is_whole = |aside: &String| {
            let aside = Self(self.0.join(aside));
            aside.database().exists() || aside.names_key()
        };
        if asides.iter().any(is_whole) {
            return Ok(State::HalfMade);
        }
        others.retain(|name| name != LOST_AND_FOUND);
        if others.iter().any(|name| self.is_of_a_log(name)) {
            return Ok(State::DatabaseMissing);
        }
        Ok(others.pop().map_or(State::Empty, State::SomethingElse))
    }

    fn is_of_a_log(&self, name: &str) -> bool {
        let own = self.beside_the_database();
        name.starts_with("log.db-")
            || own
                .iter()
                .any(|own| own.file_name() == Some(OsStr::new(name)))
    }

    /// The names of what is in the folder; none where there is no folder.
    fn names(&self) -> Result<Vec<String>, DataFolderError> {
        let io = |error| DataFolderError::Io {
            path: self.0.clone(),
            error,
        };
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        entries
            .map(|entry| {
                Ok(entry
                    .map_err(io)?
                    .file_name()
                    .to_string_lossy()
                    .into_owned())
            })
            .collect()
    }
}

fn is_aside(name: &str) -> bool {
    name.starts_with(ASIDE_PREFIX)
}
