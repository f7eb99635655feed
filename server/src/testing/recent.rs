//! What is remembered of the log decides nothing: the log does.

use axum::http::StatusCode;
use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TileIndex, TileLevel, TilePath, TreeSize};
use candor_core::record::{Envelope, PublicKey, PublisherState};
use ed25519_dalek::SigningKey;
use serde_json::Value;

use super::FaultyLog;
use super::storage::Fault;

const EXAMPLE: &[u8] = include_bytes!("../../../schemas/examples/api-version-undisclosed.json");

fn key_of(owner: &str) -> SigningKey {
    SigningKey::from_bytes(Sha256::of(owner).as_bytes())
}

/// An API version of `example-lab`, signed with the key of `signer`.
fn api_version(signer: &str) -> Value {
    let envelope = Envelope::sign(EXAMPLE.to_vec(), &[&key_of(signer)]);
    envelope.expect("a good key").to_json()
}

/// `example-lab` as it would be if its only key were that of `owner`.
fn remembered(log: &FaultyLog, owner: &str) -> PublisherState {
    let name = "example-lab".parse().expect("a name");
    let state = log.log.recent.publisher(&name).expect("it registered");
    let key = PublicKey::new(key_of(owner).verifying_key()).expect("not a weak key");
    PublisherState {
        // Of an earlier record, as far as anybody knows.
        record: Sha256::of("an earlier record"),
        keys: vec![key],
        ..PublisherState::clone(&state)
    }
}

/// The first tile of leaf hashes, in a tree of `size` entries.
fn tile_of(size: u64) -> TilePath {
    let path = TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(0), TreeSize::new(size));
    path.expect("a tree has a tile")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_changed_since_they_were_remembered_decide_nothing() {
    let log = FaultyLog::start().await;
    let registered = log.publish("example-lab").await.expect("an answer");
    assert_eq!(registered.status, StatusCode::CREATED);
    // A key that counts no longer.
    log.log.recent.remember([&remembered(&log, "somebody")]);
    let stale = log.send(&api_version("somebody")).await;
    let stale = stale.expect("an answer");
    assert_eq!(stale.status, StatusCode::FORBIDDEN, "{}", stale.text());
    // And one that counts since.
    let good = log.send(&api_version("example-lab")).await;
    let good = good.expect("an answer");
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text());
    let again = log.send(&api_version("example-lab")).await;
    assert_eq!(again.expect("an answer").status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_of_a_batch_that_was_not_written_are_not_remembered() {
    let log = FaultyLog::start().await;
    let first = log.publish("first-lab").await.expect("an answer");
    assert_eq!(first.status, StatusCode::CREATED);
    log.storage.fail_next_commit(Fault::Full);
    let lost = log.publish("lost-lab").await.expect("an answer");
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE);
    let grown = tile_of(2);
    let found = log.log.recent.tiles(&[grown]).await.expect("it answers");
    assert!(found.is_empty(), "{grown} was never written");
    let second = log.publish("second-lab").await.expect("an answer");
    assert_eq!(second.status, StatusCode::CREATED);
    // A tile that grew serves those who ask for what it was.
    for path in [tile_of(1), grown] {
        let found = log.log.recent.tiles(&[path]).await.expect("it answers");
        let stored = log.log.storage.tiles(&[path]).await.expect("it answers");
        let width = path.width.count();
        assert_eq!(
            found[&path].hashes()[..width],
            *stored[&path].hashes(),
            "{path}"
        );
    }
    let proof = log.get("/api/v1/proofs/inclusion?index=1").await.json();
    let entries = log.log.storage.entries(LeafIndex::new(1), 1).await;
    let entry = &entries.expect("it answers")[0];
    let leaf = candor_core::merkle::LeafHash::of(entry).to_hash();
    assert_eq!(proof["leafHash"], leaf.to_string());
}
