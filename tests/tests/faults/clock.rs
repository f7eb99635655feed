//! The system's clock jumps, forwards and backwards: nothing depends on it but the time that is noted beside an entry.

use candor_tests::history::{LogReader, replay};

use super::world::World;

#[test]
fn a_clock_that_jumps_changes_nothing_but_the_times_that_are_noted() {
    let mut world = World::start();
    let jumps = world.random.number();
    world.start_with(&[("CANDOR_FAULTS_CLOCK", jumps.to_string())]);
    let load = world.load_of(3_000);
    let seen = load.finish();
    assert_eq!(seen.acknowledged.len(), 3_000);
    world.history.absorb(&seen);
    assert_eq!(
        world.log.get("/readyz").status,
        200,
        "{}",
        world.log.get("/readyz").text()
    );
    let page = world.log.get("/api/v1/records?limit=100").json();
    let times: Vec<String> = page["records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| record["acceptedAt"].as_str().expect("a time").to_owned())
        .collect();
    // The newest comes first.
    assert!(
        times.windows(2).any(|pair| pair[0] < pair[1]),
        "the clock did not jump: {times:?}"
    );
    assert!(world.log.stop().success());
    world.check();
    world.start_well();
    replay(&LogReader::new(&world.log));
}
