//! Connections that are kept open, and load over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Connection {
    send: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Opens one to `address`.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            send,
            host: address.to_owned(),
        })
    }

    /// One request and its whole answer.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.send.ready().await?;
        let answer = self.send.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// `POST /api/v1/records`; anything but success is an error.
    pub(crate) async fn publish(&mut self, body: Bytes) -> anyhow::Result<Bytes> {
        let (status, answer) = self.request(Method::POST, "/api/v1/records", body).await?;
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }

    /// `GET path`; anything but success is an error.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let (status, answer) = self.request(Method::GET, path, Bytes::new()).await?;
        if !status.is_success() {
            bail!("GET {path}: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }
}

/// What to ask for next: a path to GET, or a body to publish.
#[derive(Clone)]
pub(crate) enum Ask {
    /// `GET`
    Get(String),
    /// `POST /api/v1/records`
    Publish(Bytes),
}

/// What a load came to.
pub(crate) struct Load {
    /// Requests that were answered.
    pub(crate) requests: u64,
    /// Bytes in their answers.
    pub(crate) answer_bytes: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Microseconds from request to answer.
    pub(crate) latency_us: Histogram<u64>,
    /// The last answer on each connection, and which of the asks it answers.
    pub(crate) kept: Vec<(usize, Bytes)>,
}

impl Load {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// Asks `asks` over `connections` connections, each waiting for its answer before it asks again, until all
/// are asked or `time_max` has passed.
pub(crate) async fn load(
    address: &str,
    connections: usize,
    asks: Vec<Ask>,
    time_max: Duration,
) -> anyhow::Result<Load> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let asks = Arc::new(asks);
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let end = begun + time_max;
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (asks, next) = (Arc::clone(&asks), Arc::clone(&next));
            tokio::spawn(async move {
                let mut latency_us = Histogram::<u64>::new(3)?;
                let mut answer_bytes = 0;
                let mut kept = None;
                while Instant::now() < end {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(ask) = asks.get(n) else {
                        break;
                    };
                    let asked = Instant::now();
                    let answer = match ask {
                        Ask::Get(path) => connection.get(path).await?,
                        Ask::Publish(body) => connection.publish(body.clone()).await?,
                    };
                    let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                    latency_us.record(waited.max(1))?;
                    answer_bytes += answer.len() as u64;
                    kept = Some((n, answer));
                }
                anyhow::Ok((latency_us, answer_bytes, kept))
            })
        })
        .collect();
    let mut all = Load {
        requests: 0,
        answer_bytes: 0,
        elapsed: Duration::ZERO,
        latency_us: Histogram::new(3)?,
        kept: Vec::new(),
    };
    for task in tasks {
        let (latency_us, answer_bytes, kept) = task.await??;
        all.requests += latency_us.len();
        all.answer_bytes += answer_bytes;
        all.latency_us.add(&latency_us)?;
        all.kept.extend(kept);
    }
    all.elapsed = begun.elapsed();
    Ok(all)
}

/// The load generator's own threads.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(crate::workload::cores())
        .enable_all()
        .build()?)
}
