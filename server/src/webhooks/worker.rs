//! One webhook, from where it stands to the end of the released tree, again and again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use candor_core::merkle::LeafIndex;
use candor_core::note::WebhookError;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::message::compose;
use super::receiver::{ANSWER_TIME_MAX, Failure, Receiver};
use super::{Shared, Webhook};
use crate::failpoint::failpoint;
use crate::metrics::{Hook, gauge};
use crate::releases::Released;
use crate::signer::{SignerError, sign_message};
use crate::storage::{Claim, Progress, RecordFilter, RecordRow, StorageError, check_gapless};

/// How long a server has a webhook after each time that it asks for it. Another one takes over behind that.
const LEASE: Duration = Duration::from_secs(30);

/// After how long it asks again: with a receiver that takes all its time, 5 seconds before the end.
const RENEWAL: Duration = Duration::from_secs(10);

const _: () = assert!(
    RENEWAL.as_secs() + ANSWER_TIME_MAX.as_secs() + 5 <= LEASE.as_secs(),
    "nobody else tells the webhook while this server waits for an answer"
);

/// How often it asks where it has nothing to tell.
const IDLE_PAUSE: Duration = Duration::from_secs(10);

/// How often it asks for what another server has.
const THEIRS_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait where this log itself fails: its database, or who signs.
const FAULT_PAUSE: Duration = Duration::from_secs(2);

/// How long to wait for a receiver that failed once; twice as long after each further time, up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);

/// The longest that a receiver is left alone.
const RETRY_MAX: Duration = Duration::from_hours(1);

/// How many records are read at a time.
const ROWS: u32 = 64;

/// How often progress is written down while a receiver takes one record after the other: each write is one of the
/// database's. What is not written is told again after a crash.
const SAVE_PAUSE: Duration = Duration::from_millis(200);

/// How often it is written down that records were passed over, if they are not [`PASSED_MAX`].
const PASSED_PAUSE: Duration = Duration::from_secs(10);

/// How many may have been passed over without a word of it.
const PASSED_MAX: u64 = 4_096;

/// How long to wait for what is read to be in a released tree.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(3);

/// How long a receiver may still answer when the server stops, and how long the last write may take.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);

/// Tells one webhook.
pub(super) struct Worker {
    shared: Arc<Shared>,
    webhook: Webhook,
    receiver: Receiver,
    released: watch::Receiver<Arc<Released>>,
    stop: watch::Receiver<bool>,
    /// Everything before this has been told or passed over, which stays true whoever has the webhook.
    next: u64,
    /// What of it is written down.
    written: u64,
    /// When that was.
    saved: Instant,
    /// Whether a record was told since.
    has_told: bool,
    /// When this server asked for the webhook and got it, and where it stands since.
    held: Option<(Instant, Progress)>,
    /// A server that starts tries at once: its operator may have mended what was wrong.
    has_tried: bool,
}

/// Why nothing can be told, by this log's own fault.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the newest records are not in a released tree yet")]
    NotReleased,
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the message about entry {index} can't be signed: {error}")]
    Message {
        index: LeafIndex,
        error: WebhookError,
    },
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    None,
    For(Duration),
    /// So long, or until something is released.
    Idle(Duration),
}

/// How a round ended early.
enum Told {
    Yes,
    Failed(Failure),
    /// The server stops, and nobody knows.
    Unknown,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        webhook: Webhook,
        receiver: Receiver,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let metrics = &shared.parts.metrics;
        let hook = hook(&webhook);
        // All that can be counted is there from the beginning.
        metrics.webhook_deliveries.get_or_create(&hook).inc_by(0);
        metrics.webhook_failures.get_or_create(&hook).inc_by(0);
        metrics.webhook_behind.get_or_create(&hook).set(0);
        let now = Instant::now();
        Self {
            released: shared.parts.sequencer.releases(),
            shared,
            webhook,
            receiver,
            stop,
            next: 0,
            written: 0,
            saved: now,
            has_told: false,
            held: None,
            has_tried: false,
        }
    }

    /// Tells until the server stops.
    pub(super) async fn run(mut self) {
        while !self.is_stopped() {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(_) if self.is_stopped() => break,
                Err(fault) => {
                    let webhook = self.webhook.name.as_str();
                    warn!(webhook, error = %fault, "a webhook waits for the log");
                    Pause::For(FAULT_PAUSE)
                }
            };
            self.pause(pause).await;
        }
        match tokio::time::timeout(STOP_TIME_MAX, self.save()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "records will be told again"),
            Err(_) => debug!("records will be told again"),
        }
    }

    /// Tells what there is, as far as it goes.
    async fn round(&mut self) -> Result<Pause, Fault> {
        let Some(standing) = self.standing().await? else {
            return Ok(Pause::For(THEIRS_PAUSE));
        };
        if let Some(wait) = self.wait_for(&standing, now()) {
            return Ok(Pause::For(wait.min(IDLE_PAUSE)));
        }
        let size = self.released.borrow_and_update().head.size.get();
        self.show_behind(size);
        if self.next >= size {
            self.save_passed().await?;
            return Ok(Pause::Idle(IDLE_PAUSE));
        }
        let rows = self.read(size).await?;
        for row in rows {
            let index = row.index.get();
            if !self.webhook.wants(&row) {
                self.next = index + 1;
                continue;
            }
            if self.is_stopped() {
                return Ok(Pause::None);
            }
            let Some(standing) = self.standing().await? else {
                return Ok(Pause::For(THEIRS_PAUSE));
            };
            let told = self.tell(&row).await?;
            self.has_tried = true;
            match told {
                Told::Yes => self.count_told(&standing, &row).await?,
                Told::Failed(failure) => {
                    self.count_failed(&standing, &row, failure).await?;
                    return Ok(Pause::None);
                }
                Told::Unknown => return Ok(Pause::None),
            }
        }
        self.save_passed().await?;
        self.show_behind(size);
        Ok(Pause::None)
    }

    /// Where the webhook stands, if this server has it for long enough to tell it of something.
    async fn standing(&mut self) -> Result<Option<Progress>, StorageError> {
        match &self.held {
            Some((since, standing)) if since.elapsed() < RENEWAL => Ok(Some(standing.clone())),
            _ => self.claim().await,
        }
    }

    /// Asks for the webhook.
    async fn claim(&mut self) -> Result<Option<Progress>, StorageError> {
        self.held = None;
        let outbox = self.shared.parts.storage.outbox();
        let (name, server) = (&self.webhook.name, &self.shared.server);
        // Before the question: the lease is shorter than this server thinks, and never longer.
        let asked = Instant::now();
        let mut claim = outbox.claim(name, server, LEASE).await?;
        if claim.is_none() {
            let new = LeafIndex::new(self.shared.size.get());
            let first = self.webhook.from.unwrap_or(new);
            outbox.enroll(name, first).await?;
            info!(webhook = name, first = first.get(), "a new webhook begins");
            claim = outbox.claim(name, server, LEASE).await?;
        }
        match claim {
            Some(Claim::Ours(row)) => {
                self.held = Some((asked, row.progress.clone()));
                self.written = row.progress.next.get();
                self.next = self.next.max(self.written);
                Ok(Some(row.progress))
            }
            Some(Claim::Theirs(row)) => {
                let next = row.progress.next.get();
                let size = self.released.borrow().head.size.get();
                self.gauge_behind(size.saturating_sub(next));
                Ok(None)
            }
            // Somebody deleted it this moment.
            None => Ok(None),
        }
    }

    /// How long a receiver that failed is still left alone.
    fn wait_for(&self, standing: &Progress, now: SystemTime) -> Option<Duration> {
        if !self.has_tried || self.next != standing.next.get() {
            return None;
        }
        let retry = standing.retry_ms?.saturating_sub(to_ms(now));
        let retry = u64::try_from(retry).ok().filter(|ms| *ms > 0)?;
        Some(Duration::from_millis(retry))
    }

    /// The records from `next` on in a released tree of `size` entries. What the storage shows of them may be of a larger
    /// one, which is waited for.
    async fn read(&self, size: u64) -> Result<Vec<RecordRow>, Fault> {
        let (storage, everything) = (&self.shared.parts.storage, RecordFilter::default());
        let after = self.next.checked_sub(1).map(LeafIndex::new);
        let rows = storage.records_after(&everything, after, ROWS).await?;
        let committed = storage.head().await?.size.get();
        if let Some(last) = committed.checked_sub(1) {
            let sequencer = &self.shared.parts.sequencer;
            let released = sequencer.released_with(LeafIndex::new(last));
            let released = tokio::time::timeout(RELEASE_TIME_MAX, released).await;
            released
                .map_err(|_| Fault::NotReleased)?
                .map_err(|_| Fault::NotReleased)?;
        }
        let mut rows = rows;
        rows.retain(|row| row.index.get() < size);
        check_gapless(&rows, self.next)?;
        Ok(rows)
    }

    async fn tell(&mut self, row: &RecordRow) -> Result<Told, Fault> {
        let signer = self.shared.parts.signer.as_ref();
        let key = signer.verifier_key().clone().into();
        let content = compose(&key, row, now()).map_err(|error| Fault::Message {
            index: row.index,
            error,
        })?;
        let signature = sign_message(signer, &content).await?;
        let stopped = async {
            let _ = self.stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(STOP_TIME_MAX).await;
        };
        tokio::select! {
            told = self.receiver.tell(&content, &signature) => Ok(match told {
                Ok(()) => Told::Yes,
                Err(failure) => Told::Failed(failure),
            }),
            () = stopped => Ok(Told::Unknown),
        }
    }

    async fn count_told(&mut self, standing: &Progress, row: &RecordRow) -> Result<(), Fault> {
        failpoint("told");
        let metrics = &self.shared.parts.metrics;
        metrics
            .webhook_deliveries
            .get_or_create(&hook(&self.webhook))
            .inc();
        let (webhook, index) = (self.webhook.name.as_str(), row.index.get());
        if standing.attempts > 0 && standing.next == row.index {
            let attempts = standing.attempts;
            info!(webhook, index, attempts, "a webhook takes records again");
        }
        self.next = index + 1;
        self.has_told = true;
        if self.saved.elapsed() > SAVE_PAUSE || standing.attempts > 0 {
            self.save().await?;
        }
        Ok(())
    }

    async fn count_failed(
        &mut self,
        standing: &Progress,
        row: &RecordRow,
        failure: Failure,
    ) -> Result<(), Fault> {
        let metrics = &self.shared.parts.metrics;
        metrics
            .webhook_failures
            .get_or_create(&hook(&self.webhook))
            .inc();
        let before = if standing.next == row.index {
            standing.attempts
        } else {
            0
        };
        let attempts = before.saturating_add(1);
        let mut dice = [0; 4];
        // Without randomness, servers that failed together come back together.
        let _ = getrandom::fill(&mut dice);
        let wait = wait_after(attempts, failure.retry_after, u32::from_be_bytes(dice));
        let (webhook, index) = (self.webhook.name.as_str(), row.index.get());
        warn!(
            webhook,
            index,
            attempts,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            why = failure.why,
            "a webhook did not take a record"
        );
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.write(Progress {
            next: row.index,
            attempts,
            retry_ms: Some(to_ms(now()).saturating_add(wait_ms)),
            error: Some(failure.why),
        })
        .await
    }

    /// Writes down what was told or passed over, unless there was little of it.
    async fn save_passed(&mut self) -> Result<(), Fault> {
        let is_much = self.next - self.written.min(self.next) >= PASSED_MAX;
        if self.has_told || is_much || self.saved.elapsed() > PASSED_PAUSE {
            self.save().await?;
        }
        Ok(())
    }

    async fn save(&mut self) -> Result<(), Fault> {
        if self.next == self.written {
            return Ok(());
        }
        self.write(Progress::at(LeafIndex::new(self.next))).await
    }

    async fn write(&mut self, progress: Progress) -> Result<(), Fault> {
        let outbox = self.shared.parts.storage.outbox();
        let (name, server) = (&self.webhook.name, &self.shared.server);
        if !outbox.move_on(name, server, &progress).await? {
            debug!(webhook = name, "another server has the webhook by now");
            self.held = None;
            return Ok(());
        }
        self.written = progress.next.get();
        self.saved = Instant::now();
        self.has_told = false;
        if let Some((_, standing)) = &mut self.held {
            *standing = progress;
        }
        Ok(())
    }

    fn show_behind(&self, size: u64) {
        self.gauge_behind(size.saturating_sub(self.next));
    }

    fn gauge_behind(&self, records: u64) {
        let metrics = &self.shared.parts.metrics;
        metrics
            .webhook_behind
            .get_or_create(&hook(&self.webhook))
            .set(gauge(records));
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.released.has_changed().is_err()
    }

    async fn pause(&mut self, pause: Pause) {
        let (time, is_idle) = match pause {
            Pause::None => return,
            Pause::For(time) => (time, false),
            Pause::Idle(time) => (time, true),
        };
        let Self { released, stop, .. } = self;
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = stop.wait_for(|stop| *stop) => {}
            _ = released.changed(), if is_idle => {}
        }
    }
}

/// How long a receiver is left alone that failed so many times in a row: half of that, and the rest as the dice say.
fn wait_after(attempts: u32, wanted: Option<Duration>, dice: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let longest = RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX);
    let half = longest / 2;
    let wait = half + half.mul_f64(f64::from(dice) / f64::from(u32::MAX));
    wanted.map_or(wait, |wanted| wait.max(wanted.min(RETRY_MAX)))
}

fn hook(webhook: &Webhook) -> Hook {
    Hook {
        webhook: webhook.name.clone(),
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn to_ms(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_about_twice_the_one_before_up_to_an_hour() {
        let seconds = |attempts, dice| wait_after(attempts, None, dice).as_secs_f64();
        for (attempts, longest) in [
            (1, 1.0),
            (2, 2.0),
            (5, 16.0),
            (12, 2_048.0),
            (13, 3_600.0),
            (1_000, 3_600.0),
            (u32::MAX, 3_600.0),
        ] {
            let (least, most) = (seconds(attempts, 0), seconds(attempts, u32::MAX));
            assert!((least - longest / 2.0).abs() < 0.001, "{attempts}: {least}");
            assert!((most - longest).abs() < 0.001, "{attempts}: {most}");
        }
        assert!(
            seconds(5, 1 << 30) < seconds(5, 3 << 30),
            "and the dice decide"
        );
    }

    #[test]
    fn a_receiver_that_says_when_to_come_back_is_left_alone_as_long_and_no_longer_than_an_hour() {
        let wait = |attempts, wanted| {
            let wanted = Some(Duration::from_secs(wanted));
            wait_after(attempts, wanted, 0).as_secs()
        };
        assert_eq!(wait(1, 90), 90);
        assert_eq!(wait(13, 90), 1_800);
        assert_eq!(wait(1, 1_000_000), 3_600);
        assert_eq!(wait(1, u64::MAX), 3_600);
    }
}
