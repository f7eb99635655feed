//! TLS: a certificate and its key in PEM files, read again when they change.
//!
//! Always: what is served is a certificate with its own key. Files that do not fit each other, as in the middle of being
//! replaced, change nothing until they do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{PoisonError, RwLock};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};

/// How often the files are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not PEM, or not what it should be. Never says anything about the key itself.
    #[error("{} holds no {what} in PEM", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The one is not of the other.
    #[error("{} is not the certificate of the key in {}, or of a kind that is not used: {error}", files.certificate.display(), files.key.display())]
    Pair {
        /// Which files.
        files: TlsFiles,
        /// Why.
        error: rustls::Error,
    },
}

/// How much of an answer that nobody reads is kept in a connection, encrypted and outside the answer's room.
pub(crate) const UNREAD_BYTES_MAX: usize = 8 << 10;

/// The certificate that is served, until there is another.
pub struct Tls {
    files: TlsFiles,
    served: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let served = RwLock::new(Arc::new(files.read()?));
        Ok(Arc::new(Self { files, served }))
    }

    /// What takes connections. TLS 1.2 and 1.3, and HTTP/1.1 in it.
    pub fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for them")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Looks now and then whether the files have changed, and serves what they hold then. Ends when the server stops.
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seen = self.files.stamps();
        while tokio::time::timeout(LOOK_PAUSE, stop.wait_for(|stop| *stop))
            .await
            .is_err()
        {
            let now = self.files.stamps();
            if now == seen {
                continue;
            }
            match self.files.read() {
                Ok(read) => {
                    *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                    info!(certificate = %self.files.certificate.display(), "another certificate is served");
                    seen = now;
                }
                // They may be on their way: they are read again until they fit.
                Err(error) => {
                    error!(%error, "the certificate was not replaced, and the one before is served");
                }
            }
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({})", self.files.certificate.display())
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&served))
    }
}

impl TlsFiles {
    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let form = |path: &Path, what| {
            let path = path.to_owned();
            move |error| match error {
                pem::Error::Io(error) => TlsError::Io { path, error },
                _ => TlsError::Form { path, what },
            }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(form(&self.certificate, "certificate"))?;
        if chain.is_empty() {
            return Err(TlsError::Form {
                path: self.certificate.clone(),
                what: "certificate",
            });
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(form(&self.key, "private key"))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            TlsError::Pair {
                files: self.clone(),
                error,
            }
        })
    }

    /// What shows that a file is another one.
    fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}
