//! A whole log from one place to another, bit for bit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candor_tests::bucket::Bucket;
use candor_tests::history::{History, LogReader, replay};
use candor_tests::plain_files::PlainFiles;
use candor_tests::{TestLog, postgres};

use super::world::{
    copy_keys, copy_last_signed, expect_sound, fill, folder, grow, printed, server, text,
};

/// All files below a folder, and what is in them.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for file in fs::read_dir(folder).expect("a folder") {
            let file = file.expect("a file");
            let name = format!("{below}{}", file.file_name().to_string_lossy());
            if file.path().is_dir() {
                collect(&file.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read(file.path()).expect("it can be read"));
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found);
    found.remove(".checkpoint-lock");
    found
}

/// What the API says of all records.
fn records(log: &TestLog) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    let mut next = Some("/api/v1/records?limit=100".to_owned());
    while let Some(path) = next {
        let page = log.get(&path).expect_status(200).json();
        all.extend(page["records"].as_array().expect("a list").iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[test]
fn a_log_goes_from_sqlite_to_postgres_and_back_by_way_of_files_and_is_the_same() {
    let mut log = TestLog::start();
    fill(&log, 700);
    let said = records(&log);
    let parent = tempfile::tempdir().expect("a folder");
    // While it runs.
    let first = folder(parent.path(), "first");
    let export = |data: &Path, more: &[&str], to: &Path| {
        let arguments = [&["export", "--data", text(data), "--to", text(to)], more].concat();
        printed(&server(&arguments), 0)
    };
    export(&log.data(), &[], &first);
    let checked = server(&[
        "fsck",
        "--files",
        text(&first),
        "--key",
        &log.key().to_string(),
    ]);
    assert!(printed(&checked, 0).contains("all is as it must be"));
    assert!(log.stop().success());

    let database = postgres::shared().database();
    let second = folder(parent.path(), "in-postgres");
    copy_keys(&log.data(), &second);
    // Nobody may go on from an export that lacks what came behind it.
    let blind = ["import", "--data", text(&second), "--from", text(&first)];
    let refused = printed(&server(&blind), 2);
    assert!(
        refused.contains("nothing says how far this log had come"),
        "{refused}"
    );
    assert!(!second.join("log.db").exists());
    copy_last_signed(&log.data(), &second);
    let in_postgres = ["--data", text(&second), "--database", &database.url];
    let import = [&["import"], &in_postgres[..], &["--from", text(&first)]].concat();
    printed(&server(&import), 0);
    // Once more does no harm.
    assert!(printed(&server(&import), 0).contains("0 of them from"));
    printed(&server(&[&["fsck"], &in_postgres[..]].concat()), 0);
    let out_of_postgres = folder(parent.path(), "out-of-postgres");
    export(&second, &["--database", &database.url], &out_of_postgres);
    assert!(contents(&first) == contents(&out_of_postgres));

    let third = folder(parent.path(), "in-sqlite");
    copy_keys(&log.data(), &third);
    copy_last_signed(&log.data(), &third);
    let arguments = [
        "import",
        "--data",
        text(&third),
        "--from",
        text(&out_of_postgres),
    ];
    printed(&server(&arguments), 0);
    expect_sound(&third);
    let out_of_sqlite = folder(parent.path(), "out-of-sqlite");
    export(&third, &[], &out_of_sqlite);
    assert!(contents(&first) == contents(&out_of_sqlite));

    // It goes on where it was moved to, and says the same.
    let moved = TestLog::start_at(&third, log.key().clone());
    assert_eq!(records(&moved), said);
    let mut history = History::new(log.key().clone());
    history.absorb(&grow(&moved, "after", 100));
    history.check(&LogReader::new(&moved));
    replay(&LogReader::new(&moved));
}

#[test]
fn a_log_goes_through_a_bucket_and_is_taken_in_from_a_web_server() {
    let log = TestLog::start();
    fill(&log, 300);
    let parent = tempfile::tempdir().expect("a folder");
    let bucket = Bucket::start(&folder(parent.path(), "bucket"));
    let mut export = std::process::Command::new(candor_tests::program("candor-server"));
    export
        .args([
            "export",
            "--data",
            text(&log.data()),
            "--to",
            &bucket.location("log"),
        ])
        .envs(bucket.variables());
    printed(&export.output().expect("it runs"), 0);
    // A running log is a mirror of itself, and so is any copy of its files.
    let files = PlainFiles::serve(&bucket.folder("log"));
    for (n, url) in [log.url(), files.url()].into_iter().enumerate() {
        let data = folder(parent.path(), &format!("copy-{n}"));
        let key = log.key().to_string();
        printed(
            &server(&[
                "import",
                "--data",
                text(&data),
                "--from",
                url,
                "--key",
                &key,
                "--nothing-else-was-seen",
            ]),
            0,
        );
        expect_sound(&data);
        let checked = server(&["fsck", "--files", url, "--key", &key]);
        assert!(printed(&checked, 0).contains("all is as it must be"));
    }
}

/// Whoever reads a log's files while it grows may come when partial tiles have given way to full ones.
#[test]
fn a_checkpoint_whose_partial_tiles_are_gone_is_read_from_the_full_ones() {
    let log = TestLog::start();
    fill(&log, 300);
    let parent = tempfile::tempdir().expect("a folder");
    let files = folder(parent.path(), "files");
    let checked = |words: &str| {
        let key = log.key().to_string();
        let said = printed(
            &server(&["fsck", "--files", text(&files), "--key", &key]),
            0,
        );
        assert!(said.contains(words), "{said}");
    };
    let data = log.data();
    let export = ["export", "--data", text(&data), "--to", text(&files)];
    printed(&server(&export), 0);
    let checkpoint = fs::read(files.join("checkpoint")).expect("a checkpoint");
    let size = log.get("/api/v1/log").json()["size"].to_string();
    checked(&format!("{size} entries"));
    let partial = files.join("tile/entries/001.p");
    assert!(partial.exists());
    grow(&log, "more", 600);
    printed(&server(&export), 0);
    assert!(!partial.exists(), "the full one is there");
    fs::write(files.join("checkpoint"), checkpoint).expect("it is written");
    checked(&format!("{size} entries"));
}

/// Whoever serves the files can hold back, and can't make up.
#[test]
fn nothing_is_taken_in_that_does_not_lead_to_what_the_log_signed() {
    let log = TestLog::start();
    fill(&log, 600);
    let parent = tempfile::tempdir().expect("a folder");
    let sound = folder(parent.path(), "sound");
    printed(
        &server(&["export", "--data", text(&log.data()), "--to", text(&sound)]),
        0,
    );
    let key = log.key().to_string();
    let take_in = |files: &Path, data: &Path, code| {
        let arguments = [
            "import",
            "--data",
            text(data),
            "--from",
            text(files),
            "--key",
            &key,
            "--nothing-else-was-seen",
        ];
        printed(&server(&arguments), code)
    };
    for (n, (name, words)) in [
        ("tile/entries/001", "entry"),
        ("checkpoint", "is none of this log"),
        // What is derived from the entries is not read.
        ("tile/0/001", "620 of them from"),
    ]
    .into_iter()
    .enumerate()
    {
        let files = parent.path().join(format!("changed-{n}"));
        candor_tests::cli::copy_folder(&sound, &files);
        candor_tests::cli::flip_last_byte(&files.join(name));
        let data = folder(parent.path(), &format!("data-{n}"));
        let code = if name == "tile/0/001" { 0 } else { 2 };
        let said = take_in(&files, &data, code);
        assert!(said.contains(words), "{name}: {said}");
        let checked = server(&["fsck", "--files", text(&files), "--key", &key]);
        assert_ne!(checked.status.code(), Some(0), "{name}");
        // What was taken in before that is sound, and the rest comes from elsewhere.
        take_in(&sound, &data, 0);
        expect_sound(&data);
    }
    // Another log's files are not taken for this one's.
    let other = TestLog::start();
    fill(&other, 10);
    let others = folder(parent.path(), "others");
    printed(
        &server(&[
            "export",
            "--data",
            text(&other.data()),
            "--to",
            text(&others),
        ]),
        0,
    );
    let data = folder(parent.path(), "data-of-other");
    assert!(take_in(&others, &data, 2).contains("is none of this log"));
}
