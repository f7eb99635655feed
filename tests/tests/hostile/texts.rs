//! Text that is meant for a database: in every field of every record, and in every question.

use std::fmt::Write as _;

use candor_tests::everything::Everything;
use candor_tests::statements::fit_subject;
use candor_tests::{TestLog, TestPublisher, http, postgres};
use serde_json::Value;

/// Each ends a string or a statement in some dialect, or means something to a pattern or a JSON path.
const TEXTS: [&str; 10] = [
    "'; DROP TABLE entry; --",
    "\"; DROP TABLE entry; --",
    "') OR 1=1 --",
    "\\'; DELETE FROM tree_head; --",
    "$1",
    "?1",
    "$$; DROP TABLE entry; $$",
    "%_",
    "{0} :name @name",
    "/* */ UNION SELECT bytes FROM entry",
];

/// Puts `text` into the `n`th text of a JSON value. Returns false when there are fewer.
fn put(value: &mut Value, n: &mut usize, text: &str) -> bool {
    match value {
        Value::String(found) => {
            if *n == 0 {
                text.clone_into(found);
                return true;
            }
            *n -= 1;
            false
        }
        Value::Array(items) => items.iter_mut().any(|item| put(item, n, text)),
        Value::Object(members) => members.values_mut().any(|member| put(member, n, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Every text of every kind of record becomes SQL, one at a time. It is refused by its schema, or stored as it is.
fn run_on(log: &TestLog) {
    let everything = Everything::publish(log);
    let (mut taken, mut refused) = (0, 0);
    for (publisher, envelope) in everything.one_of_each() {
        for (round, text) in TEXTS.iter().enumerate() {
            for field in 0.. {
                let mut is_there = true;
                let altered = publisher.altered(envelope, |statement| {
                    let mut n = field;
                    is_there = put(&mut statement["predicate"], &mut n, text);
                    // A release of its own: what it says already can't be said again.
                    if let Some(name) = statement["subject"][0]["name"].as_str() {
                        let name = name.split('@').next().unwrap_or_default();
                        if name.contains('/') {
                            let name = format!("{name}@{round}.{field}");
                            statement["subject"][0]["name"] = name.into();
                        }
                    }
                    let kind = statement["predicateType"].to_string();
                    if kind.contains("api-version") || kind.contains("publisher") {
                        fit_subject(statement);
                    }
                });
                if !is_there {
                    break;
                }
                let answer = log.publish(std::slice::from_ref(&altered));
                match answer.status {
                    201 => {
                        taken += 1;
                        let index = &answer.json()["records"][0]["index"];
                        let shown = log.get(&format!("/api/v1/records/{index}")).json();
                        assert_eq!(
                            shown["envelope"]["payload"], altered["payload"],
                            "{text} in field {field}"
                        );
                    }
                    400..=499 => refused += 1,
                    status => panic!("{status} to {text} in field {field}: {}", answer.text()),
                }
            }
        }
    }
    assert!(
        taken > 40 && refused > 100,
        "{taken} taken, {refused} refused"
    );
    ask(log);
    // All of it is there.
    let size = log.get("/api/v1/log").json()["size"]
        .as_u64()
        .expect("a size");
    assert!(size > taken);
    log.get("/readyz").expect_status(200);
}

fn ask(log: &TestLog) {
    for text in TEXTS {
        let escaped = text.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "%{byte:02X}");
            escaped
        });
        for path in [
            format!("/api/v1/records?publisher={escaped}"),
            format!("/api/v1/records?subject={escaped}"),
            format!("/api/v1/records?kind={escaped}"),
            format!("/api/v1/records?before={escaped}"),
            format!("/api/v1/records?limit={escaped}"),
            format!("/api/v1/publishers?after={escaped}"),
            format!("/api/v1/models?publisher={escaped}&after={escaped}"),
            format!("/api/v1/records/{escaped}"),
            format!("/api/v1/publishers/{escaped}"),
            format!("/api/v1/models/{escaped}/{escaped}"),
            format!("/api/v1/releases/{escaped}/{escaped}"),
            format!("/api/v1/attachments/{escaped}"),
        ] {
            let answer = http::get(&format!("{}{path}", log.url()));
            assert!(
                matches!(answer.status, 200 | 400 | 404),
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}

#[test]
fn sql_in_any_field_is_text_in_sqlite() {
    let mut log = TestLog::start();
    run_on(&log);
    assert!(log.stop().success());
    let checked = log.server_command(&["fsck"]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}

#[test]
fn sql_in_any_field_is_text_in_postgres() {
    let database = postgres::shared().database();
    let mut log = TestLog::start_on(&database.url);
    run_on(&log);
    assert!(log.stop().success());
    let checked = log.server_command(&["fsck", "--database", &database.url]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}

/// Whose names these are is checked before anything is asked.
#[test]
fn names_are_names_and_no_sql() {
    let log = TestLog::start();
    for text in TEXTS {
        let lab = TestPublisher::new("first-lab");
        let registration = lab.rewritten(&lab.register(), "first-lab", &text.replace('"', "\\\""));
        let answer = log.publish(&[registration]);
        assert!(
            matches!(answer.status, 400 | 403 | 422),
            "{text}: {}",
            answer.status
        );
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 0);
}
