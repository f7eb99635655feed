//! The publisher's secret key: Ed25519 as PKCS#8 PEM, in a file that only its owner can read.
//!
//! ```text
//! candor keygen ──► -----BEGIN ENCRYPTED PRIVATE KEY-----   PBES2: scrypt and AES-256, by a passphrase
//!                   -----BEGIN PRIVATE KEY-----             without one, for machines that keep their secrets otherwise
//! ```
//!
//! Always: a file is never overwritten, and one that others can read is refused. No secret is in an error, in
//! `Debug` output or in memory that is given back.
//!
//! Not here: asking for a passphrase (the command line does).

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_core::record::{PublicKey, PublicKeyError};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use zeroize::Zeroizing;

/// The most bytes of a key file that are read: an encrypted key is some 320 bytes.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// What files with an encrypted key begin with.
const ENCRYPTED_HEADER: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// A publisher's signing key.
pub struct SecretKey {
    key: SigningKey,
    public: PublicKey,
}

/// A PEM text that was read and not yet opened.
pub struct KeyPem {
    text: Zeroizing<String>,
    source: String,
}

/// Why a key can't be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing at that path.
    #[error("there is no key at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    ReadableByOthers {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a key.
    #[error("{source_name} holds no Ed25519 private key in PKCS#8 PEM form")]
    NoKey {
        /// Where it was read from.
        source_name: String,
    },
    /// Encrypted, and no passphrase at hand.
    #[error("the key in {source_name} is encrypted, and there is no passphrase")]
    PassphraseMissing {
        /// Where it was read from.
        source_name: String,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key in {source_name}")]
    WrongPassphrase {
        /// Where it was read from.
        source_name: String,
    },
    /// An empty passphrase for a new key.
    #[error("an empty passphrase protects nothing")]
    EmptyPassphrase,
    /// The two passphrases that were typed differ.
    #[error("the two passphrases differ")]
    PassphrasesDiffer,
    /// Nobody said whether the new key should have a passphrase.
    #[error("the new key would have no passphrase, and nobody is at a terminal to type one")]
    NoPassphraseForNewKey,
    /// A file is there already.
    #[error("{} is there already, and keys are never overwritten", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// A key that anybody could sign with.
    #[error("the key in {source_name} can't be used: {error}")]
    Weak {
        /// Where it was read from.
        source_name: String,
        /// Why.
        error: PublicKeyError,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// The file can't be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl KeyError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { path } => {
                format!("make one with `candor keygen --out {}`, or name another with `--key FILE`", path.display())
            }
            Self::ReadableByOthers { path, .. } => format!("chmod 600 {}", path.display()),
            Self::NoKey { .. } => {
                "name the file of one (`--key FILE`), or make one with `candor keygen` or `openssl genpkey -algorithm ed25519`".to_owned()
            }
            Self::PassphraseMissing { .. } => {
                "set CANDOR_PASSPHRASE, or run this at a terminal".to_owned()
            }
            Self::WrongPassphrase { .. } => {
                "try again; without its passphrase a key is lost, and `candor publisher rotate` needs another key of the publisher".to_owned()
            }
            Self::EmptyPassphrase => "use `--no-passphrase` if the key should have none".to_owned(),
            Self::PassphrasesDiffer => "try again".to_owned(),
            Self::NoPassphraseForNewKey => {
                "set CANDOR_PASSPHRASE, or say `--no-passphrase`".to_owned()
            }
            Self::Exists { .. } => "name another file with `--out FILE`".to_owned(),
            Self::Weak { .. } => "make a new key with `candor keygen`".to_owned(),
            Self::Randomness(_) => "try again on a machine that has started fully".to_owned(),
            Self::Io { .. } => "check the path, its permissions, and that there is room for what is written".to_owned(),
        }
    }
}

impl SecretKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyError::Randomness)?;
        Self::from_signing_key(SigningKey::from_bytes(&seed), "the system's random source")
    }

    pub(crate) fn from_signing_key(key: SigningKey, source_name: &str) -> Result<Self, KeyError> {
        let public = PublicKey::new(key.verifying_key()).map_err(|error| KeyError::Weak {
            source_name: source_name.to_owned(),
            error,
        })?;
        Ok(Self { key, public })
    }

    /// For signing.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes the key to a new file that only its owner can read.
    pub fn write_new(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyError> {
        let pem = self.to_pem(passphrase)?;
        let io = |error| KeyError::Io {
            path: path.to_owned(),
            error,
        };
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir).map_err(|error| KeyError::Io {
                path: dir.to_owned(),
                error,
            })?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => io(error),
        })?;
        file.write_all(pem.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)
    }

    fn to_pem(&self, passphrase: Option<&str>) -> Result<Zeroizing<String>, KeyError> {
        // Without the public key, which the newer form of PKCS#8 adds: OpenSSL does not read that one.
        let key = KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        };
        let pem = match passphrase {
            Some("") => return Err(KeyError::EmptyPassphrase),
            Some(passphrase) => key.to_pkcs8_encrypted_pem(passphrase, LineEnding::LF),
            None => key.to_pkcs8_pem(LineEnding::LF),
        };
        Ok(pem.expect("an Ed25519 key has a PKCS#8 form"))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({}, secret)", self.public.keyid())
    }
}

impl KeyPem {
    /// A key that stands in an environment variable.
    pub fn from_variable(name: &str, text: String) -> Self {
        Self {
            text: Zeroizing::new(text),
            source: format!("the variable {name}"),
        }
    }

    /// Reads a key file, which must not be readable by others.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => KeyError::Missing {
                path: path.to_owned(),
            },
            _ => KeyError::Io {
                path: path.to_owned(),
                error,
            },
        };
        let file = fs::File::open(path).map_err(io)?;
        // Asked of the open file, so that it can't be swapped between the question and the reading.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(KeyError::ReadableByOthers {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        let source = path.display().to_string();
        let mut text = Zeroizing::new(String::new());
        match file.take(KEY_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(Self { text, source }),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(KeyError::NoKey {
                source_name: source,
            }),
            Err(e) => Err(io(e)),
        }
    }

    /// Whether it takes a passphrase.
    pub fn is_encrypted(&self) -> bool {
        self.text.trim_start().starts_with(ENCRYPTED_HEADER)
    }

    /// Where it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Opens it, with a passphrase if it is encrypted.
    pub fn open(&self, passphrase: Option<&str>) -> Result<SecretKey, KeyError> {
        let source_name = || self.source.clone();
        let text = self.text.trim();
        let no_key = |()| KeyError::NoKey {
            source_name: source_name(),
        };
        let key = if self.is_encrypted() {
            let passphrase = passphrase.ok_or_else(|| KeyError::PassphraseMissing {
                source_name: source_name(),
            })?;
            // Whether it is PEM at all is settled first, so that garbage is not called a wrong passphrase.
            pkcs8::SecretDocument::from_pem(text).map_err(|_| no_key(()))?;
            SigningKey::from_pkcs8_encrypted_pem(text, passphrase).map_err(|_| {
                KeyError::WrongPassphrase {
                    source_name: source_name(),
                }
            })?
        } else {
            SigningKey::from_pkcs8_pem(text).map_err(|_| no_key(()))?
        };
        SecretKey::from_signing_key(key, &self.source)
    }
}

impl std::fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPem({}, secret)", self.source)
    }
}

#[cfg(test)]
mod tests;
