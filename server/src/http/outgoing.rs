//! Answers on their way out: each holds its room until the connection has sent it, or its time is over.
//!
//! Always: all answers together hold no more than their budget ([`crate::limits::Limits::answers`]), whether
//! their clients read them or not; save those up to 8 KiB, of which each connection has one at a time: checkpoints,
//! tiles, records, health. What was logged is answered: room for that is taken before it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
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

/// How much is handed to the connection at a time, and how much it keeps for a client that reads nothing.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Answers up to this size take no room: a tile has as much.
const FREE_BYTES_MAX: usize = 8 << 10;

/// The bytes of an answer that are still to be sent.
pub(super) struct Outgoing {
    bytes: Bytes,
    room: Arc<Room>,
    end: Instant,
}

/// A part of an answer. The connection drops it when it has sent it.
struct Piece {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its drop")]
    room: Arc<Room>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The room of an answer that was taken before it was made.
#[derive(Clone)]
pub(super) struct Taken(pub(super) Arc<Room>);

impl Outgoing {
    /// An answer of these bytes, for which `room` was taken.
    pub(super) fn new(bytes: Bytes, room: Arc<Room>) -> Self {
        Self {
            bytes,
            room,
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
        let piece = Piece {
            bytes: this
                .bytes
                .split_to(PIECE_BYTES.min(this.bytes.len()))
                .into(),
            room: Arc::clone(&this.room),
        };
        if this.bytes.is_empty() {
            this.bytes = Bytes::new();
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
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
    let (mut parts, body) = next.run(request).await.into_parts();
    let Ok(bytes) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        unreachable!("handlers answer with bytes that they have");
    };
    let room = match parts.extensions.remove() {
        Some(Taken(room)) => room,
        None if bytes.len() <= FREE_BYTES_MAX => return Response::from_parts(parts, bytes.into()),
        None => {
            let mut room = log.limits.answers.room();
            match room.take(bytes.len()) {
                Ok(()) => Arc::new(room),
                Err(error) => return Problem::from(error).into_response(),
            }
        }
    };
    Response::from_parts(parts, Body::new(Outgoing::new(bytes, room)))
}
