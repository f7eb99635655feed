//! A mirror: a web server with the files of a folder, which misbehaves where it is told to.
//!
//! ```text
//! GET /model.dat, Range: bytes=N-  ──►  Reply, as a good server would ──► habits change it ──► sent
//! ```

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How many bytes are sent at once.
const STEP_BYTES: usize = 64 << 10;

/// How long a mirror stands still that does: longer than any test waits.
const STANDSTILL: Duration = Duration::from_mins(10);

/// A mirror, for as long as it is kept.
pub struct Mirror {
    url: String,
    asked: Arc<Mutex<Vec<Question>>>,
    is_over: Arc<AtomicBool>,
}

/// What it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The path in the folder, as it was sent.
    pub path: String,
    /// The first byte that was asked for; 0 for all.
    pub from: u64,
    /// How many questions came before.
    pub nth: usize,
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status: 200, 206 for a part, 404 where there is no such file.
    pub status: u16,
    /// How many bytes it says that it sends.
    pub length: u64,
    /// The byte of the file of which one bit is another.
    pub flip: Option<u64>,
    /// How many bytes are sent before it breaks off.
    pub cut: Option<u64>,
    /// How many bytes are sent before it stands still.
    pub stall: Option<u64>,
    /// Bytes behind the last one.
    pub surplus: Vec<u8>,
    /// Further lines of its head.
    pub headers: Vec<Vec<u8>>,
}

/// How it answers.
type Habits = dyn Fn(&Question, &mut Reply) + Send + Sync;

impl Mirror {
    /// Serves a folder as it should be.
    pub fn good(folder: &Path) -> Self {
        Self::with(folder, |_, _| {})
    }

    /// Serves a folder in its own way.
    pub fn with(
        folder: &Path,
        habits: impl Fn(&Question, &mut Reply) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let server = Arc::new(Server {
            folder: folder.to_owned(),
            habits: Box::new(habits),
            asked: Arc::clone(&asked),
            is_over: Arc::clone(&is_over),
        });
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if server.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                // A client that goes away is no failure of the test.
                thread::spawn(move || server.serve(connection));
            }
        });
        Self {
            url,
            asked,
            is_over,
        }
    }

    /// Where it answers; it ends with `/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Question> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let _ = TcpStream::connect(address);
    }
}

struct Server {
    folder: PathBuf,
    habits: Box<Habits>,
    asked: Arc<Mutex<Vec<Question>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        let mut connection = BufReader::new(connection);
        while let Some((path, from)) = read_question(&mut connection)? {
            let question = {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let nth = asked.len();
                asked.push(Question { path, from, nth });
                asked[nth].clone()
            };
            self.answer(&question, connection.get_mut())?;
        }
        Ok(())
    }

    fn answer(&self, question: &Question, out: &mut TcpStream) -> io::Result<()> {
        let file = File::open(self.folder.join(&question.path)).ok();
        let size = file.as_ref().and_then(|it| it.metadata().ok());
        let size = size.map_or(0, |it| it.len());
        let mut reply = Reply {
            status: match (&file, question.from) {
                (None, _) => 404,
                (Some(_), 0) => 200,
                (Some(_), _) => 206,
            },
            length: size.saturating_sub(question.from),
            flip: None,
            cut: None,
            stall: None,
            surplus: Vec::new(),
            headers: Vec::new(),
        };
        (self.habits)(question, &mut reply);
        let mut head = format!(
            "HTTP/1.1 {} Status\r\nContent-Length: {}\r\n",
            reply.status, reply.length
        )
        .into_bytes();
        if reply.status == 206 {
            let (from, last) = (question.from, size.saturating_sub(1));
            write!(head, "Content-Range: bytes {from}-{last}/{size}\r\n")?;
        }
        for line in &reply.headers {
            head.extend_from_slice(line);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        out.write_all(&head)?;
        if let Some(file) = file.filter(|_| reply.status < 300) {
            let from = if reply.status == 206 {
                question.from
            } else {
                0
            };
            send(file, from, &reply, out)?;
        }
        out.write_all(&reply.surplus)
    }
}

/// Sends a file from a byte on; an error ends the connection.
fn send(mut file: File, from: u64, reply: &Reply, out: &mut TcpStream) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut buffer = vec![0; STEP_BYTES];
    let mut sent = 0;
    loop {
        let mut length = STEP_BYTES as u64;
        for stop in [reply.cut, reply.stall].into_iter().flatten() {
            length = length.min(stop.saturating_sub(sent));
        }
        if length == 0 {
            out.flush()?;
            if reply.stall.is_some() {
                thread::sleep(STANDSTILL);
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let piece = &mut buffer[..usize::try_from(length).expect("a step")];
        let read = file.read(piece)?;
        if read == 0 {
            return Ok(());
        }
        let at = reply.flip.and_then(|flip| flip.checked_sub(from + sent));
        let at = at.and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = at.and_then(|at| piece[..read].get_mut(at)) {
            *byte ^= 1;
        }
        out.write_all(&piece[..read])?;
        sent += read as u64;
    }
}

/// The path and the first byte of what is asked; nothing at the end of the connection.
fn read_question(connection: &mut BufReader<TcpStream>) -> io::Result<Option<(String, u64)>> {
    let mut first = String::new();
    if connection.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_start_matches('/').to_owned();
    let mut from = 0;
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim().to_ascii_lowercase().split_once(": bytes=") {
            Some(("range", range)) => {
                from = range.trim_end_matches('-').parse().unwrap_or_default();
            }
            _ if line.trim().is_empty() => return Ok(Some((path, from))),
            _ => {}
        }
    }
}
