//! Operators have a door of their own.

use candor_tests::{TestLog, http};

#[test]
fn what_is_for_operators_is_behind_their_door_and_not_in_public() {
    let mut log = TestLog::start_with(&["--operator-listen", "127.0.0.1:0"]);
    let door = log.operator_url().to_owned();
    assert_ne!(door, log.url());
    for path in ["/metrics", "/readyz", "/healthz"] {
        http::get(&format!("{door}{path}")).expect_status(200);
    }
    for path in ["/metrics", "/readyz"] {
        log.get(path).expect_status(404);
    }
    // Whoever balances load in public may ask whether the process answers.
    log.get("/healthz").expect_status(200);
    for path in ["/checkpoint", "/api/v1/log", "/"] {
        log.get(path).expect_status(200);
        http::get(&format!("{door}{path}")).expect_status(404);
    }
    assert!(log.stop().success());
    let taken = log.refusal(&["--operator-listen", "192.0.2.1:1"]);
    assert!(taken.contains("the setting operator-listen"), "{taken}");
}
