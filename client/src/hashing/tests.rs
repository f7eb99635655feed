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
    hash_files(jobs, options, |_, _| Ok(()), &mut |_| {})
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
    hash_files(&jobs, on(2), |_, _| Ok(()), &mut |it| steps.push(it)).expect("hashed");
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
        let cut = |_: usize, _: &OpenFile| {
            let file = fs::File::options().write(true).open(&jobs[0].path);
            file.and_then(|file| file.set_len(kept as u64))
                .expect("cut");
            Ok(())
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

#[cfg(unix)]
#[test]
fn files_that_nobody_wrote_to_are_known_the_next_time() {
    let (folder, mut jobs) = files(&[0, 5, WINDOW + 1]);
    for job in &mut jobs {
        job.chunks = false;
    }
    let at = folder.path().join("state/digests");
    assert_eq!(known_of(&jobs, &at, false), [false; 3]);
    assert_eq!(
        known_of(&jobs, &at, false),
        [false; 3],
        "what was written to just now is not remembered"
    );
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(known_of(&jobs, &at, false), [false; 3]);
    assert_eq!(known_of(&jobs, &at, false), [true; 3]);
    assert_eq!(known_of(&jobs, &at, true), [false; 3]);

    // Other digests and leaves have to be computed.
    jobs[1].also = vec![Algorithm::Md5];
    jobs[2].chunks = true;
    assert_eq!(known_of(&jobs, &at, false), [true, false, false]);
    jobs[2].chunks = false;
    assert_eq!(known_of(&jobs, &at, false), [true; 3]);

    // Another file of the same size, whose times say that it is the old one.
    let file = fs::File::options().write(true).open(&jobs[1].path);
    let file = file.expect("open");
    let modified = file.metadata().and_then(|it| it.modified());
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
