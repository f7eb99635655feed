//! Two servers on one database, and one stands still: in its turn, so that it still believes to have it when it goes on.

use std::time::{Duration, Instant};

use candor_tests::counts::{is_long, report, rounds};
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, Random};
use candor_tests::{TestLog, postgres};

use super::world::patient_load;

/// How long the one that stands still is away: longer than it may be silent in its turn, and half a minute in the long
/// form.
fn away() -> Duration {
    Duration::from_secs(if is_long() { 30 } else { 5 })
}

/// Where it stops. At the first three it has its turn, and has not committed.
const POINTS: [&str; 6] = ["turn", "planned", "written", "committed", "signed", "kept"];

fn load(log: &TestLog, name: &str, records_max: u64, random: &mut Random) -> Load {
    let load = patient_load(log, name, records_max, random);
    load.server_may_hang_up();
    load
}

#[test]
fn of_two_servers_that_believe_to_have_the_turn_one_writes() {
    let mut random = Random::from_environment();
    let database = postgres::shared().database();
    let mut first = TestLog::start_on(&database.url);
    let second = first.join(&database.url);
    Load::register_publishers(&first);
    let mut history = History::new(first.key().clone());
    let times = rounds(POINTS.len() as u64, 24);
    for (round, point) in (0..times).zip(POINTS.into_iter().cycle()) {
        assert!(first.stop().success());
        // The load has four batches at least.
        let nth = random.within(&(1..=4));
        first.give([("CANDOR_FAILPOINT", format!("{point}:{nth}:stop"))]);
        first.restart();
        let paused = load(&first, &format!("paused-{round}"), 1_000, &mut random);
        first.wait_until_stopped();
        let stopped = Instant::now();
        // The other one gets its turn, and everything done.
        history.absorb(&load(&second, &format!("other-{round}"), 500, &mut random).finish());
        std::thread::sleep(away().saturating_sub(stopped.elapsed()));
        first.signal("CONT");
        history.absorb(&paused.finish());
        history.check(&LogReader::new(&second));
        history.check(&LogReader::new(&first));
    }
    let verified = replay(&LogReader::new(&first));
    let fault = format!(
        "server stopped for {} s in its turn, another one writing",
        away().as_secs()
    );
    report(&fault, times, &history, verified);
}
