//! A log inside a test, whose storage fails or waits when it is told to.
//!
//! Not here: the real programs (`tests/`).

mod catalogue;
mod events;
mod faults;
mod messages;
mod objects;
mod recent;
mod simulation;
mod static_part;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use candor_core::Sha256;
use candor_core::note::{LogKey, NoteSigner};
use candor_core::record::kinds::Publisher;
use candor_core::record::{
    Envelope, Predicate, PublicKey, Statement, SubjectName, to_canonical_json,
};
use ed25519_dalek::SigningKey;
use object_store::ObjectStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::accept::Registration;
use crate::catalogue::Opened;
use crate::data_folder::DataFolder;
use crate::http::{Events, Log, Operations, Pages, router};
use crate::last_signed::LastSigned;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rates::{RateSettings, Rates};
use crate::recent::Recent;
use crate::sequencer::{Sequencer, SequencerError, SequencerParts};
use crate::static_part::{Keeping, StaticPart};
use crate::storage::Storage as _;
use crate::storage::sqlite::Sqlite;
use candor_signer::key_file;
use storage::FaultyStorage;

/// A log that serves, without sockets.
struct FaultyLog {
    log: Arc<Log>,
    storage: Arc<FaultyStorage>,
    stop: watch::Sender<bool>,
    sequencer: JoinHandle<Result<(), SequencerError>>,
    /// Shows checkpoints in the static part, if there is one.
    keeper: Option<Keeping>,
    folder: TempDir,
}

/// What is answered to a request.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl FaultyLog {
    async fn start() -> Self {
        Self::start_with(16, Duration::from_mins(1)).await
    }

    async fn start_with(queue_max: usize, request_time_max: Duration) -> Self {
        Self::start_on(None, queue_max, request_time_max).await
    }

    /// A log that puts its static part among `objects`.
    async fn start_with_static_part(objects: Arc<dyn ObjectStore>) -> Self {
        Self::start_on(Some(objects), 1, Duration::from_secs(5)).await
    }

    async fn start_on(
        objects: Option<Arc<dyn ObjectStore>>,
        queue_max: usize,
        request_time_max: Duration,
    ) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = DataFolder::new(temporary.path());
        let origin = "example.org/candor-test".parse().expect("an origin");
        let key = crate::init::init(&folder, None, origin, None)
            .await
            .expect("a log");
        let sqlite = Sqlite::open(&folder.database()).await.expect("it opens");
        let storage = Arc::new(FaultyStorage::new(sqlite));
        let metrics = Arc::new(Metrics::new());
        let secret = key_file::read(&folder.log_key()).expect("a key");
        let last_signed = LastSigned::open(folder.last_signed(), &LogKey::from(key.clone()));
        let recent = Arc::new(Recent::of(storage.clone()));
        let static_part = objects.map(|objects| {
            StaticPart::of_objects(objects, LogKey::from(key.clone()), Arc::clone(&metrics))
        });
        let keeper = static_part
            .as_ref()
            .map(|part| part.keeper(storage.clone()));
        let health = static_part.as_ref().map(StaticPart::health);
        let parts = SequencerParts {
            storage: storage.clone(),
            recent: Arc::clone(&recent),
            signer: Arc::new(NoteSigner::new(key.name().clone(), secret)),
            static_part,
            operator: None,
            queue_max,
            metrics: Arc::clone(&metrics),
        };
        let (stop, stopping) = watch::channel(false);
        let (handle, sequencer) =
            Sequencer::start(parts, last_signed.expect("a checkpoint"), stopping)
                .await
                .expect("it starts");
        let keeper = keeper.map(|keeper| keeper.start(handle.releases()));
        let log = Log {
            identity: storage.identity().await.expect("an identity"),
            storage: storage.clone(),
            recent,
            catalogue: Opened::default(),
            pages: Pages::default(),
            sequencer: handle,
            registration: Registration::Open,
            limits: Limits::new(),
            static_part: health,
            metrics,
            rates: Rates::new(&RateSettings::default()),
            events: Events::new(2, stop.subscribe()),
            address_header: None,
            operations: Operations::Here,
            is_demonstration: false,
            request_time_max,
        };
        Self {
            log: Arc::new(log),
            storage,
            stop,
            sequencer,
            keeper,
            folder: temporary,
        }
    }

    /// The file that the log is in.
    fn database(&self) -> std::path::PathBuf {
        DataFolder::new(self.folder.path()).database()
    }

    /// Publishes the registration of `name`. Goes on by itself.
    fn publish(&self, name: &str) -> JoinHandle<Answer> {
        self.send(&registration(name))
    }

    /// Publishes records. Goes on by itself.
    fn send(&self, records: &Value) -> JoinHandle<Answer> {
        let request = Request::post("/api/v1/records")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(records.to_string()));
        let router = router(Arc::clone(&self.log));
        tokio::spawn(async move { answer(router, request.expect("a request")).await })
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        answer(router(Arc::clone(&self.log)), request).await
    }

    /// Waits until `waiting` submissions wait behind those that the sequencer has taken.
    async fn until_waiting(&self, waiting: usize) {
        let begun = std::time::Instant::now();
        while self.log.sequencer.waiting() != waiting || !self.storage.is_held_up() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing waits");
        }
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The problem document and what is said about trying again, as a client reads them.
    fn problem(&self) -> String {
        let retry = self.headers.get(header::RETRY_AFTER);
        let retry = retry.map_or("never", |retry| retry.to_str().expect("text"));
        let body = serde_json::to_string_pretty(&self.json()).expect("JSON");
        format!("{}\nretry-after: {retry}\n{body}", self.status)
    }
}

async fn answer(router: axum::Router, mut request: Request<Body>) -> Answer {
    let host = HeaderValue::from_static("log");
    request.headers_mut().insert(header::HOST, host);
    let answer = router.oneshot(request).await.expect("it never fails");
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.expect("a body").to_vec(),
    }
}

/// The registration of a publisher whose key follows from its name.
fn registration(name: &str) -> Value {
    let key = SigningKey::from_bytes(Sha256::of(name).as_bytes());
    let predicate = Predicate::Publisher(Publisher {
        display_name: name.to_owned(),
        url: None,
        contact: None,
        keys: vec![PublicKey::new(key.verifying_key()).expect("not a weak key")],
        previous: None,
        annotations: serde_json::Map::new(),
    });
    let digest = Sha256::of(to_canonical_json(&predicate));
    let name = SubjectName::Publisher(name.parse().expect("a publisher's name"));
    let statement = Statement::compose(&name, digest, &predicate);
    let envelope = Envelope::sign(statement, &[&key]).expect("a good key");
    envelope.to_json()
}
