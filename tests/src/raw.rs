//! A connection that sends exactly the bytes that a test wants to send, right or wrong.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::Answer;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a server.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects to the server at `url`.
    pub fn connect(url: &str) -> Self {
        Self::try_connect(url).expect("the server accepts connections")
    }

    /// Connects to the server at `url`, if it is there.
    pub fn try_connect(url: &str) -> std::io::Result<Self> {
        let address = url.strip_prefix("http://").expect("test logs speak HTTP");
        let stream = TcpStream::connect(address)?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit");
        stream.set_nodelay(true).expect("no delay");
        Ok(Self(stream))
    }

    /// Sends `bytes`. A server that has answered and closed is no error: what it said can still be read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends `byte` again and again, until the server says something or closes.
    pub fn trickle(&mut self, byte: u8) {
        let begun = Instant::now();
        self.0
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a time limit");
        loop {
            self.send(&[byte]);
            match self.0.peek(&mut [0]) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => break,
            }
            assert!(begun.elapsed() < PATIENCE, "the server waits for ever");
        }
        self.0
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit");
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Everything that the server sends until it closes the connection.
    pub fn everything(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("no end of what it says: {error}"),
        }
    }

    /// Everything that the server sends until it closes the connection, as one answer; `None` if it says
    /// nothing. Ask for `connection: close`, or it stays open.
    pub fn answer(mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            // What came before the reset counts.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("no end of the answer: {error}"),
        }
        if bytes.is_empty() {
            return None;
        }
        Some(parse(&bytes))
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("an empty line behind the headers");
    let head = str::from_utf8(&bytes[..end]).expect("headers are text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines
        .map(|line| line.split_once(':').expect("name: value"))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Answer {
        status: status
            .and_then(|status| status.parse().ok())
            .expect("a status line"),
        headers: headers.collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// A request with these headers, each `name: value`, beside those that every request has.
pub fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: log\r\nconnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}

/// Sends one request, and returns what the server says to it.
pub fn ask(url: &str, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut raw = Raw::connect(url);
    raw.send(&request(method, path, headers, b""));
    raw.answer().expect("an answer")
}
