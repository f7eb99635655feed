//! Batches to be written.

use candor_core::Sha256;
use candor_core::merkle::{Entry, LeafHash, LeafIndex, TreeHead};
use candor_core::record::{Kind, PublicKey, PublisherState, RetiredKey};
use candor_server::storage::{Batch, NewAttachment, NewEntry};
use candor_server::tree::RightEdge;
use candor_server::views::{Effect, ViewChange};
use ed25519_dalek::SigningKey;

/// A tree in the making: the batches that lead to it.
pub(crate) struct Growing {
    edge: RightEdge,
    views: Vec<ViewChange>,
    entries: Vec<NewEntry>,
    attachments: Vec<NewAttachment>,
}

/// The bytes of the `n`th entry, and the digest of what is in it.
pub(crate) fn entry(n: u64) -> (Entry, Sha256) {
    let bytes = format!(
        "entry {n} {}",
        "x".repeat(usize::try_from(n % 50).expect("small"))
    );
    let statement = Sha256::of(&bytes);
    (Entry::new(bytes.into_bytes()).expect("short"), statement)
}

/// A key that follows from its name.
pub(crate) fn key(name: &str) -> PublicKey {
    let secret = SigningKey::from_bytes(Sha256::of(name).as_bytes());
    PublicKey::new(secret.verifying_key()).expect("not a weak key")
}

/// `publisher` as its record at `at` makes it.
pub(crate) fn state(
    publisher: &str,
    at: u64,
    keys: &[&str],
    retired: &[(&str, u64)],
) -> PublisherState {
    PublisherState {
        name: publisher.parse().expect("a name"),
        record: entry(at).1,
        at: LeafIndex::new(at),
        keys: keys.iter().map(|name| key(name)).collect(),
        retired: retired
            .iter()
            .map(|(name, at)| RetiredKey {
                key: key(name),
                at: LeafIndex::new(*at),
            })
            .collect(),
    }
}

impl Growing {
    pub(crate) fn new() -> Self {
        Self {
            edge: RightEdge::empty(),
            views: Vec::new(),
            entries: Vec::new(),
            attachments: Vec::new(),
        }
    }

    /// Where the next record will stand.
    pub(crate) fn next(&self) -> u64 {
        self.edge.head().size.get() + self.entries.len() as u64
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.edge.head()
    }

    /// Adds a record, whose entry and statement follow from its index.
    pub(crate) fn add(&mut self, kind: Kind, publisher: &str, subject: &str, effect: Effect) {
        let (entry, statement) = entry(self.next());
        self.add_entry(entry, statement, kind, publisher, subject, effect);
    }

    pub(crate) fn add_entry(
        &mut self,
        entry: Entry,
        statement: Sha256,
        kind: Kind,
        publisher: &str,
        subject: &str,
        effect: Effect,
    ) {
        let release = (kind != Kind::Publisher).then(|| subject.parse().expect("a release"));
        self.views.push(ViewChange {
            index: LeafIndex::new(self.next()),
            kind,
            publisher: publisher.parse().expect("a name"),
            subject: subject.to_owned(),
            subject_sha256: Sha256::of(subject),
            release,
            effect,
        });
        self.entries.push(NewEntry {
            entry,
            statement,
            // A time of its own for each, and none for some.
            accepted_ms: (!self.next().is_multiple_of(5))
                .then(|| 1_700_000_000_000 + self.next().cast_signed()),
        });
    }

    /// Has the last record be about what has this digest.
    pub(crate) fn same_subject(&mut self, sha256: Sha256) {
        self.views.last_mut().expect("one was added").subject_sha256 = sha256;
    }

    /// Registers a publisher with one key of its own name.
    pub(crate) fn register(&mut self, publisher: &str) {
        let state = state(publisher, self.next(), &[publisher], &[]);
        self.publish_keys(publisher, state);
    }

    pub(crate) fn publish_keys(&mut self, publisher: &str, state: PublisherState) {
        let effect = Effect::Publisher {
            display_name: format!("{publisher} {}", self.next()),
            url: (self.next().is_multiple_of(2)).then(|| "https://example.org/".to_owned()),
            state,
        };
        self.add(Kind::Publisher, publisher, publisher, effect);
    }

    pub(crate) fn attach(&mut self, bytes: &[u8]) {
        self.attachments.push(NewAttachment {
            sha256: Sha256::of(bytes),
            media_type: "text/plain".to_owned(),
            bytes: bytes.to_vec(),
        });
    }

    /// What was added since the last one.
    pub(crate) fn batch(&mut self) -> Batch {
        let before = self.edge.head();
        let entries = std::mem::take(&mut self.entries);
        let leaves = entries.iter().map(|new| LeafHash::of(&new.entry));
        let tiles = self.edge.append(leaves.collect::<Vec<_>>());
        Batch {
            before,
            after: self.edge.head(),
            entries,
            tiles,
            attachments: std::mem::take(&mut self.attachments),
            views: std::mem::take(&mut self.views),
        }
    }
}

/// Some hundred records of every kind, by several publishers, in batches of all sizes.
pub(crate) fn many() -> Vec<Batch> {
    let mut growing = Growing::new();
    let labs = ["a-lab", "b-lab", "c-lab", "z-lab"];
    for lab in labs {
        growing.register(lab);
    }
    let mut batches = vec![growing.batch()];
    for n in 0..60 {
        let lab = labs[n % labs.len()];
        let release = format!("{lab}/model-{}@{}.0.0", n % 7, n);
        growing.attach(format!("card {n}").as_bytes());
        for kind in [
            Kind::ModelCard,
            Kind::Weights,
            Kind::ApiVersion,
            Kind::TrainingConfig,
        ] {
            if n % (kind as usize + 1) != 1 {
                growing.add(kind, lab, &release, Effect::None);
            }
        }
        let evaluated = growing.next() - 1;
        for other in 0..n % 5 {
            growing.add(
                Kind::Evaluation,
                labs[other % labs.len()],
                &release,
                Effect::None,
            );
        }
        if n % 6 == 2 {
            growing.add(Kind::Withdrawal, lab, &release, Effect::WithdrawRelease);
        }
        if n % 6 == 3 {
            let target = LeafIndex::new(evaluated);
            growing.add(
                Kind::Withdrawal,
                lab,
                &release,
                Effect::WithdrawRecord { target },
            );
        }
        if n % 10 == 7 {
            let (at, old) = (growing.next(), format!("{lab} {}", n.saturating_sub(20)));
            let new = format!("{lab} {n}");
            let keys = state(lab, at, &[&new, lab], &[(&old, at)]);
            growing.publish_keys(lab, keys);
        }
        if n % 4 == 0 {
            batches.push(growing.batch());
        }
    }
    batches.push(growing.batch());
    batches
}
