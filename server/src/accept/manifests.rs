//! Manifests, and the lists of chunks and tensors beside them: what the `weights` records of a request say of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use candor_core::Sha256;
use candor_core::record::kinds::{ChunkedFiles, TensorSet, Weights};
use candor_core::weights::{
    ChunkList, ChunkListError, Manifest, ManifestError, TensorList, TensorListError,
};

use super::{AcceptError, READ_BYTES_MAX};
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
    check_bytes(&by_manifest)?;
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
        let documents = Documents {
            attachments,
            storage,
            limits,
        };
        documents.check_chunk_lists(&stated, &manifest).await?;
        documents.check_tensor_lists(&stated, &manifest).await?;
    }
    Ok(())
}

/// Checks that the documents of a request are not too much to read. A list is read once for each manifest that it is said to
/// belong to, since it means something else beside each: without an end to that, a request that names one list of 32 MiB for
/// 256 manifests would have 8 GiB read. The sizes that are stated were held against the documents before.
fn check_bytes(by_manifest: &BTreeMap<Sha256, Vec<(usize, &Weights)>>) -> Result<(), AcceptError> {
    let mut bytes = 0_u64;
    for (manifest, stated) in by_manifest {
        let mut read = BTreeSet::new();
        for (record, weights) in stated {
            let chunks = weights.chunks.as_ref().map(|it| &it.list);
            let tensors = weights.tensors.as_ref().map(|it| &it.list);
            let documents = [Some(&weights.manifest), chunks, tensors];
            for document in documents.into_iter().flatten() {
                if read.insert((*manifest, document.digest.sha256)) {
                    bytes = bytes.saturating_add(document.size);
                }
            }
            if bytes > READ_BYTES_MAX {
                return Err(AcceptError::TooMuchToRead {
                    record: *record,
                    bytes,
                });
            }
        }
    }
    Ok(())
}

/// Where the documents of a request are, and what it takes to read them.
struct Documents<'a> {
    attachments: &'a [NewAttachment],
    storage: &'a dyn Storage,
    limits: &'a Limits,
}

impl Documents<'_> {
    /// Checks the chunk lists of a manifest, one after the other: there may be as many as there are records, of 8 MiB
    /// each.
    async fn check_chunk_lists(
        &self,
        stated: &[(usize, &Weights)],
        manifest: &Manifest,
    ) -> Result<(), AcceptError> {
        let mut by_list: BTreeMap<Sha256, Vec<(usize, &ChunkedFiles)>> = BTreeMap::new();
        for (record, weights) in stated {
            if let Some(chunks) = &weights.chunks {
                let of = by_list.entry(chunks.list.digest.sha256);
                of.or_default().push((*record, chunks));
            }
        }
        for (digest, stated) in by_list {
            let root = |bytes: &[u8]| ChunkList::parse(bytes, manifest).map(|list| list.root());
            let found = self.read(digest, root).await?;
            for (record, stated) in stated {
                let check = found.clone().and_then(|actual| {
                    let stated = stated.root;
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

    /// Checks the tensor lists of a manifest, in the same way.
    async fn check_tensor_lists(
        &self,
        stated: &[(usize, &Weights)],
        manifest: &Manifest,
    ) -> Result<(), AcceptError> {
        let mut by_list: BTreeMap<Sha256, Vec<(usize, &TensorSet)>> = BTreeMap::new();
        for (record, weights) in stated {
            if let Some(tensors) = &weights.tensors {
                let of = by_list.entry(tensors.list.digest.sha256);
                of.or_default().push((*record, tensors));
            }
        }
        for (digest, stated) in by_list {
            let check = |bytes: &[u8]| {
                let list = TensorList::parse(bytes, manifest);
                let check = |(record, stated): &(usize, &TensorSet)| {
                    let list = list.as_ref().map_err(TensorListError::clone);
                    list.and_then(|list| list.check_stated(stated))
                        .map_err(|error| refused(*record)(error.into()))
                };
                stated.iter().try_for_each(check)
            };
            self.read(digest, check).await??;
        }
        Ok(())
    }

    /// What `read` makes of a document.
    async fn read<T>(
        &self,
        digest: Sha256,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, AcceptError> {
        let bytes = document(digest, self.attachments, self.storage).await?;
        let read = || read(&bytes);
        Ok(self.limits.compute(bytes.len(), read).await)
    }
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
