//! TLS by certificate files, which are replaced while the server runs.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use candor_tests::{TestLog, TestPublisher};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a server takes at most to serve another certificate: some looks at the files.
const PATIENCE: Duration = Duration::from_secs(15);

struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = generate_simple_self_signed(["localhost".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        Self {
            certificate: cert.pem(),
            key: KeyPair::serialize_pem(&signing_key),
        }
    }

    /// A client that knows this certificate and no other.
    fn client(&self) -> ureq::Agent {
        let root = Certificate::from_pem(self.certificate.as_bytes()).expect("a certificate");
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(vec![root])))
            .build();
        ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into()
    }
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn write(folder: &Path, pair: &Pair) -> Self {
        let files = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.certificate, &pair.certificate).expect("it is written");
        fs::write(&files.key, &pair.key).expect("it is written");
        files
    }

    fn flags(&self) -> [&str; 4] {
        [
            "--tls-certificate",
            self.certificate.to_str().expect("a plain name"),
            "--tls-key",
            self.key.to_str().expect("a plain name"),
        ]
    }
}

fn checkpoint(client: &ureq::Agent, log: &TestLog) -> Result<String, ureq::Error> {
    // The certificate is for this name.
    let url = log.url().replace("127.0.0.1", "localhost");
    client
        .get(format!("{url}/checkpoint"))
        .call()?
        .body_mut()
        .read_to_string()
}

/// Operators have certificates of their own, which no browser knows.
#[test]
fn the_client_believes_the_certificates_that_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = Pair::new();
    let files = Files::write(folder.path(), &pair);
    let log = TestLog::start_with(&files.flags());
    let url = log.url().replace("127.0.0.1", "localhost");
    let candor = |variable: Option<&str>| {
        let mut command = log.candor_offline();
        let key = log.key().to_string();
        command.args(["--log", &url, "--log-key", &key, "checkpoint"]);
        command.env("HOME", folder.path());
        if let Some(variable) = variable {
            command.env(variable, &files.certificate);
        }
        command.output().expect("candor runs")
    };
    let known = candor(Some("SSL_CERT_FILE"));
    assert!(known.status.success(), "{known:?}");
    let nowhere = folder.path().join("none.pem");
    let mut missing = log.candor_offline();
    let key = log.key().to_string();
    missing.args(["--log", &url, "--log-key", &key, "checkpoint"]);
    let missing = missing
        .env("SSL_CERT_FILE", &nowhere)
        .env("HOME", folder.path());
    let missing = missing.output().expect("candor runs");
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("SSL_CERT_FILE names"), "{said}");
    let unknown = candor(None);
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
}

#[test]
fn a_certificate_is_served_until_there_is_another_that_fits_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (Pair::new(), Pair::new());
    let files = Files::write(folder.path(), &old);
    let mut log = TestLog::start_with(&files.flags());
    assert!(log.url().starts_with("https://"), "{}", log.url());
    // A connection that stays open, over all changes.
    let kept = old.client();
    let first = checkpoint(&kept, &log).expect("it is served");
    assert!(first.starts_with("example.org/candor-test\n0\n"), "{first}");
    checkpoint(&new.client(), &log).expect_err("a client that knows another certificate");

    let registration = TestPublisher::new("example-lab").register();
    let url = log.url().replace("127.0.0.1", "localhost");
    let published = kept
        .post(format!("{url}/api/v1/records"))
        .header("content-type", "application/json")
        .send(registration.to_string())
        .expect("an answer");
    assert_eq!(published.status(), 201);

    // Half of the new pair, and half of a file: what was served goes on.
    for half in [new.certificate.as_str(), &new.certificate[..100], ""] {
        fs::write(&files.certificate, half).expect("it is written");
        thread::sleep(Duration::from_secs(3));
        checkpoint(&old.client(), &log).expect("the old one is served");
    }
    assert!(log.log_lines().contains("the certificate was not replaced"));
    fs::write(&files.key, &new.key).expect("it is written");
    fs::write(&files.certificate, &new.certificate).expect("it is written");
    let begun = Instant::now();
    while checkpoint(&new.client(), &log).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the new one is not served");
        thread::sleep(Duration::from_millis(200));
    }
    checkpoint(&old.client(), &log).expect_err("the old one is gone");
    let lines = log.log_lines();
    assert!(!lines.contains("PRIVATE KEY"), "{lines}");
    assert!(log.stop().success());
}

/// Nobody waits for those who never say what they want.
#[test]
fn clients_that_come_without_tls_or_say_nothing_keep_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = Pair::new();
    let files = Files::write(folder.path(), &pair);
    let log = TestLog::start_with(&files.flags());
    let address = log.url().trim_start_matches("https://").to_owned();
    let silent: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(&address).expect("it is taken"))
        .collect();
    for talk in [
        "GET /checkpoint HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "\x16\x03\x01\x7f\u{7f}",
    ] {
        let mut plain = TcpStream::connect(&address).expect("it is taken");
        plain.write_all(talk.as_bytes()).expect("it is sent");
    }
    let begun = Instant::now();
    checkpoint(&pair.client(), &log).expect("it is served");
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(silent);
}

#[test]
fn files_that_are_no_certificate_or_no_pair_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pair, other) = (Pair::new(), Pair::new());
    let files = Files::write(folder.path(), &pair);
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let alone = log.refusal(&files.flags()[..2]);
    assert!(alone.contains("set tls-key too"), "{alone}");
    for (certificate, key, said) in [
        (
            other.certificate.as_str(),
            pair.key.as_str(),
            "is not the certificate of the key",
        ),
        (
            pair.key.as_str(),
            pair.key.as_str(),
            "holds no certificate in PEM",
        ),
        (
            pair.certificate.as_str(),
            pair.certificate.as_str(),
            "holds no private key in PEM",
        ),
        ("", pair.key.as_str(), "holds no certificate in PEM"),
    ] {
        fs::write(&files.certificate, certificate).expect("it is written");
        fs::write(&files.key, key).expect("it is written");
        let refused = log.refusal(&files.flags());
        assert!(refused.contains(said), "{said}: {refused}");
        assert!(!refused.contains("PRIVATE KEY"), "{refused}");
    }
}
