//! A log in memory: entries in their order, and proofs by the words of RFC 6962.

use candor_core::merkle::{CompactRange, Entry, Hash, LeafHash, LeafIndex, TreeHead, TreeSize};
use candor_core::note::{Checkpoint, LogKey, NoteSigner};
use candor_core::record::{Record, SignedRecord};
use candor_core::{Verified, bundle::BundledRecord};
use ed25519_dalek::SigningKey;

/// A log in memory.
pub(crate) struct TestLog {
    signer: NoteSigner,
    entries: Vec<Entry>,
}

impl TestLog {
    pub(crate) fn new(origin: &str, key: SigningKey) -> Self {
        let name = origin.parse().expect("the tests use good origins");
        Self {
            signer: NoteSigner::new(name, key),
            entries: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> LogKey {
        self.signer.verifier_key().clone().into()
    }

    /// Appends an entry, whoever may have signed it, and says where it stands.
    pub(crate) fn append(&mut self, record: &SignedRecord) -> LeafIndex {
        let entry = Entry::new(record.envelope().to_canonical_json());
        self.append_entry(entry.expect("the tests' records are short"))
    }

    pub(crate) fn append_verified(&mut self, record: &Verified<Record>) -> LeafIndex {
        self.append_entry(record.to_entry().expect("the tests' records are short"))
    }

    /// Appends entries that are no records.
    pub(crate) fn pad(&mut self, count: usize) {
        for n in 0..count {
            let entry = Entry::new(format!("entry {n}").into_bytes());
            self.append_entry(entry.expect("a few bytes"));
        }
    }

    fn append_entry(&mut self, entry: Entry) -> LeafIndex {
        self.entries.push(entry);
        LeafIndex::new(self.entries.len() as u64 - 1)
    }

    pub(crate) fn entry(&self, index: LeafIndex) -> &Entry {
        let at = usize::try_from(index.get()).expect("the tests' logs are short");
        &self.entries[at]
    }

    pub(crate) fn size(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn head(&self, size: usize) -> TreeHead {
        let mut range = CompactRange::empty();
        for entry in &self.entries[..size] {
            range.append(LeafHash::of(entry), |_, _| ());
        }
        assert_eq!(range.root(), tree_hash(&self.entries[..size]));
        TreeHead {
            size: TreeSize::new(size as u64),
            root: range.root(),
        }
    }

    /// The signed checkpoint of the first `size` entries.
    pub(crate) fn checkpoint(&self, size: usize) -> String {
        Checkpoint::sign(self.head(size), &self.signer).to_string()
    }

    /// The inclusion proof of the entry at `index` among the first `size` entries.
    pub(crate) fn proof(&self, index: LeafIndex, size: usize) -> Vec<Hash> {
        let at = usize::try_from(index.get()).expect("the tests' logs are short");
        path(at, &self.entries[..size])
    }

    /// The record at `index` as a bundle has it, proven in the tree of `size`.
    pub(crate) fn bundled(&self, index: LeafIndex, size: usize) -> BundledRecord {
        BundledRecord {
            index,
            entry: serde_json::from_slice(self.entry(index).as_bytes())
                .expect("the tests bundle records only"),
            proof: self.proof(index, size),
        }
    }
}

/// Where RFC 6962 splits `n` leaves: the largest power of two below `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// `MTH(D[n])` of RFC 6962 section 2.1.
fn tree_hash(entries: &[Entry]) -> Hash {
    match entries {
        [] => Hash::of_empty_tree(),
        [entry] => LeafHash::of(entry).to_hash(),
        entries => {
            let (left, right) = entries.split_at(split(entries.len()));
            Hash::of_children(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// `PATH(m, D[n])` of RFC 6962 section 2.1.1.
fn path(m: usize, entries: &[Entry]) -> Vec<Hash> {
    if entries.len() == 1 {
        return Vec::new();
    }
    let k = split(entries.len());
    let (left, right) = entries.split_at(k);
    let (mut hashes, sibling) = if m < k {
        (path(m, left), tree_hash(right))
    } else {
        (path(m - k, right), tree_hash(left))
    };
    hashes.push(sibling);
    hashes
}
