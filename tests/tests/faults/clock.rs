//! The system's clock jumps, forwards and backwards: nothing depends on it but the time that is noted beside an entry.

use candor_tests::counts::report;
use candor_tests::history::{LogReader, replay};

use super::world::World;

#[test]
fn a_clock_that_jumps_changes_nothing_but_the_times_that_are_noted() {
    let mut world = World::start();
    let jumps = world.random.number();
    world.start_with(&[("CANDOR_FAULTS_CLOCK", jumps.to_string())]);
    let load = world.load_of(5_000);
    let seen = load.finish();
    assert_eq!(seen.acknowledged.len(), 5_000);
    world.history.absorb(&seen);
    assert_eq!(
        world.log.get("/readyz").status,
        200,
        "{}",
        world.log.get("/readyz").text()
    );
    let mut times = Vec::new();
    let mut next = Some("/api/v1/records?limit=100".to_owned());
    while let Some(path) = next {
        let page = world.log.get(&path).json();
        let records = page["records"].as_array().expect("a list");
        let time = |record: &serde_json::Value| record["acceptedAt"].as_str().map(str::to_owned);
        times.extend(records.iter().map(|record| time(record).expect("a time")));
        next = page["next"].as_str().map(str::to_owned);
    }
    // Twenty jumps a second: they do not all go one way.
    for (name, jumped) in [
        ("back", times.windows(2).any(|pair| pair[0] < pair[1])),
        ("forth", times.windows(2).any(|pair| pair[0] > pair[1])),
    ] {
        assert!(jumped, "the clock did not jump {name}");
    }
    assert!(world.log.stop().success());
    world.check();
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let times = times.windows(2).filter(|pair| pair[0] != pair[1]).count();
    report(
        "clock jumps between two entries",
        times as u64,
        &world.history,
        verified,
    );
}
