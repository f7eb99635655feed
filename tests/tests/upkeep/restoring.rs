//! A backup is old: the log does not fork.

use std::fs;
use std::path::Path;

use candor_tests::TestLog;
use candor_tests::history::{History, LogReader, replay};

use super::world::{copy_keys, expect_sound, fill, folder, grow, printed, server, sqlite, text};

#[test]
fn a_backup_that_is_a_thousand_entries_behind_is_refused_and_goes_on_as_advised() {
    let parent = tempfile::tempdir().expect("a folder");
    let static_part = folder(parent.path(), "static");
    let mut log = TestLog::start_with(&["--static-part", text(&static_part)]);
    fill(&log, 400);
    let mut history = History::new(log.key().clone());
    history.absorb(&grow(&log, "before", 300));
    let copy = parent.path().join("copy");
    let data = log.data();
    // A disk for backups that is not mounted is not made up.
    let nowhere = parent.path().join("not-mounted/copy");
    printed(
        &server(&["backup", "--data", text(&data), "--to", text(&nowhere)]),
        2,
    );
    assert!(!parent.path().join("not-mounted").exists());
    // While it runs.
    let backup = ["backup", "--data", text(&data), "--to", text(&copy)];
    printed(&server(&backup), 0);
    assert!(printed(&server(&backup), 2).contains("is not empty"));
    expect_sound(&copy);
    history.absorb(&grow(&log, "after", 1_000));
    log.kill();
    // The database is lost, and its write-ahead log is not: to any other, it is poison.
    fs::remove_file(data.join("log.db")).expect("the database is lost");
    let aside = folder(parent.path(), "left");
    let left = ["log.db-wal", "log.db-shm"].map(|name| (data.join(name), aside.join(name)));
    for (from, to) in &left {
        fs::rename(from, to).expect("a kill leaves it");
    }
    // By hand: the server sees it.
    fs::copy(copy.join("log.db"), data.join("log.db")).expect("it is copied");
    let refused = log.refusal(&[]);
    assert!(refused.contains("it was set back"), "{refused}");
    fs::remove_file(data.join("log.db")).expect("it is removed");
    for (to, from) in &left {
        fs::rename(from, to).expect("it is put back");
    }
    // By the tool: it says what is missing, and what to do.
    let restore = ["restore", "--data", text(&data), "--from", text(&copy)];
    let said = printed(&server(&restore), 2);
    for words in [
        "1000 entries are missing",
        "would fork the log",
        "--entries-from",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!data.join("log.db").exists(), "nothing was put in place");
    let advised = [&restore[..], &["--entries-from", text(&static_part)]].concat();
    let said = printed(&server(&advised), 0);
    assert!(said.contains("and 1000 from"), "{said}");
    expect_sound(&data);
    log.restart();
    history.check(&LogReader::new(&log));
    history.absorb(&grow(&log, "restored", 200));
    history.check(&LogReader::new(&log));
    replay(&LogReader::new(&log));
}

#[test]
fn where_nobody_knows_how_far_the_log_had_come_nothing_is_restored() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::start();
    fill(&log, 100);
    let copy = parent.path().join("copy");
    let data = log.data();
    printed(
        &server(&["backup", "--data", text(&data), "--to", text(&copy)]),
        0,
    );
    grow(&log, "after", 50);
    // What a client saw.
    let seen = parent.path().join("seen");
    fs::write(&seen, log.get("/checkpoint").text()).expect("it is written");
    assert!(log.stop().success());
    // All of the folder is lost, save the keys, which were kept elsewhere.
    let new = folder(parent.path(), "new");
    copy_keys(&data, &new);
    let restore = |more: &[&str], code| {
        let arguments = [
            &["restore", "--data", text(&new), "--from", text(&copy)],
            more,
        ]
        .concat();
        printed(&server(&arguments), code)
    };
    let said = restore(&[], 2);
    assert!(
        said.contains("nothing says how far this log had come"),
        "{said}"
    );
    let said = restore(&["--seen", text(&seen)], 2);
    assert!(said.contains("50 entries are missing"), "{said}");
    assert!(said.contains(text(&seen)), "{said}");
    // The operator takes it on themselves: nobody saw more.
    restore(&["--nothing-else-was-seen"], 0);
    expect_sound(&new);
    let restored = TestLog::start_at(&new, log.key().clone());
    grow(&restored, "goes-on", 20);
}

/// A database that is there is kept, and one of another history is no copy.
#[test]
fn what_is_replaced_is_kept_and_a_copy_of_another_history_is_refused() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::start();
    fill(&log, 100);
    assert!(log.stop().success());
    let data = log.data();
    let fork = parent.path().join("fork");
    candor_tests::cli::copy_folder(&data, &fork);
    log.restart();
    grow(&log, "one", 30);
    assert!(log.stop().success());
    let mut other = TestLog::start_at(&fork, log.key().clone());
    grow(&other, "other", 40);
    assert!(other.stop().success());
    let backup = |of: &Path, to: &str| {
        let to = parent.path().join(to);
        printed(
            &server(&["backup", "--data", text(of), "--to", text(&to)]),
            0,
        );
        to
    };
    let (copy, copy_of_fork) = (backup(&data, "copy"), backup(&fork, "copy-of-fork"));
    let restore = |from: &Path, code| {
        let arguments = ["restore", "--data", text(&data), "--from", text(from)];
        printed(&server(&arguments), code)
    };
    let before = fs::read(data.join("log.db")).expect("a database");
    let said = restore(&copy_of_fork, 2);
    assert!(said.contains("are not of one history"), "{said}");
    assert!(fs::read(data.join("log.db")).expect("a database") == before);
    let said = restore(&copy, 0);
    assert!(said.contains("log.db.replaced-1"), "{said}");
    assert!(fs::read(data.join("log.db.replaced-1")).expect("the old one") == before);
    expect_sound(&data);
    log.restart();
    assert!(
        printed(
            &server(&["restore", "--data", text(&data), "--from", text(&copy)]),
            2
        )
        .contains("another candor-server runs the log")
    );
}

/// An entry is damaged that an old backup has, and the backup lacks what came behind it: neither is lost.
#[test]
fn what_is_well_in_a_damaged_database_is_taken_from_there() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::start();
    fill(&log, 100);
    let data = log.data();
    let [copy, old_export] = ["copy", "old-export"].map(|name| parent.path().join(name));
    fs::create_dir(&old_export).expect("a folder");
    printed(
        &server(&["backup", "--data", text(&data), "--to", text(&copy)]),
        0,
    );
    printed(
        &server(&["export", "--data", text(&data), "--to", text(&old_export)]),
        0,
    );
    let mut history = History::new(log.key().clone());
    history.absorb(&grow(&log, "after", 700));
    assert!(log.stop().success());
    let flip = "UPDATE entry SET bytes = CAST(substr(bytes, 1, 99) || X'00' || substr(bytes, 101) AS BLOB) WHERE idx = ";
    sqlite(&data.join("log.db"), &format!("{flip} 50"));
    let said = printed(&server(&["fsck", "--data", text(&data)]), 1);
    assert!(said.contains("entry 50"), "{said}");
    let advised = format!("candor-server restore --data {}", data.display());
    assert!(said.contains(&advised), "{said}");
    let restore = ["restore", "--data", text(&data), "--from", text(&copy)];
    let said = printed(&server(&restore), 0);
    assert!(
        said.contains("700 from the database that was there"),
        "{said}"
    );
    expect_sound(&data);
    // A crash before the log that was made is in its place: it is all that there is, and the same command goes on from it.
    let certain = folder(&data, ".candor-restored");
    fs::rename(data.join("log.db"), certain.join("log.db")).expect("it is moved back");
    let said = printed(&server(&restore), 0);
    assert!(
        said.contains("700 from the database that was there"),
        "{said}"
    );
    assert!(!certain.exists());
    expect_sound(&data);
    log.restart();
    history.check(&LogReader::new(&log));
    history.absorb(&grow(&log, "restored", 50));
    assert!(log.stop().success());

    // Where neither has it, it is said what is missing, and not that there are two histories.
    sqlite(&data.join("log.db"), &format!("{flip} 500"));
    for more in [&[][..], &["--entries-from", text(&old_export)]] {
        let said = printed(&server(&[&restore[..], more].concat()), 2);
        assert!(said.contains("entries are missing"), "{said}");
        assert!(!said.contains("histories"), "{said}");
    }
}
