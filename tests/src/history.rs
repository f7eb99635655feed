//! What clients saw of a log, and whether the log as it is served goes on from all of it.

use std::collections::{BTreeMap, HashMap};

use candor_core::Sha256;
use candor_core::merkle::{
    CompactRange, ConsistencyProof, Entry, EntryBundle, EntryBundlePath, LeafHash, LeafIndex,
    ProofPlan, Tile, TileIndex, TilePath, TreeHead, TreeSize,
};
use candor_core::note::LogKey;
use candor_core::record::{PublisherName, PublisherState, SignedRecord};

use crate::TestLog;
use crate::load::{Seen, keep_alive_agent};

/// All that any client ever saw of a log.
pub struct History {
    key: LogKey,
    /// By statement: where it stands, and the entry's hash.
    acknowledged: HashMap<Sha256, (LeafIndex, LeafHash)>,
    /// By place.
    places: BTreeMap<LeafIndex, (Sha256, LeafHash)>,
    /// By size: two trees of one size are two histories already.
    checkpoints: BTreeMap<TreeSize, TreeHead>,
}

impl History {
    /// Nothing yet, of the log with this key.
    pub fn new(key: LogKey) -> Self {
        Self {
            key,
            acknowledged: HashMap::new(),
            places: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        }
    }

    /// How many entries were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// How many checkpoints were seen.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }

    /// Takes in what clients saw, and checks that it goes with what they saw before.
    pub fn absorb(&mut self, seen: &Seen) {
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
    pub fn check(&mut self, log: &LogReader) {
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
pub fn replay(log: &LogReader) -> u64 {
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
pub struct LogReader {
    agent: ureq::Agent,
    url: String,
    key: LogKey,
}

impl LogReader {
    /// Of this log, where it is served now.
    pub fn new(log: &TestLog) -> Self {
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
