//! The Merkle tree of the log: RFC 6962 section 2.1, kept as C2SP `tlog-tiles`.
//!
//! ```text
//! entry ──leaf hash──► CompactRange ──► root        (append: only the right edge is in memory)
//!                          │
//!                          └──► tiles ──► proofs    (read: any proof comes from a few tiles)
//! ```
//!
//! Always: a proof's length follows from the positions that it claims; one hash more or less is refused.
//!
//! Not here: where tiles are kept (the server's storage, or a folder), and the trees of fixed sets such as
//! a release's files ([`crate::weights`]).

mod compact_range;
mod entries;
mod hash;
mod position;
mod proof;
mod proof_plan;
mod tile;

pub use compact_range::CompactRange;
pub use entries::{ENTRY_BYTES_MAX, Entry, EntryBundle, EntryBundleError, EntryTooLong};
pub use hash::{Hash, LeafHash, NotAHash, TreeHead};
pub use position::{LeafInTree, LeafIndex, Level, Node, TreeSize};
pub use proof::{
    ConsistencyProof, InclusionProof, ProofError, Subtree, SubtreeConsistencyProof,
    SubtreeInclusionProof,
};
pub use proof_plan::{PlanError, ProofPlan};
pub use tile::{
    EntryBundlePath, TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileIndex, TileLevel, TilePath,
    TilePathError, TileWidth,
};
