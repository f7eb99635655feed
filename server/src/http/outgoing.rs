//! Answers on their way out: each holds its room until the client has it, or has had its time.
//!
//! Always: all answers together hold no more than their budget ([`crate::limits::Limits::answers`]), whether
//! their clients read them or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::Shared;
use super::problem::Problem;
use crate::limits::Room;

/// How long a client may take to read an answer: 32 MiB at 110 KB/s.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(5);

/// How much is handed to the connection at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The bytes of an answer that are still to be sent.
pub(super) struct Outgoing {
    bytes: Bytes,
    /// Given back when the last piece is handed out.
    room: Option<Room>,
    end: Instant,
}

impl Outgoing {
    /// An answer of these bytes, for which `room` was taken.
    pub(super) fn new(bytes: Bytes, room: Room) -> Self {
        Self {
            bytes,
            room: Some(room),
            end: Instant::now() + ANSWER_TIME_MAX,
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.bytes.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > this.end {
            // The connection ends. A client that reads nothing at all is let go by the connection itself.
            let late = io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly");
            return Poll::Ready(Some(Err(late)));
        }
        // A copy: a slice would keep all of it in memory until the connection has sent that slice.
        let piece = this.bytes.split_to(PIECE_BYTES.min(this.bytes.len()));
        let piece = Bytes::copy_from_slice(&piece);
        if this.bytes.is_empty() {
            this.bytes = Bytes::new();
            this.room = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// Takes room for an answer that a handler has made, or says that there is none.
pub(super) async fn hold(State(log): Shared, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let Ok(bytes) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        unreachable!("handlers answer with bytes that they have");
    };
    let mut room = log.limits.answers.room();
    match room.take(bytes.len()) {
        Ok(()) => Response::from_parts(parts, Body::new(Outgoing::new(bytes, room))),
        Err(error) => Problem::from(error).into_response(),
    }
}
