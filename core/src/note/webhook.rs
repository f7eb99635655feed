//! [Standard Webhooks](https://www.standardwebhooks.com) 1.0.0: what a log signs when it tells somebody of a record.
//!
//! ```text
//! candor+record+2f6c01a9d3e4b587+4711.1764547200.{"type":"record.logged","timestamp":…,"data":…}
//! └──────────── webhook-id ─────────┘ └ -timestamp ┘ └───────────────── body ──────────────────┘
//!               log's key        index  seconds since 1970
//! ```
//!
//! The log's key signs checkpoints too, so no text may be both. None is, for each of two reasons:
//!
//! - A checkpoint's text is a note's, which ends in a line break and has at least three lines. This one has no line break
//!   at all, nor any other byte than printable ASCII.
//! - A checkpoint's text begins with the log's origin, which names a key, and such a name has no plus sign. This one begins
//!   with [`PREFIX`], which has two.
//!
//! The second reason holds for all that others sign as well: a cosignature's text begins with `cosignature/v1`, what is
//! signed in a DSSE envelope with `DSSEv1 `.
//!
//! Always: both are checked by [`WebhookContent`], of which there is none but by its checks: where the content is put
//! together, before a key in the server's process signs it, and once more by `candor-signer`. The same two sides refuse a
//! checkpoint's text that breaks its own rule ([`Checkpoint::from_unsigned`](super::Checkpoint::from_unsigned),
//! [`NoteSigner::signature`]).
//!
//! Not here: what the body says beyond its type, and how it is sent.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::Signature;

use super::{LogKey, NoteSigner};
use crate::Sha256;
use crate::merkle::LeafIndex;

/// What all such content begins with, and no name of a key.
pub const PREFIX: &str = "candor+record+";

/// What all bodies begin with.
pub const BODY_PREFIX: &str = "{\"type\":\"record.logged\",";

/// The most bytes that are signed: with the longest names it has some 800, and an origin whose characters are all escaped
/// has 1,530.
pub const CONTENT_BYTES_MAX: usize = 8 << 10;

/// How many hexadecimal digits say which log it is.
const LOG_DIGITS: usize = 16;

/// How many digits an index or a time has at most: those of a `u64`.
const NUMBER_DIGITS_MAX: usize = 20;

/// What is signed of a message: its ID, when it is sent, and its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookContent {
    text: String,
    id_end: usize,
    body: usize,
}

/// Why text is no such content of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Over [`CONTENT_BYTES_MAX`].
    #[error("the message has {bytes} bytes, and at most {CONTENT_BYTES_MAX} are signed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A line break, or something else that is not printable ASCII.
    #[error("the message has the byte {byte:#04x} at {at}, and only printable ASCII is signed")]
    Byte {
        /// Which byte.
        byte: u8,
        /// Where it is.
        at: usize,
    },
    /// It does not begin as such content.
    #[error("the message does not begin with {PREFIX:?}")]
    Prefix,
    /// The ID is another log's, or none.
    #[error("the message's ID is not of this log: it should be {expected:?} and an index")]
    Id {
        /// What comes before the index.
        expected: String,
    },
    /// The time is none.
    #[error("the message's time is not a number of seconds, without leading zeroes")]
    Timestamp,
    /// The body is of another type, or no JSON object.
    #[error("the message's body does not begin with {BODY_PREFIX:?} and end with a brace")]
    Body,
}

impl WebhookContent {
    /// The content of a message about the record at `index` of the log with `key`, sent at `timestamp` in seconds since
    /// 1970.
    ///
    /// ```
    /// # use candor_core::merkle::LeafIndex;
    /// # use candor_core::note::{LogKey, WebhookContent};
    /// # let key: LogKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?;
    /// let body = r#"{"type":"record.logged","timestamp":"2026-01-02T03:04:05.006Z","data":{"index":4711}}"#;
    /// let content = WebhookContent::compose(&key, LeafIndex::new(4711), 1_767_323_045, body)?;
    /// assert_eq!(content.id(), "candor+record+a05425c8f5f4739a+4711");
    /// assert_eq!(content.as_str(), format!("{}.1767323045.{body}", content.id()));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn compose(
        key: &LogKey,
        index: LeafIndex,
        timestamp: u64,
        body: &str,
    ) -> Result<Self, WebhookError> {
        let text = format!("{}{index}.{timestamp}.{body}", id_prefix(key));
        Self::parse(text.as_bytes(), key)
    }

    /// Reads content that may be signed with `key`.
    pub fn parse(bytes: &[u8], key: &LogKey) -> Result<Self, WebhookError> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(WebhookError::TooLong { bytes: bytes.len() });
        }
        let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
        if let Some(at) = bytes.iter().position(|byte| !is_printable(*byte)) {
            let byte = bytes[at];
            return Err(WebhookError::Byte { byte, at });
        }
        let text = str::from_utf8(bytes).expect("printable ASCII is UTF-8");
        if !Self::is_meant(bytes) {
            return Err(WebhookError::Prefix);
        }
        let id_prefix = id_prefix(key);
        let rest = text.strip_prefix(&id_prefix);
        let (index, rest) = rest
            .and_then(|rest| rest.split_once('.'))
            .filter(|(index, _)| is_number(index))
            .ok_or_else(|| WebhookError::Id {
                expected: id_prefix.clone(),
            })?;
        let (timestamp, body) = rest
            .split_once('.')
            .filter(|(timestamp, _)| is_number(timestamp))
            .ok_or(WebhookError::Timestamp)?;
        if !body.starts_with(BODY_PREFIX) || !body.ends_with('}') {
            return Err(WebhookError::Body);
        }
        let id_end = id_prefix.len() + index.len();
        Ok(Self {
            text: text.to_owned(),
            id_end,
            body: id_end + timestamp.len() + 2,
        })
    }

    /// Whether bytes are meant to be such content, so that whoever signs several things knows by which rules: no other
    /// text begins like this.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.starts_with(PREFIX.as_bytes())
    }

    /// What is signed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// For the header `webhook-id`: the same whenever the record is told of.
    pub fn id(&self) -> &str {
        &self.text[..self.id_end]
    }

    /// For the header `webhook-timestamp`.
    pub fn timestamp(&self) -> &str {
        &self.text[self.id_end + 1..self.body - 1]
    }

    /// The body.
    pub fn body(&self) -> &str {
        &self.text[self.body..]
    }

    /// Whether `signature` is the log's over this.
    pub fn is_signed(&self, key: &LogKey, signature: &[u8]) -> bool {
        let key = key.verifier_key().key();
        Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(self.text.as_bytes(), &signature).is_ok())
    }

    /// A signature as it stands in the header `webhook-signature`.
    pub fn header_of(signature: &[u8]) -> String {
        format!("v1a,{}", BASE64_STANDARD.encode(signature))
    }
}

impl LogKey {
    /// The key as the libraries of Standard Webhooks take it: `whpk_` and the base64 of its 32 bytes.
    pub fn to_webhook_key(&self) -> String {
        let key = self.verifier_key().key();
        format!("whpk_{}", BASE64_STANDARD.encode(key.as_bytes()))
    }
}

impl NoteSigner {
    /// The signature of a message.
    pub fn webhook_signature(&self, content: &WebhookContent) -> Vec<u8> {
        self.sign_bytes(content.as_str().as_bytes())
    }
}

/// What comes before the index in an ID. Two logs that tell one receiver of their records have different ones, so it takes
/// none for the other's.
fn id_prefix(key: &LogKey) -> String {
    let digest = Sha256::of(key.to_string()).to_string();
    format!("{PREFIX}{}+", &digest[..LOG_DIGITS])
}

fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}
