use candor_core::merkle::Entry;

use super::*;
use crate::testing::{FakeLog, answer, publisher_record, weights_record};

fn walk(log: &FakeLog, from: u64) -> Result<Vec<u64>, ReplayError> {
    let client = log.client();
    let checkpoint = client.checkpoint().expect("signed");
    let mut seen = Vec::new();
    Walk::new(&client, LeafIndex::new(from)).advance(&checkpoint, |logged| {
        seen.push(logged.index.get());
        Ok::<_, ReplayError>(true)
    })?;
    Ok(seen)
}

#[test]
fn all_entries_come_in_order_from_wherever_it_begins() {
    for size in [0, 1, 255, 256, 257, 600] {
        let log = FakeLog::new();
        log.grow(size);
        let size = size as u64;
        for from in [0, 1, 255, 256, 300, 599] {
            let expected: Vec<_> = (from..size).collect();
            assert_eq!(
                walk(&log, from).expect("all is well"),
                expected,
                "{from} of {size}"
            );
        }
    }
}

#[test]
fn from_the_middle_the_publishers_records_before_that_are_fetched() {
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    log.add(&weights_record("meta-ai/opt@1", "one", 1));
    log.add(&weights_record("meta-ai/opt@2", "two", 1));
    assert_eq!(walk(&log, 2).expect("all is well"), [2]);
}

#[test]
fn an_entry_that_breaks_the_rules_stops_the_walk() {
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let stranger = weights_record("meta-ai/opt@1", "weights", 3);
    log.state()
        .entries
        .push(Entry::new(stranger.envelope().to_canonical_json()).expect("short"));
    let error = walk(&log, 0).expect_err("signed by a stranger");
    assert!(
        matches!(error, ReplayError::Authority { index, .. } if index.get() == 1),
        "{error:?}"
    );
    log.state().entries[1] = Entry::new(b"{}".to_vec()).expect("short");
    let error = walk(&log, 0).expect_err("no record");
    assert!(matches!(error, ReplayError::Record { .. }), "{error:?}");
}

#[test]
fn a_second_registration_of_a_name_stops_the_walk() {
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let second = publisher_record("meta-ai", &[2], None, &[2]);
    log.state()
        .entries
        .push(Entry::new(second.envelope().to_canonical_json()).expect("short"));
    assert!(matches!(walk(&log, 0), Err(ReplayError::Authority { .. })));
}

#[test]
fn a_full_bundle_with_one_entry_changed_is_refused() {
    let log = FakeLog::new();
    log.grow(300);
    let mut entries = log.state().entries[..256].to_vec();
    entries.swap(3, 4);
    let bytes = candor_core::merkle::EntryBundle::new(entries)
        .expect("256")
        .to_bytes();
    log.intercept("tile/entries/000", move || {
        answer(200, "application/octet-stream", bytes.clone())
    });
    let error = walk(&log, 0).expect_err("swapped");
    assert!(
        matches!(error, ReplayError::Log(LogError::NotInTree { .. })),
        "{error:?}"
    );
}
