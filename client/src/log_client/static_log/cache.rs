//! An index in a file, so that the next command reads only what is new.
//!
//! ```text
//! "candor VERSION index 2\n"          the version of this program
//! u64  size of the tree
//! 32 × (one bits of the size)          the edge of the tree, largest subtree first
//! u32  names,        each: u16 bytes, UTF-8
//! size rows,         each: u8 kind, u32 publisher, u32 subject, 32 statement digest
//! u32  withdrawals,  each: u64 index, u8 scope, 32 subject digest
//! u32  manifests,    each: u64 index, 32 digest
//! 32   SHA-256 of all that
//! ```
//!
//! Numbers are big-endian. A file that is damaged, or of a form that is not this one, or was written by another version,
//! which may have other rules for what a record is, is as good as none. The edge ties
//! it to the log: what is appended to it must lead to a root that the log signed. Who can write here could as well
//! take away the checkpoint that is remembered beside it.

use std::path::Path;

use candor_core::Sha256;
use candor_core::merkle::{CompactRange, Hash, LeafIndex, TreeSize};
use candor_core::record::Kind;
use candor_core::record::kinds::Scope;

use super::index::{Index, NameId, Names, Row, Withdrawal};
use crate::memory::{self, MemoryError};

const MAGIC: &str = concat!("candor ", env!("CARGO_PKG_VERSION"), " index 2\n");

/// The file's name, in the folder of its log.
const NAME: &str = "index";

/// Writes the file in the folder `dir`, in one step.
pub(super) fn save(dir: &Path, index: &Index) -> Result<(), MemoryError> {
    let _lock = memory::lock(dir)?;
    memory::write_atomically(dir, NAME, &to_bytes(index))
}

/// What the file in `dir` holds, if it is whole.
pub(super) fn load(dir: &Path) -> Option<Index> {
    from_bytes(&std::fs::read(dir.join(NAME)).ok()?)
}

fn to_bytes(index: &Index) -> Vec<u8> {
    let mut out = MAGIC.as_bytes().to_vec();
    out.extend(index.range.size().get().to_be_bytes());
    for hash in index.range.edge() {
        out.extend(hash.as_bytes());
    }
    let count = |count: usize| u32::try_from(count).expect("names have IDs of 32 bits");
    out.extend(count(index.names.iter().len()).to_be_bytes());
    for name in index.names.iter() {
        let bytes = u16::try_from(name.len()).expect("an entry has at most 65,535 bytes");
        out.extend(bytes.to_be_bytes());
        out.extend(name.as_bytes());
    }
    for row in &index.rows {
        out.push(kind_to_byte(row.kind));
        out.extend(row.publisher.0.to_be_bytes());
        out.extend(row.subject.0.to_be_bytes());
        out.extend(row.statement.as_bytes());
    }
    out.extend(count(index.withdrawals.len()).to_be_bytes());
    for withdrawal in &index.withdrawals {
        out.extend(withdrawal.by.get().to_be_bytes());
        out.push(match withdrawal.scope {
            Scope::Record => 0,
            Scope::Release => 1,
        });
        out.extend(withdrawal.sha256.as_bytes());
    }
    out.extend(count(index.manifests.len()).to_be_bytes());
    for (index, sha256) in &index.manifests {
        out.extend(index.get().to_be_bytes());
        out.extend(sha256.as_bytes());
    }
    let digest = Sha256::of(&out);
    out.extend(digest.as_bytes());
    out
}

pub(super) fn from_bytes(bytes: &[u8]) -> Option<Index> {
    let (content, digest) = bytes.split_last_chunk::<32>()?;
    if Sha256::of(content).as_bytes() != digest {
        return None;
    }
    let mut rest = Rest(content.strip_prefix(MAGIC.as_bytes())?);
    let size = TreeSize::new(rest.u64()?);
    let edge = (0..size.get().count_ones()).map(|_| rest.chunk().map(Hash::from_bytes));
    let range = CompactRange::from_edge(size, edge.collect::<Option<_>>()?)?;
    let mut names = Names::default();
    for id in 0..rest.u32()? {
        let bytes = usize::from(u16::from_be_bytes(rest.chunk()?));
        let name = std::str::from_utf8(rest.take(bytes)?).ok()?;
        // Each name is there once, or IDs would not be those that were written.
        if names.id_of(name.to_owned()) != NameId(id) {
            return None;
        }
    }
    let known = names.iter().len();
    let name = |rest: &mut Rest<'_>| {
        let id = rest.u32()?;
        ((id as usize) < known).then_some(NameId(id))
    };
    let mut rows = Vec::new();
    for _ in 0..size.get() {
        rows.push(Row {
            kind: match rest.u8()? {
                0 => None,
                place => Some(*Kind::ALL.get(usize::from(place) - 1)?),
            },
            publisher: name(&mut rest)?,
            subject: name(&mut rest)?,
            statement: Sha256::from_bytes(rest.chunk()?),
        });
    }
    let mut withdrawals = Vec::new();
    for _ in 0..rest.u32()? {
        let by = LeafIndex::new(rest.u64()?);
        size.leaf(by)?;
        withdrawals.push(Withdrawal {
            by,
            scope: match rest.u8()? {
                0 => Scope::Record,
                1 => Scope::Release,
                _ => return None,
            },
            sha256: Sha256::from_bytes(rest.chunk()?),
        });
    }
    let mut manifests = Vec::new();
    for _ in 0..rest.u32()? {
        let index = LeafIndex::new(rest.u64()?);
        size.leaf(index)?;
        manifests.push((index, Sha256::from_bytes(rest.chunk()?)));
    }
    rest.0.is_empty().then_some(Index {
        range,
        names,
        rows,
        withdrawals,
        manifests,
    })
}

/// 0 is no record; the others count in the order of [`Kind::ALL`].
fn kind_to_byte(kind: Option<Kind>) -> u8 {
    let place = |kind| Kind::ALL.iter().position(|it| *it == kind);
    let byte = kind.map_or(0, |kind| place(kind).expect("each kind is there") + 1);
    u8::try_from(byte).expect("there are fewer kinds")
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }
}
