//! Somebody else's tool reads all of a static part, with the server stopped.

use std::time::Instant;

use candor_tests::cli::{Person, flip_last_byte};
use candor_tests::fsck::Fsck;
use candor_tests::plain_files::PlainFiles;

use super::world::{World, size_of};

/// How many records the log has, unless `CANDOR_STATIC_RECORDS` says otherwise: three levels of tiles need 65,536.
const RECORDS: u64 = 3_000;

#[test]
#[expect(clippy::print_stdout, reason = "how fast it was is part of the result")]
fn tesseras_fsck_finds_nothing_wrong_with_a_folder_and_finds_a_changed_byte() {
    let records = std::env::var("CANDOR_STATIC_RECORDS").map_or(RECORDS, |records| {
        records.parse().expect("CANDOR_STATIC_RECORDS is a number")
    });
    let fsck = Fsck::built();
    let mut world = World::start();
    let begun = Instant::now();
    let checkpoint = world.grow("load", records);
    let grown = begun.elapsed();
    assert!(world.log.stop().success());
    let files = PlainFiles::serve(&world.folder);
    let begun = Instant::now();
    let check = || fsck.check(files.url(), world.log.key(), world.log.scratch());
    check().expect("all is well");
    println!(
        "a log of {} entries was made in {:.1} s, and checked in {:.1} s",
        size_of(&checkpoint),
        grown.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    // The program that the log is for reads it too, all of it, and proves what it finds.
    let auditor = Person::new(&world.log, "auditor");
    let ask = |line: &str| {
        let line = format!("{line} --log {}", files.url());
        auditor.candor(&world.log, &line).expect_code(0)
    };
    let last = size_of(&checkpoint).get() - 1;
    let begun = Instant::now();
    let shown = ask(&format!("show {last} --json")).json();
    println!(
        "all of it was read in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let begun = Instant::now();
    let statement = shown["statement"].as_str().expect("a digest");
    ask(&format!("verify {statement}"));
    ask("list --limit 3");
    println!(
        "and asked two more questions in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    for name in ["tile/entries/003", "tile/0/007", "tile/1/000.p/11"] {
        // Of a larger log, other tiles are partial.
        let path = world.folder.join(name);
        if !path.exists() {
            continue;
        }
        flip_last_byte(&path);
        check().expect_err("a byte was changed");
        flip_last_byte(&path);
    }
}
