//! Publishers that write as fast as they are answered, and remember every answer.
//!
//! ```text
//! writers ──► signed records ──► one connection each ──► answers ──┐
//! watchers ──► GET /checkpoint, over and over ─────────────────────┴─► Seen
//! ```
//!
//! Always: a request without an answer is a failure of the test, unless the server was killed. So a load ends
//! in one of two ways: [`Load::finish`], with every record acknowledged, or [`Load::kill`], with a list of
//! what got no answer.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use candor_core::Sha256;
use candor_core::merkle::{LeafHash, LeafIndex};
use candor_core::record::Envelope;
use serde_json::Value;

use crate::{TestLog, TestPublisher};

/// A statement with this much filler becomes an entry of about 1.5 KiB.
const FILLER_BYTES: usize = 600;

/// How many publishers the records are from.
const PUBLISHERS: usize = 4;

/// How long a writer waits that was sent away.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// How long a watcher waits between two checkpoints.
const WATCHER_PAUSE: Duration = Duration::from_millis(5);

/// What to write.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Part of every model's name: two loads with the same name would publish the same releases.
    pub name: String,
    /// How many connections write.
    pub writers: usize,
    /// How many connections only look at checkpoints.
    pub watchers: usize,
    /// How many records a request has: every other writer sends records one by one, unless all should be
    /// in batches.
    pub records_per_request: RangeInclusive<u64>,
    /// After how many records it is enough.
    pub records_max: u64,
    /// Where the numbers come from that differ between requests.
    pub seed: u64,
}

/// A record as it was sent.
#[derive(Clone, Debug)]
pub struct SentRecord {
    /// The envelope in canonical form, which is what the log's entry should be.
    pub entry: Vec<u8>,
    /// Its leaf hash.
    pub leaf: LeafHash,
    /// Digest of the statement in it.
    pub statement: Sha256,
}

/// What the server said about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Where it stands.
    pub index: LeafIndex,
    /// Digest of the statement.
    pub statement: Sha256,
    /// Hash of the entry as it was sent.
    pub leaf: LeafHash,
    /// Whether the request put it there.
    pub created: bool,
}

/// What clients saw of a log.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every acknowledgement.
    pub acknowledged: Vec<Acknowledged>,
    /// Requests that got no answer.
    pub unanswered: Vec<Vec<SentRecord>>,
    /// Every checkpoint, in receipts or by itself.
    pub checkpoints: BTreeSet<String>,
    /// What should not have happened.
    failures: Vec<String>,
}

/// Why a request got no acknowledgement.
#[derive(Debug)]
pub enum NoAnswer {
    /// What happens when the server dies: the connection breaks, or it says that it can't any more.
    ServerGone(String),
    /// The server says that it can't tell whether it stored them.
    Unknown(String),
    /// What should never happen.
    Wrong(String),
}

/// Writers and watchers at work.
pub struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Seen>>,
    watchers: Vec<JoinHandle<Seen>>,
}

struct Shared {
    url: String,
    plan: LoadPlan,
    publishers: Vec<TestPublisher>,
    /// How many records the writers have taken on.
    taken: AtomicU64,
    /// Set just before the server is killed: from now on it may fail to answer.
    server_dies: AtomicBool,
    /// Set when the server may say that it does not know what became of records.
    may_not_know: AtomicBool,
    may_hang_up: AtomicBool,
    /// Set when the server may send publishers away.
    may_refuse: AtomicBool,
    /// Set when the watchers should end.
    enough: AtomicBool,
}

impl Load {
    /// Registers the publishers whose records loads are made of. Once for each log.
    pub fn register_publishers(log: &TestLog) {
        let registrations: Vec<Value> =
            publishers().map(|publisher| publisher.register()).collect();
        log.publish(&registrations).expect_status(201);
    }

    /// Starts writing. Returns when all writers have their first request ready to go.
    pub fn start(log: &TestLog, plan: LoadPlan) -> Self {
        let begin = Arc::new(Barrier::new(plan.writers + 1));
        let shared = Arc::new(Shared {
            url: log.url().to_owned(),
            publishers: publishers().collect(),
            taken: AtomicU64::new(0),
            server_dies: AtomicBool::new(false),
            may_not_know: AtomicBool::new(false),
            may_hang_up: AtomicBool::new(false),
            may_refuse: AtomicBool::new(false),
            enough: AtomicBool::new(false),
            plan,
        });
        let writers = (0..shared.plan.writers).map(|n| {
            let (shared, begin) = (Arc::clone(&shared), Arc::clone(&begin));
            std::thread::spawn(move || shared.write(n, &begin))
        });
        let writers = writers.collect();
        let watchers = (0..shared.plan.watchers).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.watch())
        });
        let watchers = watchers.collect();
        begin.wait();
        Self {
            shared,
            writers,
            watchers,
        }
    }

    /// Kills the server while the writers write, and returns what they and the watchers saw until then.
    pub fn kill(self, log: &mut TestLog) -> Seen {
        self.shared.server_dies.store(true, Ordering::SeqCst);
        log.kill();
        self.end()
    }

    /// From now on, the server may send publishers away. They come back a little later.
    pub fn server_may_refuse(&self) {
        self.shared.may_refuse.store(true, Ordering::SeqCst);
    }

    /// From now on, the server may end by itself.
    pub fn server_may_die(&self) {
        self.shared.server_dies.store(true, Ordering::SeqCst);
    }

    /// Waits until all records are acknowledged.
    pub fn finish(self) -> Seen {
        self.end()
    }

    /// From now on, the server may close connections on which it was asked something, as one does that stood still for
    /// longer than it waits for requests. What was asked is asked again.
    pub fn server_may_hang_up(&self) {
        self.shared.may_hang_up.store(true, Ordering::SeqCst);
    }

    /// From now on, the server may say that it can't tell what became of records. They are published once more then.
    pub fn server_may_not_know(&self) {
        self.shared.may_not_know.store(true, Ordering::SeqCst);
    }

    #[track_caller]
    fn end(self) -> Seen {
        let mut seen = Seen::default();
        for writer in self.writers {
            seen.absorb(
                writer
                    .join()
                    .expect("writers note failures and don't panic"),
            );
        }
        self.shared.enough.store(true, Ordering::SeqCst);
        for watcher in self.watchers {
            seen.absorb(
                watcher
                    .join()
                    .expect("watchers note failures and don't panic"),
            );
        }
        assert!(seen.failures.is_empty(), "{:#?}", seen.failures);
        seen
    }
}

impl Seen {
    fn absorb(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unanswered.extend(other.unanswered);
        self.checkpoints.extend(other.checkpoints);
        self.failures.extend(other.failures);
    }
}

/// The publishers that loads are from.
pub fn publishers() -> impl Iterator<Item = TestPublisher> {
    (0..PUBLISHERS).map(|n| TestPublisher::new(&format!("load-lab-{n}")))
}

impl Shared {
    fn write(&self, writer: usize, begin: &Barrier) -> Seen {
        let agent = keep_alive_agent();
        let mut random = Random::new(self.plan.seed ^ writer as u64);
        let mut seen = Seen::default();
        let mut request = self.next_request(writer, &mut random);
        begin.wait();
        while !request.is_empty() {
            match publish(&agent, &self.url, &request, &mut seen.checkpoints) {
                Ok(acknowledged) => seen.acknowledged.extend(acknowledged),
                Err(NoAnswer::ServerGone(told)) if self.may_refuse(&told) => {
                    std::thread::sleep(REFUSED_PAUSE);
                    continue;
                }
                Err(NoAnswer::ServerGone(_)) if self.server_dies.load(Ordering::SeqCst) => {
                    seen.unanswered.push(request);
                    break;
                }
                Err(NoAnswer::ServerGone(_)) if self.may_hang_up.load(Ordering::SeqCst) => continue,
                Err(NoAnswer::Unknown(_)) if self.may_not_know.load(Ordering::SeqCst) => continue,
                Err(failure) => {
                    seen.failures.push(format!("writer {writer}: {failure:?}"));
                    break;
                }
            }
            request = self.next_request(writer, &mut random);
        }
        seen
    }

    /// Whether it is an answer, and one that the server may give.
    fn may_refuse(&self, told: &str) -> bool {
        self.may_refuse.load(Ordering::SeqCst) && told.contains("\"status\":503")
    }

    /// The next records of a writer; none when it is enough.
    fn next_request(&self, writer: usize, random: &mut Random) -> Vec<SentRecord> {
        let range = &self.plan.records_per_request;
        let in_batches = *range.start() > 1 || writer.is_multiple_of(2);
        let wanted = if in_batches { random.within(range) } else { 1 };
        let first = self.taken.fetch_add(wanted, Ordering::SeqCst);
        let end = (first + wanted).min(self.plan.records_max);
        let publisher = &self.publishers[writer % PUBLISHERS];
        (first..end)
            .map(|n| SentRecord::compose(publisher, &self.plan.name, n))
            .collect()
    }

    fn watch(&self) -> Seen {
        let agent = keep_alive_agent();
        let mut seen = Seen::default();
        while !self.enough.load(Ordering::SeqCst) {
            match get_checkpoint(&agent, &self.url) {
                Ok(checkpoint) => {
                    seen.checkpoints.insert(checkpoint);
                }
                Err(NoAnswer::ServerGone(_)) if self.server_dies.load(Ordering::SeqCst) => break,
                Err(NoAnswer::ServerGone(_)) if self.may_hang_up.load(Ordering::SeqCst) => {}
                Err(failure) => {
                    seen.failures.push(format!("a watcher: {failure:?}"));
                    break;
                }
            }
            std::thread::sleep(WATCHER_PAUSE);
        }
        seen
    }
}

impl SentRecord {
    /// Record `n` of a load.
    pub fn compose(publisher: &TestPublisher, load: &str, n: u64) -> Self {
        let filler = format!("{n:08} ").repeat(FILLER_BYTES / 9);
        let payload = publisher.api_version_statement(load, &format!("1.{n}"), &filler);
        let statement = Sha256::of(&payload);
        let envelope = Envelope::sign(payload, &[&publisher.key]).expect("a good key");
        let entry = envelope.to_canonical_json();
        Self {
            leaf: LeafHash::of_bytes(&entry),
            statement,
            entry,
        }
    }
}

/// An agent that keeps its connection open.
pub fn keep_alive_agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_mins(1)))
        .build()
        .into()
}

/// Publishes `records` together, and notes the checkpoints that the answer carries.
pub fn publish(
    agent: &ureq::Agent,
    url: &str,
    records: &[SentRecord],
    checkpoints: &mut BTreeSet<String>,
) -> Result<Vec<Acknowledged>, NoAnswer> {
    let entries: Vec<&[u8]> = records
        .iter()
        .map(|record| record.entry.as_slice())
        .collect();
    let body = [b"[", entries.join(b",".as_slice()).as_slice(), b"]"].concat();
    let request = agent
        .post(format!("{url}/api/v1/records"))
        .header("content-type", "application/json");
    let (status, body) = answer(request.send(&body))?;
    if status == 500 {
        return Err(NoAnswer::Unknown(
            String::from_utf8_lossy(&body).into_owned(),
        ));
    }
    if status != 200 && status != 201 {
        return Err(NoAnswer::Wrong(format!(
            "{status}: {}",
            String::from_utf8_lossy(&body)
        )));
    }
    acknowledged(records, &body, checkpoints)
        .ok_or_else(|| NoAnswer::Wrong(String::from_utf8_lossy(&body).into_owned()))
}

/// Reads an answer; `None` if it is not an acknowledgement of just these records.
fn acknowledged(
    records: &[SentRecord],
    body: &[u8],
    checkpoints: &mut BTreeSet<String>,
) -> Option<Vec<Acknowledged>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut note = |checkpoint: &str| {
        if !checkpoints.contains(checkpoint) {
            checkpoints.insert(checkpoint.to_owned());
        }
    };
    note(body["checkpoint"].as_str()?);
    let answers = body["records"].as_array()?;
    if answers.len() != records.len() {
        return None;
    }
    let mut acknowledged = Vec::with_capacity(records.len());
    for (answer, record) in answers.iter().zip(records) {
        let (_, checkpoint) = answer["receipt"].as_str()?.split_once("\n\n")?;
        note(checkpoint);
        acknowledged.push(Acknowledged {
            index: LeafIndex::new(answer["index"].as_u64()?),
            statement: answer["statement"].as_str()?.parse().ok()?,
            leaf: record.leaf,
            created: answer["created"].as_bool()?,
        });
    }
    let same = |(a, b): (&Acknowledged, &SentRecord)| a.statement == b.statement;
    acknowledged
        .iter()
        .zip(records)
        .all(same)
        .then_some(acknowledged)
}

fn get_checkpoint(agent: &ureq::Agent, url: &str) -> Result<String, NoAnswer> {
    let (status, body) = answer(agent.get(format!("{url}/checkpoint")).call())?;
    match String::from_utf8(body) {
        Ok(checkpoint) if status == 200 => Ok(checkpoint),
        other => Err(NoAnswer::Wrong(format!("{status}: {other:?}"))),
    }
}

/// Status and body. Broken connections and 503 are what a dying server does; slowness is not.
fn answer(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<(u16, Vec<u8>), NoAnswer> {
    let broken = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => NoAnswer::Wrong(error.to_string()),
        _ => NoAnswer::ServerGone(error.to_string()),
    };
    let mut response = result.map_err(broken)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(1 << 30);
    let body = body.read_to_vec().map_err(broken)?;
    if status == 503 {
        return Err(NoAnswer::ServerGone(
            String::from_utf8_lossy(&body).into_owned(),
        ));
    }
    Ok((status, body))
}

/// Numbers that follow from a seed (`SplitMix64`), so that a run can be made again.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// With the seed that the environment variable `CANDOR_SEED` gives, or else a new one. Prints it.
    #[expect(
        clippy::print_stdout,
        reason = "whoever wants this run again needs the seed"
    )]
    pub fn from_environment() -> Self {
        let seed = std::env::var("CANDOR_SEED").map_or_else(
            |_| {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::SystemTime::UNIX_EPOCH)
                    .expect("it is after 1970");
                u64::from(now.subsec_nanos())
            },
            |seed| seed.parse().expect("CANDOR_SEED is a number"),
        );
        println!("CANDOR_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number, brought into `range`.
    pub fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        range.start() + self.number() % (range.end() - range.start() + 1)
    }
}
