//! Publishing as fast as a log takes it, and watching its checkpoint for when what was published is included.
//!
//! ```text
//! connections ──► POST ──► index ──► waiting: (index, when it was sent) ──┐
//! one more    ──► GET /checkpoint, every 10 ms ──► size ──────────────────┴─► index < size: included
//! ```
//!
//! The same for each log that is measured: only the path, and what an index looks like in an answer, differ.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use hyper::StatusCode;
use hyper::body::Bytes;

use crate::http::Connection;
use crate::receipts::Answer;

/// Between two looks at the checkpoint, and so how much later than it was an inclusion may be seen.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long an entry may stay out of the tree after everything was sent.
const INCLUSION_MAX: Duration = Duration::from_mins(1);

/// How long a publisher waits after it was told to come later.
const COME_LATER: Duration = Duration::from_millis(5);

/// How a log is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// `POST /api/v1/records`, which answers with receipts.
    Candor,
    /// `POST /add`, which answers with an index.
    Tessera,
}

/// What publishing came to.
pub(crate) struct Published {
    /// Entries that were answered, all of which are included now.
    pub(crate) entries: u64,
    /// Requests that were told to come later.
    pub(crate) refused: u64,
    /// Entries a second that were in a checkpoint, by the last checkpoint before time was up.
    pub(crate) rate: f64,
    /// Microseconds from request to answer.
    pub(crate) answered_us: Histogram<u64>,
    /// Microseconds from request to a checkpoint of a tree that holds it.
    pub(crate) included_us: Histogram<u64>,
    /// The last checkpoint.
    pub(crate) checkpoint: Bytes,
    /// The last answer on each connection, and which body it answers.
    pub(crate) kept: Vec<(usize, Bytes)>,
}

/// The last entry of a request that was answered, and when it was sent.
struct Waiting {
    index: u64,
    sent: Instant,
}

/// What the publishers and the watcher share.
struct Shared {
    bodies: Arc<Vec<Bytes>>,
    next: AtomicUsize,
    end: Instant,
    waiting: Mutex<Vec<Waiting>>,
    refused: AtomicU64,
    all_sent: AtomicBool,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Candor => "/api/v1/records",
            Self::Tessera => "/add",
        }
    }

    /// How many entries were added, and the index of the last.
    fn added(self, answer: &[u8]) -> anyhow::Result<(u64, u64)> {
        match self {
            Self::Candor => {
                let answer: Answer = serde_json::from_slice(answer)?;
                let last = answer.records.iter().map(|record| record.index).max();
                Ok((answer.records.len() as u64, last.context("no record")?))
            }
            Self::Tessera => Ok((1, std::str::from_utf8(answer)?.trim().parse()?)),
        }
    }

    /// Whether an answer says to come later. Tessera's example program says so with 500 and a word.
    fn is_come_later(self, status: StatusCode, answer: &[u8]) -> bool {
        match self {
            Self::Candor => {
                status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Tessera => {
                status == StatusCode::TOO_MANY_REQUESTS
                    || status == StatusCode::INTERNAL_SERVER_ERROR
                        && String::from_utf8_lossy(answer).contains("pushback")
            }
        }
    }
}

/// Publishes `bodies` over `connections` connections until `time` has passed, then waits until all is included.
pub(crate) async fn publish(
    address: &str,
    api: Api,
    connections: usize,
    bodies: Arc<Vec<Bytes>>,
    time: Duration,
) -> anyhow::Result<Published> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let one_more = Connection::open(address).await?;
    let shared = Arc::new(Shared {
        bodies,
        next: AtomicUsize::new(0),
        end: Instant::now() + time,
        waiting: Mutex::default(),
        refused: AtomicU64::new(0),
        all_sent: AtomicBool::new(false),
    });
    let watcher = tokio::spawn(watch(one_more, Arc::clone(&shared)));
    let publishers: Vec<_> = open
        .into_iter()
        .map(|connection| tokio::spawn(keep_publishing(connection, api, Arc::clone(&shared))))
        .collect();
    let (mut entries, mut answered_us, mut kept) = (0, Histogram::new(3)?, Vec::new());
    for publisher in publishers {
        let done = publisher.await??;
        entries += done.entries;
        answered_us.add(&done.answered_us)?;
        kept.extend(done.kept);
    }
    ensure!(
        shared.next.load(Ordering::Relaxed) < shared.bodies.len(),
        "all that was signed in advance was published before time was up: sign more with --records-per-second-max"
    );
    shared.all_sent.store(true, Ordering::SeqCst);
    let seen = watcher.await??;
    Ok(Published {
        entries,
        refused: shared.refused.load(Ordering::Relaxed),
        rate: seen.rate,
        answered_us,
        included_us: seen.included_us,
        checkpoint: seen.checkpoint,
        kept,
    })
}

/// What one connection published.
struct Done {
    entries: u64,
    answered_us: Histogram<u64>,
    kept: Option<(usize, Bytes)>,
}

async fn keep_publishing(
    mut connection: Connection,
    api: Api,
    shared: Arc<Shared>,
) -> anyhow::Result<Done> {
    let mut done = Done {
        entries: 0,
        answered_us: Histogram::new(3)?,
        kept: None,
    };
    while Instant::now() < shared.end {
        let n = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = shared.bodies.get(n) else {
            break;
        };
        // How long it waits counts from the first time that it was sent.
        let sent = Instant::now();
        loop {
            let asked = connection.post(api.path(), body.clone());
            let (status, answer) = asked.await?;
            if status.is_success() {
                let (entries, index) = api.added(&answer)?;
                done.entries += entries;
                done.answered_us.record(micros_since(sent))?;
                lock(&shared.waiting).push(Waiting { index, sent });
                done.kept = Some((n, answer));
                break;
            }
            if !api.is_come_later(status, &answer) {
                bail!("{status}: {}", String::from_utf8_lossy(&answer));
            }
            shared.refused.fetch_add(1, Ordering::Relaxed);
            if Instant::now() >= shared.end {
                break;
            }
            tokio::time::sleep(COME_LATER).await;
        }
    }
    Ok(done)
}

/// What the watcher saw.
struct Seen {
    rate: f64,
    included_us: Histogram<u64>,
    checkpoint: Bytes,
}

async fn watch(mut connection: Connection, shared: Arc<Shared>) -> anyhow::Result<Seen> {
    let mut checkpoint = connection.get("/checkpoint").await?;
    let (first, mut size) = (size_of(&checkpoint)?, 0);
    let begun = Instant::now();
    let mut rate = 0.0;
    let mut included_us = Histogram::<u64>::new(3)?;
    loop {
        // Looked at before the checkpoint is: what is waiting after that was sent before it.
        let all_sent = shared.all_sent.load(Ordering::SeqCst);
        checkpoint = connection.get("/checkpoint").await?;
        let now = size_of(&checkpoint)?;
        if now > size {
            size = now;
            if Instant::now() < shared.end {
                rate = (size - first) as f64 / begun.elapsed().as_secs_f64();
            }
        }
        let mut included = Vec::new();
        let left = {
            let mut waiting = lock(&shared.waiting);
            waiting.retain(|entry| {
                if entry.index < size {
                    included.push(micros_since(entry.sent));
                }
                entry.index >= size
            });
            waiting.len()
        };
        for waited in included {
            included_us.record(waited)?;
        }
        if all_sent && left == 0 {
            return Ok(Seen {
                rate,
                included_us,
                checkpoint,
            });
        }
        ensure!(
            Instant::now() < shared.end + INCLUSION_MAX,
            "{left} answered requests are in no checkpoint after {INCLUSION_MAX:?}; the last is of {size} entries"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The second line of a checkpoint.
fn size_of(checkpoint: &[u8]) -> anyhow::Result<u64> {
    let text = std::str::from_utf8(checkpoint)?;
    let size = text.lines().nth(1).and_then(|line| line.parse().ok());
    size.with_context(|| format!("no checkpoint: {text:?}"))
}

fn micros_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_micros()).map_or(u64::MAX, |micros| micros.max(1))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it holds a lock here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
