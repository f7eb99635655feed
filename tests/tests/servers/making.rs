//! Making a log in Postgres, and servers that don't go with it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candor_tests::postgres::{self, Database};
use candor_tests::{ORIGIN, TestLog, program};

fn candor_server(verb: &str, data: &Path, database: Option<&str>) -> Output {
    let mut command = Command::new(program("candor-server"));
    command.arg(verb).arg("--data").arg(data);
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    match verb {
        "init" => command.args(["--origin", ORIGIN]),
        _ => command.args(["--listen", "127.0.0.1:0"]),
    };
    command.output().expect("candor-server runs")
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// What SQL says of a database.
fn count_of_tables(database: &Database) -> String {
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    postgres::shared().run(&database.name, tables)
}

#[test]
fn a_database_holds_one_log_and_keeps_it() {
    let database = postgres::shared().database();
    let log = TestLog::start_on(&database.url);
    let folder = tempfile::tempdir().expect("a folder");
    let second = folder.path().join("second");
    let error = refused(&candor_server("init", &second, Some(&database.url)));
    assert!(
        error.contains("holds the log example.org/candor-test already"),
        "{error}"
    );
    // Nor does the folder of one log serve another one's database.
    let other = postgres::shared().database();
    let others = TestLog::start_on(&other.url);
    let error = refused(&candor_server("serve", &others.data(), Some(&database.url)));
    assert!(
        error.contains("is held") || error.contains("another candor-server"),
        "{error}"
    );
    log.get("/checkpoint").expect_status(200);
}

#[test]
fn keys_that_are_not_the_logs_are_refused() {
    let database = postgres::shared().database();
    let _log = TestLog::start_on(&database.url);
    let other = postgres::shared().database();
    let mut others = TestLog::start_on(&other.url);
    assert!(others.stop().success());
    let error = refused(&candor_server("serve", &others.data(), Some(&database.url)));
    assert!(error.contains("is not the key of the log"), "{error}");
}

#[test]
fn a_folder_without_keys_and_a_database_without_a_log_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = postgres::shared().database();
    let error = refused(&candor_server("serve", folder.path(), Some(&empty.url)));
    assert!(error.contains("copy log-key.pem"), "{error}");
    let database = postgres::shared().database();
    let mut log = TestLog::start_on(&database.url);
    assert!(log.stop().success());
    let error = refused(&candor_server("serve", &log.data(), Some(&empty.url)));
    assert!(error.contains("holds no log"), "{error}");
    assert_eq!(count_of_tables(&empty), "0");
    let error = refused(&candor_server("serve", &log.data(), None));
    assert!(
        error.contains("If the log is in Postgres, say where: --database"),
        "{error}"
    );
    let sqlite = TestLog::start();
    let error = refused(&candor_server("serve", &sqlite.data(), Some(&database.url)));
    assert!(error.contains("leave the setting database out"), "{error}");
}

/// A password in an address is for the database alone.
#[test]
fn a_password_is_never_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in [
        "postgres://candor:tell-nobody@127.0.0.1:1/candor",
        "postgres://candor:tell-nobody@host:port/candor",
        "mysql://candor:tell-nobody@127.0.0.1/candor",
        "postgres://candor:tell-nobody@127.0.0.1/candor?sslmode=sometimes",
        "postgres://candor@127.0.0.1:1/candor?pasword=tell-nobody",
        // What URLs take for a server's name, a port, and a database whose name is the rest of the password.
        "postgres://candor:12/tell-nobody@127.0.0.1/candor",
        "postgres://candor:12?tell-nobody@127.0.0.1/candor",
        "postgres://candor:12#tell-nobody@127.0.0.1/candor",
        "postgres://db/postgres://candor:tell-nobody@127.0.0.1/candor",
    ] {
        let data = folder.path().join("log");
        let error = refused(&candor_server("init", &data, Some(url)));
        assert!(!error.contains("tell-nobody"), "{error}");
        assert!(!data.join("log-key.pem").exists(), "{url}");
    }
    // Nor in a file of settings, whether it is an address, or not even text, or under a name that is misspelt.
    for wrong in [
        "database = \"postgres://candor:tell-nobody@host:port/x\"",
        "database = \"postgres://candor:tell-nobody@host/x",
        "databse = \"postgres://candor:tell-nobody@host/x\"",
        "dsn = \"host=localhost password=tell-nobody\"",
    ] {
        let config = folder.path().join("candor.toml");
        fs::write(&config, format!("# settings\n{wrong}\n")).expect("a file");
        let output = Command::new(program("candor-server"))
            .args(["serve", "--config"])
            .arg(&config)
            .output()
            .expect("candor-server runs");
        let error = refused(&output);
        let name = wrong.split(' ').next().expect("it has a name");
        assert!(error.contains(&format!("the setting {name}: ")), "{error}");
        assert!(!error.contains("tell-nobody"), "{error}");
    }
}

/// What an interrupted `init` left is taken up by the next one: the tables are there, and the key is aside.
#[test]
fn an_interrupted_init_is_ended_by_the_next_one() {
    let database = postgres::shared().database();
    let mut log = TestLog::start_on(&database.url);
    assert!(log.stop().success());
    let data = log.data();
    let aside = data.join(".candor-init-interrupted");
    fs::create_dir(&aside).expect("a folder");
    for file in ["log-key.pem", "operator-key.pem"] {
        fs::rename(data.join(file), aside.join(file)).expect("it is moved");
    }
    let error = refused(&candor_server("serve", &data, Some(&database.url)));
    assert!(error.contains("run `candor-server init` again"), "{error}");
    let output = candor_server("init", &data, Some(&database.url));
    assert!(output.status.success(), "{output:?}");
    let key = String::from_utf8(output.stdout).expect("text");
    assert_eq!(key.trim(), log.key().to_string());
    assert!(!aside.exists());
    log.restart();
    log.get("/checkpoint").expect_status(200);
}

/// A restored backup is behind what this server signed.
#[test]
fn a_database_that_was_set_back_is_refused_at_the_start_and_while_it_runs() {
    let database = postgres::shared().database();
    let mut log = TestLog::start_on(&database.url);
    let running = log.join(&database.url);
    assert!(log.stop().success());
    let backup = "CREATE TABLE backup AS SELECT * FROM tree_head";
    postgres::shared().run(&database.name, backup);
    log.restart();
    candor_tests::load::Load::register_publishers(&log);
    running.get("/checkpoint").expect_status(200);
    assert!(log.stop().success());
    let restore = "UPDATE tree_head SET size = backup.size, root = backup.root FROM backup;
        DELETE FROM released; DELETE FROM record; DELETE FROM publisher_key; DELETE FROM publisher;
        DELETE FROM tile; DELETE FROM entry";
    postgres::shared().run(&database.name, restore);
    let error = refused(&candor_server("serve", &log.data(), Some(&database.url)));
    assert!(
        error.contains("it was set back, and going on would fork the log"),
        "{error}"
    );
    let mut running = running;
    let status = running.wait();
    assert_eq!(status.code(), Some(2), "{}", running.log_lines());
    let lines = running.log_lines();
    assert!(lines.contains("it was set back"), "{lines}");
}

/// What another server released is believed as little as what any log says.
#[test]
fn a_checkpoint_that_the_log_did_not_sign_ends_the_server() {
    let database = postgres::shared().database();
    let mut log = TestLog::start_on(&database.url);
    candor_tests::load::Load::register_publishers(&log);
    let forge = "UPDATE released SET size = 100, checkpoint = replace(checkpoint, E'\\n4\\n', E'\\n100\\n')";
    postgres::shared().run(&database.name, forge);
    assert_eq!(log.wait().code(), Some(2), "{}", log.log_lines());
    let lines = log.log_lines();
    assert!(
        lines.contains("that another server of this log released, and it is none"),
        "{lines}"
    );
}
