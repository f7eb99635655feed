//! The server is killed at each point of a batch's way, and stands still there.

use std::time::Duration;

use candor_tests::history::{LogReader, replay};

use super::world::{World, rounds};

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
#[expect(clippy::print_stdout, reason = "what was tried is part of the result")]
fn a_kill_at_each_point_of_a_batch_loses_nothing_that_was_acknowledged() {
    let mut world = World::start();
    let rounds = rounds(2);
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
    println!(
        "{} kills at {} points, {} entries acknowledged, {} checkpoints seen, {verified} entries verified",
        rounds * POINTS.len() as u64,
        POINTS.len(),
        world.history.acknowledged(),
        world.history.checkpoints()
    );
    assert!(world.history.acknowledged() > 0);
}

/// A server that is stopped in the middle of a batch, and goes on a while later: everybody is answered.
#[test]
fn a_server_that_stands_still_at_a_point_goes_on_from_there() {
    let mut world = World::start();
    for point in POINTS {
        world.start_with(&[("CANDOR_FAILPOINT", format!("{point}:5:stop"))]);
        let load = world.load_of(400);
        std::thread::sleep(Duration::from_millis(300));
        world.log.signal("CONT");
        let seen = load.finish();
        assert_eq!(seen.acknowledged.len(), 400, "{point}");
        world.history.absorb(&seen);
        assert!(world.log.stop().success());
        world.check();
    }
}
