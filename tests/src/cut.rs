//! A Postgres behind a line that breaks: at any moment, or just when it says that it has committed.

use std::io::{Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tempfile::TempDir;

/// The name of Postgres' socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// What Postgres answers when a transaction is committed: the tag of `CommandComplete`.
const COMMITTED: &[u8] = b"COMMIT\0";

/// A line to Postgres.
pub struct Line {
    folder: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    postgres: PathBuf,
    /// How many answers to commits are still let through before one is not.
    let_through: AtomicU64,
    /// How many were lost.
    lost: AtomicU64,
    open: Mutex<Vec<UnixStream>>,
}

impl Line {
    /// A line to the Postgres whose socket is in `folder`.
    pub fn to(folder: &Path) -> Self {
        let own = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(own.path().join(SOCKET)).expect("it is bound");
        let shared = Arc::new(Shared {
            postgres: folder.join(SOCKET),
            let_through: AtomicU64::new(u64::MAX),
            lost: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let line = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let line = Arc::clone(&line);
                thread::spawn(move || line.carry(client));
            }
        });
        Self {
            folder: own,
            shared,
        }
    }

    /// The folder with this end's socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Breaks when Postgres has answered so many commits more: that one is committed, and nobody hears of it.
    pub fn lose_an_answer(&self, after: u64) {
        self.shared.let_through.store(after, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn carry(self: Arc<Self>, client: UnixStream) {
        let Ok(server) = UnixStream::connect(&self.postgres) else {
            return;
        };
        let clone = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend([clone(&client), clone(&server)]);
        }
        let (questions, answers) = ((clone(&client), clone(&server)), (server, client));
        let back = thread::spawn(move || self.carry_answers(answers));
        let _ = copy(questions, |_| true);
        let _ = back.join();
    }

    fn carry_answers(&self, streams: (UnixStream, UnixStream)) {
        let _ = copy(streams, |bytes| {
            if !bytes.windows(COMMITTED.len()).any(|part| part == COMMITTED) {
                return true;
            }
            let left = self
                .let_through
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    Some(left.checked_sub(1).unwrap_or(u64::MAX))
                });
            let goes_on = left != Ok(0);
            if !goes_on {
                self.lost.fetch_add(1, Ordering::SeqCst);
            }
            goes_on
        });
    }
}

/// Copies as long as `goes_on` says so, and ends both when the one ends.
fn copy(
    (mut from, mut to): (UnixStream, UnixStream),
    mut goes_on: impl FnMut(&[u8]) -> bool,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes).unwrap_or(0);
        if read == 0 || !goes_on(&bytes[..read]) || to.write_all(&bytes[..read]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return Ok(());
        }
    }
}
