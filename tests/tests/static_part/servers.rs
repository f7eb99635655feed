//! Several servers of one log, on one database, that write to one static part.

use std::fs;
use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::fsck::Fsck;
use candor_tests::load::{Load, LoadPlan};
use candor_tests::plain_files::PlainFiles;
use candor_tests::postgres;

use super::world::{assert_complete, text};

/// How many records each of them takes.
const RECORDS: u64 = 700;

#[test]
fn servers_that_take_turns_share_a_static_part() {
    let database = postgres::shared().database();
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("static");
    fs::create_dir(&folder).expect("a folder for the static part");
    let with_static_part = |mut log: TestLog| {
        log.stop();
        log.give([("CANDOR_STATIC_PART", text(&folder).to_owned())]);
        log.restart();
        log
    };
    let mut first = with_static_part(TestLog::start_on(&database.for_server("first")));
    let second = with_static_part(first.join(&database.for_server("second")));
    Load::register_publishers(&first);
    let loads = [("first", &first), ("second", &second)].map(|(name, log)| {
        let plan = LoadPlan {
            name: name.to_owned(),
            writers: 3,
            watchers: 0,
            records_per_request: 1..=16,
            records_max: RECORDS,
            seed: 11,
        };
        Load::start(log, plan)
    });
    for load in loads {
        assert_eq!(load.finish().acknowledged.len() as u64, RECORDS);
    }
    assert_complete(&second, &folder);
    // One of them dies, and the other goes on.
    first.kill();
    let plan = LoadPlan {
        name: "alone".to_owned(),
        writers: 3,
        watchers: 0,
        records_per_request: 1..=16,
        records_max: 100,
        seed: 12,
    };
    Load::start(&second, plan).finish();
    assert_complete(&second, &folder);
    let files = PlainFiles::serve(&folder);
    let checked = Fsck::built().check(files.url(), second.key(), second.scratch());
    checked.expect("all is well");
}

/// One of two servers has no static part: what it releases is in the other one's all the same, before its checkpoint.
#[test]
fn what_a_server_without_a_static_part_releases_is_in_that_of_the_others() {
    let database = postgres::shared().database();
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("static");
    fs::create_dir(&folder).expect("a folder for the static part");
    let without = TestLog::start_on(&database.for_server("without"));
    let mut with = without.join(&database.for_server("with"));
    with.stop();
    with.give([("CANDOR_STATIC_PART", text(&folder).to_owned())]);
    with.restart();
    Load::register_publishers(&without);
    for seed in 0..5 {
        let plan = LoadPlan {
            name: format!("without-{seed}"),
            writers: 2,
            watchers: 0,
            records_per_request: 1..=40,
            records_max: 150,
            seed,
        };
        Load::start(&without, plan).finish();
        assert_complete(&with, &folder);
    }
}

#[test]
fn a_server_that_is_asked_to_stop_ends_and_its_static_part_shows_its_last_tree() {
    let database = postgres::shared().database();
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("static");
    fs::create_dir(&folder).expect("a folder for the static part");
    let mut log = TestLog::start_on(&database.for_server("alone"));
    log.stop();
    log.give([("CANDOR_STATIC_PART", text(&folder).to_owned())]);
    log.restart();
    Load::register_publishers(&log);
    let newest = log.get("/checkpoint").text();
    let begun = Instant::now();
    let status = log.stop();
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0), "{}", log.log_lines());
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    let shown = fs::read_to_string(folder.join("checkpoint"));
    assert_eq!(shown.expect("it is there"), newest);
}
