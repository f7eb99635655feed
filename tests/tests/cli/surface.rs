//! What all commands have in common: help, JSON, colours, completions, manual pages.

use candor_tests::TestLog;
use candor_tests::cli::{Person, write_release};

const COMMANDS: [&str; 30] = [
    "",
    "keygen",
    "publisher",
    "publisher register",
    "publisher show",
    "publisher rotate",
    "publisher update",
    "release",
    "publish",
    "withdraw",
    "schema",
    "verify",
    "fetch",
    "diff",
    "tensors",
    "prove-file",
    "prove-chunk",
    "prove-tensor",
    "verify-file",
    "verify-chunk",
    "verify-tensor",
    "oms sign",
    "export",
    "lineage",
    "show",
    "list",
    "log",
    "proof",
    "checkpoint",
    "man",
];

#[test]
fn all_help_fits_into_100_columns() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    for command in COMMANDS.into_iter().chain(["completions"]) {
        for flag in ["--help", "-h"] {
            let help = reader
                .candor(&log, &format!("{command} {flag}"))
                .expect_code(0);
            assert!(help.stderr.is_empty(), "{}", help.transcript());
            for line in help.stdout.lines() {
                assert!(line.chars().count() <= 100, "{command}: {line}");
            }
        }
        let whole = reader.candor(&log, &format!("{command} --help")).stdout;
        let is_group = command.is_empty() || command == "publisher";
        assert!(is_group || whole.contains("Example: candor"), "{whole}");
    }
    let help = reader.candor(&log, "--help").stdout;
    insta::assert_snapshot!(help);
    insta::assert_snapshot!(reader.candor(&log, "verify --help").stdout);
    insta::assert_snapshot!(reader.candor(&log, "release --help").stdout);
    insta::assert_snapshot!(reader.candor(&log, "withdraw --help").stdout);
    reader.candor(&log, "--version").expect_code(0);
}

#[test]
fn wrong_usage_exits_with_2() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    for line in [
        "",
        "frobnicate",
        "show",
        "release tiny",
        "proof x",
        "proof -1",
        "log --limit many",
        "verify a --bundle b --as c/d@1",
        "list --limit -1",
        "list --limit 0",
        "list models --limit 0",
        "list publishers --limit 0",
        "checkpoint --color sometimes",
    ] {
        let refused = reader.candor(&log, line).expect_code(2);
        assert!(refused.stdout.is_empty(), "{}", refused.transcript());
    }
}

#[test]
fn a_misspelt_log_or_key_is_explained() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let with = |variable, value| reader.candor_with(&log, &["checkpoint"], &[(variable, value)]);
    with("CANDOR_LOG_KEY", "garbage").expect_error(2, "the log's key can't be used");
    with("CANDOR_LOG_KEY", "").expect_error(2, "the log's key is not known");
    with("CANDOR_LOG", "").expect_error(2, "no log is named");
    with("CANDOR_LOG", "not an address").expect_error(2, "not an address");
    with("CANDOR_LOG", "ftp://log.example.org").expect_error(2, "ftp://log.example.org");
    with("CANDOR_LOG", "http://127.0.0.1:1").expect_error(3, "http://127.0.0.1:1");
    let other = TestLog::start();
    with("CANDOR_LOG", other.url()).expect_error(2, "and not by example.org/candor-test+");
    reader.write(".config/candor/config.toml", "[lag]\nurl = 1\n");
    reader
        .candor(&log, "checkpoint")
        .expect_error(2, "config.toml is no configuration");
    let config = format!(
        "[log]\nurl = {:?}\nkey = {:?}\n",
        log.url(),
        log.key().to_string()
    );
    reader.write(".config/candor/config.toml", config);
    with("CANDOR_LOG", "").expect_code(0);
    reader
        .candor_with(
            &log,
            &["checkpoint"],
            &[("CANDOR_LOG", ""), ("CANDOR_LOG_KEY", "")],
        )
        .expect_code(0);
}

#[test]
fn every_command_answers_in_json() {
    let mut log = TestLog::start();
    let lab = Person::new(&log, "lab");
    write_release(&lab.home.join("tiny"));
    for line in [
        "keygen --no-passphrase",
        "keygen --no-passphrase --out new.pem",
        "publisher register example-lab --request request.json",
        "publisher register example-lab",
        "publisher show example-lab",
        "release tiny --as example-lab/tiny@1.0.0",
        "publish tiny/README.md --as example-lab/tiny@2 --out tiny-2.candor",
        "verify tiny --bundle tiny-1.0.0.candor",
        "verify tiny-2.candor",
        "verify 1",
        "export tiny-1.0.0.candor --format spdx",
        "export example-lab/tiny@1.0.0 --format cyclonedx -o tiny.cdx.json",
        "show 1",
        "show example-lab/tiny",
        "show example-lab/tiny@1.0.0",
        "lineage example-lab/tiny@1.0.0",
        "list",
        "list publishers",
        "list models",
        "log --limit 1",
        "proof 1",
        "proof 1 -o 1.tlog-proof",
        "checkpoint",
        "release tiny --as example-lab/tiny@1.0.0 --dry-run",
        "publish tiny/README.md --as example-lab/tiny@3 --dry-run",
        "publisher update example-lab --display-name Lab",
        "publisher rotate example-lab --new-key new.pem",
        "withdraw example-lab/tiny@2 --reason error --explanation Wrong --yes --key new.pem",
        "completions bash",
        "man",
        "man --dir pages",
        "schema",
        "schema model-card",
    ] {
        let json = lab
            .candor(&log, &format!("{line} --json"))
            .expect_code(0)
            .json();
        assert!(json.is_object(), "{line}: {json}");
        assert!(json.get("error").is_none(), "{line}: {json}");
    }
    log.kill();
    for (line, code) in [
        ("keygen --no-passphrase", 2),
        ("publisher register example-lab", 3),
        ("publisher show example-lab", 3),
        ("publisher rotate example-lab --new-key nowhere.pem", 2),
        ("release nowhere --as example-lab/tiny@1.0.0", 2),
        ("publish nowhere --as example-lab/tiny@1.0.0", 2),
        ("verify nowhere", 2),
        ("verify example-lab/tiny@1.0.0", 3),
        ("export nowhere --format spdx", 2),
        ("export example-lab/tiny@1.0.0 --format spdx", 3),
        ("fetch example-lab/tiny@1.0.0 --from file:///nowhere", 3),
        ("fetch tiny-1.0.0.candor --from file:///nowhere", 3),
        ("show 1", 3),
        ("list", 3),
        ("log", 3),
        ("proof 1", 3),
        ("checkpoint", 3),
    ] {
        let failed = lab
            .candor(&log, &format!("{line} --json"))
            .expect_code(code);
        let error = &failed.json()["error"];
        assert_eq!(error["exit"], code, "{line}");
        for field in ["message", "hint"] {
            let text = error[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{line} has no {field}: {error}");
        }
        assert!(failed.stderr.is_empty(), "{}", failed.transcript());
    }
}

#[test]
fn wrong_usage_answers_in_json_as_well() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    for (line, message, hint) in [
        (
            "show --json",
            "the following required arguments were not provided: <TARGET>",
            "--help",
        ),
        (
            "--json proof x",
            "invalid value 'x' for '<INDEX>': write an index: entries are counted from 0",
            "--help",
        ),
        (
            "chekpoint --json",
            "unrecognized subcommand 'chekpoint'",
            "'checkpoint'",
        ),
        (
            "publisher --json",
            "'candor publisher' requires a subcommand but one was not provided",
            "--help",
        ),
    ] {
        let refused = reader.candor(&log, line).expect_code(2).json();
        let error = &refused["error"];
        assert_eq!(error["exit"], 2, "{line}");
        let found = error["message"].as_str().expect("a message");
        assert!(
            found.starts_with(message) && !found.contains('\n'),
            "{found}"
        );
        let found = error["hint"].as_str().expect("a hint");
        assert!(found.contains(hint), "{line}: {found}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let log = TestLog::start();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = log.candor();
        let output = command
            .args(arguments)
            .envs(variables.iter().copied())
            .output()
            .expect("candor runs");
        [output.stdout, output.stderr].concat().contains(&0x1b)
    };
    assert!(!run(&["checkpoint"], &[("TERM", "xterm-256color")]));
    assert!(!run(&["checkpoint"], &[("NO_COLOR", "1")]));
    assert!(!run(&["show", "nothing"], &[("NO_COLOR", "1")]));
    assert!(run(&["checkpoint", "--color", "always"], &[]));
    assert!(!run(
        &["checkpoint", "--color", "never"],
        &[("CLICOLOR_FORCE", "1")]
    ));
}

#[test]
fn quiet_leaves_only_what_was_asked_for() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    let quiet = reader.candor(&log, "checkpoint --quiet").expect_code(0);
    assert!(quiet.stderr.is_empty(), "{}", quiet.transcript());
    assert_eq!(quiet.stdout.as_bytes(), log.get("/checkpoint").body);
    reader.candor(&log, "show 5 --quiet").expect_error(2, "5");
}

#[test]
fn output_that_is_lost_is_no_success() {
    let log = TestLog::start();
    let publisher = candor_tests::TestPublisher::new("example-lab");
    log.publish(&[publisher.register()]).expect_status(201);
    for arguments in [
        &["proof", "0"][..],
        &["proof", "0", "--json"],
        &["checkpoint"],
        &["show", "0"],
        &["log"],
        &["completions", "bash"],
        &["man"],
        &["schema", "weights"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = log
            .candor()
            .args(arguments)
            .stdout(full.expect("Linux has it"))
            .output()
            .expect("candor runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("the output could not be written"),
            "{stderr}"
        );
    }
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let log = TestLog::start();
    let reader = Person::new(&log, "reader");
    for shell in ["bash", "zsh", "fish"] {
        let mut command = log.candor();
        let output = command
            .args(["completions", shell])
            .output()
            .expect("candor runs");
        let script = String::from_utf8(output.stdout).expect("text");
        for command in COMMANDS.iter().filter(|it| !it.is_empty()) {
            let word = command.split(' ').next_back().expect("a word");
            assert!(script.contains(word), "{shell} lacks {word}");
        }
        if shell == "bash" {
            let path = reader.write("completions.bash", script);
            let checked = std::process::Command::new("bash")
                .arg("-n")
                .arg(path)
                .status();
            assert!(checked.expect("bash runs").success());
        }
    }
    reader.candor(&log, "man --dir man").expect_code(0);
    for command in COMMANDS {
        let name = format!("candor {command}").trim_end().replace(' ', "-");
        let page = String::from_utf8(reader.read(&format!("man/{name}.1"))).expect("text");
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
        for section in ["ENVIRONMENT", "FILES", "\"EXIT STATUS\""] {
            let has = page.contains(&format!(".SH {section}\n"));
            assert_eq!(has, command.is_empty(), "{section} in {name}");
        }
    }
    reader.candor(&log, "man").expect_code(0);
}

#[test]
fn a_reader_who_has_seen_enough_ends_it() {
    let log = TestLog::start();
    let mut candor = log
        .candor()
        .args(["log", "--follow"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("candor runs");
    drop(candor.stdout.take());
    let lab = candor_tests::TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let output = candor.wait_with_output().expect("candor ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panic"), "{stderr}");
}
