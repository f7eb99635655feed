//! What a log has acknowledged outlives its server, whenever that dies.
//!
//! `SIGKILL` takes away what the process holds in memory, and leaves what the system has taken from it. So these
//! tests find an answer that went out before the commit; they can't find a missing `fsync`, which only a power
//! cut shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use candor_core::Sha256;
use candor_core::merkle::{
    CompactRange, ConsistencyProof, Entry, EntryBundle, EntryBundlePath, LeafHash, LeafIndex,
    ProofPlan, Tile, TileIndex, TilePath, TreeHead, TreeSize,
};
use candor_core::note::LogKey;
use candor_core::record::{PublisherName, PublisherState, SignedRecord};
use candor_tests::TestLog;
use candor_tests::load::{
    Acknowledged, Load, LoadPlan, NoAnswer, Random, Seen, SentRecord, keep_alive_agent, publish,
    publishers,
};

/// How often the server is killed, unless `CANDOR_KILLS` says otherwise.
const KILLS: u64 = 50;

/// How many connections write.
const WRITERS: usize = 64;

/// How long the load goes on before the server is killed, in milliseconds.
const LOAD_MS: std::ops::RangeInclusive<u64> = 20..=400;

/// How far apart clients publish the same record, at most: about as long as it takes to be logged.
const APART_MICROS: u64 = 4_000;

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of the result"
)]
fn every_acknowledged_entry_is_there_after_a_kill() {
    let began = Instant::now();
    let kills = std::env::var("CANDOR_KILLS").map_or(KILLS, |kills| {
        kills.parse().expect("CANDOR_KILLS is a number")
    });
    let mut random = Random::from_environment();
    let mut log = TestLog::start();
    let mut history = History::new(log.key().clone());
    Load::register_publishers(&log);
    let mut without_answer = 0;
    for kill in 0..kills {
        let load = Load::start(&log, plan(kill, WRITERS, random.number()));
        std::thread::sleep(Duration::from_millis(random.within(&LOAD_MS)));
        let seen = load.kill(&mut log);
        without_answer += seen.unanswered.len();
        log.restart();
        history.absorb(&seen);
        history.check(&LogReader::new(&log));
    }
    let verified = replay(&LogReader::new(&log));
    println!(
        "{kills} kills, {} entries acknowledged, {without_answer} requests without an answer, {} checkpoints seen, \
         {verified} entries verified, {:.0} s",
        history.acknowledged.len(),
        history.checkpoints.len(),
        began.elapsed().as_secs_f64(),
    );
    assert!(
        !history.acknowledged.is_empty(),
        "a load that nobody answers shows nothing"
    );
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of the result"
)]
fn an_entry_published_twice_around_a_kill_is_logged_once() {
    let mut random = Random::from_environment();
    let mut log = TestLog::start();
    let mut history = History::new(log.key().clone());
    Load::register_publishers(&log);
    let (mut logged_before, mut logged_now) = (0, 0);
    for kill in 0..12 {
        let load = Load::start(&log, plan(kill, WRITERS, random.number()));
        std::thread::sleep(Duration::from_millis(random.within(&(20..=200))));
        let mut seen = load.kill(&mut log);
        log.restart();
        let requests = std::mem::take(&mut seen.unanswered);
        let answers = publish_at_once(&log, &requests, 2, &mut seen);
        for n in 0..requests.concat().len() {
            if answers.iter().any(|client| client[n].created) {
                logged_now += 1;
            } else {
                logged_before += 1;
            }
        }
        history.absorb(&seen);
        history.check(&LogReader::new(&log));
    }
    replay(&LogReader::new(&log));
    println!(
        "of the records without an answer, {logged_before} were in the log, and {logged_now} were not"
    );
    assert!(logged_now > 0, "no kill came before a commit");
}

#[test]
fn an_entry_published_by_many_clients_at_once_is_logged_once() {
    let log = TestLog::start();
    Load::register_publishers(&log);
    let publisher = publishers().next().expect("there is one");
    let requests: Vec<_> = (0..100)
        .map(|n| vec![SentRecord::compose(&publisher, "one-for-all", n)])
        .collect();
    let mut seen = Seen::default();
    publish_at_once(&log, &requests, 8, &mut seen);
    let mut history = History::new(log.key().clone());
    history.absorb(&seen);
    assert_eq!(history.acknowledged.len(), requests.len());
    history.check(&LogReader::new(&log));
}

/// Several clients publish the same, side by side. Returns what each of them was told about all records, and
/// checks that they were told the same.
fn publish_at_once(
    log: &TestLog,
    requests: &[Vec<SentRecord>],
    clients: usize,
    seen: &mut Seen,
) -> Vec<Vec<Acknowledged>> {
    let url = log.url();
    let together = Barrier::new(clients);
    let client = &|n: usize| {
        let agent = keep_alive_agent();
        let mut random = Random::new(n as u64);
        let mut checkpoints = BTreeSet::new();
        // Errors are for later: who panics here leaves the others waiting.
        let answers: Result<Vec<_>, NoAnswer> = requests
            .iter()
            .map(|request| {
                // A little apart, so that one asks while another's entry is between queue and signature.
                together.wait();
                std::thread::sleep(Duration::from_micros(random.within(&(0..=APART_MICROS))));
                publish(&agent, url, request, &mut checkpoints)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        (answers, checkpoints)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|n| scope.spawn(move || client(n)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("clients don't panic"))
            .collect()
    });
    let mut told = Vec::new();
    for (answers, checkpoints) in answers {
        let acknowledged = answers.expect("every client is answered").concat();
        seen.checkpoints.extend(checkpoints);
        seen.acknowledged.extend(&acknowledged);
        told.push(acknowledged);
    }
    for n in 0..told[0].len() {
        let created = told.iter().filter(|client| client[n].created).count();
        assert!(created <= 1, "{created} clients put record {n} there");
        let one_place = told
            .iter()
            .all(|client| client[n].index == told[0][n].index);
        assert!(
            one_place,
            "the clients were told different places of record {n}"
        );
    }
    told
}

/// Writes until the server is gone.
fn plan(kill: u64, writers: usize, seed: u64) -> LoadPlan {
    LoadPlan {
        name: format!("load-{kill}"),
        writers,
        watchers: 2,
        records_per_request: 1..=64,
        records_max: u64::MAX,
        seed,
    }
}

/// All that any client ever saw of a log.
struct History {
    key: LogKey,
    /// By statement: where it stands, and the entry's hash.
    acknowledged: HashMap<Sha256, (LeafIndex, LeafHash)>,
    /// By place.
    places: BTreeMap<LeafIndex, (Sha256, LeafHash)>,
    /// By size: two trees of one size are two histories already.
    checkpoints: BTreeMap<TreeSize, TreeHead>,
}

impl History {
    fn new(key: LogKey) -> Self {
        Self {
            key,
            acknowledged: HashMap::new(),
            places: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        }
    }

    fn absorb(&mut self, seen: &Seen) {
        for new in &seen.acknowledged {
            let place = self.places.insert(new.index, (new.statement, new.leaf));
            assert!(
                place.is_none_or(|(statement, _)| statement == new.statement),
                "index {} was acknowledged for two statements",
                new.index
            );
            let before = self
                .acknowledged
                .insert(new.statement, (new.index, new.leaf));
            assert!(
                before.is_none_or(|(index, _)| index == new.index),
                "{} was acknowledged at two indexes",
                new.statement
            );
        }
        for checkpoint in &seen.checkpoints {
            self.absorb_checkpoint(checkpoint);
        }
    }

    fn absorb_checkpoint(&mut self, checkpoint: &str) -> TreeHead {
        let checkpoint = self
            .key
            .verify_checkpoint(checkpoint.as_bytes())
            .expect("the log signed it");
        let head = checkpoint.head;
        let before = self.checkpoints.insert(head.size, head);
        assert!(
            before.is_none_or(|before| before == head),
            "the log signed {before:?} and {head:?}"
        );
        head
    }

    /// Checks that the log as it is served goes on from everything in this history.
    fn check(&mut self, log: &LogReader) {
        let head = self.absorb_checkpoint(&log.checkpoint());
        self.check_consistency(&head, log);
        let mut range = CompactRange::empty();
        let mut statements = HashMap::new();
        let mut found = 0;
        log.for_each_entry(head.size, |index, entry| {
            let leaf = LeafHash::of(entry);
            range.append(leaf, |_, _| {});
            let statement = statement_in(entry);
            if let Some(other) = statements.insert(statement, index) {
                panic!("{statement} is at {other} and at {index}");
            }
            if let Some(place) = self.places.get(&index) {
                assert_eq!(
                    *place,
                    (statement, leaf),
                    "entry {index} is another one now"
                );
                found += 1;
            }
        });
        assert_eq!(
            range.head(),
            head,
            "the entries are those of the signed tree"
        );
        assert_eq!(found, self.places.len(), "acknowledged entries are missing");
    }

    fn check_consistency(&self, head: &TreeHead, log: &LogReader) {
        let mut tiles = HashMap::new();
        for seen in self.checkpoints.values() {
            let plan = ProofPlan::consistency(seen.size, head.size)
                .unwrap_or_else(|error| panic!("a client saw a longer log: {error}"));
            for path in plan.tiles() {
                tiles.entry(path).or_insert_with(|| log.tile(&path));
            }
            let proof = ConsistencyProof {
                old: seen.size,
                new: head.size,
                path: plan.hashes(&tiles).expect("the tiles are at hand"),
            };
            proof
                .verify(seen, head)
                .unwrap_or_else(|error| panic!("{head:?} does not go on from {seen:?}: {error}"));
        }
    }
}

/// The digest of the statement in an entry, without the checks that a whole replay makes.
fn statement_in(entry: &Entry) -> Sha256 {
    let envelope = candor_core::record::Envelope::parse(entry.as_bytes()).expect("an envelope");
    Sha256::of(envelope.payload())
}

/// Derives the whole log again from its entries: every record well-formed, signed by whom it had to be signed
/// at its place, and the tree over them the one in the checkpoint. Returns how many there are.
fn replay(log: &LogReader) -> u64 {
    let checkpoint = log
        .key
        .verify_checkpoint(log.checkpoint().as_bytes())
        .expect("the log signed it");
    let mut range = CompactRange::empty();
    let mut publishers: HashMap<PublisherName, PublisherState> = HashMap::new();
    log.for_each_entry(checkpoint.head.size, |index, entry| {
        range.append(LeafHash::of(entry), |_, _| {});
        let record = SignedRecord::from_entry(entry).expect("an entry is a record");
        let name = record.statement().publisher().clone();
        let before = publishers.get(&name);
        let record = record
            .verify(before)
            .unwrap_or_else(|error| panic!("entry {index}: {error}"));
        if let Some(state) = PublisherState::after(before, &record, index) {
            publishers.insert(name, state);
        }
    });
    assert_eq!(range.head(), checkpoint.head);
    range.size().get()
}

/// Reads a log as any client of C2SP tlog-tiles does.
struct LogReader {
    agent: ureq::Agent,
    url: String,
    key: LogKey,
}

impl LogReader {
    fn new(log: &TestLog) -> Self {
        Self {
            agent: keep_alive_agent(),
            url: log.url().to_owned(),
            key: log.key().clone(),
        }
    }

    fn fetch(&self, path: &str) -> Vec<u8> {
        let mut response = self
            .agent
            .get(format!("{}/{path}", self.url))
            .header("accept-encoding", "identity")
            .call()
            .expect("the server answers");
        let body = response.body_mut().with_config().limit(1 << 30);
        let body = body.read_to_vec().expect("the body can be read");
        let status = response.status().as_u16();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    fn checkpoint(&self) -> String {
        String::from_utf8(self.fetch("checkpoint")).expect("checkpoints are text")
    }

    fn tile(&self, path: &TilePath) -> Tile {
        Tile::parse(&self.fetch(&path.to_string()), path.width).expect("a tile")
    }

    /// Hands over the entries of a tree of `size`, in their order.
    fn for_each_entry(&self, size: TreeSize, mut f: impl FnMut(LeafIndex, &Entry)) {
        let bundles = (0..).map_while(|n| EntryBundlePath::in_tree(TileIndex::new(n), size));
        let mut index = 0;
        for path in bundles {
            let bundle = EntryBundle::parse(&self.fetch(&path.to_string()), path.width);
            for entry in bundle.expect("an entry bundle").entries() {
                f(LeafIndex::new(index), entry);
                index += 1;
            }
        }
    }
}
