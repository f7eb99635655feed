//! Who signs checkpoints, and messages about records: this process, or one that keeps the key to itself.
//!
//! ```text
//! tree head ──► checkpoint ──┐                                                              ┌──► Released
//!                            ├──► Signer ──► signature ──► checked with the log's key ──────┤
//! record ──► webhook content ┘                                                              └──► sent to a webhook
//!                                 in this process: the key in the data folder
//!                                 elsewhere: `candor-signer`, or a token behind PKCS#11
//! ```
//!
//! Always: a signature that was made elsewhere is checked here before anybody sees it. What is signed is one of two types,
//! whose texts have nothing in common ([`candor_core::note::webhook`]): the one ends in a line break, the other has none.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use candor_core::merkle::TreeHead;
use candor_core::note::{
    Checkpoint, CheckpointError, LogKey, NoteSigner, Retirement, SignedNote, VerifierKey,
    WebhookContent,
};
use candor_signer::{Client, ClientError};

use crate::own_thread::block;
use crate::releases::Released;

/// Signs with the log's key.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The log's key.
    fn verifier_key(&self) -> &VerifierKey;

    /// Makes an Ed25519 signature (RFC 8032) over a checkpoint's text.
    async fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, SignerError>;

    /// Makes an Ed25519 signature (RFC 8032) over a message about a record.
    async fn sign_webhook(&self, content: &WebhookContent) -> Result<Vec<u8>, SignerError>;
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Whoever has the key does not answer, or refuses.
    #[error(transparent)]
    Elsewhere(#[from] ClientError),
    /// It signed with another key, or something else.
    #[error("the signature that was made is not the log's: {0}")]
    NotOurs(#[from] CheckpointError),
    /// The same, of a message.
    #[error("the signature that was made of a message is not the log's")]
    NotOverMessage,
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

    async fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, SignerError> {
        Ok(self.signature(&checkpoint.to_string()))
    }

    async fn sign_webhook(&self, content: &WebhookContent) -> Result<Vec<u8>, SignerError> {
        Ok(self.webhook_signature(content))
    }
}

/// `candor-signer`, by its socket.
pub struct RemoteSigner {
    key: VerifierKey,
    client: Mutex<Client>,
    /// A connection of their own: a message that waits holds no checkpoint up.
    messages: Mutex<Client>,
}

impl RemoteSigner {
    /// The signer at `socket`, which is not asked yet, and is to have `key`.
    pub fn unasked(socket: &Path, key: VerifierKey) -> Self {
        Self {
            key,
            client: Mutex::new(Client::new(socket)),
            messages: Mutex::new(Client::new(socket)),
        }
    }

    /// Asks the signer at `socket` for its key.
    pub fn connect(socket: &Path) -> Result<Self, SignerError> {
        let mut client = Client::new(socket);
        Ok(Self {
            key: client.verifier_key()?,
            client: Mutex::new(client),
            messages: Mutex::new(Client::new(socket)),
        })
    }
}

#[async_trait]
impl Signer for RemoteSigner {
    fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    async fn sign(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, SignerError> {
        // After a panic, it connects anew.
        let client = || self.client.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(block(|| client().sign(checkpoint))?)
    }

    async fn sign_webhook(&self, content: &WebhookContent) -> Result<Vec<u8>, SignerError> {
        let client = || self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(block(|| client().sign_webhook(content))?)
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
    let checkpoint = Checkpoint::new(key.origin(), head, retirement);
    let signature = signer.sign(&checkpoint).await?;
    let note = SignedNote::new(checkpoint.to_string(), key.verifier_key(), signature);
    Ok(Released::of(note.to_string(), &key)?)
}

/// Signs a message about a record, and returns the signature as it is sent.
pub async fn sign_message(
    signer: &dyn Signer,
    content: &WebhookContent,
) -> Result<String, SignerError> {
    let signature = signer.sign_webhook(content).await?;
    let key = LogKey::from(signer.verifier_key().clone());
    if !content.is_signed(&key, &signature) {
        return Err(SignerError::NotOverMessage);
    }
    Ok(WebhookContent::header_of(&signature))
}
