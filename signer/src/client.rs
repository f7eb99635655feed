//! Asks a signer, as the log's server does.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candor_core::note::{Checkpoint, VerifierKey, VerifierKeyError, WebhookContent};

use crate::wire::{self, Answer};

/// How long a signer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Somebody who signs, by their socket. Blocks while it asks.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    /// A connection that was of use before.
    open: Option<UnixStream>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It can't be reached, or does not answer in time.
    #[error("the signer at {} does not answer: {error}", socket.display())]
    OutOfReach {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It refuses.
    #[error("the signer at {} does not sign: {reason}", socket.display())]
    Refused {
        /// Its socket.
        socket: PathBuf,
        /// What it says.
        reason: String,
    },
    /// Its key is none.
    #[error("the signer at {} has no key that can be used: {error}", socket.display())]
    Key {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        error: VerifierKeyError,
    },
}

impl Client {
    /// Of the signer whose socket is `socket`. Nothing is asked yet.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            open: None,
        }
    }

    /// The key that it signs with.
    pub fn verifier_key(&mut self) -> Result<VerifierKey, ClientError> {
        let bytes = self.ask(b"")?;
        String::from_utf8_lossy(&bytes)
            .parse()
            .map_err(|error| ClientError::Key {
                socket: self.socket.clone(),
                error,
            })
    }

    /// A signature over a checkpoint's text.
    pub fn sign(&mut self, checkpoint: &Checkpoint) -> Result<Vec<u8>, ClientError> {
        self.ask(checkpoint.to_string().as_bytes())
    }

    /// A signature over a message about a record.
    pub fn sign_webhook(&mut self, content: &WebhookContent) -> Result<Vec<u8>, ClientError> {
        self.ask(content.as_str().as_bytes())
    }

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, ClientError> {
        let answer = match self.open.take() {
            // It may have been started anew since. Asking twice is harmless: it signs the same.
            Some(open) => self
                .ask_on(open, request)
                .or_else(|_| self.ask_anew(request)),
            None => self.ask_anew(request),
        };
        let socket = || self.socket.clone();
        match answer {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(reason)) => Err(ClientError::Refused {
                socket: socket(),
                reason,
            }),
            Err(error) => Err(ClientError::OutOfReach {
                socket: socket(),
                error,
            }),
        }
    }

    fn ask_anew(&mut self, request: &[u8]) -> io::Result<Answer> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.set_write_timeout(Some(ANSWER_TIME_MAX))?;
        self.ask_on(stream, request)
    }

    fn ask_on(&mut self, mut stream: UnixStream, request: &[u8]) -> io::Result<Answer> {
        wire::write_request(&mut stream, request)?;
        let answer = wire::read_answer(&mut stream)?;
        self.open = Some(stream);
        Ok(answer)
    }
}
