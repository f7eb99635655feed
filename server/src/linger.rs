//! Connections that close in a way that lets the client read the answer.
//!
//! Who is refused early, because of a wrong key, say, is still sending its attachments. If the server closed
//! at once, the system would answer what comes next with a reset, and the client would see that instead of
//! the reason. So the server says that it is done, and throws away what still comes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a client may go on sending what nobody wants.
const LINGER_TIME_MAX: Duration = Duration::from_secs(30);

/// How long it may pause meanwhile. Clients that only keep a connection open are let go after this.
const PAUSE_TIME_MAX: Duration = Duration::from_millis(500);

/// A connection whose shutdown waits until the client has no more to say.
pub struct Lingering<S> {
    stream: S,
    /// Once the server is done: when the client must be.
    closing: Option<Closing>,
}

struct Closing {
    end: Instant,
    pause: Pin<Box<Sleep>>,
}

impl<S> Lingering<S> {
    /// Wraps an accepted connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            closing: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, closing } = self.get_mut();
        if closing.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let closing = closing.get_or_insert_with(|| Closing {
            end: Instant::now() + LINGER_TIME_MAX,
            pause: Box::pin(tokio::time::sleep(PAUSE_TIME_MAX)),
        });
        let mut unwanted = [0; 16_384];
        loop {
            let mut buffer = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    if Instant::now() >= closing.end {
                        return Poll::Ready(Ok(()));
                    }
                    closing
                        .pause
                        .as_mut()
                        .reset(Instant::now() + PAUSE_TIME_MAX);
                }
                // The client has closed, or is gone.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return closing.pause.as_mut().poll(context).map(Ok),
            }
        }
    }
}
