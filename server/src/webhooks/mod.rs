//! Webhooks: whoever the operator names is told of each record that was released.
//!
//! ```text
//! outbox: next ──► records in the released tree ──► message, signed ──► POST ──► 2xx ──► outbox: next + 1
//!     ▲                                                                   │
//!     └───────────── attempts, when next, why ◄──── anything else ────────┘
//! ```
//!
//! Always: a record counts as told when its receiver has answered with a 2xx, and that is written down behind it. So each
//! record is told at least once, in the order of the log, and whatever is lost between the answer and the write (this
//! server, the database, the last moments before a stop) is told again. Nothing else waits for a receiver: neither the
//! sequencer, nor who reads, nor `/readyz`.
//!
//! Of several servers on one database, one tells a webhook, by a lease that it loses when it is silent
//! ([`crate::storage::Outbox`]).
//!
//! Not here: what is signed, and why it can't be taken for a checkpoint ([`candor_core::note::webhook`]).

mod message;
mod receiver;
mod settings;
mod worker;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use candor_core::merkle::TreeSize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::metrics::Metrics;
use crate::sequencer::Sequencer;
use crate::signer::Signer;
use crate::storage::Storage;

use receiver::Receiver;
pub(crate) use settings::WebhookTable;
pub use settings::{Webhook, WebhookUrl};
use worker::Worker;

/// How long a server that stops gives its webhooks back.
const GIVE_BACK_TIME_MAX: Duration = Duration::from_secs(2);

/// What telling takes.
pub struct WebhookParts {
    /// What the log keeps.
    pub storage: Arc<dyn Storage>,
    /// Where trees are released.
    pub sequencer: Sequencer,
    /// Signs messages.
    pub signer: Arc<dyn Signer>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What all webhooks of a server share.
struct Shared {
    parts: WebhookParts,
    /// How the others know this server.
    server: String,
    /// How large the tree was when it began: where new webhooks begin.
    size: TreeSize,
}

/// Webhooks that are told.
pub struct Webhooks {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// Why webhooks can't be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// The system has no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Webhooks {
    /// Begins to tell, until `stop` turns true.
    pub fn start(
        parts: WebhookParts,
        webhooks: &[Webhook],
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, WebhooksError> {
        let shared = Arc::new(Shared {
            server: server_name()?,
            size: parts.sequencer.released().head.size,
            parts,
        });
        let workers = webhooks.iter().map(|webhook| {
            let receiver = Receiver::new(&webhook.url);
            let worker = Worker::new(Arc::clone(&shared), webhook.clone(), receiver, stop.clone());
            tokio::spawn(worker.run())
        });
        Ok(Self {
            workers: workers.collect(),
            shared,
        })
    }

    /// Waits until all have ended, which does not take long behind a stop, and lets other servers go on at once.
    pub async fn end(self) {
        for worker in self.workers {
            if let Err(error) = worker.await {
                debug!(%error, "a webhook's task did not end in order");
            }
        }
        let outbox = self.shared.parts.storage.outbox();
        let given_back = outbox.give_back(&self.shared.server);
        // Where that fails, the others wait until the lease is over.
        match tokio::time::timeout(GIVE_BACK_TIME_MAX, given_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "the webhooks were not given back"),
            Err(_) => debug!("the webhooks were not given back in time"),
        }
    }
}

/// A name that no other server has, nor this one after its next start.
fn server_name() -> Result<String, WebhooksError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(WebhooksError::Random)?;
    let mut name = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}
