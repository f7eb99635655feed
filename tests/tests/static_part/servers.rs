//! Several servers of one log, on one database, that write to one static part.

use std::fs;

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
