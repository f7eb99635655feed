//! Images that say what the log lists.

use candor_core::record::kinds::Scope;
use candor_tests::everything::{Everything, manifest};
use candor_tests::http::{get_with, multipart};
use candor_tests::raw::ask;
use candor_tests::{TestLog, TestPublisher, postgres};

/// What an image shows, and to those who point at it.
fn shown(log: &TestLog, path: &str, status: u16) -> (String, String) {
    let answer = log.get(path).expect_status(status);
    assert_eq!(
        answer.header("content-type"),
        "image/svg+xml; charset=utf-8",
        "{path}"
    );
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'"
    );
    assert_eq!(answer.header("cache-control"), "no-cache, max-age=60");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let svg = answer.text();
    let between = |from: &str, to: &str| {
        let rest = svg.rsplit_once(from).expect(from).1;
        rest.split_once(to).expect(to).0.to_owned()
    };
    let text = between("</text><text", "</text>");
    let text = text.split_once('>').expect("a tag").1.to_owned();
    (text, between("<title>", "</title>"))
}

#[test]
fn a_badge_says_what_the_log_lists_of_a_release() {
    for log in [
        TestLog::start(),
        TestLog::start_on(&postgres::shared().database().url),
    ] {
        let all = Everything::publish(&log);
        let card = all.lab.model_card("card-only", "0.1", b"# Card\n");
        let records = serde_json::to_vec(&[&card]).expect("JSON");
        let (content_type, body) = multipart(&records, &[b"# Card\n"]);
        log.post(content_type, &body).expect_status(201);
        for (name, status, text) in [
            ("tiny@1.0.0", 200, "1.0.0 \u{b7} logged"),
            ("tiny", 200, "1.0.0 \u{b7} logged"),
            ("tiny-api@1.0.0", 200, "1.0.0 \u{b7} logged"),
            ("tiny-api@1.1.0", 200, "1.1.0 \u{b7} withdrawn"),
            ("tiny-api@1.2.0%2Br1", 200, "1.2.0+r1 \u{b7} logged"),
            ("tiny-api@1.2.0+r1", 200, "1.2.0+r1 \u{b7} logged"),
            ("tiny-api", 200, "1.2.0+r1 \u{b7} logged"),
            ("card-only", 200, "0.1 \u{b7} no weights"),
            ("tiny@2.0.0", 404, "not in this log"),
            ("nothing", 404, "not in this log"),
            ("No%20Name", 404, "not in this log"),
            ("%3Cscript%3E", 404, "not in this log"),
        ] {
            let path = format!("/badges/example-lab/{name}.svg");
            let (shown, title) = shown(&log, &path, status);
            assert_eq!(shown, text, "{path}");
            assert!(title.contains(candor_tests::ORIGIN), "{title}");
            assert!(!title.contains("script"), "{title}");
            if !name.contains('%') {
                assert!(
                    title.ends_with("This image proves nothing; candor verify does."),
                    "{title}"
                );
            }
        }
        // The newest that was not withdrawn, and where all were, the newest.
        let newest = all.lab.api_version("tiny-api", "1.2.0+r1", "");
        log.publish(&[all.lab.withdrawal(&newest, Scope::Release)])
            .expect_status(201);
        let model = |text: &str| {
            assert_eq!(shown(&log, "/badges/example-lab/tiny-api.svg", 200).0, text);
        };
        model("1.0.0 \u{b7} logged");
        let oldest = all.lab.api_version("tiny-api", "1.0.0", "");
        log.publish(&[all.lab.withdrawal(&oldest, Scope::Release)])
            .expect_status(201);
        model("1.2.0+r1 \u{b7} withdrawn");
        // The weights alone.
        let weights = all.lab.weights("tiny", "1.0.0", &manifest());
        log.publish(&[all.lab.withdrawal(&weights, Scope::Record)])
            .expect_status(201);
        let (text, title) = shown(&log, "/badges/example-lab/tiny.svg", 200);
        assert_eq!(text, "1.0.0 \u{b7} weights withdrawn");
        assert!(title.contains("its weights were withdrawn"), "{title}");
    }
}

#[test]
fn a_badge_that_was_seen_is_not_sent_again_until_it_says_something_else() {
    let log = TestLog::start_with(&["--reads-per-address", "40"]);
    let lab = TestPublisher::new("example-lab");
    let first = lab.api_version("tiny", "1", "");
    log.publish(&[lab.register()]).expect_status(201);
    log.publish(std::slice::from_ref(&first)).expect_status(201);
    let path = "/badges/example-lab/tiny.svg";
    let badge = log.get(path).expect_status(200);
    let etag = badge.header("etag");
    let url = format!("{}{path}", log.url());
    let again = get_with(&url, "if-none-match", etag).expect_status(304);
    assert_eq!((again.body.len(), again.header("etag")), (0, etag));
    assert_eq!(again.header("cache-control"), "no-cache, max-age=60");
    log.publish(&[lab.withdrawal(&first, Scope::Release)])
        .expect_status(201);
    get_with(&url, "if-none-match", etag).expect_status(200);
    let head = ask(log.url(), "HEAD", path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let options = ask(log.url(), "OPTIONS", path, &[]);
    assert_eq!((options.status, options.header("allow")), (204, "GET,HEAD"));
    for nothing in [
        "/badges/example-lab/tiny",
        "/badges/example-lab",
        "/badges/a/b/c.svg",
    ] {
        let answer = log.get(nothing).expect_status(404);
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{nothing}"
        );
    }
    // They ask the database, and count as others do.
    let mut asked = 0..100;
    assert!(asked.any(|_| log.get(path).status == 429));
}
