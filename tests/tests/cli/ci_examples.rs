//! docs/ci.md: what stands there is YAML, and does what is said of it.

use std::process::{Command, Output};

use candor_tests::cli::{Person, flip_last_byte, write_release};
use candor_tests::{TestLog, program};
use serde_json::Value;

const DOC: &str = include_str!("../../../docs/ci.md");

/// The examples, in their order: the action, its use, the hook.
fn examples() -> Vec<Value> {
    let blocks = DOC.split("```yaml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    blocks
        .map(|yaml| serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{e}:\n{yaml}")))
        .collect()
}

/// A checkout with a model in it, of a log that has it, as somebody keeps it who never saw that log.
fn checkout(log: &TestLog) -> Person {
    let lab = Person::registered(log, "example-lab");
    write_release(&lab.home.join("tiny-lm"));
    lab.candor(log, "release tiny-lm --as example-lab/tiny-lm@1.0.0")
        .expect_code(0);
    let checkout = Person::new(log, "checkout");
    write_release(&checkout.home.join("models/tiny-lm"));
    checkout.write(".github/candor-log.key", format!("{}\n", log.key()));
    checkout.write(
        "models/tiny-lm/tiny-lm-1.0.0.candor",
        lab.read("tiny-lm-1.0.0.candor"),
    );
    checkout
}

/// Runs a script as CI does: `candor` is on the path, and nothing of anybody's home is known.
fn run(checkout: &Person, script: &str, variables: &[(String, String)]) -> Output {
    let candor = program("candor");
    let bin = candor.parent().expect("it is in a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("bash")
        .args([
            "--noprofile",
            "--norc",
            "-e",
            "-o",
            "pipefail",
            "-c",
            script,
        ])
        .env_clear()
        .env("PATH", format!("{bin}:{path}"))
        .env("HOME", checkout.home.join("home"))
        .envs(variables.iter().cloned())
        .current_dir(&checkout.home)
        .output()
        .expect("bash runs")
}

#[test]
fn the_action_verifies_a_model_and_leaves_its_reports() {
    let log = TestLog::start();
    let checkout = checkout(&log);
    let [action, usage, _] = examples().try_into().expect("three examples");
    let with = &usage["jobs"]["verify"]["steps"][1]["with"];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let step = action["runs"]["steps"]
        .as_array()
        .and_then(|steps| steps.iter().find(|it| it["name"] == "Verify"))
        .expect("a step that verifies");
    let variables = step["env"].as_object().expect("an environment").iter();
    let variables: Vec<_> = variables
        .map(|(name, value)| {
            let mut value = text(value).replace("https://log.example.org", log.url());
            for (input, given) in with.as_object().expect("inputs") {
                value = value.replace(&format!("${{{{ inputs.{input} }}}}"), &text(given));
            }
            assert!(!value.contains("${{"), "{name}: {value}");
            (name.clone(), value)
        })
        .collect();
    let script = text(&step["run"]);
    assert!(
        !script.contains("${{"),
        "inputs would be a part of the script"
    );
    let cached = &action["runs"]["steps"][1]["with"]["path"];
    for code in [0, 1] {
        let ran = run(&checkout, &script, &variables);
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        let report = &usage["jobs"]["verify"]["steps"][2]["with"]["sarif_file"];
        let sarif: Value = serde_json::from_slice(&checkout.read(&text(report))).expect("JSON");
        assert_eq!(sarif["runs"][0]["invocations"][0]["exitCode"], code);
        assert!(
            checkout.home.join(text(cached)).is_dir(),
            "what was seen is kept"
        );
        if code == 0 {
            flip_last_byte(&checkout.home.join("models/tiny-lm/model.safetensors"));
        }
    }
}

#[test]
fn the_hook_verifies_with_nobody_to_ask() {
    let mut log = TestLog::start();
    let checkout = checkout(&log);
    log.kill();
    let examples = examples();
    let hook = &examples[2]["repos"][0]["hooks"][0];
    let entry = hook["entry"].as_str().expect("a command");
    let (command, key) = entry.rsplit_once(' ').expect("the key comes last");
    assert!(key.starts_with("log.example.org/candor+"), "{key}");
    let entry = format!("{command} {}", log.key());
    let ran = run(&checkout, &entry, &[]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    flip_last_byte(&checkout.home.join("models/tiny-lm/config.json"));
    let ran = run(&checkout, &entry, &[]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
}
