//! Manifests: what the `weights` records of a request say of them.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::record::kinds::Weights;
use candor_core::weights::Manifest;

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
        let sent = attachments.iter().find(|sent| sent.sha256 == digest);
        let stored;
        let bytes = if let Some(sent) = sent {
            &sent.bytes
        } else {
            stored = storage.attachment(digest).await?.ok_or_else(|| {
                StorageError::Damaged(format!("attachment {digest} was there, and is missing"))
            })?;
            &stored.bytes
        };
        let check = || {
            let first = stated[0].0;
            let actual = Manifest::parse(bytes)
                .map(|manifest| manifest.to_weights())
                .map_err(|error| AcceptError::Manifest {
                    record: first,
                    error,
                })?;
            stated.iter().try_for_each(|(record, weights)| {
                Manifest::check_stated(weights, &actual).map_err(|error| AcceptError::Manifest {
                    record: *record,
                    error,
                })
            })
        };
        limits.compute(bytes.len(), check).await?;
    }
    Ok(())
}
