//! What is published: records of 64 publishers, signed before the clock starts.

use std::sync::atomic::{AtomicU64, Ordering};

use candor_core::Sha256;
use candor_core::record::Envelope;
use candor_tests::TestPublisher;

/// How many publishers there are.
pub(crate) const PUBLISHERS: u64 = 64;

/// How many models each of them has.
const MODELS: u64 = 4;

/// With this much filler, an entry has about 1.5 KiB.
const FILLER_BYTES: usize = 600;

/// One signed record.
pub(crate) struct Signed {
    /// The envelope in canonical form, which is the log's entry.
    pub(crate) entry: Vec<u8>,
    /// Digest of the statement in it.
    pub(crate) statement: Sha256,
    /// Whose it is.
    pub(crate) publisher: usize,
    /// What it is about.
    pub(crate) subject: String,
}

/// Signs records that nobody has published yet.
pub(crate) struct Workload {
    publishers: Vec<TestPublisher>,
    next: AtomicU64,
    name: String,
}

impl Workload {
    /// Records whose models have `name` in their names.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            publishers: (0..PUBLISHERS)
                .map(|n| TestPublisher::new(&format!("bench-lab-{n:02}")))
                .collect(),
            next: AtomicU64::new(0),
            name: name.to_owned(),
        }
    }

    /// The registrations of all publishers, as the body of one request.
    pub(crate) fn registrations(&self) -> Vec<u8> {
        let envelopes: Vec<_> = self
            .publishers
            .iter()
            .map(TestPublisher::register)
            .collect();
        serde_json::to_vec(&envelopes).expect("envelopes are JSON")
    }

    /// The publishers.
    pub(crate) fn publishers(&self) -> &[TestPublisher] {
        &self.publishers
    }

    /// The next record of `publisher`.
    pub(crate) fn sign(&self, publisher: usize) -> Signed {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let lab = &self.publishers[publisher];
        let model = format!("{}-{}", self.name, n % MODELS);
        let version = format!("1.{n}");
        let filler = format!("{n:08} ").repeat(FILLER_BYTES / 9);
        let payload = lab.api_version_statement(&model, &version, &filler);
        let statement = Sha256::of(&payload);
        let envelope = Envelope::sign(payload, &[&lab.key]).expect("a good key");
        Signed {
            entry: envelope.to_canonical_json(),
            statement,
            publisher,
            subject: lab.release(&model, &version).to_string(),
        }
    }

    /// The body of a request with `records` records of one publisher.
    pub(crate) fn body(&self, publisher: usize, records: usize) -> Vec<u8> {
        let mut body = vec![b'['];
        for n in 0..records {
            if n > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&self.sign(publisher).entry);
        }
        body.push(b']');
        body
    }

    /// `bodies` requests of `records` records each, signed on all cores.
    pub(crate) fn bodies(&self, bodies: usize, records: usize) -> Vec<Vec<u8>> {
        on_all_cores(bodies, |n| self.body(n % self.publishers.len(), records))
    }

    /// `records` single records.
    pub(crate) fn signed(&self, records: usize) -> Vec<Signed> {
        on_all_cores(records, |n| self.sign(n % self.publishers.len()))
    }
}

/// `make(0..count)`, in order, computed on all cores.
pub(crate) fn on_all_cores<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let cores = cores();
    let make = &make;
    std::thread::scope(|scope| {
        let part = |core: usize| count * core / cores..count * (core + 1) / cores;
        let threads: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || part(core).map(make).collect::<Vec<T>>()))
            .collect();
        let parts = threads
            .into_iter()
            .map(|thread| thread.join().expect("signing does not fail"));
        parts.flatten().collect()
    })
}

/// How many cores there are.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
