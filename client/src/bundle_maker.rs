//! Makes a `.candor` bundle of a release from what the log serves.
//!
//! ```text
//! /api/v1/releases/R ──► indexes ──► checkpoint ──► entries and proofs from tiles ─┐
//! /api/v1/publishers/P ──► indexes of its publisher records ───────────────────────┼─► Bundle ──► verify
//! /api/v1/attachments/… ──► the manifest ──────────────────────────────────────────┘
//! ```
//!
//! Always: what comes out has passed [`Bundle::verify`], so a release is judged online by the same code as
//! offline, from a file. The views only say where to look.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::Verified;
use candor_core::bundle::{Bundle, BundleError, BundledRecord, VerifiedBundle};
use candor_core::merkle::{Hash, LeafIndex};
use candor_core::record::{Predicate, PublisherName, ReleaseName};

use crate::log_client::{LogClient, LogError, ProvenEntry};
use crate::memory::{Advance, Memory, MemoryError};
use crate::replay::{ReplayError, parse};

/// The most bytes of a manifest: 200,000 files at some 320 bytes; as base64 it still fits into a bundle.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// A bundle and what it proves.
#[derive(Clone, Debug)]
pub struct MadeBundle {
    /// For a file.
    pub bundle: Bundle,
    /// For everything else.
    pub verified: Verified<VerifiedBundle>,
    /// How its checkpoint relates to what was seen before.
    pub advance: Advance,
}

/// Why no bundle could be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleMakerError {
    /// The log has nothing about the release.
    #[error("the log has no record of {0}")]
    NoSuchRelease(ReleaseName),
    /// The log could not be asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log's checkpoint does not fit what was seen before.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// An entry that is no record.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What the log served does not hold.
    #[error("what the log serves about {release} does not hold: {error}")]
    Refused {
        /// Which release.
        release: ReleaseName,
        /// Why.
        error: Box<BundleError>,
    },
}

impl BundleMakerError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchRelease(release) => format!(
                "check the name; `candor show {}` lists the model's releases",
                release.model()
            ),
            Self::Log(error) => error.hint(),
            Self::Memory(error) => error.hint(),
            Self::Replay(error) => error.hint(),
            Self::Refused { .. } => {
                "the log broke its own rules: keep the output, and tell its operator and a witness"
                    .to_owned()
            }
        }
    }
}

/// Makes the bundle of `release` from the newest checkpoint, which is held against what was seen before.
pub fn make_bundle(
    client: &LogClient,
    memory: &Memory,
    release: &ReleaseName,
) -> Result<MadeBundle, BundleMakerError> {
    let view = client.release(release).map_err(|error| {
        if error.is_not_found() {
            BundleMakerError::NoSuchRelease(release.clone())
        } else {
            error.into()
        }
    })?;
    // The checkpoint comes after the view, so its tree has whatever the view speaks of.
    let (checkpoint, advance) = memory.fetch(client)?;
    let fetch = |index| client.entry_and_proof(index, &checkpoint);
    let mut entries: BTreeMap<LeafIndex, (ProvenEntry, Vec<Hash>)> = BTreeMap::new();
    let mut publishers: BTreeSet<PublisherName> = BTreeSet::new();
    let mut manifests = BTreeSet::new();
    for row in &view.records {
        let (entry, path) = fetch(row.index)?;
        let signed = parse(&entry)?;
        let statement = signed.statement();
        publishers.insert(statement.publisher().clone());
        if let Predicate::Weights(weights) = &statement.predicate {
            manifests.insert(weights.manifest.digest.sha256);
        }
        entries.insert(row.index, (entry, path));
    }
    for publisher in &publishers {
        // What came after the checkpoint is not part of what it proves.
        let history = client.publisher(publisher)?.history;
        for index in history
            .into_iter()
            .filter(|index| checkpoint.size().leaf(*index).is_some())
        {
            entries.insert(index, fetch(index)?);
        }
    }
    let records = entries.into_values().map(|(entry, proof)| BundledRecord {
        index: entry.index,
        entry: serde_json::from_slice(entry.entry.as_bytes()).unwrap_or_default(),
        proof,
    });
    let mut bundle = Bundle::new(release.clone(), checkpoint.text.clone(), records.collect());
    for manifest in manifests {
        let bytes = client.attachment(manifest, MANIFEST_BYTES_MAX)?;
        bundle.attach(candor_core::weights::MANIFEST_MEDIA_TYPE, &bytes);
    }
    let verified = bundle
        .verify(client.key())
        .map_err(|error| BundleMakerError::Refused {
            release: release.clone(),
            error: Box::new(error),
        })?;
    Ok(MadeBundle {
        bundle,
        verified,
        advance,
    })
}

#[cfg(test)]
mod tests;
