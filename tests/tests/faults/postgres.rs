//! The power of Postgres' disk is cut, and comes back.

use std::time::Duration;

use candor_tests::TestLog;
use candor_tests::counts::{report, rounds};
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, LoadPlan, Random};
use candor_tests::postgres::Postgres;
use candor_tests::power::Survives;

#[test]
fn a_power_cut_of_postgres_loses_nothing_that_was_acknowledged() {
    let mut random = Random::from_environment();
    let mut postgres = Postgres::start_traced(&[]);
    let database = postgres.database();
    let mut log = TestLog::start_on(&database.url);
    Load::register_publishers(&log);
    let mut history = History::new(log.key().clone());
    let rounds = rounds(3, 50);
    let mut changes = 0;
    for round in 0..rounds {
        let plan = LoadPlan {
            name: format!("load-{round}"),
            writers: 8,
            watchers: 2,
            records_per_request: 1..=32,
            records_max: 1_000_000,
            seed: random.number(),
        };
        let load = Load::start(&log, plan);
        std::thread::sleep(Duration::from_millis(random.within(&(50..=800))));
        let seen = load.kill(&mut log);
        let survives = [Survives::Some, Survives::Nothing, Survives::Everything];
        let survives = survives[usize::try_from(round % 3).expect("it fits")];
        changes += postgres.cut_power(survives, &mut random);
        postgres.start_again();
        log.restart();
        history.absorb(&seen);
        history.check(&LogReader::new(&log));
    }
    let verified = replay(&LogReader::new(&log));
    let fault = format!("power cut, Postgres ({changes} changes of files)");
    report(&fault, rounds, &history, verified);
    assert!(changes > 0, "the changes of Postgres were not seen");
}
