use super::*;
use crate::testing::{FakeLog, answer, publisher_record, weights_record};

fn check_alone(log: &FakeLog, index: u64) -> Result<LoggedRecord, ReplayError> {
    let client = log.client();
    let checkpoint = client.checkpoint().expect("signed");
    let entry = client.entry(LeafIndex::new(index), &checkpoint)?;
    Replay::default().check_alone(&client, &checkpoint, &entry)
}

#[test]
fn what_a_log_leaves_out_of_a_history_refutes_nothing() {
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    let first = publisher_record("meta-ai", &[1], None, &[1]);
    let second = publisher_record("meta-ai", &[4], Some(first.statement().digest), &[1, 4]);
    log.add(&second);
    log.add(&weights_record("meta-ai/opt@1", "weights", 4));
    assert!(check_alone(&log, 2).is_ok());
    for history in ["[]", "[0]", "[1]"] {
        let body = format!(r#"{{"name":"meta-ai","history":{history}}}"#);
        log.intercept("publishers/", move || {
            answer(200, "application/json", body.clone())
        });
        let error = check_alone(&log, 2).expect_err("the key comes from nowhere");
        assert!(
            matches!(error, ReplayError::Unexplained { .. }),
            "{history}: {error:?}"
        );
    }
    // The same where it says that there is no such publisher.
    log.intercept("publishers/", || {
        let body =
            serde_json::json!({ "type": "urn:candor:problem:not-found", "title": "Not here" });
        crate::testing::problem(404, &body)
    });
    let error = check_alone(&log, 2).expect_err("nobody");
    assert!(
        matches!(error, ReplayError::Unexplained { .. }),
        "{error:?}"
    );
}

#[test]
fn a_history_that_is_listed_twice_is_read_once() {
    let log = FakeLog::new();
    log.register("meta-ai", 1);
    log.add(&weights_record("meta-ai/opt@1", "weights", 1));
    log.intercept("publishers/", || {
        answer(
            200,
            "application/json",
            r#"{"name":"meta-ai","history":[0,0,0]}"#,
        )
    });
    assert!(check_alone(&log, 1).is_ok());
}
