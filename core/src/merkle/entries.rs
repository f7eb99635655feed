//! Log entries and the bundles that they are served in (C2SP `tlog-tiles`, "Log entries").

use super::{LeafIndex, TILE_WIDTH, TileWidth};

/// The most bytes that an entry can have: its length is a 16-bit number in entry bundles.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// One leaf of the log: at most [`ENTRY_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry(Vec<u8>);

/// An entry that no bundle could hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry has {bytes} bytes, and the log takes at most {ENTRY_BYTES_MAX}")]
pub struct EntryTooLong {
    /// How long it is.
    pub bytes: usize,
}

/// Up to 256 consecutive entries: `(uint16 length || entry)*`, lengths big-endian.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryBundle(Vec<Entry>);

/// Bytes that are not the entry bundle that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryBundleError {
    /// The bytes stop inside an entry.
    #[error("the entry bundle ends inside entry {entry} of it, {missing} bytes short")]
    Truncated {
        /// Which entry, counted from 0 in this bundle.
        entry: usize,
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// More or fewer entries than the bundle's width.
    #[error("the entry bundle holds {found} entries instead of {expected}")]
    WrongCount {
        /// How many it should hold.
        expected: u16,
        /// How many were read; counting stops one past the expected number.
        found: usize,
    },
}

impl Entry {
    /// Checks the length.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EntryTooLong> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes that the leaf hash covers.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes back.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl EntryBundle {
    /// Puts entries into a bundle; `None` when there are none, or over 256.
    pub fn new(entries: Vec<Entry>) -> Option<Self> {
        (1..=usize::from(TILE_WIDTH))
            .contains(&entries.len())
            .then_some(Self(entries))
    }

    /// Reads a bundle of `width` entries.
    pub fn parse(bytes: &[u8], width: TileWidth) -> Result<Self, EntryBundleError> {
        let expected = width.get();
        let mut entries = Vec::with_capacity(usize::from(expected));
        let mut rest = bytes;
        while !rest.is_empty() && entries.len() <= usize::from(expected) {
            let entry = entries.len();
            let Some((length, after)) = rest.split_first_chunk::<2>() else {
                return Err(EntryBundleError::Truncated { entry, missing: 1 });
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((data, after)) = after.split_at_checked(length) else {
                return Err(EntryBundleError::Truncated {
                    entry,
                    missing: length - after.len(),
                });
            };
            entries.push(Entry(data.to_vec()));
            rest = after;
        }
        if entries.len() != usize::from(expected) {
            return Err(EntryBundleError::WrongCount {
                expected,
                found: entries.len(),
            });
        }
        Ok(Self(entries))
    }

    /// As served: each entry behind its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|entry| 2 + entry.0.len()).sum());
        for Entry(data) in &self.0 {
            let length = u16::try_from(data.len()).expect("Entry::new bounds the length by 65,535");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    /// The entries, from the left.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The entries, from the left.
    pub fn into_entries(self) -> Vec<Entry> {
        self.0
    }

    /// The place of `index` inside its bundle.
    pub fn offset(index: LeafIndex) -> usize {
        usize::try_from(index.get() % u64::from(TILE_WIDTH)).expect("the remainder is below 256")
    }
}
