//! A file of gigabytes, sparse on the disk.
#![expect(
    clippy::print_stdout,
    reason = "how long it took is part of the result"
)]

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::cli::Person;
use candor_tests::mirror::Mirror;

use super::{CHUNK, parts};

/// The most memory that a process ever had, in KiB; nothing once it has ended.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "4 GiB are hashed and half as much again fetched: minutes, and 3 GB of disk"]
fn a_flipped_bit_in_byte_3_000_000_000_stops_a_fetch_within_its_chunk() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let folder = lab.home.join("large");
    fs::create_dir(&folder).expect("made");
    let file = fs::File::create(folder.join("weights.dat")).expect("made");
    file.set_len(4 << 30).expect("sparse");
    lab.candor(&log, "release large --as example-lab/large@1.0.0")
        .expect_code(0);
    let liar = Mirror::with(&folder, |_, reply| reply.flip = Some(3_000_000_000));
    let reader = Person::new(&log, "reader");
    let begun = Instant::now();
    let mut command = log.candor();
    let mut fetching = command
        .args(["fetch", "example-lab/large@1.0.0", "--from", liar.url()])
        .env("HOME", &reader.home)
        .current_dir(&reader.home)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("candor runs");
    let mut peak = 0;
    while fetching.try_wait().expect("it can be waited for").is_none() {
        peak = peak.max(peak_memory(fetching.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = fetching.wait_with_output().expect("it has ended");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(liar.url(), "[mirror]/");
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "exit {:?} after {seconds:.1} s, at most {peak} KiB\n{stderr}",
        output.status.code()
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains("those from 2994733056 to 3003121663 (chunk 357)"),
        "{stderr}"
    );
    let target = reader.home.join("large-1.0.0");
    assert!(!target.join("weights.dat").exists());
    let kept = fs::metadata(parts(&target).remove(0))
        .expect("a part")
        .len();
    assert_eq!(kept, 357 * CHUNK, "nothing wrong was written");
    assert!(peak < 200 << 10, "{peak} KiB");
}
