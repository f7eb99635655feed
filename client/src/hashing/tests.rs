use std::fs;
use std::path::Path;
use std::time::Duration;

use candor_core::Sha256;
use tempfile::TempDir;

use super::*;

const WINDOW: usize = 8 << 20;

/// Files of these sizes, each of other bytes.
fn files(sizes: &[usize]) -> (TempDir, Vec<Job>) {
    let folder = tempfile::tempdir().expect("made");
    let job = |(n, size): (usize, &usize)| {
        let path = folder.path().join(n.to_string());
        fs::write(&path, contents(n, *size)).expect("written");
        Job {
            path,
            size: *size as u64,
            also: Vec::new(),
            chunks: true,
        }
    };
    let jobs = sizes.iter().enumerate().map(job).collect();
    (folder, jobs)
}

fn contents(n: usize, size: usize) -> Vec<u8> {
    let byte = |at: usize| ((at + n) * 7 / 4096).to_le_bytes()[0];
    (0..size).map(byte).collect()
}

fn hash(jobs: &[Job], options: Options<'_>) -> Result<Vec<Hashed<()>>, FileError> {
    hash_files(jobs, options, no_look, &mut |_| {})
}

fn on(threads: usize) -> Options<'static> {
    Options {
        threads: NonZeroUsize::new(threads),
        ..Options::default()
    }
}

#[test]
fn digests_and_leaves_are_those_of_the_bytes_on_any_number_of_threads() {
    // Around the sizes where copies give way to maps, and windows to the next.
    let sizes = [
        0,
        1,
        262_144,
        262_145,
        WINDOW - 1,
        WINDOW,
        WINDOW + 1,
        2 * WINDOW + 300_000,
    ];
    let (_folder, jobs) = files(&sizes);
    for threads in [1, 2, 7] {
        let found = hash(&jobs, on(threads)).expect("hashed");
        for (n, (size, found)) in sizes.iter().zip(found).enumerate() {
            let bytes = contents(n, *size);
            assert_eq!(found.digest.to_sha256(), Some(Sha256::of(&bytes)), "{size}");
            let leaves = bytes.chunks(WINDOW).map(LeafHash::of_bytes).collect();
            assert_eq!(found.chunks, Some(leaves), "{size}");
        }
    }
}

#[test]
fn the_bytes_are_counted_and_all_of_them_at_the_end() {
    let (_folder, jobs) = files(&[5, WINDOW + 1, 0]);
    let mut steps = Vec::new();
    hash_files(&jobs, on(2), no_look, &mut |it| steps.push(it)).expect("hashed");
    let bytes_total = WINDOW as u64 + 6;
    assert!(steps.iter().all(|it| it.bytes_total == bytes_total));
    assert!(steps.is_sorted_by_key(|it| it.bytes));
    assert_eq!((steps[0].bytes, steps[0].job), (0, 1));
    assert_eq!(steps.last().expect("a step").bytes, bytes_total);
}

#[test]
fn a_file_that_is_cut_short_or_written_to_has_no_digest() {
    let size = 2 * WINDOW + 5;
    for kept in [0, 1, WINDOW, 2 * WINDOW + 4] {
        let (_folder, jobs) = files(&[size]);
        let cut = |_: usize, opened: &OpenFile| {
            let file = fs::File::options().write(true).open(&jobs[0].path);
            file.and_then(|file| file.set_len(kept as u64))
                .expect("cut");
            no_look(0, opened)
        };
        let error = hash_files(&jobs, on(2), cut, &mut |_| {}).expect_err("cut");
        assert!(
            matches!(&error, FileError::Changed { path } if *path == jobs[0].path),
            "{kept}: {error}"
        );
    }
}

#[test]
fn the_file_that_can_not_be_read_is_named() {
    let (folder, mut jobs) = files(&[1, 2, 3, WINDOW]);
    jobs[2].path = folder.path().join("gone");
    let error = hash(&jobs, on(2)).expect_err("not there");
    assert!(
        matches!(&error, FileError::Io { path, .. } if path.ends_with("gone")),
        "{error}"
    );
}

#[test]
fn a_piece_that_was_cut_short_for_a_moment_is_none() {
    let (_folder, jobs) = files(&[WINDOW]);
    let opened = OpenFile::open(&jobs[0].path, None, jobs[0].size).expect("open");
    let file = fs::File::options().write(true).open(&jobs[0].path);
    let file = file.expect("open");
    let piece = opened.piece(0, jobs[0].size).expect("mapped");
    piece.check().expect("nothing happened yet");
    file.set_len(1).expect("cut");
    std::hint::black_box(
        piece
            .bytes()
            .iter()
            .map(|byte| u64::from(*byte))
            .sum::<u64>(),
    );
    file.set_len(jobs[0].size).expect("as long as before");
    piece.check().expect_err("zeros were read");
}

#[test]
fn what_is_written_shows_even_if_its_time_is_set_back() {
    let (_folder, jobs) = files(&[WINDOW + 1]);
    // Else all of it could be one tick of the clock.
    std::thread::sleep(Duration::from_millis(30));
    let write = |_: usize, opened: &OpenFile| {
        let file = fs::File::options().write(true).open(&jobs[0].path);
        let mut file = file.expect("open");
        let modified = file.metadata().and_then(|it| it.modified());
        std::io::Write::write_all(&mut file, b"other").expect("written");
        file.set_modified(modified.expect("a time"))
            .expect("set back");
        no_look(0, opened)
    };
    let error = hash_files(&jobs, on(2), write, &mut |_| {}).expect_err("written to");
    assert!(matches!(error, FileError::Changed { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn what_takes_a_files_place_is_neither_followed_nor_waited_for() {
    let (folder, jobs) = files(&[1]);
    let path = &jobs[0].path;
    let pipe = || {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo runs").success());
    };
    let link = || {
        let other = folder.path().join("other");
        fs::write(&other, "1").expect("written");
        std::os::unix::fs::symlink(other, path).expect("linked");
    };
    let take: [&dyn Fn(); 3] = [&pipe, &link, &|| fs::create_dir(path).expect("made")];
    for take in take {
        fs::remove_file(path).expect("removed");
        take();
        let error = hash(&jobs, on(1)).expect_err("another");
        assert!(matches!(error, FileError::Changed { .. }), "{error}");
        if path.is_dir() {
            fs::remove_dir(path).expect("removed");
            fs::write(path, "1").expect("written");
        }
    }
}

/// Which of the files were known.
fn known_of(jobs: &[Job], at: &Path, reads_all: bool) -> Vec<bool> {
    let known = Known::load(at);
    let options = Options {
        known: Some(&known),
        reads_all,
        ..Options::default()
    };
    let found = hash(jobs, options).expect("hashed");
    for (n, (job, found)) in jobs.iter().zip(&found).enumerate() {
        let bytes = fs::read(&job.path).expect("read");
        assert_eq!(found.digest.to_sha256(), Some(Sha256::of(bytes)), "{n}");
    }
    found.iter().map(|it| it.was_known).collect()
}

/// Remembers what the files have now, as a run does that they were settled for.
fn remember(jobs: &[Job], at: &Path) {
    let known = Known::load(at);
    for (job, found) in jobs.iter().zip(hash(jobs, on(2)).expect("hashed")) {
        known.add(&identity(job), &found.digest);
    }
}

fn identity(job: &Job) -> known::Identity {
    let metadata = fs::metadata(&job.path).expect("it is there");
    known::Identity::of(&metadata).expect("files have numbers here")
}

#[cfg(unix)]
#[test]
fn files_that_nobody_wrote_to_are_known_the_next_time() {
    let (folder, mut jobs) = files(&[0, 5, WINDOW + 1]);
    if OpenFile::open(&jobs[0].path, None, 0)
        .expect("open")
        .identity()
        .is_none()
    {
        // Files in memory, or on a network, are always read.
        return;
    }
    for job in &mut jobs {
        job.chunks = false;
    }
    let at = folder.path().join("state/digests");
    assert_eq!(known_of(&jobs, &at, false), [false; 3]);
    assert!(
        !at.exists(),
        "what was written to just now is not remembered"
    );
    remember(&jobs, &at);
    assert_eq!(known_of(&jobs, &at, false), [true; 3]);
    assert_eq!(known_of(&jobs, &at, true), [false; 3]);

    // Other digests and leaves have to be computed.
    jobs[1].also = vec![Algorithm::Md5];
    jobs[2].chunks = true;
    assert_eq!(known_of(&jobs, &at, false), [true, false, false]);
    remember(&jobs, &at);
    jobs[2].chunks = false;
    assert_eq!(known_of(&jobs, &at, false), [true; 3]);
    let lines = |at: &Path| fs::read_to_string(at).expect("read").lines().count();
    assert_eq!(lines(&at), 4, "what is known already is not written again");

    // Another file of the same size, whose times say that it is the old one.
    let file = fs::File::options().write(true).open(&jobs[1].path);
    let file = file.expect("open");
    let modified = file.metadata().and_then(|it| it.modified());
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&jobs[1].path, "other").expect("written");
    file.set_modified(modified.expect("a time"))
        .expect("set back");
    assert_eq!(known_of(&jobs, &at, false), [true, false, true]);

    // What is no whole line of this version is as if it were not there.
    let text = fs::read_to_string(&at).expect("read");
    let line = text.lines().next().expect("a line");
    for damaged in [
        &line[..line.len() - 1],
        &line[1..],
        &line.replacen("1 ", "2 ", 1),
        &line.replace("sha256:", "sha512:"),
        &format!("{line} "),
        &format!("{}{line}", &line[..10]),
        "\0\u{ff}",
        "",
    ] {
        fs::write(&at, damaged).expect("written");
        assert_eq!(known_of(&jobs, &at, false), [false; 3], "{damaged}");
    }
}

#[test]
fn a_file_is_settled_a_minute_after_its_last_change() {
    let (_folder, jobs) = files(&[1]);
    let identity = identity(&jobs[0]);
    let changed = fs::metadata(&jobs[0].path).and_then(|it| it.modified());
    let changed = changed.expect("a time");
    for (after, is_settled) in [(0, false), (60, false), (80, true)] {
        let begun = changed + Duration::from_secs(after);
        assert_eq!(identity.is_settled(begun), is_settled, "{after}");
    }
    assert!(
        !identity.is_settled(std::time::UNIX_EPOCH),
        "a clock that goes wrong"
    );
}

#[test]
fn a_memory_that_grew_too_large_is_written_anew() {
    let (folder, jobs) = files(&[1]);
    let at = folder.path().join("digests");
    remember(&jobs, &at);
    let line = fs::read_to_string(&at).expect("read");
    let count = (64 << 20) / line.len() + 1;
    fs::write(&at, line.repeat(count)).expect("written");
    Known::load(&at).digests();
    assert_eq!(fs::read_to_string(&at).expect("read"), line);
}
