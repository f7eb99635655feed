use candor_core::merkle::Entry;
use candor_core::record::Envelope;
use candor_tests::TestPublisher;
use candor_tests::everything::manifest;
use candor_tests::statements::digest_of;
use serde_json::{Value, json};

use super::*;

fn stored(envelope: &Value) -> StoredEntry {
    let envelope = Envelope::from_json(envelope).expect("an envelope");
    StoredEntry {
        entry: Entry::new(envelope.to_canonical_json()).expect("a short one"),
        statement: None,
        accepted_ms: None,
    }
}

/// Derives a log of a registration, a release, and another one that names it with this index and release.
fn derive(index: u64, release: &str) -> Result<Batch, BadEntry> {
    let lab = TestPublisher::new("example-lab");
    let manifest = manifest();
    let base = lab.weights("base", "1.0.0", &manifest);
    let child = lab.altered(&lab.weights("child", "1.0.0", &manifest), |statement| {
        statement["predicate"]["parents"] = json!([{
            "relation": "fine-tune-of",
            "release": release,
            "index": index,
            "statement": digest_of(&base),
        }]);
    });
    let entries = [lab.register(), base, child].iter().map(stored).collect();
    let parsed = Parsed::of(LeafIndex::new(0), entries).expect("they are records");
    let bytes = manifest.to_bytes();
    let document = NewAttachment {
        sha256: Sha256::of(&bytes),
        media_type: "application/vnd.candor.manifest+json".to_owned(),
        bytes,
    };
    Replay::from(RightEdge::empty()).plan(parsed, Known::default(), vec![document])
}

#[tokio::test]
async fn a_parent_that_a_log_would_refuse_is_found() {
    let batch = derive(1, "example-lab/base@1.0.0").expect("a parent as it is");
    assert_eq!(batch.entries.len(), 3);
    for (index, release, words) in [
        (0, "example-lab/base@1.0.0", "is entry 1, and not entry 0"),
        (2, "example-lab/base@1.0.0", "is entry 1, and not entry 2"),
        (
            1,
            "example-lab/base@1.0.1",
            "entry 1 is about example-lab/base@1.0.0",
        ),
    ] {
        let bad = derive(index, release).expect_err("a parent as it is not");
        assert_eq!(bad.index, LeafIndex::new(2));
        assert!(bad.to_string().contains(words), "{bad}");
    }
}
