//! A bucket that speaks S3.

use std::fs;

use candor_tests::bucket::Bucket;
use candor_tests::cli::Person;
use candor_tests::{TestLog, TestPublisher, http};

use super::world::{assert_complete, grow, names, size_of};

#[test]
fn a_log_is_read_from_a_bucket_with_plain_gets() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = Bucket::start(folder.path());
    let location = bucket.location("logs/candor");
    let mut log = TestLog::start_with_variables(&["--static-part", &location], bucket.variables());
    grow(&log, "first", 300);
    let lab = TestPublisher::new("example-lab");
    let card = b"# A card\n".as_slice();
    let records = serde_json::to_vec(&[lab.register(), lab.model_card("tiny", "1.0.0", card)]);
    let (content_type, body) = http::multipart(&records.expect("JSON"), &[card]);
    log.post(content_type, &body).expect_status(201);
    assert_complete(&log, &bucket.folder("logs/candor"));

    let url = bucket.url("logs/candor");
    let get = |name: &str| http::get(&format!("{url}/{name}")).expect_status(200);
    let checkpoint = get("checkpoint");
    assert_eq!(checkpoint.header("cache-control"), "no-cache");
    assert_eq!(
        checkpoint.header("content-type"),
        "text/plain; charset=utf-8"
    );
    for name in names(size_of(&checkpoint.text())) {
        let answer = get(&name);
        assert_eq!(answer.body, log.get(&format!("/{name}")).body, "{name}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert!(answer.header("cache-control").contains("immutable"));
    }
    let attachment = get(&format!(
        "api/v1/attachments/{}",
        candor_core::Sha256::of(card)
    ));
    assert_eq!(attachment.body, card);
    assert_eq!(attachment.header("content-disposition"), "attachment");
    // Who has no key can't write.
    let refused = http::post(&format!("{url}/checkpoint"), "text/plain", b"x");
    assert!(refused.status >= 400);
    assert!(log.stop().success());
    let auditor = Person::new(&log, "auditor");
    let verify = format!("verify example-lab/tiny@1.0.0 --log {url}");
    auditor.candor(&log, &verify).expect_code(0);
}

#[test]
fn a_bucket_that_does_not_let_the_server_in_is_named_and_no_secret_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = Bucket::start(folder.path());
    let log = {
        let variables = bucket.variables().map(|(name, value)| match name {
            "AWS_SECRET_ACCESS_KEY" => (name, "not-the-secret".to_owned()),
            _ => (name, value),
        });
        let mut log = TestLog::start_with_variables(&[], variables);
        log.stop();
        log
    };
    let refusal = log.refusal(&["--static-part", &bucket.location("log")]);
    assert!(refusal.contains("s3://records/log"), "{refusal}");
    assert!(!refusal.contains("not-the-secret"), "{refusal}");
    assert!(!log.log_lines().contains("not-the-secret"));
    assert!(
        fs::read_dir(bucket.folder(""))
            .expect("a folder")
            .next()
            .is_none()
    );
}

/// Without credentials, the library would ask for them at an address that is somebody else's, and wait.
#[test]
fn a_bucket_without_credentials_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = Bucket::start(folder.path());
    let variables = bucket
        .variables()
        .into_iter()
        .filter(|(name, _)| !matches!(*name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY"));
    let mut log = TestLog::start_with_variables(&[], variables);
    log.stop();
    let refusal = log.refusal(&["--static-part", &bucket.location("log")]);
    for expected in ["s3://records/log", "AWS_ACCESS_KEY_ID"] {
        assert!(refusal.contains(expected), "{refusal}");
    }
}
