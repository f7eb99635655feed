//! Manifests and chunk lists: what the `weights` records of a request say of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::record::kinds::Weights;
use candor_core::weights::{ChunkList, ChunkListError, ChunksRoot, Manifest, ManifestError};

use super::AcceptError;
use crate::limits::Limits;
use crate::storage::{NewAttachment, Storage, StorageError};

/// Checks each manifest against all records that name it: it is read once, however many they are. `stated` has
/// the records with their places in the request.
///
/// A manifest came with the request, or was stored before: as another record's manifest, of which that record
/// may have said something else, or as any other document.
pub(super) async fn check(
    stated: impl Iterator<Item = (usize, &Weights)>,
    attachments: &[NewAttachment],
    storage: &dyn Storage,
    limits: &Limits,
) -> Result<(), AcceptError> {
    let mut by_manifest: BTreeMap<Sha256, Vec<(usize, &Weights)>> = BTreeMap::new();
    for (record, weights) in stated {
        let of = by_manifest.entry(weights.manifest.digest.sha256);
        of.or_default().push((record, weights));
    }
    for (digest, stated) in by_manifest {
        let _turn = limits.manifest_turn().await;
        let bytes = document(digest, attachments, storage).await?;
        let check = || {
            let manifest = Manifest::parse(&bytes).map_err(refused(stated[0].0))?;
            let actual = manifest.to_weights();
            for (record, weights) in &stated {
                Manifest::check_stated(weights, &actual).map_err(refused(*record))?;
                if let Some(chunks) = &weights.chunks {
                    ChunkList::check_stated_length(chunks, &manifest)
                        .map_err(|error| refused(*record)(error.into()))?;
                }
            }
            Ok::<_, AcceptError>(manifest)
        };
        let manifest = limits.compute(bytes.len(), check).await?;
        drop(bytes);
        check_chunk_lists(&stated, &manifest, attachments, storage, limits).await?;
    }
    Ok(())
}

/// Checks the chunk lists of a manifest, one after the other: there may be as many as there are records, of 8 MiB each.
async fn check_chunk_lists(
    stated: &[(usize, &Weights)],
    manifest: &Manifest,
    attachments: &[NewAttachment],
    storage: &dyn Storage,
    limits: &Limits,
) -> Result<(), AcceptError> {
    let mut by_list: BTreeMap<Sha256, Vec<(usize, ChunksRoot)>> = BTreeMap::new();
    for (record, weights) in stated {
        if let Some(chunks) = &weights.chunks {
            let of = by_list.entry(chunks.list.digest.sha256);
            of.or_default().push((*record, chunks.root));
        }
    }
    for (digest, stated) in by_list {
        let bytes = document(digest, attachments, storage).await?;
        let root = || ChunkList::parse(&bytes, manifest).map(|list| list.root());
        let found = limits.compute(bytes.len(), root).await;
        for (record, stated) in stated {
            let check = found.clone().and_then(|actual| {
                if stated == actual {
                    return Ok(());
                }
                Err(ChunkListError::Root { stated, actual })
            });
            check.map_err(|error| refused(record)(error.into()))?;
        }
    }
    Ok(())
}

fn refused(record: usize) -> impl Fn(ManifestError) -> AcceptError {
    move |error| AcceptError::Manifest { record, error }
}

/// A document of that digest, as it was sent or stored.
async fn document<'a>(
    digest: Sha256,
    attachments: &'a [NewAttachment],
    storage: &dyn Storage,
) -> Result<Cow<'a, [u8]>, AcceptError> {
    if let Some(sent) = attachments.iter().find(|sent| sent.sha256 == digest) {
        return Ok(Cow::Borrowed(&sent.bytes));
    }
    let stored = storage.attachment(digest).await?.ok_or_else(|| {
        StorageError::Damaged(format!("attachment {digest} was there, and is missing"))
    })?;
    Ok(Cow::Owned(stored.bytes))
}
