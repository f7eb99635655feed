//! Connections: accepted, limited in number and in time, and let go in order.
//!
//! ```text
//! listener ──► a place among `connections_max` ──► TLS, if it has any ──► requests, each with its client's address
//! ```

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::http::{PIECE_BYTES, Peer};
use crate::linger::Lingering;
use crate::tls::UNREAD_BYTES_MAX;

/// How long a client may take to send a request's headers.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a server that stops still takes connections and requests: those that were sent before are on their
/// way through the system, and would otherwise end without an answer.
const STOP_GRACE: Duration = Duration::from_millis(200);

/// How long open requests may go on when the server stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a client may take no byte of an answer.
const WRITE_PAUSE_TIME_MAX: Duration = Duration::from_secs(30);

fn with_write_timeout(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_PAUSE_TIME_MAX));
    Box::pin(stream)
}

/// Where connections come in.
pub struct Door {
    /// What listens.
    pub listener: TcpListener,
    /// What takes them in TLS, if they come in it.
    pub tls: Option<TlsAcceptor>,
    /// How many are served at a time; further ones wait in the system's queue.
    pub connections_max: usize,
}

/// Serves until `stop` turns true, then finishes the requests that are under way.
pub async fn serve(door: Door, router: Router, mut stop: watch::Receiver<bool>) {
    let Door { listener, tls, .. } = door;
    let connections = Arc::new(Semaphore::new(door.connections_max));
    let graceful = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_GRACE).await;
    });
    loop {
        let accept = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let (stream, address) = listener.accept().await?;
            std::io::Result::Ok((stream, address, permit))
        };
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = accept => accepted,
        };
        let (stream, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, as a rule: some connection will close.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let stream = with_write_timeout(stream);
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let ended = match tls {
                None => serve_one(stream, address, router, watcher).await,
                Some(tls) => match take_in_tls(stream, &tls).await {
                    Ok(stream) => serve_one(stream, address, router, watcher).await,
                    Err(error) => {
                        debug!(%error, "a connection came to no TLS");
                        Ok(())
                    }
                },
            };
            if let Err(error) = ended {
                debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    info!("no more connections; finishing those that are open");
    if tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown())
        .await
        .is_err()
    {
        warn!("some requests did not finish in time");
    }
}

async fn take_in_tls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tls: &TlsAcceptor,
) -> std::io::Result<tokio_rustls::server::TlsStream<S>> {
    let handshake = tls.accept_with(stream, |connection| {
        connection.set_buffer_limit(Some(UNREAD_BYTES_MAX));
    });
    tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await?
}

/// Serves the requests of one connection.
async fn serve_one<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    watcher: Watcher,
) -> hyper::Result<()> {
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(address.ip()));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME_MAX)
        .max_headers(100)
        // Of an answer that nobody reads, no more than this is kept outside its room.
        .max_buf_size(PIECE_BYTES)
        // Who has sent everything may say so, and is answered all the same.
        .half_close(true)
        .serve_connection(
            TokioIo::new(Lingering::new(stream)),
            TowerToHyperService::new(service),
        );
    watcher.watch(connection).await
}
