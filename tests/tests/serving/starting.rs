//! Making a log, and starting one whose files are not as they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_tests::disk::SmallDisk;
use candor_tests::{ORIGIN, TestLog, TestPublisher, program};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use super::{assert_refused, server};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// A log of a few entries that does not run.
fn stopped_log() -> TestLog {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let releases = ["1.0", "1.1", "1.2"].map(|version| lab.api_version("tiny", version, ""));
    log.publish(&[&[lab.register()], releases.as_slice()].concat())
        .expect_status(201);
    assert!(log.stop().success());
    log
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn init_makes_keys_that_only_their_owner_reads_and_never_a_second_log() {
    let log = stopped_log();
    let data = log.data();
    for key in ["log-key.pem", "operator-key.pem"] {
        assert_eq!(mode(&data.join(key)), 0o600, "{key}");
    }
    let before = fs::read(data.join("log-key.pem")).expect("a key");
    let again = server(&["init", "--origin", ORIGIN], &data, &[]);
    assert_refused(&again, &["there is a log in", "left as it is"]);
    fs::rename(data.join("log.db"), data.join("elsewhere.db")).expect("the database is moved");
    let missing = ["log.db is missing in", "restore its newest copy"];
    let half = server(&["init", "--origin", ORIGIN], &data, &[]);
    assert_refused(&half, &missing);
    assert_refused(&server(&SERVE, &data, &[]), &missing);
    assert_eq!(fs::read(data.join("log-key.pem")).expect("a key"), before);
    let origin = server(&["init", "--origin", "https://example.org/"], &data, &[]);
    assert_refused(&origin, &["https://example.org/", "--origin"]);
}

#[test]
fn a_log_is_made_whole_in_a_folder_of_its_own_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("notes.txt"), "not a log's").expect("a file");
    let refused = server(&["init", "--origin", ORIGIN], &data, &[]);
    let texts = ["\"notes.txt\"", "must not exist yet, or be empty"];
    assert_refused(&refused, &texts);
    let names = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries
            .map(|it| it.expect("an entry").file_name())
            .collect()
    };
    assert_eq!(names(&data), ["notes.txt"]);
    assert_eq!(names(folder.path()), ["data"], "nothing is left aside");
    fs::remove_file(data.join("notes.txt")).expect("the file is gone");
    let made = server(&["init", "--origin", ORIGIN], &data, &[]);
    assert!(made.status.success(), "{made:?}");
    let mut made = names(&data);
    made.sort();
    let files = ["last-signed", "log-key.pem", "log.db", "operator-key.pem"];
    assert_eq!(made, files);
    // A folder that was there stays as its owner made it; a new one is for its owner alone.
    let new = folder.path().join("deep/inside");
    let made = server(&["init", "--origin", ORIGIN], &new, &[]);
    assert!(made.status.success(), "{made:?}");
    assert_eq!(mode(&new), 0o700);
}

#[test]
fn a_log_is_made_in_the_folder_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = Command::new(program("candor-server"))
        .args(["init", "--origin", ORIGIN, "--data", "."])
        .current_dir(folder.path())
        .output();
    let here = here.expect("candor-server runs");
    assert!(here.status.success(), "{here:?}");
    let Some(disk) = SmallDisk::mount(16) else {
        return;
    };
    fs::create_dir(disk.path().join("lost+found")).expect("as ext4 has it");
    let made = server(&["init", "--origin", ORIGIN], disk.path(), &[]);
    assert!(made.status.success(), "{made:?}");
    assert!(disk.path().join("log.db").exists());
}

/// What a crash leaves at each step of `init`, from the last to the first: `serve` never takes it for a log,
/// and `init` begins anew, with other keys.
#[test]
fn a_log_that_was_half_made_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("log");
    let init = || server(&["init", "--origin", ORIGIN], &data, &[]);
    let mut before = init();
    let aside = data.join(".candor-init-ABCDEF");
    let steps = ["log.db", "log-key.pem", "operator-key.pem", "last-signed"];
    for done in 0..steps.len() {
        fs::create_dir(&aside).expect("a folder");
        for file in &steps[..=done] {
            fs::rename(data.join(file), aside.join(file)).expect("it is moved");
        }
        assert_refused(&server(&SERVE, &data, &[]), &["was interrupted", "again"]);
        let again = init();
        assert!(again.status.success(), "{again:?}");
        assert!(!aside.exists());
        assert_ne!(again.stdout, before.stdout, "it has another key");
        before = again;
    }
    // Behind the last step, it is a log.
    fs::create_dir(&aside).expect("a folder");
    assert_refused(&init(), &["there is a log in"]);
    fs::remove_file(data.join("log.db")).expect("the database is lost");
    assert_refused(&init(), &["log.db is missing"]);
    assert!(data.join("log-key.pem").exists());
}

#[test]
fn a_log_whose_database_is_removed_stops_and_says_why() {
    let mut log = TestLog::start();
    fs::remove_file(log.data().join("log.db")).expect("it is removed");
    assert_eq!(log.wait().code(), Some(2));
    let lines = log.log_lines();
    assert!(lines.contains("was removed or replaced"), "{lines}");
}

/// Somebody else's database in the place of the log's is left as it is, byte for byte.
#[test]
fn a_database_that_is_not_a_logs_is_not_touched() {
    let log = stopped_log();
    let database = log.data().join("log.db");
    fs::remove_file(&database).expect("it is removed");
    let elsewhere = log.scratch().join("other.db");
    let options = SqliteConnectOptions::new()
        .filename(&elsewhere)
        .create_if_missing(true);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut other = SqliteConnection::connect_with(&options).await;
        let other = other.as_mut().expect("it opens");
        other.execute("CREATE TABLE t (a)").await.expect("good SQL");
    });
    fs::copy(&elsewhere, &database).expect("it takes the place");
    let before = fs::read(&database).expect("it is there");
    let refused = server(&SERVE, &log.data(), &[]);
    assert_refused(&refused, &["log.db holds no log", "no such table: log"]);
    assert_eq!(fs::read(&database).expect("it is there"), before);
}

/// What was committed last can't be settled while another program reads.
#[test]
fn a_database_that_another_program_reads_is_not_served_after_a_crash() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    log.kill();
    let options = SqliteConnectOptions::new().filename(log.data().join("log.db"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let reader = runtime.block_on(async {
        let mut reader = SqliteConnection::connect_with(&options)
            .await
            .expect("it opens");
        reader
            .execute("BEGIN; SELECT * FROM entry")
            .await
            .map(drop)
            .expect("good SQL");
        reader
    });
    let texts = ["another program holds", "log.db", "fuser"];
    assert_refused(&server(&SERVE, &log.data(), &[]), &texts);
    drop(reader);
    drop(runtime);
    log.restart();
}

#[test]
fn a_log_that_was_stopped_is_one_database_file() {
    let log = stopped_log();
    let database = files(&log.data(), "log.db");
    assert_eq!(database, [log.data().join("log.db")]);
}

#[test]
fn a_key_that_is_not_the_logs_is_refused() {
    let log = stopped_log();
    let data = log.data();
    let (key, other) = (data.join("log-key.pem"), data.join("operator-key.pem"));
    fs::copy(&other, &key).expect("another key takes its place");
    assert_refused(
        &server(&SERVE, &data, &[]),
        &["log-key.pem is not the key of the log", ORIGIN],
    );
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\n").expect("half a key takes its place");
    let output = server(&SERVE, &data, &[]);
    assert_refused(&output, &["log-key.pem is not an Ed25519 key"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("BEGIN"));
    fs::remove_file(&key).expect("the key is removed");
    assert_refused(
        &server(&SERVE, &data, &[]),
        &["log-key.pem", "is missing: restore it from a backup"],
    );
}

#[test]
fn a_key_that_others_can_read_is_refused_with_what_to_do() {
    let mut log = stopped_log();
    let key = log.data().join("log-key.pem");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("chmod");
    let hint = format!("chmod 600 {}", key.display());
    assert_refused(&server(&SERVE, &log.data(), &[]), &["mode 644", &hint]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("chmod");
    log.restart();
}

/// Runs one SQL statement on the database of a log that does not run.
fn sql(database: &Path, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(database);
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .expect("the database opens");
        let done = connection.execute(statement).await.expect("good SQL");
        assert!(done.rows_affected() > 0, "{statement} changes nothing");
        connection.close().await.expect("the database closes");
    });
}

#[test]
fn a_damaged_database_is_refused_with_what_was_found() {
    for (damage, texts) in [
        (
            "UPDATE tree_head SET root = zeroblob(32)",
            [
                "the database is damaged",
                "the root on record for 4 entries is AAAAAAAA",
            ],
        ),
        (
            "UPDATE tree_head SET size = 3",
            [
                "the database is damaged",
                "the root on record for 3 entries",
            ],
        ),
        (
            "UPDATE tree_head SET size = 300",
            ["the database is damaged", "tile/1/000.p/1 is needed"],
        ),
        (
            "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 0",
            ["the database is damaged", "its tiles lead to the root"],
        ),
        (
            "DELETE FROM tile WHERE level = 0",
            ["the database is damaged", "tile/0/000.p/4"],
        ),
        (
            "UPDATE entry SET bytes = CAST('{}' AS BLOB) WHERE idx = 2",
            [
                "the database is damaged",
                "entry 2 is not the one that tile/0/000.p/4",
            ],
        ),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE idx = 3",
            ["the database is damaged", "entry 3 is missing"],
        ),
        ("DELETE FROM log", ["no log", "database"]),
        (
            "UPDATE log SET origin = 'example.org/other'",
            ["is not the key of the log", "example.org/other"],
        ),
    ] {
        let log = stopped_log();
        sql(&log.data().join("log.db"), damage);
        assert_refused(&server(&SERVE, &log.data(), &[]), &texts);
    }
}

/// The files of `folder` whose names begin with `name`.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .filter(|path| {
            let file = path.file_name().expect("a name").to_string_lossy();
            file.starts_with(name)
        })
        .collect()
}

/// Puts the files of `from` whose names begin with `name` in the place of those of `to`.
fn copy(from: &Path, to: &Path, name: &str) {
    fs::create_dir_all(to).expect("a folder");
    for file in files(to, name) {
        fs::remove_file(file).expect("the file is removed");
    }
    for file in files(from, name) {
        fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("the file is copied");
    }
}

/// A backup that is put back would make the server sign a second history over the places it gave away.
#[test]
fn a_database_that_was_set_back_or_replaced_is_refused() {
    let mut log = stopped_log();
    let (data, scratch) = (log.data(), log.scratch().to_path_buf());
    let (earlier, first, second) = (
        scratch.join("earlier"),
        scratch.join("first"),
        scratch.join("second"),
    );
    let lab = TestPublisher::new("example-lab");
    let mut go_on = |version: &str| {
        log.restart();
        log.publish(&[lab.api_version("tiny", version, "")])
            .expect_status(201);
        assert!(log.stop().success());
    };
    copy(&data, &earlier, "");
    go_on("2.0");
    copy(&data, &first, "");

    copy(&earlier, &data, "log.db");
    let back = [
        "has 4 entries",
        "signed a tree of 5",
        "fork the log",
        "Put the newest database back",
    ];
    assert_refused(&server(&SERVE, &data, &[]), &back);

    // With the file set back as well the server can't know, and goes on. That makes another history.
    copy(&earlier, &data, "");
    go_on("3.0");
    copy(&data, &second, "");
    copy(&first, &data, "log.db");
    let other = ["the first 5 entries", "fork the log", "last-signed"];
    assert_refused(&server(&SERVE, &data, &[]), &other);

    fs::remove_file(data.join("last-signed")).expect("the file is removed");
    assert_refused(
        &server(&SERVE, &data, &[]),
        &["last-signed is missing", "put it back"],
    );
    fs::write(data.join("last-signed"), "example.org/other\n").expect("the file is written");
    let nonsense = ["last-signed", "holds no checkpoint of this log"];
    assert_refused(&server(&SERVE, &data, &[]), &nonsense);

    // What belongs together runs.
    copy(&second, &data, "");
    log.restart();
    assert_eq!(log.get("/api/v1/log").json()["size"], 5);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let log = stopped_log();
    let database = log.data().join("log.db");
    fs::write(&database, vec![b'x'; 100_000]).expect("the file is overwritten");
    assert_refused(&server(&SERVE, &log.data(), &[]), &["not a database"]);
}

#[test]
fn the_operator_admits_publishers_where_that_is_asked_for() {
    let log = TestLog::start_with(&["--registration", "approved"]);
    let lab = TestPublisher::new("example-lab");
    let refused = log.publish(&[lab.register()]).expect_status(403).json();
    assert_eq!(refused["type"], "urn:candor:problem:not-admitted");
    let operator = log.get("/api/v1/log").json()["operatorKey"].clone();
    let operator = operator.as_str().expect("a key ID");
    assert!(
        refused["detail"].as_str().expect("text").contains(operator),
        "{refused}"
    );

    let file = log.scratch().join("registration.json");
    fs::write(&file, lab.register().to_string()).expect("the request is written");
    let file = file.to_str().expect("a path in UTF-8");
    let output = server(&["admit", file], &log.data(), &[]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("admitting example-lab"), "{said}");
    let admitted: Value = serde_json::from_slice(&output.stdout).expect("an envelope");
    let twice = log.scratch().join("admitted.json");
    fs::write(&twice, admitted.to_string()).expect("it is written");
    let twice = server(&["admit", twice.to_str().expect("UTF-8")], &log.data(), &[]);
    let again: Value = serde_json::from_slice(&twice.stdout).expect("an envelope");
    assert_eq!(again, admitted, "the operator signs once");
    let elsewhere = server(&["admit", file], &log.scratch().join("nodir"), &[]);
    assert_refused(&elsewhere, &["there is no log in"]);
    log.publish(std::slice::from_ref(&admitted))
        .expect_status(201);
    let record = log.get("/api/v1/records/0").json();
    assert_eq!(record["signedBy"][1], operator);

    // From here on, the publisher is on its own.
    let successor = lab.with_key("the second key of example-lab");
    log.publish(&[lab.rotate(&admitted, &successor)])
        .expect_status(201);
    log.publish(&[successor.api_version("tiny", "1.0", "")])
        .expect_status(201);

    let file = log.scratch().join("no-registration.json");
    fs::write(&file, lab.api_version("tiny", "9.0", "").to_string()).expect("it is written");
    let file = file.to_str().expect("a path in UTF-8");
    let output = server(&["admit", file], &log.data(), &[]);
    assert_refused(&output, &["no-registration.json is no registration"]);
    assert!(output.stdout.is_empty(), "nothing is signed: {output:?}");

    let nonsense = log.scratch().join("nonsense.json");
    fs::write(&nonsense, "{}").expect("the file is written");
    let nonsense = nonsense.to_str().expect("a path in UTF-8");
    let output = server(&["admit", nonsense], &log.data(), &[]);
    assert_refused(&output, &["nonsense.json", "/payloadType"]);
}

/// Each folder has a lock of its own, and the database has one too.
#[test]
fn two_servers_do_not_run_on_one_database_by_way_of_two_folders() {
    let mut log = stopped_log();
    let parent = tempfile::tempdir().expect("a folder");
    let other = parent.path().join("other");
    fs::create_dir(&other).expect("a folder");
    for file in ["log-key.pem", "operator-key.pem", "last-signed"] {
        fs::copy(log.data().join(file), other.join(file)).expect("it is copied");
    }
    std::os::unix::fs::symlink(log.data().join("log.db"), other.join("log.db")).expect("a link");
    log.restart();
    let refused = server(&SERVE, &other, &[]);
    assert_refused(
        &refused,
        &["another candor-server runs the log", "log.db is locked"],
    );
    assert!(log.stop().success());
}
