//! Receivers of webhooks: those that fail, those that can't be believed, and the one in the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use candor_tests::receiver::{Mood, Receiver};
use candor_tests::{TestLog, TestPublisher};

use super::world::{indexes, list, metric, on_both, publish, restart_with, until, webhook};

#[test]
fn a_receiver_that_fails_is_tried_again_and_holds_up_nothing_else() {
    on_both(|mut log, database| {
        let (broken, well) = (Receiver::start(), Receiver::start());
        broken.set_mood(Mood::Status(500));
        let settings = webhook("broken", &broken.url("/"), "from = 0")
            + &webhook("well", &well.url("/"), "from = 0");
        restart_with(&mut log, &settings);
        let lab = TestPublisher::new("example-lab");
        log.publish(&[lab.register()]).expect_status(201);
        for version in ["1", "2", "3"] {
            publish(&log, version);
        }
        assert_eq!(indexes(&well.taken(4)), [0, 1, 2, 3]);
        let tries = broken.came(3);
        assert_eq!(indexes(&tries), [0, 0, 0], "nothing comes before it");
        let ids: Vec<&str> = tries.iter().map(|it| it.header("webhook-id")).collect();
        assert_eq!(ids[0], ids[2], "it is the same message");
        assert!(tries.iter().all(|it| it.is_signed(log.key())));
        log.get("/readyz").expect_status(200);
        assert!(metric(&log, "candor_webhook_failures_total{webhook=\"broken\"}") >= 3);
        assert_eq!(metric(&log, "candor_webhook_behind{webhook=\"broken\"}"), 4);
        let said = list(&log, database);
        assert!(said.contains("next is 0 of 4, 4 behind"), "{said}");
        assert!(said.contains(" times in a row, again "), "{said}");
        assert!(said.contains("the receiver answered 500"), "{said}");
        // It knows that after a restart, and tries at once.
        let before = broken.messages().len();
        restart_with(&mut log, &settings);
        broken.came(before + 1);
        broken.set_mood(Mood::Status(201));
        assert_eq!(indexes(&broken.taken(4)), [0, 1, 2, 3]);
        until("it is well", || {
            list(&log, database).contains("broken: http")
                && !list(&log, database).contains("failed")
        });
        assert_eq!(well.messages().len(), 4);
    });
}

/// A machine without certificates knows no receiver, and is a log all the same.
#[test]
fn a_webhook_for_which_there_are_no_certificates_is_a_try_that_failed_and_no_refused_start() {
    let mut log = TestLog::start();
    let none = log.scratch().join("no-certificates");
    fs::create_dir(&none).expect("a folder");
    let file = none.join("ca.pem");
    fs::write(&file, "").expect("an empty file");
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    log.give([
        ("SSL_CERT_FILE", path(&file)),
        ("SSL_CERT_DIR", path(&none)),
    ]);
    let well = Receiver::start();
    restart_with(
        &mut log,
        &(webhook("hook", "https://localhost:9/", "from = 0")
            + &webhook("well", &well.url("/"), "from = 0")),
    );
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    assert_eq!(indexes(&well.taken(1)), [0]);
    until("it is tried again", || {
        metric(&log, "candor_webhook_failures_total{webhook=\"hook\"}") >= 2
    });
    let said = list(&log, None);
    assert!(said.contains(" times in a row, again "), "{said}");
    assert!(
        said.contains("for want of certificates") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
}

#[test]
fn only_a_2xx_counts_and_no_redirect_is_followed() {
    let mut log = TestLog::start();
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let lab = TestPublisher::new("example-lab");
    receiver.then([
        Mood::Elsewhere(elsewhere.url("/there")),
        Mood::Status(404),
        Mood::Later(2),
        Mood::Endless,
    ]);
    restart_with(
        &mut log,
        &webhook("hook", &receiver.url("/here"), "from = 0"),
    );
    let begun = Instant::now();
    log.publish(&[lab.register()]).expect_status(201);
    let messages = receiver.taken(1);
    assert_eq!(indexes(&messages), [0]);
    assert_eq!(receiver.messages().len(), 4);
    assert!(
        begun.elapsed() > Duration::from_secs(3),
        "1/2 s, 1 s, and 2 s because it was said"
    );
    // An answer without end is none that keeps anybody waiting.
    let begun = Instant::now();
    publish(&log, "1");
    receiver.taken(2);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(elsewhere.messages().is_empty());
    let said = log.log_lines();
    assert!(said.contains("no redirect is followed"), "{said}");
    assert!(!said.contains("/there"), "{said}");
}

#[test]
fn a_receiver_that_is_silent_or_not_there_is_given_up_on_and_keeps_no_server_from_stopping() {
    let mut log = TestLog::start();
    let silent = Receiver::start();
    silent.set_mood(Mood::Silent);
    // Nobody listens there any more.
    let gone = Receiver::start().url("/");
    let settings =
        webhook("silent", &silent.url("/"), "from = 0") + &webhook("gone", &gone, "from = 0");
    restart_with(&mut log, &settings);
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    until("the one is given up on", || {
        list(&log, None).contains("Connection refused")
    });
    let begun = Instant::now();
    until("the other too", || {
        list(&log, None).contains("the receiver did not answer within 15 seconds")
    });
    assert!(begun.elapsed() > Duration::from_secs(10));
    silent.came(2);
    let begun = Instant::now();
    assert!(log.stop().success());
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    silent.set_mood(Mood::Status(200));
    log.restart();
    assert_eq!(indexes(&silent.taken(1)), [0]);
}

#[test]
fn settings_that_can_not_be_are_named_without_what_may_be_a_secret() {
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let file = log.scratch().join("candor.toml");
    let refusal = |toml: &str| {
        fs::write(&file, toml).expect("it is written");
        log.refusal(&["--config", file.to_str().expect("a path in UTF-8")])
    };
    let hook = |url: &str, more: &str| webhook("hook", url, more);
    let mut all = String::new();
    for (toml, part) in [
        (
            hook("http://hooks.example.org/tell-nobody", ""),
            "the webhook \"hook\": its url is http:// to another machine",
        ),
        (
            hook("ftp://tell-nobody@localhost/", ""),
            "its url is neither https://",
        ),
        (hook("tell-nobody", ""), "its url is none"),
        (
            hook("https://hooks.example.org/", "kinds = []"),
            "kinds is empty",
        ),
        (
            hook("https://hooks.example.org/", "kinds = [\"model\"]"),
            "unknown variant `model`",
        ),
        (
            hook("https://hooks.example.org/", "publishers = [\"Example\"]"),
            "the publisher \"Example\"",
        ),
        (
            hook("https://hooks.example.org/", "from = -1"),
            "expected a whole number",
        ),
        (
            hook("https://hooks.example.org/", "secret = \"tell-nobody\""),
            "unknown field `secret`",
        ),
        (
            webhook("My hook", "https://hooks.example.org/", ""),
            "a name has 1 to 64 characters",
        ),
        (
            hook("https://hooks.example.org/", "").repeat(2),
            "another one has this name",
        ),
        (
            "[[webhook]]\nname = \"hook\"\n".to_owned(),
            "missing field `url`",
        ),
    ] {
        let said = refusal(&toml);
        assert!(said.contains(part), "{toml}: {said}");
        let _ = write!(all, "{said}");
    }
    assert!(!all.contains("tell-nobody"), "{all}");
}

/// A receiver with a certificate that nobody knows is told of nothing, and one with a known certificate is.
#[test]
fn a_receiver_in_tls_is_believed_by_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    fs::write(&certificate, made.cert.pem()).expect("it is written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    let certificate = certificate.to_str().expect("a path in UTF-8");
    let key = key.to_str().expect("a path in UTF-8");
    // A log takes no messages, and says so: that is an answer.
    let receiver = TestLog::start_with(&["--tls-certificate", certificate, "--tls-key", key]);
    let port = receiver
        .url()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let url = format!("https://localhost:{port}/api/v1/records");
    let mut log = TestLog::start();
    log.publish(&[TestPublisher::new("example-lab").register()])
        .expect_status(201);
    restart_with(&mut log, &webhook("hook", &url, "from = 0"));
    until("it is refused", || {
        let said = list(&log, None).to_lowercase();
        said.contains("certificate") || said.contains("unknownissuer")
    });
    assert!(log.stop().success());
    log.give([("SSL_CERT_FILE", certificate.to_owned())]);
    log.restart();
    until("it answers", || {
        list(&log, None).contains("the receiver answered 4")
    });
    // Where there are no certificates at all, what needs none is told.
    let plain = Receiver::start();
    log.give([
        ("SSL_CERT_FILE", "/nowhere/certs.pem".to_owned()),
        ("SSL_CERT_DIR", "/nowhere".to_owned()),
    ]);
    restart_with(&mut log, &webhook("plain", &plain.url("/"), "from = 0"));
    plain.taken(1);
}

/// The lines that are shown to those who write a receiver do what they say.
#[test]
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn the_receiver_in_the_documentation_takes_what_the_log_signed_and_nothing_else() {
    let Some(python) = python_with_cryptography() else {
        println!("skipped: no Python with the package cryptography is here");
        return;
    };
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documentation =
        fs::read_to_string(repository.join("docs/operating.md")).expect("it is there");
    let section = documentation
        .split("## Tell others: webhooks")
        .nth(1)
        .expect("its section");
    let code = section.split("```python\n").nth(1).expect("code");
    let code = code.split("```").next().expect("its end");
    let mut log = TestLog::start();
    let receiver = Receiver::start();
    log.publish(&[TestPublisher::new("example-lab").register()])
        .expect_status(201);
    restart_with(&mut log, &webhook("hook", &receiver.url("/"), "from = 0"));
    let message = receiver.taken(1).remove(0);
    assert!(code.contains("LOG_KEY = \""), "{code}");
    let code: String = code
        .lines()
        .map(|line| {
            if line.starts_with("LOG_KEY = ") {
                format!("LOG_KEY = {:?}\n", log.key().to_string())
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let ask = |id: &str, time: &str, signature: &str, body: &[u8]| {
        let call = format!(
            "{code}\nimport sys\nheaders = {{'webhook-id': {id:?}, 'webhook-timestamp': {time:?}, 'webhook-signature': {signature:?}}}\nprint(verify(headers, sys.stdin.buffer.read())['data']['index'])\n"
        );
        let mut child = Command::new(&python)
            .args(["-c", &call])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("Python runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, body).expect("it is read");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.success(),
            said + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (id, time) = (
        message.header("webhook-id"),
        message.header("webhook-timestamp"),
    );
    let (signature, body) = (message.header("webhook-signature"), message.body.as_slice());
    assert_eq!(ask(id, time, signature, body), (true, "0\n".to_owned()));
    let among = format!("v1,AAAA v1a,{} {signature}", "A".repeat(86) + "==");
    assert_eq!(ask(id, time, &among, body), (true, "0\n".to_owned()));
    let later = (time.parse::<u64>().expect("a number") + 1).to_string();
    let other_body = message
        .body
        .iter()
        .map(|byte| if *byte == b'0' { b'1' } else { *byte });
    let other_body: Vec<u8> = other_body.collect();
    for (id, time, signature, body) in [
        (&*id.replace("+0", "+1"), time, signature, body),
        (id, &*later, signature, body),
        (id, time, signature, other_body.as_slice()),
        (id, time, &*signature.replace("v1a,", "v1,"), body),
        (id, time, "", body),
    ] {
        let (took, said) = ask(id, time, signature, body);
        assert!(!took, "{id} {time} {signature}: {said}");
    }
    let old = "1767323045";
    let (took, said) = ask(id, old, signature, body);
    assert!(!took && said.contains("too old"), "{said}");
}

/// The tests' own Python, or the machine's, if it has what is needed.
fn python_with_cryptography() -> Option<String> {
    let own = std::env::var("CANDOR_PYTHON").ok();
    let candidates = own.into_iter().chain(["python3".to_owned()]);
    candidates.into_iter().find(|python| {
        let asked = Command::new(python)
            .args(["-c", "import cryptography"])
            .output();
        asked.is_ok_and(|output| output.status.success())
    })
}
