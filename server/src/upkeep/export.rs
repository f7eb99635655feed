//! Writing a log as files.

use std::sync::Arc;

use candor_core::Verified;
use candor_core::note::{Checkpoint, LogKey};
use futures_util::TryStreamExt as _;

use crate::metrics::Metrics;
use crate::static_part::{Location, Report, StaticPart, StaticPartError};
use crate::storage::snapshot::Snapshots;
use crate::storage::{Storage, StorageError};

/// Why a log was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The files can't be written.
    #[error(transparent)]
    Files(#[from] StaticPartError),
    /// The log can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Writes the tree of `checkpoint`, whose note is `text`, to `location`: what is there already stays, and is compared.
///
/// Beside what the log signed, it writes down when the entries were accepted, so that nothing is lost on the way back.
pub async fn export(
    storage: &dyn Storage,
    source: &dyn Snapshots,
    location: &Location,
    checkpoint: &Verified<Checkpoint>,
    text: &str,
) -> Result<Report, ExportError> {
    let key = LogKey::from(source.identity().await?.key);
    let mut files = StaticPart::open(location, key, Arc::new(Metrics::new()))?;
    let mut snapshot = source.snapshot().await?;
    let size = usize::try_from(checkpoint.head.size.get()).unwrap_or(usize::MAX);
    // 8 bytes for each entry.
    let mut accepted: Vec<Option<i64>> = snapshot.accepted().try_collect().await?;
    accepted.truncate(size);
    drop(snapshot);
    files.write_accepted(accepted).await?;
    // The checkpoint comes last.
    Ok(files.write_anew(storage, checkpoint, text).await?)
}
