//! Results of lm-evaluation-harness, old and new.

use std::path::Path;

use candor_client::sources::{SourceKind, detect};
use candor_core::Sha256;
use candor_core::record::Algorithm;
use candor_core::record::kinds::{Evaluation, Outcome};
use serde_json::{Value, json};

use super::{evaluations, shared};

fn evaluation_of(run: &Value) -> (Evaluation, Vec<String>) {
    let (mut evaluations, warnings) = evaluations(run.to_string().as_bytes()).expect("results");
    assert_eq!(evaluations.len(), 1);
    (evaluations.remove(0), warnings)
}

#[test]
fn old_results_keep_their_standard_errors() {
    let (evaluation, warnings) = evaluation_of(&json!({
        "results": {
            "piqa": { "acc": 0.6, "acc_stderr": 0.01, "acc_norm": 0.5, "acc_norm_stderr": null },
            "lambada": { "ppl": 26.0, "ppl_stderr": 0.9 },
        },
        "versions": { "piqa": 0, "lambada": 0 },
        "config": { "model": "gpt2", "num_fewshot": 0, "limit": null },
    }));
    assert_eq!(warnings, Vec::<String>::new());
    let found: Vec<_> = evaluation
        .results
        .iter()
        .map(|r| {
            (
                r.task.as_str(),
                r.metric.as_str(),
                r.value,
                r.standard_error,
                r.few_shot,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("lambada", "ppl", 26.0, Some(0.9), Some(0)),
            ("piqa", "acc", 0.6, Some(0.01), Some(0)),
            ("piqa", "acc_norm", 0.5, None, Some(0)),
        ]
    );
    assert_eq!(evaluation.outcome, Outcome::Reported);
    assert_eq!(evaluation.harness.name, "lm-evaluation-harness");
    let config = evaluation.config.expect("it is there");
    let canonical = r#"{"limit":null,"model":"gpt2","num_fewshot":0}"#;
    assert_eq!(
        config.digest.expect("made").to_sha256(),
        Some(Sha256::of(canonical))
    );
    assert_eq!(config.parameters["model"], json!("gpt2"));
}

#[test]
fn new_results_carry_samples_version_commit_and_date() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let mut run = json!({
        "results": {
            "gsm8k": {
                "alias": "gsm8k",
                "exact_match,strict-match": 0.25, "exact_match_stderr,strict-match": 0.01,
                "exact_match,flexible-extract": 0.5, "exact_match_stderr,flexible-extract": "N/A",
                " ": " ",
            },
            "piqa": { "acc,none": 0.75, "acc_stderr,none": 0.02, "sample_len": 99 },
        },
        "n-shot": { "gsm8k": 5, "piqa": 0 },
        "n-samples": { "gsm8k": { "original": 1319, "effective": 100 } },
        "config": { "model": "hf", "num_fewshot": null },
        "git_hash": commit, "lm_eval_version": "0.4.3", "date": 1_720_000_000.123,
    });
    let (evaluation, warnings) = evaluation_of(&run);
    assert_eq!(warnings, Vec::<String>::new());
    let found: Vec<_> = evaluation
        .results
        .iter()
        .map(|r| {
            (
                r.metric.as_str(),
                r.value,
                r.standard_error,
                r.samples,
                r.few_shot,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "exact_match,flexible-extract",
                0.5,
                None,
                Some(100),
                Some(5)
            ),
            (
                "exact_match,strict-match",
                0.25,
                Some(0.01),
                Some(100),
                Some(5)
            ),
            ("acc", 0.75, Some(0.02), Some(99), Some(0)),
        ]
    );
    assert_eq!(evaluation.harness.version.as_deref(), Some("0.4.3"));
    assert_eq!(
        evaluation
            .harness
            .digest
            .expect("whole")
            .by(Algorithm::GitCommit),
        Some(commit)
    );
    assert_eq!(evaluation.date.as_deref(), Some("2024-07-03T09:46:40Z"));
    run["git_hash"] = json!("v0.4.3-5-gabcdef0");
    let (evaluation, _) = evaluation_of(&run);
    assert_eq!(evaluation.harness.digest, None);
    assert_eq!(
        evaluation.annotations["gitHash"],
        json!("v0.4.3-5-gabcdef0")
    );
}

#[test]
fn results_that_are_no_numbers_are_left_out_and_nan_is_no_json() {
    let run =
        r#"{"results": {"a": {"acc": NaN, "f1": 0.5, "f1_stderr": NaN}, "b": {"em": "high"}}}"#;
    let (evaluations, warnings) = evaluations(run.as_bytes()).expect("results");
    let [evaluation] = evaluations.as_slice() else {
        panic!("{evaluations:?}")
    };
    assert_eq!(evaluation.results.len(), 1);
    assert_eq!(evaluation.results[0].standard_error, None);
    assert_eq!(
        evaluation
            .raw_results
            .as_ref()
            .expect("attached")
            .media_type,
        "text/plain"
    );
    for part in ["plain text", "a/acc", "b/em"] {
        assert!(
            warnings.iter().any(|w| w.contains(part)),
            "{part}: {warnings:?}"
        );
    }
    for run in [
        r#"{"results": {}}"#,
        r#"{"results": {"a": 1}}"#,
        r#"{"results": {"a": {"acc": null}}}"#,
        r#"{"results": {"a": {"acc": 1}}, "results": {"a": {"acc": 2}}}"#,
        "[]",
        "",
    ] {
        self::evaluations(run.as_bytes()).expect_err(run);
    }
}

#[test]
fn results_that_do_not_fit_the_schema_are_left_out() {
    let (evaluation, warnings) = evaluation_of(&json!({
        "results": { "good": { "acc": 1 }, "ba\u{7}d": { "acc": 1 }, ("x".repeat(201)): { "acc": 1 } },
        "lm_eval_version": "v".repeat(101),
        "config": { "model": "x", ("k".repeat(129)): 1, "long": "y".repeat(9_000), "list": [1] },
    }));
    assert_eq!(evaluation.results.len(), 1);
    assert_eq!(evaluation.results[0].task, "good");
    assert_eq!(evaluation.harness.version, None);
    assert!(evaluation.config.expect("its digest").parameters.is_empty());
    assert!(warnings.len() >= 4, "{warnings:#?}");
}

#[test]
fn results_of_hundreds_of_tasks_are_split_between_tasks_and_none_is_lost() {
    let results: serde_json::Map<_, _> = (0..600)
        .map(|n| {
            (
                format!("hendrycksTest-subject_{n:03}"),
                json!({ "acc": 0.5, "acc_stderr": 0.01, "f1": 0.25 }),
            )
        })
        .collect();
    let run = json!({ "results": results, "config": { "num_fewshot": 5 } }).to_string();
    let (parts, warnings) = evaluations(run.as_bytes()).expect("results");
    assert!(parts.len() > 2, "{}", parts.len());
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("1200 results"), "{warnings:?}");
    let all: Vec<_> = parts.iter().flat_map(|part| &part.results).collect();
    assert_eq!(all.len(), 1_200);
    assert!(all.is_sorted_by_key(|result| (&result.task, &result.metric)));
    for (n, part) in parts.iter().enumerate() {
        assert_eq!(part.results.len() % 2, 0, "a task's metrics stay together");
        assert_eq!(part.annotations["part"], json!(n + 1));
        assert_eq!(part.annotations["parts"], json!(parts.len()));
        assert_eq!(part.raw_results, parts[0].raw_results);
    }
    assert_eq!(evaluations(run.as_bytes()).expect("again").0, parts);
    let wide: serde_json::Map<_, _> = (0..1_500)
        .map(|n| (format!("metric_{n:04}"), json!(n)))
        .collect();
    let run = json!({ "results": { "one": wide } }).to_string();
    let (parts, _) = evaluations(run.as_bytes()).expect("results");
    assert_eq!(
        parts.iter().map(|part| part.results.len()).sum::<usize>(),
        1_500
    );
}

#[test]
fn published_results_become_records_with_their_standard_errors() {
    for file in [
        "opt/evals/opt-125m.json",
        "opt/evals/opt-66b.json",
        "pythia/evals/pythia-70m_step1000.zero-shot.json",
        "pythia/evals/pythia-70m_step33000.zero-shot.json",
        "pythia/evals/pythia-70m_step143000.zero-shot.json",
    ] {
        let Some(contents) = shared(file) else { return };
        assert_eq!(
            detect(Path::new(file), &contents).expect("known"),
            SourceKind::Evaluation
        );
        let (parts, warnings) = evaluations(&contents).expect(file);
        assert_eq!(warnings, Vec::<String>::new(), "{file}");
        let [evaluation] = parts.as_slice() else {
            panic!("{file}: {} parts", parts.len())
        };
        assert!(
            evaluation
                .results
                .iter()
                .all(|result| result.standard_error.is_some()),
            "{file}"
        );
        assert_eq!(
            evaluation
                .raw_results
                .as_ref()
                .expect("attached")
                .media_type,
            "application/json"
        );
        let raw: Value = serde_json::from_slice(&contents).expect("JSON");
        for result in &evaluation.results {
            let task = &raw["results"][&result.task];
            assert_eq!(task[&result.metric], json!(result.value));
            assert_eq!(
                task[format!("{}_stderr", result.metric)],
                json!(result.standard_error)
            );
        }
    }
    let contents = shared("opt/evals/opt-125m.json").expect("read above");
    let (parts, _) = evaluations(&contents).expect("results");
    let of_lambada = |metric: &str| {
        let mut results = parts[0].results.iter();
        results
            .find(|r| r.task == "lambada_openai" && r.metric == metric)
            .expect("it is there")
    };
    assert_eq!(
        of_lambada("acc").value.to_bits(),
        0.379_002_522_802_251_1_f64.to_bits()
    );
    assert_eq!(
        of_lambada("acc").standard_error,
        Some(0.006_758_931_440_268_226)
    );
    assert_eq!(of_lambada("acc").few_shot, Some(0));
    assert_eq!(
        of_lambada("ppl").standard_error,
        Some(0.941_877_310_750_327_8)
    );
}
