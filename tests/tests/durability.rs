//! What a log has acknowledged outlives its server, whenever that dies.
//!
//! `SIGKILL` takes away what the process holds in memory, and leaves what the system has taken from it. So these
//! tests find an answer that went out before the commit; they can't find a missing `fsync`, which only a power
//! cut shows.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;

use candor_tests::counts::{is_long, report, rounds};
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{
    Acknowledged, Load, LoadPlan, NoAnswer, Random, Seen, SentRecord, keep_alive_agent, publish,
    publishers,
};
use candor_tests::{TestLog, postgres};

/// How often the server of one log is killed.
const KILLS: u64 = 50;

/// How many connections write.
const WRITERS: usize = 64;

/// How long the load goes on before the server is killed, in milliseconds.
const LOAD_MS: std::ops::RangeInclusive<u64> = 20..=400;

/// How far apart clients publish the same record, at most: about as long as it takes to be logged.
const APART_MICROS: u64 = 4_000;

#[test]
fn every_acknowledged_entry_is_there_after_a_kill() {
    // Each kill reads all of the log again, so a log has so many and no more.
    for _ in 0..rounds(1, 10) {
        kill_again_and_again(TestLog::start(), KILLS, "kill -9, SQLite");
    }
}

#[test]
fn every_acknowledged_entry_is_there_after_a_kill_on_postgres() {
    for _ in 0..rounds(1, 8) {
        let database = postgres::shared().database();
        let log = TestLog::start_on(&database.url);
        kill_again_and_again(log, if is_long() { 25 } else { 10 }, "kill -9, Postgres");
    }
}

fn kill_again_and_again(mut log: TestLog, kills: u64, fault: &str) {
    let mut random = Random::from_environment();
    let mut history = History::new(log.key().clone());
    Load::register_publishers(&log);
    for kill in 0..kills {
        let load = Load::start(&log, plan(kill, WRITERS, random.number()));
        std::thread::sleep(Duration::from_millis(random.within(&LOAD_MS)));
        let seen = load.kill(&mut log);
        log.restart();
        history.absorb(&seen);
        history.check(&LogReader::new(&log));
    }
    let verified = replay(&LogReader::new(&log));
    report(fault, kills, &history, verified);
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of the result"
)]
fn an_entry_published_twice_around_a_kill_is_logged_once() {
    let mut random = Random::from_environment();
    let mut log = TestLog::start();
    let mut history = History::new(log.key().clone());
    Load::register_publishers(&log);
    let (mut logged_before, mut logged_now) = (0, 0);
    for kill in 0..12 {
        let load = Load::start(&log, plan(kill, WRITERS, random.number()));
        std::thread::sleep(Duration::from_millis(random.within(&(20..=200))));
        let mut seen = load.kill(&mut log);
        log.restart();
        let requests = std::mem::take(&mut seen.unanswered);
        let answers = publish_at_once(&log, &requests, 2, &mut seen);
        for n in 0..requests.concat().len() {
            if answers.iter().any(|client| client[n].created) {
                logged_now += 1;
            } else {
                logged_before += 1;
            }
        }
        history.absorb(&seen);
        history.check(&LogReader::new(&log));
    }
    replay(&LogReader::new(&log));
    println!(
        "of the records without an answer, {logged_before} were in the log, and {logged_now} were not"
    );
    assert!(logged_now > 0, "no kill came before a commit");
}

#[test]
fn an_entry_published_by_many_clients_at_once_is_logged_once() {
    let log = TestLog::start();
    Load::register_publishers(&log);
    let publisher = publishers().next().expect("there is one");
    let requests: Vec<_> = (0..100)
        .map(|n| vec![SentRecord::compose(&publisher, "one-for-all", n)])
        .collect();
    let mut seen = Seen::default();
    publish_at_once(&log, &requests, 8, &mut seen);
    let mut history = History::new(log.key().clone());
    history.absorb(&seen);
    assert_eq!(history.acknowledged(), requests.len());
    history.check(&LogReader::new(&log));
}

/// Several clients publish the same, side by side. Returns what each of them was told about all records, and
/// checks that they were told the same.
fn publish_at_once(
    log: &TestLog,
    requests: &[Vec<SentRecord>],
    clients: usize,
    seen: &mut Seen,
) -> Vec<Vec<Acknowledged>> {
    let url = log.url();
    let together = Barrier::new(clients);
    let client = &|n: usize| {
        let agent = keep_alive_agent();
        let mut random = Random::new(n as u64);
        let mut checkpoints = BTreeSet::new();
        // Errors are for later: who panics here leaves the others waiting.
        let answers: Result<Vec<_>, NoAnswer> = requests
            .iter()
            .map(|request| {
                // A little apart, so that one asks while another's entry is between queue and signature.
                together.wait();
                std::thread::sleep(Duration::from_micros(random.within(&(0..=APART_MICROS))));
                publish(&agent, url, request, &mut checkpoints)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        (answers, checkpoints)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|n| scope.spawn(move || client(n)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("clients don't panic"))
            .collect()
    });
    let mut told = Vec::new();
    for (answers, checkpoints) in answers {
        let acknowledged = answers.expect("every client is answered").concat();
        seen.checkpoints.extend(checkpoints);
        seen.acknowledged.extend(&acknowledged);
        told.push(acknowledged);
    }
    for n in 0..told[0].len() {
        let created = told.iter().filter(|client| client[n].created).count();
        assert!(created <= 1, "{created} clients put record {n} there");
        let one_place = told
            .iter()
            .all(|client| client[n].index == told[0][n].index);
        assert!(
            one_place,
            "the clients were told different places of record {n}"
        );
    }
    told
}

/// Writes until the server is gone.
fn plan(kill: u64, writers: usize, seed: u64) -> LoadPlan {
    LoadPlan {
        name: format!("load-{kill}"),
        writers,
        watchers: 2,
        records_per_request: 1..=64,
        records_max: u64::MAX,
        seed,
    }
}
