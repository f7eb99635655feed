//! Connections that are kept open, and load over them.
//!
//! The generator runs on the same cores as the server, so what it takes for itself is missing there: it writes each
//! request at once, and reads no more of an answer than where it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use hdrhistogram::Histogram;
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most header lines of an answer.
pub(crate) const HEADERS_MAX: usize = 32;

/// An HTTP/1.1 connection, for one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    /// What was read and belongs to no answer yet.
    read: BytesMut,
}

/// What comes before an answer's body.
struct Head {
    status: StatusCode,
    before_body: usize,
    /// How long the body is; in pieces that say so themselves, if not known.
    body_bytes: Option<usize>,
}

/// A whole answer.
pub(crate) struct Whole {
    /// The status line and the headers, as they came.
    pub(crate) head: Bytes,
    /// What came behind them.
    pub(crate) body: Bytes,
    status: StatusCode,
}

/// What a browser of these days says that it takes.
const BROWSER: &str = "accept: text/html\r\naccept-encoding: gzip, deflate, br, zstd\r\n";

impl Head {
    /// `None` until all of it is there.
    fn parse(read: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(before_body) = head.parse(read)? else {
            return Ok(None);
        };
        let named = |name: &str| {
            let mut headers = head.headers.iter();
            headers.find(|header| header.name.eq_ignore_ascii_case(name))
        };
        let length = named("content-length");
        if length.is_none() {
            named("transfer-encoding").context("the answer does not say how long it is")?;
        }
        let length = length.map(|length| str::from_utf8(length.value));
        let body_bytes = length.transpose()?.map(str::parse).transpose()?;
        Ok(Some(Self {
            status: StatusCode::from_u16(head.code.context("the answer has no status")?)?,
            before_body,
            body_bytes,
        }))
    }
}

impl Connection {
    /// Opens one to `address`.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_owned(),
            read: BytesMut::new(),
        })
    }

    /// One request and its whole answer.
    async fn request(
        &mut self,
        method: Method,
        path: &str,
        headers: &str,
        body: Bytes,
    ) -> anyhow::Result<Whole> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let mut request = bytes::Buf::chain(head.as_bytes(), body);
        self.stream.write_all_buf(&mut request).await?;
        let head = loop {
            match Head::parse(&self.read)? {
                Some(head) => break head,
                None => self.read_more(4 << 10).await?,
            }
        };
        let status = head.status;
        let bytes = self.read.split_to(head.before_body).freeze();
        let body = match head.body_bytes {
            Some(length) => self.read_exact(length).await?,
            None => self.read_pieces().await?,
        };
        Ok(Whole {
            head: bytes,
            body,
            status,
        })
    }

    async fn read_exact(&mut self, bytes: usize) -> anyhow::Result<Bytes> {
        while let Some(missing) = bytes.checked_sub(self.read.len())
            && missing > 0
        {
            self.read_more(missing).await?;
        }
        Ok(self.read.split_to(bytes).freeze())
    }

    /// A body in pieces (RFC 9112, section 7.1).
    async fn read_pieces(&mut self) -> anyhow::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let (before, bytes) = loop {
                match httparse::parse_chunk_size(&self.read) {
                    Ok(httparse::Status::Complete((before, bytes))) => {
                        break (before, usize::try_from(bytes)?);
                    }
                    Ok(httparse::Status::Partial) => self.read_more(4 << 10).await?,
                    Err(_) => bail!("a piece of an answer does not say how long it is"),
                }
            };
            self.read.advance(before);
            let piece = self.read_exact(bytes + 2).await?;
            body.extend_from_slice(&piece[..bytes]);
            if bytes == 0 {
                return Ok(body.freeze());
            }
        }
    }

    /// Reads what is there, with room for `bytes`.
    async fn read_more(&mut self, bytes: usize) -> anyhow::Result<()> {
        self.read.reserve(bytes);
        let read = self.stream.read_buf(&mut self.read).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }

    /// `POST /api/v1/records`; anything but success is an error.
    pub(crate) async fn publish(&mut self, body: Bytes) -> anyhow::Result<Bytes> {
        self.publish_form("application/json", body).await
    }

    /// The same, of another type.
    pub(crate) async fn publish_form(
        &mut self,
        content_type: &str,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let headers = format!("content-type: {content_type}\r\n");
        let path = "/api/v1/records";
        let answer = self.request(Method::POST, path, &headers, body).await?;
        answer.expect_success(path)
    }

    /// `POST path`, whatever the answer.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let headers = "content-type: application/json\r\n";
        let answer = self.request(Method::POST, path, headers, body).await?;
        Ok((answer.status, answer.body))
    }

    /// `GET path`; anything but success is an error.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let answer = self.request(Method::GET, path, "", Bytes::new()).await?;
        answer.expect_success(path)
    }

    /// `GET path`, as a browser asks for it.
    pub(crate) async fn page(&mut self, path: &str) -> anyhow::Result<Whole> {
        let answer = self
            .request(Method::GET, path, BROWSER, Bytes::new())
            .await?;
        if !answer.status.is_success() {
            bail!("GET {path}: {}", answer.status);
        }
        Ok(answer)
    }
}

impl Whole {
    fn expect_success(self, path: &str) -> anyhow::Result<Bytes> {
        if !self.status.is_success() {
            let said = String::from_utf8_lossy(&self.body);
            bail!("{path}: {}: {said}", self.status);
        }
        Ok(self.body)
    }
}

/// What to ask for next: a path to GET, or a body to publish.
#[derive(Clone)]
pub(crate) enum Ask {
    /// `GET`
    Get(String),
    /// `GET`, as a browser does
    Page(String),
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
                        Ask::Page(path) => connection.page(path).await?.body,
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

/// The load generator's own thread: one, so that it finds many answers each time that it looks.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
