//! A web server for tests, which misbehaves where it is told to.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// How long a server that stands still does so: longer than anybody in these tests waits.
const STANDSTILL: Duration = Duration::from_secs(20);

/// Bytes that are made when they are asked for, so that a file of gigabytes takes no room.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// Zeros, or bytes of which no two chunks are the same.
    pub(crate) is_zeros: bool,
    /// Bytes of which one bit is another.
    pub(crate) flips: Vec<u64>,
}

/// How long it takes until bytes repeat: no divisor of a chunk.
const PERIOD: usize = 1_000_003;

fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let byte = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0];
        (0..PERIOD as u64).map(byte).collect()
    })
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// As it was sent, with `%` sequences.
    pub(crate) path: String,
    /// The first byte that was asked for.
    pub(crate) from: Option<u64>,
    pub(crate) if_range: Option<String>,
    pub(crate) accept_encoding: String,
    /// How many questions came before it, from anybody.
    pub(crate) nth: usize,
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// The first byte that is sent.
    pub(crate) start: u64,
    /// How many bytes are sent before it breaks off.
    pub(crate) cut: Option<u64>,
    /// How many bytes are sent before it stands still.
    pub(crate) stall: Option<u64>,
    /// What is sent behind the last byte.
    pub(crate) surplus: Vec<u8>,
    /// How long each 64 KiB take.
    pub(crate) delay: Duration,
}

/// A server on this machine's own interface, as long as it is kept.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

impl Content {
    pub(crate) fn new(size: u64) -> Self {
        Self {
            size,
            is_zeros: false,
            flips: Vec::new(),
        }
    }

    pub(crate) fn zeros(size: u64) -> Self {
        Self {
            is_zeros: true,
            ..Self::new(size)
        }
    }

    pub(crate) fn flipped(&self, at: u64) -> Self {
        let mut other = self.clone();
        other.flips.push(at);
        other
    }

    pub(crate) fn fill(&self, start: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        if !self.is_zeros {
            let mut at = usize::try_from(start % PERIOD as u64).expect("below the period");
            let mut rest = &mut *buffer;
            while !rest.is_empty() {
                let length = rest.len().min(PERIOD - at);
                let (piece, behind) = rest.split_at_mut(length);
                piece.copy_from_slice(&pattern()[at..at + length]);
                (rest, at) = (behind, 0);
            }
        }
        for flip in &self.flips {
            let inside = flip
                .checked_sub(start)
                .and_then(|n| usize::try_from(n).ok());
            if let Some(byte) = inside.and_then(|n| buffer.get_mut(n)) {
                *byte ^= 0x10;
            }
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.size).expect("fits in memory")];
        self.fill(0, &mut bytes);
        bytes
    }
}

impl Reply {
    /// What a server that is as it should be sends.
    pub(crate) fn good(asked: &Asked, content: &Content) -> Self {
        match asked.from {
            Some(from) if from < content.size => {
                let (size, last) = (content.size, content.size - 1);
                let range = format!("bytes {from}-{last}/{size}");
                Self {
                    start: from,
                    ..Self::new(206, content).header("Content-Range", &range)
                }
                .length(size - from)
            }
            Some(_) => Self::status(416),
            None => Self::new(200, content).length(content.size),
        }
    }

    /// All of it, whatever was asked for.
    pub(crate) fn whole(content: &Content) -> Self {
        Self::new(200, content).length(content.size)
    }

    /// No file.
    pub(crate) fn status(status: u16) -> Self {
        Self::new(status, &Content::new(0)).length(0)
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::status(302).header("Location", to)
    }

    pub(crate) fn new(status: u16, content: &Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: content.clone(),
            start: 0,
            cut: None,
            stall: None,
            surplus: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(it, _)| !it.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn length(self, bytes: u64) -> Self {
        self.header("Content-Length", &bytes.to_string())
    }

    pub(crate) fn cut(mut self, behind: u64) -> Self {
        self.cut = Some(behind);
        self
    }
}

impl Server {
    /// Answers each question by `handler`.
    pub(crate) fn new(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(handler, |stream| Some(Box::new(stream)))
    }

    /// One file under every path, as it should be.
    pub(crate) fn good(content: &Content) -> Self {
        let content = content.clone();
        Self::new(move |asked| Reply::good(asked, &content))
    }

    /// With something between the connection and the server, such as TLS.
    pub(crate) fn with(
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn ReadWrite>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (handler, wrap): (Arc<Handler>, _) = (Arc::new(handler), Arc::new(wrap));
        thread::spawn({
            let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
            move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let (handler, asked, wrap) =
                        (Arc::clone(&handler), Arc::clone(&asked), Arc::clone(&wrap));
                    thread::spawn(move || {
                        if let Some(stream) = wrap(stream) {
                            serve(stream, &*handler, &asked);
                        }
                    });
                }
            }
        });
        Self {
            url: format!("http://{address}/"),
            asked,
            is_over,
            address,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// A connection.
pub(crate) trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Answers the questions of one connection until somebody breaks it off.
fn serve(stream: Box<dyn ReadWrite>, handler: &Handler, all: &Mutex<Vec<Asked>>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = read(&mut stream) {
        {
            let mut all = all.lock().expect("no panic");
            asked.nth = all.len();
            all.push(asked.clone());
        }
        let reply = handler(&asked);
        if send(stream.get_mut(), &reply).is_none() {
            return;
        }
    }
}

fn read(stream: &mut BufReader<Box<dyn ReadWrite>>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut asked = Asked {
        path,
        from: None,
        if_range: None,
        accept_encoding: String::new(),
        nth: 0,
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            return Some(asked);
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let from = value.strip_prefix("bytes=")?.strip_suffix('-')?;
                asked.from = Some(from.parse().ok()?);
            }
            "if-range" => asked.if_range = Some(value.to_owned()),
            "accept-encoding" => value.clone_into(&mut asked.accept_encoding),
            _ => {}
        }
    }
}

/// Sends an answer; `None` if the connection is over.
fn send(stream: &mut dyn ReadWrite, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").ok()?;
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let mut buffer = vec![0; 64 * 1024];
    let (mut at, mut sent) = (reply.start, 0);
    while at < reply.content.size {
        let mut length = (buffer.len() as u64).min(reply.content.size - at);
        for stop in [reply.cut, reply.stall].into_iter().flatten() {
            length = length.min(stop - sent);
        }
        if length == 0 {
            stream.flush().ok()?;
            if reply.stall.is_some() {
                thread::sleep(STANDSTILL);
            }
            return None;
        }
        let piece = &mut buffer[..usize::try_from(length).expect("a buffer's length")];
        reply.content.fill(at, piece);
        stream.write_all(piece).ok()?;
        (at, sent) = (at + length, sent + length);
        thread::sleep(reply.delay);
    }
    stream.write_all(&reply.surplus).ok()?;
    stream.flush().ok()
}
