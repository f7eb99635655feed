//! Making a new log.
//!
//! ```text
//! FOLDER/.candor-init-X/   last-signed, operator-key.pem, log-key.pem, log.db     made whole, and synced
//!         │
//!         └─ moved one by one, log.db last ──► FOLDER/                            then X is removed
//! ```
//!
//! Where the log is in Postgres, its tables are made when the files are whole, and `log-key.pem` is moved last. Where a
//! signer has the key, `log-key.elsewhere` names it, in the place of that.
//!
//! Always: where `log.db` or `log-key.pem` is in place, all of the log is. A crash before that leaves a folder that
//! `serve` refuses, and that another `init` clears, or ends what was begun: nobody has seen its key.
//!
//! All of it happens inside the folder: it may be a mount point, or the only place where this user can write.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use candor_core::merkle::CompactRange;
use candor_core::note::{Checkpoint, NoteSigner, Origin, VerifierKey};

use crate::data_folder::{ASIDE_PREFIX, DataFolder, DataFolderError};
use crate::last_signed::{LastSigned, LastSignedError};
use crate::signer::{Signer, SignerError, sign_checkpoint};
use crate::storage::postgres::{DatabaseUrl, Postgres};
use crate::storage::sqlite::Sqlite;
use crate::storage::{LogIdentity, StorageError};
use candor_signer::key_file::{self, KeyFileError};

/// Why no log was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The folder is not one for a new log.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// A folder or a file can't be made.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A key can't be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The signer is another log's.
    #[error(
        "the signer has the key {key}, whose name is not the origin {origin}: start it with --origin {origin}"
    )]
    OtherOrigin {
        /// The signer's key.
        key: VerifierKey,
        /// What the log is to be called.
        origin: Origin,
    },
    /// The signer does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The database can't be made.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The first checkpoint can't be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
}

/// Makes a new, empty log in `folder`, and in `database` if it is not to be there too, and returns its key: that of
/// `signer`, or a new one.
pub async fn init(
    folder: &DataFolder,
    database: Option<&DatabaseUrl>,
    origin: Origin,
    signer: Option<&dyn Signer>,
) -> Result<VerifierKey, InitError> {
    if let Some(signer) = signer
        && *signer.verifier_key().name() != origin.to_key_name()
    {
        let key = signer.verifier_key().clone();
        return Err(InitError::OtherOrigin { key, origin });
    }
    if database.is_some() && folder.names_key() {
        let path = folder.path().to_owned();
        return Err(DataFolderError::LogExists { path }.into());
    }
    let leftovers = folder.require_room()?;
    if let Some(database) = database {
        let found = Postgres::identity_at(database).await?;
        for aside in &leftovers.asides {
            // Its tables were made, and then something came between.
            if let Some(found) = &found
                && holds_key(&DataFolder::new(aside), &found.key)
            {
                put_in_place(&DataFolder::new(aside), folder)?;
                return Ok(found.key.clone());
            }
        }
    }
    // The files first: while the database is still aside, another crash leaves what this one found.
    for file in leftovers.files {
        fs::remove_file(&file).map_err(io(&file))?;
    }
    for aside in leftovers.asides {
        fs::remove_dir_all(&aside).map_err(io(&aside))?;
    }
    make_folder(folder.path())?;
    let aside = tempfile::Builder::new()
        .prefix(ASIDE_PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder.path())
        .map_err(io(folder.path()))?;
    let identity = make_files(&DataFolder::new(aside.path()), origin, signer).await?;
    if database.is_none() {
        let folder = DataFolder::new(aside.path());
        Sqlite::create(&folder.database(), &identity).await?;
        sync_folder(folder.path())?;
    }
    if let Some(database) = database {
        // Nothing is made where another log is: an error there leaves nothing behind here either.
        Postgres::check_room(database).await?;
    }
    // From here on, what an error leaves is what a crash leaves.
    let aside = DataFolder::new(&aside.keep());
    if let Some(database) = database {
        Postgres::create(database, &identity).await?;
    }
    put_in_place(&aside, folder)?;
    Ok(identity.key)
}

/// Moves the files of a log that was made whole to where they belong, the one that says so last.
fn put_in_place(aside: &DataFolder, folder: &DataFolder) -> Result<(), InitError> {
    let beside = aside.beside_the_database();
    for (from, to) in beside.iter().zip(folder.beside_the_database()) {
        if from.exists() {
            fs::rename(from, &to).map_err(io(&to))?;
            sync_folder(folder.path())?;
        }
    }
    if aside.database().exists() {
        fs::rename(aside.database(), folder.database()).map_err(io(&folder.database()))?;
        sync_folder(folder.path())?;
    }
    fs::remove_dir_all(aside.path()).map_err(io(aside.path()))
}

/// Whether the log's key in `folder` is this one.
fn holds_key(folder: &DataFolder, key: &VerifierKey) -> bool {
    if let Ok(named) = fs::read_to_string(folder.log_key_elsewhere()) {
        return named.trim_end() == key.to_string();
    }
    let secret = key_file::read(&folder.log_key());
    secret.is_ok_and(|secret| VerifierKey::new(key.name().clone(), secret.verifying_key()) == *key)
}

/// Makes the files of a new, empty log in `folder`, save its database, on stable storage.
async fn make_files(
    folder: &DataFolder,
    origin: Origin,
    signer: Option<&dyn Signer>,
) -> Result<LogIdentity, InitError> {
    key_file::create(&folder.operator_key())?;
    let empty = CompactRange::empty().head();
    let (key, empty) = if let Some(signer) = signer {
        let key = signer.verifier_key().clone();
        // Whoever finds the folder sees whose log it is, and that the key is elsewhere.
        let path = folder.log_key_elsewhere();
        File::create_new(&path)
            .and_then(|mut file| {
                writeln!(file, "{key}")?;
                file.sync_all()
            })
            .map_err(io(&path))?;
        (key, sign_checkpoint(signer, empty, None).await?.checkpoint)
    } else {
        let secret = key_file::create(&folder.log_key())?;
        let signer = NoteSigner::new(origin.to_key_name(), secret);
        let key = signer.verifier_key().clone();
        (key, Checkpoint::sign(empty, &signer).to_string())
    };
    LastSigned::create(&folder.last_signed(), &empty)?;
    sync_folder(folder.path())?;
    Ok(LogIdentity { origin, key })
}

/// Makes the folder, for its owner alone, unless it is there: then it stays as its owner made it.
fn make_folder(folder: &Path) -> Result<(), InitError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io(parent))?;
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(io(folder))?;
    sync_folder(parent)
}

/// Puts the names of a folder's files on stable storage.
fn sync_folder(folder: &Path) -> Result<(), InitError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io(folder))
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |error| InitError::Io { path, error }
}
