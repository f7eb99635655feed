//! Each request has an ID: in its answer, and in all log lines about it.

use candor_tests::{TestLog, TestPublisher, http};
use serde_json::Value;

#[test]
fn log_lines_say_which_request_they_are_about() {
    let mut log = TestLog::start_with_variables(
        &["--log-json"],
        [("RUST_LOG", "info,candor_server::http=debug".to_owned())],
    );
    let answer = log.publish(&[TestPublisher::new("first-lab").register()]);
    let made = answer.expect_status(201).header("x-request-id").to_owned();
    let url = format!("{}/api/v1/records/7?secret=1", log.url());
    let named = http::get_with(&url, "x-request-id", "from-a-proxy.1").expect_status(404);
    assert_eq!(named.header("x-request-id"), "from-a-proxy.1");
    let url = format!("{}/checkpoint", log.url());
    let forged = http::get_with(&url, "x-request-id", "a\" injected=\"").expect_status(200);
    assert!(!forged.header("x-request-id").contains("injected"));
    assert!(log.stop().success());
    let lines = log.log_lines();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let about = |id: &str| {
        let is_about = |line: &&Value| line["span"]["id"] == id;
        lines
            .iter()
            .find(is_about)
            .unwrap_or_else(|| panic!("no line about {id}"))
    };
    let line = about(&made);
    assert_eq!(line["span"]["method"], "POST");
    assert_eq!(line["span"]["path"], "/api/v1/records");
    assert_eq!(line["fields"]["status"], 201);
    assert!(line["fields"]["time_us"].is_u64(), "{line}");
    // What is asked for may be nobody's business.
    assert_eq!(about("from-a-proxy.1")["span"]["path"], "/api/v1/records/7");
    assert!(!lines.iter().any(|line| line.to_string().contains("secret")));
    assert!(
        !lines
            .iter()
            .any(|line| line.to_string().contains("injected"))
    );
}
