//! Tiles: the tree in pieces of 256 hashes, and the paths that they are served at (C2SP `tlog-tiles`).
//!
//! ```text
//! tile/1/000      ● ● …                            hashes at level 8: each is the root of a full tile below
//!                 │  ╲
//! tile/0/000      ● ● ● … (256)   tile/0/001.p/44  hashes at level 0: the leaf hashes
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::{Hash, Level, Node, TreeSize};

/// How many levels of the tree a tile covers.
pub const TILE_HEIGHT: u8 = 8;
/// How many hashes a full tile has: `2^TILE_HEIGHT`.
pub const TILE_WIDTH: u16 = 256;

/// The level of a tile: its hashes stand at tree level `8 * level`. At most 7 in a tree of 64-bit
/// indexes, though paths may say up to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileLevel(u8);

/// The place of a tile, or of an entry bundle, within its level, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileIndex(u64);

/// How many hashes (or entries) a tile (or bundle) has: 1 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileWidth(u16);

/// `<L>/<N>[.p/<W>]`: which tile, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TilePath {
    /// Its level.
    pub level: TileLevel,
    /// Its place within the level.
    pub index: TileIndex,
    /// How many hashes it has.
    pub width: TileWidth,
}

/// `entries/<N>[.p/<W>]`: which entry bundle, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryBundlePath {
    /// Its place.
    pub index: TileIndex,
    /// How many entries it has.
    pub width: TileWidth,
}

/// The hashes of one tile.
#[derive(Clone, Debug)]
pub struct Tile {
    hashes: Vec<Hash>,
    /// The nodes between its hashes, by height above them, from 1 on; computed when first asked for. Whoever
    /// makes many proofs from one tile computes them once, and whoever makes one needs nearly all of them.
    between: OnceLock<Vec<Vec<Hash>>>,
}

/// Text that is no tile path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TilePathError {
    /// The level is not a number from 0 to 63 without leading zeroes.
    #[error("{0:?} is no tile level: write a number from 0 to 63 without leading zeroes")]
    Level(String),
    /// The index is not in groups of three digits.
    #[error(
        "{0:?} is no tile index: write it in groups of three digits, all but the last behind an x, as in x001/x234/067"
    )]
    Index(String),
    /// The index is a number that no tree can hold.
    #[error("tile index {0:?} is past the last tile that a tree of 64-bit indexes can have")]
    IndexOverflow(String),
    /// The width is not a number from 1 to 255 without leading zeroes.
    #[error(
        "{0:?} is no width of a partial tile: write a number from 1 to 255 without leading zeroes"
    )]
    Width(String),
}

/// Bytes that are not the tile that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tile has {found} bytes instead of {expected}: 32 for each of its hashes")]
pub struct TileError {
    /// How many bytes it has.
    pub found: usize,
    /// How many it should have.
    pub expected: usize,
}

impl TileLevel {
    /// The level that holds the leaf hashes.
    pub const LEAVES: Self = Self(0);

    /// The tile level `level`, or `None` over 63.
    pub fn new(level: u8) -> Option<Self> {
        (level < 64).then_some(Self(level))
    }

    /// As a number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The tile level whose hashes stand at this level of the tree, if there is one.
    pub fn with_hashes_at(level: Level) -> Option<Self> {
        level
            .get()
            .is_multiple_of(TILE_HEIGHT)
            .then_some(Self(level.get() / TILE_HEIGHT))
    }
}

impl TileIndex {
    /// The `index`-th tile or bundle.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TileWidth {
    /// 256 of 256.
    pub const FULL: Self = Self(TILE_WIDTH);

    /// `None` unless `width` is from 1 to 256.
    pub fn new(width: u16) -> Option<Self> {
        (1..=TILE_WIDTH).contains(&width).then_some(Self(width))
    }

    /// As a number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// As a number of hashes or entries.
    pub fn count(self) -> usize {
        usize::from(self.0)
    }

    /// Whether the tile is complete, and so will never change.
    pub fn is_full(self) -> bool {
        self.0 == TILE_WIDTH
    }
}

impl TilePath {
    /// The tile at `level` and `index` as a tree of `size` has it: full, partial, or `None` if not at all.
    pub fn in_tree(level: TileLevel, index: TileIndex, size: TreeSize) -> Option<Self> {
        let hashes_at_level = size
            .get()
            .checked_shr(u32::from(level.0) * u32::from(TILE_HEIGHT))
            .unwrap_or(0);
        Some(Self {
            level,
            index,
            width: width_within(hashes_at_level, index)?,
        })
    }

    /// All tiles that a tree of `size` has, lowest level first.
    pub fn all_in_tree(size: TreeSize) -> impl Iterator<Item = Self> {
        (0..8).map(TileLevel).flat_map(move |level| {
            (0..).map_while(move |index| Self::in_tree(level, TileIndex(index), size))
        })
    }

    /// Where `node` is found: the tile, and which run of its hashes lies below `node`. The run has
    /// `2^(node.level mod 8)` hashes; a single one is the node itself.
    pub(super) fn of_node(node: Node, size: TreeSize) -> Option<(Self, std::ops::Range<usize>)> {
        let level = TileLevel(node.level.get() / TILE_HEIGHT);
        let run = 1_u64 << (node.level.get() % TILE_HEIGHT);
        let first = node.index.checked_mul(run)?;
        let tile = Self::in_tree(level, TileIndex(first / u64::from(TILE_WIDTH)), size)?;
        let start = usize::try_from(first % u64::from(TILE_WIDTH)).ok()?;
        let end = start + usize::try_from(run).ok()?;
        (end <= tile.width.count()).then_some((tile, start..end))
    }
}

impl EntryBundlePath {
    /// The bundle at `index` as a tree of `size` has it, or `None` if not at all.
    pub fn in_tree(index: TileIndex, size: TreeSize) -> Option<Self> {
        Some(Self {
            index,
            width: width_within(size.get(), index)?,
        })
    }
}

/// How much of the `index`-th group of 256 there is when there are `count` in all.
fn width_within(count: u64, index: TileIndex) -> Option<TileWidth> {
    let before = index.0.checked_mul(u64::from(TILE_WIDTH))?;
    let width = count.checked_sub(before)?.min(u64::from(TILE_WIDTH));
    TileWidth::new(u16::try_from(width).expect("at most 256"))
}

impl Tile {
    /// Takes 1 to 256 hashes; `None` for other numbers.
    pub fn new(hashes: Vec<Hash>) -> Option<Self> {
        u16::try_from(hashes.len())
            .ok()
            .and_then(TileWidth::new)
            .is_some()
            .then(|| Self::from_hashes(hashes))
    }

    fn from_hashes(hashes: Vec<Hash>) -> Self {
        Self {
            hashes,
            between: OnceLock::new(),
        }
    }

    /// Reads a tile of `width` hashes.
    pub fn parse(bytes: &[u8], width: TileWidth) -> Result<Self, TileError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() != width.count() || !rest.is_empty() {
            return Err(TileError {
                found: bytes.len(),
                expected: width.count() * 32,
            });
        }
        Ok(Self::from_hashes(
            hashes.iter().copied().map(Hash::from_bytes).collect(),
        ))
    }

    /// As served: the hashes one behind the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes
            .iter()
            .flat_map(|hash| *hash.as_bytes())
            .collect()
    }

    /// The hashes, from the left.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The Merkle Tree Hash over the hashes in `run`: a complete subtree, so its length is a power of two, and it
    /// begins at a multiple of it.
    pub(super) fn hash_over(&self, run: std::ops::Range<usize>) -> Option<Hash> {
        let width = run.len();
        if !width.is_power_of_two() || !run.start.is_multiple_of(width) {
            return None;
        }
        let at = run.start / width;
        let nodes = match width.ilog2() as usize {
            0 => &self.hashes,
            height => self.between().get(height - 1)?,
        };
        nodes.get(at).copied()
    }

    fn between(&self) -> &[Vec<Hash>] {
        self.between.get_or_init(|| {
            let mut levels: Vec<Vec<Hash>> = Vec::with_capacity(usize::from(TILE_HEIGHT));
            for _ in 0..TILE_HEIGHT {
                let below = levels.last().unwrap_or(&self.hashes);
                let (pairs, _) = below.as_chunks::<2>();
                levels.push(
                    pairs
                        .iter()
                        .map(|[left, right]| Hash::of_children(left, right))
                        .collect(),
                );
            }
            levels
        })
    }
}

/// What was computed from the hashes makes no difference.
impl PartialEq for Tile {
    fn eq(&self, other: &Self) -> bool {
        self.hashes == other.hashes
    }
}

impl Eq for Tile {}

/// `x001/x234/067` for 1,234,067.
impl fmt::Display for TileIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.0 % 1000];
        let mut rest = self.0 / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])
    }
}

impl FromStr for TileIndex {
    type Err = TilePathError;
    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let (all_but_last, last) = text
            .rsplit_once('/')
            .map_or((None, text), |(a, b)| (Some(a), b));
        let mut groups = Vec::new();
        for group in all_but_last
            .into_iter()
            .flat_map(|groups| groups.split('/'))
        {
            groups.push(
                group
                    .strip_prefix('x')
                    .ok_or_else(|| TilePathError::Index(text.to_owned()))?,
            );
        }
        groups.push(last);
        let mut index = 0_u64;
        for group in &groups {
            if group.len() != 3 || !group.bytes().all(|b| b.is_ascii_digit()) {
                return Err(TilePathError::Index(text.to_owned()));
            }
            let digits: u64 = group.parse().expect("three digits");
            index = index
                .checked_mul(1000)
                .and_then(|index| index.checked_add(digits))
                .ok_or_else(|| TilePathError::IndexOverflow(text.to_owned()))?;
        }
        // One path per tile: x000/001 would be a second name of 001.
        if groups.len() > 1 && groups[0] == "000" {
            return Err(TilePathError::Index(text.to_owned()));
        }
        if index > u64::MAX / u64::from(TILE_WIDTH) {
            return Err(TilePathError::IndexOverflow(text.to_owned()));
        }
        Ok(Self(index))
    }
}

/// Splits `<N>[.p/<W>]`.
fn parse_index_and_width(text: &str) -> Result<(TileIndex, TileWidth), TilePathError> {
    let Some((index, width)) = text.split_once(".p/") else {
        return Ok((text.parse()?, TileWidth::FULL));
    };
    let width = plain_number(width)
        .and_then(|width| u16::try_from(width).ok())
        .filter(|width| *width < TILE_WIDTH)
        .and_then(TileWidth::new)
        .ok_or_else(|| TilePathError::Width(width.to_owned()))?;
    Ok((index.parse()?, width))
}

/// A decimal number in ASCII, without sign and without leading zeroes.
fn plain_number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn fmt_width(width: TileWidth, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if width.is_full() {
        Ok(())
    } else {
        write!(f, ".p/{}", width.0)
    }
}

/// `tile/<L>/<N>[.p/<W>]`, relative to the log's prefix.
impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level.0, self.index)?;
        fmt_width(self.width, f)
    }
}

/// `tile/entries/<N>[.p/<W>]`, relative to the log's prefix.
impl fmt::Display for EntryBundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", self.index)?;
        fmt_width(self.width, f)
    }
}

impl TilePath {
    /// Reads `<L>` and `<N>[.p/<W>]`, the parts behind `tile/`.
    pub fn parse(level: &str, index_and_width: &str) -> Result<Self, TilePathError> {
        let level = plain_number(level)
            .and_then(|level| u8::try_from(level).ok())
            .and_then(TileLevel::new)
            .ok_or_else(|| TilePathError::Level(level.to_owned()))?;
        let (index, width) = parse_index_and_width(index_and_width)?;
        Ok(Self {
            level,
            index,
            width,
        })
    }
}

impl EntryBundlePath {
    /// Reads `<N>[.p/<W>]`, the part behind `tile/entries/`.
    pub fn parse(index_and_width: &str) -> Result<Self, TilePathError> {
        let (index, width) = parse_index_and_width(index_and_width)?;
        Ok(Self { index, width })
    }
}
