//! Evaluations: the JSON that lm-evaluation-harness writes, of its old and its new form.
//!
//! ```text
//! old:  results.TASK.acc                     results.TASK.acc_stderr           config.num_fewshot
//! new:  results.TASK["acc,none"]             results.TASK["acc_stderr,none"]   n-shot.TASK, n-samples.TASK
//!       results.TASK["exact_match,strict"]   (the filter stays a part of the metric's name)
//! ```

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::record::kinds::{
    Evaluation, EvaluationConfig, EvaluationResult, Harness, Outcome,
};
use candor_core::record::{
    Algorithm, DigestSet, Kind, Predicate, PublisherName, ReleaseName, SubjectName,
    to_canonical_json,
};
use serde_json::{Map, Value, json};

use super::fit::fit_schema;
use super::yaml::parse_json_like;
use super::{Draft, DraftAttachment, Drafts, SourceError, document_name};

/// What the harness is called in records.
const HARNESS: &str = "lm-evaluation-harness";

/// The most bytes of a payload: 45,056 become 60,076 in base64, which leaves air for what the caller adds.
const PAYLOAD_BYTES_MAX: usize = 44 * 1024;

/// The most results of one record, by its schema.
const RESULTS_MAX: usize = 512;

/// The most bytes of the settings that a record repeats.
const PARAMETERS_BYTES_MAX: usize = 8 * 1024;

/// What stands among a task's metrics and is none.
const NOT_METRICS: [&str; 4] = ["alias", "name", "sample_len", "samples"];

/// What was evaluated, and by whom: neither stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct Evaluated<'a> {
    /// The release or API version.
    pub subject: &'a ReleaseName,
    /// The subject digest of a record about it in the log: which content was evaluated.
    pub sha256: Sha256,
    /// Who evaluated, and will sign.
    pub author: &'a PublisherName,
}

/// Whether `value` is what the harness writes: `results` with an object for each task.
pub(super) fn is_evaluation(value: &Value) -> bool {
    value["results"]
        .as_object()
        .is_some_and(|tasks| !tasks.is_empty() && tasks.values().all(Value::is_object))
}

/// Reads results: one draft, or several with the same raw results where they are too many for one entry.
/// `file` is the name or path, for messages and for the attachment's name.
pub fn drafts(file: &str, bytes: &[u8], of: &Evaluated<'_>) -> Result<Drafts, SourceError> {
    let json = parse_json_like(file, bytes)?;
    let run = &json.value;
    if !is_evaluation(run) {
        return Err(SourceError::Form {
            file: file.to_owned(),
            rule: "results of lm-evaluation-harness have an object \"results\" with an object for each task",
            found: "something else".to_owned(),
        });
    }
    let mut warnings = Vec::new();
    let media_type = if json.is_strict {
        "application/json"
    } else {
        warnings.push(
            "it is not strict JSON (NaN, perhaps), so it is attached as plain text".to_owned(),
        );
        "text/plain"
    };
    let raw = DraftAttachment::new(document_name(file), media_type, bytes.to_vec());
    let whole = Evaluation {
        author: of.author.clone(),
        harness: harness(run),
        results: results(run, &mut warnings),
        config: config(run, &mut warnings),
        raw_results: Some(raw.descriptor.clone()),
        outcome: Outcome::Reported,
        answers: None,
        date: run["date"].as_f64().and_then(rfc3339),
        annotations: annotations(run),
    };
    let whole = fit(&whole, &mut warnings);
    if whole.results.is_empty() {
        return Err(SourceError::Form {
            file: file.to_owned(),
            rule: "an evaluation has at least one result that is a number",
            found: "without one".to_owned(),
        });
    }
    let draft = |evaluation| Draft {
        subject: SubjectName::Release(of.subject.clone()),
        sha256: of.sha256,
        predicate: Predicate::Evaluation(evaluation),
        attachments: vec![raw.clone()],
    };
    let drafts: Vec<_> = split(&whole, &draft).into_iter().map(draft).collect();
    if drafts.len() > 1 {
        warnings.push(format!(
            "{} results are too many for one record: they become {} records with the same raw results",
            whole.results.len(),
            drafts.len()
        ));
    }
    let warnings = warnings.iter().map(|w| format!("{file}: {w}")).collect();
    Ok(Drafts { drafts, warnings })
}

/// Leaves out what does not fit the schema; the number of results does not matter yet.
fn fit(evaluation: &Evaluation, warnings: &mut Vec<String>) -> Evaluation {
    let mut fitted = evaluation.clone();
    fitted.results.clear();
    for results in evaluation.results.chunks(RESULTS_MAX) {
        let mut predicate = json!(Evaluation {
            results: results.to_vec(),
            ..evaluation.clone()
        });
        let raw = predicate["rawResults"].clone();
        let mut found = Vec::new();
        fit_schema(Kind::Evaluation, &mut predicate, &mut found);
        // The raw results stay; their name is checked with the draft.
        predicate["rawResults"] = raw;
        if predicate["results"].is_null() {
            predicate["results"] = json!([]);
        }
        let part: Evaluation = serde_json::from_value(predicate)
            .expect("an evaluation without some of its optional fields is one");
        fitted.results.extend(part.results);
        fitted = Evaluation {
            results: fitted.results,
            ..part
        };
        // What is not a result is in each part alike.
        warnings.extend(
            found
                .into_iter()
                .filter(|w| !evaluation.results.is_empty() && !w.is_empty()),
        );
    }
    warnings.dedup();
    fitted
}

/// Splits results that are too many for one entry, between tasks where it can.
fn split(whole: &Evaluation, draft: &dyn Fn(Evaluation) -> Draft) -> Vec<Evaluation> {
    let with = |results: Vec<EvaluationResult>| Evaluation {
        results,
        ..whole.clone()
    };
    // Each result costs its own bytes and a comma; parts also carry which of how many they are.
    let empty = draft(with(Vec::new())).payload().len() + 64;
    let mut parts: Vec<Vec<EvaluationResult>> = vec![Vec::new()];
    let mut bytes = empty;
    for task in whole.results.chunk_by(|a, b| a.task == b.task) {
        let cost = |results: &[EvaluationResult]| -> usize {
            results
                .iter()
                .map(|result| to_canonical_json(result).len() + 1)
                .sum()
        };
        let fits = |bytes: usize, count: usize, more: &[EvaluationResult]| {
            bytes + cost(more) <= PAYLOAD_BYTES_MAX && count + more.len() <= RESULTS_MAX
        };
        // A task that no part could hold is split itself.
        let pieces = if fits(empty, 0, task) {
            vec![task]
        } else {
            task.chunks(1).collect()
        };
        for piece in pieces {
            let current = parts.last().map_or(0, Vec::len);
            if current > 0 && !fits(bytes, current, piece) {
                parts.push(Vec::new());
                bytes = empty;
            }
            bytes += cost(piece);
            if let Some(part) = parts.last_mut() {
                part.extend_from_slice(piece);
            }
        }
    }
    let of = parts.len();
    let number = |(n, results)| {
        let mut part = with(results);
        if of > 1 {
            part.annotations.insert("part".to_owned(), json!(n + 1));
            part.annotations.insert("parts".to_owned(), json!(of));
        }
        part
    };
    parts.into_iter().enumerate().map(number).collect()
}

fn harness(run: &Value) -> Harness {
    let version = run["lm_eval_version"].as_str();
    Harness {
        name: HARNESS.to_owned(),
        version: version
            .filter(|version| !version.is_empty())
            .map(str::to_owned),
        uri: None,
        digest: run["git_hash"].as_str().and_then(git_commit),
    }
}

/// A whole commit. The harness often writes a short one, which is no digest.
fn git_commit(hash: &str) -> Option<DigestSet> {
    DigestSet::new([(Algorithm::GitCommit, hash.to_owned())]).ok()
}

/// What the harness says of its own code, where it is no digest.
fn annotations(run: &Value) -> Map<String, Value> {
    let hash = run["git_hash"].as_str();
    let hash =
        hash.filter(|hash| !hash.is_empty() && hash.len() <= 128 && git_commit(hash).is_none());
    hash.map(|hash| ("gitHash".to_owned(), json!(hash)))
        .into_iter()
        .collect()
}

/// All results, sorted by task, then by metric.
fn results(run: &Value, warnings: &mut Vec<String>) -> Vec<EvaluationResult> {
    let tasks = run["results"].as_object().into_iter().flatten();
    let tasks: BTreeMap<_, _> = tasks.collect();
    let mut results = Vec::new();
    for (task, metrics) in tasks {
        let samples = samples(run, task, metrics);
        let few_shot = few_shot(run, task);
        let metrics: BTreeMap<String, &Value> = metrics
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (metric_name(key), value))
            .collect();
        for (metric, value) in &metrics {
            if metric.trim().is_empty()
                || NOT_METRICS.contains(&metric.as_str())
                || is_stderr(metric)
            {
                continue;
            }
            let Some(value) = value.as_f64() else {
                let place = format!("{task}/{metric}")
                    .chars()
                    .take(200)
                    .collect::<String>();
                warnings.push(format!("left out {place}: its value is not a number"));
                continue;
            };
            results.push(EvaluationResult {
                task: task.clone(),
                metric: metric.clone(),
                value,
                standard_error: metrics
                    .get(&stderr_name(metric))
                    .and_then(|error| error.as_f64())
                    .filter(|error| *error >= 0.0),
                samples,
                few_shot,
            });
        }
    }
    results
}

/// A metric's name without the filter `none`, which the new form adds to every metric.
fn metric_name(key: &str) -> String {
    key.strip_suffix(",none").unwrap_or(key).to_owned()
}

/// `acc_stderr` of `acc`, `exact_match_stderr,strict` of `exact_match,strict`.
fn stderr_name(metric: &str) -> String {
    match metric.split_once(',') {
        Some((metric, filter)) => format!("{metric}_stderr,{filter}"),
        None => format!("{metric}_stderr"),
    }
}

fn is_stderr(metric: &str) -> bool {
    let name = metric.split_once(',').map_or(metric, |(name, _)| name);
    name.ends_with("_stderr")
}

fn samples(run: &Value, task: &str, metrics: &Value) -> Option<u64> {
    let of_task = &run["n-samples"][task];
    [&of_task["effective"], of_task, &metrics["sample_len"]]
        .into_iter()
        .find_map(Value::as_u64)
        .filter(|samples| *samples > 0)
}

fn few_shot(run: &Value, task: &str) -> Option<u64> {
    let places = [
        &run["n-shot"][task],
        &run["configs"][task]["num_fewshot"],
        &run["config"]["num_fewshot"],
    ];
    places.into_iter().find_map(Value::as_u64)
}

fn config(run: &Value, warnings: &mut Vec<String>) -> Option<EvaluationConfig> {
    let config = run["config"]
        .as_object()
        .filter(|config| !config.is_empty())?;
    let is_name = |name: &str| (1..=128).contains(&name.chars().count());
    let mut parameters: Map<_, _> = config
        .iter()
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .take(256)
        .collect();
    if to_canonical_json(&parameters).len() > PARAMETERS_BYTES_MAX {
        parameters.retain(|_, value| !value.is_array() && !value.is_object());
        if to_canonical_json(&parameters).len() > PARAMETERS_BYTES_MAX {
            parameters.clear();
        }
    }
    if parameters.len() < config.len() {
        let left_out = config.len() - parameters.len();
        warnings.push(format!(
            "left out {left_out} of the {} settings in config, which are too long for a record",
            config.len()
        ));
    }
    Some(EvaluationConfig {
        digest: Some(DigestSet::sha256(Sha256::of(to_canonical_json(config)))),
        parameters,
    })
}

/// Seconds since 1970 as RFC 3339 in UTC, to the second. `None` outside of the years in which it can have been.
fn rfc3339(seconds: f64) -> Option<String> {
    /// 2000-01-01 and 2100-01-01.
    const POSSIBLE: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
    if !POSSIBLE.contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range above fits, and parts of a second are dropped on purpose"
    )]
    let seconds = seconds as u64;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    loop {
        let days_of_year = if is_leap(year) { 366 } else { 365 };
        if days < days_of_year {
            break;
        }
        days -= days_of_year;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days_of_month in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < days_of_month {
            break;
        }
        days -= days_of_month;
        month += 1;
    }
    let (hour, minute, second) = (
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    Some(format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        days + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_calendars_have_them() {
        for (seconds, date) in [
            (951_782_400.0, "2000-02-29T00:00:00Z"),
            (1_704_067_199.9, "2023-12-31T23:59:59Z"),
            (1_709_251_199.0, "2024-02-29T23:59:59Z"),
            (1_709_251_200.0, "2024-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(date));
        }
        for seconds in [0.0, -1.0, 1e12, f64::NAN] {
            assert_eq!(rfc3339(seconds), None, "{seconds}");
        }
    }
}
