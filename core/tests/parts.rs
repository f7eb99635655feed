//! Proofs of some files and of some chunks: they lead to the roots of RFC 6962, and with any bit changed they don't.

mod common;

use std::fmt::Debug;

use candor_core::merkle::{Hash, LeafHash};
use candor_core::record::kinds::ChunkedFiles;
use candor_core::weights::{
    CHUNK_BYTES, ChunkList, ChunksProof, FilePath, FilesProof, Manifest, ManifestFile,
};
use common::files::{file, folder, manifest, path};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// `MTH(D[n])` of RFC 6962 section 2.1, over leaf hashes.
fn tree_hash(leaves: &[LeafHash]) -> Hash {
    if let [leaf] = leaves {
        return leaf.to_hash();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Hash::of_children(&tree_hash(left), &tree_hash(right))
}

/// `PATH(m, D[n])` of RFC 6962 section 2.1.1, as a proof writes it.
fn inclusion_path(at: usize, leaves: &[LeafHash]) -> Vec<String> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, last) = if at < left.len() {
        let sibling = format!(r#"{{"right":"{}"}}"#, tree_hash(right));
        (inclusion_path(at, left), sibling)
    } else {
        let sibling = format!(r#"{{"left":"{}"}}"#, tree_hash(left));
        (inclusion_path(at - left.len(), right), sibling)
    };
    path.push(last);
    path
}

/// Flips each bit of a proof as it is written. What can still be read and is not the same must not hold.
fn flip_every_bit<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    proof: &T,
    holds: impl Fn(&T) -> bool,
) {
    assert!(holds(proof), "{proof:?}");
    let json = serde_json::to_vec(proof).expect("JSON");
    for bit in 0..json.len() * 8 {
        let mut altered = json.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = serde_json::from_slice::<T>(&altered) else {
            continue;
        };
        assert!(read == *proof || !holds(&read), "bit {bit}: {read:?}");
    }
}

fn paths_of(files: &Manifest, indices: impl IntoIterator<Item = usize>) -> Vec<FilePath> {
    let path = |n: usize| files.files()[n].path.clone();
    indices.into_iter().map(path).collect()
}

#[test]
fn any_files_are_proven_without_the_others() {
    for count in 1..9 {
        let all = manifest(folder(count));
        let stated = all.to_weights();
        for choice in 1..1_usize << count {
            let chosen = (0..count).rev().filter(|n| choice >> n & 1 == 1);
            let paths = paths_of(&all, chosen);
            let proof = all.prove(&paths).expect("a proof");
            assert!(proof.verify(&stated), "{count} {paths:?}");
            let found = proof.manifest().expect("files");
            assert_eq!(found.files().len(), paths.len());
            for listed in found.files() {
                assert_eq!(all.file(&listed.path), Some(listed));
            }
        }
        assert_eq!(all.prove(&[]), None);
        assert_eq!(all.prove(&[path("nowhere")]), None);
        assert_eq!(all.prove(&vec![all.files()[0].path.clone(); 2]), None);
    }
}

#[test]
fn no_bit_of_a_files_proof_can_change_unnoticed() {
    let all = manifest(folder(11));
    let stated = all.to_weights();
    let proof = all.prove(&paths_of(&all, [7, 2])).expect("a proof");
    flip_every_bit(&proof, |it: &FilesProof| it.verify(&stated));
    // Nor that of another release's file, or for a number of files that makes another tree.
    let others = manifest(folder(12));
    let other = others.prove(&paths_of(&others, [7, 2])).expect("a proof");
    assert!(!other.verify(&stated) && !proof.verify(&others.to_weights()));
    let mut stated = stated;
    stated.files = 8;
    assert!(!proof.verify(&stated));
}

#[test]
fn a_proof_of_one_of_a_thousand_files_has_a_few_hundred_bytes() {
    let all = manifest(folder(1_000));
    let proof = all.prove(&paths_of(&all, [777])).expect("a proof");
    let bytes = serde_json::to_vec(&proof.hashes).expect("JSON").len();
    assert!(bytes < 500, "{bytes}");
}

/// Files of so many chunks each, and the list of these.
fn chunked(chunks: &[u64]) -> (Vec<ManifestFile>, ChunkList) {
    let large = |(n, chunks): (usize, &u64)| ManifestFile {
        size: Some((chunks - 1) * CHUNK_BYTES + 1),
        ..file(&format!("model-{n:05}"), b"any")
    };
    let files: Vec<_> = chunks.iter().enumerate().map(large).collect();
    let leaves: Vec<u8> = leaves_of(chunks)
        .concat()
        .iter()
        .flat_map(|leaf| *leaf.to_hash().as_bytes())
        .collect();
    let list = ChunkList::parse(&leaves, &manifest(files.clone())).expect("its list");
    (files, list)
}

/// The leaf hashes of the chunks of each.
fn leaves_of(chunks: &[u64]) -> Vec<Vec<LeafHash>> {
    let leaves = |(n, chunks): (usize, &u64)| {
        let leaf = |chunk| LeafHash::of_bytes(format!("{n} {chunk}").as_bytes());
        (0..*chunks).map(leaf).collect()
    };
    chunks.iter().enumerate().map(leaves).collect()
}

#[test]
fn any_chunk_of_any_file_is_proven_as_rfc_6962_does() {
    for files in 1..7 {
        let chunks: Vec<u64> = (0..files).map(|n| n * 3 + 2).collect();
        let (listed, list) = chunked(&chunks);
        let (stated, leaves) = (list.to_stated(), leaves_of(&chunks));
        let leaf = |(file, leaves): (&ManifestFile, &Vec<LeafHash>)| {
            let root = hex::encode(tree_hash(leaves).as_bytes());
            let (bytes, path) = (file.size.expect("sizes"), &file.path);
            let json = format!(r#"{{"bytes":{bytes},"path":"{path}","root":"{root}"}}"#);
            LeafHash::of_bytes(json.as_bytes())
        };
        let of_files: Vec<_> = listed.iter().zip(&leaves).map(leaf).collect();
        for (n, file) in listed.iter().enumerate() {
            for (chunk, leaf) in leaves[n].iter().enumerate() {
                let proof = list.prove(&file.path, &[chunk]).expect("a proof");
                assert!(proof.verify(&stated), "{files} {n} {chunk}");
                assert_eq!(proof.chunks[0].leaf, *leaf);
                let siblings = serde_json::to_string(&proof.siblings).expect("JSON");
                assert_eq!(
                    siblings,
                    format!("[{}]", inclusion_path(n, &of_files).join(","))
                );
            }
            let all: Vec<_> = (0..leaves[n].len()).collect();
            let proof = list.prove(&file.path, &all).expect("a proof");
            assert!(proof.verify(&stated));
        }
    }
}

#[test]
fn no_bit_of_a_chunks_proof_can_change_unnoticed() {
    let (files, list) = chunked(&[2, 6, 3]);
    let stated = list.to_stated();
    let at = &files[1].path;
    for indices in [&[5][..], &[1, 4]] {
        let proof = list.prove(at, indices).expect("a proof");
        flip_every_bit(&proof, |it: &ChunksProof| it.verify(&stated));
    }
    let proof = list.prove(at, &[1, 4]).expect("a proof");
    let is_refused = |change: &dyn Fn(&mut ChunksProof)| {
        let mut altered = proof.clone();
        change(&mut altered);
        assert_ne!(altered, proof);
        !altered.verify(&stated)
    };
    assert!(is_refused(&|it| it.chunks.truncate(1)));
    assert!(is_refused(&|it| it.chunks.clear()));
    assert!(is_refused(&|it| it.chunks.push(it.chunks[0].clone())));
    assert!(is_refused(&|it| it.chunks[0].index = u64::MAX));
    // A file that is as many chunks long is not as long.
    assert!(is_refused(&|it| it.file.bytes += 1));
    let (_, others) = chunked(&[2, 6, 4]);
    let other: ChunkedFiles = others.to_stated();
    assert!(!proof.verify(&other));
    for indices in [&[][..], &[6], &[1, 1]] {
        assert_eq!(list.prove(at, indices), None, "{indices:?}");
    }
    assert_eq!(list.prove(&path("nowhere"), &[0]), None);
}

#[test]
fn a_chunk_says_which_bytes_of_its_file_it_is() {
    let (files, list) = chunked(&[3]);
    let proof = list.prove(&files[0].path, &[2]).expect("a proof");
    let end = 2 * CHUNK_BYTES + 1;
    assert_eq!((proof.file.chunks(), proof.file.bytes), (3, end));
    assert_eq!(proof.file.range(2), end - 1..end);
    assert!(proof.file.range(3).is_empty() && proof.file.range(u64::MAX).is_empty());
}
