//! The sequencer: the one place where an entry gets its index.
//!
//! ```text
//! accept ──► queue ──► batch ──► plan ──► one transaction ──► publish ──► sign ──────► release
//! (many)   (bounded)   (one)              entries, tiles,     to the      and keep    answers everyone
//!                                         views, head         static part that too    who was waiting
//! ```
//!
//! Always: nothing to the right of the transaction starts before its commit has returned. What a crash
//! leaves behind at each arrow is either nothing, or a committed batch that the next start finds, signs and
//! serves; nobody was answered about it, and publishing again returns its places.
//!
//! Batches form by themselves: while one commits, the next gathers in the queue. On an idle log a record is
//! a batch of its own, and waits for no timer.
//!
//! Not here: checking signatures ([`crate::accept`]), deciding conflicts ([`crate::plan`]), the static part
//! ([`crate::static_part`]).

mod begin;
mod error;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use candor_core::merkle::{LeafIndex, TreeHead};
use candor_core::record::PublicKey;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::current_keys::CurrentKeys;
use crate::failpoint::failpoint;
use crate::last_signed::LastSigned;
use crate::limits::Room;
use crate::metrics::{Metrics, gauge};
use crate::own_thread::{self, Alive};
use crate::plan::{NewRecord, Placed, Planner, Submission};
use crate::recent::Recent;
use crate::releases::{Released, Releases, Shown};
use crate::signer::{Signer, SignerError, sign_checkpoint};
use crate::static_part::{StaticPart, StaticPartError};
use crate::storage::{Batch, CommitError, Known, Storage, StorageError, Turn};
use crate::tree::RightEdge;

use begin::begin;
pub use error::{SequencerError, SubmitError};

/// A batch takes no further submission when it has so many records: some 50 ms of writing. More of them in one
/// transaction would be hardly faster, and everybody would wait longer.
pub const BATCH_RECORDS: usize = 4_096;

/// Nor when its records and attachments have so many bytes: a database at the other end of a line of 100 Mbit/s takes
/// them in 3 seconds.
const BATCH_BYTES: usize = 32 << 20;

/// How often an idle sequencer shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the sequencer waits for room to keep a checkpoint, or for a signer, before it tries again.
const PAUSE: Duration = Duration::from_secs(1);

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
    _alive: Alive,
    shown: Shown,
    vitals: watch::Receiver<Vitals>,
}

/// What the sequencer works with.
pub struct SequencerParts {
    /// The log.
    pub storage: Arc<dyn Storage>,
    /// What of it is in memory.
    pub recent: Arc<Recent>,
    /// Signs checkpoints.
    pub signer: Arc<dyn Signer>,
    /// Where tiles, entries and attachments are put before a tree is released, if anywhere.
    pub static_part: Option<StaticPart>,
    /// Admits publishers, where that is asked for.
    pub operator: Option<PublicKey>,
    /// How many submissions may wait.
    pub queue_max: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Sequencer {
    /// Loads the tree's edge, holds it against what was signed last, signs the committed head, and starts the
    /// task that writes, and the one that follows other servers, if there can be any. The task ends after the batch
    /// at hand when `stop` turns true, or with an error when the log's state can't be known.
    pub async fn start(
        mut parts: SequencerParts,
        last_signed: LastSigned,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, tokio::task::JoinHandle<Result<(), SequencerError>>), SequencerError> {
        let edge = RightEdge::load(parts.storage.as_ref()).await?;
        let (releases, shown, follower) = begin(&mut parts, edge.head(), last_signed).await?;
        let (queue, waiting) = mpsc::channel(parts.queue_max);
        let (show, vitals) = watch::channel(Vitals {
            seen: Instant::now(),
            failed: None,
        });
        parts.metrics.tree_size.set(gauge(edge.head().size.get()));
        let task = Task {
            parts,
            edge,
            keys: CurrentKeys::default(),
            releases,
            show,
            waiting,
            stop,
        };
        let follower = follower.map(|follower| tokio::spawn(follower.run()));
        let (alive, task) = own_thread::spawn("sequencer", async move {
            let Some(mut follower) = follower else {
                return task.run().await;
            };
            tokio::select! {
                biased;
                ended = task.run() => ended,
                // It ends first when the database shows another history. What is being written then is in a
                // transaction that ends with its connection, or committed, and answered by nobody.
                ended = &mut follower => Ok(ended.expect("the follower does not panic")?),
            }
        })
        .map_err(SequencerError::Thread)?;
        let sequencer = Self {
            queue,
            _alive: alive,
            shown,
            vitals,
        };
        Ok((sequencer, task))
    }

    /// Hands in records and waits until they are in a released tree, or refused. The memory that they take is in
    /// `rooms`, which are given back then.
    pub async fn submit(
        &self,
        submission: Submission,
        rooms: Vec<Room>,
    ) -> Result<Vec<Placed>, SubmitError> {
        if let Some(retirement) = self.released().retirement() {
            let next = retirement.next.clone();
            return Err(SubmitError::Retired { next });
        }
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
        let answer = answered.await.unwrap_or(Err(SubmitError::Failed));
        if !matches!(answer, Err(SubmitError::Retired { .. })) {
            return answer;
        }
        // It was closed this moment, elsewhere.
        let newest = self.newest().await;
        let next = newest.retirement().and_then(|it| it.next.clone());
        Err(SubmitError::Retired { next })
    }

    /// The newest tree that this server knows to be released.
    pub fn released(&self) -> Arc<Released> {
        self.shown.known()
    }

    /// The newest tree that any server of this log had released when this was asked: whoever published there reads
    /// here what was published.
    pub async fn newest(&self) -> Arc<Released> {
        self.shown.newest().await
    }

    /// Each tree as it is released, beginning with the newest.
    pub fn releases(&self) -> watch::Receiver<Arc<Released>> {
        self.shown.changes()
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

    /// The newest released tree, once it holds the entry at `index`.
    pub async fn released_with(&self, index: LeafIndex) -> Result<Arc<Released>, SubmitError> {
        self.shown.with(index).await.ok_or(SubmitError::Stopping)
    }
}

struct Task {
    parts: SequencerParts,
    edge: RightEdge,
    keys: CurrentKeys,
    releases: Arc<Releases>,
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
            let woken = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                woken = tokio::time::timeout(HEARTBEAT, self.waiting.recv()) => woken,
            };
            let first = match woken {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => {
                    self.release_left_behind().await?;
                    continue;
                }
            };
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
        let size = self.edge.head().size;
        info!(tree.size = size.get(), "the sequencer has stopped");
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
        let mut bytes = first.submission.bytes();
        let mut batch = vec![first];
        while records < BATCH_RECORDS
            && bytes < BATCH_BYTES
            && let Ok(next) = self.waiting.try_recv()
        {
            records += next.submission.records.len();
            bytes += next.submission.bytes();
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
        let metrics = Arc::clone(&self.parts.metrics);
        let begun = Instant::now();
        for waiting in &batch {
            let waited = begun - waiting.since;
            metrics.queue_wait_seconds.observe(waited.as_secs_f64());
        }
        let (turn, known) = match self.look_up(turn, &batch).await {
            Ok(found) => found,
            Err(error) => {
                error!(%error, "the batch is dropped before it was begun");
                let answers = batch.into_iter().map(|waiting| waiting.answer);
                return self.fail(answers, error);
            }
        };
        failpoint("turn");
        let look_up = begun.elapsed().as_secs_f64();
        metrics.look_up_seconds.observe(look_up);
        let begun = Instant::now();
        let before = self.edge.head();
        let mut planner = Planner::new(
            known,
            before.size,
            self.parts.operator.as_ref(),
            Some(now_ms()),
        );
        // Refusals wait for the commit too: they may be due to records of this very batch.
        let mut rooms = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        for waiting in batch {
            answers.push((planner.place(waiting.submission), waiting.answer));
            rooms.push(waiting.rooms);
        }
        if planner.entries.is_empty() {
            turn.end().await;
            // Where nothing but refusals comes, nobody else would release what a server left behind.
            if self.edge.head().size > self.releases.newest().head.size {
                self.release(None).await?;
            }
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
            };
            let integrate = begun.elapsed().as_secs_f64();
            metrics.integrate_seconds.observe(integrate);
            failpoint("planned");
            let begun = Instant::now();
            let committed = turn.commit(&batch).await;
            let commit_time = begun.elapsed();
            metrics.commit_seconds.observe(commit_time.as_secs_f64());
            if let Err(error) = committed {
                error!(%error, tree.size = before.size.get(), "the commit failed");
                return self.fail(answers.into_iter().map(|(_, answer)| answer), error.into());
            }
            failpoint("committed");
            self.edge = edge;
            self.keys.committed(&batch);
            // Who waits when this fails is answered by nobody: that is `SubmitError::Failed`.
            self.release(Some(&batch)).await?;
            self.count(&batch, commit_time);
            self.parts.recent.committed(batch);
        }
        drop(rooms);
        for (places, answer) in answers {
            let _ = answer.send(places.map_err(SubmitError::from));
        }
        Ok(())
    }

    /// What the log knows, as long as the turn lasts.
    async fn look_up(
        &mut self,
        turn: Result<Box<dyn Turn>, StorageError>,
        batch: &[Waiting],
    ) -> Result<(Box<dyn Turn>, Known), SequencerError> {
        let mut turn = turn?;
        self.follow_to(turn.head()).await?;
        let records = batch.iter().flat_map(|waiting| &waiting.submission.records);
        let records = records.map(NewRecord::record);
        let known = self.keys.look_up(turn.as_mut(), records).await?;
        Ok((turn, known))
    }

    /// Takes over what other servers added to the tree since this one had its turn.
    async fn follow_to(&mut self, head: TreeHead) -> Result<(), SequencerError> {
        let (planned, shown) = (self.edge.head(), self.releases.newest().head);
        if head == planned && head.size >= shown.size {
            return Ok(());
        }
        if self.parts.storage.peers().is_none() {
            return Err(SequencerError::Commit(CommitError::HeadMoved {
                planned: planned.size,
                found: head.size,
            }));
        }
        let edge = RightEdge::at(head, self.parts.storage.as_ref()).await?;
        self.releases.check(head).await?;
        self.edge = edge;
        Ok(())
    }

    /// Releases what another server committed and did not live to release.
    async fn release_left_behind(&mut self) -> Result<(), SequencerError> {
        if self.parts.storage.peers().is_none() {
            return Ok(());
        }
        match self.try_release_left_behind().await {
            Err(error) if error.passes() => {
                warn!(%error, "nobody knows whether another server left something to release");
                Ok(())
            }
            released => released,
        }
    }

    async fn try_release_left_behind(&mut self) -> Result<(), SequencerError> {
        if self.parts.storage.head().await? == self.releases.newest().head {
            return Ok(());
        }
        let turn = self.parts.storage.turn().await?;
        let followed = self.follow_to(turn.head()).await;
        turn.end().await;
        followed?;
        self.release(None).await
    }

    /// Tells everybody who waits for a batch that it failed, and says whether the log can go on.
    fn fail(
        &self,
        answers: impl Iterator<Item = Answer>,
        error: SequencerError,
    ) -> Result<(), SequencerError> {
        // Whether the database can be reached is to be seen without another batch, and that a log is closed is no
        // failure.
        let told = error.told();
        if !matches!(told, SubmitError::OutOfReach | SubmitError::Retired { .. }) {
            self.show_failure();
        }
        for answer in answers {
            let _ = answer.send(Err(error.told()));
        }
        if error.passes() { Ok(()) } else { Err(error) }
    }

    fn show_failure(&self) {
        self.show
            .send_modify(|vitals| vitals.failed = Some(Instant::now()));
    }

    /// Puts what the tree needs in the static part, if there is one. The batch is what was committed last, if it was here.
    async fn publish(&mut self, batch: Option<&Batch>) -> Result<(), StaticPartError> {
        let Some(static_part) = &mut self.parts.static_part else {
            return Ok(());
        };
        let (storage, show) = (self.parts.storage.as_ref(), &self.show);
        let failed = || {
            let now = Instant::now();
            let failed = Some(now);
            show.send_modify(|vitals| *vitals = Vitals { seen: now, failed });
        };
        static_part
            .publish(storage, self.edge.head(), batch, &self.stop, failed)
            .await
    }

    /// The tree is committed: sign it, and let everybody see.
    async fn release(&mut self, batch: Option<&Batch>) -> Result<(), SequencerError> {
        self.publish(batch).await?;
        failpoint("published");
        self.parts.storage.check_place()?;
        let begun = Instant::now();
        let released = self.sign().await?;
        failpoint("signed");
        // Nobody has seen it, so there is nothing to lose by waiting, where it is only room that is missing.
        loop {
            match self.releases.release(released.clone()).await {
                Err(error) if error.is_no_room() && !*self.stop.borrow() => {
                    error!(%error, "there is no room to keep the checkpoint; waiting for it");
                    self.pause().await;
                }
                released => break released?,
            }
        }
        failpoint("released");
        let metrics = &self.parts.metrics;
        let release = begun.elapsed().as_secs_f64();
        metrics.release_seconds.observe(release);
        metrics.tree_size.set(gauge(released.head.size.get()));
        // Before anybody is answered, who may ask next whether the log is ready.
        let (seen, failed) = (Instant::now(), None);
        self.show.send_replace(Vitals { seen, failed });
        Ok(())
    }

    /// Signs the committed tree. Nobody has seen it, so there is nothing to lose by waiting for a signer that is away.
    async fn sign(&mut self) -> Result<Released, SignerError> {
        loop {
            match sign_checkpoint(self.parts.signer.as_ref(), self.edge.head(), None).await {
                Err(error) if !*self.stop.borrow() => {
                    error!(%error, "a batch waits for the signer, and is not released yet");
                    self.pause().await;
                }
                signed => return signed,
            }
        }
    }

    /// Waits before something that failed is tried again; not for long when the server stops.
    async fn pause(&mut self) {
        self.show_alive();
        self.show_failure();
        let stop = self.stop.wait_for(|stop| *stop);
        let _ = tokio::time::timeout(PAUSE, stop).await;
    }

    fn count(&self, batch: &Batch, commit_time: Duration) {
        let metrics = &self.parts.metrics;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a histogram holds doubles, and batches are small"
        )]
        metrics.batch_entries.observe(batch.entries.len() as f64);
        metrics.records_logged.inc_by(batch.entries.len() as u64);
        info!(
            tree.size = batch.after.size.get(),
            batch.entries = batch.entries.len(),
            // As 64 bits: longer numbers become text in JSON.
            commit_ms = u64::try_from(commit_time.as_millis()).unwrap_or(u64::MAX),
            "released"
        );
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
