//! Bodies of requests, from whomever: no more bytes than are wanted, and no slower than they must be.
//!
//! ```text
//! connection ──► Incoming ──► JSON, or the parts of a form
//!                  │ room is taken for each piece as it arrives
//!                  │ a pause is counted only while the server waits, and nothing that it does itself
//!                  └ no piece comes before the last was looked at
//! ```
//!
//! Always: what a parser behind it can hold in memory is bounded by what it was allowed last ([`Flow::allow`]),
//! a preamble and a part's headers included.
//!
//! Not here: what the bytes mean ([`super::publish`]).

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Instant, Sleep};

use super::problem::{Name, Problem};
use crate::limits::{NoRoom, Room};

/// How long the server waits for [`PACE_BYTES`]. A minute is what a request has in all, unless set otherwise.
const PACE_TIME: Duration = Duration::from_secs(10);

/// How many bytes must come in that time, or all that is left: 6.5 KB/s, which any line can do.
const PACE_BYTES: usize = 64 << 10;

/// Says whether a request waits for its client: for whoever ends it when it takes too long.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<AtomicBool>);

/// A request's body.
pub(super) struct Incoming {
    body: Body,
    flow: Flow,
    pace: Pace,
    /// Whether a piece was given out, and the parser has not come back for more since.
    has_given: bool,
}

/// What a body may still bring, and where it is kept; shared with whoever reads the body.
#[derive(Clone, Debug)]
pub(super) struct Flow(Arc<Mutex<FlowState>>);

#[derive(Debug)]
struct FlowState {
    room: Room,
    /// Since when the server works on what came, though it looked for more before.
    at_work: Option<Instant>,
    waiting: Waiting,
    /// Of the whole body.
    left: usize,
    /// Before something must have come of it.
    allowed: usize,
}

/// Why a body is not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The whole of it is too long.
    #[error("the body is longer than all that can be in it")]
    TooLong,
    /// What stands before or between the parts of a form is too long.
    #[error("it has too many bytes before a part, or in a part's headers")]
    NothingInIt,
    /// No memory for it.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Too few bytes in too long a time.
    #[error("fewer than {PACE_BYTES} bytes of the body came in {} seconds", PACE_TIME.as_secs())]
    TooSlow,
    /// The connection broke, or is not HTTP.
    #[error(transparent)]
    Broken(axum::Error),
}

impl Waiting {
    /// Whether the server waits for the client now.
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, waits: bool) {
        self.0.store(waits, Ordering::Relaxed);
    }
}

impl Flow {
    /// Allows `bytes` more before the reader has found what it looks for.
    pub(super) fn allow(&self, bytes: usize) {
        self.state().allowed = bytes;
    }

    /// Keeps what comes from here on in `room`. What the old one holds is dropped with it.
    pub(super) fn keep_in(&self, room: Room) {
        drop(self.take_room(room));
    }

    /// Takes the room out, with all that was read into it, and leaves another.
    pub(super) fn take_room(&self, other: Room) -> Room {
        std::mem::replace(&mut self.state().room, other)
    }

    /// Says that the server does not wait for the client any more, until it looks for more: the parser of forms
    /// looks for the next piece before it says what was in the last.
    pub(super) fn at_work(&self) {
        let mut state = self.state();
        state.waiting.set(false);
        state.at_work = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, FlowState> {
        // A panic between the lines that hold it leaves numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One piece has come.
    fn came(&self, bytes: usize) -> Result<(), BodyError> {
        let mut state = self.state();
        if state.allowed == 0 {
            return Err(BodyError::NothingInIt);
        }
        state.allowed = state.allowed.saturating_sub(bytes);
        state.left = state.left.checked_sub(bytes).ok_or(BodyError::TooLong)?;
        Ok(state.room.take(bytes)?)
    }
}

impl Incoming {
    /// A body of at most `bytes_max` bytes, which are kept in `room`.
    pub(super) fn new(body: Body, bytes_max: usize, room: Room, waiting: Waiting) -> Self {
        let state = FlowState {
            room,
            at_work: None,
            waiting,
            left: bytes_max,
            allowed: bytes_max,
        };
        Self {
            body,
            flow: Flow(Arc::new(Mutex::new(state))),
            pace: Pace::new(),
            has_given: false,
        }
    }

    /// Its flow.
    pub(super) fn flow(&self) -> Flow {
        self.flow.clone()
    }

    /// All of it, in one piece, which grows with what comes: what is only announced takes nothing.
    pub(super) async fn read(mut self) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.frame().await {
            if let Ok(piece) = frame?.into_data() {
                bytes.extend_from_slice(&piece);
            }
        }
        Ok(bytes)
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        // The parser of forms takes all that there is before it looks at it. So there is one piece at a time.
        if std::mem::take(&mut this.has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut this.body).poll_frame(context);
        {
            let mut state = this.flow.state();
            state.waiting.set(polled.is_pending());
            if let Some(since) = state.at_work.take() {
                this.pace.stopped_at(since);
            }
        }
        match polled {
            Poll::Pending => match this.pace.poll_wait(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::TooSlow))),
            },
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.pace.came(bytes);
                this.has_given = true;
                Poll::Ready(Some(this.flow.came(bytes).map(|()| frame)))
            }
        }
    }
}

/// Counts the time that the server waits, and what comes in it.
struct Pace {
    /// Since when it waits.
    since: Option<Instant>,
    /// How long it has waited for `bytes`, before that.
    waited: Duration,
    bytes: usize,
    alarm: Pin<Box<Sleep>>,
}

impl Pace {
    fn new() -> Self {
        Self {
            since: None,
            waited: Duration::ZERO,
            bytes: 0,
            alarm: Box::pin(tokio::time::sleep(PACE_TIME)),
        }
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            let left = PACE_TIME.saturating_sub(self.waited);
            self.alarm.as_mut().reset(now + left);
        }
        self.alarm.as_mut().poll(context)
    }

    /// Nothing was waited for since then.
    fn stopped_at(&mut self, end: Instant) {
        let waited = |since: Instant| end.saturating_duration_since(since);
        self.waited += self.since.take().map_or(Duration::ZERO, waited);
    }

    fn came(&mut self, bytes: usize) {
        self.stopped_at(Instant::now());
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

impl BodyError {
    /// The problem, where a body may have `bytes_max` bytes; `hint` says what to do about a longer one.
    pub(super) fn problem(&self, bytes_max: usize, hint: &str) -> Problem {
        match self {
            Self::TooLong => {
                let detail = format!("the body may have at most {bytes_max} bytes, and has more");
                Problem::new(Name::TooLarge, detail).hint(hint)
            }
            Self::NothingInIt => Problem::new(
                Name::MalformedBody,
                format!("the multipart body can't be read: {self}"),
            )
            .hint("send a part named `records` first, and parts named `attachment` behind it"),
            Self::NoRoom(error) => (*error).into(),
            Self::TooSlow => Problem::new(Name::Timeout, self.to_string())
                .hint("send it again, faster; publishing twice is harmless"),
            Self::Broken(error) => {
                let detail = format!("the body can't be read to its end: {}", innermost(error));
                Problem::new(Name::MalformedBody, detail)
                    .hint("send it again, as long as content-length says")
            }
        }
    }

    /// The one at the bottom of an error of a parser that read an [`Incoming`].
    pub(super) fn below<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref())
    }
}

/// What went wrong at the bottom: the layers above only say that something below them did.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::limits::Limits;

    /// What can be had of a body now.
    fn poll(body: &mut Incoming) -> Poll<Option<Result<usize, BodyError>>> {
        let context = &mut Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut *body).poll_frame(context);
        polled.map(|it| it.map(|it| it.map(|frame| frame.data_ref().map_or(0, Bytes::len))))
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_does_meanwhile_is_not_the_clients_time() {
        let waiting = Waiting::default();
        let room = Limits::new().bodies.room();
        // A client that sends nothing for now.
        let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, BodyError>>());
        let mut body = Incoming::new(silent, 1_000, room, waiting.clone());
        let nine_seconds = || tokio::time::sleep(PACE_TIME.mul_f64(0.9));
        assert!(poll(&mut body).is_pending() && waiting.is_on());
        nine_seconds().await;
        body.flow().at_work();
        assert!(!waiting.is_on());
        nine_seconds().await;
        assert!(poll(&mut body).is_pending() && waiting.is_on());
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let late = poll(&mut body);
        assert!(matches!(late, Poll::Ready(Some(Err(BodyError::TooSlow)))));
    }
}
