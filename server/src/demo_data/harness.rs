//! Results as lm-evaluation-harness writes them, in its old form and in its new one.
//!
//! ```text
//! old:  results.TASK.acc              results.TASK.acc_stderr          config.num_fewshot
//! new:  results.TASK["acc,none"]      results.TASK["acc_stderr,none"]  n-shot.TASK, n-samples.TASK
//! ```
//!
//! Always: a result that is a number becomes a result of the record, by the names that the harness gave it, without the
//! filter `none`. The file goes along as it is.

use std::collections::BTreeMap;
use std::path::Path;

use candor_core::Sha256;
use candor_core::record::kinds::{
    Annotations, Evaluation, EvaluationConfig, EvaluationResult, Harness, Outcome,
};
use candor_core::record::{DigestSet, PublisherName, parse_strict_bounded, to_canonical_json};
use serde_json::{Map, Value};

use super::lab::Document;
use super::{DemoDataError, form, name_of};

/// The most JSON values of one file: the largest suites have some 100,000.
const VALUES_MAX: usize = 500_000;

/// The most bytes of the settings that a record repeats.
const PARAMETERS_BYTES_MAX: usize = 8 << 10;

/// What stands among a task's metrics and is none.
const NOT_METRICS: [&str; 4] = ["alias", "name", "sample_len", "samples"];

/// What one file says.
#[derive(Clone, Debug)]
pub(super) struct Run {
    harness: Harness,
    results: Vec<EvaluationResult>,
    config: Option<EvaluationConfig>,
    raw: Document,
}

/// Reads a file. `path` is where it is, for messages and for the document's name.
pub(super) fn read(path: &Path, bytes: Vec<u8>) -> Result<Run, DemoDataError> {
    let run = parse_strict_bounded(&bytes, VALUES_MAX)
        .map_err(|error| form(path, format!("it is not strict JSON: {error}")))?;
    let tasks = run["results"].as_object();
    let tasks = tasks.filter(|tasks| !tasks.is_empty() && tasks.values().all(Value::is_object));
    let Some(tasks) = tasks else {
        let rule = "results of lm-evaluation-harness have an object \"results\" with an object for each task";
        return Err(form(path, rule));
    };
    // By task, then by metric, whatever the order in the file is.
    let tasks: BTreeMap<_, _> = tasks.iter().collect();
    let results: Vec<EvaluationResult> = tasks
        .into_iter()
        .flat_map(|(task, metrics)| results_of(&run, task, metrics))
        .collect();
    if results.is_empty() {
        let rule = "an evaluation has at least one result that is a number, and this has none";
        return Err(form(path, rule));
    }
    let version = run["lm_eval_version"].as_str();
    Ok(Run {
        harness: Harness {
            name: "lm-evaluation-harness".to_owned(),
            version: version
                .filter(|version| !version.is_empty())
                .map(str::to_owned),
            uri: None,
            digest: None,
        },
        results,
        config: config(&run),
        raw: Document::new(&name_of(path), "application/json", bytes),
    })
}

impl Run {
    /// The record of it, and its document.
    pub(super) fn by(
        self,
        author: &PublisherName,
        annotations: Annotations,
    ) -> (Evaluation, Document) {
        let evaluation = Evaluation {
            author: author.clone(),
            harness: self.harness,
            results: self.results,
            config: self.config,
            raw_results: Some(self.raw.descriptor.clone()),
            outcome: Outcome::Reported,
            answers: None,
            date: None,
            annotations,
        };
        (evaluation, self.raw)
    }
}

fn results_of(run: &Value, task: &str, metrics: &Value) -> Vec<EvaluationResult> {
    let samples = [
        &run["n-samples"][task]["effective"],
        &run["n-samples"][task],
        &metrics["sample_len"],
    ];
    let samples = samples.into_iter().find_map(Value::as_u64);
    let few_shot = [
        &run["n-shot"][task],
        &run["configs"][task]["num_fewshot"],
        &run["config"]["num_fewshot"],
    ];
    let few_shot = few_shot.into_iter().find_map(Value::as_u64);
    let metrics: BTreeMap<&str, &Value> = metrics
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.strip_suffix(",none").unwrap_or(key), value))
        .collect();
    let is_metric = |name: &str| {
        let plain = name.split_once(',').map_or(name, |(name, _)| name);
        !name.trim().is_empty() && !NOT_METRICS.contains(&name) && !plain.ends_with("_stderr")
    };
    let result = |(metric, value): (&&str, &&Value)| {
        let error = metrics.get(error_of(metric).as_str());
        Some(EvaluationResult {
            task: task.to_owned(),
            metric: (*metric).to_owned(),
            value: value.as_f64().filter(|_| is_metric(metric))?,
            standard_error: error
                .and_then(|error| error.as_f64())
                .filter(|error| *error >= 0.0),
            samples: samples.filter(|samples| *samples > 0),
            few_shot,
        })
    };
    metrics.iter().filter_map(result).collect()
}

/// `acc_stderr` of `acc`, and `exact_match_stderr,strict` of `exact_match,strict`.
fn error_of(metric: &str) -> String {
    match metric.split_once(',') {
        Some((metric, filter)) => format!("{metric}_stderr,{filter}"),
        None => format!("{metric}_stderr"),
    }
}

fn config(run: &Value) -> Option<EvaluationConfig> {
    let config = run["config"].as_object().filter(|it| !it.is_empty())?;
    let bytes = to_canonical_json(config);
    let repeated = if bytes.len() <= PARAMETERS_BYTES_MAX {
        config.clone()
    } else {
        Map::new()
    };
    Some(EvaluationConfig {
        digest: Some(DigestSet::sha256(Sha256::of(bytes))),
        parameters: repeated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Run, String> {
        read(Path::new("a/run.json"), text.into()).map_err(|error| error.to_string())
    }

    fn result(
        (task, metric, value): (&str, &str, f64),
        standard_error: Option<f64>,
        samples: Option<u64>,
        few_shot: Option<u64>,
    ) -> EvaluationResult {
        EvaluationResult {
            task: task.to_owned(),
            metric: metric.to_owned(),
            value,
            standard_error,
            samples,
            few_shot,
        }
    }

    #[test]
    fn the_old_form_is_read_with_errors_and_examples() {
        let run = run(r#"{"results":{"piqa":{"acc":0.5,"acc_stderr":0.01},"arc":{"acc_norm":0.25,"acc":0.2}},"config":{"num_fewshot":0}}"#)
            .expect("good");
        assert_eq!(
            run.results,
            [
                result(("arc", "acc", 0.2), None, None, Some(0)),
                result(("arc", "acc_norm", 0.25), None, None, Some(0)),
                result(("piqa", "acc", 0.5), Some(0.01), None, Some(0)),
            ]
        );
        assert_eq!(run.raw.descriptor.name, "run.json");
        assert_eq!(run.config.expect("settings").parameters["num_fewshot"], 0);
    }

    #[test]
    fn the_new_form_is_read_with_filters_and_samples() {
        let run = run(r#"{"results":{"gsm8k":{"alias":"gsm8k","exact_match,strict":0.5,"exact_match_stderr,strict":0.02,"acc,none":1,"acc_stderr,none":"N/A"}},"n-shot":{"gsm8k":5},"n-samples":{"gsm8k":{"original":9,"effective":8}},"lm_eval_version":"0.4.2"}"#)
            .expect("good");
        assert_eq!(
            run.results,
            [
                result(("gsm8k", "acc", 1.0), None, Some(8), Some(5)),
                result(
                    ("gsm8k", "exact_match,strict", 0.5),
                    Some(0.02),
                    Some(8),
                    Some(5)
                ),
            ]
        );
        assert_eq!(run.harness.version.as_deref(), Some("0.4.2"));
    }

    #[test]
    fn what_are_no_results_is_refused() {
        for (text, rule) in [
            (r#"{"results":{"a":{"acc":NaN}}}"#, "not strict JSON"),
            (
                r#"{"results":{"a":{"acc":0.5}},"results":{}}"#,
                "not strict JSON",
            ),
            (r#"{"results":{}}"#, "an object for each task"),
            (r#"{"results":{"a":0.5}}"#, "an object for each task"),
            (r#"[{"a":{"acc":0.5}}]"#, "an object for each task"),
            (
                r#"{"results":{"a":{"acc_stderr":0.5,"alias":1}}}"#,
                "this has none",
            ),
            (r#"{"results":{"a":{"acc":"0.5"}}}"#, "this has none"),
        ] {
            let error = run(text).expect_err(rule);
            assert!(
                error.contains(rule) && error.contains("run.json"),
                "{error}"
            );
        }
    }
}
