//! The log's secrets: files of their own, readable by their owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use zeroize::Zeroizing;

use crate::guard::sync_folder_of;

/// Why a key can't be made or read. Never says anything about the key itself.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not there.
    #[error("{} is missing: restore it from a backup; nothing can be signed without it, and no other key will do", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a key.
    #[error("{} is not an Ed25519 key in PKCS#8 PEM", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Makes a key and writes it to a file that does not exist yet, on stable storage.
pub fn create(path: &Path) -> Result<SigningKey, KeyFileError> {
    let io = |error| KeyFileError::Io {
        path: path.to_owned(),
        error,
    };
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(KeyFileError::Random)?;
    let key = SigningKey::from_bytes(&seed);
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .expect("an Ed25519 key has a PKCS#8 form");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder_of(path))
        .map_err(io)?;
    Ok(key)
}

/// Reads a key from a file that only its owner can read.
pub fn read(path: &Path) -> Result<SigningKey, KeyFileError> {
    let pem = read_secret(path)?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| KeyFileError::Form {
        path: path.to_owned(),
    })
}

/// Reads text from a file that only its owner can read.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let io = |error| KeyFileError::Io {
        path: path.to_owned(),
        error,
    };
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyFileError::Missing {
            path: path.to_owned(),
        },
        _ => io(error),
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(Zeroizing::new(fs::read_to_string(path).map_err(io)?))
}
