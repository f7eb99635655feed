//! Limits on what costs, by address and by publisher.

use candor_tests::{Answer, TestLog, TestPublisher, http};

fn seconds(answer: &Answer, header: &str) -> u64 {
    answer.header(header).parse().expect("a number of seconds")
}

#[test]
fn a_publisher_that_has_used_up_its_minute_is_told_when_to_come_back_and_keeps_nobody_out() {
    let log = TestLog::start_with(&["--records-per-publisher", "256"]);
    let (lab, other) = (
        TestPublisher::new("first-lab"),
        TestPublisher::new("second-lab"),
    );
    let first = log.publish(&[lab.register()]).expect_status(201);
    assert_eq!(
        first.header("ratelimit-policy"),
        "\"records-per-publisher\";q=256;w=60"
    );
    assert!(
        first
            .header("ratelimit")
            .starts_with("\"records-per-publisher\";r=255;")
    );
    let many = |prefix: &str, count: u32| -> Vec<_> {
        (0..count)
            .map(|n| lab.api_version("tiny", &format!("{prefix}.{n}"), ""))
            .collect()
    };
    log.publish(&many("a", 200)).expect_status(201);
    let refused = log.publish(&many("b", 100)).expect_status(429);
    assert_eq!(
        refused.json()["type"],
        "urn:candor:problem:too-many-requests"
    );
    assert!(refused.header("ratelimit").contains(";r=0;"));
    // 45 are missing, at 4.3 a second.
    let wait = seconds(&refused, "retry-after");
    assert!((5..=11).contains(&wait), "{wait}");
    assert_eq!(
        log.get("/api/v1/log").json()["size"],
        201,
        "nothing of it is stored"
    );
    log.publish(&[other.register()]).expect_status(201);
    // Who signs as somebody else uses up nothing of theirs.
    let forged = other.api_version("tiny", "1", "");
    let forged = forged.to_string().replace("second-lab", "first-lab");
    log.post("application/json", forged.as_bytes());
    // Nor who sends what they have signed, and everybody can read, once more.
    for _ in 0..2 {
        log.publish(&many("a", 200)).expect_status(200);
    }
    log.publish(&many("c", 20)).expect_status(201);
    let counted = log.get("/metrics").text();
    let line = "candor_refused_total{problem=\"too-many-requests\"} 1";
    assert!(counted.contains(line), "{counted}");
}

#[test]
fn an_address_has_its_own_limits_and_what_can_be_cached_is_free() {
    let log = TestLog::start_with(&["--records-per-address", "256", "--reads-per-address", "20"]);
    let lab = TestPublisher::new("first-lab");
    log.publish(&[lab.register()]).expect_status(201);
    // Records count before anybody has looked at their signatures.
    let forged: Vec<_> = (0..200)
        .map(|n| {
            lab.with_key("another")
                .api_version("tiny", &n.to_string(), "")
        })
        .collect();
    log.publish(&forged).expect_status(403);
    let refused = log.publish(&forged).expect_status(429);
    assert!(
        refused
            .header("ratelimit-policy")
            .contains("\"records-per-address\";q=256;w=60")
    );
    // Nor is anything free that can't be read: of 55 that are left there is an end, though four come back each second.
    let mut bodies = 0..1_000;
    assert!(bodies.any(|_| log.post("application/json", b"{").status == 429));
    assert!(bodies.start > 50, "{}", bodies.start);
    for n in 0..20 {
        let answer = log.get("/api/v1/records").expect_status(200);
        assert!(
            answer
                .header("ratelimit")
                .contains("\"reads-per-address\";r="),
            "{n}"
        );
    }
    let refused = log.get("/api/v1/models").expect_status(429);
    assert!((1..=3).contains(&seconds(&refused, "retry-after")));
    log.get("/").expect_status(429);
    for path in [
        "/checkpoint",
        "/tile/0/000.p/1",
        "/tile/entries/000.p/1",
        "/healthz",
        "/metrics",
    ] {
        log.get(path).expect_status(200);
    }
}

/// Behind a proxy, all connections are the proxy's.
#[test]
fn what_a_proxy_says_of_its_client_counts_where_it_is_asked_for() {
    let flags = [
        "--reads-per-address",
        "5",
        "--address-header",
        "X-Forwarded-For",
    ];
    let log = TestLog::start_with(&flags);
    let url = format!("{}/api/v1/records", log.url());
    let ask = |forwarded: &str| http::get_with(&url, "x-forwarded-for", forwarded).status;
    for n in 0..5 {
        // What the client itself wrote before it makes no difference.
        assert_eq!(ask(&format!("10.0.0.{n}, 192.0.2.1")), 200);
    }
    assert_eq!(ask("10.9.9.9, 192.0.2.1"), 429);
    assert_eq!(ask("192.0.2.2"), 200);
    for n in 0..5 {
        assert_eq!(ask(&format!("2001:db8:1:2::{n}")), 200);
    }
    assert_eq!(ask("2001:db8:1:2::ffff"), 429, "one network is one client");
    // Without the setting, the header is nobody's.
    let log = TestLog::start_with(&flags[..2]);
    let url = format!("{}/api/v1/records", log.url());
    let ask = |n: u32| http::get_with(&url, "x-forwarded-for", &format!("192.0.2.{n}")).status;
    for n in 0..5 {
        assert_eq!(ask(n), 200);
    }
    assert_eq!(ask(9), 429);
}

#[test]
fn limits_below_what_one_request_may_bring_are_refused() {
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let refused = log.refusal(&["--records-per-address", "255"]);
    assert!(
        refused.contains("records-per-address is 255, and must be from 256 to 100000000"),
        "{refused}"
    );
    let refused = log.refusal(&["--address-header", "x forwarded"]);
    assert!(refused.contains("is no name of a header"), "{refused}");
}
