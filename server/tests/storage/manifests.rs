//! Releases that are found by their files.

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::Kind;
use candor_server::storage::Storage;
use candor_server::views::Effect;

use crate::Bed;
use crate::suite::{commit, log_of};

/// The indexes of the weights records with this manifest.
async fn weights_of(
    storage: &dyn Storage,
    manifest: Sha256,
    after: Option<u64>,
    limit: u32,
) -> Vec<u64> {
    let after = after.map(LeafIndex::new);
    let rows = storage.weights_of(manifest, after, limit).await;
    let rows = rows.expect("it answers");
    rows.iter().map(|row| row.index.get()).collect()
}

pub(crate) async fn weights_are_found_by_their_whole_manifest_digest(bed: &dyn Bed) {
    let (storage, mut growing) = log_of(bed, 3).await;
    growing.register("b-lab");
    growing.register("c-lab");
    let first = growing.next();
    for (kind, lab, version) in [
        (Kind::Weights, "a-lab", 1),
        (Kind::ModelCard, "a-lab", 1),
        (Kind::Evaluation, "b-lab", 1),
        (Kind::Weights, "b-lab", 2),
        (Kind::Weights, "a-lab", 3),
    ] {
        growing.add(kind, lab, &format!("{lab}/m@{version}"), Effect::None);
        growing.same_subject(Sha256::of("the files"));
    }
    let mut neighbour = *Sha256::of("the files").as_bytes();
    neighbour[31] ^= 1;
    let neighbour = Sha256::from_bytes(neighbour);
    growing.add(Kind::Weights, "c-lab", "c-lab/m@1", Effect::None);
    growing.same_subject(neighbour);
    commit(storage.as_ref(), &growing.batch())
        .await
        .expect("it is written");
    // Once by the server that wrote them, and once by one that reads what is stored.
    for storage in [storage, bed.open().await] {
        let find = async |manifest, after, limit| {
            weights_of(storage.as_ref(), manifest, after, limit).await
        };
        let files = Sha256::of("the files");
        let all = [first, first + 3, first + 4];
        assert_eq!(find(files, None, 10).await, all);
        assert_eq!(find(files, None, 2).await, all[..2]);
        assert_eq!(find(files, Some(first), 10).await, all[1..]);
        assert_eq!(find(files, Some(first + 4), 10).await, [0; 0]);
        assert_eq!(find(neighbour, None, 10).await, [first + 5]);
        assert_eq!(find(Sha256::of("others"), None, 10).await, [0; 0]);
    }
}
