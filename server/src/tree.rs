//! The right edge of the log's tree: what it takes to append, and the tiles that are not full yet.

use candor_core::merkle::{
    CompactRange, Hash, LeafHash, LeafIndex, ProofPlan, TILE_HEIGHT, TILE_WIDTH, Tile, TileIndex,
    TileLevel, TilePath, TreeHead, TreeSize,
};

use crate::storage::{Storage, StorageError};

/// How many levels of tiles a tree of 64-bit indexes has.
const TILE_LEVELS: u8 = 64 / TILE_HEIGHT;

/// The edge of a tree: at most 64 hashes, and one partial tile per level.
#[derive(Clone, Debug)]
pub struct RightEdge {
    range: CompactRange,
    /// By level: the hashes of the tile that is being filled, fewer than 256.
    partial: Vec<Vec<Hash>>,
}

/// The tiles that an append made or changed.
pub type GrownTiles = Vec<(TileLevel, TileIndex, Tile)>;

impl RightEdge {
    /// The edge of the empty tree.
    pub fn empty() -> Self {
        Self {
            range: CompactRange::empty(),
            partial: vec![Vec::new(); usize::from(TILE_LEVELS)],
        }
    }

    /// Reads the edge of the committed tree, and checks that its tiles lead to the root that is on record, and that
    /// the last entries are those that they were made from.
    pub async fn load(storage: &dyn Storage) -> Result<Self, StorageError> {
        let head = storage.head().await?;
        let edge = Self::at(head, storage).await?;
        check_last_entries(storage, head.size).await?;
        Ok(edge)
    }

    /// Reads the edge of the committed tree with this head, and checks that its tiles lead to its root.
    pub async fn at(head: TreeHead, storage: &dyn Storage) -> Result<Self, StorageError> {
        let plan = ProofPlan::edge(head.size);
        let partial_paths: Vec<TilePath> = levels()
            .filter_map(|level| last_partial(level, head.size))
            .collect();
        let tiles = storage
            .tiles(&[plan.tiles(), partial_paths.clone()].concat())
            .await?;
        let range = plan
            .hashes(&tiles)
            .map_err(StorageError::damaged)
            .map(|edge| {
                CompactRange::from_edge(head.size, edge).expect("the plan has one hash per subtree")
            })?;
        if range.head() != head {
            return Err(StorageError::Damaged(format!(
                "its tiles lead to the root {}, and the root on record for {} entries is {}",
                range.root(),
                head.size,
                head.root
            )));
        }
        let mut partial = vec![Vec::new(); usize::from(TILE_LEVELS)];
        for path in partial_paths {
            let tile = tiles
                .get(&path)
                .ok_or_else(|| StorageError::Damaged(format!("{path} is missing")))?;
            partial[usize::from(path.level.get())] = tile.hashes().to_vec();
        }
        Ok(Self { range, partial })
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.range.head()
    }

    /// Appends leaves, and returns each tile that grew, once, with all its hashes.
    pub fn append(&mut self, leaves: impl IntoIterator<Item = LeafHash>) -> GrownTiles {
        let mut grown = Vec::new();
        let before = self.range.size();
        for leaf in leaves {
            let partial = &mut self.partial;
            self.range.append(leaf, |node, hash| {
                let Some(level) = TileLevel::with_hashes_at(node.level) else {
                    return;
                };
                let hashes = &mut partial[usize::from(level.get())];
                hashes.push(hash);
                if hashes.len() == usize::from(TILE_WIDTH) {
                    let index = TileIndex::new(node.index / u64::from(TILE_WIDTH));
                    grown.push((
                        level,
                        index,
                        Tile::new(std::mem::take(hashes)).expect("256 hashes"),
                    ));
                }
            });
        }
        let after = self.range.size();
        for level in levels() {
            let hashes_at =
                |size: TreeSize| size.get() >> (u32::from(level.get()) * u32::from(TILE_HEIGHT));
            let hashes = &self.partial[usize::from(level.get())];
            if hashes_at(before) != hashes_at(after)
                && let Some(tile) = Tile::new(hashes.clone())
            {
                grown.push((
                    level,
                    TileIndex::new(hashes_at(after) / u64::from(TILE_WIDTH)),
                    tile,
                ));
            }
        }
        grown
    }
}

/// Size and root of the first `size` entries, by the tiles that are stored. They were checked against the root of
/// the whole tree when it was loaded.
pub async fn head_at(storage: &dyn Storage, size: TreeSize) -> Result<TreeHead, StorageError> {
    let plan = ProofPlan::edge(size);
    let tiles = storage.tiles(&plan.tiles()).await?;
    let edge = plan.hashes(&tiles).map_err(StorageError::damaged)?;
    let range = CompactRange::from_edge(size, edge).expect("the plan has one hash per subtree");
    Ok(range.head())
}

/// Checks that the last entries are there, and are those that the last tile of leaf hashes was made from: the
/// ones that a crash could have hurt.
async fn check_last_entries(storage: &dyn Storage, size: TreeSize) -> Result<(), StorageError> {
    let Some(last) = size.get().checked_sub(1) else {
        return Ok(());
    };
    let leaves = TileLevel::new(0).expect("below 64");
    let index = TileIndex::new(last / u64::from(TILE_WIDTH));
    let path = TilePath::in_tree(leaves, index, size).expect("the last leaf has a tile");
    let tile = storage.tiles(&[path]).await?.remove(&path);
    let tile = tile.ok_or_else(|| StorageError::Damaged(format!("{path} is missing")))?;
    let first = index.get() * u64::from(TILE_WIDTH);
    let entries = storage
        .entries(LeafIndex::new(first), path.width.get())
        .await?;
    if entries.len() != path.width.count() {
        return Err(StorageError::Damaged(format!(
            "entry {} is missing",
            first + entries.len() as u64
        )));
    }
    for ((entry, hash), index) in entries.iter().zip(tile.hashes()).zip(first..) {
        if LeafHash::of(entry).to_hash() != *hash {
            return Err(StorageError::Damaged(format!(
                "entry {index} is not the one that {path} was made from"
            )));
        }
    }
    Ok(())
}

fn levels() -> impl Iterator<Item = TileLevel> {
    (0..TILE_LEVELS).map(|level| TileLevel::new(level).expect("below 64"))
}

/// The tile of `level` that is partial in a tree of `size`.
fn last_partial(level: TileLevel, size: TreeSize) -> Option<TilePath> {
    let hashes = size.get() >> (u32::from(level.get()) * u32::from(TILE_HEIGHT));
    TilePath::in_tree(level, TileIndex::new(hashes / u64::from(TILE_WIDTH)), size)
}
