//! Putting a copy of a log in the place of what was lost, without a second history.
//!
//! ```text
//! copy ──► what it lacks, from the database that is there, and from elsewhere: each entry proven
//!      ──► is it the beginning of every tree that anybody is known to have seen, and has it all of them?
//!      ──► in place, the old database beside it
//! ```
//!
//! Always: a log whose newest checkpoint was seen by somebody never goes on from less than that: the next entry would
//! get an index that another entry had. What is missing comes from the database that was there, as far as that is well, and
//! from where it was published to (a static part, a mirror, another copy), or the log does not go on under its name. Nothing of the data folder is changed before all of that is
//! certain.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::merkle::{TreeHead, TreeSize};
use candor_core::note::{Checkpoint, LogKey};
use tracing::info;

use super::import::UpTo;
use super::{Flaw, ImportError, Progress, import, make_private_folder};
use crate::data_folder::DataFolder;
use crate::last_signed::{self, LastSigned, LastSignedError};
use crate::static_part::{Files, FilesError, Place};
use crate::storage::snapshot::Snapshots as _;
use crate::storage::sqlite::{Sqlite, SqliteSnapshots};
use crate::storage::{LogIdentity, Storage as _, StorageError};
use crate::tree::{self, RightEdge};

/// Where a restored log is made until it is certain.
const ASIDE: &str = ".candor-restore";

/// Where it is once it is certain, until it is in its place. What a crash leaves here is one more place that entries are in.
const CERTAIN: &str = ".candor-restored";

/// How the names of the files end that `SQLite` keeps beside a database. <https://www.sqlite.org/tempfiles.html>
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What is put in place, and what is known of the log.
#[derive(Debug)]
pub struct Restore {
    /// The folder that `backup` made.
    pub from: PathBuf,
    /// Where entries come from that the copy lacks.
    pub entries_from: Option<Place>,
    /// Places whose checkpoints people may have seen: the static part, other servers.
    pub shown_at: Vec<Place>,
    /// Files with checkpoints that somebody has seen.
    pub seen: Vec<PathBuf>,
    /// Whether the operator is sure that nobody saw more than all this says.
    pub nothing_else_was_seen: bool,
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many entries the copy had.
    pub copied: TreeSize,
    /// How many there were with those that the database had that was there.
    pub with_own: TreeSize,
    /// How many there are now.
    pub entries: TreeSize,
    /// Where the database is that was there before.
    pub replaced: Option<PathBuf>,
}

/// Why nothing was restored: the data folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file or a folder can't be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The copy can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A kept checkpoint can't be read.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// What a place shows can't be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What the copy lacks can't be had.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Nobody can tell how far the log had come.
    #[error(
        "nothing says how far this log had come: {} is not there, and no --seen CHECKPOINT was given. Find the newest checkpoint that anybody has (a client keeps it as `checkpoint` in ~/.local/state/candor; a static part, a mirror and a witness have one) and name it with --seen; only where nobody can have seen the log since the copy was made: --nothing-else-was-seen",
        path.display()
    )]
    NobodyKnows {
        /// Where the newest signed checkpoint should be.
        path: PathBuf,
    },
    /// The copy lacks entries that people have seen.
    #[error(
        "the copy in {} and the database that is there have {copied} entries as they were signed, and {seen_at} has a checkpoint of {seen}: {} entries are missing, and going on without them would fork the log. They may be in its static part, at a mirror, or in a newer copy that was exported; take them from there: candor-server restore --data {} --from {} --entries-from FOLDER|URL. If they are nowhere, this log must not go on: begin a new one with `candor-server init` and another origin, and publish there",
        from.display(), seen.get() - copied.get(), data.display(), from.display()
    )]
    Behind {
        /// The copy.
        from: PathBuf,
        /// The data folder.
        data: PathBuf,
        /// How many entries there are.
        copied: TreeSize,
        /// Where it was seen that there were more.
        seen_at: String,
        /// How many there were.
        seen: TreeSize,
    },
    /// Not even the place that entries should come from has them all.
    #[error(
        "with what {entries_from} has, the log has {entries} entries, and {seen_at} has a checkpoint of {seen}: {} entries are missing still; name a place that has more of them with --entries-from",
        seen.get() - entries.get()
    )]
    StillBehind {
        /// Where entries came from.
        entries_from: String,
        /// How many there are with these.
        entries: TreeSize,
        /// Where it was seen that there were more.
        seen_at: String,
        /// How many there were.
        seen: TreeSize,
    },
    /// The copy is of another history.
    #[error(
        "the copy in {} and the checkpoint of {seen} entries in {seen_at} are not of one history: going on from this copy would fork the log. Take another copy",
        from.display()
    )]
    OtherHistory {
        /// The copy.
        from: PathBuf,
        /// Where another one was seen.
        seen_at: String,
        /// Its size.
        seen: TreeSize,
    },
}

/// A checkpoint that somebody can have seen, and where that was learned.
struct Seen {
    checkpoint: Verified<Checkpoint>,
    text: String,
    at: String,
}

/// Restores the log in `data`, whose lock the caller holds.
pub async fn restore(
    data: &DataFolder,
    plan: &Restore,
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    let copy = DataFolder::new(&plan.from);
    let identity = SqliteSnapshots::open(&copy.database()).await?;
    let identity = identity.identity().await?;
    let seen = all_seen(data, &copy, plan, &identity).await?;
    let aside = DataFolder::new(&data.path().join(ASIDE));
    let restored = try_restore(data, &aside, plan, &identity, &seen, progress).await;
    if restored.is_err() {
        let _ = fs::remove_dir_all(aside.path());
    }
    restored
}

/// All checkpoints of the log that are known to have been signed.
async fn all_seen(
    data: &DataFolder,
    copy: &DataFolder,
    plan: &Restore,
    identity: &LogIdentity,
) -> Result<Vec<Seen>, RestoreError> {
    let key = LogKey::from(identity.key.clone());
    let mut seen = Vec::new();
    for folder in [data, &certain(data)] {
        if folder.last_signed().exists() {
            seen.push(Seen::kept(folder, &key)?);
        }
    }
    for path in &plan.seen {
        seen.push(Seen::in_file(path, &key)?);
    }
    for place in &plan.shown_at {
        match Files::open(place, &key).await {
            Ok(files) => seen.push(Seen {
                checkpoint: files.checkpoint().clone(),
                text: files.text().to_owned(),
                at: place.to_string(),
            }),
            // Nobody has seen anything there yet.
            Err(FilesError::NoCheckpoint { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if seen.is_empty() && !plan.nothing_else_was_seen {
        return Err(RestoreError::NobodyKnows {
            path: data.last_signed(),
        });
    }
    // The copy's own is no sign of how far the log had come, and must fit all the same.
    seen.push(Seen::kept(copy, &key)?);
    Ok(seen)
}

async fn try_restore(
    data: &DataFolder,
    aside: &DataFolder,
    plan: &Restore,
    identity: &LogIdentity,
    seen: &[Seen],
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    let _ = fs::remove_dir_all(aside.path());
    make_private_folder(aside.path()).map_err(io_error(aside.path()))?;
    // A copy of the copy: what is made of it is never the only one.
    let from = DataFolder::new(&plan.from).database();
    fs::copy(&from, aside.database()).map_err(io_error(&from))?;
    let log = Sqlite::open(&aside.database()).await?;
    let copied = RightEdge::load(&log).await?.head().size;
    let newest = seen.iter().max_by_key(|seen| seen.checkpoint.rank());
    let newest = newest.expect("the copy's own is there");
    let with_own = take_own(&log, data, newest.checkpoint.head, progress).await?;
    if newest.checkpoint.head.size > with_own && plan.entries_from.is_none() {
        return Err(RestoreError::Behind {
            from: plan.from.clone(),
            data: data.path().to_owned(),
            copied: with_own,
            seen_at: newest.at.clone(),
            seen: newest.checkpoint.head.size,
        });
    }
    let mut signed = newest.text.clone();
    let mut signed_rank = newest.checkpoint.rank();
    if let Some(place) = &plan.entries_from {
        let key = LogKey::from(identity.key.clone());
        let mut files = Files::open(place, &key).await?;
        import(&log, &mut files, progress).await?;
        if newest.checkpoint.head.size > files.checkpoint().head.size {
            files.go_by(&newest.checkpoint, &newest.text);
            match import(&log, &mut files, progress).await {
                // Then it is said how many are missing.
                Err(
                    ImportError::Flaw(Flaw::MissingEntry(_))
                    | ImportError::NotAsSigned(_)
                    | ImportError::TilesMissing(_),
                ) => {}
                imported => drop(imported?),
            }
        }
        if files.checkpoint().rank() > signed_rank {
            signed = files.text().to_owned();
            signed_rank = files.checkpoint().rank();
        }
    }
    let entries = log.head().await?.size;
    for seen in seen {
        let head = seen.checkpoint.head;
        if head.size > entries {
            let place = plan.entries_from.as_ref();
            return Err(RestoreError::StillBehind {
                entries_from: place.map(ToString::to_string).unwrap_or_default(),
                entries,
                seen_at: seen.at.clone(),
                seen: head.size,
            });
        }
        if tree::head_at(&log, head.size).await? != head {
            return Err(RestoreError::OtherHistory {
                from: plan.from.clone(),
                seen_at: seen.at.clone(),
                seen: head.size,
            });
        }
    }
    debug_assert!(signed_rank.0 <= entries);
    log.settle().await?;
    log.close().await;
    LastSigned::create(&aside.last_signed(), &signed)?;
    let certain = certain(data);
    sync(&aside.database())?;
    sync(aside.path())?;
    let _ = fs::remove_dir_all(certain.path());
    fs::rename(aside.path(), certain.path()).map_err(io_error(certain.path()))?;
    sync(data.path())?;
    let replaced = put_in_place(data, &certain)?;
    Ok(Restored {
        copied,
        with_own,
        entries,
        replaced,
    })
}

fn certain(data: &DataFolder) -> DataFolder {
    DataFolder::new(&data.path().join(CERTAIN))
}

/// Takes in what the database that is there has up to the signed tree `end`, until it comes to what is damaged; and before,
/// what an interrupted restore made. Returns how many entries there are then.
async fn take_own(
    log: &Sqlite,
    data: &DataFolder,
    end: TreeHead,
    progress: Progress<'_>,
) -> Result<TreeSize, RestoreError> {
    for database in [certain(data).database(), data.database()] {
        if !database.exists() {
            continue;
        }
        let taken = async {
            let own = SqliteSnapshots::open(&database).await?;
            let mut contents = own.snapshot().await?;
            let contents = contents.as_mut();
            import(
                log,
                &mut UpTo {
                    contents,
                    head: end,
                },
                progress,
            )
            .await
        };
        if let Err(error) = taken.await {
            info!(%error, "{} gives no more", database.display());
        }
    }
    Ok(log.head().await?.size)
}

/// Moves the restored files to where they belong. A crash in between leaves a folder that can be restored again: the
/// newest checkpoint is there first, and whatever database is beside it must have that tree.
fn put_in_place(data: &DataFolder, certain: &DataFolder) -> Result<Option<PathBuf>, RestoreError> {
    fs::rename(certain.last_signed(), data.last_signed()).map_err(io_error(&data.last_signed()))?;
    sync(data.path())?;
    let replaced = move_away(&data.database())?;
    sync(data.path())?;
    fs::rename(certain.database(), data.database()).map_err(io_error(&data.database()))?;
    sync(data.path())?;
    let _ = fs::remove_dir_all(certain.path());
    Ok(replaced)
}

/// Moves a database away, with what `SQLite` keeps beside it and would take for any other's that comes there. That goes
/// first: what a crash leaves is a database without it, and all that was in both is in the log that was made.
fn move_away(database: &Path) -> Result<Option<PathBuf>, RestoreError> {
    let beside: Vec<&str> = BESIDE
        .into_iter()
        .filter(|suffix| with_suffix(database, suffix).exists())
        .collect();
    let is_there = database.exists();
    let to = unused_name(database, is_there, &beside);
    for suffix in beside {
        let from = with_suffix(database, suffix);
        fs::rename(&from, with_suffix(&to, suffix)).map_err(io_error(&from))?;
    }
    if !is_there {
        return Ok(None);
    }
    fs::rename(database, &to).map_err(io_error(&to))?;
    Ok(Some(to))
}

/// `log.db.replaced-1`, or the first such name that is free. What was left without a database has another name, since no
/// database may ever come to it.
fn unused_name(database: &Path, is_there: bool, beside: &[&str]) -> PathBuf {
    let word = if is_there { "replaced" } else { "left" };
    let is_free = |name: &PathBuf| {
        let mut beside = beside.iter().map(|suffix| with_suffix(name, suffix));
        !name.exists() && !beside.any(|name| name.exists())
    };
    (1..=u32::MAX)
        .map(|n| with_suffix(database, &format!(".{word}-{n}")))
        .find(is_free)
        .expect("some number is free")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync(path: &Path) -> Result<(), RestoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error(path))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |error| RestoreError::Io { path, error }
}

impl Seen {
    /// A checkpoint by itself, or what another server of the log kept.
    fn in_file(path: &Path, key: &LogKey) -> Result<Self, RestoreError> {
        match last_signed::newest_in(path, key) {
            Ok((checkpoint, text)) => Ok(Self {
                checkpoint,
                text,
                at: path.display().to_string(),
            }),
            Err(LastSignedError::Missing { path }) => Err(RestoreError::Io {
                path,
                error: io::ErrorKind::NotFound.into(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// What a data folder or a copy keeps.
    fn kept(folder: &DataFolder, key: &LogKey) -> Result<Self, RestoreError> {
        Self::in_file(&folder.last_signed(), key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 3] = ["log.db", "log.db-wal", "log.db-shm"];

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).expect("a folder").map(|file| {
            let name = file.expect("a file").file_name();
            name.into_string().expect("UTF-8")
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// A write-ahead log that stays behind becomes the new database's, and ruins it.
    #[test]
    fn a_database_goes_with_its_write_ahead_log_wherever_a_crash_was() {
        for crashed_after in 0..FILES.len() {
            let folder = tempfile::tempdir().expect("a folder");
            let database = folder.path().join("log.db");
            for file in FILES {
                fs::write(folder.path().join(file), file).expect("it is written");
            }
            // In the order of `move_away`.
            for file in ["log.db-wal", "log.db-shm", "log.db"]
                .iter()
                .take(crashed_after)
            {
                let to = file.replace("log.db", "log.db.replaced-1");
                fs::rename(folder.path().join(file), folder.path().join(to)).expect("renamed");
            }
            let replaced = move_away(&database).expect("it is moved");
            assert_eq!(replaced, Some(folder.path().join("log.db.replaced-1")));
            for file in FILES {
                let to = file.replace("log.db", "log.db.replaced-1");
                let found = fs::read_to_string(folder.path().join(to)).expect("it is there");
                assert_eq!(found, file, "{crashed_after}");
            }
            assert_eq!(names(folder.path()).len(), FILES.len(), "nothing stays");
        }
    }

    #[test]
    fn what_a_lost_database_left_goes_away_and_comes_to_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("log.db");
        for n in 1..=2 {
            fs::write(folder.path().join("log.db-wal"), "lost").expect("it is written");
            assert_eq!(move_away(&database).expect("it is moved"), None);
            let left = format!("log.db.left-{n}-wal");
            assert!(names(folder.path()).contains(&left), "{left}");
        }
        fs::write(&database, "another").expect("it is written");
        let replaced = move_away(&database).expect("it is moved");
        assert_eq!(replaced, Some(folder.path().join("log.db.replaced-1")));
        let expected = [
            "log.db.left-1-wal",
            "log.db.left-2-wal",
            "log.db.replaced-1",
        ];
        assert_eq!(names(folder.path()), expected);
    }
}
