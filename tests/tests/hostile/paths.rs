//! Paths that lead out of where they should: on the server, and in a static part that any web server serves.

use std::fs;

use candor_tests::raw::ask;
use candor_tests::{TestLog, TestPublisher};

const TRICKS: [&str; 34] = [
    "/../../etc/passwd",
    "/tile/../../../etc/passwd",
    "/tile/0/../../../../etc/passwd",
    "/tile/0/..%2f..%2f..%2fetc%2fpasswd",
    "/tile/0/%2e%2e/%2e%2e/etc/passwd",
    "/tile/0/%252e%252e/etc/passwd",
    "/tile/0/..\\..\\etc\\passwd",
    "/tile/0/000%00",
    "/tile/0/000%0a",
    "/tile/0/000.p/1/../../../log.db",
    "/tile/0/000.p/%2e%2e",
    "/tile/entries/../0/000",
    "/tile/entries/000/",
    "/tile//0/000",
    "/tile/0//000",
    "/tile/0/000?x",
    "/tile/00/000",
    "/tile/0/0000",
    "/tile/0/x001",
    "/tile/0/-01",
    "/tile/0/00a",
    "/tile/8/000",
    "/tile/0/%30%30%30",
    "/tile/0/000.P/1",
    "//checkpoint",
    "/checkpoint/",
    "/./checkpoint",
    "/checkpoint;a=b",
    "/checkpoint%00",
    "/log.db",
    "/../log.db",
    "/api/v1/../../log-key.pem",
    "/api/v1/attachments/../../../log-key.pem",
    "/api/v1/attachments/..%2f..%2flog-key.pem",
];

#[test]
fn no_path_leads_to_anything_but_what_it_names() {
    let parent = tempfile::tempdir().expect("a folder");
    let place = parent.path().join("static");
    fs::create_dir(&place).expect("a folder");
    let log = TestLog::start_with(&["--static-part", place.to_str().expect("a plain name")]);
    log.publish(&[TestPublisher::new("first-lab").register()])
        .expect_status(201);
    let tile = log.get("/tile/0/000.p/1").expect_status(200).body;
    let checkpoint = log.get("/checkpoint").body;
    for path in TRICKS {
        let answer = ask(log.url(), "GET", path, &[]);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if path == "/tile/0/000?x" {
            // A query is no part of a path. There is no full tile yet.
            assert_eq!(answer.status, 404, "{path}");
            continue;
        }
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {}",
            answer.status
        );
        assert!(answer.body != tile && answer.body != checkpoint, "{path}");
        for secret in ["root:", "PRIVATE KEY", "SQLite format"] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
}

/// What records are called decides no file's name but their own digests.
#[test]
fn names_in_records_make_no_files() {
    let parent = tempfile::tempdir().expect("a folder");
    let place = parent.path().join("static");
    fs::create_dir(&place).expect("a folder");
    let log = TestLog::start_with(&["--static-part", place.to_str().expect("a plain name")]);
    let lab = TestPublisher::new("first-lab");
    log.publish(&[lab.register()]).expect_status(201);
    for name in ["../../evil", "/etc/evil", "..\\evil", "a\0b", "CON", "."] {
        let document = format!("# {name}").into_bytes();
        let card = lab.altered(&lab.model_card("tiny", "1", &document), |statement| {
            statement["predicate"]["document"]["name"] = name.into();
        });
        let body = serde_json::to_vec(&[card]).expect("JSON");
        let (content_type, form) = candor_tests::http::multipart(&body, &[&document]);
        let answer = log.post(content_type, &form);
        assert!(
            matches!(answer.status, 201 | 409 | 422),
            "{name:?}: {}",
            answer.status
        );
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(parent.path()).expect("a folder") {
        names.push(entry.expect("an entry").file_name());
    }
    assert_eq!(names, ["static"]);
}
