//! in-toto `DigestSet`: digests of one thing by the names of their algorithms.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, de};

use crate::Sha256;

/// How a digest was made, under the names that in-toto gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5. Weak: two files with one digest can be made at will.
    Md5,
    /// SHA-1. Weak, as MD5 is.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// `BLAKE2b` with 64 bytes of output.
    Blake2b,
    /// BLAKE3 with 32 bytes of output.
    Blake3,
    /// A git commit, by SHA-1 or SHA-256.
    GitCommit,
    /// A git tree, likewise.
    GitTree,
    /// A git blob, likewise.
    GitBlob,
}

/// One or more digests of one thing; each is lower-case hexadecimal, of the length that its algorithm has.
// In the order of the algorithms, each once: one, mostly, for which a map would take five times the memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DigestSet(Vec<(Algorithm, String)>);

/// Why digests are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestSetError {
    /// No digest at all.
    #[error("a digest set names at least one digest")]
    Empty,
    /// A name that is none of the algorithms'.
    #[error("{0:?} is no digest algorithm that Candor knows")]
    UnknownAlgorithm(String),
    /// Wrong length or alphabet.
    #[error(
        "{found:?} is no {algorithm} digest, which has {expected} lower-case hexadecimal digits"
    )]
    Value {
        /// Which.
        algorithm: Algorithm,
        /// What was found, shortened.
        found: String,
        /// How long it should be.
        expected: &'static str,
    },
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Blake2b,
        Self::Blake3,
        Self::GitCommit,
        Self::GitTree,
        Self::GitBlob,
    ];

    /// Its name in a digest set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
            Self::GitCommit => "gitCommit",
            Self::GitTree => "gitTree",
            Self::GitBlob => "gitBlob",
        }
    }

    /// Whether an equal digest means an equal file. Git's objects are of SHA-1 as a rule, so they don't count.
    pub const fn is_strong(self) -> bool {
        match self {
            Self::Sha224
            | Self::Sha256
            | Self::Sha384
            | Self::Sha512
            | Self::Blake2b
            | Self::Blake3 => true,
            Self::Md5 | Self::Sha1 | Self::GitCommit | Self::GitTree | Self::GitBlob => false,
        }
    }

    /// Whether it is taken over a file's bytes as they are. Git puts a header in front of them.
    pub const fn is_of_bytes(self) -> bool {
        !matches!(self, Self::GitCommit | Self::GitTree | Self::GitBlob)
    }

    /// The lengths that its digests can have, in hexadecimal digits.
    const fn hex_digits(self) -> (&'static [usize], &'static str) {
        match self {
            Self::Md5 => (&[32], "32"),
            Self::Sha1 => (&[40], "40"),
            Self::Sha224 => (&[56], "56"),
            Self::Sha256 | Self::Blake3 => (&[64], "64"),
            Self::Sha384 => (&[96], "96"),
            Self::Sha512 | Self::Blake2b => (&[128], "128"),
            Self::GitCommit | Self::GitTree | Self::GitBlob => (&[40, 64], "40 or 64"),
        }
    }

    fn check(self, digest: &str) -> Result<(), DigestSetError> {
        let (lengths, expected) = self.hex_digits();
        let is_lower_hex = digest
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_lower_hex && lengths.contains(&digest.len()) {
            return Ok(());
        }
        Err(DigestSetError::Value {
            algorithm: self,
            found: digest.chars().take(150).collect(),
            expected,
        })
    }
}

impl DigestSet {
    /// Checks each digest.
    pub fn new(
        digests: impl IntoIterator<Item = (Algorithm, String)>,
    ) -> Result<Self, DigestSetError> {
        let mut sorted: Vec<(Algorithm, String)> = Vec::with_capacity(1);
        for (algorithm, digest) in digests {
            match sorted.binary_search_by_key(&algorithm, |(algorithm, _)| *algorithm) {
                Ok(at) => sorted[at].1 = digest,
                Err(at) => sorted.insert(at, (algorithm, digest)),
            }
        }
        if sorted.is_empty() {
            return Err(DigestSetError::Empty);
        }
        sorted
            .iter()
            .try_for_each(|(algorithm, digest)| algorithm.check(digest))?;
        Ok(Self(sorted))
    }

    /// A SHA-256 digest alone.
    pub fn sha256(digest: Sha256) -> Self {
        Self(vec![(Algorithm::Sha256, digest.to_string())])
    }

    /// The SHA-256 digest, if there is one.
    pub fn to_sha256(&self) -> Option<Sha256> {
        self.by(Algorithm::Sha256)
            .map(|digest| digest.parse().expect("checked when it was read"))
    }

    /// All digests, in the order of their algorithms.
    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, &str)> {
        self.0
            .iter()
            .map(|(algorithm, digest)| (*algorithm, digest.as_str()))
    }

    /// The digest by one algorithm.
    pub fn by(&self, algorithm: Algorithm) -> Option<&str> {
        self.iter()
            .find_map(|(found, digest)| (found == algorithm).then_some(digest))
    }

    /// The digests that both have, each with the other's, where both are by the same hash function: git's names of objects
    /// are by SHA-1 or by SHA-256, which say nothing of each other.
    pub fn in_common<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (Algorithm, &'a str, &'a str)> {
        self.iter().filter_map(|(algorithm, digest)| {
            let theirs = other.by(algorithm)?;
            (theirs.len() == digest.len()).then_some((algorithm, digest, theirs))
        })
    }

    /// Whether one of them says for sure which bytes are meant.
    pub fn is_strong(&self) -> bool {
        self.iter().any(|(algorithm, _)| algorithm.is_strong())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = DigestSetError;
    fn from_str(text: &str) -> Result<Self, DigestSetError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| DigestSetError::UnknownAlgorithm(text.chars().take(80).collect()))
    }
}

impl Serialize for Algorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for DigestSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for DigestSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digests = BTreeMap::<Algorithm, String>::deserialize(deserializer)?;
        Self::new(digests).map_err(de::Error::custom)
    }
}
