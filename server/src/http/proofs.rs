//! `/api/v1/proofs`: proofs, computed for those who would rather not compute them from tiles.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::bundle::Receipt;
use candor_core::merkle::{
    Hash, LeafInTree, LeafIndex, ProofPlan, TILE_WIDTH, TileIndex, TileLevel, TilePath, TreeSize,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{QueryOf, json, missing, parse};
use super::problem::{Name, Problem};
use crate::recent::Recent;
use crate::releases::Released;
use crate::storage::StorageError;

/// The receipts of the entries at `indexes`, against the tree of `released`. Entries that were published
/// together have most of their tiles in common, which are read once.
pub(super) async fn receipts(
    recent: &Recent,
    released: &Released,
    indexes: &[LeafIndex],
) -> Result<Vec<Receipt>, StorageError> {
    let plan = |index: &LeafIndex| {
        let at = released.head.size.leaf(*index).ok_or_else(|| {
            StorageError::Damaged(format!("entry {index} is committed and not released"))
        })?;
        Ok(ProofPlan::inclusion(at))
    };
    let plans = indexes
        .iter()
        .map(plan)
        .collect::<Result<Vec<_>, StorageError>>()?;
    let paths: HashSet<TilePath> = plans.iter().flat_map(ProofPlan::tiles).collect();
    let tiles = recent.tiles(&Vec::from_iter(paths)).await?;
    let receipt = |(index, plan): (&LeafIndex, &ProofPlan)| {
        Ok(Receipt {
            extra: None,
            index: *index,
            path: plan.hashes(&tiles).map_err(StorageError::damaged)?,
            checkpoint: released.checkpoint.clone(),
        })
    };
    indexes.iter().zip(&plans).map(receipt).collect()
}

/// The hash of a leaf, and the path from it to the root.
async fn leaf_and_path(recent: &Recent, at: LeafInTree) -> Result<(Hash, Vec<Hash>), StorageError> {
    let width = u64::from(TILE_WIDTH);
    let (tile, place) = (at.index().get() / width, at.index().get() % width);
    let leaf = TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(tile), at.size())
        .expect("every leaf has a tile");
    let plan = ProofPlan::inclusion(at);
    let mut paths = plan.tiles();
    // The last leaf can be a subtree of its own, whose path has none of its tile.
    if !paths.contains(&leaf) {
        paths.push(leaf);
    }
    let tiles = recent.tiles(&paths).await?;
    let place = usize::try_from(place).expect("below 256");
    let hash = tiles.get(&leaf).and_then(|tile| tile.hashes().get(place));
    let hash = hash.ok_or_else(|| StorageError::Damaged(format!("{leaf} is missing")))?;
    Ok((*hash, plan.hashes(&tiles).map_err(StorageError::damaged)?))
}

async fn hashes(recent: &Recent, plan: &ProofPlan) -> Result<Vec<Hash>, StorageError> {
    plan.hashes(&recent.tiles(&plan.tiles()).await?)
        .map_err(StorageError::damaged)
}

/// Which entry, in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InclusionParameters {
    /// The entry's index.
    index: u64,
    /// The tree's size; the released tree if left out.
    size: Option<u64>,
}

/// RFC 6962 section 2.1.1
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct InclusionAnswer {
    index: u64,
    size: u64,
    /// The leaf hash, as base64.
    leaf_hash: String,
    /// The proof's hashes as base64, the leaf's sibling first.
    hashes: Vec<String>,
    /// For the released tree: the same as C2SP tlog-proof, with its checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

/// Proves that an entry is in a tree.
#[utoipa::path(
    get, path = "/api/v1/proofs/inclusion", operation_id = "prove_inclusion", tag = "log", params(InclusionParameters),
    responses(
        (status = 200, description = "The proof", body = InclusionAnswer),
        (status = 404, description = "No such entry or tree", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn inclusion(
    State(log): Shared,
    QueryOf(parameters): QueryOf<InclusionParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let released = log.sequencer.newest().await;
    let index = LeafIndex::new(parameters.index);
    let size = parameters.size.map_or(released.head.size, TreeSize::new);
    check_released(size, released.head.size)?;
    let what = format!("entry {index} of a tree of {size} entries");
    let at = size
        .leaf(index)
        .ok_or_else(|| missing(&what, "ask for an index below the size"))?;
    let (leaf, path) = leaf_and_path(&log.recent, at).await?;
    let answer = InclusionAnswer {
        index: index.get(),
        size: size.get(),
        leaf_hash: leaf.to_string(),
        hashes: path.iter().map(Hash::to_string).collect(),
        receipt: (size == released.head.size).then(|| {
            let checkpoint = released.checkpoint.clone();
            Receipt {
                extra: None,
                index,
                path,
                checkpoint,
            }
            .to_string()
        }),
    };
    Ok(json(&headers, &answer))
}

/// The most entries that are proven at a time.
const BATCH_MAX: usize = 256;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchParameters {
    /// The entries' indexes, with commas between: 1 to 256.
    #[param(example = "0,4,7")]
    indexes: String,
}

/// Inclusion proofs of several entries, against one tree.
#[derive(Serialize, ToSchema)]
struct BatchAnswer {
    /// The tree's size.
    size: u64,
    /// Its signed checkpoint.
    checkpoint: String,
    /// In the order in which they were asked for.
    proofs: Vec<BatchItem>,
}

/// RFC 6962 section 2.1.1, of one entry.
#[derive(Serialize, ToSchema)]
struct BatchItem {
    index: u64,
    /// The proof's hashes as base64, the leaf's sibling first.
    hashes: Vec<String>,
}

/// Proves that several entries are in the released tree.
#[utoipa::path(
    get, path = "/api/v1/proofs", operation_id = "prove_inclusions", tag = "log", params(BatchParameters),
    responses(
        (status = 200, description = "The proofs", body = BatchAnswer),
        (status = 404, description = "One of them is no entry of this log", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn batch(
    State(log): Shared,
    QueryOf(parameters): QueryOf<BatchParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let indexes = parameters.indexes.split(',').take(BATCH_MAX + 1);
    let indexes: Vec<LeafIndex> = indexes
        .map(|index| parse::<u64>("indexes", index).map(LeafIndex::new))
        .collect::<Result<_, _>>()?;
    if indexes.len() > BATCH_MAX {
        let rule =
            format!("there are more than {BATCH_MAX}: ask for the rest with further requests");
        return Err(Problem::parameter("indexes", &rule));
    }
    let released = log.sequencer.newest().await;
    let size = released.head.size;
    if let Some(index) = indexes.iter().find(|index| size.leaf(**index).is_none()) {
        let what = format!("entry {index} of a tree of {size} entries");
        return Err(missing(&what, "ask for indexes below the size"));
    }
    let receipts = receipts(&log.recent, &released, &indexes).await?;
    let proofs = receipts.into_iter().map(|receipt| BatchItem {
        index: receipt.index.get(),
        hashes: receipt.path.iter().map(Hash::to_string).collect(),
    });
    let answer = BatchAnswer {
        size: size.get(),
        checkpoint: released.checkpoint.clone(),
        proofs: proofs.collect(),
    };
    Ok(json(&headers, &answer))
}

/// Which trees.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsistencyParameters {
    /// Size of the older tree.
    from: u64,
    /// Size of the newer tree; the released tree if left out.
    to: Option<u64>,
}

/// RFC 6962 section 2.1.2
#[derive(Serialize, ToSchema)]
struct ConsistencyAnswer {
    from: u64,
    to: u64,
    /// The proof's hashes as base64.
    hashes: Vec<String>,
}

/// Proves that a tree only grew.
#[utoipa::path(
    get, path = "/api/v1/proofs/consistency", operation_id = "prove_consistency", tag = "log", params(ConsistencyParameters),
    responses(
        (status = 200, description = "The proof", body = ConsistencyAnswer),
        (status = 404, description = "No such entry or tree", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn consistency(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ConsistencyParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let released = log.sequencer.newest().await;
    let from = TreeSize::new(parameters.from);
    let to = parameters.to.map_or(released.head.size, TreeSize::new);
    check_released(to, released.head.size)?;
    let plan = ProofPlan::consistency(from, to).map_err(|error| {
        Problem::new(Name::BadParameter, error.to_string()).hint("from must not be above to")
    })?;
    let hashes = hashes(&log.recent, &plan).await?;
    let hashes = hashes.iter().map(Hash::to_string).collect();
    Ok(json(
        &headers,
        &ConsistencyAnswer {
            from: from.get(),
            to: to.get(),
            hashes,
        },
    ))
}

fn check_released(size: TreeSize, released: TreeSize) -> Result<(), Problem> {
    if size <= released {
        return Ok(());
    }
    let what = format!("a tree of {size} entries");
    Err(missing(&what, &format!("the released tree has {released}")))
}
