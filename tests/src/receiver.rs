//! Somebody who is told of records: a server that takes messages as a webhook's receiver does, and checks them with the
//! log's key alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::note::LogKey;
use ed25519_dalek::Signature;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How long something may take to come.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a receiver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With this status.
    Status(u16),
    /// That it wants to be left alone for so many seconds.
    Later(u64),
    /// That it is elsewhere.
    Elsewhere(String),
    /// With 200, and a body without end.
    Endless,
    /// Never.
    Silent,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    /// The path and the query that it came to.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether it was answered with a 2xx.
    pub was_taken: bool,
}

struct Shared {
    mood: Mutex<Mood>,
    /// What comes before the mood: one for each message.
    next: Mutex<VecDeque<Mood>>,
    messages: Mutex<Vec<Message>>,
}

/// A receiver, for as long as it is kept.
pub struct Receiver {
    address: String,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Receiver {
    /// One that takes everything.
    pub fn start() -> Self {
        let runtime = Runtime::new().expect("threads to run on");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Status(204)),
            next: Mutex::default(),
            messages: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(take)
            .with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// Where it is told.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on, it answers like this.
    pub fn set_mood(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// It answers the next messages like this, one each.
    pub fn then(&self, moods: impl IntoIterator<Item = Mood>) {
        lock(&self.shared.next).extend(moods);
    }

    /// All that came.
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.shared.messages).clone()
    }

    /// Waits until so many came, and were taken.
    pub fn taken(&self, count: usize) -> Vec<Message> {
        self.wait(|messages| {
            let taken = messages.iter().filter(|message| message.was_taken);
            let taken: Vec<_> = taken.cloned().collect();
            (taken.len() >= count).then_some(taken)
        })
    }

    /// Waits until so many came, whatever was answered.
    pub fn came(&self, count: usize) -> Vec<Message> {
        self.wait(|messages| (messages.len() >= count).then(|| messages.to_vec()))
    }

    #[track_caller]
    fn wait<T>(&self, mut found: impl FnMut(&[Message]) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(&lock(&self.shared.messages)) {
                return found;
            }
            let came = self.messages().len();
            assert!(begun.elapsed() < PATIENCE, "only {came} messages came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mood = lock(&shared.next)
        .pop_front()
        .unwrap_or_else(|| lock(&shared.mood).clone());
    let was_taken = match &mood {
        Mood::Status(status) => (200..300).contains(status),
        Mood::Endless => true,
        Mood::Later(_) | Mood::Elsewhere(_) | Mood::Silent => false,
    };
    lock(&shared.messages).push(Message {
        path: uri.to_string(),
        headers,
        body: body.to_vec(),
        was_taken,
    });
    match mood {
        Mood::Status(status) => StatusCode::from_u16(status)
            .expect("a status")
            .into_response(),
        Mood::Later(seconds) => {
            let retry = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, retry).into_response()
        }
        Mood::Elsewhere(url) => {
            let location = HeaderValue::from_str(&url).expect("an address");
            (
                StatusCode::PERMANENT_REDIRECT,
                [(header::LOCATION, location)],
            )
                .into_response()
        }
        Mood::Endless => {
            let pieces =
                std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 65_536])));
            Body::from_stream(futures_util::stream::iter(pieces)).into_response()
        }
        Mood::Silent => {
            std::future::pending::<()>().await;
            unreachable!("it never answers")
        }
    }
}

impl Message {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("plain text"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Which record it is about.
    pub fn index(&self) -> u64 {
        self.json()["data"]["index"].as_u64().expect("an index")
    }

    /// Whether it is signed by the log with this key, a moment ago, by the specification alone.
    pub fn is_signed(&self, key: &LogKey) -> bool {
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        let sent: u64 = time.parse().expect("a number");
        let content = [id.as_bytes(), b".", time.as_bytes(), b".", &self.body].concat();
        let signatures = self.header("webhook-signature").split(' ');
        let mut asymmetric = signatures.filter_map(|it| it.strip_prefix("v1a,"));
        now.abs_diff(sent) < 300
            && asymmetric.any(|signature| {
                let bytes = BASE64_STANDARD.decode(signature).expect("base64");
                let signature = Signature::from_slice(&bytes).expect("64 bytes");
                let key = key.verifier_key().key();
                key.verify_strict(&content, &signature).is_ok()
            })
    }
}
