//! The power is cut: what was synced is there, and of the rest whatever the dice say, torn and out of order.

use std::time::Duration;

use candor_tests::counts::{report, rounds};
use candor_tests::history::{LogReader, replay};
use candor_tests::power::{Disk, Survives};

use super::world::{World, text};

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let mut world = World::start();
    let rounds = rounds(9, 50);
    let (mut changes, mut without_answer, mut in_a_commit) = (0, 0, 0);
    for round in 0..rounds {
        let mut disk = Disk::load(&world.disk);
        let folder = tempfile::tempdir().expect("a folder");
        let trace = folder.path().join("trace");
        let traced = ("CANDOR_FAULTS_TRACE", text(&trace).to_owned());
        // At some moment; or at one that is rare and worst, between two writes of a commit.
        let seen = if round % 2 == 0 {
            world.start_with(&[traced]);
            let load = world.load();
            world.pause(20..=500);
            load.kill(&mut world.log)
        } else {
            let nth = world.random.within(&(40..=400));
            let rule = format!("write:data/log.db:{nth}:1:KILL");
            world.start_with(&[traced, ("CANDOR_FAULTS", rule)]);
            let load = world.load();
            load.server_may_die();
            if world.wait_for_death(Duration::from_secs(2)) {
                in_a_commit += 1;
                load.finish()
            } else {
                load.kill(&mut world.log)
            }
        };
        without_answer += seen.unanswered.len();
        changes += disk.apply(&trace);
        let survives = [Survives::Some, Survives::Nothing, Survives::Everything];
        let survives = survives[usize::try_from(round % 3).expect("it fits")];
        let place = world.disk.clone();
        disk.cut(survives, &mut world.random, &place);
        world.history.absorb(&seen);
        // Before the server starts again: readers of the static part need no server.
        world.check_static_part();
        world.check();
    }
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let fault = format!(
        "power cut, SQLite and folder ({changes} changes of files, {without_answer} requests unanswered)"
    );
    report(&fault, rounds, &world.history, verified);
    assert!(changes > 0, "the server's changes were not seen");
    assert!(in_a_commit > 0, "no cut fell between two writes");
}
