//! The sequencer, storage and time, simulated: one seed, one run, as often as one likes.
//!
//! ```text
//! clients ──► Sequencer (the real one) ──► Turn ──► a database in memory ──► fails, forgets to answer, takes its time
//!    │              │   one or two servers                                   servers die at any await, and stand still
//!    │              └──► LastSigned (the real one)
//!    └──► what was acknowledged, and every tree that was shown ──► held against the entries in the end
//! ```
//!
//! Always: all that happens follows from the seed: time is paused and jumps to what is due next, one thread runs
//! everything, and dice are thrown by the seed's generator. `CANDOR_SEED=n` runs the one with that seed, `CANDOR_SEEDS=n`
//! runs n of them.
//!
//! Not here: files and processes. Those are real in `tests/tests/faults`.

mod database;
mod world;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};

use world::{Outcome, run};

/// How many seeds are explored, unless `CANDOR_SEEDS` says otherwise.
const SEEDS: u64 = 10_000;

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}

#[test]
#[expect(clippy::print_stdout, reason = "what was tried is part of the result")]
fn whatever_fails_when_nothing_acknowledged_is_lost_and_there_is_one_history() {
    if let Some(seed) = number_in("CANDOR_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = number_in("CANDOR_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let explore = || {
            let mut total = Outcome::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return total;
                }
                total.add(&run(seed));
            }
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(explore)).collect();
        let outcomes = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        outcomes
            .map(|outcome| outcome.expect("the run says which seed it was"))
            .collect()
    });
    let mut total = Outcome::default();
    for outcome in &outcomes {
        total.add(outcome);
    }
    println!("{seeds} seeds: {total:?}");
    // What never happens can't have been survived.
    for (name, count) in total.faults() {
        assert!(count > 0, "{name} never happened: {total:?}");
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
