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
use tracing::{error, info, warn};

use crate::last_signed::{LastSigned, LastSignedError};
use crate::limits::Room;
use crate::metrics::{Metrics, gauge};
use crate::plan::{Placed, Planner, Refused, Submission};
use crate::recent::Recent;
use crate::storage::{Batch, CommitError, Known, Questions, Storage, StorageError, Turn};
use crate::tree::RightEdge;

/// A batch takes no further submission when it has so many records: some 50 ms of writing. More of them in one
/// transaction would be hardly faster, and everybody would wait longer.
const BATCH_RECORDS: usize = 4_096;

/// How often an idle sequencer shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the sequencer waits for room to keep a checkpoint before it tries again.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

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
    /// The disk is full.
    #[error("the log's disk is full, and nothing of this was stored")]
    Full,
    /// The storage failed. Whether the records are in the log, the next try will show.
    #[error("the log could not store this, or can't tell whether it did")]
    Failed,
}

/// Why the sequencer can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// A batch may be in the log or not, or somebody else writes to it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The tree is not the one that was signed, or what was signed can't be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// The log is not where it was, or does not open as it should.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What others see of the sequencer's health.
#[derive(Clone, Copy, Debug)]
struct Vitals {
    /// When it was last seen alive.
    seen: Instant,
    /// When the last batch failed, if it did.
    failed: Option<Instant>,
}

type Answer = oneshot::Sender<Result<Vec<Placed>, SubmitError>>;

struct Waiting {
    submission: Submission,
    rooms: Vec<Room>,
    since: Instant,
    answer: Answer,
}

/// Where submissions are handed in.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Waiting>,
    released: watch::Receiver<Arc<Released>>,
    vitals: watch::Receiver<Vitals>,
}

/// What the sequencer works with.
pub struct SequencerParts {
    /// The log.
    pub storage: Arc<dyn Storage>,
    /// What of it is in memory.
    pub recent: Arc<Recent>,
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
        mut parts: SequencerParts,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, tokio::task::JoinHandle<Result<(), SequencerError>>), SequencerError> {
        let edge = RightEdge::load(parts.storage.as_ref()).await?;
        let head = edge.head();
        parts
            .last_signed
            .check(parts.storage.as_ref(), head)
            .await?;
        let nothing_to_sign = parts.last_signed.holds(head);
        match parts.storage.settle().await {
            // All of it was on stable storage when it was signed, so it can be read while there is no room.
            Err(StorageError::Full(error)) if nothing_to_sign => {
                warn!(%error, "the disk is full: the log is read only until there is room");
            }
            settled => settled?,
        }
        let released = Arc::new(sign(head, &parts.signer));
        if !nothing_to_sign {
            parts.last_signed.write(head, &released.checkpoint)?;
        }
        let (release, released) = watch::channel(released);
        let (queue, waiting) = mpsc::channel(parts.queue_max);
        let (show, vitals) = watch::channel(Vitals {
            seen: Instant::now(),
            failed: None,
        });
        parts.metrics.tree_size.set(gauge(head.size.get()));
        let task = tokio::spawn(
            Task {
                parts,
                edge,
                release,
                show,
                waiting,
                stop,
            }
            .run(),
        );
        Ok((
            Self {
                queue,
                released,
                vitals,
            },
            task,
        ))
    }

    /// Hands in records and waits until they are in a released tree, or refused. The memory that they take is in
    /// `rooms`, which are given back then.
    pub async fn submit(
        &self,
        submission: Submission,
        rooms: Vec<Room>,
    ) -> Result<Vec<Placed>, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Waiting {
                submission,
                rooms,
                since: Instant::now(),
                answer,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SubmitError::QueueFull {
                    waiting: self.queue.max_capacity(),
                },
                mpsc::error::TrySendError::Closed(_) => SubmitError::Stopping,
            })?;
        // An answer that was dropped is of a batch that nobody knows the end of.
        answered.await.unwrap_or(Err(SubmitError::Failed))
    }

    /// The newest released tree.
    pub fn released(&self) -> Arc<Released> {
        Arc::clone(&self.released.borrow())
    }

    /// How many submissions wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// How long ago the sequencer last showed that it is alive.
    pub fn silence(&self) -> Duration {
        self.vitals.borrow().seen.elapsed()
    }

    /// How long ago the last batch failed; `None` if it did not.
    pub fn failed_since(&self) -> Option<Duration> {
        self.vitals.borrow().failed.map(|failed| failed.elapsed())
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
    show: watch::Sender<Vitals>,
    waiting: mpsc::Receiver<Waiting>,
    stop: watch::Receiver<bool>,
}

impl Task {
    async fn run(mut self) -> Result<(), SequencerError> {
        let mut stop = self.stop.clone();
        loop {
            self.show_alive();
            self.parts.storage.check_place()?;
            let first = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                first = self.waiting.recv() => first,
                () = tokio::time::sleep(HEARTBEAT) => continue,
            };
            let Some(first) = first else { break };
            // What comes while it waits for its turn is in the batch too.
            let turn = self.parts.storage.turn().await;
            let batch = self.take_behind(first);
            self.sequence(turn, batch).await?;
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
        self.show.send_modify(|vitals| vitals.seen = Instant::now());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.parts
            .metrics
            .sequencer_alive_seconds
            .set(now.as_secs_f64());
    }

    /// A submission, and those that wait behind it.
    fn take_behind(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut records = first.submission.records.len();
        let mut batch = vec![first];
        while records < BATCH_RECORDS
            && let Ok(next) = self.waiting.try_recv()
        {
            records += next.submission.records.len();
            batch.push(next);
        }
        batch
    }

    /// Takes one batch from the queue to its answers. An error means that the log can't go on.
    async fn sequence(
        &mut self,
        turn: Result<Box<dyn Turn>, StorageError>,
        batch: Vec<Waiting>,
    ) -> Result<(), SequencerError> {
        let mut questions = Questions::default();
        for waiting in &batch {
            for record in &waiting.submission.records {
                questions.about(record.envelope(), record.statement());
            }
        }
        let metrics = Arc::clone(&self.parts.metrics);
        let begun = Instant::now();
        for waiting in &batch {
            let waited = begun - waiting.since;
            metrics.queue_wait_seconds.observe(waited.as_secs_f64());
        }
        let (turn, known) = match look_up(turn, &questions).await {
            Ok(found) => found,
            Err(error) => {
                // Nothing was begun, so nothing is lost: those who wait try again.
                error!(%error, "the storage does not answer; the batch is dropped");
                let answers = batch.into_iter().map(|waiting| waiting.answer);
                self.fail(answers, &CommitError::NotWritten(error));
                return Ok(());
            }
        };
        let look_up = begun.elapsed().as_secs_f64();
        metrics.look_up_seconds.observe(look_up);
        let begun = Instant::now();
        let before = self.edge.head();
        let mut planner = Planner::new(known, before.size, self.parts.operator.as_ref());
        // Refusals wait for the commit too: they may be due to records of this very batch.
        let mut rooms = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        for waiting in batch {
            answers.push((planner.place(waiting.submission), waiting.answer));
            rooms.push(waiting.rooms);
        }
        if planner.entries.is_empty() {
            turn.end().await;
        } else {
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
            let integrate = begun.elapsed().as_secs_f64();
            metrics.integrate_seconds.observe(integrate);
            let begun = Instant::now();
            let committed = turn.commit(&batch).await;
            let commit_time = begun.elapsed();
            metrics.commit_seconds.observe(commit_time.as_secs_f64());
            if let Err(error) = committed {
                error!(%error, tree.size = before.size.get(), "the commit failed");
                self.fail(answers.into_iter().map(|(_, answer)| answer), &error);
                return match error {
                    CommitError::NotWritten(_) => Ok(()),
                    CommitError::HeadMoved { .. } | CommitError::Unknown(_) => Err(error.into()),
                };
            }
            self.edge = edge;
            // Who waits when this fails is answered by nobody: that is `SubmitError::Failed`.
            self.release(&batch, commit_time).await?;
            self.parts.recent.committed(batch);
        }
        drop(rooms);
        for (places, answer) in answers {
            let _ = answer.send(places.map_err(SubmitError::from));
        }
        Ok(())
    }

    /// Tells everybody who waits for a batch that it failed.
    fn fail(&self, answers: impl Iterator<Item = Answer>, error: &CommitError) {
        self.show_failure();
        for answer in answers {
            let _ = answer.send(Err(match error {
                CommitError::NotWritten(StorageError::Full(_)) => SubmitError::Full,
                CommitError::NotWritten(_)
                | CommitError::HeadMoved { .. }
                | CommitError::Unknown(_) => SubmitError::Failed,
            }));
        }
    }

    fn show_failure(&self) {
        self.show
            .send_modify(|vitals| vitals.failed = Some(Instant::now()));
    }

    /// The commit has returned: sign, and let everybody see.
    async fn release(
        &mut self,
        batch: &Batch,
        commit_time: Duration,
    ) -> Result<(), SequencerError> {
        self.parts.storage.check_place()?;
        let begun = Instant::now();
        let released = sign(batch.after, &self.parts.signer);
        self.keep(&released).await?;
        let release = begun.elapsed().as_secs_f64();
        self.parts.metrics.release_seconds.observe(release);
        self.release.send_replace(Arc::new(released));
        self.show.send_modify(|vitals| vitals.failed = None);
        let metrics = &self.parts.metrics;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a histogram holds doubles, and batches are small"
        )]
        metrics.batch_entries.observe(batch.entries.len() as f64);
        metrics.records_logged.inc_by(batch.entries.len() as u64);
        metrics.tree_size.set(gauge(batch.after.size.get()));
        info!(
            tree.size = batch.after.size.get(),
            batch.entries = batch.entries.len(),
            // As 64 bits: longer numbers become text in JSON.
            commit_ms = u64::try_from(commit_time.as_millis()).unwrap_or(u64::MAX),
            "released"
        );
        Ok(())
    }

    /// Puts what was signed on stable storage. The batch is committed and nobody has seen it, so there is
    /// nothing to lose by waiting, where it is only room that is missing.
    async fn keep(&mut self, released: &Released) -> Result<(), LastSignedError> {
        let mut stop = self.stop.clone();
        loop {
            let last_signed = &mut self.parts.last_signed;
            let kept = tokio::task::block_in_place(|| {
                last_signed.write(released.head, &released.checkpoint)
            });
            match kept {
                Err(error) if error.is_no_room() && !*stop.borrow() => {
                    error!(%error, "there is no room to keep the checkpoint; waiting for it");
                    self.show_failure();
                    let _ = tokio::time::timeout(ROOM_PAUSE, stop.wait_for(|stop| *stop)).await;
                }
                kept => return kept,
            }
        }
    }
}

/// What the log knows, as long as the turn lasts.
async fn look_up(
    turn: Result<Box<dyn Turn>, StorageError>,
    questions: &Questions,
) -> Result<(Box<dyn Turn>, Known), StorageError> {
    let mut turn = turn?;
    let known = turn.known(questions).await?;
    Ok((turn, known))
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
