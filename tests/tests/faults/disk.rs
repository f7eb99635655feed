//! The disk fails in the middle, at any call: nothing that was acknowledged is lost, whether the server goes on or stops.

use std::collections::BTreeMap;
use std::time::Duration;

use candor_tests::counts::{report, rounds};
use candor_tests::history::{LogReader, replay};

use super::world::World;

/// Calls that fail, on which files, how often (0: from then on).
const FAULTS: [(&str, &str, u64, &str); 14] = [
    ("sync", "log.db-wal", 1, "EIO"),
    ("sync", "log.db-wal", 0, "EIO"),
    ("sync", "data/log.db", 0, "EIO"),
    ("write", "log.db-wal", 1, "EIO"),
    ("write", "log.db-wal", 0, "EIO"),
    ("write", "log.db-wal", 1, "ENOSPC"),
    ("write", "log.db-wal", 200, "ENOSPC"),
    ("sync", "last-signed", 1, "EIO"),
    ("write", "last-signed", 1, "EIO"),
    ("write", "last-signed", 3, "ENOSPC"),
    ("sync", "static/", 1, "EIO"),
    ("write", "static/", 2, "ENOSPC"),
    ("rename", "static/", 1, "EIO"),
    ("sync", "", 0, "SLOW"),
];

#[test]
fn a_disk_that_fails_loses_nothing_that_was_acknowledged() {
    let mut world = World::start();
    let (mut stopped, mut went_on) = (0, 0);
    let mut tried = BTreeMap::<String, u64>::new();
    for _ in 0..rounds(1, 7) {
        for (kind, path, count, what) in FAULTS {
            let nth = world.random.within(&(5..=60));
            *tried.entry(format!("{what} on {kind}")).or_default() += 1;
            let rule = format!("{kind}:{path}:{nth}:{count}:{what}");
            world.start_with(&[("CANDOR_FAULTS", rule.clone())]);
            let load = world.load();
            load.server_may_die();
            load.server_may_not_know();
            load.server_may_refuse();
            let seen = if world.wait_for_death(Duration::from_millis(1_500)) {
                stopped += 1;
                load.finish()
            } else {
                went_on += 1;
                load.kill(&mut world.log)
            };
            world.history.absorb(&seen);
            world.check();
        }
    }
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let kinds: Vec<String> = tried
        .iter()
        .map(|(kind, times)| format!("{kind} {times}"))
        .collect();
    let fault = format!(
        "disk fails ({}): server stopped {stopped}, went on {went_on}",
        kinds.join(", ")
    );
    report(&fault, stopped + went_on, &world.history, verified);
    assert!(
        stopped > 0 && went_on > 0,
        "faults that nobody notices show nothing"
    );
}
