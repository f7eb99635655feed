//! RFC 6962 section 2.1: the hashes of leaves and nodes.

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use super::{Entry, TreeSize};

/// A Merkle Tree Hash of one or more leaves, or of none. Written as standard base64, as in checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// The hash of a single leaf, kept apart from [`struct@Hash`] so that a root can't stand in for a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafHash(Hash);

/// A tree as a log commits to it: how many leaves, and the hash over them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeHead {
    /// How many leaves the tree has.
    pub size: TreeSize,
    /// The Merkle Tree Hash over all of them.
    pub root: Hash,
}

/// Text that is not the base64 of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tree hash is the standard base64 of 32 bytes, and {found:?} is not")]
pub struct NotAHash {
    found: String,
}

impl Hash {
    /// `MTH({}) = SHA-256()`.
    pub fn of_empty_tree() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// `SHA-256(0x01 || left || right)`.
    pub fn of_children(left: &Self, right: &Self) -> Self {
        Self(
            Sha256::new_with_prefix([0x01])
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }

    /// A hash read from a tile, a proof or a checkpoint.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl LeafHash {
    /// `SHA-256(0x00 || entry)`.
    pub fn of(entry: &Entry) -> Self {
        Self::of_bytes(entry.as_bytes())
    }

    /// One of the hashes in a tile of level 0, which are those of leaves.
    pub fn from_tile(hash: Hash) -> Self {
        Self(hash)
    }

    /// `SHA-256(0x00 || bytes)`, for leaves that are not log entries.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Hash(
            Sha256::new_with_prefix([0x00])
                .chain_update(bytes)
                .finalize()
                .into(),
        ))
    }

    /// A leaf hash read from a level-0 tile.
    pub const fn from_hash(hash: Hash) -> Self {
        Self(hash)
    }

    /// The tree hash of this leaf alone: `MTH({d}) = SHA-256(0x00 || d)`.
    pub const fn to_hash(self) -> Hash {
        self.0
    }
}

impl TreeHead {
    /// The tree without entries.
    pub fn empty() -> Self {
        Self {
            size: TreeSize::EMPTY,
            root: Hash::of_empty_tree(),
        }
    }
}

impl FromStr for Hash {
    type Err = NotAHash;
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        BASE64_STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| NotAHash {
                found: text.chars().take(80).collect(),
            })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
