use std::time::Duration;

use candor_core::merkle::{LeafIndex, TileIndex, TileLevel, TilePath};
use serde_json::json;

use super::*;
use crate::testing::{FakeLog, answer, log_key, problem};

#[test]
fn every_entry_of_small_and_larger_trees_is_proven() {
    for size in (1..20).chain([255, 256, 257, 300]) {
        let log = FakeLog::new();
        log.grow(size);
        let client = log.client();
        let checkpoint = client.checkpoint().expect("signed");
        let step = if size < 20 { 1 } else { 37 };
        for index in (0..size).step_by(step).chain([size - 1]) {
            let entry = client
                .entry(LeafIndex::new(index as u64), &checkpoint)
                .expect("proven");
            assert_eq!(entry.entry, log.state().entries[index], "{index} of {size}");
        }
        let beyond = client.entry(LeafIndex::new(size as u64), &checkpoint);
        assert!(
            matches!(beyond, Err(LogError::NoSuchEntry { .. })),
            "{beyond:?}"
        );
    }
}

#[test]
fn an_entry_with_one_bit_changed_is_refused() {
    let log = FakeLog::new();
    log.grow(5);
    let client = log.client();
    let checkpoint = client.checkpoint().expect("signed");
    log.intercept("tile/entries/", {
        let mut entries = log.state().entries.clone();
        let mut bytes = entries[3].as_bytes().to_vec();
        bytes[40] ^= 1;
        entries[3] = Entry::new(bytes).expect("short");
        let bytes = EntryBundle::new(entries).expect("five").to_bytes();
        move || answer(200, "application/octet-stream", bytes.clone())
    });
    assert!(client.entry(LeafIndex::new(2), &checkpoint).is_ok());
    let changed = client.entry(LeafIndex::new(3), &checkpoint);
    assert!(
        matches!(changed, Err(LogError::NotInTree { .. })),
        "{changed:?}"
    );
}

#[test]
fn a_checkpoint_of_another_key_is_refused() {
    let log = FakeLog::new();
    let text = log.state().checkpoint();
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let other = SignedCheckpoint::verify(text.clone(), &key.parse().expect("a key"));
    assert!(other.is_err());
    assert!(SignedCheckpoint::verify(text.replace('0', "1"), &log_key()).is_err());
}

#[test]
fn a_partial_tile_that_is_gone_is_taken_from_the_full_one() {
    let log = FakeLog::new();
    log.grow(300);
    log.state().shown = Some(200);
    let client = log.client();
    let checkpoint = client.checkpoint().expect("signed");
    log.intercept(".p/", || {
        problem(404, &json!({ "title": "It is complete by now." }))
    });
    let entry = client
        .entry(LeafIndex::new(199), &checkpoint)
        .expect("proven from full tiles");
    assert_eq!(entry.entry, log.state().entries[199]);
    let path = TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(0), checkpoint.size());
    let tile = client.tile(path.expect("there")).expect("a prefix");
    assert_eq!(tile.hashes().len(), 200);
}

#[test]
fn a_log_that_is_overloaded_is_asked_again_but_not_for_ever() {
    let log = FakeLog::new();
    let overloaded = || Response {
        retry_after: Some(Duration::from_hours(1)),
        ..problem(
            503,
            &json!({ "type": "urn:candor:problem:overloaded", "title": "Come back." }),
        )
    };
    let mut left = 2;
    let checkpoint = log.state().checkpoint();
    log.intercept("checkpoint", move || {
        left -= 1;
        if left >= 0 {
            overloaded()
        } else {
            answer(200, "text/plain", checkpoint.clone())
        }
    });
    assert!(log.client().checkpoint().is_ok());
    assert_eq!(log.state().waited, [RETRY_WAIT_MAX; 2]);
    log.intercept("checkpoint", overloaded);
    let error = log.client().checkpoint().expect_err("it never answers");
    assert!(
        matches!(&error, LogError::Problem(problem) if problem.name() == "overloaded"),
        "{error:?}"
    );
    assert_eq!(log.state().waited.len(), 2 + RETRIES_MAX as usize);
}

#[test]
fn an_answer_over_its_limit_is_refused() {
    let log = FakeLog::new();
    log.intercept("checkpoint", || {
        answer(200, "text/plain", vec![b'x'; NOTE_BYTES_MAX + 1])
    });
    // The fake answers before its limit is looked at, so the note's own limit is what refuses this.
    let error = log.client().checkpoint().expect_err("too long");
    assert!(matches!(error, LogError::Checkpoint(_)), "{error:?}");
}

#[test]
fn an_attachment_is_what_its_digest_says() {
    let log = FakeLog::new();
    let digest = Sha256::of("document");
    log.state().attachments.insert(digest, b"document".to_vec());
    assert_eq!(
        log.client().attachment(digest, 100).expect("there"),
        b"document"
    );
    let other = Sha256::of("other");
    log.state().attachments.insert(other, b"document".to_vec());
    let error = log.client().attachment(other, 100).expect_err("changed");
    assert!(matches!(error, LogError::Attachment { .. }), "{error:?}");
}

#[test]
fn only_pages_of_the_api_are_followed() {
    let client = FakeLog::new().client();
    for path in [
        "https://elsewhere.test/api/v1/records",
        "/tile/0/000",
        "/api/v1/records?\r\nX: y",
        "",
    ] {
        let page = client.records_page(path);
        assert!(
            matches!(page, Err(LogError::Answer { .. })),
            "{path:?}: {page:?}"
        );
    }
}

/// A list that leads on and never brings anything would be asked for without end.
#[test]
fn a_list_that_leads_on_brings_something() {
    let log = FakeLog::new();
    let mut asked = 0;
    log.intercept("api/v1/records", move || {
        asked += 1;
        assert!(asked < 10, "it is asked again and again");
        let next = format!("/api/v1/records?before={asked}");
        let page = json!({ "records": [], "next": next });
        answer(200, "application/json", page.to_string())
    });
    let release = "example-lab/tiny@1".parse().expect("a name");
    let publisher = "example-lab".parse().expect("a name");
    let error = log.client().records_by(&release, &publisher);
    assert!(matches!(error, Err(LogError::Answer { .. })), "{error:?}");
}

#[test]
fn addresses_are_checked() {
    for good in [
        "https://log.example.org/candor",
        "http://127.0.0.1:3270",
        "https://log.example.org/",
    ] {
        let url: LogUrl = good.parse().expect(good);
        assert!(!url.to_string().ends_with('/'));
    }
    for bad in [
        "",
        "log.example.org",
        "ftp://x",
        "https://",
        "https:///x",
        "https://a b",
        "https://u:p@x",
        "https://x?y",
    ] {
        assert!(bad.parse::<LogUrl>().is_err(), "{bad:?}");
    }
}
