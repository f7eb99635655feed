//! A disk that is full: nothing more is published, everything can be read, and nothing has to be mended.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use candor_tests::disk::SmallDisk;
use candor_tests::{TestLog, TestPublisher};

/// Publishes until the log says that its disk is full. Returns how many records it still took.
fn publish_until_full(log: &TestLog, lab: &TestPublisher, round: &str) -> usize {
    let filler = "x".repeat(20_000);
    for n in 0..1_000 {
        let answer = log.publish(&[lab.api_version("tiny", &format!("{round}.{n}"), &filler)]);
        if answer.status == 201 {
            continue;
        }
        let problem = answer.json();
        assert_eq!(answer.status, 503, "{problem}");
        assert_eq!(problem["type"], "urn:candor:problem:storage-full");
        assert_eq!(answer.header("retry-after"), "2");
        return n;
    }
    panic!("the disk is never full");
}

/// Reads the log in every way that needs the storage.
fn assert_can_be_read(log: &TestLog, size: usize) {
    assert_eq!(log.get("/api/v1/log").json()["size"], size);
    for path in [
        "/checkpoint",
        "/api/v1/records/0",
        "/api/v1/publishers/example-lab",
        "/",
        "/healthz",
    ] {
        log.get(path).expect_status(200);
    }
    let ready = log.get("/readyz").expect_status(503).json();
    assert_eq!(ready["checks"]["space"], false, "{ready}");
    assert_eq!(ready["checks"]["storage"], true, "{ready}");
}

#[test]
fn a_full_disk_ends_publishing_and_neither_reading_nor_the_server() {
    let Some(disk) = SmallDisk::mount(16) else {
        return;
    };
    let mut log = TestLog::start_in(&disk.path().join("log"));
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    disk.fill();
    let mut size = 1 + publish_until_full(&log, &lab, "running");
    assert_can_be_read(&log, size);
    assert_eq!(log.get("/readyz").json()["checks"]["commit"], false);

    // Whether it is killed or stopped, and whatever somebody else fills up meanwhile.
    log.kill();
    disk.fill();
    log.restart();
    size += publish_until_full(&log, &lab, "killed");
    assert_can_be_read(&log, size);
    assert!(log.stop().success(), "{}", log.log_lines());
    disk.fill();
    log.restart();
    size += publish_until_full(&log, &lab, "stopped");
    assert_can_be_read(&log, size);

    // The very next batch after there is room is logged, and keeps its place.
    disk.make_room();
    let after = lab.api_version("tiny", "after", "");
    let answer = log.publish(std::slice::from_ref(&after));
    assert_eq!(
        answer.expect_status(201).json()["records"][0]["index"],
        size
    );
    let ready = log.get("/readyz").json();
    assert_eq!(ready["checks"]["commit"], true, "{ready}");
    log.kill();
    log.restart();
    let again = log.publish(&[after]).expect_status(200).json();
    assert_eq!(again["records"][0]["index"], size);
}

/// What `SQLite` needs to open its files is taken from what was reserved, each time.
#[test]
fn a_log_that_was_stopped_opens_on_a_disk_that_was_filled_meanwhile() {
    let Some(disk) = SmallDisk::mount(16) else {
        return;
    };
    let mut log = TestLog::start_in(&disk.path().join("log"));
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    for _ in 0..3 {
        assert!(log.stop().success(), "{}", log.log_lines());
        disk.fill();
        log.restart();
        disk.fill();
        assert_can_be_read(&log, 1);
    }
}

/// On file systems that never write in place, `last-signed` too may find no room. Here, half of it has none
/// from the start.
#[test]
fn a_checkpoint_that_finds_no_room_waits_for_it() {
    let Some(disk) = SmallDisk::mount(1) else {
        return;
    };
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let (file, elsewhere) = (
        log.data().join("last-signed"),
        disk.path().join("last-signed"),
    );
    let slots = fs::read(&file).expect("it is there");
    fs::write(&elsewhere, &slots[..4_096]).expect("it is written");
    let half = fs::File::options().write(true).open(&elsewhere);
    half.and_then(|file| file.set_len(8_192)).expect("it grows");
    fs::remove_file(&file).expect("it is removed");
    symlink(&elsewhere, &file).expect("it leads there");
    disk.fill();
    log.restart();
    let before = log.get("/checkpoint").body;
    let lab = TestPublisher::new("example-lab");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| log.publish(&[lab.register()]));
        let begun = Instant::now();
        while log.get("/readyz").json()["checks"]["commit"] == true {
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing fails");
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(log.get("/checkpoint").body, before, "nothing was released");
        disk.make_room();
        let answer = waiting.join().expect("an answer");
        assert_eq!(answer.expect_status(201).json()["records"][0]["index"], 0);
    });
    log.get("/readyz").expect_status(200);
    assert!(log.stop().success(), "{}", log.log_lines());
}
