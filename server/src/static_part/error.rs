//! Why the static part can't be brought to where the log is.

use std::path::PathBuf;

use candor_core::merkle::TreeSize;
use candor_core::note::CheckpointError;

use crate::storage::StorageError;

/// Why the static part can't be brought to where the log is.
#[derive(Debug, thiserror::Error)]
pub enum StaticPartError {
    /// The folder can't be used.
    #[error(
        "the static part {}: {error}; is the folder mounted? For a new static part, make an empty folder there", path.display()
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: object_store::Error,
    },
    /// There is nothing to be read.
    #[error("{} is no folder: name the one that the log's files are in", path.display())]
    NoFolder {
        /// What was named.
        path: PathBuf,
    },
    /// What is known of the bucket does not suffice to ask it.
    #[error(
        "the static part {location}: {error}; set AWS_ENDPOINT_URL or AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Bucket {
        /// Which.
        location: String,
        /// Why.
        error: object_store::Error,
    },
    /// Nothing says who this server is to the bucket.
    #[error(
        "the static part {location}: no credentials for it are in the environment; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or, where the machine has a role, AWS_METADATA_ENDPOINT to where it is asked for (http://169.254.169.254)"
    )]
    NoCredentials {
        /// Which.
        location: String,
    },
    /// The store does not do what it is asked.
    #[error(
        "the static part {location} can't {verb} {name}: {error}; check that it is there, and that this server may do that"
    )]
    Store {
        /// Which.
        location: String,
        /// Read, write, list or delete.
        verb: &'static str,
        /// Which object.
        name: String,
        /// Why.
        error: object_store::Error,
    },
    /// The folder's lock can't be had.
    #[error("the static part {location} can't lock {}: {error}", path.display())]
    Lock {
        /// Which.
        location: String,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What it holds is no checkpoint of this log.
    #[error(
        "the static part {location} holds a checkpoint that is none of this log: {error}. It may be another log's; name another place, or remove what is there, if nobody reads it"
    )]
    OtherLog {
        /// Which.
        location: String,
        /// Why.
        error: CheckpointError,
    },
    /// The database is behind what people read there.
    #[error(
        "the static part {location} has a checkpoint of {shown} entries, and the database has {stored}: the database was set back, and going on would fork the log. Put the newest database back"
    )]
    Behind {
        /// Which.
        location: String,
        /// How many entries the database has.
        stored: TreeSize,
        /// How many the checkpoint has.
        shown: TreeSize,
    },
    /// The database holds another history.
    #[error(
        "the first {shown} entries of the database are not those of the checkpoint in the static part {location}: going on would fork the log, unless its tiles are damaged, which candor-server fsck says. Put the log's own database back"
    )]
    OtherHistory {
        /// Which.
        location: String,
        /// How many the checkpoint has.
        shown: TreeSize,
    },
    /// The database has entries behind the end of the log.
    #[error(
        "the static part {location} has the log's last checkpoint, of {shown} entries, and the database has {stored}: the log was retired, and the others were added behind its end. Put the log's own database back"
    )]
    Reopened {
        /// Which.
        location: String,
        /// How many entries the database has.
        stored: TreeSize,
        /// How many the last checkpoint has.
        shown: TreeSize,
    },
    /// The folder is not the one that was opened.
    #[error(
        "the static part {location} was removed or replaced while the server ran: mount it again, or make the folder and start the server again, which fills it"
    )]
    Replaced {
        /// Which.
        location: String,
    },
    /// What was there is gone.
    #[error(
        "the checkpoint is gone from the static part {location}, and more may be: start the server again, which writes all that is missing"
    )]
    Emptied {
        /// Which.
        location: String,
    },
    /// The folder is where the keys are.
    #[error(
        "the static part {location} and the data folder {} are in one another, and what is in a static part is served, keys too: name a folder apart", data.display()
    )]
    HoldsKeys {
        /// Which.
        location: String,
        /// The data folder.
        data: PathBuf,
    },
    /// Others change the checkpoint all the time.
    #[error(
        "the static part {location} changes its checkpoint whenever this server does: are there several logs that write to it?"
    )]
    Contended {
        /// Which.
        location: String,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
