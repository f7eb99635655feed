//! What a publisher does with an answer: checks that its receipts hold, with core's code.

use anyhow::{Context as _, ensure};
use candor_core::bundle::Receipt;
use candor_core::merkle::Entry;
use candor_core::note::LogKey;
use candor_core::record::Envelope;
use serde::Deserialize;
use serde_json::Value;

use crate::http::Connection;

/// As much of an answer to `POST /api/v1/records` as is checked.
#[derive(Deserialize)]
pub(crate) struct Answer {
    /// A signed tree that holds the records.
    checkpoint: String,
    /// In the order of the request.
    pub(crate) records: Vec<Published>,
}

/// One record of an answer.
#[derive(Deserialize)]
pub(crate) struct Published {
    /// Where it stands.
    pub(crate) index: u64,
    receipt: String,
}

/// The key that the log says it signs with. It is our own log, on this machine.
pub(crate) async fn log_key(connection: &mut Connection) -> anyhow::Result<LogKey> {
    let about: Value = serde_json::from_slice(&connection.get("/api/v1/log").await?)?;
    let key = about["key"].as_str().context("/api/v1/log names no key")?;
    Ok(key.parse()?)
}

/// Checks the receipt of every record of `body`, which may be one or several, and that it is in the tree of the
/// checkpoint that came with it. Returns how many there are.
pub(crate) fn verify_answer(body: &[u8], answer: &[u8], key: &LogKey) -> anyhow::Result<usize> {
    let sent = match serde_json::from_slice(body)? {
        Value::Array(sent) => sent,
        one => vec![one],
    };
    let answer: Answer = serde_json::from_slice(answer)?;
    ensure!(
        answer.records.len() == sent.len(),
        "{} records were sent, and {} answered",
        sent.len(),
        answer.records.len()
    );
    for (envelope, published) in sent.iter().zip(&answer.records) {
        let entry = Entry::new(Envelope::from_json(envelope)?.to_canonical_json())?;
        let receipt: Receipt = published.receipt.parse()?;
        let logged = receipt
            .verify(&entry, key)
            .with_context(|| format!("the receipt of entry {}", published.index))?;
        ensure!(
            logged.index.get() == published.index && receipt.checkpoint == answer.checkpoint,
            "the answer says entry {}, and its receipt is about entry {} or another checkpoint",
            published.index,
            logged.index
        );
    }
    Ok(sent.len())
}
