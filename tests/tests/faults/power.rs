//! The power is cut: what was synced is there, and of the rest whatever the dice say, torn and out of order.

use candor_tests::history::{LogReader, replay};
use candor_tests::power::{Disk, Survives};

use super::world::{World, rounds, text};

#[test]
#[expect(clippy::print_stdout, reason = "what was tried is part of the result")]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let mut world = World::start();
    let rounds = rounds(9);
    let (mut changes, mut without_answer) = (0, 0);
    for round in 0..rounds {
        let mut disk = Disk::load(&world.disk);
        let folder = tempfile::tempdir().expect("a folder");
        let trace = folder.path().join("trace");
        world.start_with(&[("CANDOR_FAULTS_TRACE", text(&trace).to_owned())]);
        let load = world.load();
        world.pause(20..=500);
        let seen = load.kill(&mut world.log);
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
    println!(
        "{rounds} power cuts in {changes} changes of files, {} entries acknowledged, {without_answer} requests without an answer, {} checkpoints seen, {verified} entries verified",
        world.history.acknowledged(),
        world.history.checkpoints()
    );
    assert!(world.history.acknowledged() > 0);
    assert!(changes > 0, "the server's changes were not seen");
}
