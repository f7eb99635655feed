//! The chunks of large files: the list of their leaf hashes, and the root that leads to it.

mod common;

use candor_core::merkle::{Hash, LeafHash};
use candor_core::weights::{
    CHUNK_BYTES, CHUNK_LIST_BYTES_MAX, ChunkList, ChunkListError, Manifest, ManifestFile,
};
use common::files::{file, manifest, path};

/// A leaf hash for each chunk of a file of `bytes` bytes.
fn leaves(name: &str, bytes: u64) -> Vec<LeafHash> {
    let leaf = |n: u64| LeafHash::of_bytes(format!("{name} {n}").as_bytes());
    (0..bytes.div_ceil(CHUNK_BYTES)).map(leaf).collect()
}

fn large(name: &str, bytes: u64) -> ManifestFile {
    ManifestFile {
        size: Some(bytes),
        ..file(name, b"any")
    }
}

fn bytes_of(leaves: &[LeafHash]) -> Vec<u8> {
    leaves
        .iter()
        .flat_map(|leaf| *leaf.to_hash().as_bytes())
        .collect()
}

const A_BYTES: u64 = CHUNK_BYTES + 1;
const C_BYTES: u64 = 5 * CHUNK_BYTES;

/// Two large files, and two that are not, and the list of their chunks.
fn release() -> (Manifest, Vec<u8>) {
    let files = vec![
        large("c", C_BYTES),
        file("b", b"small"),
        large("d", CHUNK_BYTES),
        large("a", A_BYTES),
    ];
    let all = [leaves("a", A_BYTES), leaves("c", C_BYTES)].concat();
    (manifest(files), bytes_of(&all))
}

/// `MTH(D[n])` of RFC 6962 section 2.1, over leaf hashes.
fn tree_hash(leaves: &[LeafHash]) -> Hash {
    if let [leaf] = leaves {
        return leaf.to_hash();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Hash::of_children(&tree_hash(left), &tree_hash(right))
}

#[test]
fn a_list_gives_each_large_file_its_chunks() {
    let (manifest, bytes) = release();
    assert_eq!(ChunkList::bytes_of(&manifest), 7 * 32);
    let list = ChunkList::parse(&bytes, &manifest).expect("its list");
    assert_eq!(list.to_bytes(), bytes);
    assert_eq!(list.of(&path("b")), None);
    assert_eq!(list.of(&path("d")), None);
    let a = list.of(&path("a")).expect("chunks");
    assert_eq!((a.count(), a.file_bytes()), (2, A_BYTES));
    assert_eq!(a.range(0), 0..CHUNK_BYTES);
    assert_eq!(a.range(1), CHUNK_BYTES..A_BYTES);
    assert!(a.range(2).is_empty() && a.range(usize::MAX).is_empty());
    let mut found = leaves("a", A_BYTES);
    assert!(a.differing(&found).is_empty());
    found[1] = LeafHash::of_bytes(b"another");
    assert_eq!(a.differing(&found), [1]);
    assert_eq!(a.differing(&found[..1]), [1]);
    assert_eq!(a.differing(&[]), [0, 1]);
    let c = list.of(&path("c")).expect("chunks");
    assert_eq!((c.count(), c.range(4)), (5, 4 * CHUNK_BYTES..C_BYTES));
}

#[test]
fn the_root_is_that_of_rfc_6962_over_files_and_their_chunks() {
    let (manifest, bytes) = release();
    let leaf = |name: &str, bytes: u64| {
        let root = hex::encode(tree_hash(&leaves(name, bytes)).as_bytes());
        let json = format!(r#"{{"bytes":{bytes},"path":"{name}","root":"{root}"}}"#);
        LeafHash::of_bytes(json.as_bytes())
    };
    let expected = tree_hash(&[leaf("a", A_BYTES), leaf("c", C_BYTES)]);
    let list = ChunkList::parse(&bytes, &manifest).expect("its list");
    assert_eq!(list.root().to_string(), hex::encode(expected.as_bytes()));
    let stated = list.to_stated();
    assert_eq!(
        ChunkList::parse_stated(&bytes, &stated, &manifest),
        Ok(list)
    );
}

#[test]
fn a_list_of_anything_else_is_refused() {
    let (manifest, bytes) = release();
    let list = ChunkList::parse(&bytes, &manifest).expect("its list");
    let stated = list.to_stated();
    let parse = |bytes: &[u8]| ChunkList::parse_stated(bytes, &stated, &manifest);
    let is_refused_by_its_root = |bytes: &[u8]| {
        let refused = parse(bytes);
        matches!(&refused, Err(ChunkListError::Root { stated, actual }) if *stated == list.root() && stated != actual)
    };
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(is_refused_by_its_root(&flipped), "{at}");
    }
    let turned = [leaves("c", C_BYTES), leaves("a", A_BYTES)].concat();
    assert!(is_refused_by_its_root(&bytes_of(&turned)));
    for length in [0, 1, 31, 6 * 32, 7 * 32 - 1, 7 * 32 + 1, 8 * 32] {
        let mut other = bytes.clone();
        other.resize(length, 0);
        let (found, expected) = (length as u64, 7 * 32);
        assert_eq!(
            parse(&other),
            Err(ChunkListError::Length { found, expected })
        );
    }
    // The same leaves for files that are as many chunks long, and not as long.
    let longer = common::files::manifest(vec![large("a", A_BYTES + 1), large("c", C_BYTES)]);
    let of_another = ChunkList::parse_stated(&bytes, &stated, &longer);
    assert!(matches!(of_another, Err(ChunkListError::Root { .. })));
}

#[test]
fn without_large_files_or_with_too_many_there_is_no_list() {
    let small = manifest(vec![file("b", b"small"), large("d", CHUNK_BYTES)]);
    assert_eq!(ChunkList::bytes_of(&small), 0);
    let (found, expected) = (0, 0);
    assert_eq!(
        ChunkList::parse(&[], &small),
        Err(ChunkListError::Length { found, expected })
    );
    let chunks_max = CHUNK_LIST_BYTES_MAX / 32;
    for chunks in [chunks_max, chunks_max + 1] {
        let huge = manifest(vec![large("h", chunks as u64 * CHUNK_BYTES)]);
        let parsed = ChunkList::parse(&vec![0; chunks * 32], &huge);
        if chunks == chunks_max {
            assert!(parsed.is_ok());
        } else {
            assert_eq!(parsed, Err(ChunkListError::TooLong(chunks as u64 * 32)));
        }
    }
}
