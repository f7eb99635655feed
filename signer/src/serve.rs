//! Answers whoever can open the socket.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use candor_core::note::{SignedNote, WebhookContent};

use crate::guard::Guard;
use crate::wire::{self, Answer};

/// How long a connection may be of no use.
const IDLE_TIME_MAX: Duration = Duration::from_hours(1);

/// Makes signatures.
pub trait Key: Send {
    /// An Ed25519 signature (RFC 8032) over `bytes`, or why there is none.
    fn sign(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String>;
}

struct Signer {
    key: Box<dyn Key>,
    guard: Guard,
}

/// Answers one request after the other, until the process ends.
pub fn serve(listener: &UnixListener, key: Box<dyn Key>, guard: Guard) -> io::Result<()> {
    let signer = Arc::new(Mutex::new(Signer { key, guard }));
    loop {
        let (stream, _) = listener.accept()?;
        let signer = Arc::clone(&signer);
        let answer = move || {
            // Whoever breaks off is gone, and has lost nothing.
            let _ = answer_all(stream, &signer);
        };
        thread::Builder::new()
            .name("answers".to_owned())
            .spawn(answer)?;
    }
}

fn answer_all(mut stream: UnixStream, signer: &Mutex<Signer>) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIME_MAX))?;
    while let Some(request) = wire::read_request(&mut stream)? {
        // After a panic, the guard is what it was: it changes in one step.
        let answer = signer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answer(&request);
        wire::write_answer(&mut stream, &answer)?;
    }
    Ok(())
}

impl Signer {
    fn answer(&mut self, request: &[u8]) -> Answer {
        if request.is_empty() {
            return Ok(self.guard.key().to_string().into_bytes());
        }
        // No checkpoint begins like this, so nobody chooses by which rules a text is looked at.
        if WebhookContent::is_meant(request) {
            let asked = self.guard.check_webhook(request);
            let asked = asked.map_err(|error| error.to_string())?;
            return self.key.sign(asked.as_str().as_bytes());
        }
        let asked = self
            .guard
            .check(request)
            .map_err(|error| error.to_string())?;
        let text = asked.to_string();
        let signature = self.key.sign(text.as_bytes())?;
        let key = self.guard.key().verifier_key().clone();
        let note = SignedNote::new(text, &key, signature.clone());
        // Before the signature leaves.
        let kept = self.guard.keep(&note.to_string());
        kept.map_err(|error| error.to_string())?;
        Ok(signature)
    }
}
