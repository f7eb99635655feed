//! Remembers the newest checkpoint that was seen of each log, and refuses one that does not fit it.
//!
//! ```text
//! <state>/<hex SHA-256 of the origin>/
//!   checkpoint                   the newest, verbatim; always one that its predecessor led to
//!   index                        what the entries of a log say that is files alone; it may go
//!   lock                         held while a file here is written
//!   fork-1.candor-evidence       two checkpoints of two histories, both signed by the log
//!   unproven-1.candor-evidence   two that the log did not show to be of one history
//!   stale-1.candor-evidence      one that is older than what was seen, and that
//! ```
//!
//! Always: a checkpoint is remembered only after a consistency proof from the one before, so whatever a log
//! shows this machine is one history. One that is signed and not proven is kept as evidence, whatever the log
//! does to prevent it. A log that was caught with two histories is refused until somebody moves the file that
//! proves it away. A crash leaves an old file or a new one, never half of one.
//!
//! Not here: fetching ([`crate::log_client`]), the proof (`proving`).

mod error;
mod evidence;
mod proving;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::merkle::TreeSize;
use candor_core::note::{LogKey, NOTE_BYTES_MAX};

use crate::log_client::{LogClient, LogError, SignedCheckpoint};

pub use error::{EvidenceFile, MemoryError, Misfit};
pub use evidence::{
    EVIDENCE_BYTES_MAX, EVIDENCE_EXTENSION, Evidence, EvidenceError, EvidenceProof,
    EvidenceVerdict, Finding, JudgedEvidence,
};
use proving::{Proof, prove};

/// The most evidence files of one log and finding. A log that lags for long fills the `stale` ones, and takes
/// no room from the others.
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
    /// The very same tree. Where it is the log's last checkpoint, that is remembered now.
    Same,
    /// It extends the one that was seen before, and is remembered now.
    Grown {
        /// What was seen before.
        from: TreeSize,
    },
    /// It is the beginning of one that was seen, which stays remembered. Others who use the same folder may
    /// have got further meanwhile.
    Older {
        /// What was seen.
        newest: TreeSize,
    },
}

/// What a comparison came to.
enum Compared {
    Fits(Advance),
    /// Proven to be the beginning of `seen`.
    Older {
        seen: SignedCheckpoint,
    },
    Misfits(Accusation),
}

/// What speaks against a checkpoint.
struct Accusation {
    seen: SignedCheckpoint,
    finding: Accused,
    proof: Option<EvidenceProof>,
}

/// Of what.
enum Accused {
    Fork,
    Unproven,
    NoProof(LogError),
    Stale,
}

impl Memory {
    /// The memory in `dir`, which is made when there is something to remember.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The newest checkpoint that was seen of the log with `key`; an error if it was caught with two
    /// histories, since then neither counts.
    pub fn newest(&self, key: &LogKey) -> Result<Option<SignedCheckpoint>, MemoryError> {
        self.refuse_forked(key)?;
        let path = self.dir_of(key).join("checkpoint");
        let Some(bytes) = read_if_there(&path, NOTE_BYTES_MAX)? else {
            return Ok(None);
        };
        // Bytes that are no text are no checkpoint either, as the next step finds.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        SignedCheckpoint::verify(text, key)
            .map(Some)
            .map_err(|error| MemoryError::Remembered { path, error })
    }

    /// Holds `shown`, a checkpoint of the client's log, against what was seen before, and remembers it.
    pub fn advance(
        &self,
        client: &LogClient,
        shown: &SignedCheckpoint,
    ) -> Result<Advance, MemoryError> {
        match self.compare_and_replace(client, shown)? {
            Compared::Fits(advance) => Ok(advance),
            Compared::Older { seen } => Ok(Advance::Older {
                newest: seen.size(),
            }),
            Compared::Misfits(accusation) => Err(self.accuse(client.key(), accusation, shown)),
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
        let size = seen.size();
        if size == shown.size() && seen.head() != shown.head() {
            return Err(self.accuse(key, Accusation::of_two_roots(seen), shown));
        }
        Ok(Some(size))
    }

    /// Holds two checkpoints against each other that were shown at once: `client` proves that they are of one history, and
    /// without it, that takes that they are of one size. Returns whether there was telling.
    pub fn compare_two(
        &self,
        key: &LogKey,
        client: Option<&LogClient>,
        [one, other]: [&SignedCheckpoint; 2],
    ) -> Result<bool, MemoryError> {
        let compared = match client {
            Some(client) => compare(client, Some(one), other),
            None if one.size() != other.size() => return Ok(false),
            None if one.head() == other.head() => return Ok(true),
            None => Compared::Misfits(Accusation::of_two_roots(one.clone())),
        };
        match compared {
            Compared::Fits(_) | Compared::Older { .. } => Ok(true),
            Compared::Misfits(accusation) => Err(self.accuse(key, accusation, other)),
        }
    }

    /// Fetches the newest checkpoint, and holds it against what was seen before.
    ///
    /// It is stale if it is older than what was seen before it was asked for, and the log says the same
    /// again: one of a log's addresses may lag for a moment. What others remember while an answer is on its
    /// way makes it no older than it was.
    pub fn fetch(&self, client: &LogClient) -> Result<(SignedCheckpoint, Advance), MemoryError> {
        let mut asked_again = false;
        loop {
            let known = self.newest(client.key())?.map(|known| known.size());
            let shown = client.checkpoint()?;
            let accusation = match self.compare_and_replace(client, &shown)? {
                Compared::Fits(advance) => return Ok((shown, advance)),
                Compared::Older { seen } if known.is_none_or(|known| known <= shown.size()) => {
                    let newest = seen.size();
                    return Ok((shown, Advance::Older { newest }));
                }
                Compared::Older { seen } => Accusation::new(seen, Accused::Stale, None),
                Compared::Misfits(accusation) => accusation,
            };
            if matches!(accusation.finding, Accused::Stale) && !asked_again {
                asked_again = true;
                continue;
            }
            return Err(self.accuse(client.key(), accusation, &shown));
        }
    }

    /// The proof is made before the lock is taken, so that a slow log holds nobody else up; if another
    /// process remembered a newer checkpoint meanwhile, the comparison is made again with that one.
    fn compare_and_replace(
        &self,
        client: &LogClient,
        shown: &SignedCheckpoint,
    ) -> Result<Compared, MemoryError> {
        loop {
            let seen = self.newest(client.key())?;
            let compared = compare(client, seen.as_ref(), shown);
            match compared {
                Compared::Fits(Advance::Same) if !is_closed_by(seen.as_ref(), shown) => {
                    return Ok(compared);
                }
                Compared::Fits(Advance::First | Advance::Same | Advance::Grown { .. }) => {
                    if self.replace(client.key(), seen.as_ref(), shown)? {
                        return Ok(compared);
                    }
                }
                Compared::Fits(Advance::Older { .. })
                | Compared::Older { .. }
                | Compared::Misfits(_) => return Ok(compared),
            }
        }
    }

    /// Writes the evidence, and makes the error that names it.
    fn accuse(
        &self,
        key: &LogKey,
        accusation: Accusation,
        shown: &SignedCheckpoint,
    ) -> MemoryError {
        let Accusation {
            seen,
            finding: accused,
            proof,
        } = accusation;
        let finding = match accused {
            Accused::Fork => Finding::Fork,
            Accused::Unproven | Accused::NoProof(_) => Finding::Unproven,
            Accused::Stale => Finding::Stale,
        };
        let evidence = Evidence::new(key, finding, [&seen, shown], proof);
        let misfit = Box::new(Misfit {
            origin: key.origin(),
            seen: seen.size(),
            shown: shown.size(),
            // A disk that is full takes nothing away from what was found.
            evidence: match self.write_evidence(key, &evidence) {
                Ok(path) => EvidenceFile::Written(path),
                Err(error) => EvidenceFile::NotWritten(error.to_string()),
            },
        });
        match accused {
            Accused::Fork => MemoryError::Fork(misfit),
            Accused::Unproven => MemoryError::Unproven(misfit),
            Accused::NoProof(error) => MemoryError::NoProof { misfit, error },
            Accused::Stale => MemoryError::Stale(misfit),
        }
    }

    /// Writes an evidence file; one with the same content is not written twice.
    fn write_evidence(&self, key: &LogKey, evidence: &Evidence) -> Result<PathBuf, MemoryError> {
        let dir = self.dir_of(key);
        let _lock = lock(&dir)?;
        let text = evidence.to_json();
        for n in 1..=EVIDENCE_FILES_MAX {
            let name = format!("{}-{n}.{EVIDENCE_EXTENSION}", evidence.finding.name());
            let path = dir.join(&name);
            if !path.exists() {
                write_atomically(&dir, &name, text.as_bytes())?;
                return Ok(path);
            }
            if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
                return Ok(path);
            }
        }
        let full = io::Error::other(format!(
            "{EVIDENCE_FILES_MAX} evidence files of this finding are there already"
        ));
        Err(at(&dir)(full))
    }

    /// An error if a file here proves that the log signed two histories.
    fn refuse_forked(&self, key: &LogKey) -> Result<(), MemoryError> {
        let dir = self.dir_of(key);
        let files = match fs::read_dir(&dir) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(at(&dir)(e)),
        };
        for file in files {
            let path = file.map_err(at(&dir))?.path();
            if !is_fork_file(&path) {
                continue;
            }
            let Some(bytes) = read_if_there(&path, EVIDENCE_BYTES_MAX)? else {
                continue;
            };
            // What the file proves counts, and not its name: anybody could put one here.
            let judged = Evidence::parse(&bytes).and_then(|evidence| evidence.judge(key));
            if judged.is_ok_and(|judged| judged.is_fork()) {
                return Err(MemoryError::Forked {
                    origin: key.origin(),
                    evidence: path,
                });
            }
        }
        Ok(())
    }

    /// Remembers `shown` if `seen` is still what is remembered; else returns false.
    fn replace(
        &self,
        key: &LogKey,
        seen: Option<&SignedCheckpoint>,
        shown: &SignedCheckpoint,
    ) -> Result<bool, MemoryError> {
        let dir = self.dir_of(key);
        let _lock = lock(&dir)?;
        if self.newest(key)?.as_ref() != seen {
            return Ok(false);
        }
        write_atomically(&dir, "checkpoint", shown.text.as_bytes())?;
        Ok(true)
    }

    /// The folder of one log.
    pub(crate) fn dir_of(&self, key: &LogKey) -> PathBuf {
        self.dir.join(Sha256::of(key.origin().as_str()).to_string())
    }
}

fn compare(
    client: &LogClient,
    seen: Option<&SignedCheckpoint>,
    shown: &SignedCheckpoint,
) -> Compared {
    let Some(seen) = seen else {
        return Compared::Fits(Advance::First);
    };
    if seen.size() == shown.size() {
        // No tile is needed to see that two roots are two.
        return if seen.head() == shown.head() {
            Compared::Fits(Advance::Same)
        } else {
            Compared::Misfits(Accusation::of_two_roots(seen.clone()))
        };
    }
    let misfits = |finding, proof| Compared::Misfits(Accusation::new(seen.clone(), finding, proof));
    let grown = seen.size() < shown.size();
    let (smaller, larger) = if grown { (seen, shown) } else { (shown, seen) };
    match prove(client, smaller.head(), larger.head()) {
        Proof::Consistent if grown => Compared::Fits(Advance::Grown { from: seen.size() }),
        Proof::Consistent => Compared::Older { seen: seen.clone() },
        Proof::Refuted(proof) => misfits(Accused::Fork, Some(proof)),
        Proof::Worthless(proof) if grown => misfits(Accused::Unproven, proof),
        Proof::Missing(error) if grown => misfits(Accused::NoProof(error), None),
        // A log that was set back does not have the tiles of the larger tree any more.
        Proof::Worthless(_) | Proof::Missing(_) => misfits(Accused::Stale, None),
    }
}

/// Whether `shown` closes the log with the tree that was seen.
fn is_closed_by(seen: Option<&SignedCheckpoint>, shown: &SignedCheckpoint) -> bool {
    seen.is_some_and(|seen| shown.checkpoint.rank() > seen.checkpoint.rank())
}

impl Accusation {
    fn new(seen: SignedCheckpoint, finding: Accused, proof: Option<EvidenceProof>) -> Self {
        Self {
            seen,
            finding,
            proof,
        }
    }

    fn of_two_roots(seen: SignedCheckpoint) -> Self {
        Self::new(seen, Accused::Fork, None)
    }
}

fn is_fork_file(path: &Path) -> bool {
    let begins = |name: &str| name.starts_with(&format!("{}-", Finding::Fork.name()));
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(begins)
        && path
            .extension()
            .is_some_and(|extension| extension == EVIDENCE_EXTENSION)
}

/// Makes the folder, and waits until nobody else writes there. The lock ends with the file.
pub(crate) fn lock(dir: &Path) -> Result<File, MemoryError> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    let path = dir.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(at(&path))?;
    lock.lock().map_err(at(&path))?;
    Ok(lock)
}

/// The beginning of a file, one byte longer than `bytes_max` if the file is; `None` if there is none.
fn read_if_there(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, MemoryError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file
            .take(bytes_max as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(at(path))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(path)(e)),
    };
    Ok(Some(bytes))
}

/// Writes beside the file, then puts the new one in its place: whoever reads sees one or the other.
pub(crate) fn write_atomically(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), MemoryError> {
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
