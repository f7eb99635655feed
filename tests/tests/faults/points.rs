//! The server is killed at each point of a batch's way, and stands still there.

use std::time::Duration;

use candor_tests::counts::{report, rounds};
use candor_tests::history::{LogReader, replay};

use super::world::World;

/// In the order in which a batch comes by.
const POINTS: [&str; 9] = [
    "turn",
    "planned",
    "written",
    "committed",
    "published",
    "signed",
    "kept",
    "released",
    "shown",
];

#[test]
fn a_kill_at_each_point_of_a_batch_loses_nothing_that_was_acknowledged() {
    // Each kill reads all of the log again, so a log has so many and no more.
    for _ in 0..rounds(1, 10) {
        kill_at_each_point(2);
    }
}

fn kill_at_each_point(rounds: u64) {
    let mut world = World::start();
    for _ in 0..rounds {
        for point in POINTS {
            let nth = world.random.within(&(1..=40));
            world.start_with(&[("CANDOR_FAILPOINT", format!("{point}:{nth}:kill"))]);
            let load = world.load();
            load.server_may_die();
            assert!(
                world.wait_for_death(Duration::from_mins(1)),
                "{point} was not reached {nth} times"
            );
            let seen = load.finish();
            world.history.absorb(&seen);
            world.check_static_part();
            world.check();
        }
    }
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let times = rounds * POINTS.len() as u64;
    report(
        "kill -9 at the 9 points of a batch",
        times,
        &world.history,
        verified,
    );
}

/// A server that is stopped in the middle of a batch, and goes on a while later: everybody is answered.
#[test]
fn a_server_that_stands_still_at_a_point_goes_on_from_there() {
    let mut world = World::start();
    let rounds = rounds(1, 3);
    for point in (0..rounds).flat_map(|_| POINTS) {
        world.start_with(&[("CANDOR_FAILPOINT", format!("{point}:5:stop"))]);
        let load = world.load_of(400);
        world.log.wait_until_stopped();
        std::thread::sleep(Duration::from_millis(300));
        world.log.signal("CONT");
        let seen = load.finish();
        assert_eq!(seen.acknowledged.len(), 400, "{point}");
        world.history.absorb(&seen);
        assert!(world.log.stop().success());
        world.check();
    }
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let times = rounds * POINTS.len() as u64;
    report(
        "server stopped at the 9 points of a batch",
        times,
        &world.history,
        verified,
    );
}
