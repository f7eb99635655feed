//! The store of the static part is slow, fails, loses the answer after the work, or breaks off.

use std::process::Command;
use std::time::Duration;

use candor_tests::bucket::{Bucket, Mood};
use candor_tests::counts::{report, rounds};
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, LoadPlan, Random};
use candor_tests::{TestLog, program};

const MOODS: [Mood; 4] = [Mood::Slow, Mood::Fails, Mood::LosesAnswers, Mood::Breaks];

#[test]
fn a_store_that_fails_in_every_way_keeps_all_and_shows_nothing_too_early() {
    let mut random = Random::from_environment();
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = Bucket::start(folder.path());
    let place = bucket.location("log");
    let mut log = TestLog::start_with_variables(&["--static-part", &place], bucket.variables());
    Load::register_publishers(&log);
    let mut history = History::new(log.key().clone());
    let rounds = rounds(1, 20);
    let mut tried = 0;
    for round in 0..rounds {
        for mood in MOODS {
            let plan = LoadPlan {
                name: format!("{mood:?}-{round}").to_lowercase(),
                writers: 8,
                watchers: 2,
                records_per_request: 1..=32,
                records_max: 400,
                seed: random.number(),
            };
            let load = Load::start(&log, plan);
            load.server_may_refuse();
            std::thread::sleep(Duration::from_millis(random.within(&(20..=200))));
            bucket.set_mood(mood);
            std::thread::sleep(Duration::from_millis(random.within(&(300..=1_200))));
            // Now and then the server dies of it, or of something else meanwhile.
            let seen = if random.within(&(0..=2)) == 0 {
                let seen = load.kill(&mut log);
                bucket.set_mood(Mood::Good);
                log.restart();
                seen
            } else {
                bucket.set_mood(Mood::Good);
                load.finish()
            };
            tried += 1;
            history.absorb(&seen);
            history.check(&LogReader::new(&log));
            check_store(&bucket, &log, &place);
        }
    }
    let verified = replay(&LogReader::new(&log));
    report(
        "S3 slow, failing, or losing its answer",
        tried,
        &history,
        verified,
    );
}

/// Whatever checkpoint is there, all that it needs is there too.
#[track_caller]
fn check_store(bucket: &Bucket, log: &TestLog, place: &str) {
    let checked = Command::new(program("candor-server"))
        .args(["fsck", "--files", place])
        .args(["--key", &log.key().to_string()])
        .envs(bucket.variables())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
}
