//! Where settings come from: flags, then variables, then files; and what is different at a terminal.

use candor_tests::cli::{Person, set_mode};
use candor_tests::{TestLog, TestPublisher};

const PASSPHRASE: &str = "correct horse battery staple";

#[test]
fn flags_come_before_variables_and_variables_before_files() {
    let (log, other) = (TestLog::start(), TestLog::start());
    let reader = Person::new(&log, "reader");
    let config = |log: &TestLog| {
        let (url, key) = (log.url(), log.key().to_string());
        reader.write(
            ".config/candor/config.toml",
            format!("[log]\nurl = {url:?}\nkey = {key:?}\n"),
        );
    };
    let other_key = other.key().to_string();
    let runs = std::cell::Cell::new(0);
    let holds = |flags: &[&str], variables: &[(&str, &str)]| {
        // Both logs have one origin: what was seen of one is nothing to know of the other.
        runs.set(runs.get() + 1);
        let state = format!("state-{}", runs.get());
        let arguments = [&["checkpoint", "--state-dir", &state], flags].concat();
        reader.candor_with(&log, &arguments, variables).code == 0
    };
    // The file names the other log, the variables this one; a log and the key of the other are refused.
    config(&other);
    assert!(holds(&[], &[]));
    assert!(!holds(&[], &[("CANDOR_LOG", "")]));
    assert!(!holds(&[], &[("CANDOR_LOG_KEY", "")]));
    assert!(holds(&[], &[("CANDOR_LOG", ""), ("CANDOR_LOG_KEY", "")]));
    assert!(!holds(&["--log", other.url()], &[]));
    assert!(!holds(&["--log-key", &other_key], &[]));
    assert!(holds(&["--log", other.url(), "--log-key", &other_key], &[]));
}

#[test]
fn what_was_seen_is_remembered_where_it_is_said() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let holds = |folder: &str| reader.home.join(folder).exists();
    let variable = [("CANDOR_STATE_DIR", "of-variable")];
    reader
        .candor_with(&log, &["checkpoint", "--state-dir", "of-flag"], &variable)
        .expect_code(0);
    assert!(holds("of-flag") && !holds("of-variable") && !holds(".local/state/candor"));
    reader
        .candor_with(&log, &["checkpoint"], &variable)
        .expect_code(0);
    assert!(holds("of-variable") && !holds(".local/state/candor"));
    reader.candor(&log, "checkpoint").expect_code(0);
    assert!(holds(".local/state/candor"));
}

#[test]
fn a_key_signs_from_where_it_is_said_to_be() {
    let log = TestLog::start();
    let publisher = |name: &str| TestPublisher::new("lab").with_key(name);
    let lab = Person::new(&log, "lab");
    for name in ["of-flag", "of-file-variable", "of-variable", "usual"] {
        lab.write_key(&format!("{name}.pem"), &publisher(name));
    }
    let pem = String::from_utf8(lab.read("of-variable.pem")).expect("PEM is text");
    let signs = |name: &str, flags: &[&str], variables: &[(&str, &str)], expected: &str| {
        let arguments = [&["publisher", "register", name, "--json"], flags].concat();
        let json = lab
            .candor_with(&log, &arguments, variables)
            .expect_code(0)
            .json();
        let keyid = publisher(expected).public_key().keyid().to_string();
        assert_eq!(json["keys"][0]["keyid"], keyid, "{name}");
    };
    let file = ("CANDOR_KEY_FILE", "of-file-variable.pem");
    let key = ("CANDOR_KEY", pem.as_str());
    signs("a", &["--key", "of-flag.pem"], &[file, key], "of-flag");
    signs("b", &[], &[file, key], "of-variable");
    signs("c", &[], &[key], "of-variable");
    signs("d", &[], &[file], "of-file-variable");
    lab.candor(&log, "publisher register e")
        .expect_error(2, "there is no key at [home]/.config/candor/key.pem");
    lab.write_key(".config/candor/key.pem", &publisher("usual"));
    signs("e", &[], &[], "usual");
}

#[test]
fn a_key_in_the_environment_publishes_a_release() {
    let log = TestLog::start();
    let lab = Person::with_key(&log, "example-lab");
    let path = lab.home.join(".config/candor/key.pem");
    let pem = String::from_utf8(lab.read(".config/candor/key.pem")).expect("PEM is text");
    std::fs::remove_file(path).expect("the file goes");
    lab.write("tiny/weights.bin", "weights");
    let release = ["release", "tiny", "--as", "example-lab/tiny@1"];
    for arguments in [&["publisher", "register", "example-lab"][..], &release] {
        lab.candor_with(&log, arguments, &[("CANDOR_KEY", &pem)])
            .expect_code(0);
    }
    lab.candor(&log, "verify tiny --bundle tiny-1.candor")
        .expect_code(0);
}

#[test]
fn at_a_terminal_a_new_key_is_encrypted_with_what_is_typed_twice() {
    let log = TestLog::start();
    let lab = Person::new(&log, "lab");
    let keygen = |typed: &str| lab.candor_at_terminal(&log, &["keygen"], &[], typed);
    keygen(&format!("{PASSPHRASE}\nanother one\n"))
        .expect_code(2)
        .expect_words("the two passphrases differ");
    keygen("\n").expect_code(2).expect_words("protects nothing");
    let made = keygen(&format!("{PASSPHRASE}\n{PASSPHRASE}\n")).expect_code(0);
    assert!(!made.stdout.contains("no passphrase"), "{}", made.stdout);
    let pem = String::from_utf8(lab.read(".config/candor/key.pem")).expect("PEM is text");
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let register = ["publisher", "register", "example-lab"];
    lab.candor_with(&log, &register, &[("CANDOR_PASSPHRASE", "wrong")])
        .expect_code(2);
    lab.candor_at_terminal(&log, &register, &[], &format!("{PASSPHRASE}\n"))
        .expect_code(0)
        .expect_words("registered");
    set_mode(&lab.home.join(".config/candor/key.pem"), 0o600);
}

#[test]
fn colours_are_seen_at_a_terminal_unless_they_are_not_wanted() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let coloured = |flags: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["checkpoint"], flags].concat();
        let ran = reader.candor_at_terminal(&log, &arguments, variables, "");
        ran.expect_code(0).stdout.contains('\u{1b}')
    };
    assert!(coloured(&[], &[]));
    assert!(!coloured(&[], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color", "never"], &[]));
    assert!(!coloured(&[], &[("TERM", "dumb")]));
}
