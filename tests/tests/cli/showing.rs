//! Reading: what the log says, from entries that were checked.

use candor_tests::TestLog;
use candor_tests::cli::{Person, write_release};
use serde_json::json;

fn demo(file: &str) -> String {
    format!("{}/../xtask/demo/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// A release with everything: card, weights, config, an API version of it, evaluations by its publisher and by
/// others, one of them withdrawn.
fn full_log() -> (TestLog, Person) {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.candor(
        &log,
        &format!(
            "release tiny --as example-lab/tiny@1.0.0 --with {}",
            demo("results.json")
        ),
    )
    .expect_code(0);
    let api = demo("api-version.json");
    lab.candor(
        &log,
        &format!("publish {api} --kind api-version --as example-lab/tiny-api@2026-11-01"),
    )
    .expect_code(0);
    let evaluator = Person::registered(&log, "example-evals");
    let claim = evaluator.candor(&log, "show 4 --json").json()["statement"].clone();
    let answer = |value: f64, outcome: &str| {
        json!({
            "author": "example-evals",
            "harness": { "name": "lm-evaluation-harness", "version": "0.4.2" },
            "results": [
                { "task": "demo_next_character", "metric": "acc", "value": value, "standardError": 0.002_75, "samples": 1024 },
                { "task": "demo_previous_character", "metric": "acc", "value": 0.5 },
            ],
            "outcome": outcome,
            "answers": claim,
        })
    };
    let publish = "--kind evaluation --as example-lab/tiny@1.0.0 --author example-evals";
    evaluator.write_json("failed.json", &answer(0.003, "failed-to-reproduce"));
    evaluator
        .candor(&log, &format!("publish failed.json {publish}"))
        .expect_code(0);
    evaluator.write_json("reproduced.json", &answer(0.008, "reproduced"));
    evaluator
        .candor(&log, &format!("publish reproduced.json {publish}"))
        .expect_code(0);
    let withdrawn = evaluator.candor(&log, "show 7 --json").json()["statement"].clone();
    let withdrawal = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "example-lab/tiny@1.0.0", "digest": { "sha256": withdrawn } }],
        "predicateType": "urn:candor:withdrawal:v1",
        "predicate": {
            "author": "example-evals",
            "scope": "record",
            "reason": "error",
            "explanation": "We had asked another model.",
        },
    });
    evaluator.write_json("withdrawal.json", &withdrawal);
    evaluator
        .candor(&log, "publish withdrawal.json")
        .expect_code(0);
    (log, evaluator)
}

#[test]
fn a_release_is_shown_with_all_that_was_said_about_it() {
    let (log, reader) = full_log();
    let shown = reader
        .candor(&log, "show example-lab/tiny@1.0.0")
        .expect_code(0);
    insta::assert_snapshot!(shown.transcript());
    // The evaluation was withdrawn by its author; the release was not.
    reader
        .candor(&log, "verify example-lab/tiny@1.0.0")
        .expect_code(0)
        .expect_words("withdrawn by entry 9");
    let json = reader
        .candor(&log, "show example-lab/tiny@1.0.0 --json")
        .expect_code(0)
        .json();
    assert_eq!(json["withdrawnBy"], json!(null));
    let records = json["records"].as_array().expect("records");
    let withdrawn: Vec<_> = records
        .iter()
        .filter(|row| !row["withdrawnBy"].is_null())
        .collect();
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(
        (&withdrawn[0]["index"], &withdrawn[0]["withdrawnBy"]),
        (&json!(7), &json!(9))
    );
}

#[test]
fn an_api_version_says_what_answers_behind_it() {
    let (log, reader) = full_log();
    let shown = reader
        .candor(&log, "show example-lab/tiny-api")
        .expect_code(0);
    insta::assert_snapshot!(shown.stdout, @"
    example-lab/tiny-api@2026-11-01

    API version  entry 5, signed by example-lab (key a0afb49898da)
      Provider         Example Lab
      Endpoint         https://api.example.org/v1
      Model id         tiny-lm-2026-11-01
      Answered by      example-lab/tiny-lm@1.0.0
      System prompt    none
      Context length   128 tokens
      Valid from       2026-11-01T00:00:00Z
      Valid until      no end known
      Defaults         3 settings
        maxTokens    256
        temperature  0.7
        topP         0.95

    verified  against the checkpoint of example.org/candor-test with 10 entries, root XDV6Y7v+zkVXr96TpG76wElcKPWg48bVABCj2qaJ8VU=
    ");
}

#[test]
fn one_record_is_shown_by_its_index_and_by_its_digest() {
    let (log, reader) = full_log();
    let by_index = reader.candor(&log, "show 0").expect_code(0);
    insta::assert_snapshot!(by_index.stdout, @"
    example-lab

    Publisher  entry 0, signed by example-lab (key a0afb49898da)
      Name             example-lab
      Key              a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b
      Statement        d4cea3c4f7c8e08edb799bb9b67260f17fd18fa1c0f0ed81d8e88aac25a3f707

    verified  against the checkpoint of example.org/candor-test with 10 entries, root XDV6Y7v+zkVXr96TpG76wElcKPWg48bVABCj2qaJ8VU=
    ");
    let digest = reader.candor(&log, "show 0 --json").json()["statement"].clone();
    let digest = digest.as_str().expect("a digest");
    let by_digest = reader
        .candor(&log, &format!("show {digest}"))
        .expect_code(0);
    assert_eq!(by_digest.stdout, by_index.stdout);
}

#[test]
fn what_is_not_in_the_log_is_not_shown() {
    let (log, reader) = full_log();
    // That the log says it has none is its word, and proves nothing.
    reader
        .candor(&log, "show example-lab/tiny@9")
        .expect_error(3, "example-lab/tiny@9");
    for (what, words) in [
        ("10", "10"),
        ("18446744073709551615", "18446744073709551615"),
        ("99999999999999999999999", "99999999999999999999999"),
        ("example-lab", "example-lab"),
        ("-1", "-1"),
    ] {
        reader
            .candor_args(&log, &["show", what])
            .expect_code(2)
            .expect_words(words);
    }
    for (what, words) in [
        ("show example-lab/nothing", "no model example-lab/nothing"),
        ("publisher show nobody", "no publisher nobody"),
        (
            "verify example-lab/tiny@9",
            "no record of example-lab/tiny@9",
        ),
        (&format!("show {}", "f".repeat(64)), "is not in this log"),
        (&format!("verify {}", "f".repeat(64)), "is not in this log"),
    ] {
        reader.candor(&log, what).expect_error(3, words);
    }
}

#[test]
fn lists_are_of_checked_entries() {
    let (log, reader) = full_log();
    let records = reader.candor(&log, "list").expect_code(0);
    insta::assert_snapshot!(records.transcript(), @"
    $ candor list
         9  withdrawal       example-lab/tiny@1.0.0  by example-evals  error: We had asked another model.
         8  evaluation       example-lab/tiny@1.0.0  by example-evals  lm-evaluation-harness, 2 values, reproduced
         7  evaluation       example-lab/tiny@1.0.0  by example-evals  lm-evaluation-harness, 2 values, failed-to-reproduce  WITHDRAWN by entry 9
         6  publisher        example-evals  example-evals, 1 key
         5  api-version      example-lab/tiny-api@2026-11-01  tiny-lm-2026-11-01 since 2026-11-01T00:00:00Z
         4  evaluation       example-lab/tiny@1.0.0  lm-evaluation-harness, 1 value, reported
         3  training-config  example-lab/tiny@1.0.0  training_config.yml
         2  model-card       example-lab/tiny@1.0.0  apache-2.0
         1  weights          example-lab/tiny@1.0.0  5 files, 663 bytes
         0  publisher        example-lab  example-lab, 1 key
    --- stderr, exit 0
    10 records, each checked
    ");
    let publishers = reader.candor(&log, "list publishers").expect_code(0);
    insta::assert_snapshot!(publishers.stdout, @"
    6  publisher        example-evals  example-evals, 1 key
    0  publisher        example-lab  example-lab, 1 key
    ");
    let models = reader.candor(&log, "list models").expect_code(0);
    insta::assert_snapshot!(models.transcript(), @"
    $ candor list models
    example-lab/tiny      1 release  newest example-lab/tiny@1.0.0
    example-lab/tiny-api  1 release  newest example-lab/tiny-api@2026-11-01
    --- stderr, exit 0
    as the log lists them; `candor show NAME` checks what is behind a name
    ");
    let rows = |line: &str| {
        let json = reader.candor(&log, line).expect_code(0).json();
        json["records"].as_array().expect("records").len()
    };
    assert_eq!(rows("list records --json"), 10);
    assert_eq!(rows("list records --limit 3 --json"), 3);
    assert_eq!(rows("list records --kind evaluation --json"), 3);
    assert_eq!(rows("list records --publisher example-evals --json"), 4);
    assert_eq!(rows("list --about example-lab/tiny@1.0.0 --json"), 7);
    assert_eq!(
        rows("list records --kind weights --publisher example-evals --json"),
        0
    );
    let part = reader.candor(&log, "list --limit 4").expect_code(0);
    assert_eq!(
        part.stderr,
        "4 of 10 records, each checked; `--before 6` shows more\n"
    );
    let rest = reader
        .candor(&log, "list --before 6 --limit 6")
        .expect_code(0);
    assert_eq!(rest.stderr, "6 records, each checked\n");
    assert!(
        rest.stdout.starts_with("     5  api-version"),
        "{}",
        rest.stdout
    );
    reader
        .candor(&log, "list --kind evaluation --limit 1")
        .expect_code(0)
        .expect_words("1 records, each checked; `--before 8` shows more");
    let row = reader.candor(&log, "list --limit 1 --json").json()["records"][0].clone();
    assert!(row["acceptedAt"].is_string(), "{row}");
    reader
        .candor(&log, "list models --kind weights")
        .expect_error(2, "choose among records");
    reader
        .candor(&log, "list records --kind recipes")
        .expect_code(2);
}

#[test]
fn the_walk_goes_through_every_entry_from_where_it_is_told() {
    let (log, reader) = full_log();
    let whole = reader.candor(&log, "log").expect_code(0);
    assert_eq!(whole.stdout.lines().count(), 10);
    let part = reader.candor(&log, "log --from 2 --limit 3").expect_code(0);
    insta::assert_snapshot!(part.transcript(), @"
    $ candor log --from 2 --limit 3
         2  model-card       example-lab/tiny@1.0.0  apache-2.0
         3  training-config  example-lab/tiny@1.0.0  training_config.yml
         4  evaluation       example-lab/tiny@1.0.0  lm-evaluation-harness, 1 value, reported
    --- stderr, exit 0
    verified  3 entries, each in the tree of 10 entries and signed by its publisher
    not checked  whether the log left out a change of keys before entry 2: where those stand is its word alone; `candor log` without `--from` sees all of them
    ");
    assert!(!whole.stderr.contains("not checked"), "{}", whole.stderr);
    Person::new(&log, "newcomer")
        .candor(&log, "log")
        .expect_words("whether this is the history that others see");
    let json = reader.candor(&log, "log --json").expect_code(0);
    let indexes: Vec<u64> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"))
        .map(|row| row["index"].as_u64().expect("an index"))
        .collect();
    assert_eq!(indexes, (0..10).collect::<Vec<_>>());
    reader.candor(&log, "log --from 10").expect_code(0);
    reader.candor(&log, "log --from 11").expect_error(2, "11");
    reader
        .candor(&log, "log --follow --limit 10")
        .expect_code(0);
}

#[test]
fn a_proof_is_a_file_that_other_programs_read() {
    let (log, reader) = full_log();
    let printed = reader.candor(&log, "proof 3").expect_code(0);
    reader
        .candor(&log, "proof 3 -o 3.tlog-proof")
        .expect_code(0);
    assert_eq!(reader.read("3.tlog-proof"), printed.stdout.as_bytes());
    assert!(printed.stdout.starts_with("c2sp.org/tlog-proof@v1\n"));
    reader.candor(&log, "proof 10").expect_error(2, "10");
    let checkpoint = reader.candor(&log, "checkpoint").expect_code(0);
    assert_eq!(checkpoint.stdout.as_bytes(), log.get("/checkpoint").body);
}

#[test]
fn what_is_written_to_goes_on_being_what_it_is() {
    let (log, reader) = full_log();
    let printed = reader.candor(&log, "proof 3").expect_code(0);

    // A pipe, as /dev/null would be: a file in its place would take it from everybody else.
    let pipe = reader.home.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).expect("the pipe can be read")
    });
    reader.candor(&log, "proof 3 -o pipe").expect_code(0);
    let kind = std::fs::symlink_metadata(&pipe).expect("the pipe is there");
    assert!(!kind.is_file(), "a file took the place of the pipe");
    assert_eq!(
        read.join().expect("the reader ends"),
        printed.stdout.as_bytes()
    );

    // A link that somebody put where a file of the same name is about to be made.
    reader.write("mine", "mine");
    let next = std::process::id();
    for id in next..next + 2000 {
        let planted = reader.home.join(format!(".new.tlog-proof.{id}.new"));
        std::os::unix::fs::symlink("mine", planted).expect("a link");
    }
    reader
        .candor(&log, "proof 3 -o new.tlog-proof")
        .expect_code(0);
    assert_eq!(reader.read("mine"), b"mine");

    reader.write("elsewhere/3.tlog-proof", "older");
    let link = reader.home.join("link");
    std::os::unix::fs::symlink("elsewhere/3.tlog-proof", &link).expect("a link");
    reader
        .candor(&log, "proof 3 -o link")
        .expect_error(2, "link is there already");
    assert!(link.is_symlink(), "a file took the place of the link");
    assert_eq!(reader.read("elsewhere/3.tlog-proof"), b"older");
}

#[test]
fn an_index_is_written_in_one_way() {
    let (log, reader) = full_log();
    // 64 digits are a digest, also where they are few digits behind zeros.
    let digest = format!("{:064}", 3);
    for command in ["show", "verify"] {
        reader
            .candor(&log, &format!("{command} {digest}"))
            .expect_error(3, &digest);
        for index in ["03", "+3", "99999999999999999999"] {
            reader
                .candor(&log, &format!("{command} {index}"))
                .expect_error(2, index);
        }
    }
    for line in [
        "proof abc",
        "proof 03",
        "list --before abc",
        "log --from abc",
    ] {
        reader
            .candor(&log, line)
            .expect_code(2)
            .expect_words("write an index");
    }
}

#[test]
fn a_list_that_was_cut_off_says_so() {
    let (log, reader) = full_log();
    for what in ["models", "publishers", "records"] {
        let cut = reader.candor(&log, &format!("list {what} --limit 1"));
        cut.expect_code(0).expect_words("more");
    }
    for what in ["models", "publishers"] {
        let whole = reader.candor(&log, &format!("list {what} --limit 2"));
        assert!(!whole.stderr.contains("more"), "{}", whole.transcript());
    }
}

#[test]
fn a_proof_overwrites_nothing() {
    let (log, reader) = full_log();
    reader.write("key.pem", "the only copy");
    let refused = reader.candor(&log, "proof 3 -o key.pem");
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor proof 3 -o key.pem
    --- stderr, exit 2
    error: key.pem is there already, and is not overwritten
    hint: name another file, or move this one away
    ");
    reader
        .candor(&log, "proof 3 -o 3.tlog-proof --entry key.pem")
        .expect_error(2, "key.pem is there already");
    assert_eq!(reader.read("key.pem"), b"the only copy");
    assert!(!reader.home.join("3.tlog-proof").exists(), "all or nothing");
    for one in ["3", "./3", "elsewhere/../3"] {
        std::fs::create_dir_all(reader.home.join("elsewhere")).expect("a folder");
        reader
            .candor(&log, &format!("proof 3 -o 3 --entry {one}"))
            .expect_error(2, "both name 3");
        assert!(!reader.home.join("3").exists());
    }
    reader
        .candor(&log, "proof 3 -o /dev/null --entry /dev/null")
        .expect_code(0);
}
