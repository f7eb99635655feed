//! C2SP `tlog-proof@v1`: that an entry is in a log, as text.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra YWdl…                                     optional, and vouched for by nobody
//! index 73894
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=    inclusion proof, the leaf's sibling first
//! …
//!
//! example.com/fancylog                            the log's checkpoint, verbatim
//! …
//! ```

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::Verified;
use crate::merkle::{Entry, Hash, InclusionProof, LeafHash, LeafIndex, ProofError};
use crate::note::{Checkpoint, CheckpointError, LogKey, NOTE_BYTES_MAX};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A tree of 64-bit indexes has no longer inclusion proofs.
const PATH_HASHES_MAX: usize = 64;

/// The most bytes of `extra` that are read.
const EXTRA_BYTES_MAX: usize = 65_536;

/// What a publisher gets back: the index of its entry, and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Application data that nothing vouches for. Candor's own receipts have none.
    pub extra: Option<Vec<u8>>,
    /// Where the entry stands.
    pub index: LeafIndex,
    /// The inclusion proof's hashes.
    pub path: Vec<Hash>,
    /// The signed checkpoint, as the log wrote it.
    pub checkpoint: String,
}

/// An entry's place in a log. Comes only as `Verified<Logged>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Where it stands.
    pub index: LeafIndex,
    /// The tree that holds it.
    pub checkpoint: Verified<Checkpoint>,
}

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not in the form of a tlog-proof.
    #[error("line {line} of the proof: {rule}")]
    Form {
        /// Counted from 1.
        line: usize,
        /// What should be there.
        rule: &'static str,
    },
    /// Longer than any proof.
    #[error("the proof has {bytes} bytes, more than any proof")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The checkpoint does not hold.
    #[error("its checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of a tree that has no such entry.
    #[error("the proof is about entry {index}, and its checkpoint's tree has {size} entries")]
    NotInTree {
        /// The entry.
        index: LeafIndex,
        /// The tree's size.
        size: u64,
    },
    /// The hashes don't lead from the entry to the checkpoint's root.
    #[error("the entry is not at index {index} of the log: {error}")]
    NotIncluded {
        /// The entry.
        index: LeafIndex,
        /// Why.
        error: ProofError,
    },
}

impl Receipt {
    /// Checks that the log of `key` has `entry` at this index.
    pub fn verify(&self, entry: &Entry, key: &LogKey) -> Result<Verified<Logged>, ReceiptError> {
        let checkpoint = key.verify_checkpoint(self.checkpoint.as_bytes())?;
        let index = verify_inclusion(entry, self.index, &self.path, &checkpoint)?;
        Ok(Verified::attest(Logged { index, checkpoint }))
    }
}

/// Checks that `entry` stands at `index` in the checkpoint's tree.
pub(super) fn verify_inclusion(
    entry: &Entry,
    index: LeafIndex,
    path: &[Hash],
    checkpoint: &Verified<Checkpoint>,
) -> Result<LeafIndex, ReceiptError> {
    let size = checkpoint.head.size;
    let at = size.leaf(index).ok_or(ReceiptError::NotInTree {
        index,
        size: size.get(),
    })?;
    InclusionProof {
        at,
        path: path.to_vec(),
    }
    .verify(LeafHash::of(entry), &checkpoint.head)
    .map_err(|error| ReceiptError::NotIncluded { index, error })?;
    Ok(index)
}

impl FromStr for Receipt {
    type Err = ReceiptError;
    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX {
            return Err(ReceiptError::TooLong { bytes: text.len() });
        }
        let form = |line, rule| ReceiptError::Form { line, rule };
        let no_end = form(
            1,
            "the proof ends before its checkpoint, which follows an empty line",
        );
        let (head, checkpoint) = text.split_once("\n\n").ok_or(no_end)?;
        let mut lines = head.split('\n').zip(1..).peekable();
        if lines.next().is_none_or(|(line, _)| line != HEADER) {
            return Err(form(1, "a proof begins with c2sp.org/tlog-proof@v1"));
        }
        let extra = lines
            .next_if(|(line, _)| line.starts_with("extra "))
            .map(|(line, n)| {
                let extra = BASE64_STANDARD.decode(&line["extra ".len()..]).ok();
                let extra = extra.filter(|extra| extra.len() <= EXTRA_BYTES_MAX);
                extra.ok_or_else(|| form(n, "behind extra comes base64, of at most 65,536 bytes"))
            })
            .transpose()?;
        let (index, n) = lines.next().unwrap_or(("", 2));
        let index = index
            .strip_prefix("index ")
            .filter(|index| index.bytes().all(|b| b.is_ascii_digit()))
            .filter(|index| *index == "0" || !index.starts_with('0'))
            .and_then(|index| index.parse().ok())
            .map(LeafIndex::new)
            .ok_or_else(|| form(n, "it should be index and a number without leading zeroes"))?;
        let path = lines
            .map(|(hash, n)| {
                hash.parse()
                    .map_err(|_| form(n, "it should be the base64 of a 32-byte hash"))
            })
            .take(PATH_HASHES_MAX + 1)
            .collect::<Result<Vec<_>, _>>()?;
        if path.len() > PATH_HASHES_MAX {
            return Err(form(
                n + PATH_HASHES_MAX + 1,
                "no inclusion proof has over 64 hashes",
            ));
        }
        Ok(Self {
            extra,
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path
            .iter()
            .try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
