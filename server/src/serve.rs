//! Connections: accepted, limited in number and in time, and let go in order.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::http::PIECE_BYTES;
use crate::linger::Lingering;

/// How long a client may take to send a request's headers.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(10);

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

/// Serves until `stop` turns true, then finishes the requests that are under way. At most `connections_max`
/// connections are served at a time; further ones wait in the system's queue.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    let mut stopped = std::pin::pin!(async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_GRACE).await;
    });
    loop {
        let accept = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let (stream, _) = listener.accept().await?;
            std::io::Result::Ok((stream, permit))
        };
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = accept => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, as a rule: some connection will close.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = router
            .clone()
            .map_request(|request: Request<Incoming>| request.map(Body::new));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIME_MAX)
            .max_headers(100)
            // Of an answer that nobody reads, no more than this is kept outside its room.
            .max_buf_size(PIECE_BYTES)
            // Who has sent everything may say so, and is answered all the same.
            .half_close(true)
            .serve_connection(
                TokioIo::new(Lingering::new(with_write_timeout(stream))),
                TowerToHyperService::new(service),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
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
