//! One listener: what it was sent, and what it is sent next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use candor_core::merkle::TreeSize;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::super::Log;
use super::Place;
use crate::releases::Released;
use crate::storage::RecordFilter;

/// How long nothing may be said.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// After how many milliseconds a listener that lost its connection comes back.
const RETRY_MS: u32 = 2_000;

/// How long a listener may take to read what it was given, beyond what is on its way. The connection itself ends where no
/// byte is taken for as long.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// How long to wait before a storage is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// When so many records were left out, the listener is told at once that it need not look at them again.
const PASSED_MAX: u64 = 4_096;

/// Somebody who listens.
pub(super) struct Listener {
    log: Arc<Log>,
    /// Given back when the listener goes.
    _place: Place,
    filter: RecordFilter,
    /// The first index that was not looked at yet.
    next: u64,
    /// The index behind the last ID that was sent; or that the listener came with.
    told: Option<u64>,
    has_begun: bool,
    has_ended: bool,
    released: watch::Receiver<Arc<Released>>,
    stop: watch::Receiver<bool>,
    /// When something was handed over last.
    said: Instant,
}

/// Why a listener wakes up.
enum Woken {
    /// There may be more.
    Released,
    /// Nothing was said for long.
    Heartbeat,
    /// The server stops.
    Stop,
}

impl Listener {
    /// Somebody who listens from `next` on, or from the end of the released tree of `size`.
    pub(super) fn new(
        log: Arc<Log>,
        place: Place,
        filter: RecordFilter,
        size: TreeSize,
        next: Option<u64>,
    ) -> Self {
        Self {
            released: log.sequencer.releases(),
            stop: log.events.stop.clone(),
            log,
            _place: place,
            filter,
            next: next.unwrap_or(size.get()),
            told: next,
            has_begun: false,
            has_ended: false,
            said: Instant::now(),
        }
    }

    /// What is sent next, once there is something; nothing more when the server stops.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.has_ended {
            return None;
        }
        // It is asked for more when the connection has taken what there was.
        if self.has_begun && self.said.elapsed() > READ_TIME_MAX {
            self.has_ended = true;
            let late = io::Error::new(io::ErrorKind::TimedOut, "the listener reads too slowly");
            return Some(Err(late));
        }
        let said = if self.has_begun {
            self.more().await
        } else {
            Some(self.begin())
        };
        self.has_begun = true;
        self.said = Instant::now();
        said.map(|said| Ok(Bytes::from(said)))
    }

    /// What a listener that comes without an index would begin with if it came again.
    fn begin(&mut self) -> String {
        let retry = format!("retry: {RETRY_MS}\n\n");
        match self.told {
            Some(_) => retry,
            None => retry + &self.size(),
        }
    }

    async fn more(&mut self) -> Option<String> {
        loop {
            if self.is_stopped() {
                return self.end();
            }
            let size = self.released.borrow_and_update().head.size.get();
            if self.next < size {
                if let Some(said) = self.read(size).await {
                    return Some(said);
                }
                continue;
            }
            let heartbeat = self.said + HEARTBEAT;
            match self.wait(heartbeat).await {
                Woken::Released => {}
                Woken::Stop => return self.end(),
                Woken::Heartbeat => return Some(self.heartbeat()),
            }
        }
    }

    /// Reads on in a released tree.
    async fn read(&mut self, size: u64) -> Option<String> {
        let log = Arc::clone(&self.log);
        let heartbeat = self.said + HEARTBEAT;
        let mut stop = self.stop.clone();
        let read = tokio::select! {
            read = log.events.feed.read(&log, &self.filter, self.next, size) => read,
            () = tokio::time::sleep_until(heartbeat) => return Some(self.heartbeat()),
            _ = stop.wait_for(|stop| *stop) => return None,
        };
        let part = match read {
            Ok(part) => part,
            Err(problem) => {
                // It is in the server's log already, and here it is no end: the listener waits.
                debug!(problem = problem.name().as_str(), "a listener waits");
                let again = Instant::now() + PAUSE;
                return match self.sleep(again.min(heartbeat)).await {
                    Woken::Heartbeat if again > heartbeat => Some(self.heartbeat()),
                    Woken::Heartbeat | Woken::Released | Woken::Stop => None,
                };
            }
        };
        self.next = part.next;
        if let Some(last) = part.last {
            self.told = Some(last + 1);
            self.log.metrics.events_sent.inc_by(part.count);
            return Some(part.events);
        }
        let told = self.told.unwrap_or_default();
        (self.next - told.min(self.next) >= PASSED_MAX).then(|| self.size())
    }

    async fn wait(&mut self, heartbeat: Instant) -> Woken {
        let Self { released, stop, .. } = self;
        tokio::select! {
            changed = released.changed() => match changed {
                Ok(()) => Woken::Released,
                Err(_) => Woken::Stop,
            },
            () = tokio::time::sleep_until(heartbeat) => Woken::Heartbeat,
            _ = stop.wait_for(|stop| *stop) => Woken::Stop,
        }
    }

    async fn sleep(&mut self, until: Instant) -> Woken {
        tokio::select! {
            () = tokio::time::sleep_until(until) => Woken::Heartbeat,
            _ = self.stop.wait_for(|stop| *stop) => Woken::Stop,
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.released.has_changed().is_err()
    }

    /// The last words, so that nothing is looked at twice.
    fn end(&mut self) -> Option<String> {
        self.has_ended = true;
        self.has_passed_some().then(|| self.size())
    }

    fn heartbeat(&mut self) -> String {
        if self.has_passed_some() {
            self.size()
        } else {
            ":\n\n".to_owned()
        }
    }

    /// Whether records were left out that the listener does not know of.
    fn has_passed_some(&self) -> bool {
        self.told.is_none_or(|told| told < self.next)
    }

    fn size(&mut self) -> String {
        let size = self.next;
        self.told = Some(size);
        let last = size
            .checked_sub(1)
            .map_or_else(|| "-1".to_owned(), |it| it.to_string());
        format!("id: {last}\nevent: size\ndata: {{\"size\":{size}}}\n\n")
    }
}
