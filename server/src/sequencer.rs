//! The sequencer: the one place where an entry gets its index.
//!
//! ```text
//! accept ──► queue ──► batch ──► plan ──► one transaction ──► sign ──────► release
//! (many)   (bounded)   (one)              entries, tiles,     and keep    answers everyone
//!                                         views, head         that too    who was waiting
//! ```
//!
//! Always: nothing to the right of the transaction starts before its commit has returned. What a crash
//! leaves behind at each arrow is either nothing, or a committed batch that the next start finds, signs and
//! serves; nobody was answered about it, and publishing again returns its places.
//!
//! Batches form by themselves: while one commits, the next gathers in the queue. On an idle log a record is
//! a batch of its own, and waits for no timer.
//!
//! Not here: checking signatures ([`crate::accept`]), deciding conflicts ([`crate::plan`]).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use candor_core::merkle::{LeafIndex, TreeHead};
use candor_core::note::{Checkpoint, NoteSigner};
use candor_core::record::PublicKey;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};

use crate::last_signed::{LastSigned, LastSignedError};
use crate::metrics::Metrics;
use crate::plan::{Placed, Planner, Refused, Submission};
use crate::storage::{Batch, Questions, Storage, StorageError};
use crate::tree::RightEdge;

/// The most submissions in one batch.
const BATCH_SUBMISSIONS_MAX: usize = 1_024;

/// How often an idle sequencer shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A tree that is committed and signed: what readers may see.
#[derive(Clone, Debug)]
pub struct Released {
    /// Its size and root.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a submission got no places.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It conflicts with the log.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// More waits than the server wants to hold.
    #[error("the log is busy: {waiting} submissions wait already")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// The server is going down, and had not begun with it.
    #[error("the server is stopping, and has not stored this")]
    Stopping,
    /// The storage failed. Whether the records are in the log, the next try will show.
    #[error("the log could not store this, or could not tell whether it did")]
    Failed,
}

struct Waiting {
    submission: Submission,
    answer: oneshot::Sender<Result<Vec<Placed>, SubmitError>>,
}

/// Where submissions are handed in.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Waiting>,
    released: watch::Receiver<Arc<Released>>,
    metrics: Arc<Metrics>,
}

/// What the sequencer works with.
pub struct SequencerParts {
    /// The log.
    pub storage: Arc<dyn Storage>,
    /// Signs checkpoints.
    pub signer: NoteSigner,
    /// Remembers what was signed.
    pub last_signed: LastSigned,
    /// Admits publishers, where that is asked for.
    pub operator: Option<PublicKey>,
    /// How many submissions may wait.
    pub queue_max: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Sequencer {
    /// Loads the tree's edge, holds it against what was signed last, signs the committed head, and starts the
    /// task that writes. The task ends after the batch at hand when `stop` turns true, or with an error when
    /// the log's state can't be known.
    pub async fn start(
        parts: SequencerParts,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, tokio::task::JoinHandle<Result<(), LastSignedError>>), LastSignedError> {
        let edge = RightEdge::load(parts.storage.as_ref()).await?;
        parts
            .last_signed
            .check(parts.storage.as_ref(), edge.head())
            .await?;
        let released = Arc::new(sign(edge.head(), &parts.signer));
        parts.last_signed.write(&released.checkpoint)?;
        let (release, released) = watch::channel(released);
        let (queue, waiting) = mpsc::channel(parts.queue_max);
        let metrics = Arc::clone(&parts.metrics);
        metrics.tree_size.set(gauge(edge.head().size.get()));
        let task = tokio::spawn(
            Task {
                parts,
                edge,
                release,
                waiting,
                stop,
            }
            .run(),
        );
        Ok((
            Self {
                queue,
                released,
                metrics,
            },
            task,
        ))
    }

    /// Hands in records and waits until they are in a released tree, or refused.
    pub async fn submit(&self, submission: Submission) -> Result<Vec<Placed>, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting { submission, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SubmitError::QueueFull {
                    waiting: self.queue.max_capacity(),
                },
                mpsc::error::TrySendError::Closed(_) => SubmitError::Stopping,
            })?;
        self.metrics.queue_depth.set(gauge(
            (self.queue.max_capacity() - self.queue.capacity()) as u64,
        ));
        // An answer that was dropped is of a batch that nobody knows the end of.
        answered.await.unwrap_or(Err(SubmitError::Failed))
    }

    /// The newest released tree.
    pub fn released(&self) -> Arc<Released> {
        Arc::clone(&self.released.borrow())
    }

    /// The newest released tree, once it holds the entry at `index`: between commit and signature, the
    /// storage shows entries that are in no released tree yet.
    pub async fn released_with(&self, index: LeafIndex) -> Result<Arc<Released>, SubmitError> {
        let mut released = self.released.clone();
        let released = released
            .wait_for(|released| released.head.size.leaf(index).is_some())
            .await;
        released
            .map(|released| Arc::clone(&released))
            .map_err(|_| SubmitError::Stopping)
    }
}

/// A size as the signed integer that gauges hold.
fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn sign(head: TreeHead, signer: &NoteSigner) -> Released {
    Released {
        head,
        checkpoint: Checkpoint::sign(head, signer).to_string(),
    }
}

struct Task {
    parts: SequencerParts,
    edge: RightEdge,
    release: watch::Sender<Arc<Released>>,
    waiting: mpsc::Receiver<Waiting>,
    stop: watch::Receiver<bool>,
}

impl Task {
    async fn run(mut self) -> Result<(), LastSignedError> {
        let mut stop = self.stop.clone();
        loop {
            self.show_alive();
            let batch = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                batch = next_batch(&mut self.waiting) => batch,
                () = tokio::time::sleep(HEARTBEAT) => continue,
            };
            let Some(batch) = batch else { break };
            self.sequence(batch).await?;
        }
        // What waits was not begun with, and is told so.
        self.waiting.close();
        while let Some(Waiting { answer, .. }) = self.waiting.recv().await {
            let _ = answer.send(Err(SubmitError::Stopping));
        }
        info!(
            tree.size = self.edge.head().size.get(),
            "the sequencer has stopped"
        );
        Ok(())
    }

    fn show_alive(&self) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.parts
            .metrics
            .sequencer_alive_seconds
            .set(now.as_secs_f64());
    }

    /// Takes one batch from the queue to its answers. An error means that the log can't go on.
    async fn sequence(&mut self, batch: Vec<Waiting>) -> Result<(), LastSignedError> {
        let started = Instant::now();
        let mut questions = Questions::default();
        for waiting in &batch {
            for record in &waiting.submission.records {
                questions.about(record.statement());
            }
        }
        let known = match self.parts.storage.known(&questions).await {
            Ok(known) => known,
            Err(error) => {
                // Nothing was begun, so nothing is lost: those who wait try again.
                error!(%error, "the storage does not answer; the batch is dropped");
                fail_all(batch.into_iter().map(|waiting| waiting.answer));
                return Ok(());
            }
        };
        let before = self.edge.head();
        let mut planner = Planner::new(known, before.size, self.parts.operator.as_ref());
        let mut answers = Vec::new();
        for Waiting { submission, answer } in batch {
            match planner.place(submission) {
                Ok(places) => answers.push((places, answer)),
                Err(refused) => {
                    let _ = answer.send(Err(refused.into()));
                }
            }
        }
        if !planner.entries.is_empty() {
            let mut edge = self.edge.clone();
            let tiles = edge.append(planner.leaves);
            let batch = Batch {
                before,
                after: edge.head(),
                tiles,
                entries: planner.entries,
                attachments: planner.attachments,
                views: planner.views,
                accepted_ms: now_ms(),
            };
            match self.commit(&batch).await {
                Ok(true) => {}
                Ok(false) => {
                    fail_all(answers.into_iter().map(|(_, answer)| answer));
                    return Ok(());
                }
                Err(error) => {
                    fail_all(answers.into_iter().map(|(_, answer)| answer));
                    return Err(error.into());
                }
            }
            self.edge = edge;
            if let Err(error) = self.release(&batch, started) {
                fail_all(answers.into_iter().map(|(_, answer)| answer));
                return Err(error);
            }
        }
        for (places, answer) in answers {
            let _ = answer.send(Ok(places));
        }
        Ok(())
    }

    /// Commits, and finds out what happened when the storage could not say. Returns whether the batch is in
    /// the log; an error means that the log can't go on.
    async fn commit(&self, batch: &Batch) -> Result<bool, StorageError> {
        let Err(error) = self.parts.storage.commit(batch).await else {
            return Ok(true);
        };
        error!(%error, tree.size = batch.before.size.get(), "the commit failed");
        let head = self.parts.storage.head().await.inspect_err(|error| {
            error!(%error, "nobody knows whether the batch is in the log; the server stops");
        })?;
        if head == batch.after {
            Ok(true)
        } else if head == batch.before {
            Ok(false)
        } else {
            error!(
                found = head.size.get(),
                "the log has another tree than this server; it stops"
            );
            Err(error)
        }
    }

    /// The commit has returned: sign, and let everybody see.
    fn release(&self, batch: &Batch, started: Instant) -> Result<(), LastSignedError> {
        let metrics = &self.parts.metrics;
        let released = sign(batch.after, &self.parts.signer);
        tokio::task::block_in_place(|| self.parts.last_signed.write(&released.checkpoint))?;
        self.release.send_replace(Arc::new(released));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a histogram holds doubles, and batches are small"
        )]
        metrics.batch_entries.observe(batch.entries.len() as f64);
        metrics
            .commit_seconds
            .observe(started.elapsed().as_secs_f64());
        metrics.records_logged.inc_by(batch.entries.len() as u64);
        metrics.tree_size.set(gauge(batch.after.size.get()));
        metrics.queue_depth.set(gauge(self.waiting.len() as u64));
        info!(
            tree.size = batch.after.size.get(),
            batch.entries = batch.entries.len(),
            commit_ms = started.elapsed().as_millis(),
            "released"
        );
        Ok(())
    }
}

/// The next submission, and all that wait behind it. `None` when nobody can hand in any more.
async fn next_batch(waiting: &mut mpsc::Receiver<Waiting>) -> Option<Vec<Waiting>> {
    let mut batch = Vec::new();
    let taken = waiting.recv_many(&mut batch, BATCH_SUBMISSIONS_MAX).await;
    (taken > 0).then_some(batch)
}

fn fail_all(answers: impl Iterator<Item = oneshot::Sender<Result<Vec<Placed>, SubmitError>>>) {
    for answer in answers {
        let _ = answer.send(Err(SubmitError::Failed));
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
