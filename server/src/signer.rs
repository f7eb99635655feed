//! Who signs checkpoints: this process, or one that keeps the key to itself.
//!
//! ```text
//! tree head ──► checkpoint's text ──► Signer ──► signature ──► checked with the log's key ──► Released
//!                                     in this process: the key in the data folder
//!                                     elsewhere: `candor-signer`, or a token behind PKCS#11
//! ```
//!
//! Always: a signature that was made elsewhere is checked here before anybody sees it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use candor_core::merkle::TreeHead;
use candor_core::note::{
    Checkpoint, CheckpointError, LogKey, NoteSigner, Retirement, SignedNote, VerifierKey,
};
use candor_signer::{Client, ClientError};

use crate::own_thread::block;
use crate::releases::Released;

/// Signs with the log's key.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The log's key.
    fn verifier_key(&self) -> &VerifierKey;

    /// Makes an Ed25519 signature (RFC 8032) over `text`, which is a checkpoint's.
    async fn sign(&self, text: &str) -> Result<Vec<u8>, SignerError>;
}

/// Why a checkpoint is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Whoever has the key does not answer, or refuses.
    #[error(transparent)]
    Elsewhere(#[from] ClientError),
    /// It signed with another key, or something else.
    #[error("the signature that was made is not the log's: {0}")]
    NotOurs(#[from] CheckpointError),
}

impl SignerError {
    /// Whether nobody answers who could sign.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(self, Self::Elsewhere(ClientError::OutOfReach { .. }))
    }
}

#[async_trait]
impl Signer for NoteSigner {
    fn verifier_key(&self) -> &VerifierKey {
        self.verifier_key()
    }

    async fn sign(&self, text: &str) -> Result<Vec<u8>, SignerError> {
        Ok(self.signature(text))
    }
}

/// `candor-signer`, by its socket.
pub struct RemoteSigner {
    key: VerifierKey,
    client: Mutex<Client>,
}

impl RemoteSigner {
    /// The signer at `socket`, which is not asked yet, and is to have `key`.
    pub fn unasked(socket: &Path, key: VerifierKey) -> Self {
        Self {
            key,
            client: Mutex::new(Client::new(socket)),
        }
    }

    /// Asks the signer at `socket` for its key.
    pub fn connect(socket: &Path) -> Result<Self, SignerError> {
        let mut client = Client::new(socket);
        Ok(Self {
            key: client.verifier_key()?,
            client: Mutex::new(client),
        })
    }
}

#[async_trait]
impl Signer for RemoteSigner {
    fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    async fn sign(&self, text: &str) -> Result<Vec<u8>, SignerError> {
        // After a panic, it connects anew.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(block(|| client.sign(text))?)
    }
}

/// Signs the tree `head`, as the log's last one if it is retired with it.
///
/// The caller makes sure that `head` extends every tree that the log ever signed, and that nothing is ever appended to
/// a last one.
pub async fn sign_checkpoint(
    signer: &dyn Signer,
    head: TreeHead,
    retirement: Option<Retirement>,
) -> Result<Released, SignerError> {
    let key = LogKey::from(signer.verifier_key().clone());
    let text = Checkpoint::new(key.origin(), head, retirement).to_string();
    let signature = signer.sign(&text).await?;
    let note = SignedNote::new(text, key.verifier_key(), signature);
    Ok(Released::of(note.to_string(), &key)?)
}
