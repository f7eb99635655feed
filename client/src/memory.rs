//! Remembers the newest checkpoint that was seen of each log, and refuses one that does not fit it.
//!
//! ```text
//! <state>/<hex SHA-256 of the origin>/
//!   checkpoint                       the newest, verbatim; always one that its predecessor led to
//!   lock                             held while that file is replaced
//!   evidence-1.candor-evidence       two checkpoints that don't fit together, both signed by the log
//! ```
//!
//! Always: a checkpoint is remembered only after a consistency proof from the one before, so whatever a log
//! shows this machine is one history. A crash leaves the old file or the new one, never half of one.
//!
//! Not here: fetching ([`crate::log_client`]).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::merkle::{
    CompactRange, ConsistencyProof, Hash, ProofError, ProofPlan, TreeHead, TreeSize,
};
use candor_core::note::{CheckpointError, LogKey, NOTE_BYTES_MAX, Origin};
use serde::{Deserialize, Serialize};

use crate::log_client::{LogClient, LogError, SignedCheckpoint};

/// What evidence files say to be.
const EVIDENCE_TYPE: &str = "urn:candor:evidence:v1";

/// The most evidence files of one log; a log that was caught a thousand times is known well enough.
const EVIDENCE_FILES_MAX: u32 = 1000;

/// A folder with what was seen of each log.
#[derive(Clone, Debug)]
pub struct Memory {
    dir: PathBuf,
}

/// How a checkpoint relates to the one that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// No checkpoint of this log was seen before; now this one is remembered.
    First,
    /// The very same tree.
    Same,
    /// It extends the one that was seen before, and is remembered now.
    Grown {
        /// What was seen before.
        from: TreeSize,
    },
}

/// Two signed checkpoints of one log that don't fit together, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `urn:candor:evidence:v1`.
    #[serde(rename = "type")]
    pub evidence_type: String,
    /// What was found.
    pub finding: Finding,
    /// Which log.
    pub origin: Origin,
    /// The key that signed both.
    pub log_key: String,
    /// The checkpoint that was seen first, verbatim.
    pub seen: String,
    /// The checkpoint that came now, verbatim.
    pub shown: String,
    /// What the log's tiles say of the smaller tree inside the larger one, where they could be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<EvidenceProof>,
}

/// What two checkpoints show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Two histories.
    Fork,
    /// The log's tiles lead neither from one to the other nor to two histories: they are not the signed trees'.
    Unproven,
    /// A tree smaller than one that was seen before. Not a fork by itself.
    Stale,
}

/// A consistency proof made from the log's tiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceProof {
    /// Size of the smaller tree.
    pub from: TreeSize,
    /// Size of the larger tree.
    pub to: TreeSize,
    /// The root that the larger tree's first `from` entries have, by the log's tiles. If the proof holds for
    /// it, and the smaller checkpoint has another root, the two checkpoints are of two histories: no more
    /// is needed to convince anybody.
    pub root_in_larger_tree: Hash,
    /// The proof.
    pub hashes: Vec<Hash>,
}

/// Where the two checkpoints are kept that don't fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceFile {
    /// In this file.
    Written(PathBuf),
    /// Nowhere, and why.
    NotWritten(String),
}

impl fmt::Display for EvidenceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(path) => write!(f, "both checkpoints are in {}", path.display()),
            Self::NotWritten(error) => write!(f, "the evidence could not be kept: {error}"),
        }
    }
}

/// Why a checkpoint is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Two histories.
    #[error(
        "the log {origin} shows two histories: it signed a tree of {seen} entries before, and the tree of {shown} that it signs now does not fit it"
    )]
    Fork {
        /// Which log.
        origin: Origin,
        /// The size that was seen before.
        seen: TreeSize,
        /// The size that is shown now.
        shown: TreeSize,
        /// Where both checkpoints are.
        evidence: EvidenceFile,
    },
    /// Tiles that are not those of the signed trees.
    #[error(
        "the log {origin} can't show that its tree of {shown} entries extends the one of {seen} that was seen before: its tiles are not those of the trees that it signed"
    )]
    Unproven {
        /// Which log.
        origin: Origin,
        /// The size that was seen before.
        seen: TreeSize,
        /// The size that is shown now.
        shown: TreeSize,
        /// Where both checkpoints are.
        evidence: EvidenceFile,
    },
    /// A smaller tree than before.
    #[error(
        "the log {origin} shows a tree of size {shown}, and one of size {seen} was seen before"
    )]
    Stale {
        /// Which log.
        origin: Origin,
        /// The size that was seen before.
        seen: TreeSize,
        /// The size that is shown now.
        shown: TreeSize,
        /// Where both checkpoints are.
        evidence: EvidenceFile,
    },
    /// The remembered checkpoint is not of this key.
    #[error("the checkpoint remembered in {} does not hold: {error}", path.display())]
    Remembered {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: CheckpointError,
    },
    /// The proof could not be had.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The folder can't be used.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl MemoryError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Fork { .. } => {
                "trust nothing that this log says; keep the evidence file, it holds two checkpoints with the log's own signatures, and send it to a witness or publish it".to_owned()
            }
            Self::Unproven { .. } => {
                "ask again later; if it stays so, the log is damaged or lies: trust nothing new from it, and send the evidence file to its operator and a witness".to_owned()
            }
            Self::Stale { .. } => {
                "ask again later, or at another address of the log; if it stays so, the log was set back or hides entries: send the evidence file to its operator".to_owned()
            }
            Self::Remembered { path, .. } => format!(
                "check the key (`--log-key KEY`); if the log has a new key for good, move {} away, and with it all that was seen under the old one",
                path.display()
            ),
            Self::Log(error) => error.hint(),
            Self::Io { .. } => {
                "name a folder that can be written with `--state-dir DIR` or CANDOR_STATE_DIR".to_owned()
            }
        }
    }

    /// Further lines: where the evidence is.
    pub fn context(&self) -> Vec<String> {
        match self {
            Self::Fork { evidence, .. }
            | Self::Unproven { evidence, .. }
            | Self::Stale { evidence, .. } => {
                vec![evidence.to_string()]
            }
            Self::Remembered { .. } | Self::Log(_) | Self::Io { .. } => Vec::new(),
        }
    }
}

impl Memory {
    /// The memory in `dir`, which is made when there is something to remember.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The newest checkpoint that was seen of the log with `key`.
    pub fn newest(&self, key: &LogKey) -> Result<Option<SignedCheckpoint>, MemoryError> {
        let path = self.dir_of(key).join("checkpoint");
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file
                .take(NOTE_BYTES_MAX as u64 + 1)
                .read_to_string(&mut text)
                .map_err(at(&path))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(at(&path)(e)),
        };
        SignedCheckpoint::verify(text, key)
            .map(Some)
            .map_err(|error| MemoryError::Remembered { path, error })
    }

    /// Holds `shown`, a checkpoint of the client's log, against what was seen before, and remembers it.
    ///
    /// The proof is made before the lock is taken, so that a slow log holds nobody else up; if another
    /// process remembered a newer checkpoint meanwhile, the comparison is made again with that one.
    pub fn advance(
        &self,
        client: &LogClient,
        shown: &SignedCheckpoint,
    ) -> Result<Advance, MemoryError> {
        loop {
            let seen = self.newest(client.key())?;
            let advance = self.compare(client, seen.as_ref(), shown)?;
            if advance == Advance::Same || self.replace(client.key(), seen.as_ref(), shown)? {
                return Ok(advance);
            }
        }
    }

    /// Holds a checkpoint against what was seen before as far as that goes without the log: two trees of one
    /// size are one tree. Returns the size that was seen; nothing is remembered, since nothing is proven.
    pub fn compare_offline(
        &self,
        key: &LogKey,
        shown: &SignedCheckpoint,
    ) -> Result<Option<TreeSize>, MemoryError> {
        let Some(seen) = self.newest(key)? else {
            return Ok(None);
        };
        if seen.size() == shown.size() && seen.head() != shown.head() {
            return Err(self.error(key, Finding::Fork, &seen, shown, None));
        }
        Ok(Some(seen.size()))
    }

    /// Fetches the newest checkpoint, and holds it against what was seen before.
    pub fn fetch(&self, client: &LogClient) -> Result<(SignedCheckpoint, Advance), MemoryError> {
        let shown = client.checkpoint()?;
        match self.advance(client, &shown) {
            // Another process may have seen a newer one between our fetch and the comparison. What is
            // fetched after that is no older, unless the log goes back.
            Err(MemoryError::Stale { .. }) => {
                let shown = client.checkpoint()?;
                let advance = self.advance(client, &shown)?;
                Ok((shown, advance))
            }
            advance => Ok((shown, advance?)),
        }
    }

    fn compare(
        &self,
        client: &LogClient,
        seen: Option<&SignedCheckpoint>,
        shown: &SignedCheckpoint,
    ) -> Result<Advance, MemoryError> {
        let Some(seen) = seen else {
            return Ok(Advance::First);
        };
        let error = |finding, proof| self.error(client.key(), finding, seen, shown, proof);
        if seen.size() == shown.size() {
            return if seen.head() == shown.head() {
                Ok(Advance::Same)
            } else {
                Err(error(Finding::Fork, None))
            };
        }
        let grown = seen.size() < shown.size();
        let (smaller, larger) = if grown { (seen, shown) } else { (shown, seen) };
        match prove(client, smaller.head(), larger.head()) {
            Ok(Proof::Consistent) if grown => Ok(Advance::Grown { from: seen.size() }),
            Ok(Proof::Refuted(proof)) => Err(error(Finding::Fork, Some(proof))),
            Ok(Proof::Worthless(proof)) if grown => Err(error(Finding::Unproven, Some(proof))),
            Ok(Proof::Consistent | Proof::Worthless(_)) => Err(error(Finding::Stale, None)),
            // A log that was set back does not have the tiles of the larger tree any more.
            Err(_) if !grown => Err(error(Finding::Stale, None)),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes the evidence, and makes the error that names it.
    fn error(
        &self,
        key: &LogKey,
        finding: Finding,
        seen: &SignedCheckpoint,
        shown: &SignedCheckpoint,
        proof: Option<EvidenceProof>,
    ) -> MemoryError {
        let origin = key.origin();
        let evidence = Evidence {
            evidence_type: EVIDENCE_TYPE.to_owned(),
            finding,
            origin: origin.clone(),
            log_key: key.to_string(),
            seen: seen.text.clone(),
            shown: shown.text.clone(),
            proof,
        };
        // A disk that is full takes nothing away from what was found.
        let evidence = match self.write_evidence(key, &evidence) {
            Ok(path) => EvidenceFile::Written(path),
            Err(error) => EvidenceFile::NotWritten(error.to_string()),
        };
        let (seen, shown) = (seen.size(), shown.size());
        match finding {
            Finding::Fork => MemoryError::Fork {
                origin,
                seen,
                shown,
                evidence,
            },
            Finding::Unproven => MemoryError::Unproven {
                origin,
                seen,
                shown,
                evidence,
            },
            Finding::Stale => MemoryError::Stale {
                origin,
                seen,
                shown,
                evidence,
            },
        }
    }

    /// Writes an evidence file; one with the same content is not written twice.
    fn write_evidence(&self, key: &LogKey, evidence: &Evidence) -> Result<PathBuf, MemoryError> {
        let dir = self.dir_of(key);
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let mut text = serde_json::to_string_pretty(evidence).expect("evidence is JSON");
        text.push('\n');
        for n in 1..=EVIDENCE_FILES_MAX {
            let path = dir.join(format!("evidence-{n}.candor-evidence"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    let written = file
                        .write_all(text.as_bytes())
                        .and_then(|()| file.sync_all());
                    return written.map(|()| path.clone()).map_err(at(&path));
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                        return Ok(path);
                    }
                }
                Err(e) => return Err(at(&path)(e)),
            }
        }
        let full = io::Error::other(format!(
            "{EVIDENCE_FILES_MAX} evidence files are there already"
        ));
        Err(at(&dir)(full))
    }

    /// Remembers `shown` if `seen` is still what is remembered; else returns false.
    fn replace(
        &self,
        key: &LogKey,
        seen: Option<&SignedCheckpoint>,
        shown: &SignedCheckpoint,
    ) -> Result<bool, MemoryError> {
        let dir = self.dir_of(key);
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let lock_path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;
        if self.newest(key)?.as_ref() != seen {
            return Ok(false);
        }
        write_atomically(&dir, "checkpoint", shown.text.as_bytes())?;
        Ok(true)
    }

    fn dir_of(&self, key: &LogKey) -> PathBuf {
        self.dir.join(Sha256::of(key.origin().as_str()).to_string())
    }
}

/// What a consistency proof from the log's tiles came to.
enum Proof {
    /// The smaller tree is the beginning of the larger.
    Consistent,
    /// The larger tree begins with another tree than the smaller.
    Refuted(EvidenceProof),
    /// The tiles are not those of the larger tree, so they say nothing of either.
    Worthless(EvidenceProof),
}

fn prove(client: &LogClient, smaller: TreeHead, larger: TreeHead) -> Result<Proof, LogError> {
    let attempt = || -> Result<(ConsistencyProof, Result<(), ProofError>), LogError> {
        let proof = client.consistency(smaller.size, larger.size)?;
        let verdict = proof.verify(&smaller, &larger);
        Ok((proof, verdict))
    };
    let (mut proof, mut verdict) = attempt()?;
    if verdict.is_err() {
        // Tiles are not signed: before a log is accused, its tiles are fetched once more.
        client.forget_tiles();
        (proof, verdict) = attempt()?;
    }
    if verdict.is_ok() {
        return Ok(Proof::Consistent);
    }
    let edge = client.hashes(&ProofPlan::edge(smaller.size))?;
    let range = CompactRange::from_edge(smaller.size, edge)
        .expect("the plan has one hash for each bit of the size");
    let evidence = EvidenceProof {
        from: proof.old,
        to: proof.new,
        root_in_larger_tree: range.root(),
        hashes: proof.path,
    };
    if evidence.refutes(smaller, larger) {
        Ok(Proof::Refuted(evidence))
    } else {
        Ok(Proof::Worthless(evidence))
    }
}

impl EvidenceProof {
    /// Whether it shows that `larger` begins with another tree than `smaller`.
    fn refutes(&self, smaller: TreeHead, larger: TreeHead) -> bool {
        let inside = TreeHead {
            size: self.from,
            root: self.root_in_larger_tree,
        };
        let proof = ConsistencyProof {
            old: self.from,
            new: self.to,
            path: self.hashes.clone(),
        };
        inside.size == smaller.size
            && inside.root != smaller.root
            && proof.verify(&inside, &larger).is_ok()
    }
}

impl Evidence {
    /// Whether this alone shows that the log signed two histories, checked with nothing but its key.
    pub fn is_conclusive(&self, key: &LogKey) -> bool {
        let verified = |text: &String| SignedCheckpoint::verify(text.clone(), key).ok();
        let (Some(seen), Some(shown)) = (verified(&self.seen), verified(&self.shown)) else {
            return false;
        };
        if seen.size() == shown.size() {
            return seen.head() != shown.head();
        }
        let (smaller, larger) = if seen.size() < shown.size() {
            (seen, shown)
        } else {
            (shown, seen)
        };
        self.proof
            .as_ref()
            .is_some_and(|proof| proof.refutes(smaller.head(), larger.head()))
    }
}

/// Writes beside the file, then puts the new one in its place: whoever reads sees one or the other.
fn write_atomically(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), MemoryError> {
    let (new, path) = (dir.join(format!("{name}.new")), dir.join(name));
    let mut file = File::create(&new).map_err(at(&new))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(at(&new))?;
    fs::rename(&new, &path).map_err(at(&path))?;
    // Without this, a power cut may bring the old file back, and the log could be set back unnoticed.
    #[cfg(unix)]
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(at(dir))?;
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> MemoryError {
    let path = path.to_owned();
    |error| MemoryError::Io { path, error }
}

#[cfg(test)]
mod tests;
