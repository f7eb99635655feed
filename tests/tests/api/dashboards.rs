//! What `docs/dashboards.md` draws, drawn of a real log: `CANDOR_PYTHON` names a Python with matplotlib.
#![expect(clippy::print_stdout, reason = "a skipped check says why")]

use std::fs;
use std::process::Command;

use candor_core::record::kinds::Outcome;
use candor_tests::{TestLog, TestPublisher};
use serde_json::json;

const DOCUMENT: &str = include_str!("../../../docs/dashboards.md");

/// What three checkpoints of `EleutherAI`'s Pythia 70M answered right, with the standard errors, from the evaluations in
/// its repository (`evals/pythia-v1/pythia-70m/zero-shot`).
const MEASURED: [(&str, [(f64, f64); 3]); 3] = [
    (
        "step1000",
        [(0.3085, 0.0095), (0.0501, 0.0030), (0.452, 0.0157)],
    ),
    (
        "step33000",
        [(0.4011, 0.0101), (0.2234, 0.0058), (0.664, 0.0149)],
    ),
    (
        "step143000",
        [(0.3737, 0.0099), (0.1846, 0.0054), (0.601, 0.0155)],
    ),
];

const TASKS: [&str; 3] = ["arc_easy", "lambada_openai", "sciq"];

/// The Python of the document.
fn notebook() -> &'static str {
    let (_, behind) = DOCUMENT.split_once("```python\n").expect("a notebook");
    behind.split_once("```").expect("its end").0
}

/// A log with the evaluations that are drawn.
fn measured() -> TestLog {
    let log = TestLog::start();
    let lab = TestPublisher::new("eleutherai");
    let mut envelopes = vec![lab.register()];
    for (step, values) in MEASURED {
        let checkpoint = lab.api_version("pythia-70m", step, "");
        let one = lab.evaluation(&checkpoint, Outcome::Reported, None);
        envelopes.push(checkpoint);
        envelopes.push(lab.altered(&one, |statement| {
            let tasks = TASKS.iter().zip(values);
            let results = tasks.map(|(task, (value, error))| {
                json!({"task": task, "metric": "acc", "value": value, "standardError": error})
            });
            statement["predicate"]["results"] = results.collect();
        }));
    }
    log.publish(&envelopes).expect_status(201);
    log
}

#[test]
fn the_notebook_draws_the_evaluations_of_a_log() {
    let notebook = notebook();
    let lines = notebook.lines().count();
    assert!(lines < 20, "{lines} lines are more than a notebook's cell");
    let Some(python) = std::env::var_os("CANDOR_PYTHON") else {
        println!("skipped: CANDOR_PYTHON does not name a Python");
        return;
    };
    let log = measured();
    let output = Command::new(python)
        .args(["-c", notebook])
        .env("CANDOR_LOG", log.url())
        // Nobody's screen is asked for.
        .env("MPLBACKEND", "Agg")
        .env("MPLCONFIGDIR", log.scratch())
        .current_dir(log.scratch())
        .output()
        .expect("CANDOR_PYTHON is a Python");
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{wrong}");
    let image = fs::read_to_string(log.scratch().join("learning-curve.svg"));
    let image = image.expect("it draws");
    for text in TASKS.iter().chain(&["training step", "accuracy"]) {
        // Matplotlib draws letters, and says in comments which ones.
        assert!(image.contains(&format!("<!-- {text} -->")), "no {text}");
    }
    for (n, task) in TASKS.iter().enumerate() {
        let bars = format!("<g id=\"LineCollection_{}\">", n + 1);
        let (_, behind) = image.split_once(&bars).expect("bars of errors");
        let (bars, _) = behind.split_once("</g>").expect("their end");
        let drawn = bars.matches("<path ").count();
        assert_eq!(drawn, MEASURED.len(), "{task}: a bar for each checkpoint");
    }
}
