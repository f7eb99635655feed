//! Who may sign what, replayed from the log's own entries.
//!
//! ```text
//! proven entries in order ──► SignedRecord::verify(state of its publisher) ──► Verified<Record>
//!                                          ▲                    │
//!                                          └── PublisherState ◄─┘   after each `publisher` record
//! ```
//!
//! The rules are core's. This module only keeps the state of each publisher, and fetches a publisher's
//! earlier records when the replay begins in the middle of a log.
//!
//! Always: an entry is refuted only by what was proven. Where the log itself said which records came before, it may have
//! left some out, so an entry that wants for one is not explained, which is no refutation.

use std::collections::{HashMap, HashSet};

use candor_core::Verified;
use candor_core::bundle::LoggedRecord;
use candor_core::merkle::LeafIndex;
use candor_core::record::{
    AuthorityError, PublisherName, PublisherState, Record, RecordError, SignedRecord,
};

use crate::log_client::{LogClient, LogError, ProvenEntry, SignedCheckpoint};

/// What the replay knows of each publisher so far.
#[derive(Debug, Default)]
pub struct Replay {
    publishers: HashMap<PublisherName, PublisherState>,
    /// Those of whose records it was the log that said which there are.
    claimed: HashSet<PublisherName>,
}

/// An entry that should not be in a log.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log could not be asked, or gave something that does not hold.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An entry that is no record.
    #[error("entry {index} is no record: {error}")]
    Record {
        /// Which.
        index: LeafIndex,
        /// Why.
        error: Box<RecordError>,
    },
    /// An entry that was not signed by those who had to.
    #[error("entry {index} should not be in the log: {error}")]
    Authority {
        /// Which.
        index: LeafIndex,
        /// Why.
        error: Box<AuthorityError>,
    },
    /// An entry that the records before it, as the log lists them, don't explain.
    #[error("the publisher records that the log lists don't explain entry {index}: {error}")]
    Unexplained {
        /// Which.
        index: LeafIndex,
        /// What they don't explain.
        error: Box<AuthorityError>,
    },
    /// A publisher's history that names an entry of somebody else.
    #[error("the log names entry {index} as a record of publisher {publisher}, and it is none")]
    NotTheirs {
        /// Which entry.
        index: LeafIndex,
        /// Whose it should be.
        publisher: PublisherName,
    },
}

impl ReplayError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Log(error) => error.hint(),
            Self::Unexplained { .. } => {
                "the log leaves records out of its lists, or the entry should not be there: `candor log` walks through all entries, and shows which"
                    .to_owned()
            }
            Self::Record { .. } | Self::Authority { .. } | Self::NotTheirs { .. } => {
                "the log broke its own rules: keep the output, and tell its operator and a witness"
                    .to_owned()
            }
        }
    }

    /// The log's part in it, if it was asked and did not do it.
    pub fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) => Some(error),
            Self::Record { .. }
            | Self::Authority { .. }
            | Self::Unexplained { .. }
            | Self::NotTheirs { .. } => None,
        }
    }
}

impl Replay {
    /// Checks the next entry, by what the entries before it say of its publisher.
    pub fn check(&mut self, entry: &ProvenEntry) -> Result<LoggedRecord, ReplayError> {
        let index = entry.index;
        let signed = parse(entry)?;
        let name = signed.statement().publisher().clone();
        let record = signed.verify(self.publishers.get(&name)).map_err(|error| {
            let may_be_explained =
                self.claimed.contains(&name) && error.may_want_for_earlier_records();
            let error = Box::new(error);
            if may_be_explained {
                ReplayError::Unexplained { index, error }
            } else {
                ReplayError::Authority { index, error }
            }
        })?;
        self.learn(&record, index);
        Ok(LoggedRecord { index, record })
    }

    /// What is known of a publisher.
    pub fn publisher(&self, name: &PublisherName) -> Option<&PublisherState> {
        self.publishers.get(name)
    }

    /// Checks one entry on its own: its publisher's records before it are fetched first.
    ///
    /// The log says which those are. It can't make up any, but it can leave out the newest; only a replay
    /// from the beginning ([`crate::walk`]) would notice.
    pub fn check_alone(
        &mut self,
        client: &LogClient,
        checkpoint: &SignedCheckpoint,
        entry: &ProvenEntry,
    ) -> Result<LoggedRecord, ReplayError> {
        let name = parse(entry)?.statement().publisher().clone();
        self.catch_up(client, checkpoint, &name, entry.index)?;
        // A `publisher` record that the replay has taken in already can't be checked against itself.
        if self
            .publishers
            .get(&name)
            .is_some_and(|state| state.at >= entry.index)
        {
            let mut anew = Self::default();
            anew.catch_up(client, checkpoint, &name, entry.index)?;
            return anew.check(entry);
        }
        self.check(entry)
    }

    /// Takes in the records of publisher `name` that stand before `end`. Returns all that were taken in.
    pub fn catch_up(
        &mut self,
        client: &LogClient,
        checkpoint: &SignedCheckpoint,
        name: &PublisherName,
        end: LeafIndex,
    ) -> Result<Vec<LoggedRecord>, ReplayError> {
        let known = self.publishers.get(name).map(|state| state.at);
        self.claimed.insert(name.clone());
        let mut history = match client.publisher(name) {
            Ok(view) => view.history,
            Err(error) if error.is_absence() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        history.retain(|index| *index < end && known.is_none_or(|known| *index > known));
        let mut taken_in = Vec::new();
        for index in history {
            let logged = self.check(&client.listed_entry(index, checkpoint)?.0)?;
            let statement = logged.record.statement();
            if statement.publisher() != name || statement.release().is_some() {
                return Err(ReplayError::NotTheirs {
                    index,
                    publisher: name.clone(),
                });
            }
            taken_in.push(logged);
        }
        Ok(taken_in)
    }

    fn learn(&mut self, record: &Verified<Record>, at: LeafIndex) {
        let name = record.statement().publisher();
        if let Some(state) = PublisherState::after(self.publishers.get(name), record, at) {
            self.publishers.insert(name.clone(), state);
        }
    }
}

/// Reads an entry as a record.
pub fn parse(entry: &ProvenEntry) -> Result<SignedRecord, ReplayError> {
    SignedRecord::from_entry(&entry.entry).map_err(|error| ReplayError::Record {
        index: entry.index,
        error: Box::new(error),
    })
}

#[cfg(test)]
mod tests;
