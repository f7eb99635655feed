//! A log in memory, for tests: it answers as a server would, and lies where a test tells it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use candor_core::Sha256;
use candor_core::bundle::Receipt;
use candor_core::merkle::{
    CompactRange, Entry, EntryBundle, EntryBundlePath, Hash, LeafHash, LeafIndex, ProofPlan, Tile,
    TilePath, TreeSize,
};
use candor_core::note::{Checkpoint, KeyName, LogKey, NoteSigner};
use candor_core::record::kinds::Publisher;
use candor_core::record::{
    Admission, Predicate, PublisherName, PublisherState, ReleaseName, SignedRecord, Statement,
    SubjectName, to_canonical_json,
};
use candor_core::weights::{Manifest, ManifestFile};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::keys::SecretKey;
use crate::log_client::LogClient;
use crate::memory::Memory;
use crate::publish;
use crate::transport::{Request, Response, Transport, TransportError};

/// The address that the log pretends to be at.
pub(crate) const URL: &str = "https://log.test/candor";

/// Answers a request in place of the log, if it likes.
type Intercept = Box<dyn FnMut(&str) -> Option<Response> + Send>;

/// A log in memory. Clones are the same log.
#[derive(Clone)]
pub(crate) struct FakeLog(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) entries: Vec<Entry>,
    pub(crate) attachments: HashMap<Sha256, Vec<u8>>,
    publishers: HashMap<PublisherName, PublisherState>,
    /// How many entries it shows, if not all.
    pub(crate) shown: Option<usize>,
    pub(crate) intercept: Option<Intercept>,
    pub(crate) asked: Vec<String>,
    pub(crate) waited: Vec<Duration>,
}

/// A signing key made of one byte.
pub(crate) fn secret_key(seed: u8) -> SecretKey {
    SecretKey::from_signing_key(SigningKey::from_bytes(&[seed; 32]), "a test").expect("a good key")
}

fn signer() -> NoteSigner {
    let name: KeyName = "log.test/candor".parse().expect("a name");
    NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]))
}

/// The fake log's key.
pub(crate) fn log_key() -> LogKey {
    signer().verifier_key().clone().into()
}

pub(crate) fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        content_type: content_type.to_owned(),
        retry_after: None,
        body: body.into(),
    }
}

pub(crate) fn problem(status: u16, body: &Value) -> Response {
    answer(status, "application/problem+json", body.to_string())
}

impl FakeLog {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            entries: Vec::new(),
            attachments: HashMap::new(),
            publishers: HashMap::new(),
            shown: None,
            intercept: None,
            asked: Vec::new(),
            waited: Vec::new(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics inside")
    }

    pub(crate) fn client(&self) -> LogClient {
        LogClient::new(
            URL.parse().expect("an address"),
            log_key(),
            Box::new(self.clone()),
        )
    }

    /// Answers requests whose path contains `part` with what `make` returns.
    pub(crate) fn intercept(
        &self,
        part: &'static str,
        make: impl FnMut() -> Response + Send + 'static,
    ) {
        let mut make = make;
        self.state().intercept = Some(Box::new(move |path| path.contains(part).then(&mut make)));
    }

    /// A copy that goes its own way from here.
    pub(crate) fn fork(&self) -> Self {
        let state = self.state();
        let copy = Self::new();
        let mut other = copy.state();
        other.entries.clone_from(&state.entries);
        other.publishers.clone_from(&state.publishers);
        drop(other);
        copy
    }

    /// Takes a record in, by the rules.
    pub(crate) fn add(&self, record: &SignedRecord) -> LeafIndex {
        self.state()
            .add(record.clone())
            .expect("the record is right")
            .0
    }

    /// Registers a publisher with the key of `seed`.
    pub(crate) fn register(&self, name: &str, seed: u8) -> LeafIndex {
        self.add(&publisher_record(name, &[seed], None, &[seed]))
    }

    /// `count` further entries, each a registration.
    pub(crate) fn grow(&self, count: usize) {
        let from = self.state().entries.len();
        for n in from..from + count {
            self.register(&format!("lab-{n}"), 9);
        }
    }
}

/// A `publisher` record that lists the keys of `keys`, signed with those of `signers`.
pub(crate) fn publisher_record(
    name: &str,
    keys: &[u8],
    previous: Option<Sha256>,
    signers: &[u8],
) -> SignedRecord {
    let predicate = Predicate::Publisher(Publisher {
        display_name: name.to_owned(),
        url: None,
        contact: None,
        keys: keys
            .iter()
            .map(|seed| secret_key(*seed).public().clone())
            .collect(),
        previous,
        annotations: serde_json::Map::new(),
    });
    let name = SubjectName::Publisher(name.parse().expect("a name"));
    let payload = Statement::compose(&name, Sha256::of(to_canonical_json(&predicate)), &predicate);
    signed(payload, signers)
}

/// Signs with the keys of `signers`.
pub(crate) fn signed(payload: Vec<u8>, signers: &[u8]) -> SignedRecord {
    let keys: Vec<_> = signers.iter().map(|seed| secret_key(*seed)).collect();
    publish::sign(payload, &keys.iter().collect::<Vec<_>>()).expect("the payload is right")
}

/// A release's manifest, with one file that holds `content`.
pub(crate) fn manifest(content: &str) -> Manifest {
    let file = ManifestFile {
        path: "model.bin".parse().expect("a path"),
        size: Some(content.len() as u64),
        digest: candor_core::record::DigestSet::sha256(Sha256::of(content)),
    };
    Manifest::new(vec![file]).expect("a manifest")
}

/// A `weights` record of that manifest.
pub(crate) fn weights_record(release: &str, content: &str, signer: u8) -> SignedRecord {
    let manifest = manifest(content);
    let predicate = Predicate::Weights(manifest.to_weights());
    let name = SubjectName::Release(release.parse().expect("a name"));
    signed(
        Statement::compose(&name, Sha256::of(manifest.to_bytes()), &predicate),
        &[signer],
    )
}

/// A `withdrawal` of the record with the statement digest `of`.
pub(crate) fn withdrawal_record(
    release: &str,
    of: Sha256,
    scope: &str,
    signer: u8,
) -> SignedRecord {
    let name: ReleaseName = release.parse().expect("a name");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": release, "digest": { "sha256": of } }],
        "predicateType": "urn:candor:withdrawal:v1",
        "predicate": {
            "author": name.publisher(), "scope": scope, "reason": "security",
            "explanation": "Its tokenizer runs code.",
        },
    });
    signed(to_canonical_json(&statement), &[signer])
}

/// A client that is always late: while the log's answer from `path` is on its way, somebody else with the
/// same memory sees a newer checkpoint.
pub(crate) fn overtaken(path: &'static str, log: &FakeLog, memory: &Memory) -> LogClient {
    struct Overtaken(&'static str, FakeLog, Memory);
    impl Transport for Overtaken {
        fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
            let Self(path, log, memory) = self;
            let answer = log.send(request);
            if request.url.ends_with(path) {
                log.grow(1);
                memory.fetch(&log.client()).expect("it only grew");
            }
            answer
        }
    }
    LogClient::new(
        URL.parse().expect("an address"),
        log_key(),
        Box::new(Overtaken(path, log.clone(), memory.clone())),
    )
}

/// An `evaluation` of the release with the content `sha256` by `author`; `n` makes it one of many.
pub(crate) fn evaluation_record(
    release: &str,
    sha256: Sha256,
    author: &str,
    n: usize,
    signer: u8,
) -> SignedRecord {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": release, "digest": { "sha256": sha256 } }],
        "predicateType": "urn:candor:evaluation:v1",
        "predicate": {
            "author": author, "harness": { "name": "by-hand" }, "outcome": "reported",
            "results": [{ "task": "letters", "metric": "acc", "value": n }],
        },
    });
    signed(to_canonical_json(&statement), &[signer])
}

impl Transport for FakeLog {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let path = request
            .url
            .strip_prefix(URL)
            .and_then(|path| path.strip_prefix('/'));
        let path = path.expect("only this log is asked").to_owned();
        let mut state = self.state();
        state.asked.push(path.clone());
        if let Some(mut intercept) = state.intercept.take() {
            let answer = intercept(&path);
            state.intercept = Some(intercept);
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        let answer = match request.body {
            Some(body) => state.publish(&body.content_type, &body.bytes),
            None => state.get(&path),
        };
        let absence = json!({ "type": "urn:candor:problem:not-found", "title": "Not here" });
        let answer = answer.unwrap_or_else(|| problem(404, &absence));
        if answer.body.len() > request.answer_bytes_max {
            let url = request.url.to_owned();
            return Err(TransportError::TooLong {
                url,
                bytes_max: request.answer_bytes_max,
            });
        }
        Ok(answer)
    }

    fn wait(&self, time: Duration) {
        self.state().waited.push(time);
    }
}

impl State {
    fn size(&self) -> TreeSize {
        TreeSize::new(self.shown.unwrap_or(self.entries.len()) as u64)
    }

    fn root_of(&self, range: std::ops::Range<usize>) -> Hash {
        let mut tree = CompactRange::empty();
        for entry in &self.entries[range] {
            tree.append(LeafHash::of(entry), |_, _| ());
        }
        tree.root()
    }

    pub(crate) fn checkpoint(&self) -> String {
        let size = self.size();
        let shown = usize::try_from(size.get()).expect("small");
        let head = candor_core::merkle::TreeHead {
            size,
            root: self.root_of(0..shown),
        };
        Checkpoint::sign(head, &signer()).to_string()
    }

    fn tile(&self, path: TilePath) -> Option<Tile> {
        let span = 256_usize.pow(u32::from(path.level.get()));
        let first = usize::try_from(path.index.get()).ok()? * 256;
        let hash = |n: usize| {
            let range = (first + n) * span..(first + n + 1) * span;
            (range.end <= self.entries.len()).then(|| self.root_of(range))
        };
        Tile::new((0..path.width.count()).map(hash).collect::<Option<_>>()?)
    }

    fn get(&self, path: &str) -> Option<Response> {
        let octets = |bytes| Some(answer(200, "application/octet-stream", bytes));
        let json = |value: Value| Some(answer(200, "application/json", value.to_string()));
        if path == "checkpoint" {
            return Some(answer(200, "text/plain", self.checkpoint()));
        }
        if let Some(rest) = path.strip_prefix("tile/entries/") {
            let path = EntryBundlePath::parse(rest).ok()?;
            let first = usize::try_from(path.index.get()).ok()? * 256;
            let entries = self.entries.get(first..first + path.width.count())?;
            return octets(EntryBundle::new(entries.to_vec())?.to_bytes());
        }
        if let Some(rest) = path.strip_prefix("tile/") {
            let (level, rest) = rest.split_once('/')?;
            return octets(self.tile(TilePath::parse(level, rest).ok()?)?.to_bytes());
        }
        let path = path.strip_prefix("api/v1/")?.replace("%2B", "+");
        if let Some(digest) = path.strip_prefix("attachments/") {
            return octets(self.attachments.get(&digest.parse().ok()?)?.clone());
        }
        self.view(&path).and_then(json)
    }

    fn view(&self, path: &str) -> Option<Value> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "records" {
            return Some(self.records(query));
        }
        if path == "publishers" {
            let row = |state: &PublisherState| json!({ "name": state.name, "displayName": "", "index": state.at });
            return Some(
                json!({ "publishers": self.publishers.values().map(row).collect::<Vec<_>>(), "next": null }),
            );
        }
        if let Some(digest) = path.strip_prefix("records/") {
            return self
                .rows()
                .map(|(row, _)| row)
                .find(|row| row["statement"] == digest);
        }
        if let Some(name) = path.strip_prefix("publishers/") {
            let is_theirs = |row: &Value| row["publisher"] == name && row["kind"] == "publisher";
            let history: Vec<_> = self
                .rows()
                .map(|(row, _)| row)
                .filter(is_theirs)
                .map(|row| row["index"].clone())
                .collect();
            return (!history.is_empty()).then(|| json!({ "name": name, "history": history }));
        }
        if let Some(name) = path.strip_prefix("models/") {
            return self.model(name);
        }
        (path == "models").then(|| json!({ "models": [], "next": null }))
    }

    /// One record about a subject to a page, so that who reads the first alone is found out; else all at once.
    fn records(&self, query: &str) -> Value {
        let parameter = |name: &str| {
            let mut parameters = query.split('&').filter_map(|it| it.split_once('='));
            parameters
                .find(|(it, _)| *it == name)
                .map(|(_, value)| value)
        };
        let (subject, publisher) = (parameter("subject"), parameter("publisher"));
        let rows = self.rows().filter(|(row, about)| {
            subject.is_none_or(|it| it == about)
                && publisher.is_none_or(|it| row["publisher"] == it)
        });
        let mut rows: Vec<_> = rows.map(|(row, _)| row).collect();
        rows.reverse();
        let Some(subject) = subject else {
            return json!({ "records": rows, "next": null });
        };
        let skip: usize = parameter("skip").map_or(0, |skip| skip.parse().expect("a number"));
        let publisher = publisher
            .map(|it| format!("&publisher={it}"))
            .unwrap_or_default();
        let next = (rows.len() > skip + 1).then(|| {
            let subject = subject.replace('+', "%2B");
            format!(
                "/api/v1/records?subject={subject}{publisher}&skip={}",
                skip + 1
            )
        });
        json!({ "records": rows.get(skip..=skip).unwrap_or_default(), "next": next })
    }

    fn model(&self, name: &str) -> Option<Value> {
        let of_model = |subject: &str| {
            subject
                .split_once('@')
                .is_some_and(|(model, _)| model == name)
        };
        let rows = self.rows().filter(|(_, subject)| of_model(subject));
        let releases: Vec<_> = rows
            .map(|(row, subject)| json!({ "name": subject, "firstIndex": row["index"], "kinds": [row["kind"]] }))
            .collect();
        (!releases.is_empty()).then(|| json!({ "name": name, "releases": releases }))
    }

    /// Each record's row, and the name of its subject.
    fn rows(&self) -> impl Iterator<Item = (Value, String)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let record = SignedRecord::from_entry(entry).ok()?;
                let statement = record.statement();
                let row = json!({
                    "index": index, "statement": statement.digest, "kind": statement.kind(),
                    "publisher": statement.publisher(), "acceptedAt": "2026-01-01T00:00:00Z",
                });
                Some((row, statement.subject.name.to_string()))
            })
    }

    fn add(&mut self, record: SignedRecord) -> Result<(LeafIndex, bool), Value> {
        let digest = record.statement().digest;
        let known = self.entries.iter().position(|entry| {
            SignedRecord::from_entry(entry).is_ok_and(|known| known.statement().digest == digest)
        });
        if let Some(index) = known {
            return Ok((LeafIndex::new(index as u64), false));
        }
        let name = record.statement().publisher().clone();
        let state = self.publishers.get(&name);
        let record = record.accept(state, Admission::Open).map_err(|error| {
            json!({ "type": "urn:candor:problem:refused", "detail": error.to_string(), "hint": error.hint() })
        })?;
        let index = LeafIndex::new(self.entries.len() as u64);
        if let Some(state) = PublisherState::after(state, &record, index) {
            self.publishers.insert(name, state);
        }
        self.entries.push(record.to_entry().expect("it fits"));
        Ok((index, true))
    }

    fn publish(&mut self, content_type: &str, body: &[u8]) -> Option<Response> {
        let envelopes = self.read_body(content_type, body)?;
        let envelopes = match envelopes {
            Value::Array(envelopes) => envelopes,
            envelope => vec![envelope],
        };
        let mut added = Vec::new();
        for envelope in envelopes {
            let record =
                SignedRecord::parse(envelope.to_string().as_bytes()).expect("clients check first");
            let digest = record.statement().digest;
            match self.add(record) {
                Ok((index, created)) => added.push((index, created, digest)),
                Err(refusal) => return Some(problem(422, &refusal)),
            }
        }
        let records: Vec<_> = added
            .iter()
            .map(|(index, created, statement)| {
                json!({ "index": index, "created": created, "statement": statement, "receipt": self.receipt(*index) })
            })
            .collect();
        let answer_json = json!({ "checkpoint": self.checkpoint(), "records": records });
        Some(answer(201, "application/json", answer_json.to_string()))
    }

    fn receipt(&self, index: LeafIndex) -> String {
        let plan = ProofPlan::inclusion(self.size().leaf(index).expect("inside"));
        let tiles = plan
            .tiles()
            .into_iter()
            .map(|path| (path, self.tile(path).expect("there")));
        let path = plan
            .hashes(&tiles.collect::<HashMap<_, _>>())
            .expect("all tiles are there");
        Receipt {
            extra: None,
            index,
            path,
            checkpoint: self.checkpoint(),
        }
        .to_string()
    }

    /// The envelopes; attachments of a form are stored.
    fn read_body(&mut self, content_type: &str, body: &[u8]) -> Option<Value> {
        let Some(boundary) = content_type.strip_prefix("multipart/form-data; boundary=") else {
            return serde_json::from_slice(body).ok();
        };
        let mut envelopes = None;
        let mut rest = body.strip_prefix(format!("--{boundary}\r\n").as_bytes())?;
        let end = format!("\r\n--{boundary}");
        while let Some(at) = find(rest, end.as_bytes()) {
            let (part, after) = rest.split_at(at);
            let head = find(part, b"\r\n\r\n")?;
            let content = &part[head + 4..];
            if find(&part[..head], b"name=\"records\"").is_some() {
                envelopes = serde_json::from_slice(content).ok();
            } else {
                self.attachments
                    .insert(Sha256::of(content), content.to_vec());
            }
            rest = &after[end.len()..];
            rest = rest.strip_prefix(b"\r\n").unwrap_or(b"");
        }
        envelopes
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
