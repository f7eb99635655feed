//! Signing keys: how they are made, kept, read by other programs, replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_tests::cli::{Person, set_mode};
use candor_tests::{TestLog, TestPublisher};

const PASSPHRASE: &str = "correct horse battery staple";

/// What `openssl pkey` says is the public half of a key, in the form that `candor keygen --json` has.
fn public_key_by_openssl(key: &Path) -> String {
    let output = Command::new("openssl")
        .args(["pkey", "-pubout", "-outform", "DER", "-passin"])
        .arg(format!("pass:{PASSPHRASE}"))
        .arg("-in")
        .arg(key)
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
    BASE64_STANDARD.encode(output.stdout)
}

#[test]
fn a_new_key_is_for_its_owner_alone_and_is_never_overwritten() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    lab.candor(&log, "keygen --no-passphrase")
        .expect_code(0)
        .expect_words("warning: the key has no passphrase");
    let path = lab.home.join(".config/candor/key.pem");
    let mode = fs::metadata(&path).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&path).expect("a key");
    lab.candor(&log, "keygen --no-passphrase")
        .expect_error(2, "keys are never overwritten");
    assert_eq!(fs::read(&path).expect("a key"), before);
}

#[test]
fn a_new_key_without_a_word_about_a_passphrase_is_not_left_unprotected() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    let made = lab.candor(&log, "keygen --out new.pem");
    made.expect_error(2, "CANDOR_PASSPHRASE");
    assert!(!lab.home.join("new.pem").exists());
}

#[test]
fn openssl_reads_the_keys_with_and_without_a_passphrase() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    let plain = lab
        .candor(&log, "keygen --no-passphrase --json --out plain.pem")
        .expect_code(0)
        .json();
    assert_eq!(plain["encrypted"], false);
    assert_eq!(
        public_key_by_openssl(&lab.home.join("plain.pem")),
        plain["publicKey"]
    );
    let arguments = ["keygen", "--json", "--out", "encrypted.pem"];
    let encrypted = lab
        .candor_with(&log, &arguments, &[("CANDOR_PASSPHRASE", PASSPHRASE)])
        .expect_code(0)
        .json();
    assert_eq!(encrypted["encrypted"], true);
    let pem = String::from_utf8(lab.read("encrypted.pem")).expect("PEM is text");
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert_eq!(
        public_key_by_openssl(&lab.home.join("encrypted.pem")),
        encrypted["publicKey"]
    );
}

#[test]
fn a_key_that_openssl_made_signs() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    let path = lab.home.join("theirs.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(&path)
        .status()
        .expect("openssl runs");
    assert!(made.success());
    set_mode(&path, 0o600);
    lab.candor(&log, "publisher register example-lab --key theirs.pem")
        .expect_code(0);
}

#[test]
fn an_encrypted_key_signs_with_its_passphrase_which_is_never_printed() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    let right = [("CANDOR_PASSPHRASE", PASSPHRASE)];
    let wrong = [("CANDOR_PASSPHRASE", "incorrect horse battery staple")];
    let register = ["publisher", "register", "example-lab"];
    let in_json = ["publisher", "register", "example-lab", "--json"];
    let all = [
        lab.candor_with(&log, &["keygen"], &right).expect_code(0),
        lab.candor_with(&log, &register, &wrong)
            .expect_error(2, "the passphrase does not open the key"),
        lab.candor_with(&log, &in_json, &wrong).expect_code(2),
        lab.candor(&log, "publisher register example-lab")
            .expect_error(2, "there is no passphrase"),
        lab.candor_with(&log, &register, &right).expect_code(0),
        lab.candor_with(&log, &in_json, &right).expect_code(0),
    ];
    for ran in all {
        assert!(!ran.transcript().contains("horse"), "{}", ran.transcript());
    }
    assert!(!log.log_lines().contains("horse"));
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let log = TestLog::start();
    let lab = Person::with_key(&log, "example-lab");
    let path = lab.home.join(".config/candor/key.pem");
    set_mode(&path, 0o644);
    let refused = lab.candor(&log, "publisher register example-lab");
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor publisher register example-lab
    --- stderr, exit 2
    error: [home]/.config/candor/key.pem can be read by others (mode 0644)
    hint: chmod 600 [home]/.config/candor/key.pem
    ");
    set_mode(&path, 0o600);
    lab.candor(&log, "publisher register example-lab")
        .expect_code(0);
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    for garbage in [
        "MYSECRET".to_owned(),
        "-----BEGIN PRIVATE KEY-----\nTVlTRUNSRVQ=\n-----END PRIVATE KEY-----\n".to_owned(),
        "MYSECRET".repeat(10_000),
    ] {
        let path = lab.write("garbage.pem", &garbage);
        set_mode(&path, 0o600);
        let refused = lab
            .candor(&log, "publisher register example-lab --key garbage.pem")
            .expect_error(2, "garbage.pem holds no Ed25519 private key");
        assert!(!refused.stderr.contains("SECRET") && !refused.stderr.contains("TVlT"));
    }
    let in_variable = [("CANDOR_KEY", "MYSECRET")];
    let refused = lab
        .candor_with(
            &log,
            &["publisher", "register", "example-lab"],
            &in_variable,
        )
        .expect_error(2, "the variable CANDOR_KEY holds no Ed25519 private key");
    assert!(!refused.stderr.contains("SECRET"));
    lab.candor(&log, "publisher register example-lab --key nowhere.pem")
        .expect_error(2, "there is no key at nowhere.pem");
}

#[test]
fn a_private_key_in_the_wrong_place_is_not_repeated() {
    let log = TestLog::start();
    let lab = Person::with_key(&log, "example-lab");
    let pem = String::from_utf8(lab.read(".config/candor/key.pem")).expect("PEM is text");
    let secret = pem.lines().nth(1).expect("the key's line").to_owned();
    let check = |arguments: &[&str], variables: &[(&str, &str)]| {
        for json in [&[][..], &["--json"]] {
            let refused = lab.candor_with(&log, &[arguments, json].concat(), variables);
            assert_ne!(refused.code, 0, "{}", refused.transcript());
            let written = format!("{}{}", refused.stdout, refused.stderr);
            // In pieces too: an error may break it.
            assert!(!written.contains(&secret[24..40]), "{written}");
        }
    };
    for variable in ["CANDOR_LOG_KEY", "CANDOR_LOG"] {
        check(&["checkpoint"], &[(variable, &pem)]);
    }
    check(&["checkpoint"], &[("CANDOR_LOG_KEY", &secret)]);
    let register = ["publisher", "register", "example-lab"];
    check(&register, &[("CANDOR_KEY_FILE", &pem)]);
    check(&register, &[("CANDOR_KEY", &pem[..80])]);
    for arguments in [
        &["checkpoint", "--log-key", &pem][..],
        &["checkpoint", "--log", &pem],
        &["publisher", "register", "example-lab", "--key", &pem],
        &["publish", &pem],
        &["show", &pem],
        &["verify", &pem],
        &["proof", &pem],
        &[&pem],
    ] {
        check(arguments, &[]);
    }
    for config in [
        pem.clone(),
        format!("[log]\nkey = {pem:?}\n"),
        format!("[log]\nurl = {pem:?}\n"),
        format!("log = {pem:?}\n"),
        format!("[log]\nkey = {secret:?}\n"),
    ] {
        lab.write(".config/candor/config.toml", config);
        check(
            &["checkpoint"],
            &[("CANDOR_LOG", ""), ("CANDOR_LOG_KEY", "")],
        );
    }
}

#[test]
fn after_a_rotation_only_the_new_key_signs() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    lab.write_key(
        "new.pem",
        &TestPublisher::new("example-lab").with_key("second key"),
    );
    lab.candor(&log, "publisher rotate example-lab --new-key new.pem")
        .expect_code(0)
        .expect_words("rotated");
    let api_version = env!("CARGO_MANIFEST_DIR").to_owned() + "/../xtask/demo/api-version.json";
    let publish =
        format!("publish {api_version} --kind api-version --as example-lab/tiny-api@2026-11-01");
    let refused = lab.candor(&log, &publish);
    insta::assert_snapshot!(refused.stderr, @"
    warning: /predicate/behind/release: the log has no record of example-lab/tiny-lm@1.0.0 by example-lab; it is taken as it is written
    error: the log says: the key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b is no longer a key of example-lab: entry 1 took it off the list
    hint: the log says: sign with a key that `candor publisher show NAME` lists today (`--key FILE`)
    ");
    assert_eq!(refused.code, 2);
    lab.candor(&log, &format!("{publish} --key new.pem"))
        .expect_code(0);
    let shown = lab
        .candor(&log, "publisher show example-lab")
        .expect_code(0);
    insta::assert_snapshot!(shown.stdout, @"
    example-lab
      Name      example-lab
      Key       03b0f744d0e0e70b4e8a78244abdfbba3538832f1528c2d6c4d5443ce0ab53bb
      Old key   a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b  counts no longer since entry 1
      Entries   0, 1
    ");
    lab.candor(&log, "publisher rotate example-lab --new-key new.pem")
        .expect_code(0)
        .expect_words("rotated already");
}

#[test]
fn a_key_does_not_replace_itself() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let key = ".config/candor/key.pem";
    let same = format!("publisher rotate example-lab --new-key {key}");
    let refused = lab.candor(&log, &same);
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor publisher rotate example-lab --new-key .config/candor/key.pem
    --- stderr, exit 2
    error: .config/candor/key.pem is the key that signs for example-lab already, so nothing would change
    hint: make a new one with `candor keygen --out FILE`, and name that
    ");
    let second = TestPublisher::new("example-lab").with_key("second key");
    lab.write_key("second.pem", &second);
    lab.candor(
        &log,
        "publisher rotate example-lab --new-key second.pem --keep-old",
    )
    .expect_code(0);
    lab.candor(&log, &same)
        .expect_error(2, "nothing would change");
    assert_eq!(log.get("/api/v1/log").json()["size"], 2);
    // But it may be meant to be the only one.
    let alone = format!("{same} --drop-others");
    lab.candor(&log, &alone).expect_code(0);
    lab.candor(&log, &alone)
        .expect_error(2, "nothing would change");
    assert_eq!(log.get("/api/v1/log").json()["size"], 3);
}

#[test]
fn a_rotation_leaves_the_keys_of_others_on_the_list() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let publisher = TestPublisher::new("example-lab");
    let keyid = |publisher: &TestPublisher| publisher.public_key().keyid().to_string();
    let [second, third, fourth] = ["second", "third", "fourth"].map(|name| {
        let publisher = publisher.with_key(name);
        lab.write_key(&format!("{name}.pem"), &publisher);
        keyid(&publisher)
    });
    let keys = || {
        let shown = lab.candor(&log, "publisher show example-lab --json");
        let keys = shown.json()["keys"].as_array().expect("keys").clone();
        let keys = keys
            .iter()
            .map(|key| key["keyid"].as_str().expect("an id").to_owned());
        keys.collect::<Vec<_>>()
    };
    let rotate = |flags: &str| {
        lab.candor(&log, &format!("publisher rotate example-lab {flags}"))
            .expect_code(0);
    };
    rotate("--new-key second.pem --keep-old");
    assert_eq!(keys(), [keyid(&publisher), second.clone()]);
    rotate("--new-key third.pem --key second.pem");
    assert_eq!(keys(), [keyid(&publisher), third]);
    rotate("--new-key fourth.pem --key third.pem --drop-others");
    assert_eq!(keys(), [fourth]);
}

#[test]
fn what_people_read_of_a_publisher_can_be_changed() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    lab.candor_args(
        &log,
        &[
            "publisher",
            "update",
            "example-lab",
            "--display-name",
            "Example Lab",
            "--contact",
            "security@example.org",
        ],
    )
    .expect_code(0)
    .expect_words("updated  example-lab, entry 1");
    let shown = |field: &str| {
        let shown = lab.candor(&log, "publisher show example-lab --json");
        shown.json()[field].clone()
    };
    assert_eq!(shown("displayName"), "Example Lab");
    assert_eq!(shown("contact"), "security@example.org");
    lab.candor(
        &log,
        "publisher update example-lab --url https://example.org",
    )
    .expect_code(0);
    assert_eq!(shown("contact"), "security@example.org", "it was not named");
    let without = ["publisher", "update", "example-lab", "--contact", ""];
    lab.candor_args(&log, &without).expect_code(0);
    assert_eq!(shown("contact"), serde_json::Value::Null);
    lab.candor_args(&log, &without)
        .expect_code(0)
        .expect_words("updated already");
    assert_eq!(log.get("/api/v1/log").json()["size"], 4);
    lab.candor(&log, "publisher update example-lab")
        .expect_error(2, "nothing of example-lab would change");
    // Who registers again with something else is told what they want.
    lab.candor(&log, "publisher register example-lab --contact c")
        .expect_error(2, "candor publisher update");
    Person::with_key(&log, "thief")
        .candor(&log, "publisher update example-lab --contact thief")
        .expect_error(2, "example-lab");
}

#[test]
fn a_name_belongs_to_the_key_that_registered_it() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    lab.candor(&log, "publisher register example-lab")
        .expect_code(0)
        .expect_words("registered already");
    let thief = Person::with_key(&log, "thief");
    thief
        .candor(&log, "publisher register example-lab")
        .expect_error(2, "example-lab");
    thief.write_key("new.pem", &TestPublisher::new("second key"));
    thief
        .candor(&log, "publisher rotate example-lab --new-key new.pem")
        .expect_error(2, "example-lab");
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}
