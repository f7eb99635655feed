//! The line to Postgres breaks, or Postgres is away: whether a batch is there, the database knows, and nobody guesses.

use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::counts::{report, rounds};
use candor_tests::cut::Line;
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, Random};
use candor_tests::postgres::Postgres;

use super::world::patient_load;

fn pause(random: &mut Random, milliseconds: std::ops::RangeInclusive<u64>) {
    std::thread::sleep(Duration::from_millis(random.within(&milliseconds)));
}

#[test]
fn postgres_that_is_restarted_under_load_loses_nothing() {
    let mut random = Random::from_environment();
    let mut postgres = Postgres::start(&[]);
    let database = postgres.database();
    let log = TestLog::start_on(&database.url);
    Load::register_publishers(&log);
    let mut history = History::new(log.key().clone());
    let rounds = rounds(2, 20);
    for round in 0..rounds {
        for (how, stop) in [
            ("stopped", Postgres::stop as fn(&mut Postgres)),
            ("crashed", Postgres::crash),
        ] {
            let load = patient_load(&log, &format!("{how}-{round}"), 1_500, &mut random);
            pause(&mut random, 20..=300);
            stop(&mut postgres);
            pause(&mut random, 0..=300);
            postgres.start_again();
            history.absorb(&load.finish());
            history.check(&LogReader::new(&log));
        }
    }
    let verified = replay(&LogReader::new(&log));
    report(
        "Postgres restarted or crashed under load",
        2 * rounds,
        &history,
        verified,
    );
}

#[test]
fn a_line_that_breaks_in_a_commit_or_anywhere_loses_nothing() {
    let mut random = Random::from_environment();
    let postgres = Postgres::start(&[]);
    let database = postgres.database();
    let line = Line::to(postgres.folder());
    let (here, there) = (line.folder().display(), postgres.folder().display());
    let url = database.url.replace(&there.to_string(), &here.to_string());
    let log = TestLog::start_on(&url);
    Load::register_publishers(&log);
    let mut history = History::new(log.key().clone());
    let rounds = rounds(6, 40);
    let mut cuts = 0;
    for round in 0..rounds {
        let load = patient_load(&log, &format!("line-{round}"), 1_000, &mut random);
        // It is committed, and the server never hears of it.
        let before = line.lost();
        line.lose_an_answer(random.within(&(0..=8)));
        let begun = Instant::now();
        while line.lost() == before {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no commit was answered"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        pause(&mut random, 0..=50);
        line.cut();
        cuts += 1;
        history.absorb(&load.finish());
        history.check(&LogReader::new(&log));
    }
    let verified = replay(&LogReader::new(&log));
    assert_eq!(line.lost(), rounds);
    report("answer to a commit lost", line.lost(), &history, verified);
    report("line to Postgres cut", cuts, &history, verified);
}
